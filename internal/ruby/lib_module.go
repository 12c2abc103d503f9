package ruby

import "slices"

func moduleMethods() []builtin {
	return []builtin{
		{"name", 0, 0, moduleName},
		{"to_s inspect", 0, 0, moduleToS},
		{"===", 1, 1, moduleCaseEqual},
		{"include", 1, -1, moduleInclude},
		{"attr_accessor attr_reader attr_writer", 0, -1, moduleAttr},
		{"private public module_function", 0, -1, moduleVisibility},
		{"private_constant", 0, -1, objectNil},
		{"-private:inherited -private:included", 1, 1, objectNil},
	}
}

func classMethods() []builtin {
	return []builtin{
		{"new", 0, -1, classNew},
	}
}

func moduleName(in *Interp, c *call) Value {
	if name := c.self.(*Class).name; name != "" {
		return in.str(name)
	}
	return nil
}

func moduleToS(in *Interp, c *call) Value {
	if name := c.self.(*Class).name; name != "" {
		return in.str(name)
	}
	return in.str(in.anyToS(c.self))
}

func moduleCaseEqual(in *Interp, c *call) Value { return in.isA(c.args[0], c.self.(*Class)) }

func moduleInclude(in *Interp, c *call) Value {
	k := c.self.(*Class)
	for _, a := range slices.Backward(c.args) {
		m := in.argClass(a)
		switch {
		case !m.isModule:
			in.raise("TypeError", "wrong argument type Class (expected module)")
		case m.isA(k):
			in.raise("ArgumentError", "cyclic include detected")
		case !slices.Contains(k.includes, m):
			in.alloc(100)
			k.includes = append(k.includes, m)
		}
		in.send(m, "included", k)
	}
	return k
}

func moduleAttr(in *Interp, c *call) Value {
	k := c.self.(*Class)
	private := c.f != nil && c.f.cref.class == k && c.f.mf.private
	for _, a := range c.args {
		name := in.argName(a)
		iv := "@" + name
		if c.name != "attr_writer" {
			in.addMethod(k, name, &method{name: name, private: private, bi: func(_ *Interp, c *call) Value {
				return fields(c.self)[iv]
			}})
		}
		if c.name != "attr_reader" {
			in.addMethod(k, name+"=", &method{name: name + "=", private: private, min: 1, max: 1, bi: func(in *Interp, c *call) Value {
				in.ivarSet(c.self, iv, c.args[0])
				return c.args[0]
			}})
		}
	}
	return in.arr(c.args)
}

func (in *Interp) mustFind(m *method, k *Class, name string) *method {
	if m == nil && k.isModule {
		m = in.cObject.lookup(name)
	}
	if m == nil {
		in.raise("NameError", "undefined method `%s' for class `%s'", name, k.name)
	}
	return m
}

// names gives the names in the arguments, or in the one array among them.
func (in *Interp) names(args []Value) []string {
	if len(args) == 1 {
		if a, ok := args[0].(*Array); ok {
			args = a.a
		}
	}
	var out []string
	for _, a := range args {
		out = append(out, in.argName(a))
	}
	return out
}

func moduleVisibility(in *Interp, c *call) Value {
	k := c.self.(*Class)
	modfn := c.name == "module_function"
	if len(c.args) == 0 {
		if c.f != nil {
			c.f.mf.private, c.f.mf.modfn = c.name != "public", modfn
		}
		return nil
	}
	for _, name := range in.names(c.args) {
		cp := *in.mustFind(k.lookup(name), k, name)
		if modfn {
			public := cp
			public.private = false
			in.addMethod(in.metaOf(k), name, &public)
		}
		cp.private = c.name != "public"
		in.addMethod(k, name, &cp)
	}
	return c.args[0]
}

func classNew(in *Interp, c *call) Value {
	k := c.self.(*Class)
	o := in.allocate(k)
	in.call(invocation{f: c.f, self: o, name: "initialize", args: c.args, kw: c.kw, blk: c.blk, fcall: true})
	return o
}

// allocate makes an instance without fields.
func (in *Interp) allocate(k *Class) Value {
	in.alloc(100)
	if k.isA(in.classes["Exception"]) {
		return &Exception{Object: Object{class: k}}
	}
	for s := k; s != in.cObject; s = s.super {
		if s == nil || s.builtin != nil {
			in.unsupported("an instance of " + k.name + " made with new")
		}
	}
	return &Object{class: k}
}
