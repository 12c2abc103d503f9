package knife

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const credentialsFile = `# of two servers
[default]
client_name = "jo"
client_key = "jo.pem"
chef_server_url = "https://api.example.com/organizations/acme"
ssl_verify_mode = ":verify_none"

[staging]
node_name = 'st'
client_key = '''
-----BEGIN RSA PRIVATE KEY-----
s3cret
-----END RSA PRIVATE KEY-----
'''
validator_key = "/v.pem"
chef_server_url = "https://staging.example.com"
knife = { image = "u", groups = ["a", "b"] }

[staging.train]
x = 1

['web.prod']
client_name = "wp"
cookbook_path = ["books"]

['web.prod'.knife]
ssh_user = "centos"
port = 22
`

func TestCredentials(t *testing.T) {
	home := tree(t, map[string]string{".chef/credentials": credentialsFile})
	c := load(t, at(home, "w", nil))
	isString(t, "profile", c.Profile, "default")
	isString(t, "node_name", c.NodeName, "jo")
	isString(t, "client_key", c.ClientKey, filepath.Join(home, ".chef/jo.pem"))
	isString(t, "server", c.ChefServerURL, "https://api.example.com/organizations/acme")
	isString(t, "ssl", c.SSLVerifyMode, "none")
	isString(t, "validator", c.ValidationClientName, "acme-validator")

	o := at(home, "w", nil)
	o.Profile = "staging"
	c = load(t, o)
	isString(t, "node_name", c.NodeName, "st")
	isString(t, "client_key", c.ClientKey, "")
	isString(t, "validation_key", c.ValidationKey, "/v.pem")
	if !strings.Contains(c.ClientKeyPEM.Reveal(), "s3cret") {
		t.Error("the inline key is lost")
	}
	b, _ := json.Marshal(c.ClientKeyPEM)
	if shown := fmt.Sprintf("%v %+v %#v %s %q %s", c, c.ClientKeyPEM, c.ClientKeyPEM, c.ClientKeyPEM, c.ClientKeyPEM, b); strings.Contains(shown, "s3cret") {
		t.Errorf("the key is shown: %s", shown)
	}
	v, ok := c.Lookup("image")
	if !ok || v.Data != "u" || v.Where() != filepath.Join(home, ".chef/credentials")+":17" {
		t.Errorf("image is %v of %s", v.Data, v.Where())
	}
	v, _ = c.Setting("node_name")
	isString(t, "origin", v.Where(), filepath.Join(home, ".chef/credentials")+":9")

	c = load(t, at(home, "w", map[string]string{"CHEF_PROFILE": "web.prod"}))
	v, _ = c.Lookup("ssh_user")
	isString(t, "origin", v.Where(), filepath.Join(home, ".chef/credentials")+":27")
	if n, _, err := c.Int("port"); n != 22 {
		t.Error(n, err)
	}
	v, _ = c.Setting("cookbook_path")
	isString(t, "cookbook_path", fmt.Sprint(v.Data), "["+filepath.Join(home, "w/books")+"]")
}

// The flag is over the variable, which is over the context file.
func TestProfileOrder(t *testing.T) {
	home := tree(t, map[string]string{
		".chef/credentials": "[default]\nclient_name='d'\n[a]\nclient_name='a'\n[b]\nclient_name='b'\n[c]\nclient_name='c'\n",
		".chef/context":     "c\n",
	})
	o := at(home, "", nil)
	isString(t, "by context", load(t, o).NodeName, "c")
	o.Env.Set("CHEF_PROFILE", "b")
	isString(t, "by variable", load(t, o).NodeName, "b")
	o.Profile = "a"
	isString(t, "by flag", load(t, o).NodeName, "a")
	o.Profile = "z"
	if e := refused(t, o); !strings.Contains(e.Error(), `the profile "z", which --profile names, does not exist`) || e.Hint() != "it has a, b, c, default" {
		t.Errorf("%v, %s", e, e.Hint())
	}
}

// config.rb has the last word over the credentials.
func TestConfigOverCredentials(t *testing.T) {
	home := tree(t, map[string]string{
		".chef/credentials": "[default]\nclient_name='d'\nclient_key='d.pem'\n[default.knife]\nimage='one'\nflavor='f'\n",
		".chef/config.rb":   "knife[:image] = \"#{knife[:image]}-two\"\nchef_server_url 'https://x'\n",
		"other":             "[default]\nclient_name='elsewhere'\n",
	})
	o := at(home, "", nil)
	c := load(t, o)
	image, _, _ := c.String("image")
	flavor, _, _ := c.String("flavor")
	isString(t, "image", image, "one-two")
	isString(t, "flavor", flavor, "f")
	isString(t, "node_name", c.NodeName, "d")
	isString(t, "client_key", c.ClientKey, filepath.Join(home, ".chef/d.pem"))
	if len(c.Files) != 2 {
		t.Errorf("files are %q", c.Files)
	}
	o.Env.Set("CHEF_CREDENTIALS_FILE", filepath.Join(home, "other"))
	isString(t, "node_name", load(t, o).NodeName, "elsewhere")
}

func TestBrokenCredentials(t *testing.T) {
	for _, tc := range []struct{ src, want, hint string }{
		{"[default]\nclient_name = jo\n", ":2:15: this is not TOML", "a profile is [NAME]"},
		{"[default]\nclient_name = 'a'\nnode_name = 'b'\n", ":2: node_name and client_name are both set", "keep client_name"},
		{"[default]\n\nchef_server_url = 'x'\n", `:3: chef_server_url "x" is not the address of a server`, ""},
		{"[default]\nclient_key = ['a']\n", ":2: client_key is a list, not text", ""},
		{"[default]\nclient_name = 1.5\nclient_key = { secret = 'a/b', field = 'x' }\n", ":3: client_key comes from a secrets provider, which is not supported", "the path of a key file"},
		{"[default]\nknife = 'x'\n", ":2: knife is a text, not a table", ""},
		{"[default]\n[default]\n", ":2:", ""},
	} {
		home := tree(t, map[string]string{".chef/credentials": tc.src})
		e := refused(t, at(home, "", nil))
		if !strings.HasPrefix(e.Error(), filepath.Join(home, ".chef/credentials")+tc.want) || !strings.Contains(e.Hint(), tc.hint) {
			t.Errorf("%q\ngot  %s (%s)\nwant %s (%s)", tc.src, e, e.Hint(), tc.want, tc.hint)
		}
	}
	home := tree(t, nil)
	o := at(home, "", nil)
	o.Profile = "x"
	if e := refused(t, o); !strings.Contains(e.Error(), "credentials file") {
		t.Error(e)
	}
	o.Profile = ""
	o.Env.Set("CHEF_PROFILE", "x")
	if c := load(t, o); len(c.Warnings) != 1 {
		t.Errorf("warnings are %q", c.Warnings)
	}
}
