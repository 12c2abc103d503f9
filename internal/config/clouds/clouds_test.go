package clouds

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// place lays files below a directory and returns options that look there
// only.
func place(t *testing.T, files map[string]string, env map[string]string) (Options, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	get := func(n string) string {
		if n == "HOME" {
			return filepath.Join(dir, "home")
		}
		return strings.ReplaceAll(env[n], "DIR", dir)
	}
	return Options{Getenv: get, Dir: filepath.Join(dir, "cwd"), SystemDir: filepath.Join(dir, "etc")}, dir
}

const plain = `
clouds:
  lab:
    auth:
      auth_url: http://192.0.2.1:5000/v3
      username: me
      password: secret
      project_name: demo
      user_domain_name: Default
      project_domain_id: default
    region_name: RegionOne
    identity_api_version: 3
    interface: internal
    verify: no
    cacert: ~/ca.pem
    image_endpoint_override: http://192.0.2.1:9292
  empty:
  text: hello
`

func TestLoad(t *testing.T) {
	o, dir := place(t, map[string]string{"cwd/clouds.yaml": plain}, nil)
	e, err := Load("lab", o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"OS_AUTH_URL": "http://192.0.2.1:5000/v3", "OS_USERNAME": "me", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "demo",
		"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_ID": "default", "OS_REGION_NAME": "RegionOne",
		"OS_IDENTITY_API_VERSION": "3", "OS_INTERFACE": "internal", "OS_INSECURE": "true",
		"OS_CACERT":                  filepath.Join(dir, "home", "ca.pem"),
		"OS_IMAGE_ENDPOINT_OVERRIDE": "http://192.0.2.1:9292",
	}
	sameAs(t, want, e.Auth)
	if s := fmt.Sprintf("%v %#v", e, e); strings.Contains(s, "secret") {
		t.Errorf("a secret is printed: %s", s)
	}
	if e, err := Load("empty", o); err != nil || e.Auth.Named() {
		t.Errorf("an entry without anything: %v, %v", e, err)
	}
	if _, err := Load("text", o); err == nil {
		t.Error("an entry that is not a mapping is accepted")
	}
}

func TestSecretsProfileAndRegion(t *testing.T) {
	o, _ := place(t, map[string]string{
		"home/.config/openstack/clouds.yaml":        "clouds:\n  a:\n    profile: vendor\n    auth: {username: me}\n    regions:\n    - one\n    - name: two\n      values: {auth: {auth_url: http://two/v3}}\n",
		"home/.config/openstack/secure.yaml":        "clouds: {a: {auth: {password: pw}}}\n",
		"home/.config/openstack/clouds-public.yaml": "public-clouds: {vendor: {auth: {auth_url: 'http://one/v3', username: nobody}, auth_type: v3password}}\n",
	}, map[string]string{"OS_REGION_NAME": "two"})
	e, err := Load("a", o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"OS_AUTH_URL": "http://two/v3", "OS_USERNAME": "me", "OS_PASSWORD": "pw", "OS_AUTH_TYPE": "v3password", "OS_REGION_NAME": "two"}
	sameAs(t, want, e.Auth)
}

func TestApplicationCredentialOutsideOfAuth(t *testing.T) {
	o, _ := place(t, map[string]string{"etc/clouds.yml": "clouds:\n  a:\n    auth_url: http://x\n    auth_type: v3applicationcredential\n    application_credential_id: i\n    application_credential_secret: s\n"}, nil)
	e, err := Load("a", o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"OS_AUTH_URL": "http://x", "OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_ID": "i", "OS_APPLICATION_CREDENTIAL_SECRET": "s"}
	sameAs(t, want, e.Auth)
}

func TestOrderOfPlaces(t *testing.T) {
	file := func(user string) string { return "clouds: {a: {auth: {username: " + user + "}}}\n" }
	files := map[string]string{
		"cwd/clouds.yaml": file("cwd"), "home/.config/openstack/clouds.yaml": file("home"), "etc/clouds.yaml": file("etc"),
		"named.yaml": file("named"), "key.yaml": file("key"),
	}
	user := func(o Options) string {
		e, err := Load("a", o)
		if err != nil {
			t.Fatal(err)
		}
		return e.Auth.Username
	}
	o, dir := place(t, files, nil)
	if got := user(o); got != "cwd" {
		t.Errorf("got %q, want the current directory's", got)
	}
	o.Path = filepath.Join(dir, "key.yaml")
	if got := user(o); got != "key" {
		t.Errorf("got %q, want the configured file's", got)
	}
	o, _ = place(t, files, map[string]string{"OS_CLIENT_CONFIG_FILE": "DIR/named.yaml"})
	if got := user(o); got != "named" {
		t.Errorf("got %q, want the environment's", got)
	}
	o, dir = place(t, files, nil)
	o.Path = filepath.Join(dir, "missing.yaml")
	if _, err := Load("a", o); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("a configured file that is not there: %v", err)
	}
}

