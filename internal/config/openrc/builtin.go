package openrc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// call carries out a simple command.
func (r *reader) call(c *syntax.CallExpr) error {
	if len(c.Args) == 0 {
		r.status = 0
		for _, a := range c.Assigns {
			if err := r.assignment(a); err != nil {
				return err
			}
		}
		return nil
	}
	if name := c.Args[0].Lit(); name == "unset" && mentionsClearing(c.Args[1:]) {
		r.clear()
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
	return r.builtin(c, args[0], args[1:])
}

func (r *reader) builtin(c *syntax.CallExpr, name string, args []string) error {
	r.status = 0
	switch name {
	case "echo", "printf":
		return r.print(name, args)
	case "unset":
		for _, a := range args {
			if !strings.HasPrefix(a, "-") {
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
		ok, err := r.test(c, args)
		return r.verdict(ok, err)
	case ":", "true":
		return nil
	case "false":
		r.status = 1
		return nil
	case "exit", "return":
		return errStop
	case "set":
		for _, a := range args {
			if strings.HasPrefix(a, "-") && strings.Contains(a, "a") || a == "allexport" {
				r.allExport = true
			}
			if strings.HasPrefix(a, "+") && strings.Contains(a, "a") {
				r.allExport = false
			}
		}
		return nil
	case "stty", "alias", "unalias", "shopt", "complete", "umask", "trap", "clear", "hash":
		// These change how the person's own shell behaves, not what is
		// exported.
		return nil
	case "export", "declare", "typeset", "readonly":
		// The parser knows these, unless they are spelt in an odd way.
		return r.refuse(c, name+" spelt like this")
	case "command", "builtin":
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			return r.builtin(c, args[0], args[1:])
		}
	}
	if r.out != nil {
		if done, err := r.pathBuiltin(c, name, args); done {
			return err
		}
	}
	return r.refuse(c, "the command "+name)
}

// pathBuiltin are the commands with which a file finds its own folder, as in
// $(cd "$(dirname "$0")" && pwd).
func (r *reader) pathBuiltin(c *syntax.CallExpr, name string, args []string) (bool, error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	switch {
	case name == "dirname" && len(args) == 1:
		fmt.Fprintln(r.out, filepath.ToSlash(filepath.Dir(args[0])))
	case name == "basename" && len(args) == 1:
		fmt.Fprintln(r.out, filepath.Base(args[0]))
	case name == "pwd":
		abs, err := filepath.Abs(r.dir)
		if err != nil {
			return true, r.errorf(c, "%v", err)
		}
		fmt.Fprintln(r.out, abs)
	case name == "cd" && len(args) == 1:
		// The file's name is relative to the process, a path below it too.
		r.dir = args[0]
	case (name == "readlink" || name == "realpath") && len(args) > 0:
		abs, err := filepath.Abs(args[len(args)-1])
		if err != nil {
			return true, r.errorf(c, "%v", err)
		}
		fmt.Fprintln(r.out, abs)
	default:
		return false, nil
	}
	return true, nil
}

// print is echo and printf. What is printed outside of $(...) is the question
// that a following read asks.
func (r *reader) print(name string, args []string) error {
	newline := "\n"
	text := ""
	if name == "printf" {
		if len(args) == 0 {
			return nil
		}
		s, _, err := expand.Format(r.cfg, args[0], args[1:])
		if err != nil {
			return &Error{File: r.name, Msg: "printf: " + err.Error()}
		}
		text, newline = s, ""
	} else {
		for len(args) > 0 && (args[0] == "-n" || args[0] == "-e" || args[0] == "-ne" || args[0] == "-en") {
			if strings.Contains(args[0], "n") {
				newline = ""
			}
			args = args[1:]
		}
		text = strings.Join(args, " ")
	}
	if r.out != nil {
		_, err := fmt.Fprint(r.out, text+newline)
		return err
	}
	if text = strings.TrimSpace(text); text != "" && len(r.said) < 20 {
		r.said = append(r.said, text)
	}
	return nil
}

// read asks what the file asks, unless the environment has the answer: the
// variable itself, or OS_PASSWORD for OS_PASSWORD_INPUT.
func (r *reader) read(c *syntax.CallExpr, args []string) error {
	echo, question := true, strings.Join(r.said, "\n")
	r.said = nil
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
			case 'r', 'e':
			case 'p':
				if question = a[j+1:]; question == "" && i+1 < len(args) {
					i++
					question = args[i]
				}
				j = len(a)
			default:
				return r.refuse(c, "read "+a)
			}
		}
	}
	if len(names) != 1 {
		return r.refuse(c, "read of several words")
	}
	name := names[0]
	for _, known := range []string{name, strings.TrimSuffix(name, "_INPUT")} {
		if v := r.opts.Env[known]; v != "" {
			return r.assign(name, v, c.Pos())
		}
	}
	if r.opts.Prompt == nil {
		e := r.errorf(c, "it asks for %s, and there is no terminal to ask on", strings.TrimSuffix(name, "_INPUT")).(*Error)
		e.Advice = "set " + strings.TrimSuffix(name, "_INPUT") + " in the environment"
		return e
	}
	if question == "" {
		question = name
	}
	// A password typed in the open would stay on the screen, whatever the
	// file forgot.
	if strings.Contains(strings.ToUpper(name), "PASS") || strings.Contains(strings.ToUpper(name), "SECRET") {
		echo = false
	}
	line, err := r.opts.Prompt.Prompt(r.ctx, question, echo)
	if err != nil {
		return fmt.Errorf("%s:%d: asking for %s: %w", r.name, c.Pos().Line(), name, err)
	}
	return r.assign(name, line, c.Pos())
}

