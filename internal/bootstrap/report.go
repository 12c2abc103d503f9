package bootstrap

import (
	"context"
	"time"
)

// Reporter receives what happens. A nil Reporter in a [Config] is allowed.
type Reporter interface {
	Info(format string, args ...any)
	Warn(format string, args ...any)
	Debug(format string, args ...any)
	// Waiting reports a wait: its name, its state, and when it began.
	Waiting(what, detail string, since time.Time)
}

// Reporting returns r, or a Reporter that discards everything where r is nil.
func Reporting(r Reporter) Reporter {
	if r == nil {
		return silent{}
	}
	return r
}

type silent struct{}

func (silent) Info(string, ...any)               {}
func (silent) Warn(string, ...any)               {}
func (silent) Debug(string, ...any)              {}
func (silent) Waiting(string, string, time.Time) {}

// Prompter asks the user at the terminal. Without a terminal, leave
// the Prompter nil: then nothing is asked and what would have needed an answer
// fails with advice.
type Prompter interface {
	// Prompt shows question and returns the line typed, without its end.
	// With echo false the line is not shown.
	Prompt(ctx context.Context, question string, echo bool) (string, error)
}
