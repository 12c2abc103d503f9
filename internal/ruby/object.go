package ruby

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// classSpec describes one of Ruby's own classes: its place and its methods. The table of them is made once and never
// changed.
type classSpec struct {
	name, super string
	module      bool
	includes    []string
	methods     map[string]*method
	smethods    map[string]*method
}

func (s *classSpec) def(names string, min, max int, fn builtinFunc) {
	for _, n := range strings.Fields(names) {
		s.methods[n] = &method{name: n, bi: fn, min: min, max: max}
	}
}

func (s *classSpec) priv(names string, min, max int, fn builtinFunc) {
	for _, n := range strings.Fields(names) {
		s.methods[n] = &method{name: n, bi: fn, min: min, max: max, vis: visPrivate}
	}
}

func (s *classSpec) sdef(names string, min, max int, fn builtinFunc) {
	for _, n := range strings.Fields(names) {
		s.smethods[n] = &method{name: n, bi: fn, min: min, max: max}
	}
}

type library struct {
	byName map[string]*classSpec
	order  []*classSpec
}

func (l *library) class(name, super string, includes ...string) *classSpec {
	s := &classSpec{name: name, super: super, includes: includes, methods: map[string]*method{}, smethods: map[string]*method{}}
	l.byName[name] = s
	l.order = append(l.order, s)
	return s
}

func (l *library) module(name string) *classSpec {
	s := l.class(name, "")
	s.module = true
	return s
}

func stdlib() *library {
	stdlibOnce.Do(func() { theLibrary = makeLibrary() })
	return theLibrary
}

var (
	stdlibOnce sync.Once
	theLibrary *library // made once, never changed
)

func makeLibrary() *library {
	l := &library{byName: map[string]*classSpec{}}
	l.class("BasicObject", "")
	l.module("Kernel")
	l.class("Object", "BasicObject", "Kernel")
	l.class("Module", "Object")
	l.class("Class", "Module")
	l.module("Comparable")
	l.module("Enumerable")
	defKernel(l)
	defModule(l)
	defExceptions(l)
	defNumeric(l)
	defString(l)
	defSymbol(l)
	defEnumerable(l)
	defArray(l)
	defHash(l)
	defRange(l)
	defRegexp(l)
	defProc(l)
	defEnv(l)
	defFile(l)
	defTime(l)
	defMisc(l)
	return l
}

// boot makes the classes of one interpreter.
func (in *Interp) boot() {
	lib := stdlib()
	in.classes = make(map[string]*Class, len(lib.order))
	all := make([]Class, len(lib.order))
	for i, s := range lib.order {
		all[i] = Class{name: s.name, isModule: s.module, builtin: s.methods, sbuiltin: s.smethods}
		in.classes[s.name] = &all[i]
	}
	in.cObject, in.cBasicObject = in.classes["Object"], in.classes["BasicObject"]
	in.cModule, in.cClass = in.classes["Module"], in.classes["Class"]
	in.cKernel, in.cComparable, in.cEnumerable = in.classes["Kernel"], in.classes["Comparable"], in.classes["Enumerable"]
	for _, s := range lib.order {
		c := in.classes[s.name]
		if s.super != "" {
			c.super = in.classes[s.super]
		}
		for _, i := range s.includes {
			c.includes = append(c.includes, in.classes[i])
		}
	}
	in.main = &Object{class: in.cObject}
}

func (in *Interp) newClass(name string, super *Class, module bool) *Class {
	in.alloc(400)
	if super == nil && !module {
		super = in.cObject
	}
	return &Class{name: name, super: super, isModule: module}
}

// classOf gives a value's class (not its singleton class).
func (in *Interp) classOf(v Value) *Class {
	switch x := v.(type) {
	case nil:
		return in.classes["NilClass"]
	case bool:
		if x {
			return in.classes["TrueClass"]
		}
		return in.classes["FalseClass"]
	case int, *big.Int:
		return in.classes["Integer"]
	case float64:
		return in.classes["Float"]
	case Symbol:
		return in.classes["Symbol"]
	case *String:
		return in.classes["String"]
	case *Array:
		return in.classes["Array"]
	case *Hash:
		return in.classes["Hash"]
	case *Range:
		return in.classes["Range"]
	case *Regexp:
		return in.classes["Regexp"]
	case *MatchData:
		return in.classes["MatchData"]
	case *Proc:
		return in.classes["Proc"]
	case *boundMethod:
		if x.unbound {
			return in.classes["UnboundMethod"]
		}
		return in.classes["Method"]
	case *Class:
		if x.isModule {
			return in.cModule
		}
		return in.cClass
	case *Object:
		return x.class
	case *Exception:
		return x.class
	case *enumerator:
		if x.lazy {
			return in.classes["Enumerator::Lazy"]
		}
		if x.arithmetic() {
			return in.classes["Enumerator::ArithmeticSequence"]
		}
		return in.classes["Enumerator"]
	case *timeValue:
		return in.classes["Time"]
	case *dateValue:
		return in.classes["Date"]
	case *envObject, *HostObject:
		return in.cObject
	}
	return in.cObject
}

func (in *Interp) object(v Value) *Object {
	switch x := v.(type) {
	case *Object:
		return x
	case *Exception:
		return &x.Object
	}
	return nil
}

func (in *Interp) singleton(v Value) *Class {
	if o := in.object(v); o != nil {
		return o.single
	}
	if in.singles != nil {
		switch v.(type) {
		case *String, *Array, *Hash, *Proc, *envObject:
			return in.singles[v]
		}
	}
	return nil
}

