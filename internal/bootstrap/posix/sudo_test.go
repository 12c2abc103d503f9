package posix_test

import (
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
)

// The words are those of sudo 1.8 and 1.9, of sudo-rs 0.2 and of dash and bash.
func TestSudoRefusal(t *testing.T) {
	for output, want := range map[string]posix.Refusal{
		"":                                  posix.NotRefused,
		"the password was changed":          posix.NotRefused,
		"sudo: unable to resolve host web1": posix.NotRefused,
		"sudo: a password is required":      posix.NeedsPassword,
		"sudo: no tty present and no askpass program specified":                posix.NeedsPassword,
		"hello\nsudo: a terminal is required to read the password; either use": posix.NeedsPassword,
		"sudo: interactive authentication is required":                         posix.NeedsPassword,
		"Sorry, try again.\nsudo: no password was provided":                    posix.WrongPassword,
		"sudo: 3 incorrect password attempts":                                  posix.WrongPassword,
		"sudo: Maximum 3 incorrect authentication attempts":                    posix.WrongPassword,
		"kim is not in the sudoers file.":                                      posix.NotAllowed,
		"Sorry, user kim is not allowed to execute '/bin/sh' as root on web1.": posix.NotAllowed,
		"Sorry, user kim may not run sudo on web1.":                            posix.NotAllowed,
		"sudo: I'm sorry kim. I'm afraid I can't do that":                      posix.NotAllowed,
		"sh: 1: sudo: not found":                                               posix.NotAllowed,
		"bash: line 1: sudo: command not found":                                posix.NotAllowed,
	} {
		if got := posix.SudoRefusal(output); got != want {
			t.Errorf("%q: %d, want %d", output, got, want)
		}
	}
}
