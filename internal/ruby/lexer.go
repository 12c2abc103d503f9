package ruby

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
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
	tCvar
	tNthRef
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
	beg   bool // stands where an operand begins: unary minus, array bracket, splat
	val   Value
	parts []node
	words [][]node
}

// state of the lexer after a token, as far as the meaning of the next one depends on it
type lexState uint8

const (
	sBeg   lexState = iota // an operand is expected
	sMid                   // after return, break, next, rescue: operand or newline
	sArg                   // after a method name: operand or operator, white space decides
	sEnd                   // after an operand
	sFname                 // after def, alias, undef, . :: &.
	sClass                 // after class
)

var keywords = map[string]lexState{
	"__ENCODING__": sEnd, "__FILE__": sEnd, "__LINE__": sEnd, "BEGIN": sEnd, "END": sEnd,
	"alias": sFname, "and": sBeg, "begin": sBeg, "break": sMid, "case": sBeg, "class": sClass,
	"def": sFname, "defined?": sArg, "do": sBeg, "else": sBeg, "elsif": sBeg, "end": sEnd,
	"ensure": sBeg, "false": sEnd, "for": sBeg, "if": sBeg, "in": sBeg, "module": sBeg,
	"next": sMid, "nil": sEnd, "not": sArg, "or": sBeg, "redo": sEnd, "rescue": sMid,
	"retry": sEnd, "return": sMid, "self": sEnd, "super": sArg, "then": sBeg, "true": sEnd,
	"undef": sFname, "unless": sBeg, "until": sBeg, "when": sBeg, "while": sBeg, "yield": sArg,
}

// syntaxErr unwinds the parser.
type syntaxErr struct{ err *Error }

func (p *parser) fail(pos int, format string, args ...any) {
	panic(syntaxErr{&Error{Kind: SyntaxError, Class: "SyntaxError", Message: "syntax error: " + fmt.Sprintf(format, args...), Col: pos}})
}

func (p *parser) unsupported(pos int, construct string) {
	panic(syntaxErr{&Error{Kind: Unsupported, Class: "NotImplementedError", Message: construct + " is not supported", Construct: construct, Col: pos}})
}

func isIdentStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isIdentChar(c byte) bool { return isIdentStart(c) || isDigit(c) }

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v' || c == '\n'
}

func (p *parser) ch(i int) byte {
	if i < len(p.src) {
		return p.src[i]
	}
	return 0
}

// advance makes the next token the current one.
func (p *parser) advance() {
	p.tok = p.lex()
	p.ntok++
}

func (p *parser) atLineStart(i int) bool { return i == 0 || p.src[i-1] == '\n' }

// skipSpace moves over blanks, comments and, where newlines mean nothing, newlines. It reports whether there was white
// space and whether a significant newline was met (then pos is after it).
func (p *parser) skipSpace() (space, nl bool) {
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '\n':
			if p.state == sBeg || p.state == sClass || p.state == sFname {
				p.newline()
				space = true
				continue
			}
			if p.continuesOnNextLine() {
				space = true
				continue
			}
			p.newline()
			return true, true
		case isSpace(c):
			p.pos++
			space = true
		case c == '\\' && p.ch(p.pos+1) == '\n':
			p.pos++
			p.newline()
			space = true
		case c == '\\' && p.ch(p.pos+1) == '\r' && p.ch(p.pos+2) == '\n':
			p.pos += 2
			p.newline()
			space = true
		case c == '#':
			for p.pos < len(p.src) && p.src[p.pos] != '\n' {
				p.pos++
			}
		case c == '=' && p.atLineStart(p.pos) && strings.HasPrefix(p.src[p.pos:], "=begin") && (p.pos+6 >= len(p.src) || isSpace(p.src[p.pos+6])):
			i := strings.Index(p.src[p.pos:], "\n=end")
			if i < 0 {
				p.fail(p.pos, "embedded document meets end of file")
			}
			p.pos += i + 5
			for p.pos < len(p.src) && p.src[p.pos] != '\n' {
				p.pos++
			}
		case c == '_' && p.atLineStart(p.pos) && strings.HasPrefix(p.src[p.pos:], "__END__") && (p.pos+7 >= len(p.src) || p.src[p.pos+7] == '\n' || p.src[p.pos+7] == '\r'):
			p.pos = len(p.src)
		case c == 0 || c == 4 || c == 26:
			p.pos = len(p.src)
		default:
			return space, false
		}
	}
	return space, false
}

// newline moves past a line's end and the here-documents that began on that line.
func (p *parser) newline() {
	p.pos++
	if p.heredocEnd > p.pos {
		p.pos = p.heredocEnd
	}
	p.heredocEnd = 0
}

