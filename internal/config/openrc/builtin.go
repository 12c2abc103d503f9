package openrc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// call carries out a simple command.
func (r *reader) call(c *syntax.CallExpr) error {
	if len(c.Args) == 0 {
		r.substituted = 0
		for _, a := range c.Assigns {
			if err := r.assignment(a); err != nil {
				return err
			}
		}
		r.status = r.substituted
		return nil
	}
	var args []string
	for _, w := range c.Args {
		f, err := r.fields(w)
		if err != nil {
			return err
		}
		args = append(args, f...)
	}
	if len(args) == 0 {
		return nil
	}
	// NAME=value command: for the command alone.
	for _, a := range c.Assigns {
		if a.Name == nil {
			return r.refuse(a, "this assignment")
		}
		old, had := r.vars[a.Name.Value]
		at, placed := r.where[a.Name.Value]
		if err := r.assignment(a); err != nil {
			return err
		}
		defer func() {
			r.unset(a.Name.Value)
			if had {
				r.vars[a.Name.Value] = old
				r.bytes += len(old.value)
			}
			if placed {
				r.where[a.Name.Value] = at
			}
		}()
	}
	if body, ok := r.funcs[args[0]]; ok {
		return r.function(c, body, args[1:])
	}
	return r.builtin(c, args[0], args[1:])
}

func (r *reader) builtin(c *syntax.CallExpr, name string, args []string) error {
	before := r.status
	r.status = 0
	switch name {
	case "echo":
		return r.echo(args)
	case "printf":
		return r.printf(c, args)
	case "unset":
		for _, a := range args {
			switch {
			case a == "-f":
				return nil
			case syntax.ValidName(a):
				r.unset(a)
			}
		}
		return nil
	case "read":
		return r.read(c, args)
	case "source", ".":
		return r.source(c, args)
	case "[", "test":
		if name == "[" {
			if len(args) == 0 || args[len(args)-1] != "]" {
				return r.errorf(c, "[ without ]")
			}
			args = args[:len(args)-1]
		}
		return r.verdict(r.test(c, args))
	case ":", "true":
		return nil
	case "false":
		r.status = 1
		return nil
	case "exit", "return":
		r.status = before
		if len(args) > 0 {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return r.errorf(c, "%s %s: no number", name, args[0])
			}
			r.status = n & 0xff
		}
		if r.status != 0 && r.out == nil && r.locals == nil {
			said := strings.Join(r.printed(), " ")
			if said != "" {
				said = ", saying: " + said
			}
			r.warn(c, "the file ends early, with status %d%s", r.status, said)
		}
		if name == "exit" {
			return errExit
		}
		return errReturn
	case "break", "continue":
		if r.loops == 0 {
			return nil
		}
		if len(args) > 0 && args[0] != "1" {
			return r.refuse(c, name+" "+args[0])
		}
		if name == "break" {
			return errBreak
		}
		return errContinue
	case "set":
		return r.set(args)
	case "shift":
		n := 1
		if len(args) > 0 {
			n, _ = strconv.Atoi(args[0])
		}
		if n < 0 || n > len(r.params) {
			r.status = 1
			return nil
		}
		r.params = r.params[n:]
		return nil
	case "stty", "alias", "unalias", "shopt", "complete", "compopt", "umask", "trap", "clear", "reset", "tput", "hash", "bind", "ulimit", "enable", "history", "setopt", "unsetopt", "autoload", "sleep":
		// These change how the person's own shell behaves or looks, not what
		// is exported.
		return nil
	case "export", "declare", "typeset", "readonly", "local":
		// The parser knows these, unless they are spelt in an odd way.
		return r.refuse(c, name+" spelt like this")
	case "command", "builtin", "type", "which":
		return r.which(c, name, args)
	case "cat":
		return r.cat(c, args)
	case "cd", "pushd", "popd":
		if r.out == nil {
			return r.refuse(c, "changing the directory")
		}
		if name == "cd" && len(args) > 0 {
			if args[0] == "--" || args[0] == "-P" || args[0] == "-L" {
				args = args[1:]
			}
		}
		if name != "cd" || len(args) != 1 {
			return r.refuse(c, name+" spelt like this")
		}
		dir := args[0]
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(r.dir, dir)
		}
		if info, err := os.Stat(orDot(dir)); err != nil || !info.IsDir() {
			r.status = 1
			return nil
		}
		r.dir = orDot(dir)
		return nil
	}
	if done, err := r.small(c, name, args); done {
		return err
	}
	return r.refuse(c, "the command "+name)
}

