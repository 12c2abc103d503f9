package ruby

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Regexp is a Ruby regular expression. Matching is by backtracking, as in Ruby, with every step counted against the
// program's limits.
type Regexp struct {
	src   string
	flags int
	prog  []reInst
	ncap  int // groups, with the whole match as number 0
	names []string
	group map[string][]int
	lead  string // what every match begins with, where that is a fixed text
	bos   bool   // begins with \A
}

const (
	reIgnoreCase = 1
	reExtended   = 2
	reMultiline  = 4
)

func regexpFlags(s string) int {
	f := 0
	for _, c := range s {
		switch c {
		case 'i':
			f |= reIgnoreCase
		case 'x':
			f |= reExtended
		case 'm':
			f |= reMultiline
		}
	}
	return f
}

func (r *Regexp) flagString() string {
	s := ""
	if r.flags&reMultiline != 0 {
		s += "m"
	}
	if r.flags&reIgnoreCase != 0 {
		s += "i"
	}
	if r.flags&reExtended != 0 {
		s += "x"
	}
	return s
}

// embed is Regexp#to_s, the form in which a regexp goes into another.
func (r *Regexp) embed() string {
	on := r.flagString()
	off := ""
	for _, c := range "mix" {
		if !strings.ContainsRune(on, c) {
			off += string(c)
		}
	}
	if off != "" {
		off = "-" + off
	}
	return "(?" + on + off + ":" + escapeSlash(r.src) + ")"
}

func escapeSlash(s string) string {
	if !strings.Contains(s, "/") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			b.WriteByte(s[i])
			i++
		} else if s[i] == '/' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// regexpError is a pattern that can't be compiled.
type regexpError struct {
	msg         string
	unsupported bool
}

func (e *regexpError) Error() string     { return e.msg }
func (e *regexpError) Unsupported() bool { return e.unsupported }

// Syntax tree.

type reKind uint8

const (
	reEmpty reKind = iota
	reLit
	reSet
	reCat
	reAlt
	reRepeat
	reGroup
	reAssert // a zero-width test named by op
	reLook
	reAtomic
	reBackref
	reKeep
)

type reNode struct {
	kind   reKind
	r      rune
	fold   bool
	set    *charSet
	subs   []*reNode
	min    int
	max    int // -1: no end
	lazy   bool
	poss   bool
	cap    int // group number, 0 for a group without capture
	op     reOp
	neg    bool
	behind bool
	refs   []int
	name   string
}

// charSet is a class of characters.
type charSet struct {
	neg    bool
	ranges []rune // pairs
	subs   []*charSet
	and    *charSet // intersection with another
	fn     func(rune) bool
	fold   bool
	any    bool // every character (with or without newline)
	nl     bool
}

func (c *charSet) matches(r rune) bool {
	if c.any {
		return c.nl || r != '\n'
	}
	in := c.has(r)
	if !in && c.fold {
		for f := unicode.SimpleFold(r); f != r && !in; f = unicode.SimpleFold(f) {
			in = c.has(f)
		}
	}
	if in && c.and != nil {
		in = c.and.matches(r)
	}
	return in != c.neg
}

func (c *charSet) has(r rune) bool {
	for i := 0; i < len(c.ranges); i += 2 {
		if r >= c.ranges[i] && r <= c.ranges[i+1] {
			return true
		}
	}
	if c.fn != nil && c.fn(r) {
		return true
	}
	for _, s := range c.subs {
		if s.matches(r) {
			return true
		}
	}
	return false
}

type reParser struct {
	s     string
	i     int
	flags int
	ncap  int
	named bool
	names []string
	group map[string][]int
	depth int
	nodes int
}

func (p *reParser) fail(format string, args ...any) {
	panic(&regexpError{msg: fmt.Sprintf(format, args...)})
}

func (p *reParser) more() bool { return p.i < len(p.s) }

func (p *reParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *reParser) has(s string) bool { return strings.HasPrefix(p.s[p.i:], s) }

func (p *reParser) take(s string) bool {
	if p.has(s) {
		p.i += len(s)
		return true
	}
	return false
}

// compileRegexp reads a pattern.
func compileRegexp(src string, flags int) (re *Regexp, err error) {
	if len(src) > 100_000 {
		return nil, &regexpError{msg: "the regexp is too long"}
	}
	defer func() {
		if r := recover(); r != nil {
			if e, ok := r.(*regexpError); ok {
				re, err = nil, e
				return
			}
			panic(r)
		}
	}()
	p := &reParser{s: src, flags: flags, ncap: 1, group: map[string][]int{}}
	p.named = hasNamedGroup(src)
	n := p.alternation()
	if p.more() {
		p.fail("unmatched close parenthesis")
	}
	re = &Regexp{src: src, flags: flags, ncap: p.ncap, names: p.names, group: p.group}
	c := &reCompiler{}
	c.emit(reInst{op: opSave, a: 0})
	c.node(n)
	c.emit(reInst{op: opSave, a: 1})
	c.emit(reInst{op: opMatch})
	re.prog = c.prog
	re.lead = leading(n)
	re.bos = n.kind == reAssert && n.op == opBos || n.kind == reCat && len(n.subs) > 0 && n.subs[0].kind == reAssert && n.subs[0].op == opBos
	for _, refs := range c.refs {
		for _, g := range refs {
			if g >= re.ncap {
				return nil, &regexpError{msg: "invalid backref number/name"}
			}
		}
	}
	return re, nil
}