// findMethod finds the method that a call of name on v runs.
func (in *Interp) findMethod(v Value, name string) (*method, *Class) {
	if c, ok := v.(*Class); ok {
		return in.findClassMethod(c, name)
	}
	if s := in.singleton(v); s != nil {
		if m, o := in.lookupIn(s, name); m != nil {
			return m, o
		}
		return nil, nil
	}
	if _, ok := v.(*envObject); ok {
		if m := stdlib().byName["ENV"].methods[name]; m != nil {
			return m, nil
		}
	}
	return in.lookupIn(in.classOf(v), name)
}

// lookupIn finds an instance method of a class.
func (in *Interp) lookupIn(c *Class, name string) (*method, *Class) {
	if c.cacheAt == in.epoch && c.cache != nil {
		if m, ok := c.cache[name]; ok {
			return m, nil
		}
	} else {
		c.cache, c.cacheAt = map[string]*method{}, in.epoch
	}
	var found *method
	for _, k := range c.ancestors() {
		if m, ok := k.methods[name]; ok {
			found = m
			break
		}
		if m, ok := k.builtin[name]; ok {
			found = m
			break
		}
	}
	if found != nil && found.undef {
		found = nil
	}
	if len(c.cache) < 1000 {
		c.cache[name] = found
	}
	return found, nil
}

// findClassMethod finds a method of the class object itself.
func (in *Interp) findClassMethod(c *Class, name string) (*method, *Class) {
	for k := c; k != nil; k = k.super {
		if k.meta != nil {
			for _, a := range k.meta.ancestors() {
				if m, ok := a.methods[name]; ok {
					if m.undef {
						return nil, nil
					}
					return m, a
				}
				if a != k.meta {
					if m, ok := a.builtin[name]; ok && !m.undef {
						return m, a
					}
				}
			}
		}
		if m, ok := k.sbuiltin[name]; ok {
			return m, k
		}
	}
	if c.isModule {
		return in.lookupIn(in.cModule, name)
	}
	return in.lookupIn(in.cClass, name)
}

// superMethod finds what super runs in the method of frame f.
func (in *Interp) superMethod(f *frame) (*method, string) {
	m := f.mf.m
	name := m.name
	var chain []*Class
	if c, ok := f.self.(*Class); ok {
		for k := c; k != nil; k = k.super {
			if k.meta != nil {
				chain = append(chain, k.meta.ancestors()...)
			}
		}
		after := false
		for _, k := range chain {
			if k == m.owner {
				after = true
				continue
			}
			if after {
				if s, ok := k.methods[name]; ok {
					return s, name
				}
			}
		}
		for k := c; k != nil; k = k.super {
			if s, ok := k.sbuiltin[name]; ok {
				return s, name
			}
		}
		s, _ := in.lookupIn(in.cClass, name)
		return s, name
	}
	if s := in.singleton(f.self); s != nil {
		chain = s.ancestors()
	} else {
		chain = in.classOf(f.self).ancestors()
	}
	after := false
	for _, k := range chain {
		if k == m.owner {
			after = true
			if m.bi == nil {
				if s, ok := k.builtin[name]; ok {
					return s, name // a method of Ruby's that the program replaced
				}
			}
			continue
		}
		if !after {
			continue
		}
		if s, ok := k.methods[name]; ok {
			return s, name
		}
		if s, ok := k.builtin[name]; ok {
			return s, name
		}
	}
	return nil, name
}

func (in *Interp) addMethod(c *Class, name string, m *method) {
	if c.frozen {
		in.raise("FrozenError", "can't modify frozen class: %s", c.name)
	}
	in.alloc(150)
	if c.methods == nil {
		c.methods = map[string]*method{}
	}
	m.owner = c
	c.methods[name] = m
	in.changed()
}

// changed forgets cached look-ups.
func (in *Interp) changed() {
	in.epoch++
}

func (in *Interp) resetMRO() {
	for _, c := range in.classes {
		c.mroCache = nil
	}
	var walk func(c *Class, depth int)
	seen := map[*Class]bool{}
	walk = func(c *Class, depth int) {
		if seen[c] || depth > 100 {
			return
		}
		seen[c] = true
		c.mroCache = nil
		if c.meta != nil {
			c.meta.mroCache = nil
		}
		for _, v := range c.consts {
			if k, ok := v.(*Class); ok {
				walk(k, depth+1)
			}
		}
	}
	walk(in.cObject, 0)
	for _, c := range in.classes {
		walk(c, 0)
	}
	for _, s := range in.singles {
		s.mroCache = nil
	}
	in.changed()
}

// singletonOf gives the singleton class, making it when needed.
func (in *Interp) singletonOf(v Value) *Class {
	switch x := v.(type) {
	case *Class:
		if x.meta == nil {
			in.alloc(300)
			x.meta = &Class{name: "#<Class:" + x.name + ">", attached: x}
		}
		return x.meta
	case nil, bool:
		return in.classOf(v)
	case int, float64, Symbol, *big.Int:
		in.raise("TypeError", "can't define singleton")
	}
	if o := in.object(v); o != nil {
		if o.single == nil {
			in.alloc(300)
			o.single = &Class{name: "#<Class:" + in.anyToS(v) + ">", super: o.class, attached: v}
			in.changed()
		}
		return o.single
	}
	switch v.(type) {
	case *String, *Array, *Hash, *Proc, *envObject:
		if in.singles == nil {
			in.singles = map[any]*Class{}
		}
		if in.singles[v] == nil {
			in.alloc(300)
			in.singles[v] = &Class{name: "#<Class:" + in.anyToS(v) + ">", super: in.classOf(v), attached: v}
			in.changed()
		}
		return in.singles[v]
	}
	in.unsupported("a singleton method on " + in.classOf(v).name)
	return nil
}

