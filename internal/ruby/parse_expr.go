package ruby

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// exprStmt is an expression with and, or, not.
func (p *parser) exprStmt() node { return p.andOr(p.notExpr()) }

func (p *parser) andOr(l node) node {
	for p.isKw("and") || p.isKw("or") {
		pos, and := at(p.tok.pos), p.tok.s == "and"
		p.advance()
		l = &logicNode{pos, l, p.notExpr(), and}
	}
	p.unsupportedIf(p.isOp("=>") || p.isKw("in"), p.tok.pos, "pattern matching")
	return l
}

func (p *parser) notExpr() node {
	if !p.isKw("not") {
		return p.expr()
	}
	pos := at(p.tok.pos)
	p.enter(p.tok.pos)
	defer p.leave()
	p.advance()
	return &notNode{pos, p.notExpr()}
}

// expr is an expression without and, or, not: assignment, ternary, operators,
// command call.
func (p *parser) expr() node {
	p.enter(p.tok.pos)
	defer p.leave()
	n := p.rangeExpr()
	if !p.isOp("?") {
		return n
	}
	pos := at(p.tok.pos)
	p.cond(n)
	noDo := p.noDo
	p.ternary++
	p.advance()
	p.skipNewlinesOnly()
	a := p.expr()
	p.skipNewlinesOnly()
	p.ternary--
	p.expectOp(":")
	p.skipNewlinesOnly()
	b := p.expr()
	p.noDo = noDo
	return &ifNode{pos, n, a, b}
}

// argValue is an expression that is not a separate statement.
func (p *parser) argValue() node {
	sp := p.stmtPos
	p.stmtPos = -1
	n := p.expr()
	p.stmtPos = sp
	return n
}

func (p *parser) rangeExpr() node {
	var l node
	if !(p.isOp("..") || p.isOp("...")) {
		l = p.binary(1)
	}
	if !p.isOp("..") && !p.isOp("...") {
		return l
	}
	t := p.tok
	p.advance()
	r := &rangeNode{at: at(t.pos), lo: l, excl: t.s == "..."}
	if l == nil || p.startsOperand() {
		r.hi = p.binary(1)
	}
	return r
}

// startsOperand tells whether the current token can begin an operand.
func (p *parser) startsOperand() bool {
	switch p.tok.kind {
	case tEOF, tNL:
		return false
	case tKeyword:
		return !strings.Contains(" then do end and or if unless while until rescue in else elsif when ensure ",
			" "+p.tok.s+" ")
	case tOp:
		return strings.Contains(" ( [ { - + ! ~ -> :: .. ... ", " "+p.tok.s+" ")
	}
	return true
}

// precedences are the binary operators, from those that bind least.
var precedences = [][]string{
	{},
	{"||"},
	{"&&"},
	precEqual: {"<=>", "==", "===", "!=", "=~", "!~"}, // do not associate
	{">", ">=", "<", "<="},
	{"|", "^"},
	{"&"},
	{"<<", ">>"},
	{"+", "-"},
	{"*", "/", "%"},
	precUnaryMinus: {},
	precPower:      {"**"}, // associates to the right
}

const (
	precEqual      = 3
	precUnaryMinus = 10
	precPower      = 11
)

// precedence of a binary operator; 0 for other tokens.
func precedence(op string) int {
	return max(0, slices.IndexFunc(precedences, func(ops []string) bool { return slices.Contains(ops, op) }))
}

func (p *parser) binary(least int) node {
	l := p.unary()
	for p.tok.kind == tOp {
		op := p.tok.s
		prec := precedence(op)
		if prec == 0 || prec < least || op == "|" && p.noPipe {
			break
		}
		pos := at(p.tok.pos)
		p.advance()
		p.skipNewlinesOnly()
		next := prec + 1
		if prec == precPower {
			next = prec
		}
		p.enter(int(pos))
		r := p.binary(next)
		p.leave()
		l = p.binaryNode(pos, op, l, r)
		p.unexpectedIf(prec == precEqual && p.tok.kind == tOp && precedence(p.tok.s) == precEqual)
	}
	return l
}

func (p *parser) binaryNode(pos at, op string, l, r node) node {
	switch op {
	case "&&", "||":
		return &logicNode{pos, l, r, op == "&&"}
	case "!=", "!~":
		name := map[string]string{"!=": "==", "!~": "=~"}[op]
		return &notNode{pos, &callNode{at: pos, recv: l, name: name, args: []node{r}, parens: true}}
	case "=~":
		if re, ok := l.(*regexNode); ok && re.cached != nil && len(re.cached().Names()) > 0 {
			p.unsupported(int(pos), "a match that sets local variables ((?<name>…) before =~)")
		}
	}
	return &callNode{at: pos, recv: l, name: op, args: []node{r}, parens: true}
}

