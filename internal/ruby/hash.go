package ruby

import "slices"

// Hash is a Ruby hash: it keeps the order in which its keys were added.
type Hash struct {
	index   map[any]int // key to position in entries
	entries []hashEntry
	live    int
	def     Value
	defProc *Proc
	frozen  bool
}

type hashEntry struct {
	k, v Value
	dead bool
}

// NewHash makes an empty hash.
func NewHash() *Hash { return &Hash{index: map[any]int{}} }

// Len is the number of entries.
func (h *Hash) Len() int { return h.live }

// Each calls fn for each entry in order until it returns false.
func (h *Hash) Each(fn func(k, v Value) bool) {
	for i := 0; i < len(h.entries); i++ {
		if e := h.entries[i]; !e.dead && !fn(e.k, e.v) {
			return
		}
	}
}

// Get returns the value of a key; the hash's default is not consulted.
func (h *Hash) Get(k Value) (Value, bool) {
	if i, ok := h.index[keyOf(k)]; ok {
		return h.entries[i].v, true
	}
	return nil, false
}

// Set adds or replaces an entry.
func (h *Hash) Set(k, v Value) {
	key := keyOf(k)
	if i, ok := h.index[key]; ok {
		h.entries[i].v = v
		return
	}
	if s, ok := k.(*String); ok && !s.frozen {
		k = &String{s: s.s, frozen: true}
	}
	h.index[key] = len(h.entries)
	h.entries = append(h.entries, hashEntry{k: k, v: v})
	h.live++
}

// Delete removes an entry and returns its value.
func (h *Hash) Delete(k Value) (Value, bool) {
	key := keyOf(k)
	i, ok := h.index[key]
	if !ok {
		return nil, false
	}
	v := h.entries[i].v
	h.entries[i] = hashEntry{dead: true}
	h.live--
	delete(h.index, key)
	return v, true
}

// replace takes over the entries of another hash.
func (h *Hash) replace(o *Hash) { h.index, h.entries, h.live = o.index, o.entries, o.live }

// copy makes a hash of the same entries and default.
func (h *Hash) copy() *Hash {
	out := NewHash()
	h.Each(func(k, v Value) bool { out.Set(k, v); return true })
	out.def, out.defProc = h.def, h.defProc
	return out
}

func (h *Hash) keys() []Value {
	out := make([]Value, 0, h.live)
	h.Each(func(k, _ Value) bool { out = append(out, k); return true })
	return out
}

func (h *Hash) values() []Value {
	out := make([]Value, 0, h.live)
	h.Each(func(_, v Value) bool { out = append(out, v); return true })
	return out
}

type strKey string

// keyOf gives a comparable Go value that is equal for keys that are eql? in
// Ruby: an array is a list of pairs of an element and the rest.
func keyOf(v Value) any {
	switch x := v.(type) {
	case *String:
		return strKey(x.s)
	case *Array:
		var list any = "array"
		for _, e := range slices.Backward(x.a) {
			list = [2]any{keyOf(e), list}
		}
		return list
	case *Range:
		return [3]any{keyOf(x.Lo), keyOf(x.Hi), x.Excl}
	}
	return v
}

// hset stores an entry, accounted for.
func (in *Interp) hset(h *Hash, k, v Value) {
	in.alloc(100)
	in.chargeKey(k)
	h.Set(k, v)
}

// chargeKey accounts for the work of a key that is an array, and refuses keys
// whose equality is not known here.
func (in *Interp) chargeKey(k Value) {
	switch x := k.(type) {
	case *Array:
		defer in.enter(x)()
		in.step(len(x.a))
		in.alloc(32 * len(x.a))
		for _, e := range x.a {
			in.chargeKey(e)
		}
	case *Hash, *Object:
		in.unsupported("a hash key of the class " + in.classOf(k).name)
	}
}

// hget is Hash#[] without the default.
func (in *Interp) hget(h *Hash, k Value) (Value, bool) {
	in.chargeKey(k)
	return h.Get(k)
}

// hashGet is Hash#[].
func (in *Interp) hashGet(h *Hash, k Value) Value {
	if v, ok := in.hget(h, k); ok {
		return v
	}
	if h.defProc != nil {
		return in.yield(h.defProc, h, k)
	}
	return h.def
}