func hasNamedGroup(s string) bool {
	for i := 0; i+3 < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], "(?<") && s[i+3] != '=' && s[i+3] != '!', strings.HasPrefix(s[i:], "(?'"):
			return true
		}
	}
	return false
}

// leading gives the text that every match begins with.
func leading(n *reNode) string {
	switch n.kind {
	case reLit:
		if !n.fold {
			return string(n.r)
		}
	case reCat:
		var b strings.Builder
		for _, s := range n.subs {
			if s.kind != reLit || s.fold {
				break
			}
			b.WriteRune(s.r)
		}
		return b.String()
	case reGroup:
		return leading(n.subs[0])
	}
	return ""
}

func (p *reParser) alternation() *reNode {
	p.depth++
	if p.depth > 200 {
		p.fail("too deep nest level")
	}
	defer func() { p.depth-- }()
	saved := p.flags
	defer func() { p.flags = saved }()
	alts := []*reNode{p.sequence()}
	for p.more() && p.peek() == '|' {
		p.i++
		alts = append(alts, p.sequence())
	}
	if len(alts) == 1 {
		return alts[0]
	}
	return &reNode{kind: reAlt, subs: alts}
}

func (p *reParser) sequence() *reNode {
	cat := &reNode{kind: reCat}
	for p.more() && p.peek() != '|' && p.peek() != ')' {
		n := p.atom()
		if n == nil {
			continue
		}
		if n.kind != reEmpty {
			n = p.quantifiers(n)
		}
		cat.subs = append(cat.subs, n)
		p.nodes++
		if p.nodes > 20_000 {
			p.fail("the regexp is too large")
		}
	}
	if len(cat.subs) == 1 {
		return cat.subs[0]
	}
	return cat
}

func (p *reParser) quantifiers(n *reNode) *reNode {
	for first := true; p.more(); first = false {
		for p.flags&reExtended != 0 && p.more() && isSpace(p.peek()) {
			p.i++
		}
		min, max := 0, -1
		start := p.i
		interval := false
		switch p.peek() {
		case '*':
			p.i++
		case '+':
			min = 1
			p.i++
		case '?':
			max = 1
			p.i++
		case '{':
			var ok bool
			if min, max, ok = p.interval(); !ok {
				p.i = start
				return n
			}
			interval = true
		default:
			return n
		}
		if n.kind == reAssert && first && n.op != opWordB && n.op != opNWordB && n.op != opBol && n.op != opEol && n.op != opBos && n.op != opEos && n.op != opEosNL {
			p.fail("target of repeat operator is invalid")
		}
		rep := &reNode{kind: reRepeat, min: min, max: max, subs: []*reNode{n}}
		if p.more() && p.peek() == '?' {
			p.i++
			rep.lazy = true
		} else if p.more() && p.peek() == '+' && !interval {
			p.i++
			rep.poss = true
		}
		n = rep
	}
	return n
}

// interval reads {n}, {n,}, {,m}, {n,m}; anything else in braces is literal.
func (p *reParser) interval() (min, max int, ok bool) {
	p.i++
	num := func() (int, bool) {
		start := p.i
		v := 0
		for p.more() && isDigit(p.peek()) {
			v = v*10 + int(p.peek()-'0')
			if v > 100_000 {
				p.fail("too big number for repeat range")
			}
			p.i++
		}
		return v, p.i > start
	}
	lo, hasLo := num()
	if p.peek() == '}' && hasLo {
		p.i++
		return lo, lo, true
	}
	if p.peek() != ',' {
		return 0, 0, false
	}
	p.i++
	hi, hasHi := num()
	if p.peek() != '}' || !hasLo && !hasHi {
		return 0, 0, false
	}
	p.i++
	if !hasHi {
		return lo, -1, true
	}
	if hi < lo {
		// Onigmo swaps them and makes the repeat possessive; nobody means that
		p.fail("bad repeat range {%d,%d}", lo, hi)
	}
	return lo, hi, true
}

func (p *reParser) lit(r rune) *reNode {
	return &reNode{kind: reLit, r: r, fold: p.flags&reIgnoreCase != 0}
}

func (p *reParser) setNode(c *charSet) *reNode { return &reNode{kind: reSet, set: c} }

// atom reads one item; nil means that it was a comment or a switch of options.
func (p *reParser) atom() *reNode {
	c := p.peek()
	if p.flags&reExtended != 0 {
		if isSpace(c) {
			p.i++
			return nil
		}
		if c == '#' {
			for p.more() && p.peek() != '\n' {
				p.i++
			}
			return nil
		}
	}
	switch c {
	case '(':
		return p.groupNode()
	case '[':
		p.i++
		set := p.class()
		set.fold = p.flags&reIgnoreCase != 0
		return p.setNode(set)
	case '.':
		p.i++
		return p.setNode(&charSet{any: true, nl: p.flags&reMultiline != 0})
	case '^':
		p.i++
		return &reNode{kind: reAssert, op: opBol}
	case '$':
		p.i++
		return &reNode{kind: reAssert, op: opEol}
	case '*', '+', '?':
		p.fail("target of repeat operator is not specified")
	case '\\':
		return p.escapeNode()
	}
	r, w := utf8.DecodeRuneInString(p.s[p.i:])
	p.i += w
	return p.lit(r)
}

