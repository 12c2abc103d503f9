package openrc

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// quiet are commands that change how the user's own shell behaves or looks,
// not the exported variables.
var quiet = []string{
	"stty", "alias", "unalias", "shopt", "complete", "compopt", "umask", "trap", "clear", "reset", "tput", "hash", "bind",
	"ulimit", "enable", "history", "setopt", "unsetopt", "autoload", "sleep", "times", "wait", "jobs",
}

// wide finds a field width that would write kilobytes of blanks.
var wide = text.Lazy(`%[-+ #0]*(\*|[0-9]{4,}|[0-9]*\.(\*|[0-9]{4,}))`)

// call looks at every simple command before it runs, and returns the command
// to run in its place.
func (s *shell) call(ctx context.Context, args []string) ([]string, error) {
	name, hc := args[0], interp.HandlerCtx(ctx)
	if s.runner.Funcs[name] != nil {
		if s.calls++; s.calls > maxCalls {
			return nil, s.fail(s.tooMuch())
		}
		return args, nil
	}
	switch {
	case slices.Contains(quiet, name):
		return []string{":"}, nil
	case name == cmdRefuse:
		return nil, s.fail(s.refuse(args[1]))
	}
	switch name {
	case "eval":
		if s.depth++; s.depth > maxDepth {
			return nil, s.fail(s.tooMuch())
		}
		marked, err := s.marked(strings.Join(args[1:], " "), s.at.file)
		if err != nil {
			return nil, s.fail(err)
		}
		return []string{"eval", marked}, nil
	case "source", ".":
		return s.source(hc, args)
	case "read":
		return s.read(hc, args)
	case "set":
		return s.set(args), nil
	case "printf":
		if len(args) > 1 && args[1] == "--" {
			args = slices.Delete(slices.Clone(args), 1, 2)
		}
		if len(args) > 1 && (args[1] == "-v" || wide().MatchString(args[1])) {
			return nil, s.fail(s.refuse("this printf"))
		}
	case "[", "test":
		// The interpreter takes an operand that is like an operator for one.
		if i := len(args) - 1; len(args) >= 4 && (name == "test" && i == 3 || i == 4) && slices.Contains([]string{"=", "==", "!="}, args[2]) {
			args = slices.Clone(args)
			args[1], args[3] = "x"+args[1], "x"+args[3]
		}
	case "echo":
		// The interpreter takes the options one by one.
		if len(args) > 1 && (args[1] == "-ne" || args[1] == "-en") {
			return slices.Concat([]string{"echo", "-n", "-e"}, args[2:]), nil
		}
	case "exit", "return":
		s.ends(hc, args)
	case "exec":
		if len(args) > 1 {
			return nil, s.fail(s.refuse("the command exec"))
		}
	case "command", "builtin":
		if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
			return s.call(ctx, args[1:])
		}
	case "mapfile", "readarray", "getopts", "pushd", "popd", "caller", "compgen", "suspend", "logout", "kill", "fc", "fg", "bg":
		return nil, s.fail(s.refuse("the command " + name))
	}
	return args, nil
}

// ends notes that a file ends itself, and warns when it does so with an
// error.
func (s *shell) ends(hc interp.HandlerContext, args []string) {
	if s.current == nil || s.current.subshell || s.current.function && args[0] == "return" {
		return
	}
	s.exited = true
	status := hc.LastExitStatus
	if len(args) > 1 {
		status, _ = strconv.Atoi(args[1])
	}
	if status == 0 {
		return
	}
	said := strings.Join(s.printed(), " ")
	if said != "" {
		said = ", saying: " + said
	}
	s.warn("the file ends early, with status %d%s", status, said)
}

// source lets a file be sourced. One that is not there is a warning, as a
// shell complains and goes on.
func (s *shell) source(hc interp.HandlerContext, args []string) ([]string, error) {
	if len(args) < 2 {
		return nil, s.fail(s.errorf("source without a file"))
	}
	if _, ok := s.sourced[args[1]]; ok {
		return args, nil // the file itself
	}
	path := s.sibling(hc.Dir, args[1])
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.warn("it sources %s, which is not there", args[1])
		return []string{"false"}, nil
	}
	if err != nil {
		return nil, s.fail(s.errorf("it sources %s: %v", args[1], err))
	}
	marked, err := s.toSource(text, path)
	if err != nil {
		return nil, s.fail(err)
	}
	return slices.Concat([]string{".", marked}, args[2:]), nil
}

// sibling resolves the path of a file that another names. A shell looks in
// its current directory; the file's own folder comes second, for --rc with a
// path.
func (s *shell) sibling(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if p := filepath.Join(dir, path); exists(p) {
		return p
	}
	return filepath.Join(filepath.Dir(s.at.file), path)
}

// set passes on the options that matter to the exported variables and whether the
// file goes on.
func (s *shell) set(args []string) []string {
	out := []string{"set"}
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case (a == "-o" || a == "+o") && i+1 < len(args):
			i++
			if slices.Contains([]string{"allexport", "errexit", "nounset", "noglob"}, args[i]) {
				out = append(out, a, args[i])
			}
		case a == "--" || a == "" || a[0] != '-' && a[0] != '+':
			return append(out, args[i:]...)
		default:
			for _, c := range a[1:] {
				if strings.ContainsRune("aefu", c) {
					out = append(out, a[:1]+string(c))
				}
			}
		}
	}
	if len(out) == 1 {
		return []string{":"}
	}
	return out
}

