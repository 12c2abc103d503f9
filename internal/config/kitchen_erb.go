package config

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config/erb"
	"github.com/galleyhq/galley/internal/ruby"
)

// newEvaluator makes the renderer of this program.
func newEvaluator(l *loader) renderer {
	return &evaluator{in: ruby.New(ruby.Config{
		Env: l.env, Dir: l.root, AllowExec: l.opts.AllowExec, Stdout: l.opts.Output, Require: l.ignoreGem,
	})}
}

// ignoreGem tells whether a required library is one that Test Kitchen's own
// plug-ins need; its absence is a warning, and what fails is the use of its
// constants.
func (l *loader) ignoreGem(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "kitchen", "mixlib", "chef", "poise_boiler", "kitchen-sync":
	default:
		if !strings.HasPrefix(first, "kitchen-") {
			return false
		}
	}
	p := Problem{
		File: l.current, Code: "gem", Msg: "the gem " + name + " is not loaded",
		Advice: "Galley needs no gems; a constant of the gem is unknown",
	}
	if !slices.Contains(l.warnings, p) {
		l.warnings = append(l.warnings, p)
	}
	return true
}

// evaluator renders with the built-in evaluator.
type evaluator struct {
	in *ruby.Interp
}

func (e *evaluator) close() {}

func (e *evaluator) render(ctx context.Context, path, _, src string) (*rendering, error) {
	res, err := erb.Render(ctx, src, path, e.in)
	if err != nil {
		return nil, err
	}
	made := codeLines(src)
	return &rendering{
		text:   res.Text,
		lineOf: res.TemplateLine,
		code: func(n int) (bool, []string) {
			if n < 1 || n > len(res.Lines) {
				return false, nil
			}
			l := res.Lines[n-1]
			return made[l.Template] || len(l.Env) > 0, l.Env
		},
	}, nil
}

// codeLines are the lines of a template that have a tag, or a part of one.
func codeLines(src string) map[int]bool {
	out := map[int]bool{}
	line, inCode := 1, false
	for i := 0; i < len(src); i++ {
		switch {
		case src[i] == '\n':
			line++
		case strings.HasPrefix(src[i:], "<%%"), strings.HasPrefix(src[i:], "%%>"):
			i += 2
		case !inCode && strings.HasPrefix(src[i:], "<%"):
			inCode = true
		case inCode && strings.HasPrefix(src[i:], "%>"):
			inCode = false
			out[line] = true
		}
		if inCode {
			out[line] = true
		}
	}
	return out
}

// rubyError makes an [Error] of what went wrong in a template.
func rubyError(err error, path, display string) error {
	var re *ruby.Error
	if !errors.As(err, &re) {
		return &Error{File: display, Msg: "ERB: " + err.Error(), Err: err}
	}
	e := &Error{File: display, Line: re.Line, Column: re.Col, Err: re, Advice: re.Hint()}
	e.Msg = "ERB: " + strings.ReplaceAll(re.Message, path, display)
	if re.Class != "" && re.Kind == ruby.Raised {
		e.Msg += " (" + re.Class + ")"
	}
	if re.File != "" && re.File != path && re.File != display {
		e.File, e.Advice = re.File, strings.TrimSpace("it is used by "+display+" "+e.Advice)
	}
	if re.Construct != "" && !strings.Contains(e.Msg, re.Construct) {
		e.Text = re.Construct
	}
	return e
}
