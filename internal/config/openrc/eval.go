package openrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// variable is one shell variable.
type variable struct {
	value    string
	set      bool
	exported bool
}

// reader carries a file out, as far as that needs no program.
type reader struct {
	ctx   context.Context
	opts  Options
	vars  map[string]variable
	where map[string]string
	funcs map[string]*syntax.Stmt
	// first is the file that was asked for, name the one being read, depth
	// how deep it is nested.
	first, name string
	depth       int
	// work is shared with the readers of substitutions.
	*work
	// status is $?, substituted that of the last $(...) of the command being
	// carried out, which becomes the status of an assignment.
	status, substituted int
	// allExport is set -a.
	allExport bool
	// params are $1, $2 and so on.
	params []string
	// locals are the variables that the function being run hides.
	locals map[string]*variable
	// loops is how many loops are around the statement.
	loops int
	// out receives what echo prints within $(...); nil for the person.
	out io.Writer
	// in is what read and cat read; nil for the person.
	in *strings.Reader
	// dir is where cd within $(...) has gone, "" for the process's directory.
	dir string
	cfg *expand.Config
}

// work is what all parts of a file use up together.
type work struct {
	steps, bytes int
	until        time.Time
	warnings     []string
	// said is what echo has printed since the last question.
	said []string
	// line is what was printed without an end of line.
	line string
}

// What ends statements early.
var (
	errReturn   = errors.New("return")
	errExit     = errors.New("exit")
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

// control says whether err only ends statements early.
func control(err error) bool {
	return errors.Is(err, errReturn) || errors.Is(err, errExit) || errors.Is(err, errBreak) || errors.Is(err, errContinue)
}

func newReader(ctx context.Context, o Options) *reader {
	r := &reader{
		ctx: ctx, opts: o, vars: map[string]variable{}, where: map[string]string{}, funcs: map[string]*syntax.Stmt{},
		work: &work{until: time.Now().Add(maxTime)},
	}
	for k, v := range o.Env {
		r.vars[k] = variable{v, true, true}
	}
	r.equip()
	return r
}

// equip makes the expander, which looks at this reader's variables.
func (r *reader) equip() {
	r.cfg = &expand.Config{Env: environ{r}, CmdSubst: r.substitute}
}

// environ shows the variables to the expander.
type environ struct{ r *reader }

// Get implements expand.Environ.
func (e environ) Get(name string) expand.Variable {
	text := func(s string) expand.Variable { return expand.Variable{Set: true, Kind: expand.String, Str: s} }
	switch name {
	case "?":
		return text(strconv.Itoa(e.r.status))
	case "#":
		return text(strconv.Itoa(len(e.r.params)))
	case "@", "*":
		return expand.Variable{Set: true, Kind: expand.Indexed, List: e.r.params}
	case "0":
		// As in the shell that sources the file: files compare it with
		// BASH_SOURCE to see whether they are sourced at all.
		return text("bash")
	case "BASH_SOURCE":
		return text(e.r.name)
	case "BASH_VERSION":
		return text("5.2.0(1)-release")
	case "-":
		return text("hB")
	}
	if n, err := strconv.Atoi(name); err == nil {
		if n >= 1 && n <= len(e.r.params) {
			return text(e.r.params[n-1])
		}
		return expand.Variable{}
	}
	v, ok := e.r.vars[name]
	if !ok || !v.set {
		return expand.Variable{}
	}
	return expand.Variable{Set: true, Exported: v.exported, Kind: expand.String, Str: v.value}
}

// Each implements expand.Environ.
func (e environ) Each(fn func(string, expand.Variable) bool) {
	for name := range e.r.vars {
		if v := e.Get(name); v.Set && !fn(name, v) {
			return
		}
	}
}

// Set implements expand.WriteEnviron, for ${X:=default} and $((X=1)).
func (e environ) Set(name string, v expand.Variable) error {
	return e.r.assign(name, v.String(), syntax.Pos{})
}

func (r *reader) errorf(at syntax.Node, format string, args ...any) *Error {
	e := &Error{File: r.name, Msg: fmt.Sprintf(format, args...), Advice: sourceIt}
	if at != nil {
		e.Line, e.Col = int(at.Pos().Line()), int(at.Pos().Col()) //nolint:gosec // of a small file
	}
	return e
}

func (r *reader) refuse(at syntax.Node, what string) error {
	return r.errorf(at, "%s needs a shell, which Galley does not run", what)
}

func (r *reader) warn(at syntax.Node, format string, args ...any) {
	if len(r.warnings) < maxPrinted {
		r.warnings = append(r.warnings, fmt.Sprintf("%s:%d: %s", r.name, at.Pos().Line(), fmt.Sprintf(format, args...)))
	}
}

// deeper nests one level; call the function it returns to come back.
func (r *reader) deeper(at syntax.Node, what string) (func(), error) {
	if r.depth >= maxDepth {
		return nil, r.errorf(at, "%s", what)
	}
	r.depth++
	return func() { r.depth-- }, nil
}

// file carries out a whole file. It returns errExit where the file ends all
// that is being read.
func (r *reader) file(text, name string) error {
	f, err := parse(text, name)
	if err != nil {
		return err
	}
	outer := r.name
	r.name = name
	if r.first == "" {
		r.first = name
	}
	defer func() { r.name = outer }()
	up, err := r.deeper(nil, "it sources itself, directly or by way of others")
	if err != nil {
		return err
	}
	defer up()
	err = r.stmts(f.Stmts)
	if errors.Is(err, errReturn) {
		return nil
	}
	return err
}

func (r *reader) stmts(list []*syntax.Stmt) error {
	for _, s := range list {
		if err := r.stmt(s); err != nil {
			return err
		}
	}
	return nil
}

// step counts one piece of work.
func (r *reader) step(at syntax.Node) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	if r.steps++; r.steps > maxSteps || time.Now().After(r.until) {
		return r.errorf(at, "it does too much for an RC file")
	}
	return nil
}

