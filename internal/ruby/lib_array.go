package ruby

import "strings"

var arrayClassMethods = []builtin{
	{"new", 0, 2, arrayNew},
}

var arrayMethods = []builtin{
	{"to_a to_ary entries", 0, 0, self},
	{"inspect to_s", 0, 0, arrayInspect},
	{"length size", 0, 0, arrayLength},
	{"empty?", 0, 0, arrayIsEmpty},
	{"each", 0, 0, arrayEach},
	{"[] slice", 1, 2, arrayGet},
	{"[]=", 2, 3, arraySet},
	{"dig", 1, -1, objectDig},
	{"fetch", 1, 2, arrayFetch},
	{"last", 0, 1, arrayLast},
	{"<<", 1, 1, arrayPush},
	{"push append", 0, -1, arrayPush},
	{"pop shift", 0, 0, arrayPop},
	{"unshift prepend", 0, -1, arrayUnshift},
	{"concat", 0, -1, arrayConcat},
	{"+", 1, 1, arrayAdd},
	{"- & |", 1, 1, arraySetOp},
	{"*", 1, 1, arrayTimes},
	{"join", 0, 1, arrayJoin},
	{"index find_index", 0, 1, arrayIndex},
	{"delete", 1, 1, arrayDelete},
	{"select! filter! keep_if reject! delete_if", 0, 0, arrayKeep},
	{"map! collect! sort! sort_by! uniq! compact! reverse!", 0, 0, arrayInPlace},
	{"flatten! rotate!", 0, 1, arrayInPlace},
	{"compact", 0, 0, arrayCompact},
	{"flatten", 0, 1, arrayFlatten},
	{"reverse", 0, 0, arrayReverse},
	{"clear", 0, 0, arrayClear},
}

// change gives the elements of an array that is about to be changed.
func (in *Interp) change(v Value) *Array {
	in.checkFrozen(v)
	return v.(*Array)
}

func arrayNew(in *Interp, c *call) Value {
	a := in.arr(nil)
	if len(c.args) == 0 {
		return a
	}
	if src, ok := c.args[0].(*Array); ok {
		return in.arr(append([]Value(nil), src.a...))
	}
	n := in.argInt(c.args[0])
	if n < 0 {
		in.raise("ArgumentError", "negative array size")
	}
	in.alloc(in.multiply(16, n))
	for i := range n {
		if c.blk != nil {
			in.push(a, in.yield(c.blk, i))
		} else {
			in.push(a, c.opt(1))
		}
	}
	return a
}

func arrayInspect(in *Interp, c *call) Value { return in.str(in.inspectArray(c.self.(*Array))) }

func arrayLength(_ *Interp, c *call) Value { return len(c.self.(*Array).a) }

func arrayIsEmpty(_ *Interp, c *call) Value { return len(c.self.(*Array).a) == 0 }

func arrayEach(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	in.each(c.self, func(x Value) bool { in.yield(c.blk, x); return true })
	return c.self
}

// element gives an element by its index, nil beyond the ends.
func (a *Array) element(i int) Value {
	if i < 0 {
		i += len(a.a)
	}
	if i < 0 || i >= len(a.a) {
		return nil
	}
	return a.a[i]
}

func arrayGet(in *Interp, c *call) Value {
	a := c.self.(*Array)
	_, isRange := c.args[0].(*Range)
	if len(c.args) == 1 && !isRange {
		return a.element(in.argInt(c.args[0]))
	}
	lo, n, ok := in.sliceArgs(c.args, len(a.a))
	if !ok {
		return nil
	}
	return in.arr(append([]Value(nil), a.a[lo:lo+n]...))
}