func (p *parser) unary() node {
	t := p.tok
	p.enter(t.pos)
	defer p.leave()
	if t.kind == tKeyword && t.s == "defined?" {
		return p.defined()
	}
	if t.kind != tOp || !strings.Contains(" ! - + ~ .. ... ", " "+t.s+" ") {
		return p.assignment()
	}
	pos := at(t.pos)
	p.advance()
	switch t.s {
	case "!":
		return &notNode{pos, p.unary()}
	case "-":
		if (p.tok.kind == tInt || p.tok.kind == tFloat) && !p.tok.space {
			return p.negative(pos)
		}
		return &callNode{at: pos, recv: p.binary(precUnaryMinus), name: "-@", parens: true}
	case "+":
		return &callNode{at: pos, recv: p.binary(precPower), name: "+@", parens: true}
	case "~":
		return &callNode{at: pos, recv: p.unary(), name: "~", parens: true}
	}
	return &rangeNode{pos, nil, p.binary(1), t.s == "..."}
}

// negative reads a number after a minus sign.
func (p *parser) negative(pos at) node {
	num := p.tok
	p.advance()
	p.unsupportedIf(p.isOp("**"), int(pos), "a negative number before **")
	lit := &litNode{at: pos}
	switch v := num.val.(type) {
	case int:
		lit.v = -v
	case float64:
		lit.v = -v
	}
	return p.assignRest(p.postfix(lit), int(pos))
}

