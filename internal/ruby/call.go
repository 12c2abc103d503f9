package ruby

import (
	"fmt"
	"strings"
)

// raise raises a Ruby exception of a standard class.
func (in *Interp) raise(class, format string, args ...any) {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	in.throw(in.newException(class, msg))
}

func (in *Interp) raiseName(class, name string, recv Value, format string, args ...any) {
	e := in.newException(class, fmt.Sprintf(format, args...))
	e.extra, e.recv = Symbol(name), recv
	in.throw(e)
}

func (in *Interp) newException(class, msg string) *Exception {
	c := in.classes[class]
	if c == nil {
		c = in.classes["StandardError"]
	}
	if len(msg) > 10_000 {
		msg = msg[:10_000]
	}
	in.bytes += len(msg) + 200 // uncounted against the limit here, so that the limit itself can be reported
	return &Exception{Object: Object{class: c}, msg: &String{s: msg}}
}

func (in *Interp) throw(e *Exception) {
	if e.prog == nil {
		e.prog, e.off = in.curProg, in.curOff
		e.trace = in.backtrace()
	}
	if e.cause == nil && in.errInfo != any(e) {
		e.cause = in.errInfo
	}
	in.step(5)
	panic(&raised{e})
}

func (in *Interp) backtrace() []string {
	var out []string
	prog, off := in.curProg, in.curOff
	for i := len(in.stack); i >= 0 && len(out) < 50; i-- {
		if prog == nil {
			break
		}
		line, _ := prog.Position(off)
		s := fmt.Sprintf("%s:%d", prog.opts.File, line)
		if i > 0 {
			s += fmt.Sprintf(":in `%s'", in.stack[i-1].name)
			prog, off = in.stack[i-1].prog, in.stack[i-1].off
		} else {
			s += ":in `<main>'"
		}
		out = append(out, s)
	}
	return out
}

// noMethod raises NameError or NoMethodError, or says that we lack what Ruby has.
func (in *Interp) noMethod(self Value, name string, bare bool) {
	if in.rubyHas(self, name) {
		what := "the method " + in.classOf(self).name + "#" + name
		if c, ok := self.(*Class); ok {
			what = "the method " + c.name + "." + name
		} else if self == any(in.main) {
			what = "the method " + name
		}
		in.unsupported(what)
	}
	if bare {
		in.raiseName("NameError", name, self, "undefined local variable or method `%s' for %s", name, in.describe(self))
	}
	in.raiseName("NoMethodError", name, self, "undefined method `%s' for %s", name, in.describe(self))
}

// ownMissing finds a method_missing other than Ruby's default.
func (in *Interp) ownMissing(v Value) *method {
	m, _ := in.findMethod(v, "method_missing")
	if m == stdlib().byName["BasicObject"].methods["method_missing"] {
		return nil
	}
	return m
}

// describe names an object the way NoMethodError does.
func (in *Interp) describe(v Value) string {
	switch x := v.(type) {
	case nil:
		return "nil:NilClass"
	case bool:
		if x {
			return "true:TrueClass"
		}
		return "false:FalseClass"
	case *Class:
		if x.isModule {
			return x.name + ":Module"
		}
		return x.name + ":Class"
	case *Object:
		if x == in.main {
			return "main:Object"
		}
		if m, _ := in.findMethod(x, "inspect"); m == nil || m.fn == nil {
			return in.anyToS(x)
		}
	case *HostObject:
		return x.Name
	}
	s := in.inspect(v)
	if len(s) > 65 {
		return in.anyToS(v)
	}
	return s + ":" + in.classOf(v).name
}

