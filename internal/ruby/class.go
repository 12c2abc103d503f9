package ruby

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Class is a Ruby class or module.
type Class struct {
	name     string
	super    *Class
	isModule bool
	methods  map[string]*method
	builtin  map[string]*method // shared, never changed
	sbuiltin map[string]*method // singleton methods of the same kind
	meta     *Class             // singleton methods that the program defined
	include  *Class
	consts   map[string]Value
}

// ancestors lists the classes and modules in which methods are looked up, first
// match first.
func (c *Class) ancestors() []*Class {
	var out []*Class
	for k := c; k != nil; k = k.super {
		if out = append(out, k); k.include != nil {
			out = append(out, k.include)
		}
	}
	return out
}

func (c *Class) isA(other *Class) bool { return slices.Contains(c.ancestors(), other) }

// lookup finds an instance method.
func (c *Class) lookup(name string) *method {
	for k := c; k != nil; k = k.super {
		if m := k.own(name); m != nil {
			return m
		}
		if k.include != nil && k.include.own(name) != nil {
			return k.include.own(name)
		}
	}
	return nil
}

func (c *Class) own(name string) *method {
	if m, ok := c.methods[name]; ok {
		return m
	}
	return c.builtin[name]
}

// builtin is a row of a method table: names separated by blanks, the least and
// the greatest number of arguments (-1: any), and the function.
type builtin struct {
	names    string
	min, max int
	fn       builtinFunc
}

// classDef describes one of Ruby's own classes or modules.
type classDef struct {
	name, super string
	module      bool
	include     string
	methods     []builtin
	class       []builtin // singleton methods
}

// library is Ruby's own classes with their method tables; it is made once and
// never changed.
type library struct {
	defs    []classDef
	methods []map[string]*method
	class   []map[string]*method
}

var theLibrary = sync.OnceValue(func() *library {
	l := &library{defs: classDefs()}
	for _, d := range l.defs {
		l.methods = append(l.methods, methodMap(d.methods))
		l.class = append(l.class, methodMap(d.class))
	}
	return l
})

func methodMap(rows []builtin) map[string]*method {
	m := map[string]*method{}
	for _, r := range rows {
		for _, name := range strings.Fields(r.names) {
			// A name after - is private.
			name, private := strings.CutPrefix(name, "-private:")
			m[name] = &method{name: name, bi: r.fn, min: r.min, max: r.max, private: private}
		}
	}
	return m
}

// boot makes the classes of one interpreter.
func (in *Interp) boot() {
	lib := theLibrary()
	in.classes = make(map[string]*Class, len(lib.defs))
	for i, d := range lib.defs {
		c := &Class{name: d.name, isModule: d.module, builtin: lib.methods[i], sbuiltin: lib.class[i]}
		c.super, c.include = in.classes[d.super], in.classes[d.include]
		in.classes[d.name] = c
	}
	in.cObject = in.classes["Object"]
	in.main = &Object{class: in.cObject}
	in.loadPrelude()
}

// classOf gives a value's class.
func (in *Interp) classOf(v Value) *Class {
	name := "Object"
	switch x := v.(type) {
	case *String, *Array, *Hash, *Range, *Regexp, *MatchData, *Proc, Symbol:
		name = strings.TrimPrefix(strings.TrimPrefix(reflect.TypeOf(v).String(), "*"), "ruby.")
	case nil:
		name = "NilClass"
	case bool:
		name = map[bool]string{true: "TrueClass", false: "FalseClass"}[x]
	case int:
		name = "Integer"
	case float64:
		name = "Float"
	case *enumerator:
		name = "Enumerator"
	case *timeValue:
		name = "Time"
	case envObject:
		name = "ENV"
	case *Class:
		name = map[bool]string{true: "Module", false: "Class"}[x.isModule]
	case *Object:
		return x.class
	case *Exception:
		return x.class
	}
	return in.classes[name]
}

// findMethod finds the method that a call of name on v runs, or nil.
func (in *Interp) findMethod(v Value, name string) *method {
	c, ok := v.(*Class)
	if !ok {
		return in.classOf(v).lookup(name)
	}
	for k := c; k != nil; k = k.super {
		if k.meta != nil {
			if m := k.meta.methods[name]; m != nil {
				return m
			}
		}
		if m, ok := k.sbuiltin[name]; ok {
			return m
		}
	}
	return in.classOf(c).lookup(name)
}

func (in *Interp) addMethod(c *Class, name string, m *method) {
	in.checkFrozen(c)
	in.alloc(150)
	if c.methods == nil {
		c.methods = map[string]*method{}
	}
	c.methods[name] = m
}

// metaOf gives the class that holds the singleton methods of a class.
func (in *Interp) metaOf(v Value) *Class {
	c, ok := v.(*Class)
	in.unsupportedIf(!ok, "a singleton method on "+in.classOf(v).name)
	if c.meta == nil {
		in.alloc(300)
		c.meta = &Class{name: "#<Class:" + c.name + ">"}
	}
	return c.meta
}

func (in *Interp) respondTo(v Value, name string) bool {
	m := in.findMethod(v, name)
	return m != nil && !m.private
}

// isBuiltin tells whether the class is Ruby's own.
func (in *Interp) isBuiltin(c *Class) bool { return in.classes[c.name] == c }
