package jsonorder

import (
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// SyntaxError tells where a text stops being JSON.
type SyntaxError struct {
	// Line and Column count from 1, Column in bytes.
	Line, Column int
	Msg          string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON: line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// maxDepth bounds how deeply values are nested.
const maxDepth = 200

// Parse reads one JSON value. The error is a [*SyntaxError].
func Parse(data []byte) (any, error) {
	p := &parser{data: data}
	v, err := p.value(0)
	if err == nil {
		p.space()
		if p.pos < len(p.data) {
			err = p.fail("there is more after the value")
		}
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// ParseObject is [Parse] for a text that holds an object.
func ParseObject(data []byte) (*Object, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	o, ok := v.(*Object)
	if !ok {
		return nil, &SyntaxError{Line: 1, Column: 1, Msg: "an object is expected"}
	}
	return o, nil
}

type parser struct {
	data []byte
	pos  int
}

func (p *parser) fail(msg string) error {
	line, col := 1, 1
	for _, c := range p.data[:min(p.pos, len(p.data))] {
		col++
		if c == '\n' {
			line, col = line+1, 1
		}
	}
	return &SyntaxError{Line: line, Column: col, Msg: msg}
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips spaces and returns the byte there, 0 at the end.
func (p *parser) next() byte {
	p.space()
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, p.fail("nested too deeply")
	}
	switch c := p.next(); {
	case c == 0 && p.pos >= len(p.data):
		return nil, p.fail("the text ends too early")
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.string()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for word, v := range map[string]any{"true": true, "false": false, "null": nil} {
		if end := p.pos + len(word); end <= len(p.data) && string(p.data[p.pos:end]) == word {
			p.pos = end
			return v, nil
		}
	}
	return nil, p.fail("a value is expected")
}

func (p *parser) object(depth int) (any, error) {
	p.pos++
	o := &Object{}
	if p.next() == '}' {
		p.pos++
		return o, nil
	}
	for {
		if p.next() != '"' {
			return nil, p.fail("a key in double quotes is expected")
		}
		key, err := p.string()
		if err != nil {
			return nil, err
		}
		if p.next() != ':' {
			return nil, p.fail("a colon is expected")
		}
		p.pos++
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Set(key, v)
		switch p.next() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			return o, nil
		default:
			return nil, p.fail("a comma or } is expected")
		}
	}
}

func (p *parser) array(depth int) (any, error) {
	p.pos++
	list := []any{}
	if p.next() == ']' {
		p.pos++
		return list, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		switch p.next() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			return list, nil
		default:
			return nil, p.fail("a comma or ] is expected")
		}
	}
}

func (p *parser) string() (string, error) {
	start := p.pos + 1
	for i := start; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '"':
			p.pos = i + 1
			if !utf8.Valid(p.data[start:i]) {
				p.pos = start
				return "", p.fail("invalid UTF-8 in a string")
			}
			return string(p.data[start:i]), nil
		case c == '\\':
			return p.escaped(start, i)
		case c < ' ':
			p.pos = i
			return "", p.fail("a control character in a string")
		}
	}
	p.pos = len(p.data)
	return "", p.fail("the text ends in a string")
}

// escaped reads the rest of a string from its first backslash on.
func (p *parser) escaped(start, i int) (string, error) {
	out := append([]byte(nil), p.data[start:i]...)
	for i < len(p.data) {
		c := p.data[i]
		switch {
		case c == '"':
			p.pos = i + 1
			if !utf8.Valid(out) {
				return "", p.fail("invalid UTF-8 in a string")
			}
			return string(out), nil
		case c < ' ':
			p.pos = i
			return "", p.fail("a control character in a string")
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		p.pos = i
		if i+1 >= len(p.data) {
			break
		}
		i += 2
		switch e := p.data[i-1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := p.unicode(i - 2)
			if n == 0 {
				return "", p.fail("an invalid \\u escape")
			}
			out = utf8.AppendRune(out, r)
			i += n - 2
		default:
			return "", p.fail("an unknown escape")
		}
	}
	p.pos = len(p.data)
	return "", p.fail("the text ends in a string")
}

// unicode reads \uXXXX, or two of them that are a surrogate pair, and returns
// how many bytes that took.
func (p *parser) unicode(at int) (rune, int) {
	hex := func(at int) (rune, bool) {
		if at+6 > len(p.data) || p.data[at] != '\\' || p.data[at+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(p.data[at+2:at+6]), 16, 32)
		return rune(n), err == nil
	}
	r, ok := hex(at)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if low, ok := hex(at + 6); ok {
			if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
				return both, 12
			}
		}
		return utf8.RuneError, 6
	}
	return r, 6
}

func (p *parser) number() (any, error) {
	start := p.pos
	float := false
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c >= '0' && c <= '9', c == '-' && p.pos == start:
		case c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-':
			float = true
		default:
			return p.toNumber(start, float)
		}
		p.pos++
	}
	return p.toNumber(start, float)
}

func (p *parser) toNumber(start int, float bool) (any, error) {
	s := string(p.data[start:p.pos])
	if !float {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		if n, ok := new(big.Int).SetString(s, 10); ok {
			return n, nil
		}
	} else if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, nil
	}
	p.pos = start
	return nil, p.fail("an invalid number")
}
