package ruby

import "strings"

// at remembers where the program is, for errors.
func (in *Interp) at(f *frame, n node) { in.curProg, in.curOff = f.prog, n.offset() }

func (n *selfNode) eval(_ *Interp, f *frame) Value { return f.self }
func (n *litNode) eval(*Interp, *frame) Value      { return n.v }
func (n *strNode) eval(in *Interp, _ *frame) Value {
	in.alloc(48)
	return &String{s: n.s}
}

// joinParts evaluates the parts of an interpolated literal.
func (in *Interp) joinParts(parts []node, f *frame) string {
	var b strings.Builder
	for _, p := range parts {
		if x, ok := p.(*strNode); ok {
			b.WriteString(x.s)
		} else if x, ok := p.(*dstrNode); ok && x.kind == 0 {
			b.WriteString(in.joinParts(x.parts, f))
		} else {
			b.WriteString(in.toS(in.ev(p, f)))
		}
		in.alloc(b.Len() / 8)
	}
	return b.String()
}

func (n *dstrNode) eval(in *Interp, f *frame) Value {
	text := in.joinParts(n.parts, f)
	switch n.kind {
	case '`':
		in.at(f, n)
		return in.backtick(text)
	case ':':
		in.alloc(len(text))
		return Symbol(text)
	}
	return in.str(text)
}

func (n *regexNode) eval(in *Interp, f *frame) Value {
	if n.cached != nil {
		return n.cached()
	}
	src := in.joinParts(n.parts, f)
	in.at(f, n)
	return in.regexp(src, n.flags)
}

// evalList evaluates elements, expanding splats.
func (in *Interp) evalList(nodes []node, f *frame) []Value {
	out := make([]Value, 0, len(nodes))
	for _, e := range nodes {
		if s, ok := e.(*splatNode); ok {
			out = append(out, in.splat(in.ev(s.n, f))...)
			in.alloc(16 * len(out))
			continue
		}
		out = append(out, in.ev(e, f))
	}
	return out
}

// splat turns *v into its elements.
func (in *Interp) splat(v Value) []Value {
	if in.respondTo(v, "to_a") {
		return in.toA(in.send(v, "to_a"))
	}
	return []Value{v}
}

// A splat is part of a list, which expands it.
func (n *splatNode) eval(*Interp, *frame) Value { return nil }

func (n *arrayNode) eval(in *Interp, f *frame) Value { return in.arr(in.evalList(n.elems, f)) }

func (n *hashNode) eval(in *Interp, f *frame) Value {
	in.alloc(64)
	h := NewHash()
	for _, p := range n.pairs {
		if p.key == nil {
			v := in.ev(p.val, f)
			in.at(f, n)
			in.argHash(v).Each(func(k, v Value) bool { in.hset(h, k, v); return true })
			continue
		}
		k := in.ev(p.key, f)
		in.hset(h, k, in.ev(p.val, f))
	}
	return h
}

// evOpt evaluates a node that may be nil.
func (in *Interp) evOpt(n node, f *frame) Value {
	if n == nil {
		return nil
	}
	return in.ev(n, f)
}

func (n *rangeNode) eval(in *Interp, f *frame) Value {
	lo, hi := in.evOpt(n.lo, f), in.evOpt(n.hi, f)
	in.at(f, n)
	in.alloc(48)
	if lo != nil && hi != nil {
		_, ok := in.compare(lo, hi)
		in.raiseIf(!ok, "ArgumentError", "bad value for range")
	}
	return &Range{lo, hi, n.excl}
}

func (n *lvarNode) eval(_ *Interp, f *frame) Value { return f.up(n.depth).vars[n.idx] }

func (n *varNode) eval(in *Interp, f *frame) Value {
	if n.name[0] == '@' {
		return fields(f.self)[n.name]
	}
	in.at(f, n)
	return in.gvarGet(n.name, f)
}

