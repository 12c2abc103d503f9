package inspec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/kitchen"
)

// Verifier checks a machine with InSpec or Cinc Auditor.
type Verifier struct {
	set    *base.Settings
	inspec *settings
	// programs are the names to look for, best first.
	programs []string
}

var (
	_ kitchen.Verifier = (*Verifier)(nil)
	_ kitchen.Checker  = (*Verifier)(nil)
)

// New returns the verifier that the section's name says, inspec or
// cinc_auditor, which differ in what they look for first. Its keys are those
// of every verifier and those of kitchen-inspec: inspec_tests (default
// test/integration/SUITE, the directory inspec in it where that holds tests of
// others too, or test/recipes), inputs (attributes), input_files (attrs),
// waiver_files, profiles_path, reporter (format, output), color, controls,
// tags, backend_cache, plugin_config, host, port, sudo, sudo_command,
// sudo_options, proxy_command, forward_agent, target_id, chef_license,
// chef_license_key, chef_license_server, filter_empty_profiles,
// reporter_backtrace_inclusion, reporter_message_truncation. load_plugins:
// false is refused; cache_inputs has nothing to keep.
func New(section config.Section, o base.Options) (*Verifier, error) {
	v := &Verifier{programs: []string{"inspec", "cinc-auditor"}}
	if section.Name() == "cinc_auditor" {
		v.programs = []string{"cinc-auditor", "inspec"}
	}
	// From here a Windows machine looks like any other; only the way over the
	// machine's own InSpec needs its shell.
	set, err := base.ReadAnywhere(section, o)
	var faults config.Faults
	faults.Add(err)
	if set != nil {
		v.set, o = set, set.Options
	}
	v.inspec, err = read(section, o)
	faults.Add(err)
	return v, faults.Err()
}

// NoInSpecError tells that neither the workstation nor the machine has InSpec.
type NoInSpecError struct {
	Instance string
	// Looked are the places on the machine.
	Looked []string
}

func (e *NoInSpecError) Error() string {
	return fmt.Sprintf("neither this workstation nor <%s> has InSpec or Cinc Auditor (on the machine: %s)", e.Instance, strings.Join(e.Looked, ", "))
}

// Hint tells what to install.
func (e *NoInSpecError) Hint() string {
	return "install Cinc Auditor or InSpec here, or converge first: the packages of Chef and Cinc carry it"
}

// Check implements [kitchen.Checker].
func (v *Verifier) Check(_ context.Context, _ *kitchen.Step) []string {
	out := slices.Clone(v.inspec.warnings)
	if len(v.inspec.profiles) == 0 {
		out = append(out, fmt.Sprintf("The inspec verifier finds no tests in %s.", v.set.SuiteDir()))
	}
	return out
}

// Verify implements [kitchen.Verifier].
func (v *Verifier) Verify(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, w := range v.inspec.warnings {
		step.Report.Warn("%s", w)
	}
	if len(v.inspec.profiles) == 0 {
		step.Report.Info("No tests for InSpec in %s: nothing to verify", v.set.SuiteDir())
		return nil
	}
	if program := v.set.LookPath(v.programs...); program != "" && v.set.Login != nil {
		return v.here(ctx, step, program)
	}
	return v.there(ctx, step, conn)
}

// passes are the exit statuses that count as success: all passed, and some tests
// skipped.
var passes = []int{0, 101}

