package devcloud

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/identity"
)

// send makes a call and returns its status and body.
func send(t *testing.T, method, url, token, body string, header map[string]string) (int, string) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body)))
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer resp.Body.Close()
	data := must[[]byte](t)(io.ReadAll(resp.Body))
	return resp.StatusCode, string(data)
}

// TestObjectAccess looks at who gets at an object besides its project.
func TestObjectAccess(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	token := cl.provider.Token()
	account := c.URL + "/object-store/v1/AUTH_" + c.Env()["OS_PROJECT_ID"]
	expect := func(want int, method, url, token, body string, header map[string]string) string {
		t.Helper()
		got, text := send(t, method, url, token, body, header)
		if got != want {
			t.Errorf("%s %s: %d, want %d: %s", method, url, got, want, text)
		}
		return text
	}
	expect(201, "PUT", account+"/box", token, "", nil)
	expect(201, "PUT", account+"/box/a", token, "content", nil)
	expect(401, "GET", account+"/box/a", "", "", nil)
	expect(204, "POST", account+"/box", token, "", map[string]string{"X-Container-Read": ".r:*"})
	expect(200, "GET", account+"/box/a", "", "", nil)
	expect(401, "GET", account+"/box", "", "", nil)        // no .rlistings
	expect(401, "PUT", account+"/box/b", "", "other", nil) // reads alone
	expect(401, "GET", account, "", "", nil)
	expect(204, "POST", account+"/box", token, "", map[string]string{"X-Container-Read": ""})
	expect(401, "GET", account+"/box/a", "", "", nil)

	expect(204, "POST", account, token, "", map[string]string{"X-Account-Meta-Temp-Url-Key": "secret"})
	signed := func(method, path, key string, expires time.Time) string {
		mac := hmac.New(sha256.New, []byte(key))
		fmt.Fprintf(mac, "%s\n%d\n%s", method, expires.Unix(), strings.TrimPrefix(account, c.URL+"/object-store")+path)
		return fmt.Sprintf("%s%s?temp_url_sig=%x&temp_url_expires=%d", account, path, mac.Sum(nil), expires.Unix())
	}
	soon := time.Now().Add(time.Minute)
	if got := expect(200, "GET", signed("GET", "/box/a", "secret", soon), "", "", nil); got != "content" {
		t.Errorf("with a temporary URL: %q", got)
	}
	expect(200, "HEAD", signed("GET", "/box/a", "secret", soon), "", "", nil)
	expect(401, "DELETE", signed("GET", "/box/a", "secret", soon), "", "", nil)
	expect(401, "GET", signed("GET", "/box/a", "guessed", soon), "", "", nil)
	expect(401, "GET", signed("GET", "/box/a", "secret", time.Now().Add(-time.Minute)), "", "", nil)
	expect(401, "GET", strings.Replace(signed("GET", "/box/a", "secret", soon), "/box/a?", "/box/b?", 1), "", "", nil)
	expect(401, "GET", signed("GET", "/box", "secret", soon), "", "", nil) // objects alone

	report := expect(200, "POST", account+"?bulk-delete", token, "box/a\nbox/nosuch\nbox\n", nil)
	if !strings.Contains(report, `"Number Deleted":2`) || !strings.Contains(report, `"Number Not Found":1`) {
		t.Errorf("report %s", report)
	}
	expect(404, "HEAD", account+"/box", token, "", nil)
}

