package ruby

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Options say how a source text is to be read.
type Options struct {
	// File is the name for messages, __FILE__ and __dir__. Default "(eval)".
	File string
	// Line is the number of the first line. Default 1.
	Line int
	// Position translates a byte offset in the source into the position that
	// messages show, for sources that were generated from something else.
	// Both count from 1. Nil means the position in the source.
	Position func(offset int) (line, col int)
	// library is set for this package's own files, whose methods are parsed,
	// and whose regular expressions compiled, when they are used.
	library bool
}

// MaxSource is the size of the largest source that Parse accepts, in bytes.
const MaxSource = 256 << 10

const maxNesting = 400

// Program is a parsed source. It can be run any number of times, by several
// interpreters at once too.
type Program struct {
	src     string
	opts    Options
	body    node
	scope   *scope
	lines   []int // offsets of line starts
	prelude bool  // part of this package: messages name its caller
}

// Position translates a byte offset into line and column.
func (p *Program) Position(offset int) (line, col int) {
	if p.opts.Position != nil {
		return p.opts.Position(offset)
	}
	offset = max(0, min(offset, len(p.src)))
	i := sort.SearchInts(p.lines, offset+1) - 1
	return i + p.opts.Line, utf8.RuneCountInString(p.src[p.lines[i]:offset]) + 1
}

// exprContext is what an outer construct means for the expression inside.
type exprContext struct {
	noDo    bool // do belongs to an outer construct
	noPipe  bool // | ends the expression (default of a block parameter)
	ternary int
	stmtPos int // where the statement begins, which may assign a list
}

type parser struct {
	exprContext
	src        string
	pos        int
	tok        token
	state      lexState
	heredocEnd int
	defName    bool
	sc         *scope
	depth      int
	prog       *Program
}

// Parse reads a source text. The error is an [*Error] of kind SyntaxError or
// Unsupported.
func Parse(src string, o Options) (prog *Program, err error) {
	if o.File == "" {
		o.File = "(eval)"
	}
	if o.Line == 0 {
		o.Line = 1
	}
	prog = &Program{src: src, opts: o, lines: []int{0}}
	if len(src) > MaxSource {
		return nil, &Error{
			Kind: LimitExceeded, File: o.File,
			Message: fmt.Sprintf("the source is %d bytes long; at most %d are read", len(src), MaxSource),
		}
	}
	for i := 0; i < len(src); i++ {
		if src[i] == '\n' {
			prog.lines = append(prog.lines, i+1)
		}
	}
	p := &parser{src: src, prog: prog, sc: &scope{kind: scopeTop, fn: &funcNode{}}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case syntaxErr:
			r.err.File = o.File
			r.err.Line, r.err.Col = prog.Position(r.err.Col)
			prog, err = nil, r.err
		default:
			line, col := prog.Position(p.pos)
			prog, err = nil, &Error{
				Kind: Internal, File: o.File, Line: line, Col: col,
				Message: fmt.Sprintf("the parser failed: %v", r),
			}
		}
	}()
	if strings.HasPrefix(src, "\ufeff") {
		p.pos = 3
	}
	prog.scope = p.sc
	p.advance()
	prog.body = p.stmts()
	p.unexpectedIf(p.tok.kind != tEOF)
	return prog, nil
}

func (p *parser) enter(pos int) {
	if p.depth++; p.depth > maxNesting {
		p.fail(pos, "nested too deeply")
	}
}

func (p *parser) leave() { p.depth-- }

// inner begins a nested construct, in which the context does not hold.
func (p *parser) inner() exprContext {
	saved := p.exprContext
	p.exprContext = exprContext{stmtPos: saved.stmtPos}
	return saved
}

func (p *parser) isOp(s string) bool { return p.tok.kind == tOp && p.tok.s == s }
func (p *parser) isKw(s string) bool { return p.tok.kind == tKeyword && p.tok.s == s }

// describe names the current token in a message.
func (p *parser) describe() string {
	switch text := strings.TrimSpace(p.src[p.tok.pos:p.tok.end]); {
	case p.tok.kind == tEOF:
		return "end-of-input"
	case text == "":
		return "end of line"
	default:
		return "'" + text + "'"
	}
}

func (p *parser) unexpected() {
	p.fail(p.tok.pos, "unexpected %s", p.describe())
}

func (p *parser) expectOp(s string) token {
	t := p.tok
	if !p.acceptOp(s) {
		p.fail(t.pos, "unexpected %s, expecting '%s'", p.describe(), s)
	}
	return t
}

func (p *parser) expectKw(s string) {
	if !p.isKw(s) {
		p.fail(p.tok.pos, "unexpected %s, expecting `%s'", p.describe(), s)
	}
	p.advance()
}

