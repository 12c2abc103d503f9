package ruby

import (
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// numberSyntax is a number, and what may follow one that is not read here.
var numberSyntax = text.Lazy(`^(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9][0-9_]*(\.[0-9][0-9_]*)?)([a-zA-Z0-9]*)`)

func (p *parser) lexNumber(t token) token {
	m := numberSyntax().FindStringSubmatch(p.src[t.pos:])
	t.s = strings.TrimSuffix(m[0], m[2])
	t.end = t.pos + len(t.s)
	p.pos, p.state = t.end, sEnd
	var err error
	if t.kind = tInt; m[1] != "" {
		t.kind = tFloat
		t.val, err = strconv.ParseFloat(strings.ReplaceAll(t.s, "_", ""), 64)
	} else {
		var n int64
		n, err = strconv.ParseInt(t.s, 0, strconv.IntSize)
		t.val = int(n)
	}
	p.unsupportedIf(err != nil || m[2] != "", t.pos, "the number "+m[0])
	return t
}

// literalOf joins parts that hold no interpolation.
func literalOf(parts []node) (string, bool) {
	switch len(parts) {
	case 0:
		return "", true
	case 1:
		if s, ok := parts[0].(*strNode); ok {
			return s.s, true
		}
	}
	return "", false
}

func closing(c byte) (open, shut byte) {
	switch c {
	case '(':
		return c, ')'
	case '[':
		return c, ']'
	case '{':
		return c, '}'
	case '<':
		return c, '>'
	}
	return 0, c
}

// lexPercent reads %w(…) and its kin.
func (p *parser) lexPercent(t token) token {
	i := t.pos + 1
	kind := p.ch(i)
	if isIdentStart(kind) {
		i++
	} else {
		kind = 'Q'
	}
	d := p.ch(i)
	p.failIf(d == 0 || isIdentChar(d) || isSpace(d), t.pos, "unknown type of %%string")
	style := stringStyle{interp: strings.IndexByte("QxrWI", kind) >= 0, regexp: kind == 'r'}
	style.open, style.shut = closing(d)
	p.pos = i + 1
	switch kind {
	case 'r':
		return p.regexpToken(t, p.stringBody(style))
	case 'q', 'Q', 'x':
		t.kind, t.parts = tString, p.stringBody(style)
		if kind == 'x' {
			t.kind = tXString
		}
	case 'w', 'W', 'i', 'I':
		style.interp = false
		text, _ := literalOf(p.stringBody(style))
		if strings.Contains(text, `\`) || kind < 'a' && strings.Contains(text, "#{") {
			p.unsupported(t.pos, "an interpolation or escape in a list of words")
		}
		t.kind, t.words = tWords, strings.FieldsFunc(text, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
		if kind|0x20 == 'i' {
			t.kind = tSymbols
		}
	default:
		p.unsupported(t.pos, "the literal %"+string(kind))
	}
	t.end, p.state = p.pos, sEnd
	return t
}

func (p *parser) regexpToken(t token, parts []node) token {
	i := p.pos
	for p.ch(i) >= 'a' && p.ch(i) <= 'z' {
		i++
	}
	t.kind, t.parts, t.s = tRegexp, parts, p.src[p.pos:i]
	p.pos, t.end, p.state = i, i, sEnd
	return t
}

// lexQuoted reads "…", '…' and `…`.
func (p *parser) lexQuoted(t token, q byte) token {
	st := p.state
	labelOK := p.labelOK(token{space: t.space})
	p.pos++
	t.parts = p.stringBody(stringStyle{shut: q, interp: q != '\''})
	t.kind = tString
	if q == '`' {
		t.kind = tXString
	} else if p.ch(p.pos) == ':' && p.ch(p.pos+1) != ':' && labelOK && st != sEnd && st != sFname {
		p.pos++
		t.kind, t.end, p.state = tLabelStr, p.pos, sBeg
		return t
	}
	t.end, p.state = p.pos, sEnd
	return t
}

// stringStyle says how the body of a string literal is read.
type stringStyle struct {
	open, shut byte // nested pairs count; shut 0: up to the end of the source
	interp     bool // has escapes and interpolations
	regexp     bool // escapes stay as they are
	dedent     int  // columns of indentation that each line loses
}

// textParts collects literal text and interpolations.
type textParts struct {
	parts []node
	b     strings.Builder
	at    int
}

func (t *textParts) flush() {
	if t.b.Len() > 0 {
		t.parts = append(t.parts, &strNode{at(t.at), t.b.String()})
		t.b.Reset()
	}
}

func (t *textParts) add(n node) {
	t.flush()
	t.parts = append(t.parts, n)
}

// stringBody reads up to the unescaped terminator.
func (p *parser) stringBody(s stringStyle) []node {
	start := p.pos
	t := &textParts{at: start}
	depth := 0
	lineStart := s.dedent > 0
	for {
		if lineStart {
			lineStart = false
			p.dedentLine(s.dedent)
		}
		if t.b.Len() == 0 {
			t.at = p.pos
		}
		if p.pos >= len(p.src) {
			p.failIf(s.shut != 0, start-1, "unterminated string or regexp meets end of file")
			t.flush()
			return t.parts
		}
		c := p.src[p.pos]
		switch {
		case s.shut != 0 && c == s.shut && depth == 0:
			p.pos++
			t.flush()
			return t.parts
		case c == '\\':
			lineStart = p.backslash(s, t)
		case c == '#' && s.interp && p.interpolates(s.shut):
			t.add(p.interpolation())
		case c == '\r' && p.ch(p.pos+1) == '\n':
			p.pos++
		case c == '\n':
			t.b.WriteByte(c)
			if s.shut != 0 {
				p.newline() // a here-document may have begun on this line
			} else {
				p.pos++
			}
			lineStart = s.dedent > 0
		default:
			if s.open != 0 && c == s.open {
				depth++
			} else if s.open != 0 && c == s.shut {
				depth--
			}
			t.b.WriteByte(c)
			p.pos++
		}
	}
}

// backslash reads what begins with one; lineStart tells that a line ended.
func (p *parser) backslash(s stringStyle, t *textParts) (lineStart bool) {
	n := p.ch(p.pos + 1)
	switch {
	case n == 0 && s.shut != 0:
		p.fail(p.pos, "unterminated string or regexp meets end of file")
	case n == '\n' && (s.interp || s.regexp):
		p.pos += 2
		return s.dedent > 0
	case s.regexp && n == s.shut && (n == '/' || strings.IndexByte(`.*+?()[]{}|^$-`, n) < 0),
		!s.interp && s.shut != 0 && (n == '\\' || n == s.shut || s.open != 0 && n == s.open):
		t.b.WriteByte(n) // an escaped delimiter loses its backslash
		p.pos += 2
	case s.regexp:
		t.b.WriteString(p.src[p.pos : p.pos+2])
		p.pos += 2
	case s.interp:
		p.escape(&t.b)
	default:
		t.b.WriteByte('\\')
		p.pos++
	}
	return false
}

func (p *parser) dedentLine(n int) {
	for col := 0; p.pos < len(p.src) && col < n; p.pos++ {
		switch p.src[p.pos] {
		case ' ':
			col++
		case '\t':
			if col += 8 - col%8; col > n {
				return
			}
		default:
			return
		}
	}
}

// interpolates tells whether the # at the current position begins an
// interpolation.
func (p *parser) interpolates(shut byte) bool {
	n, m := p.ch(p.pos+1), p.ch(p.pos+2)
	switch n {
	case '{':
		return true
	case '@':
		return isIdentStart(m) || m == '@' && isIdentStart(p.ch(p.pos+3))
	case '$':
		return isIdentChar(m) || m != 0 && m != shut && strings.IndexByte("~!?:&", m) >= 0
	}
	return false
}

// interpolation parses #{…}; pos is at the #.
func (p *parser) interpolation() node {
	start := p.pos
	saved := *p
	if p.ch(p.pos+1) != '{' {
		p.unsupported(start, "an interpolation without braces (#@name, #$name)")
	}
	p.enter(start)
	p.pos += 2
	p.state, p.exprContext, p.heredocEnd, p.defName = sBeg, exprContext{}, 0, false
	p.advance()
	body := p.stmts("}")
	p.failIf(!p.isOp("}"), start, "unterminated interpolation")
	end := p.tok.end
	*p = saved
	p.pos = end
	return &dstrNode{at: at(start), parts: []node{body}}
}

// escape reads one backslash sequence of a double-quoted string into b.
func (p *parser) escape(b *strings.Builder) {
	start := p.pos
	if p.pos += 2; p.pos > len(p.src) {
		p.fail(start, "unterminated string meets end of file")
	}
	c := p.src[p.pos-1]
	if i := strings.IndexByte("ntsrabefv", c); i >= 0 {
		b.WriteByte("\n\t \r\a\b\x1b\f\v"[i])
		return
	}
	if strings.IndexByte("01234567xucCM", c) < 0 {
		b.WriteByte(c)
		return
	}
	v, multibyte, rest, err := strconv.UnquoteChar(p.src[start:], '"')
	if c == '0' && !isDigit(p.ch(p.pos)) {
		v, rest, err = 0, p.src[p.pos:], nil
	}
	p.unsupportedIf(err != nil, start, "the escape \\"+string(c)+" in this form")
	p.pos = len(p.src) - len(rest)
	if multibyte {
		b.WriteRune(v)
	} else {
		b.WriteByte(byte(v))
	}
}

// heredoc reads <<ID, <<-ID, <<~ID with optional quotes; the body starts on the
// next line.
func (p *parser) heredoc(t token) (token, bool) {
	i := p.pos + 2
	mode, quote := byte(0), byte(0)
	if c := p.ch(i); c == '-' || c == '~' {
		mode = c
		i++
	}
	id := ""
	if c := p.ch(i); c == '"' || c == '\'' || c == '`' {
		quote = c
		j := strings.IndexByte(p.src[i+1:], c)
		if j < 0 || strings.Contains(p.src[i+1:i+1+j], "\n") {
			return t, false
		}
		id = p.src[i+1 : i+1+j]
		i += j + 2
	} else {
		if !isIdentStart(c) {
			return t, false
		}
		j := p.identEnd(i)
		id, i = p.src[i:j], j
	}
	// The body begins after this line, or after the line's last document.
	body := p.heredocEnd
	if body <= p.pos {
		nl := strings.IndexByte(p.src[i:], '\n')
		p.failIf(nl < 0, t.pos, "can't find string %q anywhere before EOF", id)
		body = i + nl + 1
	}
	end, after, indent := p.heredocExtent(t.pos, body, id, mode)
	saved := *p
	p.src, p.pos = p.src[:end], body
	parts := p.stringBody(stringStyle{interp: quote != '\'', dedent: indent})
	*p = saved
	p.heredocEnd = min(after, len(p.src))
	p.pos, p.state = i, sEnd
	t.kind, t.parts, t.end = tString, parts, i
	p.unsupportedIf(quote == '`', t.pos, "a command as a here-document")
	return t, true
}

// heredocExtent finds the terminator and the least indentation of the lines.
func (p *parser) heredocExtent(pos, body int, id string, mode byte) (end, after, indent int) {
	indent = -1
	for ls := body; ls < len(p.src); ls = after {
		line, _, _ := strings.Cut(p.src[ls:], "\n")
		after = ls + len(line) + 1
		line = strings.TrimSuffix(line, "\r")
		text := strings.TrimLeft(line, " \t")
		if line == id || mode != 0 && text == id {
			if mode != '~' {
				indent = 0
			}
			return ls, after, max(indent, 0)
		}
		if text != "" {
			col := 0
			for _, c := range line[:len(line)-len(text)] {
				if c == '\t' {
					col += 8 - col%8
				} else {
					col++
				}
			}
			if indent < 0 || col < indent {
				indent = col
			}
		}
	}
	p.fail(pos, "can't find string %q anywhere before EOF", id)
	return
}
