package ansi

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for in, want := range map[string][]Span{
		"plain":                        {{Text: "plain"}},
		"a\x1b[31mb\x1b[0mc":           {{Text: "a"}, {"b", Style{Fg: 2}}, {Text: "c"}},
		"\x1b[1;4;93;44mx\x1b[22;24my": {{"x", Style{Fg: 12, Bg: 5, Bold: true, Underlined: true}}, {"y", Style{Fg: 12, Bg: 5}}},
		"\x1b[38;5;196mx":              {{"x", Style{Fg: RGB | 0xff0000}}},
		"\x1b[38;5;9mx":                {{"x", Style{Fg: 10}}},
		"\x1b[48;5;255mx":              {{"x", Style{Bg: RGB | 0xeeeeee}}},
		"\x1b[38;2;1;2;3;7mx":          {{"x", Style{Fg: RGB | 0x010203, Reversed: true}}},
		"\x1b[32mx\x1b[my":             {{"x", Style{Fg: 3}}, {Text: "y"}},
		"\x1b[32mx\x1b[;1my":           {{"x", Style{Fg: 3}}, {"y", Style{Bold: true}}},
		" 10%\r 20%\r100%":             {{Text: "100%"}},
		"done\r":                       {{Text: "done"}},
		"\x1b[31m10%\r\x1b[32m20%":     {{"20%", Style{Fg: 3}}},
		"ab\bc":                        {{Text: "ac"}},
		"\x1b]0;a title\x07x\x1b]8;;http://x\x1b\\y": {{Text: "xy"}},
		"\x1b[2K\x1b[?25l\x1b[1Ax\x1b(By\x1b=z":      {{Text: "xyz"}},
		"x\x1b":                                      {{Text: "x"}},
		"x\x1b[31":                                   {{Text: "x"}},
		"\u009b31mx":                                 {{"x", Style{Fg: 2}}},
		"\x00\x07\tx\x7f\xff":                        {{Text: "\tx\uFFFD"}},
		"":                                           nil,
	} {
		if diff := cmp.Diff(want, Parse(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func FuzzStrip(f *testing.F) {
	f.Add("a\x1b[31mb\x1b[0mc\rx\b")
	f.Add("\x1b]0;\x1b\\\x1bP\x1b[38;5;m\x1b[38;2;1m\xff\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		got := Strip(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r <= 0x9f }) {
			t.Errorf("%q became %q", s, got)
		}
		if again := Strip(got); again != got {
			t.Errorf("%q became %q, then %q", s, got, again)
		}
	})
}
