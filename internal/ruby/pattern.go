package ruby

// Pattern matching: case/in, value => pattern, value in pattern.

type pattern interface {
	match(in *Interp, f *frame, v Value) bool
}

type (
	// valuePat is anything compared with ===.
	valuePat struct{ n node }
	// bindPat takes the value, after sub (if any) matched it.
	bindPat struct {
		sub pattern
		v   *lvarNode // nil for _ and the like, which are bound all the same
	}
	altPat struct{ alts []pattern }
	// arrayPat is [pre…, *rest, post…]; findPat when there are two splats.
	arrayPat struct {
		con       node
		pre, post []pattern
		rest      *lvarNode
		splat     bool
		find      bool // [*rest, pre…, *last]
		last      *lvarNode
	}
	hashPat struct {
		con     node
		keys    []string
		pats    []pattern // nil: bind to the variable of that name
		vars    []*lvarNode
		rest    *lvarNode
		splat   bool
		nothing bool // **nil
	}
)

type (
	caseInNode struct {
		at
		subj node
		ins  []inClause
		els  node
		has  bool // has an else
	}
	inClause struct {
		pat    pattern
		guard  node
		unless bool
		body   node
	}
	// matchNode is value => pattern, or value in pattern when test is set.
	matchPatNode struct {
		at
		val  node
		pat  pattern
		test bool
	}
)

func (p *parser) caseIn(pos int, subj node) node {
	c := &caseInNode{at: at(pos), subj: subj}
	for p.isKw("in") {
		p.advance()
		var cl inClause
		cl.pat = p.topPattern()
		if p.isKw("if") || p.isKw("unless") {
			cl.unless = p.tok.s == "unless"
			p.advance()
			cl.guard = p.plainCond()
		}
		p.then()
		cl.body = p.stmts("in", "else", "end")
		c.ins = append(c.ins, cl)
	}
	if p.isKw("else") {
		p.advance()
		c.els, c.has = p.stmts("end"), true
	}
	p.expectKw("end")
	return c
}

// topPattern is a pattern that may leave out its brackets: a, b or k: v.
func (p *parser) topPattern() pattern {
	noDo, noPipe, tern, sp := p.noDo, p.noPipe, p.ternary, p.stmtPos
	p.noDo, p.noPipe, p.ternary, p.stmtPos = true, true, 0, -1
	defer func() { p.noDo, p.noPipe, p.ternary, p.stmtPos = noDo, noPipe, tern, sp }()
	if p.tok.kind == tLabel || p.tok.kind == tLabelStr || p.isOp("**") {
		return p.hashPattern(nil, "")
	}
	if p.isOp("*") {
		return p.arrayPattern(nil, "", nil)
	}
	first := p.pattern()
	if p.isOp(",") {
		return p.arrayPattern(nil, "", first)
	}
	return first
}

func (p *parser) pattern() pattern {
	p.enter(p.tok.pos)
	defer p.leave()
	p.count(p.tok.pos)
	pat := p.patternPrimary()
	if p.isOp("|") {
		alt := &altPat{alts: []pattern{pat}}
		for p.isOp("|") {
			p.advance()
			alt.alts = append(alt.alts, p.patternPrimary())
		}
		pat = alt
	}
	for p.isOp("=>") {
		p.advance()
		if p.tok.kind != tIdent {
			p.unexpected()
		}
		t := p.tok
		v := p.declare(t.s, t.pos)
		p.advance()
		pat = &bindPat{pat, v}
	}
	return pat
}

