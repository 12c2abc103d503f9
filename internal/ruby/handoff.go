package ruby

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/galleyhq/galley/internal/env"
)

// Engine says which Ruby evaluates files.
type Engine string

// The engines. Auto is this package's interpreter, and the ruby on the PATH for
// a file that this package refuses, where the user lets files run commands.
const (
	Galley Engine = "galley"
	System Engine = "ruby"
	Auto   Engine = "auto"
)

// EngineOf reads the engine that GALLEY_ERB names; the default is [Auto].
func EngineOf(vars *env.Env) (Engine, error) {
	switch e := Engine(vars.Get("GALLEY_ERB")); e {
	case "":
		return Auto, nil
	case Galley, System, Auto:
		return e, nil
	default:
		return "", fmt.Errorf("unknown ERB engine %q: use galley, ruby or auto", string(e))
	}
}

// FindSystem finds the ruby on the PATH of an environment, "" for none.
func FindSystem(vars *env.Env) string {
	for _, dir := range filepath.SplitList(vars.Get("PATH")) {
		for _, name := range []string{"ruby", "ruby.exe"} {
			path := filepath.Join(dir, name)
			if st, err := os.Stat(path); dir != "" && err == nil && !st.IsDir() {
				return path
			}
		}
	}
	return ""
}

// Handoff runs do with the engine that the environment names: with system
// false for this package's interpreter, with true for the ruby on the PATH.
// With [Auto] it runs do a second time where the first refused the file, a ruby
// is installed and consent allows it for the refused file; notice gets one
// line about it, and nil writes that to standard error. do must begin from the
// start each time.
func Handoff(vars *env.Env, consent Consent, notice func(string), do func(system bool) error) error {
	engine, err := EngineOf(vars)
	if err != nil {
		return err
	}
	if engine == System {
		return do(true)
	}
	err = do(false)
	var re *Error
	if engine == Galley || !errors.As(err, &re) || re.Kind != Unsupported && re.Class != "LoadError" {
		return err
	}
	switch path := FindSystem(vars); {
	case path == "":
		re.SetHint("install ruby: if you trust the file, it evaluates what Galley does not support")
		return err
	case !consent.given(re.File, ""):
		re.SetHint("after `galley trust " + re.File + "`, or with --allow-exec or GALLEY_RUBY_EXEC=1, the installed " + path + " evaluates the file")
		return err
	default:
		if notice == nil {
			notice = func(line string) { fmt.Fprintln(os.Stderr, line) }
		}
		notice(fmt.Sprintf("%v; evaluating the file with %s", err, path))
	}
	return do(true)
}

// MayUseSystem refuses a file that the ruby on the PATH would evaluate without
// the user's consent. Where one file of a load is handed over, so are the others
// of the load, since they share what they define; each needs separate consent.
func MayUseSystem(vars *env.Env, consent Consent, file string) error {
	engine, err := EngineOf(vars)
	if err != nil || engine != Auto || consent.given(file, "") {
		return err
	}
	return &Error{
		Kind: Refused, File: file,
		Message: "a file read together with this one needs the installed ruby, which would evaluate this one too, and that is not allowed",
		hint:    "if you trust the file, run `galley trust " + file + "`, or allow it with --allow-exec or GALLEY_RUBY_EXEC=1",
	}
}

// EvalFile evaluates a file by [Handoff]. config is called for each attempt, so
// that its host starts empty. The interpreter returned is the last one used.
func EvalFile(ctx context.Context, src, file string, config func() Config) (*Interp, error) {
	var in *Interp
	c := config()
	err := Handoff(c.Env, c.AllowExec, nil, func(system bool) error {
		in = New(config())
		_, err := in.EvalAs(ctx, src, file, nil, system)
		return err
	})
	return in, err
}

// EvalAs evaluates a source text with a [HostObject] as self, nil being the
// program's own, by this package or by the ruby on the PATH.
func (in *Interp) EvalAs(ctx context.Context, src, file string, self *HostObject, system bool) (Value, error) {
	if system {
		if err := MayUseSystem(in.env, in.cfg.AllowExec, file); err != nil {
			return nil, err
		}
		return in.evalSystem(ctx, src, file, self)
	}
	p, err := Parse(src, Options{File: file})
	if err != nil {
		return nil, err
	}
	if self == nil {
		return in.RunAs(ctx, p, in.main)
	}
	return in.RunAs(ctx, p, self)
}

