package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// sudo in a guest. It is not a setuid program: copies of this one for every
// guest would cost too much, and a bind mount cannot change a file's mode.
// Instead, the processes of users that may use sudo carry the capabilities to
// change their IDs, as ambient ones; sudo checks sudoers and uses them. Where
// there is one user ID only, sudo changes the environment and no more.

// sudoCall is a parsed command line of sudo's.
type sudoCall struct {
	user, group     string
	preserve        bool     // -E
	keep            []string // --preserve-env=a,b
	setHome         bool     // -H
	login, shell    bool     // -i, -s
	noPrompt, stdin bool     // -n, -S
	validate, list  bool     // -v, -l
	forget          bool     // -k, -K
	version         bool
	background      bool
	chdir           string
	prompt          string
	vars            []string // NAME=value
	command         []string
}

// parseSudo reads sudo's arguments. Options that choose what a guest's sudo has
// not, such as a class, a role or an askpass program, are refused.
func parseSudo(args []string) (sudoCall, error) {
	var c sudoCall
	fs := pflag.NewFlagSet("sudo", pflag.ContinueOnError)
	fs.Usage = func() {}
	fs.SetInterspersed(false)
	fs.SortFlags = false
	fs.StringVarP(&c.user, "user", "u", "root", "")
	fs.StringVarP(&c.group, "group", "g", "", "")
	fs.StringVarP(&c.prompt, "prompt", "p", "[sudo] password for %p: ", "")
	fs.StringVarP(&c.chdir, "chdir", "D", "", "")
	// To sudo -E is --preserve-env without a list; pflag needs a name for each.
	fs.BoolVarP(&c.preserve, "preserve-environment", "E", false, "")
	keep := fs.String("preserve-env", "", "")
	fs.Lookup("preserve-env").NoOptDefVal = "*"
	for name, to := range map[string]*bool{
		"Hset-home": &c.setHome, "ilogin": &c.login, "sshell": &c.shell, "nnon-interactive": &c.noPrompt, "Sstdin": &c.stdin,
		"vvalidate": &c.validate, "llist": &c.list, "kreset-timestamp": &c.forget, "Kremove-timestamp": &c.forget,
		"Vversion": &c.version, "bbackground": &c.background,
	} {
		fs.BoolVarP(to, name[1:], name[:1], false, "")
	}
	// Assignments may be between the options, and behind "--" too.
	for c.command = args; ; {
		if err := fs.Parse(c.command); err != nil {
			return c, err
		}
		c.command = fs.Args()
		for len(c.command) > 0 {
			name, _, ok := strings.Cut(c.command[0], "=")
			if !ok || !validVariable(name) {
				break
			}
			c.vars, c.command = append(c.vars, c.command[0]), c.command[1:]
		}
		if len(c.command) == 0 || !strings.HasPrefix(c.command[0], "-") || fs.ArgsLenAtDash() >= 0 {
			break
		}
	}
	switch *keep {
	case "":
	case "*":
		c.preserve = true
	default:
		c.keep = strings.Split(*keep, ",")
	}
	if c.login && c.shell {
		return c, errors.New("you may not specify both the '-i' and '-s' options")
	}
	return c, nil
}

func validVariable(name string) bool {
	for i, r := range name {
		if r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || i > 0 && r >= '0' && r <= '9' {
			continue
		}
		return false
	}
	return name != ""
}

// sudoMain runs as whoever called sudo, and becomes the command.
func sudoMain(args []string) int {
	c, err := parseSudo(args)
	if err == nil {
		err = c.run()
	}
	var status exitStatus
	switch {
	case errors.As(err, &status):
		return int(status)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sudo: "+err.Error())
		return 1
	}
	return 0
}

// exitStatus is an end that needs no message.
type exitStatus int

func (e exitStatus) Error() string { return "exit status " + strconv.Itoa(int(e)) }

