package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

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
	case "telinit", "init":
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

// power ends or restarts the guest, at once or in some minutes.
func (t *tool) power(name string, args []string) int {
	if !t.root {
		return t.fail(1, "%s: must be superuser.", name)
	}
	status, when := exitPowerOff, time.Duration(0)
	if name == "reboot" {
		status = exitReboot
	}
	for _, a := range args {
		switch {
		case a == "-r" || a == "--reboot":
			status = exitReboot
		case slices.Contains([]string{"-h", "-P", "-p", "-H", "--halt", "--poweroff"}, a):
			status = exitPowerOff
		case a == "-c":
			return t.fail(1, "%s: there is no scheduled shutdown to cancel", name)
		case a == "now" || strings.HasPrefix(a, "-"):
		case strings.HasPrefix(a, "+"):
			n, err := strconv.Atoi(a[1:])
			if err != nil {
				return t.fail(1, "%s: bad time: %s", name, a)
			}
			when = time.Duration(n) * time.Minute
		case strings.Contains(a, ":"):
			return t.fail(1, "%s: a time of day is not supported in this guest; use +MINUTES", name)
		}
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
	var names []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case (a == "-u" || a == "--unit") && i+1 < len(args):
			i++
			names = append(names, fullUnitName(args[i]))
		case strings.HasPrefix(a, "--unit="):
			names = append(names, fullUnitName(strings.TrimPrefix(a, "--unit=")))
		case strings.HasPrefix(a, "-u") && len(a) > 2:
			names = append(names, fullUnitName(a[2:]))
		case a == "-n" || a == "--lines" || a == "-o" || a == "--output" || a == "--since":
			i++
		}
	}
	if len(names) == 0 {
		return t.fail(1, "journalctl: this guest has the output of units only: journalctl -u UNIT")
	}
	for _, n := range names {
		data, err := os.ReadFile(filepath.Join(unitLogDir, filepath.Base(n)))
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
	"is-active", "is-failed", "is-enabled", "is-system-running", "status", "show", "cat", "list-units", "list-unit-files", "get-default", "list-timers",
}

// systemctl parses the command line: a verb, options, units.
func (t *tool) systemctl(args []string) int {
	var verb string
	var units, properties []string
	quiet, now, value := false, false, false
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-q" || a == "--quiet":
			quiet = true
		case a == "--now":
			now = true
		case a == "--value":
			value = true
		case a == "-p" || a == "--property":
			if i++; i < len(args) {
				properties = append(properties, strings.Split(args[i], ",")...)
			}
		case strings.HasPrefix(a, "--property="):
			properties = append(properties, strings.Split(strings.TrimPrefix(a, "--property="), ",")...)
		case a == "-t" || a == "-s" || a == "-n" || a == "-o" || a == "--type" || a == "--state" || a == "--job-mode" || a == "--signal":
			i++
		case a == "--version":
			t.printf("systemd 252 (embedded cloud)\n")
			return 0
		case strings.HasPrefix(a, "-"):
		case verb == "":
			verb = a
		default:
			units = append(units, a)
		}
	}
	if verb == "" {
		verb = "list-units"
	}
	if !t.root && !slices.Contains(readOnlyVerbs, verb) {
		return t.fail(1, "Failed to %s %s: Access denied", verb, strings.Join(units, " "))
	}
	if t.m.units == nil && !slices.Contains([]string{"reboot", "poweroff", "halt"}, verb) {
		return t.fail(1, "System has not been booted with systemd as init system (PID 1). Can't operate.")
	}
	switch verb {
	case "reboot", "poweroff", "halt":
		return t.power(verb, nil)
	case "is-system-running":
		t.printf("running\n")
		return 0
	case "get-default":
		t.printf("multi-user.target\n")
		return 0
	case "daemon-reload", "daemon-reexec", "reset-failed", "preset-all", "set-default", "isolate", "default":
		return t.reloadDaemon(verb, units)
	case "list-units", "list-unit-files", "list-timers":
		return t.list(verb)
	case "show":
		return t.show(units, properties, value)
	}
	if len(units) == 0 {
		return t.fail(1, "Too few arguments.")
	}
	worst, good := 0, 0
	for _, name := range units {
		if status := t.unitVerb(verb, name, quiet, now); status != 0 {
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

func (t *tool) reloadDaemon(verb string, units []string) int {
	switch verb {
	case "daemon-reload":
		// Debian's PostgreSQL is the one package here whose units a
		// generator makes.
		for _, g := range []string{"/usr/lib/systemd/system-generators/postgresql-generator", "/lib/systemd/system-generators/postgresql-generator"} {
			if exists(g) {
				dir := unitDirs[2]
				_ = os.MkdirAll(dir, 0o755)
				_, _ = t.m.run(t.m.lifetime, []string{g, dir, dir, dir}, nil, io.Discard)
				break
			}
		}
	case "reset-failed":
		for _, name := range units {
			if s := t.m.units.service(fullUnitName(name)); s.state == "failed" {
				s.set("inactive", "dead", "success", 0)
			}
		}
	case "isolate":
		return t.fail(1, "systemctl: isolate is not possible in a guest of the embedded cloud")
	}
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
	case "try-restart", "condrestart":
		if state != "active" {
			return 0
		}
		return act(um.stop, um.start)
	case "reload":
		return act(um.reload)
	case "reload-or-restart", "force-reload", "reload-or-try-restart", "try-reload-or-restart":
		if err == nil && state == "active" && len(u.options["Service.ExecReload"]) > 0 {
			return act(um.reload)
		}
		if state != "active" && strings.Contains(verb, "try") {
			return 0
		}
		return act(um.stop, um.start)
	case "kill":
		um.killAll(name, syscall.SIGTERM)
		return 0
	case "preset":
		verb = "disable"
		if err == nil && u.preset() {
			verb = "enable"
		}
		return t.install(verb, name, u, err, now)
	case "enable", "disable", "reenable", "mask", "unmask":
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
			base := strings.TrimSuffix(name, ".service")
			args := []string{"/usr/sbin/update-rc.d", base, map[string]string{"disable": "disable"}[verb]}
			if verb != "disable" {
				args[2] = "defaults"
			}
			_, err = t.m.run(t.m.lifetime, args, nil, io.Discard)
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
		return t.unitVerb(map[bool]string{true: "start", false: "stop"}[verb == "enable" || verb == "reenable"], name, true, false)
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
	for i, name := range append([]string(nil), units...) {
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
			for k := range all {
				want = append(want, k)
			}
			sort.Strings(want)
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
	if verb == "list-timers" {
		t.printf("0 timers listed.\n")
		return 0
	}
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
