package ruby

import (
	"math"
	"math/big"
	"strings"
)

// enumerator is an Enumerator: a method call whose block comes later, or a generator.
type enumerator struct {
	recv Value
	meth string
	args []Value
	kw   bool
	gen  *Proc // Enumerator.new { |y| … }
	lazy bool
	ops  []lazyOp
	pos  int // of next
	size Value
}

type lazyOp struct {
	kind string
	blk  *Proc
	n    int
}

// enum is what a method returns that was called without its block.
func (in *Interp) enum(c *call) Value {
	in.alloc(100)
	return &enumerator{recv: c.self, meth: c.name, args: c.args, kw: c.kw}
}

// pack makes one value of what a block was given.
func (in *Interp) pack(args []Value) Value {
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	}
	return in.arr(append([]Value(nil), args...))
}

// each calls fn for the elements of anything enumerable until fn returns false.
func (in *Interp) each(v Value, fn func(x Value) bool) {
	switch x := v.(type) {
	case *Array:
		for i := 0; i < len(x.a); i++ {
			in.step(1)
			if !fn(x.a[i]) {
				return
			}
		}
		return
	case *Hash:
		for i := 0; i < len(x.entries); i++ {
			if e := x.entries[i]; !e.dead {
				in.step(1)
				if !fn(in.pair(e.k, e.v)) {
					return
				}
			}
		}
		return
	case *Range:
		in.eachRange(x, fn)
		return
	case *enumerator:
		if x.gen == nil && !x.lazy {
			if _, user := x.recv.(*Object); x.meth == "each" && len(x.args) == 0 && !user {
				in.each(x.recv, fn)
				return
			}
		}
	case *envObject:
		for _, n := range in.env.Names() {
			in.step(1)
			in.noteEnv(n)
			if !fn(in.pair(in.envStr(n), in.envStr(in.env.Get(n)))) {
				return
			}
		}
		return
	}
	tag := new(int)
	_, p := in.protect(func() Value {
		blk := &Proc{arity: -1, bi: func(in *Interp, args []Value, _ *Proc) Value {
			if !fn(in.pack(args)) {
				panic(&jump{kind: jStop, tag: tag})
			}
			return nil
		}}
		in.runEach(v, blk)
		return nil
	})
	if p != nil {
		if j, ok := p.(*jump); ok && j.kind == jStop && j.tag == any(tag) {
			return
		}
		panic(p)
	}
}

// runEach calls v's each with a block.
func (in *Interp) runEach(v Value, blk *Proc) Value {
	if e, ok := v.(*enumerator); ok {
		return in.runEnum(e, blk)
	}
	return in.invokeNamed(nil, v, "each", nil, false, blk, true)
}

func (in *Interp) runEnum(e *enumerator, blk *Proc) Value {
	in.depth += 5
	if in.depth > in.limits.Depth {
		in.tooDeep()
	}
	defer func() { in.depth -= 5 }()
	if e.lazy {
		in.eachLazy(e, func(x Value) bool { in.yield(blk, x); return true })
		return e
	}
	if e.gen != nil {
		y := &Object{class: in.classes["Enumerator::Yielder"], data: blk}
		return in.yield(e.gen, y)
	}
	return in.invokeNamed(nil, e.recv, e.meth, e.args, e.kw, blk, true)
}