func (c sudoCall) run() error {
	if c.version {
		fmt.Println("Sudo version 1.9 (embedded cloud)") //nolint:forbidigo // the tool's own output
		return nil
	}
	if c.forget && len(c.command) == 0 && !c.validate && !c.list {
		return nil // nothing is remembered
	}
	if len(c.command) == 0 && !c.login && !c.shell && !c.validate && !c.list {
		fmt.Fprintln(os.Stderr, "usage: sudo [-EHnS] [-u user] [-g group] [-i | -s] [VAR=value] [command [arg ...]]")
		return exitStatus(1)
	}
	acc, caller := c.caller()
	if err := becomeRoot(acc.single); err != nil {
		return err
	}
	// What reads sudoers and shadow runs as root from here on.
	right := sudoFree
	if !acc.single {
		right = acc.right(caller)
	}
	switch right {
	case sudoNone:
		if c.noPrompt {
			return errors.New("a password is required")
		}
		fmt.Fprintf(os.Stderr, "%s is not in the sudoers file.\n", caller.name)
		return exitStatus(1)
	case sudoPassword:
		if err := c.askPassword(acc, caller); err != nil {
			return err
		}
	}
	if c.validate {
		return nil
	}
	if c.list {
		fmt.Printf( //nolint:forbidigo // the tool's own output
			"User %s may run the following commands on this host:\n    (ALL) ALL\n",
			caller.name,
		)
		return nil
	}
	target, err := acc.target(c.user)
	if err != nil {
		return err
	}
	gid := target.gid
	groups := acc.memberships(target)
	if c.group != "" {
		i := slices.IndexFunc(
			acc.groups(),
			func(g group) bool { return g.name == c.group || "#"+strconv.Itoa(g.gid) == c.group },
		)
		if i < 0 {
			return fmt.Errorf("unknown group %s", c.group)
		}
		gid = acc.groups()[i].gid
		groups = append(groups, gid)
	}
	env := c.environment(os.Environ(), acc, caller, target)
	argv, program, err := c.program(target, env)
	if err != nil {
		return err
	}
	if c.login {
		if err := os.Chdir(acc.at(target.home)); err != nil {
			fmt.Fprintf(os.Stderr, "sudo: unable to change directory to %s: %v\n", target.home, err)
		}
	}
	if c.chdir != "" {
		if err := os.Chdir(c.chdir); err != nil {
			return fmt.Errorf("unable to change directory to %s: %w", c.chdir, err)
		}
	}
	sudoer := target.uid != 0 && acc.right(target) != sudoNone
	if c.background {
		// As a script's "&": the caller goes on, the command is init's.
		argv = append([]string{"/bin/sh", "-c", `"$@" &`, "sh", program}, argv[1:]...)
		program = "/bin/sh"
	}
	if !acc.single {
		if err := execAs(target.uid, gid, groups, sudoer, program, argv, env); err != nil {
			return fmt.Errorf("unable to execute %s: %w", program, err)
		}
	}
	if err := syscall.Exec(program, argv, env); err != nil {
		return fmt.Errorf("unable to execute %s: %w", program, err)
	}
	return nil
}

// caller finds the guest's accounts and who runs this.
func (c sudoCall) caller() (*accounts, account) {
	a := &accounts{}
	if dir := os.Getenv(guestMark); dir != "" {
		a.root, a.single = filepath.Join(dir, diskName), true
		a.uid, a.gid = os.Getuid(), os.Getgid()
	} else {
		a.single = !mapsUsers()
	}
	name := os.Getenv("USER")
	if u, ok := a.lookup(name); ok && u.uid == os.Getuid() {
		return a, u
	}
	if data, err := a.read("/etc/passwd"); err == nil {
		for _, u := range parsePasswd(data) {
			if u.uid == os.Getuid() {
				return a, u
			}
		}
	}
	return a, account{name: "#" + strconv.Itoa(os.Getuid()), uid: os.Getuid(), gid: os.Getgid(), home: "/"}
}

// target is the account that -u names, "#1000" an ID.
func (a *accounts) target(name string) (account, error) {
	if u, ok := a.lookup(name); ok {
		return u, nil
	}
	if num, ok := strings.CutPrefix(name, "#"); ok {
		if id, err := strconv.Atoi(num); err == nil && id >= 0 {
			data, _ := a.read("/etc/passwd")
			for _, u := range parsePasswd(data) {
				if u.uid == id {
					return u, nil
				}
			}
			return account{name: name, uid: id, gid: id, home: "/", shell: "/bin/sh"}, nil
		}
	}
	return account{}, fmt.Errorf("unknown user %s", name)
}

func (c sudoCall) askPassword(a *accounts, caller account) error {
	if c.noPrompt {
		return errors.New("a password is required")
	}
	entry := a.shadow(caller.name)
	prompt := strings.NewReplacer(
		"%p",
		caller.name,
		"%u",
		caller.name,
		"%U",
		c.user,
		"%h",
		"",
		"%%",
		"%",
	).Replace(c.prompt)
	for range 3 {
		var given string
		switch {
		case c.stdin:
			fmt.Fprint(os.Stderr, prompt)
			line, ok := readLine(os.Stdin)
			if !ok {
				return errors.New("no password was provided")
			}
			given = line
		default:
			tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
			if err != nil {
				return errors.New(
					"a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper",
				)
			}
			_, _ = tty.WriteString(prompt)
			b, err := term.ReadPassword(int(tty.Fd()))
			_, _ = tty.WriteString("\n")
			_ = tty.Close()
			if err != nil {
				return fmt.Errorf("reading the password: %w", err)
			}
			given = string(b)
		}
		if checkPassword(given, entry) {
			return nil
		}
		fmt.Fprintln(os.Stderr, "Sorry, try again.")
	}
	return errors.New("3 incorrect password attempts")
}

