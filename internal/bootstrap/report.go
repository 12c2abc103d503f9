package bootstrap

import (
	"context"
	"time"
)

// Reporter is told what happens. A nil Reporter in a [Config] is allowed.
type Reporter interface {
	Info(format string, args ...any)
	Warn(format string, args ...any)
	Debug(format string, args ...any)
	// Waiting is a sign of life: what is waited for, what was seen last, and
	// since when.
	Waiting(what, detail string, since time.Time)
}

type silent struct{}

func (silent) Info(string, ...any)               {}
func (silent) Warn(string, ...any)               {}
func (silent) Debug(string, ...any)              {}
func (silent) Waiting(string, string, time.Time) {}

// Prompter asks the person at the terminal. Where there is no terminal, leave
// the Prompter nil: then nothing is asked and what would have needed an answer
// fails with advice.
type Prompter interface {
	// Prompt shows question and returns the line typed, without its end.
	// With echo false the line is not shown.
	Prompt(ctx context.Context, question string, echo bool) (string, error)
}
