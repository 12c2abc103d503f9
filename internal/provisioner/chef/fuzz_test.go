package chef

import (
	"regexp"
	"strings"
	"testing"
)

func FuzzGlob(f *testing.F) {
	for _, g := range append([]string{"{a,{b,c}}/**/*.rb", "[!a-c]*", `\*x`, "{", "a{,}{,}{,}b", "**", "**/", "[]", "[^]]", "ä?"}, defaultGlob...) {
		f.Add(g, "recipes/default.rb")
	}
	f.Fuzz(func(t *testing.T, glob, path string) {
		if len(glob) > 200 || len(path) > 200 {
			return
		}
		m := newMatcher(splitGlobs(glob))
		if m.keep(path, false) && strings.Contains(path, "/") && path[0] != '/' && !m.keep(path[:strings.Index(path, "/")], true) {
			t.Errorf("%q takes %q and not the directory it is in", glob, path)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add("name 'x'\ndepends \"y\", '~> 1'\n")
	f.Add("  name(\"a\") # c\nname \"#{x}\"\n")
	f.Fuzz(func(t *testing.T, src string) {
		if name := plainName(src); strings.ContainsAny(name, "'\"#/") {
			t.Errorf("the name is %q", name)
		}
	})
}

var oneLine = regexp.MustCompile(`\n`)

func FuzzRubyValue(f *testing.F) {
	f.Add("it's \"quoted\"\n\\", 1.5)
	f.Fuzz(func(t *testing.T, s string, n float64) {
		out := rubyValue([]any{map[string]any{s: n}, "x" + s})
		if oneLine.MatchString(out) {
			t.Errorf("more than one line: %q", out)
		}
	})
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"files/**/*", "files/a", true},
		{"files/**/*", "files/a/b/.c", true},
		{"files/**/*", "file/a", false},
		{"README.*", "README.md", true},
		{"README.*", "docs/README.md", false},
		{"metadata.{rb,json}", "metadata.json", true},
		{"metadata.{rb,json}", "metadata.xml", false},
		{"[ab]?c", "bxc", true},
		{"[!ab]?c", "bxc", false},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{"a**b", "a/b", false},
		{"**/x", "x", true},
		{"**/x", "a/b/x", true},
		{"ä*", "äb", true},
		{"?", "ä", true},
	} {
		if got := newMatcher(splitGlobs(c.glob)).keep(c.path, false); got != c.want {
			t.Errorf("%s on %s: %v", c.glob, c.path, got)
		}
	}
}
