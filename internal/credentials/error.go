package credentials

// Error is a setting of the credentials that cannot be right.
type Error struct {
	// What cannot be done, Said why not.
	What, Said string

	hint string
}

// Error has the form "cannot log in: why not".
func (e *Error) Error() string { return "cannot " + e.What + ": " + e.Said }

// Hint says what to do next, "" for nothing.
func (e *Error) Hint() string { return e.hint }

func invalid(what, said, hint string) error { return &Error{what, said, hint} }