func (in *Interp) aliasMethod(c *Class, to, from string) {
	m, _ := in.lookupIn(c, from)
	if m == nil && c.attached != nil {
		if k, ok := c.attached.(*Class); ok {
			m, _ = in.findClassMethod(k, from)
		}
	}
	if m == nil && c.isModule {
		m, _ = in.lookupIn(in.cObject, from)
	}
	if m == nil {
		in.raise("NameError", "undefined method `%s' for class `%s'", from, c.name)
	}
	cp := *m
	owner := m.owner
	in.addMethod(c, to, &cp)
	if owner != nil {
		cp.owner = owner
	}
}

func (in *Interp) respondTo(v Value, name string) bool {
	m, _ := in.findMethod(v, name)
	return m != nil && m.vis == visPublic
}

// Constants.

func (c *Class) setConst(name string, v Value) {
	if c.consts == nil {
		c.consts = map[string]Value{}
	}
	if _, ok := c.consts[name]; !ok {
		c.constSeq = append(c.constSeq, name)
	}
	c.consts[name] = v
}

func (in *Interp) defConst(c *Class, name string, v Value) {
	if c.frozen {
		in.raise("FrozenError", "can't modify frozen class: %s", c.name)
	}
	c.setConst(name, v)
	if k, ok := v.(*Class); ok && k.name == "" {
		k.name = name
		if c != in.cObject {
			k.name = c.name + "::" + name
		}
	}
}

// builtinConst gives a top-level constant of Ruby's own.
func (in *Interp) builtinConst(name string) (Value, bool) {
	if c, ok := in.classes[name]; ok && name != "ENV" {
		return c, true
	}
	switch name {
	case "ENV":
		return theEnv, true
	case "ARGV":
		v := NewArray()
		in.cObject.setConst(name, v)
		return v, true
	case "RUBY_VERSION":
		return &String{s: "3.1.7", frozen: true}, true
	case "RUBY_ENGINE":
		return &String{s: "ruby", frozen: true}, true
	case "RUBY_PLATFORM":
		return &String{s: rubyPlatform(), frozen: true}, true
	case "RUBY_PATCHLEVEL":
		return 261, true
	case "RUBY_RELEASE_DATE":
		return &String{s: "2025-03-26", frozen: true}, true
	case "RUBY_COPYRIGHT":
		return &String{s: "ruby - Copyright (C) 1993-2025 Yukihiro Matsumoto", frozen: true}, true
	case "STDOUT", "STDERR", "STDIN":
		o := &Object{class: in.classes["IO"], data: name}
		in.cObject.setConst(name, o)
		return o, true
	case "TOPLEVEL_BINDING":
		in.unsupported("TOPLEVEL_BINDING")
	}
	return nil, false
}

func (in *Interp) classConst(c *Class, name string) (Value, bool) {
	if v, ok := c.consts[name]; ok {
		return v, true
	}
	if c == in.cObject {
		return in.builtinConst(name)
	}
	if k, ok := in.classes[c.name+"::"+name]; ok && in.classes[c.name] == c {
		return k, true
	}
	switch c.name {
	case "Float":
		switch name {
		case "INFINITY":
			return math.Inf(1), true
		case "NAN":
			return math.NaN(), true
		case "EPSILON":
			return 2.220446049250313e-16, true
		case "MAX":
			return math.MaxFloat64, true
		case "MIN":
			return 2.2250738585072014e-308, true
		case "DIG":
			return 15, true
		}
	case "Math":
		switch name {
		case "PI":
			return math.Pi, true
		case "E":
			return math.E, true
		}
	case "File", "File::Constants", "IO":
		switch name {
		case "SEPARATOR", "Separator":
			return &String{s: "/", frozen: true}, true
		case "PATH_SEPARATOR":
			return &String{s: pathListSeparator, frozen: true}, true
		case "ALT_SEPARATOR":
			return nil, true
		case "FNM_PATHNAME":
			return 2, true
		case "FNM_DOTMATCH":
			return 4, true
		case "FNM_CASEFOLD":
			return 8, true
		case "FNM_EXTGLOB":
			return 16, true
		case "FNM_NOESCAPE":
			return 1, true
		}
	case "Regexp":
		switch name {
		case "IGNORECASE":
			return 1, true
		case "EXTENDED":
			return 2, true
		case "MULTILINE":
			return 4, true
		}
	case "Encoding":
		switch name {
		case "UTF_8", "ASCII_8BIT", "BINARY", "US_ASCII", "ISO_8859_1", "UTF_16LE", "UTF_16BE":
			o := &Object{class: c, data: strings.ReplaceAll(strings.Replace(name, "BINARY", "ASCII_8BIT", 1), "_", "-")}
			c.setConst(name, o)
			return o, true
		}
	case "RbConfig":
		if name == "CONFIG" {
			h := in.rbConfig()
			c.setConst(name, h)
			return h, true
		}
	case "Date":
		if a := dateNames(name); a != nil {
			c.setConst(name, a)
			return a, true
		}
	}
	return nil, false
}

// hasConst tells whether c, its ancestors or (for classes) Object define the constant.
func (in *Interp) hasConst(c *Class, name string) bool {
	_, ok := in.findConst(c, name)
	return ok
}

func (in *Interp) findConst(c *Class, name string) (Value, bool) {
	for _, k := range c.ancestors() {
		if v, ok := in.classConst(k, name); ok {
			return v, true
		}
	}
	return nil, false
}

