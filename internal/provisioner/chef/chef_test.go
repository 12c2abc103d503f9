//go:build unix

package chef_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// standIn is a client that writes down how it was called.
const standIn = `#!/bin/sh
echo "$(basename "$0") sudo=$SUDO $*" >>~/calls
echo "Converging with $(basename "$0")"
config=; dna=
while [ $# -gt 0 ]; do
  case $1 in --config) config=$2 ;; --json-attributes) dna=$2 ;; esac
  shift
done
[ -z "$dna" ] || cat "$dna" >~/seen-dna
[ -z "$config" ] || { cat "$config" >~/seen-config; dir=$(dirname "$config"); mkdir -p "$dir/nodes" "$dir/cache" "$dir/clients"; echo '{}' >"$dir/nodes/default-debian-12.json"; echo x >"$dir/clients/c.json"; }
[ ! -x ~/after ] || ~/after
`

// machine has a client in opt/cinc below its home.
func machine(t *testing.T) *kitchentest.Machine {
	t.Helper()
	m := kitchentest.NewMachine(t)
	for _, name := range []string{"cinc-client", "cinc-solo", "cinc-apply"} {
		m.Write(t, m.Path("opt", "cinc", "bin", name), standIn, 0o755)
	}
	return m
}

func project(t *testing.T, files map[string]string) base.Options {
	t.Helper()
	root := filepath.Join(t.TempDir(), "my_project")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return base.Options{Instance: "default-debian-12", Suite: "default", Platform: "debian-12", Root: root, Environ: []string{"HOME=" + root}}
}

func cookbook() map[string]string {
	return map[string]string{
		"metadata.rb":              "name 'demo'\nversion '1.0.0'\n",
		"recipes/default.rb":       "file '/x'\n",
		"files/default/.hidden":    "h",
		"templates/a/b/c.erb":      "t",
		"README.md":                "read me",
		"spec/unit_spec.rb":        "no",
		".git/objects/x":           "no",
		".kitchen/logs/x.log":      "no",
		"kitchen.yml":              "no",
		"test/integration/x/y.rb":  "no",
		"recipes/scratch.rb~":      "backup",
		"libraries/helper_test.rb": "ignored",
		"chefignore":               "# comment\n*~\n*_test.rb\n",
	}
}

func newProvisioner(t *testing.T, m *kitchentest.Machine, o base.Options, keys map[string]any) (*chef.Provisioner, error) {
	t.Helper()
	data := map[string]any{"name": "chef_infra", "root_path": m.Path("kitchen"), "chef_omnibus_root": m.Path("opt", "cinc"), "wait_for_retry": 0, "run_list": []any{"recipe[demo::default]"}}
	for k, v := range keys {
		data[k] = v
	}
	return chef.New(config.NewSection(data).WithRoot(o.Root), chef.Options{Options: o})
}

func converge(t *testing.T, m *kitchentest.Machine, o base.Options, keys map[string]any) (string, error) {
	t.Helper()
	p, err := newProvisioner(t, m, o, keys)
	if err != nil {
		return "", err
	}
	step, rec := kitchentest.NewStep(kitchen.Converge, m)
	err = p.Converge(t.Context(), step, m.Conn())
	return rec.Text(), err
}

