package ruby

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/env"
)

// Limits bound what a program may use. A zero field means its default.
type Limits struct {
	Steps  int           // evaluation steps; default 3 million
	Memory int           // bytes of strings and containers made, in all; default 20 MiB, which keeps the process below 64
	Depth  int           // nesting of evaluation; default 9,000, which is about 1,500 nested calls
	Time   time.Duration // wall time of one run; default 10 s
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Steps:  cmp.Or(l.Steps, 3_000_000),
		Memory: cmp.Or(l.Memory, 20<<20),
		Depth:  cmp.Or(l.Depth, 9_000),
		Time:   cmp.Or(l.Time, 10*time.Second),
	}
}

// Config is what an [Interp] is made from. The zero value gives an empty environment, the process's working directory,
// no commands, and output thrown away.
type Config struct {
	// Env is ENV: read and written by programs. Default: empty.
	Env *env.Env
	// Dir is the directory that relative paths and Dir.pwd refer to. Default: the process's.
	Dir string
	// AllowExec says whether a program may start a command (backticks, %x). Otherwise it is refused with
	// an error.
	AllowExec Consent
	// Limits bound each run.
	Limits Limits
	// Host answers calls on self that neither Ruby nor the program defines; see [Host].
	Host Host
	// Require tells whether a library that is not Ruby's own may be required; it then does nothing. Without it, and
	// where it says no, the program gets a LoadError.
	Require func(name string) bool
	// Stdout gets what puts, print and p write. Default: thrown away.
	Stdout io.Writer
	// Now is the clock of Time.now. Default time.Now.
	Now func() time.Time
}

// Interp evaluates programs. Environment, globals, constants, classes and
// methods carry over from one program to the next. It is not safe for use by
// several goroutines at once.
type Interp struct {
	cfg    Config
	env    *env.Env
	dir    string
	limits Limits

	ctx      context.Context
	deadline time.Time
	steps    int
	bytes    int
	depth    int
	running  bool

	classes  map[string]*Class // Ruby's own, by full name
	cObject  *Class
	main     *Object
	globals  map[string]Value
	required map[string]bool

	curProg *Program
	curOff  int
	stack   []callSite
	errInfo Value        // $!
	status  Value        // $?
	walking map[any]bool // containers that inspect, == and the like are in

	reads []string // variables of the environment; see TakeReads
}

type callSite struct {
	prog *Program
	off  int
}

// New makes an interpreter.
func New(cfg Config) *Interp {
	in := &Interp{cfg: cfg, env: cfg.Env, dir: cfg.Dir, limits: cfg.Limits.withDefaults()}
	if in.env == nil {
		in.env = &env.Env{}
	}
	if in.dir == "" {
		in.dir, _ = os.Getwd()
	}
	if abs, err := filepath.Abs(in.dir); err == nil {
		in.dir = abs
	}
	if in.cfg.Now == nil {
		in.cfg.Now = time.Now
	}
	in.globals = map[string]Value{"$VERBOSE": false, "$DEBUG": false}
	in.required, in.walking = map[string]bool{}, map[any]bool{}
	in.ctx, in.deadline = context.Background(), time.Now().Add(time.Hour)
	in.boot()
	return in
}

// Env is the environment that programs see as ENV.
func (in *Interp) Env() *env.Env { return in.env }

// SetConst defines a top-level constant, such as a [HostObject] for Chef.
func (in *Interp) SetConst(name string, v Value) { in.defConst(in.cObject, name, v) }

// Eval parses and runs a source text.
func (in *Interp) Eval(ctx context.Context, src, file string) (Value, error) {
	return in.EvalAs(ctx, src, file, nil, false)
}

// Run evaluates a program and returns the value of its last expression. The error is an [*Error]; the interpreter
// stays usable after one.
func (in *Interp) Run(ctx context.Context, p *Program) (Value, error) {
	return in.RunAs(ctx, p, in.main)
}

// RunAs evaluates a program with another self, as instance_eval of a file does: a [HostObject] gets the calls that
// its top level makes.
func (in *Interp) RunAs(ctx context.Context, p *Program, self Value) (Value, error) {
	return in.run(ctx, func() Value { return in.evalProgram(p, self) })
}

// evalProgram evaluates a program inside of another.
func (in *Interp) evalProgram(p *Program, self Value) Value {
	prog, off := in.curProg, in.curOff
	f := in.topFrame(p)
	f.self = self
	v := in.ev(p.body, f)
	in.curProg, in.curOff = prog, off
	return v
}

func (in *Interp) topFrame(p *Program) *frame {
	in.curProg, in.curOff = p, 0
	return &frame{
		self: in.main,
		vars: make([]Value, len(p.scope.order)),
		mf:   &methFrame{private: true},
		prog: p,
		cref: &cref{class: in.cObject},
	}
}

// run calls fn with fresh limits and turns a panic into an error.
func (in *Interp) run(ctx context.Context, fn func() Value) (v Value, err error) {
	if in.running {
		// a host that calls back into a running program shares its limits
		return in.guarded(fn)
	}
	in.ctx = ctx
	in.deadline = time.Now().Add(in.limits.Time)
	in.steps, in.bytes, in.depth, in.stack = 0, 0, 0, in.stack[:0]
	in.running = true
	defer func() { in.running = false }()
	if err := ctx.Err(); err != nil {
		return nil, in.ctxError(err)
	}
	return in.guarded(fn)
}

func (in *Interp) guarded(fn func() Value) (v Value, err error) {
	depth, stack := in.depth, len(in.stack)
	v, p := in.protect(fn)
	in.depth, in.stack = depth, in.stack[:stack]
	if p != nil {
		return nil, in.toError(p)
	}
	return v, nil
}

