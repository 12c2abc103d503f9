package openrc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"

	"mvdan.cc/sh/v3/syntax"
)

// The interpreter does not say where it is. Before a file is run, each simple
// command therefore gets a word that expands to nothing, ${galley_at_N-}: the
// look-up of that variable tells the reader which statement runs now.
const marker = "galley_at_"

// Commands that statements are replaced by. Handlers carry them out.
const (
	cmdRefuse = "__galley_refuse" // refuse what the argument names
	cmdNames  = "__galley_names"  // print variables by prefix
)

// statement describes a marked simple command.
type statement struct {
	file      string
	line, col uint
	// sets are the variables that it assigns; dynamic says that it also
	// exports some whose names are only known when it runs.
	sets    []string
	dynamic bool
	// function and subshell say what encloses it, where exit and return do not
	// end the file.
	function, subshell bool
	// wanted are the exported variables that are made from the input, by the
	// variable that it reads into.
	wanted map[string]string
}

// instrumenter marks the statements of one file.
type instrumenter struct {
	r    *reader
	file string
	// depth counts the functions, subshells how many subshells are around.
	functions, subshells int
	reads                map[*syntax.CallExpr]map[string]string
}

// instrument parses a file, marks its statements and replaces those that are
// carried out in another way or not at all.
func (r *reader) instrument(text, name string) (*syntax.File, error) {
	f, err := parse(text, name)
	if err != nil {
		return nil, err
	}
	bound(f)
	in := &instrumenter{r: r, file: name, reads: attribute(f)}
	in.stmts(f.Stmts)
	return f, nil
}

// bound has each variable that is expanded cut at the length that no value may
// have. Else a line such as A=$A$A$A, repeated, would fill the memory before
// anything could stop it.
func bound(f *syntax.File) {
	arrays := map[string]bool{}
	syntax.Walk(f, func(n syntax.Node) bool {
		if a, ok := n.(*syntax.Assign); ok && a.Array != nil && a.Name != nil {
			arrays[a.Name.Value] = true
		}
		return true
	})
	number := func(n int) *syntax.Word {
		return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: strconv.Itoa(n)}}}
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		p, ok := n.(*syntax.ParamExp)
		if ok && p.Param != nil && syntax.ValidName(p.Param.Value) && !arrays[p.Param.Value] && !p.Excl && !p.Length && !p.Width &&
			p.Index == nil && p.Slice == nil && p.Repl == nil && p.Exp == nil && p.Names == 0 {
			p.Short, p.Slice = false, &syntax.Slice{Offset: number(0), Length: number(maxValue + 1)}
		}
		return true
	})
}

func (in *instrumenter) stmts(list []*syntax.Stmt) {
	for _, s := range list {
		in.stmt(s)
	}
}

// stmt marks a statement and all within it.
func (in *instrumenter) stmt(s *syntax.Stmt) {
	if what := refused(s); what != "" {
		in.replace(s, cmdRefuse, what)
		return
	}
	switch c := s.Cmd.(type) {
	case *syntax.Subshell:
		in.subshells++
		in.stmts(c.Stmts)
		in.subshells--
		in.redirects(s)
		return
	case *syntax.FuncDecl:
		in.functions++
		in.stmt(c.Body)
		in.functions--
		return
	case *syntax.DeclClause:
		in.declaration(s, c)
	case *syntax.CallExpr:
		in.call(c)
	}
	in.redirects(s)
	in.within(s)
}

// within marks the statements below s that are not its own simple command.
func (in *instrumenter) within(s *syntax.Stmt) {
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			in.substitution(n)
			return false
		case *syntax.Stmt:
			if n != s {
				in.stmt(n)
				return false
			}
		}
		return true
	})
}

// refused names what no file may do, "" for all else.
func refused(s *syntax.Stmt) string {
	what := ""
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		if c.Op == syntax.Pipe || c.Op == syntax.PipeAll {
			what = "a pipe"
		}
	case *syntax.ForClause:
		if c.Select {
			what = "a menu of select"
		}
	case *syntax.CoprocClause:
		what = "a command in the background"
	}
	if s.Background || s.Coprocess || s.Disown {
		what = "a command in the background"
	}
	own(s, func(n syntax.Node) {
		switch n := n.(type) {
		case *syntax.ProcSubst:
			what = "a process substitution"
		case *syntax.ParamExp:
			// The result could be as long as the product of both.
			if n.Repl != nil && n.Repl.All && n.Repl.With != nil && n.Repl.With.Lit() == "" && len(n.Repl.With.Parts) > 0 {
				what = "a replacement of every match by an expansion"
			}
			if n.Repl != nil && n.Repl.Orig != nil && strings.ContainsAny(first(n.Repl.Orig), "#%") {
				what = "a replacement at the beginning or end of a value"
			}
		case *syntax.Lit:
			if longSequence(n.Value) {
				what = "a sequence of that length"
			}
		}
	})
	return what
}

