package ruby

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/text"
)

type tokKind uint8

const (
	tEOF tokKind = iota
	tNL          // newline or ;
	tInt
	tFloat
	tString // parts
	tXString
	tSymbol // s
	tDSym   // parts
	tRegexp // parts, s = flags
	tWords  // words
	tSymbols
	tIdent
	tFID // identifier with ? or !
	tConst
	tIvar
	tGvar
	tKeyword
	tOp
	tLabel    // name:
	tLabelStr // "name":
)

type token struct {
	kind  tokKind
	s     string
	pos   int
	end   int
	space bool // white space before it
	beg   bool // where an operand begins: unary minus, array bracket, splat
	val   Value
	parts []node
	words []string
}

// lexState is the state of the lexer after a token, as far as the meaning of
// the next one depends on it.
type lexState uint8

const (
	sBeg   lexState = iota // an operand is expected
	sMid                   // after return, break, next, rescue: operand or newline
	sArg                   // after a method name: white space decides
	sEnd                   // after an operand
	sFname                 // after def, . and &.
	sClass                 // after class
)

// keywordState is the lexer's state after a keyword; ok is false for other
// words.
func keywordState(s string) (st lexState, ok bool) {
	switch s {
	case "__ENCODING__", "__FILE__", "__LINE__", "BEGIN", "END", "end", "false", "nil", "redo", "retry", "self", "true":
		return sEnd, true
	case "and", "begin", "case", "do", "else", "elsif", "ensure", "for", "if", "in", "module", "or", "then", "unless",
		"until", "when", "while":
		return sBeg, true
	case "break", "next", "rescue", "return":
		return sMid, true
	case "defined?", "not", "super", "yield":
		return sArg, true
	case "alias", "def", "undef":
		return sFname, true
	case "class":
		return sClass, true
	}
	return 0, false
}

// syntaxErr unwinds the parser.
type syntaxErr struct{ err *Error }

func (p *parser) fail(pos int, format string, args ...any) {
	panic(syntaxErr{&Error{
		Kind: SyntaxError, Class: "SyntaxError",
		Message: "syntax error: " + fmt.Sprintf(format, args...), Col: pos,
	}})
}

func (p *parser) unsupported(pos int, construct string) {
	e := unsupportedError(construct)
	e.Col = pos
	panic(syntaxErr{e})
}

// failIf, unsupportedIf and unexpectedIf unwind the parser where a condition holds.
func (p *parser) failIf(cond bool, pos int, format string, args ...any) {
	if cond {
		p.fail(pos, format, args...)
	}
}

func (p *parser) unsupportedIf(cond bool, pos int, construct string) {
	if cond {
		p.unsupported(pos, construct)
	}
}

func (p *parser) unexpectedIf(cond bool) {
	if cond {
		p.unexpected()
	}
}

func isIdentStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isIdentChar(c byte) bool { return isIdentStart(c) || isDigit(c) }

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// ch is the byte at i, 0 beyond the end.
func (p *parser) ch(i int) byte {
	if i < len(p.src) {
		return p.src[i]
	}
	return 0
}

func (p *parser) hasAt(i int, s string) bool {
	return i <= len(p.src) && strings.HasPrefix(p.src[i:], s)
}

// identEnd is where the identifier that begins at i ends.
func (p *parser) identEnd(i int) int {
	for isIdentChar(p.ch(i)) {
		i++
	}
	return i
}

// advance makes the next token the current one.
func (p *parser) advance() {
	p.tok = p.lex()
}

func (p *parser) atLineStart(i int) bool { return i == 0 || p.src[i-1] == '\n' }

