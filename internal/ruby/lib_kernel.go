package ruby

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

func defKernel(l *library) {
	k := l.byName["Kernel"]
	b := l.byName["BasicObject"]

	b.priv("initialize", 0, -1, func(in *Interp, c *call) Value { return nil })
	b.def("==  equal?", 1, 1, func(in *Interp, c *call) Value { return identical(c.self, c.args[0]) })
	b.def("!", 0, 0, func(in *Interp, c *call) Value { return !truthy(c.self) })
	b.def("!=", 1, 1, func(in *Interp, c *call) Value { return !in.equal(c.self, c.args[0]) })
	b.def("__id__", 0, 0, func(in *Interp, c *call) Value { return in.objectID(c.self) })
	b.def("__send__", 1, -1, kernelSend)
	b.def("instance_eval instance_exec", 0, -1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			if c.name == "instance_eval" && in.evaluable(c.self) {
				return in.evalText(c.self, c.args)
			}
			in.unsupported("instance_eval of a string")
		}
		args := c.args
		if c.name == "instance_eval" {
			args = []Value{c.self}
		}
		var defTo *Class
		switch c.self.(type) {
		case *Object, *Class, *Exception:
			defTo = in.singletonOf(c.self)
		}
		if c.blk.bi != nil {
			return in.callBlock(c.blk, args, false, nil)
		}
		return in.runBlock(c.blk, c.self, args, false, nil, defTo, nil)
	})
	b.priv("method_missing", 1, -1, func(in *Interp, c *call) Value {
		in.noMethod(c.self, in.argName(c.args[0]), false)
		return nil
	})

	k.def("class", 0, 0, func(in *Interp, c *call) Value { return in.classOf(c.self) })
	k.def("singleton_class", 0, 0, func(in *Interp, c *call) Value { return in.singletonOf(c.self) })
	k.def("nil?", 0, 0, func(in *Interp, c *call) Value { return c.self == nil })
	k.def("===", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	k.def("=~", 1, 1, func(in *Interp, c *call) Value { return nil })
	k.def("!~", 1, 1, func(in *Interp, c *call) Value { return !truthy(in.send(c.self, "=~", c.args[0])) })
	k.def("eql?", 1, 1, func(in *Interp, c *call) Value {
		if _, ok := c.self.(*Object); ok {
			return c.self == c.args[0]
		}
		return in.eql(c.self, c.args[0])
	})
	k.def("<=>", 1, 1, func(in *Interp, c *call) Value {
		if in.equal(c.self, c.args[0]) {
			return 0
		}
		return nil
	})
	k.def("hash", 0, 0, func(in *Interp, c *call) Value { return hashNumber(in.hashKey(nil, c.self)) })
	k.def("object_id", 0, 0, func(in *Interp, c *call) Value { return in.objectID(c.self) })
	k.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		switch c.self {
		case any(in.main):
			return in.str("main")
		}
		return in.str(in.inspectObject(c.self))
	})
	k.def("to_s", 0, 0, func(in *Interp, c *call) Value {
		if c.self == any(in.main) {
			return in.str("main")
		}
		return in.str(in.anyToS(c.self))
	})
	k.def("itself then yield_self", 0, 0, func(in *Interp, c *call) Value {
		if c.name == "itself" {
			return c.self
		}
		return in.yield(in.needBlock(c), c.self)
	})
	k.def("tap", 0, 0, func(in *Interp, c *call) Value {
		in.yield(in.needBlock(c), c.self)
		return c.self
	})
	k.def("freeze", 0, 0, func(in *Interp, c *call) Value { freeze(c.self); return c.self })
	k.def("frozen?", 0, 0, func(in *Interp, c *call) Value { return isFrozen(c.self) })
	k.def("dup clone", 0, 1, func(in *Interp, c *call) Value { return in.dup(c) })
	k.def("is_a? kind_of?", 1, 1, func(in *Interp, c *call) Value {
		return in.isA(c.self, in.argClass(c.args[0]))
	})
	k.def("instance_of?", 1, 1, func(in *Interp, c *call) Value { return in.classOf(c.self) == in.argClass(c.args[0]) })
	k.def("respond_to?", 1, 2, func(in *Interp, c *call) Value {
		name := in.argName(c.args[0])
		m, _ := in.findMethod(c.self, name)
		if m != nil && (m.vis == visPublic || truthy(c.opt(1))) {
			return true
		}
		if rm, _ := in.findMethod(c.self, "respond_to_missing?"); rm != nil && rm.fn != nil {
			return truthy(in.send(c.self, "respond_to_missing?", Symbol(name), truthy(c.opt(1))))
		}
		if in.hostResponds(c.self, name) {
			return true
		}
		if m == nil && in.rubyHas(c.self, name) {
			in.unsupported("the method " + in.classOf(c.self).name + "#" + name)
		}
		return false
	})
	k.priv("respond_to_missing?", 2, 2, func(in *Interp, c *call) Value { return false })
	k.def("send public_send", 1, -1, kernelSend)
	k.def("method", 1, 1, func(in *Interp, c *call) Value {
		name := in.argName(c.args[0])
		m, _ := in.findMethod(c.self, name)
		if m == nil {
			in.raiseName("NameError", name, c.self, "undefined method `%s' for class `%s'", name, in.classRef(c.self))
		}
		return &boundMethod{recv: c.self, m: m, name: name}
	})
	k.def("methods public_methods singleton_methods", 0, 1, func(in *Interp, c *call) Value {
		var out []Value
		if c.name == "singleton_methods" {
			var s *Class
			if k, ok := c.self.(*Class); ok {
				s = k.meta
			} else {
				s = in.singleton(c.self)
			}
			if s != nil {
				for _, n := range sortedKeys(s.methods) {
					out = append(out, Symbol(n))
				}
			}
			return in.arr(out)
		}
		in.unsupported("the method " + c.name)
		return nil
	})
	k.def("instance_variable_get", 1, 1, func(in *Interp, c *call) Value { return in.ivarGet(c.self, in.argName(c.args[0])) })
	k.def("instance_variable_set", 2, 2, func(in *Interp, c *call) Value {
		in.ivarSet(c.self, in.argName(c.args[0]), c.args[1])
		return c.args[1]
	})
	k.def("instance_variable_defined?", 1, 1, func(in *Interp, c *call) Value { return in.ivarDefined(c.self, in.argName(c.args[0])) })
	k.def("instance_variables", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		if o := in.object(c.self); o != nil {
			for _, n := range o.order {
				out = append(out, Symbol(n))
			}
		}
		return in.arr(out)
	})
	k.def("define_singleton_method", 1, 2, func(in *Interp, c *call) Value {
		return in.defineMethod(in.singletonOf(c.self), c)
	})
	k.def("extend", 1, -1, func(in *Interp, c *call) Value {
		s := in.singletonOf(c.self)
		for _, m := range c.args {
			s.includes = append(s.includes, in.argModule(m))
		}
		s.mroCache = nil
		in.changed()
		return c.self
	})
	k.def("display", 0, 0, func(in *Interp, c *call) Value { in.print(in.toS(c.self)); return nil })
	k.def("enum_for to_enum", 0, -1, func(in *Interp, c *call) Value {
		meth := "each"
		var args []Value
		if len(c.args) > 0 {
			meth, args = in.argName(c.args[0]), c.args[1:]
		}
		return &enumerator{recv: c.self, meth: meth, args: args}
	})

	fn := func(names string, min, max int, f builtinFunc) {
		k.priv(names, min, max, f)
		for _, n := range strings.Fields(names) {
			k.smethods[n] = &method{name: n, bi: f, min: min, max: max}
		}
	}
	fn("puts", 0, -1, func(in *Interp, c *call) Value { in.puts(c.args); return nil })
	fn("print", 0, -1, func(in *Interp, c *call) Value {
		for _, a := range c.args {
			in.print(in.toS(a))
		}
		return nil
	})
	fn("p", 0, -1, func(in *Interp, c *call) Value {
		for _, a := range c.args {
			in.print(in.inspect(a) + "\n")
		}
		switch len(c.args) {
		case 0:
			return nil
		case 1:
			return c.args[0]
		}
		return in.arr(c.args)
	})
	fn("pp", 0, -1, func(in *Interp, c *call) Value {
		for _, a := range c.args {
			in.print(in.inspect(a) + "\n")
		}
		if len(c.args) == 1 {
			return c.args[0]
		}
		return in.arr(c.args)
	})
	fn("printf", 0, -1, func(in *Interp, c *call) Value {
		if len(c.args) > 0 {
			in.print(in.sprintf(in.argString(c.args[0]), c.args[1:]))
		}
		return nil
	})
	fn("putc", 1, 1, func(in *Interp, c *call) Value { return c.args[0] })
	fn("warn", 0, -1, func(in *Interp, c *call) Value { c.kwargs(); in.puts(c.args); return nil })
	fn("format sprintf", 1, -1, func(in *Interp, c *call) Value {
		return in.str(in.sprintf(in.argString(c.args[0]), c.args[1:]))
	})
	fn("raise fail", 0, -1, kernelRaise)
	fn("block_given?", 0, 0, func(in *Interp, c *call) Value { return c.f != nil && c.f.mf.blk != nil })
	fn("lambda", 0, 0, func(in *Interp, c *call) Value {
		p := *in.needBlock(c)
		p.lambda = true
		return &p
	})
	fn("proc", 0, 0, func(in *Interp, c *call) Value { return in.needBlock(c) })
	fn("loop", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		v, p := in.protect(func() Value {
			for {
				in.step(1)
				in.yield(c.blk)
			}
		})
		if p != nil {
			if r, ok := p.(*raised); ok && r.exc.class.isA(in.classes["StopIteration"]) {
				return r.exc.extra
			}
			panic(p)
		}
		return v
	})
	fn("catch", 0, 1, func(in *Interp, c *call) Value {
		var tag Value = &Object{class: in.cObject}
		if len(c.args) > 0 {
			tag = c.args[0]
		}
		key := keyOf(tag)
		if s, ok := tag.(*String); ok {
			key = s
		}
		if in.catches == nil {
			in.catches = map[any]int{}
		}
		in.catches[key]++
		v, p := in.protect(func() Value { return in.yield(in.needBlock(c), tag) })
		if in.catches[key]--; in.catches[key] == 0 {
			delete(in.catches, key)
		}
		if p != nil {
			if j, ok := p.(*jump); ok && j.kind == jThrow && j.tag == key {
				return j.val
			}
			panic(p)
		}
		return v
	})
	fn("throw", 1, 2, func(in *Interp, c *call) Value {
		key := keyOf(c.args[0])
		if s, ok := c.args[0].(*String); ok {
			key = s
		}
		if in.catches[key] == 0 {
			in.raise("UncaughtThrowError", "uncaught throw %s", in.inspect(c.args[0]))
		}
		panic(&jump{jThrow, key, c.opt(1)})
	})
	fn("exit exit! abort at_exit fork exec trap syscall", 0, -1, func(in *Interp, c *call) Value {
		switch c.name {
		case "exit", "exit!":
			in.raise("SystemExit", "exit")
		case "abort":
			msg := "exit"
			if len(c.args) > 0 {
				msg = in.argString(c.args[0])
			}
			in.raise("SystemExit", "%s", msg)
		}
		in.refuse(c.name, "`"+c.name+"' is not available here", "")
		return nil
	})
	fn("system spawn", 0, -1, func(in *Interp, c *call) Value { return in.system(c) })
	fn("`", 1, 1, func(in *Interp, c *call) Value { return in.backtick(in.argString(c.args[0])) })
	fn("sleep", 0, 1, func(in *Interp, c *call) Value {
		if len(c.args) == 0 {
			in.refuse("sleep", "sleep without a duration would never end", "")
		}
		f := in.toFloat(c.args[0])
		if f < 0 {
			in.raise("ArgumentError", "time interval must not be negative")
		}
		in.sleep(f)
		return int(math.Round(f))
	})
	fn("gets readline readlines open select test", 0, -1, func(in *Interp, c *call) Value {
		if c.name == "gets" {
			return nil // standard input is at its end
		}
		in.unsupported("Kernel#" + c.name)
		return nil
	})
	fn("require", 1, 1, func(in *Interp, c *call) Value { return in.require(in.argString(c.args[0])) })
	fn("require_relative load autoload", 1, -1, func(in *Interp, c *call) Value {
		in.refuse(c.name, fmt.Sprintf("`%s %s' is refused: no other Ruby files are loaded", c.name, in.inspect(c.args[0])), "put the code into the file itself, or let `--erb ruby` render it")
		return nil
	})
	fn("eval binding local_variables", 0, -1, func(in *Interp, c *call) Value {
		if c.name == "eval" && len(c.args) == 1 && in.evaluable(c.self) {
			return in.evalText(c.self, c.args)
		}
		in.unsupported("Kernel#" + c.name)
		return nil
	})
	fn("global_variables", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		for _, n := range sortedKeys(in.globals) {
			out = append(out, Symbol(n))
		}
		return in.arr(out)
	})
	fn("caller", 0, 2, func(in *Interp, c *call) Value {
		var out []Value
		for i, s := range in.backtrace() {
			if i > 0 {
				out = append(out, in.str(s))
			}
		}
		return in.arr(out)
	})
	fn("srand", 0, 1, func(in *Interp, c *call) Value {
		seed := 0
		if len(c.args) > 0 {
			seed = in.argInt(c.args[0])
		}
		in.random().seed(uint64(seed))
		return 0
	})
	fn("rand", 0, 1, func(in *Interp, c *call) Value { return in.rand(c.opt(0)) })
	fn("__method__ __callee__", 0, 0, func(in *Interp, c *call) Value {
		if c.f == nil || c.f.mf.m == nil {
			return nil
		}
		return Symbol(c.f.mf.m.name)
	})
	fn("__dir__", 0, 0, func(in *Interp, c *call) Value {
		if in.curProg == nil {
			return nil
		}
		return in.str(in.dirOf(in.curProg.opts.File))
	})
	fn("Integer", 1, 3, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		quiet := kw != nil && isFalse(kw, "exception")
		return in.orNil(quiet, func() Value { return in.toInteger(c.args[0], c.opt(1)) })
	})
	fn("Float", 1, 2, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		quiet := kw != nil && isFalse(kw, "exception")
		return in.orNil(quiet, func() Value {
			switch x := c.args[0].(type) {
			case *String:
				f, ok := parseFloatStrict(x.s)
				if !ok {
					in.raise("ArgumentError", "invalid value for Float(): %s", in.inspect(x))
				}
				return f
			case nil:
				in.raise("TypeError", "can't convert nil into Float")
			}
			return in.toFloat(c.args[0])
		})
	})
	fn("String", 1, 1, func(in *Interp, c *call) Value { return in.str(in.toS(c.args[0])) })
	fn("Array", 1, 1, func(in *Interp, c *call) Value {
		if a, ok := c.args[0].(*Array); ok {
			return a
		}
		return in.arr(append([]Value(nil), in.splat(c.args[0])...))
	})
	fn("Hash", 1, 1, func(in *Interp, c *call) Value {
		switch x := c.args[0].(type) {
		case nil:
			return NewHash()
		case *Hash:
			return x
		case *Array:
			if len(x.a) == 0 {
				return NewHash()
			}
		}
		in.raise("TypeError", "can't convert %s into Hash", in.convName(c.args[0]))
		return nil
	})
	fn("Rational Complex", 1, -1, func(in *Interp, c *call) Value { in.unsupported("Kernel#" + c.name); return nil })
	fn("set_trace_func trace_var untrace_var", 0, -1, func(in *Interp, c *call) Value { in.unsupported("Kernel#" + c.name); return nil })
	fn("private public define_method include using", 0, -1, func(in *Interp, c *call) Value {
		// on the top level, where they mean Object
		if c.self != any(in.main) || c.name == "using" {
			in.noMethod(c.self, c.name, false)
		}
		switch c.name {
		case "include":
			for i := len(c.args) - 1; i >= 0; i-- {
				in.include(in.cObject, in.argModule(c.args[i]))
			}
			return in.cObject
		case "define_method":
			if len(c.args) == 0 {
				in.argError(0, 1, 2)
			}
			return in.defineMethod(in.cObject, c)
		}
		return in.setVisibility(in.cObject, c)
	})

	n := l.class("NilClass", "Object")
	n.def("to_s", 0, 0, func(in *Interp, c *call) Value { return &String{s: "", frozen: true} })
	n.def("to_a", 0, 0, func(in *Interp, c *call) Value { return NewArray() })
	n.def("to_h", 0, 0, func(in *Interp, c *call) Value { return NewHash() })
	n.def("to_i", 0, 0, func(in *Interp, c *call) Value { return 0 })
	n.def("to_f", 0, 0, func(in *Interp, c *call) Value { return 0.0 })
	n.def("inspect", 0, 0, func(in *Interp, c *call) Value { return in.str("nil") })
	n.def("&", 1, 1, func(in *Interp, c *call) Value { return false })
	n.def("|", 1, 1, func(in *Interp, c *call) Value { return truthy(c.args[0]) })
	for _, name := range []string{"TrueClass", "FalseClass"} {
		t := l.class(name, "Object")
		t.def("to_s inspect", 0, 0, func(in *Interp, c *call) Value { return in.str(strconv.FormatBool(c.self.(bool))) })
		t.def("&", 1, 1, func(in *Interp, c *call) Value { return c.self.(bool) && truthy(c.args[0]) })
		t.def("|", 1, 1, func(in *Interp, c *call) Value { return c.self.(bool) || truthy(c.args[0]) })
		t.def("^", 1, 1, func(in *Interp, c *call) Value { return c.self.(bool) != truthy(c.args[0]) })
	}

	cmp := l.byName["Comparable"]
	rel := func(name string, ok func(int) bool) {
		cmp.def(name, 1, 1, func(in *Interp, c *call) Value {
			r, found := in.compare(c.self, c.args[0])
			if !found {
				in.raise("ArgumentError", "comparison of %s with %s failed", in.classOf(c.self).name, in.cmpName(c.args[0]))
			}
			return ok(r)
		})
	}
	rel("<", func(i int) bool { return i < 0 })
	rel("<=", func(i int) bool { return i <= 0 })
	rel(">", func(i int) bool { return i > 0 })
	rel(">=", func(i int) bool { return i >= 0 })
	cmp.def("==", 1, 1, func(in *Interp, c *call) Value {
		if c.self == c.args[0] {
			return true
		}
		r, ok := in.compare(c.self, c.args[0])
		return ok && r == 0
	})
	cmp.def("between?", 2, 2, func(in *Interp, c *call) Value {
		return in.mustCompare(c.self, c.args[0]) >= 0 && in.mustCompare(c.self, c.args[1]) <= 0
	})
	cmp.def("clamp", 1, 2, func(in *Interp, c *call) Value {
		lo, hi := c.args[0], c.opt(1)
		if r, ok := lo.(*Range); ok && len(c.args) == 1 {
			if r.Excl && r.Hi != nil {
				in.raise("ArgumentError", "cannot clamp with an exclusive range")
			}
			lo, hi = r.Lo, r.Hi
		} else if len(c.args) == 1 {
			in.raise("TypeError", "wrong argument type %s (expected Range)", in.classOf(lo).name)
		}
		if lo != nil && hi != nil && in.mustCompare(lo, hi) > 0 {
			in.raise("ArgumentError", "min argument must be smaller than max argument")
		}
		if lo != nil && in.mustCompare(c.self, lo) < 0 {
			return lo
		}
		if hi != nil && in.mustCompare(c.self, hi) > 0 {
			return hi
		}
		return c.self
	})
}

