package ruby

func defProc(l *library) {
	d := l.class("Proc", "Object")
	d.sdef("new", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			in.raise("ArgumentError", "tried to create Proc object without a block")
		}
		return c.blk
	})
	d.def("call () yield === []", 0, -1, func(in *Interp, c *call) Value {
		return in.callProc(c.self.(*Proc), c.args, c.kw, c.blk)
	})
	d.def("to_proc", 0, 0, func(in *Interp, c *call) Value { return c.self })
	d.def("lambda?", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Proc).lambda })
	d.def("arity", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Proc).arityOf() })
	d.def("parameters", 0, -1, func(in *Interp, c *call) Value {
		p := c.self.(*Proc)
		if p.fn == nil || p.fn.params == nil {
			return in.arr(nil)
		}
		return in.parameters(p.fn.params, p.lambda)
	})
	d.def("curry", 0, 1, func(in *Interp, c *call) Value {
		p := c.self.(*Proc)
		n := p.arityOf()
		if len(c.args) > 0 {
			n = in.argInt(c.args[0])
		} else if n < 0 {
			n = -n - 1
		}
		return in.curry(p, n, nil)
	})
	d.def(">>  <<", 1, 1, func(in *Interp, c *call) Value {
		var f, g Value = c.self, c.args[0]
		if c.name == "<<" {
			f, g = g, f
		}
		return in.compose(f, g)
	})
	d.def("source_location", 0, 0, func(in *Interp, c *call) Value {
		p := c.self.(*Proc)
		if p.fn == nil {
			return nil
		}
		line, _ := p.f.prog.Position(p.fn.offset())
		return in.arr([]Value{in.str(p.f.prog.opts.File), line})
	})
	d.def("inspect to_s", 0, 0, func(in *Interp, c *call) Value {
		s := "#<Proc"
		p := c.self.(*Proc)
		if p.fn != nil {
			line, _ := p.f.prog.Position(p.fn.offset())
			s += " " + p.f.prog.opts.File + ":" + in.toS(line)
		}
		if p.lambda {
			s += " (lambda)"
		}
		return in.str(s + ">")
	})

	for _, name := range []string{"Method", "UnboundMethod"} {
		m := l.class(name, "Object")
		m.def("name", 0, 0, func(in *Interp, c *call) Value { return Symbol(c.self.(*boundMethod).name) })
		m.def("owner", 0, 0, func(in *Interp, c *call) Value {
			b := c.self.(*boundMethod)
			if b.m.owner != nil {
				return b.m.owner
			}
			if b.owner != nil {
				return b.owner
			}
			return in.classOf(b.recv)
		})
		m.def("arity", 0, 0, func(in *Interp, c *call) Value { return methodArity(c.self.(*boundMethod).m) })
		m.def("parameters", 0, 0, func(in *Interp, c *call) Value {
			b := c.self.(*boundMethod)
			if b.m.fn == nil {
				in.unsupported("parameters of a built-in method")
			}
			return in.parameters(b.m.fn.params, true)
		})
		m.def("inspect to_s", 0, 0, func(in *Interp, c *call) Value {
			b := c.self.(*boundMethod)
			return in.str("#<" + in.classOf(b).name + ": " + in.classOf(b.recv).name + "#" + b.name + ">")
		})
		m.def("source_location", 0, 0, func(in *Interp, c *call) Value { return nil })
	}
	m := l.byName["Method"]
	m.def("call () === []", 0, -1, func(in *Interp, c *call) Value {
		b := c.self.(*boundMethod)
		return in.invoke(c.f, b.m, b.recv, b.name, c.args, c.kw, c.blk, true)
	})
	m.def("to_proc", 0, 0, func(in *Interp, c *call) Value { return in.methodProc(c.self.(*boundMethod)) })
	m.def("receiver", 0, 0, func(in *Interp, c *call) Value { return c.self.(*boundMethod).recv })
	m.def("unbind", 0, 0, func(in *Interp, c *call) Value {
		b := *c.self.(*boundMethod)
		b.owner, b.recv, b.unbound = in.classOf(b.recv), nil, true
		return &b
	})
	m.def("curry", 0, 1, func(in *Interp, c *call) Value {
		b := c.self.(*boundMethod)
		n := methodArity(b.m)
		if len(c.args) > 0 {
			n = in.argInt(c.args[0])
		} else if n < 0 {
			n = -n - 1
		}
		return in.curry(in.methodProc(b), n, nil)
	})
	m.def(">>  <<", 1, 1, func(in *Interp, c *call) Value {
		var f, g Value = c.self, c.args[0]
		if c.name == "<<" {
			f, g = g, f
		}
		return in.compose(f, g)
	})
	l.byName["UnboundMethod"].def("bind", 1, 1, func(in *Interp, c *call) Value {
		b := *c.self.(*boundMethod)
		in.checkBind(&b, c.args[0])
		b.recv, b.unbound = c.args[0], false
		return &b
	})
	l.byName["UnboundMethod"].def("bind_call", 1, -1, func(in *Interp, c *call) Value {
		b := c.self.(*boundMethod)
		in.checkBind(b, c.args[0])
		return in.invoke(c.f, b.m, c.args[0], b.name, c.args[1:], c.kw, c.blk, true)
	})
}

func (in *Interp) checkBind(b *boundMethod, v Value) {
	if !in.isA(v, b.owner) {
		in.raise("TypeError", "bind argument must be an instance of %s", b.owner.name)
	}
}

func methodArity(m *method) int {
	switch {
	case m.fn != nil:
		return m.fn.params.arity(true)
	case m.proc != nil:
		return m.proc.arityOf()
	case m.min == m.max:
		return m.min
	}
	return -m.min - 1
}

func (in *Interp) methodProc(b *boundMethod) *Proc {
	return &Proc{arity: methodArity(b.m), lambda: true, method: b, bi: func(in *Interp, args []Value, blk *Proc) Value {
		return in.invoke(nil, b.m, b.recv, b.name, args, false, blk, true)
	}}
}

func (in *Interp) curry(p *Proc, n int, have []Value) Value {
	in.alloc(64 + 16*len(have))
	if n <= len(have) {
		return in.callProc(p, have, false, nil)
	}
	return &Proc{arity: -1, lambda: p.lambda, bi: func(in *Interp, args []Value, _ *Proc) Value {
		return in.curry(p, n, append(append([]Value(nil), have...), args...))
	}}
}

func (in *Interp) compose(f, g Value) Value {
	in.alloc(64)
	return &Proc{arity: -1, lambda: true, bi: func(in *Interp, args []Value, _ *Proc) Value {
		return in.send(g, "call", in.send(f, "call", args...))
	}}
}

func (in *Interp) parameters(pl *paramList, lambda bool) Value {
	var out []Value
	for _, p := range pl.ps {
		kind := map[paramKind]string{pReq: "req", pPost: "req", pOpt: "opt", pRest: "rest", pKey: "key", pKeyReq: "keyreq", pKeyRest: "keyrest", pNoKey: "nokey", pBlock: "block"}[p.kind]
		if kind == "req" && !lambda {
			kind = "opt"
		}
		row := []Value{Symbol(kind)}
		if p.name != "" {
			row = append(row, Symbol(p.name))
		}
		out = append(out, in.arr(row))
	}
	return in.arr(out)
}
