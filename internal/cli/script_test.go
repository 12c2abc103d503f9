package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
	"github.com/galleyhq/galley/internal/testing/standin"
)

// TestScripts runs the stories in testdata/script: each drives the
// program in its own directory. Beside testscript's own commands there
// are:
//
//	cloud [quota NAME=N] [pool N] [none] [own-networks]  starts an embedded cloud and sources its RC file
//	nothing-left                            fails if users of that cloud have left anything
//	expired-cloud                           sets OS_AUTH_URL to an HTTPS server with an expired certificate
//	volume make|delete|shows NAME [TEXT]    makes a volume, deletes it, or fails unless its JSON matches TEXT
//	server-vanish NAME                      deletes a server behind Galley's back
//	server-shows NAME TEXT                  fails unless the cloud's own JSON of a server matches TEXT
//	chef-server                             starts a Chef Server and a package index and writes ~/.chef/knife.rb
//	chef-fault ACT N                        has the Chef Server do ACT ("500", "drop before", …) with its Nth call from now
//	chef-node NAME TEXT                     fails unless the Chef Server has a client and a node NAME whose JSON matches TEXT
//	chef-empty                              fails if the Chef Server has any client or node
//	mirror                                  serves the stand-in of Cinc's package at MIRROR
//	chef [tls] [empty]                      starts a Chef Server with two nodes, sets CHEF_SERVER_URL, and CHEF_KEY and CHEF_CA to files
//	ran TEXT COUNT                          fails unless the cloud saw COUNT calls whose name ends in TEXT
func TestScripts(t *testing.T) {
	t.Parallel()
	var chefs sync.Map // *chefWorld by directory
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("GALLEY", galley)
			e.Setenv("GORACE", os.Getenv("GORACE"))
			return os.MkdirAll(home, 0o700)
		},
		Condition: scriptCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"chef":          scriptChef,
			"cloud":         scriptCloud,
			"nothing-left":  scriptNothingLeft,
			"expired-cloud": scriptExpired,
			"mirror":        scriptMirror,
			"ran":           scriptRan,
			"server-shows":  scriptServerShows,
			"server-vanish": scriptServerVanish,
			"supermarket":   scriptSupermarket,
			"volume":        scriptVolume,
			"chef-server": func(ts *testscript.TestScript, _ bool, _ []string) {
				c := newChefWorld(t)
				ts.Check(c.configure(ts.Getenv("HOME")))
				chefs.Store(ts.Getenv("WORK"), c)
			},
			"chef-fault": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[1])
				ts.Check(err)
				chefOf(ts, &chefs).gate.set(args[0], n)
			},
			"chef-node": func(ts *testscript.TestScript, neg bool, args []string) {
				scriptNode(ts, chefOf(ts, &chefs), neg, args)
			},
			"chef-empty": func(ts *testscript.TestScript, neg bool, _ []string) {
				c := chefOf(ts, &chefs)
				if left := c.left(); (left == "") == neg {
					ts.Fatalf("on the Chef Server: %q", left)
				}
			},
		},
	})
}

// scriptCondition is [guest-networks]: whether guests of the embedded cloud can
// have separate networks on this host.
func scriptCondition(name string) (bool, error) {
	if name != "guest-networks" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return false, nil //nolint:nilerr // that is the answer
	}
	_ = tun.Close()
	return exec.Command("unshare", "--user", "--map-root-user", "--net", "--mount", "true").Run() == nil, nil //nolint:noctx // ends at once
}

// cloudAPI asks the cloud by plain HTTP, so that none of our code is in between.
type cloudAPI struct {
	ts        *testscript.TestScript
	token     string
	endpoints map[string]string
}

func newCloudAPI(ts *testscript.TestScript) *cloudAPI {
	api := &cloudAPI{ts: ts, endpoints: map[string]string{"": ts.Getenv("OS_AUTH_URL")}}
	quoted := func(name string) string { return strconv.Quote(ts.Getenv(name)) }
	var login struct {
		Token struct {
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, URL string }
			}
		}
	}
	api.token = api.ask("", http.MethodPost, "/auth/tokens", `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": `+quoted("OS_USERNAME")+
		`, "domain": {"name": "Default"}, "password": `+quoted("OS_PASSWORD")+`}}}, "scope": {"project": {"name": `+quoted("OS_PROJECT_NAME")+`, "domain": {"name": "Default"}}}}}`, &login).Get("X-Subject-Token")
	for _, service := range login.Token.Catalog {
		for _, e := range service.Endpoints {
			if e.Interface == "public" {
				api.endpoints[service.Type] = e.URL
			}
		}
	}
	return api
}

