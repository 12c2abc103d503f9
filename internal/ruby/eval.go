package ruby

import (
	"fmt"
	"strings"
)

func (n *nilNode) eval(*Interp, *frame) Value   { return nil }
func (n *trueNode) eval(*Interp, *frame) Value  { return true }
func (n *falseNode) eval(*Interp, *frame) Value { return false }
func (n *selfNode) eval(_ *Interp, f *frame) Value {
	return f.self
}
func (n *litNode) eval(*Interp, *frame) Value { return n.v }
func (n *strNode) eval(in *Interp, _ *frame) Value {
	in.alloc(48)
	return &String{s: n.s}
}

func (in *Interp) joinParts(parts []node, f *frame) string {
	if len(parts) == 1 {
		if s, ok := parts[0].(*strNode); ok {
			return s.s
		}
	}
	var b strings.Builder
	for _, p := range parts {
		switch x := p.(type) {
		case *strNode:
			b.WriteString(x.s)
		case *dstrNode:
			// one interpolation, or an adjacent literal
			if len(x.parts) == 1 {
				if v := in.ev(x.parts[0], f); v != nil {
					s := in.interpS(v)
					in.alloc(len(s))
					b.WriteString(s)
				}
			} else {
				b.WriteString(in.joinParts(x.parts, f))
			}
		default:
			b.WriteString(in.interpS(in.ev(p, f)))
		}
		in.alloc(b.Len() / 8)
	}
	return b.String()
}

// interpS is to_s as interpolation calls it.
func (in *Interp) interpS(v Value) string {
	switch x := v.(type) {
	case nil:
		return ""
	case *String:
		return x.s
	}
	return in.toS(v)
}

func (n *dstrNode) eval(in *Interp, f *frame) Value {
	return in.str(in.joinParts(n.parts, f))
}

func (n *xstrNode) eval(in *Interp, f *frame) Value {
	cmd := in.joinParts(n.parts, f)
	in.curProg, in.curOff = f.prog, int(n.at)
	return in.backtick(cmd)
}

func (n *dsymNode) eval(in *Interp, f *frame) Value {
	s := in.joinParts(n.parts, f)
	in.alloc(len(s))
	return Symbol(s)
}

func (n *regexNode) eval(in *Interp, f *frame) Value {
	if n.cached != nil {
		return n.cached
	}
	in.alloc(64)
	var b strings.Builder
	for _, p := range n.parts {
		switch x := p.(type) {
		case *strNode:
			b.WriteString(x.s)
		default:
			var v Value
			if d, ok := p.(*dstrNode); ok && len(d.parts) == 1 {
				v = in.ev(d.parts[0], f)
			} else {
				v = in.ev(p, f)
			}
			if re, ok := v.(*Regexp); ok {
				b.WriteString(re.embed())
			} else {
				b.WriteString(in.interpS(v))
			}
		}
	}
	in.curProg, in.curOff = f.prog, int(n.at)
	return in.regexp(b.String(), regexpFlags(n.flags))
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
	switch x := v.(type) {
	case nil:
		return nil
	case *Array:
		return x.a
	case *Hash:
		var out []Value
		x.Each(func(k, v Value) bool { out = append(out, in.pair(k, v)); return true })
		return out
	}
	if in.respondTo(v, "to_a") {
		if a, ok := in.send(v, "to_a").(*Array); ok {
			return a.a
		}
	}
	return []Value{v}
}

func (in *Interp) pair(k, v Value) *Array {
	in.alloc(64)
	return &Array{a: []Value{k, v}}
}

func (n *arrayNode) eval(in *Interp, f *frame) Value {
	return in.arr(in.evalList(n.elems, f))
}

func (n *hashNode) eval(in *Interp, f *frame) Value {
	in.alloc(64)
	h := NewHash()
	for _, p := range n.pairs {
		if p.key == nil {
			v := in.ev(p.val, f)
			switch x := v.(type) {
			case *Hash:
				x.Each(func(k, v Value) bool { in.hset(h, k, v); return true })
			default:
				if !in.respondTo(v, "to_hash") {
					in.at(f, n)
					in.raise("TypeError", "no implicit conversion of %s into Hash", in.convName(v))
				}
				in.send(v, "to_hash").(*Hash).Each(func(k, v Value) bool { in.hset(h, k, v); return true })
			}
			continue
		}
		k := in.ev(p.key, f)
		in.hset(h, k, in.ev(p.val, f))
	}
	return h
}

func (n *rangeNode) eval(in *Interp, f *frame) Value {
	var lo, hi Value
	if n.lo != nil {
		lo = in.ev(n.lo, f)
	}
	if n.hi != nil {
		hi = in.ev(n.hi, f)
	}
	in.at(f, n)
	return in.newRange(lo, hi, n.excl)
}

