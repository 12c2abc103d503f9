package knife

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/ruby"
)

func TestNothing(t *testing.T) {
	home := tree(t, nil)
	c := load(t, at(home, "work", nil))
	if c.ChefServerURL != "" || c.NodeName != "" || c.ClientKey != "" || c.ChefDir != "" || len(c.Files) != 0 || len(c.Keys()) != 0 {
		t.Errorf("without files there is %+v", c)
	}
	if v, ok := c.Lookup("flavor"); ok {
		t.Errorf("and it has %v", v)
	}
}

const plainKnife = `
current_dir = File.dirname(__FILE__)
log_level                :info
log_location             STDOUT
node_name                "jo"
client_key               "#{current_dir}/jo.pem"
validation_client_name   "acme-validator"
validation_key           "#{current_dir}/acme-validator.pem"
chef_server_url          "https://chef.example.com/organizations/acme "
cache_options( :path => "#{ENV['HOME']}/.chef/checksums" )
cookbook_path            ["#{current_dir}/../cookbooks", "site"]
ssl_verify_mode          :verify_none
chef_license             'accept'
verify_api_cert true
http_proxy 'proxy.example.com:3128'
http_proxy_user 'jo'
http_proxy_pass 'pa ss'
no_proxy 'localhost'
knife[:openstack_username] = ENV['OS_USERNAME']
knife[:openstack_password] = "s3cret"
knife[:openstack_tenant] = ENV['NOT_SET']
knife['flavor'] = 3
knife[:ssh_port] = "2222"
knife[:groups] = %w[web db]
knife[:groups] << 'ssh'
knife[:run_list] = "role[a], recipe[b]"
knife[:use_sudo] = true
knife.image = "ubuntu"
knife.ssh_user "centos"
if ENV['OS_USERNAME'] == 'demo'
  knife[:environment] = 'dev'
end
`