// constIn is base::name.
func (in *Interp) constIn(base Value, name string) Value {
	switch c := base.(type) {
	case *Class:
		for _, k := range c.ancestors() {
			if k == in.cObject && c != in.cObject && !c.isModule {
				// String::Array is refused by Ruby 3, too
				if _, ok := k.consts[name]; ok || in.classes[name] != nil {
					break
				}
			}
			if v, ok := in.classConst(k, name); ok {
				return v
			}
		}
		return in.missingConst(c, name)
	case *HostObject:
		if v, ok := in.hostCall(c.Host, c, &call{self: c, name: name}, true); ok {
			return v
		}
		in.raiseName("NameError", name, base, "uninitialized constant %s::%s", c.Name, name)
	}
	in.raise("TypeError", "%s is not a class/module", in.inspect(base))
	return nil
}

func (in *Interp) lookupConst(f *frame, name string) (Value, bool) {
	for c := f.cref; c != nil && c.class != in.cObject; c = c.outer {
		if v, ok := in.classConst(c.class, name); ok {
			return v, true
		}
	}
	if v, ok := in.findConst(f.cref.class, name); ok {
		return v, true
	}
	if k, ok := f.cref.class.attached.(*Class); ok {
		if v, ok := in.findConst(k, name); ok {
			return v, true
		}
	}
	return in.classConst(in.cObject, name)
}

func (in *Interp) missingConst(c *Class, name string) Value {
	if m, _ := in.findMethod(c, "const_missing"); m != nil && m.fn != nil {
		return in.send(c, "const_missing", Symbol(name))
	}
	full := name
	if c != in.cObject && c.attached == nil {
		full = c.name + "::" + name
	}
	if rubyConstants()[name] && c == in.cObject {
		in.unsupported("the class or module " + name)
	}
	if lib, ok := libraryOfConst[name]; ok && c == in.cObject {
		in.unsupported("the class or module " + name + " (of the library " + lib + ")")
	}
	if in.cfg.Host != nil {
		if v, ok := in.hostCall(in.cfg.Host, nil, &call{self: in.main, name: name}, true); ok {
			return v
		}
	}
	in.raiseName("NameError", name, c, "uninitialized constant %s", full)
	return nil
}

// Instance variables.

func (in *Interp) ivarGet(self Value, name string) Value {
	switch x := self.(type) {
	case *Object:
		return x.ivars[name]
	case *Exception:
		return x.ivars[name]
	case *Class:
		return x.ivars[name]
	}
	return nil
}

func (in *Interp) ivarDefined(self Value, name string) bool {
	ok := false
	switch x := self.(type) {
	case *Object:
		_, ok = x.ivars[name]
	case *Exception:
		_, ok = x.ivars[name]
	case *Class:
		_, ok = x.ivars[name]
	}
	return ok
}

func (in *Interp) ivarSet(self Value, name string, v Value) {
	in.alloc(64)
	if c, ok := self.(*Class); ok {
		if c.ivars == nil {
			c.ivars = map[string]Value{}
		}
		c.ivars[name] = v
		return
	}
	o := in.object(self)
	if o == nil {
		switch self.(type) {
		case nil, bool, int, float64, Symbol:
			in.raise("FrozenError", "can't modify frozen %s: %s", in.classOf(self).name, in.inspect(self))
		}
		in.unsupported("an instance variable of " + in.classOf(self).name)
	}
	if o.frozen {
		in.raise("FrozenError", "can't modify frozen %s: %s", o.class.name, in.inspect(self))
	}
	if o.ivars == nil {
		o.ivars = map[string]Value{}
	}
	if _, ok := o.ivars[name]; !ok {
		o.order = append(o.order, name)
	}
	o.ivars[name] = v
}

// Globals.

func (in *Interp) gvarDefined(name string) bool {
	switch name {
	case "$0", "$PROGRAM_NAME", "$stdout", "$stderr", "$stdin", "$:", "$LOAD_PATH", "$\"", "$LOADED_FEATURES", "$,", "$/", "$;", "$\\", "$!", "$@", "$?", "$$", "$*", "$VERBOSE", "$DEBUG", "$~", "$_", "$FILENAME", "$-w", "$-v", "$-d", "$<", "$>", "$.":
		return true
	}
	_, ok := in.globals[name]
	return ok
}

func (in *Interp) gvarGet(name string, f *frame) Value {
	switch name {
	case "$~":
		if f.mf.match == nil {
			return nil
		}
		return f.mf.match
	case "$&", "$`", "$'", "$+":
		m := f.mf.match
		if m == nil {
			return nil
		}
		switch name {
		case "$&":
			return in.groupValue(m, 0)
		case "$`":
			return in.str(m.s[:m.idx[0]])
		case "$'":
			return in.str(m.s[m.idx[1]:])
		}
		for i := len(m.idx)/2 - 1; i > 0; i-- {
			if m.idx[2*i] >= 0 {
				return in.groupValue(m, i)
			}
		}
		return nil
	case "$!":
		return in.errInfo
	case "$@":
		if e, ok := in.errInfo.(*Exception); ok {
			return in.excBacktrace(e)
		}
		return nil
	case "$?":
		return in.status
	case "$$":
		return processID()
	}
	if v, ok := in.globals[name]; ok {
		return v
	}
	switch name {
	case "$0", "$PROGRAM_NAME":
		return in.str("galley")
	case "$stdout", "$>":
		v, _ := in.classConst(in.cObject, "STDOUT")
		return v
	case "$stderr":
		v, _ := in.classConst(in.cObject, "STDERR")
		return v
	case "$stdin":
		v, _ := in.classConst(in.cObject, "STDIN")
		return v
	case "$:", "$LOAD_PATH", "$-I", "$\"", "$LOADED_FEATURES", "$*":
		a := NewArray()
		for _, n := range [][]string{{"$:", "$LOAD_PATH", "$-I"}, {"$\"", "$LOADED_FEATURES"}, {"$*"}} {
			for _, k := range n {
				if k == name {
					for _, k := range n {
						in.globals[k] = a
					}
				}
			}
		}
		return a
	case "$/":
		return &String{s: "\n", frozen: true}
	case "$VERBOSE", "$DEBUG", "$-w", "$-v", "$-d":
		return false
	case "$.":
		return 0
	case "$FILENAME":
		return in.str("-")
	}
	return nil
}

