package ruby

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Options say how a source text is to be read.
type Options struct {
	// File is the name for messages, __FILE__ and __dir__. Default "(eval)".
	File string
	// Line is the number of the first line. Default 1.
	Line int
	// Position, if set, translates a byte offset in the source into what messages shall say, for sources that were
	// generated from something else. Both count from 1.
	Position func(offset int) (line, col int)
	// Locals are names of local variables that exist from the start; see [Interp.RunTemplate].
	Locals []string
}

// MaxSource is the size of the largest source that Parse accepts, in bytes.
const MaxSource = 1 << 20

const (
	maxNesting = 400
	maxNodes   = 120_000
)

// Program is a parsed source, ready to be run any number of times, by several interpreters at once too.
type Program struct {
	src   string
	opts  Options
	body  node
	scope *scope
	lines []int // offsets of line starts
}

// File is the name that the program was parsed under.
func (p *Program) File() string { return p.opts.File }

// Position translates a byte offset into line and column.
func (p *Program) Position(offset int) (line, col int) {
	if p.opts.Position != nil {
		return p.opts.Position(offset)
	}
	if offset > len(p.src) {
		offset = len(p.src)
	}
	if offset < 0 {
		offset = 0
	}
	i := sort.SearchInts(p.lines, offset+1) - 1
	return i + p.opts.Line, utf8.RuneCountInString(p.src[p.lines[i]:offset]) + 1
}

type parser struct {
	src        string
	pos        int
	tok        token
	state      lexState
	heredocEnd int
	defName    bool
	sc         *scope
	noDo       bool // do belongs to someone further out
	noPipe     bool // | ends the expression (default of a block parameter)
	ternary    int
	depth      int
	ntok       int
	nodes      int
	stmtPos    int
	inDef      bool
	inDefined  bool
	prog       *Program
}

// Parse reads a source text. The error is an [*Error] of kind SyntaxError or Unsupported.
func Parse(src string, o Options) (prog *Program, err error) {
	if o.File == "" {
		o.File = "(eval)"
	}
	if o.Line == 0 {
		o.Line = 1
	}
	prog = &Program{src: src, opts: o}
	if len(src) > MaxSource {
		return nil, &Error{Kind: LimitExceeded, File: o.File, Message: fmt.Sprintf("the source is %d bytes long; at most %d are read", len(src), MaxSource)}
	}
	if o.Position == nil {
		prog.lines = []int{0}
		for i := 0; i < len(src); i++ {
			if src[i] == '\n' {
				prog.lines = append(prog.lines, i+1)
			}
		}
	}
	p := &parser{src: src, prog: prog, sc: &scope{kind: scopeTop}}
	p.sc.fn = &funcNode{}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case syntaxErr:
			r.err.File = o.File
			r.err.Line, r.err.Col = prog.Position(r.err.Col)
			prog, err = nil, r.err
		default:
			line, col := prog.Position(p.pos)
			prog, err = nil, &Error{Kind: Internal, File: o.File, Line: line, Col: col, Message: fmt.Sprintf("the parser failed: %v", r)}
		}
	}()
	if strings.HasPrefix(src, "\ufeff") {
		p.pos = 3
	}
	prog.scope = p.sc
	for _, name := range o.Locals {
		p.sc.declare(name)
	}
	p.advance()
	body := p.stmts()
	if p.tok.kind != tEOF {
		p.unexpected()
	}
	prog.body = body
	return prog, nil
}

