package ruby

import (
	"cmp"
	"slices"
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
		defer in.enter(x)()
		return slices.EqualFunc(x.a, y.a, in.equal)
	case *Hash:
		y, ok := b.(*Hash)
		if !ok || x.live != y.live {
			return false
		}
		defer in.enter(x)()
		same := true
		x.Each(func(k, v Value) bool {
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
	case Symbol:
		if y, ok := b.(Symbol); ok {
			return cmp.Compare(x, y), true
		}
	case *Array:
		y, ok := b.(*Array)
		if !ok {
			return 0, false
		}
		defer in.enter(x)()
		for i := range min(len(x.a), len(y.a)) {
			if c, ok := in.compare(x.a[i], y.a[i]); !ok || c != 0 {
				return c, ok
			}
		}
		return cmp.Compare(len(x.a), len(y.a)), true
	case *Object:
		r, ok := in.send(x, "<=>", b).(int)
		return r, ok
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
	return cmp.Compare(x, y), ok1 && ok2
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
		in.raise("ArgumentError", "comparison of %s with %s failed", in.classOf(a).name, in.convName(b))
	}
	return c
}

// cmpWith compares by a block, or by <=> without one.
func (in *Interp) cmpWith(x, y Value, blk *Proc) int {
	if blk == nil {
		return in.mustCompare(x, y)
	}
	return in.mustCompare(in.yield(blk, x, y), 0)
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

// argOf wants a value of one type, named as Ruby does.
func argOf[T any](in *Interp, v Value, name string) T {
	x, ok := v.(T)
	if !ok {
		in.raise("TypeError", "no implicit conversion of %s into %s", in.convName(v), name)
	}
	return x
}

// argString wants a String (or something with to_str).
func (in *Interp) argString(v Value) string {
	if o, ok := v.(*Object); ok && in.respondTo(o, "to_str") {
		v = in.send(o, "to_str")
	}
	return argOf[*String](in, v, "String").s
}

// argName wants a String or Symbol.
func (in *Interp) argName(v Value) string {
	if s, ok := v.(Symbol); ok {
		return string(s)
	}
	return in.argString(v)
}

// argInt wants an Integer; floats are truncated.
func (in *Interp) argInt(v Value) int {
	if f, ok := v.(float64); ok {
		return in.floatToInt(f)
	}
	return argOf[int](in, v, "Integer")
}

func (in *Interp) argHash(v Value) *Hash { return argOf[*Hash](in, v, "Hash") }

func (in *Interp) argClass(v Value) *Class {
	c, ok := v.(*Class)
	in.raiseIf(!ok, "TypeError", "class or module required")
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
		h, _ := c.args[n-1].(*Hash)
		c.args = c.args[:n-1]
		return h
	}
	return nil
}

// flag reads a boolean keyword of a hash that may be nil.
func flag(kw *Hash, name string) bool {
	if kw == nil {
		return false
	}
	v, _ := kw.Get(Symbol(name))
	return truthy(v)
}
