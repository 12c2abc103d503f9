package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/ruby"
)

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
