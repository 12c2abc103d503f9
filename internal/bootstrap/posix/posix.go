// Package posix writes command lines for machines whose login shell is not
// known. sshd hands a command line to the user's login shell, which may be a
// Bourne shell, csh, fish or a restricted shell; they agree on little more
// than plain words in single quotes. [Script] has /bin/sh run a script
// whatever the login shell is, [Login] runs a user's own command line.
//
// It also knows sudo's refusals ([SudoRefusal]).
//
// Any package that runs commands on a machine may import it.
package posix

import (
	"fmt"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// RunVariable marks the processes of a command, so that they can be found
// again (see bootstrap.Client.Run). Its name is one that sshd accepts from
// clients as most systems configure it (AcceptEnv LANG LC_*). Scripts take it
// out of their environment, so that what they start does not see it.
const RunVariable = "LC_GALLEY"

// loader is the shell code in front of an encoded script. It holds nothing
// that a login shell would act on inside of single quotes.
const loader = `sh -c 'eval "$(printf %b "$@")"' sh`

const (
	plainHead = "sh -c '"
	unmark    = "unset " + RunVariable + "; "
)

// Script returns a command line by which any login shell has sh run code. The
// code may hold anything but NUL bytes; it has no positional parameters. What
// all shells read alike is sent as it is, anything else encoded.
func Script(code string) string {
	if isPlain(code) {
		return plainHead + unmark + code + "'"
	}
	return encoded("set --; " + unmark + "\n" + code)
}

// IsScript reports whether line comes from [Script] or [Login].
func IsScript(line string) bool {
	return strings.HasPrefix(line, plainHead+unmark) || strings.HasPrefix(line, loader+" ")
}

// Login returns a command line by which any login shell runs line, which was
// written by a user: with the login shell itself where that is a Bourne shell,
// so that bash users have bash, else with sh. A line of [Script] is returned
// unchanged. setup is shell code for sh to run first, "" for none.
func Login(line, setup string) string {
	if IsScript(line) {
		return line
	}
	// The shell stays and waits: it is the process by which the command is
	// found when it has to be ended.
	return encoded("set --; " + unmark + "\n" + setup + `
case ${SHELL##*/} in
bash | dash | ash | ksh | ksh93 | mksh | zsh) galley_shell=$SHELL ;;
*) galley_shell=sh ;;
esac
"$galley_shell" -c ` + Quote(line) + `
exit $?`)
}

// Quote makes one word of a POSIX shell of s.
func Quote(s string) string { return shellescape.Quote(s) }

// isPlain reports whether all shells read code alike in single quotes: csh
// acts on ! and newlines, fish on backslashes.
func isPlain(code string) bool {
	return len(code) < maxWord && strings.IndexFunc(code, func(r rune) bool {
		return r < ' ' || r == 0x7f || strings.ContainsRune(`'!\`, r)
	}) < 0
}

// maxWord bounds the length of a word, in bytes: csh takes no more than 1024.
const maxWord = 900

// encoded writes code as arguments for printf's %b, all of harmless
// characters.
func encoded(code string) string {
	var b strings.Builder
	b.WriteString(loader)
	b.WriteString(" '")
	length := 0
	for i := range len(code) {
		if length >= maxWord {
			b.WriteString("' '")
			length = 0
		}
		if c := code[i]; isHarmless(c) {
			b.WriteByte(c)
			length++
		} else {
			n, _ := fmt.Fprintf(&b, `\0%03o`, c)
			length += n
		}
	}
	b.WriteByte('\'')
	return b.String()
}

func isHarmless(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(` _-./:,;=+@"$(){}[]<>|&*?#^`, c) >= 0
}