// continuesOnNextLine tells whether the next line that is not blank and no comment starts with .method; if so it moves there.
func (p *parser) continuesOnNextLine() bool {
	i := p.pos + 1
	if p.heredocEnd > i {
		i = p.heredocEnd
	}
	for i < len(p.src) {
		c := p.src[i]
		if isSpace(c) {
			i++
			continue
		}
		if c == '#' {
			for i < len(p.src) && p.src[i] != '\n' {
				i++
			}
			continue
		}
		break
	}
	if p.ch(i) == '.' && p.ch(i+1) != '.' || p.ch(i) == '&' && p.ch(i+1) == '.' {
		p.heredocEnd = 0
		p.pos = i
		return true
	}
	return false
}

func (p *parser) lex() token {
	if p.ntok > 40*len(p.src)+1000 {
		p.fail(p.pos, "the program is too intricate")
	}
	space, nl := p.skipSpace()
	if nl {
		t := token{kind: tNL, s: "\n", pos: p.pos - 1, end: p.pos, space: space}
		p.state = sBeg
		return t
	}
	start := p.pos
	t := token{pos: start, space: space}
	if start >= len(p.src) {
		t.kind, t.end = tEOF, start
		return t
	}
	st := p.state
	c := p.src[start]
	spaceAfter := isSpace(p.ch(start+1)) || start+1 >= len(p.src)
	t.beg = st == sBeg || st == sMid || st == sClass || st == sArg && space && !spaceAfter
	switch {
	case isDigit(c):
		return p.lexNumber(t)
	case isIdentStart(c):
		return p.lexIdent(t)
	}
	op := func(s string, next lexState) token {
		t.kind, t.s = tOp, s
		p.pos = start + len(s)
		t.end = p.pos
		p.state = next
		return t
	}
	rest := p.src[start:]
	has := func(s string) bool { return strings.HasPrefix(rest, s) }
	opNext := sBeg
	if st == sFname {
		opNext = sArg
	}
	switch c {
	case ';':
		t = op(";", sBeg)
		t.kind = tNL
		return t
	case ',':
		return op(",", sBeg)
	case '(':
		t.beg = st == sBeg || st == sMid || st == sArg && space || st == sEnd && space
		return op("(", sBeg)
	case ')':
		return op(")", sEnd)
	case ']':
		return op("]", sEnd)
	case '}':
		return op("}", sEnd)
	case '{':
		t.beg = st == sBeg || st == sMid
		return op("{", sBeg)
	case '[':
		if st == sFname {
			if has("[]=") && p.ch(start+3) != '=' && p.ch(start+3) != '~' && p.ch(start+3) != '>' {
				return op("[]=", sArg)
			}
			if has("[]") {
				return op("[]", sArg)
			}
		}
		t.beg = st == sBeg || st == sMid || st == sClass || st == sArg && space
		return op("[", sBeg)
	case '"', '\'', '`':
		if c == '`' && st == sFname {
			return op("`", sArg)
		}
		return p.lexQuoted(t, c)
	case '@':
		i := start + 1
		if p.ch(i) == '@' {
			i++
		}
		if !isIdentStart(p.ch(i)) {
			p.fail(start, "unexpected %q", "@")
		}
		for isIdentChar(p.ch(i)) {
			i++
		}
		t.kind = tIvar
		if p.src[start+1] == '@' {
			t.kind = tCvar
		}
		t.s = p.src[start:i]
		p.pos, t.end, p.state = i, i, sEnd
		return t
	case '$':
		return p.lexGlobal(t)
	case '?':
		n := p.ch(start + 1)
		if st == sEnd || isSpace(n) || n == 0 {
			return op("?", sBeg)
		}
		// ?x is a character literal unless a longer word follows
		_, w := utf8.DecodeRuneInString(p.src[start+1:])
		if isIdentChar(n) && start+1+w < len(p.src) && isIdentChar(p.src[start+1+w]) {
			return op("?", sBeg)
		}
		p.pos = start + 1
		var s string
		if n == '\\' {
			var b strings.Builder
			p.escape(&b)
			s = b.String()
		} else {
			p.pos += w
			s = p.src[start+1 : p.pos]
		}
		t.kind = tString
		t.parts = []node{&strNode{at(start), s}}
		t.end = p.pos
		p.state = sEnd
		return t
	case ':':
		if has("::") {
			return op("::", map[bool]lexState{true: sBeg, false: sFname}[st == sBeg || st == sMid || st == sClass || st == sArg && space && !isSpace(p.ch(start+2))])
		}
		n := p.ch(start + 1)
		if st == sEnd || isSpace(n) || n == '#' || n == 0 {
			return op(":", sBeg)
		}
		return p.lexSymbol(t)
	case '%':
		if st == sBeg || st == sMid || st == sClass || st == sArg && space && !spaceAfter && p.ch(start+1) != '=' {
			return p.lexPercent(t)
		}
		if has("%=") && st != sFname {
			return op("%=", sBeg)
		}
		return op("%", opNext)
	case '/':
		if st == sBeg || st == sMid || st == sClass || st == sArg && space && !spaceAfter && p.ch(start+1) != '=' {
			p.pos = start + 1
			parts := p.stringBody('/', 0, true, true, 0)
			return p.regexpToken(t, parts)
		}
		if has("/=") && st != sFname {
			return op("/=", sBeg)
		}
		return op("/", opNext)
	case '<':
		if has("<<") && st != sFname && st != sClass && (st == sBeg || st == sMid || st == sArg && space) {
			if tk, ok := p.heredoc(t); ok {
				return tk
			}
		}
		for _, s := range []string{"<=>", "<<=", "<<", "<=", "<"} {
			if has(s) {
				if s == "<<=" && st == sFname {
					continue
				}
				if st == sClass && s == "<<" {
					return op(s, sBeg)
				}
				return op(s, opNext)
			}
		}
	case '-':
		if has("->") {
			return op("->", sEnd)
		}
		if has("-=") && st != sFname {
			return op("-=", sBeg)
		}
		if st == sFname && has("-@") {
			return op("-@", sArg)
		}
		return op("-", opNext)
	case '+':
		if has("+=") && st != sFname {
			return op("+=", sBeg)
		}
		if st == sFname && has("+@") {
			return op("+@", sArg)
		}
		return op("+", opNext)
	case '.':
		if has("...") {
			return op("...", sBeg)
		}
		if has("..") {
			return op("..", sBeg)
		}
		if isDigit(p.ch(start + 1)) {
			p.fail(start, "no .<digit> floating literal anymore; put 0 before dot")
		}
		return op(".", sFname)
	case '&':
		if has("&.") {
			return op("&.", sFname)
		}
	case '!':
		if st == sFname && has("!@") {
			return op("!@", sArg)
		}
	case '~':
		if st == sFname && has("~@") {
			return op("~@", sArg)
		}
	}
	list, ok := opTable[c]
	if !ok {
		r, _ := utf8.DecodeRuneInString(rest)
		p.fail(start, "unexpected character %q", r)
	}
	for _, s := range list {
		if has(s) {
			if s == "=>" && st == sFname {
				continue
			}
			if st == sFname && len(s) > 1 && s[len(s)-1] == '=' && s != "==" && s != "===" && s != "!=" && s != ">=" {
				continue
			}
			if (s == "**" || s == "&" || s == "*") && st == sArg && space {
				t.beg = !isSpace(p.ch(start + len(s)))
			}
			return op(s, opNext)
		}
	}
	p.fail(start, "unexpected %q", c)
	return t
}