func TestContract(t *testing.T) {
	of := func(after string) func(*testing.T, *kitchentest.Machine) kitchen.Provisioner {
		return func(t *testing.T, m *kitchentest.Machine) kitchen.Provisioner {
			m.Write(t, m.Path("opt", "cinc", "bin", "cinc-client"), standIn+after, 0o755)
			p, err := newProvisioner(t, m, project(t, cookbook()), nil)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	kitchentest.Provisioner(t, kitchentest.ProvisionerCase{New: of("exit 0\n"), Failing: of("exit 1\n"), Slow: of("exec sleep 60\n")})
}

func TestConverge(t *testing.T) {
	m := machine(t)
	files := cookbook()
	for name, content := range map[string]string{
		"test/integration/default/data_bags/users/kim.json": "{}", "test/integration/data/d": "data", "roles/base.json": "{}",
		"environments/prod.json": "{}", "test/integration/default/encrypted_data_bag_secret_key": "s3cret", "nodes/other.json": "{}",
	} {
		files[name] = content
	}
	o := project(t, files)
	keys := map[string]any{
		"attributes": map[string]any{"a": map[string]any{"b": []any{1, "<x>", true, nil}}},
		"client_rb":  map[string]any{"ssl_verify_mode": ":verify_none", "node_name": "mine", "ohai.optional_plugins": []any{"Passwd", ":Shadow"}, "quoted": `a "b" \c`, "hash": map[string]any{"k": ":v", "n": 1.5}},
		"run_list":   []any{"recipe[demo]", "role[base]"},
	}
	text, err := converge(t, m, o, keys)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := []string{
		"Preparing files for transfer", "Preparing current project directory as a cookbook", "Preparing dna.json", "Preparing data", "Preparing data_bags", "Preparing environments",
		"Preparing nodes", "Preparing roles", "Preparing encrypted data bag secret", "Preparing validation.pem", "Preparing client.rb", "Transferring files to <default-debian-12>", "Converging with cinc-client",
	}
	at := 0
	for _, w := range want {
		i := strings.Index(text[at:], w+"\n")
		if i < 0 {
			t.Errorf("no %q after the others in\n%s", w, text)
			break
		}
		at += i
	}
	root := m.Path("kitchen")
	call := "cinc-client sudo=1 --local-mode --config " + root + "/client.rb --log_level auto --force-formatter --no-color --json-attributes " + root + "/dna.json --chef-zero-port 8889\n"
	if got := m.Read("calls"); got != call {
		t.Errorf("called\n%swant\n%s", got, call)
	}
	if got, want := m.Read("seen-dna"), `{"a":{"b":[1,"<x>",true,null]},"run_list":["recipe[demo]","role[base]"]}`; got != want {
		t.Errorf("dna.json is %s, want %s", got, want)
	}
	wantRB := fmt.Sprintf(`node_name "mine"
checksum_path "%[1]s/checksums"
file_cache_path "%[1]s/cache"
file_backup_path "%[1]s/backup"
cookbook_path ["%[1]s/cookbooks", "%[1]s/site-cookbooks"]
data_bag_path "%[1]s/data_bags"
environment_path "%[1]s/environments"
node_path "%[1]s/nodes"
role_path "%[1]s/roles"
client_path "%[1]s/clients"
user_path "%[1]s/users"
validation_key "%[1]s/validation.pem"
client_key "%[1]s/client.pem"
chef_server_url "http://127.0.0.1:8889"
encrypted_data_bag_secret "%[1]s/encrypted_data_bag_secret"
treat_deprecation_warnings_as_errors false
`, root)
	got := m.Read("seen-config")
	rest, ok := strings.CutPrefix(got, wantRB)
	if !ok {
		t.Errorf("client.rb is\n%s\nwant at first\n%s", got, wantRB)
	}
	for _, line := range []string{`ssl_verify_mode :verify_none`, `ohai.optional_plugins ["Passwd", :Shadow]`, `quoted "a \"b\" \\c"`, `hash ({:k=>":v", :n=>1.5})`} {
		if !strings.Contains(rest, line+"\n") {
			t.Errorf("no %s in\n%s", line, rest)
		}
	}
	var tree []string
	err = filepath.WalkDir(filepath.Join(root, "cookbooks"), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, p)
			tree = append(tree, rel)
		}
		return err
	})
	wantTree := []string{"cookbooks/demo/README.md", "cookbooks/demo/files/default/.hidden", "cookbooks/demo/metadata.rb", "cookbooks/demo/recipes/default.rb", "cookbooks/demo/templates/a/b/c.erb"}
	if err != nil || !slices.Equal(tree, wantTree) {
		t.Errorf("sent %q (%v), want %q", tree, err, wantTree)
	}
	for file, want := range map[string]string{"data/d": "data", "data_bags/users/kim.json": "{}", "encrypted_data_bag_secret": "s3cret", "nodes/other.json": "{}"} {
		if got := m.Read("kitchen", file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	if b, err := os.Stat(filepath.Join(root, "encrypted_data_bag_secret")); err != nil || b.Mode().Perm() != 0o600 {
		t.Errorf("the secret has mode %v, %v", b.Mode(), err)
	}
}

func TestUnchangedCookbookIsNotSentAgain(t *testing.T) {
	m := machine(t)
	o := project(t, cookbook())
	if _, err := converge(t, m, o, nil); err != nil {
		t.Fatal(err)
	}
	m.Reset()
	if _, err := converge(t, m, o, nil); err != nil {
		t.Fatal(err)
	}
	if n := m.Received(); n != 0 {
		t.Errorf("%d bytes were sent", n)
	}
	if n := len(m.Commands()); n != 3 {
		t.Errorf("%d commands, want 3: %q", n, m.Commands())
	}
	if m.Read("kitchen", "nodes", "default-debian-12.json") == "" || m.Read("kitchen", "clients", "c.json") == "" {
		t.Error("what the client left is gone")
	}
	// What the sandbox has no more goes.
	if err := os.RemoveAll(filepath.Join(o.Root, "templates")); err != nil {
		t.Fatal(err)
	}
	if _, err := converge(t, m, o, nil); err != nil {
		t.Fatal(err)
	}
	if m.Read("kitchen", "cookbooks", "demo", "templates", "a", "b", "c.erb") != "" {
		t.Error("a removed template stayed")
	}
}

func TestArguments(t *testing.T) {
	for name, c := range map[string]struct {
		keys map[string]any
		want []string
		not  []string
	}{
		"levels":    {map[string]any{"log_level": "warn", "log_file": "/var/log/x y", "profile_ruby": true, "slow_resource_report": true}, []string{"--log_level warn", "--logfile /var/log/x y", "--profile-ruby", "--slow-report"}, nil},
		"reports":   {map[string]any{"slow_resource_report": 10, "chef_zero_host": "h", "chef_zero_port": 9999, "json_attributes": false}, []string{"--slow-report 10", "--chef-zero-host h", "--chef-zero-port 9999"}, []string{"--json-attributes"}},
		"no report": {map[string]any{"slow_resource_report": false}, nil, []string{"--slow-report"}},
		"solo":      {map[string]any{"name": "chef_solo", "legacy_mode": true, "solo_rb": map[string]any{"x": 1}}, []string{"cinc-solo sudo=1 --config", "solo.rb", "--legacy-mode", "--json-attributes"}, []string{"--local-mode", "--chef-zero"}},
		"zero":      {map[string]any{"name": "chef_zero"}, []string{"cinc-client sudo=1 --local-mode"}, nil},
		"no sudo":   {map[string]any{"sudo": false}, []string{"cinc-client sudo= --local"}, nil},
	} {
		m := machine(t)
		text, err := converge(t, m, project(t, cookbook()), c.keys)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		calls := m.Read("calls")
		for _, w := range c.want {
			if !strings.Contains(calls, w) {
				t.Errorf("%s: no %q in %s", name, w, calls)
			}
		}
		for _, n := range c.not {
			if strings.Contains(calls, n) {
				t.Errorf("%s: %q in %s", name, n, calls)
			}
		}
	}
}

func TestSettingsOfTheClient(t *testing.T) {
	m := machine(t)
	if _, err := converge(t, m, project(t, cookbook()), map[string]any{"named_run_list": "special", "deprecations_as_errors": true, "chef_license": "accept-silent"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`named_run_list "special"`, "treat_deprecation_warnings_as_errors true", `chef_license "accept-silent"`} {
		if !strings.Contains(m.Read("seen-config"), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if _, err := converge(t, m, project(t, cookbook()), map[string]any{"named_run_list": map[string]any{}}); err != nil || strings.Contains(m.Read("seen-config"), "named_run_list") {
		t.Errorf("an empty named_run_list: %v", err)
	}
}

func TestExitStatuses(t *testing.T) {
	for name, c := range map[string]struct {
		after string
		keys  map[string]any
		calls int
		hint  string // "" is success, "-" a failure that says enough itself
	}{
		"reboot once":      {"[ -e ~/again ] || { touch ~/again; exit 35; }\n", nil, 2, ""},
		"upgrade once":     {"[ -e ~/again ] || { touch ~/again; exit 213; }\n", nil, 2, ""},
		"reboot again":     {"exit 35\n", nil, 2, "rebooting"},
		"reboot needed":    {"exit 37\n", nil, 1, "retry_on_exit_code"},
		"retry on 37":      {"[ -e ~/again ] || { touch ~/again; exit 37; }\n", map[string]any{"retry_on_exit_code": []any{37}}, 2, ""},
		"licence":          {"exit 172\n", nil, 1, "chef_license"},
		"failed recipe":    {"echo 'FATAL: no such package'; exit 1\n", nil, 1, "-"},
		"two runs":         {"", map[string]any{"multiple_converge": 2}, 2, ""},
		"idempotent":       {"", map[string]any{"multiple_converge": "2", "enforce_idempotency": true}, 2, ""},
		"not idempotent":   {"case $(tail -n 1 ~/calls) in *client_no_updated*) echo '- file[/x]'; exit 203;; esac\n", map[string]any{"multiple_converge": 2, "enforce_idempotency": true}, 2, "idempotent"},
		"first run failed": {"exit 1\n", map[string]any{"multiple_converge": 2, "enforce_idempotency": true}, 1, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			m := machine(t)
			m.Write(t, m.Path("after"), "#!/bin/sh\n"+c.after, 0o755)
			text, err := converge(t, m, project(t, cookbook()), c.keys)
			if (err == nil) != (c.hint == "") || !strings.Contains(kitchen.Hint(err), strings.Trim(c.hint, "-")) || c.hint == "-" && kitchen.Hint(err) != "" {
				t.Errorf("error %v, hint %q\n%s", err, kitchen.Hint(err), text)
			}
			if n := strings.Count(m.Read("calls"), "\n"); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			if err != nil && !strings.Contains(err.Error(), "exit status") {
				t.Errorf("error %q", err)
			}
		})
	}
}

func TestRefusedSudo(t *testing.T) {
	for _, says := range []string{"echo 'sudo: a password is required' >&2; exit 1\n", "echo 'kim is not in the sudoers file.'; exit 1\n"} {
		m := machine(t)
		m.Program(t, "sudo", says)
		_, err := converge(t, m, project(t, cookbook()), nil)
		if err == nil || !strings.Contains(kitchen.Hint(err), "NOPASSWD") {
			t.Errorf("error %v, hint %q", err, kitchen.Hint(err))
		}
		if m.Read("kitchen", "dna.json") != "" {
			t.Error("it went on")
		}
	}
}

func TestEnforceIdempotencyLoadsTheHandler(t *testing.T) {
	m := machine(t)
	if _, err := converge(t, m, project(t, cookbook()), map[string]any{"multiple_converge": 2, "enforce_idempotency": true}); err != nil {
		t.Fatal(err)
	}
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip(err)
	}
	// Chef as far as the two files need it, and a run that changed something.
	code := fmt.Sprintf(`
$LOAD_PATH.unshift %q
require "chef/handler"
def method_missing(name, *args); args.empty? ? super : nil; end
def ohai; self; end
eval File.read(%q), TOPLEVEL_BINDING
$report_handlers.each(&:report)
puts "still here"
`, m.Path("lib"), m.Path("kitchen", "client_no_updated_resources.rb"))
	m.Write(t, m.Path("lib", "chef", "handler.rb"), `
class Chef
  class Handler; def updated_resources; $updated; end; end
  module Config; def self.from_file(f); File.exist?(f) or raise "no config"; end; end
end
$report_handlers = []
def report_handlers; $report_handlers; end
`, 0o644)
	for updated, status := range map[string]int{"nil": 0, "[]": 0, "['file[/x]']": 203} {
		cmd := exec.CommandContext(t.Context(), ruby, "-e", "$updated = "+updated+"\n"+code)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != status || strings.Contains(string(out), "still here") == (status != 0) || status != 0 && !strings.Contains(string(out), "- file[/x]") {
			t.Errorf("updated %s: status %d, want %d\n%s", updated, got, status, out)
		}
	}
}

func TestGeneratedRubyIsRuby(t *testing.T) {
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip(err)
	}
	m := machine(t)
	if _, err := converge(t, m, project(t, cookbook()), map[string]any{"enforce_idempotency": true, "client_rb": map[string]any{
		"a": "it's \"quoted\"\nand\\more", "b": []any{1, 2.5, nil, "x", map[string]any{"k-k": "v"}}, "c": map[string]any{"d": map[string]any{"e": 1}}, "f": ":sym", "g": 12345678901234567,
	}}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"client.rb", "client_no_updated_resources.rb", "chef-client-fail-if-update-handler.rb"} {
		if out, err := exec.CommandContext(t.Context(), ruby, "-c", m.Path("kitchen", f)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", f, err, out, m.Read("kitchen", f))
		}
	}
}

// peer has the installed programs resolve cookbooks.
const peer = "GALLEY_RESOLVER=peer"

func TestApply(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"test/integration/default/apply/one.rb": "1", "test/integration/default/apply/two.rb": "2"})
	if text, err := converge(t, m, o, map[string]any{"name": "chef_apply", "run_list": []any{"one", "two"}}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got, want := m.Read("calls"), "cinc-apply sudo=1 apply/one.rb --log_level auto --no-color\ncinc-apply sudo=1 apply/two.rb --log_level auto --no-color\n"; got != want {
		t.Errorf("called\n%swant\n%s", got, want)
	}
	if m.Read("kitchen", "apply", "two.rb") != "2" {
		t.Error("the recipe was not sent")
	}
	if _, err := converge(t, m, o, map[string]any{"name": "chef_apply", "run_list": []any{"three"}}); err == nil || !strings.Contains(err.Error(), "apply/three.rb") {
		t.Errorf("a missing recipe: %v", err)
	}
}