// skipSpace moves over blanks, comments and insignificant newlines. It reports
// whether there was white space and whether a significant newline was met; then
// pos is after it.
func (p *parser) skipSpace() (space, nl bool) {
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '\n':
			space = true
			if p.state == sBeg || p.state == sClass || p.state == sFname {
				p.newline()
				continue
			}
			if p.continuesOnNextLine() {
				continue
			}
			p.newline()
			return true, true
		case isSpace(c):
			p.pos++
			space = true
		case p.hasAt(p.pos, "\\\n"), p.hasAt(p.pos, "\\\r\n"):
			p.skipLine()
			p.newline()
			space = true
		case c == '#':
			p.skipLine()
		case c == '=' && p.atLineStart(p.pos) && p.hasAt(p.pos, "=begin"):
			i := strings.Index(p.src[p.pos:], "\n=end")
			p.failIf(i < 0, p.pos, "embedded document meets end of file")
			p.pos += i + 5
			p.skipLine()
		case c == 0 || c == 4 || c == 26,
			p.atLineStart(p.pos) && p.hasAt(p.pos, "__END__") && (isSpace(p.ch(p.pos+7)) || p.pos+7 == len(p.src)):
			p.pos = len(p.src)
		default:
			return space, false
		}
	}
	return space, false
}

func (p *parser) skipLine() {
	for p.pos < len(p.src) && p.src[p.pos] != '\n' {
		p.pos++
	}
}

// newline moves past a line's end and the here-documents that began on it.
func (p *parser) newline() {
	p.pos++
	p.pos = max(p.pos, p.heredocEnd)
	p.heredocEnd = 0
}

// nextCall is a line that starts with .method, after blank lines and comments.
var nextCall = text.Lazy(`^(?:\s*#[^\n]*\n)*\s*(?:\.[^.]|&\.)`)

// continuesOnNextLine tells whether the next line that is neither blank nor a
// comment starts with .method; if so, it moves there.
func (p *parser) continuesOnNextLine() bool {
	i := max(p.pos+1, p.heredocEnd)
	m := nextCall().FindStringIndex(p.src[i:])
	if m == nil {
		return false
	}
	p.heredocEnd, p.pos = 0, i+m[1]-2
	return true
}

func (p *parser) lex() token {
	space, nl := p.skipSpace()
	if nl {
		p.state = sBeg
		return token{kind: tNL, s: "\n", pos: p.pos - 1, end: p.pos, space: space}
	}
	t := token{pos: p.pos, end: p.pos, space: space}
	if p.pos >= len(p.src) {
		return t
	}
	c := p.src[p.pos]
	t.beg = p.operandBegins(space)
	switch {
	case isDigit(c):
		return p.lexNumber(t)
	case isIdentStart(c):
		return p.lexIdent(t)
	}
	switch c {
	case '"', '\'', '`':
		if c == '`' && p.state == sFname {
			return p.op(t, "`", sArg)
		}
		return p.lexQuoted(t, c)
	case '@':
		return p.lexIvar(t)
	case '$':
		return p.lexGlobal(t)
	case '?':
		return p.lexQuestion(t)
	case ':':
		return p.lexColon(t)
	case '%':
		if t.beg && (p.state != sArg || p.ch(t.pos+1) != '=') {
			return p.lexPercent(t)
		}
	case '/':
		if t.beg && (p.state != sArg || p.ch(t.pos+1) != '=') {
			p.pos++
			parts := p.stringBody(stringStyle{shut: '/', interp: true, regexp: true})
			return p.regexpToken(t, parts)
		}
	case '<':
		if p.hasAt(t.pos, "<<") && (p.state == sBeg || p.state == sMid || p.state == sArg && space) {
			if tk, ok := p.heredoc(t); ok {
				return tk
			}
		}
	}
	return p.lexOperator(t, c)
}

// operandBegins tells whether a sign at the current position begins an operand
// rather than continuing one.
func (p *parser) operandBegins(space bool) bool {
	switch p.state {
	case sBeg, sMid, sClass:
		return true
	case sArg:
		return space && p.pos+1 < len(p.src) && !isSpace(p.src[p.pos+1])
	}
	return false
}

// op makes a token of an operator.
func (p *parser) op(t token, s string, next lexState) token {
	t.kind, t.s = tOp, s
	p.pos = t.pos + len(s)
	t.end = p.pos
	p.state = next
	return t
}

