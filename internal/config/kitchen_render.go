package config

import (
	"context"
	"os"
	"strings"
)

// Env is the environment that files are found by and templates work on; the
// process's own is never touched.
type Env struct{ vars map[string]string }

// Lookup returns a variable and whether it is set.
func (e *Env) Lookup(name string) (string, bool) {
	v, ok := e.vars[name]
	return v, ok
}

// Get returns a variable, "" when it is not set.
func (e *Env) Get(name string) string { return e.vars[name] }

// Environ returns the variables as NAME=value.
func (e *Env) Environ() []string {
	var out []string
	for k, v := range e.vars {
		out = append(out, k+"="+v)
	}
	return out
}

func processEnv() *Env {
	e := &Env{vars: map[string]string{}}
	for _, kv := range os.Environ() {
		if k, v, ok := strings.Cut(kv, "="); ok {
			e.vars[k] = v
		}
	}
	return e
}

// renderer renders one template after another; what one leaves in the
// environment, in globals and in methods the next one sees.
type renderer interface {
	render(ctx context.Context, path, display, src string) (*rendering, error)
	close()
}

// rendering is a rendered file with what is known of each of its lines.
type rendering struct {
	text string
	// lineOf gives the template's line of a rendered line, nil when they are
	// the same.
	lineOf func(int) int
	// code says whether a rendered line holds text that code made, and which
	// variables it read; nil when nothing did.
	code func(int) (bool, []string)
}

func (r *rendering) line(n int) int {
	if r.lineOf == nil || n <= 0 {
		return n
	}
	return r.lineOf(n)
}

// column is unknown where code may have moved it.
func (r *rendering) column(line, column int) int {
	if r.erb(line) {
		return 0
	}
	return column
}

func (r *rendering) erb(line int) bool {
	if r.code == nil {
		return false
	}
	made, _ := r.code(line)
	return made
}

func (r *rendering) env(line int) []string {
	if r.code == nil {
		return nil
	}
	_, env := r.code(line)
	return env
}

func (l *loader) render(ctx context.Context, path, display, src string) (*rendering, error) {
	if !strings.Contains(src, "<%") {
		return &rendering{text: src}, nil
	}
	if l.renderer == nil {
		r, err := newRenderer(l)
		if err != nil {
			return nil, err
		}
		l.renderer = r
	}
	return l.renderer.render(ctx, path, display, src)
}