func (p *reParser) groupNode() *reNode {
	p.i++ // (
	sub := func() *reNode {
		n := p.alternation()
		if p.peek() != ')' || !p.more() {
			p.fail("end pattern with unmatched parenthesis")
		}
		p.i++
		return n
	}
	if !p.take("?") {
		if p.named {
			return &reNode{kind: reGroup, subs: []*reNode{sub()}}
		}
		return p.capture("", sub)
	}
	switch {
	case p.take(":"):
		return &reNode{kind: reGroup, subs: []*reNode{sub()}}
	case p.take("="):
		return &reNode{kind: reLook, subs: []*reNode{sub()}}
	case p.take("!"):
		return &reNode{kind: reLook, neg: true, subs: []*reNode{sub()}}
	case p.take(">"):
		return &reNode{kind: reAtomic, subs: []*reNode{sub()}}
	case p.take("<="), p.take("<!"):
		n := &reNode{kind: reLook, behind: true, neg: p.s[p.i-1] == '!', subs: []*reNode{sub()}}
		return n
	case p.take("#"):
		for p.more() && p.peek() != ')' {
			p.i++
		}
		p.i++
		return nil
	case p.take("<"), p.take("'"):
		end := byte('>')
		if p.s[p.i-1] == '\'' {
			end = '\''
		}
		j := strings.IndexByte(p.s[p.i:], end)
		if j <= 0 {
			p.fail("group name is empty")
		}
		name := p.s[p.i : p.i+j]
		for k := 0; k < len(name); k++ {
			if !isIdentChar(name[k]) || k == 0 && isDigit(name[0]) {
				p.fail("invalid group name <%s>", name)
			}
		}
		p.i += j + 1
		return p.capture(name, sub)
	case p.has("~"):
		panic(&regexpError{msg: "an absent operator (?~…) in a regexp is not supported", unsupported: true})
	}
	if p.has("(") {
		panic(&regexpError{msg: "a conditional (?(…)…) in a regexp is not supported", unsupported: true})
	}
	// options
	on := true
	flags := p.flags
	for p.more() {
		c := p.peek()
		p.i++
		bit := 0
		switch c {
		case '-':
			on = false
			continue
		case 'i':
			bit = reIgnoreCase
		case 'm':
			bit = reMultiline
		case 'x':
			bit = reExtended
		case 'a', 'u', 'd':
			continue
		case ')':
			// holds to the end of the enclosing group, alternatives included
			p.flags = flags
			n := p.restOfGroup()
			return n
		case ':':
			saved := p.flags
			p.flags = flags
			n := sub()
			p.flags = saved
			return &reNode{kind: reGroup, subs: []*reNode{n}}
		default:
			p.fail("undefined group option")
		}
		if on {
			flags |= bit
		} else {
			flags &^= bit
		}
	}
	p.fail("end pattern in group")
	return nil
}

// restOfGroup reads what follows (?i) up to the end of the group, as one item.
func (p *reParser) restOfGroup() *reNode {
	return &reNode{kind: reGroup, subs: []*reNode{p.alternation()}}
}

func (p *reParser) capture(name string, sub func() *reNode) *reNode {
	n := &reNode{kind: reGroup, cap: p.ncap}
	if p.ncap > 2000 {
		p.fail("too many capture groups")
	}
	p.ncap++
	if name != "" {
		if p.group[name] == nil {
			p.names = append(p.names, name)
		}
		p.group[name] = append(p.group[name], n.cap)
	}
	n.subs = []*reNode{sub()}
	return n
}

var (
	setDigit = &charSet{ranges: []rune{'0', '9'}}
	setHex   = &charSet{ranges: []rune{'0', '9', 'a', 'f', 'A', 'F'}}
	setSpace = &charSet{ranges: []rune{'\t', '\r', ' ', ' '}}
	setWord  = &charSet{ranges: []rune{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}}
)

