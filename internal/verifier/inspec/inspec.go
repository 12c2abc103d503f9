package inspec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	suite, err := section.String("suite_name", o.Suite)
	if err != nil {
		return nil, err
	}
	o.Suite = suite
	// From here a Windows machine looks like any other; only the way over the
	// machine's own InSpec needs its shell.
	plain := o
	plain.OSType, plain.ShellType = "", ""
	var faults config.Faults
	v.set, err = base.Read(section, plain, base.Defaults{RootPath: "/tmp/verifier"})
	faults.Add(err)
	v.inspec, err = read(section, o)
	faults.Add(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	v.set.OSType, v.set.ShellType = o.OSType, o.ShellType
	return v, nil
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
	args := []string{program, "exec"}
	for i, p := range v.inspec.profiles {
		switch {
		case p.path != "":
			args = append(args, p.path)
		case p.target != "":
			args = append(args, p.target)
		default:
			if url := p.wrap["supermarket_url"]; url != "" {
				step.Report.Info("The profile %s comes from the Supermarket at %s", p.wrap["supermarket"], url)
			}
			at := filepath.Join(dir, fmt.Sprintf("profile-%d", i))
			if err := writeFiles(at, wrapper(p.wrap)); err != nil {
				return err
			}
			args = append(args, at)
		}
	}
	args = append(args, v.target(login)...)
	files := map[string]string{}
	inputs := v.inspec.inputFiles
	if name, content, err := v.inputsFile(); err != nil {
		return err
	} else if content != "" {
		files[name] = content
		inputs = append([]string{filepath.Join(dir, name)}, inputs...)
	}
	args = append(args, list("--input-file", inputs)...)
	args = append(args, list("--waiver-file", v.inspec.waivers)...)
	if conf, err := v.config(login.Password, v.set.SudoPassword(login.Password)); err != nil {
		return err
	} else if conf != "" {
		files["config.json"] = conf
		args = append(args, "--config", filepath.Join(dir, "config.json"))
	}
	if err := writeFiles(dir, files); err != nil {
		return err
	}
	for _, r := range v.inspec.reporters {
		if r.file != "" {
			if err := os.MkdirAll(filepath.Dir(r.file), 0o755); err != nil {
				return fmt.Errorf("the reporter's file: %w", err)
			}
		}
	}
	args = append(args, v.reporterArgs(func(r reporter) string { return r.file })...)
	args = append(args, v.common()...)
	name := filepath.Base(program)
	step.Report.Debug("[InSpec] %s over ssh://%s@%s", name, login.User, login.Host)
	var env []string
	if v.inspec.license != "" {
		env = append(env, "CHEF_LICENSE="+v.inspec.license)
	}
	err = v.set.RunLocal(ctx, step, base.Local{What: name, Args: args, Env: env, OK: passes})
	return explain(err)
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

func (v *Verifier) reporterArgs(file func(reporter) string) []string {
	if len(v.inspec.reporters) == 0 {
		return nil
	}
	args := []string{"--reporter"}
	for _, r := range v.inspec.reporters {
		if f := file(r); f != "" {
			args = append(args, r.name+":"+f)
		} else {
			args = append(args, r.name)
		}
	}
	return args
}

// inputsFile is the file of inputs: JSON, which YAML is a superset of.
func (v *Verifier) inputsFile() (name, content string, err error) {
	if len(v.inspec.inputs) == 0 {
		return "", "", nil
	}
	b, err := json.Marshal(v.inspec.inputs)
	if err != nil {
		return "", "", fmt.Errorf("the verifier's inputs: %w", err)
	}
	return "inputs.yml", string(b), nil
}

// config is InSpec's own configuration: what should not stand on a command
// line, or has no place there.
func (v *Verifier) config(password string, sudo secret.Text) (string, error) {
	if password == "" && sudo == "" && len(v.inspec.plugins) == 0 && !v.inspec.forward {
		return "", nil
	}
	cli := map[string]any{}
	if password != "" {
		cli["password"] = password
	}
	if sudo != "" && v.inspec.sudo {
		cli["sudo_password"] = sudo.Reveal()
	}
	if v.inspec.forward {
		cli["forward_agent"] = true
	}
	data := map[string]any{"version": "1.2", "cli_options": cli}
	if len(v.inspec.plugins) > 0 {
		data["plugins"] = v.inspec.plugins
	}
	b, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("plugin_config: %w", err)
	}
	return string(b), nil
}

