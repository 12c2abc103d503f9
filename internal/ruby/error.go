package ruby

import "github.com/galleyhq/galley/internal/text"

// Kind tells what sort of failure an [Error] is.
type Kind int

const (
	// SyntaxError means that the text is not Ruby. Ruby itself refuses it, too.
	SyntaxError Kind = iota + 1
	// Raised means that the program raised an exception that nothing rescued; Error.Class names it.
	Raised
	// Unsupported means that Ruby knows the construct and this package does not.
	Unsupported
	// Refused means that the program asked for something that it may not do
	// here, such as running a command or writing a file.
	Refused
	// LimitExceeded means that the program ran out of steps, depth, memory or time.
	LimitExceeded
	// Internal means a defect of this package.
	Internal
)

// Error is the failure of reading or running a program. Every error of [Parse] and [Interp.Run] is one, found with
// errors.As.
type Error struct {
	Kind Kind
	// File, Line and Col (both counted from 1; Col in characters) tell where in the source; Line 0 means unknown.
	File string
	Line int
	Col  int
	// Class is Ruby's name of the exception, such as "NoMethodError" or "SyntaxError".
	Class string
	// Message is the exception's message in Ruby's own words, or ours where Ruby has none.
	Message string
	// Construct is the offending text or the name of the construct, where there is one.
	Construct string
	// Err is the cause, such as the context's error, or nil.
	Err error

	hint string
}

// Error gives "file:line:col: message (Class)".
func (e *Error) Error() string {
	return text.Place(e.File, e.Line, e.Col) + e.Message + when(e.Class != "" && e.Kind == Raised, " ("+e.Class+")")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// SetHint gives the error another hint.
func (e *Error) SetHint(hint string) { e.hint = hint }

// Hint says what the user can do about it, or "".
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	if e.Kind == Unsupported {
		return "where a ruby is installed, `--erb ruby` lets it render the file"
	}
	return ""
}
