package guest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// readOnlyVerbs are those that everybody may use.
var readOnlyVerbs = []string{
	"is-active", "is-failed", "is-enabled", "is-system-running", "status", "show", "show-environment", "cat", "list-units", "list-unit-files",
}

// systemctl parses the command line: a verb, options, units.
func (t *tool) systemctl(args []string) int {
	fs := pflag.NewFlagSet("systemctl", pflag.ContinueOnError)
	quiet, value := fs.BoolP("quiet", "q", false, ""), fs.Bool("value", false, "")
	now, version, root := fs.Bool("now", false, ""), fs.Bool("version", false, ""), fs.String("root", "/", "")
	properties, signal := fs.StringSliceP("property", "p", nil, ""), fs.StringP("signal", "s", "TERM", "")
	if !t.parse(fs, args, "no-pager no-legend no-reload no-ask-password no-block no-wall no-warn system full,l all,a plain force,f",
		"type,t state job-mode preset-mode lines,n output,o kill-who kill-whom") {
		return 1
	}
	units := fs.Args()
	verb := "list-units"
	if *root != "/" { // which Debian's package scripts say
		return t.fail(1, "systemctl: --root=%s is not possible in a guest of the embedded cloud", *root)
	}
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
	case "show-environment": // cloud-init since 24.3 waits for an answer
		t.printf("PATH=%s\n", systemPath)
		return 0
	case "show":
		return t.show(units, *properties, *value)
	}
	if len(units) == 0 {
		return t.fail(1, "Too few arguments.")
	}
	worst, good := 0, 0
	for _, name := range units {
		status := t.unitVerb(verb, fullUnitName(name), *signal, *now)
		if status == 0 {
			good++
		} else {
			worst = status
		}
	}
	if *quiet {
		t.answer.Out = ""
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

// unitVerb carries out a verb for one unit.
func (t *tool) unitVerb(verb, name, signal string, now bool) int {
	um := t.m.units
	u, err := loadUnit(name)
	state := um.service(name).get().active
	say := func(text string, good bool, bad int) int {
		t.printf("%s\n", text)
		if good {
			return 0
		}
		return bad
	}
	act := func(steps ...func(string) error) int {
		for _, step := range steps {
			switch err := step(name); {
			case errors.Is(err, errNoUnit):
				return t.fail(5, "Failed to %s %s: Unit %s not found.", verb, name, name)
			case err != nil:
				return t.fail(1, "%v", err)
			}
		}
		return 0
	}
	switch verb {
	case "is-active":
		return say(state, state == "active", 3)
	case "is-failed":
		return say(state, state == "failed", 1)
	case "is-enabled":
		if err != nil {
			return t.fail(1, "Failed to get unit file state for %s: No such file or directory", name)
		}
		st := u.fileState()
		return say(st, st == "enabled" || st == "static", 1)
	case "status":
		return t.status(name, u, err)
	case "cat":
		if err != nil || u.path == "" {
			return t.fail(1, "No files found for %s.", name)
		}
		data, _ := os.ReadFile(u.path)
		return say("# "+u.path+"\n"+string(data), true, 0)
	case "kill":
		sig := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(signal), "SIG"))
		if n, err := strconv.Atoi(signal); err == nil {
			sig = syscall.Signal(n)
		}
		if sig == 0 {
			return t.fail(1, "Failed to parse signal string %s.", signal)
		}
		um.killAll(name, sig)
		return 0
	case "start":
		return act(um.start)
	case "stop":
		return act(um.stop)
	case "restart":
		return act(um.stop, um.start)
	case "reload":
		return act(um.reload)
	case "reset-failed":
		if state == "failed" {
			um.service(name).set(unitDead)
		}
		return 0
	case "try-restart", "reload-or-restart", "try-reload-or-restart":
		switch {
		case state != "active" && verb != "reload-or-restart":
			return 0
		case state == "active" && verb != "try-restart" && err == nil && u.reloads():
			return act(um.reload)
		}
		return act(um.stop, um.start)
	case "preset", "enable", "disable", "mask", "unmask":
		return t.install(verb, name, u, err, now)
	}
	return t.fail(1, "Unknown command verb %s.", verb)
}

