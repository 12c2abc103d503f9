package cli_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/testing/standin"
)

// canaries are secrets that no output, log or state may show: a value for each
// place that can hold one.
type canaries struct {
	t      *testing.T
	values map[string]string
	// given are the files that the user wrote them into.
	given map[string]bool
}

func newCanaries(t *testing.T) *canaries {
	return &canaries{t: t, values: map[string]string{}, given: map[string]bool{}}
}

// at returns the secret of a place.
func (c *canaries) at(place string) string {
	v := c.values[place]
	if v == "" {
		v = fmt.Sprintf("Cnry%dx%sq", len(c.values)+1, strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return -1
		}, place))
		c.values[place] = v
	}
	return v
}

// known makes a secret of somebody else a canary.
func (c *canaries) known(place, value string) { c.values[place] = value }

// write puts a file of the user's, with secrets, into the project.
func (c *canaries) write(p *project, name, content string) {
	c.t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(p.dir, name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.given[name] = true
}

// search fails the test for each canary in a text.
func (c *canaries) search(where, text string) {
	c.t.Helper()
	for place, v := range c.values {
		i := strings.Index(text, v)
		if i < 0 { // as it is sent
			i = strings.Index(text, base64.StdEncoding.EncodeToString([]byte("me:"+v)))
		}
		if i >= 0 {
			line := text[strings.LastIndexByte(text[:i], '\n')+1:]
			line, _, _ = strings.Cut(line, "\n")
			c.t.Errorf("%s: the secret of %s shows:\n%.300s", where, place, line)
		}
	}
}

// run runs galley at debug level and searches its output; its exit code does
// not matter.
func (c *canaries) run(p *project, args ...string) {
	c.t.Helper()
	out, errs, code := p.run(c.t, args...)
	where := fmt.Sprintf("galley %v (exit code %d)", args[:min(len(args), 3)], code)
	c.search(where, out)
	c.search(where+", standard error", errs)
	if code != 0 {
		c.t.Logf("%s: %.400s", where, errs[max(0, len(errs)-400):])
	}
	if code == 2 {
		c.t.Errorf("%s is a usage error, which shows nothing: %s", where, errs)
	}
}

// searchFiles searches all files below the project and its home.
func (c *canaries) searchFiles(p *project) {
	c.t.Helper()
	files := 0
	for _, root := range []string{p.dir, p.getenv("HOME")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || c.given[path] {
				return err
			}
			data, err := os.ReadFile(path)
			if err == nil {
				files++
				c.search(path, string(data))
			}
			return err
		})
		if err != nil {
			c.t.Error(err)
		}
	}
	if files == 0 {
		c.t.Error("no files were searched")
	}
}

// with returns the project with other variables.
func (p *project) with(env ...string) *project {
	return &project{dir: p.dir, env: append(append([]string{}, p.env...), env...)}
}

// looks are the commands that show what a project is and has.
var looks = [][]string{
	{"config", "resolve", "--redact"},
	{"config", "resolve", "--redact", "--format", "yaml"},
	{"config", "validate"},
	{"config", "env"},
	{"diagnose", "--all"},
	{"diagnose", "--all", "--origin"},
	{"doctor", "--all"},
	{"lint"},
	{"list"},
	{"list", "--json"},
	{"logs"},
	{"report"},
}

// canaryKitchen has a secret at each place of a kitchen file.
func canaryKitchen(c *canaries, mirror string) string {
	return fmt.Sprintf(`---
driver:
  name: openstack
  image_ref: debian-12
  flavor_ref: m1.small
  network_ref: net1
transport: {username: debian, port: <%%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] %%>, password: %[1]q}
provisioner:
  name: chef_infra
  product_name: cinc
  chef_license_key: %[2]q
  sudo_password: %[3]q
  encrypted_data_bag_secret_key_path: data_bag_secret
  attributes: {db: {password: %[4]q, url: "mysql://me:%[5]s@db/x"}}
verifier:
  name: shell
  command: test -n "$API_TOKEN"
  shellout_opts: {environment: {API_TOKEN: %[6]q}}
platforms: [{name: x}]
suites:
  - name: works
    provisioner: {omnitruck_url: "%[7]s"}
    lifecycle:
      pre_converge:
        - local: test -n "$ANY"
          environment: {ANY: %[8]q, SITE: "http://h/?token=%[9]s"}
        - remote: "true"
  - name: download
    provisioner: {download_url: "%[7]s/none.tar.gz?token=%[10]s"}
  - name: omnibus
    provisioner: {chef_omnibus_url: "%[7]s/install.sh?token=%[11]s", require_chef_omnibus: true}
  - name: truck
    provisioner: {omnitruck_url: "%[7]s/nothing/?token=%[12]s"}
  - name: proxied
    provisioner: {omnitruck_url: "%[7]s", http_proxy: "http://me:%[13]s@127.0.0.1:9", https_proxy: "http://me:%[13]s@127.0.0.1:9"}
  - name: gateway
    transport: {ssh_http_proxy: 127.0.0.1, ssh_http_proxy_port: 9, ssh_http_proxy_user: me, ssh_http_proxy_password: %[14]q, connection_retries: 1, max_wait_until_ready: 3}
  - name: keyed
    driver: {openstack_auth_url: "<%%= ENV['OS_AUTH_URL'] %%>", openstack_username: demo, openstack_api_key: %[15]q, openstack_tenant: demo}
  - name: token
    driver: {openstack_auth_url: "<%%= ENV['OS_AUTH_URL'] %%>", openstack_auth_token: %[16]q, openstack_tenant: demo}
  - name: application
    driver: {openstack_auth_url: "<%%= ENV['OS_AUTH_URL'] %%>", openstack_application_credential_id: x, openstack_application_credential_secret: %[17]q}
  - name: userinfo
    driver: {openstack_auth_url: "http://me:%[18]s@127.0.0.1:9/v3", openstack_username: demo, openstack_api_key: %[15]q, openstack_tenant: demo}
`, c.at("transport password"), c.at("license key"), c.at("sudo password"), c.at("attribute"), c.at("URL of an attribute"), c.at("verifier environment"), mirror,
		c.at("hook environment"), c.at("URL in a hook's environment"), c.at("download_url"), c.at("chef_omnibus_url"), c.at("omnitruck_url"), c.at("http_proxy"),
		c.at("ssh_http_proxy_password"), c.at("openstack_api_key"), c.at("openstack_auth_token"), c.at("application credential"), c.at("auth URL"))
}