func quote(v string) string { return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'" }

// readOptions are those of the command read.
type readOptions struct {
	silent, raw bool
	question    string
	// other is an option that is not supported.
	other string
}

// readArgs takes the arguments of the command read apart.
func readArgs(args []string) (o readOptions, names []string, ok bool) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		if !strings.HasPrefix(a, "-") || a == "-" {
			if a != "" {
				names = append(names, a)
			}
			continue
		}
		for j := 1; j < len(a); j++ {
			switch a[j] {
			case 's':
				o.silent = true
			case 'r':
				o.raw = true
			case 'e':
			case 'p', 't':
				value := a[j+1:]
				if value == "" && i+1 < len(args) {
					i++
					value = args[i]
				}
				if a[j] == 'p' {
					o.question = value
				}
				j = len(a)
			default:
				o.other = a
			}
		}
	}
	return o, names, o.other == ""
}

// read asks what the file asks, unless it reads a file or a here-document.
func (s *shell) read(hc interp.HandlerContext, args []string) ([]string, error) {
	o, names, ok := readArgs(args[1:])
	if !ok {
		return nil, s.fail(s.refuse("read " + o.other))
	}
	for _, n := range names {
		if !syntax.ValidName(n) {
			return nil, s.fail(s.errorf("%q is not the name of a variable", n))
		}
	}
	plain := []string{"read"}
	if o.raw {
		plain = append(plain, "-r")
	}
	plain = append(plain, names...)
	if hc.Stdin != io.Reader(s.in) {
		return plain, nil
	}
	name := "REPLY"
	if len(names) > 0 {
		name = names[0]
	}
	wanted := ""
	if s.current != nil {
		wanted = s.current.wanted[name]
	}
	var answer strings.Builder
	for {
		line, typed, err := s.ask(name, wanted, o.question, !o.silent, len(names) == 1)
		if err != nil {
			return nil, s.fail(err)
		}
		if !typed {
			return []string{"eval", name + "=" + quote(line)}, nil
		}
		answer.WriteString(line + "\n")
		// A backslash at the end asks for the rest of the line.
		if o.raw || (len(line)-len(strings.TrimRight(line, `\`)))%2 == 0 {
			break
		}
		o.question = ">"
	}
	if answer.Len() > maxAnswer {
		return nil, s.fail(s.errorf("the answer is longer than any password"))
	}
	if _, err := s.out.WriteString(answer.String()); err != nil {
		return nil, s.fail(s.errorf("%v", err))
	}
	return plain, nil
}

// exec carries out the few programs that a file uses to find its own folder,
// or who and where it is, as in $(cd "$(dirname "$0")" && pwd). All others are
// refused.
func (s *shell) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	name, args := args[0], args[1:]
	out := func(lines ...string) error {
		for _, l := range lines {
			if _, err := io.WriteString(hc.Stdout, l+"\n"); err != nil {
				return err
			}
		}
		return nil
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	switch {
	case name == cmdNames && len(args) > 1:
		return out(variables(hc.Env, args[0] == "true", args[1:])...)
	case name == "dirname" && len(args) == 1:
		return out(filepath.ToSlash(filepath.Dir(args[0])))
	case name == "basename" && (len(args) == 1 || len(args) == 2):
		base := filepath.Base(args[0])
		if len(args) == 2 && base != args[1] {
			base = strings.TrimSuffix(base, args[1])
		}
		return out(base)
	case (name == "readlink" || name == "realpath") && len(args) > 0:
		path := args[len(args)-1]
		if !filepath.IsAbs(path) {
			path = filepath.Join(hc.Dir, path)
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		return out(filepath.ToSlash(filepath.Clean(path)))
	case name == "whoami" && len(args) == 0, name == "id" && slices.Equal(args, []string{"-un"}):
		u, err := user.Current()
		if err != nil {
			return interp.ExitStatus(1)
		}
		return out(u.Username[strings.LastIndexByte(u.Username, '\\')+1:])
	case name == "cat":
		return s.cat(hc, args)
	}
	return s.fail(s.refuse("the command " + name))
}

// cat prints files, or what a redirection or here-document gives.
func (s *shell) cat(hc interp.HandlerContext, args []string) error {
	if len(args) == 0 {
		if hc.Stdin == io.Reader(s.in) {
			return s.fail(s.refuse("the command cat without a file"))
		}
		_, err := io.Copy(hc.Stdout, io.LimitReader(hc.Stdin, maxFile))
		return err
	}
	var status error
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			return s.fail(s.refuse("the command cat " + a))
		}
		text, err := readFile(s.sibling(hc.Dir, a))
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
			s.warn("it reads %s, which cannot be read", a)
			status = interp.ExitStatus(1)
		case err != nil:
			return s.fail(s.errorf("it reads %s: %v", a, err))
		default:
			if _, err := io.WriteString(hc.Stdout, text); err != nil {
				return err
			}
		}
	}
	return status
}

// variables lists the variables whose names begin with one of the prefixes, by
// name or as NAME=value.
func variables(env expand.Environ, values bool, prefixes []string) []string {
	found := map[string]string{}
	env.Each(func(name string, v expand.Variable) bool {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			if delete(found, name); v.IsSet() {
				found[name] = v.String()
			}
		}
		return true
	})
	var out []string
	for name, v := range found {
		if values {
			name += "=" + v
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
