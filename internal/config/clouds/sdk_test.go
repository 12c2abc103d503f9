package clouds

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sdkCase is a file of which openstacksdk and this package must make the same.
type sdkCase struct {
	clouds, secure, public string
	region                 string
	// differs names keys that differ on purpose.
	differs []string
}

var likeSDK = map[string]sdkCase{
	"plain": {clouds: `
clouds:
  c:
    auth: {auth_url: http://192.0.2.1:5000/v3, username: me, password: pw, project_name: demo, user_domain_name: Default, project_domain_id: default}
    region_name: RegionOne
    identity_api_version: 3
    interface: internal
    verify: no
    cacert: /etc/ssl/ca.pem
`},
	"everything outside of auth": {clouds: `
clouds:
  c:
    auth_url: https://192.0.2.1:5000
    auth_type: v3applicationcredential
    application_credential_id: "0123"
    application_credential_secret: s
    user-domain-name: Default
    project_domain_name: Other
    project-name: p
    username: u
`, differs: []string{"OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_SECRET", "OS_AUTH_URL", "OS_USERNAME"}},
	"tenants": {clouds: `
clouds:
  c:
    auth: {auth_url: http://a/v2.0, username: u, password: p, tenant_name: t, tenant-id: i}
    tenant_name: outside
`},
	"tenant and project": {clouds: "clouds: {c: {auth: {auth_url: http://a, tenant_name: t, project_name: p, project_id: pi}}}"},
	"v2password":         {clouds: "clouds: {c: {auth_type: v2password, auth: {auth_url: http://a, project_name: p, username: u}}}"},
	"one domain for all": {clouds: "clouds: {c: {auth: {auth_url: http://a, username: u, project_name: p, domain_name: D, domain_id: i, user_domain_id: own}}}"},
	"domain scope":       {clouds: "clouds: {c: {auth: {auth_url: http://a, username: u, user_domain_name: Default, domain_name: D}}}"},
	"domain outside":     {clouds: "clouds: {c: {auth: {auth_url: http://a, username: u}, domain_id: D}}"},
	"system scope":       {clouds: "clouds: {c: {auth: {auth_url: http://a, username: u, user_domain_name: Default, system_scope: all}}}"},
	"token":              {clouds: "clouds: {c: {auth_type: token, auth: {auth_url: http://a, token: t, project_name: p}}}"},
	"old names":          {clouds: "clouds: {c: {auth_plugin: v3password, endpoint_type: internal, auth: {auth_url: http://a}, auth-token: t}}", differs: []string{"OS_AUTH_TYPE"}},
	"no auth":            {clouds: "clouds:\n  c:\n    region_name: one\n"},
	"empty auth":         {clouds: "clouds: {c: {auth: {}, region_name: r}}"},
	"regions": {clouds: `
clouds:
  c:
    auth: {auth_url: "https://{region_name}.example.org/v3", username: u}
    regions:
    - one
    - name: two
      values: {auth: {username: of-two}, identity_api_version: '2', interface: admin}
`, region: "two"},
	"the first region":    {clouds: "clouds: {c: {auth: {auth_url: 'https://{region_name}.example.org'}, regions: [a, b]}}"},
	"regions in one word": {clouds: "clouds: {c: {auth: {auth_url: http://a}, region_name: 'a,b'}}", region: "b"},
	"regions and a name":  {clouds: "clouds: {c: {auth: {auth_url: http://a}, regions: [a, b], region_name: x}}"},
	"secrets": {
		clouds: "clouds: {c: {auth: {auth_url: http://a, username: u, project_name: p}, region_name: r}}",
		secure: "clouds: {c: {auth: {password: pw, username: other}}, d: {auth: {}}}",
	},
	"a profile": {
		clouds: "clouds: {c: {profile: v, auth: {username: u}, interface: admin}}",
		public: "public-clouds: {v: {auth: {auth_url: http://v, username: nobody}, region_name: rv, interface: public, identity_api_version: 3}}",
	},
	"a profile by its old key": {
		clouds: "clouds: {c: {cloud: v, auth: {username: u}}}",
		public: "public-clouds: {v: {auth: {auth_url: http://v}, regions: [x, y]}}", region: "y",
	},
	"a region against the profile's": {
		clouds: "clouds: {c: {profile: v, region_name: z, auth: {username: u}}}",
		public: "public-clouds: {v: {auth: {auth_url: http://v}, regions: [x, y]}}",
	},
	"a built-in profile":           {clouds: "clouds: {c: {profile: ovh, region_name: GRA1, auth: {username: u, project_id: p}}}"},
	"a built-in profile's regions": {clouds: "clouds: {c: {profile: citycloud, auth: {username: u}}}", region: "Lon1"},
	"anchors and merging": {clouds: `
x: &base
  auth: &auth {auth_url: http://a, username: u}
  region_name: one
clouds:
  c:
    <<: *base
    auth:
      <<: *auth
      username: mine
      password: pw
`},
	"twice the same key": {clouds: "clouds:\n  c:\n    region_name: a\n    auth: {auth_url: http://a}\n    region_name: b\n"},
	"booleans":           {clouds: "clouds: {c: {auth: {auth_url: http://a}, verify: Yes, insecure: 'true'}}"},
	"not insecure":       {clouds: "clouds: {c: {auth: {auth_url: http://a}, verify: True, insecure: no, cert: /c, key: /k}}"},
	"nulls":              {clouds: "clouds: {c: {auth: {auth_url: http://a, username: ~, password: null}, region_name: r, cacert: }}"},
	"digits":             {clouds: "clouds: {c: {auth: {auth_url: http://a, project_id: 1234567890, password: 12345, username: 1e3}, region_name: '1'}}"},
	"quoting":            {clouds: "clouds: {c: {auth: {auth_url: \"http://a\", password: 'it''s: \"x\" #y', username: \"t\\tab\"}}}"},
	"names with braces":  {clouds: "clouds: {c: {auth: {auth_url: http://a, password: '{x}'}}}"},
}