// wrapper is a profile that includes another one, which only a dependency can
// name.
func wrapper(dep map[string]string) map[string]string {
	// JSON again, for YAML.
	b, err := json.Marshal(map[string]any{"name": "galley-wrapper", "title": "Includes " + dep["name"], "version": "0.1.0", "depends": []any{dep}})
	if err != nil {
		b = nil // strings alone: it cannot fail
	}
	return map[string]string{"inspec.yml": string(b), "controls/include.rb": "include_controls " + rubyString(dep["name"]) + "\n"}
}

func rubyString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func writeFiles(dir string, files map[string]string) error {
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			return fmt.Errorf("preparing the verification: %w", err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			return fmt.Errorf("preparing the verification: %w", err)
		}
	}
	return nil
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
	r := &remoteRun{v: v, args: []string{base.Quote(program), "exec"}, reports: map[string]string{}}
	if err := errors.Join(r.addProfiles(), r.addFiles()); err != nil {
		return err
	}
	r.addReports()
	tree, args, reports := &r.tree, r.args, r.reports
	step.Report.Info("Transferring files to <%s>", step.Instance.Name)
	if err := m.Sync(ctx, tree, nil, m.SudoCode()); err != nil {
		return err
	}
	code := ""
	if v.inspec.license != "" {
		code = "CHEF_LICENSE=" + base.Quote(v.inspec.license) + "; export CHEF_LICENSE\n"
	}
	// A reader of all reports must be able to fetch them without root.
	code += m.Sudo(strings.Join(args, " ")) + "\nstatus=$?\n"
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

// remoteRun puts together a run of the machine's own InSpec.
type remoteRun struct {
	v    *Verifier
	tree base.Tree
	// args are words of the shell.
	args []string
	// reports are files on the machine, and where each goes here.
	reports map[string]string
}

// addProfiles adds the profiles, and the files of those that are here.
func (r *remoteRun) addProfiles() error {
	for i, p := range r.v.inspec.profiles {
		if p.path == "" && p.wrap == nil {
			r.args = append(r.args, base.Quote(p.target))
			continue
		}
		at := fmt.Sprintf("profiles/%d", i)
		if p.wrap != nil {
			for name, content := range wrapper(p.wrap) {
				r.tree.AddBytes(path.Join(at, name), []byte(content), 0o644)
			}
		} else {
			at = path.Join(at, filepath.Base(p.path))
			add := r.tree.AddFile
			if isDir(p.path) {
				add = func(at, dir string) error { return r.tree.AddDir(at, dir, nil) }
			}
			if err := add(at, p.path); err != nil {
				return fmt.Errorf("reading the tests: %w", err)
			}
		}
		r.args = append(r.args, base.Quote(r.v.set.OnMachine(at)))
	}
	return nil
}

// addFiles adds the inputs, the waivers and InSpec's configuration.
func (r *remoteRun) addFiles() error {
	v := r.v
	var inputs, waivers []string
	if name, content, err := v.inputsFile(); err != nil {
		return err
	} else if content != "" {
		r.tree.AddBytes("files/"+name, []byte(content), 0o600)
		inputs = append(inputs, base.Quote(v.set.OnMachine("files", name)))
	}
	send := func(to *[]string, kind string, files []string) error {
		for i, f := range files {
			name := fmt.Sprintf("%s-%d%s", kind, i, filepath.Ext(f))
			if err := r.tree.AddFile("files/"+name, f); err != nil {
				return fmt.Errorf("reading %s: %w", f, err)
			}
			*to = append(*to, base.Quote(v.set.OnMachine("files", name)))
		}
		return nil
	}
	if err := errors.Join(send(&inputs, "inputs", v.inspec.inputFiles), send(&waivers, "waivers", v.inspec.waivers)); err != nil {
		return err
	}
	r.args = append(r.args, list("--input-file", inputs)...)
	r.args = append(r.args, list("--waiver-file", waivers)...)
	conf, err := v.config("", "")
	if err != nil || conf == "" {
		return err
	}
	r.tree.AddBytes("files/config.json", []byte(conf), 0o600)
	r.args = append(r.args, "--config", base.Quote(v.set.OnMachine("files", "config.json")))
	return nil
}

// addReports adds the reporters and the options that are the same everywhere.
func (r *remoteRun) addReports() {
	rep := r.v.reporterArgs(func(one reporter) string {
		if one.file == "" {
			return ""
		}
		at := r.v.set.OnMachine("reports", fmt.Sprintf("%d-%s", len(r.reports), filepath.Base(one.file)))
		r.reports[at] = one.file
		return at
	})
	if len(r.reports) > 0 {
		r.tree.Mkdir("reports")
	}
	for _, a := range append(rep, r.v.common()...) {
		r.args = append(r.args, base.Quote(a))
	}
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
