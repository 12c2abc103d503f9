package ruby

// hashMethods are those that the others are made of; these are in
// lib/core.rb.
func hashMethods() []builtin {
	return []builtin{
		{"to_hash", 0, 0, self},
		{"inspect to_s", 0, 0, of(func(in *Interp, h *Hash) Value { return in.str(in.inspectHash(h)) })},
		{"length size", 0, 0, of(func(_ *Interp, h *Hash) Value { return h.live })},
		{"empty?", 0, 0, of(func(_ *Interp, h *Hash) Value { return h.live == 0 })},
		{"[]", 1, 1, func(in *Interp, c *call) Value { return in.hashGet(c.self.(*Hash), c.args[0]) }},
		{"[]= store", 2, 2, hashStore},
		{"key? has_key? include? member?", 1, 1, hashHas},
		{"keys", 0, 0, of(func(in *Interp, h *Hash) Value { return in.arr(h.keys()) })},
		{"values", 0, 0, of(func(in *Interp, h *Hash) Value { return in.arr(h.values()) })},
		{"each each_pair", 0, 0, orEnum(enumEach)},
		{"select! filter! keep_if reject! delete_if transform_values!", 0, 0, orEnum(inPlace)},
		{"compact!", 0, 0, inPlace},
		{"delete", 1, 1, hashDelete},
		{"replace", 1, 1, hashReplace},
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

func hashStore(in *Interp, c *call) Value {
	in.hset(in.changeHash(c.self), c.args[0], c.args[1])
	return c.args[1]
}

func hashHas(in *Interp, c *call) Value {
	_, ok := in.hget(c.self.(*Hash), c.args[0])
	return ok
}

func hashDelete(in *Interp, c *call) Value {
	v, ok := in.changeHash(c.self).Delete(c.args[0])
	if !ok && c.blk != nil {
		return in.yield(c.blk, c.args[0])
	}
	return v
}

func hashReplace(in *Interp, c *call) Value {
	in.changeHash(c.self).replace(in.argHash(c.args[0]).copy())
	return c.self
}