func (p *parser) defined() node {
	pos := at(p.tok.pos)
	p.advance()
	if p.isOp("(") && !p.tok.space {
		p.advance()
		p.skipNL()
		n := p.exprStmt()
		p.skipNL()
		p.expectOp(")")
		return p.postfix(&definedNode{pos, n})
	}
	return &definedNode{pos, p.expr()}
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

// assignRest reads = or += and the value, if they follow.
func (p *parser) assignRest(n node, start int) node {
	if p.tok.kind != tOp || !strings.HasSuffix(p.tok.s, "=") {
		return n
	}
	op := strings.TrimSuffix(p.tok.s, "=")
	if op != "" && precedence(op) == 0 || precedence(p.tok.s) != 0 {
		return n
	}
	if !assignable(n) {
		if _, isCall := n.(*callNode); !isCall {
			p.fail(n.offset(), "Can't assign to %s", strings.TrimSpace(p.src[n.offset():p.tok.pos]))
		}
		p.unexpected()
	}
	pos := at(p.tok.pos)
	atStmt := start == p.stmtPos
	n = p.target(n)
	p.advance()
	if op == "" && atStmt && p.ternary == 0 {
		p.stmtPos = -1
		return &asgnNode{pos, n, p.rescueMod(p.multiRHS())}
	}
	p.skipNewlinesOnly()
	if op == "" {
		return &asgnNode{pos, n, p.rescueMod(p.expr())}
	}
	p.stmtPos = -1
	return p.opAssign(pos, n, op)
}

// opAssign reads the value of target op= value. The receiver and the index of
// an attribute are evaluated once, into variables without a name.
func (p *parser) opAssign(pos at, target node, op string) node {
	var stmts []node
	once := func(n node) node {
		v := &lvarNode{at: pos, idx: p.sc.hidden()}
		stmts = append(stmts, &asgnNode{pos, v, n})
		return v
	}
	if c, ok := target.(*callNode); ok {
		c.recv = once(c.recv)
		for i, arg := range c.args {
			c.args[i] = once(arg)
		}
	}
	old, val := target, p.rescueMod(p.expr())
	if c, ok := target.(*constNode); ok && op == "||" {
		old = &logicNode{pos, &definedNode{pos, c}, c, true}
	}
	if op == "||" || op == "&&" {
		stmts = append(stmts, &logicNode{pos, old, &asgnNode{pos, target, val}, op == "&&"})
	} else {
		sum := &callNode{at: pos, recv: old, name: op, args: []node{val}, parens: true}
		stmts = append(stmts, &asgnNode{pos, target, sum})
	}
	return &seqNode{pos, stmts}
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

func (p *parser) primary() node { return p.postfix(p.operand()) }

func (p *parser) operand() node {
	t := p.tok
	pos := at(t.pos)
	switch t.kind {
	case tIdent, tFID:
		return p.identifier()
	case tKeyword:
		return p.keyword()
	case tOp:
		return p.bracketed()
	case tString:
		return p.stringLit()
	case tWords, tSymbols:
		return p.words()
	}
	p.advance()
	switch t.kind {
	case tInt, tFloat:
		return &litNode{pos, t.val}
	case tXString:
		return &dstrNode{pos, t.parts, '`'}
	case tSymbol:
		return &litNode{pos, Symbol(t.s)}
	case tDSym:
		return &dstrNode{pos, t.parts, ':'}
	case tRegexp:
		return p.regexLit(t)
	case tIvar, tGvar:
		return &varNode{pos, t.s}
	case tConst:
		if p.isOp("(") && !p.tok.space || p.canStartCommandArg() {
			c := &callNode{at: pos, name: t.s}
			p.callRest(c)
			return c
		}
		return &constNode{pos, nil, false, t.s}
	}
	p.tok = t
	p.unexpected()
	return nil
}

// stringLit joins adjacent literals.
func (p *parser) stringLit() node {
	pos := at(p.tok.pos)
	var parts []node
	for p.tok.kind == tString {
		parts = append(parts, p.tok.parts...)
		p.advance()
	}
	all := ""
	for _, n := range parts {
		s, ok := n.(*strNode)
		if !ok {
			return &dstrNode{pos, parts, 0}
		}
		all += s.s
	}
	return &strNode{pos, all}
}

func (p *parser) words() node {
	t := p.tok
	pos := at(t.pos)
	p.advance()
	a := &arrayNode{at: pos}
	for _, w := range t.words {
		if t.kind == tSymbols {
			a.elems = append(a.elems, &litNode{pos, Symbol(w)})
		} else {
			a.elems = append(a.elems, &strNode{pos, w})
		}
	}
	return a
}

func (p *parser) regexLit(t token) node {
	n := &regexNode{at: at(t.pos), parts: t.parts, flags: t.s}
	if s, ok := literalOf(t.parts); ok {
		compile := sync.OnceValues(func() (*Regexp, error) { return newRegexp(s, t.s) })
		if !p.prog.opts.library {
			if _, err := compile(); err != nil {
				p.unsupported(t.pos, fmt.Sprintf("the regular expression /%s/: %v", s, err))
			}
		}
		n.cached = func() *Regexp { re, _ := compile(); return re }
	}
	return n
}

// bracketed reads an operand that begins with an operator.
func (p *parser) bracketed() node {
	t := p.tok
	pos := at(t.pos)
	switch t.s {
	case "!", "-", "+", "~", "..", "...":
		return p.unary()
	case "{":
		return p.hashLit()
	case "(":
		p.advance()
		saved := p.inner()
		n := p.stmts(")")
		p.exprContext = saved
		p.expectOp(")")
		// Neither an assignment target nor a call that takes a block.
		return &seqNode{pos, []node{n}}
	case "[":
		p.advance()
		args := p.args("]")
		p.expectOp("]")
		return &arrayNode{pos, args.list}
	case "->":
		return p.lambda()
	case "::":
		p.advance()
		c := p.tok
		p.unexpectedIf(c.kind != tConst)
		p.advance()
		return &constNode{pos, nil, true, c.s}
	}
	p.unexpected()
	return nil
}

func (p *parser) hashLit() node {
	h := &hashNode{at: at(p.tok.pos), brace: true}
	saved := p.inner()
	p.advance()
	for {
		p.skipNewlinesOnly()
		if p.isOp("}") {
			break
		}
		h.pairs = append(h.pairs, p.pair())
		p.skipNewlinesOnly()
		if !p.acceptOp(",") {
			break
		}
	}
	p.exprContext = saved
	p.expectOp("}")
	return h
}

// pair reads one entry of a hash: a label, "string": value, key => value or
// **hash.
func (p *parser) pair() pairNode {
	t := p.tok
	pos := at(t.pos)
	switch {
	case p.acceptOp("**"):
		return pairNode{nil, p.expr()}
	case t.kind == tLabel:
		p.advance()
		p.skipNewlinesOnly()
		if !p.startsOperand() && !p.isKw("if") && !p.isKw("unless") {
			p.unsupported(t.pos, "a key without a value ("+t.s+":)")
		}
		return pairNode{&litNode{pos, Symbol(t.s)}, p.argValue()}
	case t.kind == tLabelStr:
		p.advance()
		p.skipNewlinesOnly()
		return pairNode{&dstrNode{pos, t.parts, ':'}, p.argValue()}
	}
	k := p.argValue()
	p.skipNewlinesOnly()
	p.expectOp("=>")
	p.skipNewlinesOnly()
	return pairNode{k, p.argValue()}
}