func isFalse(h *Hash, key string) bool {
	v, ok := h.Get(Symbol(key))
	return ok && !truthy(v)
}

// orNil gives nil instead of an ArgumentError or TypeError, if asked to.
func (in *Interp) orNil(quiet bool, fn func() Value) Value {
	if !quiet {
		return fn()
	}
	v, p := in.protect(fn)
	if p != nil {
		if _, ok := p.(*raised); ok {
			return nil
		}
		panic(p)
	}
	return v
}

func identical(a, b Value) bool {
	switch x := a.(type) {
	case *big.Int:
		y, ok := b.(*big.Int)
		return ok && x.Cmp(y) == 0
	}
	return a == b
}

func (in *Interp) objectID(v Value) Value {
	switch x := v.(type) {
	case nil:
		return 8
	case bool:
		if x {
			return 20
		}
		return 0
	case int:
		return 2*x + 1
	}
	key := keyOf(v)
	switch v.(type) {
	case *String, *Array, *Hash, *Range, *big.Int:
		key = v
	}
	if in.objIDs == nil {
		in.objIDs = map[any]int{}
	}
	if id, ok := in.objIDs[key]; ok {
		return id
	}
	in.alloc(100)
	id := 8 * (len(in.objIDs) + 2)
	in.objIDs[key] = id
	return id
}

