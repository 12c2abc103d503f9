package ruby

import (
	"math"
	"strings"
)

// enumerableMethods are those that are used most; the others are in
// lib/enumerable.rb.
var enumerableMethods = []builtin{
	{"to_a entries", 0, 0, enumToA},
	{"each_entry", 0, 0, enumEachEntry},
	{"map collect", 0, 0, enumMap},
	{"select filter find_all reject", 0, 0, enumSelect},
	{"find detect", 0, 0, enumFind},
	{"each_with_index", 0, 0, enumEachWithIndex},
	{"inject reduce", 0, 2, enumInject},
	{"sum", 0, 1, enumSum},
	{"count", 0, 1, enumCount},
	{"all? any? none? one?", 0, 1, enumTest},
	{"include? member?", 1, 1, enumIncludes},
	{"first", 0, 1, enumFirst},
	{"sort", 0, 0, enumSort},
	{"sort_by", 0, 0, enumSortBy},
	{"min max", 0, 0, enumMin},
	{"uniq", 0, 0, enumUniq},
	{"to_h", 0, 0, enumToH},
}

var enumeratorMethods = []builtin{
	{"each", 0, 0, enumeratorEach},
	{"with_index each_with_index", 0, 1, enumeratorWithIndex},
}

// enumerator is a method call whose block comes later.
type enumerator struct {
	recv Value
	meth string
	args []Value
	kw   bool
}

// enum is what a method returns that was called without its block.
func (in *Interp) enum(c *call) Value {
	in.alloc(100)
	return &enumerator{c.self, c.name, c.args, c.kw}
}

func objectToEnum(in *Interp, c *call) Value {
	in.alloc(100)
	e := &enumerator{recv: c.self, meth: "each"}
	if len(c.args) > 0 {
		e.meth, e.args = in.argName(c.args[0]), c.args[1:]
	}
	return e
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
				if !fn(in.arr([]Value{e.k, e.v})) {
					return
				}
			}
		}
		return
	case *Range:
		in.eachInRange(x, fn)
		return
	}
	tag := new(int)
	in.catch(func() Value {
		blk := &Proc{arity: -1, bi: func(in *Interp, args []Value) Value {
			var x Value
			switch len(args) {
			case 0:
			case 1:
				x = args[0]
			default:
				x = in.arr(append([]Value(nil), args...))
			}
			if !fn(x) {
				panic(&jump{kind: jStop, tag: tag})
			}
			return nil
		}}
		return in.runEach(v, blk)
	}, func(j *jump) bool { return j.kind == jStop && j.tag == any(tag) })
}

// runEach calls the each of a value, or the call of an enumerator, with a block.
func (in *Interp) runEach(v Value, blk *Proc) Value {
	if e, ok := v.(*enumerator); ok {
		return in.call(invocation{self: e.recv, name: e.meth, args: e.args, kw: e.kw, blk: blk, fcall: true})
	}
	return in.call(invocation{self: v, name: "each", blk: blk, fcall: true})
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

func enumToA(in *Interp, c *call) Value { return in.arr(append([]Value(nil), in.toA(c.self)...)) }

func enumEachEntry(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	in.each(c.self, func(x Value) bool { in.yield(c.blk, x); return true })
	return c.self
}

// collect gathers what pick accepts of the elements.
func (in *Interp) collect(c *call, pick func(x Value) (Value, bool)) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	var out []Value
	in.each(c.self, func(x Value) bool {
		if v, ok := pick(x); ok {
			in.alloc(24)
			out = append(out, v)
		}
		return true
	})
	return in.arr(out)
}

func enumMap(in *Interp, c *call) Value {
	return in.collect(c, func(x Value) (Value, bool) { return in.yield(c.blk, x), true })
}

func enumSelect(in *Interp, c *call) Value {
	return in.collect(c, func(x Value) (Value, bool) { return x, in.yieldBool(c.blk, x) == (c.name != "reject") })
}

func enumFind(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	var found Value
	in.each(c.self, func(x Value) bool {
		if in.yieldBool(c.blk, x) {
			found = x
			return false
		}
		return true
	})
	return found
}

func enumEachWithIndex(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	i := 0
	in.each(c.self, func(x Value) bool {
		in.yield(c.blk, x, i)
		i++
		return true
	})
	return c.self
}