func (p *parser) patternPrimary() pattern {
	t := p.tok
	switch {
	case t.kind == tIdent && !(p.ch(t.end) == '.' || p.ch(t.end) == '('):
		v := p.declare(t.s, t.pos)
		p.advance()
		return &bindPat{nil, v}
	case p.isOp("["):
		p.advance()
		a := p.arrayPattern(nil, "]", nil)
		p.expectOp("]")
		return a
	case p.isOp("{"):
		p.advance()
		h := p.hashPattern(nil, "}")
		p.expectOp("}")
		return h
	case p.isOp("("):
		p.advance()
		p.skipNewlinesOnly()
		pat := p.pattern()
		p.skipNewlinesOnly()
		p.expectOp(")")
		return pat
	case p.isOp("^"):
		p.advance()
		switch {
		case p.tok.kind == tIdent:
			d, i, ok := p.sc.lookup(p.tok.s)
			if !ok {
				p.fail(p.tok.pos, "%s: no such local variable", p.tok.s)
			}
			n := &lvarNode{at(p.tok.pos), p.tok.s, d, i}
			p.advance()
			return &valuePat{n}
		case p.isOp("("):
			return &valuePat{p.operand()}
		case p.tok.kind == tIvar, p.tok.kind == tGvar, p.tok.kind == tCvar:
			return &valuePat{p.operand()}
		}
		p.unexpected()
	case t.kind == tConst || p.isOp("::"):
		var n *constNode
		if t.kind == tConst {
			n = &constNode{at(t.pos), nil, false, t.s}
			p.advance()
		} else {
			p.advance()
			if p.tok.kind != tConst {
				p.unexpected()
			}
			n = &constNode{at(p.tok.pos), nil, true, p.tok.s}
			p.advance()
		}
		for p.isOp("::") {
			p.advance()
			if p.tok.kind != tConst {
				p.unexpected()
			}
			n = &constNode{at(p.tok.pos), n, false, p.tok.s}
			p.advance()
		}
		if (p.isOp("(") || p.isOp("[")) && !p.tok.space {
			shut := ")"
			if p.isOp("[") {
				shut = "]"
			}
			p.advance()
			p.skipNewlinesOnly()
			var pat pattern
			if p.tok.kind == tLabel || p.tok.kind == tLabelStr || p.isOp("**") {
				pat = p.hashPattern(n, shut)
			} else {
				pat = p.arrayPattern(n, shut, nil)
			}
			p.expectOp(shut)
			return pat
		}
		if p.isOp("..") || p.isOp("...") {
			op := p.tok
			p.advance()
			var hi node
			if p.startsOperand() {
				hi = p.binary(6)
			}
			return &valuePat{&rangeNode{at(op.pos), n, hi, op.s == "..."}}
		}
		return &valuePat{n}
	}
	noPipe := p.noPipe
	p.noPipe = true
	n := p.rangeExpr()
	p.noPipe = noPipe
	return &valuePat{n}
}

func (p *parser) splatVar() *lvarNode {
	if p.tok.kind != tIdent {
		return nil
	}
	v := p.declare(p.tok.s, p.tok.pos)
	p.advance()
	return v
}

// arrayPattern reads elements up to the closing token (not including it).
func (p *parser) arrayPattern(con node, shut string, first pattern) pattern {
	a := &arrayPat{con: con}
	if first != nil {
		a.pre = append(a.pre, first)
		p.advance() // the comma
	}
	for {
		if shut != "" {
			p.skipNewlinesOnly()
			if p.isOp(shut) {
				break
			}
		} else if p.tok.kind == tNL || p.isKw("then") || p.isKw("if") || p.isKw("unless") {
			// "in a," takes any rest
			a.splat = true
			break
		}
		if p.isOp("*") {
			pos := p.tok.pos
			p.advance()
			v := p.splatVar()
			switch {
			case !a.splat:
				a.splat, a.rest = true, v
			case !a.find && len(a.pre) == 0 && len(a.post) > 0:
				a.find, a.last = true, v
				a.pre, a.post = a.post, nil
			default:
				p.fail(pos, "unexpected *")
			}
		} else {
			if a.find {
				p.unexpected()
			}
			pat := p.pattern()
			if a.splat {
				a.post = append(a.post, pat)
			} else {
				a.pre = append(a.pre, pat)
			}
		}
		if shut != "" {
			p.skipNewlinesOnly()
		}
		if !p.isOp(",") {
			break
		}
		p.advance()
	}
	return a
}

func (p *parser) hashPattern(con node, shut string) pattern {
	h := &hashPat{con: con}
	for {
		if shut != "" {
			p.skipNewlinesOnly()
			if p.isOp(shut) {
				break
			}
		}
		t := p.tok
		switch {
		case p.isOp("**"):
			p.advance()
			if p.isKw("nil") {
				h.nothing = true
				p.advance()
			} else {
				h.splat = true
				h.rest = p.splatVar()
			}
		case t.kind == tLabel || t.kind == tLabelStr:
			key := t.s
			if t.kind == tLabelStr {
				s, ok := literalOf(t.parts)
				if !ok {
					p.fail(t.pos, "symbol literal with interpolation is not allowed")
				}
				key = s
			}
			p.advance()
			h.keys = append(h.keys, key)
			if p.isOp(",") || p.tok.kind == tNL || shut != "" && p.isOp(shut) || p.isKw("then") || p.isKw("if") || p.isKw("unless") || p.tok.kind == tEOF || p.isOp(")") || p.isKw("and") || p.isKw("or") {
				if !isPlainIdent(key) || key[0] >= 'A' && key[0] <= 'Z' {
					p.fail(t.pos, "key must be valid as local variables")
				}
				h.pats = append(h.pats, nil)
				h.vars = append(h.vars, p.declare(key, t.pos))
			} else {
				h.pats = append(h.pats, p.pattern())
				h.vars = append(h.vars, nil)
			}
		default:
			p.unexpected()
		}
		if shut != "" {
			p.skipNewlinesOnly()
		}
		if !p.isOp(",") {
			break
		}
		p.advance()
		if shut == "" {
			p.skipNewlinesOnly()
		}
	}
	return h
}

