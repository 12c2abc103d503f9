package ruby

import "strings"

// envObject is ENV.
type envObject struct{ _ byte }

var theEnv = &envObject{}

func (in *Interp) envStr(s string) *String {
	in.alloc(len(s) + 48)
	return &String{s: s, frozen: true}
}

func (in *Interp) envName(v Value) string {
	n := in.argString(v)
	if strings.IndexByte(n, 0) >= 0 {
		in.raise("ArgumentError", "bad environment variable name: contains null byte")
	}
	return n
}

// envGet is ENV[name], noted as a read.
func (in *Interp) envGet(name string) Value {
	in.noteEnv(name)
	if v, ok := in.env.Lookup(name); ok {
		return in.envStr(v)
	}
	return nil
}

func (in *Interp) envSet(k, v Value) {
	name := in.envName(k)
	if v == nil {
		in.env.Unset(name)
		return
	}
	val := in.argString(v)
	if name == "" || strings.ContainsAny(name, "=") {
		in.throw(in.errno("Errno::EINVAL", "setenv("+name+")"))
	}
	if strings.IndexByte(val, 0) >= 0 {
		in.raise("ArgumentError", "bad environment variable value: contains null byte")
	}
	in.alloc(len(name) + len(val) + 100)
	in.env.Set(name, val)
}

func (in *Interp) envHash() *Hash {
	h := NewHash()
	for _, n := range in.env.Names() {
		in.noteEnv(n)
		in.hset(h, in.envStr(n), in.envStr(in.env.Get(n)))
	}
	return h
}

func defEnv(l *library) {
	d := l.class("ENV", "Object")
	d.def("[]", 1, 1, func(in *Interp, c *call) Value { return in.envGet(in.envName(c.args[0])) })
	d.def("[]= store", 2, 2, func(in *Interp, c *call) Value { in.envSet(c.args[0], c.args[1]); return c.args[1] })
	d.def("fetch", 1, 2, func(in *Interp, c *call) Value {
		name := in.envName(c.args[0])
		if v := in.envGet(name); v != nil {
			return v
		}
		if c.blk != nil {
			return in.yield(c.blk, c.args[0])
		}
		if len(c.args) > 1 {
			return c.args[1]
		}
		in.keyError(c.self, c.args[0])
		return nil
	})
	d.def("key? has_key? include? member?", 1, 1, func(in *Interp, c *call) Value { return in.envGet(in.envName(c.args[0])) != nil })
	d.def("delete", 1, 1, func(in *Interp, c *call) Value {
		name := in.envName(c.args[0])
		v := in.envGet(name)
		in.env.Unset(name)
		if v == nil && c.blk != nil {
			return in.yield(c.blk, c.args[0])
		}
		return v
	})
	d.def("to_h to_hash", 0, 0, func(in *Interp, c *call) Value {
		h := in.envHash()
		if c.blk != nil {
			cc := *c
			cc.self = h
			return l.byName["Enumerable"].methods["to_h"].bi(in, &cc)
		}
		return h
	})
	d.def("to_s", 0, 0, func(in *Interp, c *call) Value { return in.str("ENV") })
	d.def("to_a inspect", 0, 0, func(in *Interp, c *call) Value {
		if c.name == "inspect" {
			return in.str(in.inspectHash(in.envHash()))
		}
		return in.arr(in.toA(in.envHash()))
	})
	d.def("keys values", 0, 0, func(in *Interp, c *call) Value { return in.send(in.envHash(), c.name) })
	d.def("length size", 0, 0, func(in *Interp, c *call) Value { return len(in.env.Names()) })
	d.def("empty?", 0, 0, func(in *Interp, c *call) Value { return len(in.env.Names()) == 0 })
	d.def("key", 1, 1, func(in *Interp, c *call) Value { return in.send(in.envHash(), "key", c.args[0]) })
	d.def("each each_pair", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.each(in.envHash(), func(p Value) bool { in.yield(c.blk, p); return true })
		return c.self
	})
	// what reads only is answered by the hash of all variables
	for _, n := range strings.Fields("select filter reject filter_map map collect flat_map find detect any? all? none? count each_with_object each_with_index sort sort_by min_by max_by group_by partition inject reduce slice except values_at fetch_values value? has_value? invert assoc rassoc each_key each_value find_all sum to_set zip first take drop each_slice grep") {
		n := n
		d.def(n, 0, -1, func(in *Interp, c *call) Value {
			if n == "values_at" || n == "slice" {
				h := NewHash()
				for _, a := range c.args {
					if v := in.envGet(in.envName(a)); v != nil {
						in.hset(h, a, v)
					}
				}
				return in.invokeNamed(c.f, h, n, c.args, c.kw, c.blk, false)
			}
			return in.invokeNamed(c.f, in.envHash(), n, c.args, c.kw, c.blk, false)
		})
	}
	d.def("update merge! replace", 0, -1, func(in *Interp, c *call) Value {
		if c.name == "replace" {
			for _, n := range in.env.Names() {
				in.env.Unset(n)
			}
		}
		for _, a := range c.args {
			in.eachPair(in.argHash(a), func(k, v Value) bool {
				if c.blk != nil {
					if old := in.envGet(in.envName(k)); old != nil {
						v = in.yield(c.blk, k, old, v)
					}
				}
				in.envSet(k, v)
				return true
			})
		}
		return c.self
	})
	d.def("clear", 0, 0, func(in *Interp, c *call) Value {
		for _, n := range in.env.Names() {
			in.env.Unset(n)
		}
		return c.self
	})
	d.def("delete_if reject! select! filter! keep_if", 0, 0, func(in *Interp, c *call) Value {
		blk := in.needBlock(c)
		drop := c.name == "delete_if" || c.name == "reject!"
		n := 0
		in.eachPair(in.envHash(), func(k, v Value) bool {
			if truthy(in.yield(blk, k, v)) == drop {
				in.env.Unset(in.toS(k))
				n++
			}
			return true
		})
		if n == 0 && strings.HasSuffix(c.name, "!") {
			return nil
		}
		return c.self
	})
	d.def("dup clone freeze", 0, -1, func(in *Interp, c *call) Value {
		in.raise("TypeError", "Cannot %s ENV", c.name)
		return nil
	})
}