func TestSettings(t *testing.T) {
	home := tree(t, map[string]string{"repo/.chef/knife.rb": plainKnife, "repo/.chef/trusted_certs/a.crt": "x", "repo/.chef/client.d/a.rb": ""})
	c := load(t, at(home, "repo/cookbooks/x", map[string]string{"OS_USERNAME": "demo"}))
	chef := filepath.Join(home, "repo/.chef")
	isString(t, "chef_server_url", c.ChefServerURL, "https://chef.example.com/organizations/acme")
	isString(t, "node_name", c.NodeName, "jo")
	isString(t, "client_key", c.ClientKey, filepath.Join(chef, "jo.pem"))
	isString(t, "validation_key", c.ValidationKey, filepath.Join(chef, "acme-validator.pem"))
	isString(t, "validation_client_name", c.ValidationClientName, "acme-validator")
	isString(t, "ssl_verify_mode", c.SSLVerifyMode, "none")
	isString(t, "chef_license", c.ChefLicense, "accept")
	isString(t, "environment", c.Environment, "dev")
	isString(t, "trusted_certs_dir", c.TrustedCertsDir, filepath.Join(chef, "trusted_certs"))
	isString(t, "client_d_dir", c.ClientDDir, filepath.Join(chef, "client.d"))
	isString(t, "chef dir", c.ChefDir, chef)
	isString(t, "http_proxy", c.HTTPProxy, "http://jo:pa%20ss@proxy.example.com:3128")
	isString(t, "no_proxy", c.NoProxy, "localhost")
	isString(t, "log_level", c.LogLevel, "info")
	if c.VerifyAPICert == nil || !*c.VerifyAPICert {
		t.Error("verify_api_cert is lost")
	}
	path, _ := c.Setting("cookbook_path")
	if want := []any{filepath.Join(home, "repo/cookbooks"), filepath.Join(home, "repo/cookbooks/x/site")}; !reflect.DeepEqual(path.Data, want) {
		t.Errorf("cookbook_path is %q, want %q", path.Data, want)
	}
	if want := []string{"environment", "flavor", "groups", "image", "openstack_password", "openstack_username", "run_list", "ssh_port", "ssh_user", "use_sudo"}; !reflect.DeepEqual(c.Keys(), want) {
		t.Errorf("keys are %q, want %q", c.Keys(), want)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
	for key, want := range map[string]string{"openstack_username": "demo", "flavor": "3", "image": "ubuntu", "ssh_user": "centos"} {
		got, ok, err := c.String(key)
		if got != want || !ok || err != nil {
			t.Errorf("%s is %q %v %v, want %q", key, got, ok, err, want)
		}
	}
	if n, ok, err := c.Int("ssh_port"); n != 2222 || !ok || err != nil {
		t.Errorf("ssh_port is %d %v %v", n, ok, err)
	}
	if b, ok, err := c.Bool("use_sudo"); !b || !ok || err != nil {
		t.Errorf("use_sudo is %v %v %v", b, ok, err)
	}
	if l, _, err := c.Strings("groups"); !reflect.DeepEqual(l, []string{"web", "db", "ssh"}) {
		t.Errorf("groups are %q, %v", l, err)
	}
	if l, _, err := c.Strings("run_list"); !reflect.DeepEqual(l, []string{"role[a]", "recipe[b]"}) {
		t.Errorf("run_list is %q, %v", l, err)
	}
	v, ok := c.Lookup("openstack_password")
	if !ok || v.Data != "s3cret" || v.File != filepath.Join(chef, "knife.rb") || v.Line != 20 {
		t.Errorf("openstack_password is %#v of line %d, %v", v.Data, v.Line, ok)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s", v, v, v, v), fmt.Sprintf("%v %+v %#v", c, c, c)} {
		if strings.Contains(shown, "s3cret") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
}

// A value of the wrong kind is reported with its place, and not shown.
func TestWrongKinds(t *testing.T) {
	home := tree(t, map[string]string{".chef/config.rb": "knife[:openstack_password] = ['s3cret']\nknife[:port] = 'x'\nknife[:sudo] = 'maybe'\nknife[:list] = {a: 1}\n"})
	c := load(t, at(home, "", nil))
	file := filepath.Join(home, ".chef/config.rb")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{second(c.String("openstack_password")), file + ":1: knife[:openstack_password] is a list, not text"},
		{second(c.Int("port")), file + ":2: knife[:port] is a text, not a whole number"},
		{second(c.Bool("sudo")), file + ":3: knife[:sudo] is a text, not true or false"},
		{second(c.Strings("list")), file + ":4: knife[:list] is a hash, not a list of texts"},
	} {
		if tc.err == nil || tc.err.Error() != tc.want {
			t.Errorf("got %v, want %s", tc.err, tc.want)
		}
	}
}

func second[T any](_ T, _ bool, err error) error { return err }

// The first of knife's places that has a file is read, and that alone.
func TestOrder(t *testing.T) {
	files := map[string]string{
		"kh/config.rb":         "node_name 'kh-config'",
		"kh/knife.rb":          "node_name 'kh-knife'",
		"repo/x/config.rb":     "node_name 'cwd-config'",
		"repo/x/knife.rb":      "node_name 'cwd-knife'",
		"repo/.chef/config.rb": "node_name 'up-config'",
		"repo/.chef/knife.rb":  "node_name 'up-knife'",
		".chef/config.rb":      "node_name 'home-config'",
		".chef/knife.rb":       "node_name 'home-knife'",
	}
	order := []string{"kh/config.rb", "kh/knife.rb", "repo/x/config.rb", "repo/x/knife.rb", "repo/.chef/config.rb", "repo/.chef/knife.rb", ".chef/config.rb", ".chef/knife.rb"}
	for i, first := range order {
		left := map[string]string{"kh/x": ""}
		for _, name := range order[i:] {
			left[name] = files[name]
		}
		home := tree(t, left)
		if first == ".chef/config.rb" {
			// KNIFE_HOME also replaces the home directory, so that the home
			// directory's own .chef is not looked at.
			break
		}
		c := load(t, at(home, "repo/x", map[string]string{"KNIFE_HOME": filepath.Join(home, "kh")}))
		if want := strings.Split(files[first], "'")[1]; c.NodeName != want || len(c.Files) != 1 || c.Files[0] != filepath.Join(home, first) {
			t.Errorf("%s is passed over: %s from %q", first, c.NodeName, c.Files)
		}
	}
	home := tree(t, map[string]string{".chef/config.rb": files[".chef/config.rb"], ".chef/knife.rb": files[".chef/knife.rb"], "other.rb": "node_name 'named'"})
	isString(t, "node_name", load(t, at(home, "repo/x", nil)).NodeName, "home-config")
	o := at(home, "repo/x", nil)
	o.File = "~/other.rb"
	isString(t, "node_name", load(t, o).NodeName, "named")
	o.File = "other.rb"
	if e := refused(t, o); !strings.Contains(e.Error(), "repo/x/other.rb: the configuration file does not exist") {
		t.Error(e)
	}
}

func TestDotD(t *testing.T) {
	home := tree(t, map[string]string{
		".chef/config.rb":            "node_name 'a'\nknife[:image] = 'one'\n",
		".chef/config.d/10-image.rb": "knife[:image] = 'two'",
		".chef/config.d/20-image.rb": "knife[:image] = 'three' if knife[:image] == 'two'",
		".chef/config.d/README.md":   "not ruby at all",
		".chef/config.d/dir.rb/x":    "",
		".chef/knife.d/a.rb":         "knife[:flavor] = 'm1'",
	})
	c := load(t, at(home, "", nil))
	image, _, _ := c.String("image")
	flavor, _, _ := c.String("flavor")
	isString(t, "image", image, "three")
	isString(t, "flavor", flavor, "m1")
	if len(c.Files) != 4 {
		t.Errorf("files are %q", c.Files)
	}
}

func TestFromFile(t *testing.T) {
	home := tree(t, map[string]string{
		".chef/knife.rb": "x = File.expand_path('../more.rb', __FILE__)\nChef::Config.from_file(x) if File.exist?(x)\n" +
			"begin\n  Chef::Config.from_file('gone.rb')\nrescue Errno::ENOENT => e\n  knife[:note] = e.message\nend\nChef::Config[:knife][:deep] = Chef::Config[:node_name]",
		".chef/more.rb": "node_name 'more'\nknife[:image] = 'x'",
	})
	c := load(t, at(home, "", nil))
	isString(t, "node_name", c.NodeName, "more")
	v, _ := c.Lookup("image")
	if v.Where() != filepath.Join(home, ".chef/more.rb")+":2" {
		t.Errorf("image comes from %s", v.Where())
	}
	deep, _, _ := c.String("deep")
	note, _, _ := c.String("note")
	isString(t, "deep", deep, "more")
	isString(t, "note", note, "No such file or directory @ rb_sysopen - gone.rb")

	home = tree(t, map[string]string{".chef/knife.rb": "Chef::Config.from_file(__FILE__)"})
	if e := refused(t, at(home, "", nil)); !strings.Contains(e.Msg, "deep") {
		t.Error(e)
	}
}

func TestOverrides(t *testing.T) {
	home := tree(t, map[string]string{".chef/knife.rb": "node_name 'a'\nknife[:image] = 'x'"})
	o := at(home, "", nil)
	o.Overrides = []string{"node_name = b", "knife.image=y", "chef_server_url=http://127.0.0.1:1", "verify_api_cert=false", "client_key=k.pem"}
	c := load(t, o)
	isString(t, "node_name", c.NodeName, "b")
	isString(t, "server", c.ChefServerURL, "http://127.0.0.1:1")
	isString(t, "client_key", c.ClientKey, filepath.Join(home, "k.pem"))
	if c.VerifyAPICert == nil || *c.VerifyAPICert {
		t.Error("verify_api_cert is not false")
	}
	v, _ := c.Lookup("image")
	if v.Data != "y" || v.Where() != "--config-option" {
		t.Errorf("image is %v of %s", v.Data, v.Where())
	}
	for given, want := range map[string]string{
		"nothing":            "not of the form KEY=VALUE",
		"=x":                 "not of the form KEY=VALUE",
		"openstack_image=x":  "Chef has no such setting",
		"chef_server_url=ho": "is not the address of a server",
		"node_name=[a":       "not YAML",
	} {
		o.Overrides = []string{given}
		if e := refused(t, o); !strings.Contains(e.Error(), want) {
			t.Errorf("%s: %v", given, e)
		}
	}
}

// What cannot be read is refused with its place and a way out.
func TestBroken(t *testing.T) {
	for _, tc := range []struct{ name, src, want, hint string }{
		{"syntax", "node_name 'a'\nknife[:x] = (\n", ":3:", "--config"},
		{"raise", "x = 1\nraise 'You must set ORGNAME' if ENV['ORGNAME'].nil?", ":2:1: You must set ORGNAME (RuntimeError)", "give it what it asks for"},
		{"url", "\nchef_server_url \"https:://x\"", ":2: chef_server_url \"https:://x\" is not the address of a server", "http://"},
		{"ssl", "ssl_verify_mode :none", ":1: ssl_verify_mode is a symbol \"none\", not", ""},
		{"command", "node_name `whoami`", ":1:", "--allow-exec"},
		{"nil", "\n\nnode_name ENV['NOPE'].downcase", ":3:", "write the line plainer"},
		{"constant", "Librarian::Chef.install_path", ":1:1: uninitialized constant Librarian", "write the line plainer"},
		{"gem", "require 'librarian/chef/integration/knife'", ":1:1: cannot load such file -- librarian/chef/integration/knife (LoadError)", "write the line plainer"},
		{"binding", "\neval('1', binding)", ":2:", "write the line plainer"},
		{"kind", "node_name ['a']", ":1: node_name is a list, not text", ""},
		{"loop", "loop { }", ":1:", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			home := tree(t, map[string]string{".chef/knife.rb": tc.src})
			e := refused(t, at(home, "", nil))
			if !strings.HasPrefix(e.Error(), filepath.Join(home, ".chef/knife.rb")+tc.want) {
				t.Errorf("got  %s\nwant %s", e, tc.want)
			}
			if !strings.Contains(e.Hint(), tc.hint) {
				t.Errorf("the hint is %q", e.Hint())
			}
		})
	}
}

