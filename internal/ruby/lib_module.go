package ruby

import (
	"slices"
	"strings"
)

var moduleMethods = []builtin{
	{"name", 0, 0, moduleName},
	{"to_s inspect", 0, 0, moduleToS},
	{"===", 1, 1, moduleCaseEqual},
	{"<", 1, 1, moduleLess},
	{"<=", 1, 1, moduleLessEqual},
	{"ancestors", 0, 0, moduleAncestors},
	{"include", 1, -1, moduleInclude},
	{"include?", 1, 1, moduleIncludes},
	{"attr_accessor attr_reader attr_writer", 0, -1, moduleAttr},
	{"alias_method", 2, 2, moduleAliasMethod},
	{"private public module_function", 0, -1, moduleVisibility},
	{"private_class_method", 0, -1, modulePrivateClassMethod},
	{"private_constant", 0, -1, objectNil},
	{"-private:inherited -private:included", 1, 1, objectNil},
	{"const_get", 1, 2, moduleConstGet},
	{"const_set", 2, 2, moduleConstSet},
	{"const_defined?", 1, 2, moduleConstDefined},
	{"constants", 0, 1, moduleConstants},
	{"method_defined? instance_method_defined?", 1, 2, moduleMethodDefined},
}

var classMethods = []builtin{
	{"new", 0, -1, classNew},
	{"superclass", 0, 0, classSuperclass},
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

func moduleLess(in *Interp, c *call) Value {
	if c.self == c.args[0] {
		return false
	}
	return moduleLessEqual(in, c)
}

func moduleLessEqual(in *Interp, c *call) Value {
	a, b := c.self.(*Class), in.argClass(c.args[0])
	switch {
	case a.isA(b):
		return true
	case b.isA(a):
		return false
	}
	return nil
}

func moduleAncestors(in *Interp, c *call) Value {
	var out []Value
	for _, k := range c.self.(*Class).ancestors() {
		out = append(out, k)
	}
	return in.arr(out)
}

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

func moduleIncludes(in *Interp, c *call) Value {
	return c.self != c.args[0] && c.self.(*Class).isA(in.argClass(c.args[0]))
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

func moduleAliasMethod(in *Interp, c *call) Value {
	k := c.self.(*Class)
	to, from := in.argName(c.args[0]), in.argName(c.args[1])
	cp := *in.mustFind(k.lookup(from), k, from)
	in.addMethod(k, to, &cp)
	return Symbol(to)
}

func (in *Interp) mustFind(m *method, k *Class, name string) *method {
	if m == nil && k.isModule {
		m = in.cObject.lookup(name)
	}
	if m == nil {
		in.raiseName("NameError", name, "undefined method `%s' for class `%s'", name, k.name)
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

func modulePrivateClassMethod(in *Interp, c *call) Value {
	k := c.self.(*Class)
	for _, name := range in.names(c.args) {
		cp := *in.mustFind(in.findMethod(k, name), k, name)
		cp.private = true
		in.addMethod(in.metaOf(k), name, &cp)
	}
	return nil
}

func (in *Interp) constName(v Value) string {
	name := in.argName(v)
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		in.raiseName("NameError", name, "wrong constant name %s", name)
	}
	return name
}

func moduleConstGet(in *Interp, c *call) Value {
	v := c.self
	for _, n := range strings.Split(in.constName(c.args[0]), "::") {
		v = in.constIn(v, n)
	}
	return v
}

func moduleConstSet(in *Interp, c *call) Value {
	in.defConst(c.self.(*Class), in.constName(c.args[0]), c.args[1])
	return c.args[1]
}

func moduleConstDefined(in *Interp, c *call) Value {
	name := in.constName(c.args[0])
	for _, k := range append(c.self.(*Class).ancestors(), in.cObject) {
		if _, ok := in.constOf(k, name); ok {
			return true
		}
	}
	if rubyConstants()[name] {
		in.unsupported("the class or module " + name)
	}
	return false
}

func moduleConstants(in *Interp, c *call) Value {
	k := c.self.(*Class)
	if in.isBuiltin(k) {
		in.unsupported("the list of constants of " + k.name)
	}
	var out []Value
	for _, n := range k.order {
		out = append(out, Symbol(n))
	}
	return in.arr(out)
}

func moduleMethodDefined(in *Interp, c *call) Value {
	m := c.self.(*Class).lookup(in.argName(c.args[0]))
	return m != nil && !m.private
}

func moduleNew(in *Interp, c *call) Value { return in.newClass(c, &Class{isModule: true}) }

func classClassNew(in *Interp, c *call) Value {
	super := in.cObject
	if len(c.args) > 0 {
		super = in.argClass(c.args[0])
	}
	return in.newClass(c, &Class{super: super})
}

// newClass is Class.new and Module.new.
func (in *Interp) newClass(c *call, k *Class) Value {
	in.alloc(400)
	if c.blk != nil {
		in.unsupported(in.classOf(k).name + ".new with a block")
	}
	return k
}

func classNew(in *Interp, c *call) Value {
	k := c.self.(*Class)
	o := in.allocate(k)
	in.call(invocation{f: c.f, self: o, name: "initialize", args: c.args, kw: c.kw, blk: c.blk, fcall: true})
	return o
}

func classSuperclass(_ *Interp, c *call) Value {
	if s := c.self.(*Class).super; s != nil {
		return s
	}
	return nil
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