// first is the first character of a word, "" where that is not known.
func first(w *syntax.Word) string {
	if l, ok := w.Parts[0].(*syntax.Lit); ok && l.Value != "" {
		return l.Value[:1]
	}
	return ""
}

var sequence = text.Lazy(`\{(-?[0-9]+)\.\.(-?[0-9]+)`)

// longSequence reports whether text has a brace expansion of more words than
// any RC file needs.
func longSequence(text string) bool {
	if !strings.Contains(text, "..") {
		return false
	}
	for _, m := range sequence().FindAllStringSubmatch(text, -1) {
		a, err1 := strconv.Atoi(m[1])
		b, err2 := strconv.Atoi(m[2])
		if err1 != nil || err2 != nil || max(a-b, b-a) > 1000 {
			return true
		}
	}
	return false
}

// own visits the nodes of a statement that are not in a statement within it.
func own(s *syntax.Stmt, visit func(syntax.Node)) {
	syntax.Walk(s, func(n syntax.Node) bool {
		if inner, ok := n.(*syntax.Stmt); ok && inner != s {
			return false
		}
		if n != nil {
			visit(n)
		}
		return true
	})
}

// replace puts a command of ours in the place of a statement.
func (in *instrumenter) replace(s *syntax.Stmt, args ...string) {
	c := &syntax.CallExpr{Args: []*syntax.Word{in.mark(s, statement{})}}
	for _, a := range args {
		c.Args = append(c.Args, quotedWord(a))
	}
	s.Cmd, s.Redirs, s.Background, s.Coprocess, s.Disown = c, nil, false, false, false
}

func quotedWord(s string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.SglQuoted{Value: s}}}
}

// mark returns the word that says that the statement at n runs.
func (in *instrumenter) mark(n syntax.Node, st statement) *syntax.Word {
	st.file, st.line, st.col = in.file, n.Pos().Line(), n.Pos().Col()
	st.function, st.subshell = in.functions > 0, in.subshells > 0
	in.r.statements = append(in.r.statements, st)
	return &syntax.Word{Parts: []syntax.WordPart{in.again()}}
}

// again is the part of a word that tells of the latest marked statement.
func (in *instrumenter) again() syntax.WordPart {
	name := fmt.Sprintf("%s%d", marker, len(in.r.statements)-1)
	return &syntax.ParamExp{Param: &syntax.Lit{Value: name}, Exp: &syntax.Expansion{Op: syntax.DefaultUnset}}
}

// redirects marks the files that a statement opens, which is done before its
// command is looked at.
func (in *instrumenter) redirects(s *syntax.Stmt) {
	for _, rd := range s.Redirs {
		switch rd.Op {
		case syntax.RdrIn, syntax.RdrOut, syntax.AppOut, syntax.RdrAll, syntax.AppAll, syntax.RdrClob:
			mark := in.mark(s, statement{})
			rd.Word.Parts = slices.Concat(mark.Parts, rd.Word.Parts)
		}
	}
}

// call marks a simple command.
func (in *instrumenter) call(c *syntax.CallExpr) {
	if len(c.Args) == 0 && slices.ContainsFunc(c.Assigns, func(a *syntax.Assign) bool { return a.Array != nil }) {
		return // a word after an array is an error
	}
	st := statement{wanted: in.reads[c]}
	if len(c.Args) > 0 {
		if c.Args[0].Lit() == "return" && in.subshells > 0 && in.functions == 0 {
			// In a file that is sourced it ends the subshell.
			c.Args[0] = &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: "exit"}}}
		}
		for name := range st.wanted {
			st.sets = append(st.sets, name)
		}
	}
	substitutes := false
	syntax.Walk(c, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			substitutes = true
			return false
		case *syntax.Assign:
			assignedValue(n.Value)
			if len(c.Args) == 0 {
				st.sets = append(st.sets, n.Name.Value)
			}
		case *syntax.ParamExp:
			if n.Exp != nil && (n.Exp.Op == syntax.AssignUnset || n.Exp.Op == syntax.AssignUnsetOrNull) {
				st.sets = append(st.sets, n.Param.Value)
			}
		}
		return true
	})
	args := slices.Concat([]*syntax.Word{in.mark(c, st)}, c.Args)
	if substitutes && len(c.Args) > 0 {
		// Back from the substitution, the statement runs.
		args = append(args, &syntax.Word{Parts: []syntax.WordPart{in.again()}})
	}
	c.Args = args
}

