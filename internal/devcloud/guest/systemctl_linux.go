package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// systemctl and its like in a guest ask process 1, over a socket. Only the
// names listed here do anything: whatever else leads to this program is an
// error, above all not a power-off.

// toolNames are the commands that process 1 answers.
var toolNames = []string{"systemctl", "runlevel", "telinit", "reboot", "poweroff", "halt", "shutdown", "journalctl", "hostnamectl"}

// toolRequest is a command line for process 1.
type toolRequest struct {
	Name string
	Args []string
}

type toolAnswer struct {
	Out, Err string
	Status   int
}

// initSocket is where process 1 answers them. A plain directory's name may be
// too long for a socket: there it has a name without a file.
func (m *machine) initSocket() string {
	if m.fs.pidSpace {
		return toolDir + "/init.sock"
	}
	return "@galley-guest-" + m.o.Spec.ID + "-" + strconv.Itoa(os.Getpid())
}

// initMain is the side of the command: args are the socket, the command's
// name and its arguments.
func initMain(args []string) int {
	if len(args) < 2 {
		return exitFailed
	}
	c, err := net.Dial("unix", args[0]) //nolint:noctx // ends with the command
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: process 1 of this guest does not answer: %v\n", args[1], err)
		return 1
	}
	defer func() { _ = c.Close() }()
	var a toolAnswer
	if err = json.NewEncoder(c).Encode(toolRequest{args[1], args[2:]}); err == nil {
		err = json.NewDecoder(c).Decode(&a)
	}
	if err != nil {
		if slices.Contains([]string{"reboot", "poweroff", "halt", "shutdown"}, args[1]) && errors.Is(err, io.EOF) {
			return 0 // it has been done
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", args[1], err)
		return 1
	}
	_, _ = io.WriteString(os.Stdout, a.Out)
	_, _ = io.WriteString(os.Stderr, a.Err)
	return a.Status
}

// serveTools answers the commands.
func (m *machine) serveTools() error {
	path := m.initSocket()
	_ = os.Remove(path)
	l, err := net.Listen("unix", path) //nolint:noctx // lives as long as the guest
	if err != nil {
		return fmt.Errorf("opening the socket of process 1: %w", err)
	}
	if m.fs.pidSpace {
		if err := os.Chmod(path, 0o666); err != nil { //nolint:gosec // who asks is checked
			return err
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				var r toolRequest
				if json.NewDecoder(io.LimitReader(c, 1<<20)).Decode(&r) != nil {
					return
				}
				t := &tool{m: m, root: m.isRoot(c)}
				t.answer.Status = t.run(r.Name, r.Args)
				_ = json.NewEncoder(c).Encode(t.answer)
			}()
		}
	}()
	return nil
}

// isRoot reports whether root of the guest is at the other end.
func (m *machine) isRoot(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	root := false
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		root = err == nil && int(cred.Uid) == m.fs.uid
	})
	return root
}

// tool is one command that process 1 carries out.
type tool struct {
	m      *machine
	root   bool
	answer toolAnswer
}

func (t *tool) printf(format string, args ...any) { t.answer.Out += fmt.Sprintf(format, args...) }

func (t *tool) fail(status int, format string, args ...any) int {
	t.answer.Err += fmt.Sprintf(format, args...) + "\n"
	return status
}

func (t *tool) run(name string, args []string) int {
	switch name {
	case "runlevel":
		t.printf("N 5\n")
		return 0
	case "systemctl":
		return t.systemctl(args)
	case "journalctl":
		return t.journalctl(args)
	case "hostnamectl":
		return t.hostnamectl(args)
	case "telinit":
		switch strings.Join(args, " ") {
		case "0":
			return t.power("poweroff", nil)
		case "6":
			return t.power("reboot", nil)
		case "q", "Q", "u", "U", "2", "3", "4", "5":
			return 0
		}
		return t.fail(1, "telinit: run level %q is not possible in this guest", strings.Join(args, " "))
	case "reboot", "poweroff", "halt", "shutdown":
		return t.power(name, args)
	}
	return t.fail(1, "%s: not available in a guest of the embedded cloud", name)
}

// parse reads a command's options; those named in ignored change nothing in a
// guest. It reports false, and says so, when there is one that is not known.
func (t *tool) parse(fs *pflag.FlagSet, args []string, ignored, ignoredValues string) bool {
	fs.Usage = func() {}
	for i, list := range []string{ignored, ignoredValues} {
		for f := range strings.FieldsSeq(list) {
			name, short, _ := strings.Cut(f, ",")
			if i == 0 {
				fs.BoolP(name, short, false, "")
			} else {
				fs.StringP(name, short, "", "")
			}
		}
	}
	if err := fs.Parse(args); err != nil {
		t.fail(1, "%s: %v in a guest of the embedded cloud", fs.Name(), err)
		return false
	}
	return true
}