// ask sends a request to a service and reads the JSON of the answer into out,
// unless that is nil.
func (api *cloudAPI) ask(service, method, path, body string, out any) http.Header {
	req, err := http.NewRequestWithContext(tsContext(api.ts), method, api.endpoints[service]+path, strings.NewReader(body))
	api.ts.Check(err)
	req.Header.Set("X-Auth-Token", api.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	api.ts.Check(err)
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		api.ts.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	if out != nil {
		api.ts.Check(json.NewDecoder(resp.Body).Decode(out))
	}
	return resp.Header
}

func (api *cloudAPI) servers(name string) []map[string]any {
	var list struct{ Servers []map[string]any }
	api.ask("compute", http.MethodGet, "/servers/detail?name="+name, "", &list)
	return list.Servers
}

func (api *cloudAPI) volumes(name string) []map[string]any {
	var list struct{ Volumes []map[string]any }
	api.ask("volumev3", http.MethodGet, "/volumes/detail?name="+name, "", &list)
	return list.Volumes
}

func matchJSON(ts *testscript.TestScript, neg bool, found any, pattern string) {
	text, err := json.MarshalIndent(found, "", "  ")
	ts.Check(err)
	if regexp.MustCompile(pattern).Match(text) == neg {
		ts.Fatalf("the cloud has %s", text)
	}
}

func scriptServerShows(ts *testscript.TestScript, neg bool, args []string) {
	matchJSON(ts, neg, newCloudAPI(ts).servers(args[0]), args[1])
}

func scriptServerVanish(ts *testscript.TestScript, _ bool, args []string) {
	api := newCloudAPI(ts)
	for _, s := range api.servers(args[0]) {
		api.ask("compute", http.MethodDelete, fmt.Sprintf("/servers/%s", s["id"]), "", nil)
	}
	for len(api.servers(args[0])) > 0 {
		// Its deletion takes a moment; tsContext bounds the wait.
	}
}

// scriptVolume makes a volume, deletes it, or looks at one.
func scriptVolume(ts *testscript.TestScript, neg bool, args []string) {
	api := newCloudAPI(ts)
	switch args[0] {
	case "make":
		api.ask("volumev3", http.MethodPost, "/volumes", `{"volume": {"name": "`+args[1]+`", "size": 1}}`, nil)
		for api.volumes(args[1])[0]["status"] != "available" {
			// It takes a moment.
		}
	case "delete":
		for _, v := range api.volumes(args[1]) {
			api.ask("volumev3", http.MethodDelete, fmt.Sprintf("/volumes/%s", v["id"]), "", nil)
		}
		for len(api.volumes(args[1])) > 0 {
			// It takes a moment.
		}
	case "shows":
		matchJSON(ts, neg, api.volumes(args[1]), args[2])
	}
}

func chefOf(ts *testscript.TestScript, chefs *sync.Map) *chefWorld {
	c, ok := chefs.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("there is no Chef Server: chef-server starts one")
	}
	return c.(*chefWorld)
}

func scriptNode(ts *testscript.TestScript, c *chefWorld, neg bool, args []string) {
	node := c.Node(args[0])
	if neg {
		if node != nil || c.HasClient(args[0]) {
			ts.Fatalf("the Chef Server has %s: %v", args[0], node)
		}
		return
	}
	text, err := json.Marshal(node)
	ts.Check(err)
	if node == nil || !c.HasClient(args[0]) || !regexp.MustCompile(args[1]).Match(text) {
		ts.Fatalf("the Chef Server has %s: %s (client: %v)", args[0], text, c.HasClient(args[0]))
	}
}