func orDot(s string) string {
	if s == "" {
		return "."
	}
	return s
}

// set carries out the options that change what is exported, and `set -- a b`.
func (r *reader) set(args []string) error {
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			r.params = slices.Clone(args[i+1:])
			return nil
		case a == "-o" || a == "+o":
			if i+1 < len(args) && args[i+1] == "allexport" {
				r.allExport = a == "-o"
			}
			i++
		case strings.HasPrefix(a, "-"):
			r.allExport = r.allExport || strings.Contains(a, "a")
		case strings.HasPrefix(a, "+"):
			r.allExport = r.allExport && !strings.Contains(a, "a")
		default:
			r.params = slices.Clone(args[i:])
			return nil
		}
	}
	return nil
}

// which says whether there is a command of that name, running none.
func (r *reader) which(c *syntax.CallExpr, name string, args []string) error {
	query := name == "type" || name == "which"
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		query = query || args[0] == "-v" || args[0] == "-V"
		args = args[1:]
	}
	if len(args) == 0 {
		return nil
	}
	if !query {
		return r.builtin(c, args[0], args[1:])
	}
	if _, ok := r.funcs[args[0]]; ok {
		return r.print(args[0] + "\n")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		r.status = 1
		return nil
	}
	if r.out == nil {
		return nil
	}
	return r.print(path + "\n")
}

// small are commands that a file uses to find its own folder, or who and
// where it is, as in $(cd "$(dirname "$0")" && pwd).
func (r *reader) small(c *syntax.CallExpr, name string, args []string) (bool, error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	switch {
	case name == "dirname" && len(args) == 1:
		return true, r.print(filepath.ToSlash(filepath.Dir(args[0])) + "\n")
	case name == "basename" && (len(args) == 1 || len(args) == 2):
		base := filepath.Base(args[0])
		if len(args) == 2 && base != args[1] {
			base = strings.TrimSuffix(base, args[1])
		}
		return true, r.print(base + "\n")
	case name == "pwd":
		abs, err := filepath.Abs(r.dir)
		if err != nil {
			return true, r.errorf(c, "%v", err)
		}
		return true, r.print(filepath.ToSlash(abs) + "\n")
	case (name == "readlink" || name == "realpath") && len(args) > 0:
		path := args[len(args)-1]
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.dir, path)
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return true, r.errorf(c, "%v", err)
		}
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			abs = real
		}
		return true, r.print(filepath.ToSlash(abs) + "\n")
	case name == "whoami" && len(args) == 0, name == "id" && slices.Equal(args, []string{"-un"}), name == "logname" && len(args) == 0:
		u, err := user.Current()
		if err != nil {
			r.status = 1
			return true, nil
		}
		return true, r.print(u.Username[strings.LastIndexByte(u.Username, '\\')+1:] + "\n")
	case name == "hostname" && len(args) == 0:
		h, err := os.Hostname()
		if err != nil {
			r.status = 1
			return true, nil
		}
		return true, r.print(h + "\n")
	}
	return false, nil
}