func (p *parser) enter(pos int) {
	p.depth++
	if p.depth > maxNesting {
		p.fail(pos, "nested too deeply")
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) count(pos int) {
	p.nodes++
	if p.nodes > maxNodes {
		p.fail(pos, "the program is too large")
	}
}

func (p *parser) isOp(s string) bool { return p.tok.kind == tOp && p.tok.s == s }
func (p *parser) isKw(s string) bool { return p.tok.kind == tKeyword && p.tok.s == s }

func (t token) describe() string {
	switch t.kind {
	case tEOF:
		return "end-of-input"
	case tNL:
		if t.s == ";" {
			return "';'"
		}
		return "end of line"
	case tString, tXString, tWords, tSymbols:
		return "string literal"
	case tRegexp:
		return "regexp literal"
	case tInt, tFloat:
		return "number " + t.s
	case tLabel:
		return "label " + t.s + ":"
	case tSymbol, tDSym:
		return "symbol"
	case tKeyword:
		return "`" + t.s + "'"
	}
	return "'" + t.s + "'"
}

func (p *parser) unexpected() {
	p.fail(p.tok.pos, "unexpected %s", p.tok.describe())
}

func (p *parser) expectOp(s string) token {
	if !p.isOp(s) {
		p.fail(p.tok.pos, "unexpected %s, expecting '%s'", p.tok.describe(), s)
	}
	t := p.tok
	p.advance()
	return t
}

func (p *parser) expectKw(s string) {
	if !p.isKw(s) {
		p.fail(p.tok.pos, "unexpected %s, expecting `%s'", p.tok.describe(), s)
	}
	p.advance()
}

func (p *parser) skipNL() {
	for p.tok.kind == tNL {
		p.advance()
	}
}

func (p *parser) skipNewlinesOnly() {
	for p.tok.kind == tNL && p.tok.s == "\n" {
		p.advance()
	}
}

// stmts reads statements until one of the terminators (keywords or operators) or the end.
func (p *parser) stmts(term ...string) node {
	start := p.tok.pos
	var list []node
	noDo, noPipe, tern := p.noDo, p.noPipe, p.ternary
	p.noDo, p.noPipe, p.ternary = false, false, 0
	for {
		p.skipNL()
		if p.tok.kind == tEOF || p.atTerm(term) {
			break
		}
		list = append(list, p.stmt())
		if p.tok.kind != tNL && p.tok.kind != tEOF && !p.atTerm(term) {
			p.unexpected()
		}
	}
	p.noDo, p.noPipe, p.ternary = noDo, noPipe, tern
	switch len(list) {
	case 0:
		return &nilNode{at(start)}
	case 1:
		return list[0]
	}
	return &seqNode{at(start), list}
}

func (p *parser) atTerm(term []string) bool {
	if p.tok.kind != tKeyword && p.tok.kind != tOp {
		return false
	}
	for _, t := range term {
		if p.tok.s == t {
			return true
		}
	}
	return false
}

func (p *parser) stmt() node {
	p.enter(p.tok.pos)
	defer p.leave()
	n := p.stmtHead()
	for p.tok.kind == tKeyword {
		pos := at(p.tok.pos)
		switch p.tok.s {
		case "if":
			p.advance()
			n = &ifNode{pos, p.cond(p.exprStmt()), n, nil}
		case "unless":
			p.advance()
			n = &ifNode{pos, p.cond(p.exprStmt()), nil, n}
		case "while", "until":
			until := p.tok.s == "until"
			p.advance()
			c := p.cond(p.exprStmt())
			b, do := n.(*beginNode)
			n = &whileNode{at: pos, cond: c, body: n, until: until, doWhile: do && len(b.rescues) == 0 && b.ensure == nil}
		case "rescue":
			p.advance()
			r := p.exprStmt()
			n = &beginNode{at: pos, body: n, rescues: []rescueClause{{body: r}}}
		default:
			return n
		}
	}
	return n
}

// cond refuses what has another meaning in a condition.
func (p *parser) cond(n node) node {
	switch x := n.(type) {
	case *rangeNode:
		_, l := x.lo.(*litNode)
		_, h := x.hi.(*litNode)
		if !l && !h {
			p.unsupported(n.offset(), "a flip-flop (range as a condition)")
		}
	case *regexNode:
		p.unsupported(n.offset(), "a regexp as a condition (match against $_)")
	case *orNode:
		p.cond(x.l)
		p.cond(x.r)
	case *andNode:
		p.cond(x.l)
		p.cond(x.r)
	case *notNode:
		p.cond(x.n)
	case *seqNode:
		if len(x.stmts) == 1 {
			p.cond(x.stmts[0])
		}
	}
	return n
}

func (p *parser) stmtHead() node {
	t := p.tok
	if t.kind == tKeyword {
		switch t.s {
		case "alias":
			return p.alias()
		case "undef":
			return p.undef()
		case "BEGIN", "END":
			p.unsupported(t.pos, t.s+" {}")
		}
	}
	if p.isOp("*") && t.beg || p.isOp("(") && p.looksLikeMlhs() {
		lhs := p.mlhs(nil)
		return p.masgnRest(lhs)
	}
	p.stmtPos = t.pos
	first := p.notExpr()
	if p.isOp(",") && assignable(first) {
		lhs := p.mlhs(first)
		return p.masgnRest(lhs)
	}
	return p.andOr(first)
}

func (p *parser) masgnRest(lhs *mlhsNode) node {
	eq := p.expectOp("=")
	val := p.multiRHS()
	if p.isKw("rescue") {
		pos := at(p.tok.pos)
		p.advance()
		val = &beginNode{at: pos, body: val, rescues: []rescueClause{{body: p.notExpr()}}}
	}
	return &masgnNode{at(eq.pos), lhs, val}
}

// multiRHS reads the right side of an assignment statement: one value or several, which make an array.
func (p *parser) multiRHS() node {
	pos := p.tok.pos
	p.skipNewlinesOnly()
	var list []node
	splat := false
	for {
		if p.isOp("*") && p.tok.beg {
			sp := at(p.tok.pos)
			p.advance()
			list = append(list, &splatNode{sp, p.ternaryExpr()})
			splat = true
		} else {
			list = append(list, p.expr())
		}
		if !p.isOp(",") {
			break
		}
		p.advance()
	}
	if len(list) == 1 && !splat {
		return list[0]
	}
	return &arrayNode{at(pos), list}
}

// looksLikeMlhs scans ahead from "(" for its partner followed by "," or "=": a destructuring target.
func (p *parser) looksLikeMlhs() bool {
	depth := 0
	for i := p.tok.pos; i < len(p.src) && i < p.tok.pos+1000; i++ {
		switch c := p.src[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
			if depth == 0 {
				j := i + 1
				for j < len(p.src) && (p.src[j] == ' ' || p.src[j] == '\t') {
					j++
				}
				return p.ch(j) == ',' || p.ch(j) == '=' && p.ch(j+1) != '=' && p.ch(j+1) != '~' && p.ch(j+1) != '>'
			}
		case '\n', '"', '\'', '#':
			return false
		}
	}
	return false
}

// mlhs reads the rest of a list of targets.
func (p *parser) mlhs(first node) *mlhsNode {
	m := &mlhsNode{at: at(p.tok.pos)}
	if first != nil {
		m.at = at(first.offset())
		m.targets = append(m.targets, p.target(first))
		p.expectOp(",")
	}
	splat := false
	for {
		if p.isOp("=") || p.isOp(")") || p.isOp("|") || p.isKw("in") {
			break
		}
		pos := at(p.tok.pos)
		switch {
		case p.isOp("*"):
			if splat {
				p.fail(p.tok.pos, "multiple splats in multiple assignment")
			}
			splat = true
			p.advance()
			if p.isOp(",") || p.isOp("=") || p.isOp(")") || p.isKw("in") {
				m.targets = append(m.targets, &splatNode{pos, nil})
			} else {
				m.targets = append(m.targets, &splatNode{pos, p.target(p.primary())})
			}
		case p.isOp("("):
			p.enter(p.tok.pos)
			p.advance()
			sub := p.mlhs(nil)
			p.expectOp(")")
			p.leave()
			m.targets = append(m.targets, sub)
		default:
			n := p.primary()
			if !assignable(n) {
				p.unexpected()
			}
			m.targets = append(m.targets, p.target(n))
		}
		if !p.isOp(",") {
			break
		}
		p.advance()
	}
	if len(m.targets) == 0 {
		p.unexpected()
	}
	return m
}

func assignable(n node) bool {
	switch x := n.(type) {
	case *lvarNode, *ivarNode, *gvarNode, *cvarNode, *constNode:
		return true
	case *callNode:
		if x.block != nil || x.blockArg != nil {
			return false
		}
		if x.recv == nil {
			return !x.parens && len(x.args) == 0 && isPlainIdent(x.name)
		}
		if x.name == "[]" && x.parens {
			return true
		}
		return !x.parens && len(x.args) == 0 && isPlainIdent(x.name)
	}
	return false
}

func isPlainIdent(s string) bool {
	return s != "" && isIdentStart(s[0]) && s[len(s)-1] != '?' && s[len(s)-1] != '!'
}

// target turns a parsed expression into what can be assigned to; a new name becomes a local variable.
func (p *parser) target(n node) node {
	switch x := n.(type) {
	case *lvarNode:
		p.checkAssignName(x.name, x.offset())
		return x
	case *constNode:
		if p.inDef {
			p.fail(n.offset(), "dynamic constant assignment")
		}
		return n
	case *ivarNode, *cvarNode:
		return n
	case *gvarNode:
		return n
	case *callNode:
		if x.recv == nil {
			return p.declare(x.name, x.offset())
		}
		return x
	}
	p.fail(n.offset(), "target is not assignable")
	return nil
}

func (p *parser) checkAssignName(name string, pos int) {
	if len(name) == 2 && name[0] == '_' && name[1] >= '1' && name[1] <= '9' {
		p.fail(pos, "_%c is reserved for numbered parameter", name[1])
	}
}

func (p *parser) declare(name string, pos int) *lvarNode {
	p.checkAssignName(name, pos)
	if d, i, ok := p.sc.lookup(name); ok {
		return &lvarNode{at(pos), name, d, i}
	}
	return &lvarNode{at(pos), name, 0, p.sc.declare(name)}
}

// exprStmt is an expression with and, or, not.
func (p *parser) exprStmt() node {
	return p.andOr(p.notExpr())
}

func (p *parser) andOr(l node) node {
	l = p.oneLineMatch(l)
	for p.isKw("and") || p.isKw("or") {
		pos, and := at(p.tok.pos), p.tok.s == "and"
		p.advance()
		r := p.oneLineMatch(p.notExpr())
		if and {
			l = &andNode{pos, l, r}
		} else {
			l = &orNode{pos, l, r}
		}
	}
	return l
}

// oneLineMatch reads value => pattern and value in pattern.
func (p *parser) oneLineMatch(l node) node {
	if !p.isOp("=>") && !p.isKw("in") {
		return l
	}
	n := &matchPatNode{at: at(p.tok.pos), val: l, test: p.tok.s == "in"}
	p.advance()
	n.pat = p.topPattern()
	return n
}

func (p *parser) notExpr() node {
	if p.isKw("not") {
		pos := at(p.tok.pos)
		p.enter(p.tok.pos)
		defer p.leave()
		p.advance()
		return &notNode{pos, p.notExpr()}
	}
	return p.expr()
}

// expr is an expression without and/or/not: assignment, ternary, operators, command call.
func (p *parser) expr() node {
	return p.ternaryExpr()
}

func (p *parser) ternaryExpr() node {
	p.enter(p.tok.pos)
	defer p.leave()
	p.count(p.tok.pos)
	n := p.rangeExpr()
	if p.isOp("?") {
		pos := at(p.tok.pos)
		p.cond(n)
		noDo := p.noDo
		p.ternary++
		p.advance()
		p.skipNewlinesOnly()
		a := p.ternaryExpr()
		p.skipNewlinesOnly()
		p.ternary--
		if p.tok.kind == tLabel || !p.isOp(":") {
			p.fail(p.tok.pos, "unexpected %s, expecting ':' of the conditional operator", p.tok.describe())
		}
		p.advance()
		p.skipNewlinesOnly()
		b := p.ternaryExpr()
		p.noDo = noDo
		return &ifNode{pos, n, a, b}
	}
	return n
}

func (p *parser) rangeExpr() node {
	if (p.isOp("..") || p.isOp("...")) && p.tok.beg {
		t := p.tok
		p.advance()
		return &rangeNode{at(t.pos), nil, p.binary(1), t.s == "..."}
	}
	l := p.binary(1)
	if p.isOp("..") || p.isOp("...") {
		t := p.tok
		p.advance()
		var hi node
		if p.startsOperand() {
			hi = p.binary(1)
		}
		if p.isOp("..") || p.isOp("...") {
			p.unexpected()
		}
		return &rangeNode{at(t.pos), l, hi, t.s == "..."}
	}
	return l
}

// startsOperand tells whether the current token can begin an operand.
func (p *parser) startsOperand() bool {
	switch p.tok.kind {
	case tEOF, tNL:
		return false
	case tKeyword:
		switch p.tok.s {
		case "then", "do", "end", "and", "or", "if", "unless", "while", "until", "rescue", "in", "else", "elsif", "when", "ensure":
			return false
		}
		return true
	case tOp:
		switch p.tok.s {
		case "(", "[", "{", "-", "+", "!", "~", "->", "::", "..", "...":
			return true
		}
		return false
	}
	return true
}

type binop struct {
	prec  int
	right bool
	non   bool // does not associate
}

var binops = map[string]binop{
	"||": {prec: 1}, "&&": {prec: 2},
	"<=>": {prec: 3, non: true}, "==": {prec: 3, non: true}, "===": {prec: 3, non: true}, "!=": {prec: 3, non: true}, "=~": {prec: 3, non: true}, "!~": {prec: 3, non: true},
	">": {prec: 4}, ">=": {prec: 4}, "<": {prec: 4}, "<=": {prec: 4},
	"|": {prec: 5}, "^": {prec: 5}, "&": {prec: 6},
	"<<": {prec: 7}, ">>": {prec: 7},
	"+": {prec: 8}, "-": {prec: 8},
	"*": {prec: 9}, "/": {prec: 9}, "%": {prec: 9},
	"**": {prec: 11, right: true},
}

const precUnaryMinus = 10

func (p *parser) binary(min int) node {
	l := p.unary()
	for p.tok.kind == tOp {
		op := p.tok.s
		b, ok := binops[op]
		if !ok || b.prec < min {
			break
		}
		if op == "|" && p.noPipe {
			break
		}
		pos := at(p.tok.pos)
		p.count(p.tok.pos)
		p.advance()
		p.skipNewlinesOnly()
		next := b.prec + 1
		if b.right {
			next = b.prec
		}
		p.enter(int(pos))
		r := p.binary(next)
		p.leave()
		switch op {
		case "&&":
			l = &andNode{pos, l, r}
		case "||":
			l = &orNode{pos, l, r}
		case "!=":
			l = &notNode{pos, &callNode{at: pos, recv: l, name: "==", args: []node{r}, parens: true}}
		case "!~":
			l = &notNode{pos, &callNode{at: pos, recv: l, name: "=~", args: []node{r}, parens: true}}
		case "=~":
			l = p.matchNode(pos, l, r)
		default:
			l = &callNode{at: pos, recv: l, name: op, args: []node{r}, parens: true}
		}
		if b.non && p.tok.kind == tOp {
			if o, ok := binops[p.tok.s]; ok && o.non {
				p.unexpected()
			}
		}
	}
	return l
}

// matchNode makes the named groups of a literal regexp on the left of =~ into local variables.
func (p *parser) matchNode(pos at, l, r node) node {
	call := &callNode{at: pos, recv: l, name: "=~", args: []node{r}, parens: true}
	re, ok := l.(*regexNode)
	if !ok {
		return call
	}
	src, ok := literalOf(re.parts)
	if !ok || !strings.Contains(src, "(?<") {
		return call
	}
	m := &matchAsgnNode{at: pos, call: call}
	for i := 0; i+3 < len(src); i++ {
		if src[i] == '\\' {
			i++
			continue
		}
		if strings.HasPrefix(src[i:], "(?<") && (src[i+3] == '_' || src[i+3] >= 'a' && src[i+3] <= 'z') {
			if e := strings.IndexByte(src[i+3:], '>'); e > 0 {
				name := src[i+3 : i+3+e]
				m.names = append(m.names, name)
				m.vars = append(m.vars, p.declare(name, int(pos)))
			}
		}
	}
	if len(m.names) == 0 {
		return call
	}
	return m
}

func (p *parser) unary() node {
	t := p.tok
	if t.kind == tKeyword && t.s == "defined?" {
		return p.defined()
	}
	if t.kind != tOp {
		return p.assignment()
	}
	pos := at(t.pos)
	switch t.s {
	case "!":
		p.enter(t.pos)
		defer p.leave()
		p.advance()
		return &notNode{pos, p.unary()}
	case "-":
		p.enter(t.pos)
		defer p.leave()
		p.advance()
		if (p.tok.kind == tInt || p.tok.kind == tFloat) && !p.tok.space {
			num := p.tok
			lit := &litNode{pos, num.val}
			p.advance()
			if p.isOp("**") {
				n := p.powerRest(lit)
				return &callNode{at: pos, recv: n, name: "-@", parens: true}
			}
			lit.v = negate(num.val)
			return p.assignRest(p.postfix(lit), t.pos)
		}
		return &callNode{at: pos, recv: p.binary(precUnaryMinus), name: "-@", parens: true}
	case "+":
		p.enter(t.pos)
		defer p.leave()
		p.advance()
		return &callNode{at: pos, recv: p.binary(precUnaryMinus + 1), name: "+@", parens: true}
	case "~":
		p.enter(t.pos)
		defer p.leave()
		p.advance()
		return &callNode{at: pos, recv: p.unary(), name: "~", parens: true}
	case "..", "...":
		p.advance()
		return &rangeNode{pos, nil, p.binary(1), t.s == "..."}
	}
	return p.assignment()
}

func (p *parser) powerRest(l node) node {
	pos := at(p.tok.pos)
	p.advance()
	return &callNode{at: pos, recv: l, name: "**", args: []node{p.binary(11)}, parens: true}
}

func (p *parser) defined() node {
	pos := at(p.tok.pos)
	saved := p.inDefined
	p.inDefined = true
	defer func() { p.inDefined = saved }()
	p.advance()
	if p.isOp("(") && !p.tok.space {
		p.advance()
		p.skipNL()
		n := p.exprStmt()
		p.skipNL()
		p.expectOp(")")
		return p.postfix(&definedNode{pos, n})
	}
	p.enter(int(pos))
	defer p.leave()
	return &definedNode{pos, p.ternaryExpr()}
}

var assignOps = map[string]string{
	"||=": "||", "&&=": "&&", "+=": "+", "-=": "-", "*=": "*", "/=": "/", "%=": "%", "**=": "**",
	"|=": "|", "&=": "&", "^=": "^", "<<=": "<<", ">>=": ">>",
}

// assignment is a primary, or an assignment to it.
func (p *parser) assignment() node {
	start := p.tok.pos
	atStmt := start == p.stmtPos
	if atStmt {
		p.stmtPos = -1
	}
	n := p.primary()
	if atStmt {
		p.stmtPos = start
	}
	return p.assignRest(n, start)
}

func (p *parser) assignRest(n node, start int) node {
	if p.tok.kind != tOp {
		return n
	}
	op := p.tok.s
	if op == "=" {
		if !assignable(n) {
			switch n.(type) {
			case *nilNode, *trueNode, *falseNode, *selfNode:
				p.fail(n.offset(), "Can't assign to %s", strings.TrimSpace(p.src[n.offset():p.tok.pos]))
			}
			p.unexpected()
		}
		target := p.target(n)
		pos := at(p.tok.pos)
		atStmt := start == p.stmtPos
		p.enter(p.tok.pos)
		defer p.leave()
		p.advance()
		var val node
		if atStmt && p.ternary == 0 {
			p.stmtPos = -1
			val = p.multiRHS()
		} else {
			p.skipNewlinesOnly()
			val = p.expr()
		}
		val = p.rescueMod(val)
		return &asgnNode{pos, target, val}
	}
	if bin, ok := assignOps[op]; ok {
		if !assignable(n) {
			p.unexpected()
		}
		pos := at(p.tok.pos)
		if _, isConst := n.(*constNode); !isConst || p.inDef {
			n = p.target(n)
		}
		p.enter(p.tok.pos)
		defer p.leave()
		p.advance()
		p.skipNewlinesOnly()
		p.stmtPos = -1
		val := p.rescueMod(p.expr())
		return &opAsgnNode{pos, n, bin, val}
	}
	return n
}

// rescueMod binds "rescue" to the value of an assignment.
func (p *parser) rescueMod(val node) node {
	if !p.isKw("rescue") || p.ternary > 0 {
		return val
	}
	pos := at(p.tok.pos)
	p.advance()
	return &beginNode{at: pos, body: val, rescues: []rescueClause{{body: p.expr()}}}
}

func (p *parser) partsNode(t token) node {
	if s, ok := literalOf(t.parts); ok {
		return &strNode{at(t.pos), s}
	}
	return &dstrNode{at(t.pos), t.parts}
}

func (p *parser) primary() node {
	return p.postfix(p.operand())
}

func (p *parser) operand() node {
	t := p.tok
	p.enter(t.pos)
	defer p.leave()
	p.count(t.pos)
	pos := at(t.pos)
	switch t.kind {
	case tInt, tFloat:
		p.advance()
		return &litNode{pos, t.val}
	case tString:
		p.advance()
		// adjacent literals join
		if p.tok.kind != tString {
			return p.partsNode(t)
		}
		parts := append([]node(nil), t.parts...)
		for p.tok.kind == tString {
			parts = append(parts, p.tok.parts...)
			p.advance()
		}
		all := ""
		for _, n := range parts {
			s, ok := n.(*strNode)
			if !ok {
				return &dstrNode{pos, parts}
			}
			all += s.s
		}
		return &strNode{pos, all}
	case tXString:
		p.advance()
		return &xstrNode{pos, t.parts}
	case tSymbol:
		p.advance()
		return &litNode{pos, Symbol(t.s)}
	case tDSym:
		p.advance()
		return &dsymNode{pos, t.parts}
	case tRegexp:
		p.advance()
		return p.regexNode(t)
	case tWords, tSymbols:
		p.advance()
		a := &arrayNode{at: pos}
		for _, w := range t.words {
			s, lit := literalOf(w)
			switch {
			case lit && t.kind == tSymbols:
				a.elems = append(a.elems, &litNode{pos, Symbol(s)})
			case lit:
				a.elems = append(a.elems, &strNode{pos, s})
			case t.kind == tSymbols:
				a.elems = append(a.elems, &dsymNode{pos, w})
			default:
				a.elems = append(a.elems, &dstrNode{pos, w})
			}
			p.count(t.pos)
		}
		return a
	case tIvar:
		p.advance()
		return &ivarNode{pos, t.s}
	case tGvar:
		p.advance()
		return &gvarNode{pos, t.s}
	case tCvar:
		p.advance()
		return &cvarNode{pos, t.s}
	case tNthRef:
		p.advance()
		return &nthRefNode{pos, t.val.(int)}
	case tIdent, tFID:
		return p.identifier()
	case tConst:
		p.advance()
		if p.isOp("(") && !p.tok.space || p.canStartCommandArg(t) {
			c := &callNode{at: pos, name: t.s}
			p.callRest(c)
			return c
		}
		return &constNode{pos, nil, false, t.s}
	case tKeyword:
		return p.keyword()
	case tOp:
		switch t.s {
		case "(":
			p.advance()
			noDo, noPipe, tern := p.noDo, p.noPipe, p.ternary
			p.noDo, p.noPipe, p.ternary = false, false, 0
			sp := p.stmtPos
			n := p.stmts(")")
			p.stmtPos = sp
			p.noDo, p.noPipe, p.ternary = noDo, noPipe, tern
			p.expectOp(")")
			// a parenthesised expression is no assignment target and no call to attach a block to
			return &seqNode{pos, []node{n}}
		case "[":
			p.advance()
			args := p.args("]")
			p.expectOp("]")
			if args.blockArg != nil {
				p.fail(args.blockArg.offset(), "block argument should not be given")
			}
			for _, a := range args.list {
				if h, ok := a.(*hashNode); ok {
					h.brace = true
				}
			}
			return &arrayNode{pos, args.list}
		case "{":
			return p.hashLit()
		case "->":
			return p.lambda()
		case "::":
			p.advance()
			c := p.tok
			if c.kind != tConst {
				p.unexpected()
			}
			p.advance()
			return &constNode{pos, nil, true, c.s}
		case "..", "...":
			p.advance()
			return &rangeNode{pos, nil, p.binary(1), t.s == "..."}
		case "!", "-", "+", "~":
			return p.unary()
		}
	}
	p.unexpected()
	return nil
}

func (p *parser) regexNode(t token) node {
	n := &regexNode{at: at(t.pos), parts: t.parts, flags: t.s}
	if s, ok := literalOf(t.parts); ok {
		re, err := compileRegexp(s, regexpFlags(t.s))
		if err != nil {
			if u, ok := err.(interface{ Unsupported() bool }); ok && u.Unsupported() {
				p.unsupported(t.pos, err.Error())
			}
			p.fail(t.pos, "%s: /%s/", err.Error(), s)
		}
		n.cached = re
	}
	return n
}

func (p *parser) hashLit() node {
	pos := at(p.tok.pos)
	noDo, noPipe, tern := p.noDo, p.noPipe, p.ternary
	p.noDo, p.noPipe, p.ternary = false, false, 0
	p.advance()
	h := &hashNode{at: pos, brace: true}
	for {
		p.skipNewlinesOnly()
		if p.isOp("}") {
			break
		}
		h.pairs = append(h.pairs, p.pair())
		p.skipNewlinesOnly()
		if !p.isOp(",") {
			break
		}
		p.advance()
	}
	p.noDo, p.noPipe, p.ternary = noDo, noPipe, tern
	p.expectOp("}")
	return h
}

// pair reads one entry of a hash: a label, "string": value, key => value or **hash.
func (p *parser) pair() pairNode {
	p.count(p.tok.pos)
	t := p.tok
	pos := at(t.pos)
	switch {
	case p.isOp("**"):
		p.advance()
		return pairNode{nil, p.ternaryExpr()}
	case t.kind == tLabel:
		p.advance()
		return pairNode{&litNode{pos, Symbol(t.s)}, p.labelValue(t)}
	case t.kind == tLabelStr:
		p.advance()
		p.skipNewlinesOnly()
		var key node
		if s, ok := literalOf(t.parts); ok {
			key = &litNode{pos, Symbol(s)}
		} else {
			key = &dsymNode{pos, t.parts}
		}
		return pairNode{key, p.argValue()}
	}
	k := p.argValue()
	p.skipNewlinesOnly()
	p.expectOp("=>")
	p.skipNewlinesOnly()
	return pairNode{k, p.argValue()}
}

// labelValue is what follows "name:"; nothing means the variable or method of that name.
func (p *parser) labelValue(t token) node {
	if p.tok.kind == tNL {
		// a value on the next line
		p.skipNewlinesOnly()
	}
	if p.isOp(",") || p.isOp("}") || p.isOp(")") || p.isOp("]") || p.tok.kind == tEOF || p.tok.kind == tNL {
		if d, i, ok := p.sc.lookup(t.s); ok {
			return &lvarNode{at(t.pos), t.s, d, i}
		}
		if t.s[0] >= 'A' && t.s[0] <= 'Z' {
			return &constNode{at(t.pos), nil, false, t.s}
		}
		return &callNode{at: at(t.pos), name: t.s}
	}
	return p.argValue()
}

func (p *parser) argValue() node {
	sp := p.stmtPos
	p.stmtPos = -1
	n := p.ternaryExpr()
	p.stmtPos = sp
	return n
}

type argList struct {
	list     []node
	blockArg node
	splat    bool
}

// args reads call arguments up to the closing token (or, when it is "", the end of a command call).
func (p *parser) args(close string) argList {
	var a argList
	noDo, noPipe, tern := p.noDo, p.noPipe, p.ternary
	if close != "" {
		p.noDo, p.noPipe, p.ternary = false, false, 0
	} else {
		p.noDo = true
	}
	sp := p.stmtPos
	p.stmtPos = -1
	var kw *hashNode
	for {
		if close != "" {
			p.skipNewlinesOnly()
			if p.isOp(close) {
				break
			}
		}
		t := p.tok
		pos := at(t.pos)
		p.count(t.pos)
		isPair := false
		switch {
		case p.isOp("*") && (t.beg || close != ""):
			p.advance()
			if p.isOp(",") || close != "" && p.isOp(close) {
				p.unexpected() // Ruby 3.2 forwards an anonymous splat
			}
			a.list = append(a.list, &splatNode{pos, p.ternaryExpr()})
			a.splat = true
		case p.isOp("&") && (t.beg || close != ""):
			p.advance()
			if p.isOp(close) && close != "" {
				d, i, ok := p.sc.lookup("&")
				if !ok {
					p.fail(t.pos, "no anonymous block parameter")
				}
				a.blockArg = &lvarNode{pos, "&", d, i}
				break
			}
			a.blockArg = p.ternaryExpr()
		case p.isOp("...") && p.peekClose(close):
			d, i, ok := p.sc.lookup("*fwd")
			if !ok {
				p.fail(t.pos, "unexpected ...")
			}
			_, k, _ := p.sc.lookup("**fwd")
			_, b, _ := p.sc.lookup("&fwd")
			p.advance()
			a.list = append(a.list, &splatNode{pos, &lvarNode{pos, "*fwd", d, i}})
			a.splat = true
			kw = &hashNode{at: pos, pairs: []pairNode{{nil, &lvarNode{pos, "**fwd", d, k}}}}
			isPair = true
			a.blockArg = &lvarNode{pos, "&fwd", d, b}
		case p.isOp("**") && (t.beg || close != ""), t.kind == tLabel, t.kind == tLabelStr:
			isPair = true
			pr := p.pair()
			if kw == nil {
				kw = &hashNode{at: pos}
			}
			kw.pairs = append(kw.pairs, pr)
			if pr.key == nil {
				a.splat = true
			}
		default:
			var n node
			if close != "" && p.isKw("not") {
				n = p.notExpr()
			} else {
				n = p.expr()
			}
			if p.isOp("=>") {
				p.advance()
				p.skipNewlinesOnly()
				if kw == nil {
					kw = &hashNode{at: pos}
				}
				kw.pairs = append(kw.pairs, pairNode{n, p.argValue()})
				isPair = true
			} else {
				a.list = append(a.list, n)
			}
		}
		if !isPair && kw != nil && a.blockArg == nil {
			p.fail(int(pos), "unexpected argument after keyword arguments")
		}
		if close != "" {
			p.skipNewlinesOnly()
		}
		if !p.isOp(",") {
			break
		}
		if a.blockArg != nil {
			p.unexpected()
		}
		p.advance()
	}
	if kw != nil {
		a.list = append(a.list, kw)
	}
	p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp
	return a
}

func (p *parser) peekClose(close string) bool {
	i := p.tok.end
	for i < len(p.src) && isSpace(p.src[i]) {
		i++
	}
	return close != "" && p.ch(i) == close[0]
}

// canStartCommandArg tells whether the current token, after the method name t, begins an argument without parentheses.
func (p *parser) canStartCommandArg(t token) bool {
	c := p.tok
	if !c.space {
		return false
	}
	switch c.kind {
	case tInt, tFloat, tString, tXString, tSymbol, tDSym, tRegexp, tWords, tSymbols, tIdent, tFID, tConst, tIvar, tGvar, tCvar, tNthRef, tLabel, tLabelStr:
		return true
	case tKeyword:
		switch c.s {
		case "nil", "true", "false", "self", "defined?", "not", "case", "def", "begin", "yield", "super", "__FILE__", "__LINE__", "__ENCODING__", "proc", "lambda":
			return true
		}
		return false
	case tOp:
		switch c.s {
		case "[", "-", "+", "*", "&", "**", "::":
			return c.beg
		case "!":
			return true
		case "->", "~":
			return true
		case "(":
			return true
		case "..", "...":
			return false
		}
	}
	return false
}

func (p *parser) identifier() node {
	t := p.tok
	pos := at(t.pos)
	if t.kind == tIdent {
		if d, i, ok := p.sc.lookup(t.s); ok {
			p.advance()
			if !(p.isOp("(") && !p.tok.space) {
				return &lvarNode{pos, t.s, d, i}
			}
			c := &callNode{at: pos, name: t.s}
			p.callRest(c)
			return c
		}
		if n := p.numbered(t); n != nil {
			return n
		}
	}
	p.advance()
	c := &callNode{at: pos, name: t.s}
	p.callRest(c)
	return c
}

// numbered resolves _1 … _9 inside a block without parameters.
func (p *parser) numbered(t token) node {
	if len(t.s) != 2 || t.s[0] != '_' || t.s[1] < '1' || t.s[1] > '9' || p.sc.kind != scopeBlock || p.sc.explicit {
		return nil
	}
	n := int(t.s[1] - '0')
	if n > p.sc.fn.numArgs {
		p.sc.fn.numArgs = n
	}
	p.advance()
	return &lvarNode{at(t.pos), t.s, 0, p.sc.declare(t.s)}
}

// callRest reads arguments and a block after a method's name.
func (p *parser) callRest(c *callNode) {
	switch {
	case p.isOp("(") && !p.tok.space:
		p.advance()
		a := p.args(")")
		p.expectOp(")")
		c.args, c.blockArg, c.splat, c.parens = a.list, a.blockArg, a.splat, true
	case p.canStartCommandArg(token{}):
		a := p.args("")
		c.args, c.blockArg, c.splat, c.parens = a.list, a.blockArg, a.splat, true
	}
	c.block = p.blockOpt(c.blockArg)
}

// blockOpt reads { … } or do … end if one follows.
func (p *parser) blockOpt(blockArg node) *blockNode {
	brace := p.isOp("{")
	if !brace && !(p.isKw("do") && !p.noDo) {
		return nil
	}
	if blockArg != nil {
		p.fail(p.tok.pos, "both block arg and actual block given")
	}
	return p.block(brace)
}

func (p *parser) block(brace bool) *blockNode {
	pos := p.tok.pos
	p.enter(pos)
	defer p.leave()
	b := &blockNode{at: at(pos)}
	p.sc = &scope{kind: scopeBlock, parent: p.sc, fn: b}
	b.scope = p.sc
	noDo, noPipe, tern := p.noDo, p.noPipe, p.ternary
	p.noDo, p.noPipe, p.ternary = false, false, 0
	sp := p.stmtPos
	p.advance()
	p.skipNewlinesOnly()
	if p.isOp("||") {
		p.sc.explicit = true
		b.params = newParamList()
		p.advance()
	} else if p.isOp("|") {
		p.sc.explicit = true
		p.advance()
		b.params = p.params("|")
		p.expectOp("|")
	}
	if brace {
		b.body = p.stmts("}")
		p.popBlock(b)
		p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp
		p.expectOp("}")
	} else {
		b.body = p.bodyWithRescue(pos)
		p.popBlock(b)
		p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp
		p.expectKw("end")
	}
	return b
}

func (p *parser) popBlock(b *funcNode) {
	if b.numArgs > 0 {
		b.params = newParamList()
		for i := 1; i <= b.numArgs; i++ {
			name := "_" + strconv.Itoa(i)
			b.params.add(param{kind: pReq, name: name, idx: p.sc.declare(name)})
		}
		// a lone _1 takes the whole element, as |x| does
	}
	p.sc = p.sc.parent
}

// params reads parameters up to (not including) the closing token: "|", ")" or "" for the end of the line.
func (p *parser) params(close string) *paramList {
	pl := newParamList()
	seen := map[string]bool{}
	slot := func(t token) int {
		name := t.s
		if name != "_" && !strings.HasPrefix(name, "_") && seen[name] {
			p.fail(t.pos, "duplicated argument name")
		}
		seen[name] = true
		p.checkAssignName(name, t.pos)
		if i, ok := p.sc.names[name]; ok && seen[name] {
			return i
		}
		// a block's parameter shadows an outer variable
		if p.sc.names == nil {
			p.sc.names = map[string]int{}
		}
		return p.sc.declare(name)
	}
	noPipe := p.noPipe
	p.noPipe = close == "|"
	defer func() { p.noPipe = noPipe }()
	optional := false
	stage := 0 // 0 required, 1 optional, 2 rest, 3 post, 4 keywords, 5 keyrest, 6 block
	need := func(s int, pos int) {
		if stage > s {
			p.fail(pos, "unexpected order of parameters")
		}
		stage = s
	}
	for {
		if close != "" {
			p.skipNewlinesOnly()
		}
		if close != "" && p.isOp(close) || close == "" && p.tok.kind == tNL {
			break
		}
		if close == "|" && p.tok.kind == tNL && p.tok.s == ";" {
			break
		}
		t := p.tok
		p.count(t.pos)
		switch {
		case p.isOp("*"):
			need(2, t.pos)
			if pl.rest >= 0 {
				p.fail(t.pos, "unexpected second splat parameter")
			}
			p.advance()
			pr := param{kind: pRest, idx: -1}
			if p.tok.kind == tIdent {
				pr.name, pr.idx = p.tok.s, slot(p.tok)
				p.advance()
			}
			pl.add(pr)
		case p.isOp("**"):
			need(5, t.pos)
			p.advance()
			pr := param{kind: pKeyRest, idx: -1}
			if p.isKw("nil") {
				pr.kind = pNoKey
				p.advance()
			} else if p.tok.kind == tIdent {
				pr.name, pr.idx = p.tok.s, slot(p.tok)
				p.advance()
			}
			pl.add(pr)
		case p.isOp("&"):
			need(6, t.pos)
			p.advance()
			pr := param{kind: pBlock, idx: -1}
			if p.tok.kind == tIdent {
				pr.name, pr.idx = p.tok.s, slot(p.tok)
				p.advance()
			} else if p.sc.kind == scopeDef {
				pr.idx = p.sc.declare("&")
			}
			pl.add(pr)
		case p.isOp("...") && close == ")" && p.sc.kind == scopeDef:
			p.advance()
			pl.add(param{kind: pRest, name: "*fwd", idx: p.sc.declare("*fwd")})
			pl.add(param{kind: pKeyRest, name: "**fwd", idx: p.sc.declare("**fwd")})
			pl.add(param{kind: pBlock, name: "&fwd", idx: p.sc.declare("&fwd")})
			stage = 7
		case p.isOp("("):
			p.enter(t.pos)
			p.advance()
			sub := p.params(")")
			p.expectOp(")")
			p.leave()
			kind := pReq
			if stage >= 1 {
				need(3, t.pos)
				kind = pPost
			}
			pl.add(param{kind: kind, sub: sub, idx: p.sc.hidden()})
		case t.kind == tLabel:
			need(4, t.pos)
			i := slot(token{kind: tIdent, s: t.s, pos: t.pos})
			p.advance()
			pr := param{kind: pKeyReq, name: t.s, idx: i}
			if !(p.isOp(",") || close != "" && p.isOp(close) || p.tok.kind == tNL) {
				pr.kind = pKey
				pr.def = p.ternaryExpr()
			}
			pl.add(pr)
		case t.kind == tIdent:
			p.advance()
			if p.isOp("=") {
				need(1, t.pos)
				optional = true
				i := slot(t)
				p.advance()
				pl.add(param{kind: pOpt, name: t.s, idx: i, def: p.ternaryExpr()})
				break
			}
			kind := pReq
			if optional || pl.rest >= 0 {
				need(3, t.pos)
				kind = pPost
			} else {
				need(0, t.pos)
			}
			pl.add(param{kind: kind, name: t.s, idx: slot(t)})
		case t.kind == tConst:
			p.fail(t.pos, "formal argument cannot be a constant")
		case t.kind == tIvar:
			p.fail(t.pos, "formal argument cannot be an instance variable")
		default:
			p.unexpected()
		}
		if close != "" {
			p.skipNewlinesOnly()
		}
		if !p.isOp(",") {
			break
		}
		p.advance()
		if close == "|" && p.isOp("|") {
			if len(pl.ps) == 1 && pl.req == 1 {
				pl.comma = true
			}
			break
		}
	}
	// block-local variables: |a; b, c|
	if close == "|" && p.tok.kind == tNL && p.tok.s == ";" {
		p.advance()
		for p.tok.kind == tIdent {
			slot(p.tok)
			p.advance()
			if !p.isOp(",") {
				break
			}
			p.advance()
		}
	}
	return pl
}

// postfix reads method calls, indexes and blocks that follow an operand.
func (p *parser) postfix(n node) node {
	for {
		t := p.tok
		if t.kind == tKeyword && t.s == "do" && !p.noDo {
			// a block after super or lambda-like calls is read there
			return n
		}
		if t.kind != tOp {
			return n
		}
		pos := at(t.pos)
		switch t.s {
		case ".", "&.":
			p.count(t.pos)
			p.advance()
			m := p.tok
			c := &callNode{at: at(m.pos), recv: n, safe: t.s == "&."}
			if _, ok := n.(*selfNode); ok {
				c.private = true
			}
			switch {
			case p.isOp("("):
				c.name = "call"
				p.advance()
				a := p.args(")")
				p.expectOp(")")
				c.args, c.blockArg, c.splat, c.parens = a.list, a.blockArg, a.splat, true
				c.block = p.blockOpt(c.blockArg)
			case m.kind == tIdent, m.kind == tFID, m.kind == tConst:
				c.name = m.s
				p.advance()
				p.callRest(c)
			case m.kind == tOp && isOperatorName(m.s):
				c.name = m.s
				p.advance()
				p.callRest(c)
			default:
				p.unexpected()
			}
			n = c
		case "::":
			if t.space && t.beg {
				return n
			}
			p.count(t.pos)
			p.advance()
			m := p.tok
			switch m.kind {
			case tConst:
				p.advance()
				if p.isOp("(") && !p.tok.space {
					c := &callNode{at: at(m.pos), recv: n, name: m.s}
					p.callRest(c)
					n = c
				} else {
					n = &constNode{at(m.pos), n, false, m.s}
				}
			case tIdent, tFID:
				c := &callNode{at: at(m.pos), recv: n, name: m.s}
				p.advance()
				p.callRest(c)
				n = c
			default:
				p.unexpected()
			}
		case "[":
			if t.beg {
				return n
			}
			p.count(t.pos)
			p.advance()
			a := p.args("]")
			p.expectOp("]")
			_, self := n.(*selfNode)
			n = &callNode{at: pos, recv: n, name: "[]", args: a.list, blockArg: a.blockArg, splat: a.splat, parens: true, private: self}
		case "{":
			// a block for a call that has none: handled in callRest; anything else can't take one
			return n
		case "(":
			return n
		default:
			return n
		}
	}
}

func isOperatorName(s string) bool {
	for _, o := range symbolOps {
		if o == s {
			return true
		}
	}
	return false
}

func (p *parser) lambda() node {
	pos := at(p.tok.pos)
	fn := &funcNode{at: pos}
	p.sc = &scope{kind: scopeBlock, parent: p.sc, fn: fn}
	fn.scope = p.sc
	p.advance()
	switch {
	case p.isOp("("):
		p.sc.explicit = true
		p.advance()
		fn.params = p.params(")")
		p.expectOp(")")
	case p.tok.kind == tIdent || p.isOp("*") || p.isOp("&") || p.tok.kind == tLabel:
		p.sc.explicit = true
		fn.params = p.lambdaParams()
	}
	noDo, noPipe, tern, sp := p.noDo, p.noPipe, p.ternary, p.stmtPos
	p.noDo, p.noPipe, p.ternary = false, false, 0
	switch {
	case p.isOp("{"):
		p.advance()
		fn.body = p.stmts("}")
		p.popBlock(fn)
		p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp
		p.expectOp("}")
	case p.isKw("do"):
		p.advance()
		fn.body = p.bodyWithRescue(int(pos))
		p.popBlock(fn)
		p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp
		p.expectKw("end")
	default:
		p.unexpected()
	}
	if fn.params == nil {
		fn.params = newParamList()
	}
	return &lambdaNode{pos, fn}
}

// lambdaParams reads the parameters of -> a, b { } up to the body.
func (p *parser) lambdaParams() *paramList {
	return p.params("{")
}

func (p *parser) alias() node {
	pos := at(p.tok.pos)
	p.advance()
	name := func() (string, bool) {
		t := p.tok
		switch t.kind {
		case tSymbol, tIdent, tFID, tConst, tOp, tKeyword:
			return t.s, false
		case tGvar:
			return t.s, true
		}
		p.unexpected()
		return "", false
	}
	to, g1 := name()
	p.state = sFname
	p.advance()
	from, g2 := name()
	if g1 != g2 {
		p.unexpected()
	}
	p.state = sEnd
	p.advance()
	return &aliasNode{pos, to, from, g1}
}

func (p *parser) undef() node {
	n := &undefNode{at: at(p.tok.pos)}
	p.advance()
	for {
		switch p.tok.kind {
		case tSymbol, tIdent, tFID, tConst, tOp:
			n.names = append(n.names, p.tok.s)
		default:
			p.unexpected()
		}
		p.state = sEnd
		p.advance()
		if !p.isOp(",") {
			return n
		}
		p.state = sFname
		p.advance()
	}
}

func (p *parser) keyword() node {
	t := p.tok
	pos := at(t.pos)
	switch t.s {
	case "nil":
		p.advance()
		return &nilNode{pos}
	case "true":
		p.advance()
		return &trueNode{pos}
	case "false":
		p.advance()
		return &falseNode{pos}
	case "self":
		p.advance()
		return &selfNode{pos}
	case "__FILE__":
		p.advance()
		return &strNode{pos, p.prog.opts.File}
	case "__LINE__":
		p.advance()
		line, _ := p.prog.Position(t.pos)
		return &litNode{pos, line}
	case "__ENCODING__":
		p.advance()
		return &constNode{pos, &constNode{pos, nil, true, "Encoding"}, false, "UTF_8"}
	case "if", "unless":
		return p.ifExpr()
	case "while", "until":
		return p.whileExpr()
	case "case":
		return p.caseExpr()
	case "for":
		return p.forExpr()
	case "begin":
		p.advance()
		b := p.bodyWithRescue(t.pos)
		p.expectKw("end")
		if bn, ok := b.(*beginNode); ok && bn.at == pos {
			return bn
		}
		return &beginNode{at: pos, body: b}
	case "def":
		return p.def()
	case "class", "module":
		return p.class()
	case "return", "break", "next":
		p.advance()
		var val node
		if p.jumpHasValue() {
			a := p.args("")
			if a.blockArg != nil {
				p.fail(t.pos, "block argument should not be given")
			}
			if len(a.list) == 1 && !a.splat {
				val = a.list[0]
			} else {
				val = &arrayNode{pos, a.list}
			}
			if h, ok := val.(*hashNode); ok {
				h.brace = true
			}
		}
		switch t.s {
		case "return":
			if p.sc.kind == scopeClass {
				p.fail(t.pos, "Invalid return in class/module body")
			}
			for sc := p.sc; sc != nil; sc = sc.parent {
				sc.fn.jumpRet = true
			}
			return &returnNode{pos, val}
		case "break":
			if p.sc.loops > 0 {
				return &breakNode{pos, val, true}
			}
			if p.sc.kind != scopeBlock {
				p.fail(t.pos, "Invalid break")
			}
			p.sc.fn.jumpBrk = true
			return &breakNode{pos, val, false}
		default:
			if p.sc.loops > 0 {
				return &nextNode{pos, val, true}
			}
			if p.sc.kind != scopeBlock {
				p.fail(t.pos, "Invalid next")
			}
			p.sc.fn.jumpNxt = true
			return &nextNode{pos, val, false}
		}
	case "redo":
		p.unsupported(t.pos, "redo")
	case "retry":
		p.advance()
		return &retryNode{pos}
	case "yield":
		if !p.inDefined && (p.sc.kind == scopeTop || p.sc.kind == scopeClass) {
			p.fail(t.pos, "Invalid yield")
		}
		p.advance()
		n := &yieldNode{at: pos}
		if p.isOp("(") && !p.tok.space {
			p.advance()
			a := p.args(")")
			p.expectOp(")")
			n.args = a.list
		} else if p.canStartCommandArg(t) {
			n.args = p.args("").list
		}
		return n
	case "super":
		p.advance()
		n := &superNode{at: pos, bare: true}
		if p.isOp("(") && !p.tok.space {
			p.advance()
			a := p.args(")")
			p.expectOp(")")
			n.args, n.blockArg, n.bare = a.list, a.blockArg, false
		} else if p.canStartCommandArg(t) {
			a := p.args("")
			n.args, n.blockArg, n.bare = a.list, a.blockArg, false
		}
		n.block = p.blockOpt(n.blockArg)
		return n
	case "defined?":
		return p.defined()
	case "not":
		p.advance()
		if p.isOp("(") {
			p.advance()
			p.skipNL()
			if p.isOp(")") {
				p.advance()
				return &notNode{pos, &nilNode{pos}}
			}
			n := p.exprStmt()
			p.skipNL()
			p.expectOp(")")
			return &notNode{pos, n}
		}
		return &notNode{pos, p.expr()}
	case "alias", "undef":
		p.unexpected()
	case "BEGIN", "END":
		p.unsupported(t.pos, t.s+" {}")
	}
	p.unexpected()
	return nil
}

func (p *parser) jumpHasValue() bool {
	if p.tok.kind == tOp {
		switch p.tok.s {
		case "*", "**":
			return true
		}
	}
	return p.startsOperand()
}

func (p *parser) then() {
	if p.tok.kind == tNL {
		p.skipNL()
		if p.isKw("then") {
			p.advance()
		}
		return
	}
	if p.isKw("then") {
		p.advance()
		return
	}
	p.fail(p.tok.pos, "unexpected %s, expecting `then' or a new line", p.tok.describe())
}

func (p *parser) condExpr() node {
	noDo, tern := p.noDo, p.ternary
	p.noDo, p.ternary = true, 0
	sp := p.stmtPos
	p.stmtPos = -1
	c := p.cond(p.exprStmt())
	p.noDo, p.ternary, p.stmtPos = noDo, tern, sp
	return c
}

func (p *parser) plainCond() node {
	noDo, tern, sp := p.noDo, p.ternary, p.stmtPos
	p.noDo, p.ternary, p.stmtPos = false, 0, -1
	c := p.cond(p.exprStmt())
	p.noDo, p.ternary, p.stmtPos = noDo, tern, sp
	return c
}

func (p *parser) ifExpr() node {
	t := p.tok
	p.advance()
	cond := p.plainCond()
	p.then()
	then := p.stmts("elsif", "else", "end")
	var els node
	switch {
	case p.isKw("elsif"):
		if t.s == "unless" {
			p.unexpected()
		}
		p.enter(t.pos)
		els = p.ifExpr() // reads the end as well
		p.leave()
		return &ifNode{at(t.pos), cond, then, els}
	case p.isKw("else"):
		p.advance()
		els = p.stmts("end")
	}
	p.expectKw("end")
	if t.s == "unless" {
		return &ifNode{at(t.pos), cond, els, then}
	}
	return &ifNode{at(t.pos), cond, then, els}
}

func (p *parser) whileExpr() node {
	t := p.tok
	p.advance()
	w := &whileNode{at: at(t.pos), until: t.s == "until"}
	p.sc.loops++
	w.cond = p.condExpr()
	if p.isKw("do") {
		p.advance()
	} else if p.tok.kind == tNL {
		p.skipNL()
	} else {
		p.unexpected()
	}
	w.body = p.stmts("end")
	p.sc.loops--
	w.jumps = true
	p.expectKw("end")
	return w
}

func (p *parser) forExpr() node {
	t := p.tok
	p.advance()
	f := &forNode{at: at(t.pos), jumps: true}
	m := p.mlhs(nil)
	f.target = m
	if len(m.targets) == 1 {
		if _, ok := m.targets[0].(*splatNode); !ok {
			f.target = m.targets[0]
		}
	}
	p.expectKw("in")
	p.sc.loops++
	f.iter = p.condExpr()
	if p.isKw("do") {
		p.advance()
	} else if p.tok.kind == tNL {
		p.skipNL()
	} else {
		p.unexpected()
	}
	f.body = p.stmts("end")
	p.sc.loops--
	p.expectKw("end")
	return f
}

func (p *parser) caseExpr() node {
	t := p.tok
	p.advance()
	c := &caseNode{at: at(t.pos)}
	if p.tok.kind != tNL && !p.isKw("when") {
		c.subj = p.plainCond()
	}
	p.skipNL()
	if p.isKw("in") && c.subj != nil {
		return p.caseIn(t.pos, c.subj)
	}
	if !p.isKw("when") {
		p.fail(p.tok.pos, "unexpected %s, expecting `when'", p.tok.describe())
	}
	for p.isKw("when") {
		p.advance()
		var w whenClause
		for {
			pos := at(p.tok.pos)
			p.skipNewlinesOnly()
			if p.isOp("*") {
				p.advance()
				w.conds = append(w.conds, &splatNode{pos, p.argValue()})
			} else {
				w.conds = append(w.conds, p.argValue())
			}
			if !p.isOp(",") {
				break
			}
			p.advance()
		}
		p.then()
		w.body = p.stmts("when", "else", "end")
		c.whens = append(c.whens, w)
	}
	if p.isKw("else") {
		p.advance()
		c.els = p.stmts("end")
	}
	p.expectKw("end")
	return c
}

// bodyWithRescue reads statements with rescue, else and ensure, up to end.
func (p *parser) bodyWithRescue(pos int) node {
	body := p.stmts("rescue", "else", "ensure", "end")
	if !p.isKw("rescue") && !p.isKw("else") && !p.isKw("ensure") {
		return body
	}
	b := &beginNode{at: at(pos), body: body}
	for p.isKw("rescue") {
		p.advance()
		var r rescueClause
		for p.tok.kind != tNL && !p.isKw("then") && !p.isOp("=>") {
			cp := at(p.tok.pos)
			if p.isOp("*") {
				p.advance()
				r.classes = append(r.classes, &splatNode{cp, p.argValue()})
			} else {
				r.classes = append(r.classes, p.argValue())
			}
			if !p.isOp(",") {
				break
			}
			p.advance()
			p.skipNewlinesOnly()
		}
		if p.isOp("=>") {
			p.advance()
			n := p.primary()
			if !assignable(n) {
				p.unexpected()
			}
			r.target = p.target(n)
		}
		p.then()
		r.body = p.stmts("rescue", "else", "ensure", "end")
		b.rescues = append(b.rescues, r)
	}
	if p.isKw("else") {
		if len(b.rescues) == 0 {
			p.fail(p.tok.pos, "else without rescue is useless")
		}
		p.advance()
		b.els = p.stmts("ensure", "end")
	}
	if p.isKw("ensure") {
		p.advance()
		b.ensure = p.stmts("end")
	}
	return b
}

func (p *parser) def() node {
	pos := p.tok.pos
	p.defName = true
	p.advance()
	t := p.tok
	d := &defNode{at: at(pos)}
	// def self.name, def Const.name, def obj.name
	isName := t.kind == tIdent || t.kind == tFID || t.kind == tConst || t.kind == tOp && isOperatorName(t.s)
	if !isName && t.kind != tOp {
		p.unexpected()
	}
	if (t.kind == tIdent || t.kind == tConst) && p.ch(t.end) == '.' && p.ch(t.end+1) != '.' {
		switch {
		case t.s == "self":
			d.singleton = &selfNode{at(t.pos)}
		case t.kind == tConst:
			d.singleton = &constNode{at(t.pos), nil, false, t.s}
		default:
			dep, i, ok := p.sc.lookup(t.s)
			if !ok {
				d.singleton = &callNode{at: at(t.pos), name: t.s}
			} else {
				d.singleton = &lvarNode{at(t.pos), t.s, dep, i}
			}
		}
		p.advance() // to the dot
		p.defName = true
		p.advance()
		t = p.tok
		isName = t.kind == tIdent || t.kind == tFID || t.kind == tConst || t.kind == tOp && isOperatorName(t.s)
	}
	if !isName {
		p.unexpected()
	}
	d.name = t.s
	fn := &funcNode{at: at(pos)}
	d.fn = fn
	outer := p.sc
	inDef := p.inDef
	noDo, noPipe, tern, sp := p.noDo, p.noPipe, p.ternary, p.stmtPos
	p.noDo, p.noPipe, p.ternary = false, false, 0
	p.inDef = true
	p.sc = &scope{kind: scopeDef, fn: fn}
	fn.scope = p.sc
	p.state = sEnd
	p.defName = false
	p.advance()
	if p.isOp("(") {
		p.advance()
		fn.params = p.params(")")
		p.expectOp(")")
	} else if p.tok.kind != tNL && !p.isOp("=") {
		fn.params = p.params("")
	}
	if fn.params == nil {
		fn.params = newParamList()
	}
	if p.isOp("=") {
		// endless definition
		p.advance()
		p.skipNewlinesOnly()
		fn.body = p.rescueMod(p.expr())
		p.sc, p.inDef = outer, inDef
		p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp
		return d
	}
	fn.body = p.bodyWithRescue(pos)
	p.sc, p.inDef = outer, inDef
	p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp
	p.expectKw("end")
	return d
}

func (p *parser) class() node {
	t := p.tok
	if p.inDef && !(t.s == "class" && strings.HasPrefix(strings.TrimLeft(p.src[t.end:], " \t"), "<<")) {
		p.fail(t.pos, "%s definition in method body", t.s)
	}
	p.advance()
	c := &classNode{at: at(t.pos), module: t.s == "module"}
	if !c.module && p.isOp("<<") {
		p.advance()
		c.sclass = p.exprStmt()
	} else {
		n := p.cpath()
		c.cpath = n
		if !c.module && p.isOp("<") {
			p.advance()
			c.super = p.exprStmt()
		}
	}
	outer := p.sc
	inDef := p.inDef
	p.inDef = false
	p.sc = &scope{kind: scopeClass, fn: &funcNode{}}
	c.scope = p.sc
	c.body = p.bodyWithRescue(t.pos)
	p.sc, p.inDef = outer, inDef
	p.expectKw("end")
	return c
}

func (p *parser) cpath() *constNode {
	var n *constNode
	if p.isOp("::") {
		p.advance()
		n = &constNode{at(p.tok.pos), nil, true, p.tok.s}
	} else {
		n = &constNode{at(p.tok.pos), nil, false, p.tok.s}
	}
	if p.tok.kind != tConst {
		p.fail(p.tok.pos, "class/module name must be CONSTANT")
	}
	p.advance()
	for p.isOp("::") {
		p.advance()
		if p.tok.kind != tConst {
			p.fail(p.tok.pos, "class/module name must be CONSTANT")
		}
		n = &constNode{at(p.tok.pos), n, false, p.tok.s}
		p.advance()
	}
	return n
}
