package ansi

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Style is how a piece of text looks.
type Style struct {
	// Fg and Bg are 0 for the default, 1 to 16 for one of the terminal's
	// colours (black, red, ... white, then the bright ones), or an RGB value
	// with [RGB] set.
	Fg, Bg                        int
	Bold, Dim, Italic, Underlined bool
	Reversed                      bool
}

// RGB marks a colour of a [Style] that is 0xRRGGBB and none of the terminal's.
const RGB = 1 << 24

// Span is a piece of text in one style.
type Span struct {
	Text string
	Style
}

// Strip returns a line as a terminal would leave it standing, without its
// escape sequences and other control characters.
func Strip(line string) string {
	if clean(line) {
		return line
	}
	var b strings.Builder
	for _, s := range Parse(line) {
		b.WriteString(s.Text)
	}
	return b.String()
}

// clean says whether a line has nothing to take out.
func clean(line string) bool {
	for i := 0; i < len(line); i++ {
		if c := line[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Parse splits a line into pieces of one style. Of a line that was written
// over from its beginning, as a progress bar is, the last state is returned.
// Sequences other than colours, and control characters but the tab, are left
// out; invalid UTF-8 becomes U+FFFD.
func Parse(line string) []Span {
	p := parser{rest: line}
	for p.rest != "" {
		p.step()
	}
	p.flush()
	return p.spans
}

type parser struct {
	rest  string
	style Style
	text  strings.Builder
	spans []Span
	over  bool // a carriage return was read, and nothing since
}

func (p *parser) step() {
	r, n := utf8.DecodeRuneInString(p.rest)
	switch {
	case r == '\x1b':
		p.escape()
		return
	case r == '\u009b':
		p.rest = p.rest[n:]
		p.control()
		return
	case r == '\r':
		p.over = true
	case r == '\b':
		p.back()
	case r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f):
		if p.over {
			p.text.Reset()
			p.spans, p.over = nil, false
		}
		p.text.WriteRune(r)
	}
	p.rest = p.rest[n:]
}

// back takes the last character away.
func (p *parser) back() {
	s := p.text.String()
	_, n := utf8.DecodeLastRuneInString(s)
	p.text.Reset()
	p.text.WriteString(s[:len(s)-n])
}

// escape reads what follows an ESC (ECMA-48).
func (p *parser) escape() {
	p.rest = p.rest[1:]
	if p.rest == "" {
		return
	}
	switch c := p.rest[0]; {
	case c == '[':
		p.rest = p.rest[1:]
		p.control()
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		p.rest = p.rest[1:]
		p.str()
	case c >= ' ' && c <= '/':
		// Intermediate bytes, then a final one.
		p.rest = strings.TrimLeft(p.rest, " !\"#$%&'()*+,-./")
		if p.rest != "" && p.rest[0] >= '0' && p.rest[0] < 0x7f {
			p.rest = p.rest[1:]
		}
	case c >= '0' && c < 0x7f:
		p.rest = p.rest[1:]
	}
}

// str passes over a string, as a window's title, to its end: BEL or ESC \.
func (p *parser) str() {
	for i := 0; i < len(p.rest); i++ {
		if p.rest[i] == '\a' {
			p.rest = p.rest[i+1:]
			return
		}
		if p.rest[i] == '\x1b' {
			p.rest = strings.TrimPrefix(p.rest[i+1:], `\`)
			return
		}
	}
	p.rest = ""
}

// control reads a control sequence: parameters, then a final byte.
func (p *parser) control() {
	end := 0
	for end < len(p.rest) && p.rest[end] >= ' ' && p.rest[end] <= '?' {
		end++
	}
	params := p.rest[:end]
	p.rest = p.rest[end:]
	if p.rest == "" || p.rest[0] < '@' || p.rest[0] > '~' {
		return // cut short; what follows is text
	}
	final := p.rest[0]
	p.rest = p.rest[1:]
	if final == 'm' && !strings.ContainsAny(params, "<=>?") {
		p.flush()
		p.style.apply(params)
	}
}

func (p *parser) flush() {
	if p.text.Len() > 0 {
		p.spans = append(p.spans, Span{p.text.String(), p.style})
		p.text.Reset()
	}
}

// apply carries out the parameters of an SGR sequence.
func (s *Style) apply(params string) {
	var codes []int
	for f := range strings.SplitSeq(strings.ReplaceAll(params, ":", ";"), ";") {
		n := 0 // the length left out
		if f != "" {
			var err error
			if n, err = strconv.Atoi(f); err != nil {
				return
			}
		}
		codes = append(codes, n)
	}
	for len(codes) > 0 {
		codes = codes[s.one(codes):]
	}
}

// one carries out the first code, and returns how many it took.
func (s *Style) one(codes []int) int {
	switch c := codes[0]; {
	case c == 0:
		*s = Style{}
	case c == 1:
		s.Bold = true
	case c == 2:
		s.Dim = true
	case c == 3:
		s.Italic = true
	case c == 4:
		s.Underlined = true
	case c == 7:
		s.Reversed = true
	case c == 22:
		s.Bold, s.Dim = false, false
	case c == 23:
		s.Italic = false
	case c == 24:
		s.Underlined = false
	case c == 27:
		s.Reversed = false
	case c >= 30 && c <= 37:
		s.Fg = c - 29
	case c >= 90 && c <= 97:
		s.Fg = c - 81
	case c == 39:
		s.Fg = 0
	case c >= 40 && c <= 47:
		s.Bg = c - 39
	case c >= 100 && c <= 107:
		s.Bg = c - 91
	case c == 49:
		s.Bg = 0
	case c == 38 || c == 48:
		colour, n := extended(codes[1:])
		if c == 38 {
			s.Fg = colour
		} else {
			s.Bg = colour
		}
		return 1 + n
	}
	return 1
}

// extended reads a colour of the 256 (5;N) or of all (2;R;G;B), and returns
// how many codes it took.
func extended(codes []int) (colour, took int) {
	switch {
	case len(codes) >= 2 && codes[0] == 5:
		return indexed(codes[1] & 0xff), 2
	case len(codes) >= 4 && codes[0] == 2:
		return RGB | codes[1]&0xff<<16 | codes[2]&0xff<<8 | codes[3]&0xff, 4
	}
	return 0, len(codes)
}

// indexed returns one of the 256 colours: the terminal's 16, a cube of 6 by 6
// by 6, and 24 greys (xterm).
func indexed(n int) int {
	switch {
	case n < 16:
		return n + 1
	case n < 232:
		n -= 16
		step := func(v int) int {
			if v == 0 {
				return 0
			}
			return 55 + 40*v
		}
		return RGB | step(n/36)<<16 | step(n/6%6)<<8 | step(n%6)
	}
	grey := 8 + 10*(n-232)
	return RGB | grey<<16 | grey<<8 | grey
}