// readable reads a file that the script names. One that is not there is a
// warning, as a shell complains and goes on.
func (r *reader) readable(at syntax.Node, path string) (string, bool, error) {
	text, err := readFile(r.sibling(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		r.status = 1
		r.warn(at, "it reads %s, which cannot be read", path)
		return "", false, nil
	}
	if err != nil {
		return "", false, r.errorf(at, "it reads %s: %v", path, err)
	}
	return text, true, nil
}

func (r *reader) cat(c *syntax.CallExpr, args []string) error {
	if len(args) == 0 {
		if r.in == nil {
			return r.refuse(c, "the command cat without a file")
		}
		text, err := io.ReadAll(r.in)
		if err != nil {
			return err
		}
		return r.print(string(text))
	}
	status := 0
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			return r.refuse(c, "the command cat "+a)
		}
		text, ok, err := r.readable(c, a)
		if err != nil {
			return err
		}
		if !ok {
			status = 1
		}
		if err := r.print(text); err != nil {
			return err
		}
	}
	r.status = status
	return nil
}

// print hands text to $(...), or to the person.
func (r *reader) print(text string) error {
	if r.out != nil {
		_, err := io.WriteString(r.out, text)
		return err
	}
	if len(r.line)+len(text) > maxValue {
		return nil
	}
	lines := strings.Split(r.line+text, "\n")
	r.line = lines[len(lines)-1]
	for _, l := range lines[:len(lines)-1] {
		if l = visible(l); l != "" && len(r.said) < maxPrinted {
			r.said = append(r.said, l)
		}
	}
	return nil
}

// printed takes what was printed since the last question.
func (r *reader) printed() []string {
	said := r.said
	if l := visible(r.line); l != "" {
		said = append(said, l)
	}
	r.said, r.line = nil, ""
	return said
}