func hashNumber(key any) Value {
	s := fmt.Sprintf("%T%v", key, key)
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return int(h >> 2)
}

func kernelSend(in *Interp, c *call) Value {
	name := in.argName(c.args[0])
	if m, _ := in.findMethod(c.self, name); m != nil && m.bi != nil {
		// block_given? and the like look at the caller's frame
		if m.vis != visPublic && c.name == "public_send" {
			in.raiseName("NoMethodError", name, c.self, "private method `%s' called for %s", name, in.describe(c.self))
		}
		return in.invoke(c.f, m, c.self, name, c.args[1:], c.kw && len(c.args) > 1, c.blk, true)
	}
	if m, _ := in.findMethod(c.self, name); m == nil && c.self == any(in.main) {
		n := &callNode{at: at(in.curOff), name: name, parens: true}
		return in.missing(c.f, n, c.self, c.args[1:], c.kw, c.blk)
	}
	return in.invokeNamed(c.f, c.self, name, c.args[1:], c.kw && len(c.args) > 1, c.blk, c.name != "public_send")
}

func freeze(v Value) {
	switch x := v.(type) {
	case *String:
		x.frozen = true
	case *Array:
		x.frozen = true
	case *Hash:
		x.frozen = true
	case *Object:
		x.frozen = true
	case *Exception:
		x.frozen = true
	case *Class:
		x.frozen = true
	}
}