func arraySet(in *Interp, c *call) Value {
	a := in.change(c.self)
	val := c.args[len(c.args)-1]
	r, isRange := c.args[0].(*Range)
	lo, n := 0, -1
	switch {
	case isRange:
		lo, n = in.rangeBounds(r, len(a.a))
	default:
		if lo = in.argInt(c.args[0]); lo < 0 {
			lo += len(a.a)
		}
		if len(c.args) == 3 {
			if n = in.argInt(c.args[1]); n < 0 {
				in.raise("IndexError", "negative length (%d)", n)
			}
		}
	}
	if lo < 0 {
		in.raise("IndexError", "index %d too small for array; minimum: -%d", lo-len(a.a), len(a.a))
	}
	in.alloc(in.multiply(16, max(0, lo-len(a.a))))
	for len(a.a) < lo {
		in.push(a, nil)
	}
	if n < 0 {
		if lo == len(a.a) {
			in.push(a, nil)
		}
		a.a[lo] = val
		return val
	}
	ins, ok := val.(*Array)
	if !ok {
		ins = NewArray(val)
	}
	in.alloc(16 * (len(a.a) + len(ins.a)))
	rest := a.a[min(len(a.a), lo+n):]
	a.a = append(append(append([]Value(nil), a.a[:lo]...), ins.a...), rest...)
	return val
}

// objectDig is Array#dig and Hash#dig.
func objectDig(in *Interp, c *call) Value {
	v := c.self
	for _, k := range c.args {
		switch x := v.(type) {
		case nil:
			return nil
		case *Hash:
			v = in.hashGet(x, k)
		case *Array:
			v = x.element(in.argInt(k))
		default:
			in.raise("TypeError", "%s does not have #dig method", in.classOf(v).name)
		}
	}
	return v
}

func arrayFetch(in *Interp, c *call) Value {
	a := c.self.(*Array).a
	i := in.argInt(c.args[0])
	if i >= -len(a) && i < len(a) {
		return c.self.(*Array).element(i)
	}
	if c.blk == nil && len(c.args) == 1 {
		in.raise("IndexError", "index %d outside of array bounds: %d...%d", i, -len(a), len(a))
	}
	return in.fetchDefault(c)
}

func arrayLast(in *Interp, c *call) Value {
	a := c.self.(*Array)
	if len(c.args) == 0 {
		return a.element(-1)
	}
	n := in.argInt(c.args[0])
	if n < 0 {
		in.raise("ArgumentError", "negative array size")
	}
	return in.arr(append([]Value(nil), a.a[max(0, len(a.a)-n):]...))
}

func arrayPush(in *Interp, c *call) Value {
	a := in.change(c.self)
	for _, x := range c.args {
		in.push(a, x)
	}
	return a
}

func arrayPop(in *Interp, c *call) Value {
	a := in.change(c.self)
	n := len(a.a) - 1
	if n < 0 {
		return nil
	}
	if c.name == "pop" {
		v := a.a[n]
		a.a = a.a[:n]
		return v
	}
	v := a.a[0]
	a.a = a.a[1:]
	return v
}

func arrayUnshift(in *Interp, c *call) Value {
	a := in.change(c.self)
	in.alloc(16 * (len(c.args) + len(a.a)))
	a.a = append(append([]Value(nil), c.args...), a.a...)
	return a
}

func arrayConcat(in *Interp, c *call) Value {
	a := in.change(c.self)
	var add []Value
	for _, x := range c.args {
		add = append(add, in.argArray(x).a...)
	}
	in.alloc(40 * len(add))
	a.a = append(a.a, add...)
	return a
}

func arrayAdd(in *Interp, c *call) Value {
	return in.arr(append(append([]Value(nil), c.self.(*Array).a...), in.argArray(c.args[0]).a...))
}

// arraySetOp is - & |, which compare by keys as hashes do.
func arraySetOp(in *Interp, c *call) Value {
	a, b := c.self.(*Array).a, in.argArray(c.args[0]).a
	other, seen := NewHash(), NewHash()
	for _, x := range b {
		in.hset(other, x, true)
	}
	if c.name == "|" {
		a = append(append([]Value(nil), a...), b...)
	}
	var out []Value
	for _, x := range a {
		_, both := in.hget(other, x)
		_, again := in.hget(seen, x)
		if c.name == "-" && !both || c.name == "&" && both && !again || c.name == "|" && !again {
			out = append(out, x)
			in.hset(seen, x, true)
		}
	}
	return in.arr(out)
}

func arrayTimes(in *Interp, c *call) Value {
	if s, ok := c.args[0].(*String); ok {
		return in.str(in.join(c.self.(*Array), s.s))
	}
	n := in.argInt(c.args[0])
	if n < 0 {
		in.raise("ArgumentError", "argument must be non-negative")
	}
	a := c.self.(*Array).a
	in.alloc(in.multiply(16*len(a), n))
	var out []Value
	for range n {
		out = append(out, a...)
	}
	return in.arr(out)
}

