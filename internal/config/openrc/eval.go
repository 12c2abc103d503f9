package openrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

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
	// name is the file being read, depth how many files deep.
	name  string
	depth int
	steps int
	// status is $?.
	status int
	// allExport is set -a.
	allExport bool
	warnings  []string
	// said is what echo has printed since the last question.
	said []string
	// out receives what echo prints within $(...); nil outside.
	out io.Writer
	// dir is where cd within $(...) has gone.
	dir string
	// cfg expands a command's arguments, whole a value, which is not split.
	cfg, whole *expand.Config
}

// stop ends a file early: exit or return.
var errStop = errors.New("end of file")

func newReader(ctx context.Context, o Options) *reader {
	r := &reader{ctx: ctx, opts: o, vars: map[string]variable{}, where: map[string]string{}}
	for k, v := range o.Env {
		r.vars[k] = variable{v, true, true}
	}
	r.equip()
	return r
}

// equip makes the expanders, which look at this reader's variables.
func (r *reader) equip() {
	r.cfg = &expand.Config{Env: environ{r: r}, CmdSubst: r.substitute}
	r.whole = &expand.Config{Env: environ{r: r, whole: true}, CmdSubst: r.substitute}
}

// environ shows the variables to the expander.
type environ struct {
	r *reader
	// whole keeps what is expanded in one piece.
	whole bool
}

