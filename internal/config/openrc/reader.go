package openrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/galleyhq/galley/internal/text"
)

// variable is one variable of the file's environment.
type variable struct {
	value    string
	set      bool
	exported bool
}

// place is where in a file something is written.
type place struct {
	file      string
	line, col uint
}

// reader is one reading of a file and of those that it sources.
type reader struct {
	ctx  context.Context
	opts Options
	vars map[string]variable
	// where says where each variable was last written, as "rc.sh:12".
	where map[string]string
	// first is the file that was asked for, at the statement that runs now.
	first string
	at    place
	// steps counts statements, until is when reading is given up.
	steps int
	until time.Time
	// waited is how long answers took, in nanoseconds.
	waited atomic.Int64
	// statements are the marked ones of all shell files, current is the one
	// that runs, dynamic the latest that exported names it computed.
	statements []statement
	current    *statement
	dynamic    *place

	warnings []string
	// said is what the file has printed since the last question, line what of
	// it has no end yet.
	said []string
	line string
}

func newReader(ctx context.Context, name string, o Options) *reader {
	r := &reader{
		ctx: ctx, opts: o, vars: map[string]variable{}, where: map[string]string{}, first: name,
		at: place{file: name}, until: time.Now().Add(maxTime),
	}
	for k, v := range o.Env {
		r.vars[k] = variable{v, true, true}
	}
	return r
}

// errorf makes the error of the statement that runs.
func (r *reader) errorf(format string, args ...any) *Error {
	return &Error{
		File: r.at.file, Line: int(r.at.line), Col: int(r.at.col), //nolint:gosec // of a small file
		Msg: fmt.Sprintf(format, args...), Advice: sourceIt,
	}
}

func (r *reader) refuse(what string) error {
	return r.errorf("%s needs a shell, which Galley does not run", what)
}

func (r *reader) warn(format string, args ...any) {
	if len(r.warnings) < maxPrinted {
		r.warnings = append(r.warnings, fmt.Sprintf("%s:%d: %s", r.at.file, r.at.line, fmt.Sprintf(format, args...)))
	}
}

// step counts one statement.
func (r *reader) step() error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	if r.steps++; r.steps > maxSteps || time.Now().After(r.until) {
		return r.tooMuch()
	}
	return nil
}

func (r *reader) tooMuch() error { return r.errorf("it does too much for an RC file") }

// Write implements [io.Writer]: it takes what the file prints.
func (r *reader) Write(p []byte) (int, error) {
	r.print(string(p))
	return len(p), nil
}

func (r *reader) print(s string) {
	if len(r.line)+len(s) > maxValue {
		return
	}
	lines := strings.Split(r.line+s, "\n")
	r.line = lines[len(lines)-1]
	for _, l := range lines[:len(lines)-1] {
		if l = text.CleanLine(l); l != "" && len(r.said) < maxPrinted {
			r.said = append(r.said, l)
		}
	}
}

// printed takes the lines printed since the last question.
func (r *reader) printed() []string {
	said := r.said
	if l := text.CleanLine(r.line); l != "" {
		said = append(said, l)
	}
	r.said, r.line = nil, ""
	return said
}

// ask returns the line that a file asks for. name is the variable that it is
// read into, wanted the exported one that is made of it, "" where that is not
// known. typed is false for an answer of the environment, which is taken as it
// is; known says whether the environment may have the answer.
func (r *reader) ask(name, wanted, question string, echo, known bool) (line string, typed bool, err error) {
	if wanted == "" {
		wanted = strings.TrimSuffix(name, "_INPUT")
	}
	upper := strings.ToUpper(name + " " + wanted)
	secret := !echo || strings.Contains(upper, "PASS") || strings.Contains(upper, "SECRET") || strings.Contains(upper, "TOKEN")
	if !strings.HasPrefix(wanted, "OS_") && secret {
		// Whatever the file calls it, this is what becomes OS_PASSWORD.
		wanted = "OS_PASSWORD"
	}
	if said := r.printed(); len(said) > 0 {
		question = strings.TrimSpace(strings.Join(append(said, question), "\n"))
	}
	if v := r.opts.Env[wanted]; known && v != "" {
		return v, false, nil
	}
	unanswered := func(why string) error {
		e := r.errorf("it asks for %s, and %s", wanted, why)
		e.Advice = "set " + wanted + " in the environment"
		return e
	}
	if r.opts.Prompt == nil {
		return "", false, unanswered("there is no terminal to ask on")
	}
	if question = strings.TrimSpace(text.Clean(question)); question == "" {
		question = wanted + ":"
	}
	begin := time.Now()
	// A password typed in the open would stay on the screen, whatever the
	// file forgot.
	line, err = r.opts.Prompt.Prompt(r.ctx, question, !secret)
	r.until = r.until.Add(time.Since(begin))
	r.waited.Add(int64(time.Since(begin)))
	if errors.Is(err, io.EOF) {
		return "", false, unanswered("standard input has ended")
	}
	if err != nil {
		return "", false, fmt.Errorf("%s:%d: asking for %s: %w", r.at.file, r.at.line, wanted, err)
	}
	return line, true, nil
}
