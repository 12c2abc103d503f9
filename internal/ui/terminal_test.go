package ui

import "testing"

func TestFit(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{{"short", 10, "short"}, {"0123456789", 11, "0123456789"}, {"0123456789", 10, "01234567…"}, {"ünïcödé", 5, "ünï…"}, {"abc", 1, "…"}} {
		if got := fit(c.line, c.width); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.line, c.width, got, c.want)
		}
	}
}