func isFrozen(v Value) bool {
	switch x := v.(type) {
	case *String:
		return x.frozen
	case *Array:
		return x.frozen
	case *Hash:
		return x.frozen
	case *Object:
		return x.frozen
	case *Exception:
		return x.frozen
	case *Class:
		return x.frozen
	case *Proc, *MatchData, *enumerator, *boundMethod, *timeValue:
		return false
	}
	return true
}

func (in *Interp) frozenError(v Value) {
	in.raise("FrozenError", "can't modify frozen %s: %s", in.classOf(v).name, in.inspect(v))
}

func (in *Interp) dup(c *call) Value {
	kw := c.kwargs()
	keep := c.name == "clone" && !(kw != nil && isFalse(kw, "freeze"))
	switch x := c.self.(type) {
	case *String:
		s := in.str(x.s)
		s.binary = x.binary
		s.frozen = x.frozen && keep
		return s
	case *Array:
		a := in.arr(append([]Value(nil), x.a...))
		a.frozen = x.frozen && keep
		return a
	case *Hash:
		h := in.copyHash(x)
		h.frozen = x.frozen && keep
		return h
	case *Object:
		if x == in.main {
			return x
		}
		o := &Object{class: x.class, order: append([]string(nil), x.order...), data: x.data}
		if s, ok := x.data.(*structData); ok {
			o.data = &structData{vals: append([]Value(nil), s.vals...)}
		}
		if s, ok := x.data.(*Hash); ok {
			o.data = in.copyHash(s)
		}
		in.alloc(100 + 64*len(x.order))
		if x.ivars != nil {
			o.ivars = make(map[string]Value, len(x.ivars))
			for k, v := range x.ivars {
				o.ivars[k] = v
			}
		}
		o.frozen = x.frozen && keep
		if keep {
			o.single = x.single
		}
		if m, _ := in.findMethod(o, "initialize_copy"); m != nil && m.fn != nil {
			in.send(o, "initialize_copy", x)
		}
		return o
	case *Exception:
		e := *x
		return &e
	case *Class:
		in.unsupported("a copy of a class")
	}
	return c.self
}

func (in *Interp) copyHash(x *Hash) *Hash {
	in.alloc(100*x.live + 64)
	h := &Hash{def: x.def, defProc: x.defProc, byID: x.byID}
	for _, e := range x.entries {
		if !e.dead {
			h.entries = append(h.entries, e)
		}
	}
	h.live = len(h.entries)
	h.reindex()
	return h
}

func (in *Interp) isA(v Value, cls *Class) bool {
	if s := in.singleton(v); s != nil && s.isA(cls) {
		return true
	}
	if c, ok := v.(*Class); ok && c.meta != nil {
		for k := c; k != nil; k = k.super {
			if k.meta != nil && k.meta.isA(cls) {
				return true
			}
		}
	}
	return in.classOf(v).isA(cls)
}

func (in *Interp) argClass(v Value) *Class {
	if c, ok := v.(*Class); ok {
		return c
	}
	in.raise("TypeError", "class or module required")
	return nil
}