// A config.rb of another tool in the current directory is recognized.
func TestForeignConfig(t *testing.T) {
	home := tree(t, map[string]string{"site/config.rb": "require 'compass/import-once/activate'\n", ".chef/knife.rb": "node_name 'a'"})
	e := refused(t, at(home, "site", nil))
	if !strings.Contains(e.Hint(), "if this one is not Chef's") {
		t.Errorf("%v, %s", e, e.Hint())
	}
}

func TestWarnings(t *testing.T) {
	home := tree(t, map[string]string{".chef/knife.rb": "user = 'a'\nnode_name usr\nclient_key = '/x.pem'\ntrusted_certs_dir '/not/there'\n"})
	c := load(t, at(home, "", nil))
	file := filepath.Join(home, ".chef/knife.rb")
	want := []string{
		file + `:2: "usr" is neither set above nor a setting of Chef; it counts as nil`,
		file + `:3: "client_key" with = is a local variable of Ruby's and sets nothing; write client_key without the =`,
		file + `:4: trusted_certs_dir names /not/there, which is not there`,
	}
	if !reflect.DeepEqual(c.Warnings, want) {
		t.Errorf("got %q\nwant %q", c.Warnings, want)
	}
	isString(t, "node_name", c.NodeName, "jo") // the login name
}

