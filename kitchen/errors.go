package kitchen

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// NotCreatedError tells that an action needs a machine which the instance
// does not have. Nothing falls back to another host.
type NotCreatedError struct{ Instance string }

func (e *NotCreatedError) Error() string {
	return fmt.Sprintf("instance <%s> has not been created yet", e.Instance)
}

// Hint names the command that makes the machine.
func (e *NotCreatedError) Hint() string { return "run `galley create " + e.Instance + "` first" }

// NoAddressError tells that a machine exists whose address is not known. It
// is an error everywhere: an empty host would be the developer's own machine.
type NoAddressError struct{ Instance string }

func (e *NoAddressError) Error() string {
	return fmt.Sprintf("the address of instance <%s> is not known", e.Instance)
}

// Hint names the way back to a usable machine.
func (e *NoAddressError) Hint() string {
	return "run `galley create " + e.Instance + "` again: it checks the server and finishes or replaces it"
}

// MissingPluginError reports that an instance, or the kitchen, lacks a plug-in
// that an action needs.
type MissingPluginError struct {
	// Instance is the instance's name, "" for the kitchen.
	Instance string
	// Kind is the missing plug-in: "driver", "transport", "provisioner",
	// "verifier" or "store".
	Kind string
}

func (e *MissingPluginError) Error() string {
	if e.Instance == "" {
		return "the kitchen has no " + e.Kind
	}
	return fmt.Sprintf("instance <%s> has no %s", e.Instance, e.Kind)
}

// InterruptedError is the failure of a step that was cancelled.
type InterruptedError struct{ Err error }

func (e *InterruptedError) Error() string {
	return strings.ReplaceAll(e.Err.Error(), context.Canceled.Error(), "interrupted")
}
func (e *InterruptedError) Unwrap() error { return e.Err }

// ExitError tells that a command ran on a machine and failed.
type ExitError struct {
	Command string
	Status  int
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("SSH exited (%d) for command: [%s]", e.Status, e.Command)
}

// Class is the name under which the failure is in the state file (Test
// Kitchen: last_error).
func (e *ExitError) Class() string { return "Kitchen::Transport::SshFailed" }

// Failure is one instance's failed action.
type Failure struct {
	Instance *Instance
	Action   Action
	Err      error
}

// RunError is what [Kitchen.Run] returns when at least one instance failed.
type RunError struct {
	Failures []Failure
	// Skipped are the instances that were not begun, because the run was
	// cancelled or another failed and the request said FailFast.
	Skipped []*Instance
}

func (e *RunError) Error() string {
	var b strings.Builder
	noun := "actions"
	if len(e.Failures) == 1 {
		noun = "action"
	}
	fmt.Fprintf(&b, "%d %s failed", len(e.Failures), noun)
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "; %s failed on instance <%s>: %v", f.Action.Noun(), f.Instance.Name, f.Err)
	}
	return b.String()
}

// Unwrap returns the failures' errors.
func (e *RunError) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f.Err
	}
	return errs
}

// Hint returns the advice that an error, or one it wraps, has for the user
// at the keyboard; "" if there is none.
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Class is the name that the state file gives a failure, in Test Kitchen's
// words, which `kitchen list` shows.
func Class(err error) string {
	var c interface{ Class() string }
	if errors.As(err, &c) {
		return c.Class()
	}
	return "Kitchen::ActionFailed"
}

// MachineError reports that a machine cannot be reached for a reason that its
// driver knows.
type MachineError struct {
	Instance string
	Status   Status
	// Err is what the transport said.
	Err error
}

func (e *MachineError) Error() string {
	why := e.Status.Message
	switch {
	case e.Status.State == StateGone:
		why = "it is gone: " + why
	case why == "":
		why = "its status is " + e.Status.State
	case e.Status.Live != nil && !*e.Status.Live:
		why = "its status is " + e.Status.State + ": " + why
	}
	return fmt.Sprintf("the machine of <%s> cannot be reached: %s", e.Instance, why)
}

// Unwrap returns what the transport said.
func (e *MachineError) Unwrap() error { return e.Err }

// Hint says how to get a machine that works.
func (e *MachineError) Hint() string {
	return fmt.Sprintf("`galley create %s` starts, completes or recreates it", e.Instance)
}