// isWordRune is for \b and [[:word:]], which know all scripts, unlike \w.
func isWordRune(r rune) bool {
	if r < 0x80 {
		return setWord.has(r)
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || unicode.Is(unicode.Pc, r) || unicode.Is(unicode.Nl, r)
}

func negated(c *charSet) *charSet { return &charSet{neg: true, subs: []*charSet{c}} }

func classEscape(c byte) *charSet {
	switch c {
	case 'd':
		return setDigit
	case 'D':
		return negated(setDigit)
	case 'w':
		return setWord
	case 'W':
		return negated(setWord)
	case 's':
		return setSpace
	case 'S':
		return negated(setSpace)
	case 'h':
		return setHex
	case 'H':
		return negated(setHex)
	}
	return nil
}

func (p *reParser) escapeNode() *reNode {
	p.i++
	if !p.more() {
		p.fail("too short escape sequence")
	}
	c := p.peek()
	if s := classEscape(c); s != nil {
		p.i++
		return p.setNode(s)
	}
	switch c {
	case 'A':
		p.i++
		return &reNode{kind: reAssert, op: opBos}
	case 'z':
		p.i++
		return &reNode{kind: reAssert, op: opEos}
	case 'Z':
		p.i++
		return &reNode{kind: reAssert, op: opEosNL}
	case 'b':
		p.i++
		return &reNode{kind: reAssert, op: opWordB}
	case 'B':
		p.i++
		return &reNode{kind: reAssert, op: opNWordB}
	case 'G':
		p.i++
		return &reNode{kind: reAssert, op: opStart}
	case 'K':
		p.i++
		return &reNode{kind: reKeep}
	case 'R':
		p.i++
		crlf := &reNode{kind: reCat, subs: []*reNode{{kind: reLit, r: '\r'}, {kind: reLit, r: '\n'}}}
		one := p.setNode(&charSet{ranges: []rune{'\n', '\r', 0x85, 0x85, 0x2028, 0x2029}})
		return &reNode{kind: reAtomic, subs: []*reNode{{kind: reAlt, subs: []*reNode{crlf, one}}}}
	case 'X', 'g':
		panic(&regexpError{msg: fmt.Sprintf("\\%c in a regexp is not supported", c), unsupported: true})
	case 'k':
		p.i++
		end := byte('>')
		if p.peek() == '\'' {
			end = '\''
		} else if p.peek() != '<' {
			p.fail("invalid backref number/name")
		}
		p.i++
		j := strings.IndexByte(p.s[p.i:], end)
		if j <= 0 {
			p.fail("group name is empty")
		}
		name := p.s[p.i : p.i+j]
		p.i += j + 1
		refs := p.group[name]
		if refs == nil {
			if isDigit(name[0]) {
				n := 0
				fmt.Sscanf(name, "%d", &n)
				refs = []int{n}
			} else {
				p.fail("undefined name <%s> reference", name)
			}
		}
		return &reNode{kind: reBackref, refs: refs, fold: p.flags&reIgnoreCase != 0}
	case 'p', 'P':
		return p.setNode(p.property())
	}
	if c >= '1' && c <= '9' {
		j := p.i
		n := 0
		for j < len(p.s) && isDigit(p.s[j]) && n < 1000 {
			n = n*10 + int(p.s[j]-'0')
			j++
		}
		if n < 10 || n < p.ncap {
			if p.named {
				p.fail("numbered backref/call is not allowed. (use name)")
			}
			p.i = j
			return &reNode{kind: reBackref, refs: []int{n}, fold: p.flags&reIgnoreCase != 0}
		}
	}
	return p.lit(p.charEscape())
}

// charEscape reads an escape that stands for one character; i is after the backslash.
func (p *reParser) charEscape() rune {
	c := p.peek()
	p.i++
	hex := func(max int) (rune, int) {
		var v rune
		n := 0
		for n < max && p.more() {
			d := strings.IndexByte("0123456789abcdef", lower(p.peek()))
			if d < 0 {
				break
			}
			v = v*16 + rune(d)
			p.i++
			n++
		}
		return v, n
	}
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	case 'v':
		return '\v'
	case 'a':
		return 7
	case 'e':
		return 27
	case 'x':
		v, n := hex(2)
		if n == 0 {
			p.fail("invalid hex escape")
		}
		if v >= 0x80 {
			panic(&regexpError{msg: "a byte escape beyond ASCII in a regexp is not supported", unsupported: true})
		}
		return v
	case 'u':
		if p.peek() == '{' {
			p.i++
			v, n := hex(6)
			if n == 0 || p.peek() != '}' {
				p.fail("invalid Unicode escape")
			}
			p.i++
			return v
		}
		v, n := hex(4)
		if n != 4 {
			p.fail("too short escape sequence")
		}
		return v
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v := rune(c - '0')
		for n := 0; n < 2 && p.more() && p.peek() >= '0' && p.peek() <= '7'; n++ {
			v = v*8 + rune(p.peek()-'0')
			p.i++
		}
		return v
	case 'c', 'C', 'M':
		panic(&regexpError{msg: "a control escape in a regexp is not supported", unsupported: true})
	}
	if c >= 0x80 {
		p.i--
		r, w := utf8.DecodeRuneInString(p.s[p.i:])
		p.i += w
		return r
	}
	return rune(c)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 32
	}
	return c
}

func (p *reParser) property() *charSet {
	neg := p.peek() == 'P'
	p.i++
	if !p.take("{") {
		p.fail("invalid character property name {%c}", p.s[p.i-1])
	}
	j := strings.IndexByte(p.s[p.i:], '}')
	if j < 0 {
		p.fail("invalid character property name")
	}
	name := p.s[p.i : p.i+j]
	p.i += j + 1
	if strings.HasPrefix(name, "^") {
		neg = !neg
		name = name[1:]
	}
	fn := posixClass(strings.ToLower(strings.NewReplacer("_", "", " ", "", "-", "").Replace(name)))
	if fn == nil {
		for k, t := range unicode.Scripts {
			if strings.EqualFold(k, name) {
				fn = func(r rune) bool { return unicode.Is(t, r) }
			}
		}
		for k, t := range unicode.Categories {
			if strings.EqualFold(k, name) {
				fn = func(r rune) bool { return unicode.Is(t, r) }
			}
		}
	}
	if fn == nil {
		p.fail("invalid character property name {%s}", name)
	}
	return &charSet{neg: neg, fn: fn}
}

func posixClass(name string) func(rune) bool {
	switch name {
	case "alpha":
		return unicode.IsLetter
	case "digit":
		return unicode.IsDigit
	case "alnum":
		return func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	case "upper":
		return unicode.IsUpper
	case "lower":
		return unicode.IsLower
	case "space":
		return unicode.IsSpace
	case "punct":
		return func(r rune) bool {
			return unicode.IsPunct(r) || r < 0x80 && strings.ContainsRune("$+<=>^`|~", r)
		}
	case "cntrl":
		return unicode.IsControl
	case "blank":
		return func(r rune) bool { return r == '\t' || unicode.Is(unicode.Zs, r) }
	case "xdigit":
		return setHex.matches
	case "word":
		return isWordRune
	case "graph":
		return func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	case "print":
		return unicode.IsGraphic
	case "ascii":
		return func(r rune) bool { return r < 0x80 }
	case "any":
		return func(rune) bool { return true }
	case "letter":
		return unicode.IsLetter
	}
	return nil
}