// here runs the workstation's InSpec over SSH.
func (v *Verifier) here(ctx context.Context, step *kitchen.Step, program string) error {
	login, err := v.set.Login(step.State)
	if err != nil {
		return err
	}
	if v.inspec.host != "" {
		login.Host = v.inspec.host
	}
	if login.Host == "" {
		return &kitchen.NoAddressError{Instance: step.Instance.Name}
	}
	if v.inspec.port != 0 {
		login.Port = v.inspec.port
	}
	dir, err := os.MkdirTemp("", "galley-inspec-")
	if err != nil {
		return fmt.Errorf("preparing the verification: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &run{
		v: v, step: step, args: []string{program, "exec"},
		send: func(_, file string) (string, error) { return file, nil },
		write: func(at string, content []byte) (string, error) {
			at = filepath.Join(dir, filepath.FromSlash(at))
			err := os.MkdirAll(filepath.Dir(at), 0o700)
			if err == nil {
				err = os.WriteFile(at, content, 0o600)
			}
			if err != nil {
				err = fmt.Errorf("preparing the verification: %w", err)
			}
			return at, err
		},
		report: func(file string) (string, error) {
			return file, os.MkdirAll(filepath.Dir(file), 0o755)
		},
	}
	if err := r.build(v.target(login), login.Password, v.set.SudoPassword(login.Password)); err != nil {
		return err
	}
	name := filepath.Base(program)
	step.Report.Debug("[InSpec] %s over ssh://%s@%s", name, login.User, login.Host)
	var env []string
	if v.inspec.license != "" {
		env = append(env, "CHEF_LICENSE="+v.inspec.license)
	}
	err = v.set.RunLocal(ctx, step, base.Local{What: name, Args: r.args, Env: env, OK: passes})
	return explain(err)
}

// run puts together the arguments of a run of InSpec.
type run struct {
	v    *Verifier
	step *kitchen.Step
	args []string
	// send puts a file or directory to where InSpec runs, at a path of its own,
	// and write puts a made-up file there; both return the path there.
	send  func(at, file string) (string, error)
	write func(at string, content []byte) (string, error)
	// report returns the path there of a report, which is to be in file here.
	report func(file string) (string, error)
}

// build adds the profiles, target, which leads to the machine, and the options.
func (r *run) build(target []string, password string, sudo secret.Text) error {
	if err := r.addProfiles(); err != nil {
		return err
	}
	r.args = append(r.args, target...)
	for _, step := range []func() error{r.addInputs, func() error { return r.addConfig(password, sudo) }, r.addReporters} {
		if err := step(); err != nil {
			return err
		}
	}
	r.args = append(r.args, r.v.common()...)
	return nil
}

func (r *run) addProfiles() error {
	for i, p := range r.v.inspec.profiles {
		at, where, err := fmt.Sprintf("profiles/%d", i), p.target, error(nil)
		switch {
		case p.path != "":
			if where, err = r.send(path.Join(at, filepath.Base(p.path)), p.path); err != nil {
				return fmt.Errorf("reading the tests: %w", err)
			}
		case p.wrap != nil:
			if url := p.wrap["supermarket_url"]; url != "" {
				r.step.Report.Info("The profile %s comes from the Supermarket at %s", p.wrap["supermarket"], url)
			}
			if where, err = r.wrapper(at, p.wrap); err != nil {
				return err
			}
		}
		r.args = append(r.args, where)
	}
	return nil
}

// wrapper writes a profile that includes another one, which only a dependency
// can name, and returns its path.
func (r *run) wrapper(at string, dep map[string]string) (string, error) {
	// JSON, which YAML is a superset of.
	b, err := json.Marshal(map[string]any{"name": "galley-wrapper", "title": "Includes " + dep["name"], "version": "0.1.0", "depends": []any{dep}})
	if err != nil {
		return "", err
	}
	file, err := r.write(at+"/inspec.yml", b)
	if err == nil {
		_, err = r.write(at+"/controls/include.rb", []byte("include_controls "+rubyString(dep["name"])+"\n"))
	}
	return strings.TrimRight(strings.TrimSuffix(file, "inspec.yml"), `/\`), err
}

func (r *run) addInputs() error {
	var inputs, waivers []string
	if len(r.v.inspec.inputs) > 0 {
		b, err := json.Marshal(r.v.inspec.inputs)
		if err != nil {
			return fmt.Errorf("the verifier's inputs: %w", err)
		}
		file, err := r.write("files/inputs.yml", b)
		if err != nil {
			return err
		}
		inputs = append(inputs, file)
	}
	send := func(to *[]string, kind string, files []string) error {
		for i, f := range files {
			at, err := r.send(fmt.Sprintf("files/%s-%d%s", kind, i, filepath.Ext(f)), f)
			if err != nil {
				return fmt.Errorf("reading %s: %w", f, err)
			}
			*to = append(*to, at)
		}
		return nil
	}
	err := errors.Join(send(&inputs, "inputs", r.v.inspec.inputFiles), send(&waivers, "waivers", r.v.inspec.waivers))
	r.args = append(r.args, list("--input-file", inputs)...)
	r.args = append(r.args, list("--waiver-file", waivers)...)
	return err
}

// addConfig adds InSpec's own configuration: what should not stand on a command
// line, or has no place there.
func (r *run) addConfig(password string, sudo secret.Text) error {
	s := r.v.inspec
	if password == "" && sudo == "" && len(s.plugins) == 0 && !s.forward {
		return nil
	}
	cli := map[string]any{}
	if password != "" {
		cli["password"] = password
	}
	if sudo != "" && s.sudo {
		cli["sudo_password"] = sudo.Reveal()
	}
	if s.forward {
		cli["forward_agent"] = true
	}
	data := map[string]any{"version": "1.2", "cli_options": cli}
	if len(s.plugins) > 0 {
		data["plugins"] = s.plugins
	}
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("plugin_config: %w", err)
	}
	file, err := r.write("files/config.json", b)
	r.args = append(r.args, "--config", file)
	return err
}

func (r *run) addReporters() error {
	for i, rep := range r.v.inspec.reporters {
		if i == 0 {
			r.args = append(r.args, "--reporter")
		}
		word := rep.name
		if rep.file != "" {
			at, err := r.report(rep.file)
			if err != nil {
				return fmt.Errorf("the reporter's file: %w", err)
			}
			word += ":" + at
		}
		r.args = append(r.args, word)
	}
	return nil
}

// list is a flag that takes all its values at once: given twice, InSpec
// forgets the first.
func list(flag string, values []string) []string {
	if len(values) == 0 {
		return nil
	}
	return append([]string{flag}, values...)
}

// target are the arguments that lead to the machine.
func (v *Verifier) target(l base.Login) []string {
	s := v.inspec
	host := l.Host
	if l.Port != 0 {
		host = net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	user := ""
	if l.User != "" {
		user = l.User + "@"
	}
	args := []string{"--target", "ssh://" + user + host}
	args = append(args, list("--key-files", l.Keys)...)
	if s.sudo {
		args = append(args, "--sudo", "--sudo-command", s.sudoCmd)
		if s.sudoOpts != "" {
			args = append(args, "--sudo-options", s.sudoOpts)
		}
	}
	proxy := s.proxyCmd
	if proxy == "" {
		proxy = l.ProxyCommand
	}
	switch {
	case proxy != "":
		args = append(args, "--proxy-command", proxy)
	case l.Gateway != "":
		args = append(args, "--bastion-host", l.Gateway)
		if l.GatewayUser != "" {
			args = append(args, "--bastion-user", l.GatewayUser)
		}
		if l.GatewayPort != 0 {
			args = append(args, "--bastion-port", strconv.Itoa(l.GatewayPort))
		}
	}
	return args
}

// common are the arguments that are the same wherever InSpec runs.
func (v *Verifier) common() []string {
	s := v.inspec
	var args []string
	args = append(args, list("--controls", s.controls)...)
	args = append(args, list("--tags", s.tags)...)
	if !s.color {
		args = append(args, "--no-color")
	}
	if !s.cache {
		args = append(args, "--no-backend-cache")
	}
	if s.targetID != "" {
		args = append(args, "--target-id", s.targetID)
	}
	if v.set.Debug {
		args = append(args, "--log-level", "debug")
	}
	args = append(args, s.options...)
	return append(args, s.keys...)
}

func rubyString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// places are the directories on the machine that may hold InSpec.
func (v *Verifier) places() []string {
	var out []string
	for _, root := range []string{v.inspec.root, "/opt/cinc-auditor", "/opt/inspec", "/opt/cinc", "/opt/chef", "/opt/cinc-workstation", "/opt/chef-workstation"} {
		if root != "" {
			out = append(out, root)
		}
	}
	return out
}

// there sends the profiles to the machine and runs its own InSpec on them.
func (v *Verifier) there(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error {
	if v.set.OSType == "windows" || v.set.ShellType == "powershell" {
		return &base.UnsupportedError{What: "verifying " + v.set.Platform, Why: "this workstation has no InSpec, and the machine's own cannot be used on Windows yet", Advice: "install Cinc Auditor or InSpec here"}
	}
	m := v.set.On(step, conn)
	defer m.Close()
	program, err := v.find(ctx, step, m)
	if err != nil {
		return err
	}
	step.Report.Info("Neither inspec nor cinc-auditor is installed here: using %s on the machine", program)
	tree, reports := &base.Tree{}, map[string]string{}
	r := &run{
		v: v, step: step, args: []string{program, "exec"},
		send: func(at, file string) (string, error) {
			if base.IsDir(file) {
				return v.set.OnMachine(at), tree.AddDir(at, file, nil)
			}
			return v.set.OnMachine(at), tree.AddFile(at, file)
		},
		write: func(at string, content []byte) (string, error) {
			mode := fs.FileMode(0o644)
			if strings.HasPrefix(at, "files/") {
				mode = 0o600
			}
			tree.AddBytes(at, content, mode)
			return v.set.OnMachine(at), nil
		},
		report: func(file string) (string, error) {
			tree.Mkdir("reports")
			at := v.set.OnMachine("reports", fmt.Sprintf("%d-%s", len(reports), filepath.Base(file)))
			reports[at] = file
			return at, nil
		},
	}
	if err := r.build(nil, "", ""); err != nil {
		return err
	}
	step.Report.Info("Transferring files to <%s>", step.Instance.Name)
	if err := m.Sync(ctx, tree, nil, m.SudoCode()); err != nil {
		return err
	}
	code := ""
	if v.inspec.license != "" {
		code = "CHEF_LICENSE=" + base.Quote(v.inspec.license) + "; export CHEF_LICENSE\n"
	}
	var words []string
	for _, a := range r.args {
		words = append(words, base.Quote(a))
	}
	// A reader of all reports must be able to fetch them without root.
	code += m.Sudo(strings.Join(words, " ")) + "\nstatus=$?\n"
	if len(reports) > 0 {
		code += m.Sudo("chmod -R a+rX "+base.Quote(v.set.OnMachine("reports"))) + "\n"
	}
	err = m.Run(ctx, path.Base(program), code+"[ $status -ne 101 ] || status=0\nexit $status")
	for from, to := range reports {
		if ctx.Err() != nil {
			break
		}
		if derr := fetch(ctx, m, from, to); derr != nil && err == nil {
			err = derr
		}
	}
	return m.Finish(ctx, explain(err))
}

func fetch(ctx context.Context, m *base.Machine, from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("the reporter's file: %w", err)
	}
	if err := m.Conn().Download(ctx, from, to); err != nil {
		return fmt.Errorf("fetching the report %s: %w", from, err)
	}
	return nil
}

// find returns the path of InSpec on the machine.
func (v *Verifier) find(ctx context.Context, step *kitchen.Step, m *base.Machine) (string, error) {
	var b strings.Builder
	b.WriteString("for d in")
	for _, p := range v.places() {
		b.WriteString(" " + base.Quote(p))
	}
	b.WriteString("; do for n in " + strings.Join(v.programs, " ") + "; do for b in \"$d/bin\" \"$d/embedded/bin\"; do\n" +
		"if [ -x \"$b/$n\" ]; then echo \"found $b/$n\"; exit 0; fi\ndone; done; done\n" +
		"for n in " + strings.Join(v.programs, " ") + "; do p=$(command -v $n) && { echo \"found $p\"; exit 0; }; done; exit 0")
	out, _, err := m.Ask(ctx, "looking for InSpec", b.String())
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "found "); ok {
			return p, nil
		}
	}
	return "", &NoInSpecError{Instance: step.Instance.Name, Looked: v.places()}
}

// explain says what a status of InSpec means.
func explain(err error) error {
	var failed *base.CommandError
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Status {
	case 172, 174:
		failed.Advice = "this InSpec wants a licence: set chef_license (accept) and chef_license_key, or install Cinc Auditor, which wants none"
	case 5, 6:
		failed.Advice = "InSpec could not use one of the profiles or its plug-ins; its output tells which"
	}
	return err
}