func TestDefaultKeys(t *testing.T) {
	home := tree(t, map[string]string{
		"repo/.chef/config.rb":          "chef_server_url 'https://x/organizations/acme'",
		"repo/.chef/acme-validator.pem": "k", ".chef/jo.pem": "k", ".chef/user.pem": "k", "repo/.chef/user.pem": "k",
	})
	c := load(t, at(home, "repo", nil))
	isString(t, "node_name", c.NodeName, "jo")
	isString(t, "client_key", c.ClientKey, filepath.Join(home, ".chef/jo.pem"))
	isString(t, "validation_key", c.ValidationKey, filepath.Join(home, "repo/.chef/acme-validator.pem"))
	isString(t, "validation_client_name", c.ValidationClientName, "acme-validator")
}

// A relative client key starts from the configuration, a relative validation
// key from the current directory.
func TestRelativeKeys(t *testing.T) {
	home := tree(t, map[string]string{"repo/.chef/knife.rb": "node_name 'a'\nclient_key 'keys/a.pem'\nvalidation_key 'v.pem'\nencrypted_data_bag_secret '~/secret'"})
	c := load(t, at(home, "repo/x", nil))
	isString(t, "client_key", c.ClientKey, filepath.Join(home, "repo/.chef/keys/a.pem"))
	isString(t, "validation_key", c.ValidationKey, filepath.Join(home, "repo/x/v.pem"))
}