func (in *Interp) gvarSet(name string, v Value, f *frame) {
	switch name {
	case "$~":
		m, ok := v.(*MatchData)
		if v != nil && !ok {
			in.raise("TypeError", "wrong argument type %s (expected MatchData)", in.classOf(v).name)
		}
		f.mf.match = m
		return
	case "$!", "$?", "$$", "$&", "$`", "$'", "$+", "$@", "$:", "$LOAD_PATH", "$\"", "$LOADED_FEATURES", "$*":
		in.raiseName("NameError", name, nil, "%s is a read-only variable", name)
	case "$,", "$;", "$/", "$\\":
		if v != nil {
			in.unsupported("an assignment to " + name)
		}
	case "$stdout", "$stderr", "$stdin", "$>":
		in.unsupported("an assignment to " + name)
	}
	if len(in.globals) > 10_000 {
		in.limit("the program made too many global variables")
	}
	in.alloc(100)
	in.globals[name] = v
}

// Text.

// pointerString is a stable number for an object, in the shape of an address.
func pointerString(v Value) string { return fmt.Sprintf("%p", v) }

// anyToS is the to_s that every object has. The number in it is none of memory.
func (in *Interp) anyToS(v Value) string {
	id, _ := in.objectID(v).(int)
	return fmt.Sprintf("#<%s:0x%016x>", in.classOf(v).name, id)
}

// plainString is to_s without calling methods of the program.
func plainString(v Value) string {
	switch x := v.(type) {
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(x)
	case int:
		return strconv.Itoa(x)
	case *big.Int:
		return x.String()
	case float64:
		return formatFloat(x)
	case Symbol:
		return string(x)
	case *String:
		return x.s
	case *Class:
		return x.name
	case *HostObject:
		return x.Name
	case *Exception:
		if s, ok := x.msg.(*String); ok {
			return s.s
		}
		return x.class.name
	case *Object:
		return "#<" + x.class.name + ">"
	}
	return fmt.Sprintf("#<%T>", v)
}

// toS is to_s.
func (in *Interp) toS(v Value) string {
	switch x := v.(type) {
	case *String:
		return x.s
	case nil, bool, int, float64, Symbol:
		return plainString(v)
	case *big.Int:
		return in.bigString(x, 10)
	case *HostObject:
		return x.Name
	}
	r := in.invokeNamed(nil, v, "to_s", nil, false, nil, true)
	if s, ok := r.(*String); ok {
		return s.s
	}
	return in.anyToS(v)
}

func (in *Interp) bigString(x *big.Int, base int) string {
	// the work grows faster than the length
	n := x.BitLen()
	in.step(n / 16 * (1 + n/50_000))
	in.alloc(n/3 + 16)
	return x.Text(base)
}

// inspect is inspect.
func (in *Interp) inspect(v Value) string {
	switch x := v.(type) {
	case nil:
		return "nil"
	case bool, int, float64:
		return plainString(v)
	case *big.Int:
		return in.bigString(x, 10)
	case Symbol:
		return inspectSymbol(string(x))
	case *String:
		in.alloc(len(x.s))
		return inspectString(x)
	case *HostObject:
		return x.Name
	}
	r := in.invokeNamed(nil, v, "inspect", nil, false, nil, true)
	if s, ok := r.(*String); ok {
		return s.s
	}
	return in.anyToS(v)
}

// enter guards against cycles and deep nesting in inspect, ==, hash and the like.
func (in *Interp) enter(v Value) bool {
	if in.inspects == nil {
		in.inspects = map[any]bool{}
	}
	if in.inspects[v] {
		return false
	}
	in.inspects[v] = true
	in.depth += 6
	if in.depth > in.limits.Depth {
		delete(in.inspects, v)
		in.tooDeep()
	}
	return true
}

func (in *Interp) leave(v Value) {
	delete(in.inspects, v)
	in.depth -= 6
}

func (in *Interp) inspectArray(a *Array) string {
	if len(a.a) == 0 {
		return "[]"
	}
	if !in.enter(a) {
		return "[...]"
	}
	defer in.leaveOnly(a)
	var b strings.Builder
	b.WriteByte('[')
	for i, e := range a.a {
		in.step(1)
		if i > 0 {
			b.WriteString(", ")
		}
		s := in.inspect(e)
		in.alloc(len(s))
		b.WriteString(s)
	}
	b.WriteByte(']')
	in.depth -= 6
	return b.String()
}

// leaveOnly is leave for a deferred call: depth is restored by whoever recovers.
func (in *Interp) leaveOnly(v Value) { delete(in.inspects, v) }