func (in *Interp) eachLazy(e *enumerator, fn func(Value) bool) {
	type state struct {
		n    int
		done bool
	}
	st := make([]state, len(e.ops))
	var push func(i int, x Value) bool
	push = func(i int, x Value) bool {
		for ; i < len(e.ops); i++ {
			op := e.ops[i]
			switch op.kind {
			case "map":
				x = in.yield(op.blk, x)
			case "select":
				if !in.yieldBool(op.blk, x) {
					return true
				}
			case "reject":
				if in.yieldBool(op.blk, x) {
					return true
				}
			case "filter_map":
				if x = in.yield(op.blk, x); !truthy(x) {
					return true
				}
			case "take_while":
				if !in.yieldBool(op.blk, x) {
					return false
				}
			case "drop_while":
				if !st[i].done {
					if in.yieldBool(op.blk, x) {
						return true
					}
					st[i].done = true
				}
			case "take":
				if st[i].n++; st[i].n > op.n {
					return false
				}
				if st[i].n == op.n {
					push(i+1, x)
					return false
				}
			case "drop":
				if st[i].n++; st[i].n <= op.n {
					return true
				}
			case "with_index":
				k := st[i].n + op.n
				st[i].n++
				if op.blk != nil {
					in.yield(op.blk, x, k)
				} else {
					x = in.arr([]Value{x, k})
				}
			case "flat_map":
				v := in.yield(op.blk, x)
				if a, ok := v.(*Array); ok {
					for _, y := range a.a {
						if !push(i+1, y) {
							return false
						}
					}
					return true
				}
				x = v
			}
		}
		return fn(x)
	}
	for _, op := range e.ops {
		if op.kind == "take" && op.n == 0 {
			return
		}
	}
	in.each(e.recv, func(x Value) bool { return push(0, x) })
}

// toA collects the elements of anything enumerable.
func (in *Interp) toA(v Value) []Value {
	if a, ok := v.(*Array); ok {
		return a.a
	}
	var out []Value
	in.each(v, func(x Value) bool {
		in.alloc(24)
		out = append(out, x)
		return true
	})
	return out
}

