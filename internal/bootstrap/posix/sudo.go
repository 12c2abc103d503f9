package posix

import (
	"regexp"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// Refusal is why sudo did not run a command.
type Refusal int

const (
	// NotRefused stands for output in which sudo refuses nothing.
	NotRefused Refusal = iota
	// WrongPassword means that it was given a password and did not accept it.
	WrongPassword
	// NeedsPassword means that it wants a password, or a terminal to ask for one.
	NeedsPassword
	// NotAllowed means that the user may not use it, or the machine does not have it.
	NotAllowed
)

// refusals are the words of sudo, of sudo-rs and of a shell that has no sudo.
var refusals = []struct {
	why   Refusal
	words func() *regexp.Regexp
}{
	{NotAllowed, text.Lazy(`is not in the sudoers file|sudo: (command )?not found|I'm afraid I can't do that|` +
		`Sorry, user .* (is not allowed to|may not run) `)},
	{WrongPassword, text.Lazy(`(?m)^sudo: .*incorrect (password|authentication) attempt|^Sorry, try again`)},
	{NeedsPassword, text.Lazy(`(?m)^sudo: .*(password|terminal|authentication|no tty present) `)},
}

// SudoRefusal finds sudo's refusal in the output of a command.
func SudoRefusal(output string) Refusal {
	for _, r := range refusals {
		if r.words().MatchString(output) {
			return r.why
		}
	}
	return NotRefused
}

// WantsTerminal reports whether sudo refused to work without a terminal
// (requiretty).
func WantsTerminal(output string) bool { return strings.Contains(output, "must have a tty") }