// declaration marks export, declare and the like.
func (in *instrumenter) declaration(s *syntax.Stmt, c *syntax.DeclClause) {
	st := statement{}
	for _, a := range c.Args {
		assignedValue(a.Value)
		switch {
		case a.Name != nil:
			st.sets = append(st.sets, a.Name.Value)
		case a.Value.Lit() == "-n" && c.Variant.Value == "export":
			in.replace(s, cmdRefuse, "export -n")
			return
		case a.Value.Lit() == "-f":
			in.replace(s, ":")
			return
		case !strings.HasPrefix(a.Value.Lit(), "-"):
			st.dynamic = true
		}
	}
	mark := &syntax.Assign{Naked: true, Value: in.mark(c, st)}
	c.Args = slices.Concat([]*syntax.Assign{mark}, c.Args)
}

// assignedValue rewrites what the interpreter does not expand in the value of
// an assignment as a shell does: a backslash outside quotes, and ~ after a
// colon.
func assignedValue(w *syntax.Word) {
	if w == nil {
		return
	}
	var parts []syntax.WordPart
	for i, p := range w.Parts {
		l, ok := p.(*syntax.Lit)
		if !ok {
			parts = append(parts, p)
			continue
		}
		rest, plain := l.Value, ""
		flush := func() {
			if plain != "" {
				parts = append(parts, &syntax.Lit{Value: plain})
			}
			plain = ""
		}
		for rest != "" {
			switch {
			case rest[0] == '\\' && len(rest) > 1:
				flush()
				switch rest[1] {
				case '\n':
				case '\'':
					parts = append(parts, &syntax.DblQuoted{Parts: []syntax.WordPart{&syntax.Lit{Value: "'"}}})
				default:
					parts = append(parts, &syntax.SglQuoted{Value: rest[1:2]})
				}
				rest = rest[2:]
			case strings.HasPrefix(rest, ":~") && (len(rest) == 2 && i == len(w.Parts)-1 || len(rest) > 2 && (rest[2] == '/' || rest[2] == ':')):
				plain += ":"
				flush()
				parts = append(parts, &syntax.ParamExp{Param: &syntax.Lit{Value: "HOME"}})
				rest = rest[2:]
			default:
				plain += rest[:1]
				rest = rest[1:]
			}
		}
		flush()
	}
	w.Parts = parts
}

// substitution marks the statements within $(...). A pipe that lists variables by
// their first letters is replaced by the list.
func (in *instrumenter) substitution(cs *syntax.CmdSubst) {
	in.subshells++
	defer func() { in.subshells-- }()
	if len(cs.Stmts) == 1 {
		s := cs.Stmts[0]
		if prefixes, values, ok := listing(s); ok {
			in.replace(s, slices.Concat([]string{cmdNames, strconv.FormatBool(values)}, prefixes)...)
			return
		}
		if s.Cmd == nil && len(s.Redirs) == 1 && s.Redirs[0].Op == syntax.RdrIn {
			// $(<file)
			cat := &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: "cat"}}}
			s.Cmd, s.Redirs = &syntax.CallExpr{Args: []*syntax.Word{cat, s.Redirs[0].Word}}, nil
		}
	}
	in.stmts(cs.Stmts)
}