func (in *Interp) newRange(lo, hi Value, excl bool) Value {
	in.alloc(48)
	if lo != nil && hi != nil {
		_, li := lo.(int)
		_, hi2 := hi.(int)
		if !(li && hi2) {
			if _, ok := in.compare(lo, hi); !ok {
				in.raise("ArgumentError", "bad value for range")
			}
		}
	}
	return &Range{lo, hi, excl}
}

func (n *splatNode) eval(in *Interp, f *frame) Value {
	return in.arr(append([]Value(nil), in.splat(in.ev(n.n, f))...))
}

func (n *blockPassNode) eval(in *Interp, f *frame) Value { return in.ev(n.n, f) }

func (n *lvarNode) eval(_ *Interp, f *frame) Value {
	if n.depth == 0 {
		return f.vars[n.idx]
	}
	return f.up(n.depth).vars[n.idx]
}

// at remembers where we are, for errors.
func (in *Interp) at(f *frame, n node) { in.curProg, in.curOff = f.prog, n.offset() }

func (n *ivarNode) eval(in *Interp, f *frame) Value { return in.ivarGet(f.self, n.name) }

func (n *gvarNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	return in.gvarGet(n.name, f)
}

func (n *cvarNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	c := in.cvarHolder(f, n.name)
	if c == nil {
		in.raise("NameError", "uninitialized class variable %s in %s", n.name, in.cvarBase(f).name)
	}
	return c.cvars[n.name]
}

func (in *Interp) cvarBase(f *frame) *Class {
	for c := f.cref; c != nil; c = c.outer {
		if c.class.attached == nil {
			return c.class
		}
		if k, ok := c.class.attached.(*Class); ok {
			return k
		}
	}
	return in.cObject
}

func (in *Interp) cvarHolder(f *frame, name string) *Class {
	for _, c := range in.cvarBase(f).ancestors() {
		if _, ok := c.cvars[name]; ok {
			return c
		}
	}
	return nil
}

func (n *nthRefNode) eval(in *Interp, f *frame) Value {
	m := f.mf.match
	if m == nil {
		return nil
	}
	return in.groupValue(m, n.n)
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
	v, ok := in.lookupConst(f, n.name)
	if !ok {
		return in.missingConst(f.cref.class, n.name)
	}
	return v
}

func (n *asgnNode) eval(in *Interp, f *frame) Value {
	// the receiver and the index of an attribute are evaluated before the value
	if c, ok := n.target.(*callNode); ok {
		return in.assignCall(c, n.val, f)
	}
	v := in.ev(n.val, f)
	in.assign(n.target, v, f)
	return v
}

func (in *Interp) assignCall(c *callNode, valNode node, f *frame) Value {
	recv := in.ev(c.recv, f)
	if c.safe && recv == nil {
		return nil
	}
	args, _, _ := in.callArgs(c.args, c.blockArg, f)
	v := in.ev(valNode, f)
	in.at(f, c)
	in.invokeNamed(f, recv, c.name+"=", append(args, v), false, nil, c.private)
	return v
}

// assign stores v in a single target.
func (in *Interp) assign(target node, v Value, f *frame) {
	switch t := target.(type) {
	case *lvarNode:
		if t.depth == 0 {
			f.vars[t.idx] = v
		} else {
			f.up(t.depth).vars[t.idx] = v
		}
	case *ivarNode:
		in.at(f, t)
		in.ivarSet(f.self, t.name, v)
	case *gvarNode:
		in.at(f, t)
		in.gvarSet(t.name, v, f)
	case *cvarNode:
		c := in.cvarHolder(f, t.name)
		if c == nil {
			c = in.cvarBase(f)
		}
		if c.cvars == nil {
			c.cvars = map[string]Value{}
		}
		in.alloc(100)
		c.cvars[t.name] = v
	case *constNode:
		in.at(f, t)
		c := f.cref.class
		if t.top {
			c = in.cObject
		}
		if t.scope != nil {
			var ok bool
			s := in.ev(t.scope, f)
			if c, ok = s.(*Class); !ok {
				in.raise("TypeError", "%s is not a class/module", in.inspect(s))
			}
		}
		in.alloc(100)
		in.defConst(c, t.name, v)
	case *callNode:
		recv := in.ev(t.recv, f)
		if t.safe && recv == nil {
			return
		}
		args, _, _ := in.callArgs(t.args, t.blockArg, f)
		in.at(f, t)
		in.invokeNamed(f, recv, t.name+"=", append(args, v), false, nil, t.private)
	case *mlhsNode:
		in.destructure(t, in.toAryForMasgn(v), f)
	case *splatNode:
		if t.n != nil {
			in.assign(t.n, in.arr(in.splat(v)), f)
		}
	default:
		in.unsupported(fmt.Sprintf("an assignment to %T", target))
	}
}

