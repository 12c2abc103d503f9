package source

import (
	"fmt"

	"github.com/galleyhq/galley/internal/text"
)

// Problem is an error that tells what to do about it.
type Problem struct {
	Msg, Advice string
	// Err is the cause, of which Msg tells what matters; may be nil.
	Err error
}

func (p *Problem) Error() string { return p.Msg }

func (p *Problem) Unwrap() error { return p.Err }

// Hint is the advice.
func (p *Problem) Hint() string { return p.Advice }

// NotLocked is the error of a cookbook that a lock, which has others, lacks.
func NotLocked(lock, name string, have []string) error {
	return &Problem{Msg: fmt.Sprintf("%s has no cookbook %s", lock, name), Advice: text.DidYouMean(name, have)}
}