func (in *Interp) argModule(v Value) *Class {
	if c, ok := v.(*Class); ok && c.isModule {
		return c
	}
	in.raise("TypeError", "wrong argument type %s (expected module)", in.classOf(v).name)
	return nil
}

func (in *Interp) classRef(v Value) string {
	if c, ok := v.(*Class); ok {
		return "#<Class:" + c.name + ">"
	}
	return in.classOf(v).name
}

// print writes to the configured output.
func (in *Interp) print(s string) {
	in.step(1 + len(s)/64)
	if in.cfg.Stdout != nil {
		_, _ = in.cfg.Stdout.Write([]byte(s))
	}
}

func (in *Interp) puts(args []Value) {
	if len(args) == 0 {
		in.print("\n")
	}
	for _, a := range args {
		if arr, ok := a.(*Array); ok {
			if !in.enter(arr) {
				in.print("[...]\n")
				continue
			}
			if len(arr.a) > 0 {
				in.puts(arr.a)
			}
			in.leave(arr)
			continue
		}
		s := in.toS(a)
		if !strings.HasSuffix(s, "\n") {
			s += "\n"
		}
		in.print(s)
	}
}

func kernelRaise(in *Interp, c *call) Value {
	var cause Value = in.errInfo
	if kw := c.kwargs(); kw != nil {
		if v, ok := kw.Get(Symbol("cause")); ok && kw.live == 1 {
			cause = v
		} else {
			c.args = append(c.args, kw)
		}
	}
	var e *Exception
	if len(c.args) == 0 {
		if x, ok := in.errInfo.(*Exception); ok {
			panic(&raised{x})
		}
		in.raise("RuntimeError", "")
	}
	switch x := c.args[0].(type) {
	case *String:
		e = in.newException("RuntimeError", "")
		e.msg = x
	case *Class:
		v := in.invokeNamed(c.f, x, "new", cutTo(c.args[1:], 1), false, nil, true)
		var ok bool
		if e, ok = v.(*Exception); !ok {
			in.raise("TypeError", "exception class/object expected")
		}
	case *Exception:
		e = x
		if len(c.args) > 1 {
			cp := *x
			e = &cp
			e.msg = c.args[1]
			e.prog = nil
		}
	default:
		in.raise("TypeError", "exception class/object expected")
	}
	if e.cause == nil && cause != any(e) {
		e.cause = cause
	}
	in.throw(e)
	return nil
}

func cutTo(a []Value, n int) []Value {
	if len(a) > n {
		return a[:n]
	}
	return a
}

// require knows the standard library's names; their contents are built in.
func (in *Interp) require(name string) Value {
	name = strings.TrimSuffix(name, ".rb")
	if !stdlibNames[name] && !(in.cfg.Require != nil && in.cfg.Require(name)) {
		// as in a Ruby that lacks the gem, so that a file which is ready for that goes on
		e := in.newException("LoadError", "cannot load such file -- "+name)
		e.extra = in.str(name)
		in.throw(e)
	}
	first := !in.required[name]
	in.required[name] = true
	return first
}

var stdlibNames = func() map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(`abbrev base64 benchmark bigdecimal bigdecimal/util cgi cgi/util cgi/escape coverage csv date
		delegate digest digest/md5 digest/sha1 digest/sha2 digest/sha256 English enumerator erb etc fcntl fiddle fileutils find forwardable getoptlong
		io/console io/wait ipaddr irb json json/add/core logger matrix monitor mutex_m net/ftp net/http net/https net/protocol net/smtp nkf observer
		open-uri open3 openssl optparse ostruct pathname pp prettyprint prime pstore psych pty racc rbconfig readline reline resolv rexml/document
		rinda/rinda ripper rubygems securerandom set shellwords singleton socket stringio strscan syslog tempfile thread time timeout tmpdir tracer
		tsort un unicode_normalize uri weakref win32ole yaml zlib bundler bundler/setup did_you_mean error_highlight objspace drb comparable rational complex
		continuation fiber io/nonblock digest/bubblebabble securerandom random/formatter kconv`) {
		m[n] = true
	}
	return m
}()

// libraryOfConst names the library that defines a constant which is not built in here.
var libraryOfConst = map[string]string{
	"Pathname": "pathname", "IPAddr": "ipaddr", "Resolv": "resolv", "Net": "net/http", "OpenSSL": "openssl", "CSV": "csv", "BigDecimal": "bigdecimal",
	"Tempfile": "tempfile", "FileUtils": "fileutils", "Logger": "logger", "OptionParser": "optparse", "StringIO": "stringio", "StringScanner": "strscan",
	"Timeout": "timeout", "Benchmark": "benchmark", "Forwardable": "forwardable", "Singleton": "singleton", "Delegator": "delegate", "SimpleDelegator": "delegate",
	"DelegateClass": "delegate", "Observable": "observer", "Prime": "prime", "Matrix": "matrix", "Vector": "matrix", "PStore": "pstore", "REXML": "rexml",
	"Zlib": "zlib", "Bundler": "bundler", "TSort": "tsort", "Find": "find", "PTY": "pty", "Readline": "readline", "Monitor": "monitor", "WeakRef": "weakref",
	"Abbrev": "abbrev", "CGI": "cgi", "ERB": "erb", "OpenURI": "open-uri", "Syslog": "syslog", "DateTime": "date", "Psych": "psych", "PP": "pp", "Gem": "rubygems",
	"TCPSocket": "socket", "UDPSocket": "socket", "Addrinfo": "socket", "TCPServer": "socket", "UNIXSocket": "socket", "BasicSocket": "socket",
}

func (in *Interp) toInteger(v, base Value) Value {
	switch x := v.(type) {
	case *String:
		b := 0
		if base != nil {
			b = in.argInt(base)
		}
		in.step(len(x.s) / 4)
		if len(x.s) > 10_000 {
			in.step(len(x.s) * len(x.s) / 5000)
		}
		n, ok := parseIntStrict(x.s, b)
		if !ok {
			in.raise("ArgumentError", "invalid value for Integer(): %s", in.inspect(x))
		}
		return n
	case nil:
		in.raise("TypeError", "can't convert nil into Integer")
	case int, *big.Int:
		return v
	case float64:
		return in.floatToInt(x)
	case bool:
		in.raise("TypeError", "can't convert %v into Integer", x)
	}
	for _, m := range []string{"to_int", "to_i"} {
		if in.respondTo(v, m) {
			return in.send(v, m)
		}
	}
	in.raise("TypeError", "can't convert %s into Integer", in.classOf(v).name)
	return nil
}

