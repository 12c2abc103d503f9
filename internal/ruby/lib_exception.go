package ruby

import "strings"

// exceptionTree lists Ruby's exceptions as child<parent.
const exceptionTree = `NoMemoryError<Exception ScriptError<Exception LoadError<ScriptError NotImplementedError<ScriptError SyntaxError<ScriptError
	SecurityError<Exception SignalException<Exception Interrupt<SignalException SystemExit<Exception SystemStackError<Exception StandardError<Exception
	ArgumentError<StandardError UncaughtThrowError<ArgumentError EncodingError<StandardError FiberError<StandardError IOError<StandardError EOFError<IOError
	IndexError<StandardError KeyError<IndexError StopIteration<IndexError ClosedQueueError<StopIteration LocalJumpError<StandardError NameError<StandardError
	NoMethodError<NameError RangeError<StandardError FloatDomainError<RangeError RegexpError<StandardError RuntimeError<StandardError FrozenError<RuntimeError
	SystemCallError<StandardError ThreadError<StandardError TypeError<StandardError ZeroDivisionError<StandardError NoMatchingPatternError<StandardError NoMatchingPatternKeyError<NoMatchingPatternError
	Errno::ENOENT<SystemCallError Errno::EACCES<SystemCallError Errno::EISDIR<SystemCallError Errno::ENOTDIR<SystemCallError Errno::EEXIST<SystemCallError
	Errno::EPERM<SystemCallError Errno::EINVAL<SystemCallError Errno::ENOTEMPTY<SystemCallError Errno::ECONNREFUSED<SystemCallError
	JSON::JSONError<StandardError JSON::ParserError<JSON::JSONError JSON::GeneratorError<JSON::JSONError Psych::Exception<StandardError Psych::SyntaxError<Psych::Exception
	Psych::BadAlias<Psych::Exception Psych::DisallowedClass<Psych::Exception URI::Error<StandardError URI::InvalidURIError<URI::Error
	Date::Error<ArgumentError Encoding::UndefinedConversionError<EncodingError Encoding::InvalidByteSequenceError<EncodingError Encoding::CompatibilityError<EncodingError
	SocketError<StandardError`

func defExceptions(l *library) {
	e := l.class("Exception", "Object")
	for _, pair := range strings.Fields(exceptionTree) {
		i := strings.IndexByte(pair, '<')
		l.class(pair[:i], pair[i+1:])
	}
	l.module("Errno")
	e.sdef("exception", 0, -1, func(in *Interp, c *call) Value {
		return in.invokeNamed(c.f, c.self, "new", c.args, c.kw, c.blk, true)
	})
	e.priv("initialize", 0, -1, func(in *Interp, c *call) Value {
		x := c.self.(*Exception)
		if kw := c.kwargs(); kw != nil {
			if x.class.name == "KeyError" || x.class.isA(in.classes["NameError"]) || x.class.isA(in.classes["FrozenError"]) || x.class.name == "NoMatchingPatternKeyError" {
				if v, ok := kw.Get(Symbol("key")); ok {
					x.extra = v
				}
				if v, ok := kw.Get(Symbol("receiver")); ok {
					x.recv = v
				}
			} else {
				c.args = append(c.args, kw)
			}
		}
		if len(c.args) > 0 {
			x.msg = c.args[0]
		}
		if strings.HasPrefix(x.class.name, "Errno::") {
			m := errnoText[x.class.name]
			if len(c.args) > 0 {
				m += " - " + in.toS(c.args[0])
			}
			x.msg = in.str(m)
		}
		if x.class.isA(in.classes["NameError"]) && len(c.args) > 1 {
			x.extra = c.args[1]
		}
		return nil
	})
	e.def("message", 0, 0, func(in *Interp, c *call) Value { return in.str(in.toS(c.self)) })
	e.def("to_s", 0, 0, func(in *Interp, c *call) Value {
		x := c.self.(*Exception)
		if x.msg == nil {
			return in.str(x.class.name)
		}
		return in.str(in.toS(x.msg))
	})
	e.def("detailed_message full_message", 0, -1, func(in *Interp, c *call) Value {
		x := c.self.(*Exception)
		return in.str(in.excMessage(x) + " (" + x.class.name + ")")
	})
	e.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		x := c.self.(*Exception)
		s := in.toS(x)
		if s == "" {
			return in.str(x.class.name)
		}
		return in.str("#<" + x.class.name + ": " + s + ">")
	})
	e.def("backtrace", 0, 0, func(in *Interp, c *call) Value { return in.excBacktrace(c.self.(*Exception)) })
	e.def("backtrace_locations", 0, 0, func(in *Interp, c *call) Value { in.unsupported("backtrace_locations"); return nil })
	e.def("set_backtrace", 1, 1, func(in *Interp, c *call) Value {
		x := c.self.(*Exception)
		x.trace = nil
		for _, s := range in.splat(c.args[0]) {
			x.trace = append(x.trace, in.argString(s))
		}
		if x.prog == nil {
			x.prog, x.off = in.curProg, in.curOff
		}
		return c.args[0]
	})
	e.def("cause", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Exception).cause })
	e.def("exception", 0, 1, func(in *Interp, c *call) Value {
		if len(c.args) == 0 {
			return c.self
		}
		cp := *c.self.(*Exception)
		cp.msg = c.args[0]
		return &cp
	})
	e.def("==", 1, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Exception)
		b, ok := c.args[0].(*Exception)
		return ok && (a == b || a.class == b.class && in.excMessage(a) == in.excMessage(b))
	})
	l.byName["NameError"].def("name", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Exception).extra })
	l.byName["NameError"].def("receiver", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Exception).recv })
	l.byName["KeyError"].def("key", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Exception).extra })
	l.byName["KeyError"].def("receiver", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Exception).recv })
	l.byName["StopIteration"].def("result", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Exception).extra })
	l.byName["SystemExit"].def("status", 0, 0, func(in *Interp, c *call) Value { return 1 })
	l.byName["SystemExit"].def("success?", 0, 0, func(in *Interp, c *call) Value { return false })
	l.byName["LoadError"].def("path", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Exception).extra })
	l.byName["SystemCallError"].def("errno", 0, 0, func(in *Interp, c *call) Value {
		return errnoNumber[c.self.(*Exception).class.name]
	})
}

var errnoText = map[string]string{
	"Errno::ENOENT": "No such file or directory", "Errno::EACCES": "Permission denied", "Errno::EISDIR": "Is a directory", "Errno::ENOTDIR": "Not a directory",
	"Errno::EEXIST": "File exists", "Errno::EPERM": "Operation not permitted", "Errno::EINVAL": "Invalid argument", "Errno::ENOTEMPTY": "Directory not empty",
	"Errno::ECONNREFUSED": "Connection refused",
}

var errnoNumber = map[string]int{
	"Errno::ENOENT": 2, "Errno::EACCES": 13, "Errno::EISDIR": 21, "Errno::ENOTDIR": 20, "Errno::EEXIST": 17, "Errno::EPERM": 1, "Errno::EINVAL": 22,
	"Errno::ENOTEMPTY": 39, "Errno::ECONNREFUSED": 111,
}

// excMessage is Exception#message.
func (in *Interp) excMessage(x *Exception) string {
	r := in.send(x, "message")
	if s, ok := r.(*String); ok {
		return s.s
	}
	return in.toS(r)
}

func (in *Interp) excBacktrace(x *Exception) Value {
	if x.trace == nil {
		return nil
	}
	var out []Value
	for _, s := range x.trace {
		out = append(out, in.str(s))
	}
	return in.arr(out)
}