var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])`)

// visible is a line without what would disturb a terminal.
func visible(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return -1
		}
		return c
	}, escapes.ReplaceAllString(s, "")))
}

func (r *reader) echo(args []string) error {
	newline, escaped := "\n", false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, o := range args[0][1:] {
			switch o {
			case 'n':
				newline = ""
			case 'e':
				escaped = true
			case 'E':
				escaped = false
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escaped {
		t, _, err := expand.Format(r.cfg, strings.ReplaceAll(text, "%", "%%"), nil)
		if err != nil {
			return &Error{File: r.name, Msg: "echo -e: " + err.Error(), Advice: sourceIt}
		}
		text = t
	}
	return r.print(text + newline)
}

// wide finds a field width that would write kilobytes of blanks.
var wide = regexp.MustCompile(`%[-+ #0]*(\*|[0-9]{4,}|[0-9]*\.(\*|[0-9]{4,}))`)

func (r *reader) printf(c *syntax.CallExpr, args []string) (err error) {
	defer r.recovered(c, &err)
	into := ""
	if len(args) > 1 && args[0] == "-v" {
		into, args = args[1], args[2:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return nil
	}
	if wide.MatchString(args[0]) {
		return r.refuse(c, "this printf")
	}
	// The format is used again for as long as there are arguments.
	var b strings.Builder
	format, rest := args[0], args[1:]
	for {
		s, used, err := expand.Format(r.cfg, format, rest)
		if err != nil {
			return r.errorf(c, "printf: %v", err)
		}
		b.WriteString(s)
		if b.Len() > maxValue {
			return r.errorf(c, "what it prints is longer than any RC file's value")
		}
		if used == 0 || used >= len(rest) {
			break
		}
		rest = rest[used:]
	}
	if into != "" {
		if !syntax.ValidName(into) {
			return r.errorf(c, "%q is no variable's name", into)
		}
		return r.assign(into, b.String(), c.Pos())
	}
	return r.print(b.String())
}

// read asks what the file asks, unless the environment has the answer: the
// variable itself, or OS_PASSWORD for OS_PASSWORD_INPUT.
func (r *reader) read(c *syntax.CallExpr, args []string) error {
	echo, raw, question := true, false, ""
	var names []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if !strings.HasPrefix(a, "-") || a == "-" {
			names = append(names, a)
			continue
		}
		for j := 1; j < len(a); j++ {
			switch a[j] {
			case 's':
				echo = false
			case 'r':
				raw = true
			case 'e':
			case 'p', 't':
				value := a[j+1:]
				if value == "" && i+1 < len(args) {
					i++
					value = args[i]
				}
				if a[j] == 'p' {
					question = value
				}
				j = len(a)
			default:
				return r.refuse(c, "read "+a)
			}
		}
	}
	trim := true
	if ifs, ok := r.vars["IFS"]; ok && ifs.set && ifs.value == "" {
		trim = false
	}
	if len(names) == 0 {
		names, trim = []string{"REPLY"}, false
	}
	for _, n := range names {
		if !syntax.ValidName(n) {
			return r.errorf(c, "%q is no variable's name", n)
		}
	}
	line, known, err := r.answer(c, names, question, echo)
	if err != nil {
		return err
	}
	if !known {
		return r.assign(names[0], line, c.Pos())
	}
	if len(names) == 1 && trim {
		line = strings.Trim(line, " \t")
	}
	values := []string{line}
	if len(names) > 1 {
		values = expand.ReadFields(r.cfg, line, len(names), raw)
	} else if !raw {
		values[0] = unescape(line)
	}
	for i, n := range names {
		v := ""
		if i < len(values) {
			v = values[i]
		}
		if err := r.assign(n, v, c.Pos()); err != nil {
			return err
		}
	}
	return nil
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// answer returns the line that read reads. typed is false where it comes from
// the environment and is to be taken as it is.
func (r *reader) answer(c *syntax.CallExpr, names []string, question string, echo bool) (line string, typed bool, err error) {
	if r.in != nil {
		return r.inputLine()
	}
	return r.ask(c, names, question, echo)
}

// answerAt is answer for a variable of a file without a syntax tree.
func (r *reader) answerAt(at place, name, question string, echo bool) (string, bool, error) {
	return r.ask(at, []string{name}, question, echo)
}

func (r *reader) ask(at syntax.Node, names []string, question string, echo bool) (line string, typed bool, err error) {
	name := names[0]
	wanted := strings.TrimSuffix(name, "_INPUT")
	secret := !echo || strings.Contains(strings.ToUpper(name), "PASS") || strings.Contains(strings.ToUpper(name), "SECRET")
	if said := r.printed(); len(said) > 0 {
		question = strings.TrimSpace(strings.Join(append(said, question), "\n"))
	}
	if len(names) == 1 {
		known := []string{name, wanted}
		if secret && !strings.Contains(strings.ToUpper(name), "PASSCODE") && strings.Contains(strings.ToUpper(name), "PASS") {
			// Whatever the file calls it, this is what becomes OS_PASSWORD.
			known = append(known, "OS_PASSWORD")
		}
		for _, k := range known {
			if v := r.opts.Env[k]; v != "" {
				return v, false, nil
			}
		}
	}
	if !strings.HasPrefix(wanted, "OS_") && secret {
		wanted = "OS_PASSWORD"
	}
	if r.opts.Prompt == nil {
		e := r.errorf(at, "it asks for %s, and there is no terminal to ask on", wanted)
		e.Advice = "set " + wanted + " in the environment"
		return "", false, e
	}
	if question = visibleLines(question); question == "" {
		question = wanted + ":"
	}
	begin := time.Now()
	// A password typed in the open would stay on the screen, whatever the
	// file forgot.
	line, err = r.opts.Prompt.Prompt(r.ctx, question, !secret)
	r.until = r.until.Add(time.Since(begin))
	if err != nil {
		return "", false, fmt.Errorf("%s:%d: asking for %s: %w", r.name, at.Pos().Line(), wanted, err)
	}
	return line, true, nil
}

func visibleLines(s string) string {
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if l = visible(l); l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// inputLine reads a line of a file or of a here-document.
func (r *reader) inputLine() (string, bool, error) {
	var b strings.Builder
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			// The end of the input is no success, even after a last line
			// without an end.
			r.status = 1
			return b.String(), true, nil
		}
		if c == '\n' {
			return b.String(), true, nil
		}
		b.WriteByte(c)
	}
}

func (r *reader) source(c *syntax.CallExpr, args []string) error {
	if len(args) == 0 {
		return r.errorf(c, "source without a file")
	}
	path := r.sibling(args[0])
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// bash complains and goes on.
		r.status = 1
		r.warn(c, "it sources %s, which is not there", args[0])
		return nil
	}
	if err != nil {
		return r.errorf(c, "it sources %s: %v", args[0], err)
	}
	if len(args) > 1 {
		params := r.params
		r.params = args[1:]
		defer func() { r.params = params }()
	}
	return r.file(text, path)
}

