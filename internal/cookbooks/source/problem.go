package source

import (
	"fmt"
	"io/fs"

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

// NoFile is the error of a Policyfile or Berksfile that is not there.
func NoFile(kind, file string) error {
	return &Problem{
		Msg: fmt.Sprintf("the %s %s does not exist", kind, file), Advice: "name the " + kind + ", or go to the folder that has it",
		Err: fs.ErrNotExist,
	}
}

// NoLock is the error of a lock that is not there.
func NoLock(file string) error {
	return &Problem{Msg: "the lock " + file + " does not exist", Advice: "make it with `galley deps install`", Err: fs.ErrNotExist}
}

// NotLocked is the error of a cookbook that a lock, which has others, lacks.
func NotLocked(lock, name string, have []string) error {
	return &Problem{Msg: fmt.Sprintf("%s has no cookbook %s", lock, name), Advice: text.DidYouMean(name, have)}
}