func enumInject(in *Interp, c *call) Value {
	args := c.args
	op, hasOp := "", len(args) == 2 || len(args) == 1 && c.blk == nil
	if hasOp {
		op = in.argName(args[len(args)-1])
		args = args[:len(args)-1]
	}
	var acc Value
	has := len(args) > 0
	if has {
		acc = args[0]
	}
	in.each(c.self, func(x Value) bool {
		switch {
		case !has:
			acc, has = x, true
		case hasOp:
			acc = in.call(invocation{f: c.f, self: acc, name: op, args: []Value{x}})
		default:
			acc = in.yield(in.needBlock(c), acc, x)
		}
		return true
	})
	return acc
}

// enumSum adds; floats with compensation (Kahan-Babuska), as Ruby does.
func enumSum(in *Interp, c *call) Value {
	var acc Value = 0
	if len(c.args) > 0 {
		acc = c.args[0]
	}
	lost := 0.0
	in.each(c.self, func(x Value) bool {
		if c.blk != nil {
			x = in.yield(c.blk, x)
		}
		f, ok1 := asFloat(acc)
		g, ok2 := asFloat(x)
		_, int1 := acc.(int)
		_, int2 := x.(int)
		if !ok1 || !ok2 || int1 && int2 {
			acc = in.call(invocation{self: acc, name: "+", args: []Value{x}})
			return true
		}
		t := f + g
		switch {
		case math.IsInf(t, 0) || math.IsNaN(t):
		case math.Abs(f) >= math.Abs(g):
			lost += (f - t) + g
		default:
			lost += (g - t) + f
		}
		acc = t
		return true
	})
	if f, ok := acc.(float64); ok {
		return f + lost
	}
	return acc
}

// fits tells whether an element is what the call looks for: equal to its
// argument, or true for its block.
func (in *Interp) fits(c *call, x Value, noBlock bool) bool {
	switch {
	case len(c.args) > 0:
		return in.equal(x, c.args[0])
	case c.blk != nil:
		return in.yieldBool(c.blk, x)
	}
	return noBlock
}

func enumCount(in *Interp, c *call) Value {
	n := 0
	in.each(c.self, func(x Value) bool {
		if in.fits(c, x, true) {
			n++
		}
		return true
	})
	return n
}

func enumTest(in *Interp, c *call) Value {
	hits, misses := 0, 0
	in.each(c.self, func(x Value) bool {
		ok := truthy(x)
		if len(c.args) > 0 {
			ok = in.caseEq(c.args[0], x, c.f)
		} else if c.blk != nil {
			ok = in.yieldBool(c.blk, x)
		}
		if ok {
			hits++
		} else {
			misses++
		}
		switch c.name {
		case "all?":
			return ok
		case "one?":
			return hits < 2
		}
		return !ok
	})
	switch c.name {
	case "all?":
		return misses == 0
	case "any?":
		return hits > 0
	case "none?":
		return hits == 0
	}
	return hits == 1
}

func enumIncludes(in *Interp, c *call) Value {
	found := false
	in.each(c.self, func(x Value) bool {
		found = in.equal(x, c.args[0])
		return !found
	})
	return found
}

func enumFirst(in *Interp, c *call) Value {
	var out []Value
	n := 1
	if len(c.args) > 0 {
		if n = in.argInt(c.args[0]); n < 0 {
			if _, ok := c.self.(*Array); ok {
				in.raise("ArgumentError", "negative array size")
			}
			in.raise("ArgumentError", "attempt to take negative size")
		}
	}
	if n > 0 {
		in.each(c.self, func(x Value) bool {
			in.alloc(24)
			out = append(out, x)
			return len(out) < n
		})
	}
	if len(c.args) > 0 {
		return in.arr(out)
	}
	if len(out) == 0 {
		return nil
	}
	return out[0]
}

func enumSort(in *Interp, c *call) Value {
	return in.arr(in.sortValues(in.toA(c.self), func(x, y Value) int { return in.cmpWith(x, y, c.blk) }))
}

func enumSortBy(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	var pairs []Value
	for _, x := range in.toA(c.self) {
		pairs = append(pairs, in.arr([]Value{in.yield(c.blk, x), x}))
	}
	key := func(p Value) Value { return p.(*Array).a[0] }
	pairs = in.sortValues(pairs, func(x, y Value) int { return in.mustCompare(key(x), key(y)) })
	for i, p := range pairs {
		pairs[i] = p.(*Array).a[1]
	}
	return in.arr(pairs)
}

