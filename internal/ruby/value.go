package ruby

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is any Ruby value: nil, bool, int, *big.Int (beyond int), float64, [Symbol], *[String], *[Array], *[Hash],
// *[Range], *[Regexp], *[Proc], *[Class], *[Object], *[HostObject], or another type of this package that stands for
// one of Ruby's. Hosts return such values and get them as arguments; [ToGo] and [FromGo] convert.
type Value = any

// Symbol is a Ruby symbol, without the colon.
type Symbol string

// String is a Ruby string. It can be changed in place, so it is always handled by pointer.
type String struct {
	s      string
	sb     *strings.Builder // the spare room behind s, once something was appended
	frozen bool
	binary bool
	onEdit func(added string, appended bool) // template output: told of each change
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
	if s.onEdit != nil {
		s.onEdit(t, true)
	}
}

func (s *String) set(t string) {
	s.s, s.sb = t, nil
	if s.onEdit != nil {
		s.onEdit(t, false)
	}
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

// Hash is a Ruby hash: it keeps the order in which its keys were added.
type Hash struct {
	index   map[any]int // key to position in entries
	entries []hashEntry
	live    int
	def     Value
	defProc *Proc
	frozen  bool
	byID    bool
}

type hashEntry struct {
	hk   any
	k, v Value
	dead bool
}

// NewHash makes an empty hash.
func NewHash() *Hash { return &Hash{} }

// Len is the number of entries.
func (h *Hash) Len() int { return h.live }

// Each calls fn for each entry in order until it returns false.
func (h *Hash) Each(fn func(k, v Value) bool) {
	for i := 0; i < len(h.entries); i++ {
		if e := &h.entries[i]; !e.dead && !fn(e.k, e.v) {
			return
		}
	}
}

// Get returns the value of a key; the hash's default is not consulted.
func (h *Hash) Get(k Value) (Value, bool) { return h.get(h.keyOf(k)) }

// Set adds or replaces an entry.
func (h *Hash) Set(k, v Value) {
	if s, ok := k.(*String); ok && !s.frozen && !h.byID {
		k = &String{s: s.s, frozen: true}
	}
	h.put(h.keyOf(k), k, v)
}

// Delete removes an entry.
func (h *Hash) Delete(k Value) (Value, bool) {
	hk := h.keyOf(k)
	i := h.find(hk)
	if i < 0 {
		return nil, false
	}
	v := h.entries[i].v
	h.entries[i] = hashEntry{dead: true}
	h.live--
	if h.index != nil {
		delete(h.index, hk)
	}
	if len(h.entries) > 32 && h.live < len(h.entries)/4 {
		h.compact()
	}
	return v, true
}

func (h *Hash) compact() {
	out := make([]hashEntry, 0, h.live)
	for _, e := range h.entries {
		if !e.dead {
			out = append(out, e)
		}
	}
	h.entries = out
	h.reindex()
}

func (h *Hash) reindex() {
	h.index = nil
	if len(h.entries) > 8 {
		h.index = make(map[any]int, len(h.entries))
		for i, e := range h.entries {
			if !e.dead {
				h.index[e.hk] = i
			}
		}
	}
}

func (h *Hash) find(hk any) int {
	if h.index != nil {
		if i, ok := h.index[hk]; ok {
			return i
		}
		return -1
	}
	for i := range h.entries {
		if !h.entries[i].dead && h.entries[i].hk == hk {
			return i
		}
	}
	return -1
}

func (h *Hash) get(hk any) (Value, bool) {
	if i := h.find(hk); i >= 0 {
		return h.entries[i].v, true
	}
	return nil, false
}

func (h *Hash) put(hk any, k, v Value) {
	if i := h.find(hk); i >= 0 {
		h.entries[i].v = v
		return
	}
	h.entries = append(h.entries, hashEntry{hk: hk, k: k, v: v})
	h.live++
	if h.index != nil {
		h.index[hk] = len(h.entries) - 1
	} else if len(h.entries) > 8 {
		h.reindex()
	}
}

func (h *Hash) clear() { h.entries, h.index, h.live = nil, nil, 0 }

func (h *Hash) keys() []Value {
	out := make([]Value, 0, h.live)
	h.Each(func(k, _ Value) bool { out = append(out, k); return true })
	return out
}

type (
	strKey   string
	compKey  string
	identKey struct{ p any }
)

func (h *Hash) keyOf(v Value) any {
	if h.byID {
		return identKey{v}
	}
	return keyOf(v)
}

// keyOf gives a comparable Go value that is equal for keys that are eql? in Ruby.
func keyOf(v Value) any {
	switch x := v.(type) {
	case *String:
		return strKey(x.s)
	case *big.Int:
		return compKey("b" + x.String())
	case float64:
		if x == 0 {
			return 0.0
		}
		return x
	case *Array, *Hash, *Range:
		var b strings.Builder
		compKeyOf(&b, v, 0)
		return compKey(b.String())
	}
	return v
}

func compKeyOf(b *strings.Builder, v Value, depth int) {
	if depth > 50 {
		b.WriteString("…")
		return
	}
	switch x := v.(type) {
	case nil:
		b.WriteString("n;")
	case bool:
		b.WriteString(strconv.FormatBool(x) + ";")
	case int:
		b.WriteString("i" + strconv.Itoa(x) + ";")
	case float64:
		b.WriteString("f" + strconv.FormatFloat(x, 'g', -1, 64) + ";")
	case Symbol:
		b.WriteString(":" + strconv.Itoa(len(x)) + ":" + string(x))
	case *String:
		b.WriteString("s" + strconv.Itoa(len(x.s)) + ":" + x.s)
	case *Array:
		b.WriteByte('[')
		for _, e := range x.a {
			compKeyOf(b, e, depth+1)
		}
		b.WriteByte(']')
	case *Hash:
		// order does not matter for equality; entries are few
		b.WriteByte('{')
		var parts []string
		x.Each(func(k, v Value) bool {
			var e strings.Builder
			compKeyOf(&e, k, depth+1)
			e.WriteByte('>')
			compKeyOf(&e, v, depth+1)
			parts = append(parts, e.String())
			return true
		})
		sortStrings(parts)
		b.WriteString(strings.Join(parts, ","))
		b.WriteByte('}')
	case *Range:
		b.WriteString("r(")
		compKeyOf(b, x.Lo, depth+1)
		compKeyOf(b, x.Hi, depth+1)
		b.WriteString(strconv.FormatBool(x.Excl) + ")")
	case *big.Int:
		b.WriteString("b" + x.String() + ";")
	default:
		b.WriteString(pointerString(v) + ";")
	}
}

// Class is a Ruby class or module.
type Class struct {
	name     string
	super    *Class
	isModule bool
	methods  map[string]*method
	builtin  map[string]*method // shared, never changed
	sbuiltin map[string]*method // singleton methods of the same kind
	meta     *Class             // singleton methods that the program defined
	includes []*Class
	prepends []*Class
	consts   map[string]Value
	constSeq []string
	cvars    map[string]Value
	ivars    map[string]Value
	outer    *Class
	attached Value // of a singleton class: its object
	mroCache []*Class
	mroEpoch int
	cache    map[string]*method
	cacheAt  int
	frozen   bool
	private  map[string]bool // private constants and class methods
	alloc    func(in *Interp, cls *Class) Value
}

// Name is the full name of the class, such as "Chef::Config".
func (c *Class) Name() string { return c.name }

func (c *Class) isA(other *Class) bool {
	for _, k := range c.ancestors() {
		if k == other {
			return true
		}
	}
	return false
}

// ancestors lists the classes and modules in which methods are looked up, first match first.
func (c *Class) ancestors() []*Class {
	if c.mroCache != nil {
		return c.mroCache
	}
	var out []*Class
	seen := map[*Class]bool{}
	var add func(k *Class)
	add = func(k *Class) {
		if seen[k] {
			return
		}
		seen[k] = true
		for i := len(k.prepends) - 1; i >= 0; i-- {
			add(k.prepends[i])
		}
		out = append(out, k)
		for i := len(k.includes) - 1; i >= 0; i-- {
			add(k.includes[i])
		}
	}
	for k := c; k != nil; k = k.super {
		add(k)
	}
	c.mroCache = out
	return out
}

// Object is an instance of a class that the program defined, or of one of Ruby's that has no type of its own here.
type Object struct {
	class  *Class
	single *Class // singleton class, if any
	ivars  map[string]Value
	order  []string
	frozen bool
	data   any
}

// Class gives the object's class.
func (o *Object) Class() *Class { return o.class }

// Exception is a Ruby exception.
type Exception struct {
	Object
	msg   Value
	cause Value
	trace []string
	prog  *Program
	off   int
	extra Value // name, key, status …
	recv  Value
}

type visibility uint8

const (
	visPublic visibility = iota
	visPrivate
	visProtected
)

type builtinFunc = func(in *Interp, c *call) Value

type method struct {
	name     string
	owner    *Class
	fn       *funcNode
	prog     *Program
	cref     *cref
	bi       builtinFunc
	min, max int // arguments of a builtin; max -1: any number
	proc     *Proc
	vis      visibility
	undef    bool
}

// call is one invocation as a builtin sees it.
type call struct {
	self Value
	name string
	args []Value
	kw   bool // the last argument was given as keywords
	blk  *Proc
	f    *frame // of the caller
	fcal bool   // called without receiver, or with self
	min  int    // arguments that the method needs
}

// Proc is a block, a proc or a lambda.
type Proc struct {
	fn     *funcNode
	f      *frame
	self   Value
	lambda bool
	bi     func(in *Interp, args []Value, blk *Proc) Value
	arity  int
	method *boundMethod
	curry  []Value
	from   *method // define_method
	isSym  bool
}

type boundMethod struct {
	recv    Value
	m       *method
	name    string
	unbound bool
	owner   *Class
}

// cref is the lexical nesting of classes and modules.
type cref struct {
	class *Class
	outer *cref
}

// methFrame is what a method's body and the blocks in it share.
type methFrame struct {
	m     *method
	self  Value
	args  []Value
	kw    bool
	blk   *Proc
	match *MatchData
	vis   visibility // default for def in a class body
	modfn bool
	dead  bool
	top   bool
}

type frame struct {
	self   Value
	vars   []Value
	parent *frame
	mf     *methFrame
	prog   *Program
	cref   *cref
	proc   *Proc // the block that runs in this frame
	defTo  *Class
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

// normBig turns a big integer that fits into an int.
func normBig(b *big.Int) Value {
	if b.IsInt64() {
		i := b.Int64()
		if int64(int(i)) == i {
			return int(i)
		}
	}
	return b
}

func negate(v Value) Value {
	switch x := v.(type) {
	case int:
		if -x == x && x != 0 {
			return new(big.Int).Neg(big.NewInt(int64(x)))
		}
		return -x
	case *big.Int:
		return normBig(new(big.Int).Neg(x))
	case float64:
		return -x
	}
	return v
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
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

// ToGo turns a value into plain Go data: nil, bool, int64, *big.Int, float64, string, []any, [Map] and [Symbol]; a
// class becomes its name, another object what Ruby's to_s gives. Cycles end in nil.
func ToGo(v Value) any { return toGo(v, 0) }

func toGo(v Value, depth int) any {
	if depth > 100 {
		return nil
	}
	switch x := v.(type) {
	case nil, bool, float64, *big.Int, Symbol:
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
	case *Class:
		return x.name
	}
	return plainString(v)
}

// FromGo turns Go data into a Ruby value: nil, bool, integers, float64, string, [Symbol], []any, []string, [Map],
// map[string]any (keys sorted) and map[string]string; a Ruby value stays what it is.
func FromGo(v any) Value {
	switch x := v.(type) {
	case string:
		return NewString(x)
	case int64:
		return normBig(big.NewInt(x))
	case int32:
		return int(x)
	case uint64:
		return normBig(new(big.Int).SetUint64(x))
	case []any:
		a := &Array{a: make([]Value, len(x))}
		for i, e := range x {
			a.a[i] = FromGo(e)
		}
		return a
	case []string:
		a := &Array{a: make([]Value, len(x))}
		for i, e := range x {
			a.a[i] = NewString(e)
		}
		return a
	case Map:
		h := NewHash()
		for _, p := range x {
			h.Set(FromGo(p.Key), FromGo(p.Value))
		}
		return h
	case map[string]any:
		h := NewHash()
		for _, k := range sortedKeys(x) {
			h.Set(NewString(k), FromGo(x[k]))
		}
		return h
	case map[string]string:
		h := NewHash()
		for _, k := range sortedKeys(x) {
			h.Set(NewString(k), NewString(x[k]))
		}
		return h
	}
	return v
}
