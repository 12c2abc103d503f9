package ruby

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

func (in *Interp) defConst(c *Class, name string, v Value) {
	in.checkFrozen(c)
	in.alloc(100)
	if c.consts == nil {
		c.consts = map[string]Value{}
	}
	c.consts[name] = v
	if k, ok := v.(*Class); ok && k.name == "" {
		k.name = in.scopedName(c, name)
	}
}

func (in *Interp) scopedName(c *Class, name string) string {
	if c == in.cObject {
		return name
	}
	return c.name + "::" + name
}

// constOf looks a constant up in one class, without its ancestors.
func (in *Interp) constOf(c *Class, name string) (Value, bool) {
	if v, ok := c.consts[name]; ok {
		return v, true
	}
	if !in.isBuiltin(c) {
		return nil, false
	}
	if name == "ENV" && c == in.cObject {
		return envObject{}, true
	}
	if k, ok := in.classes[in.scopedName(c, name)]; ok {
		return k, true
	}
	v := in.builtinConst(in.scopedName(c, name))
	if v != nil {
		in.defConst(c, name, v)
	}
	return v, v != nil
}

// builtinConst makes a constant of Ruby's own, or nil.
func (in *Interp) builtinConst(name string) Value {
	text := func(s string) Value { return &String{s: s, frozen: true} }
	switch name {
	case "RUBY_VERSION":
		return text("3.1.7")
	case "RUBY_ENGINE":
		return text("ruby")
	case "RUBY_PLATFORM":
		return text(rubyPlatform())
	case "ARGV":
		return NewArray()
	case "STDOUT", "STDERR", "STDIN":
		return &Object{class: in.classes["IO"], data: name}
	case "File::SEPARATOR":
		return text("/")
	case "YAML":
		return in.classes["Psych"]
	case "RbConfig::CONFIG":
		return rbConfig()
	}
	return nil
}

// constIn is base::name.
func (in *Interp) constIn(base Value, name string) Value {
	switch c := base.(type) {
	case *Class:
		for _, k := range c.ancestors() {
			if v, ok := in.constOf(k, name); ok && (k != in.cObject || c == k || c.isModule) {
				return v
			}
		}
		return in.missingConst(c, name)
	case *HostObject:
		if v, ok := in.hostCall(c.Host, c, &call{self: c, name: name, bare: true}); ok {
			return v
		}
		in.raise("NameError", "uninitialized constant %s::%s", c.Name, name)
	}
	in.raise("TypeError", "%s is not a class/module", in.inspect(base))
	return nil
}

// lookupConst finds a constant by its bare name.
func (in *Interp) lookupConst(f *frame, name string) (Value, bool) {
	for c := f.cref; c != nil && c.class != in.cObject; c = c.outer {
		if v, ok := in.constOf(c.class, name); ok {
			return v, true
		}
	}
	for _, a := range f.cref.class.ancestors() {
		if v, ok := in.constOf(a, name); ok {
			return v, true
		}
	}
	return in.constOf(in.cObject, name)
}

func (in *Interp) missingConst(c *Class, name string) Value {
	full := in.scopedName(c, name)
	switch {
	case c != in.cObject && in.isBuiltin(c):
		in.unsupported("the constant " + full)
	case rubyConstants()[name] && c == in.cObject:
		in.unsupported("the class or module " + name)
	}
	if v, ok := in.hostCall(in.cfg.Host, nil, &call{self: in.main, name: name, bare: true}); ok {
		return v
	}
	in.raise("NameError", "uninitialized constant %s", full)
	return nil
}

// The names of Ruby 3.1's methods by class (with a dot: of the class itself) and
// of its top-level constants, those of the standard library included.
var (
	//go:embed lib/ruby-3.1-methods.txt
	methodNames string
	//go:embed lib/ruby-3.1-constants.txt
	constantNames string
)

// rubyMethods holds each class, and each method behind its class.
var rubyMethods = sync.OnceValue(func() map[[2]string]bool {
	m := map[[2]string]bool{}
	class := ""
	for line := range strings.Lines(methodNames) {
		if name, rest, ok := strings.Cut(line, ": "); ok && line[0] != ' ' {
			class, line = name, rest
			m[[2]string{class}] = true
		}
		for _, name := range strings.Fields(line) {
			m[[2]string{class, name}] = true
		}
	}
	return m
})

var rubyConstants = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(constantNames) {
		m[name] = true
	}
	return m
})

// rubyHas tells whether Ruby 3.1 itself defines the method, so that its absence
// here is a limit of this package and not a mistake of the program.
func (in *Interp) rubyHas(self Value, name string) bool {
	var classes []string
	switch c := self.(type) {
	case *HostObject:
		return false
	case envObject:
		classes = append(classes, "ENV.", "Enumerable")
	case *Class:
		for k := c; k != nil; k = k.super {
			if in.isBuiltin(k) {
				if !rubyMethods()[[2]string{k.name + "."}] && k == c {
					return true // a library whose methods are not listed
				}
				classes = append(classes, k.name+".")
			}
		}
		classes = append(classes, "Module", "Kernel")
		if !c.isModule {
			classes = append(classes, "Class")
		}
	default:
		for _, k := range in.classOf(self).ancestors() {
			if in.isBuiltin(k) {
				classes = append(classes, k.name)
			}
		}
		switch self.(type) {
		case *String, Symbol, int, float64, *timeValue:
			classes = append(classes, "Comparable")
		}
	}
	return slices.ContainsFunc(append(classes, "Object"), func(class string) bool {
		return rubyMethods()[[2]string{class, name}]
	})
}

// Instance variables.

// fields gives the instance variables of a value that can have them.
func fields(v Value) map[string]Value {
	if o, ok := v.(*Object); ok {
		return o.ivars
	}
	return nil
}

// varSet assigns to @name or $name.
func (in *Interp) varSet(self Value, name string, v Value) {
	in.alloc(100)
	if name[0] == '$' {
		special := !isIdentStart(name[1]) || strings.HasPrefix(name, "$std") || strings.HasPrefix(name, "$LOAD")
		in.unsupportedIf(special, "an assignment to "+name)
		in.globals[name] = v
		return
	}
	in.checkFrozen(self)
	o, ok := self.(*Object)
	in.unsupportedIf(!ok, "an instance variable of "+in.classOf(self).name)
	if o.ivars == nil {
		o.ivars = map[string]Value{}
	}
	o.ivars[name] = v
}

// Globals.

func (in *Interp) gvarGet(name string, f *frame) Value {
	switch name {
	case "$~":
		if f.mf.match != nil {
			return f.mf.match
		}
		return nil
	case "$&", "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9":
		if f.mf.match == nil {
			return nil
		}
		n, _ := strconv.Atoi(name[1:])
		return in.groupValue(f.mf.match, n)
	case "$!":
		return in.errInfo
	case "$?":
		return in.status
	case "$0", "$PROGRAM_NAME":
		return in.str("galley")
	case "$stdout", "$stderr", "$stdin":
		v, _ := in.constOf(in.cObject, strings.ToUpper(name[1:]))
		return v
	case "$:", "$LOAD_PATH", "$LOADED_FEATURES":
		return NewArray()
	}
	return in.globals[name]
}
