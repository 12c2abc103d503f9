package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"
	"mvdan.cc/sh/v3/shell"
)

// unitDirs are where unit files are, the first find counts; the first is also
// where `systemctl enable` makes its links.
var unitDirs = []string{
	"/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// unitFile is a service's unit file with its drop-ins, as far as a guest uses
// it.
type unitFile struct {
	name    string // "nginx.service"
	path    string // of the unit file, "" for a script in /etc/init.d
	options map[string][]string
}

var errNoUnit = errors.New("not found")

// fullUnitName adds ".service" to a name without a type.
func fullUnitName(name string) string {
	switch filepath.Ext(name) {
	case ".service", ".socket", ".target", ".timer", ".path", ".mount", ".slice", ".device", ".swap", ".automount":
		return name
	}
	return name + ".service"
}

// findUnit returns the path of a unit's file, that of its template for an
// instance; "" when there is none.
func findUnit(name string) string {
	prefix, rest, _ := strings.Cut(name, "@")
	for _, n := range []string{name, prefix + "@" + filepath.Ext(rest)} {
		for _, dir := range unitDirs {
			if p := filepath.Join(dir, n); exists(p) {
				return p
			}
		}
	}
	return ""
}

// masked reports whether a unit file is a link to /dev/null.
func masked(path string) bool {
	target, err := filepath.EvalSymlinks(path)
	return err == nil && target == os.DevNull
}

// loadUnit reads a unit. Services without a unit file but with a script in
// /etc/init.d get one that runs the script, as systemd's generator makes it.
func loadUnit(name string) (*unitFile, error) {
	u := &unitFile{name: name, path: findUnit(name), options: map[string][]string{}}
	if u.path == "" {
		script := "/etc/init.d/" + strings.TrimSuffix(name, ".service")
		if st, err := os.Stat(script); err != nil || st.Mode()&0o111 == 0 {
			return nil, fmt.Errorf("Unit %s could not be found: %w", name, errNoUnit) //nolint:staticcheck // systemctl's words
		}
		for key, value := range map[string]string{
			"Service.Type": "forking", "Service.RemainAfterExit": "yes", "Service.ExecStart": script + " start",
			"Service.ExecStop": script + " stop", "Service.ExecReload": script + " reload", "Install.WantedBy": "multi-user.target",
			"Unit.Description": "LSB: " + strings.TrimSuffix(name, ".service"), "Service.Environment": "SYSTEMCTL_SKIP_REDIRECT=1 _SYSTEMCTL_SKIP_REDIRECT=1",
		} {
			u.options[key] = []string{value}
		}
		return u, nil
	}
	if masked(u.path) {
		return u, nil
	}
	files := []string{u.path}
	for _, dir := range unitDirs {
		dropIns, _ := filepath.Glob(filepath.Join(dir, name+".d", "*.conf"))
		files = append(files, dropIns...)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		options, err := unit.DeserializeOptions(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		for _, o := range options {
			key := o.Section + "." + o.Name
			if o.Value == "" {
				delete(u.options, key) // an empty value resets a list
				continue
			}
			u.options[key] = append(u.options[key], o.Value)
		}
	}
	return u, nil
}

// get is the last value of an option, with specifiers expanded.
func (u *unitFile) get(key string) string {
	if v := u.options[key]; len(v) > 0 {
		return u.expand(v[len(v)-1])
	}
	return ""
}

// words are all values of a list option.
func (u *unitFile) words(key string) []string {
	var out []string
	for _, v := range u.options[key] {
		out = append(out, strings.Fields(u.expand(v))...)
	}
	return out
}

func (u *unitFile) truth(key string) bool {
	return slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(u.get(key)))
}

// reloads reports whether the unit has a way to reload.
func (u *unitFile) reloads() bool { return len(u.options["Service.ExecReload"]) > 0 }

// duration reads a time span: seconds, or numbers with units.
func (u *unitFile) duration(key string, otherwise time.Duration) time.Duration {
	text := strings.NewReplacer("min", "m", "sec", "s", " ", "").Replace(u.get(key))
	for _, unit := range []string{"", "s"} {
		if d, err := time.ParseDuration(text + unit); err == nil {
			return d
		}
	}
	return otherwise
}

// timeout reads a time limit, of which 0 and "infinity" are none.
func (u *unitFile) timeout(key string, otherwise time.Duration) time.Duration {
	d := u.duration(key, otherwise)
	if d <= 0 || u.get(key) == "infinity" {
		return 24 * time.Hour
	}
	return d
}

// expand replaces the specifiers that service units use; see systemd.unit(5).
func (u *unitFile) expand(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	base := strings.TrimSuffix(u.name, filepath.Ext(u.name))
	prefix, instance, _ := strings.Cut(base, "@")
	host, _ := os.Hostname()
	unescaped := strings.ReplaceAll(instance, "-", "/")
	return strings.NewReplacer(
		"%%", "%", "%i", instance, "%I", unescaped, "%n", u.name, "%N", base, "%p", prefix, "%P", prefix, "%t", "/run",
		"%S", "/var/lib", "%C", "/var/cache", "%L", "/var/log", "%E", "/etc", "%T", "/tmp", "%V", "/var/tmp", "%H", host,
		"%h", "/root", "%u", "root", "%U", "0",
	).Replace(s)
}

// commandLine is a line of ExecStart= and its like.
type commandLine struct {
	argv   []string
	ignore bool // "-": a failure does not count
	asRoot bool // "+", "!": without User=
}

// commands are the lines of an Exec option, with the variables of env.
func (u *unitFile) commands(key string, env map[string]string) ([]commandLine, error) {
	var out []commandLine
	for _, line := range u.options[key] {
		rest := strings.TrimLeft(line, "-@+!:|")
		marks := line[:len(line)-len(rest)]
		argv, err := shell.Fields(u.expand(rest), func(name string) string { return env[name] })
		if err == nil && len(argv) == 0 {
			err = errors.New("no command")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s=%s: %w", u.name, key, line, err)
		}
		if strings.Contains(marks, "@") && len(argv) > 1 { // its name for itself
			argv = slices.Delete(argv, 1, 2)
		}
		out = append(out, commandLine{argv: argv, ignore: strings.Contains(marks, "-"), asRoot: strings.ContainsAny(marks, "+!")})
	}
	return out, nil
}

// environment is that of the unit's processes, beside the usual PATH.
func (u *unitFile) environment() (map[string]string, error) {
	env := map[string]string{"PATH": systemPath, "LANG": "C.UTF-8", unitVariable: u.name}
	fields, err := shell.Fields(u.expand(strings.Join(u.options["Service.Environment"], " ")), func(string) string { return "" })
	if err != nil {
		return nil, fmt.Errorf("%s: Environment: %w", u.name, err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		env[name] = value
	}
	for _, name := range u.words("Service.EnvironmentFile") {
		path, optional := strings.CutPrefix(name, "-")
		data, err := os.ReadFile(path)
		if err != nil && !optional {
			return nil, err
		}
		maps.Copy(env, parseEnvironment(data))
	}
	return env, nil
}

// conditions reports the first condition on paths that does not hold.
func (u *unitFile) conditions() string {
	for _, key := range []string{"ConditionPathExists", "AssertPathExists", "ConditionFileNotEmpty", "ConditionFileIsExecutable"} {
		for _, v := range u.words("Unit." + key) {
			path, not := strings.CutPrefix(v, "!")
			st, err := os.Stat(path)
			ok := err == nil
			switch key {
			case "ConditionFileNotEmpty":
				ok = ok && st.Size() > 0
			case "ConditionFileIsExecutable":
				ok = ok && st.Mode()&0o111 != 0
			}
			if ok == not {
				return key + "=" + v
			}
		}
	}
	return ""
}

// links are the names below the first of unitDirs that [Install] asks for.
func (u *unitFile) links() []string {
	var out []string
	for key, suffix := range map[string]string{"WantedBy": ".wants", "RequiredBy": ".requires"} {
		for _, t := range u.words("Install." + key) {
			out = append(out, filepath.Join(unitDirs[0], t+suffix, u.name))
		}
	}
	for _, alias := range u.words("Install.Alias") {
		out = append(out, filepath.Join(unitDirs[0], alias))
	}
	slices.Sort(out)
	return out
}

// fileState is what `systemctl is-enabled` says.
func (u *unitFile) fileState() string {
	switch {
	case u.path == "":
		if links, _ := filepath.Glob("/etc/rc?.d/S[0-9][0-9]" + strings.TrimSuffix(u.name, ".service")); len(links) > 0 {
			return "enabled"
		}
		return "disabled"
	case masked(u.path):
		return "masked"
	}
	for _, dir := range unitDirs {
		wants, _ := filepath.Glob(filepath.Join(dir, "*.wants", u.name))
		requires, _ := filepath.Glob(filepath.Join(dir, "*.requires", u.name))
		if len(wants)+len(requires) > 0 {
			return "enabled"
		}
	}
	if len(u.links()) == 0 && len(u.words("Install.Also")) == 0 {
		return "static"
	}
	return "disabled"
}

// preset reports whether the distribution enables the unit when its package is
// installed: the first preset that matches decides, see systemd.preset(5).
func (u *unitFile) preset() bool {
	for _, dir := range []string{"/etc/systemd/system-preset", "/usr/lib/systemd/system-preset", "/lib/systemd/system-preset"} {
		files, _ := filepath.Glob(filepath.Join(dir, "*.preset")) // sorted
		for _, file := range files {
			data, _ := os.ReadFile(file)
			for line := range strings.Lines(string(data)) {
				f := strings.Fields(line)
				if len(f) < 2 || f[0] != "enable" && f[0] != "disable" {
					continue
				}
				if ok, err := filepath.Match(f[1], u.name); ok && err == nil {
					return f[0] == "enable"
				}
			}
		}
	}
	return true
}

// enable makes the links that [Install] asks for, and returns a line for each.
func (u *unitFile) enable() ([]string, error) {
	var out []string
	for _, path := range u.links() {
		if exists(path) {
			continue
		}
		out = append(out, fmt.Sprintf("Created symlink %s → %s.", path, u.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return out, err
		}
		if err := os.Symlink(u.path, path); err != nil {
			return out, err
		}
	}
	return out, nil
}

// disable removes the links that lead to the unit.
func (u *unitFile) disable() ([]string, error) {
	var out []string
	links, _ := filepath.Glob(filepath.Join(unitDirs[0], "*.*", u.name))
	links = append(links, u.links()...)
	for _, l := range links {
		if st, err := os.Lstat(l); err != nil || st.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		if err := os.Remove(l); err != nil {
			return out, err
		}
		out = append(out, fmt.Sprintf("Removed %q.", l))
	}
	return out, nil
}
