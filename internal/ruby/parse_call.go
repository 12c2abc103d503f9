package ruby

import "strings"

type argList struct {
	list     []node
	blockArg node
}

// args reads call arguments up to the closing token or, when it is "", the end
// of a command call.
func (p *parser) args(close string) argList {
	var a argList
	saved := p.inner()
	if close == "" {
		p.exprContext = saved
		p.noDo = true
	}
	p.stmtPos = -1
	var kw *hashNode
	for {
		if close != "" {
			p.skipNewlinesOnly()
			if p.isOp(close) {
				break
			}
		}
		pos := p.tok.pos
		n, pair := p.arg(close, &a)
		switch {
		case pair != nil:
			if kw == nil {
				kw = &hashNode{at: at(pos)}
			}
			kw.pairs = append(kw.pairs, *pair)
		case n != nil:
			a.list = append(a.list, n)
		}
		if close != "" {
			p.skipNewlinesOnly()
		}
		if !p.isOp(",") {
			break
		}
		p.advance()
	}
	if kw != nil {
		a.list = append(a.list, kw)
	}
	p.exprContext = saved
	return a
}

// arg reads one argument: a value, a keyword, or the block argument.
func (p *parser) arg(close string, a *argList) (node, *pairNode) {
	t := p.tok
	pos := at(t.pos)
	begins := t.beg || close != ""
	switch {
	case p.isOp("*") && begins:
		p.advance()
		p.unsupportedIf(p.isOp(",") || close != "" && p.isOp(close), t.pos, "an argument without a name (*)")
		return &splatNode{pos, p.expr()}, nil
	case p.isOp("&") && begins:
		p.advance()
		p.unsupportedIf(close != "" && p.isOp(close), t.pos, "an argument without a name (&)")
		a.blockArg = p.expr()
		return nil, nil
	case p.isOp("**") && begins, t.kind == tLabel, t.kind == tLabelStr:
		pr := p.pair()
		return nil, &pr
	}
	var n node
	if close != "" {
		n = p.notExpr()
	} else {
		n = p.expr()
	}
	if !p.acceptOp("=>") {
		return n, nil
	}
	p.skipNewlinesOnly()
	return nil, &pairNode{n, p.argValue()}
}

// canStartCommandArg tells whether the current token, after a method's name,
// begins an argument without parentheses.
func (p *parser) canStartCommandArg() bool {
	c := p.tok
	if !c.space {
		return false
	}
	switch c.kind {
	case tEOF, tNL:
		return false
	case tKeyword:
		return strings.Contains(" nil true false self defined? not case def begin yield super __FILE__ __LINE__ ",
			" "+c.s+" ")
	case tOp:
		switch c.s {
		case "[", "-", "+", "*", "&", "**", "::":
			return c.beg
		case "!", "->", "~", "(":
			return true
		}
		return false
	}
	return true
}

func (p *parser) identifier() node {
	t := p.tok
	p.advance()
	if d, i, ok := p.sc.lookup(t.s); ok && t.kind == tIdent && !(p.isOp("(") && !p.tok.space) {
		return &lvarNode{at(t.pos), t.s, d, i}
	}
	if len(t.s) == 2 && t.s[0] == '_' && t.s[1] >= '1' && t.s[1] <= '9' && p.sc.kind == scopeBlock {
		p.unsupported(t.pos, "a numbered parameter ("+t.s+")")
	}
	c := &callNode{at: at(t.pos), name: t.s}
	p.callRest(c)
	return c
}

// callRest reads arguments and a block after a method's name.
func (p *parser) callRest(c *callNode) {
	p.callArgs(c)
	c.block = p.blockOpt()
}

func (p *parser) callArgs(c *callNode) {
	if p.isOp("(") && !p.tok.space {
		p.parenArgs(c)
	} else if p.canStartCommandArg() {
		a := p.args("")
		c.args, c.blockArg, c.parens = a.list, a.blockArg, true
	}
}

func (p *parser) parenArgs(c *callNode) {
	p.advance()
	a := p.args(")")
	p.expectOp(")")
	c.args, c.blockArg, c.parens = a.list, a.blockArg, true
}

// blockOpt reads { … } or do … end if one follows.
func (p *parser) blockOpt() *funcNode {
	if p.isOp("{") || p.isKw("do") && !p.noDo {
		return p.block()
	}
	return nil
}

// blockScope begins the scope of a block.
func (p *parser) blockScope(pos int) *funcNode {
	b := &funcNode{at: at(pos)}
	p.sc = &scope{kind: scopeBlock, parent: p.sc, fn: b}
	b.scope = p.sc
	return b
}

func (p *parser) block() *funcNode {
	pos := p.tok.pos
	b := p.blockScope(pos)
	saved := p.inner()
	brace := p.isOp("{")
	p.advance()
	p.skipNewlinesOnly()
	if p.acceptOp("||") {
		b.params = newParamList()
	} else if p.acceptOp("|") {
		b.params = p.params("|")
		p.expectOp("|")
	}
	p.blockBody(b, brace, saved)
	return b
}

// blockBody reads up to } or end, the opening token having been read.
func (p *parser) blockBody(b *funcNode, brace bool, saved exprContext) {
	if brace {
		b.body = p.stmts("}")
	} else {
		b.body = p.bodyWithRescue(b.offset())
	}
	p.sc = p.sc.parent
	p.exprContext = saved
	if brace {
		p.expectOp("}")
	} else {
		p.expectKw("end")
	}
}

