package source

import (
	"context"
	"errors"
	"os"

	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
)

// Words are the names that a Policyfile or a Berksfile may call. Unknown is the
// last name that it called and that does not exist.
type Words struct {
	Known   []string
	Unknown string
}

// Eval evaluates a Policyfile or a Berksfile for a host, which begin makes: a
// file that is handed to the ruby of the machine begins again with a new one.
func (c *Context) Eval(ctx context.Context, file string, begin func() (ruby.Host, *Words)) (*ruby.Interp, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var words *Words
	in, err := ruby.EvalFile(ctx, string(src), file, func() ruby.Config {
		var host ruby.Host
		host, words = begin()
		return ruby.Config{Env: c.Env.Clone(), Dir: c.Dir, AllowExec: c.AllowExec, Host: host}
	})
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var own *Problem
	if errors.As(err, &own) {
		return nil, own
	}
	var re *ruby.Error
	if errors.As(err, &re) && words.Unknown != "" && (re.Class == "NameError" || re.Class == "NoMethodError") && re.Hint() == "" {
		re.SetHint(text.DidYouMean(words.Unknown, words.Known))
	}
	return in, err
}
