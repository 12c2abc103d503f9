package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Policy says how often and how patiently something is repeated. The zero
// value repeats nothing.
type Policy struct {
	// Attempts is how often it is tried in all; 0 means once.
	Attempts int
	// First is the pause after the first failure; it doubles up to Max. Each
	// pause is shortened at random by up to a half, so that many clients do
	// not come back at once.
	First, Max time.Duration
	// Budget bounds the time from the start to the last attempt; 0 means no
	// bound.
	Budget time.Duration
	// LongestAfter is the longest pause that a server may ask for; a longer
	// one ends the attempts with a [*TooLongError]. 0 means two minutes.
	LongestAfter time.Duration
	// OnPause is called before each pause; it may be nil.
	OnPause func(p Pause)
	// Clock is the time; nil means the real one.
	Clock Clock
}

// Default suits a service that answers within seconds when it is well:
// 6 attempts, pauses from 0.2 s to 10 s.
var Default = Policy{Attempts: 6, First: 200 * time.Millisecond, Max: 10 * time.Second}

const longestAfter = 2 * time.Minute

// Pause is a wait between two attempts.
type Pause struct {
	// Attempt is the number of the attempt that failed, from 1.
	Attempt int
	// For is how long the pause is.
	For time.Duration
	// Asked says that the server named the pause.
	Asked bool
	// Cause is why the attempt failed.
	Cause error
}

// Clock is time as a policy sees it.
type Clock interface {
	Now() time.Time
	// Sleep waits for d, or returns the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

type realClock struct{}

func (realClock) Now() time.Time                                   { return time.Now() }
func (realClock) Sleep(ctx context.Context, d time.Duration) error { return Sleep(ctx, d) }

// Sleep waits for d, or returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// TooLongError is a server that asked for a longer pause than the policy
// allows. It wraps the failure.
type TooLongError struct {
	After, Longest time.Duration
	Err            error
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("%v (the server asks to wait %s, more than the %s allowed)",
		e.Err, e.After.Round(time.Second), e.Longest.Round(time.Second))
}

// Unwrap returns the failure.
func (e *TooLongError) Unwrap() error { return e.Err }

// Attempts counts the failures of one operation.
type Attempts struct {
	policy Policy
	began  time.Time
	failed int
}

// Start begins to count; the budget of time runs from here.
func (p Policy) Start() *Attempts {
	if p.Clock == nil {
		p.Clock = realClock{}
	}
	if p.LongestAfter == 0 {
		p.LongestAfter = longestAfter
	}
	return &Attempts{policy: p, began: p.Clock.Now()}
}

// Failed is how many attempts have failed since the last [Attempts.Reset].
func (a *Attempts) Failed() int { return a.failed }

// Reset forgets the failures so far, as after progress. The budget runs on.
func (a *Attempts) Reset() { a.failed = 0 }

// Next returns the pause after a failure. after is what the server asked for,
// 0 for nothing. It returns cause, or a [*TooLongError] around it, when there
// is not to be repeated.
func (a *Attempts) Next(cause error, after time.Duration) (Pause, error) {
	a.failed++
	p := a.policy
	if a.failed >= p.Attempts {
		return Pause{}, cause
	}
	if after > p.LongestAfter {
		return Pause{}, &TooLongError{After: after, Longest: p.LongestAfter, Err: cause}
	}
	d := p.First << min(a.failed-1, 30)
	if d > p.Max || d < p.First {
		d = p.Max
	}
	d -= time.Duration(rand.Float64() * float64(d) / 2)
	pause := Pause{Attempt: a.failed, For: max(d, after), Asked: after >= d && after > 0, Cause: cause}
	if p.Budget > 0 && p.Clock.Now().Add(pause.For).Sub(a.began) > p.Budget {
		return Pause{}, cause
	}
	return pause, nil
}

// Wait makes the pause of [Attempts.Next]. It returns nil when the operation is
// to be tried again.
func (a *Attempts) Wait(ctx context.Context, cause error, after time.Duration) error {
	pause, err := a.Next(cause, after)
	if err != nil {
		return err
	}
	if a.policy.OnPause != nil {
		a.policy.OnPause(pause)
	}
	return a.policy.Clock.Sleep(ctx, pause.For)
}

// Do calls op until it succeeds, fails with an error that [Again] has not
// marked, or the policy ends; then it returns op's error.
func (p Policy) Do(ctx context.Context, op func(context.Context) error) error {
	attempts := p.Start()
	for {
		err := op(ctx)
		var again *againError
		if !errors.As(err, &again) {
			return err
		}
		if ctx.Err() != nil {
			return again.err
		}
		if err := attempts.Wait(ctx, again.err, again.after); err != nil {
			return err
		}
	}
}

type againError struct {
	err   error
	after time.Duration
}

func (e *againError) Error() string { return e.err.Error() }
func (e *againError) Unwrap() error { return e.err }

// Again marks an error of an operation under [Policy.Do] as one after which it
// may be repeated. after is the pause that the server asked for, 0 for none.
func Again(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &againError{err, after}
}