// operators, each before those that begin it.
var operators = []string{
	"===", "<=>", "**=", "||=", "&&=", "<<=", ">>=", "...", "==", "=~", "=>", "!=", "!~", "<<", "<=", ">>", ">=", "||",
	"|=", "&&", "&=", "&.", "**", "*=", "+=", "->", "-=", "^=", "/=", "%=", "..", "=", "!", "<", ">", "|", "&", "*", "+",
	"-", ".", "^", "/", "%", "~", ",", ";", "(", ")", "[", "]", "{", "}",
}

// symbolOps are the operators that methods can be named by.
var symbolOps = []string{
	"[]=", "[]", "===", "==", "=~", "!=", "!~", "!", "<=>", "<=", "<<", "<", ">=", ">>", ">", "**", "*", "+@", "+",
	"-@", "-", "/", "%", "&", "|", "^", "~", "`",
}

func isOperatorName(s string) bool { return slices.Contains(symbolOps, s) }

// operatorAt is the operator of a list at a position of the source, or "".
func (p *parser) operatorAt(i int, list []string) string {
	c := p.ch(i)
	if n := slices.IndexFunc(list, func(s string) bool { return s[0] == c && p.hasAt(i, s) }); n >= 0 {
		return list[n]
	}
	return ""
}

func (p *parser) lexOperator(t token, c byte) token {
	if p.state == sFname && c != '(' && c != '.' && c != ';' && c != ',' {
		if s := p.operatorAt(t.pos, symbolOps); s != "" {
			return p.op(t, s, sArg)
		}
	}
	s := p.operatorAt(t.pos, operators)
	switch s {
	case "":
		r, _ := utf8.DecodeRuneInString(p.src[t.pos:])
		p.fail(t.pos, "unexpected character %q", r)
	case ";":
		t = p.op(t, s, sBeg)
		t.kind = tNL
		return t
	case "(":
		t.beg = p.state == sBeg || p.state == sMid || t.space && (p.state == sArg || p.state == sEnd)
	case "{":
		t.beg = p.state == sBeg || p.state == sMid
	case "[":
		t.beg = p.state != sEnd && p.state != sArg || p.state == sArg && t.space
	case ")", "]", "}", "->":
		return p.op(t, s, sEnd)
	case ".", "&.":
		return p.op(t, s, sFname)
	case "**", "&", "*":
		if p.state == sArg && t.space {
			t.beg = !isSpace(p.ch(t.pos + len(s)))
		}
	}
	if p.state == sFname {
		return p.op(t, s, sArg)
	}
	return p.op(t, s, sBeg)
}

func (p *parser) lexIvar(t token) token {
	p.unsupportedIf(p.ch(t.pos+1) == '@', t.pos, "a class variable (@@name)")
	p.failIf(!isIdentStart(p.ch(t.pos+1)), t.pos, "unexpected %q", "@")
	t.end = p.identEnd(t.pos + 1)
	t.kind, t.s = tIvar, p.src[t.pos:t.end]
	p.pos, p.state = t.end, sEnd
	return t
}

// lexQuestion reads the ternary operator or a character literal.
func (p *parser) lexQuestion(t token) token {
	n := p.ch(t.pos + 1)
	if p.state == sEnd || isSpace(n) || n == 0 {
		return p.op(t, "?", sBeg)
	}
	if isIdentChar(n) && isIdentChar(p.ch(t.pos+2)) {
		return p.op(t, "?", sBeg)
	}
	p.unsupported(t.pos, "a character literal (?a)")
	return t
}

func (p *parser) lexColon(t token) token {
	n := p.ch(t.pos + 1)
	if n == ':' {
		t.beg = p.state == sBeg || p.state == sMid || p.state == sClass ||
			p.state == sArg && t.space && !isSpace(p.ch(t.pos+2))
		if t.beg {
			return p.op(t, "::", sBeg)
		}
		return p.op(t, "::", sFname)
	}
	if p.state == sEnd || isSpace(n) || n == '#' || n == 0 {
		return p.op(t, ":", sBeg)
	}
	return p.lexSymbol(t)
}

