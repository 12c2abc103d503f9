//go:build unix

package base_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// askingSudo is a sudo as its manual describes it, for a user who needs the
// password "right" unless the file "free" is there, on a machine that wants a
// terminal where the file "requiretty" is there and "tty" is not.
const askingSudo = `
[ ! -e requiretty ] || [ -e tty ] || { echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1; }
quiet= stdin= keep=
while :; do
	case $1 in
	-n) quiet=1 ;;
	-S) stdin=1 ;;
	-E | -k) ;;
	-p) shift ;;
	-*) echo "sudo: invalid option $1" >&2; exit 1 ;;
	*) break ;;
	esac
	shift
done
if [ ! -e free ]; then
	[ -z "$quiet" ] || { echo 'sudo: a password is required' >&2; exit 1; }
	[ -n "$stdin" ] || { echo 'sudo: a terminal is required to read the password' >&2; exit 1; }
	read -r password
	[ "$password" = right ] || { echo 'Sorry, try again.' >&2; echo 'sudo: 1 incorrect password attempt' >&2; exit 1; }
fi
SUDO=1 exec "$@"
`

func sudoMachine(t *testing.T, files ...string) *kitchentest.Machine {
	m := kitchentest.NewMachine(t)
	m.Program(t, "sudo", askingSudo)
	for _, f := range files {
		m.Write(t, m.Path(f), "", 0o644)
	}
	return m
}

func TestSudoThatWantsAPassword(t *testing.T) {
	login := func(*kitchen.State) (base.Login, error) { return base.Login{Password: "right"}, nil }
	for name, c := range map[string]struct {
		files []string
		keys  map[string]any
		login func(*kitchen.State) (base.Login, error)
		hint  string // "" where it works
	}{
		"no password is known":            {nil, nil, nil, "give it as sudo_password"},
		"by the setting":                  {nil, map[string]any{"sudo_password": "right"}, nil, ""},
		"by the transport":                {nil, nil, login, ""},
		"the setting wins":                {nil, map[string]any{"sudo_password": "wrong"}, login, "does not accept the password"},
		"a password that is not needed":   {[]string{"free"}, map[string]any{"sudo_password": "right"}, nil, ""},
		"neither needed nor known":        {[]string{"free"}, nil, nil, ""},
		"a terminal is wanted":            {[]string{"requiretty", "free"}, nil, nil, ""},
		"a terminal and a password":       {[]string{"requiretty"}, map[string]any{"sudo_password": "right"}, nil, ""},
		"with other options of sudo":      {nil, map[string]any{"sudo_password": "right", "sudo_command": "sudo -E -k"}, nil, ""},
		"with a path of sudo that is odd": {nil, map[string]any{"sudo_password": "right", "sudo_command": "env X=1 sudo -E"}, nil, "give it as sudo_password"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sudoMachine(t, c.files...)
			m.Intercept = func(cmd kitchen.Command) error {
				if cmd.TTY {
					return os.WriteFile(m.Path("tty"), nil, 0o600)
				}
				_ = os.Remove(m.Path("tty"))
				return nil
			}
			s := settings(t, m, c.keys)
			s.Login = c.login
			step, rec := kitchentest.NewStep(kitchen.Converge, m)
			mm := s.On(step, m.Conn())
			src := fstest.MapFS{"file": {Data: []byte("content")}}
			err := mm.Sync(t.Context(), src, nil, mm.SudoCode())
			if err == nil {
				err = mm.Run(t.Context(), "it", mm.Sudo("sh -c")+" 'echo sudo=$SUDO; cat; env >"+m.Path("env")+"'; echo rest; cat")
			}
			if c.hint != "" {
				if err == nil || !strings.Contains(kitchen.Hint(err), c.hint) {
					t.Errorf("error %v, hint %q", err, kitchen.Hint(err))
				}
				if _, serr := os.Stat(filepath.Join(s.RootPath, "file")); serr == nil {
					t.Error("files were sent before the refusal")
				}
				return
			}
			// What runs has no input, the password least of all.
			if err != nil || !strings.HasSuffix(rec.Text(kitchen.Output), "sudo=1\nrest\n") {
				t.Errorf("%v\n%s", err, rec.Text(kitchen.Output))
			}
			if strings.Contains(m.Read("env")+strings.Join(m.Commands(), "\n")+rec.Text(), "right") {
				t.Error("the password is in the environment, on a command line or in the output")
			}
		})
	}
}

// What runs on the machine is informed that it has no terminal.
func TestPlainOutputWithoutATerminal(t *testing.T) {
	m := kitchentest.NewMachine(t)
	s, err := base.Read(config.NewSection(nil), base.Options{Instance: "x", Environ: []string{"CI=yes"}}, base.Defaults{RootPath: m.Path("root")})
	if err != nil {
		t.Fatal(err)
	}
	step, rec := kitchentest.NewStep(kitchen.Converge, m)
	if err := s.On(step, m.Conn()).Run(t.Context(), "it", "echo $NO_COLOR $TERM $CI; [ -t 1 ] && echo tty; exit 0"); err != nil {
		t.Fatal(err)
	}
	if got := rec.Text(kitchen.Output); got != "1 dumb yes\n" {
		t.Errorf("got %q", got)
	}
}

func TestTerminalWhereAUserSitsAtOne(t *testing.T) {
	m := kitchentest.NewMachine(t)
	var asked []bool
	m.Intercept = func(cmd kitchen.Command) error { asked = append(asked, cmd.TTY); return nil }
	for _, at := range []bool{false, true} {
		step, _ := kitchentest.NewStep(kitchen.Converge, m)
		step.Terminal = at
		if err := settings(t, m, nil).On(step, m.Conn()).Run(t.Context(), "it", "true"); err != nil {
			t.Fatal(err)
		}
	}
	if len(asked) != 2 || asked[0] || !asked[1] {
		t.Errorf("terminals asked for: %v", asked)
	}
}

func TestUnixScript(t *testing.T) {
	for in, want := range map[string][2]string{
		"#!/bin/sh\necho\n":                     {"#!/bin/sh\necho\n", ""},
		"#!/bin/sh\r\necho\r\n":                 {"#!/bin/sh\necho\n", "CRLF"},
		"\xef\xbb\xbf#!/bin/sh\necho\n":         {"#!/bin/sh\necho\n", "BOM"},
		"\xef\xbb\xbf#!/bin/sh\r\necho 1\r\n":   {"#!/bin/sh\necho 1\n", "BOM) and Windows"},
		"echo\r\n":                              {"echo\n", "CRLF"},
		"":                                      {"", ""},
		"#!/bin/sh\nprintf 'a\r\n'\n":           {"#!/bin/sh\nprintf 'a\r\n'\n", ""},
		"\x7fELF\r\n\x00\r\n":                   {"\x7fELF\r\n\x00\r\n", ""},
		"#!/usr/bin/env bash\r\necho\rmore\r\n": {"#!/usr/bin/env bash\necho\rmore\n", "CRLF"},
	} {
		fixed, changed := base.UnixScript([]byte(in))
		if string(fixed) != want[0] || !strings.Contains(changed, want[1]) || (changed == "") != (want[1] == "") {
			t.Errorf("%q: %q, %q", in, fixed, changed)
		}
	}
	for in, want := range map[string]string{
		"#!/bin/bash -e\nx": "/bin/bash -e", "#! /usr/bin/env python3\n": "/usr/bin/env python3", "echo": "sh", "#!\n": "sh", "": "sh",
	} {
		if got := strings.Join(base.Interpreter([]byte(in)), " "); got != want {
			t.Errorf("%q is run by %q, want %q", in, got, want)
		}
	}
}