func TestNotThere(t *testing.T) {
	o, _ := place(t, nil, nil)
	var none *Error
	if _, err := Load("a", o); !errors.As(err, &none) || !strings.Contains(none.Hint(), "clouds.yaml") {
		t.Errorf("no file: %v", err)
	}
	o, _ = place(t, map[string]string{"cwd/clouds.yaml": plain}, nil)
	if _, err := Load("lap", o); !errors.As(err, &none) || !strings.Contains(none.Hint(), "lab") {
		t.Errorf("no such cloud: %v", err)
	}
	o, _ = place(t, map[string]string{"cwd/clouds.yaml": "clouds: {a: {profile: nowhere}}\n"}, nil)
	var profile *Error
	if _, err := Load("a", o); !errors.As(err, &profile) {
		t.Errorf("no such profile: %v", err)
	}
	for _, text := range []string{"- a\n", "clouds: [\n", "\tclouds:\n"} {
		o, _ = place(t, map[string]string{"cwd/clouds.yaml": text}, nil)
		if _, err := Load("a", o); err == nil || !strings.Contains(err.Error(), "clouds.yaml") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNearMiss(t *testing.T) {
	o, _ := place(t, map[string]string{"cwd/clouds.yaml": "clouds: {production: {}, staging: {}, p: {}}\n"}, nil)
	for name, want := range map[string]string{"prodcution": `did you mean "production"? it has p, production, staging`, "Staging": `did you mean "staging"?`, "elsewhere": "it has p,"} {
		var none *Error
		if _, err := Load(name, o); !errors.As(err, &none) || !strings.HasPrefix(none.Hint(), want) {
			t.Errorf("%s: %v: %s", name, err, none.Hint())
		}
	}
	if all, err := List(o); err != nil || strings.Join(all, " ") != "p production staging" {
		t.Errorf("got %q, %v", all, err)
	}
	none, _ := place(t, nil, nil)
	if all, err := List(none); err != nil || len(all) != 0 {
		t.Errorf("without a file: %q, %v", all, err)
	}
}

func TestRegionThatIsNone(t *testing.T) {
	o, _ := place(t, map[string]string{"cwd/clouds.yaml": "clouds: {a: {regions: [one, two], auth: {}}}\n"}, map[string]string{"OS_REGION_NAME": "three"})
	var region *Error
	if _, err := Load("a", o); !errors.As(err, &region) || !strings.Contains(region.Hint(), "one, two") {
		t.Errorf("got %v", err)
	}
	o.Region = "two"
	if e, err := Load("a", o); err != nil || e.Auth.Region != "two" {
		t.Errorf("got %v, %v", e.Auth, err)
	}
}

func TestSecureFileAlone(t *testing.T) {
	o, _ := place(t, map[string]string{"home/.config/openstack/secure.yaml": "clouds: {a: {auth: {username: me}}}\n"}, nil)
	if e, err := Load("a", o); err != nil || e.Auth.Username != "me" {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestPlacesBeside(t *testing.T) {
	// With XDG_CONFIG_HOME the usual place still counts, after it.
	files := map[string]string{"home/.config/openstack/clouds.yaml": "clouds: {a: {}}\n"}
	o, _ := place(t, files, map[string]string{"XDG_CONFIG_HOME": "DIR/xdg"})
	if _, err := Load("a", o); err != nil {
		t.Error(err)
	}
	files["xdg/openstack/clouds.yaml"] = "clouds: {b: {}}\n"
	o, _ = place(t, files, map[string]string{"XDG_CONFIG_HOME": "DIR/xdg"})
	if _, err := Load("b", o); err != nil && runtime.GOOS == "linux" {
		t.Error(err)
	}
	o, _ = place(t, map[string]string{"etc/clouds.json": `{"clouds": {"j": {"auth": {"username": "me"}}}}`}, map[string]string{"OS_CLIENT_CONFIG_FILE": "DIR/nowhere.yaml"})
	e, err := Load("j", o)
	if err != nil || e.Auth.Username != "me" || len(e.Warnings) != 1 || !strings.Contains(e.Warnings[0], "nowhere.yaml, which is not there") {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestWarnings(t *testing.T) {
	o, _ := place(t, map[string]string{"cwd/clouds.yaml": "clouds: {a: {cloud: nowhere, auth: {auth_url: http://x}}}\n"}, nil)
	e, err := Load("a", o)
	if err != nil || len(e.Warnings) != 2 {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestPasswordOfTheEnvironment(t *testing.T) {
	file := "clouds:\n  bare: {auth: {username: me}}\n  own: {auth: {username: me, password: own}}\n  app: {auth: {application_credential_secret: s, username: me}}\n  anonymous: {auth: {auth_url: http://x}}\n"
	o, _ := place(t, map[string]string{"cwd/clouds.yaml": file}, map[string]string{"OS_PASSWORD": "env"})
	for name, want := range map[string]string{"bare": "env", "own": "own", "app": "", "anonymous": ""} {
		if e, err := Load(name, o); err != nil || e.Auth.Password.Reveal() != want {
			t.Errorf("%s: %v, %v", name, e.Auth, err)
		}
	}
}

func TestHostileFiles(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 10 {
		n, before := string(rune('b'+i)), string(rune('a'+i))
		bomb += n + ": &" + n + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 10), ", ") + "]\n"
	}
	for name, text := range map[string]string{
		"a bomb": bomb, "itself": "clouds: &c {a: *c}\n", "deep": strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"a tag": "clouds: !!python/object:os.system {}\n", "another tag": "clouds: {a: {auth: {username: !secret x}}}\n",
		"a list as key": "? [a]\n: b\n", "merging a word": "clouds: {<<: x}\n",
	} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := parse([]byte("clouds:\n  a:\n    password: {{ secret }\n")); err == nil || !strings.Contains(err.Error(), "a template") {
		t.Errorf("a template: %v", err)
	}
	if root, err := parse([]byte("# nothing\n")); err != nil || len(root) != 0 {
		t.Errorf("nothing: %v, %v", root, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte("clouds: {lab: {regions: [{name: x, values: {a: b}}], verify: 'off'}}"))
	for _, c := range likeSDK {
		f.Add([]byte(c.clouds))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := parse(data)
		if err != nil {
			return
		}
		o := Options{Getenv: func(string) string { return "" }}
		for _, v := range mapping(root["clouds"]) {
			entry, err := o.withRegion(&Entry{}, normal(mapping(v)))
			if err != nil {
				continue
			}
			repair(entry)
			_, _ = o.credentials(&Entry{}, entry)
		}
	})
}
