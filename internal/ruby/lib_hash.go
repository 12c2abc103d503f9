package ruby

// hashMethods are those that are used most; the others are in
// lib/enumerable.rb.
func hashMethods() []builtin {
	return []builtin{
		{"to_hash", 0, 0, self},
		{"to_h", 0, 0, hashToH},
		{"inspect to_s", 0, 0, of(func(in *Interp, h *Hash) Value { return in.str(in.inspectHash(h)) })},
		{"length size", 0, 0, of(func(_ *Interp, h *Hash) Value { return h.live })},
		{"empty?", 0, 0, of(func(_ *Interp, h *Hash) Value { return h.live == 0 })},
		{"[]", 1, 1, func(in *Interp, c *call) Value { return in.hashGet(c.self.(*Hash), c.args[0]) }},
		{"[]= store", 2, 2, hashStore},
		{"fetch", 1, 2, hashFetch},
		{"dig", 1, -1, objectDig},
		{"key? has_key? include? member?", 1, 1, hashHas},
		{"keys", 0, 0, of(func(in *Interp, h *Hash) Value { return in.arr(h.keys()) })},
		{"values", 0, 0, of(func(in *Interp, h *Hash) Value { return in.arr(h.values()) })},
		{"each each_pair", 0, 0, orEnum(enumEach)},
		{"select filter reject", 0, 0, orEnum(hashSelect)},
		{"select! filter! keep_if reject! delete_if transform_values!", 0, 0, orEnum(inPlace)},
		{"compact!", 0, 0, inPlace},
		{"delete", 1, 1, hashDelete},
		{"clear", 0, 0, hashClear},
		{"replace", 1, 1, hashReplace},
		{"merge merge! update", 0, -1, hashMerge},
	}
}

func (in *Interp) changeHash(v Value) *Hash {
	in.checkFrozen(v)
	return v.(*Hash)
}

func hashNew(in *Interp, c *call) Value {
	in.alloc(64)
	h := NewHash()
	h.def, h.defProc = c.opt(0), c.blk
	return h
}

func hashOf(in *Interp, c *call) Value {
	if len(c.args) == 1 {
		if h, ok := c.args[0].(*Hash); ok {
			return h.copy()
		}
		return enumToH(in, &call{self: in.argArray(c.args[0])})
	}
	if len(c.args)%2 != 0 {
		in.raise("ArgumentError", "odd number of arguments for Hash")
	}
	h := NewHash()
	for i := 0; i < len(c.args); i += 2 {
		in.hset(h, c.args[i], c.args[i+1])
	}
	return h
}

func hashToH(in *Interp, c *call) Value {
	if c.blk == nil {
		return c.self
	}
	return enumToH(in, c)
}

func hashStore(in *Interp, c *call) Value {
	in.hset(in.changeHash(c.self), c.args[0], c.args[1])
	return c.args[1]
}

func hashFetch(in *Interp, c *call) Value {
	if v, ok := in.hget(c.self.(*Hash), c.args[0]); ok {
		return v
	}
	return in.fetchDefault(c)
}

func hashHas(in *Interp, c *call) Value {
	_, ok := in.hget(c.self.(*Hash), c.args[0])
	return ok
}

func hashSelect(in *Interp, c *call) Value {
	out := NewHash()
	c.self.(*Hash).Each(func(k, v Value) bool {
		if in.yieldBool(c.blk, k, v) == (c.name != "reject") {
			in.hset(out, k, v)
		}
		return true
	})
	return out
}

func hashDelete(in *Interp, c *call) Value {
	v, ok := in.changeHash(c.self).Delete(c.args[0])
	if !ok && c.blk != nil {
		return in.yield(c.blk, c.args[0])
	}
	return v
}

func hashClear(in *Interp, c *call) Value {
	in.changeHash(c.self).replace(NewHash())
	return c.self
}

func hashReplace(in *Interp, c *call) Value {
	in.changeHash(c.self).replace(in.argHash(c.args[0]).copy())
	return c.self
}

func hashMerge(in *Interp, c *call) Value {
	h := c.self.(*Hash)
	if c.name == "merge" {
		in.alloc(100 * h.live)
		h = h.copy()
	}
	in.checkFrozen(h)
	for _, a := range c.args {
		in.argHash(a).Each(func(k, v Value) bool {
			if old, ok := in.hget(h, k); ok && c.blk != nil {
				v = in.yield(c.blk, k, old, v)
			}
			in.hset(h, k, v)
			return true
		})
	}
	return h
}