// power ends or restarts the guest, at once or in some minutes.
func (t *tool) power(name string, args []string) int {
	if !t.root {
		return t.fail(1, "%s: must be superuser.", name)
	}
	status, when := exitPowerOff, time.Duration(0)
	if name == "reboot" {
		status = exitReboot
	}
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	again := fs.BoolP("reboot", "r", false, "")
	if !t.parse(fs, args, "halt,H poweroff,P power-off,p h,h force,f no-wall no-wtmp", "") {
		return 1
	}
	if *again {
		status = exitReboot
	}
	if name == "shutdown" && fs.NArg() > 0 && fs.Arg(0) != "now" { // what follows is a message
		minutes, ok := strings.CutPrefix(fs.Arg(0), "+")
		n, err := strconv.Atoi(minutes)
		if !ok || err != nil {
			return t.fail(1, "shutdown: the time is now or +MINUTES in this guest, not %s", fs.Arg(0))
		}
		when = time.Duration(n) * time.Minute
	}
	if when > 0 {
		t.printf("Shutdown scheduled in %v.\n", when)
		time.AfterFunc(when, func() { t.m.finish(status) })
		return 0
	}
	t.m.finish(status)
	return 0
}

func (t *tool) hostnamectl(args []string) int {
	if len(args) == 2 && (args[0] == "set-hostname" || args[0] == "hostname") {
		if !t.root {
			return t.fail(1, "Could not set static hostname: Access denied")
		}
		if err := t.m.setHostName(args[1], args[1], false); err != nil {
			return t.fail(1, "Could not set static hostname: %v", err)
		}
		return 0
	}
	if len(args) > 0 && args[0] != "status" {
		return t.fail(1, "hostnamectl: this guest knows: hostnamectl [status | set-hostname NAME]")
	}
	t.printf("   Static hostname: %s\n    Virtualization: kvm\n            Kernel: Linux %s\n", t.m.shortName(), kernelRelease())
	return 0
}

// journalctl prints the log of units.
func (t *tool) journalctl(args []string) int {
	fs := pflag.NewFlagSet("journalctl", pflag.ContinueOnError)
	names := fs.StringArrayP("unit", "u", nil, "")
	if !t.parse(fs, args, "no-pager quiet,q all,a boot,b catalog,x pager-end,e full,l", "lines,n output,o since,S until,U") {
		return 1
	}
	if len(*names) == 0 {
		return t.fail(1, "journalctl: this guest has the output of units only: journalctl -u UNIT")
	}
	for _, n := range *names {
		data, err := os.ReadFile(filepath.Join(unitLogDir, filepath.Base(fullUnitName(n))))
		if err != nil {
			t.printf("-- No entries --\n")
			continue
		}
		t.printf("%s", data)
	}
	return 0
}

// readOnlyVerbs are those that everybody may use.
var readOnlyVerbs = []string{
	"is-active", "is-failed", "is-enabled", "is-system-running", "status", "show", "cat", "list-units", "list-unit-files",
}

// systemctl parses the command line: a verb, options, units.
func (t *tool) systemctl(args []string) int {
	fs := pflag.NewFlagSet("systemctl", pflag.ContinueOnError)
	quiet, value := fs.BoolP("quiet", "q", false, ""), fs.Bool("value", false, "")
	now, version := fs.Bool("now", false, ""), fs.Bool("version", false, "")
	properties, signal := fs.StringSliceP("property", "p", nil, ""), fs.StringP("signal", "s", "TERM", "")
	if !t.parse(fs, args, "no-pager no-legend no-reload no-ask-password no-block no-wall no-warn system full,l all,a plain force,f",
		"type,t state job-mode preset-mode lines,n output,o kill-who kill-whom") {
		return 1
	}
	units := fs.Args()
	verb := "list-units"
	if *version {
		t.printf("systemd 252 (embedded cloud)\n")
		return 0
	}
	if len(units) > 0 {
		verb, units = units[0], units[1:]
	}
	switch {
	case !t.root && !slices.Contains(readOnlyVerbs, verb):
		return t.fail(1, "Failed to %s %s: Access denied", verb, strings.Join(units, " "))
	case verb == "reboot" || verb == "poweroff" || verb == "halt":
		return t.power(verb, nil)
	case t.m.units == nil:
		return t.fail(1, "System has not been booted with systemd as init system (PID 1). Can't operate.")
	}
	switch verb {
	case "is-system-running":
		t.printf("running\n")
		return 0
	case "daemon-reload":
		t.generate()
		return 0
	case "list-units", "list-unit-files":
		return t.list(verb)
	case "show":
		return t.show(units, *properties, *value)
	}
	if len(units) == 0 {
		return t.fail(1, "Too few arguments.")
	}
	worst, good := 0, 0
	for _, name := range units {
		var status int
		if verb == "kill" {
			status = t.kill(name, *signal)
		} else {
			status = t.unitVerb(verb, name, *quiet, *now)
		}
		if status != 0 {
			worst = status
		} else {
			good++
		}
	}
	if good > 0 && (verb == "is-active" || verb == "is-enabled" || verb == "is-failed") {
		return 0 // one is enough
	}
	return worst
}