func (in *Interp) toAryForMasgn(v Value) []Value {
	switch x := v.(type) {
	case *Array:
		return x.a
	case nil:
		return []Value{nil}
	}
	if o, ok := v.(*Object); ok && in.respondTo(o, "to_ary") {
		if a, ok := in.send(v, "to_ary").(*Array); ok {
			return a.a
		}
	}
	return []Value{v}
}

func (in *Interp) destructure(m *mlhsNode, vals []Value, f *frame) {
	splatAt := -1
	for i, t := range m.targets {
		if _, ok := t.(*splatNode); ok {
			splatAt = i
		}
	}
	get := func(i int) Value {
		if i >= 0 && i < len(vals) {
			return vals[i]
		}
		return nil
	}
	if splatAt < 0 {
		for i, t := range m.targets {
			in.assign(t, get(i), f)
		}
		return
	}
	after := len(m.targets) - splatAt - 1
	for i := 0; i < splatAt; i++ {
		in.assign(m.targets[i], get(i), f)
	}
	end := len(vals) - after
	if end < splatAt {
		end = splatAt
	}
	if s := m.targets[splatAt].(*splatNode); s.n != nil {
		var rest []Value
		if splatAt < len(vals) && end > splatAt {
			rest = append(rest, vals[splatAt:end]...)
		}
		in.assign(s.n, in.arr(rest), f)
	}
	for i := 0; i < after; i++ {
		in.assign(m.targets[splatAt+1+i], get(end+i), f)
	}
}

func (n *mlhsNode) eval(in *Interp, f *frame) Value { return nil }

func (n *masgnNode) eval(in *Interp, f *frame) Value {
	v := in.ev(n.val, f)
	vals := in.toAryForMasgn(v)
	in.destructure(n.lhs, append([]Value(nil), vals...), f)
	return v
}

func (n *opAsgnNode) eval(in *Interp, f *frame) Value {
	switch t := n.target.(type) {
	case *callNode:
		recv := in.ev(t.recv, f)
		if t.safe && recv == nil {
			return nil
		}
		args, _, _ := in.callArgs(t.args, nil, f)
		in.at(f, t)
		cur := in.invokeNamed(f, recv, t.name, append([]Value(nil), args...), false, nil, true)
		v, store := in.opValue(n, cur, f)
		if !store {
			return v
		}
		in.at(f, t)
		in.invokeNamed(f, recv, t.name+"=", append(args, v), false, nil, true)
		return v
	case *constNode:
		var cur Value
		if n.op == "||" {
			if in.definedConst(t, f) {
				cur = in.ev(t, f)
			}
		} else {
			cur = in.ev(t, f)
		}
		v, store := in.opValue(n, cur, f)
		if store {
			in.assign(t, v, f)
		}
		return v
	case *cvarNode:
		var cur Value
		if n.op != "||" || in.cvarHolder(f, t.name) != nil {
			cur = in.ev(t, f)
		}
		v, store := in.opValue(n, cur, f)
		if store {
			in.assign(t, v, f)
		}
		return v
	}
	v, store := in.opValue(n, in.ev(n.target, f), f)
	if store {
		in.assign(n.target, v, f)
	}
	return v
}

func (in *Interp) opValue(n *opAsgnNode, cur Value, f *frame) (v Value, store bool) {
	switch n.op {
	case "||":
		if truthy(cur) {
			return cur, false
		}
		return in.ev(n.val, f), true
	case "&&":
		if !truthy(cur) {
			return cur, false
		}
		return in.ev(n.val, f), true
	}
	r := in.ev(n.val, f)
	in.at(f, n)
	return in.invokeNamed(f, cur, n.op, []Value{r}, false, nil, false), true
}

func (n *notNode) eval(in *Interp, f *frame) Value {
	v := in.ev(n.n, f)
	switch x := v.(type) {
	case *Object:
		if m, _ := in.findMethod(x, "!"); m != nil && m.fn != nil {
			return in.send(v, "!")
		}
	case *HostObject:
		return false
	}
	return !truthy(v)
}

func (n *andNode) eval(in *Interp, f *frame) Value {
	if l := in.ev(n.l, f); !truthy(l) {
		return l
	}
	return in.ev(n.r, f)
}

func (n *orNode) eval(in *Interp, f *frame) Value {
	if l := in.ev(n.l, f); truthy(l) {
		return l
	}
	return in.ev(n.r, f)
}