func (in *Interp) inspectHash(h *Hash) string {
	if h.live == 0 {
		return "{}"
	}
	if !in.enter(h) {
		return "{...}"
	}
	defer in.leaveOnly(h)
	var b strings.Builder
	b.WriteByte('{')
	first := true
	h.Each(func(k, v Value) bool {
		in.step(1)
		if !first {
			b.WriteString(", ")
		}
		first = false
		s := in.inspect(k)
		in.alloc(len(s))
		b.WriteString(s)
		b.WriteString("=>")
		s = in.inspect(v)
		in.alloc(len(s))
		b.WriteString(s)
		return true
	})
	b.WriteByte('}')
	in.depth -= 6
	return b.String()
}

func inspectSymbol(s string) string {
	if symbolIsPlain(s) {
		return ":" + s
	}
	return ":" + inspectString(&String{s: s})
}

func symbolIsPlain(s string) bool {
	if s == "" {
		return false
	}
	if isOperatorName(s) {
		return true
	}
	t := s
	if strings.HasPrefix(t, "@@") {
		t = t[2:]
	} else if t[0] == '@' || t[0] == '$' {
		if t[0] == '$' && len(t) == 2 && strings.IndexByte("~*$?!@/\\;,.=:<>\"&`'+0123456789_", t[1]) >= 0 {
			return true
		}
		t = t[1:]
	} else {
		switch t[len(t)-1] {
		case '?', '!', '=':
			t = t[:len(t)-1]
			if t == "" || strings.ContainsAny(t[len(t)-1:], "?!=") {
				return false
			}
		}
	}
	if t == "" {
		return false
	}
	for i, r := range t {
		if r == utf8.RuneError {
			return false
		}
		if !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9' || r >= 0x80) {
			return false
		}
	}
	return true
}

func inspectString(x *String) string {
	s := x.s
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, w := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && w == 1 || x.binary {
				fmt.Fprintf(&b, "\\x%02X", c)
				i++
				continue
			}
			if !unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Co, r) {
				if r > 0xffff {
					fmt.Fprintf(&b, "\\u{%X}", r)
				} else {
					fmt.Fprintf(&b, "\\u%04X", r)
				}
			} else {
				b.WriteRune(r)
			}
			i += w
			continue
		}
		switch c {
		case '"':
			b.WriteString(`\"`)
		case '\\':
			b.WriteString(`\\`)
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		case '\r':
			b.WriteString(`\r`)
		case 27:
			b.WriteString(`\e`)
		case 7:
			b.WriteString(`\a`)
		case 8:
			b.WriteString(`\b`)
		case '\v':
			b.WriteString(`\v`)
		case '\f':
			b.WriteString(`\f`)
		case '#':
			if i+1 < len(s) && (s[i+1] == '{' || s[i+1] == '$' || s[i+1] == '@') {
				b.WriteByte('\\')
			}
			b.WriteByte('#')
		default:
			if c < 0x20 || c == 0x7f {
				f := "\\u%04X"
				if x.binary {
					f = "\\x%02X"
				}
				fmt.Fprintf(&b, f, c)
			} else {
				b.WriteByte(c)
			}
		}
		i++
	}
	b.WriteByte('"')
	return b.String()
}

func (in *Interp) inspectObject(v Value) string {
	o := in.object(v)
	if o == nil || len(o.order) == 0 {
		return in.anyToS(v)
	}
	if !in.enter(v) {
		return strings.TrimSuffix(in.anyToS(v), ">") + " ...>"
	}
	defer in.leaveOnly(v)
	parts := make([]string, 0, len(o.order))
	for _, n := range o.order {
		if x, ok := o.ivars[n]; ok {
			s := in.inspect(x)
			in.alloc(len(s))
			parts = append(parts, n+"="+s)
		}
	}
	in.depth -= 6
	return strings.TrimSuffix(in.anyToS(v), ">") + " " + strings.Join(parts, ", ") + ">"
}

// formatFloat is Float#to_s.
func formatFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	case f == 0:
		if math.Signbit(f) {
			return "-0.0"
		}
		return "0.0"
	}
	if a := math.Abs(f); a >= 1e-4 && a < 1e15 {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mant, exp, _ := strings.Cut(s, "e")
	if !strings.Contains(mant, ".") {
		mant += ".0"
	}
	return mant + "e" + exp[:1] + fmt.Sprintf("%02s", strings.TrimLeft(exp[1:], "0"))
}

// Equality and order.

// equal is ==.
func (in *Interp) equal(a, b Value) bool {
	switch x := a.(type) {
	case nil, bool, Symbol:
		return a == b
	case int:
		switch y := b.(type) {
		case int:
			return x == y
		case float64:
			return float64(x) == y
		}
		return false
	case float64:
		switch y := b.(type) {
		case int:
			return x == float64(y)
		case float64:
			return x == y
		case *big.Int:
			f, _ := new(big.Float).SetInt(y).Float64()
			return x == f
		}
		return false
	case *big.Int:
		switch y := b.(type) {
		case *big.Int:
			return x.Cmp(y) == 0
		case float64:
			f, _ := new(big.Float).SetInt(x).Float64()
			return y == f
		}
		return false
	case *String:
		y, ok := b.(*String)
		return ok && x.s == y.s
	case *Array:
		y, ok := b.(*Array)
		if !ok || len(x.a) != len(y.a) {
			return false
		}
		if x == y {
			return true
		}
		if !in.enter(x) {
			return true
		}
		defer in.leaveOnly(x)
		for i := range x.a {
			in.step(1)
			if i >= len(y.a) || !in.equal(x.a[i], y.a[i]) {
				in.depth -= 6
				return false
			}
		}
		in.depth -= 6
		return true
	case *Hash:
		y, ok := b.(*Hash)
		if !ok || x.live != y.live {
			return false
		}
		if x == y {
			return true
		}
		if !in.enter(x) {
			return true
		}
		defer in.leaveOnly(x)
		same := true
		x.Each(func(k, v Value) bool {
			in.step(1)
			w, ok := y.get(in.hashKey(y, k))
			same = ok && in.equal(v, w)
			return same
		})
		in.depth -= 6
		return same
	case *Range:
		y, ok := b.(*Range)
		return ok && x.Excl == y.Excl && in.equal(x.Lo, y.Lo) && in.equal(x.Hi, y.Hi)
	case *Regexp:
		y, ok := b.(*Regexp)
		return ok && x.src == y.src && x.flags == y.flags
	case *timeValue:
		y, ok := b.(*timeValue)
		return ok && x.t.Equal(y.t)
	case *dateValue:
		y, ok := b.(*dateValue)
		return ok && x.t.Equal(y.t)
	case *Object, *Exception:
		if a == b {
			return true
		}
		return truthy(in.send(a, "==", b))
	case *boundMethod:
		y, ok := b.(*boundMethod)
		return ok && x.m == y.m && x.recv == y.recv
	}
	return a == b
}