// acceptOp moves past an operator if it is the current token.
func (p *parser) acceptOp(s string) bool {
	if !p.isOp(s) {
		return false
	}
	p.advance()
	return true
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

// stmts reads statements until one of the terminators (keywords or operators)
// or the end.
func (p *parser) stmts(term ...string) node {
	start := p.tok.pos
	var list []node
	saved := p.inner()
	for {
		p.skipNL()
		if p.tok.kind == tEOF || p.atTerm(term) {
			break
		}
		list = append(list, p.stmt())
		p.unexpectedIf(p.tok.kind != tNL && p.tok.kind != tEOF && !p.atTerm(term))
	}
	stmtPos := p.stmtPos
	p.exprContext = saved
	p.stmtPos = stmtPos
	switch len(list) {
	case 0:
		return &litNode{at: at(start)}
	case 1:
		return list[0]
	}
	return &seqNode{at(start), list}
}

func (p *parser) atTerm(term []string) bool {
	return (p.tok.kind == tKeyword || p.tok.kind == tOp) && slices.Contains(term, p.tok.s)
}

// stmt reads a statement with its modifiers.
func (p *parser) stmt() node {
	n := p.stmtHead()
	for p.tok.kind == tKeyword {
		pos := at(p.tok.pos)
		word := p.tok.s
		switch word {
		case "if", "unless":
			p.advance()
			c := p.cond(p.exprStmt())
			if word == "if" {
				n = &ifNode{pos, c, n, nil}
			} else {
				n = &ifNode{pos, c, nil, n}
			}
		case "while", "until":
			p.unsupported(p.tok.pos, word)
		case "rescue":
			p.advance()
			n = &beginNode{at: pos, body: n, rescues: []rescueClause{{body: p.exprStmt()}}}
		default:
			return n
		}
	}
	return n
}

// cond refuses what has another meaning in a condition.
func (p *parser) cond(n node) node {
	switch n.(type) {
	case *rangeNode:
		p.unsupported(n.offset(), "a flip-flop (range as a condition)")
	case *regexNode:
		p.unsupported(n.offset(), "a regexp as a condition (match against $_)")
	}
	return n
}

func (p *parser) stmtHead() node {
	t := p.tok
	if p.isOp("*") && t.beg {
		return p.masgnRest(p.mlhs(nil))
	}
	p.stmtPos = t.pos
	first := p.notExpr()
	if p.isOp(",") && assignable(first) {
		return p.masgnRest(p.mlhs(first))
	}
	return p.andOr(first)
}

func (p *parser) masgnRest(lhs *mlhsNode) node {
	p.unsupportedIf(p.isOp(")"), int(lhs.at), "a list of targets within another")
	eq := p.expectOp("=")
	return &masgnNode{at(eq.pos), lhs, p.rescueMod(p.multiRHS())}
}

// multiRHS reads the right side of an assignment statement: one value, or
// several that make an array.
func (p *parser) multiRHS() node {
	pos := p.tok.pos
	p.skipNewlinesOnly()
	var list []node
	splat := false
	for {
		if p.isOp("*") && p.tok.beg {
			sp := at(p.tok.pos)
			p.advance()
			list = append(list, &splatNode{sp, p.expr()})
			splat = true
		} else {
			list = append(list, p.expr())
		}
		if !p.acceptOp(",") {
			break
		}
	}
	if len(list) == 1 && !splat {
		return list[0]
	}
	return &arrayNode{at(pos), list}
}

// mlhs reads the rest of a list of targets.
func (p *parser) mlhs(first node) *mlhsNode {
	m := &mlhsNode{at: at(p.tok.pos)}
	if first != nil {
		m.at = at(first.offset())
		m.targets = append(m.targets, p.target(first))
		p.expectOp(",")
	}
	ends := func() bool { return p.isOp("=") || p.isOp(")") || p.isOp(",") || p.isKw("in") }
	for !ends() {
		pos := at(p.tok.pos)
		switch {
		case p.acceptOp("*"):
			s := &splatNode{pos, nil}
			if !ends() {
				s.n = p.target(p.primary())
			}
			m.targets = append(m.targets, s)
		case p.isOp("("):
			p.unsupported(int(pos), "a list of targets within another")
		default:
			n := p.primary()
			p.unexpectedIf(!assignable(n))
			m.targets = append(m.targets, p.target(n))
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.unexpectedIf(len(m.targets) == 0)
	return m
}

func assignable(n node) bool {
	switch x := n.(type) {
	case *lvarNode, *varNode, *constNode:
		return true
	case *callNode:
		switch {
		case x.block != nil || x.blockArg != nil:
			return false
		case x.recv != nil && x.name == "[]" && x.parens:
			return true
		}
		return !x.parens && len(x.args) == 0 && isPlainIdent(x.name)
	}
	return false
}

func isPlainIdent(s string) bool {
	return s != "" && isIdentStart(s[0]) && s[len(s)-1] != '?' && s[len(s)-1] != '!'
}

// target turns a parsed expression into what can be assigned to; a new name
// becomes a local variable.
func (p *parser) target(n node) node {
	x, ok := n.(*callNode)
	p.unsupportedIf(ok && x.safe, n.offset(), "an assignment after &.")
	if ok && x.recv == nil {
		return p.declare(x.name, x.offset())
	}
	return n
}

func (p *parser) declare(name string, pos int) *lvarNode {
	depth, idx, ok := p.sc.lookup(name)
	if !ok {
		p.sc.declare(name)
		depth, idx, _ = p.sc.lookup(name)
	}
	return &lvarNode{at(pos), name, depth, idx}
}
