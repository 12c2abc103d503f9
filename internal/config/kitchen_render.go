package config

import (
	"context"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/env"
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
		l.renderer = newRenderer(l)
	}
	return l.renderer.render(ctx, path, display, src)
}
