package openrc

import (
	"os"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

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
		if comparison(args[1]) {
			return r.compare(c, args[0], args[1], args[2])
		}
	}
	if args[0] == "(" && args[len(args)-1] == ")" && !strings.Contains(strings.Join(args[1:len(args)-1], " "), "(") {
		return r.test(c, args[1:len(args)-1])
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
	case "-e", "-a", "-f", "-r", "-w", "-x", "-s", "-d":
		info, err := os.Stat(r.sibling(arg))
		if arg == "" || err != nil {
			return false, nil
		}
		switch op {
		case "-f":
			return info.Mode().IsRegular(), nil
		case "-d":
			return info.IsDir(), nil
		case "-s":
			return info.Size() > 0, nil
		case "-x":
			return info.Mode().Perm()&0o111 != 0, nil
		}
		return true, nil
	case "-h", "-L":
		info, err := os.Lstat(r.sibling(arg))
		return arg != "" && err == nil && info.Mode()&os.ModeSymlink != 0, nil
	case "-o":
		return arg == "allexport" && r.allExport, nil
	}
	return false, r.refuse(at, "the test "+op)
}

func comparison(op string) bool {
	switch op {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
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
			r.warn(at, "[ %s %s %s ] compares what are no numbers", visible(x), op, visible(y))
			return false, nil
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
	if !ok1 || !ok2 {
		return false, r.refuse(x, "this test")
	}
	left, err := r.word(xw)
	if err != nil {
		return false, err
	}
	switch x.Op {
	case syntax.TsReMatch:
		return r.found(yw, left)
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