// invokeNamed finds and calls a method.
func (in *Interp) invokeNamed(f *frame, self Value, name string, args []Value, kw bool, blk *Proc, fcall bool) Value {
	m, _ := in.findMethod(self, name)
	if m == nil || m.vis != visPublic && !fcall && !in.mayCall(m, f) {
		if h, ok := self.(*HostObject); ok {
			return in.callHostObject(f, h, name, args, kw, blk)
		}
		if mm := in.ownMissing(self); mm != nil {
			return in.invoke(f, mm, self, "method_missing", append([]Value{Symbol(name)}, args...), kw, blk, true)
		}
		if m != nil {
			in.raiseName("NoMethodError", name, self, "private method `%s' called for %s", name, in.describe(self))
		}
		in.noMethod(self, name, false)
	}
	return in.invoke(f, m, self, name, args, kw, blk, fcall)
}

// send calls a method with arguments, private ones too.
func (in *Interp) send(self Value, name string, args ...Value) Value {
	return in.invokeNamed(nil, self, name, args, false, nil, true)
}

func (in *Interp) argError(given, min, max int) {
	want := fmt.Sprint(min)
	switch {
	case max < 0:
		want += "+"
	case max != min:
		want += fmt.Sprintf("..%d", max)
	}
	in.raise("ArgumentError", "wrong number of arguments (given %d, expected %s)", given, want)
}

// invoke calls a method that was found.
func (in *Interp) invoke(f *frame, m *method, self Value, name string, args []Value, kw bool, blk *Proc, fcall bool) Value {
	in.step(1)
	if m.bi != nil {
		if len(args) < m.min || m.max >= 0 && len(args) > m.max {
			in.argError(len(args), m.min, m.max)
		}
		in.depth += 3
		if in.depth > in.limits.Depth {
			in.tooDeep()
		}
		v := m.bi(in, &call{self: self, name: name, args: args, kw: kw, blk: blk, f: f, fcal: fcall, min: m.min})
		in.depth -= 3
		return v
	}
	if m.proc != nil {
		return in.callBlockSelf(m.proc, self, m, args, kw)
	}
	in.depth += 5
	if in.depth > in.limits.Depth {
		in.tooDeep()
	}
	fn := m.fn
	in.alloc(96 + 16*len(fn.scope.order))
	mf := &methFrame{m: m, self: self, args: args, kw: kw, blk: blk}
	nf := &frame{self: self, vars: make([]Value, len(fn.scope.order)), mf: mf, prog: m.prog, cref: m.cref}
	site := callSite{name, in.curProg, in.curOff}
	in.bind(fn.params, nf, args, kw, blk, true)
	in.stack = append(in.stack, site)
	var v Value
	if fn.jumpRet {
		var p any
		v, p = in.protect(func() Value { return in.ev(fn.body, nf) })
		mf.dead = true
		if p != nil {
			j, ok := p.(*jump)
			if !ok || j.kind != jReturn || j.tag != any(mf) {
				panic(p)
			}
			v = j.val
		}
	} else {
		v = in.ev(fn.body, nf)
		mf.dead = true
	}
	in.stack = in.stack[:len(in.stack)-1]
	in.depth -= 5
	in.curProg, in.curOff = site.prog, site.off
	return v
}

