package guest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// sudo of a guest whose image has none that works. It is not a setuid program:
// copies of this one for every guest would cost too much, and a bind mount
// cannot change a file's mode. Instead, the processes of users that may use
// sudo carry the capabilities to change their IDs, as ambient ones; sudo checks
// sudoers and uses them. Where there is one user ID only, sudo changes the
// environment and no more.

// sudoCall is a command line of sudo's.
type sudoCall struct {
	user     string
	preserve bool // -E
	setHome  bool // -H
	login    bool // -i
	vars     []string
	command  []string
}

// parseSudo reads sudo's arguments: the options that provisioners use.
func parseSudo(args []string) (sudoCall, error) {
	var c sudoCall
	fs := pflag.NewFlagSet("sudo", pflag.ContinueOnError)
	fs.Usage = func() {}
	fs.SetInterspersed(false)
	fs.StringVarP(&c.user, "user", "u", "root", "")
	fs.BoolVarP(&c.preserve, "preserve-env", "E", false, "")
	fs.BoolVarP(&c.setHome, "set-home", "H", false, "")
	fs.BoolVarP(&c.login, "login", "i", false, "")
	// No password is ever asked for, see run.
	fs.BoolP("non-interactive", "n", false, "")
	fs.BoolP("stdin", "S", false, "")
	fs.BoolP("reset-timestamp", "k", false, "")
	fs.StringP("prompt", "p", "", "")
	if err := fs.Parse(args); err != nil {
		return c, fmt.Errorf("%w: this guest's sudo has the options -E -H -S -i -k -n -p -u only; install sudo for the others", err)
	}
	c.command = fs.Args()
	for len(c.command) > 0 {
		name, _, ok := strings.Cut(c.command[0], "=")
		if !ok || !validVariable(name) {
			break
		}
		c.vars, c.command = append(c.vars, c.command[0]), c.command[1:]
	}
	if len(c.command) == 0 && !c.login {
		return c, errors.New("usage: sudo [-EHSikn] [-p prompt] [-u user] [VAR=value] [command [arg ...]]")
	}
	return c, nil
}

// sudoMain runs as whoever called sudo, and becomes the command.
func sudoMain(args []string) int {
	c, err := parseSudo(args)
	if err == nil {
		err = c.run()
	}
	fmt.Fprintln(os.Stderr, "sudo:", err)
	return 1
}