func (n *ifNode) eval(in *Interp, f *frame) Value {
	b := n.els
	if truthy(in.ev(n.cond, f)) {
		b = n.then
	}
	if b == nil {
		return nil
	}
	return in.ev(b, f)
}

func (n *seqNode) eval(in *Interp, f *frame) Value {
	var v Value
	for _, s := range n.stmts {
		v = in.ev(s, f)
	}
	return v
}

// loopBody runs one pass of a loop; done is true after a break.
func (in *Interp) loopBody(body node, f *frame) (val Value, done bool) {
	_, p := in.protect(func() Value { return in.ev(body, f) })
	if p == nil {
		return nil, false
	}
	if j, ok := p.(*jump); ok && j.tag == any(f) {
		switch j.kind {
		case jLoopBreak:
			return j.val, true
		case jLoopNext:
			return nil, false
		}
	}
	panic(p)
}

func (n *whileNode) eval(in *Interp, f *frame) Value {
	if n.doWhile {
		if v, done := in.loopBody(n.body, f); done {
			return v
		}
	}
	for {
		in.step(1)
		if n.jumps {
			// break may stand in the condition, too
			c, p := in.protect(func() Value { return in.ev(n.cond, f) })
			if p != nil {
				if j, ok := p.(*jump); ok && j.tag == any(f) && j.kind == jLoopBreak {
					return j.val
				}
				panic(p)
			}
			if truthy(c) == n.until {
				return nil
			}
			if v, done := in.loopBody(n.body, f); done {
				return v
			}
			continue
		}
		if truthy(in.ev(n.cond, f)) == n.until {
			return nil
		}
		in.ev(n.body, f)
	}
}

func (n *forNode) eval(in *Interp, f *frame) Value {
	it := in.ev(n.iter, f)
	in.at(f, n)
	var res Value = it
	blk := &Proc{arity: -1, bi: func(in *Interp, args []Value, _ *Proc) Value {
		var v Value
		if m, ok := n.target.(*mlhsNode); ok {
			if len(args) == 1 {
				args = in.toAryForMasgn(args[0])
			}
			in.destructure(m, args, f)
		} else {
			switch len(args) {
			case 0:
			case 1:
				v = args[0]
			default:
				v = in.arr(args)
			}
			in.assign(n.target, v, f)
		}
		bv, done := in.loopBody(n.body, f)
		if done {
			res = bv
			panic(&jump{kind: jStop, tag: n})
		}
		return nil
	}}
	_, p := in.protect(func() Value { return in.invokeNamed(f, it, "each", nil, false, blk, false) })
	if p != nil {
		if j, ok := p.(*jump); ok && j.kind == jStop && j.tag == any(n) {
			return res
		}
		panic(p)
	}
	return res
}

func (n *caseNode) eval(in *Interp, f *frame) Value {
	var subj Value
	if n.subj != nil {
		subj = in.ev(n.subj, f)
	}
	match := func(v Value) bool {
		if n.subj == nil {
			return truthy(v)
		}
		return in.caseEq(v, subj, f)
	}
	for _, w := range n.whens {
		for _, c := range w.conds {
			if s, ok := c.(*splatNode); ok {
				for _, v := range in.splat(in.ev(s.n, f)) {
					if match(v) {
						return in.ev(w.body, f)
					}
				}
				continue
			}
			v := in.ev(c, f)
			in.at(f, c)
			if match(v) {
				return in.ev(w.body, f)
			}
		}
	}
	if n.els != nil {
		return in.ev(n.els, f)
	}
	return nil
}

// caseEq is pattern === v.
func (in *Interp) caseEq(pat, v Value, f *frame) bool {
	switch x := pat.(type) {
	case *String:
		y, ok := v.(*String)
		return ok && x.s == y.s
	case nil, bool, Symbol:
		return pat == v
	}
	return truthy(in.invokeNamed(f, pat, "===", []Value{v}, false, nil, false))
}

func (n *beginNode) eval(in *Interp, f *frame) Value {
	if len(n.rescues) == 0 && n.ensure == nil {
		v := in.ev(n.body, f)
		if n.els != nil {
			v = in.ev(n.els, f)
		}
		return v
	}
	if n.ensure == nil {
		return n.rescued(in, f)
	}
	v, p := in.protect(func() Value { return n.rescued(in, f) })
	if p != nil {
		switch p.(type) {
		case *Error, *internalPanic:
			panic(p) // out of resources: no more code of the program
		}
	}
	saved := in.errInfo
	if r, ok := p.(*raised); ok {
		in.errInfo = r.exc
	}
	in.ev(n.ensure, f)
	in.errInfo = saved
	if p != nil {
		panic(p)
	}
	return v
}