//go:embed handoff/eval.rb
var systemProgram string

// message is one line of the conversation with the ruby process: its question
// (call, const, responds), answers (result) or ends with (done, error).
type message struct {
	Call, Const, Responds *string
	Object                int
	Args                  []any
	Keywords              any
	Block                 *int
	Bare                  bool
	Line                  int
	Result, Done          any
	Error, Message        string
}

// Process is a running process of the ruby on the PATH, which exchanges lines of
// JSON with this one.
type Process struct {
	cmd  *exec.Cmd
	stop context.CancelFunc
	to   io.Writer
	from *bufio.Scanner
}

// maxAnswer bounds a line of JSON from the process.
const maxAnswer = 20 << 20

// StartProcess starts the ruby on the PATH of an environment with a program and
// its arguments, in a directory. The process ends with the context or by
// [Process.Close].
func StartProcess(ctx context.Context, vars *env.Env, dir, program string, args ...string) (*Process, error) {
	path := FindSystem(vars)
	if path == "" {
		return nil, &Error{
			Kind: Refused, Message: "there is no ruby on the PATH",
			hint: "install ruby, or leave `--erb ruby` out: the built-in evaluator needs none",
		}
	}
	s := &Process{}
	ctx, s.stop = context.WithCancel(ctx)
	s.cmd = exec.CommandContext(ctx, path, append([]string{"-e", program}, args...)...)
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = dir, vars.Environ(), os.Stderr
	to, err := s.cmd.StdinPipe()
	from, err2 := s.cmd.StdoutPipe()
	if err = errors.Join(err, err2); err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		s.stop()
		return nil, &Error{Kind: Refused, Message: "starting " + path + ": " + err.Error(), Err: err}
	}
	s.to, s.from = to, bufio.NewScanner(from)
	s.from.Buffer(nil, maxAnswer)
	return s, nil
}

// Close ends the process.
func (s *Process) Close() {
	s.stop()
	_ = s.cmd.Wait()
}

// Send writes one line.
func (s *Process) Send(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(s.to, "%s\n", line)
	}
	return ended(err)
}

// Receive reads one line.
func (s *Process) Receive(v any) error {
	if !s.from.Scan() {
		return ended(cmp.Or(s.from.Err(), io.EOF))
	}
	d := json.NewDecoder(bytes.NewReader(s.from.Bytes()))
	d.UseNumber()
	return ended(d.Decode(v))
}

// ended is the error of a process that does not answer as it should.
func ended(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: Refused, Message: "the ruby that evaluates the file has ended: " + err.Error(), Err: err}
}

// conversation is a running ruby process with the host that answers it.
type conversation struct {
	*Process
	in      *Interp
	file    string
	objects []*HostObject // number 0 is self, nil for the program's own
}

func (in *Interp) evalSystem(ctx context.Context, src, file string, self *HostObject) (Value, error) {
	ctx, cancel := context.WithTimeout(ctx, in.limits.Time*6)
	defer cancel()
	s, err := StartProcess(ctx, in.env, in.dir, systemProgram, file)
	if e := (*Error)(nil); errors.As(err, &e) {
		e.File = file
		return nil, e
	}
	defer s.Close()
	c := &conversation{Process: s, in: in, file: file, objects: []*HostObject{self}}
	return in.run(ctx, func() Value {
		c.must(s.Send(src))
		return c.serve(true)
	})
}

func (c *conversation) fail(kind Kind, class, msg string, line int) {
	panic(&Error{Kind: kind, Class: class, Message: msg, File: c.file, Line: line, Col: min(line, 1)})
}

// must ends the conversation with an error of the process.
func (c *conversation) must(err error) {
	if e := (*Error)(nil); errors.As(err, &e) {
		e.File = c.file
		panic(e)
	}
}

func (c *conversation) send(m map[string]any) { c.must(c.Send(m)) }

