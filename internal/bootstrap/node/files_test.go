package node

import (
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/ruby"
)

// Values written into client.rb are read back unchanged.
func FuzzRuby(f *testing.F) {
	for _, s := range []string{"", "https://chef/organizations/o", `C:\x "y" #{1} #$0 #@a`, "\\", "é", "a#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\r\n\x00") || !strings.Contains(strings.ToValidUTF8(s, "\x00"), s) {
			return // Validate lets none of these through, or no knife.rb has them
		}
		v, err := ruby.New(ruby.Config{}).Eval(t.Context(), quoted(s), "client.rb")
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if got := ruby.ToGo(v); got != s {
			t.Errorf("%q is read as %q", s, got)
		}
	})
}

// A here-document gives its content unchanged.
func FuzzHeredoc(f *testing.F) {
	for _, s := range []string{"", "a", "a\nGALLEY_END\n", "GALLEY_END", "GALLEY_END_\nGALLEY_END"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, rest, _ := strings.Cut(heredoc(s), "\n")
		end := strings.Trim(first, "<'")
		got, ok := strings.CutSuffix(rest, end+"\n")
		if want := strings.TrimSuffix(s, "\n") + "\n"; !ok || got != want {
			t.Errorf("%q gives %q", s, got)
		}
		for line := range strings.Lines(got) {
			if strings.TrimSuffix(line, "\n") == end {
				t.Errorf("%q ends at %q", s, line)
			}
		}
	})
}