func parseIntStrict(s string, base int) (Value, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if len(s) > 1 && s[0] == '0' {
		b, cut := 0, 2
		switch s[1] {
		case 'x', 'X':
			b = 16
		case 'b', 'B':
			b = 2
		case 'o', 'O':
			b = 8
		case 'd', 'D':
			b = 10
		default:
			b, cut = 8, 1
			if base != 0 && base != 8 {
				b = 0
			}
		}
		if b != 0 && (base == 0 || base == b) {
			base = b
			s = s[cut:]
			if cut == 1 && strings.HasPrefix(s, "_") {
				s = s[1:]
			}
		}
	}
	if base == 0 {
		base = 10
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") || s[0] == '-' || s[0] == '+' || base < 2 || base > 36 {
		return nil, false
	}
	s = strings.ReplaceAll(s, "_", "")
	for i := 0; i < len(s); i++ {
		if digitVal(s[i]) >= base {
			return nil, false
		}
	}
	n, ok := new(big.Int).SetString(s, base)
	if !ok {
		return nil, false
	}
	if neg {
		n.Neg(n)
	}
	return normBig(n), true
}

func digitVal(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	}
	return 99
}

// parseIntPrefix is String#to_i.
func parseIntPrefix(s string, base int) Value {
	i := 0
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	neg := false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		neg = s[i] == '-'
		i++
	}
	if i+1 < len(s) && s[i] == '0' {
		c := lower(s[i+1])
		if base == 16 && c == 'x' || base == 2 && c == 'b' || base == 8 && c == 'o' || base == 10 && c == 'd' {
			i += 2
		}
	}
	var b strings.Builder
	for i < len(s) {
		if s[i] == '_' && b.Len() > 0 && i+1 < len(s) && digitVal(s[i+1]) < base {
			i++
			continue
		}
		if digitVal(s[i]) >= base {
			break
		}
		b.WriteByte(s[i])
		i++
	}
	if b.Len() == 0 {
		return 0
	}
	n, _ := new(big.Int).SetString(b.String(), base)
	if neg {
		n.Neg(n)
	}
	return normBig(n)
}