// readLine reads a line byte by byte: what follows is the command's input.
func readLine(r io.Reader) (string, bool) {
	var line []byte
	var b [1]byte
	for {
		n, err := r.Read(b[:])
		if n == 1 {
			if b[0] == '\n' {
				break
			}
			line = append(line, b[0])
		}
		if err != nil {
			if len(line) == 0 {
				return "", false
			}
			break
		}
	}
	return strings.TrimRight(string(line), "\r"), true
}

// keptVariables survive without -E, as in the sudoers of our images.
var keptVariables = []string{
	"TERM", "COLORS", "COLORTERM", "DISPLAY", "HOSTNAME", "HISTSIZE", "LANG", "LANGUAGE", "LINGUAS", "LS_COLORS",
	"XAUTHORITY", "TZ", "PS1", "PS2", guestMark, "TMPDIR",
}

// environment is what the command gets: that of the target, with what is
// asked to be kept of the caller's.
func (c sudoCall) environment(env []string, a *accounts, caller, target account) []string {
	set := map[string]string{}
	var order []string
	put := func(name, value string) {
		if _, ok := set[name]; !ok {
			order = append(order, name)
		}
		set[name] = value
	}
	home := ""
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if name == "HOME" {
			home = value
		}
		keep := slices.Contains(keptVariables, name) || strings.HasPrefix(name, "LC_")
		if name == "TMPDIR" && !c.preserve {
			keep = a.root != "" // the guest's own only
		}
		if (c.preserve && !c.login) || keep || slices.Contains(c.keep, name) {
			if !strings.HasPrefix(name, "LD_") && !strings.HasPrefix(name, "SUDO_") {
				put(name, value)
			}
		}
	}
	p := systemPath
	if rest, ok := strings.CutSuffix(os.Getenv("PATH"), ":"+systemPath); ok &&
		strings.HasSuffix(rest, "galley-guest/bin") {
		p = os.Getenv("PATH") // where the tools are not in /usr
	}
	if a.root != "" {
		p = os.Getenv("PATH")
	}
	put("PATH", p)
	put("HOME", a.at(target.home))
	if c.preserve && !c.setHome && !c.login && home != "" {
		put("HOME", home)
	}
	put("LOGNAME", target.name)
	put("USER", target.name)
	put("SHELL", shellOf(target))
	put("MAIL", "/var/mail/"+target.name)
	put("SUDO_COMMAND", strings.Join(c.command, " "))
	put("SUDO_USER", caller.name)
	put("SUDO_UID", strconv.Itoa(caller.uid))
	put("SUDO_GID", strconv.Itoa(caller.gid))
	for _, v := range c.vars {
		name, value, _ := strings.Cut(v, "=")
		put(name, value)
	}
	out := make([]string, 0, len(order))
	for _, name := range order {
		out = append(out, name+"="+set[name])
	}
	return out
}

// program finds what to execute.
func (c sudoCall) program(target account, env []string) (argv []string, program string, err error) {
	if c.login || c.shell {
		shell := shellOf(target)
		if c.shell {
			if s := os.Getenv("SHELL"); s != "" {
				shell = s
			}
		}
		argv = []string{filepath.Base(shell)}
		if c.login {
			argv[0] = "-" + argv[0]
		}
		if len(c.command) > 0 {
			argv = append(argv, "-c", sudoQuote(c.command))
		}
		return argv, shell, nil
	}
	name := c.command[0]
	if strings.Contains(name, "/") {
		if _, err := os.Stat(name); err != nil {
			return nil, "", fmt.Errorf("%s: command not found", name)
		}
		return c.command, name, nil
	}
	dirs := systemPath
	for _, kv := range env {
		if p, ok := strings.CutPrefix(kv, "PATH="); ok {
			dirs = p
		}
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return c.command, p, nil
		}
	}
	fmt.Fprintf(os.Stderr, "sudo: %s: command not found\n", name)
	return nil, "", exitStatus(1)
}

// sudoQuote joins a command for -i and -s as sudo does: every character that
// is not a letter, digit, "_", "-" or "$" gets a backslash.
func sudoQuote(command []string) string {
	var b strings.Builder
	for i, arg := range command {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, r := range []byte(arg) {
			plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' ||
				r == '$' ||
				r >= 0x80
			if !plain {
				b.WriteByte('\\')
			}
			b.WriteByte(r)
		}
	}
	return b.String()
}

func shellOf(u account) string {
	if u.shell == "" {
		return "/bin/sh"
	}
	return u.shell
}