func (n *caseInNode) eval(in *Interp, f *frame) Value {
	v := in.ev(n.subj, f)
	for _, c := range n.ins {
		in.at(f, n)
		in.step(1)
		if !c.pat.match(in, f, v) {
			continue
		}
		if c.guard != nil && truthy(in.ev(c.guard, f)) == c.unless {
			continue
		}
		return in.ev(c.body, f)
	}
	if n.has {
		return in.ev(n.els, f)
	}
	in.at(f, n)
	in.raise("NoMatchingPatternError", "%s", in.inspect(v))
	return nil
}

func (n *matchPatNode) eval(in *Interp, f *frame) Value {
	v := in.ev(n.val, f)
	in.at(f, n)
	ok := n.pat.match(in, f, v)
	if n.test {
		return ok
	}
	if !ok {
		if h, isHash := n.pat.(*hashPat); isHash {
			if hv, ok := v.(*Hash); ok {
				for _, k := range h.keys {
					if _, ok := hv.Get(Symbol(k)); !ok {
						e := in.newException("NoMatchingPatternKeyError", in.inspect(v)+": key not found: "+inspectSymbol(k))
						e.extra = Symbol(k)
						in.throw(e)
					}
				}
			}
		}
		in.raise("NoMatchingPatternError", "%s", in.inspect(v))
	}
	return nil
}

func (p *valuePat) match(in *Interp, f *frame, v Value) bool {
	pat := in.ev(p.n, f)
	in.at(f, p.n)
	return in.caseEq(pat, v, f)
}

func (p *bindPat) match(in *Interp, f *frame, v Value) bool {
	if p.sub != nil && !p.sub.match(in, f, v) {
		return false
	}
	in.assign(p.v, v, f)
	return true
}

func (p *altPat) match(in *Interp, f *frame, v Value) bool {
	for _, a := range p.alts {
		if a.match(in, f, v) {
			return true
		}
	}
	return false
}

func (in *Interp) patternConst(con node, f *frame, v Value) bool {
	return con == nil || in.caseEq(in.ev(con, f), v, f)
}

func (p *arrayPat) match(in *Interp, f *frame, v Value) bool {
	if !in.patternConst(p.con, f, v) {
		return false
	}
	var elems []Value
	switch x := v.(type) {
	case *Array:
		elems = x.a
	default:
		if o, ok := v.(*Object); !ok || !in.respondTo(o, "deconstruct") {
			return false
		}
		a, ok := in.send(v, "deconstruct").(*Array)
		if !ok {
			in.raise("TypeError", "deconstruct must return Array")
		}
		elems = a.a
	}
	bind := func(v *lvarNode, vals []Value) {
		if v != nil {
			in.assign(v, in.arr(append([]Value(nil), vals...)), f)
		}
	}
	if p.find {
		for i := 0; i+len(p.pre) <= len(elems); i++ {
			ok := true
			for k, pat := range p.pre {
				in.step(1)
				if !pat.match(in, f, elems[i+k]) {
					ok = false
					break
				}
			}
			if ok {
				bind(p.rest, elems[:i])
				bind(p.last, elems[i+len(p.pre):])
				return true
			}
		}
		return false
	}
	need := len(p.pre) + len(p.post)
	if len(elems) < need || !p.splat && len(elems) != need {
		return false
	}
	for i, pat := range p.pre {
		if !pat.match(in, f, elems[i]) {
			return false
		}
	}
	tail := len(elems) - len(p.post)
	bind(p.rest, elems[len(p.pre):tail])
	for i, pat := range p.post {
		if !pat.match(in, f, elems[tail+i]) {
			return false
		}
	}
	return true
}

func (p *hashPat) match(in *Interp, f *frame, v Value) bool {
	if !in.patternConst(p.con, f, v) {
		return false
	}
	h, ok := v.(*Hash)
	if !ok {
		o, isObj := v.(*Object)
		if !isObj || !in.respondTo(o, "deconstruct_keys") {
			return false
		}
		var keys Value
		if !p.splat {
			a := in.arr(nil)
			for _, k := range p.keys {
				in.push(a, Symbol(k))
			}
			keys = a
		}
		if h, ok = in.send(v, "deconstruct_keys", keys).(*Hash); !ok {
			in.raise("TypeError", "deconstruct_keys must return Hash")
		}
	}
	if len(p.keys) == 0 && !p.splat {
		return h.live == 0
	}
	for i, k := range p.keys {
		x, ok := h.Get(Symbol(k))
		if !ok {
			return false
		}
		if p.pats[i] == nil {
			in.assign(p.vars[i], x, f)
		} else if !p.pats[i].match(in, f, x) {
			return false
		}
	}
	if p.nothing && h.live != len(p.keys) {
		return false
	}
	if p.rest != nil {
		rest := in.copyPlain(h)
		for _, k := range p.keys {
			in.hdel(rest, Symbol(k))
		}
		in.assign(p.rest, rest, f)
	}
	return true
}