// serve answers the process until it is done, or until a block's result is
// there.
func (c *conversation) serve(toEnd bool) Value {
	for {
		var m message
		c.must(c.Receive(&m))
		switch {
		case m.Error != "":
			c.fail(Raised, m.Error, m.Message, m.Line)
		case m.Call != nil:
			c.call(m)
		case m.Const != nil:
			v, ok := c.in.cObject.consts[*m.Const].(*HostObject)
			c.send(map[string]any{"handled": ok, "value": c.encode(v)})
		case m.Responds != nil:
			c.send(map[string]any{"handled": true, "value": c.in.hostResponds(c.self(m.Object), *m.Responds)})
		case toEnd:
			return c.decode(m.Done)
		default:
			return c.decode(m.Result)
		}
	}
}

// self is the object of a number.
func (c *conversation) self(n int) Value {
	if n < 0 || n >= len(c.objects) || c.objects[n] == nil {
		return c.in.main
	}
	return c.objects[n]
}

// call gives a call to the host and its answer to the process.
func (c *conversation) call(m message) {
	hc := &Call{Name: *m.Call, Bare: m.Bare, File: c.file, Line: m.Line, Col: 1, in: c.in}
	host := c.in.cfg.Host
	if o, ok := c.self(m.Object).(*HostObject); ok {
		hc.Self, host = o, o.Host
	}
	hc.Args = c.decode(m.Args).(*Array).a
	hc.Keywords, _ = c.decode(m.Keywords).(*Hash)
	if m.Block != nil {
		id := *m.Block
		hc.Block = &Proc{bi: func(_ *Interp, args []Value) Value { return c.yield(id, nil, args) }}
		hc.yieldAs = func(self Value, args []Value) Value { return c.yield(id, self, args) }
	}
	if host == nil {
		c.send(map[string]any{"handled": false})
		return
	}
	v, ok, err := host.Call(hc)
	var r *hostRaise
	switch {
	case errors.As(err, &r):
		c.send(map[string]any{"raise": r.class, "message": r.msg})
	case err != nil:
		var e *Error
		if errors.As(err, &e) {
			panic(e)
		}
		panic(&Error{Kind: Raised, Message: err.Error(), Err: err, Construct: *m.Call, File: c.file, Line: m.Line, Col: 1})
	default:
		c.send(map[string]any{"handled": ok, "value": c.encode(FromGo(v))})
	}
}

// yield runs a block of the file.
func (c *conversation) yield(id int, self Value, args []Value) Value {
	c.send(map[string]any{"yield": id, "self": c.encode(self), "args": c.encode(NewArray(args...))})
	return c.serve(false)
}

// encode writes a value: plain JSON for what has it, else an object with one of
// the keys y (symbol), h (hash) and o (object of the host).
func (c *conversation) encode(v Value) any {
	switch x := v.(type) {
	case *HostObject:
		if x == nil {
			return nil
		}
		c.objects = append(c.objects, x)
		return map[string]any{"o": len(c.objects) - 1, "n": x.Name}
	case Symbol:
		return map[string]any{"y": string(x)}
	case *Array:
		out := []any{}
		for _, e := range x.a {
			out = append(out, c.encode(e))
		}
		return out
	case *Hash:
		pairs := []any{}
		x.Each(func(k, v Value) bool { pairs = append(pairs, []any{c.encode(k), c.encode(v)}); return true })
		return map[string]any{"h": pairs}
	case nil, bool, int, float64:
		return x
	}
	return plainString(v)
}

func (c *conversation) decode(v any) Value {
	switch x := v.(type) {
	case string:
		return c.in.str(x)
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return int(n)
		}
		f, _ := x.Float64()
		return f
	case []any:
		a := c.in.arr(nil)
		for _, e := range x {
			c.in.push(a, c.decode(e))
		}
		return a
	case map[string]any:
		if s, ok := x["y"].(string); ok {
			return Symbol(s)
		}
		if s, ok := x["s"].(string); ok {
			return c.in.str(s)
		}
		if n, ok := x["o"].(json.Number); ok {
			i, _ := n.Int64()
			return c.self(int(i))
		}
		h := NewHash()
		pairs, _ := x["h"].([]any)
		for _, p := range pairs {
			if kv, ok := p.([]any); ok && len(kv) == 2 {
				c.in.hset(h, c.decode(kv[0]), c.decode(kv[1]))
			}
		}
		return h
	}
	return v
}
