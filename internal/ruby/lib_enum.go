package ruby

import "slices"

// enumerableMethods are those that the others are made of; these are in
// lib/core.rb.
func enumerableMethods() []builtin {
	return []builtin{
		{"to_a entries", 0, 0, enumToA},
		{"each_entry", 0, 0, orEnum(enumEach)},
		{"map collect", 0, 0, orEnum(enumMap)},
		{"select filter find_all reject", 0, 0, orEnum(enumSelect)},
		{"sort", 0, 0, enumSort},
	}
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

// orEnum makes a method return an enumerator when it is called without a block.
func orEnum(fn builtinFunc) builtinFunc {
	return func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		return fn(in, c)
	}
}

func objectToEnum(in *Interp, c *call) Value {
	in.alloc(100)
	e := &enumerator{recv: c.self, meth: "each", kw: c.kw}
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
		x.Each(func(k, v Value) bool {
			in.step(1)
			return fn(in.arr([]Value{k, v}))
		})
		return
	case *Range:
		in.eachInRange(x, fn)
		return
	}
	tag := new(int)
	in.catch(func() Value {
		blk := &Proc{bi: func(in *Interp, args []Value) Value {
			if !fn(in.oneOf(args)) {
				panic(&jump{kind: jStop, tag: tag})
			}
			return nil
		}}
		return in.runEach(v, blk)
	}, func(j *jump) bool { return j.kind == jStop && j.tag == any(tag) })
}

// oneOf makes one element of the arguments that a block was given: several
// values are an array.
func (in *Interp) oneOf(args []Value) Value {
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	}
	return in.arr(append([]Value(nil), args...))
}

// runEach calls the each of a value, or the call of an enumerator, with a block.
func (in *Interp) runEach(v Value, blk *Proc) Value {
	if e, ok := v.(*enumerator); ok {
		return in.call(&call{self: e.recv, name: e.meth, args: e.args, kw: e.kw, blk: blk, fcall: true})
	}
	return in.call(&call{self: v, name: "each", blk: blk, fcall: true})
}

// toA collects the elements of anything enumerable.
func (in *Interp) toA(v Value) []Value {
	if a, ok := v.(*Array); ok {
		return a.a
	}
	return in.collect(v, func(x Value) (Value, bool) { return x, true })
}

func enumToA(in *Interp, c *call) Value { return in.arr(append([]Value(nil), in.toA(c.self)...)) }

func enumEach(in *Interp, c *call) Value {
	in.each(c.self, func(x Value) bool { in.yield(c.blk, x); return true })
	return c.self
}

// collect gathers what pick accepts of the elements.
func (in *Interp) collect(v Value, pick func(x Value) (Value, bool)) []Value {
	var out []Value
	in.each(v, func(x Value) bool {
		if v, ok := pick(x); ok {
			in.alloc(24)
			out = append(out, v)
		}
		return true
	})
	return out
}

func enumMap(in *Interp, c *call) Value {
	return in.arr(in.collect(c.self, func(x Value) (Value, bool) { return in.yield(c.blk, x), true }))
}

func enumSelect(in *Interp, c *call) Value {
	return in.arr(in.collect(c.self, func(x Value) (Value, bool) {
		return x, in.yieldBool(c.blk, x) == (c.name != "reject")
	}))
}

func enumSort(in *Interp, c *call) Value {
	sorted := slices.Clone(in.toA(c.self))
	slices.SortStableFunc(sorted, func(x, y Value) int { return -in.cmpWith(y, x, c.blk) })
	return in.arr(sorted)
}

func enumeratorEach(in *Interp, c *call) Value {
	if c.blk == nil {
		return c.self
	}
	return in.runEach(c.self, c.blk)
}

// Ranges.

func rangeMethods() []builtin {
	return []builtin{
		{"begin", 0, 0, of(func(_ *Interp, r *Range) Value { return r.Lo })},
		{"end", 0, 0, of(func(_ *Interp, r *Range) Value { return r.Hi })},
		{"exclude_end?", 0, 0, of(func(_ *Interp, r *Range) Value { return r.Excl })},
		{"each", 0, 0, orEnum(enumEach)},
	}
}

func (in *Interp) eachInRange(r *Range, fn func(Value) bool) {
	lo, ok := r.Lo.(int)
	if ok {
		for i := lo; r.Hi == nil || in.beforeEnd(r, i); i++ {
			in.step(1)
			if !fn(i) {
				return
			}
		}
		return
	}
	first, ok1 := r.Lo.(*String)
	if last, ok2 := r.Hi.(*String); ok1 && ok2 && len(first.s) == 1 && len(last.s) == 1 {
		for c, more := int(first.s[0]), true; more && in.beforeEnd(r, NewString(string(rune(c)))); c++ {
			more = fn(in.str(string(rune(c)))) && c < 0x7f
		}
		return
	}
	in.unsupported("iterating over a range of " + in.classOf(r.Lo).name)
}

func (in *Interp) beforeEnd(r *Range, v Value) bool {
	c := in.mustCompare(v, r.Hi)
	return c < 0 || c == 0 && !r.Excl
}