func scriptCloud(ts *testscript.TestScript, neg bool, args []string) {
	o := devcloud.Options{
		GuestNetwork: devcloud.NetworkHost, // the stories' Chef Server is on this host's loopback
		Quotas:       map[string]int{}, BuildDelay: 20 * time.Millisecond, DeleteDelay: 20 * time.Millisecond, VolumeDelay: 20 * time.Millisecond,
	}
	for len(args) > 0 {
		switch {
		case args[0] == "own-networks":
			o.GuestNetwork = devcloud.NetworkOwn
			args = args[1:]
		case args[0] == "none":
			o.Guests = devcloud.GuestsNone
			args = args[1:]
		case args[0] == "quota" && len(args) > 1:
			name, value, _ := strings.Cut(args[1], "=")
			n, err := strconv.Atoi(value)
			ts.Check(err)
			o.Quotas[name] = n
			args = args[2:]
		case args[0] == "pool" && len(args) > 1:
			n, err := strconv.Atoi(args[1])
			ts.Check(err)
			o.FloatingPool = n
			args = args[2:]
		default:
			ts.Fatalf("cloud: unknown option %s", args[0])
		}
	}
	dir, err := os.MkdirTemp("", "dc")
	ts.Check(err)
	o.Dir, o.Executable = dir, []string{galley, "devcloud", devcloud.GuestCommand}
	c, err := devcloud.Start(tsContext(ts), o)
	ts.Check(err)
	ts.Defer(func() {
		c.Close()
		os.RemoveAll(dir)
	})
	for k, v := range c.Env() {
		ts.Setenv(k, v)
	}
	ts.Setenv("GALLEY_DEVCLOUD_DIR", dir)
}

func scriptMirror(ts *testscript.TestScript, neg bool, args []string) {
	web := httptest.NewServer(standin.Mirror{})
	ts.Defer(web.Close)
	ts.Setenv("MIRROR", web.URL)
}

// scriptTB lends a script to helpers that want a test.
type scriptTB struct {
	testing.TB
	ts *testscript.TestScript
}

func (s scriptTB) Helper()           {}
func (s scriptTB) Fatal(args ...any) { s.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (s scriptTB) Cleanup(f func())  { s.ts.Defer(f) }

func scriptChef(ts *testscript.TestScript, neg bool, args []string) {
	tb := scriptTB{ts: ts}
	start := chefservertest.Start
	if slices.Contains(args, "tls") {
		start = chefservertest.StartTLS
	}
	s := start(tb, "acme")
	if slices.Contains(args, "empty") {
		s.AnswerEmpty()
	}
	s.AddValidator(tb, "acme-validator")
	s.AddNode(tb, "db1", map[string]any{"chef_environment": "_default", "run_list": []string{}, "normal": map[string]any{}})
	s.AddNode(tb, "web1", map[string]any{
		"chef_environment": "production", "run_list": []string{"role[web]", "recipe[ntp]"},
		"normal":    map[string]any{"tags": []string{"blue"}},
		"automatic": map[string]any{"fqdn": "web1.example.com", "ipaddress": "10.0.0.7", "platform": "debian", "platform_version": "12", "roles": []string{"web"}, "recipes": []string{"nginx", "ntp"}},
	})
	key, ca := filepath.Join(ts.Getenv("WORK"), "admin.pem"), filepath.Join(ts.Getenv("WORK"), "ca.crt")
	ts.Check(os.WriteFile(key, s.AdminKey, 0o600))
	ts.Check(os.WriteFile(ca, s.CA, 0o600))
	ts.Setenv("CHEF_SERVER_URL", s.URL)
	ts.Setenv("CHEF_KEY", key)
	ts.Setenv("CHEF_CA", ca)
}

func client(ts *testscript.TestScript) *devcloud.Client {
	c, err := devcloud.Connect(tsContext(ts), ts.Getenv("GALLEY_DEVCLOUD_DIR"))
	ts.Check(err)
	return c
}

func scriptNothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	res, err := client(ts).Resources(tsContext(ts))
	ts.Check(err)
	if neg != (res.Count() != 0) {
		ts.Fatalf("%d resources on the cloud: %+v", res.Count(), res)
	}
}

func scriptRan(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: ran TEXT COUNT")
	}
	seen, err := client(ts).Requests(tsContext(ts), 0)
	ts.Check(err)
	n := 0
	for name, count := range seen.Counts {
		if strings.HasSuffix(name, args[0]) {
			n += count
		}
	}
	if got := strconv.Itoa(n); (got == args[1]) == neg {
		ts.Fatalf("the cloud saw %s calls with %q: %v", got, args[0], seen.Counts)
	}
}

// scriptExpired starts an HTTPS server whose certificate ended long ago.
func scriptExpired(ts *testscript.TestScript, neg bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	ts.Check(err)
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	ts.Defer(web.Close)
	ts.Setenv("OS_AUTH_URL", web.URL+"/v3")
}

func tsContext(ts *testscript.TestScript) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	ts.Defer(cancel)
	return ctx
}
