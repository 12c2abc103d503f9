package ruby

// kernelEval evaluates a program text with the caller's self; see evalText.
func kernelEval(in *Interp, c *call) Value {
	in.unsupportedIf(len(c.args) > 1, "eval with a binding")
	return in.evalText(c)
}

// objectInstanceEval runs a block or a program text with another self.
func objectInstanceEval(in *Interp, c *call) Value {
	if c.blk != nil {
		return in.runBlock(c.blk, c.self, arguments{list: []Value{c.self}})
	}
	return in.evalText(c)
}

// evalText runs a program text: a Berksfile that shares lines with others reads
// their file and evaluates it. The text has separate local variables; it does
// not see those of the place that evaluates it.
func (in *Interp) evalText(c *call) Value {
	if _, host := c.self.(*HostObject); !host && c.self != any(in.main) {
		in.unsupported(in.methodName(c.self, c.name) + " with a text")
	}
	if len(c.args) == 0 {
		in.argError(0, 1, 3)
	}
	o := Options{Line: in.optInt(c, 2, 0)}
	if len(c.args) > 1 {
		o.File = in.argString(c.args[1])
	}
	p, err := Parse(in.argString(c.args[0]), o)
	if err != nil {
		in.raise("SyntaxError", "%v", err)
	}
	return in.evalProgram(p, c.self)
}