// install does the verbs that make and remove links.
func (t *tool) install(verb, name string, u *unitFile, loaded error, now bool) int {
	link := filepath.Join(unitDirs[0], name)
	if verb == "preset" && loaded == nil {
		verb = map[bool]string{true: "enable", false: "disable"}[u.preset()]
	}
	var lines []string
	var err error
	switch {
	case verb == "mask":
		if _, lerr := os.Readlink(link); lerr == nil {
			_ = os.Remove(link)
		}
		lines, err = []string{fmt.Sprintf("Created symlink %s → /dev/null.", link)}, os.Symlink(os.DevNull, link)
	case verb == "unmask" && masked(link):
		lines, err = []string{fmt.Sprintf("Removed %q.", link)}, os.Remove(link)
	case verb == "unmask":
	case loaded != nil:
		return t.fail(1, "Failed to %s unit: Unit file %s does not exist.", verb, name)
	case u.path == "":
		what := map[string]string{"enable": "defaults", "disable": "disable"}[verb]
		_, err = t.m.run([]string{"/usr/sbin/update-rc.d", strings.TrimSuffix(name, ".service"), what}, nil, io.Discard)
	case verb == "disable":
		lines, err = u.disable()
	case masked(u.path):
		return t.fail(1, "Failed to enable unit: Unit file %s is masked.", u.path)
	default:
		lines, err = u.enable()
	}
	for _, l := range lines {
		t.answer.Err += l + "\n"
	}
	if err != nil {
		return t.fail(1, "Failed to %s unit: %v", verb, err)
	}
	if now {
		return t.unitVerb(map[bool]string{true: "start", false: "stop"}[verb == "enable"], name, "", false)
	}
	return 0
}

func (t *tool) status(name string, u *unitFile, err error) int {
	if err != nil {
		return t.fail(4, "Unit %s could not be found.", name)
	}
	s := t.m.units.service(name).get()
	t.printf("● %s - %s\n     Loaded: loaded (%s; %s)\n     Active: %s (%s)\n   Main PID: %d\n",
		name, u.get("Unit.Description"), u.path, u.fileState(), s.active, s.sub, s.pid)
	if data, err := os.ReadFile(filepath.Join(unitLogDir, name)); err == nil {
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		t.printf("\n%s\n", strings.Join(lines[max(0, len(lines)-10):], "\n"))
	}
	if s.active == "active" {
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
		s := t.m.units.service(name).get()
		all := map[string]string{
			"Id": name, "Names": name, "ActiveState": s.active, "SubState": s.sub, "Result": s.result, "MainPID": strconv.Itoa(s.pid),
			"LoadState": "not-found", "UnitFileState": "", "CanReload": "no", "NeedDaemonReload": "no", "Type": "simple",
			"ExecMainStatus": strconv.Itoa(s.status), "FragmentPath": "", "Description": name,
		}
		if u, err := loadUnit(name); err == nil {
			all["LoadState"], all["UnitFileState"], all["FragmentPath"] = "loaded", u.fileState(), u.path
			if masked(u.path) {
				all["LoadState"] = "masked"
			}
			all["Description"] = u.get("Unit.Description")
			if kind := u.get("Service.Type"); kind != "" {
				all["Type"] = kind
			}
			if u.reloads() {
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

// list prints the services that are not inactive, or all with a unit file.
func (t *tool) list(verb string) int {
	names := map[string]bool{}
	for _, dir := range unitDirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*.service"))
		for _, f := range files {
			names[filepath.Base(f)] = true
		}
	}
	t.m.units.mu.Lock()
	for name := range t.m.units.units { // those of /etc/init.d too
		names[name] = true
	}
	t.m.units.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s := t.m.units.service(name).get()
		if u, err := loadUnit(name); err == nil && verb == "list-unit-files" {
			t.printf("%s %s\n", name, u.fileState())
		} else if s.active != "inactive" {
			t.printf("  %s loaded %s %s\n", name, s.active, s.sub)
		}
	}
	return 0
}