// eql is eql?: equal without conversion between numbers.
func (in *Interp) eql(a, b Value) bool {
	switch x := a.(type) {
	case int, *big.Int, float64:
		if fmt.Sprintf("%T", a) != fmt.Sprintf("%T", b) {
			return false
		}
	case *Object:
		return x == b || truthy(in.send(a, "eql?", b))
	}
	return in.hashKey(nil, a) == in.hashKey(nil, b) || in.equal(a, b) && !isContainer(a)
}

func isContainer(v Value) bool {
	switch v.(type) {
	case *Array, *Hash:
		return true
	}
	return false
}

// hashKey is the key under which a value is found in a hash; objects may define hash themselves.
func (in *Interp) hashKey(h *Hash, v Value) any {
	if h != nil && h.byID {
		return identKey{v}
	}
	switch x := v.(type) {
	case *Object:
		if m, _ := in.findMethod(x, "hash"); m != nil && m.fn != nil {
			return compKey("h" + in.inspect(in.send(x, "hash")))
		}
		if s, ok := x.data.(*structData); ok {
			return compKey("st" + pointerString(x.class) + keyText(keyOf(&Array{a: s.vals})))
		}
	case *Array, *Hash, *Range:
		n := in.sizeOf(v, 0)
		in.step(n)
		in.alloc(n * 8)
	case *timeValue:
		return compKey("t" + strconv.FormatInt(x.t.UnixNano(), 10))
	case *dateValue:
		return compKey("d" + strconv.FormatInt(x.t.UnixNano(), 10))
	case *Regexp:
		return compKey("r" + x.flagString() + "/" + x.src)
	}
	return keyOf(v)
}

func keyText(k any) string {
	s, _ := k.(compKey)
	return string(s)
}

// userHash stores an object whose class defines hash.
func (in *Interp) userHash(h *Hash, o *Object, k, v Value) bool {
	if h.byID {
		return false
	}
	key := in.hashKey(h, o)
	if _, ok := key.(compKey); !ok {
		return false
	}
	h.put(key, k, v)
	return true
}

// hashGet is Hash#[].
func (in *Interp) hashGet(h *Hash, k Value) Value {
	if v, ok := h.get(in.hashKey(h, k)); ok {
		return v
	}
	return in.hashDefault(h, k)
}

func (in *Interp) hashDefault(h *Hash, k Value) Value {
	if h.defProc != nil {
		return in.yield(h.defProc, h, k)
	}
	return h.def
}

// compare is <=>; ok is false where Ruby gives nil.
func (in *Interp) compare(a, b Value) (int, bool) {
	switch x := a.(type) {
	case int, float64, *big.Int:
		return compareNum(a, b)
	case *String:
		if y, ok := b.(*String); ok {
			return strings.Compare(x.s, y.s), true
		}
		return 0, false
	case Symbol:
		if y, ok := b.(Symbol); ok {
			return strings.Compare(string(x), string(y)), true
		}
		return 0, false
	case nil, bool:
		if a == b {
			return 0, true
		}
		return 0, false
	case *Array:
		y, ok := b.(*Array)
		if !ok {
			return 0, false
		}
		if !in.enter(x) {
			return 0, false
		}
		defer in.leaveOnly(x)
		for i := 0; i < len(x.a) && i < len(y.a); i++ {
			in.step(1)
			c, ok := in.compare(x.a[i], y.a[i])
			if !ok || c != 0 {
				in.depth -= 6
				return c, ok
			}
		}
		in.depth -= 6
		return len(x.a) - len(y.a), true
	case *timeValue:
		if y, ok := b.(*timeValue); ok {
			return x.t.Compare(y.t), true
		}
		return 0, false
	case *dateValue:
		if y, ok := b.(*dateValue); ok {
			return x.t.Compare(y.t), true
		}
		return 0, false
	}
	if m, _ := in.findMethod(a, "<=>"); m != nil {
		switch r := in.send(a, "<=>", b).(type) {
		case int:
			return r, true
		case *big.Int:
			return r.Sign(), true
		case float64:
			return int(math.Copysign(1, r)), true
		}
	}
	return 0, false
}