// generate makes the units that generators make. Debian's PostgreSQL is the one
// package whose do.
func (t *tool) generate() {
	const generator = "/usr/lib/systemd/system-generators/postgresql-generator"
	if exists(generator) {
		dir := unitDirs[2]
		_ = os.MkdirAll(dir, 0o755)
		_, _ = t.m.run([]string{generator, dir, dir, dir}, nil, io.Discard)
	}
}

func (t *tool) kill(name, signal string) int {
	sig, ok := sshSignals[strings.TrimPrefix(strings.ToUpper(signal), "SIG")]
	if n, err := strconv.Atoi(signal); err == nil {
		sig, ok = syscall.Signal(n), true
	}
	if !ok {
		return t.fail(1, "Failed to parse signal string %s.", signal)
	}
	t.m.units.killAll(fullUnitName(name), sig)
	return 0
}

// unitVerb carries out a verb for one unit.
func (t *tool) unitVerb(verb, name string, quiet, now bool) int {
	name = fullUnitName(name)
	um := t.m.units
	say := func(text string, status int) int {
		if !quiet {
			t.printf("%s\n", text)
		}
		return status
	}
	u, err := loadUnit(name)
	state, _, _, _ := um.service(name).get()
	act := func(steps ...func(string) error) int {
		for _, step := range steps {
			if err := step(name); err != nil {
				if errors.Is(err, errNoUnit) {
					return t.fail(5, "Failed to %s %s: Unit %s not found.", verb, name, name)
				}
				return t.fail(1, "%v", err)
			}
		}
		return 0
	}
	switch verb {
	case "is-active":
		return say(state, map[bool]int{true: 0, false: 3}[state == "active"])
	case "is-failed":
		return say(state, map[bool]int{true: 0, false: 1}[state == "failed"])
	case "is-enabled":
		if err != nil {
			return t.fail(1, "Failed to get unit file state for %s: No such file or directory", name)
		}
		st := u.fileState()
		return say(st, map[bool]int{true: 0, false: 1}[st == "enabled" || st == "static" || st == "alias"])
	case "status":
		return t.status(name, u, err)
	case "cat":
		if err != nil || u.path == "" {
			return t.fail(1, "No files found for %s.", name)
		}
		data, _ := os.ReadFile(u.path)
		return say("# "+u.path+"\n"+string(data), 0)
	case "start":
		return act(um.start)
	case "stop":
		return act(um.stop)
	case "restart":
		return act(um.stop, um.start)
	case "reset-failed":
		if state == "failed" {
			um.service(name).set("inactive", "dead", "success", 0)
		}
		return 0
	case "try-restart":
		if state != "active" {
			return 0
		}
		return act(um.stop, um.start)
	case "reload":
		return act(um.reload)
	case "reload-or-restart", "try-reload-or-restart":
		if err == nil && state == "active" && len(u.options["Service.ExecReload"]) > 0 {
			return act(um.reload)
		}
		if state != "active" && strings.Contains(verb, "try") {
			return 0
		}
		return act(um.stop, um.start)
	case "preset":
		verb = "disable"
		if err == nil && u.preset() {
			verb = "enable"
		}
		return t.install(verb, name, u, err, now)
	case "enable", "disable", "mask", "unmask":
		return t.install(verb, name, u, err, now)
	}
	return t.fail(1, "Unknown command verb %s.", verb)
}

