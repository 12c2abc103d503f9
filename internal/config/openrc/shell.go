package openrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// shell runs files in the interpreter of mvdan.cc/sh, with all that reaches
// beyond the interpreter's own variables refused: programs, writing to files,
// pipes and what runs in the background. Nothing that a file does is
// concurrent, so the reader needs no lock; the watch below only cancels.
type shell struct {
	*reader
	runner *interp.Runner
	stop   context.CancelCauseFunc
	// in is the standard input of the files, out where answers for it go.
	in, out *os.File
	// refusal is the first error that ends the reading. The interpreter
	// swallows errors of $(...).
	refusal error
	// sourced holds the text of files to source by the path that means
	// them, depth how many files and evals were run.
	sourced map[string]string
	depth   int
	// calls counts those of functions.
	calls int
	// muted are messages of the interpreter that a warning replaces.
	muted map[string]bool
	// exited says that a file ended itself.
	exited bool
}

// run reads a shell file.
func (r *reader) run(text, name string) error {
	s := &shell{reader: r, sourced: map[string]string{}, muted: map[string]bool{}}
	ctx, stop := context.WithCancelCause(r.ctx)
	defer stop(nil)
	s.stop = stop
	var err error
	if s.in, s.out, err = os.Pipe(); err != nil {
		return err
	}
	defer s.in.Close()
	defer s.out.Close()
	s.runner, err = interp.New(
		interp.Env(environment{s}), interp.StdIO(s.in, s, s),
		interp.CallHandler(s.call), interp.OpenHandler(s.open),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
	)
	if err != nil {
		return err
	}
	start := s.runner.Dir
	path, err := s.toSource(text, name)
	if err != nil {
		return err
	}
	// The file is sourced, as it is in a shell, so that return ends it; and $0
	// is the shell's name, with which files find out that they are sourced.
	main, err := syntax.NewParser().Parse(strings.NewReader(". "+path), "bash")
	if err != nil {
		return err
	}
	s.depth = 0
	watched := s.watch(ctx)
	err = s.runner.Run(ctx, main)
	watched()
	switch {
	case r.ctx.Err() != nil:
		return context.Cause(r.ctx)
	case s.refusal != nil:
		return s.refusal
	case ctx.Err() != nil:
		return s.tooMuch()
	case err != nil && !errors.As(err, new(interp.ExitStatus)):
		return s.errorf("%v", err)
	case s.runner.Exited() && !s.exited:
		said := s.printed()
		return s.errorf("it ends early: %s", strings.Join(said[max(0, len(said)-1):], ""))
	case s.runner.Dir != start:
		return s.refuse("changing the directory")
	}
	return s.collect()
}

// collect takes the variables over from the interpreter.
func (s *shell) collect() error {
	total := 0
	for name, v := range s.runner.Vars {
		if strings.HasPrefix(name, marker) || slices.Contains(ofShell, name) && s.where[name] == "" {
			continue
		}
		if v.Kind != expand.String || !v.IsSet() {
			delete(s.vars, name)
			continue
		}
		if total += len(v.Str); len(v.Str) > maxValue || total > maxTotal {
			return s.tooMuch()
		}
		old, had := s.vars[name]
		s.vars[name] = variable{v.Str, true, v.Exported}
		if s.where[name] == "" && s.dynamic != nil && v.Exported && (!had || old.value != v.Str) {
			s.where[name] = s.dynamic.String()
		}
	}
	return nil
}

// ofShell are variables that every shell sets.
var ofShell = []string{"UID", "EUID", "GID", "PWD", "OLDPWD", "IFS", "OPTIND", "HOME", "BASH_SOURCE", "BASH_VERSION", "PIPESTATUS"}

func (p place) String() string { return fmt.Sprintf("%s:%d", filepath.Base(p.file), p.line) }