func (r *reader) stmt(s *syntax.Stmt) error {
	if err := r.step(s); err != nil {
		return err
	}
	if s.Background || s.Coprocess {
		return r.refuse(s, "a command in the background")
	}
	in, out := r.in, r.out
	defer func() { r.in, r.out = in, out }()
	for _, red := range s.Redirs {
		ok, err := r.redirect(red)
		if err != nil {
			return err
		}
		if !ok {
			// A shell complains and does not run the command.
			r.status = 1
			return nil
		}
	}
	if s.Cmd == nil {
		return nil
	}
	if err := r.command(s.Cmd); err != nil {
		return err
	}
	if s.Negated {
		r.status = 1 - min(r.status, 1)
	}
	return nil
}

// redirect changes where the statement reads and prints. Nothing is ever
// written to a file. It returns false where a file to be read is not there.
func (r *reader) redirect(red *syntax.Redirect) (bool, error) {
	fd := ""
	if red.N != nil {
		fd = red.N.Value
	}
	switch red.Op {
	case syntax.DplOut:
		if to := red.Word.Lit(); (to == "2" || to == "1") && (fd == "" || fd == "1" || fd == "2") {
			if to == "2" && fd != "2" {
				r.out = nil
			}
			return true, nil
		}
	case syntax.RdrOut, syntax.RdrAll, syntax.AppOut, syntax.AppAll, syntax.RdrClob:
		switch red.Word.Lit() {
		case "/dev/null":
			if fd != "2" {
				r.out = io.Discard
			}
			return true, nil
		case "/dev/stderr", "/dev/tty":
			if fd != "2" {
				r.out = nil
			}
			return true, nil
		case "/dev/stdout":
			return true, nil
		}
		return false, r.refuse(red, "a redirection into a file")
	case syntax.RdrIn:
		if fd != "" && fd != "0" {
			break
		}
		path, err := r.word(red.Word)
		if err != nil {
			return false, err
		}
		switch path {
		case "/dev/null":
			r.in = strings.NewReader("")
			return true, nil
		case "/dev/tty", "/dev/stdin":
			r.in = nil
			return true, nil
		}
		text, ok, err := r.readable(red, path)
		r.in = strings.NewReader(text)
		return ok, err
	case syntax.Hdoc, syntax.DashHdoc:
		if red.Hdoc == nil {
			r.in = strings.NewReader("")
			return true, nil
		}
		text, err := r.document(red.Hdoc)
		r.in = strings.NewReader(text)
		return true, err
	case syntax.WordHdoc:
		text, err := r.word(red.Word)
		r.in = strings.NewReader(text + "\n")
		return true, err
	}
	return false, r.refuse(red, "this redirection")
}

