package openrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Bounds on what a file may do. Real files come nowhere near them.
const (
	maxFile   = 64 << 10
	maxValue  = 64 << 10
	maxSteps  = 10_000
	maxDepth  = 8
	maxParams = 64 // expansions in one word
)

// Options say what a file may lean on.
type Options struct {
	// Env is the environment that a shell would have: the file may read it,
	// and its variables are exported already.
	Env map[string]string
	// Prompt answers what the file asks on the terminal; nil when there is
	// none. With OS_PASSWORD and the like in Env nothing is asked.
	Prompt Prompter
}

// Prompter asks the person at the terminal.
type Prompter interface {
	// Prompt shows question and returns the line typed, without its end.
	// With echo false the line is not shown.
	Prompt(ctx context.Context, question string, echo bool) (string, error)
}

// Result is what sourcing the file would change in the environment.
type Result struct {
	// Vars are the exported variables that the file gives a value.
	Vars map[string]string
	// Unset are variables of Env that the file takes away, sorted.
	Unset []string
	// Where names the file and line of each variable in Vars, as "rc.sh:12".
	Where map[string]string
	// Warnings tell of what a shell would complain about and go on, as a
	// sourced file that is not there.
	Warnings []string
}

// Error tells what in a file cannot be read, and where.
type Error struct {
	File      string
	Line, Col int
	Msg       string
	Advice    string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// Hint tells the way round.
func (e *Error) Hint() string { return e.Advice }

const sourceIt = "source the file in a shell (`. FILE`) and run galley from there"

// Read reads the RC file at path. Errors in it are *[Error].
func Read(ctx context.Context, path string, o Options) (Result, error) {
	data, err := readFile(path)
	if err != nil {
		return Result{}, fmt.Errorf("reading the RC file: %w", err)
	}
	return ReadString(ctx, data, path, o)
}

// ReadString reads the text of an RC file; name stands for it in errors, and
// files that it sources are looked for in name's folder.
func ReadString(ctx context.Context, text, name string, o Options) (Result, error) {
	if len(text) > maxFile {
		return Result{}, &Error{File: name, Msg: fmt.Sprintf("it is %d bytes long, more than any RC file", len(text))}
	}
	r := newReader(ctx, o)
	if err := r.file(text, name); err != nil {
		return Result{}, err
	}
	return r.result(), nil
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("%s is longer than any RC file", path)
	}
	return string(data), nil
}

// parse reads a file's syntax. A byte order mark and Windows line ends, which
// a dashboard's download may have, are not part of it.
func parse(text, name string) (*syntax.File, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	f, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), name)
	var (
		perr syntax.ParseError
		lerr syntax.LangError
	)
	switch {
	case errors.As(err, &perr):
		return nil, &Error{name, int(perr.Pos.Line()), int(perr.Pos.Col()), "it is no shell script: " + perr.Text, "is it an RC file at all? " + sourceIt}
	case errors.As(err, &lerr):
		return nil, &Error{name, int(lerr.Pos.Line()), int(lerr.Pos.Col()), "it is no shell script: " + lerr.Error(), sourceIt}
	case err != nil:
		return nil, &Error{File: name, Msg: err.Error(), Advice: sourceIt}
	}
	return f, nil
}

func (r *reader) result() Result {
	res := Result{Vars: map[string]string{}, Where: map[string]string{}, Warnings: r.warnings}
	for name, v := range r.vars {
		old, had := r.opts.Env[name]
		_, written := r.where[name]
		if v.exported && v.set && (written || !had || old != v.value) {
			res.Vars[name] = v.value
			if w := r.where[name]; w != "" {
				res.Where[name] = w
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.opts.Env)) {
		if v, ok := r.vars[name]; !ok || !v.set || !v.exported {
			res.Unset = append(res.Unset, name)
		}
	}
	return res
}

// sibling resolves the path of a file that another names.
func sibling(from, path string) string {
	if strings.HasPrefix(path, "~/") {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, path[2:])
		}
	}
	if filepath.IsAbs(path) {
		return path
	}
	// A shell looks in its current directory. The file's own folder comes
	// second, for --rc with a path.
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return filepath.Join(filepath.Dir(from), path)
}