func defEnumerable(l *library) {
	d := l.byName["Enumerable"]
	d.def("to_a entries", 0, -1, func(in *Interp, c *call) Value {
		in.noEachArgs(c)
		return in.arr(append([]Value(nil), in.toA(c.self)...))
	})
	d.def("map collect", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var out []Value
		in.each(c.self, func(x Value) bool {
			in.alloc(24)
			if a, ok := x.(*Array); ok && c.blk.lambda && c.blk.fn != nil && c.blk.nparams() > 1 {
				out = append(out, in.yield(c.blk, a.a...))
				return true
			}
			out = append(out, in.yield(c.blk, x))
			return true
		})
		return in.arr(out)
	})
	d.def("flat_map collect_concat", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var out []Value
		in.each(c.self, func(x Value) bool {
			v := in.yield(c.blk, x)
			if a, ok := v.(*Array); ok {
				in.alloc(16 * len(a.a))
				out = append(out, a.a...)
			} else {
				in.alloc(24)
				out = append(out, v)
			}
			return true
		})
		return in.arr(out)
	})
	filter := func(names string, keep bool) {
		d.def(names, 0, 0, func(in *Interp, c *call) Value {
			if c.blk == nil {
				return in.enum(c)
			}
			var out []Value
			in.each(c.self, func(x Value) bool {
				if in.yieldBool(c.blk, x) == keep {
					in.alloc(24)
					out = append(out, x)
				}
				return true
			})
			return in.arr(out)
		})
	}
	filter("select filter find_all", true)
	filter("reject", false)
	d.def("filter_map", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var out []Value
		in.each(c.self, func(x Value) bool {
			if v := in.yield(c.blk, x); truthy(v) {
				in.alloc(24)
				out = append(out, v)
			}
			return true
		})
		return in.arr(out)
	})
	d.def("partition", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var a, b []Value
		in.each(c.self, func(x Value) bool {
			if in.yieldBool(c.blk, x) {
				a = append(a, x)
			} else {
				b = append(b, x)
			}
			return true
		})
		return in.arr([]Value{in.arr(a), in.arr(b)})
	})
	d.def("find detect", 0, 1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var found Value
		ok := false
		in.each(c.self, func(x Value) bool {
			if in.yieldBool(c.blk, x) {
				found, ok = x, true
				return false
			}
			return true
		})
		if !ok && c.opt(0) != nil {
			return in.send(c.args[0], "call")
		}
		return found
	})
	d.def("find_index", 0, 1, func(in *Interp, c *call) Value {
		if c.blk == nil && len(c.args) == 0 {
			return in.enum(c)
		}
		i, at := 0, -1
		in.each(c.self, func(x Value) bool {
			if len(c.args) > 0 && in.equal(x, c.args[0]) || len(c.args) == 0 && in.yieldBool(c.blk, x) {
				at = i
				return false
			}
			i++
			return true
		})
		if at < 0 {
			return nil
		}
		return at
	})
	d.def("each_with_index", 0, -1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.noEachArgs(c)
		i := 0
		in.each(c.self, func(x Value) bool {
			in.yield(c.blk, x, i)
			i++
			return true
		})
		return c.self
	})
	d.def("each_entry", 0, -1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.each(c.self, func(x Value) bool { in.yield(c.blk, x); return true })
		return c.self
	})
	d.def("reverse_each", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		a := in.toA(c.self)
		for i := len(a) - 1; i >= 0; i-- {
			in.yield(c.blk, a[i])
		}
		return c.self
	})
	d.def("each_with_object", 1, 1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.each(c.self, func(x Value) bool { in.yield(c.blk, x, c.args[0]); return true })
		return c.args[0]
	})
	d.def("inject reduce", 0, 2, func(in *Interp, c *call) Value {
		var acc Value
		has := false
		op := ""
		switch len(c.args) {
		case 2:
			acc, has, op = c.args[0], true, in.argName(c.args[1])
		case 1:
			if c.blk == nil {
				op = in.argName(c.args[0])
			} else {
				acc, has = c.args[0], true
			}
		}
		in.each(c.self, func(x Value) bool {
			switch {
			case !has:
				acc, has = x, true
			case op != "":
				acc = in.invokeNamed(c.f, acc, op, []Value{x}, false, nil, false)
			default:
				acc = in.yield(in.needBlock(c), acc, x)
			}
			return true
		})
		return acc
	})
	d.def("sum", 0, 1, func(in *Interp, c *call) Value {
		var acc Value = 0
		if len(c.args) > 0 {
			acc = c.args[0]
		}
		comp, isFloat := 0.0, false
		in.each(c.self, func(x Value) bool {
			if c.blk != nil {
				x = in.yield(c.blk, x)
			}
			// Kahan-Babuska summation, as Ruby does
			switch acc.(type) {
			case int, *big.Int, float64:
				_, xf := x.(float64)
				_, af := acc.(float64)
				if !xf && !af {
					break
				}
				switch x.(type) {
				case int, *big.Int, float64:
				default:
					acc = in.invokeNamed(nil, acc, "+", []Value{x}, false, nil, false)
					return true
				}
				isFloat = true
				f, g := in.toFloat(acc), in.toFloat(x)
				t := f + g
				if math.IsInf(t, 0) || math.IsNaN(t) {
					acc = t
					return true
				}
				if math.Abs(f) >= math.Abs(g) {
					comp += (f - t) + g
				} else {
					comp += (g - t) + f
				}
				acc = t
				return true
			}
			acc = in.invokeNamed(nil, acc, "+", []Value{x}, false, nil, false)
			return true
		})
		if f, ok := acc.(float64); ok && isFloat {
			return f + comp
		}
		return acc
	})
	d.def("count", 0, 1, func(in *Interp, c *call) Value {
		n := 0
		in.each(c.self, func(x Value) bool {
			if len(c.args) > 0 && in.equal(x, c.args[0]) || len(c.args) == 0 && (c.blk == nil || in.yieldBool(c.blk, x)) {
				n++
			}
			return true
		})
		return n
	})
	test := func(name string) {
		d.def(name, 0, 1, func(in *Interp, c *call) Value {
			n, hits := 0, 0
			in.each(c.self, func(x Value) bool {
				var ok bool
				switch {
				case len(c.args) > 0:
					ok = in.caseEq(c.args[0], x, c.f)
				case c.blk != nil:
					ok = in.yieldBool(c.blk, x)
				default:
					ok = truthy(x)
				}
				n++
				if ok {
					hits++
				}
				switch name {
				case "all?":
					return ok
				case "any?", "none?":
					return !ok
				}
				return hits < 2
			})
			switch name {
			case "all?":
				return hits == n
			case "any?":
				return hits > 0
			case "none?":
				return hits == 0
			}
			return hits == 1
		})
	}
	test("all?")
	test("any?")
	test("none?")
	test("one?")
	d.def("include? member?", 1, 1, func(in *Interp, c *call) Value {
		found := false
		in.each(c.self, func(x Value) bool {
			found = in.equal(x, c.args[0])
			return !found
		})
		return found
	})
	d.def("first", 0, 1, func(in *Interp, c *call) Value {
		if len(c.args) == 0 {
			var v Value
			in.each(c.self, func(x Value) bool { v = x; return false })
			return v
		}
		return in.takeN(c.self, in.argInt(c.args[0]))
	})
	d.def("take", 1, 1, func(in *Interp, c *call) Value { return in.takeN(c.self, in.argInt(c.args[0])) })
	d.def("take_while", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var out []Value
		in.each(c.self, func(x Value) bool {
			if !in.yieldBool(c.blk, x) {
				return false
			}
			out = append(out, x)
			return true
		})
		return in.arr(out)
	})
	d.def("drop", 1, 1, func(in *Interp, c *call) Value {
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "attempt to drop negative size")
		}
		a := in.toA(c.self)
		if n > len(a) {
			n = len(a)
		}
		return in.arr(append([]Value(nil), a[n:]...))
	})
	d.def("drop_while", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var out []Value
		dropping := true
		in.each(c.self, func(x Value) bool {
			if dropping && in.yieldBool(c.blk, x) {
				return true
			}
			dropping = false
			out = append(out, x)
			return true
		})
		return in.arr(out)
	})
	d.def("sort", 0, 0, func(in *Interp, c *call) Value {
		a := append([]Value(nil), in.toA(c.self)...)
		in.sortWith(a, c.blk)
		return in.arr(a)
	})
	d.def("sort_by", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		return in.arr(in.sortBy(in.toA(c.self), c.blk))
	})
	d.def("min max", 0, 1, func(in *Interp, c *call) Value {
		n := -1
		if len(c.args) > 0 && c.args[0] != nil {
			if n = in.argInt(c.args[0]); n < 0 {
				in.raise("ArgumentError", "negative size (%d)", n)
			}
		}
		a := in.toA(c.self)
		sign := 1
		if c.name == "max" {
			sign = -1
		}
		cmp := func(x, y Value) int { return sign * in.cmpWith(x, y, c.blk) }
		if n >= 0 {
			b := append([]Value(nil), a...)
			in.sortValues(b, cmp)
			if n > len(b) {
				n = len(b)
			}
			return in.arr(b[:n])
		}
		return in.best(a, cmp, c.blk != nil)
	})
	d.def("min_by max_by", 0, 1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		sign := 1
		if c.name == "max_by" {
			sign = -1
		}
		if len(c.args) > 0 {
			a := in.sortBy(in.toA(c.self), c.blk)
			if sign < 0 {
				reverse(a)
			}
			n := in.argInt(c.args[0])
			if n > len(a) {
				n = len(a)
			}
			return in.arr(a[:n])
		}
		var best, key Value
		first := true
		in.each(c.self, func(x Value) bool {
			k := in.yield(c.blk, x)
			if first || sign*in.mustCompare(k, key) < 0 {
				best, key, first = x, k, false
			}
			return true
		})
		return best
	})
	d.def("minmax", 0, 0, func(in *Interp, c *call) Value {
		a := in.toA(c.self)
		cmp := func(x, y Value) int { return in.cmpWith(x, y, c.blk) }
		return in.arr([]Value{in.best(a, cmp, c.blk != nil), in.best(a, func(x, y Value) int { return -cmp(x, y) }, c.blk != nil)})
	})
	d.def("minmax_by", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		var lo, hi, loKey, hiKey Value
		first := true
		in.each(c.self, func(x Value) bool {
			k := in.yield(c.blk, x)
			if first || in.mustCompare(k, loKey) < 0 {
				lo, loKey = x, k
			}
			if first || in.mustCompare(k, hiKey) > 0 {
				hi, hiKey = x, k
			}
			first = false
			return true
		})
		return in.arr([]Value{lo, hi})
	})
	d.def("group_by", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		h := NewHash()
		in.each(c.self, func(x Value) bool {
			k := in.yield(c.blk, x)
			if v, ok := h.get(in.hashKey(h, k)); ok {
				in.push(v.(*Array), x)
			} else {
				in.hset(h, k, in.arr([]Value{x}))
			}
			return true
		})
		return h
	})
	d.def("tally", 0, 1, func(in *Interp, c *call) Value {
		h := NewHash()
		if len(c.args) > 0 {
			h = in.changeHash(in.argHash(c.args[0]))
		}
		in.each(c.self, func(x Value) bool {
			v, _ := h.get(in.hashKey(h, x))
			n, _ := v.(int)
			in.hset(h, x, n+1)
			return true
		})
		return h
	})
	d.def("to_h", 0, -1, func(in *Interp, c *call) Value {
		in.noEachArgs(c)
		h := NewHash()
		in.each(c.self, func(x Value) bool {
			if c.blk != nil {
				x = in.yield(c.blk, x)
			}
			p, ok := x.(*Array)
			if !ok {
				in.raise("TypeError", "wrong element type %s (expected array)", in.classOf(x).name)
			}
			if len(p.a) != 2 {
				in.raise("ArgumentError", "element has wrong array length (expected 2, was %d)", len(p.a))
			}
			in.hset(h, p.a[0], p.a[1])
			return true
		})
		return h
	})
	d.def("to_set", 0, 0, func(in *Interp, c *call) Value { return in.newSet(in.toA(c.self)) })
	d.def("uniq", 0, 0, func(in *Interp, c *call) Value { return in.arr(in.uniq(in.toA(c.self), c.blk)) })
	d.def("zip", 0, -1, func(in *Interp, c *call) Value {
		var others [][]Value
		a := in.toA(c.self)
		for _, o := range c.args {
			if r, ok := o.(*Range); ok && r.Hi == nil {
				t := in.takeN(o, len(a)).(*Array)
				others = append(others, t.a)
				continue
			}
			if !in.respondTo(o, "each") {
				in.raise("TypeError", "wrong argument type %s (must respond to :each)", in.classOf(o).name)
			}
			others = append(others, in.toA(o))
		}
		var out []Value
		for i, x := range a {
			row := []Value{x}
			for _, o := range others {
				if i < len(o) {
					row = append(row, o[i])
				} else {
					row = append(row, nil)
				}
			}
			v := in.arr(row)
			if c.blk != nil {
				in.yield(c.blk, v)
			} else {
				out = append(out, v)
			}
		}
		if c.blk != nil {
			return nil
		}
		return in.arr(out)
	})
	d.def("each_slice each_cons", 1, 1, func(in *Interp, c *call) Value {
		n := in.argInt(c.args[0])
		if n <= 0 {
			in.raise("ArgumentError", "invalid size")
		}
		if c.blk == nil {
			return in.enum(c)
		}
		a := in.toA(c.self)
		if c.name == "each_slice" {
			for i := 0; i < len(a); i += n {
				e := i + n
				if e > len(a) {
					e = len(a)
				}
				in.yield(c.blk, in.arr(append([]Value(nil), a[i:e]...)))
			}
			return c.self
		}
		for i := 0; i+n <= len(a); i++ {
			in.yield(c.blk, in.arr(append([]Value(nil), a[i:i+n]...)))
		}
		return c.self
	})
	d.def("chunk_while slice_when", 0, 0, func(in *Interp, c *call) Value {
		blk := c.blk
		if blk == nil {
			in.raise("ArgumentError", "wrong number of arguments (given 0, expected 1)")
		}
		var out []Value
		var cur []Value
		for i, x := range in.toA(c.self) {
			if i > 0 && in.yieldBool(blk, cur[len(cur)-1], x) != (c.name == "chunk_while") {
				out = append(out, in.arr(cur))
				cur = nil
			}
			cur = append(cur, x)
		}
		if cur != nil {
			out = append(out, in.arr(cur))
		}
		return &enumerator{recv: in.arr(out), meth: "each"}
	})
	d.def("chunk", 0, 0, func(in *Interp, c *call) Value {
		blk := in.needBlock(c)
		var out []Value
		var cur []Value
		var key Value
		for i, x := range in.toA(c.self) {
			k := in.yield(blk, x)
			if i > 0 && !in.equal(k, key) {
				out = append(out, in.arr([]Value{key, in.arr(cur)}))
				cur = nil
			}
			key = k
			cur = append(cur, x)
		}
		if cur != nil {
			out = append(out, in.arr([]Value{key, in.arr(cur)}))
		}
		return &enumerator{recv: in.arr(out), meth: "each"}
	})
	d.def("cycle", 0, 1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		a := in.toA(c.self)
		n := -1
		if len(c.args) > 0 && c.args[0] != nil {
			n = in.argInt(c.args[0])
		}
		for len(a) > 0 && n != 0 {
			for _, x := range a {
				in.yield(c.blk, x)
			}
			n--
		}
		return nil
	})
	d.def("lazy", 0, 0, func(in *Interp, c *call) Value { return &enumerator{recv: c.self, lazy: true} })
	d.def("grep grep_v", 1, 1, func(in *Interp, c *call) Value {
		var out []Value
		in.each(c.self, func(x Value) bool {
			if in.caseEq(c.args[0], x, c.f) != (c.name == "grep") {
				return true
			}
			if c.blk != nil {
				x = in.yield(c.blk, x)
			}
			in.alloc(24)
			out = append(out, x)
			return true
		})
		return in.arr(out)
	})
	d.def("compact", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		in.each(c.self, func(x Value) bool {
			if x != nil {
				out = append(out, x)
			}
			return true
		})
		return in.arr(out)
	})

	e := l.class("Enumerator", "Object", "Enumerable")
	lz := l.class("Enumerator::Lazy", "Enumerator")
	l.class("Enumerator::ArithmeticSequence", "Enumerator")
	yl := l.class("Enumerator::Yielder", "Object")
	yl.def("<< yield call", 0, -1, func(in *Interp, c *call) Value {
		v := in.yield(c.self.(*Object).data.(*Proc), c.args...)
		if c.name == "<<" {
			return c.self
		}
		return v
	})
	e.sdef("new", 0, 1, func(in *Interp, c *call) Value {
		en := &enumerator{gen: in.needBlock(c)}
		if len(c.args) > 0 {
			en.size = c.args[0]
		}
		return en
	})
	e.def("each", 0, -1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return c.self
		}
		return in.runEnum(c.self.(*enumerator), c.blk)
	})
	e.def("with_index each_with_index", 0, 1, func(in *Interp, c *call) Value {
		off := 0
		if len(c.args) > 0 && c.args[0] != nil {
			off = in.argInt(c.args[0])
		}
		if c.blk == nil {
			return in.enum(c)
		}
		i := off
		return in.runEach(c.self, &Proc{arity: -1, bi: func(in *Interp, args []Value, _ *Proc) Value {
			i++
			return in.yield(c.blk, in.pack(args), i-1)
		}})
	})
	e.def("with_object each_with_object", 1, 1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.runEach(c.self, &Proc{arity: -1, bi: func(in *Interp, args []Value, _ *Proc) Value {
			return in.yield(c.blk, in.pack(args), c.args[0])
		}})
		return c.args[0]
	})
	e.def("next peek", 0, 0, func(in *Interp, c *call) Value {
		en := c.self.(*enumerator)
		i := 0
		var v Value
		ok := false
		in.each(en, func(x Value) bool {
			if i == en.pos {
				v, ok = x, true
				return false
			}
			i++
			return true
		})
		if !ok {
			in.raise("StopIteration", "iteration reached an end")
		}
		if c.name == "next" {
			en.pos++
		}
		return v
	})
	e.def("rewind", 0, 0, func(in *Interp, c *call) Value { c.self.(*enumerator).pos = 0; return c.self })
	e.def("size", 0, 0, func(in *Interp, c *call) Value {
		en := c.self.(*enumerator)
		if en.gen != nil || en.lazy {
			return en.size
		}
		switch en.meth {
		case "each", "map", "each_with_index", "select", "each_char", "chars", "times", "with_index", "collect", "reject", "filter", "each_with_object", "flat_map", "sort_by", "group_by", "each_index", "each_pair", "each_key", "each_value":
			return len(in.toA(en))
		case "loop":
			return math.Inf(1)
		}
		in.unsupported("Enumerator#size after " + en.meth)
		return nil
	})
	e.def("+", 1, 1, func(in *Interp, c *call) Value {
		return &enumerator{recv: in.arr(append(append([]Value(nil), in.toA(c.self)...), in.toA(c.args[0])...)), meth: "each"}
	})
	e.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		en := c.self.(*enumerator)
		if en.lazy {
			return in.str("#<Enumerator::Lazy: " + in.inspect(en.recv) + ">")
		}
		if en.gen != nil {
			return in.str("#<Enumerator: #<Enumerator::Generator>:each>")
		}
		if en.arithmetic() {
			recv := in.inspect(en.recv)
			if _, ok := en.recv.(*Range); ok {
				recv = "(" + recv + ")"
			}
			var a []string
			for _, x := range en.args {
				if h, ok := x.(*Hash); ok && en.kw {
					h.Each(func(k, v Value) bool { a = append(a, in.toS(k)+": "+in.inspect(v)); return true })
					continue
				}
				a = append(a, in.inspect(x))
			}
			s := "(" + recv + "." + en.meth
			if len(a) > 0 {
				s += "(" + strings.Join(a, ", ") + ")"
			}
			return in.str(s + ")")
		}
		s := "#<Enumerator: " + in.inspect(en.recv) + ":" + en.meth
		if len(en.args) > 0 {
			var a []string
			for i, x := range en.args {
				if h, ok := x.(*Hash); ok && i == len(en.args)-1 && h.live > 0 && allSymbols(h) {
					h.Each(func(k, v Value) bool { a = append(a, in.toS(k)+": "+in.inspect(v)); return true })
					continue
				}
				a = append(a, in.inspect(x))
			}
			s += "(" + strings.Join(a, ", ") + ")"
		}
		return in.str(s + ">")
	})
	for _, kinds := range []string{"map collect", "select filter find_all", "reject", "filter_map", "take_while", "drop_while", "flat_map collect_concat"} {
		kind := strings.Fields(kinds)[0]
		lz.def(kinds, 0, 0, func(in *Interp, c *call) Value {
			return c.self.(*enumerator).with(lazyOp{kind: kind, blk: in.needBlock(c)})
		})
	}
	for _, kind := range []string{"take", "drop"} {
		kind := kind
		lz.def(kind, 1, 1, func(in *Interp, c *call) Value {
			n := in.argInt(c.args[0])
			if n < 0 {
				in.raise("ArgumentError", "attempt to %s negative size", kind)
			}
			return c.self.(*enumerator).with(lazyOp{kind: kind, n: n})
		})
	}
	lz.def("with_index each_with_index", 0, 1, func(in *Interp, c *call) Value {
		n := 0
		if len(c.args) > 0 && c.args[0] != nil {
			n = in.argInt(c.args[0])
		}
		return c.self.(*enumerator).with(lazyOp{kind: "with_index", n: n, blk: c.blk})
	})
	lz.def("force", 0, 0, func(in *Interp, c *call) Value { return in.arr(in.toA(c.self)) })
	lz.def("lazy", 0, 0, func(in *Interp, c *call) Value { return c.self })
	lz.def("eager", 0, 0, func(in *Interp, c *call) Value { return &enumerator{recv: in.arr(in.toA(c.self)), meth: "each"} })
	for _, n := range strings.Fields("zip uniq compact grep grep_v each_slice each_cons chunk_while slice_when") {
		n := n
		lz.def(n, 0, -1, func(in *Interp, c *call) Value { in.unsupported("Enumerator::Lazy#" + n); return nil })
	}
}

