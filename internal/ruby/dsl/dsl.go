package dsl

import (
	"context"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

// Options say how a file is read.
type Options struct {
	// File is the name of the file for messages, __FILE__ and __dir__.
	File string
	// Dir is the directory that relative paths refer to.
	Dir string
	// Env is what the file sees as ENV; nil is an empty environment.
	Env *env.Env
	// AllowExec lets the file run commands.
	AllowExec bool
	// Known are the names that the file may call. Any other name gives the
	// NameError or NoMethodError that Ruby raises.
	Known map[string]bool
	// Objects are the names among Known whose value takes indexes, such as
	// default and override in a Policyfile: `default["a"]["b"] = 1`.
	Objects map[string]bool
}

// Call is one call that a file made.
type Call struct {
	// Name is the method's name, such as "depends".
	Name string
	// Args are the positional arguments as [ruby.ToGo] gives them: nil, bool,
	// int64, float64, string, ruby.Symbol, []any, ruby.Map.
	Args []any
	// Keywords are the keyword arguments in order, or nil. Their keys are
	// ruby.Symbol where written as `key: value`.
	Keywords ruby.Map
	// Index is the path of an assignment to one of [Options.Objects]:
	// `default["a"]["b"] = 1` has the name "default", the index ["a", "b"] and
	// the one argument 1.
	Index []any
	// Block are the calls made inside the call's block, in order; HasBlock
	// tells an empty block from none.
	Block    []Call
	HasBlock bool
	// File, Line and Col are the place of the call, counted from 1.
	File      string
	Line, Col int
}

// Keyword returns the keyword argument of a name.
func (c *Call) Keyword(name string) (any, bool) {
	for _, p := range c.Keywords {
		if p.Key == ruby.Symbol(name) || p.Key == name {
			return p.Value, true
		}
	}
	return nil, false
}

// Read evaluates a file and returns the calls that it made on self, in order.
// A name called without arguments gives what it was last called with, as in
// `name "a"` and later `depends "#{name}-b"`. The error is a [*ruby.Error].
func Read(ctx context.Context, src string, o Options) ([]Call, error) {
	r := &recorder{o: o, last: map[string]ruby.Value{}}
	r.into = &r.calls
	in := ruby.New(ruby.Config{Env: o.Env, Dir: o.Dir, AllowExec: o.AllowExec, Host: r})
	if _, err := in.Eval(ctx, src, o.File); err != nil {
		return nil, err
	}
	return r.calls, nil
}

// recorder is the host of a file.
type recorder struct {
	o     Options
	calls []Call
	into  *[]Call // the list of the innermost open block
	last  map[string]ruby.Value
}

// Responds answers respond_to? and defined?.
func (r *recorder) Responds(name string) bool { return r.o.Known[name] }

// Call implements [ruby.Host].
func (r *recorder) Call(c *ruby.Call) (ruby.Value, bool, error) {
	if !r.o.Known[c.Name] {
		return nil, false, nil
	}
	if r.o.Objects[c.Name] && len(c.Args) == 0 {
		return r.object(c.Name, nil), true, nil
	}
	if len(c.Args) == 0 && c.Keywords == nil && c.Block == nil {
		if v, ok := r.last[c.Name]; ok {
			return v, true, nil
		}
	}
	if len(c.Args) > 0 {
		r.last[c.Name] = c.Args[0]
	}
	call := newCall(c, c.Name)
	if c.Block != nil {
		outer := r.into
		call.HasBlock = true
		r.into = &call.Block
		_, err := c.Yield()
		r.into = outer
		if err != nil {
			return nil, true, err
		}
	}
	*r.into = append(*r.into, call)
	return nil, true, nil
}

func newCall(c *ruby.Call, name string) Call {
	call := Call{Name: name, File: c.File, Line: c.Line, Col: c.Col}
	for _, a := range c.Args {
		call.Args = append(call.Args, ruby.ToGo(a))
	}
	if c.Keywords != nil {
		call.Keywords, _ = ruby.ToGo(c.Keywords).(ruby.Map)
	}
	return call
}

// object is the value of a name that takes indexes.
func (r *recorder) object(name string, path []any) *ruby.HostObject {
	return &ruby.HostObject{Name: name, Host: ruby.HostFunc(func(c *ruby.Call) (ruby.Value, bool, error) {
		switch {
		case c.Name == "[]" && len(c.Args) == 1:
			return r.object(name, append(path[:len(path):len(path)], ruby.ToGo(c.Args[0]))), true, nil
		case c.Name == "[]=" && len(c.Args) == 2:
			call := newCall(c, name)
			call.Index = append(path[:len(path):len(path)], call.Args[0])
			call.Args = call.Args[1:]
			*r.into = append(*r.into, call)
			return c.Args[1], true, nil
		}
		return nil, false, nil
	})}
}
