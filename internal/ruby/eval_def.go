package ruby

// callArgs evaluates arguments; kw tells that the last one is the keywords.
func (in *Interp) callArgs(nodes []node, blockArg node, f *frame) (args []Value, kw bool, blk *Proc) {
	var last node
	if len(nodes) > 0 {
		last = nodes[len(nodes)-1]
	}
	if h, ok := last.(*hashNode); ok && !h.brace {
		args = in.evalList(nodes[:len(nodes)-1], f)
		if v := in.ev(h, f).(*Hash); v.live > 0 || len(h.pairs) == 0 {
			args, kw = append(args, v), true // **{} passes nothing
		}
	} else {
		args = in.evalList(nodes, f)
	}
	if blockArg != nil {
		blk = in.toProc(in.ev(blockArg, f))
	}
	return args, kw, blk
}

func (n *callNode) eval(in *Interp, f *frame) Value {
	v := &call{f: f, self: f.self, name: n.name, fcall: n.recv == nil || n.private}
	if n.recv != nil {
		v.self = in.ev(n.recv, f)
		if n.safe && v.self == nil {
			return nil
		}
	}
	v.args, v.kw, v.blk = in.callArgs(n.args, n.blockArg, f)
	v.bare = n.recv == nil && !n.parens && n.block == nil
	in.at(f, n)
	return in.withBlock(n.block, v)
}

// withBlock makes the block of a call, and catches a break out of it.
func (in *Interp) withBlock(block *funcNode, v *call) Value {
	if block == nil {
		return in.call(v)
	}
	in.alloc(64)
	v.blk = &Proc{fn: block, f: v.f, self: v.f.self}
	if !block.jumpBrk {
		return in.call(v)
	}
	return in.catch(func() Value { return in.call(v) }, func(j *jump) bool {
		return j.kind == jBreak && j.tag == any(v.blk)
	})
}

func (n *yieldNode) eval(in *Interp, f *frame) Value {
	args, kw, _ := in.callArgs(n.args, nil, f)
	in.at(f, n)
	in.raiseIf(f.mf.blk == nil, "LocalJumpError", "no block given (yield)")
	return in.callProc(f.mf.blk, arguments{list: args, kw: kw})
}

func (n *lambdaNode) eval(in *Interp, f *frame) Value {
	in.alloc(64)
	return &Proc{fn: n.fn, f: f, self: f.self, lambda: true}
}

func (n *defNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	in.alloc(200)
	switch n.name {
	case "method_missing", "respond_to_missing?", "const_missing", "inherited", "included", "initialize_copy", "coerce",
		"to_ary", "to_hash", "to_int", "hash", "eql?":
		in.unsupportedIf(!f.prog.prelude, "the definition of the method "+n.name)
	}
	m := &method{name: n.name, fn: n.fn, prog: f.prog, cref: f.cref}
	if n.onSelf {
		in.addMethod(in.metaOf(f.self), n.name, m)
		return Symbol(n.name)
	}
	m.private = f.mf.private || n.name == "initialize"
	in.addMethod(f.cref.class, n.name, m)
	return Symbol(n.name)
}

func (n *classNode) eval(in *Interp, f *frame) Value {
	in.at(f, n)
	in.alloc(500)
	c := in.openClass(n, f)
	return in.ev(n.body, &frame{
		self: c,
		vars: make([]Value, len(n.scope.order)),
		mf:   &methFrame{},
		prog: f.prog,
		cref: &cref{class: c, outer: f.cref},
	})
}

// openClass finds the class or module, or makes it.
func (in *Interp) openClass(n *classNode, f *frame) *Class {
	base, name := f.cref.class, n.cpath.name
	super := in.cObject
	if n.super != nil {
		super = in.argClass(in.ev(n.super, f))
	}
	in.at(f, n)
	if c := in.classes[in.scopedName(base, name)]; c != nil && f.prog.prelude {
		return c // of ENV, the constant is an object
	}
	if old, ok := in.constOf(base, name); ok {
		c, ok := old.(*Class)
		other := !ok || c.isModule != n.module || n.super != nil && c.super != super
		in.raiseIf(other, "TypeError", "%s is already something else", name)
		return c
	}
	if base == in.cObject && rubyConstants()[name] && !f.prog.prelude {
		in.unsupported("opening the class or module " + name)
	}
	c := &Class{name: in.scopedName(base, name), isModule: n.module}
	if !n.module {
		if in.isBuiltin(super) && super != in.cObject && !super.isA(in.classes["Exception"]) {
			in.unsupported("a subclass of " + super.name)
		}
		c.super = super
	}
	in.defConst(base, name, c)
	return c
}
