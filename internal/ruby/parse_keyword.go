package ruby

import (
	"strings"
	"sync"
)

func (p *parser) keyword() node {
	t := p.tok
	pos := at(t.pos)
	switch t.s {
	case "if", "unless":
		return p.ifExpr()
	case "case":
		return p.caseExpr()
	case "for":
		return p.forExpr()
	case "def":
		return p.def()
	case "class", "module":
		return p.class()
	case "return", "break", "next":
		return p.jumpExpr()
	case "yield":
		return p.yield()
	case "defined?":
		return p.defined()
	case "not":
		return p.notExpr()
	case "while", "until", "super", "retry", "redo", "alias", "undef", "BEGIN", "END", "__ENCODING__":
		p.unsupported(t.pos, t.s)
	}
	p.advance()
	switch t.s {
	case "nil":
		return &litNode{at: pos}
	case "true", "false":
		return &litNode{pos, t.s == "true"}
	case "self":
		return &selfNode{pos}
	case "__FILE__":
		return &strNode{pos, p.prog.opts.File}
	case "__LINE__":
		line, _ := p.prog.Position(t.pos)
		return &litNode{pos, line}
	case "begin":
		b := p.bodyWithRescue(t.pos)
		p.expectKw("end")
		if bn, ok := b.(*beginNode); ok && bn.at == pos {
			return bn
		}
		return &beginNode{at: pos, body: b}
	}
	p.tok = t
	p.unexpected()
	return nil
}

func (p *parser) jumpExpr() node {
	t := p.tok
	pos := at(t.pos)
	p.advance()
	var val node
	if p.startsOperand() || p.isOp("*") {
		a := p.args("")
		val = &arrayNode{pos, a.list}
		if len(a.list) == 1 {
			if _, splat := a.list[0].(*splatNode); !splat {
				val = a.list[0]
			}
		}
	}
	switch {
	case t.s == "return":
		for sc := p.sc; sc != nil; sc = sc.parent {
			sc.fn.jumpRet = true
		}
		return &jumpNode{pos, jReturn, val}
	case p.sc.kind != scopeBlock:
		p.fail(t.pos, "Invalid %s", t.s)
	case t.s == "break":
		p.sc.fn.jumpBrk = true
		return &jumpNode{pos, jBreak, val}
	}
	p.sc.fn.jumpNxt = true
	return &jumpNode{pos, jNext, val}
}

func (p *parser) yield() node {
	pos := at(p.tok.pos)
	p.advance()
	c := &callNode{}
	p.callArgs(c)
	return &yieldNode{pos, c.args}
}

func (p *parser) then() {
	nl := p.tok.kind == tNL
	p.skipNL()
	if p.isKw("then") {
		p.advance()
	} else if !nl {
		p.unexpected()
	}
}

// condition reads what if, for or case is about; noDo leaves a do to
// the loop.
func (p *parser) condition(noDo bool) node {
	saved := p.exprContext
	p.exprContext = exprContext{noDo: noDo, noPipe: saved.noPipe, stmtPos: -1}
	c := p.exprStmt()
	p.exprContext = saved
	return c
}

func (p *parser) ifExpr() node {
	t := p.tok
	p.advance()
	n := &ifNode{at: at(t.pos), cond: p.cond(p.condition(false))}
	p.then()
	n.then = p.stmts("elsif", "else", "end")
	if p.isKw("elsif") {
		p.enter(t.pos)
		n.els = p.ifExpr() // reads the end as well
		p.leave()
		return n
	}
	if p.isKw("else") {
		p.advance()
		n.els = p.stmts("end")
	}
	p.expectKw("end")
	if t.s == "unless" {
		n.then, n.els = n.els, n.then
	}
	return n
}

// forExpr reads a loop: a call of each with a block that declares its variables
// outside.
func (p *parser) forExpr() node {
	c := &callNode{at: at(p.tok.pos), name: "each"}
	outer := p.sc
	c.block = p.blockScope(p.tok.pos)
	p.sc.loop = true
	first, rest := p.sc.hidden(), p.sc.hidden()
	p.advance()
	m := p.mlhs(nil)
	assign := node(&asgnNode{at: c.at, target: m.targets[0], val: &lvarNode{idx: first}})
	c.block.params = newParamList()
	c.block.params.add(param{kind: pReq, idx: first})
	if len(m.targets) > 1 {
		c.block.params.add(param{kind: pRest, idx: rest})
		all := []node{&lvarNode{idx: first}, &splatNode{n: &lvarNode{idx: rest}}}
		assign = &masgnNode{c.at, m, &arrayNode{elems: all}}
	}
	p.expectKw("in")
	inner := p.sc
	p.sc = outer
	c.recv = p.condition(true)
	p.sc = inner
	if p.isKw("do") {
		p.advance()
	}
	c.block.body = &seqNode{c.at, []node{assign, p.stmts("end")}}
	p.sc = outer
	p.expectKw("end")
	return c
}

