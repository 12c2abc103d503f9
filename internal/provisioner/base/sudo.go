package base

import (
	"bytes"
	"path"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Sudo prefixes a command with sudo where that is configured. The result is
// shell code for [Machine.Run] and its kin, which know how to answer sudo.
func (s *Settings) Sudo(command string) string {
	if s.sudo == "" {
		return command
	}
	return "galley_sudo " + command
}

// SudoPassword is the password for sudo, by default that of the login; ""
// where sudo is off.
func (s *Settings) SudoPassword(login string) secret.Text {
	switch {
	case s.sudo == "":
		return ""
	case s.sudoPassword != "":
		return s.sudoPassword
	}
	return secret.Text(login)
}

// SudoCode is shell code that ends a script where sudo does not work, so that
// its refusal is known before any file is sent; "" without sudo.
func (s *Settings) SudoCode() string {
	if s.sudo == "" {
		return ""
	}
	return s.Sudo("true") + " </dev/null >&2 || exit\n"
}

// sudoSetup is shell code that defines what [Settings.Sudo] uses. sudo never
// asks: without a password it fails at once (-n), with one it reads it from
// standard input (-S), unless the user needs none. The password is in a shell
// variable, never on a command line.
func (s *Settings) sudoSetup(password bool) string {
	if s.sudo == "" {
		return ""
	}
	program, options, _ := strings.Cut(s.sudo, " ")
	if path.Base(program) != "sudo" {
		return "galley_sudo() { " + s.sudo + " \"$@\"; }\n"
	}
	quiet := program + " -n " + options
	if !password {
		return "galley_sudo() { " + quiet + " \"$@\"; }\n"
	}
	return `IFS= read -r galley_secret
galley_sudo() {
if [ -z "${galley_asks:-}" ]; then
if ` + program + ` -n true 2>/dev/null; then galley_asks=no; else galley_asks=yes; fi
fi
if [ "$galley_asks" = no ]; then ` + quiet + ` "$@"; return; fi
printf '%s\n' "$galley_secret" | ` + program + ` -S -k -p '' ` + options + ` "$@"
}
`
}

// sudoAdvice is what to do about a refusal of sudo in the output of a command,
// "" where there is none.
func sudoAdvice(output string) string {
	switch posix.SudoRefusal(output) {
	case posix.WrongPassword:
		return "sudo does not accept the password: check sudo_password, or the transport's password"
	case posix.NeedsPassword:
		return "sudo wants a password: give it as sudo_password (or password of the transport), let the login user do without (NOPASSWD), " +
			"log in as root, or switch sudo off (sudo: false)"
	case posix.NotAllowed:
		return "the login user may not use sudo here: let it (NOPASSWD), log in as root, or switch it off (sudo: false)"
	}
	return ""
}

// question is an unfinished line that asks for a password.
var question = text.Lazy(`(?i)(^|\[sudo\] )password( for [^\n:]*)?: ?$`)

// answerer watches the output of a command at a terminal and answers questions
// for a password, which programs ask the terminal itself: once with the
// password, and after that, or without one, by the end of the input.
type answerer struct {
	password secret.Text
	send     func(string)

	mu   sync.Mutex
	line []byte
	used bool
}

func (a *answerer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line = append(a.line, p...)
	if i := bytes.LastIndexByte(a.line, '\n'); i >= 0 {
		a.line = append(a.line[:0], a.line[i+1:]...)
	}
	const longest = 4 << 10
	if len(a.line) > longest {
		a.line = append(a.line[:0], a.line[len(a.line)-longest:]...)
	}
	if question().Match(a.line) {
		a.line = a.line[:0]
		const endOfInput = "\x04"
		answer := endOfInput
		if a.password != "" && !a.used {
			answer, a.used = a.password.Reveal()+"\n", true
		}
		a.send(answer)
	}
	return len(p), nil
}