// class reads a bracket expression; i is after the [.
func (p *reParser) class() *charSet {
	p.depth++
	if p.depth > 200 {
		p.fail("too deep nest level")
	}
	defer func() { p.depth-- }()
	set := &charSet{}
	if p.peek() == '^' {
		set.neg = true
		p.i++
	}
	cur := set
	first := true
	for {
		if !p.more() {
			p.fail("premature end of char-class")
		}
		c := p.peek()
		if c == ']' && !first {
			p.i++
			return set
		}
		if c == ']' && first && !strings.Contains(p.s[p.i+1:], "]") {
			p.fail("empty char-class")
		}
		first = false
		if p.has("&&") {
			p.i += 2
			// everything to the right is intersected
			rest := &charSet{}
			cur.and = rest
			cur = rest
			first = false
			continue
		}
		if p.has("[:") {
			if e := strings.Index(p.s[p.i:], ":]"); e > 0 {
				name := p.s[p.i+2 : p.i+e]
				neg := strings.HasPrefix(name, "^")
				if fn := posixClass(strings.TrimPrefix(name, "^")); fn != nil {
					p.i += e + 2
					cur.subs = append(cur.subs, &charSet{neg: neg, fn: fn})
					continue
				}
			}
		}
		if c == '[' {
			p.i++
			cur.subs = append(cur.subs, p.class())
			continue
		}
		lo, sub := p.classChar()
		if sub != nil {
			cur.subs = append(cur.subs, sub)
			continue
		}
		hi := lo
		if p.peek() == '-' && p.i+1 < len(p.s) && p.s[p.i+1] != ']' && !strings.HasPrefix(p.s[p.i+1:], "&&") && p.s[p.i+1] != '[' {
			save := p.i
			p.i++
			h, sub2 := p.classChar()
			if sub2 != nil {
				p.i = save
				p.i++
				cur.ranges = append(cur.ranges, lo, lo, '-', '-')
				continue
			}
			hi = h
			if hi < lo {
				p.fail("empty range in char class")
			}
		}
		cur.ranges = append(cur.ranges, lo, hi)
		p.nodes++
		if p.nodes > 20_000 {
			p.fail("the regexp is too large")
		}
	}
}

func (p *reParser) classChar() (rune, *charSet) {
	c := p.peek()
	if c != '\\' {
		r, w := utf8.DecodeRuneInString(p.s[p.i:])
		p.i += w
		return r, nil
	}
	p.i++
	if !p.more() {
		p.fail("premature end of char-class")
	}
	c = p.peek()
	if s := classEscape(c); s != nil {
		p.i++
		return 0, s
	}
	switch c {
	case 'b':
		p.i++
		return 8, nil
	case 'p', 'P':
		return 0, p.property()
	case 'R':
		p.i++
		return 0, &charSet{ranges: []rune{'\n', '\r'}}
	}
	return p.charEscape(), nil
}

// Compilation.

type reOp uint8

const (
	opMatch reOp = iota
	opChar
	opCharFold
	opSet
	opSplit // try a, then b
	opJmp
	opSave
	opBol
	opEol
	opBos
	opEos
	opEosNL
	opWordB
	opNWordB
	opStart
	opLook     // sub-program at pc+1 up to a; neg, behind
	opAtomic   // sub-program at pc+1 up to a
	opSubEnd   // a sub-program succeeded
	opBackref  //
	opStar     // greedy repeat of one set: min a, max b
	opMark     // remember the position in slot a
	opNonEmpty // fail the loop when nothing was consumed since mark a
	opKeep
)

type reInst struct {
	op      reOp
	a, b    int
	r       rune
	set     *charSet
	neg     bool
	behind  bool
	lengths []int
	refs    []int
	fold    bool
}

type reCompiler struct {
	prog  []reInst
	marks int
	refs  [][]int
}

const reMaxProg = 30_000

func (c *reCompiler) emit(i reInst) int {
	if len(c.prog) >= reMaxProg {
		panic(&regexpError{msg: "too big wide range or repeat in the regexp"})
	}
	c.prog = append(c.prog, i)
	return len(c.prog) - 1
}

func (c *reCompiler) node(n *reNode) {
	switch n.kind {
	case reEmpty:
	case reLit:
		if n.fold && unicode.SimpleFold(n.r) != n.r {
			c.emit(reInst{op: opCharFold, r: foldRune(n.r)})
		} else {
			c.emit(reInst{op: opChar, r: n.r})
		}
	case reSet:
		c.emit(reInst{op: opSet, set: n.set})
	case reCat:
		for _, s := range n.subs {
			c.node(s)
		}
	case reAlt:
		var ends []int
		for i, s := range n.subs {
			if i == len(n.subs)-1 {
				c.node(s)
				break
			}
			split := c.emit(reInst{op: opSplit})
			c.prog[split].a = len(c.prog)
			c.node(s)
			ends = append(ends, c.emit(reInst{op: opJmp}))
			c.prog[split].b = len(c.prog)
		}
		for _, e := range ends {
			c.prog[e].a = len(c.prog)
		}
	case reGroup:
		if n.cap > 0 {
			c.emit(reInst{op: opSave, a: 2 * n.cap})
			c.node(n.subs[0])
			c.emit(reInst{op: opSave, a: 2*n.cap + 1})
			return
		}
		c.node(n.subs[0])
	case reAssert:
		c.emit(reInst{op: n.op})
	case reKeep:
		c.emit(reInst{op: opKeep})
	case reLook:
		i := c.emit(reInst{op: opLook, neg: n.neg, behind: n.behind})
		if n.behind {
			ls := lengths(n.subs[0], 0)
			if ls == nil {
				panic(&regexpError{msg: "invalid pattern in look-behind"})
			}
			c.prog[i].lengths = ls
		}
		c.node(n.subs[0])
		c.emit(reInst{op: opSubEnd})
		c.prog[i].a = len(c.prog)
	case reAtomic:
		i := c.emit(reInst{op: opAtomic})
		c.node(n.subs[0])
		c.emit(reInst{op: opSubEnd})
		c.prog[i].a = len(c.prog)
	case reBackref:
		c.refs = append(c.refs, n.refs)
		c.emit(reInst{op: opBackref, refs: n.refs, fold: n.fold})
	case reRepeat:
		c.repeat(n)
	}
}

