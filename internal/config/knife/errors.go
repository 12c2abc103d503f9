package knife

import (
	"errors"

	"github.com/galleyhq/galley/internal/ruby"
	shared "github.com/galleyhq/galley/internal/text"
)

// Error is a fault in what the user wrote, or in a place that was named and
// is not there.
type Error struct {
	// File is the file at fault, "" when none is; --config-option means
	// the command line.
	File string
	// Line and Column count from 1; 0 is unknown.
	Line, Column int
	// Msg describes the fault: lower case, no full stop.
	Msg string
	// Advice is what to do next, "" when there is nothing to add.
	Advice string
	// Err is the cause, may be nil.
	Err error
}

// Error has the form "knife.rb:3:5: message".
func (e *Error) Error() string {
	return shared.Place(e.File, e.Line, e.Column) + e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what to do next.
func (e *Error) Hint() string { return e.Advice }

const (
	plainerAdvice = "Galley evaluates the part of Ruby that such files are written in: write the line plainer, or move the settings to ~/.chef/credentials, or name another file with --config"
	ownAdvice     = "the file itself ends here: give it what it asks for, or name another file with --config"
)

// rubyError makes an *Error of what the evaluation of a file ended with.
func rubyError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var e *ruby.Error
	if !errors.As(err, &e) {
		return err
	}
	out := &Error{File: e.File, Line: e.Line, Column: e.Col, Msg: e.Message, Err: err}
	switch e.Kind {
	case ruby.SyntaxError:
		out.Msg = "this is not Ruby: " + e.Message
		out.Advice = "Ruby itself refuses it, too: mend the line, or name another file with --config"
	case ruby.Unsupported:
		out.Advice = plainerAdvice
	case ruby.Refused:
		out.Advice = e.Hint()
		if out.Advice == "" {
			out.Advice = plainerAdvice
		}
	case ruby.Raised:
		if e.Class != "" {
			out.Msg += " (" + e.Class + ")"
		}
		switch e.Class {
		case "NameError", "NoMethodError", "LoadError":
			out.Advice = plainerAdvice
		default:
			out.Advice = ownAdvice
		}
	}
	return out
}
