package ruby

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// kernelMethods are the methods of every object.
func kernelMethods() []builtin {
	return []builtin{
		{"==", 1, 1, objectEqual},
		{"===", 1, 1, objectCaseEqual},
		{"=~", 1, 1, objectNil},
		{"<=>", 1, 1, objectCompare},
		{"class", 0, 0, func(in *Interp, c *call) Value { return in.classOf(c.self) }},
		{"nil?", 0, 0, func(_ *Interp, c *call) Value { return c.self == nil }},
		{"inspect", 0, 0, objectInspect},
		{"to_s", 0, 0, objectToS},
		{"itself", 0, 0, self},
		{"freeze", 0, 0, objectFreeze},
		{"frozen?", 0, 0, func(_ *Interp, c *call) Value { return isFrozen(c.self) }},
		{"dup clone", 0, 0, objectDup},
		{"is_a? kind_of?", 1, 1, func(in *Interp, c *call) Value { return in.isA(c.self, in.argClass(c.args[0])) }},
		{"respond_to?", 1, 2, objectRespondTo},
		{"send __send__ public_send", 1, -1, objectSend},
		{"to_enum enum_for", 0, -1, objectToEnum},
		{"instance_eval", 0, -1, objectInstanceEval},
	}
}

// kernelFunctions are called without a receiver.
func kernelFunctions() []builtin {
	return []builtin{
		{"-private:puts -private:warn", 0, -1, kernelPuts},
		{"-private:print", 0, -1, ioPrint},
		{"-private:format -private:sprintf", 1, -1, kernelFormat},
		{"-private:raise -private:fail", 0, -1, kernelRaise},
		{"-private:block_given?", 0, 0, func(_ *Interp, c *call) Value { return c.f != nil && c.f.mf.blk != nil }},
		{"-private:lambda", 0, 0, kernelLambda},
		{"-private:proc", 0, 0, procNew},
		{"-private:`", 1, 1, func(in *Interp, c *call) Value { return in.backtick(in.argString(c.args[0])) }},
		{"-private:require", 1, 1, func(in *Interp, c *call) Value { return in.require(in.argString(c.args[0])) }},
		{"-private:require_relative -private:load", 1, -1, kernelLoad},
		{"-private:__dir__", 0, 0, kernelDir},
		{"-private:Integer", 1, 1, kernelInteger},
		{"-private:Float", 1, 1, kernelFloat},
		{"-private:String", 1, 1, func(in *Interp, c *call) Value { return in.str(in.toS(c.args[0])) }},
		{"-private:private", 0, 0, objectNil},
		// Ruby's own functions, which a host must not take for its own names.
		{"-private:eval", 1, 4, kernelEval},
		{"-private:binding -private:fork -private:exec -private:spawn -private:system -private:at_exit", 0, -1, kernelUnsupported},
		{"-private:catch -private:throw -private:rand -private:srand -private:printf -private:gets", 0, -1, kernelUnsupported},
		{"-private:trap -private:open -private:autoload -private:caller", 0, -1, kernelUnsupported},
		{"-private:include -private:extend -private:public -private:define_method", 0, -1, kernelUnsupported},
		// For the part of the library that is written in Ruby.
		{"-private:__refuse", 1, 1, kernelRefuse},
		{"-private:__compare", 2, 2, func(in *Interp, c *call) Value { return in.mustCompare(c.args[0], c.args[1]) }},
		{"-private:__hash", 1, 1, func(in *Interp, c *call) Value { return in.argHash(c.args[0]) }},
		{"-private:__int", 1, 1, func(in *Interp, c *call) Value { return in.argInt(c.args[0]) }},
		{"-private:__str", 1, 1, func(in *Interp, c *call) Value { return in.str(in.argString(c.args[0])) }},
	}
}

func nilMethods() []builtin {
	return []builtin{
		{"to_s", 0, 0, func(in *Interp, _ *call) Value { return in.frozenStr("") }},
		{"to_a", 0, 0, func(*Interp, *call) Value { return NewArray() }},
		{"to_h", 0, 0, func(*Interp, *call) Value { return NewHash() }},
		{"to_i", 0, 0, func(*Interp, *call) Value { return 0 }},
		{"to_f", 0, 0, func(*Interp, *call) Value { return 0.0 }},
	}
}