func (r *reader) command(cmd syntax.Command) error {
	switch c := cmd.(type) {
	case *syntax.CallExpr:
		return r.call(c)
	case *syntax.DeclClause:
		return r.declare(c)
	case *syntax.IfClause:
		return r.ifClause(c)
	case *syntax.BinaryCmd:
		return r.binary(c)
	case *syntax.Block:
		return r.stmts(c.Stmts)
	case *syntax.TestClause:
		return r.verdict(r.testExpr(c.X))
	case *syntax.CaseClause:
		return r.caseClause(c)
	case *syntax.ForClause:
		return r.forClause(c)
	case *syntax.WhileClause:
		return r.whileClause(c)
	case *syntax.FuncDecl:
		if c.Name == nil {
			return r.refuse(c, "this function")
		}
		r.funcs[c.Name.Value] = c.Body
		r.status = 0
		return nil
	case *syntax.Subshell:
		return r.subshell(c)
	case *syntax.ArithmCmd:
		n, err := r.arithm(c, c.X)
		return r.verdict(n != 0, err)
	case *syntax.LetClause:
		for _, x := range c.Exprs {
			n, err := r.arithm(c, x)
			if err := r.verdict(n != 0, err); err != nil {
				return err
			}
		}
		return nil
	}
	return r.refuse(cmd, "this construct")
}

func (r *reader) verdict(ok bool, err error) error {
	r.status = 0
	if !ok {
		r.status = 1
	}
	return err
}

func (r *reader) ifClause(c *syntax.IfClause) error {
	for ; c != nil; c = c.Else {
		if len(c.Cond) == 0 { // the last else
			return r.stmts(c.Then)
		}
		if err := r.stmts(c.Cond); err != nil {
			return err
		}
		if r.status == 0 {
			return r.stmts(c.Then)
		}
	}
	r.status = 0
	return nil
}

func (r *reader) binary(c *syntax.BinaryCmd) error {
	if c.Op != syntax.AndStmt && c.Op != syntax.OrStmt {
		if names, ok := r.listing(&syntax.Stmt{Cmd: c}); ok {
			r.status = 0
			return r.print(strings.Join(names, "\n") + "\n")
		}
		return r.refuse(c, "a pipe")
	}
	if err := r.stmt(c.X); err != nil {
		return err
	}
	if (r.status == 0) == (c.Op == syntax.AndStmt) {
		return r.stmt(c.Y)
	}
	return nil
}

func (r *reader) caseClause(c *syntax.CaseClause) error {
	word, err := r.word(c.Word)
	if err != nil {
		return err
	}
	r.status = 0
	through := false
	for _, item := range c.Items {
		fits := through
		for _, p := range item.Patterns {
			if fits {
				break
			}
			if fits, err = r.matches(p, word); err != nil {
				return err
			}
		}
		if !fits {
			continue
		}
		if err := r.stmts(item.Stmts); err != nil {
			return err
		}
		switch item.Op {
		case syntax.Fallthrough:
			through = true
		case syntax.Resume:
			through = false
		default:
			return nil
		}
	}
	return nil
}

// loop runs a loop's body. It returns false when the loop is over.
func (r *reader) loop(body []*syntax.Stmt) (bool, error) {
	r.loops++
	defer func() { r.loops-- }()
	err := r.stmts(body)
	switch {
	case errors.Is(err, errBreak):
		return false, nil
	case errors.Is(err, errContinue):
		return true, nil
	}
	return err == nil, err
}