func (n *beginNode) rescued(in *Interp, f *frame) Value {
	if len(n.rescues) == 0 {
		return in.ev(n.body, f)
	}
	for {
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
		if p == nil {
			return v
		}
		if j, ok := p.(*jump); ok && j.kind == jRetry && j.tag == any(f) {
			continue
		}
		panic(p)
	}
}

func (n *beginNode) clauseFor(in *Interp, exc *Exception, f *frame) *rescueClause {
	for i := range n.rescues {
		r := &n.rescues[i]
		if len(r.classes) == 0 {
			if exc.class.isA(in.classes["StandardError"]) {
				return r
			}
			continue
		}
		for _, c := range in.evalList(r.classes, f) {
			k, ok := c.(*Class)
			if !ok {
				in.raise("TypeError", "class or module required for rescue clause")
			}
			if exc.class.isA(k) {
				return r
			}
		}
	}
	return nil
}

func (n *returnNode) eval(in *Interp, f *frame) Value {
	var v Value
	if n.val != nil {
		v = in.ev(n.val, f)
	}
	in.at(f, n)
	// out of a lambda, else out of the method
	for fr := f; fr != nil; fr = fr.parent {
		if fr.proc != nil && fr.proc.lambda {
			panic(&jump{jReturn, fr, v})
		}
	}
	if f.mf.dead {
		in.raise("LocalJumpError", "unexpected return")
	}
	panic(&jump{jReturn, f.mf, v})
}

func (n *breakNode) eval(in *Interp, f *frame) Value {
	var v Value
	if n.val != nil {
		v = in.ev(n.val, f)
	}
	in.at(f, n)
	if n.inLoop {
		panic(&jump{jLoopBreak, f, v})
	}
	panic(&jump{jBreak, f.proc, v})
}

func (n *nextNode) eval(in *Interp, f *frame) Value {
	var v Value
	if n.val != nil {
		v = in.ev(n.val, f)
	}
	if n.inLoop {
		panic(&jump{jLoopNext, f, v})
	}
	panic(&jump{jNext, f, v})
}

func (n *redoNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	in.unsupported("redo")
	return nil
}

func (n *retryNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	in.step(10)
	panic(&jump{jRetry, f, nil})
}

func (n *definedNode) eval(in *Interp, f *frame) Value {
	s := in.definedKind(n.n, f)
	if s == "" {
		return nil
	}
	in.alloc(48)
	return &String{s: s, frozen: true}
}

func (in *Interp) definedConst(t *constNode, f *frame) bool {
	if t.scope != nil {
		if in.definedKind(t.scope, f) == "" {
			return false
		}
		v, p := in.protect(func() Value { return in.ev(t.scope, f) })
		if p != nil {
			if _, ok := p.(*raised); ok {
				return false
			}
			panic(p)
		}
		c, ok := v.(*Class)
		return ok && in.hasConst(c, t.name)
	}
	if t.top {
		return in.hasConst(in.cObject, t.name)
	}
	_, ok := in.lookupConst(f, t.name)
	return ok
}

func (in *Interp) definedKind(n node, f *frame) string {
	switch x := n.(type) {
	case *nilNode:
		return "nil"
	case *selfNode:
		return "self"
	case *trueNode:
		return "true"
	case *falseNode:
		return "false"
	case *lvarNode:
		return "local-variable"
	case *ivarNode:
		if in.ivarDefined(f.self, x.name) {
			return "instance-variable"
		}
		return ""
	case *gvarNode:
		if in.gvarDefined(x.name) {
			return "global-variable"
		}
		return ""
	case *cvarNode:
		if in.cvarHolder(f, x.name) != nil {
			return "class variable"
		}
		return ""
	case *nthRefNode:
		if f.mf.match != nil && in.groupValue(f.mf.match, x.n) != nil {
			return "global-variable"
		}
		return ""
	case *constNode:
		if in.definedConst(x, f) {
			return "constant"
		}
		return ""
	case *asgnNode, *opAsgnNode, *masgnNode, *matchAsgnNode:
		return "assignment"
	case *yieldNode:
		if f.mf.blk != nil {
			return "yield"
		}
		return ""
	case *superNode:
		if f.mf.m != nil {
			if m, _ := in.superMethod(f); m != nil {
				return "super"
			}
		}
		return ""
	case *seqNode:
		if len(x.stmts) == 1 {
			return in.definedKind(x.stmts[0], f)
		}
		return "expression"
	case *callNode:
		for _, a := range x.args {
			if s, ok := a.(*splatNode); ok {
				a = s.n
			}
			if h, ok := a.(*hashNode); ok && !h.brace {
				continue
			}
			if in.definedKind(a, f) == "" {
				return ""
			}
		}
		if x.recv == nil {
			if m, _ := in.findMethod(f.self, x.name); m != nil || in.hostResponds(f.self, x.name) {
				return "method"
			}
			return ""
		}
		if in.definedKind(x.recv, f) == "" {
			return ""
		}
		v, p := in.protect(func() Value { return in.ev(x.recv, f) })
		if p != nil {
			if _, ok := p.(*raised); ok {
				return ""
			}
			panic(p)
		}
		if _, ok := v.(*HostObject); ok {
			return "method"
		}
		if m, _ := in.findMethod(v, x.name); m != nil && (m.vis == visPublic || x.private) {
			return "method"
		}
		return ""
	}
	return "expression"
}

