package ruby

import (
	"maps"
	"slices"
	"strings"
)

// Value is any Ruby value: nil, bool, int, float64, [Symbol], *[String],
// *[Array], *[Hash], *[Range], *[Regexp], *[Proc], *[Class], *[Object],
// *[HostObject], or another type of this package that represents a Ruby class.
// Hosts return such values and get them as arguments; [ToGo] and [FromGo]
// convert.
type Value = any

// Symbol is a Ruby symbol, without the colon.
type Symbol string

// String is a Ruby string. It can be changed in place, so it is always handled
// by pointer.
type String struct {
	s      string
	sb     *strings.Builder // the spare room behind s, once something was appended
	frozen bool
}

// NewString makes a string.
func NewString(s string) *String { return &String{s: s} }

// String returns the bytes of the Ruby string.
func (s *String) String() string { return s.s }

func (s *String) add(t string) {
	if s.sb == nil {
		s.sb = &strings.Builder{}
		s.sb.Grow(2 * (len(s.s) + len(t)))
		s.sb.WriteString(s.s)
	}
	s.sb.WriteString(t)
	s.s = s.sb.String()
}

// Array is a Ruby array.
type Array struct {
	a      []Value
	frozen bool
}

// NewArray makes an array of the given elements.
func NewArray(elems ...Value) *Array { return &Array{a: elems} }

// Len is the number of elements.
func (a *Array) Len() int { return len(a.a) }

// At returns the element with index i, which must exist.
func (a *Array) At(i int) Value { return a.a[i] }

// Range is a Ruby range; a nil end is open.
type Range struct {
	Lo, Hi Value
	Excl   bool // without its end
}

// Object is an instance of a class that the program defined, or of one of
// Ruby's that has no separate type here.
type Object struct {
	class  *Class
	ivars  map[string]Value
	frozen bool
	data   any
}

// Exception is a Ruby exception.
type Exception struct {
	Object
	msg  Value
	prog *Program
	off  int
}

// builtinFunc is a method of Ruby's own.
type builtinFunc = func(in *Interp, c *call) Value

type method struct {
	name     string
	fn       func() *funcNode
	prog     *Program
	cref     *cref
	bi       builtinFunc
	min, max int // arguments of a builtin; max -1: any number
	private  bool
}

// call is the call of a method.
type call struct {
	f     *frame // of the caller, nil for a call from Go
	self  Value
	name  string
	args  []Value
	kw    bool // the last argument was given as keywords
	blk   *Proc
	fcall bool // private methods may be called
	bare  bool // a name alone, which may be meant as a variable
	min   int  // arguments that a builtin needs
}

// on is the same call of another method on another value.
func (c *call) on(self Value, name string) *call {
	other := *c
	other.self, other.name = self, name
	return &other
}

// Proc is a block, a proc or a lambda.
type Proc struct {
	fn     *funcNode
	f      *frame
	self   Value
	lambda bool
	bi     func(in *Interp, args []Value) Value
}

// cref is the lexical nesting of classes and modules.
type cref struct {
	class *Class
	outer *cref
}

// methFrame is what a method's body and the blocks in it share.
type methFrame struct {
	m       *method
	blk     *Proc
	match   *MatchData
	private bool // default for def in a class body
}

type frame struct {
	self   Value
	vars   []Value
	parent *frame
	mf     *methFrame
	prog   *Program
	cref   *cref
	proc   *Proc // the block that runs in this frame
}

func (f *frame) up(n int) *frame {
	for ; n > 0; n-- {
		f = f.parent
	}
	return f
}

func truthy(v Value) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	}
	return true
}

// Pair is one entry of a [Map].
type Pair struct {
	Key   any
	Value any
}

// Map is a Ruby hash as Go data, in its order.
type Map []Pair

// ToGo turns a value into plain Go data: nil, bool, int64, float64, string,
// []any, [Map] and [Symbol]; a class becomes its name, another object what
// Ruby's to_s gives. Cycles end in nil.
func ToGo(v Value) any { return toGo(v, 0) }

func toGo(v Value, depth int) any {
	if depth > 100 {
		return nil
	}
	switch x := v.(type) {
	case nil, bool, float64, Symbol:
		return x
	case int:
		return int64(x)
	case *String:
		return x.s
	case *Array:
		out := make([]any, len(x.a))
		for i, e := range x.a {
			out[i] = toGo(e, depth+1)
		}
		return out
	case *Hash:
		out := make(Map, 0, x.live)
		x.Each(func(k, v Value) bool {
			out = append(out, Pair{toGo(k, depth+1), toGo(v, depth+1)})
			return true
		})
		return out
	}
	return plainString(v)
}

// FromGo turns Go data into a Ruby value: nil, bool, integers, float64, string,
// [Symbol], []any, []string, [Map], map[string]any (keys sorted) and
// map[string]string; a Ruby value is unchanged.
func FromGo(v any) Value {
	switch x := v.(type) {
	case string:
		return NewString(x)
	case int64:
		return int(x)
	case []any:
		return fromList(x)
	case []string:
		return fromList(x)
	case Map:
		h := NewHash()
		for _, p := range x {
			h.Set(FromGo(p.Key), FromGo(p.Value))
		}
		return h
	case map[string]any:
		return fromMap(x)
	case map[string]string:
		return fromMap(x)
	}
	return v
}

func fromList[V any](list []V) *Array {
	a := &Array{}
	for _, e := range list {
		a.a = append(a.a, FromGo(e))
	}
	return a
}

func fromMap[V any](m map[string]V) *Hash {
	h := NewHash()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		h.Set(NewString(k), FromGo(m[k]))
	}
	return h
}