func foldRune(r rune) rune {
	m := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if f < m {
			m = f
		}
	}
	return m
}

// single tells whether a node matches exactly one character, and of which set.
func single(n *reNode) *charSet {
	switch n.kind {
	case reSet:
		return n.set
	case reLit:
		return &charSet{ranges: []rune{n.r, n.r}, fold: n.fold}
	case reGroup:
		if n.cap == 0 {
			return single(n.subs[0])
		}
	}
	return nil
}

func (c *reCompiler) repeat(n *reNode) {
	sub := n.subs[0]
	if n.poss {
		q := *n
		q.poss = false
		c.node(&reNode{kind: reAtomic, subs: []*reNode{&q}})
		return
	}
	if s := single(sub); s != nil && !n.lazy {
		c.emit(reInst{op: opStar, set: s, a: n.min, b: n.max})
		return
	}
	for i := 0; i < n.min; i++ {
		c.node(sub)
	}
	if n.max >= 0 {
		var splits []int
		for i := n.min; i < n.max; i++ {
			splits = append(splits, c.emit(reInst{op: opSplit}))
			c.prog[len(c.prog)-1].a = len(c.prog)
			c.node(sub)
		}
		for _, s := range splits {
			if n.lazy {
				c.prog[s].b = c.prog[s].a
				c.prog[s].a = len(c.prog)
			} else {
				c.prog[s].b = len(c.prog)
			}
		}
		return
	}
	// L: split body, end; mark; body; nonempty; jmp L
	mark := c.marks
	c.marks++
	l := c.emit(reInst{op: opSplit})
	body := len(c.prog)
	c.emit(reInst{op: opMark, a: mark})
	c.node(sub)
	c.emit(reInst{op: opNonEmpty, a: mark})
	c.emit(reInst{op: opJmp, a: l})
	if n.lazy {
		c.prog[l].a, c.prog[l].b = len(c.prog), body
	} else {
		c.prog[l].a, c.prog[l].b = body, len(c.prog)
	}
}

// lengths gives the possible lengths in characters of what n matches, or nil when they are not fixed.
func lengths(n *reNode, depth int) []int {
	switch n.kind {
	case reEmpty, reAssert, reLook, reKeep:
		return []int{0}
	case reLit, reSet:
		return []int{1}
	case reGroup, reAtomic:
		return lengths(n.subs[0], depth+1)
	case reCat:
		out := []int{0}
		for _, s := range n.subs {
			ls := lengths(s, depth+1)
			if ls == nil || len(ls)*len(out) > 100 {
				return nil
			}
			var next []int
			for _, a := range out {
				for _, b := range ls {
					next = appendUniq(next, a+b)
				}
			}
			out = next
		}
		return out
	case reAlt:
		var out []int
		for _, s := range n.subs {
			ls := lengths(s, depth+1)
			if ls == nil || depth > 0 && len(ls) > 1 {
				return nil
			}
			for _, l := range ls {
				out = appendUniq(out, l)
			}
		}
		return out
	case reRepeat:
		ls := lengths(n.subs[0], depth+1)
		if n.min != n.max || len(ls) != 1 {
			return nil
		}
		return []int{n.min * ls[0]}
	}
	return nil
}

func appendUniq(s []int, v int) []int {
	for _, x := range s {
		if x == v {
			return s
		}
	}
	return append(s, v)
}

// Matching.

type reFrame struct {
	kind uint8 // 0 try (pc, pos); 1 restore capture slot pc to pos; 2 restore mark; 3 star: pc, pos with lower bound
	pc   int
	pos  int
	low  int
}

type reMachine struct {
	in    *Interp
	re    *Regexp
	s     string
	start int
	caps  []int
	marks []int
	stack []reFrame
	steps int
}

const reMaxStack = 200_000

// match searches s from byte offset start; nil means no match, else pairs of offsets.
func (r *Regexp) match(in *Interp, s string, start int) []int {
	return r.run(in, s, start, false)
}

// matchAt matches at exactly one offset.
func (r *Regexp) matchAt(in *Interp, s string, pos int) []int {
	return r.run(in, s, pos, true)
}