// watch ends the reading when its time is over or when it fills the memory.
// The function it returns ends the watch.
func (s *shell) watch(ctx context.Context) func() {
	done := make(chan struct{})
	var wg sync.WaitGroup
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	limit := memory.HeapAlloc + maxMemory
	begin := time.Now()
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			runtime.ReadMemStats(&memory)
			if memory.HeapAlloc > limit || time.Since(begin)-time.Duration(s.waited.Load()) > maxTime {
				s.stop(errTooMuch)
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

var errTooMuch = errors.New("too much")

// fail keeps an error and ends the reading.
func (s *shell) fail(err error) error {
	if s.refusal == nil {
		s.refusal = err
	}
	s.stop(err)
	return err
}

// environment is what the interpreter starts with.
type environment struct{ s *shell }

// Get implements [expand.Environ]. A marker tells of the statement that runs.
func (e environment) Get(name string) expand.Variable {
	text := func(s string) expand.Variable { return expand.Variable{Set: true, Kind: expand.String, Str: s} }
	if n, ok := strings.CutPrefix(name, marker); ok {
		if i, err := strconv.Atoi(n); err == nil && i < len(e.s.statements) {
			e.s.reached(&e.s.statements[i])
		}
		return text("")
	}
	switch name {
	case "BASH_SOURCE":
		return text(e.s.at.file)
	case "BASH_VERSION":
		return text("5.2.0(1)-release")
	}
	v, ok := e.s.opts.Env[name]
	if !ok {
		return expand.Variable{}
	}
	return expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: v}
}

// Each implements [expand.Environ].
func (e environment) Each(fn func(string, expand.Variable) bool) {
	for name := range e.s.opts.Env {
		if !fn(name, e.Get(name)) {
			return
		}
	}
}

// reached notes that a statement runs.
func (s *shell) reached(st *statement) {
	s.current, s.at = st, place{st.file, st.line, st.col}
	for _, name := range st.sets {
		s.where[name] = s.at.String()
	}
	if st.dynamic {
		at := s.at
		s.dynamic = &at
	}
	if err := s.step(); err != nil {
		_ = s.fail(err)
	}
}

// toSource returns the path by which a file's marked text can be sourced.
func (s *shell) toSource(text, name string) (string, error) {
	if s.depth++; s.depth > maxDepth {
		return "", s.errorf("it sources itself, directly or by way of others")
	}
	marked, err := s.marked(text, name)
	if err != nil {
		return "", err
	}
	path := fmt.Sprintf("/__galley/%d", len(s.sourced))
	s.sourced[path] = marked
	return path, nil
}

// marked is the text of a file with its statements marked.
func (s *shell) marked(text, name string) (string, error) {
	f, err := s.instrument(text, name)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, f); err != nil {
		return "", s.errorf("%v", err)
	}
	// The interpreter would report this as a message of the file.
	if _, err := syntax.NewParser().Parse(strings.NewReader(b.String()), name); err != nil {
		return "", s.errorf("%v", err)
	}
	return b.String(), nil
}

// open opens what the files read. Writing is refused but to /dev/null.
func (s *shell) open(ctx context.Context, path string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	if text, ok := s.sourced[path]; ok {
		return readOnly{strings.NewReader(text)}, nil
	}
	switch path {
	case "/dev/null":
		return os.OpenFile(os.DevNull, flag, 0)
	case "/dev/stdout", "/dev/stderr", "/dev/tty":
		if flag != os.O_RDONLY {
			return printer{s}, nil
		}
	}
	if flag != os.O_RDONLY {
		return nil, s.fail(s.refuse("a redirection to a file"))
	}
	text, err := readFile(s.sibling(interp.HandlerCtx(ctx).Dir, path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		s.warn("it reads %s, which cannot be read", path)
		err = &os.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		s.muted[err.Error()] = true
		return nil, err
	}
	if err != nil {
		return nil, s.fail(s.errorf("it reads %s: %v", path, err))
	}
	return readOnly{strings.NewReader(text)}, nil
}

// Write takes what the file prints, but no message that a warning replaces.
func (s *shell) Write(p []byte) (int, error) {
	if line := strings.TrimSuffix(string(p), "\n"); s.muted[strings.TrimPrefix(line, "source: ")] {
		return len(p), nil
	}
	return s.reader.Write(p)
}

// readOnly is a file that was read, printer one that is printed to.
type readOnly struct{ io.Reader }

func (readOnly) Write([]byte) (int, error) { return 0, os.ErrPermission }
func (readOnly) Close() error              { return nil }

type printer struct{ *shell }

func (printer) Read([]byte) (int, error) { return 0, io.EOF }
func (printer) Close() error             { return nil }