// install does the verbs that make and remove links.
func (t *tool) install(verb, name string, u *unitFile, loaded error, now bool) int {
	link := filepath.Join(unitDirs[0], name)
	var lines []string
	var err error
	switch verb {
	case "mask":
		if _, lerr := os.Readlink(link); lerr == nil {
			_ = os.Remove(link)
		}
		lines, err = []string{fmt.Sprintf("Created symlink %s → /dev/null.", link)}, os.Symlink(os.DevNull, link)
	case "unmask":
		if masked(link) {
			lines, err = []string{fmt.Sprintf("Removed %q.", link)}, os.Remove(link)
		}
	default:
		switch {
		case loaded != nil:
			return t.fail(1, "Failed to %s unit: Unit file %s does not exist.", verb, name)
		case u.path == "":
			what := map[string]string{"enable": "defaults", "disable": "disable"}[verb]
			_, err = t.m.run([]string{"/usr/sbin/update-rc.d", strings.TrimSuffix(name, ".service"), what}, nil, io.Discard)
		case verb == "disable":
			lines, err = u.disable()
		default:
			if masked(u.path) {
				return t.fail(1, "Failed to enable unit: Unit file %s is masked.", u.path)
			}
			lines, err = u.enable()
		}
	}
	for _, l := range lines {
		t.answer.Err += l + "\n"
	}
	if err != nil {
		return t.fail(1, "Failed to %s unit: %v", verb, err)
	}
	if now {
		return t.unitVerb(map[bool]string{true: "start", false: "stop"}[verb == "enable"], name, true, false)
	}
	return 0
}

func (t *tool) status(name string, u *unitFile, err error) int {
	if err != nil {
		return t.fail(4, "Unit %s could not be found.", name)
	}
	state, sub, _, pid := t.m.units.service(name).get()
	t.printf("● %s - %s\n     Loaded: loaded (%s; %s)\n     Active: %s (%s)\n", name, u.get("Unit.Description"), u.path, u.fileState(), state, sub)
	if pid != 0 {
		t.printf("   Main PID: %d\n", pid)
	}
	if data, err := os.ReadFile(filepath.Join(unitLogDir, name)); err == nil {
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		t.printf("\n%s\n", strings.Join(lines[max(0, len(lines)-10):], "\n"))
	}
	if state == "active" {
		return 0
	}
	return 3
}

// show prints properties, those that service providers ask for when none are
// named.
func (t *tool) show(units, properties []string, valueOnly bool) int {
	for i, name := range units {
		if i > 0 {
			t.printf("\n")
		}
		name = fullUnitName(name)
		u, err := loadUnit(name)
		s := t.m.units.service(name)
		state, sub, result, pid := s.get()
		all := map[string]string{
			"Id": name, "Names": name, "ActiveState": state, "SubState": sub, "Result": result, "MainPID": strconv.Itoa(pid),
			"LoadState": "not-found", "UnitFileState": "", "CanReload": "no", "NeedDaemonReload": "no", "Type": "simple",
			"ExecMainStatus": strconv.Itoa(s.exitStatus()), "FragmentPath": "", "Description": name,
		}
		if err == nil {
			all["LoadState"], all["UnitFileState"], all["FragmentPath"] = "loaded", u.fileState(), u.path
			if masked(u.path) {
				all["LoadState"] = "masked"
			}
			all["Description"] = u.get("Unit.Description")
			if kind := u.get("Service.Type"); kind != "" {
				all["Type"] = kind
			}
			if len(u.options["Service.ExecReload"]) > 0 {
				all["CanReload"] = "yes"
			}
		}
		want := properties
		if len(want) == 0 {
			want = slices.Sorted(maps.Keys(all))
		}
		for _, p := range want {
			if v, ok := all[p]; ok && valueOnly {
				t.printf("%s\n", v)
			} else if ok {
				t.printf("%s=%s\n", p, v)
			}
		}
	}
	return 0
}

func (t *tool) list(verb string) int {
	if verb == "list-units" {
		t.m.units.mu.Lock()
		defer t.m.units.mu.Unlock()
		for name, s := range t.m.units.units {
			if state, sub, _, _ := s.get(); state != "inactive" {
				t.printf("  %s loaded %s %s\n", name, state, sub)
			}
		}
		return 0
	}
	seen := map[string]bool{}
	for _, dir := range unitDirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*.service"))
		for _, f := range files {
			name := filepath.Base(f)
			if u, err := loadUnit(name); err == nil && !seen[name] {
				seen[name] = true
				t.printf("%s %s\n", name, u.fileState())
			}
		}
	}
	return 0
}