func parseFloatStrict(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Contains(s, "__") || s[0] == '_' || s[len(s)-1] == '_' || s[len(s)-1] == '.' || s[len(s)-1] == 'e' {
		return 0, false
	}
	t := strings.ReplaceAll(s, "_", "")
	u := strings.TrimLeft(t, "+-")
	if u == "" || !isDigit(u[0]) || len(t)-len(u) > 1 {
		return 0, false
	}
	for i := 0; i < len(u); i++ {
		c := u[i]
		if !(isDigit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-' || (len(u) > 1 && (u[1] == 'x' || u[1] == 'X') && digitVal(c) < 16 || c == 'x' || c == 'X' || c == 'p')) {
			return 0, false
		}
	}
	if i := strings.IndexByte(u, '.'); i >= 0 && (i+1 >= len(u) || !isDigit(u[i+1])) {
		return 0, false
	}
	if strings.HasPrefix(u, "0x") || strings.HasPrefix(u, "0X") {
		if !strings.ContainsAny(u, "pP") {
			t += "p0"
		}
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// parseFloatPrefix is String#to_f.
func parseFloatPrefix(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	start := i
	digits := func() {
		for i < len(s) && (isDigit(s[i]) || s[i] == '_' && i > start && i+1 < len(s) && isDigit(s[i+1]) && isDigit(s[i-1])) {
			i++
		}
	}
	digits()
	if i == start {
		return 0
	}
	if i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) {
		i++
		digits()
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		if j < len(s) && isDigit(s[j]) {
			i = j
			digits()
		}
	}
	f, _ := strconv.ParseFloat(strings.ReplaceAll(s[:i], "_", ""), 64)
	return f
}

// Modules and classes.

func defModule(l *library) {
	m := l.byName["Module"]
	cl := l.byName["Class"]
	m.def("name", 0, 0, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		if k.name == "" || k.attached != nil {
			return nil
		}
		return in.str(k.name)
	})
	m.def("to_s inspect", 0, 0, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		if k.name == "" {
			if k.isModule {
				return in.str("#<Module>")
			}
			return in.str("#<Class>")
		}
		return in.str(k.name)
	})
	m.def("===", 1, 1, func(in *Interp, c *call) Value { return in.isA(c.args[0], c.self.(*Class)) })
	m.def("==", 1, 1, func(in *Interp, c *call) Value { return c.self == c.args[0] })
	order := func(name string, f func(a, b *Class) Value) {
		m.def(name, 1, 1, func(in *Interp, c *call) Value {
			k, ok := c.args[0].(*Class)
			if !ok {
				in.raise("TypeError", "compared with non class/module")
			}
			return f(c.self.(*Class), k)
		})
	}
	order("<", func(a, b *Class) Value {
		if a != b && a.isA(b) {
			return true
		}
		if a == b || b.isA(a) {
			return false
		}
		return nil
	})
	order("<=", func(a, b *Class) Value {
		if a.isA(b) {
			return true
		}
		if b.isA(a) {
			return false
		}
		return nil
	})
	order(">", func(a, b *Class) Value {
		if a != b && b.isA(a) {
			return true
		}
		if a == b || a.isA(b) {
			return false
		}
		return nil
	})
	order(">=", func(a, b *Class) Value {
		if b.isA(a) {
			return true
		}
		if a.isA(b) {
			return false
		}
		return nil
	})
	m.def("<=>", 1, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Class)
		b, ok := c.args[0].(*Class)
		switch {
		case !ok:
			return nil
		case a == b:
			return 0
		case a.isA(b):
			return -1
		case b.isA(a):
			return 1
		}
		return nil
	})
	m.def("ancestors", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		for _, k := range c.self.(*Class).ancestors() {
			out = append(out, k)
		}
		return in.arr(out)
	})
	m.def("include", 1, -1, func(in *Interp, c *call) Value {
		for i := len(c.args) - 1; i >= 0; i-- {
			in.include(c.self.(*Class), in.argModule(c.args[i]))
		}
		return c.self
	})
	m.def("prepend", 1, -1, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		for _, a := range c.args {
			k.prepends = append(k.prepends, in.argModule(a))
		}
		in.resetMRO()
		return c.self
	})
	m.def("include?", 1, 1, func(in *Interp, c *call) Value {
		k, o := c.self.(*Class), in.argModule(c.args[0])
		return k != o && k.isA(o)
	})
	m.def("included_modules", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		for _, k := range c.self.(*Class).ancestors() {
			if k.isModule && k != c.self {
				out = append(out, k)
			}
		}
		return in.arr(out)
	})
	m.priv("included extended prepended inherited method_added const_added", 1, 1, func(in *Interp, c *call) Value { return nil })
	m.def("instance_methods public_instance_methods private_instance_methods", 0, 1, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		if (len(c.args) == 0 || truthy(c.args[0])) && c.name != "private_instance_methods" || in.classes[k.name] == k {
			in.unsupported(c.name + " with inherited ones")
		}
		var out []Value
		for _, n := range sortedKeys(k.methods) {
			if (k.methods[n].vis == visPrivate) == (c.name == "private_instance_methods") {
				out = append(out, Symbol(n))
			}
		}
		return in.arr(out)
	})
	m.def("instance_method", 1, 1, func(in *Interp, c *call) Value {
		name := in.argName(c.args[0])
		k := c.self.(*Class)
		mm, _ := in.lookupIn(k, name)
		if mm == nil {
			in.raiseName("NameError", name, k, "undefined method `%s' for class `%s'", name, k.name)
		}
		return &boundMethod{m: mm, name: name, unbound: true, owner: k}
	})
	m.def("method_defined? public_method_defined? private_method_defined?", 1, 2, func(in *Interp, c *call) Value {
		mm, _ := in.lookupIn(c.self.(*Class), in.argName(c.args[0]))
		if mm == nil {
			return false
		}
		switch c.name {
		case "private_method_defined?":
			return mm.vis == visPrivate
		case "public_method_defined?":
			return mm.vis == visPublic
		}
		return mm.vis != visPrivate
	})
	m.def("attr_accessor attr_reader attr_writer attr", 0, -1, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		var out []Value
		vis := visPublic
		if c.f != nil && c.f.cref.class == k {
			vis = c.f.mf.vis
		}
		for _, a := range c.args {
			name := in.argName(a)
			if !isPlainIdent(name) {
				in.raiseName("NameError", name, k, "invalid attribute name `%s'", name)
			}
			iv := "@" + name
			if c.name != "attr_writer" {
				in.addMethod(k, name, &method{name: name, vis: vis, bi: func(in *Interp, c *call) Value { return in.ivarGet(c.self, iv) }})
				out = append(out, Symbol(name))
			}
			if c.name == "attr_writer" || c.name == "attr_accessor" {
				in.addMethod(k, name+"=", &method{name: name + "=", vis: vis, min: 1, max: 1, bi: func(in *Interp, c *call) Value {
					in.ivarSet(c.self, iv, c.args[0])
					return c.args[0]
				}})
				out = append(out, Symbol(name+"="))
			}
		}
		return in.arr(out)
	})
	m.def("define_method", 1, 2, func(in *Interp, c *call) Value { return in.defineMethod(c.self.(*Class), c) })
	m.def("alias_method", 2, 2, func(in *Interp, c *call) Value {
		in.aliasMethod(c.self.(*Class), in.argName(c.args[0]), in.argName(c.args[1]))
		return Symbol(in.argName(c.args[0]))
	})
	m.def("remove_method undef_method", 0, -1, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		for _, a := range c.args {
			name := in.argName(a)
			if c.name == "undef_method" {
				in.addMethod(k, name, &method{name: name, undef: true})
				continue
			}
			if _, ok := k.methods[name]; !ok {
				in.raiseName("NameError", name, k, "method `%s' not defined in %s", name, k.name)
			}
			delete(k.methods, name)
			in.changed()
		}
		return k
	})
	m.def("private public protected module_function", 0, -1, func(in *Interp, c *call) Value {
		return in.setVisibility(c.self.(*Class), c)
	})
	m.def("private_class_method public_class_method", 0, -1, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		for _, a := range flattenArgs(c.args) {
			name := in.argName(a)
			mm, _ := in.findClassMethod(k, name)
			if mm == nil {
				in.raiseName("NameError", name, k, "undefined method `%s' for class `%s'", name, k.name)
			}
			cp := *mm
			cp.vis = visPublic
			if c.name == "private_class_method" {
				cp.vis = visPrivate
			}
			in.addMethod(in.singletonOf(k), name, &cp)
		}
		return nil
	})
	m.def("private_constant public_constant", 0, -1, func(in *Interp, c *call) Value { return nil })
	m.def("const_get", 1, 2, func(in *Interp, c *call) Value {
		var v Value = c.self
		for _, n := range strings.Split(in.argName(c.args[0]), "::") {
			k, ok := v.(*Class)
			if n == "" || n[0] < 'A' || n[0] > 'Z' {
				in.raiseName("NameError", n, c.self, "wrong constant name %s", n)
			}
			if !ok {
				in.raise("TypeError", "%s does not refer to class/module", in.inspect(v))
			}
			w, found := in.findConst(k, n)
			if !found {
				w, found = in.classConst(in.cObject, n)
			}
			if !found {
				w = in.missingConst(k, n)
			}
			v = w
		}
		return v
	})
	m.def("const_set", 2, 2, func(in *Interp, c *call) Value {
		name := in.argName(c.args[0])
		if name == "" || name[0] < 'A' || name[0] > 'Z' {
			in.raiseName("NameError", name, c.self, "wrong constant name %s", name)
		}
		in.alloc(100)
		in.defConst(c.self.(*Class), name, c.args[1])
		return c.args[1]
	})
	m.def("const_defined?", 1, 2, func(in *Interp, c *call) Value {
		name := in.argName(c.args[0])
		k := c.self.(*Class)
		if in.hasConst(k, name) {
			return true
		}
		_, ok := in.classConst(in.cObject, name)
		return ok
	})
	m.def("constants", 0, 1, func(in *Interp, c *call) Value {
		var out []Value
		for _, n := range c.self.(*Class).constSeq {
			out = append(out, Symbol(n))
		}
		return in.arr(out)
	})
	m.def("remove_const", 1, 1, func(in *Interp, c *call) Value {
		k, name := c.self.(*Class), in.argName(c.args[0])
		v, ok := k.consts[name]
		if !ok {
			in.raiseName("NameError", name, k, "constant %s not defined", name)
		}
		delete(k.consts, name)
		for i, n := range k.constSeq {
			if n == name {
				k.constSeq = append(k.constSeq[:i:i], k.constSeq[i+1:]...)
				break
			}
		}
		return v
	})
	m.def("class_variable_get", 1, 1, func(in *Interp, c *call) Value {
		for _, k := range c.self.(*Class).ancestors() {
			if v, ok := k.cvars[in.argName(c.args[0])]; ok {
				return v
			}
		}
		in.raise("NameError", "uninitialized class variable %s in %s", in.argName(c.args[0]), c.self.(*Class).name)
		return nil
	})
	m.def("class_variable_set", 2, 2, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		if k.cvars == nil {
			k.cvars = map[string]Value{}
		}
		in.alloc(100)
		k.cvars[in.argName(c.args[0])] = c.args[1]
		return c.args[1]
	})
	m.def("class_variable_defined?", 1, 1, func(in *Interp, c *call) Value {
		for _, k := range c.self.(*Class).ancestors() {
			if _, ok := k.cvars[in.argName(c.args[0])]; ok {
				return true
			}
		}
		return false
	})
	m.def("class_eval module_eval class_exec module_exec", 0, -1, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		if c.blk == nil || c.blk.bi != nil {
			in.unsupported(c.name + " of a string")
		}
		args := c.args
		if strings.HasSuffix(c.name, "eval") {
			args = []Value{k}
		}
		return in.runBlock(c.blk, k, args, false, nil, k, nil)
	})
	m.def("refine", 1, 1, func(in *Interp, c *call) Value { in.unsupported("refinements"); return nil })
	m.sdef("new", 0, 0, func(in *Interp, c *call) Value {
		k := in.newClass("", nil, true)
		if c.blk != nil {
			in.runBlock(c.blk, k, []Value{k}, false, nil, k, nil)
		}
		return k
	})

	cl.sdef("new", 0, 1, func(in *Interp, c *call) Value {
		var super *Class
		if len(c.args) > 0 {
			super = in.argClass(c.args[0])
			if super.isModule {
				in.raise("TypeError", "superclass must be a Class (Module given)")
			}
		}
		k := in.newClass("", super, false)
		if super != nil {
			in.inherited(super, k)
		}
		if c.blk != nil {
			in.runBlock(c.blk, k, []Value{k}, false, nil, k, nil)
		}
		return k
	})
	cl.def("new", 0, -1, func(in *Interp, c *call) Value {
		k := c.self.(*Class)
		o := in.allocate(k)
		m, _ := in.findMethod(o, "initialize")
		if m != nil {
			if m.bi != nil && m.owner == nil && m == stdlib().byName["BasicObject"].methods["initialize"] {
				if len(c.args) > 0 {
					in.argError(len(c.args), 0, 0)
				}
				return o
			}
			in.invoke(c.f, m, o, "initialize", c.args, c.kw, c.blk, true)
		}
		return o
	})
	cl.def("allocate", 0, 0, func(in *Interp, c *call) Value { return in.allocate(c.self.(*Class)) })
	cl.def("superclass", 0, 0, func(in *Interp, c *call) Value {
		if s := c.self.(*Class).super; s != nil {
			return s
		}
		return nil
	})
}

