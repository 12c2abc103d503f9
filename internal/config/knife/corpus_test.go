package knife

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

// environments are those that each file of the corpus is read in.
var environments = map[string]map[string]string{
	"bare": {"USER": "jo", "LOGNAME": "jo"},
	"full": {
		"USER": "jo", "LOGNAME": "jo", "ORGNAME": "acme", "CHEF_ORG_NAME": "acme", "OPSCODE_USER": "Jo-Chef",
		"CHEF_SERVER": "chef.example.com", "CHEF_SERVER_URL": "https://chef.example.com/organizations",
		"OS_USERNAME": "demo", "OS_PASSWORD": "s3cret", "OS_AUTH_URL": "https://cloud.example.com:5000/v3", "OS_TENANT": "demo",
		"OS_IDENTITY_FILE": "/home/jo/.ssh/id_rsa",
	},
}

// TestCorpus reads the real files of GALLEY_CORPUS/knife: each loads, or is
// refused with its place. Where CHEF_CONFIG names the sources of the real
// chef-config and there is a ruby, both must say the same of each file; see
// testdata/oracle.rb.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("GALLEY_CORPUS")
	if dir == "" {
		t.Skip("GALLEY_CORPUS names no directory with a folder knife of real knife.rb files")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "knife", "*.rb"))
	if len(files) == 0 {
		t.Fatalf("there are no files in %s/knife", dir)
	}
	for _, file := range files {
		for _, name := range slices.Sorted(maps.Keys(environments)) {
			t.Run(filepath.Base(file)+"/"+name, func(t *testing.T) {
				src, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				home := tree(t, map[string]string{"repo/.chef/knife.rb": string(src)})
				compare(t, at(home, "repo", environments[name]))
			})
		}
	}
}

// TestOracle compares configurations of this package's own with the real
// chef-config, as TestCorpus does.
func TestOracle(t *testing.T) {
	if os.Getenv("CHEF_CONFIG") == "" {
		t.Skip("CHEF_CONFIG names no directory with the sources of chef-config, chef-utils, mixlib-config and tomlrb")
	}
	for name, tc := range map[string]struct {
		files   map[string]string
		env     map[string]string
		profile string
	}{
		"settings":    {files: map[string]string{"repo/.chef/knife.rb": plainKnife}, env: map[string]string{"OS_USERNAME": "demo"}},
		"credentials": {files: map[string]string{".chef/credentials": credentialsFile}},
		"inline":      {files: map[string]string{".chef/credentials": credentialsFile}, profile: "staging"},
		"variable":    {files: map[string]string{".chef/credentials": credentialsFile}, env: map[string]string{"CHEF_PROFILE": "web.prod"}},
		"unknown":     {files: map[string]string{".chef/credentials": credentialsFile}, profile: "nope"},
		"both": {files: map[string]string{
			".chef/credentials": "[default]\nclient_name='d'\nclient_key='d.pem'\n[default.knife]\nimage='one'\nflavor='f'\n",
			".chef/config.rb":   "knife[:image] = \"#{knife[:image]}-two\"\nchef_server_url 'https://x'\n", ".chef/config.d/b.rb": "knife[:image] << '-b'", ".chef/config.d/a.rb": "knife[:image] << '-a'",
		}},
		"knife home":   {files: map[string]string{"kh/knife.rb": "node_name 'kh'", "kh/.chef/credentials": "[default]\nchef_server_url='https://kh'\n", ".chef/credentials": "[default]\nchef_server_url='https://no'\n"}, env: map[string]string{"KNIFE_HOME": "HOME/kh"}},
		"relative":     {files: map[string]string{"repo/.chef/knife.rb": "node_name 'a'\nclient_key 'keys/a.pem'\nvalidation_key 'v.pem'\nrole_path '../roles'\ndata_bag_path ['~/x', 'y']"}},
		"default keys": {files: map[string]string{"repo/.chef/config.rb": "chef_server_url 'https://x/organizations/acme'\nnode_name 'jo'", "repo/.chef/acme-validator.pem": "k", ".chef/jo.pem": "k"}},
		"reads": {files: map[string]string{"repo/.chef/knife.rb": "node_name 'a'\nknife[:r] = [log_level, config_file, config_dir, trusted_certs_dir, validation_client_name, chef_server_url, ssl_verify_mode, local_mode, client_d_dir, config_d_dir, unknown_word, node_name, key?(:node_name), key?(:nope), knife.key?(:r), user_home, cache_options, respond_to?(:node_name), respond_to?(:nope), respond_to?(:chef_server_url=), defined?(nope), defined?(node_name).nil?, knife.respond_to?(:hints), knife.respond_to?(:zip), knife.respond_to?(:key?)]\n" +
			"knife[:s] = [knife(a: 1).class == nil, knife[:r], knife.b, (knife.c = 2), knife.c, (self.x = 3), x, x(4, 5), x, delete(:x), x]\nknife.merge!(d: [:e])"}},
		"refused": {files: map[string]string{"repo/.chef/knife.rb": "ssl_verify_mode 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			home := tree(t, tc.files)
			env := map[string]string{}
			for k, v := range tc.env {
				env[k] = strings.ReplaceAll(v, "HOME", home)
			}
			env["LOGNAME"] = "jo"
			o := at(home, "repo", env)
			o.Profile = tc.profile
			compare(t, o)
		})
	}
}