func (p *parser) lexSymbol(t token) token {
	i := t.pos + 1
	c := p.ch(i)
	p.state = sEnd
	t.kind = tSymbol
	if c == '"' || c == '\'' {
		p.pos = i + 1
		parts := p.stringBody(stringStyle{shut: c, interp: c == '"'})
		t.end, p.state = p.pos, sEnd
		if s, ok := literalOf(parts); ok {
			t.s = s
			return t
		}
		t.kind, t.parts = tDSym, parts
		return t
	}
	j := i
	for p.ch(j) == '@' || p.ch(j) == '$' {
		j++
	}
	if isIdentStart(p.ch(j)) {
		j = p.identEnd(j)
		if c != '@' && c != '$' {
			switch n := p.ch(j); {
			case (n == '?' || n == '!') && p.ch(j+1) != '=',
				n == '=' && p.ch(j+1) != '~' && p.ch(j+1) != '=' && p.ch(j+1) != '>':
				j++
			}
		}
		t.s = p.src[i:j]
		p.pos, t.end = j, j
		return t
	}
	if t.s = p.operatorAt(i, symbolOps); t.s == "" {
		p.fail(t.pos, "unexpected %q", ":")
	}
	p.pos = i + len(t.s)
	t.end = p.pos
	return t
}

func (p *parser) lexGlobal(t token) token {
	i := t.pos + 1
	c := p.ch(i)
	p.state = sEnd
	t.kind = tGvar
	switch {
	case isIdentStart(c):
		i = p.identEnd(i)
	case c != 0 && strings.IndexByte("~!?:&0123456789", c) >= 0 && !isDigit(p.ch(i+1)):
		i++
	default:
		p.unsupported(t.pos, "the special variable $"+string(c))
	}
	t.s = p.src[t.pos:i]
	p.pos, t.end = i, i
	return t
}

func (p *parser) lexIdent(t token) token {
	i := p.identEnd(t.pos)
	// foo? and foo!, but neither foo!= nor the ternary a ?b
	if c := p.ch(i); (c == '?' || c == '!') && !p.hasAt(i, "?::") &&
		(p.ch(i+1) != '=' || p.ch(i+2) == '=' || p.ch(i+2) == '~' || p.ch(i+2) == '>') {
		i++
	}
	st := p.state
	t.s = p.src[t.pos:i]
	fid := strings.HasSuffix(t.s, "?") || strings.HasSuffix(t.s, "!")
	if st == sFname && !fid && p.defName && p.ch(i) == '=' && p.ch(i+1) != '~' && p.ch(i+1) != '>' && p.ch(i+1) != '=' &&
		p.ch(i+1) != ' ' {
		i++ // def x=(v): a setter
		t.s = p.src[t.pos:i]
	}
	if st != sFname && p.ch(i) == ':' && p.ch(i+1) != ':' && p.labelOK(t) {
		t.kind, t.end = tLabel, i+1
		p.pos, p.state = i+1, sBeg
		return t
	}
	p.pos, t.end = i, i
	if st != sFname {
		if ks, ok := keywordState(t.s); ok {
			t.kind, p.state = tKeyword, ks
			p.defName = t.s == "def"
			return t
		}
	}
	t.kind = tIdent
	if r, _ := utf8.DecodeRuneInString(t.s); fid {
		t.kind = tFID
	} else if unicode.IsUpper(r) {
		t.kind = tConst
	}
	p.state = sArg
	if st == sFname && p.defName {
		p.state, p.defName = sEnd, false
	} else if _, _, local := p.sc.lookup(t.s); local && t.kind == tIdent && st != sFname {
		p.state = sEnd
	}
	return t
}

// labelOK tells whether "name:" is a label here and not part of a ternary.
func (p *parser) labelOK(t token) bool {
	if p.tok.kind == tOp && p.tok.s == "?" && p.ternary > 0 {
		return false
	}
	if p.state == sEnd {
		return p.tok.kind == tOp && p.tok.s == "|" || p.tok.kind == tIdent && t.space
	}
	return true
}
