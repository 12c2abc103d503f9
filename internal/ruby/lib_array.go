package ruby

import "strings"

func arrayMethods() []builtin {
	return []builtin{
		{"to_a to_ary entries", 0, 0, self},
		{"inspect to_s", 0, 0, of(func(in *Interp, a *Array) Value { return in.str(in.inspectArray(a)) })},
		{"length size", 0, 0, of(func(_ *Interp, a *Array) Value { return len(a.a) })},
		{"empty?", 0, 0, of(func(_ *Interp, a *Array) Value { return len(a.a) == 0 })},
		{"each", 0, 0, orEnum(enumEach)},
		{"[] slice", 1, 2, arrayGet},
		{"[]=", 2, 3, arraySet},
		{"<<", 1, 1, arrayPush},
		{"push", 0, -1, arrayPush},
		{"pop shift", 0, 0, arrayPop},
		{"+", 1, 1, arrayAdd},
		{"map! collect! select! filter! keep_if reject! delete_if", 0, 0, orEnum(inPlace)},
		{"sort! sort_by! uniq! compact! reverse!", 0, 0, inPlace},
		{"flatten!", 0, 1, inPlace},
		{"flatten", 0, 1, arrayFlatten},
	}
}

// change gives the elements of an array that is about to be changed.
func (in *Interp) change(v Value) *Array {
	in.checkFrozen(v)
	return v.(*Array)
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
	if _, isRange := c.args[0].(*Range); len(c.args) == 1 && !isRange {
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
	if _, isRange := c.args[0].(*Range); isRange {
		in.unsupported("an assignment to a range of an array")
	}
	lo, n := in.argInt(c.args[0]), -1 // -1: one element
	if lo < 0 {
		lo += len(a.a)
	}
	if len(c.args) == 3 {
		if n = in.argInt(c.args[1]); n < 0 {
			in.raise("IndexError", "negative length (%d)", n)
		}
	}
	in.raiseIf(lo < 0, "IndexError", "index %d too small for array; minimum: -%d", lo-len(a.a), len(a.a))
	in.alloc(in.multiply(16, max(0, lo-len(a.a))))
	for len(a.a) < lo || n < 0 && len(a.a) == lo {
		in.push(a, nil)
	}
	if n < 0 {
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
	first, last := a.a[0], a.a[n]
	if c.name == "shift" {
		a.a = a.a[1:]
		return first
	}
	a.a = a.a[:n]
	return last
}

func arrayAdd(in *Interp, c *call) Value {
	return in.arr(append(append([]Value(nil), c.self.(*Array).a...), argOf[*Array](in, c.args[0], "Array").a...))
}

// inPlace is a method such as map!, delete_if or upcase!: the result of the
// method that copies replaces the contents of the receiver. Some return nil
// when nothing changed.
func inPlace(in *Interp, c *call) Value {
	in.checkFrozen(c.self)
	name := strings.NewReplacer("!", "", "keep_if", "select", "delete_if", "reject").Replace(c.name)
	nilIfSame := strings.Contains(" uniq! compact! flatten! select! filter! reject! ", " "+c.name+" ")
	result := in.call(c.on(c.self, name))
	same := false
	switch x := c.self.(type) {
	case *Array:
		a := result.(*Array).a
		same, x.a = len(a) == len(x.a), a
	case *Hash:
		h := result.(*Hash)
		same = h.live == x.live
		x.replace(h)
	case *String:
		t := result.(*String).s
		found := strings.HasSuffix(name, "sub") && c.f != nil && c.f.mf.match != nil
		if same, nilIfSame = t == x.s && !found, true; !same {
			in.edit(x, t)
		}
	}
	if same && nilIfSame {
		return nil
	}
	return c.self
}

func arrayFlatten(in *Interp, c *call) Value {
	return in.arr(in.flatten(nil, c.self.(*Array), in.optInt(c, 0, -1)))
}

func (in *Interp) flatten(out []Value, a *Array, depth int) []Value {
	defer in.enter(a)()
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