func (r *Regexp) run(in *Interp, s string, start int, anchored bool) []int {
	if start > len(s) || start < 0 {
		return nil
	}
	m := &reMachine{in: in, re: r, s: s, start: start}
	n := 0
	for i := range r.prog {
		if r.prog[i].op == opMark && r.prog[i].a >= n {
			n = r.prog[i].a + 1
		}
	}
	m.marks = make([]int, n)
	m.caps = make([]int, 2*r.ncap)
	for pos := start; pos <= len(s); {
		if !anchored && r.lead != "" {
			i := strings.Index(s[pos:], r.lead)
			in.step(len(s[pos:])/256 + 1)
			if i < 0 {
				return nil
			}
			pos += i
		}
		for i := range m.caps {
			m.caps[i] = -1
		}
		m.stack = m.stack[:0]
		if m.exec(0, pos, -1) >= 0 {
			in.step(m.steps / 16)
			return m.caps
		}
		if anchored || r.bos {
			break
		}
		if pos >= len(s) {
			break
		}
		_, w := utf8.DecodeRuneInString(s[pos:])
		pos += w
	}
	in.step(m.steps/16 + 1)
	return nil
}

func (m *reMachine) push(f reFrame) {
	if len(m.stack) >= reMaxStack {
		m.in.limit("a regexp needs too much memory on this text")
	}
	m.stack = append(m.stack, f)
}

// exec runs the program from pc at pos until it matches (the end is returned) or fails (-1). For sub-programs end is
// the position that must be reached, or -1.
func (m *reMachine) exec(pc, pos, end int) int {
	base := len(m.stack)
	prog := m.re.prog
	s := m.s
	for {
		m.steps++
		if m.steps&0xfff == 0 {
			m.in.step(256)
			m.steps = 0
		}
		in := &prog[pc]
		ok := true
		switch in.op {
		case opMatch:
			return pos
		case opSubEnd:
			if end < 0 || pos == end {
				return pos
			}
			ok = false
		case opChar:
			if pos < len(s) {
				if in.r < utf8.RuneSelf {
					if ok = rune(s[pos]) == in.r; ok {
						pos++
					}
				} else {
					r, w := utf8.DecodeRuneInString(s[pos:])
					if ok = r == in.r && (r != utf8.RuneError || w > 1); ok {
						pos += w
					}
				}
			} else {
				ok = false
			}
			pc++
		case opCharFold:
			if pos < len(s) {
				r, w := utf8.DecodeRuneInString(s[pos:])
				if ok = foldRune(r) == in.r; ok {
					pos += w
				}
			} else {
				ok = false
			}
			pc++
		case opSet:
			if pos < len(s) {
				r, w := utf8.DecodeRuneInString(s[pos:])
				if ok = in.set.matches(r); ok {
					pos += w
				}
			} else {
				ok = false
			}
			pc++
		case opStar:
			low := -1
			p, n := pos, 0
			if in.a == 0 {
				low = p
			}
			for p < len(s) && (in.b < 0 || n < in.b) {
				r, w := rune(s[p]), 1
				if r >= utf8.RuneSelf {
					r, w = utf8.DecodeRuneInString(s[p:])
				}
				if !in.set.matches(r) {
					break
				}
				p += w
				n++
				m.steps++
				if m.steps&0xfff == 0 {
					m.in.step(256)
					m.steps = 0
				}
				if n == in.a {
					low = p
				}
			}
			if n < in.a {
				ok = false
				break
			}
			if p > low {
				m.push(reFrame{kind: 3, pc: pc + 1, pos: p, low: low})
			}
			pos = p
			pc++
		case opSplit:
			m.push(reFrame{kind: 0, pc: in.b, pos: pos})
			pc = in.a
		case opJmp:
			pc = in.a
		case opSave:
			m.push(reFrame{kind: 1, pc: in.a, pos: m.caps[in.a]})
			m.caps[in.a] = pos
			pc++
		case opKeep:
			m.push(reFrame{kind: 1, pc: 0, pos: m.caps[0]})
			m.caps[0] = pos
			pc++
		case opMark:
			m.push(reFrame{kind: 2, pc: in.a, pos: m.marks[in.a]})
			m.marks[in.a] = pos
			pc++
		case opNonEmpty:
			if m.marks[in.a] == pos {
				// an empty pass ends the loop: go on behind the jump
				pc += 2
			} else {
				pc++
			}
		case opBol:
			ok = pos == 0 || s[pos-1] == '\n'
			pc++
		case opEol:
			ok = pos == len(s) || s[pos] == '\n'
			pc++
		case opBos:
			ok = pos == 0
			pc++
		case opEos:
			ok = pos == len(s)
			pc++
		case opEosNL:
			ok = pos == len(s) || pos == len(s)-1 && s[pos] == '\n'
			pc++
		case opStart:
			ok = pos == m.start
			pc++
		case opWordB, opNWordB:
			before, after := false, false
			if pos > 0 {
				r, _ := utf8.DecodeLastRuneInString(s[:pos])
				before = isWordRune(r)
			}
			if pos < len(s) {
				r, _ := utf8.DecodeRuneInString(s[pos:])
				after = isWordRune(r)
			}
			ok = (before != after) == (in.op == opWordB)
			pc++
		case opBackref:
			ok = false
			for k := len(in.refs) - 1; k >= 0; k-- {
				g := in.refs[k]
				if m.caps[2*g] < 0 || m.caps[2*g+1] < 0 {
					continue
				}
				t := s[m.caps[2*g]:m.caps[2*g+1]]
				m.steps += len(t) / 16
				if strings.HasPrefix(s[pos:], t) {
					pos += len(t)
					ok = true
				} else if in.fold && len(s)-pos >= len(t) && strings.EqualFold(s[pos:pos+len(t)], t) {
					pos += len(t)
					ok = true
				}
				break
			}
			pc++
		case opAtomic:
			stack := len(m.stack)
			e := m.sub(pc+1, pos, -1)
			if e < 0 {
				ok = false
				m.unwind(stack)
				break
			}
			m.dropChoices(stack)
			pos = e
			pc = in.a
		case opLook:
			stack := len(m.stack)
			found := false
			if in.behind {
				for _, l := range in.lengths {
					p := pos
					for k := 0; k < l && p > 0; k++ {
						_, w := utf8.DecodeLastRuneInString(s[:p])
						p -= w
						if k == l-1 {
							found = true
						}
					}
					if l == 0 {
						found = true
					}
					if !found {
						continue
					}
					found = m.sub(pc+1, p, pos) >= 0
					if found {
						break
					}
					m.unwind(stack)
				}
			} else {
				found = m.sub(pc+1, pos, -1) >= 0
			}
			if found && !in.neg {
				m.dropChoices(stack)
			} else {
				m.unwind(stack)
			}
			ok = found != in.neg
			pc = in.a
		}
		if ok {
			continue
		}
		// backtrack
		for {
			if len(m.stack) == base {
				return -1
			}
			f := &m.stack[len(m.stack)-1]
			if f.kind == 1 {
				m.caps[f.pc] = f.pos
				m.stack = m.stack[:len(m.stack)-1]
				continue
			}
			if f.kind == 2 {
				m.marks[f.pc] = f.pos
				m.stack = m.stack[:len(m.stack)-1]
				continue
			}
			if f.kind == 3 {
				_, w := utf8.DecodeLastRuneInString(s[:f.pos])
				f.pos -= w
				pc, pos = f.pc, f.pos
				if f.pos <= f.low {
					m.stack = m.stack[:len(m.stack)-1]
				}
				break
			}
			pc, pos = f.pc, f.pos
			m.stack = m.stack[:len(m.stack)-1]
			break
		}
	}
}