// TestGrants follows a user's roles from a group, a domain and another role
// into its token.
func TestGrants(t *testing.T) {
	c := startCloud(t)
	root := login(t, c, c.AdminEnv())
	token, v3 := root.provider.Token(), c.URL+"/v3/"
	make := func(plural, kind, attrs string) string {
		t.Helper()
		status, body := send(t, "POST", v3+plural, token, fmt.Sprintf(`{%q:{%s}}`, kind, attrs), nil)
		_, id, _ := strings.Cut(body, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		if status != 201 || id == "" {
			t.Fatalf("make %s: %d %s", kind, status, body)
		}
		return id
	}
	user := make("users", "user", `"name":"u","password":"p"`)
	group, project := make("groups", "group", `"name":"g"`), make("projects", "project", `"name":"p1"`)
	top, low := make("roles", "role", `"name":"top"`), make("roles", "role", `"name":"low"`)
	logIn := func() (int, string) {
		return send(t, "POST", v3+"auth/tokens", "", fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":%q,"password":"p"}}},"scope":{"project":{"id":%q}}}}`, user, project), nil)
	}
	roles := func(want ...string) {
		t.Helper()
		status, body := logIn()
		for _, w := range want {
			if status != 201 || !strings.Contains(body, `"name":"`+w+`"`) {
				t.Errorf("no role %s: %d %s", w, status, body)
			}
		}
		if len(want) == 0 && status != 401 {
			t.Errorf("without a role: %d", status)
		}
	}
	step := func(method, path string) {
		t.Helper()
		if status, body := send(t, method, v3+path, token, "", nil); status != 204 && status != 201 {
			t.Errorf("%s %s: %d %s", method, path, status, body)
		}
	}
	roles()
	step("PUT", "groups/"+group+"/users/"+user)
	step("PUT", "projects/"+project+"/groups/"+group+"/roles/"+top)
	roles("top")
	step("PUT", "roles/"+top+"/implies/"+low)
	roles("top", "low")
	step("DELETE", "groups/"+group+"/users/"+user)
	roles()
	step("PUT", "OS-INHERIT/domains/default/users/"+user+"/roles/"+low+"/inherited_to_projects")
	roles("low")
	step("DELETE", "roles/"+low)
	roles()
	mine := login(t, c, c.Env()).provider.Token()
	for _, path := range []string{"users", "roles", "credentials?user_id=" + user, "role_assignments"} {
		if status, body := send(t, "GET", v3+path, mine, "", nil); status != 403 && strings.Contains(body, user) {
			t.Errorf("a user lists %s: %d %s", path, status, body)
		}
	}
}

func TestSharedNetworkAndAddressGroup(t *testing.T) {
	c := startCloud(t)
	var other string
	check(t, "another project", c.db.Update(func() error {
		other = identity.AddProject(c.db, "other")
		identity.AddUser(c.db, "neighbour", "p", other, map[string][]string{other: {"member"}})
		return nil
	}))
	env := c.Env()
	env["OS_USERNAME"], env["OS_PASSWORD"], env["OS_PROJECT_ID"], env["OS_PROJECT_NAME"] = "neighbour", "p", other, "other"
	theirs, mine, net := login(t, c, env).provider.Token(), login(t, c, c.Env()).provider.Token(), c.URL+"/network/v2.0/"
	port := fmt.Sprintf(`{"port":{"network_id":%q}}`, Net1ID)
	policy := fmt.Sprintf(`{"rbac_policy":{"object_type":"network","object_id":%q,"action":"access_as_shared","target_tenant":%q}}`, Net1ID, other)
	for _, step := range []struct {
		what, method, path, token, body string
		want                            int
	}{
		{"before", "GET", "networks/" + Net1ID, theirs, "", 404},
		{"a port before", "POST", "ports", theirs, port, 404},
		{"of another's network", "POST", "rbac-policies", theirs, policy, 404},
		{"share", "POST", "rbac-policies", mine, policy, 201},
		{"after", "GET", "networks/" + Net1ID, theirs, "", 200},
		{"a port after", "POST", "ports", theirs, port, 201},
		{"still not theirs", "DELETE", "networks/" + Net1ID, theirs, "", 403},
	} {
		if got, body := send(t, step.method, net+step.path, step.token, step.body, nil); got != step.want {
			t.Errorf("%s: %d, want %d: %s", step.what, got, step.want, body)
		}
	}
	check(t, "a rule", c.db.Update(func() error {
		c.db.AddressGroups.Insert(&db.AddressGroup{Meta: db.Meta{ID: "ag"}, Addresses: []string{"10.1.0.0/16"}})
		c.db.SecurityRules.Insert(&db.SecurityRule{GroupID: "g", Direction: "ingress", EtherType: "IPv4", RemoteAddressGroup: "ag"})
		return nil
	}))
	p := &db.Port{AdminUp: true, PortSecurity: true, SecurityGroups: []string{"g"}}
	for from, want := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false} {
		c.db.View(func() {
			if c.network.Admits(p, 22, netip.MustParseAddr(from)) != want {
				t.Errorf("from %s: %t", from, !want)
			}
		})
	}
}

func TestEmptyCloud(t *testing.T) {
	c := startCloud(t, func(o *Options) { o.Empty = true })
	token, net := login(t, c, c.Env()).provider.Token(), c.URL+"/network/v2.0/"
	for path, want := range map[string]string{"routers": `"routers":[]`, "networks": `"name":"public"`} {
		if _, body := send(t, "GET", net+path, token, "", nil); !strings.Contains(body, want) || strings.Contains(body, "net1") {
			t.Errorf("%s: %s", path, body)
		}
	}
}