func (p *parser) caseExpr() node {
	c := &caseNode{at: at(p.tok.pos)}
	p.advance()
	if p.tok.kind != tNL && !p.isKw("when") {
		c.subj = p.condition(false)
	}
	p.skipNL()
	p.unsupportedIf(p.isKw("in"), p.tok.pos, "pattern matching (case … in)")
	for p.isKw("when") {
		p.advance()
		var w whenClause
		for more := true; more; more = p.acceptOp(",") {
			p.skipNewlinesOnly()
			w.conds = append(w.conds, p.splatOrValue())
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

func (p *parser) splatOrValue() node {
	pos := at(p.tok.pos)
	if p.acceptOp("*") {
		return &splatNode{pos, p.argValue()}
	}
	return p.argValue()
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
			r.classes = append(r.classes, p.splatOrValue())
			if !p.acceptOp(",") {
				break
			}
			p.skipNewlinesOnly()
		}
		if p.acceptOp("=>") {
			n := p.primary()
			p.unexpectedIf(!assignable(n))
			r.target = p.target(n)
		}
		p.then()
		r.body = p.stmts("rescue", "else", "ensure", "end")
		b.rescues = append(b.rescues, r)
	}
	if p.isKw("else") {
		p.advance()
		b.els = p.stmts("ensure", "end")
	}
	if p.isKw("ensure") {
		p.advance()
		b.ensure = p.stmts("end")
	}
	return b
}

func (t token) isMethodName() bool {
	return t.kind == tIdent || t.kind == tFID || t.kind == tConst || t.kind == tOp && isOperatorName(t.s)
}

func (p *parser) def() node {
	pos := p.tok.pos
	p.defName = true
	p.advance()
	d := &defNode{at: at(pos)}
	if t := p.tok; (t.kind == tIdent || t.kind == tConst) && p.ch(t.end) == '.' {
		p.unsupportedIf(t.s != "self", t.pos, "a method definition on "+t.s+" (def "+t.s+".name)")
		d.onSelf = true
		p.advance() // to the dot
		p.defName = true
		p.advance()
	}
	p.unexpectedIf(!p.tok.isMethodName())
	if d.name = p.tok.s; d.name == "!" {
		p.unsupported(p.tok.pos, "the definition of !")
	}
	if p.prog.opts.library {
		d.fn = p.later(pos)
		return d
	}
	fn := p.method(pos)
	d.fn = func() *funcNode { return fn }
	return d
}

// later leaves a method of this package's own files to be parsed when it is
// called: its end is indented as its beginning is.
func (p *parser) later(pos int) func() *funcNode {
	q := *p
	_, indent, _ := strings.Cut(p.src[strings.LastIndexByte(p.src[:pos], '\n'):pos], "\n")
	end := "\n" + indent + "end\n"
	p.pos += strings.Index(p.src[p.pos:], end) + len(end) - 1
	p.state = sEnd
	p.advance()
	return sync.OnceValue(func() *funcNode { return q.method(pos) })
}

// method reads a method's parameters and body, from its name on.
func (p *parser) method(pos int) *funcNode {
	fn := &funcNode{at: at(pos)}
	outer, saved := p.sc, p.inner()
	p.sc = &scope{kind: scopeDef, fn: fn}
	fn.scope = p.sc
	p.state, p.defName = sEnd, false
	p.advance()
	fn.params = newParamList()
	if p.acceptOp("(") {
		fn.params = p.params(")")
		p.expectOp(")")
	} else if p.tok.kind != tNL && !p.isOp("=") {
		fn.params = p.params("")
	}
	p.unsupportedIf(p.isOp("="), pos, "a method definition without end (def name = …)")
	fn.body = p.bodyWithRescue(pos)
	p.sc, p.exprContext = outer, saved
	p.expectKw("end")
	return fn
}

func (p *parser) class() node {
	t := p.tok
	p.advance()
	p.unsupportedIf(p.isOp("<<"), p.tok.pos, "class << (def self.name defines such a method)")
	c := &classNode{at: at(t.pos), module: t.s == "module", cpath: p.cpath()}
	if !c.module && p.acceptOp("<") {
		c.super = p.exprStmt()
	}
	outer := p.sc
	p.sc = &scope{kind: scopeClass, fn: &funcNode{}}
	c.scope = p.sc
	c.body = p.bodyWithRescue(t.pos)
	p.sc = outer
	p.expectKw("end")
	return c
}

// cpath reads the name of a class.
func (p *parser) cpath() *constNode {
	t := p.tok
	p.failIf(t.kind != tConst, t.pos, "class/module name must be CONSTANT")
	p.advance()
	p.unsupportedIf(p.isOp("::"), t.pos, "opening a class within another by its full name")
	return &constNode{at: at(t.pos), name: t.s}
}