func enumMin(in *Interp, c *call) Value {
	sign := 1
	if strings.HasPrefix(c.name, "max") {
		sign = -1
	}
	var best Value
	for i, x := range in.toA(c.self) {
		switch {
		case i == 0, c.blk == nil && sign*in.mustCompare(best, x) > 0, c.blk != nil && sign*in.cmpWith(x, best, c.blk) < 0:
			best = x
		}
	}
	return best
}

// uniq keeps the first of the elements with equal keys.
func (in *Interp) uniq(c *call) []Value {
	seen := NewHash()
	var out []Value
	for _, x := range in.toA(c.self) {
		k := x
		if c.blk != nil {
			k = in.yield(c.blk, x)
		}
		if _, ok := in.hget(seen, k); !ok {
			in.hset(seen, k, true)
			out = append(out, x)
		}
	}
	return out
}

func enumUniq(in *Interp, c *call) Value { return in.arr(in.uniq(c)) }

func enumToH(in *Interp, c *call) Value {
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
}

func enumeratorEach(in *Interp, c *call) Value {
	if c.blk == nil {
		return c.self
	}
	return in.runEach(c.self, c.blk)
}

// enumeratorWithIndex calls the enumerator's method with a block that gets an
// index as well; its value is the method's, as in map.with_index.
func enumeratorWithIndex(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	i := 0
	if len(c.args) > 0 && c.args[0] != nil {
		i = in.argInt(c.args[0])
	}
	return in.runEach(c.self, &Proc{arity: -1, bi: func(in *Interp, args []Value) Value {
		x := in.arr(append([]Value(nil), args...)).a
		var v Value = &Array{a: x}
		if len(x) == 1 {
			v = x[0]
		}
		i++
		return in.yield(c.blk, v, i-1)
	}})
}

// Ranges.

var rangeMethods = []builtin{
	{"begin", 0, 0, rangeBegin},
	{"end", 0, 0, rangeEnd},
	{"last", 0, 0, rangeEnd},
	{"exclude_end?", 0, 0, rangeExcludesEnd},
	{"each", 0, 0, rangeEach},
	{"include? member? === cover?", 1, 1, rangeIncludes},
	{"to_s inspect", 0, 0, rangeToS},
}

func rangeNew(in *Interp, c *call) Value { return in.newRange(c.args[0], c.args[1], truthy(c.opt(2))) }

func rangeBegin(_ *Interp, c *call) Value { return c.self.(*Range).Lo }

func rangeEnd(_ *Interp, c *call) Value { return c.self.(*Range).Hi }

func rangeExcludesEnd(_ *Interp, c *call) Value { return c.self.(*Range).Excl }

func (in *Interp) eachInRange(r *Range, fn func(Value) bool) {
	switch lo := r.Lo.(type) {
	case int:
		for i := lo; r.Hi == nil || in.beforeEnd(r, i); i++ {
			in.step(1)
			if !fn(i) {
				return
			}
		}
		return
	case *String:
		if hi, ok := r.Hi.(*String); ok {
			in.eachString(lo.s, hi.s, r.Excl, fn)
			return
		}
	}
	if _, ok := r.Lo.(Symbol); ok {
		in.unsupported("iterating over a range of symbols")
	}
	in.raise("TypeError", "can't iterate from %s", in.classOf(r.Lo).name)
}

func (in *Interp) beforeEnd(r *Range, v Value) bool {
	c := in.mustCompare(v, r.Hi)
	return c < 0 || c == 0 && !r.Excl
}

func rangeEach(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	in.eachInRange(c.self.(*Range), func(x Value) bool { in.yield(c.blk, x); return true })
	return c.self
}

func rangeIncludes(in *Interp, c *call) Value {
	r, v := c.self.(*Range), c.args[0]
	if _, ok := r.Lo.(*String); ok && (c.name == "include?" || c.name == "member?") {
		return enumIncludes(in, c)
	}
	if r.Lo != nil {
		if k, ok := in.compare(r.Lo, v); !ok || k > 0 {
			return false
		}
	}
	if r.Hi == nil {
		return true
	}
	k, ok := in.compare(v, r.Hi)
	return ok && (k < 0 || k == 0 && !r.Excl)
}

func rangeToS(in *Interp, c *call) Value {
	r := c.self.(*Range)
	show := in.toS
	if c.name == "inspect" {
		show = func(v Value) string { return when(v != nil, in.inspect(v)) }
	}
	dots := ".."
	if r.Excl {
		dots = "..."
	}
	return in.str(show(r.Lo) + dots + show(r.Hi))
}