// operators by first byte, longest first
var opTable = map[byte][]string{
	'=': {"===", "==", "=~", "=>", "="},
	'!': {"!=", "!~", "!"},
	'>': {">>=", ">>", ">=", ">"},
	'|': {"||=", "||", "|=", "|"},
	'&': {"&&=", "&&", "&=", "&"},
	'*': {"**=", "**", "*=", "*"},
	'^': {"^=", "^"},
	'~': {"~"},
}

func (p *parser) lexIdent(t token) token {
	start := p.pos
	i := start
	for i < len(p.src) {
		c := p.src[i]
		if c < 0x80 {
			if !isIdentChar(c) {
				break
			}
			i++
			continue
		}
		r, w := utf8.DecodeRuneInString(p.src[i:])
		if r == utf8.RuneError && w == 1 {
			p.fail(i, "invalid multibyte char (UTF-8)")
		}
		i += w
	}
	st := p.state
	// foo? and foo!, but not foo!= or foo?=
	if c := p.ch(i); (c == '?' || c == '!') && (p.ch(i+1) != '=' || p.ch(i+2) == '=' || p.ch(i+2) == '~' || p.ch(i+2) == '>') {
		// a ?b : c is a ternary only with white space; x ? y?z : w can't be written
		if !(c == '?' && p.ch(i+1) == ':' && p.ch(i+2) == ':') {
			i++
		}
	}
	s := p.src[start:i]
	last := s[len(s)-1]
	fid := last == '?' || last == '!'
	t.s = s
	// name=  after def
	if st == sFname && !fid && p.defName && p.ch(i) == '=' && p.ch(i+1) != '~' && p.ch(i+1) != '>' && (p.ch(i+1) != '=' || p.ch(i+2) == '>') && p.ch(i+1) != ' ' {
		// def x=(v): a setter; "def x = v" has a blank
		i++
		t.s = p.src[start:i]
	}
	// label
	if st != sFname && p.ch(i) == ':' && p.ch(i+1) != ':' && p.labelOK(t) {
		t.kind = tLabel
		p.pos = i + 1
		t.end = p.pos
		p.state = sBeg
		return t
	}
	p.pos, t.end = i, i
	if st != sFname {
		if ks, ok := keywords[s]; ok {
			t.kind = tKeyword
			p.state = ks
			if s == "def" {
				p.defName = true
			}
			return t
		}
	}
	switch {
	case fid:
		t.kind = tFID
		p.state = sArg
	case s[0] >= 'A' && s[0] <= 'Z':
		t.kind = tConst
		p.state = sArg
	default:
		t.kind = tIdent
		p.state = sArg
		if r, _ := utf8.DecodeRuneInString(s); r >= 0x80 && unicode.IsUpper(r) {
			t.kind = tConst
		}
		if st != sFname {
			if _, _, ok := p.sc.lookup(s); ok {
				p.state = sEnd
			}
		}
	}
	if st == sFname {
		p.state = sArg
		if p.defName {
			p.state = sEnd
			// def self.x: the name follows
			p.defName = false
		}
	}
	return t
}

