package config

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config/erb"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

// Env is the environment that files are found by and templates work on; the
// process's own is never touched.
type Env = env.Env

func processEnv() *Env { return env.New(os.Environ()) }

// rendering is a rendered file with the origin of each line.
type rendering struct {
	text string
	// lines has the origins, nil where there is no code.
	lines []erb.Line
}

// at is the origin of a line, counted from 1; the last one's beyond the end.
func (r *rendering) at(n int) erb.Line {
	if len(r.lines) == 0 || n < 1 {
		return erb.Line{Template: n}
	}
	return r.lines[min(n, len(r.lines))-1]
}

// column is unknown where code may have moved it.
func (r *rendering) column(line, column int) int {
	if r.at(line).Code {
		return 0
	}
	return column
}

func (l *loader) render(ctx context.Context, path, display, src string) (*rendering, error) {
	if !strings.Contains(src, "<%") {
		return &rendering{text: src}, nil
	}
	l.current = display
	var out erb.Result
	err := ruby.Handoff(l.env, l.opts.AllowExec, nil, func(system bool) (err error) {
		if system || l.system != nil {
			out, err = l.renderBySystem(ctx, template{path, src})
			return err
		}
		if l.in == nil {
			l.in = ruby.New(ruby.Config{
				Env: l.env, Dir: l.root, AllowExec: l.opts.AllowExec, Stdout: l.opts.Output, Require: l.ignoreGem,
			})
		}
		out, err = erb.Render(ctx, src, path, l.in)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, rubyError(err, path, display)
	}
	l.rendered = append(l.rendered, template{path, src})
	return &rendering{out.Text, out.Lines}, nil
}

// template is a file that has been rendered.
type template struct{ path, src string }

// renderBySystem renders with the ruby on the PATH, which first renders the
// previous files, as one template may leave methods for the next.
func (l *loader) renderBySystem(ctx context.Context, t template) (out erb.Result, err error) {
	todo := []template{t}
	if l.system == nil {
		todo = append(slices.Clone(l.rendered), t)
	}
	for _, t := range todo {
		if err := ruby.MayUseSystem(l.env, l.opts.AllowExec, t.path); err != nil {
			return out, err
		}
		if l.system == nil {
			if l.system, err = erb.StartSystem(ctx, l.env, l.root); err != nil {
				return out, err
			}
		}
		if out, err = l.system.Render(t.src, t.path); err != nil {
			return out, err
		}
	}
	return out, nil
}

// close ends the ruby on the PATH.
func (l *loader) close() {
	if l.system != nil {
		l.system.Close()
		l.system = nil
	}
}