// callArgs evaluates arguments; kw tells that the last one is the keywords.
func (in *Interp) callArgs(nodes []node, blockArg node, f *frame) (args []Value, kw bool, blk *Proc) {
	args = make([]Value, 0, len(nodes)+1)
	for i, a := range nodes {
		switch x := a.(type) {
		case *splatNode:
			vals := in.splat(in.ev(x.n, f))
			in.alloc(16 * len(vals))
			args = append(args, vals...)
		case *hashNode:
			v := in.ev(x, f)
			if !x.brace && i == len(nodes)-1 {
				if h := v.(*Hash); h.live == 0 && len(x.pairs) > 0 {
					continue // **{} passes nothing
				}
				kw = true
			}
			args = append(args, v)
		default:
			args = append(args, in.ev(a, f))
		}
	}
	if blockArg != nil {
		blk = in.toProc(in.ev(blockArg, f))
	}
	return args, kw, blk
}

func (in *Interp) toProc(v Value) *Proc {
	switch x := v.(type) {
	case nil:
		return nil
	case *Proc:
		return x
	case Symbol:
		name := string(x)
		return &Proc{arity: -2, lambda: true, isSym: true, bi: func(in *Interp, args []Value, blk *Proc) Value {
			if len(args) == 0 {
				in.raise("ArgumentError", "no receiver given")
			}
			return in.invokeNamed(nil, args[0], name, args[1:], false, blk, false)
		}}
	case *boundMethod:
		return in.methodProc(x)
	case *Hash:
		return &Proc{arity: 1, lambda: true, bi: func(in *Interp, args []Value, _ *Proc) Value {
			if len(args) == 0 {
				return nil
			}
			return in.hashGet(x, args[0])
		}}
	}
	if in.respondTo(v, "to_proc") {
		if p, ok := in.send(v, "to_proc").(*Proc); ok {
			return p
		}
	}
	in.raise("TypeError", "wrong argument type %s (expected Proc)", in.classOf(v).name)
	return nil
}

func (n *callNode) eval(in *Interp, f *frame) Value {
	self := f.self
	if n.recv != nil {
		self = in.ev(n.recv, f)
		if n.safe && self == nil {
			return nil
		}
	}
	// the most frequent operations need no dispatch
	if len(n.args) == 1 && n.block == nil && n.blockArg == nil && n.recv != nil {
		if v, ok := n.fast(in, self, f); ok {
			return v
		}
	}
	var args []Value
	var kw bool
	var blk *Proc
	if len(n.args) > 0 || n.blockArg != nil {
		args, kw, blk = in.callArgs(n.args, n.blockArg, f)
	}
	in.at(f, n)
	if n.block != nil {
		in.alloc(64)
		blk = &Proc{fn: n.block, f: f, self: f.self}
		if n.block.jumpBrk {
			v, p := in.protect(func() Value { return in.dispatch(n, f, self, args, kw, blk) })
			if p != nil {
				if j, ok := p.(*jump); ok && j.kind == jBreak && j.tag == any(blk) {
					return j.val
				}
				panic(p)
			}
			return v
		}
	}
	return in.dispatch(n, f, self, args, kw, blk)
}

// fast handles operators of integers and equality of strings, unless the program redefined them.
func (n *callNode) fast(in *Interp, l Value, f *frame) (Value, bool) {
	a, ok := l.(int)
	if !ok || in.classes["Integer"].methods != nil {
		return nil, false
	}
	lit, ok := n.args[0].(*litNode)
	if !ok {
		return nil, false
	}
	b, ok := lit.v.(int)
	if !ok {
		return nil, false
	}
	switch n.name {
	case "+":
		if c := a + b; (c > a) == (b > 0) {
			return c, true
		}
	case "-":
		if c := a - b; (c < a) == (b > 0) {
			return c, true
		}
	case "<":
		return a < b, true
	case ">":
		return a > b, true
	case "==":
		return a == b, true
	}
	return nil, false
}