// filters are the commands with which files pick names out of a listing of
// the variables.
var filters = []string{"grep", "egrep", "fgrep", "awk", "gawk", "mawk", "sed", "cut", "sort", "uniq", "tr", "paste", "xargs", "cat"}

var prefixPattern = regexp.MustCompile(`\b[A-Z][A-Z0-9]*_`)

// listing recognises a command that lists variables by their first letters,
// as `set | awk … /^OS_/ …`, `env | grep ^OS_ | cut -d= -f1` and
// `compgen -v OS_`, and returns what it prints: their names or, where nothing
// cuts the values off, NAME=value. Files use it to clear the environment.
func (r *reader) listing(s *syntax.Stmt) ([]string, bool) {
	commands, ok := pipeline(s)
	if !ok || len(commands) == 0 || len(commands) == 1 && commands[0].name != "compgen" {
		return nil, false
	}
	first, text, names := commands[0], "", false
	switch first.name {
	case "set", "env", "printenv", "export", "declare", "typeset":
		names = first.name == "export" || first.name == "declare" || first.name == "typeset"
	case "compgen":
		names, text = true, first.text
	default:
		return nil, false
	}
	for _, c := range commands[1:] {
		if !slices.Contains(filters, c.name) {
			return nil, false
		}
		text += " " + c.text
		switch c.name {
		case "awk", "gawk", "mawk", "cut", "sed":
			names = true
		case "grep", "egrep":
			names = names || strings.Contains(c.text, "-o")
		}
	}
	prefixes := prefixPattern.FindAllString(text, -1)
	if len(prefixes) == 0 {
		return nil, false
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.vars)) {
		v := r.vars[name]
		if !v.set || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if names {
			out = append(out, name)
		} else {
			out = append(out, name+"="+v.value)
		}
	}
	return out, true
}

// piped is a command of a pipe: its name, and the text of its arguments.
type piped struct{ name, text string }

// pipeline takes a pipe of simple commands apart.
func pipeline(s *syntax.Stmt) ([]piped, bool) {
	if s.Negated || s.Background || s.Coprocess {
		return nil, false
	}
	for _, red := range s.Redirs {
		if red.Word == nil || red.Word.Lit() != "/dev/null" {
			return nil, false
		}
	}
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		if c.Op != syntax.Pipe {
			return nil, false
		}
		left, ok1 := pipeline(c.X)
		right, ok2 := pipeline(c.Y)
		return append(left, right...), ok1 && ok2
	case *syntax.CallExpr:
		if len(c.Args) == 0 {
			return nil, false
		}
		text, ok := literals(c)
		return []piped{{c.Args[0].Lit(), text}}, ok
	case *syntax.DeclClause:
		text, ok := literals(c)
		return []piped{{c.Variant.Value, text}}, ok
	}
	return nil, false
}

// literals is all text in a command; false where it would run another.
func literals(n syntax.Node) (string, bool) {
	var b strings.Builder
	ok := true
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Lit:
			b.WriteString(n.Value + " ")
		case *syntax.SglQuoted:
			b.WriteString(n.Value + " ")
		case *syntax.CmdSubst, *syntax.ProcSubst:
			ok = false
		}
		return ok
	})
	return b.String(), ok
}