func (r *reader) forClause(c *syntax.ForClause) error {
	if c.Select {
		return r.refuse(c, "select")
	}
	switch l := c.Loop.(type) {
	case *syntax.WordIter:
		words := r.params
		if l.InPos.IsValid() {
			words = nil
			for _, w := range l.Items {
				more, err := r.fields(w)
				if err != nil {
					return err
				}
				words = append(words, more...)
			}
		}
		r.status = 0
		for _, w := range words {
			if err := r.step(c); err != nil {
				return err
			}
			if err := r.assign(l.Name.Value, w, c.Pos()); err != nil {
				return err
			}
			if on, err := r.loop(c.Do); !on {
				return err
			}
		}
		return nil
	case *syntax.CStyleLoop:
		if l.Init != nil {
			if _, err := r.arithm(c, l.Init); err != nil {
				return err
			}
		}
		for {
			if err := r.step(c); err != nil {
				return err
			}
			if l.Cond != nil {
				if n, err := r.arithm(c, l.Cond); err != nil || n == 0 {
					return err
				}
			}
			if on, err := r.loop(c.Do); !on {
				return err
			}
			if l.Post != nil {
				if _, err := r.arithm(c, l.Post); err != nil {
					return err
				}
			}
		}
	}
	return r.refuse(c, "this kind of loop")
}

func (r *reader) whileClause(c *syntax.WhileClause) error {
	for {
		if err := r.step(c); err != nil {
			return err
		}
		if err := r.stmts(c.Cond); err != nil {
			return err
		}
		if (r.status == 0) == c.Until {
			r.status = 0
			return nil
		}
		if on, err := r.loop(c.Do); !on {
			return err
		}
	}
}

// fork is a reader whose variables are its own, as a subshell's.
func (r *reader) fork() *reader {
	sub := *r
	sub.vars, sub.where, sub.funcs = maps.Clone(r.vars), maps.Clone(r.where), maps.Clone(r.funcs)
	sub.loops, sub.locals = 0, nil
	sub.equip()
	return &sub
}

func (r *reader) subshell(c *syntax.Subshell) error {
	up, err := r.deeper(c, "it nests too deep")
	if err != nil {
		return err
	}
	defer up()
	sub := r.fork()
	err = sub.stmts(c.Stmts)
	r.status = sub.status
	if control(err) {
		return nil
	}
	return err
}

