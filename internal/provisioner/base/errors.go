package base

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/galleyhq/galley/kitchen"
)

// CommandError says that a command ran on the machine and failed.
type CommandError struct {
	// What names the command for messages, as "chef-client".
	What string
	// Command is the shell code, without the environment around it.
	Command string
	Status  int
	// Tail are the last lines it wrote.
	Tail []string
	// Advice is what to do next, may be empty.
	Advice string
}

// WithoutOutput is the error for where the command's output was just shown.
func (e *CommandError) WithoutOutput() string {
	return fmt.Sprintf("%s ended with exit status %d", e.What, e.Status)
}

func (e *CommandError) Error() string {
	msg := e.WithoutOutput()
	if len(e.Tail) > 0 {
		msg += "; the end of its output:\n  " + strings.Join(e.Tail, "\n  ")
	}
	return msg
}

// Hint says what to do next.
func (e *CommandError) Hint() string {
	advice := cmp.Or(e.Advice, sudoAdvice(strings.Join(e.Tail, "\n")))
	if advice == "" && e.Status == killed {
		return "something killed it, most often the kernel for want of memory (`dmesg` on the machine tells): use a bigger flavor"
	}
	return advice
}

// killed is the status of a command that SIGKILL ended.
const killed = 128 + 9

// Class is the name of the failure in the state file (Test Kitchen:
// last_error).
func (e *CommandError) Class() string { return "Kitchen::ActionFailed" }

// Unwrap returns the failure as the engine knows it.
func (e *CommandError) Unwrap() error {
	return &kitchen.ExitError{Command: e.Command, Status: e.Status}
}

// tailLines is how much of a failed command's output goes into the error:
// enough for a client's own summary.
const tailLines = 15
