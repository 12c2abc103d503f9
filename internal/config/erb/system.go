package erb

import (
	"context"
	_ "embed"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

//go:embed system.rb
var systemProgram string

// System is a process of the ruby on the PATH that renders templates.
type System struct{ *ruby.Process }

// StartSystem starts the ruby on the PATH of an environment, in a directory.
func StartSystem(ctx context.Context, vars *env.Env, dir string) (*System, error) {
	p, err := ruby.StartProcess(ctx, vars, dir, systemProgram)
	if err != nil {
		return nil, err
	}
	return &System{p}, nil
}

// Render renders a template as the function [Render] does.
func (s *System) Render(src, file string) (Result, error) {
	c := compile(src)
	var answer struct {
		Pieces []struct {
			Line    int
			Literal bool
			Text    string
			Env     []string
		}
		Class, Message string // of an exception
		Line           int
	}
	err := s.Send(map[string]string{"code": c.code.String(), "file": file})
	if err == nil {
		err = s.Receive(&answer)
	}
	switch {
	case err != nil:
		return Result{}, err
	case answer.Class != "":
		return Result{}, &ruby.Error{Kind: ruby.Raised, File: file, Line: answer.Line, Class: answer.Class, Message: answer.Message}
	}
	m := &lineMap{c: c}
	for _, p := range answer.Pieces {
		m.append(p.Line, p.Literal, p.Text, p.Env)
	}
	return m.result(), nil
}