// substitute carries out $(...).
func (r *reader) substitute(w io.Writer, c *syntax.CmdSubst) error {
	up, err := r.deeper(c, "it nests too deep")
	if err != nil {
		return err
	}
	defer up()
	if len(c.Stmts) == 1 {
		if names, ok := r.listing(c.Stmts[0]); ok {
			r.status, r.substituted = 0, 0
			_, err := io.WriteString(w, strings.Join(names, "\n"))
			return err
		}
	}
	sub := r.fork()
	b := &bounded{max: maxSubst}
	sub.out = b
	if len(c.Stmts) == 1 && c.Stmts[0].Cmd == nil && len(c.Stmts[0].Redirs) == 1 && c.Stmts[0].Redirs[0].Op == syntax.RdrIn {
		// $(<file) is $(cat file).
		path, err := sub.word(c.Stmts[0].Redirs[0].Word)
		if err != nil {
			return err
		}
		text, _, err := sub.readable(c, path)
		if err != nil {
			return err
		}
		if len(text) > maxSubst {
			return r.errorf(c, "the file %s is longer than any RC file's value", path)
		}
		r.status, r.substituted = sub.status, sub.status
		_, err = io.WriteString(w, text)
		return err
	}
	err = sub.stmts(c.Stmts)
	r.status, r.substituted = sub.status, sub.status
	if err != nil && !control(err) {
		return err
	}
	if b.over {
		return r.errorf(c, "what it prints is longer than any RC file's value")
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// bounded keeps what is written to it, as long as that is not too much.
type bounded struct {
	strings.Builder
	max  int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.max {
		b.over = true
		return len(p), nil
	}
	return b.Builder.Write(p)
}

// function calls a function of the file.
func (r *reader) function(c *syntax.CallExpr, body *syntax.Stmt, args []string) error {
	up, err := r.deeper(c, "its functions call each other too deep")
	if err != nil {
		return err
	}
	defer up()
	params, locals := r.params, r.locals
	r.params, r.locals = args, map[string]*variable{}
	defer func() {
		for name, v := range r.locals {
			if v == nil {
				r.unset(name)
			} else {
				r.vars[name] = *v
			}
		}
		r.params, r.locals = params, locals
	}()
	err = r.stmt(body)
	if errors.Is(err, errReturn) {
		return nil
	}
	return err
}

// hide makes a variable local to the function being run.
func (r *reader) hide(name string) {
	if r.locals == nil {
		return
	}
	if _, ok := r.locals[name]; ok {
		return
	}
	if v, ok := r.vars[name]; ok {
		r.locals[name] = &v
	} else {
		r.locals[name] = nil
	}
	r.unset(name)
}

func (r *reader) unset(name string) {
	r.bytes -= len(r.vars[name].value)
	delete(r.vars, name)
	delete(r.where, name)
}

func (r *reader) assign(name, value string, at syntax.Pos) error {
	old := r.vars[name]
	r.bytes += len(value) - len(old.value)
	if len(value) > maxValue || r.bytes > maxTotal {
		return &Error{File: r.name, Line: int(at.Line()), Col: int(at.Col()), Msg: "the value of " + name + " is longer than any RC file's"} //nolint:gosec // of a small file
	}
	r.vars[name] = variable{value, true, old.exported || r.allExport}
	if at.IsValid() {
		r.where[name] = fmt.Sprintf("%s:%d", filepath.Base(r.name), at.Line())
	}
	return nil
}

// assignment carries out NAME=value and NAME+=value.
func (r *reader) assignment(a *syntax.Assign) error {
	if a.Array != nil || a.Index != nil {
		return r.refuse(a, "an array")
	}
	if a.Name == nil {
		return r.refuse(a, "this assignment")
	}
	value, err := r.word(a.Value)
	if err != nil {
		return err
	}
	if a.Append {
		value = r.vars[a.Name.Value].value + value
	}
	return r.assign(a.Name.Value, value, a.Pos())
}

func (r *reader) declare(c *syntax.DeclClause) error {
	variant := c.Variant.Value
	export := variant == "export"
	local := variant == "local" || (variant == "declare" || variant == "typeset") && r.locals != nil
	if variant == "nameref" {
		return r.refuse(c, variant)
	}
	remove, functions := false, false
	named := func(name string) error {
		if !syntax.ValidName(name) {
			return r.errorf(c, "%q is no variable's name", name)
		}
		if local {
			r.hide(name)
		}
		return nil
	}
	mark := func(name string) {
		if export || remove {
			r.export(name, !remove)
		}
	}
	for _, a := range c.Args {
		if a.Naked && a.Name == nil {
			// An option, or a word that expands to one or to NAME=value.
			words, err := r.fields(a.Value)
			if err != nil {
				return err
			}
			for _, w := range words {
				if strings.HasPrefix(w, "-") || strings.HasPrefix(w, "+") {
					export = export || strings.HasPrefix(w, "-") && strings.Contains(w, "x")
					remove = remove || variant == "export" && strings.Contains(w, "n") || strings.HasPrefix(w, "+") && strings.Contains(w, "x")
					functions = functions || strings.ContainsAny(w, "fF")
					local = local && !strings.Contains(w, "g")
					if strings.ContainsAny(w, "aAnilu") && variant != "export" {
						return r.refuse(a, variant+" "+w)
					}
					continue
				}
				if functions {
					continue
				}
				name, value, given := strings.Cut(w, "=")
				if err := named(name); err != nil {
					return err
				}
				if given {
					if err := r.assign(name, value, a.Pos()); err != nil {
						return err
					}
				}
				mark(name)
			}
			continue
		}
		if functions {
			continue
		}
		var value string
		if !a.Naked {
			// The value is worked out before a local hides the old one.
			if a.Array != nil || a.Index != nil {
				return r.refuse(a, "an array")
			}
			var err error
			if value, err = r.word(a.Value); err != nil {
				return err
			}
			if a.Append {
				value = r.vars[a.Name.Value].value + value
			}
		}
		if err := named(a.Name.Value); err != nil {
			return err
		}
		if !a.Naked {
			if err := r.assign(a.Name.Value, value, a.Pos()); err != nil {
				return err
			}
		}
		mark(a.Name.Value)
	}
	r.status = 0
	return nil
}

// export marks a variable; one without a value is exported once it gets one.
func (r *reader) export(name string, on bool) {
	v := r.vars[name]
	v.exported = on
	r.vars[name] = v
}