// bind assigns arguments to parameters. strict is for methods and lambdas: the number must fit.
func (in *Interp) bind(pl *paramList, f *frame, args []Value, kw bool, blk *Proc, strict bool) {
	if len(pl.ps) == 0 {
		if strict && len(args) > 0 {
			if kw {
				if h, ok := args[len(args)-1].(*Hash); ok && len(args) == 1 && h.live == 0 {
					return
				}
			}
			in.argError(len(args), 0, 0)
		}
		return
	}
	var kws *Hash
	if pl.hasKw {
		if kw && len(args) > 0 {
			kws = args[len(args)-1].(*Hash)
			args = args[:len(args)-1]
		}
	}
	if strict {
		max := pl.req + pl.opt
		if pl.rest >= 0 {
			max = -1
		}
		if len(args) < pl.req || max >= 0 && len(args) > max {
			in.argError(len(args), pl.req, max)
		}
	}
	n := len(args)
	// how many of the optional ones get an argument
	opt := n - pl.req
	if opt < 0 {
		opt = 0
	}
	rest := 0
	if opt > pl.opt {
		rest = opt - pl.opt
		opt = pl.opt
	}
	if pl.rest < 0 {
		rest = 0
	}
	i := 0
	take := func() Value {
		if i < n {
			v := args[i]
			i++
			return v
		}
		return nil
	}
	for k := range pl.ps {
		p := &pl.ps[k]
		switch p.kind {
		case pReq, pPost:
			v := take()
			if p.sub != nil {
				in.bind(p.sub, f, in.toAryForMasgn(v), false, nil, false)
			} else {
				f.vars[p.idx] = v
			}
		case pOpt:
			if opt > 0 {
				opt--
				f.vars[p.idx] = take()
			} else {
				f.vars[p.idx] = in.ev(p.def, f)
			}
		case pRest:
			if p.idx >= 0 {
				f.vars[p.idx] = in.arr(append([]Value(nil), args[i:i+rest]...))
			}
			i += rest
		case pBlock:
			if p.idx >= 0 {
				f.vars[p.idx] = procValue(blk)
			}
		}
	}
	if pl.hasKw {
		in.bindKeywords(pl, f, kws, strict)
	} else {
		for k := range pl.ps {
			if pl.ps[k].kind == pNoKey && kw {
				in.raise("ArgumentError", "no keywords accepted")
			}
		}
	}
}

func procValue(p *Proc) Value {
	if p == nil {
		return nil
	}
	return p
}

func (in *Interp) bindKeywords(pl *paramList, f *frame, kws *Hash, strict bool) {
	used := 0
	var missing []string
	for k := range pl.ps {
		p := &pl.ps[k]
		switch p.kind {
		case pKey, pKeyReq:
			if kws != nil {
				if v, ok := kws.Get(Symbol(p.name)); ok {
					f.vars[p.idx] = v
					used++
					continue
				}
			}
			if p.kind == pKeyReq {
				missing = append(missing, ":"+p.name)
				continue
			}
			f.vars[p.idx] = in.ev(p.def, f)
		}
	}
	if len(missing) > 0 {
		s := ""
		if len(missing) > 1 {
			s = "s"
		}
		in.raise("ArgumentError", "missing keyword%s: %s", s, strings.Join(missing, ", "))
	}
	for k := range pl.ps {
		p := &pl.ps[k]
		if p.kind != pKeyRest {
			continue
		}
		if p.idx >= 0 {
			h := NewHash()
			if kws != nil {
				kws.Each(func(k, v Value) bool {
					if s, ok := k.(Symbol); !ok || !pl.hasKey(string(s)) {
						in.hset(h, k, v)
					}
					return true
				})
			}
			f.vars[p.idx] = h
		}
		return
	}
	if kws != nil && used < kws.live && strict {
		var unknown []string
		kws.Each(func(k, _ Value) bool {
			if s, ok := k.(Symbol); !ok || !pl.hasKey(string(s)) {
				unknown = append(unknown, in.inspect(k))
			}
			return true
		})
		s := ""
		if len(unknown) > 1 {
			s = "s"
		}
		in.raise("ArgumentError", "unknown keyword%s: %s", s, strings.Join(unknown, ", "))
	}
}

func (pl *paramList) hasKey(name string) bool {
	for i := range pl.ps {
		if (pl.ps[i].kind == pKey || pl.ps[i].kind == pKeyReq) && pl.ps[i].name == name {
			return true
		}
	}
	return false
}

// yield calls a block with arguments.
func (in *Interp) yield(p *Proc, args ...Value) Value {
	return in.callBlock(p, args, false, nil)
}

// yieldBool calls a block for a truth value.
func (in *Interp) yieldBool(p *Proc, args ...Value) bool {
	return truthy(in.callBlock(p, args, false, nil))
}

// callBlock calls a block: as a proc, or as a lambda if it is one.
func (in *Interp) callBlock(p *Proc, args []Value, kw bool, blk *Proc) Value {
	if p.bi != nil {
		in.step(1)
		in.depth += 3
		if in.depth > in.limits.Depth {
			in.tooDeep()
		}
		v := p.bi(in, args, blk)
		in.depth -= 3
		return v
	}
	return in.runBlock(p, p.self, args, kw, blk, nil, nil)
}