func TestWrongSettings(t *testing.T) {
	m := machine(t)
	for key, value := range map[string]any{
		"multiple_converge": 0, "chef_license": "yes", "data_bags_path": "a-file", "encrypted_data_bag_secret_key_path": "nowhere", "policyfile_path": "nowhere.rb", "policyfile": "nowhere.rb",
		"berksfile_path": "nowhere", "require_chef_omnibus": "sometimes", "install_strategy": "never", "checksum": "abc", "download_url": "chef.deb", "attributes": []any{1}, "client_rb": "x",
		"slow_resource_report": "often", "chef_omnibus_root": "opt/chef", "name": "puppet_apply", "run_list": map[string]any{"a": 1},
	} {
		if _, err := newProvisioner(t, m, project(t, map[string]string{"a-file": ""}), map[string]any{key: value}); err == nil {
			t.Errorf("%s: %v is accepted", key, value)
		}
	}
	for _, name := range []string{"chef_target", "cinc_target"} {
		_, err := newProvisioner(t, m, project(t, nil), map[string]any{"name": name})
		var ue *base.UnsupportedError
		if !errors.As(err, &ue) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNamesOfKitchenCinc(t *testing.T) {
	m := machine(t)
	p, err := chef.New(config.NewSection(map[string]any{"name": "cinc_infra", "root_path": m.Path("kitchen"), "cinc_omnibus_root": m.Path("opt", "cinc"), "run_list": []any{"demo"}}), chef.Options{Options: project(t, cookbook())})
	if err != nil {
		t.Fatal(err)
	}
	step, rec := kitchentest.NewStep(kitchen.Converge, m)
	if err := p.Converge(t.Context(), step, m.Conn()); err != nil || strings.Contains(rec.Text(), "downloads have ended") {
		t.Errorf("%v\n%s", err, rec.Text())
	}
}

func TestMootSettingsAreNamed(t *testing.T) {
	m := machine(t)
	keys := map[string]any{"config_path": "knife.rb", "ruby_bindir": "/x", "install_msi_url": "http://x/y.msi", "chef_metadata_url": "http://x"}
	text, err := converge(t, m, project(t, cookbook()), keys)
	if err != nil || !strings.Contains(text, "config_path") || !strings.Contains(text, "ruby_bindir") || strings.Contains(text, "msi") {
		t.Errorf("%v\n%s", err, text)
	}
	p, err := newProvisioner(t, m, project(t, map[string]string{"Policyfile.rb": ""}), keys)
	if err != nil {
		t.Fatal(err)
	}
	step, _ := kitchentest.NewStep("", m)
	if c := p.Check(context.Background(), step); len(c) != 3 {
		t.Errorf("complaints %q", c)
	}
}

func TestAttributesKeepTheirKinds(t *testing.T) {
	m := machine(t)
	if _, err := converge(t, m, project(t, cookbook()), map[string]any{"attributes": map[string]any{"i": 9007199254740993, "f": 1.0, "s": "1", "e": map[string]any{}, "run_list": "mine"}}); err != nil {
		t.Fatal(err)
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal([]byte(m.Read("seen-dna")), &data); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"i": "9007199254740993", "s": `"1"`, "e": "{}", "run_list": `["recipe[demo::default]"]`} {
		if string(data[k]) != want {
			t.Errorf("%s is %s, want %s", k, data[k], want)
		}
	}
}

// Each kind of client may be named by its path; nothing is installed or looked
// for then.
func TestPathsOfTheClients(t *testing.T) {
	for name, run := range map[string]string{"chef_infra": "client", "chef_solo": "solo", "chef_apply": "apply"} {
		m := machine(t)
		m.Write(t, m.Path("own", "my-"+run), standIn, 0o755)
		files := cookbook()
		files["apply/one.rb"] = "1"
		keys := map[string]any{"name": name, "require_chef_omnibus": false, "chef_" + run + "_path": m.Path("own", "my-"+run)}
		if run == "apply" {
			keys["run_list"] = []any{"one"}
		}
		text, err := converge(t, m, project(t, files), keys)
		if err != nil || !strings.HasPrefix(m.Read("calls"), "my-"+run+" sudo=1 ") {
			t.Errorf("%s: %v\n%s%s", name, err, text, m.Read("calls"))
		}
	}
}

// Directories and the secret of the sandbox, by their keys.
func TestPathsOfTheSandbox(t *testing.T) {
	m := machine(t)
	files, keys := cookbook(), map[string]any{}
	for _, name := range []string{"data", "data_bags", "environments", "nodes", "roles", "clients"} {
		files["elsewhere/my-"+name+"/x.json"] = name
		files[name+"/not-this.json"] = "x"
		keys[name+"_path"] = "elsewhere/my-" + name
	}
	files["elsewhere/secret"] = "s3cret"
	keys["encrypted_data_bag_secret_key_path"] = "elsewhere/secret"
	if text, err := converge(t, m, project(t, files), keys); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, name := range []string{"data", "data_bags", "environments", "nodes", "roles", "clients"} {
		if m.Read("kitchen", name, "x.json") != name || m.Read("kitchen", name, "not-this.json") != "" {
			t.Errorf("%s is not what %s_path says", name, name)
		}
	}
	if m.Read("kitchen", "encrypted_data_bag_secret") != "s3cret" {
		t.Error("the secret was not sent")
	}
	for key := range keys {
		_, err := newProvisioner(t, m, project(t, cookbook()), map[string]any{key: "nowhere"})
		// A directory may be missing, for git keeps no empty ones.
		if key != "encrypted_data_bag_secret_key_path" {
			if err != nil {
				t.Errorf("%s that is not there: %v", key, err)
			}
			continue
		}
		var ve *config.ValueError
		if !errors.As(err, &ve) || ve.Key != key {
			t.Errorf("%s that is not there: %v", key, err)
		}
	}
}
