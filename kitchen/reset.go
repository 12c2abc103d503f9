package kitchen

import (
	"context"
	"errors"
	"fmt"
)

// Resetter is a Driver that can give an existing machine a fresh system and
// keep its identity and its addresses.
type Resetter interface {
	// Reset returns when the machine has been started on its fresh system. That
	// it was asked for is recorded durably before, so that the next Reset,
	// Create or Destroy finds an unfinished one and finishes or removes it. A
	// machine that is left as it was is a *[CannotResetError].
	Reset(ctx context.Context, step *Step) error
}

// CannotResetError tells that a machine cannot be reset, and was left as it
// was.
type CannotResetError struct {
	Instance string
	Err      error
}

func (e *CannotResetError) Error() string {
	return fmt.Sprintf("cannot reset instance <%s>: %v", e.Instance, e.Err)
}

// Unwrap returns the reason.
func (e *CannotResetError) Unwrap() error { return e.Err }

// Hint is that of the reason, else the longer way to a clean machine.
func (e *CannotResetError) Hint() string {
	if hint := Hint(e.Err); hint != "" {
		return hint
	}
	return fmt.Sprintf("`galley destroy %s` and `galley create %s` give a clean machine", e.Instance, e.Instance)
}

// reset gives the instance's machine a fresh system and waits until it can be
// used. The state has no last action from before the request until the end:
// whatever finds it then begins with a create, which finishes the reset.
func (s *session) reset(ctx context.Context, step *Step) error {
	if s.state.String(KeyServerID) == "" && s.state.String(KeyHostname) == "" {
		return &NotCreatedError{Instance: s.instance.Name}
	}
	s.close()
	last := s.state.Get(KeyLastAction)
	s.state.Delete(KeyLastAction)
	if err := s.state.Save(); err != nil {
		return err
	}
	err := s.instance.Driver.(Resetter).Reset(ctx, step)
	var unchanged *CannotResetError
	if errors.As(err, &unchanged) && last != nil {
		s.state.Set(KeyLastAction, last)
	}
	if err != nil {
		return err
	}
	if err := s.makeReady(ctx, step); err != nil {
		return s.detailed(ctx, step, err)
	}
	return nil
}