func (n *constNode) eval(in *Interp, f *frame) Value {
	if n.scope != nil {
		base := in.ev(n.scope, f)
		in.at(f, n)
		return in.constIn(base, n.name)
	}
	in.at(f, n)
	if n.top {
		return in.constIn(in.cObject, n.name)
	}
	if v, ok := in.lookupConst(f, n.name); ok {
		return v
	}
	return in.missingConst(in.cObject, n.name)
}

// Assignment.

func (n *asgnNode) eval(in *Interp, f *frame) Value {
	c, ok := n.target.(*callNode)
	if !ok {
		v := in.ev(n.val, f)
		in.assign(n.target, v, f)
		return v
	}
	// The receiver and the index of an attribute are evaluated before the
	// value.
	recv, args := in.attribute(c, f)
	v := in.ev(n.val, f)
	in.setAttribute(c, f, recv, args, v)
	return v
}

// attribute evaluates what an attribute or index target consists of.
func (in *Interp) attribute(c *callNode, f *frame) (recv Value, args []Value) {
	recv = in.ev(c.recv, f)
	args, _, _ = in.callArgs(c.args, nil, f)
	return recv, args
}

func (in *Interp) setAttribute(c *callNode, f *frame, recv Value, args []Value, v Value) {
	in.at(f, c)
	args = append(args[:len(args):len(args)], v)
	in.call(&call{f: f, self: recv, name: c.name + "=", args: args, fcall: c.private})
}

// assign stores v in a single target.
func (in *Interp) assign(target node, v Value, f *frame) {
	switch t := target.(type) {
	case *lvarNode:
		f.up(t.depth).vars[t.idx] = v
	case *varNode:
		in.at(f, t)
		in.varSet(f.self, t.name, v)
	case *constNode:
		c := f.cref.class
		if t.top {
			c = in.cObject
		} else if t.scope != nil {
			c = in.argClass(in.ev(t.scope, f))
		}
		in.at(f, t)
		in.defConst(c, t.name, v)
	case *callNode:
		recv, args := in.attribute(t, f)
		in.setAttribute(t, f, recv, args, v)
	}
}

func (in *Interp) destructure(m *mlhsNode, vals []Value, f *frame) {
	for i, t := range m.targets {
		if s, ok := t.(*splatNode); ok {
			n := max(0, len(vals)-(len(m.targets)-i-1))
			if s.n != nil {
				in.assign(s.n, in.arr(append([]Value(nil), vals[:n]...)), f)
			}
			vals = vals[n:]
			continue
		}
		var v Value
		if len(vals) > 0 {
			v, vals = vals[0], vals[1:]
		}
		in.assign(t, v, f)
	}
}

func (n *masgnNode) eval(in *Interp, f *frame) Value {
	v := in.ev(n.val, f)
	in.destructure(n.lhs, append([]Value(nil), in.spread(v)...), f)
	return v
}

// Control flow.

func (n *notNode) eval(in *Interp, f *frame) Value { return !truthy(in.ev(n.n, f)) }

func (n *logicNode) eval(in *Interp, f *frame) Value {
	if l := in.ev(n.l, f); truthy(l) != n.and {
		return l
	}
	return in.ev(n.r, f)
}

func (n *ifNode) eval(in *Interp, f *frame) Value {
	if truthy(in.ev(n.cond, f)) {
		return in.evOpt(n.then, f)
	}
	return in.evOpt(n.els, f)
}

func (n *seqNode) eval(in *Interp, f *frame) Value {
	var v Value
	for _, s := range n.stmts {
		v = in.ev(s, f)
	}
	return v
}

func (n *caseNode) eval(in *Interp, f *frame) Value {
	subj := in.evOpt(n.subj, f)
	for _, w := range n.whens {
		for _, c := range w.conds {
			vals := in.evalList([]node{c}, f)
			in.at(f, c)
			for _, v := range vals {
				if n.subj != nil {
					v = in.call(&call{f: f, self: v, name: "===", args: []Value{subj}})
				}
				if truthy(v) {
					return in.ev(w.body, f)
				}
			}
		}
	}
	return in.evOpt(n.els, f)
}

