package ruby

func moduleMethods() []builtin {
	return []builtin{
		{"name to_s inspect", 0, 0, func(in *Interp, c *call) Value { return in.str(c.self.(*Class).name) }},
		{"===", 1, 1, moduleCaseEqual},
		{"attr_accessor attr_reader attr_writer", 0, -1, moduleAttr},
		{"private", 0, 0, modulePrivate},
		{"private_constant", 0, -1, objectNil},
	}
}

func moduleCaseEqual(in *Interp, c *call) Value { return in.isA(c.args[0], c.self.(*Class)) }

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
				in.varSet(c.self, iv, c.args[0])
				return c.args[0]
			}})
		}
	}
	return in.arr(c.args)
}

func modulePrivate(_ *Interp, c *call) Value {
	if c.f != nil {
		c.f.mf.private = true
	}
	return nil
}

func classNew(in *Interp, c *call) Value {
	k := c.self.(*Class)
	o := in.allocate(k)
	initialize := c.on(o, "initialize")
	initialize.fcall = true
	in.call(initialize)
	return o
}

// allocate makes an instance without fields.
func (in *Interp) allocate(k *Class) Value {
	in.alloc(100)
	if k.isA(in.classes["Exception"]) {
		return &Exception{Object: Object{class: k}}
	}
	for s := k; s != in.cObject; s = s.super {
		in.unsupportedIf(s == nil || s.builtin != nil, "an instance of "+k.name+" made with new")
	}
	return &Object{class: k}
}
