package text

import (
	"strings"
	"unicode/utf8"
)

// Clean removes what would control a terminal from text of foreign origin:
// escape sequences, control characters other than tab and line feed, and the
// characters that change the direction of text. Invalid UTF-8 becomes U+FFFD.
func Clean(s string) string { return clean(s, false) }

// CleanLine is [Clean] for text that must stay on one line: line breaks and
// tabs become spaces, and spaces around it go.
func CleanLine(s string) string {
	s = Clean(s)
	if strings.ContainsAny(s, "\n\t") {
		s = strings.NewReplacer("\n", " ", "\t", " ").Replace(s)
	}
	return strings.TrimSpace(s)
}

// CleanOutput is [Clean] for the output of a command that the user ran: its
// colours (SGR sequences) stay.
func CleanOutput(s string) string { return clean(s, true) }

func clean(s string, colours bool) string {
	if harmless(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if s[0] == '\x1b' || strings.HasPrefix(s, "\u009b") {
			n, colour := sequence(s)
			if colours && colour {
				b.WriteString(s[:n])
			}
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		if r == '\n' || r == '\t' || !controls(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// harmless reports whether s is printable ASCII, as most text is.
func harmless(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' && c != '\n' || c >= 0x7f {
			return false
		}
	}
	return true
}

// controls reports whether a character acts on the terminal: C0 and C1
// controls, and the bidirectional overrides and isolates (Unicode 9.0, UAX 9).
func controls(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 ||
		r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c
}

// sequence returns the length of the escape sequence (ECMA-48) at the start of
// s, and whether it sets a colour or another rendition.
func sequence(s string) (n int, colour bool) {
	rest, isControl := strings.CutPrefix(s, "\u009b")
	if !isControl {
		rest, isControl = strings.CutPrefix(s, "\x1b[")
	}
	if isControl {
		params := strings.TrimLeft(rest, "0123456789:;<=>? !\"#$%&'()*+,-./")
		n = len(s) - len(params)
		if params == "" || params[0] < '@' || params[0] > '~' {
			return n, false
		}
		given := rest[:len(rest)-len(params)]
		return n + 1, params[0] == 'm' && strings.Trim(given, "0123456789:;") == ""
	}
	if len(s) < 2 {
		return 1, false
	}
	switch c := s[1]; {
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		// A string such as a window's title, up to BEL or ESC \.
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == '\a':
				return i + 1, false
			case strings.HasPrefix(s[i:], "\x1b\\"):
				return i + 2, false
			case s[i] == '\n':
				return i, false // unterminated: only this line is lost
			}
		}
		return len(s), false
	case c >= ' ' && c <= '/':
		end := strings.TrimLeft(s[1:], " !\"#$%&'()*+,-./")
		n = len(s) - len(end)
		if end != "" && end[0] >= '0' && end[0] < 0x7f {
			n++
		}
		return n, false
	case c >= '0' && c < 0x7f:
		return 2, false
	}
	return 1, false
}