func (n *beginNode) eval(in *Interp, f *frame) Value {
	if n.ensure == nil {
		return n.rescued(in, f)
	}
	v, p := in.protect(func() Value { return n.rescued(in, f) })
	if e, ok := p.(*Error); ok {
		panic(e) // out of resources, or refused: no more code of the program
	}
	in.ev(n.ensure, f)
	if p != nil {
		panic(p)
	}
	return v
}

func (n *beginNode) rescued(in *Interp, f *frame) Value {
	if len(n.rescues) == 0 {
		return in.ev(n.body, f)
	}
	v, p := in.protect(func() Value { return in.ev(n.body, f) })
	if p == nil {
		if n.els != nil {
			return in.ev(n.els, f)
		}
		return v
	}
	r, ok := p.(*raised)
	if !ok {
		panic(p)
	}
	clause := n.clauseFor(in, r.exc, f)
	if clause == nil {
		panic(p)
	}
	saved := in.errInfo
	in.errInfo = r.exc
	if clause.target != nil {
		in.assign(clause.target, r.exc, f)
	}
	in.step(10)
	v, p = in.protect(func() Value { return in.ev(clause.body, f) })
	in.errInfo = saved
	if p != nil {
		panic(p)
	}
	return v
}

func (n *beginNode) clauseFor(in *Interp, exc *Exception, f *frame) *rescueClause {
	for i := range n.rescues {
		r := &n.rescues[i]
		if len(r.classes) == 0 && exc.class.isA(in.classes["StandardError"]) {
			return r
		}
		for _, c := range in.evalList(r.classes, f) {
			k, ok := c.(*Class)
			in.raiseIf(!ok, "TypeError", "class or module required for rescue clause")
			if exc.class.isA(k) {
				return r
			}
		}
	}
	return nil
}

func (n *jumpNode) eval(in *Interp, f *frame) Value {
	v := in.evOpt(n.val, f)
	in.at(f, n)
	in.step(5)
	var to any = f
	switch n.kind {
	case jBreak:
		to = f.proc
	case jReturn: // out of the innermost lambda, else out of the method
		fr := f
		for fr != nil && (fr.proc == nil || !fr.proc.lambda) {
			fr = fr.parent
		}
		if to = fr; fr == nil {
			to = f.mf
		}
	}
	panic(&jump{n.kind, to, v})
}

// definedNode is defined?; the names of Ruby are all that files ask for.
func (n *definedNode) eval(in *Interp, f *frame) Value {
	s := in.definedKind(n.n, f)
	if s == "" {
		return nil
	}
	return &String{s: s, frozen: true}
}

// when gives the text if ok, else "".
func when(ok bool, text string) string {
	if ok {
		return text
	}
	return ""
}

// definedKind is what defined? says of a name, "" for nil.
func (in *Interp) definedKind(n node, f *frame) string {
	switch x := n.(type) {
	case *lvarNode:
		return "local-variable"
	case *constNode:
		if x.scope != nil && in.definedKind(x.scope, f) == "" {
			return ""
		}
		return when(in.quiet(func() Value { return in.ev(x, f) }), "constant")
	case *seqNode:
		if len(x.stmts) == 1 {
			return in.definedKind(x.stmts[0], f)
		}
	case *callNode:
		if x.recv == nil && len(x.args) == 0 {
			return when(in.findMethod(f.self, x.name) != nil || in.hostResponds(f.self, x.name), "method")
		}
	}
	in.at(f, n)
	in.unsupported("defined? of another expression than a name")
	return ""
}

// quiet tells whether fn runs without an exception.
func (in *Interp) quiet(fn func() Value) bool {
	_, p := in.protect(fn)
	if p == nil {
		return true
	}
	if _, ok := p.(*raised); !ok {
		panic(p)
	}
	return false
}