// labelOK tells whether "name:" is a label here and not the middle of a ternary.
func (p *parser) labelOK(t token) bool {
	if p.tok.kind == tOp && p.tok.s == "?" && p.ternary > 0 {
		return false
	}
	if p.state == sEnd {
		return p.tok.kind == tOp && p.tok.s == "|" || p.sc != nil && p.tok.kind == tIdent && t.space
	}
	return true
}

func (p *parser) lexNumber(t token) token {
	start := p.pos
	i := start
	p.state = sEnd
	digits := func(ok func(byte) bool) string {
		var b strings.Builder
		last := byte('_')
		for i < len(p.src) && (ok(p.src[i]) || p.src[i] == '_') {
			c := p.src[i]
			if c == '_' {
				if last == '_' || !(i+1 < len(p.src) && ok(p.src[i+1])) {
					p.fail(i, "trailing '_' in number")
				}
			} else {
				b.WriteByte(c)
			}
			last = c
			i++
		}
		if b.Len() == 0 {
			p.fail(start, "numeric literal without digits")
		}
		return b.String()
	}
	finish := func(v Value, k tokKind) token {
		if i < len(p.src) && (p.src[i] == 'r' || p.src[i] == 'i') && !isIdentChar(p.ch(i+1)) {
			p.unsupported(start, "a rational or imaginary literal")
		}
		if isIdentStart(p.ch(i)) {
			p.fail(i, "unexpected letter after a number")
		}
		t.kind, t.val = k, v
		p.pos, t.end = i, i
		t.s = p.src[start:i]
		return t
	}
	toInt := func(s string, base int) Value {
		if len(s) > 20000 {
			p.fail(start, "number too long")
		}
		if v, err := strconv.ParseInt(s, base, strconv.IntSize); err == nil {
			return int(v)
		}
		b, _ := new(big.Int).SetString(s, base)
		return normBig(b)
	}
	if p.src[i] == '0' && i+1 < len(p.src) {
		switch c := p.src[i+1]; {
		case c == 'x' || c == 'X':
			i += 2
			return finish(toInt(digits(func(c byte) bool {
				return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
			}), 16), tInt)
		case c == 'b' || c == 'B':
			i += 2
			return finish(toInt(digits(func(c byte) bool { return c == '0' || c == '1' }), 2), tInt)
		case c == 'd' || c == 'D':
			i += 2
			return finish(toInt(digits(isDigit), 10), tInt)
		case c == 'o' || c == 'O' || isDigit(c) || c == '_':
			i++
			if !isDigit(c) {
				i++
			}
			s := digits(isDigit)
			if strings.ContainsAny(s, "89") {
				p.fail(start, "Invalid octal digit")
			}
			return finish(toInt(s, 8), tInt)
		}
	}
	s := digits(isDigit)
	float := false
	if p.ch(i) == '.' && isDigit(p.ch(i+1)) {
		i++
		s += "." + digits(isDigit)
		float = true
	}
	if c := p.ch(i); c == 'e' || c == 'E' {
		j := i + 1
		if p.ch(j) == '+' || p.ch(j) == '-' {
			j++
		}
		if isDigit(p.ch(j)) {
			s += p.src[i:j]
			i = j
			s += digits(isDigit)
			float = true
		}
	}
	if float {
		f, _ := strconv.ParseFloat(s, 64)
		return finish(f, tFloat)
	}
	return finish(toInt(s, 10), tInt)
}