func compareNum(a, b Value) (int, bool) {
	switch x := a.(type) {
	case int:
		switch y := b.(type) {
		case int:
			switch {
			case x < y:
				return -1, true
			case x > y:
				return 1, true
			}
			return 0, true
		case float64:
			return compareFloat(float64(x), y)
		case *big.Int:
			return -y.Sign(), true
		}
	case float64:
		switch y := b.(type) {
		case int:
			return compareFloat(x, float64(y))
		case float64:
			return compareFloat(x, y)
		case *big.Int:
			f, _ := new(big.Float).SetInt(y).Float64()
			return compareFloat(x, f)
		}
	case *big.Int:
		switch y := b.(type) {
		case int:
			return x.Sign(), true
		case *big.Int:
			return x.Cmp(y), true
		case float64:
			f, _ := new(big.Float).SetInt(x).Float64()
			return compareFloat(f, y)
		}
	}
	return 0, false
}

func compareFloat(x, y float64) (int, bool) {
	switch {
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	case x == y:
		return 0, true
	}
	return 0, false
}

// mustCompare raises where the two can't be compared.
func (in *Interp) mustCompare(a, b Value) int {
	c, ok := in.compare(a, b)
	if !ok {
		in.raise("ArgumentError", "comparison of %s with %s failed", in.classOf(a).name, in.cmpName(b))
	}
	return c
}

func (in *Interp) cmpName(v Value) string {
	switch v.(type) {
	case nil, bool, int, float64:
		return in.inspect(v)
	}
	return in.classOf(v).name
}

// sortValues sorts in place; the comparison may raise. It merges halves, comparing in the order that the C library's
// qsort does below Ruby on Linux, so that equal elements and messages come out alike.
func (in *Interp) sortValues(a []Value, cmp func(x, y Value) int) {
	in.alloc(16 * len(a))
	in.mergeSort(a, make([]Value, len(a)), cmp)
}

func (in *Interp) mergeSort(a, tmp []Value, cmp func(x, y Value) int) {
	if len(a) <= 1 {
		return
	}
	m := len(a) / 2
	l, r := a[:m], a[m:]
	in.mergeSort(l, tmp[:m], cmp)
	in.mergeSort(r, tmp[m:], cmp)
	out := tmp[:0]
	for len(l) > 0 && len(r) > 0 {
		in.step(1)
		if cmp(l[0], r[0]) <= 0 {
			out = append(out, l[0])
			l = l[1:]
		} else {
			out = append(out, r[0])
			r = r[1:]
		}
	}
	out = append(append(out, l...), r...)
	copy(a, out)
}

// Conversions of arguments, with Ruby's messages.

func (in *Interp) convName(v Value) string {
	switch x := v.(type) {
	case nil:
		return "nil"
	case bool:
		return strconv.FormatBool(x)
	}
	return in.classOf(v).name
}

// argString wants a String (or something with to_str).
func (in *Interp) argString(v Value) string {
	switch x := v.(type) {
	case *String:
		return x.s
	case *Object:
		if in.respondTo(x, "to_str") {
			if s, ok := in.send(x, "to_str").(*String); ok {
				return s.s
			}
		}
	}
	in.raise("TypeError", "no implicit conversion of %s into String", in.convName(v))
	return ""
}

// argName wants a String or Symbol.
func (in *Interp) argName(v Value) string {
	switch x := v.(type) {
	case Symbol:
		return string(x)
	case *String:
		return x.s
	}
	in.raise("TypeError", "%s is not a symbol nor a string", in.inspect(v))
	return ""
}

// argInt wants an Integer; floats are cut.
func (in *Interp) argInt(v Value) int {
	switch x := v.(type) {
	case int:
		return x
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			in.raise("RangeError", "float %s out of range of integer", strings.TrimSuffix(formatFloat(x), "inity"))
		}
		if x >= math.MaxInt64 || x <= math.MinInt64 {
			in.raise("RangeError", "float %s out of range of integer", formatFloat(x))
		}
		return int(x)
	case *big.Int:
		in.raise("RangeError", "bignum too big to convert into `long'")
	case nil:
		in.raise("TypeError", "no implicit conversion from nil to integer")
	case bool:
		in.raise("TypeError", "no implicit conversion of %v into Integer", x)
	case *Object:
		if in.respondTo(x, "to_int") {
			if i, ok := in.send(x, "to_int").(int); ok {
				return i
			}
		}
	}
	in.raise("TypeError", "no implicit conversion of %s into Integer", in.convName(v))
	return 0
}

func (in *Interp) argArray(v Value) *Array {
	switch x := v.(type) {
	case *Array:
		return x
	case *Object:
		if in.respondTo(x, "to_ary") {
			if a, ok := in.send(x, "to_ary").(*Array); ok {
				return a
			}
		}
	}
	in.raise("TypeError", "no implicit conversion of %s into Array", in.convName(v))
	return nil
}

func (in *Interp) argHash(v Value) *Hash {
	switch x := v.(type) {
	case *Hash:
		return x
	case *Object:
		if in.respondTo(x, "to_hash") {
			if h, ok := in.send(x, "to_hash").(*Hash); ok {
				return h
			}
		}
	}
	in.raise("TypeError", "no implicit conversion of %s into Hash", in.convName(v))
	return nil
}

// opt gives argument i, or nil.
func (c *call) opt(i int) Value {
	if i < len(c.args) {
		return c.args[i]
	}
	return nil
}

// kwargs gives the trailing keyword hash, if the call has one, and cuts it off. Where an argument would be missing then,
// the hash is that argument.
func (c *call) kwargs() *Hash {
	if n := len(c.args); c.kw && n > c.min {
		if h, ok := c.args[n-1].(*Hash); ok {
			c.args = c.args[:n-1]
			return h
		}
	}
	return nil
}

func (in *Interp) needBlock(c *call) *Proc {
	if c.blk == nil {
		in.raise("LocalJumpError", "no block given (yield)")
	}
	return c.blk
}
