package base

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/secret"
)

// Defaults are the values of a plug-in's shared keys that differ from one
// plug-in to another.
type Defaults struct {
	// RootPath is the directory on the machine.
	RootPath string
	// RetryOn are the exit statuses after which a run is repeated.
	RetryOn []int
}

// Settings are the keys that every provisioner and verifier has (Test
// Kitchen: configurable.rb and its kin).
type Settings struct {
	Options
	// RootPath is the directory on the machine (root_path).
	RootPath string
	// Uploads are put on the machine first, Downloads fetched at the end.
	Uploads, Downloads []Transfer
	// RetryOn are the exit statuses after which a run is repeated, at most
	// MaxRetries times, each after Wait and on a fresh connection
	// (retry_on_exit_code, max_retries, wait_for_retry).
	RetryOn    []int
	MaxRetries int
	Wait       time.Duration

	sudo         string // the command, "" without
	sudoPassword secret.Text
	prefix       string
	exports      string
}

// Transfer is one file or directory to copy. Paths on the workstation are
// absolute.
type Transfer struct{ From, To string }

// UnsupportedError refuses a setting, and says why.
type UnsupportedError struct {
	// What is the setting, with where it stands.
	What string
	// Why is the reason, Advice what to do instead.
	Why, Advice string
}

func (e *UnsupportedError) Error() string { return e.What + ": " + e.Why }

// Hint returns the advice.
func (e *UnsupportedError) Hint() string { return e.Advice }

// Refuse returns an *[UnsupportedError] about a key of a section.
func Refuse(s config.Section, key, why, advice string) error {
	what := "the key " + key
	if w := s.Where(key); w != "default" {
		what += " (" + w + ")"
	}
	return &UnsupportedError{What: what, Why: why, Advice: advice}
}

// Read reads the shared keys of a section.
func Read(s config.Section, o Options, d Defaults) (*Settings, error) {
	if o.OSType == "windows" || o.ShellType == "powershell" {
		return nil, &UnsupportedError{
			What:   "platform " + o.Platform,
			Why:    "commands for PowerShell and Windows are not supported yet",
			Advice: "a platform that has a POSIX shell in spite of its name says so with `os_type: unix` and `shell_type: bourne`",
		}
	}
	r := &reader{config.Reader{Section: s}}
	set := &Settings{
		Options:    o,
		RootPath:   r.Text("root_path", d.RootPath),
		RetryOn:    r.ints("retry_on_exit_code", d.RetryOn),
		MaxRetries: r.Number("max_retries", 1),
		Wait:       r.Time("wait_for_retry", 30*time.Second),
		prefix:     r.Text("command_prefix", ""),
		Uploads:    r.pairs("uploads", true),
		Downloads:  r.pairs("downloads", false),
	}
	if r.Flag("sudo", true) {
		set.sudo = r.Text("sudo_command", "sudo -E")
		set.sudoPassword = secret.Text(r.Text("sudo_password", ""))
	}
	set.exports = r.exports(o)
	if set.MaxRetries < 0 {
		r.Wrong("max_retries", strconv.Itoa(set.MaxRetries), "zero or more")
	}
	if !strings.HasPrefix(set.RootPath, "/") {
		r.Wrong("root_path", strconv.Quote(set.RootPath), "an absolute path on the machine")
	}
	return set, r.Err()
}

// ReadAnywhere reads the shared keys of a verifier, and suite_name, on any
// platform: whether a command has to be run on the machine is not known yet.
func ReadAnywhere(s config.Section, o Options) (*Settings, error) {
	suite, err := s.String("suite_name", o.Suite)
	if err != nil {
		return nil, err
	}
	o.Suite = suite
	plain := o
	plain.OSType, plain.ShellType = "", ""
	set, err := Read(s, plain, Defaults{RootPath: "/tmp/verifier"})
	if set != nil {
		set.Options = o
	}
	return set, err
}

// reader reads the keys that need more than their value.
type reader struct{ config.Reader }

func (r *reader) ints(key string, def []int) []int {
	if !r.Has(key) {
		return def
	}
	var out []int
	for _, text := range r.List(key) {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			r.Wrong(key, strconv.Quote(text), "an exit status")
		}
		out = append(out, n)
	}
	return out
}

// pairs reads a mapping of paths; keys are local paths if localKeys is true,
// else values are.
func (r *reader) pairs(key string, localKeys bool) []Transfer {
	m := r.Mapping(key)
	var out []Transfer
	for _, from := range m.Keys() {
		to, err := m.String(from, "")
		r.Add(err)
		if to == "" && err == nil {
			r.Add(&config.ValueError{Key: key + "." + from, Where: m.Where(from), Found: "empty", Want: "a path"})
		}
		t := Transfer{From: from, To: to}
		if localKeys {
			t.From = m.Expand(from)
		} else {
			// A trailing slash says "into this directory".
			t.To = m.Expand(to)
			if strings.HasSuffix(to, "/") {
				t.To += "/"
			}
		}
		out = append(out, t)
	}
	return out
}

// exports is the shell code that gives a command its environment, in Test
// Kitchen's order.
func (r *reader) exports(o Options) string {
	var b strings.Builder
	export := func(name, value string) {
		b.WriteString(name + "=" + posix.Quote(value) + "; export " + name + "\n")
	}
	for _, name := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy"} {
		upper := strings.ToUpper(name)
		value := r.Text(name, "")
		if !r.Has(name) {
			value = o.Getenv(name)
			if value == "" {
				value = o.Getenv(upper)
			}
		}
		if value != "" {
			export(name, value)
			export(upper, value)
		}
	}
	export("TEST_KITCHEN", "1")
	for _, name := range []string{"CI", "NO_COLOR", "CHEF_LICENSE"} {
		if v := o.Getenv(name); v != "" {
			export(name, v)
		}
	}
	var names []string
	for _, kv := range o.Environ {
		k, _, _ := strings.Cut(kv, "=")
		// Only what a shell takes for a name: the rest could be anything.
		if name, ok := strings.CutPrefix(k, "TKENV_"); ok && isName(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		export(name, o.Getenv("TKENV_"+name))
	}
	b.WriteString(plainOutput)
	return b.String()
}

// plainOutput is shell code that has programs write plain lines where there is
// no terminal.
const plainOutput = "[ -t 1 ] || { : \"${NO_COLOR=1}\" \"${TERM=dumb}\"; export NO_COLOR TERM; }\n"

func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// Quote makes one word of a POSIX shell of s.
func Quote(s string) string { return posix.Quote(s) }

// OnMachine joins the root path and a path below it.
func (s *Settings) OnMachine(parts ...string) string {
	return strings.TrimRight(s.RootPath, "/") + "/" + strings.Join(parts, "/")
}