// of makes a method without arguments of a function of the receiver.
func of[T any](fn func(in *Interp, self T) Value) builtinFunc {
	return func(in *Interp, c *call) Value { return fn(in, c.self.(T)) }
}

func self(_ *Interp, c *call) Value { return c.self }

func objectNil(*Interp, *call) Value { return nil }

func objectEqual(in *Interp, c *call) Value {
	switch c.self.(type) {
	case *Object, *Exception:
		return c.self == c.args[0]
	}
	return in.equal(c.self, c.args[0])
}

func objectCaseEqual(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) }

// orNil gives nil where the comparison is not possible.
func orNil(r int, ok bool) Value {
	if !ok {
		return nil
	}
	return r
}

func objectCompare(in *Interp, c *call) Value {
	if o, ok := c.self.(*Object); ok {
		return orNil(0, in.equal(o, c.args[0]))
	}
	return orNil(in.compare(c.self, c.args[0]))
}

func objectInspect(in *Interp, c *call) Value {
	switch x := c.self.(type) {
	case nil, bool, int, float64, Symbol, *String:
		return in.str(in.inspect(x))
	case *Object:
		if stream, ok := x.data.(string); ok {
			return in.str("#<IO:<" + stream + ">>")
		}
	}
	if c.self != any(in.main) {
		in.unsupported("inspect of " + in.classOf(c.self).name)
	}
	return in.str("main")
}

func objectToS(in *Interp, c *call) Value {
	switch c.self.(type) {
	case bool, int, float64:
		return in.str(plainString(c.self))
	case *Regexp:
		in.unsupported("the text of a regexp")
	}
	if c.self == any(in.main) {
		return in.str("main")
	}
	return in.str(in.anyToS(c.self))
}

func objectFreeze(_ *Interp, c *call) Value {
	if f := frozenFlag(c.self); f != nil {
		*f = true
	}
	return c.self
}

func objectDup(in *Interp, c *call) Value {
	copied := c.self
	switch x := c.self.(type) {
	case *String:
		copied = in.str(x.s)
	case *Array:
		copied = in.arr(slices.Clone(x.a))
	case *Hash:
		in.alloc(100*x.live + 64)
		copied = x.copy()
	case *Object, *Class:
		in.unsupported("a copy of " + in.classOf(x).name)
	}
	if flag := frozenFlag(copied); flag != nil {
		*flag = c.name == "clone" && isFrozen(c.self)
	}
	return copied
}

func (in *Interp) isA(v Value, cls *Class) bool { return in.classOf(v).isA(cls) }

func objectRespondTo(in *Interp, c *call) Value {
	name := in.argName(c.args[0])
	m := in.findMethod(c.self, name)
	switch {
	case m != nil:
		return !m.private || truthy(c.opt(1))
	case in.hostResponds(c.self, name):
		return true
	case in.rubyHas(c.self, name):
		in.unsupported("the method " + in.classOf(c.self).name + "#" + name)
	}
	return false
}

func objectSend(in *Interp, c *call) Value {
	return in.call(&call{
		f: c.f, self: c.self, name: in.argName(c.args[0]), args: c.args[1:],
		kw: c.kw && len(c.args) > 1, blk: c.blk, fcall: c.name != "public_send",
	})
}

// Functions.

// print writes to the configured output.
func (in *Interp) print(s string) {
	in.step(1 + len(s)/64)
	if in.cfg.Stdout != nil {
		_, _ = in.cfg.Stdout.Write([]byte(s))
	}
}

func kernelPuts(in *Interp, c *call) Value {
	c.kwargs()
	if len(c.args) == 0 {
		in.print("\n")
	}
	for _, a := range in.flatten(nil, NewArray(c.args...), -1) {
		in.print(strings.TrimSuffix(in.toS(a), "\n") + "\n")
	}
	return nil
}

func kernelFormat(in *Interp, c *call) Value {
	return in.str(in.sprintf(in.argString(c.args[0]), c.args[1:]))
}