const sdkScript = `
import json, sys, warnings
warnings.simplefilter("ignore")
import openstack.config.loader as l
out = {}
for name, c in json.load(sys.stdin).items():
    files = lambda p: [p] if p else []
    cfg = l.OpenStackConfig(config_files=files(c["clouds"]), secure_files=files(c["secure"]), vendor_files=files(c["public"]), load_envvars=False)
    r = cfg.get_one("c", validate=False, region_name=c["region"])
    verify, cert = r.get_requests_verify_args()
    out[name] = {"config": {k: v for k, v in r.config.items() if isinstance(v, (str, int, dict))}, "verify": verify, "cert": cert}
json.dump(out, sys.stdout)
`

func TestAsSDK(t *testing.T) {
	python := ""
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import openstack.config").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("needs python3 with openstacksdk to compare with")
	}
	dir := t.TempDir()
	type files struct {
		Clouds string `json:"clouds"`
		Secure string `json:"secure"`
		Public string `json:"public"`
		Region string `json:"region"`
	}
	put := func(name, kind, text string) string {
		if text == "" {
			return ""
		}
		p := filepath.Join(dir, strings.ReplaceAll(name, " ", "_"), kind+".yaml")
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	input := map[string]files{}
	for name, c := range likeSDK {
		input[name] = files{put(name, "clouds", c.clouds), put(name, "secure", c.secure), put(name, "clouds-public", c.public), c.region}
	}
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", sdkScript)
	cmd.Stdin = strings.NewReader(string(in))
	var errs strings.Builder
	cmd.Stderr = &errs
	data, err := cmd.Output()
	if err != nil {
		t.Fatalf("openstacksdk: %v\n%s", err, errs.String())
	}
	var sdk map[string]struct {
		Config map[string]any
		Verify any
		Cert   any
	}
	if err := json.Unmarshal(data, &sdk); err != nil {
		t.Fatal(err)
	}
	for name, c := range likeSDK {
		t.Run(name, func(t *testing.T) {
			e, err := Load("c", Options{
				Path: input[name].Clouds, Region: c.region, Dir: filepath.Join(dir, "none"), SystemDir: filepath.Join(dir, "none"),
				Getenv: func(string) string { return "" },
			})
			if err != nil {
				t.Fatal(err)
			}
			want := variablesOfSDK(sdk[name].Config, sdk[name].Verify, sdk[name].Cert)
			got := e.Auth
			if got.Interface == "" {
				got.Interface = "public"
			}
			if got.Insecure {
				got.CACert = ""
			}
			for _, k := range c.differs {
				// Where the two differ on purpose, ours is as its test says.
				delete(want, k)
				switch k {
				case "OS_APPLICATION_CREDENTIAL_ID":
					got.AppCredID = ""
				case "OS_APPLICATION_CREDENTIAL_SECRET":
					got.AppCredSecret = ""
				case "OS_AUTH_URL":
					got.URL = ""
				case "OS_USERNAME":
					got.Username = ""
				case "OS_AUTH_TYPE":
					delete(want, "OS_TOKEN") // of another type than the password
				}
			}
			sameAs(t, want, got)
		})
	}
}

func variablesOfSDK(config map[string]any, verify, cert any) map[string]string {
	env := map[string]string{}
	put := func(name string, v any) {
		switch v := v.(type) {
		case string:
			if v != "" {
				env[name] = v
			}
		case float64:
			data, _ := json.Marshal(v)
			env[name] = string(data)
		}
	}
	auth, _ := config["auth"].(map[string]any)
	for key, name := range authVariables {
		put(name, auth[key])
	}
	for key, name := range plainVariables {
		put(name, config[key])
	}
	switch v := verify.(type) {
	case bool:
		if !v {
			env["OS_INSECURE"] = "true"
		}
	case string:
		env["OS_CACERT"] = v
	}
	if pair, ok := cert.([]any); ok && len(pair) == 2 {
		put("OS_CERT", pair[0])
		put("OS_KEY", pair[1])
	}
	return env
}