// run returns only an error.
func (c sudoCall) run() error {
	acc, caller := sudoCaller()
	if !acc.single {
		// What reads sudoers runs as root from here on.
		if err := becomeRoot(); err != nil {
			return err
		}
		switch acc.right(caller) {
		case sudoNone:
			return fmt.Errorf("%s is not in the sudoers file", caller.name)
		case sudoPassword:
			return fmt.Errorf("a password is required, which this guest's sudo cannot ask for: give %s NOPASSWD in sudoers, or install sudo", caller.name)
		}
	}
	target, err := acc.lookup(c.user)
	if err != nil {
		return err
	}
	env := c.environment(os.Environ(), acc, caller, target)
	program, argv := "", c.command
	if c.login {
		program, argv = target.shell, []string{"-" + filepath.Base(target.shell)}
		if len(c.command) > 0 {
			argv = slices.Concat(argv, []string{"-c", `exec "$@"`, "sudo"}, c.command)
		}
		if err := os.Chdir(acc.at(target.home)); err != nil {
			fmt.Fprintf(os.Stderr, "sudo: unable to change directory to %s: %v\n", target.home, err)
		}
	} else {
		_ = os.Setenv("PATH", env["PATH"])
		if program, err = exec.LookPath(c.command[0]); err != nil {
			return fmt.Errorf("%s: command not found", c.command[0])
		}
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	if !acc.single {
		err = becomeUser(target, acc.memberships(target), acc.right(target) != sudoNone)
	}
	if err == nil {
		err = syscall.Exec(program, argv, list)
	}
	return fmt.Errorf("unable to execute %s: %w", program, err)
}

// sudoCaller finds the guest's accounts and who runs this.
func sudoCaller() (*accounts, account) {
	a := &accounts{single: !mapsUsers()}
	if dir := os.Getenv(guestMark); dir != "" {
		a.root, a.single = filepath.Join(dir, diskName), true
		a.uid, a.gid = os.Getuid(), os.Getgid()
	}
	if u, err := a.lookup(os.Getenv("USER")); err == nil && u.uid == os.Getuid() {
		return a, u
	}
	if u, err := a.lookup("#" + strconv.Itoa(os.Getuid())); err == nil {
		return a, u
	}
	return a, account{name: "nobody", uid: os.Getuid()}
}

// keptVariables are kept without -E, as by the sudoers of cloud images.
var keptVariables = []string{
	"TERM", "COLORTERM", "DISPLAY", "HOSTNAME", "LANG", "LANGUAGE", "LS_COLORS", "XAUTHORITY", "TZ", "PS1", "PS2", guestMark,
}

// environment is what the command gets: that of the target, with what is
// asked to be kept of the caller's.
func (c sudoCall) environment(own []string, a *accounts, caller, target account) map[string]string {
	env := map[string]string{}
	for _, kv := range own {
		name, value, _ := strings.Cut(kv, "=")
		keep := c.preserve && !c.login || slices.Contains(keptVariables, name) || strings.HasPrefix(name, "LC_") ||
			name == "TMPDIR" && a.root != "" // the guest's own
		if keep && !strings.HasPrefix(name, "LD_") && !strings.HasPrefix(name, "SUDO_") {
			env[name] = value
		}
	}
	path := os.Getenv("PATH")
	if !strings.Contains(path, toolBin+":") { // where the tools are not in /usr
		path = systemPath
	}
	if home := os.Getenv("HOME"); !c.preserve || c.setHome || c.login || home == "" {
		env["HOME"] = a.at(target.home)
	}
	env["PATH"], env["LOGNAME"], env["USER"], env["SHELL"] = path, target.name, target.name, target.shell
	env["MAIL"], env["SUDO_COMMAND"] = "/var/mail/"+target.name, strings.Join(c.command, " ")
	env["SUDO_USER"], env["SUDO_UID"], env["SUDO_GID"] = caller.name, strconv.Itoa(caller.uid), strconv.Itoa(caller.gid)
	for _, v := range c.vars {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return env
}

// becomeRoot takes on root's IDs by the capabilities that the caller carries.
func becomeRoot() error {
	if err := errors.Join(syscall.Setresgid(0, 0, 0), syscall.Setresuid(0, 0, 0)); err != nil {
		return fmt.Errorf("this process may not become root, only what descends from a login of a user in sudoers: %w", err)
	}
	return nil
}

// becomeUser takes on a user's IDs. What is to be kept over that is the calling
// thread's own, whose rights a program has that it executes.
func becomeUser(u account, groups []int, sudoer bool) error {
	runtime.LockOSThread()
	err := errors.Join(syscall.Setgroups(groups), syscall.Setresgid(u.gid, u.gid, u.gid))
	if u.uid == 0 || err != nil {
		return err
	}
	if sudoer {
		err = unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0)
	}
	if err == nil {
		err = syscall.Setresuid(u.uid, u.uid, u.uid)
	}
	if sudoer {
		carryRights()
	}
	return err
}

// carryRights makes the rights that sudo needs ambient, for another sudo
// below this one. Without them only that one fails.
func carryRights() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	const set = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	data := [2]unix.CapUserData{{Effective: set, Permitted: set, Inheritable: set}}
	if unix.Capset(&header, &data[0]) != nil {
		return
	}
	for _, c := range []uintptr{unix.CAP_SETUID, unix.CAP_SETGID} {
		_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0)
	}
}