// arithmetic tells whether it is a row of numbers made by step.
func (e *enumerator) arithmetic() bool {
	if e.meth != "step" && e.meth != "%" {
		return false
	}
	v := e.recv
	if r, ok := v.(*Range); ok {
		v = r.Lo
	}
	switch v.(type) {
	case int, float64, *big.Int:
		return true
	}
	return false
}

func allSymbols(h *Hash) bool {
	ok := true
	h.Each(func(k, _ Value) bool { _, ok = k.(Symbol); return ok })
	return ok
}

// noEachArgs refuses arguments that would go to each, where each takes none.
func (in *Interp) noEachArgs(c *call) {
	switch c.self.(type) {
	case *Array, *Hash, *Range, *enumerator:
		if len(c.args) > 0 {
			in.argError(len(c.args), 0, 0)
		}
	}
}

func (e *enumerator) with(op lazyOp) *enumerator {
	n := *e
	n.ops = append(append([]lazyOp(nil), e.ops...), op)
	return &n
}

func (in *Interp) takeN(v Value, n int) Value {
	if n < 0 {
		in.raise("ArgumentError", "attempt to take negative size")
	}
	var out []Value
	if n > 0 {
		in.each(v, func(x Value) bool {
			in.alloc(24)
			out = append(out, x)
			return len(out) < n
		})
	}
	return in.arr(out)
}

