package ruby

import "context"

// Host receives the calls that a configuration file makes on self and that neither Ruby nor the file defines: the
// settings of knife.rb (`node_name "x"`), the declarations of metadata.rb (`depends "a", "~> 1"`), the groups of a
// Berksfile.
type Host interface {
	// Call answers a call. With handled false the program gets the NameError or NoMethodError that Ruby would give.
	// An error ends the program; return an [*Exception] made by [Call.Raise] to let the program rescue it.
	Call(c *Call) (v Value, handled bool, err error)
}

// Responder may be implemented by a [Host] to tell `respond_to?(:name)` and `defined?(name)` which calls it answers;
// without it they say no.
type Responder interface {
	Responds(name string) bool
}

func (in *Interp) hostResponds(self Value, name string) bool {
	var h Host
	if x, ok := self.(*HostObject); ok {
		h = x.Host
	} else if self == any(in.main) {
		h = in.cfg.Host
	}
	r, ok := h.(Responder)
	return ok && r.Responds(name)
}

// HostFunc makes a function a [Host].
type HostFunc func(c *Call) (Value, bool, error)

// Call calls f.
func (f HostFunc) Call(c *Call) (Value, bool, error) { return f(c) }

// HostObject is a value of the host's own, such as what `knife` gives in `knife[:editor] = "vi"`. Every method called
// on it goes to Host; `x[k]` is the method "[]", `x[k] = v` is "[]=", `x.y = v` is "y=".
type HostObject struct {
	// Name is what inspect, messages and the constant's name show.
	Name string
	Host Host
}

// Call is one call as a host sees it.
type Call struct {
	// Name is the method's name.
	Name string
	// Self is the receiver: nil for a call on the program's own self.
	Self *HostObject
	// Args are the positional arguments; keywords that the call gave are in Keywords instead.
	Args []Value
	// Keywords are the keyword arguments in order, or nil. (`a :b => 1` gives keywords, `a({:b => 1})` does not.)
	Keywords *Hash
	// Block is the block given, or nil.
	Block *Proc
	// Bare is true for a name with neither arguments nor parentheses nor block, which may be meant as a variable.
	Bare bool
	// File, Line and Col tell where the call stands.
	File      string
	Line, Col int

	in      *Interp
	yieldAs func(self Value, args []Value) Value // of a block in another process
}

// Interp is the interpreter that runs the program.
func (c *Call) Interp() *Interp { return c.in }

// Context is the context of the running program.
func (c *Call) Context() context.Context { return c.in.ctx }

// Yield calls the call's block with arguments and returns its value. Without a block it returns nil.
func (c *Call) Yield(args ...Value) (Value, error) {
	return c.in.CallProc(c.in.ctx, c.Block, args...)
}

// YieldAs calls the call's block with self set to the given value, as instance_eval does.
func (c *Call) YieldAs(self Value, args ...Value) (Value, error) {
	if c.Block == nil {
		return nil, nil
	}
	if c.yieldAs != nil {
		return c.in.run(c.in.ctx, func() Value { return c.yieldAs(self, args) })
	}
	return c.in.run(c.in.ctx, func() Value { return c.in.runBlock(c.Block, self, arguments{list: args}) })
}

// Raise makes an error that the program sees as a Ruby exception of the named standard class.
func (c *Call) Raise(class, message string) error {
	return &hostRaise{class, message}
}

type hostRaise struct{ class, msg string }

func (h *hostRaise) Error() string { return h.msg + " (" + h.class + ")" }

// CallProc calls a block or lambda that a program handed out. While the program runs it shares the program's limits
// and context, which ctx then does not replace.
func (in *Interp) CallProc(ctx context.Context, p *Proc, args ...Value) (Value, error) {
	if p == nil {
		return nil, nil
	}
	return in.run(ctx, func() Value { return in.yield(p, args...) })
}

// Inspect gives what inspect gives in Ruby.
func (in *Interp) Inspect(v Value) string {
	s, err := in.run(context.Background(), func() Value { return NewString(in.inspect(v)) })
	if err != nil {
		return plainString(v)
	}
	return s.(*String).s
}

func (in *Interp) hostCall(h Host, self *HostObject, c *call) (Value, bool) {
	if h == nil {
		return nil, false
	}
	hc := &Call{Name: c.name, Self: self, Args: c.args, Block: c.blk, Bare: c.bare, in: in}
	if c.kw && len(c.args) > 0 {
		hc.Keywords, _ = c.args[len(c.args)-1].(*Hash)
		hc.Args = c.args[:len(c.args)-1]
	}
	prog, off := in.curProg, in.curOff
	hc.File = prog.opts.File
	hc.Line, hc.Col = prog.Position(off)
	v, ok, err := h.Call(hc)
	in.curProg, in.curOff = prog, off
	if err != nil {
		switch e := err.(type) { //nolint:errorlint // hosts return these as they are
		case *hostRaise:
			in.raise(e.class, "%s", e.msg)
		case *Error:
			panic(e)
		}
		e := &Error{Kind: Raised, Message: err.Error(), Err: err, Construct: c.name}
		in.stop(e)
	}
	return FromGo(v), ok
}
