package ruby

import (
	"cmp"
	"math"
	"strings"
)

// equal is ==.
func (in *Interp) equal(a, b Value) bool {
	switch x := a.(type) {
	case int, float64:
		c, ok := compareNum(a, b)
		return ok && c == 0
	case *String:
		y, ok := b.(*String)
		return ok && x.s == y.s
	case *Array:
		y, ok := b.(*Array)
		if !ok || len(x.a) != len(y.a) {
			return false
		}
		if x == y || !in.enter(x) {
			return true
		}
		defer in.leave(x)
		for i := range x.a {
			in.step(1)
			if i >= len(y.a) || !in.equal(x.a[i], y.a[i]) {
				return false
			}
		}
		return true
	case *Hash:
		y, ok := b.(*Hash)
		if !ok || x.live != y.live {
			return false
		}
		if x == y || !in.enter(x) {
			return true
		}
		defer in.leave(x)
		same := true
		x.Each(func(k, v Value) bool {
			in.step(1)
			w, ok := in.hget(y, k)
			same = ok && in.equal(v, w)
			return same
		})
		return same
	case *Range:
		y, ok := b.(*Range)
		return ok && x.Excl == y.Excl && in.equal(x.Lo, y.Lo) && in.equal(x.Hi, y.Hi)
	case *Regexp:
		y, ok := b.(*Regexp)
		return ok && x.src == y.src && x.flags == y.flags
	case *Object, *Exception:
		return a == b || truthy(in.send(a, "==", b))
	}
	return a == b
}

// compare is <=>; ok is false where Ruby gives nil.
func (in *Interp) compare(a, b Value) (int, bool) {
	switch x := a.(type) {
	case int, float64:
		return compareNum(a, b)
	case *String:
		if y, ok := b.(*String); ok {
			return strings.Compare(x.s, y.s), true
		}
		return 0, false
	case Symbol:
		if y, ok := b.(Symbol); ok {
			return strings.Compare(string(x), string(y)), true
		}
		return 0, false
	case nil, bool:
		return 0, a == b
	case *Array:
		y, ok := b.(*Array)
		if !ok || !in.enter(x) {
			return 0, false
		}
		defer in.leave(x)
		for i := 0; i < len(x.a) && i < len(y.a); i++ {
			in.step(1)
			if c, ok := in.compare(x.a[i], y.a[i]); !ok || c != 0 {
				return c, ok
			}
		}
		return cmp.Compare(len(x.a), len(y.a)), true
	}
	if o, ok := a.(*Object); ok {
		if r, ok := in.send(o, "<=>", b).(int); ok {
			return r, true
		}
		return 0, false
	}
	return 0, in.equal(a, b)
}

func compareNum(a, b Value) (int, bool) {
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			return cmp.Compare(x, y), true
		}
	}
	x, ok1 := asFloat(a)
	y, ok2 := asFloat(b)
	if !ok1 || !ok2 || math.IsNaN(x) || math.IsNaN(y) {
		return 0, false
	}
	return cmp.Compare(x, y), true
}

func asFloat(v Value) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// mustCompare raises where the two can't be compared.
func (in *Interp) mustCompare(a, b Value) int {
	c, ok := in.compare(a, b)
	if !ok {
		name := in.classOf(b).name
		switch b.(type) {
		case nil, bool, int, float64:
			name = in.inspect(b)
		}
		in.raise("ArgumentError", "comparison of %s with %s failed", in.classOf(a).name, name)
	}
	return c
}

// cmpWith compares by a block, or by <=> without one.
func (in *Interp) cmpWith(x, y Value, blk *Proc) int {
	if blk == nil {
		return in.mustCompare(x, y)
	}
	r := in.yield(blk, x, y)
	if r == nil {
		in.raise("ArgumentError", "comparison of %s with %s failed", in.classOf(x).name, in.classOf(y).name)
	}
	switch {
	case truthy(in.send(r, ">", 0)):
		return 1
	case truthy(in.send(r, "<", 0)):
		return -1
	}
	return 0
}

// sortValues returns the values sorted. It merges halves, comparing in the
// order that qsort of the C library does below Ruby on Linux, so that equal
// elements and messages come out alike.
func (in *Interp) sortValues(a []Value, less func(x, y Value) int) []Value {
	in.alloc(16 * len(a))
	if len(a) <= 1 {
		return append([]Value(nil), a...)
	}
	m := len(a) / 2
	l, r := in.sortValues(a[:m], less), in.sortValues(a[m:], less)
	out := make([]Value, 0, len(a))
	for len(l) > 0 && len(r) > 0 {
		in.step(1)
		if less(l[0], r[0]) <= 0 {
			out, l = append(out, l[0]), l[1:]
		} else {
			out, r = append(out, r[0]), r[1:]
		}
	}
	return append(append(out, l...), r...)
}