func (p *parser) lexGlobal(t token) token {
	start := p.pos
	i := start + 1
	c := p.ch(i)
	p.state = sEnd
	t.kind = tGvar
	switch {
	case c == '-' && isIdentChar(p.ch(i+1)):
		i += 2
	case isDigit(c):
		for isDigit(p.ch(i)) || c == '0' && isIdentChar(p.ch(i)) {
			i++
		}
		if c != '0' {
			n, err := strconv.Atoi(p.src[start+1 : i])
			if err != nil || n > 1<<20 {
				p.fail(start, "numbered reference too large")
			}
			t.kind = tNthRef
			t.val = n
		}
	case isIdentStart(c):
		for isIdentChar(p.ch(i)) {
			i++
		}
	case strings.IndexByte("~*$?!@/\\;,.=:_0<>\"&`'+", c) >= 0 && c != 0:
		i++
	default:
		p.fail(start, "unexpected %q", "$")
	}
	t.s = p.src[start:i]
	p.pos, t.end = i, i
	return t
}

var symbolOps = []string{"[]=", "[]", "===", "==", "=~", "!=", "!~", "!", "<=>", "<=", "<<", "<", ">=", ">>", ">", "**", "*", "+@", "+", "-@", "-", "/", "%", "&", "|", "^", "~", "`"}