// Get implements expand.Environ.
func (e environ) Get(name string) expand.Variable {
	switch name {
	case "IFS":
		if e.whole {
			return expand.Variable{Set: true, Kind: expand.String}
		}
	case "?":
		return expand.Variable{Set: true, Kind: expand.String, Str: strconv.Itoa(e.r.status)}
	case "#":
		return expand.Variable{Set: true, Kind: expand.String, Str: "0"}
	case "0", "BASH_SOURCE":
		// A sourced file asks for its own name to find its neighbours.
		return expand.Variable{Set: true, Kind: expand.String, Str: e.r.name}
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

// Set implements expand.WriteEnviron, for ${X:=default}.
func (e environ) Set(name string, v expand.Variable) error {
	return e.r.assign(name, v.String(), syntax.Pos{})
}

func (r *reader) errorf(at syntax.Node, format string, args ...any) error {
	e := &Error{File: r.name, Msg: fmt.Sprintf(format, args...), Advice: sourceIt}
	if at != nil {
		e.Line, e.Col = int(at.Pos().Line()), int(at.Pos().Col())
	}
	return e
}

func (r *reader) refuse(at syntax.Node, what string) error {
	return r.errorf(at, "%s needs a shell, which Galley does not run", what)
}

// file carries out a whole file.
func (r *reader) file(text, name string) error {
	f, err := parse(text, name)
	if err != nil {
		return err
	}
	if r.depth++; r.depth > maxDepth {
		return &Error{File: name, Msg: "it sources itself, directly or by way of others"}
	}
	outer := r.name
	r.name = name
	defer func() { r.name = outer; r.depth-- }()
	err = r.stmts(f.Stmts)
	if errors.Is(err, errStop) {
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

func (r *reader) stmt(s *syntax.Stmt) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.steps++; r.steps > maxSteps {
		return r.errorf(s, "it does too much for an RC file")
	}
	if s.Background || s.Coprocess {
		return r.refuse(s, "a command in the background")
	}
	for _, red := range s.Redirs {
		if !harmless(red) {
			return r.refuse(red, "a redirection")
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

// harmless are redirections that touch no file: to /dev/null, and 2>&1.
func harmless(red *syntax.Redirect) bool {
	switch red.Op {
	case syntax.DplOut, syntax.DplIn:
		return true
	case syntax.RdrOut, syntax.RdrAll, syntax.AppOut, syntax.RdrIn:
		lit := red.Word.Lit()
		return lit == "/dev/null" || lit == "/dev/stderr" || lit == "/dev/tty" || lit == "/dev/stdout"
	}
	return false
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
		return r.refuse(c, "a while or until loop")
	case *syntax.FuncDecl:
		return r.refuse(c, "a function")
	case *syntax.Subshell:
		return r.refuse(c, "a subshell")
	case *syntax.ArithmCmd, *syntax.LetClause:
		return r.refuse(cmd, "an arithmetic command")
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
	for _, item := range c.Items {
		for _, p := range item.Patterns {
			ok, err := r.matches(p, word)
			if err != nil {
				return err
			}
			if ok {
				return r.stmts(item.Stmts)
			}
		}
	}
	return nil
}

func (r *reader) forClause(c *syntax.ForClause) error {
	iter, ok := c.Loop.(*syntax.WordIter)
	if !ok || c.Select {
		return r.refuse(c, "this kind of loop")
	}
	if onlyUnsets(c.Do) && mentionsClearing(iter.Items) {
		r.clear()
		return nil
	}
	var words []string
	for _, w := range iter.Items {
		more, err := r.fields(w)
		if err != nil {
			return err
		}
		words = append(words, more...)
	}
	for _, w := range words {
		if err := r.assign(iter.Name.Value, w, c.Pos()); err != nil {
			return err
		}
		if err := r.stmts(c.Do); err != nil {
			return err
		}
	}
	return nil
}

// onlyUnsets says whether a loop's body takes variables away and does nothing
// else.
func onlyUnsets(stmts []*syntax.Stmt) bool {
	for _, s := range stmts {
		call, ok := s.Cmd.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 || call.Args[0].Lit() != "unset" {
			return false
		}
	}
	return len(stmts) > 0
}

// mentionsClearing says whether words come from a command that picks the OS_
// variables out of the environment, as `$(set | awk … /^OS_/ …)`.
func mentionsClearing(words []*syntax.Word) bool {
	subst, os := false, false
	for _, w := range words {
		syntax.Walk(w, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.CmdSubst:
				subst = true
			case *syntax.Lit:
				os = os || strings.Contains(n.Value, "OS_")
			case *syntax.SglQuoted:
				os = os || strings.Contains(n.Value, "OS_")
			case *syntax.ParamExp:
				// ${!OS_*} lists the names itself.
				if n.Names != 0 && strings.HasPrefix(n.Param.Value, "OS_") {
					subst, os = true, true
				}
			}
			return true
		})
	}
	return subst && os
}

// clear takes all OS_ variables away.
func (r *reader) clear() {
	for name := range r.vars {
		if strings.HasPrefix(name, "OS_") {
			r.unset(name)
		}
	}
	r.status = 0
}

func (r *reader) unset(name string) {
	delete(r.vars, name)
	delete(r.where, name)
}

func (r *reader) assign(name, value string, at syntax.Pos) error {
	if len(value) > maxValue {
		return &Error{File: r.name, Line: int(at.Line()), Col: int(at.Col()), Msg: "the value of " + name + " is longer than any RC file's"}
	}
	v := r.vars[name]
	r.vars[name] = variable{value, true, v.exported || r.allExport}
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
	export := c.Variant.Value == "export"
	remove := false
	for _, a := range c.Args {
		if a.Naked && a.Name == nil {
			// An option, or a word that expands to one or to NAME=value.
			words, err := r.fields(a.Value)
			if err != nil {
				return err
			}
			for _, w := range words {
				switch {
				case strings.HasPrefix(w, "-"):
					export = export || strings.Contains(w, "x")
					remove = remove || c.Variant.Value == "export" && strings.Contains(w, "n")
					if strings.ContainsAny(w, "aAfF") {
						return r.refuse(a, c.Variant.Value+" "+w)
					}
				case strings.Contains(w, "="):
					name, value, _ := strings.Cut(w, "=")
					if !syntax.ValidName(name) {
						return r.errorf(a, "%q is no variable's name", name)
					}
					if err := r.assign(name, value, a.Pos()); err != nil {
						return err
					}
					r.export(name, export && !remove)
				default:
					r.export(w, export && !remove)
				}
			}
			continue
		}
		if !a.Naked {
			if err := r.assignment(a); err != nil {
				return err
			}
		}
		if export || remove {
			r.export(a.Name.Value, !remove)
		}
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

// word expands a word to one string, without splitting.
func (r *reader) word(w *syntax.Word) (s string, err error) {
	defer r.recovered(w, &err)
	if w == nil {
		return "", nil
	}
	if err := r.bounded(w); err != nil {
		return "", err
	}
	// Not expand.Literal, which leaves backslashes as they are.
	f, err := expand.Fields(r.whole, w)
	return strings.Join(f, " "), r.located(w, err)
}

// recovered turns a panic of the expander into a refusal: there are scripts
// that it was not made for, and a file must not end the program.
func (r *reader) recovered(at syntax.Node, err *error) {
	if p := recover(); p != nil {
		*err = r.refuse(at, "this expansion")
	}
}

// fields expands a word as the shell does a command's arguments.
func (r *reader) fields(w *syntax.Word) (words []string, err error) {
	defer r.recovered(w, &err)
	if err := r.bounded(w); err != nil {
		return nil, err
	}
	f, err := expand.Fields(r.cfg, w)
	if len(f) > maxSteps {
		return nil, r.errorf(w, "it makes too many words")
	}
	return f, r.located(w, err)
}

// bounded refuses words whose expansion could be huge.
func (r *reader) bounded(w *syntax.Word) error {
	params := 0
	var bad error
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ParamExp:
			params++
		case *syntax.ProcSubst:
			bad = r.refuse(n, "a process substitution")
		case *syntax.BraceExp:
			bad = r.refuse(n, "a brace expansion")
		case *syntax.ArithmExp:
			syntax.Walk(n.X, func(x syntax.Node) bool {
				if b, ok := x.(*syntax.BinaryArithm); ok && b.Op == syntax.Pow {
					bad = r.refuse(b, "an exponent")
				}
				return true
			})
		}
		return bad == nil
	})
	if params > maxParams {
		return r.errorf(w, "it expands more variables in one word than any RC file")
	}
	return bad
}

// located gives an expander's error its place.
func (r *reader) located(at syntax.Node, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	if ctxErr := r.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	return r.errorf(at, "%v", err)
}

// substitute carries out $(...), as far as it only prints.
func (r *reader) substitute(w io.Writer, c *syntax.CmdSubst) error {
	sub := *r
	sub.vars = make(map[string]variable, len(r.vars))
	for k, v := range r.vars {
		sub.vars[k] = v
	}
	sub.where = map[string]string{}
	if sub.dir == "" {
		sub.dir = filepath.Dir(r.name)
	}
	var b strings.Builder
	sub.out = &b
	sub.equip()
	sub.depth++
	if sub.depth > maxDepth {
		return r.errorf(c, "it nests too deep")
	}
	err := sub.stmts(c.Stmts)
	r.steps = sub.steps
	if err != nil && !errors.Is(err, errStop) {
		return err
	}
	r.status = sub.status
	_, err = io.WriteString(w, b.String())
	return err
}