func (m *reMachine) sub(pc, pos, end int) int {
	m.in.depth += 4
	if m.in.depth > m.in.limits.Depth {
		m.in.tooDeep()
	}
	e := m.exec(pc, pos, end)
	m.in.depth -= 4
	return e
}

// unwind undoes what was recorded since the stack had that height.
func (m *reMachine) unwind(height int) {
	for len(m.stack) > height {
		f := m.stack[len(m.stack)-1]
		switch f.kind {
		case 1:
			m.caps[f.pc] = f.pos
		case 2:
			m.marks[f.pc] = f.pos
		}
		m.stack = m.stack[:len(m.stack)-1]
	}
}

// dropChoices forgets the alternatives since then but keeps what is needed to undo captures.
func (m *reMachine) dropChoices(height int) {
	out := m.stack[:height]
	for _, f := range m.stack[height:] {
		if f.kind == 1 || f.kind == 2 {
			out = append(out, f)
		}
	}
	m.stack = out
}

// MatchData is the result of a match.
type MatchData struct {
	re  *Regexp
	s   string
	idx []int
	str *String
}

func (in *Interp) groupValue(m *MatchData, i int) Value {
	if i < 0 || 2*i+1 >= len(m.idx) || m.idx[2*i] < 0 || m.idx[2*i+1] < 0 {
		return nil
	}
	return in.str(m.s[m.idx[2*i]:m.idx[2*i+1]])
}

func (in *Interp) namedGroup(m *MatchData, name string) Value {
	gs := m.re.group[name]
	for i := len(gs) - 1; i >= 0; i-- {
		if v := in.groupValue(m, gs[i]); v != nil {
			return v
		}
	}
	return nil
}

// regexp compiles a pattern met at run time.
func (in *Interp) regexp(src string, flags int) *Regexp {
	in.alloc(20*len(src) + 200)
	in.step(len(src))
	re, err := compileRegexp(src, flags)
	if err != nil {
		if e, ok := err.(*regexpError); ok && e.unsupported {
			e := &Error{Kind: Unsupported, Class: "NotImplementedError", Message: e.msg, Construct: "/" + src + "/"}
			in.here(e)
			panic(e)
		}
		in.raise("RegexpError", "%s: /%s/", err.Error(), src)
	}
	in.alloc(64 * len(re.prog))
	return re
}

// toRegexp gives a regexp for a pattern argument: a string matches itself.
func (in *Interp) toRegexp(v Value) *Regexp {
	switch x := v.(type) {
	case *Regexp:
		return x
	case *String:
		return in.regexp(quoteRegexp(x.s), 0)
	}
	in.raise("TypeError", "wrong argument type %s (expected Regexp)", in.classOf(v).name)
	return nil
}

func quoteRegexp(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '[', ']', '{', '}', '(', ')', '|', '-', '*', '.', '\\', '?', '+', '^', '$', '#', ' ':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\t':
			b.WriteString(`\t`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\f':
			b.WriteString(`\f`)
		case '\v':
			b.WriteString(`\v`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// search matches and sets $~ of the caller.
func (in *Interp) search(c *call, re *Regexp, s string, start int) *MatchData {
	idx := re.match(in, s, start)
	var m *MatchData
	if idx != nil {
		in.alloc(64 + 8*len(idx))
		m = &MatchData{re: re, s: s, idx: idx}
	}
	in.setMatch(c, m)
	return m
}

func (in *Interp) setMatch(c *call, m *MatchData) {
	if c != nil && c.f != nil {
		c.f.mf.match = m
	}
}