// callProc is Proc#call.
func (in *Interp) callProc(p *Proc, args []Value, kw bool, blk *Proc) Value {
	return in.callBlock(p, args, kw, blk)
}

// callBlockSelf calls a block with another self: instance_eval, or a method made by define_method.
func (in *Interp) callBlockSelf(p *Proc, self Value, m *method, args []Value, kw bool) Value {
	if p.bi != nil {
		if p.isSym && m != nil {
			args = append([]Value{self}, args...)
		}
		return in.callBlock(p, args, kw, nil)
	}
	if m != nil {
		q := *p
		q.lambda = true
		q.self = self
		return in.runBlock(&q, self, args, kw, nil, nil, m)
	}
	return in.runBlock(p, self, args, kw, nil, nil, nil)
}

// runBlock runs the body of a block. defTo is where def goes (class_eval), m the method that the block implements.
func (in *Interp) runBlock(p *Proc, self Value, args []Value, kw bool, blk *Proc, defTo *Class, m *method) Value {
	fn := p.fn
	in.depth += 4
	if in.depth > in.limits.Depth {
		in.tooDeep()
	}
	in.alloc(64 + 16*len(fn.scope.order))
	f := &frame{self: self, vars: make([]Value, len(fn.scope.order)), parent: p.f, mf: p.f.mf, prog: p.f.prog, cref: p.f.cref, proc: p, defTo: defTo}
	if m != nil {
		f.mf = &methFrame{m: m, self: self, args: args, kw: kw, blk: blk}
	}
	prog, off := in.curProg, in.curOff
	if pl := fn.params; pl != nil {
		if p.lambda {
			// yield [1, 2] to a lambda of two parameters spreads the array
			in.bind(pl, f, args, kw, blk, true)
		} else {
			if len(args) == 1 {
				if simple := len(pl.ps) == 1 && pl.ps[0].kind == pReq && pl.ps[0].sub == nil && !pl.comma; simple {
					f.vars[pl.ps[0].idx] = args[0]
					goto bound
				}
				if pl.req+pl.opt > 1 || pl.rest >= 0 && pl.req+pl.opt > 0 || pl.comma {
					switch x := args[0].(type) {
					case *Array:
						args = x.a
					case *Object:
						if in.respondTo(x, "to_ary") {
							args = in.toAryForMasgn(x)
						}
					}
				}
			}
			in.bind(pl, f, args, kw, blk, false)
		}
	}
bound:
	var v Value
	switch {
	case p.lambda:
		var pn any
		v, pn = in.protect(func() Value { return in.ev(fn.body, f) })
		if pn != nil {
			j, ok := pn.(*jump)
			if !ok || !(j.kind == jReturn && j.tag == any(f) || j.kind == jBreak && j.tag == any(p) || j.kind == jNext && j.tag == any(f)) {
				panic(pn)
			}
			v = j.val
		}
	case fn.jumpNxt:
		var pn any
		v, pn = in.protect(func() Value { return in.ev(fn.body, f) })
		if pn != nil {
			j, ok := pn.(*jump)
			if !ok || j.kind != jNext || j.tag != any(f) {
				panic(pn)
			}
			v = j.val
		}
	default:
		v = in.ev(fn.body, f)
	}
	in.depth -= 4
	in.curProg, in.curOff = prog, off
	return v
}

// arityOf is Proc#arity.
func (p *Proc) arityOf() int {
	if p.fn == nil {
		return p.arity
	}
	if p.fn.params == nil {
		return 0
	}
	return p.fn.params.arity(p.lambda)
}

// nparams is how many values a block likes to get; used where Ruby yields one or two depending on it.
func (p *Proc) nparams() int {
	if p.fn == nil {
		return p.arity
	}
	if p.fn.params == nil {
		return 0
	}
	return p.fn.params.req + p.fn.params.opt
}