func (in *Interp) dispatch(n *callNode, f *frame, self Value, args []Value, kw bool, blk *Proc) Value {
	fcall := n.recv == nil || n.private
	m, _ := in.findMethod(self, n.name)
	if m == nil {
		return in.missing(f, n, self, args, kw, blk)
	}
	if m.vis != visPublic && !fcall && !in.mayCall(m, f) {
		if h, ok := self.(*HostObject); ok {
			return in.callHostObject(f, h, n.name, args, kw, blk)
		}
		if mm := in.ownMissing(self); mm != nil {
			return in.invoke(f, mm, self, "method_missing", append([]Value{Symbol(n.name)}, args...), kw, blk, true)
		}
		kind := "private"
		if m.vis == visProtected {
			kind = "protected"
		}
		in.raiseName("NoMethodError", n.name, self, "%s method `%s' called for %s", kind, n.name, in.describe(self))
	}
	return in.invoke(f, m, self, n.name, args, kw, blk, fcall)
}

func (in *Interp) mayCall(m *method, f *frame) bool {
	if m.vis != visProtected || f == nil {
		return false
	}
	return m.owner != nil && in.classOf(f.self).isA(m.owner)
}

// missing handles a call for which there is no method: the host, method_missing, or an error.
func (in *Interp) missing(f *frame, n *callNode, self Value, args []Value, kw bool, blk *Proc) Value {
	bare := n.recv == nil && !n.parens && len(args) == 0 && blk == nil
	c := &call{self: self, name: n.name, args: args, kw: kw, blk: blk, f: f}
	if h, ok := self.(*HostObject); ok {
		if v, ok := in.hostCall(h.Host, h, c, bare); ok {
			return v
		}
	} else if self == any(in.main) && (n.recv == nil || n.private) {
		if v, ok := in.hostCall(in.cfg.Host, nil, c, bare); ok {
			return v
		}
	}
	if mm := in.ownMissing(self); mm != nil {
		return in.invoke(f, mm, self, "method_missing", append([]Value{Symbol(n.name)}, args...), kw, blk, true)
	}
	in.noMethod(self, n.name, bare)
	return nil
}

func (in *Interp) callHostObject(f *frame, h *HostObject, name string, args []Value, kw bool, blk *Proc) Value {
	c := &call{self: h, name: name, args: args, kw: kw, blk: blk, f: f}
	if v, ok := in.hostCall(h.Host, h, c, false); ok {
		return v
	}
	in.noMethod(h, name, false)
	return nil
}

func (n *superNode) eval(in *Interp, f *frame) Value {
	var args []Value
	var kw bool
	blk := f.mf.blk
	if n.bare {
		if f.mf.m != nil && f.mf.m.fn != nil {
			args, kw = in.currentArgs(f)
		} else {
			args, kw = f.mf.args, f.mf.kw
		}
	} else {
		var b *Proc
		args, kw, b = in.callArgs(n.args, n.blockArg, f)
		if b != nil {
			blk = b
		}
	}
	if n.block != nil {
		blk = &Proc{fn: n.block, f: f, self: f.self}
	}
	in.at(f, n)
	if f.mf.m == nil {
		in.raise("RuntimeError", "super called outside of method")
	}
	m, name := in.superMethod(f)
	if m == nil {
		in.raiseName("NoMethodError", name, f.self, "super: no superclass method `%s' for %s", name, in.describe(f.self))
	}
	run := func() Value { return in.invoke(f, m, f.self, name, args, kw, blk, true) }
	if n.block != nil && n.block.jumpBrk {
		v, p := in.protect(run)
		if p != nil {
			if j, ok := p.(*jump); ok && j.kind == jBreak && j.tag == any(blk) {
				return j.val
			}
			panic(p)
		}
		return v
	}
	return run()
}

// currentArgs collects the present values of the method's parameters, which a bare super passes on.
func (in *Interp) currentArgs(f *frame) ([]Value, bool) {
	top := f
	for top.parent != nil {
		top = top.parent
	}
	var args []Value
	var kws *Hash
	for _, p := range f.mf.m.fn.params.ps {
		switch p.kind {
		case pReq, pOpt, pPost:
			args = append(args, top.vars[p.idx])
		case pRest:
			if p.idx >= 0 {
				args = append(args, in.splat(top.vars[p.idx])...)
			}
		case pKey, pKeyReq:
			if kws == nil {
				kws = NewHash()
			}
			in.hset(kws, Symbol(p.name), top.vars[p.idx])
		case pKeyRest:
			if p.idx >= 0 {
				if kws == nil {
					kws = NewHash()
				}
				if h, ok := top.vars[p.idx].(*Hash); ok {
					h.Each(func(k, v Value) bool { in.hset(kws, k, v); return true })
				}
			}
		}
	}
	if kws != nil && kws.live > 0 {
		return append(args, kws), true
	}
	return args, false
}