func arrayJoin(in *Interp, c *call) Value {
	sep := ""
	if len(c.args) > 0 && c.args[0] != nil {
		sep = in.argString(c.args[0])
	}
	return in.str(in.join(c.self.(*Array), sep))
}

func (in *Interp) join(a *Array, sep string) string {
	if !in.enter(a) {
		in.raise("ArgumentError", "recursive array join")
	}
	defer in.leave(a)
	var b strings.Builder
	for i, x := range a.a {
		in.step(1)
		if i > 0 {
			b.WriteString(sep)
		}
		s := ""
		if sub, ok := x.(*Array); ok {
			s = in.join(sub, sep)
		} else {
			s = in.toS(x)
		}
		in.alloc(len(s) + len(sep))
		b.WriteString(s)
	}
	return b.String()
}

func arrayIndex(in *Interp, c *call) Value {
	if len(c.args) == 0 && c.blk == nil {
		return in.enum(c)
	}
	for i, x := range c.self.(*Array).a {
		in.step(1)
		if in.fits(c, x, false) {
			return i
		}
	}
	return nil
}

func arrayDelete(in *Interp, c *call) Value {
	a := in.change(c.self)
	var found Value
	var out []Value
	for _, x := range a.a {
		in.step(1)
		if in.equal(x, c.args[0]) {
			found = x
		} else {
			out = append(out, x)
		}
	}
	if len(out) == len(a.a) && c.blk != nil {
		return in.yield(c.blk, c.args[0])
	}
	a.a = out
	return found
}

// keeps tells whether a method such as select! or delete_if keeps the elements
// that the block accepts, and whether it returns nil when nothing changed.
func keeps(name string) (accepted, nilIfSame bool) {
	return name != "delete_if" && !strings.HasPrefix(name, "reject"), strings.HasSuffix(name, "!")
}

func arrayKeep(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	a := in.change(c.self)
	accepted, nilIfSame := keeps(c.name)
	var out []Value
	for _, x := range append([]Value(nil), a.a...) {
		if in.yieldBool(c.blk, x) == accepted {
			out = append(out, x)
		}
	}
	same := len(out) == len(a.a)
	a.a = out
	if same && nilIfSame {
		return nil
	}
	return a
}

// arrayInPlace is the method without the ! whose result replaces the elements;
// uniq!, compact! and flatten! return nil when nothing changed.
func arrayInPlace(in *Interp, c *call) Value {
	if c.blk == nil && strings.HasPrefix(c.name, "map") {
		return in.enum(c)
	}
	a := in.change(c.self)
	name := strings.TrimSuffix(c.name, "!")
	old := a.a
	a.a = in.call(invocation{f: c.f, self: a, name: name, args: c.args, blk: c.blk}).(*Array).a
	switch name {
	case "uniq", "compact", "flatten":
		if len(a.a) == len(old) {
			return nil
		}
	}
	return a
}

func arrayCompact(in *Interp, c *call) Value {
	var out []Value
	for _, x := range c.self.(*Array).a {
		if x != nil {
			out = append(out, x)
		}
	}
	return in.arr(out)
}

func arrayFlatten(in *Interp, c *call) Value {
	depth := -1
	if len(c.args) > 0 && c.args[0] != nil {
		depth = in.argInt(c.args[0])
	}
	return in.arr(in.flatten(nil, c.self.(*Array), depth))
}

func (in *Interp) flatten(out []Value, a *Array, depth int) []Value {
	if !in.enter(a) {
		in.raise("ArgumentError", "tried to flatten recursive array")
	}
	defer in.leave(a)
	for _, x := range a.a {
		in.step(1)
		if sub, ok := x.(*Array); ok && depth != 0 {
			out = in.flatten(out, sub, depth-1)
			continue
		}
		in.alloc(24)
		out = append(out, x)
	}
	return out
}

func arrayReverse(in *Interp, c *call) Value {
	a := c.self.(*Array).a
	out := make([]Value, len(a))
	for i, x := range a {
		out[len(a)-1-i] = x
	}
	return in.arr(out)
}

func arrayClear(in *Interp, c *call) Value {
	in.change(c.self).a = nil
	return c.self
}