func kernelRaise(in *Interp, c *call) Value {
	in.unsupportedIf(c.kw, "an option of raise")
	if len(c.args) == 0 {
		if x, ok := in.errInfo.(*Exception); ok {
			panic(&raised{x})
		}
		in.raise("RuntimeError", "")
	}
	var e *Exception
	switch x := c.args[0].(type) {
	case *String:
		e = in.newException("RuntimeError", "")
		e.msg = x
	case *Class:
		v := in.call(&call{f: c.f, self: x, name: "new", args: c.args[1:min(2, len(c.args))]})
		e, _ = v.(*Exception)
	case *Exception:
		e = x
		if len(c.args) > 1 {
			cp := *x
			e = &cp
			e.msg, e.prog = c.args[1], nil
		}
	}
	in.raiseIf(e == nil, "TypeError", "exception class/object expected")
	in.throw(e)
	return nil
}

func kernelLambda(in *Interp, c *call) Value {
	p := *procNew(in, c).(*Proc)
	p.lambda = true
	return &p
}

// require accepts the names of the standard library, whose contents are built
// in, and those that [Config.Require] accepts.
func (in *Interp) require(name string) Value {
	name = strings.TrimSuffix(name, ".rb")
	first, _, _ := strings.Cut(name, "/")
	if !strings.Contains(standardLibrary, " "+first+" ") && !(in.cfg.Require != nil && in.cfg.Require(name)) {
		// as in a Ruby without the gem, so that a file which handles that works
		in.raise("LoadError", "cannot load such file -- %s", name)
	}
	seen := in.required[name]
	in.required[name] = true
	return !seen
}

const standardLibrary = ` abbrev base64 benchmark bigdecimal bundler cgi csv date delegate digest English erb etc
 fileutils find forwardable ipaddr json logger monitor net observer open-uri open3 openssl optparse ostruct pathname pp
 prettyprint prime pstore psych rbconfig resolv rexml rubygems securerandom set shellwords singleton socket stringio
 strscan tempfile thread time timeout tmpdir tsort uri weakref yaml zlib `

func kernelLoad(in *Interp, c *call) Value {
	in.refuse(c.name, fmt.Sprintf("`%s %s' is refused: other Ruby files are not loaded", c.name, in.inspect(c.args[0])),
		"move the code into the file itself, or use the real Ruby: --erb ruby")
	return nil
}

func kernelDir(in *Interp, _ *call) Value {
	prog, _ := in.place()
	return in.str(in.dirOf(prog.opts.File))
}

func kernelInteger(in *Interp, c *call) Value {
	switch x := c.args[0].(type) {
	case *String:
		n, ok := in.parseInteger(x.s)
		if !ok {
			in.raise("ArgumentError", "invalid value for Integer(): %s", in.inspect(x))
		}
		return n
	case int:
		return x
	case float64:
		return in.floatToInt(x)
	}
	in.raise("TypeError", "can't convert %s into Integer", in.convName(c.args[0]))
	return nil
}

// parseInteger reads a text that is an integer as a whole.
func (in *Interp) parseInteger(s string) (int, bool) {
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(s, "+-")
	if digits == "" || len(s)-len(digits) > 1 || strings.HasPrefix(digits, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	in.unsupportedIf(err != nil && strings.Contains(err.Error(), "range"), "an integer of more than 64 bits")
	return int(n), err == nil
}

func kernelFloat(in *Interp, c *call) Value {
	if s, ok := c.args[0].(*String); ok {
		t := strings.TrimSpace(s.s)
		f, err := strconv.ParseFloat(strings.ReplaceAll(t, "_", ""), 64)
		if d := strings.TrimLeft(t, "+-"); err != nil || !isDigit(d[0]) || !isDigit(t[len(t)-1]) || strings.Contains(t, "__") {
			in.raise("ArgumentError", "invalid value for Float(): %s", in.inspect(s))
		}
		return f
	}
	f, ok := asFloat(c.args[0])
	if !ok {
		in.raise("TypeError", "can't convert %s into Float", in.convName(c.args[0]))
	}
	return f
}

func kernelUnsupported(in *Interp, c *call) Value {
	in.unsupported("the method " + c.name)
	return nil
}

// kernelRefuse lets the part of the library that is written in Ruby refuse what
// it does not support.
func kernelRefuse(in *Interp, c *call) Value {
	in.unsupported(in.argString(c.args[0]))
	return nil
}