// allocate makes an empty instance.
func (in *Interp) allocate(k *Class) Value {
	in.alloc(100)
	for s := k; s != nil; s = s.super {
		if in.classes[s.name] != s {
			continue
		}
		if s.isA(in.classes["Exception"]) {
			return &Exception{Object: Object{class: k}}
		}
		switch s.name {
		case "Object", "BasicObject", "OpenStruct", "Set":
			return &Object{class: k}
		case "String", "Array", "Hash", "Integer", "Float", "Symbol", "NilClass", "TrueClass", "FalseClass", "Proc", "Regexp", "Range", "Time", "Date", "Class", "Module", "Method", "MatchData", "Numeric", "IO", "File", "Dir":
			if s == k || s.name == "Integer" || s.name == "Float" || s.name == "Symbol" {
				in.raiseName("NoMethodError", "new", k, "undefined method `new' for %s:Class", k.name)
			}
			in.unsupported("a subclass of " + s.name)
		default:
			in.unsupported("an instance of " + s.name + " made with new or allocate")
		}
	}
	return &Object{class: k}
}

func (in *Interp) include(k, m *Class) {
	for _, i := range k.includes {
		if i == m {
			return
		}
	}
	if m.isA(k) {
		in.raise("ArgumentError", "cyclic include detected")
	}
	in.alloc(100)
	k.includes = append(k.includes, m)
	in.resetMRO()
	k.mroCache = nil
	if h, _ := in.findMethod(m, "included"); h != nil && h.fn != nil {
		in.send(m, "included", k)
	}
}

func flattenArgs(args []Value) []Value {
	if len(args) == 1 {
		if a, ok := args[0].(*Array); ok {
			return a.a
		}
	}
	return args
}

func (in *Interp) setVisibility(k *Class, c *call) Value {
	vis := visPublic
	switch c.name {
	case "private":
		vis = visPrivate
	case "protected":
		vis = visProtected
	}
	if len(c.args) == 0 {
		if c.f != nil {
			c.f.mf.vis = vis
			c.f.mf.modfn = c.name == "module_function"
		}
		return nil
	}
	for _, a := range flattenArgs(c.args) {
		name := in.argName(a)
		m, _ := in.lookupIn(k, name)
		if m == nil {
			in.raiseName("NameError", name, k, "undefined method `%s' for class `%s'", name, k.name)
		}
		cp := *m
		if c.name == "module_function" {
			in.addMethod(in.singletonOf(k), name, &cp)
			continue
		}
		cp.vis = vis
		in.addMethod(k, name, &cp)
	}
	if len(c.args) == 1 {
		return c.args[0]
	}
	return in.arr(c.args)
}

func (in *Interp) defineMethod(k *Class, c *call) Value {
	name := in.argName(c.args[0])
	m := &method{name: name, max: -1}
	switch x := c.opt(1).(type) {
	case nil:
		m.proc = in.needBlock(c)
	case *Proc:
		m.proc = x
	case *boundMethod:
		if owner := x.owner; owner != nil && !k.isA(owner) || owner == nil && !k.isA(in.classOf(x.recv)) {
			in.raise("TypeError", "bind argument must be a subclass of the method's owner")
		}
		cp := *x.m
		cp.name = name
		m = &cp
	default:
		in.raise("TypeError", "wrong argument type %s (expected Proc/Method/UnboundMethod)", in.classOf(x).name)
	}
	in.addMethod(k, name, m)
	return Symbol(name)
}