// The idioms of real files beside plain settings.
func TestIdioms(t *testing.T) {
	src := `
require 'chef/config'
require 'rubygems'
chefdk.generator.license = "mit"
chefdk[:generator][:x] = 1
chef_zero.port 8890
chef_zero { host "127.0.0.1" }
cookbook_copyright "Example"
knife[:hints]['openstack'] = {}
knife[:flavor] ||= 'm1'
knife[:flavor] ||= 'm2'
knife.merge!(image: 'ubuntu', 'groups' => [:a])
knife.delete(:flavor) if knife.key?(:nothing)
Chef::Log.debug("x")
def org; 'acme'; end
chef_server_url "https://chef.example.com/organizations/#{org}"
self.node_name = %q(jo)
Chef::Config.client_key = '/k.pem'
Chef::Config.knife[:ssh_user] = 'ubuntu'
ENV['HTTPS_PROXY'] = 'http://p:1'
knife[:seen] = [chef_server_url, node_name, Chef::Config[:client_key], respond_to?(:knife), defined?(Nothing).nil?, config_dir]
local_mode true
knife[:x] = case log_level when :auto then 'auto' else 'set' end
formatters << 'doc'
`
	home := tree(t, map[string]string{".chef/knife.rb": src})
	o := at(home, "", nil)
	c := load(t, o)
	isString(t, "server", c.ChefServerURL, "https://chef.example.com/organizations/acme")
	isString(t, "node_name", c.NodeName, "jo")
	isString(t, "client_key", c.ClientKey, "/k.pem")
	isString(t, "HTTPS_PROXY", o.Env.Get("HTTPS_PROXY"), "http://p:1")
	if !c.LocalMode {
		t.Error("local_mode is lost")
	}
	var got []any
	for _, k := range []string{"flavor", "image", "ssh_user", "seen", "x"} {
		v, _ := c.Lookup(k)
		got = append(got, v.Data)
	}
	want := []any{"m1", "ubuntu", "ubuntu", []any{"https://chef.example.com/organizations/acme", "jo", "/k.pem", true, true, filepath.Join(home, ".chef")}, "auto"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
	if _, err := json.Marshal(c.ClientKeyPEM); err != nil {
		t.Error(err)
	}
}

func TestCommands(t *testing.T) {
	home := tree(t, map[string]string{".chef/knife.rb": "node_name `echo jo`.strip"})
	o := at(home, "", map[string]string{"PATH": "/usr/bin:/bin"})
	o.AllowExec = ruby.Always
	isString(t, "node_name", load(t, o).NodeName, "jo")
}
