package config

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/galleyhq/galley/internal/ruby"
)

// pattern is a Ruby regular expression of includes or excludes.
type pattern struct {
	re *regexp.Regexp
	// in holds the expression in $re when Go's own cannot stand for it.
	in    *ruby.Interp
	match *ruby.Program
}

// reCommon are expressions that mean the same to Go and to Ruby once ^ and $
// are lines: no lookaround, no bounds, no POSIX or nested classes, and only
// the commonest escapes.
var reCommon = regexp.MustCompile(`^(?:[A-Za-z0-9 _.,:;^$|)*+?/"'<>=~!@#%-]|\((?:$|[^?])|\[\^?(?:[A-Za-z0-9_.,-]|\\[dws.-])+\]|\\[dwsDWSAz./+*?()-])*$`)

// compilePattern compiles what a kitchen file has between slashes, with the
// flags i and x.
func compilePattern(src string, ignoreCase, extended bool) (*pattern, error) {
	if reCommon.MatchString(src) && !extended {
		flags := "(?m"
		if ignoreCase {
			flags += "i"
		}
		if re, err := regexp.Compile(flags + ")" + src); err == nil {
			return &pattern{re: re}, nil
		}
	}
	in := ruby.New(ruby.Config{})
	in.SetGlobal("$src", ruby.NewString(src))
	options := "0"
	if ignoreCase {
		options += " | Regexp::IGNORECASE"
	}
	if extended {
		options += " | Regexp::EXTENDED"
	}
	if _, err := in.Eval(context.Background(), "$re = Regexp.new($src, "+options+"); nil", "regexp"); err != nil {
		var re *ruby.Error
		if errors.As(err, &re) {
			return nil, errors.New(strings.TrimSpace(re.Message))
		}
		return nil, err
	}
	match, err := ruby.Parse("$re.match?($name)", ruby.Options{File: "regexp"})
	if err != nil {
		return nil, err
	}
	return &pattern{in: in, match: match}, nil
}

// matches says whether the expression is found in the name.
func (p *pattern) matches(name string) (bool, error) {
	if p.re != nil {
		return p.re.MatchString(name), nil
	}
	p.in.SetGlobal("$name", ruby.NewString(name))
	v, err := p.in.Run(context.Background(), p.match)
	if err != nil {
		return false, err
	}
	return v == ruby.Value(true), nil
}