// compare loads a configuration, and compares with the real chef-config where
// that is at hand.
func compare(t *testing.T, o Options) {
	o.AllowExec = ruby.Always
	o.Env.Set("PATH", os.Getenv("PATH"))
	before := o.Env.Clone()
	c, err := Load(context.Background(), o)
	if err != nil {
		t.Logf("refused: %v", err)
	}
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.File == "" || e.Msg == "") {
		t.Errorf("refused without a place: %T %v", err, err)
	}
	oracle(t, o, before, c, err)
}

func oracle(t *testing.T, o Options, env *env.Env, c *Config, loadErr error) {
	sources := os.Getenv("CHEF_CONFIG")
	if sources == "" {
		return
	}
	program, err := filepath.Abs("testdata/oracle.rb")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{program, sources, o.File}
	if o.Profile != "" {
		args = append(args, o.Profile)
	}
	cmd := exec.CommandContext(t.Context(), "ruby", args...)
	cmd.Dir, cmd.Stderr = o.Dir, os.Stderr
	cmd.Env = append(env.Environ(), "PWD="+o.Dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// What a file prints comes before.
	out = out[strings.LastIndex(strings.TrimSpace(string(out)), "\n")+1:]
	var want struct {
		Error     string
		Set       map[string]any
		Knife     map[string]any
		ClientKey *string `json:"client_key"`
		Validator string  `json:"validation_client_name"`
	}
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want.Error != "" || loadErr != nil {
		if (want.Error == "") != (loadErr == nil) {
			t.Errorf("chef-config says %q, here it is %v", want.Error, loadErr)
		}
		return
	}
	got := plainTable(c.settings)
	for _, k := range []string{"client_key", "log_location", "profile", "validation_key"} {
		delete(got, k)
	}
	for k, v := range want.Set {
		if k == "node_name" && v == nil {
			v = c.NodeName // nobody is logged in without a terminal
		}
		if k == "node_name" && got[k] == nil {
			got[k] = c.NodeName
		}
		if k == "validation_key" && v != nil {
			// Its path is resolved by whoever reads it.
			if s := v.(string); c.ValidationKey != (places{dir: o.Dir, home: o.Home}).abs(s) {
				t.Errorf("validation_key is %q, chef-config has %q", c.ValidationKey, s)
			}
			continue
		}
		if v == nil && got[k] == nil {
			continue
		}
		// A default that was read is set there, too.
		if _, ok := got[k]; !ok && v != nil && !reflect.DeepEqual(v, jsonData(ruby.ToGo((&loader{settings: newTable()}).get(k)))) {
			t.Errorf("%s is not set, chef-config has %v", k, v)
		}
		if g, ok := got[k]; ok && !reflect.DeepEqual(g, v) {
			t.Errorf("%s is %#v, chef-config has %#v", k, g, v)
		}
	}
	for k, v := range got {
		if _, ok := want.Set[k]; !ok {
			t.Errorf("%s is %v, which chef-config has not", k, v)
		}
	}
	if g := plainTable(c.knife); !reflect.DeepEqual(g, want.Knife) && len(g)+len(want.Knife) > 0 {
		t.Errorf("knife is\n%v, chef-config has\n%v", g, want.Knife)
	}
	key := ""
	if want.ClientKey != nil {
		key = *want.ClientKey
	}
	isString(t, "client_key", c.ClientKey, key)
	if c.ValidationClientName != "" {
		isString(t, "validation_client_name", c.ValidationClientName, want.Validator)
	}
}

// plainTable is a table as JSON reads back what the oracle prints.
func plainTable(t *table) map[string]any {
	out := map[string]any{}
	for _, n := range t.names() {
		out[n] = jsonData(ruby.ToGo(t.entries[n].value))
	}
	return out
}

func jsonData(v any) any {
	switch x := v.(type) {
	case ruby.Symbol:
		return string(x)
	case int64:
		return float64(x)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = jsonData(e)
		}
		return out
	case ruby.Map:
		out := map[string]any{}
		for _, p := range x {
			k, _ := text(p.Key)
			out[k] = jsonData(p.Value)
		}
		return out
	}
	return v
}