func reverse(a []Value) {
	for i, j := 0, len(a)-1; i < j; i, j = i+1, j-1 {
		a[i], a[j] = a[j], a[i]
	}
}

// cmpWith compares with a block, or by <=>.
func (in *Interp) cmpWith(x, y Value, blk *Proc) int {
	if blk == nil {
		return in.mustCompare(x, y)
	}
	r := in.yield(blk, x, y)
	if r == nil {
		in.raise("ArgumentError", "comparison of %s with %s failed", in.classOf(x).name, in.classOf(y).name)
	}
	if n, ok := compareNum(r, 0); ok {
		return n
	}
	if truthy(in.invokeNamed(nil, r, ">", []Value{0}, false, nil, false)) {
		return 1
	}
	if truthy(in.invokeNamed(nil, r, "<", []Value{0}, false, nil, false)) {
		return -1
	}
	return 0
}

func (in *Interp) sortWith(a []Value, blk *Proc) {
	in.sortValues(a, func(x, y Value) int { return in.cmpWith(x, y, blk) })
}

func (in *Interp) sortBy(a []Value, blk *Proc) []Value {
	type item struct{ k, v Value }
	in.alloc(64 * len(a))
	items := make([]Value, len(a))
	for i, x := range a {
		items[i] = &item{in.yield(blk, x), x}
	}
	in.sortValues(items, func(x, y Value) int { return in.mustCompare(x.(*item).k, y.(*item).k) })
	out := make([]Value, len(a))
	for i, it := range items {
		out[i] = it.(*item).v
	}
	return out
}

// best finds the least element. A block is asked with the new element first, <=> with it second, as in Ruby.
func (in *Interp) best(a []Value, cmp func(x, y Value) int, blk bool) Value {
	var best Value
	for i, x := range a {
		in.step(1)
		if i == 0 || blk && cmp(x, best) < 0 || !blk && cmp(best, x) > 0 {
			best = x
		}
	}
	return best
}

func (in *Interp) uniq(a []Value, blk *Proc) []Value {
	seen := map[any]bool{}
	var out []Value
	for _, x := range a {
		in.step(1)
		in.alloc(48)
		k := x
		if blk != nil {
			k = in.yield(blk, x)
		}
		hk := in.hashKey(nil, k)
		if !seen[hk] {
			seen[hk] = true
			out = append(out, x)
		}
	}
	return out
}
