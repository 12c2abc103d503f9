package ruby

// evalText runs a program text with another self, as instance_eval and eval
// of a string do: a Berksfile that shares lines with others reads their file
// and evaluates it. The text has local variables of its own; it does not see
// those of the place that evaluates it.
func (in *Interp) evalText(self Value, args []Value) Value {
	if len(args) == 0 {
		in.raise("ArgumentError", "wrong number of arguments (given 0, expected 1..3)")
	}
	o := Options{}
	if len(args) > 1 {
		o.File = in.argString(args[1])
	}
	if len(args) > 2 {
		o.Line = in.argInt(args[2])
	}
	p, err := Parse(in.argString(args[0]), o)
	if err != nil {
		in.raise("SyntaxError", "%v", err)
	}
	prog, off := in.curProg, in.curOff
	f := in.topFrame(p)
	f.self, f.mf.self = self, self
	v := in.ev(p.body, f)
	in.curProg, in.curOff = prog, off
	return v
}

// evaluable says whether a text can be evaluated with a value as self: the
// program's own or an object of the host.
func (in *Interp) evaluable(self Value) bool {
	if _, ok := self.(*HostObject); ok {
		return true
	}
	return self == any(in.main)
}