func (n *yieldNode) eval(in *Interp, f *frame) Value {
	args, kw, _ := in.callArgs(n.args, nil, f)
	in.at(f, n)
	if f.mf.blk == nil {
		in.raise("LocalJumpError", "no block given (yield)")
	}
	return in.callBlock(f.mf.blk, args, kw, nil)
}

func (n *lambdaNode) eval(in *Interp, f *frame) Value {
	in.alloc(64)
	return &Proc{fn: n.fn, f: f, self: f.self, lambda: true}
}

func (n *matchAsgnNode) eval(in *Interp, f *frame) Value {
	v := in.ev(n.call, f)
	m := f.mf.match
	for i, name := range n.names {
		var g Value
		if v != nil && m != nil {
			g = in.namedGroup(m, name)
		}
		in.assign(n.vars[i], g, f)
	}
	return v
}

func (n *aliasNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	if n.global {
		in.unsupported("alias of a global variable")
	}
	in.aliasMethod(in.defTarget(f), n.to, n.from)
	return nil
}

func (n *undefNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	c := in.defTarget(f)
	for _, name := range n.names {
		if m, _ := in.lookupIn(c, name); m == nil {
			in.raise("NameError", "undefined method `%s' for class `%s'", name, c.name)
		}
		in.addMethod(c, name, &method{name: name, undef: true})
	}
	return nil
}

// defTarget is the class that def adds to.
func (in *Interp) defTarget(f *frame) *Class {
	for fr := f; fr != nil; fr = fr.parent {
		if fr.defTo != nil {
			return fr.defTo
		}
	}
	return f.cref.class
}

func (n *defNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	in.alloc(200)
	m := &method{name: n.name, fn: n.fn, prog: f.prog, cref: f.cref}
	if n.singleton != nil {
		target := in.ev(n.singleton, f)
		in.at(f, n)
		in.addMethod(in.singletonOf(target), n.name, m)
		return Symbol(n.name)
	}
	c := in.defTarget(f)
	if c == f.cref.class {
		m.vis = f.mf.vis
	}
	if n.name == "initialize" || n.name == "initialize_copy" || n.name == "respond_to_missing?" {
		m.vis = visPrivate
	}
	in.addMethod(c, n.name, m)
	if f.mf.modfn && c == f.cref.class {
		cp := *m
		cp.vis = visPublic
		in.addMethod(in.singletonOf(c), n.name, &cp)
	}
	return Symbol(n.name)
}

func (n *classNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	in.alloc(500)
	var c *Class
	if n.sclass != nil {
		c = in.singletonOf(in.ev(n.sclass, f))
	} else {
		c = in.openClass(n, f)
	}
	cf := &frame{
		self: c,
		vars: make([]Value, len(n.scope.order)),
		mf:   &methFrame{self: c},
		prog: f.prog,
		cref: &cref{class: c, outer: f.cref},
	}
	return in.ev(n.body, cf)
}

func (in *Interp) openClass(n *classNode, f *frame) *Class {
	base := f.cref.class
	if n.cpath.top {
		base = in.cObject
	}
	if n.cpath.scope != nil {
		b := in.ev(n.cpath.scope, f)
		var ok bool
		if base, ok = b.(*Class); !ok {
			in.raise("TypeError", "%s is not a class/module", in.inspect(b))
		}
	}
	var super *Class
	if n.super != nil {
		s := in.ev(n.super, f)
		in.at(f, n)
		var ok bool
		if super, ok = s.(*Class); !ok || super.isModule {
			in.raise("TypeError", "superclass must be a Class (%s given)", in.classOf(s).name)
		}
	}
	name := n.cpath.name
	var old Value
	var found bool
	if v, ok := base.consts[name]; ok {
		old, found = v, true
	} else if base == in.cObject {
		old, found = in.builtinConst(name)
	}
	if found {
		c, ok := old.(*Class)
		if !ok || c.isModule != n.module {
			what := "class"
			if n.module {
				what = "module"
			}
			in.raise("TypeError", "%s is not a %s", name, what)
		}
		if super != nil && c.super != super {
			in.raise("TypeError", "superclass mismatch for class %s", c.name)
		}
		return c
	}
	full := name
	if base != in.cObject {
		full = base.name + "::" + name
	}
	c := in.newClass(full, super, n.module)
	c.outer = base
	in.defConst(base, name, c)
	if super != nil {
		in.inherited(super, c)
	}
	return c
}

func (in *Interp) inherited(super, c *Class) {
	if m, _ := in.findMethod(super, "inherited"); m != nil && m.fn != nil {
		in.send(super, "inherited", c)
	}
}
