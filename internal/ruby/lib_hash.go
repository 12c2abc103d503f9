package ruby

func (in *Interp) changeHash(h *Hash) *Hash {
	if h.frozen {
		in.frozenError(h)
	}
	return h
}

// yieldPair gives a block key and value: as two values, so that |k| gets the key.
func (in *Interp) yieldPair(blk *Proc, k, v Value) Value { return in.yield(blk, k, v) }

func defHash(l *library) {
	d := l.class("Hash", "Object", "Enumerable")
	d.sdef("new", 0, -1, func(in *Interp, c *call) Value {
		if c.self != any(in.classes["Hash"]) {
			in.unsupported("a subclass of Hash")
		}
		in.alloc(64)
		h := NewHash()
		if len(c.args) > 1 {
			in.argError(len(c.args), 0, 1)
		}
		if c.blk != nil && len(c.args) > 0 {
			in.argError(len(c.args), 0, 0)
		}
		h.def, h.defProc = c.opt(0), c.blk
		return h
	})
	d.sdef("[]", 0, -1, func(in *Interp, c *call) Value {
		h := NewHash()
		in.alloc(64)
		if len(c.args) == 1 {
			switch x := c.args[0].(type) {
			case *Hash:
				return in.copyPlain(x)
			case *Array:
				for _, p := range x.a {
					a := in.argArray(p)
					if len(a.a) < 1 || len(a.a) > 2 {
						in.raise("ArgumentError", "invalid number of elements (%d for 1..2)", len(a.a))
					}
					in.hset(h, a.a[0], in.arrAt(a, 1))
				}
				return h
			}
		}
		if len(c.args)%2 != 0 {
			in.raise("ArgumentError", "odd number of arguments for Hash")
		}
		for i := 0; i < len(c.args); i += 2 {
			in.hset(h, c.args[i], c.args[i+1])
		}
		return h
	})
	d.def("to_h", 0, 0, func(in *Interp, c *call) Value {
		if c.blk != nil {
			return l.byName["Enumerable"].methods["to_h"].bi(in, c)
		}
		return c.self
	})
	d.def("to_hash", 0, 0, func(in *Interp, c *call) Value { return c.self })
	d.def("inspect to_s", 0, 0, func(in *Interp, c *call) Value { return in.str(in.inspectHash(c.self.(*Hash))) })
	d.def("==", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	d.def("hash", 0, 0, func(in *Interp, c *call) Value { return hashNumber(in.hashKey(nil, c.self)) })
	d.def("to_proc", 0, 0, func(in *Interp, c *call) Value { return in.toProc(c.self) })
	d.def("length size", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Hash).live })
	d.def("count", 0, 1, func(in *Interp, c *call) Value {
		if len(c.args) == 0 && c.blk == nil {
			return c.self.(*Hash).live
		}
		return l.byName["Enumerable"].methods["count"].bi(in, c)
	})
	d.def("empty?", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Hash).live == 0 })
	d.def("[]", 1, 1, func(in *Interp, c *call) Value { return in.hashGet(c.self.(*Hash), c.args[0]) })
	d.def("[]= store", 2, 2, func(in *Interp, c *call) Value {
		in.hset(in.changeHash(c.self.(*Hash)), c.args[0], c.args[1])
		return c.args[1]
	})
	d.def("fetch", 1, 2, func(in *Interp, c *call) Value {
		h := c.self.(*Hash)
		if v, ok := h.get(in.hashKey(h, c.args[0])); ok {
			return v
		}
		if c.blk != nil {
			return in.yield(c.blk, c.args[0])
		}
		if len(c.args) > 1 {
			return c.args[1]
		}
		in.keyError(h, c.args[0])
		return nil
	})
	d.def("dig", 1, -1, func(in *Interp, c *call) Value { return in.dig(c) })
	d.def("key? has_key? include? member?", 1, 1, func(in *Interp, c *call) Value {
		h := c.self.(*Hash)
		_, ok := h.get(in.hashKey(h, c.args[0]))
		return ok
	})
	d.def("value? has_value?", 1, 1, func(in *Interp, c *call) Value {
		found := false
		c.self.(*Hash).Each(func(_, v Value) bool { found = in.equal(v, c.args[0]); return !found })
		return found
	})
	d.def("key", 1, 1, func(in *Interp, c *call) Value {
		var found Value
		c.self.(*Hash).Each(func(k, v Value) bool {
			if in.equal(v, c.args[0]) {
				found = k
				return false
			}
			return true
		})
		return found
	})
	d.def("keys", 0, 0, func(in *Interp, c *call) Value { return in.arr(c.self.(*Hash).keys()) })
	d.def("values", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		c.self.(*Hash).Each(func(_, v Value) bool { out = append(out, v); return true })
		return in.arr(out)
	})
	d.def("values_at", 0, -1, func(in *Interp, c *call) Value {
		var out []Value
		for _, k := range c.args {
			out = append(out, in.hashGet(c.self.(*Hash), k))
		}
		return in.arr(out)
	})
	d.def("fetch_values", 0, -1, func(in *Interp, c *call) Value {
		h := c.self.(*Hash)
		var out []Value
		for _, k := range c.args {
			v, ok := h.get(in.hashKey(h, k))
			if !ok {
				if c.blk == nil {
					in.keyError(h, k)
				}
				v = in.yield(c.blk, k)
			}
			out = append(out, v)
		}
		return in.arr(out)
	})
	d.def("each each_pair", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.each(c.self, func(p Value) bool { in.yield(c.blk, p); return true })
		return c.self
	})
	d.def("each_key each_value", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.eachPair(c.self.(*Hash), func(k, v Value) bool {
			if c.name == "each_key" {
				in.yield(c.blk, k)
			} else {
				in.yield(c.blk, v)
			}
			return true
		})
		return c.self
	})
	filter := func(names string, keep bool) {
		d.def(names, 0, 0, func(in *Interp, c *call) Value {
			if c.blk == nil {
				return in.enum(c)
			}
			h := NewHash()
			in.eachPair(c.self.(*Hash), func(k, v Value) bool {
				if truthy(in.yieldPair(c.blk, k, v)) == keep {
					in.hset(h, k, v)
				}
				return true
			})
			return h
		})
	}
	filter("select filter", true)
	filter("reject", false)
	inPlace := func(names string, keep, nilIfSame bool) {
		d.def(names, 0, 0, func(in *Interp, c *call) Value {
			if c.blk == nil {
				return in.enum(c)
			}
			h := in.changeHash(c.self.(*Hash))
			n := h.live
			var drop []Value
			in.eachPair(h, func(k, v Value) bool {
				if truthy(in.yieldPair(c.blk, k, v)) != keep {
					drop = append(drop, k)
				}
				return true
			})
			for _, k := range drop {
				in.hdel(h, k)
			}
			if nilIfSame && h.live == n {
				return nil
			}
			return h
		})
	}
	inPlace("select! filter!", true, true)
	inPlace("keep_if", true, false)
	inPlace("reject!", false, true)
	inPlace("delete_if", false, false)
	d.def("find_all", 0, 0, l.byName["Enumerable"].methods["select"].bi)
	d.def("filter_map", 0, 0, l.byName["Enumerable"].methods["filter_map"].bi)
	d.def("min_by max_by", 0, 1, func(in *Interp, c *call) Value { return l.byName["Enumerable"].methods[c.name].bi(in, c) })
	d.def("any?", 0, 1, func(in *Interp, c *call) Value {
		if len(c.args) == 0 && c.blk == nil {
			return c.self.(*Hash).live > 0
		}
		return l.byName["Enumerable"].methods["any?"].bi(in, c)
	})
	d.def("map collect", 0, 0, l.byName["Enumerable"].methods["map"].bi)
	d.def("delete", 1, 1, func(in *Interp, c *call) Value {
		h := in.changeHash(c.self.(*Hash))
		v, ok := in.hdel(h, c.args[0])
		if !ok && c.blk != nil {
			return in.yield(c.blk, c.args[0])
		}
		return v
	})
	d.def("shift", 0, 0, func(in *Interp, c *call) Value {
		h := in.changeHash(c.self.(*Hash))
		var out Value
		h.Each(func(k, v Value) bool { out = in.pair(k, v); return false })
		if p, ok := out.(*Array); ok {
			in.hdel(h, p.a[0])
		}
		return out
	})
	d.def("clear", 0, 0, func(in *Interp, c *call) Value { in.changeHash(c.self.(*Hash)).clear(); return c.self })
	d.def("replace initialize_copy", 1, 1, func(in *Interp, c *call) Value {
		h := in.changeHash(c.self.(*Hash))
		o := in.copyPlain(in.argHash(c.args[0]))
		h.entries, h.index, h.live = o.entries, o.index, o.live
		return h
	})
	d.def("merge merge! update", 0, -1, func(in *Interp, c *call) Value {
		h := c.self.(*Hash)
		if c.name == "merge" {
			h = in.copyHash(h)
			h.frozen = false
		} else {
			in.changeHash(h)
		}
		for _, a := range c.args {
			in.eachPair(in.argHash(a), func(k, v Value) bool {
				if c.blk != nil {
					if old, ok := h.get(in.hashKey(h, k)); ok {
						v = in.yield(c.blk, k, old, v)
					}
				}
				in.hset(h, k, v)
				return true
			})
		}
		return h
	})
	d.def("transform_values transform_values!", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		h := c.self.(*Hash)
		if c.name == "transform_values!" {
			in.changeHash(h)
			in.eachPair(h, func(k, v Value) bool { in.hset(h, k, in.yield(c.blk, v)); return true })
			return h
		}
		out := NewHash()
		in.eachPair(h, func(k, v Value) bool { in.hset(out, k, in.yield(c.blk, v)); return true })
		return out
	})
	d.def("transform_keys transform_keys!", 0, 1, func(in *Interp, c *call) Value {
		h := c.self.(*Hash)
		var m *Hash
		if len(c.args) > 0 {
			m = in.argHash(c.args[0])
		} else if c.blk == nil {
			return in.enum(c)
		}
		out := NewHash()
		in.eachPair(h, func(k, v Value) bool {
			if m != nil {
				if n, ok := m.get(in.hashKey(m, k)); ok {
					in.hset(out, n, v)
					return true
				}
				if c.blk == nil {
					in.hset(out, k, v)
					return true
				}
			}
			in.hset(out, in.yield(c.blk, k), v)
			return true
		})
		if c.name == "transform_keys!" {
			in.changeHash(h)
			h.entries, h.index, h.live = out.entries, out.index, out.live
			return h
		}
		return out
	})
	d.def("invert", 0, 0, func(in *Interp, c *call) Value {
		out := NewHash()
		in.eachPair(c.self.(*Hash), func(k, v Value) bool { in.hset(out, v, k); return true })
		return out
	})
	d.def("slice except", 0, -1, func(in *Interp, c *call) Value {
		h := c.self.(*Hash)
		if c.name == "except" {
			out := in.copyPlain(h)
			for _, k := range c.args {
				in.hdel(out, k)
			}
			return out
		}
		out := NewHash()
		for _, k := range c.args {
			if v, ok := h.get(in.hashKey(h, k)); ok {
				in.hset(out, k, v)
			}
		}
		return out
	})
	d.def("compact", 0, 0, func(in *Interp, c *call) Value {
		out := NewHash()
		in.eachPair(c.self.(*Hash), func(k, v Value) bool {
			if v != nil {
				in.hset(out, k, v)
			}
			return true
		})
		return out
	})
	d.def("compact!", 0, 0, func(in *Interp, c *call) Value {
		h := in.changeHash(c.self.(*Hash))
		n := h.live
		for _, k := range h.keys() {
			if v, _ := h.get(in.hashKey(h, k)); v == nil {
				in.hdel(h, k)
			}
		}
		if h.live == n {
			return nil
		}
		return h
	})
	d.def("assoc", 1, 1, func(in *Interp, c *call) Value {
		h := c.self.(*Hash)
		if v, ok := h.get(in.hashKey(h, c.args[0])); ok {
			return in.pair(c.args[0], v)
		}
		return nil
	})
	d.def("default", 0, 1, func(in *Interp, c *call) Value { return c.self.(*Hash).def })
	d.def("default=", 1, 1, func(in *Interp, c *call) Value {
		h := in.changeHash(c.self.(*Hash))
		h.def, h.defProc = c.args[0], nil
		return c.args[0]
	})
	d.def("default_proc", 0, 0, func(in *Interp, c *call) Value { return procValue(c.self.(*Hash).defProc) })
	d.def("compare_by_identity", 0, 0, func(in *Interp, c *call) Value {
		h := in.changeHash(c.self.(*Hash))
		h.byID = true
		for i := range h.entries {
			h.entries[i].hk = identKey{h.entries[i].k}
		}
		h.reindex()
		return h
	})
	order := func(name string, ok func(in *Interp, a, b *Hash) bool) {
		d.def(name, 1, 1, func(in *Interp, c *call) Value { return ok(in, c.self.(*Hash), in.argHash(c.args[0])) })
	}
	subset := func(in *Interp, a, b *Hash) bool {
		ok := true
		a.Each(func(k, v Value) bool {
			w, has := b.get(in.hashKey(b, k))
			ok = has && in.equal(v, w)
			return ok
		})
		return ok
	}
	order("<=", subset)
	order("<", func(in *Interp, a, b *Hash) bool { return a.live < b.live && subset(in, a, b) })
	order(">=", func(in *Interp, a, b *Hash) bool { return subset(in, b, a) })
	order(">", func(in *Interp, a, b *Hash) bool { return b.live < a.live && subset(in, b, a) })
	d.def("deconstruct_keys", 1, 1, func(in *Interp, c *call) Value { return c.self })
	d.def("sum", 0, 1, l.byName["Enumerable"].methods["sum"].bi)
}

// eachPair walks a hash, counting steps.
func (in *Interp) eachPair(h *Hash, fn func(k, v Value) bool) {
	for i := 0; i < len(h.entries); i++ {
		if e := h.entries[i]; !e.dead {
			in.step(1)
			if !fn(e.k, e.v) {
				return
			}
		}
	}
}

func (in *Interp) hdel(h *Hash, k Value) (Value, bool) {
	hk := in.hashKey(h, k)
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
	return v, true
}

// copyPlain copies the entries but not the default.
func (in *Interp) copyPlain(h *Hash) *Hash {
	out := in.copyHash(h)
	out.def, out.defProc = nil, nil
	return out
}

func (in *Interp) keyError(recv, key Value) {
	e := in.newException("KeyError", "key not found: "+in.inspect(key))
	e.extra, e.recv = key, recv
	in.throw(e)
}