// attribute finds, for each read in a file, the exported variable that is made
// from the input: the one that follows, before the same variable is read
// again. A chain of helper variables is followed.
func attribute(f *syntax.File) map[*syntax.CallExpr]map[string]string {
	type event struct {
		call   *syntax.CallExpr // of a read
		names  []string         // that are read
		target string           // of an assignment
		refs   []string         // in its value
		out    bool             // it is exported, or will be
	}
	var events []event
	exported := map[string]bool{}
	assigned := func(a *syntax.Assign, export bool) {
		if a.Name == nil {
			return
		}
		exported[a.Name.Value] = exported[a.Name.Value] || export
		if a.Value == nil {
			return
		}
		e := event{target: a.Name.Value, out: export}
		syntax.Walk(a.Value, func(n syntax.Node) bool {
			if p, ok := n.(*syntax.ParamExp); ok && p.Param != nil {
				e.refs = append(e.refs, p.Param.Value)
			}
			return true
		})
		events = append(events, e)
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DeclClause:
			for _, a := range n.Args {
				assigned(a, n.Variant.Value == "export" || slices.ContainsFunc(n.Args, func(o *syntax.Assign) bool {
					return o.Name == nil && o.Value.Lit() == "-x"
				}))
			}
		case *syntax.CallExpr:
			if len(n.Args) == 0 {
				for _, a := range n.Assigns {
					assigned(a, false)
				}
			} else if n.Args[0].Lit() == "read" {
				e := event{call: n}
				_, e.names, _ = readArgs(literalArgs(n.Args[1:]))
				events = append(events, e)
			}
		}
		return true
	})
	reads := map[*syntax.CallExpr]map[string]string{}
	for i, e := range events {
		if e.call == nil {
			continue
		}
		reads[e.call] = map[string]string{}
		for _, name := range e.names {
			reads[e.call][name] = ""
			holders := []string{name}
			for _, later := range events[i+1:] {
				if slices.Contains(later.names, name) {
					break
				}
				if later.target == "" || !slices.ContainsFunc(later.refs, func(r string) bool { return slices.Contains(holders, r) }) {
					continue
				}
				if later.out || exported[later.target] || strings.HasPrefix(later.target, "OS_") {
					reads[e.call][name] = later.target
					break
				}
				holders = append(holders, later.target)
			}
		}
	}
	return reads
}

// literalArgs are the words of a command as text, "" for one that is not
// known before it runs.
func literalArgs(words []*syntax.Word) []string {
	var out []string
	for _, w := range words {
		text := w.Lit()
		if len(w.Parts) == 1 {
			switch p := w.Parts[0].(type) {
			case *syntax.SglQuoted:
				text = p.Value
			case *syntax.DblQuoted:
				if len(p.Parts) == 1 {
					if l, ok := p.Parts[0].(*syntax.Lit); ok {
						text = l.Value
					}
				}
			}
		}
		out = append(out, text)
	}
	return out
}

// filters are the commands with which files pick names out of a listing of
// the variables.
var filters = []string{
	"grep", "egrep", "fgrep", "awk", "gawk", "mawk", "sed", "cut", "sort", "uniq", "tr", "paste", "xargs", "cat",
}

var prefixPattern = text.Lazy(`\b[A-Z][A-Z0-9]*_`)

// listing recognizes a command that lists variables by their first letters,
// as `set | awk … /^OS_/ …`, `env | grep ^OS_ | cut -d= -f1` and
// `compgen -v OS_`, which files use to clear the environment. values says that
// nothing cuts the values off.
func listing(s *syntax.Stmt) (prefixes []string, values, ok bool) {
	all := ""
	for i, c := range pipeline(s) {
		var b strings.Builder
		if err := syntax.NewPrinter().Print(&b, c); err != nil || hasCommand(c) {
			return nil, false, false
		}
		name, text, _ := strings.Cut(b.String(), " ")
		switch {
		case i > 0 && !slices.Contains(filters, name), i == 0 && name != "compgen" && c == s:
			return nil, false, false
		case i == 0 && slices.Contains([]string{"set", "env", "printenv"}, name):
			values = true
		case i == 0 && !slices.Contains([]string{"export", "declare", "typeset", "compgen"}, name):
			return nil, false, false
		case slices.Contains([]string{"awk", "gawk", "mawk", "cut", "sed"}, name), strings.Contains(text, "-o"):
			values = false
		}
		if i > 0 || name == "compgen" {
			all += " " + text
		}
	}
	prefixes = prefixPattern().FindAllString(all, -1)
	return prefixes, values, len(prefixes) > 0
}

// pipeline takes a pipe apart.
func pipeline(s *syntax.Stmt) []*syntax.Stmt {
	if c, ok := s.Cmd.(*syntax.BinaryCmd); ok && c.Op == syntax.Pipe {
		return append(pipeline(c.X), pipeline(c.Y)...)
	}
	return []*syntax.Stmt{s}
}

// hasCommand says whether a statement runs further commands, or writes to
// another file than /dev/null.
func hasCommand(s *syntax.Stmt) bool {
	found := false
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst:
			found = true
		case *syntax.Redirect:
			found = found || n.Word.Lit() != "/dev/null"
		}
		return !found
	})
	return found
}