func (p *parser) lexSymbol(t token) token {
	start := p.pos
	i := start + 1
	c := p.ch(i)
	p.state = sEnd
	t.kind = tSymbol
	if c == '"' || c == '\'' {
		p.pos = i + 1
		parts := p.stringBody(c, 0, c == '"', false, 0)
		t.end = p.pos
		p.state = sEnd
		if s, ok := literalOf(parts); ok {
			t.s = s
			return t
		}
		t.kind, t.parts = tDSym, parts
		return t
	}
	j := i
	if c == '@' || c == '$' {
		j++
		if p.ch(j) == '@' {
			j++
		}
	}
	if isIdentStart(p.ch(j)) {
		for j < len(p.src) && isIdentChar(p.src[j]) {
			j++
		}
		if c != '@' && c != '$' {
			switch n := p.ch(j); {
			case (n == '?' || n == '!') && p.ch(j+1) != '=':
				j++
			case n == '=' && p.ch(j+1) != '~' && p.ch(j+1) != '=' && p.ch(j+1) != '>':
				j++
			case n == '=' && p.ch(j+1) == '=' && p.ch(j+2) == '>':
				j++
			}
		}
		t.s = p.src[i:j]
		p.pos, t.end = j, j
		return t
	}
	if c == '$' && j < len(p.src) && !isSpace(p.src[j]) {
		j++
		t.s = p.src[i:j]
		p.pos, t.end = j, j
		return t
	}
	for _, op := range symbolOps {
		if strings.HasPrefix(p.src[i:], op) {
			t.s = op
			p.pos, t.end = i+len(op), i+len(op)
			return t
		}
	}
	p.fail(start, "unexpected %q", ":")
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

func (p *parser) lexPercent(t token) token {
	start := p.pos
	i := start + 1
	kind := p.ch(i)
	if kind >= 'a' && kind <= 'z' || kind >= 'A' && kind <= 'Z' {
		i++
	} else {
		kind = 'Q'
	}
	d := p.ch(i)
	if d == 0 || isIdentChar(d) || d >= 0x80 || (isSpace(d) && kind == 'Q' && i == start+1 && p.state != sBeg) {
		p.fail(start, "unknown type of %%string")
	}
	open, shut := closing(d)
	p.pos = i + 1
	switch kind {
	case 'q', 'Q', 's', 'x', 'r':
		interp := kind == 'Q' || kind == 'x' || kind == 'r'
		parts := p.stringBody(shut, open, interp, kind == 'r', 0)
		switch kind {
		case 'r':
			return p.regexpToken(t, parts)
		case 'x':
			t.kind, t.parts = tXString, parts
		case 's':
			s, _ := literalOf(parts)
			t.kind, t.s = tSymbol, s
		default:
			t.kind, t.parts = tString, parts
		}
		t.end = p.pos
		p.state = sEnd
		return t
	case 'w', 'W', 'i', 'I':
		t.words = p.wordList(shut, open, kind == 'W' || kind == 'I')
		t.kind = tWords
		if kind == 'i' || kind == 'I' {
			t.kind = tSymbols
		}
		t.end = p.pos
		p.state = sEnd
		return t
	}
	p.fail(start, "unknown type of %%string")
	return t
}

func (p *parser) regexpToken(t token, parts []node) token {
	i := p.pos
	for i < len(p.src) && p.src[i] >= 'a' && p.src[i] <= 'z' {
		if strings.IndexByte("imxounse", p.src[i]) < 0 {
			p.fail(i, "unknown regexp option - %c", p.src[i])
		}
		i++
	}
	t.kind, t.parts, t.s = tRegexp, parts, p.src[p.pos:i]
	p.pos, t.end = i, i
	p.state = sEnd
	return t
}

// lexQuoted reads "…", '…' and `…`.
func (p *parser) lexQuoted(t token, q byte) token {
	start := p.pos
	st := p.state
	labelOK := p.labelOK(token{space: t.space, kind: tString})
	p.pos = start + 1
	t.parts = p.stringBody(q, 0, q != '\'', false, 0)
	t.kind = tString
	if q == '`' {
		t.kind = tXString
	} else if p.ch(p.pos) == ':' && p.ch(p.pos+1) != ':' && labelOK && st != sEnd && st != sFname {
		p.pos++
		t.kind = tLabelStr
		t.end = p.pos
		p.state = sBeg
		return t
	}
	t.end = p.pos
	p.state = sEnd
	return t
}

// stringBody reads up to the unescaped terminator; nested pairs of open and shut count. The parts are strNode for text
// and arbitrary nodes for interpolations. In a regexp escapes stay as they are. dedent is for here-documents: how many
// columns of indentation each line loses (with shut == 0 the text ends where the source does).
func (p *parser) stringBody(shut, open byte, interp, regex bool, dedent int) []node {
	start := p.pos
	var parts []node
	var b strings.Builder
	textAt := p.pos
	flush := func() {
		if b.Len() > 0 {
			parts = append(parts, &strNode{at(textAt), b.String()})
			b.Reset()
		}
		textAt = p.pos
	}
	depth := 0
	lineStart := dedent > 0
	for {
		if lineStart {
			lineStart = false
			p.dedentLine(dedent)
		}
		if p.pos >= len(p.src) {
			if shut == 0 {
				break
			}
			if regex {
				p.fail(start-1, "unterminated regexp meets end of file")
			}
			p.fail(start-1, "unterminated string meets end of file")
		}
		c := p.src[p.pos]
		switch {
		case shut != 0 && c == shut && depth == 0:
			p.pos++
			flush()
			return parts
		case open != 0 && c == open:
			depth++
			b.WriteByte(c)
			p.pos++
		case open != 0 && c == shut && shut != 0:
			depth--
			b.WriteByte(c)
			p.pos++
		case c == '\\' && regex:
			// the regexp's own escapes stay; an escaped delimiter loses its backslash
			n := p.ch(p.pos + 1)
			switch {
			case n == 0:
				p.fail(p.pos, "unterminated regexp meets end of file")
			case n == '\n':
			case n == shut && (n == '/' || strings.IndexByte(`.*+?()[]{}|^$-`, n) < 0):
				b.WriteByte(n)
			default:
				b.WriteByte('\\')
				b.WriteByte(n)
			}
			p.pos += 2
		case c == '\\' && interp:
			if p.ch(p.pos+1) == '\n' {
				p.pos += 2
				lineStart = dedent > 0
				continue
			}
			p.escape(&b)
		case c == '\\':
			n := p.ch(p.pos + 1)
			switch {
			case shut == 0: // here-document in single quotes
				b.WriteByte(c)
				p.pos++
			case n == '\\' || n == shut || open != 0 && n == open:
				b.WriteByte(n)
				p.pos += 2
			default:
				b.WriteByte(c)
				p.pos++
			}
		case c == '#' && interp && p.ch(p.pos+1) == '{':
			flush()
			parts = append(parts, p.interpolation())
			textAt = p.pos
		case c == '#' && interp && (p.ch(p.pos+1) == '@' && (isIdentStart(p.ch(p.pos+2)) || p.ch(p.pos+2) == '@' && isIdentStart(p.ch(p.pos+3))) ||
			p.ch(p.pos+1) == '$' && (isIdentStart(p.ch(p.pos+2)) || isDigit(p.ch(p.pos+2)) || strings.IndexByte("~*$?!@/\\;,.=:_<>&`'+", p.ch(p.pos+2)) >= 0 && p.ch(p.pos+2) != shut && p.ch(p.pos+2) != 0)):
			flush()
			p.pos++
			at0 := at(p.pos)
			if p.src[p.pos] == '$' {
				t := p.lexGlobal(token{pos: p.pos})
				if t.kind == tNthRef {
					parts = append(parts, &nthRefNode{at0, t.val.(int)})
				} else {
					parts = append(parts, &gvarNode{at0, t.s})
				}
			} else {
				i := p.pos + 1
				if p.ch(i) == '@' {
					i++
				}
				for isIdentChar(p.ch(i)) {
					i++
				}
				s := p.src[p.pos:i]
				if s[1] == '@' {
					parts = append(parts, &cvarNode{at0, s})
				} else {
					parts = append(parts, &ivarNode{at0, s})
				}
				p.pos = i
			}
			textAt = p.pos
		case c == '\r' && p.ch(p.pos+1) == '\n':
			p.pos++
		case c == '\n':
			b.WriteByte(c)
			if shut != 0 {
				p.newline() // a here-document may have begun on this line
			} else {
				p.pos++
			}
			lineStart = dedent > 0
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
	flush()
	return parts
}

func (p *parser) dedentLine(n int) {
	col := 0
	for p.pos < len(p.src) && col < n {
		switch p.src[p.pos] {
		case ' ':
			col++
		case '\t':
			w := 8 - col%8
			if col+w > n {
				return
			}
			col += w
		default:
			return
		}
		p.pos++
	}
}

// interpolation parses #{…}; pos is at the #.
func (p *parser) interpolation() node {
	start := p.pos
	saved := *p
	p.enter(start)
	p.pos += 2
	p.state, p.noDo, p.noPipe, p.ternary = sBeg, false, false, 0
	p.heredocEnd = 0
	p.defName = false
	p.advance()
	body := p.stmts("}")
	if !p.isOp("}") {
		p.fail(start, "unterminated interpolation")
	}
	end := p.tok.end
	ntok := p.ntok
	nodes := p.nodes
	*p = saved
	p.ntok, p.nodes = ntok, nodes
	p.pos = end
	return &dstrNode{at(start), []node{body}}
}

// escape reads one backslash sequence of a double-quoted string into b.
func (p *parser) escape(b *strings.Builder) {
	start := p.pos
	p.pos++
	if p.pos >= len(p.src) {
		p.fail(start, "unterminated string meets end of file")
	}
	c := p.src[p.pos]
	p.pos++
	switch c {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 's':
		b.WriteByte(' ')
	case 'r':
		b.WriteByte('\r')
	case 'a':
		b.WriteByte(7)
	case 'b':
		b.WriteByte(8)
	case 'e':
		b.WriteByte(27)
	case 'f':
		b.WriteByte('\f')
	case 'v':
		b.WriteByte('\v')
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v := int(c - '0')
		for n := 0; n < 2 && p.ch(p.pos) >= '0' && p.ch(p.pos) <= '7'; n++ {
			v = v*8 + int(p.src[p.pos]-'0')
			p.pos++
		}
		b.WriteByte(byte(v))
	case 'x':
		v, n := p.hex(2)
		if n == 0 {
			p.fail(start, "invalid hex escape")
		}
		b.WriteByte(byte(v))
	case 'u':
		if p.ch(p.pos) == '{' {
			p.pos++
			for {
				for isSpace(p.ch(p.pos)) {
					p.pos++
				}
				if p.ch(p.pos) == '}' {
					p.pos++
					return
				}
				v, n := p.hex(6)
				p.rune(b, start, v, n)
			}
		}
		v, n := p.hex(4)
		if n != 4 {
			n = 0
		}
		p.rune(b, start, v, n)
	case 'c', 'C', 'M':
		if c == 'c' || c == 'C' && p.ch(p.pos) == '-' {
			if c == 'C' {
				p.pos++
			}
			n := p.ch(p.pos)
			if n != 0 && n < 0x80 && n != '\\' {
				p.pos++
				if n == '?' {
					b.WriteByte(127)
				} else {
					b.WriteByte(n & 0x9f)
				}
				return
			}
		}
		p.unsupported(start, "a meta or control escape of this form")
	case '\r':
		if p.ch(p.pos) == '\n' {
			p.pos++
		}
	default:
		b.WriteByte(c)
	}
}

func (p *parser) hex(max int) (v, n int) {
	for n < max {
		c := p.ch(p.pos)
		switch {
		case isDigit(c):
			v = v*16 + int(c-'0')
		case c >= 'a' && c <= 'f':
			v = v*16 + int(c-'a') + 10
		case c >= 'A' && c <= 'F':
			v = v*16 + int(c-'A') + 10
		default:
			return v, n
		}
		p.pos++
		n++
	}
	return v, n
}

func (p *parser) rune(b *strings.Builder, start, v, n int) {
	if n == 0 || v > 0x10ffff || v >= 0xd800 && v < 0xe000 {
		p.fail(start, "invalid Unicode escape")
	}
	b.WriteRune(rune(v))
}

// wordList reads the words of %w and its kin.
func (p *parser) wordList(shut, open byte, interp bool) [][]node {
	start := p.pos
	var words [][]node
	var cur []node
	var b strings.Builder
	inWord := false
	textAt := p.pos
	flush := func() {
		if b.Len() > 0 {
			cur = append(cur, &strNode{at(textAt), b.String()})
			b.Reset()
		}
	}
	end := func() {
		flush()
		if inWord {
			words = append(words, cur)
		}
		cur, inWord = nil, false
	}
	depth := 0
	for {
		if p.pos >= len(p.src) {
			p.fail(start-1, "unterminated list meets end of file")
		}
		c := p.src[p.pos]
		if b.Len() == 0 {
			textAt = p.pos
		}
		switch {
		case c == shut && depth == 0:
			end()
			p.pos++
			return words
		case isSpace(c):
			end()
			if c == '\n' {
				p.newline()
			} else {
				p.pos++
			}
		case open != 0 && c == open:
			depth++
			inWord = true
			b.WriteByte(c)
			p.pos++
		case open != 0 && c == shut:
			depth--
			b.WriteByte(c)
			p.pos++
		case c == '\\' && (isSpace(p.ch(p.pos+1)) || p.ch(p.pos+1) == '\\' || p.ch(p.pos+1) == shut || open != 0 && p.ch(p.pos+1) == open):
			inWord = true
			b.WriteByte(p.src[p.pos+1])
			p.pos += 2
		case c == '\\' && interp:
			inWord = true
			p.escape(&b)
		case c == '#' && interp && p.ch(p.pos+1) == '{':
			flush()
			inWord = true
			cur = append(cur, p.interpolation())
		default:
			inWord = true
			b.WriteByte(c)
			p.pos++
		}
	}
}

// heredoc reads <<ID, <<-ID, <<~ID with optional quotes; the body starts on the next line.
func (p *parser) heredoc(t token) (token, bool) {
	i := p.pos + 2
	mode := byte(0)
	if c := p.ch(i); c == '-' || c == '~' {
		mode = c
		i++
	}
	quote := byte(0)
	var id string
	if c := p.ch(i); c == '"' || c == '\'' || c == '`' {
		quote = c
		j := strings.IndexByte(p.src[i+1:], c)
		if j < 0 || strings.IndexByte(p.src[i+1:i+1+j], '\n') >= 0 {
			return t, false
		}
		id = p.src[i+1 : i+1+j]
		i += j + 2
	} else {
		if !isIdentStart(c) {
			return t, false
		}
		j := i
		for isIdentChar(p.ch(j)) {
			j++
		}
		id = p.src[i:j]
		i = j
	}
	// the body begins after this line, or after the previous here-document of the line
	body := p.heredocEnd
	if body <= p.pos {
		nl := strings.IndexByte(p.src[i:], '\n')
		if nl < 0 {
			p.fail(t.pos, "can't find string %q anywhere before EOF", id)
		}
		body = i + nl + 1
	}
	// find the terminator and the least indentation
	end, after := -1, -1
	indent := -1
	for ls := body; ls <= len(p.src); {
		le := strings.IndexByte(p.src[ls:], '\n')
		next := len(p.src) + 1
		stop := len(p.src)
		if le >= 0 {
			stop, next = ls+le, ls+le+1
		}
		line := strings.TrimSuffix(p.src[ls:stop], "\r")
		cmp := line
		if mode != 0 {
			cmp = strings.TrimLeft(line, " \t")
		}
		if cmp == id && ls < len(p.src) {
			end, after = ls, next
			break
		}
		if strings.TrimLeft(line, " \t") != "" {
			col := 0
		scan:
			for k := 0; k < len(line); k++ {
				switch line[k] {
				case ' ':
					col++
				case '\t':
					col += 8 - col%8
				default:
					break scan
				}
			}
			if indent < 0 || col < indent {
				indent = col
			}
		}
		ls = next
	}
	if end < 0 {
		p.fail(t.pos, "can't find string %q anywhere before EOF", id)
	}
	if mode != '~' || indent < 0 {
		indent = 0
	}
	saved := *p
	p.src = p.src[:end]
	p.pos = body
	parts := p.stringBody(0, 0, quote != '\'', false, indent)
	nodes, ntok := p.nodes, p.ntok
	*p = saved
	p.nodes, p.ntok = nodes, ntok
	if after > len(p.src) {
		after = len(p.src)
	}
	p.heredocEnd = after
	p.pos = i
	t.kind, t.parts, t.end = tString, parts, i
	if quote == '`' {
		t.kind = tXString
	}
	p.state = sEnd
	return t, true
}
