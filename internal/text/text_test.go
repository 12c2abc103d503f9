package text

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNearest(t *testing.T) {
	names := []string{"flavor_ref", "image_ref", "key_name", "network_ref", "name", "user"}
	for in, want := range map[string]string{
		"flavour_ref": "flavor_ref", "imge_ref": "image_ref", "nmae": "name", "KEY_NAME": "key_name", "flavor_ref": "", "zzz": "", "": "",
	} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNear(t *testing.T) {
	got := Near("ubuntu", []string{"", "debian-12", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-24.04", "ubunto"})
	if want := []string{"ubuntu-22.04", "ubuntu-24.04", "ubunto"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := DidYouMean("smal", []string{"m1.small", "small"}), `did you mean "small" or "m1.small"?`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := DidYouMean("x", []string{"unlike"}); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "server", "0 servers"},
		{1, "server", "1 server"},
		{2, "entry", "2 entries"},
		{3, "key", "3 keys"},
		{2, "address", "2 addresses"},
		{2, "box", "2 boxes"},
		{2, "patch", "2 patches"},
	} {
		if got := Count(c.n, c.noun); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := QuotedOr([]string{"a", "b", "c"}); got != `"a", "b" or "c"` {
		t.Errorf("got %s", got)
	}
	if got := And([]string{"a"}); got != "a" {
		t.Errorf("got %s", got)
	}
}

func TestShorten(t *testing.T) {
	if got := Shorten("äöü äöü", 8); got != "äö…" || len(got) > 8 {
		t.Errorf("got %q", got)
	}
	if got := Shorten("short", 5); got != "short" {
		t.Errorf("got %q", got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n":               "plain\ttext\n",
		"\x1b[31mred\x1b[0m":          "red",
		"\x1b]0;title\aafter":         "after",
		"\x1b]8;;http://h\x1b\\link":  "link",
		"\x1b]0;never ended\nnext":    "\nnext",
		"\u009b2Jcleared":             "cleared",
		"a\rb\bc\x00\x7f\u0085":       "abc",
		"\x1b(Bx\x1b=y\x1bcz":         "xyz",
		"right\u202eleft\u2066x":      "rightleftx",
		"naïve – „text“ 日本":           "naïve – „text“ 日本",
		"bad \xff byte":               "bad \ufffd byte",
		"\x1b":                        "",
		"\x1b[":                       "",
		"\x1b[12":                     "",
		"\x1bP1$r\x1b\\ok\x1b[?1049h": "ok",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := CleanOutput("\x1b[1;31mred\x1b[m\x1b[2J\x1b[?25l\x1b]0;t\a"), "\x1b[1;31mred\x1b[m"; got != want {
		t.Errorf("CleanOutput: got %q, want %q", got, want)
	}
	if got, want := CleanLine(" a\r\nb\tc\n"), "a b c"; got != want {
		t.Errorf("CleanLine: got %q, want %q", got, want)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b]0;x\a\u009b1m\x1bP")
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{Clean(s), CleanLine(s)} {
			if strings.ContainsRune(out, '\x1b') || !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && r != '\t' && controls(r) }) {
				t.Errorf("%q became %q", s, out)
			}
		}
		if out := CleanOutput(s); CleanOutput(out) != out {
			t.Errorf("%q is not stable", s)
		}
	})
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90": 90 * time.Second, "90s": 90 * time.Second, "4h": 4 * time.Hour, " 1h30m ": 90 * time.Minute, "2d": 48 * time.Hour, "0.5d": 12 * time.Hour,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%q is %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "-4h", "4 weeks", "d", "NaN", "h"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q is %s", in, got)
		}
	}
}