// protect calls fn and returns its panic value, the stack being unwound.
func (in *Interp) protect(fn func() Value) (v Value, p any) {
	depth, stack := in.depth, len(in.stack)
	defer func() {
		if r := recover(); r != nil {
			in.depth, in.stack = depth, in.stack[:stack]
			switch x := r.(type) {
			case *raised, *jump, *Error:
				p = x
			default:
				e := &Error{Kind: Internal, Message: fmt.Sprintf("the evaluator failed: %v", r)}
				in.here(e)
				p = e
			}
		}
	}()
	return fn(), nil
}

type raised struct{ exc *Exception }

type jumpKind uint8

const (
	jBreak jumpKind = iota
	jNext
	jReturn
	jStop // ends a Go-side iteration
)

type jump struct {
	kind jumpKind
	tag  any
	val  Value
}

func (in *Interp) toError(p any) error {
	switch x := p.(type) {
	case *Error:
		return x
	case *raised:
		return in.exceptionError(x.exc)
	}
	e := &Error{Kind: Raised, Class: "LocalJumpError", Message: "unexpected return or break"}
	in.here(e)
	return e
}

// here sets the place of an error.
func (in *Interp) here(e *Error) {
	if prog, off := in.place(); prog != nil {
		e.File = prog.opts.File
		e.Line, e.Col = prog.Position(off)
	}
}

func (in *Interp) exceptionError(x *Exception) error {
	e := &Error{Kind: Raised, Class: x.class.name}
	msg, p := in.protect(func() Value { return NewString(in.excMessage(x)) })
	if p == nil {
		e.Message = msg.(*String).s
	}
	if x.prog != nil {
		e.File = x.prog.opts.File
		e.Line, e.Col = x.prog.Position(x.off)
	}
	switch x.class.name {
	case "LoadError":
		e.hint = "only the libraries of Ruby itself can be required, not gems; remove the line if Galley does what " +
			"the gem did, or use the real Ruby: --erb ruby"
	case "SystemExit":
		e.Kind = Refused
		e.Message = "the program ends itself with exit or abort: " + e.Message
		e.Construct = "exit"
	}
	return e
}

// step counts one step of work, or n.
func (in *Interp) step(n int) {
	before := in.steps
	in.steps += n
	if in.steps>>11 != before>>11 || in.steps < before {
		in.checkLimits()
	}
}

func (in *Interp) checkLimits() {
	if in.steps > in.limits.Steps || in.steps < 0 {
		in.limit(fmt.Sprintf("the program ran for more than %d steps", in.limits.Steps))
	}
	if err := in.ctx.Err(); err != nil {
		panic(in.ctxError(err))
	}
	if time.Now().After(in.deadline) {
		in.limit(fmt.Sprintf("the program ran for more than %v", in.limits.Time))
	}
}

func (in *Interp) ctxError(err error) *Error {
	e := &Error{Kind: LimitExceeded, Message: "stopped", Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Message = "the program ran too long"
	}
	in.here(e)
	return e
}

// stop ends the program with an error that it can't rescue.
func (in *Interp) stop(e *Error) {
	in.here(e)
	panic(e)
}

func (in *Interp) limit(msg string) { in.stop(&Error{Kind: LimitExceeded, Message: msg}) }

// alloc accounts for n bytes that the program makes.
func (in *Interp) alloc(n int) {
	if n < 0 || n > in.limits.Memory || in.bytes+n > in.limits.Memory {
		in.limit(fmt.Sprintf("the program made more than %d MiB of strings and containers", in.limits.Memory>>20))
	}
	in.bytes += n
}

func (in *Interp) unsupported(construct string) { in.stop(unsupportedError(construct)) }

func (in *Interp) unsupportedIf(cond bool, construct string) {
	if cond {
		in.unsupported(construct)
	}
}

func unsupportedError(construct string) *Error {
	return &Error{
		Kind: Unsupported, Class: "NotImplementedError",
		Message: construct + " is not supported", Construct: construct,
	}
}

func (in *Interp) refuse(construct, msg, hint string) {
	in.stop(&Error{Kind: Refused, Message: msg, Construct: construct, hint: hint})
}

// str makes a new string, accounted for.
func (in *Interp) str(s string) *String {
	in.alloc(len(s) + 48)
	return &String{s: s}
}

func (in *Interp) arr(a []Value) *Array {
	in.alloc(16*len(a) + 32)
	return &Array{a: a}
}

func (in *Interp) push(a *Array, v Value) {
	in.alloc(24)
	a.a = append(a.a, v)
}

// ev evaluates a node; everything goes through here, so that steps and depth are counted.
func (in *Interp) ev(n node, f *frame) Value {
	in.steps++
	if in.steps&0x7ff == 0 {
		in.checkLimits()
	}
	in.depth++
	if in.depth > in.limits.Depth {
		in.curProg, in.curOff = f.prog, n.offset()
		in.tooDeep()
	}
	v := n.eval(in, f)
	in.depth--
	return v
}

func (in *Interp) tooDeep() {
	in.depth -= 50 // room for building the exception; protect resets it
	in.raise("SystemStackError", "stack level too deep")
}

// noteEnv records a read of the environment.
func (in *Interp) noteEnv(name string) {
	if !slices.Contains(in.reads, name) {
		in.reads = append(in.reads, name)
	}
}

// TakeReads returns the variables of the environment that were read since it
// was called last, each once.
func (in *Interp) TakeReads() []string {
	reads := in.reads
	in.reads = nil
	return reads
}
