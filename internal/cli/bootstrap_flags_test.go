package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/env"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// nodeOf reads a command line and a knife.rb as galley bootstrap does.
func nodeOf(t *testing.T, rb string, args ...string) (*bootstrapFlags, node.Spec, error) {
	t.Helper()
	home := t.TempDir()
	for name, text := range map[string]string{
		".chef/knife.rb":                "chef_server_url 'https://chef/organizations/o'\n" + rb,
		".chef/trusted_certs/chef.crt":  "CERT\n",
		".chef/trusted_certs/notes.txt": "no\n",
		".chef/client.d/10-x.rb":        "# x\n",
		".chef/bootstrap/ours.erb":      "<%= start_chef %>\n",
		"attributes.json":               "{\"a\": 12345678901234567890}\n",
		"secret":                        "  open sesame\n",
		"hint.json":                     "{\"h\": 1}",
	} {
		file := filepath.Join(home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(home)
	env := env.FromMap(map[string]string{"HOME": home})
	cfg, err := knife.Load(t.Context(), knife.Options{Dir: home, Home: home, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	d := newDeps(nameGalley, &ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: func(string) (string, bool) { return "", false }})
	d.knife.env, d.verbosity = env, 2
	b := newBootstrapper(d)
	f := &bootstrapFlags{}
	var s node.Spec
	cmd := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error {
		if err := f.settle(cmd.Flags(), cfg); err != nil {
			return err
		}
		var err error
		if s, err = b.nodeSpec(t.Context(), f, cfg); err != nil {
			return err
		}
		_, err = b.sshConfig(f, "host", nil)
		return err
	}}
	f.add(cmd)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return f, s, err
}

func TestBootstrapFlagsBecomeANode(t *testing.T) {
	var s node.Spec
	var err error
	f := &bootstrapFlags{}
	run := func(rb string, args ...string) {
		t.Helper()
		f, s, err = nodeOf(t, rb, args...)
		if err != nil {
			t.Fatal(err)
		}
	}
	run("", "-N", "web1", "-r", "recipe[a], role[b]  recipe[c]", "-E", "prod", "--json-attribute-file", "attributes.json",
		"--hint", "ec2", "--hint", "x=hint.json", "--secret-file", "secret", "--tags", "t1,t2", "--no-node-verify-api-cert",
		"--node-ssl-verify-mode", "none", "--bootstrap-version", "18", "--bootstrap-curl-options", "-k", "--bootstrap-preinstall-command", "true",
		"--su-user", "root", "-P", "pw", "--chef-license", "accept", "--bootstrap-proxy-pass", "pp", "--bootstrap-proxy", "http://p")
	got, jerr := json.Marshal(s.Attributes)
	if jerr != nil || string(got) != `{"a":12345678901234567890}` {
		t.Errorf("attributes %s %v", got, jerr)
	}
	for what, pair := range map[string][2]any{
		"name":         {s.Name, "web1"},
		"run list":     {fmt.Sprint(s.RunList), "[recipe[a] role[b] recipe[c]]"},
		"environment":  {s.Environment, "prod"},
		"hints":        {fmt.Sprintf("%s", s.Hints), `map[ec2:{} x:{"h":1}]`},
		"secret":       {string(s.Secret), "open sesame"},
		"tags":         {fmt.Sprint(s.Tags), "[t1 t2]"},
		"api cert":     {*s.VerifyAPICert, false},
		"ssl":          {s.SSLVerifyMode, "none"},
		"certificates": {fmt.Sprintf("%s", s.TrustedCerts), "map[chef.crt:CERT\n]"},
		"client.d":     {fmt.Sprintf("%s", s.ClientD), "map[10-x.rb:# x\n]"},
		"install":      {s.Install.Product + s.Install.Version + s.Install.Channel + s.Install.CurlOptions, "chef18stable-k"},
		"preinstall":   {s.PreinstallCommand, "true"},
		"su":           {s.Elevate.SuUser + string(s.Elevate.SuPassword) + string(s.Elevate.Password), "rootpwpw"},
		"license":      {s.ChefLicense, "accept"},
		"level":        {s.LogLevel, "debug"},
		"server":       {s.ServerURL, "https://chef/organizations/o"},
		"proxy":        {s.Proxy + string(s.ProxyPassword), "http://ppp"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
		}
	}

	// Elder spellings.
	run("", "--ssh-user", "kim", "--ssh-password", "pw", "--ssh-port", "2222", "--identity-file", "a", "--template-file", "ours", "--forward-agent",
		"--auth-timeout", "5", "--prerelease", "--host-key-verify=false", "--json-attribs", "{}", "--bootstrap-protocol", "ssh")
	if f.User != "kim" || f.Password != "pw" || f.Port != 2222 || f.Identities[0] != "a" || f.Template != "ours" || !f.ForwardAgent || f.MaxWait != 5 || s.Install.Channel != "current" || s.Template == nil {
		t.Errorf("%+v", f)
	}

	// knife.rb, which the command line overrules.
	rb := `knife[:ssh_user] = "debian"
knife[:ssh_port] = 2200
knife[:run_list] = ["recipe[k]"]
knife[:bootstrap_version] = 17
knife[:hints] = { "openstack" => {}, :ec2 => { "a" => 1 } }
knife[:first_boot_attributes] = { x: { y: [1, "z"] } }
knife[:identity_file] = "~/.ssh/k"
knife[:host_key_verify] = false
knife[:use_sudo] = true
knife[:ssl_verify_mode] = :verify_none
config_log_level :warn
chef_client_path "/opt/x/chef-client"
`
	run(rb, "-U", "kim")
	if f.User != "kim" || f.Port != 2200 || fmt.Sprint(s.RunList) != "[recipe[k]]" || s.Install.Version != "17" || f.Identities[0] != "~/.ssh/k" || f.HostKeyVerify ||
		!s.Elevate.Sudo || s.SSLVerifyMode != "none" || s.ConfigLogLevel != "warn" || s.ClientPath != "/opt/x/chef-client" {
		t.Errorf("%+v %+v", f, s)
	}
	if got := fmt.Sprintf("%s %v", s.Hints, s.Attributes); got != `map[ec2:{"a":1} openstack:{}] map[x:map[y:[1 z]]]` {
		t.Errorf("got %s", got)
	}
	run(rb, "-j", `{"only": 1}`)
	if got := fmt.Sprint(s.Attributes); got != "map[only:1]" {
		t.Errorf("got %s", got)
	}
}

func TestBootstrapFlagsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ rb, args, says, hint string }{
		{"", "--winrm-ssl", "--winrm-ssl is not supported", "-U and -P"},
		{"", "-o winrm", "--connection-protocol winrm is not supported", "-U and -P"},
		{"", "-o telnet", "is unknown", ""},
		{"", "--bootstrap-vault-item a:b", "chef-vault", "vault refresh"},
		{"", "-t windows-chef-client-msi", "is for Windows", ""},
		{"", "-t nowhere", "there is no bootstrap template", ".chef/bootstrap"},
		{"", "-j {", "the value of --json-attributes (-j) is not JSON", "JSON object"},
		{"", "-j []", "not an object", ""},
		{"", "-j {}{}", "after the value", ""},
		{"", "-j {} --json-attribute-file attributes.json", "exclude each other", ""},
		{"", "--hint x=gone.json", "--hint x:", ""},
		{"", "--secret a --secret-file secret", "exclude each other", ""},
		{"", "--use-sudo-password", "no terminal", "-P"},
		{"", "--ssh-verify-host-key maybe", "is unknown", ""},
		{"", "-G gate:port", "--ssh-gateway", "gate.example"},
		{"", "--ssh-gateway-identity x", "requires --ssh-gateway", ""},
		{"", "--session-timeout 0", "numbers above 0", ""},
		{"knife[:ssh_port] = 'many'\n", "", "knife.rb:2: knife[:ssh_port]", ""},
		{"knife[:hints] = 3\n", "", "knife[:hints] is not a hash", ""},
	} {
		_, _, err := nodeOf(t, c.rb, strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(kitchen.Hint(err), c.hint) {
			t.Errorf("%s%s: error %v, hint %q", c.rb, c.args, err, kitchen.Hint(err))
		}
	}
}

// Each key of knife.rb and each older spelling belongs to a flag.
func TestBootstrapTables(t *testing.T) {
	cmd := &cobra.Command{Use: "x"}
	(&bootstrapFlags{}).add(cmd)
	for name, s := range table.BootstrapFlags() {
		for _, n := range append([]string{name}, s.Aliases...) {
			if cmd.Flags().Lookup(n) == nil {
				t.Errorf("there is no --%s", n)
			}
		}
	}
	for _, letter := range strings.Fields("o U P p W i G A N r E j t x w f R S m") {
		if cmd.Flags().ShorthandLookup(letter) == nil {
			t.Errorf("there is no -%s", letter)
		}
	}
}

func TestBootstrapTarget(t *testing.T) {
	for arg, want := range map[string]string{
		"web.example":                "/web.example/0",
		"kim@web.example":            "kim/web.example/0",
		"ssh://kim@web.example:2222": "kim/web.example/2222",
		"10.0.0.5":                   "/10.0.0.5/0",
		"fe80::1":                    "/fe80::1/0",
		"[2001:db8::1]:22":           "/2001:db8::1/22",
		"":                           "is not a machine",
		"a b":                        "is not a machine",
		"kim:secret@web":             "must not contain",
		"web/x":                      "is not a machine",
	} {
		cmd := &cobra.Command{Use: "x"}
		f := &bootstrapFlags{}
		f.add(cmd)
		host, err := f.target(arg)
		got := fmt.Sprintf("%s/%s/%d", f.User, host, f.Port)
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%q gives %s, want %s", arg, got, want)
		}
	}
}

func FuzzReadJSONObject(f *testing.F) {
	for _, s := range []string{`{"a": 1}`, `{"a": {"b": [1, 2.5, "x", null, true]}}`, `[]`, `{`, `{} {}`, "{\n\"a\":\n", `{"a": 1e999}`, "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := readJSONObject([]byte(s), "it")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "it is ") {
				t.Errorf("error %v", err)
			}
			return
		}
		// What was read can be written, and read again as the same.
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readJSONObject(text, "it")
		if err != nil || fmt.Sprint(again) != fmt.Sprint(m) {
			t.Errorf("%q: %v, %v", s, err, again)
		}
	})
}