// TestCanariesInAKitchen has secrets at all places of a kitchen file and of the
// environment, and does everything with it, at debug level, what works and
// what fails.
func TestCanariesInAKitchen(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, devcloud.Options{})
	mirror := httptest.NewServer(standin.Mirror{})
	t.Cleanup(mirror.Close)
	c := newCanaries(t)
	p := newLeakProject(t, cloud, "")
	p.env = append(p.env, "KITCHEN_LOG=debug", "OS_API_TIMEOUT=2")
	c.known("OS_PASSWORD", p.getenv("OS_PASSWORD"))
	c.write(p, "kitchen.yml", canaryKitchen(c, mirror.URL))
	c.write(p, "data_bag_secret", c.at("data bag secret"))
	p.write(t, map[string]string{"metadata.rb": "name 'web'\n", "recipes/default.rb": "log 'x'\n"})

	c.run(p, "test", "works", "--destroy", "never", "--junit", "junit.xml")
	c.run(p, "exec", "works", "-c", "true")
	c.run(p, "converge", "-c", "9", "--debug")
	for _, args := range looks {
		c.run(p, args...)
	}
	for name, env := range map[string][]string{
		"wrong password":         {"OS_PASSWORD=" + c.at("wrong password")},
		"wrong token":            {"OS_AUTH_TYPE=token", "OS_TOKEN=" + c.at("wrong token"), "OS_USERNAME=", "OS_PASSWORD="},
		"application credential": {"OS_APPLICATION_CREDENTIAL_ID=x", "OS_APPLICATION_CREDENTIAL_SECRET=" + c.at("OS_APPLICATION_CREDENTIAL_SECRET"), "OS_USERNAME=", "OS_PASSWORD="},
		"auth URL":               {"OS_AUTH_URL=http://me:" + c.at("OS_AUTH_URL") + "@127.0.0.1:9/v3"},
		"proxy":                  {"HTTP_PROXY=http://me:" + c.at("HTTP_PROXY") + "@127.0.0.1:9", "OS_AUTH_URL=http://cloud.invalid/v3"},
	} {
		q := p.with(env...)
		c.run(q, "destroy", "works")
		c.run(q, "create", "download")
		c.run(q, "doctor", "works")
		c.run(q, "diagnose", "works")
		c.run(q, "image", "list")
		if t.Failed() {
			t.Logf("with %s", name)
		}
	}
	c.write(p, "clouds.yaml", fmt.Sprintf("clouds: {lab: {auth: {auth_url: %q, username: demo, password: %q, project_name: demo, user_domain_name: Default}}}\n",
		p.getenv("OS_AUTH_URL"), c.at("clouds.yaml")))
	q := p.with("OS_CLOUD=lab", "OS_AUTH_URL=", "OS_PASSWORD=")
	c.run(q, "doctor", "works")
	c.run(q, "flavor", "list")
	c.run(p, "destroy")
	wantNothing(t, cloud, "destroyed")
	c.searchFiles(p)
}