// Freezing.

// frozenFlag points to the flag of a value that can be frozen, or is nil.
func frozenFlag(v Value) *bool {
	switch x := v.(type) {
	case *String:
		return &x.frozen
	case *Array:
		return &x.frozen
	case *Hash:
		return &x.frozen
	case *Object:
		return &x.frozen
	case *Exception:
		return &x.frozen
	}
	return nil
}

func isFrozen(v Value) bool {
	if f := frozenFlag(v); f != nil {
		return *f
	}
	switch v.(type) {
	case *Class, *Proc, *MatchData, *enumerator, *timeValue, *HostObject:
		return false
	}
	return true
}

// checkFrozen raises FrozenError for a value that may not be changed.
func (in *Interp) checkFrozen(v Value) {
	if isFrozen(v) {
		in.raise("FrozenError", "can't modify frozen %s: %s", in.classOf(v).name, in.inspect(v))
	}
}

// Conversions of arguments, with Ruby's messages.

func (in *Interp) convName(v Value) string {
	switch v.(type) {
	case nil, bool:
		return in.inspect(v)
	}
	return in.classOf(v).name
}

func (in *Interp) noConversion(v Value, to string) {
	in.raise("TypeError", "no implicit conversion of %s into %s", in.convName(v), to)
}

// convert calls a conversion such as to_str on an object of the program.
func (in *Interp) convert(v Value, method string) Value {
	if o, ok := v.(*Object); ok && in.respondTo(o, method) {
		return in.send(o, method)
	}
	return v
}

// argString wants a String (or something with to_str).
func (in *Interp) argString(v Value) string {
	s, ok := in.convert(v, "to_str").(*String)
	if !ok {
		in.noConversion(v, "String")
	}
	return s.s
}

// argName wants a String or Symbol.
func (in *Interp) argName(v Value) string {
	switch x := v.(type) {
	case Symbol:
		return string(x)
	case *String:
		return x.s
	}
	in.raise("TypeError", "%s is not a symbol nor a string", in.inspect(v))
	return ""
}

// argInt wants an Integer; floats are truncated.
func (in *Interp) argInt(v Value) int {
	switch x := in.convert(v, "to_int").(type) {
	case int:
		return x
	case float64:
		return in.floatToInt(x)
	case nil:
		in.raise("TypeError", "no implicit conversion from nil to integer")
	}
	in.noConversion(v, "Integer")
	return 0
}

func (in *Interp) argArray(v Value) *Array {
	a, ok := in.convert(v, "to_ary").(*Array)
	if !ok {
		in.noConversion(v, "Array")
	}
	return a
}

func (in *Interp) argHash(v Value) *Hash {
	h, ok := in.convert(v, "to_hash").(*Hash)
	if !ok {
		in.noConversion(v, "Hash")
	}
	return h
}

func (in *Interp) argClass(v Value) *Class {
	c, ok := v.(*Class)
	if !ok {
		in.raise("TypeError", "class or module required")
	}
	return c
}

// optInt gives argument i as an integer, or a default where it is missing or nil.
func (in *Interp) optInt(c *call, i, without int) int {
	if v := c.opt(i); v != nil {
		return in.argInt(v)
	}
	return without
}

// opt gives argument i, or nil.
func (c *call) opt(i int) Value {
	if i < len(c.args) {
		return c.args[i]
	}
	return nil
}

// kwargs gives the trailing keywords, if the call has some, and cuts them off.
// Where an argument would be missing then, they are that argument.
func (c *call) kwargs() *Hash {
	if n := len(c.args); c.kw && n > c.min {
		if h, ok := c.args[n-1].(*Hash); ok {
			c.args = c.args[:n-1]
			return h
		}
	}
	return nil
}

// flag reads a boolean keyword of a hash that may be nil.
func flag(kw *Hash, name string) (value, given bool) {
	if kw == nil {
		return false, false
	}
	v, ok := kw.Get(Symbol(name))
	return truthy(v), ok
}

func (in *Interp) needBlock(c *call) *Proc {
	if c.blk == nil {
		in.raise("LocalJumpError", "no block given (yield)")
	}
	return c.blk
}