func (r *reader) source(c *syntax.CallExpr, args []string) error {
	if len(args) != 1 {
		return r.refuse(c, "source with arguments")
	}
	path := sibling(r.name, args[0])
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// bash complains and goes on.
		r.status = 1
		r.warnings = append(r.warnings, fmt.Sprintf("%s:%d: it sources %s, which is not there", r.name, c.Pos().Line(), args[0]))
		return nil
	}
	if err != nil {
		return r.errorf(c, "it sources %s: %v", args[0], err)
	}
	return r.file(text, path)
}

// test is [ ... ].
func (r *reader) test(c *syntax.CallExpr, args []string) (bool, error) {
	// By the number of arguments, as POSIX has it: "!" and "(" may be data.
	switch len(args) {
	case 0:
		return false, nil
	case 1:
		return args[0] != "", nil
	case 2:
		if args[0] == "!" {
			return args[1] == "", nil
		}
		return r.unary(c, args[0], args[1])
	case 3:
		if args[1] == "-a" || args[1] == "-o" {
			break
		}
		if args[0] == "!" {
			ok, err := r.test(c, args[1:])
			return !ok, err
		}
		return r.compare(c, args[0], args[1], args[2])
	}
	for _, op := range []string{"-o", "-a"} { // -a binds closer
		for i, a := range args {
			if a != op || i == 0 || i == len(args)-1 {
				continue
			}
			left, err := r.test(c, args[:i])
			if err != nil {
				return false, err
			}
			right, err := r.test(c, args[i+1:])
			if err != nil {
				return false, err
			}
			if op == "-o" {
				return left || right, nil
			}
			return left && right, nil
		}
	}
	if args[0] == "!" {
		ok, err := r.test(c, args[1:])
		return !ok, err
	}
	return false, r.refuse(c, "this test")
}

func (r *reader) unary(at syntax.Node, op, arg string) (bool, error) {
	switch op {
	case "-z":
		return arg == "", nil
	case "-n":
		return arg != "", nil
	case "-v":
		return r.vars[arg].set, nil
	case "-t":
		return r.opts.Prompt != nil, nil
	case "-e", "-f", "-r", "-s", "-d":
		info, err := os.Stat(sibling(r.name, arg))
		if err != nil {
			return false, nil
		}
		switch op {
		case "-f":
			return info.Mode().IsRegular(), nil
		case "-d":
			return info.IsDir(), nil
		case "-s":
			return info.Size() > 0, nil
		}
		return true, nil
	}
	return false, r.refuse(at, "the test "+op)
}

func (r *reader) compare(at syntax.Node, x, op, y string) (bool, error) {
	switch op {
	case "=", "==":
		return x == y, nil
	case "!=":
		return x != y, nil
	case "<":
		return x < y, nil
	case ">":
		return x > y, nil
	}
	a, err1 := strconv.Atoi(strings.TrimSpace(x))
	b, err2 := strconv.Atoi(strings.TrimSpace(y))
	switch op {
	case "-eq", "-ne", "-lt", "-le", "-gt", "-ge":
		if err1 != nil || err2 != nil {
			return false, r.errorf(at, "[ %s %s %s ] compares what are no numbers", x, op, y)
		}
	}
	switch op {
	case "-eq":
		return a == b, nil
	case "-ne":
		return a != b, nil
	case "-lt":
		return a < b, nil
	case "-le":
		return a <= b, nil
	case "-gt":
		return a > b, nil
	case "-ge":
		return a >= b, nil
	}
	return false, r.refuse(at, "the test "+op)
}

// testExpr is [[ ... ]].
func (r *reader) testExpr(x syntax.TestExpr) (bool, error) {
	switch x := x.(type) {
	case *syntax.Word:
		s, err := r.word(x)
		return s != "", err
	case *syntax.ParenTest:
		return r.testExpr(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			ok, err := r.testExpr(x.X)
			return !ok, err
		}
		w, ok := x.X.(*syntax.Word)
		if !ok {
			return false, r.refuse(x, "this test")
		}
		s, err := r.word(w)
		if err != nil {
			return false, err
		}
		return r.unary(x, x.Op.String(), s)
	case *syntax.BinaryTest:
		return r.binaryTest(x)
	}
	return false, r.refuse(x, "this test")
}

func (r *reader) binaryTest(x *syntax.BinaryTest) (bool, error) {
	if x.Op == syntax.AndTest || x.Op == syntax.OrTest {
		left, err := r.testExpr(x.X)
		if err != nil || left == (x.Op == syntax.OrTest) {
			return left, err
		}
		return r.testExpr(x.Y)
	}
	xw, ok1 := x.X.(*syntax.Word)
	yw, ok2 := x.Y.(*syntax.Word)
	if !ok1 || !ok2 || x.Op == syntax.TsReMatch {
		return false, r.refuse(x, "this test")
	}
	left, err := r.word(xw)
	if err != nil {
		return false, err
	}
	switch x.Op {
	case syntax.TsMatchShort, syntax.TsMatch, syntax.TsNoMatch:
		ok, err := r.matches(yw, left)
		return ok != (x.Op == syntax.TsNoMatch), err
	}
	right, err := r.word(yw)
	if err != nil {
		return false, err
	}
	return r.compare(x, left, x.Op.String(), right)
}

// matches says whether a glob pattern fits a whole string.
func (r *reader) matches(p *syntax.Word, s string) (bool, error) {
	if err := r.bounded(p); err != nil {
		return false, err
	}
	pat, err := expand.Pattern(r.cfg, p)
	if err != nil {
		return false, r.located(p, err)
	}
	fits, err := pattern.Regexp(pat, pattern.EntireString)
	if err != nil {
		return false, r.errorf(p, "the pattern %q: %v", pat, err)
	}
	return fullMatch(fits, s), nil
}
