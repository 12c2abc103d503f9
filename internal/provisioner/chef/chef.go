package chef

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// Options is what the provisioners need to know beside their section.
type Options struct {
	base.Options
	// Resolver is shared by all instances of a run; nil gives the provisioner
	// one for each converge.
	Resolver *Resolver
	// Cookbooks are the options of Galley's own resolver; nil are those of
	// base.Options alone, without a user at a Chef Server.
	Cookbooks func(context.Context) (cookbooks.Options, error)
}

// Provisioner converges a machine with Chef or Cinc.
type Provisioner struct {
	set      *base.Settings
	chef     *settings
	files    *matcher
	resolver *Resolver
	own      bool // the resolver is nobody else's
	moot     []string

	cookbooks func(context.Context) (cookbooks.Options, error)
}

var (
	_ kitchen.Provisioner = (*Provisioner)(nil)
	_ kitchen.Checker     = (*Provisioner)(nil)
	_ kitchen.Installer   = (*Provisioner)(nil)
)

// New returns the provisioner that the section's name says: chef_infra (also
// for no name), chef_zero, which is the same, chef_solo or chef_apply; or, with
// Cinc as the product, cinc_infra and so on. Its keys are those of every
// provisioner and
//
//   - what to run: run_list, named_run_list, attributes, policy_group,
//     json_attributes, multiple_converge, enforce_idempotency, client_rb or
//     solo_rb, log_level, log_file, profile_ruby, slow_resource_report,
//     deprecations_as_errors, chef_zero_host, chef_zero_port, legacy_mode;
//   - cookbooks: policyfile_path (policyfile), berksfile_path,
//     always_update_cookbooks, resolver, cookbook_files_glob;
//   - data: data_path, data_bags_path, environments_path, nodes_path,
//     roles_path, clients_path, encrypted_data_bag_secret_key_path;
//   - the client: product_name, product_version, channel, install_strategy,
//     platform, platform_version, architecture, download_url, checksum,
//     require_chef_omnibus, chef_omnibus_url, chef_omnibus_install_options,
//     chef_omnibus_root, chef_client_path, chef_solo_path, chef_apply_path,
//     chef_license, and of Galley's own chef_license_key and omnitruck_url (a
//     package index, as that of a mirror).
//
// install_msi_url and chef_metadata_url are about Windows. config_path,
// ruby_bindir and chef_license_server have nothing to act on, and that is said.
func New(section config.Section, o Options) (*Provisioner, error) {
	var faults config.Faults
	set, err := base.Read(section, o.Options, base.Defaults{RootPath: "/tmp/kitchen", RetryOn: []int{35, 213}})
	faults.Add(err)
	chef, err := read(section, o.Options)
	faults.Add(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	p := &Provisioner{set: set, chef: chef, files: newMatcher(chef.filesGlob), resolver: o.Resolver, cookbooks: o.Cookbooks}
	if chef.kind == infra && len(chef.runList) > 0 && base.IsFile(chef.policyfile) {
		p.moot = append(p.moot, fmt.Sprintf("%s: run_list has no effect beside %s: the policy's own run list counts; named_run_list chooses another one of it",
			section.Where("run_list"), filepath.Base(chef.policyfile)))
	}
	for _, m := range [][2]string{
		{"config_path", "proxies are set by http_proxy and its kin, or in the environment"},
		{"ruby_bindir", "Galley's verifiers install no gems"},
		{"chef_license_server", "licensed packages are asked for at Chef's own service; omnitruck_url and download_url name another source"},
	} {
		if section.Has(m[0]) {
			p.moot = append(p.moot, fmt.Sprintf("%s: the key %s has no effect here: %s", section.Where(m[0]), m[0], m[1]))
		}
	}
	return p, nil
}

// Check implements [kitchen.Checker].
func (p *Provisioner) Check(_ context.Context, _ *kitchen.Step) []string {
	out := append([]string(nil), p.moot...)
	if p.chef.peer && base.IsFile(p.chef.policyfile) && p.chef.kind == infra && p.set.LookPath(policyTools...) == "" {
		out = append(out, (&ToolError{File: p.chef.policyfile, Tools: policyTools}).Error()+".")
	}
	if err := p.accept(); err != nil {
		out = append(out, err.Error()+".")
	}
	return out
}

// LicenseError tells that Chef's licence has not been accepted.
type LicenseError struct{}

func (e *LicenseError) Error() string {
	return "cannot converge without accepting the Chef Infra Client License"
}

// Hint tells how it is accepted.
func (e *LicenseError) Hint() string {
	return "write `chef_license: accept` for the provisioner, set CHEF_LICENSE=accept, or take product_name: cinc, which has no such licence"
}

// accept sees that Chef's licence was accepted, where Chef itself is installed
// in a version that has one.
func (p *Provisioner) accept() error {
	if !p.chef.plan.Licensed || p.chef.skip || p.chef.license != "" {
		return nil
	}
	major, _, _ := strings.Cut(p.chef.version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < 15 {
		return nil
	}
	home := p.set.Getenv("HOME")
	for _, file := range []string{filepath.Join(home, ".chef", "accepted_licenses", "chef_infra_client"), "/etc/chef/accepted_licenses/chef_infra_client"} {
		if _, err := os.Stat(file); err == nil {
			// The marker is here: the client on the machine needs the option.
			p.chef.license = "accept"
			return nil
		}
	}
	return &LicenseError{}
}

// Converge implements [kitchen.Provisioner].
func (p *Provisioner) Converge(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, m := range p.moot {
		step.Report.Warn("%s", m)
	}
	if err := p.accept(); err != nil {
		return err
	}
	if p.resolver == nil {
		p.resolver, p.own = NewResolver(), true
	}
	if p.own {
		defer p.resolver.Close()
	}
	tree, err := p.sandbox(ctx, step)
	if err != nil {
		return err
	}
	m := p.set.On(step, conn)
	defer m.Close()
	if err := m.SendUploads(ctx); err != nil {
		return err
	}
	client, err := p.client(ctx, step, m)
	if err != nil {
		return err
	}
	step.Report.Info("Transferring files to <%s>", step.Instance.Name)
	if err := m.Sync(ctx, tree, kept, p.initCode(m, tree)); err != nil {
		return err
	}
	return m.Finish(ctx, p.run(ctx, step, m, client))
}

// kept are the directories below the root path where the client's own files
// stay (Test Kitchen keeps nodes/, so that node attributes live on).
func kept(top string) bool { return top == "nodes" || top == "cache" }

// stale are the names below the root path that go when they are not sent.
var stale = []string{
	"clients", "cookbooks", "data", "data_bags", "encrypted_data_bag_secret", "environments", "roles",
	"cookbook_artifacts", "policies", "policy_groups", "apply",
}

// initCode is shell code that removes from the root path what an earlier
// sandbox had and this one lacks.
func (p *Provisioner) initCode(m *base.Machine, tree *base.Tree) string {
	var gone []string
	for _, name := range stale {
		if !tree.Has(name) {
			gone = append(gone, p.set.OnMachine(name))
		}
	}
	code := m.SudoCode() + m.RemoveCode(gone...)
	if tree.Has("nodes") {
		// The client, as root, may have made it.
		nodes := base.Quote(p.set.OnMachine("nodes"))
		code += "if [ -d " + nodes + " ] && [ ! -w " + nodes + " ]; then " + m.Sudo("chown \"$(id -u)\" "+nodes) + " </dev/null; fi\n"
	}
	return code
}

// client returns the path of the client on the machine, installed if need be.
func (p *Provisioner) client(ctx context.Context, step *kitchen.Step, m *base.Machine) (string, error) {
	plan := p.chef.plan
	if p.chef.skip && p.chef.clientPath != "" {
		return p.chef.clientPath, nil
	}
	root, found, err := find(ctx, m, plan.Find())
	if err != nil {
		return "", err
	}
	if !found {
		if p.chef.skip {
			return "", &NoClientError{Instance: step.Instance.Name, Kind: p.chef.kind.binary(), Roots: plan.Roots}
		}
		if root, err = p.install(ctx, step, m); err != nil {
			return "", err
		}
		if step.Installed != nil && p.Installs() != "" {
			if err := step.Installed(ctx, m.Conn()); err != nil {
				return "", err
			}
		}
	}
	if p.chef.clientPath != "" {
		return p.chef.clientPath, nil
	}
	return root, nil
}

// Installs implements [kitchen.Installer]. Uploads may hold secrets, and come
// before the installation: a machine that has some is not kept.
func (p *Provisioner) Installs() string {
	if p.chef.skip || len(p.set.Uploads) > 0 {
		return ""
	}
	return p.chef.plan.Identity()
}

// find returns the directory of the client that a search of the plan finds.
func find(ctx context.Context, m *base.Machine, search string) (root string, found bool, err error) {
	out, _, err := m.Ask(ctx, "looking for the client", search)
	if err == nil {
		root, found = install.Found(out)
	}
	return root, found, err
}

// install runs the installer and returns the directory of the client.
func (p *Provisioner) install(ctx context.Context, step *kitchen.Step, m *base.Machine) (string, error) {
	plan := p.chef.plan
	if plan.Notice != "" {
		step.Report.Info("%s", plan.Notice)
	}
	step.Report.Banner("Installing %s on <%s>", plan.Product, step.Instance.Name)
	script := p.set.OnMachine(".galley-install.sh")
	if err := m.Put(ctx, script, plan.Script(), true); err != nil {
		return "", err
	}
	// It may hold a licence key, so it goes again whatever happens.
	q := base.Quote(script)
	err := m.Run(ctx, "the installer", m.Sudo("sh "+q)+"; status=$?; rm -f "+q+"; exit $status")
	var failed *base.CommandError
	if errors.As(err, &failed) {
		return "", plan.Explain(failed.Status, failed.Tail)
	}
	if err != nil {
		return "", err
	}
	root, ok, err := find(ctx, m, plan.FindAny())
	if err == nil && !ok && p.chef.clientPath == "" {
		err = &NoClientError{Instance: step.Instance.Name, Kind: p.chef.kind.binary(), Roots: plan.Roots}
	}
	return root, err
}

// NoClientError tells that the machine has no client to run.
type NoClientError struct {
	Instance string
	// Kind is "client", "solo" or "apply".
	Kind string
	// Roots are the directories that were looked in.
	Roots []string
}

func (e *NoClientError) Error() string {
	return fmt.Sprintf("<%s> has no client: there is none in %s", e.Instance, strings.Join(e.Roots, ", "))
}

// Hint tells which settings help.
func (e *NoClientError) Hint() string {
	return "let Galley install one (no `install_strategy: skip`, no `require_chef_omnibus: false`), or say where it is by chef_" + e.Kind + "_path or chef_omnibus_root"
}

// run runs the client as often as configured.
func (p *Provisioner) run(ctx context.Context, step *kitchen.Step, m *base.Machine, client string) error {
	command := p.command(client)
	if p.chef.kind == apply {
		return p.runApply(ctx, m, command)
	}
	for n := 1; n <= p.chef.converges; n++ {
		conf := p.configName()
		last := n == p.chef.converges && p.chef.idempotent
		if last {
			conf = idempotenceFile
		}
		if p.chef.converges > 1 {
			step.Report.Info("Converge %d of %d", n, p.chef.converges)
		}
		if err := m.RunRetrying(ctx, "the client", command+" "+p.arguments(conf)); err != nil {
			return p.explain(err, last && n > 1)
		}
	}
	return nil
}

// command is the client as a word of the shell, behind sudo. The directory of
// a package has it under the product's own name.
func (p *Provisioner) command(client string) string {
	if p.chef.clientPath != "" {
		return p.set.Sudo(base.Quote(client))
	}
	bin := client + "/bin/"
	kind := p.chef.kind.binary()
	// One line that finds it, so that no other command is needed for that.
	return "c=" + base.Quote(bin+"cinc-"+kind) + "; [ -x \"$c\" ] || c=" + base.Quote(bin+"chef-"+kind) + "\n" + p.set.Sudo(`"$c"`)
}

// arguments are those of chef-client and chef-solo.
func (p *Provisioner) arguments(conf string) string {
	at := func(name string) string { return base.Quote(p.set.OnMachine(name)) }
	var args []string
	if p.chef.kind == infra {
		args = append(args, "--local-mode")
	}
	args = append(args, "--config", at(conf), "--log_level", base.Quote(p.chef.logLevel), "--force-formatter", "--no-color")
	if p.chef.json || p.chef.kind == solo {
		args = append(args, "--json-attributes", at("dna.json"))
	}
	if p.chef.logFile != "" {
		args = append(args, "--logfile", base.Quote(p.chef.logFile))
	}
	if p.chef.profileRuby {
		args = append(args, "--profile-ruby")
	}
	if p.chef.kind == solo && p.chef.legacy {
		args = append(args, "--legacy-mode")
	}
	if p.chef.kind == infra && p.chef.zeroHost != "" {
		args = append(args, "--chef-zero-host", base.Quote(p.chef.zeroHost))
	}
	if p.chef.kind == infra && p.chef.zeroPort != 0 {
		args = append(args, "--chef-zero-port", strconv.Itoa(p.chef.zeroPort))
	}
	switch p.chef.slowReport {
	case "":
	case "true":
		args = append(args, "--slow-report")
	default:
		args = append(args, "--slow-report", p.chef.slowReport)
	}
	return strings.Join(args, " ")
}

// runApply runs chef-apply on each entry of the run list.
func (p *Provisioner) runApply(ctx context.Context, m *base.Machine, command string) error {
	for _, recipe := range p.chef.runList {
		args := []string{base.Quote("apply/" + recipe + ".rb"), "--log_level", base.Quote(p.chef.logLevel), "--no-color"}
		if p.chef.logFile != "" {
			args = append(args, "--logfile", base.Quote(p.chef.logFile))
		}
		code := "cd " + base.Quote(p.set.RootPath) + " && [ -f " + args[0] + " ] || { echo " + base.Quote("there is no "+"apply/"+recipe+".rb among the files sent") + " >&2; exit 1; }\n" +
			command + " " + strings.Join(args, " ")
		if err := m.RunRetrying(ctx, "chef-apply "+recipe, code); err != nil {
			return p.explain(err, false)
		}
	}
	return nil
}

var licenseWord = text.Lazy(`(?i)licen[sc]e`)

// explain adds to a failed run what its exit status means.
func (p *Provisioner) explain(err error, idempotence bool) error {
	var failed *base.CommandError
	if !errors.As(err, &failed) {
		return err
	}
	failed.Advice = install.ExitAdvice(failed.Status, "converge again, or have it retried (retry_on_exit_code, max_retries)")
	switch {
	case failed.Status == 172 || failed.Status == 1 && licenseWord().MatchString(strings.Join(failed.Tail, "\n")) && p.chef.license == "":
		failed.Advice = (&LicenseError{}).Hint()
	case failed.Status == notIdempotent, idempotence && strings.Contains(strings.Join(failed.Tail, "\n"), "exit code 203"):
		failed.What = "the run that was to change nothing"
		failed.Advice = "a recipe is not idempotent: its repeated changes are listed above (enforce_idempotency)"
	case failed.Status == 127 || failed.Status == 126:
		failed.Advice = "the client cannot be run: chef_" + p.chef.kind.binary() + "_path and chef_omnibus_root say where it is"
	}
	return err
}

// Preflight assembles what a converge would send, without a machine, and
// returns why it cannot: a cookbook that is missing, dependencies that cannot
// be resolved, a file that cannot be read. With local it does so only where no
// other computer has to be asked.
func (p *Provisioner) Preflight(ctx context.Context, step *kitchen.Step, local bool) error {
	if local && (base.IsFile(p.chef.policyfile) || base.IsFile(p.chef.berksfile)) {
		return nil
	}
	if p.resolver == nil {
		p.resolver, p.own = NewResolver(), true
	}
	_, err := p.sandbox(ctx, step)
	return err
}