// TestCanariesOfKnife has secrets in knife.rb, in flags, and in the keys.
func TestCanariesOfKnife(t *testing.T) {
	t.Parallel()
	w := newNodeWorld(t)
	c := newCanaries(t)
	w.env = append(w.env, "KITCHEN_LOG=debug")
	c.known("OS_PASSWORD", w.getenv("OS_PASSWORD"))
	// The middle of the key, which is like no other.
	key := string(w.chef.AdminKey)
	c.known("client key", strings.Split(key, "\n")[3])
	home := w.getenv("HOME")
	c.given[filepath.Join(home, ".chef/admin.pem")] = true
	knifeRB := filepath.Join(home, ".chef/knife.rb")
	base, err := os.ReadFile(knifeRB)
	if err != nil {
		t.Fatal(err)
	}
	p := w.project
	c.write(p, "validator.pem", key)
	c.write(p, "secret", c.at("data bag secret"))
	create := append(createNode("web"), "--secret-file", "secret")
	c.run(p, create...)
	c.run(p, "server", "list")
	c.run(p, "server", "show", "web")
	c.run(p, "node", "show", "web")
	c.run(p, "config", "knife")
	c.run(p, "server", "delete", "web", "--purge", "-y")
	w.chef.gate.set(gateError, 2)
	c.run(p, create...)
	c.run(p, "server", "delete", "web", "--purge", "-y")
	c.run(p, append(createNode("wrong"), "--ssh-password", c.at("--ssh-password"), "-U", "nobody", "--max-wait", "2", "--secret", c.at("--secret"))...)
	c.run(p, "bootstrap", "127.0.0.1", "-p", "9", "-U", "me", "-P", c.at("-P"), "-N", "none", "--max-wait", "1")
	c.run(p, "bootstrap", "127.0.0.1", "-p", "9", "-U", "me", "-N", "none", "--max-wait", "1", "--bootstrap-proxy", "http://me:"+c.at("--bootstrap-proxy")+"@127.0.0.1:9")
	c.write(p, knifeRB, string(base)+fmt.Sprintf(`
chef_server_url %q
validation_key %q
validation_client_name 'validator'
knife[:openstack_password] = %q
knife[:openstack_username] = 'demo'
knife[:bootstrap_proxy] = %q
`, strings.Replace(w.chef.url, "http://", "http://me:"+c.at("chef_server_url")+"@", 1), filepath.Join(p.dir, "validator.pem"), c.at("knife[:openstack_password]"),
		"http://me:"+c.at("knife[:bootstrap_proxy]")+"@127.0.0.1:9"))
	for _, args := range [][]string{
		{"config", "knife"},
		{"node", "list"},
		{"client", "list"},
		{"server", "list"},
		create,
		{"bootstrap", "127.0.0.1", "-p", "9", "-U", "me", "-N", "none", "--max-wait", "1"},
	} {
		c.run(p, args...)
	}
	wantNothing(t, w.cloud, "deleted")
	c.searchFiles(p)
}

// TestCanariesOfFetch has secrets at all places of a download, with a server
// that repeats them in its errors.
func TestCanariesOfFetch(t *testing.T) {
	t.Parallel()
	c := newCanaries(t)
	served := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ok") {
			_, _ = io.WriteString(w, `{"items":[1,2],"next":null}`)
			return
		}
		if served++; strings.HasPrefix(r.URL.Path, "/cut") && served%2 == 1 {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"items":[1,2`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "refused: %v %v %s", r.Header, r.URL, r.Host)
	}))
	t.Cleanup(web.Close)
	p := newProject(t, nil, "{}")
	p.env = append(p.env, "KITCHEN_LOG=debug", "SECRET="+c.at("env:SECRET"))
	c.write(p, "bearer", c.at("@FILE"))
	c.write(p, "netrc", "machine 127.0.0.1 login me password "+c.at("netrc")+"\n")
	c.write(p, "config.yml", fmt.Sprintf("bearer: %q\nheaders: {X-Extra: %q}\n", c.at("bearer of --config"), c.at("headers of --config")))
	for name, args := range map[string][]string{
		"bearer":        {"--bearer", c.at("--bearer")},
		"variable":      {"--bearer", "env:SECRET"},
		"file":          {"--bearer", "@bearer"},
		"header":        {"-H", "X-Api-Key: " + c.at("--header"), "-H", "Authorization: Basic " + c.at("Authorization")},
		"cookie":        {"-H", "Cookie: session=" + c.at("cookie")},
		"user":          {"-u", "me:" + c.at("-u")},
		"netrc":         {"--netrc-file", "netrc"},
		"configuration": {"--config", "config.yml"},
		"proxy":         {"-x", "http://me:" + c.at("--proxy") + "@127.0.0.1:9", "--retry", "0"},
		"oauth":         {"--oauth2-token-url", web.URL + "/token?key=x", "--oauth2-client-id", "me", "--oauth2-client-secret", c.at("--oauth2-client-secret")},
	} {
		for _, path := range []string{"/ok", "/refused", "/cut"} {
			c.run(p, append([]string{"fetch", web.URL + path, "-o", name + path[1:] + ".json", "--retry", "1", "--retry-max-time", "1s"}, args...)...)
		}
	}
	host := strings.TrimPrefix(web.URL, "http://")
	for _, path := range []string{"/ok", "/refused", "/cut"} {
		c.run(p, "fetch", "http://me:"+c.at("userinfo")+"@"+host+path+"?token="+c.at("?token="), "-o", "url"+path[1:]+".json", "--retry", "1", "--manifest", "manifest"+path[1:])
	}
	c.searchFiles(p)
}
