package ruby

import (
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// raise raises a Ruby exception of a standard class.
func (in *Interp) raise(class, format string, args ...any) {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	in.throw(in.newException(class, msg))
}

// raiseIf raises an exception where a condition holds.
func (in *Interp) raiseIf(cond bool, class, format string, args ...any) {
	if cond {
		in.raise(class, format, args...)
	}
}

func (in *Interp) newException(class, msg string) *Exception {
	in.bytes += len(msg) + 200 // past the limit, so that the limit itself can be reported
	return &Exception{Object: Object{class: in.classes[class]}, msg: &String{s: msg}}
}

func (in *Interp) throw(e *Exception) {
	if e.prog == nil {
		e.prog, e.off = in.place()
	}
	in.step(5)
	panic(&raised{e})
}

// place is where the program is: inside of the prelude, the place that called
// it.
func (in *Interp) place() (*Program, int) {
	prog, off := in.curProg, in.curOff
	for i := len(in.stack) - 1; i >= 0 && prog != nil && prog.prelude; i-- {
		prog, off = in.stack[i].prog, in.stack[i].off
	}
	return prog, off
}

// noMethod raises NameError or NoMethodError, or refuses what Ruby has and this
// package does not.
func (in *Interp) noMethod(self Value, name string, bare bool) {
	if in.rubyHas(self, name) {
		in.unsupported(in.methodName(self, name))
	}
	if bare {
		in.raise("NameError", "undefined local variable or method `%s' for %s", name, in.describe(self))
	}
	in.raise("NoMethodError", "undefined method `%s' for %s", name, in.describe(self))
}

// methodName names a method as documentation does.
func (in *Interp) methodName(self Value, name string) string {
	if c, ok := self.(*Class); ok {
		return "the method " + c.name + "." + name
	}
	if self == any(in.main) {
		return "the method " + name
	}
	return "the method " + in.classOf(self).name + "#" + name
}

// send calls a method with arguments, private ones too.
func (in *Interp) send(self Value, name string, args ...Value) Value {
	return in.call(&call{self: self, name: name, args: args, fcall: true})
}

// call finds a method and calls it; what has none goes to the host, or
// ends in an exception.
func (in *Interp) call(c *call) Value {
	m := in.findMethod(c.self, c.name)
	if m != nil && (!m.private || c.fcall) {
		return in.invoke(c, m)
	}
	if h, ok := c.self.(*HostObject); ok {
		if r, ok := in.hostCall(h.Host, h, c); ok {
			return r
		}
	} else if m == nil && c.fcall && c.self == any(in.main) {
		if r, ok := in.hostCall(in.cfg.Host, nil, c); ok {
			return r
		}
	}
	if m != nil {
		in.raise("NoMethodError", "private method `%s' called for %s", c.name, in.describe(c.self))
	}
	in.noMethod(c.self, c.name, c.bare)
	return nil
}

func (in *Interp) argError(given, least, most int) {
	want := fmt.Sprint(least)
	switch {
	case most < 0:
		want += "+"
	case most != least:
		want += fmt.Sprintf("..%d", most)
	}
	in.raise("ArgumentError", "wrong number of arguments (given %d, expected %s)", given, want)
}

// refuseArity refuses a number of arguments that Ruby's own method may accept.
func (in *Interp) refuseArity(self Value, name string, n int) {
	if in.rubyHas(self, name) {
		in.unsupported(in.methodName(self, name) + " with " + text.Count(n, "argument"))
	}
}

func (in *Interp) deeper(n int) {
	if in.depth += n; in.depth > in.limits.Depth {
		in.tooDeep()
	}
}

// invoke calls a method that was found.
func (in *Interp) invoke(v *call, m *method) Value {
	in.step(1)
	if m.bi != nil {
		if len(v.args) < m.min || m.max >= 0 && len(v.args) > m.max {
			in.refuseArity(v.self, v.name, len(v.args))
			in.argError(len(v.args), m.min, m.max)
		}
		in.deeper(3)
		v.min = m.min
		r := m.bi(in, v)
		in.depth -= 3
		return r
	}
	in.deeper(5)
	fn := m.fn()
	in.alloc(96 + 16*len(fn.scope.order))
	mf := &methFrame{m: m, blk: v.blk}
	f := &frame{self: v.self, vars: make([]Value, len(fn.scope.order)), mf: mf, prog: m.prog, cref: m.cref}
	in.stack = append(in.stack, callSite{in.curProg, in.curOff})
	in.bind(fn.params, f, arguments{v.args, v.kw, v.blk}, true)
	var r Value
	if fn.jumpRet {
		r = in.catch(func() Value { return in.ev(fn.body, f) }, func(j *jump) bool {
			return j.kind == jReturn && j.tag == any(mf)
		})
	} else {
		r = in.ev(fn.body, f)
	}
	last := len(in.stack) - 1
	in.curProg, in.curOff = in.stack[last].prog, in.stack[last].off
	in.stack = in.stack[:last]
	in.depth -= 5
	return r
}

// catch calls fn and returns the value of a jump that is meant for here.
func (in *Interp) catch(fn func() Value, mine func(j *jump) bool) Value {
	v, p := in.protect(fn)
	if p == nil {
		return v
	}
	if j, ok := p.(*jump); ok && mine(j) {
		return j.val
	}
	panic(p)
}

// arguments are what a method or block is called with.
type arguments struct {
	list []Value
	kw   bool
	blk  *Proc
}

// bind assigns arguments to parameters. strict is for methods and lambdas: the
// number must fit.
func (in *Interp) bind(pl *paramList, f *frame, a arguments, strict bool) {
	args := a.list
	var kws *Hash
	if n := len(args); a.kw && n > 0 {
		kws = args[n-1].(*Hash)
		if pl.hasKw || kws.live == 0 {
			args = args[:n-1]
		}
	}
	most := pl.req + pl.opt
	if pl.rest >= 0 {
		most = -1
	}
	if strict && (len(args) < pl.req || most >= 0 && len(args) > most) {
		if f.prog.prelude && f.mf.m != nil {
			in.refuseArity(f.self, f.mf.m.name, len(args))
		}
		in.argError(len(args), pl.req, most)
	}
	opt := max(0, min(pl.opt, len(args)-pl.req))
	rest := 0
	if pl.rest >= 0 {
		rest = max(0, len(args)-pl.req-pl.opt)
	}
	take := func() Value {
		if len(args) == 0 {
			return nil
		}
		v := args[0]
		args = args[1:]
		return v
	}
	for k := range pl.ps {
		switch p := &pl.ps[k]; p.kind {
		case pReq, pPost:
			if v := take(); p.sub != nil {
				in.bind(p.sub, f, arguments{list: in.spread(v)}, false)
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
				f.vars[p.idx] = in.arr(append([]Value(nil), args[:rest]...))
			}
			args = args[rest:]
		case pBlock:
			if p.idx >= 0 && a.blk != nil {
				f.vars[p.idx] = a.blk
			}
		}
	}
	if pl.hasKw {
		in.bindKeywords(pl, f, kws, strict)
	}
}

func (in *Interp) bindKeywords(pl *paramList, f *frame, kws *Hash, strict bool) {
	rest := NewHash()
	if kws != nil {
		rest = kws.copy()
	}
	var missing []string
	restIdx := -2
	for k := range pl.ps {
		p := &pl.ps[k]
		switch p.kind {
		case pKey, pKeyReq:
			if v, ok := rest.Delete(Symbol(p.name)); ok {
				f.vars[p.idx] = v
			} else if p.kind == pKey {
				f.vars[p.idx] = in.ev(p.def, f)
			} else {
				missing = append(missing, ":"+p.name)
			}
		case pKeyRest:
			restIdx = p.idx
		}
	}
	in.raiseIf(len(missing) > 0, "ArgumentError", "missing keywords: %s", strings.Join(missing, ", "))
	if restIdx >= 0 {
		in.alloc(100 * rest.live)
		f.vars[restIdx] = rest
	}
	if strict && restIdx == -2 && rest.live > 0 {
		in.raise("ArgumentError", "unknown keywords: %s", strings.Trim(in.inspect(in.arr(rest.keys())), "[]"))
	}
}

// spread gives the elements that a value destructures into.
func (in *Interp) spread(v Value) []Value {
	if a, ok := v.(*Array); ok {
		return a.a
	}
	return []Value{v}
}

// yield calls a block with arguments.
func (in *Interp) yield(p *Proc, args ...Value) Value {
	return in.callProc(p, arguments{list: args})
}

// yieldBool calls a block for a truth value.
func (in *Interp) yieldBool(p *Proc, args ...Value) bool { return truthy(in.yield(p, args...)) }

// callProc calls a block, proc or lambda.
func (in *Interp) callProc(p *Proc, a arguments) Value {
	if p.bi != nil {
		in.step(1)
		in.deeper(3)
		v := p.bi(in, a.list)
		in.depth -= 3
		return v
	}
	return in.runBlock(p, p.self, a)
}

// runBlock runs the body of a block with its own self.
func (in *Interp) runBlock(p *Proc, self Value, a arguments) Value {
	fn := p.fn
	in.deeper(4)
	in.alloc(64 + 16*len(fn.scope.order))
	f := &frame{
		self: self, vars: make([]Value, len(fn.scope.order)),
		parent: p.f, mf: p.f.mf, prog: p.f.prog, cref: p.f.cref, proc: p,
	}
	prog, off := in.curProg, in.curOff
	if pl := fn.params; pl != nil {
		if len(a.list) == 1 && !p.lambda && (pl.req+pl.opt > 1 || pl.rest >= 0 && pl.req+pl.opt > 0) {
			a.list = in.spread(a.list[0])
		}
		in.bind(pl, f, a, p.lambda)
	}
	var v Value
	if p.lambda || fn.jumpNxt {
		v = in.catch(func() Value { return in.ev(fn.body, f) }, func(j *jump) bool {
			return j.kind == jNext && j.tag == any(f) ||
				p.lambda && (j.kind == jReturn && j.tag == any(f) || j.kind == jBreak && j.tag == any(p))
		})
	} else {
		v = in.ev(fn.body, f)
	}
	in.depth -= 4
	in.curProg, in.curOff = prog, off
	return v
}

// toProc makes the block of a & argument.
func (in *Interp) toProc(v Value) *Proc {
	switch x := v.(type) {
	case nil:
		return nil
	case Symbol:
		return &Proc{lambda: true, bi: func(in *Interp, args []Value) Value {
			in.raiseIf(len(args) == 0, "ArgumentError", "no receiver given")
			return in.call(&call{self: args[0], name: string(x), args: args[1:]})
		}}
	}
	return argOf[*Proc](in, v, "Proc")
}