func (p *parser) lambda() node {
	pos := p.tok.pos
	fn := p.blockScope(pos)
	p.advance()
	fn.params = newParamList()
	if p.acceptOp("(") {
		fn.params = p.params(")")
		p.expectOp(")")
	} else if p.tok.kind == tIdent || p.isOp("*") || p.isOp("&") || p.tok.kind == tLabel {
		fn.params = p.params("{")
	}
	saved := p.inner()
	brace := p.isOp("{")
	p.unexpectedIf(!brace && !p.isKw("do"))
	p.advance()
	p.blockBody(fn, brace, saved)
	return &lambdaNode{at(pos), fn}
}

// paramReader reads a list of parameters.
type paramReader struct {
	*parser
	close string
	list  *paramList
}

// params reads parameters up to (not including) the closing token: "|", ")",
// "{" or "" for the end of the line.
func (p *parser) params(close string) *paramList {
	r := &paramReader{p, close, newParamList()}
	noPipe := p.noPipe
	p.noPipe = close == "|"
	defer func() { p.noPipe = noPipe }()
	for {
		if close != "" {
			p.skipNewlinesOnly()
		}
		if close != "" && p.isOp(close) || p.tok.kind == tNL && (close == "" || p.tok.s == ";") {
			break
		}
		r.param()
		if close != "" {
			p.skipNewlinesOnly()
		}
		if !p.acceptOp(",") {
			break
		}
		p.unsupportedIf(close == "|" && p.isOp("|"), p.tok.pos, "a comma at the end of parameters (|a,|)")
	}
	if close == "|" && p.tok.kind == tNL && p.tok.s == ";" {
		p.unsupported(p.tok.pos, "a variable of a block (|a; b|)")
	}
	return r.list
}

// name reads the optional name of a *, ** or & parameter.
func (r *paramReader) name(pr param) param {
	pr.idx = -1
	if r.tok.kind == tIdent {
		pr.name, pr.idx = r.tok.s, r.sc.declare(r.tok.s)
		r.advance()
	}
	return pr
}

func (r *paramReader) param() {
	t := r.tok
	required := pReq
	if r.list.opt > 0 || r.list.rest >= 0 {
		required = pPost
	}
	switch {
	case r.acceptOp("*"):
		r.list.add(r.name(param{kind: pRest}))
	case r.acceptOp("**"):
		r.unsupportedIf(r.isKw("nil"), t.pos, "**nil in parameters")
		r.list.add(r.name(param{kind: pKeyRest}))
	case r.acceptOp("&"):
		r.list.add(r.name(param{kind: pBlock}))
	case r.isOp("..."):
		r.unsupported(t.pos, "the forwarding of all arguments (...)")
	case r.isOp("("):
		r.enter(t.pos)
		r.advance()
		sub := r.params(")")
		r.expectOp(")")
		r.leave()
		r.list.add(param{kind: required, sub: sub, idx: r.sc.hidden()})
	case t.kind == tLabel:
		pr := param{kind: pKeyReq, name: t.s, idx: r.sc.declare(t.s)}
		r.advance()
		if !(r.isOp(",") || r.close != "" && r.isOp(r.close) || r.tok.kind == tNL) {
			pr.kind, pr.def = pKey, r.expr()
		}
		r.list.add(pr)
	case t.kind == tIdent:
		r.advance()
		if r.isOp("=") {
			pr := param{kind: pOpt, name: t.s, idx: r.sc.declare(t.s)}
			r.advance()
			pr.def = r.expr()
			r.list.add(pr)
			return
		}
		r.list.add(param{kind: required, name: t.s, idx: r.sc.declare(t.s)})
	default:
		r.unexpected()
	}
}

// postfix reads method calls and indexes that follow an operand.
func (p *parser) postfix(n node) node {
	for p.tok.kind == tOp {
		t := p.tok
		switch {
		case t.s == "." || t.s == "&.":
			n = p.methodCall(n)
		case t.s == "::" && !t.beg:
			n = p.scoped(n)
		case t.s == "[" && !t.beg:
			p.advance()
			a := p.args("]")
			p.expectOp("]")
			_, self := n.(*selfNode)
			n = &callNode{
				at: at(t.pos), recv: n, name: "[]", args: a.list, blockArg: a.blockArg, parens: true, private: self,
			}
		default:
			return n
		}
	}
	return n
}

// methodCall reads .name(args) { block }.
func (p *parser) methodCall(recv node) node {
	safe := p.isOp("&.")
	p.advance()
	m := p.tok
	_, self := recv.(*selfNode)
	c := &callNode{at: at(m.pos), recv: recv, name: m.s, safe: safe, private: self}
	switch {
	case p.isOp("("):
		c.name = "call"
		p.parenArgs(c)
		c.block = p.blockOpt()
	case m.kind == tIdent, m.kind == tFID, m.kind == tConst, m.kind == tOp && isOperatorName(m.s):
		p.advance()
		p.callRest(c)
	default:
		p.unexpected()
	}
	return c
}

// scoped reads ::Name or ::name.
func (p *parser) scoped(n node) node {
	p.advance()
	m := p.tok
	p.unexpectedIf(m.kind != tConst && m.kind != tIdent && m.kind != tFID)
	p.advance()
	if m.kind == tConst && !(p.isOp("(") && !p.tok.space) {
		return &constNode{at(m.pos), n, false, m.s}
	}
	c := &callNode{at: at(m.pos), recv: n, name: m.s}
	p.callRest(c)
	return c
}
