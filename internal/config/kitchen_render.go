package config

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

// Env is the environment that files are found by and templates work on; the
// process's own is never touched.
type Env = env.Env

func processEnv() *Env { return env.New(os.Environ()) }

// renderer renders one template after another; what one leaves in the
// environment, in globals and in methods the next one sees.
type renderer interface {
	render(ctx context.Context, path, display, src string) (*rendering, error)
	close()
}

// rendering is a rendered file with the origin of each line.
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
	l.current = display
	var out *rendering
	err := ruby.Handoff(l.env, l.opts.AllowExec, nil, func(system bool) (err error) {
		if err := l.useRenderer(ctx, system); err != nil {
			return err
		}
		if _, ours := l.renderer.(*evaluator); !ours {
			if err := ruby.MayUseSystem(l.env, l.opts.AllowExec, path); err != nil {
				return err
			}
		}
		out, err = l.renderer.render(ctx, path, display, src)
		return err
	})
	if err != nil {
		var own *Error
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &own):
			return nil, err
		}
		return nil, rubyError(err, path, display)
	}
	l.rendered = append(l.rendered, template{path, display, src})
	return out, nil
}

// template is a file that has been rendered.
type template struct{ path, display, src string }

// useRenderer makes the renderer ready: this program's own, or the ruby on the
// PATH, which first renders the previous file, as one template may leave
// methods for the next.
func (l *loader) useRenderer(ctx context.Context, system bool) error {
	if l.renderer == nil && !system {
		l.renderer = newEvaluator(l)
	}
	if _, ours := l.renderer.(*evaluator); !system || l.renderer != nil && !ours {
		return nil
	}
	l.renderer = &rubyRenderer{l: l}
	for _, t := range l.rendered {
		if err := ruby.MayUseSystem(l.env, l.opts.AllowExec, t.path); err != nil {
			return err
		}
		if _, err := l.renderer.render(ctx, t.path, t.display, t.src); err != nil {
			return err
		}
	}
	return nil
}
