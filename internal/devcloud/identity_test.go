package devcloud

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/catalog"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

// try logs in and makes one call to another service with what came of it.
func try(t *testing.T, o gophercloud.AuthOptions) error {
	t.Helper()
	p, err := openstack.AuthenticatedClient(t.Context(), o)
	if err != nil {
		return err
	}
	nova, err := openstack.NewComputeV2(p, gophercloud.EndpointOpts{Region: region})
	if err != nil {
		return err
	}
	_, err = servers.List(nova, nil).AllPages(t.Context())
	return err
}

func TestLogins(t *testing.T) {
	c := startCloud(t)
	env := c.Env()
	demo := login(t, c, env)
	token := demo.provider.Token()
	user := must[tokensUser](t)(userOf(t, demo))
	ac := must[*applicationcredentials.ApplicationCredential](t)(
		applicationcredentials.Create(
			t.Context(),
			demo.identity,
			user.ID,
			applicationcredentials.CreateOpts{Name: "ac", Secret: "secret"},
		).Extract(),
	)
	pw := env["OS_PASSWORD"]
	for _, test := range []struct {
		name string
		opts gophercloud.AuthOptions
		want int // 0: it works
	}{
		{"v3, scope by name", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", Username: "demo", Password: pw, DomainID: "default", TenantName: "demo"}, 0},
		{"v3, scope by ID", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3/", Username: "demo", Password: pw, DomainName: "Default", TenantID: env["OS_PROJECT_ID"]}, 0},
		{"v3, by user ID", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", UserID: user.ID, Password: pw, TenantID: env["OS_PROJECT_ID"]}, 0},
		{"v3, the default project", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", Username: "demo", Password: pw, DomainID: "default"}, 0},
		{"v3 by discovery", gophercloud.AuthOptions{IdentityEndpoint: c.URL, Username: "demo", Password: pw, DomainID: "default", TenantName: "demo"}, 0},
		{"v3 below /identity", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/identity", Username: "demo", Password: pw, DomainID: "default", TenantName: "demo"}, 0},
		{"v2.0", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v2.0", Username: "demo", Password: pw, TenantName: "demo"}, 0},
		{"v2.0, tenant ID", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v2.0/", Username: "demo", Password: pw, TenantID: env["OS_PROJECT_ID"]}, 0},
		{"v2.0, token", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v2.0", TokenID: token, TenantName: "demo"}, 0},
		{"token", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", TokenID: token, TenantID: env["OS_PROJECT_ID"]}, 0},
		{"application credential", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", ApplicationCredentialID: ac.ID, ApplicationCredentialSecret: "secret"}, 0},
		{"application credential by name", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", ApplicationCredentialName: "ac", ApplicationCredentialSecret: "secret", Username: "demo", DomainID: "default"}, 0},
		{"wrong password", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", Username: "demo", Password: "x", DomainID: "default", TenantName: "demo"}, 401},
		{"wrong password, v2.0", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v2.0", Username: "demo", Password: "x", TenantName: "demo"}, 401},
		{"unknown user", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", Username: "nobody", Password: pw, DomainID: "default", TenantName: "demo"}, 401},
		{"another's project", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", Username: "demo", Password: pw, DomainID: "default", TenantName: "admin"}, 401},
		{"wrong secret", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", ApplicationCredentialID: ac.ID, ApplicationCredentialSecret: "x"}, 401},
		{"unknown credential", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", ApplicationCredentialID: "nosuch", ApplicationCredentialSecret: "x"}, 404},
		{"unknown token", gophercloud.AuthOptions{IdentityEndpoint: c.URL + "/v3", TokenID: "nosuch", TenantID: env["OS_PROJECT_ID"]}, 401},
	} {
		err := try(t, test.opts)
		if test.want == 0 && err != nil || test.want != 0 && !gophercloud.ResponseCodeIs(err, test.want) {
			t.Errorf("%s: %v, want %d", test.name, err, test.want)
		}
	}
}

// tokensUser saves the long name.
type tokensUser = *tokens.User

func userOf(t *testing.T, cl *clients) (*tokens.User, error) {
	t.Helper()
	return tokens.Get(t.Context(), cl.identity, cl.provider.Token()).ExtractUser()
}

// The blog's kitchen files append /tokens to whatever OS_AUTH_URL is.
func TestTokensAtBlogURLs(t *testing.T) {
	c := startCloud(t)
	for _, path := range []string{"/v2.0/tokens", "/v3/tokens", "/identity/v2.0/tokens"} {
		resp, err := http.Post(
			c.URL+path,
			"application/json",
			strings.NewReader(
				fmt.Sprintf(
					`{"auth":{"tenantName":"demo","passwordCredentials":{"username":"demo","password":%q}}}`,
					c.Env()["OS_PASSWORD"],
				),
			),
		)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

func TestTokens(t *testing.T) {
	c := startCloud(t, func(o *Options) { o.TokenLife = time.Hour })
	cl := login(t, c, c.Env())
	ctx := t.Context()
	old := cl.provider.Token()
	if tok := must[*tokens.Token](t)(tokens.Get(ctx, cl.identity, old).ExtractToken()); tok.ID != old &&
		tok.ExpiresAt.IsZero() {
		t.Errorf("%+v", tok)
	}
	if ok, err := tokens.Validate(ctx, cl.identity, old); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	cat := must[*tokens.ServiceCatalog](t)(tokens.Get(ctx, cl.identity, old).ExtractServiceCatalog())
	if len(cat.Entries) != 8 {
		t.Errorf("%d services", len(cat.Entries))
	}
	// An expired token is a 401 everywhere, and a client that may logs in
	// again.
	check(t, "expire", c.db.Update(func() error {
		tok := c.db.Tokens.Get(old)
		if life := tok.Expires.Sub(tok.Created); life != time.Hour {
			t.Errorf("the token lives %v", life)
		}
		tok.Expires = time.Now().Add(-time.Second)
		c.db.Tokens.Put(tok)
		return nil
	}))
	for _, u := range []string{"/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images", "/volume/v3/" + c.Env()["OS_PROJECT_ID"] + "/volumes", "/v3/auth/projects"} {
		req, err := http.NewRequestWithContext(ctx, "GET", c.URL+u, nil)
		check(t, u, err)
		req.Header.Set("X-Auth-Token", old)
		resp, err := http.DefaultClient.Do(req)
		check(t, u, err)
		_ = resp.Body.Close()
		if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("Www-Authenticate"), "Keystone uri=") {
			t.Errorf("%s: %s, %q", u, resp.Status, resp.Header.Get("Www-Authenticate"))
		}
	}
	if _, err := servers.List(cl.compute, nil).AllPages(ctx); err != nil {
		t.Error(err)
	}
	now := cl.provider.Token()
	if now == old {
		t.Error("the token is still the old one")
	}
	if err := tokens.Revoke(ctx, cl.identity, now).Err; err != nil {
		t.Error(err)
	}
	if c.identity.Authenticate(now) != nil {
		t.Error("a revoked token is good")
	}
}

func TestDirectory(t *testing.T) {
	c := startCloud(t)
	cl, root := login(t, c, c.Env()), login(t, c, c.AdminEnv())
	ctx := t.Context()
	user := must[tokensUser](t)(userOf(t, cl))
	for name, do := range map[string]func() error{
		"users":    func() error { _, err := users.List(cl.identity, nil).AllPages(ctx); return err },
		"projects": func() error { _, err := projects.List(cl.identity, nil).AllPages(ctx); return err },
		"roles":    func() error { _, err := roles.List(cl.identity, nil).AllPages(ctx); return err },
	} {
		refused(
			t,
			name+" as a user",
			do(),
			403,
			"You are not authorized to perform the requested action: identity:list_"+name+".",
		)
	}
	if l := all(t, projects.ListAvailable(cl.identity), projects.ExtractProjects); len(l) != 1 ||
		l[0].Name != "demo" {
		t.Errorf("%+v", l)
	}
	if u := must[*users.User](t)(users.Get(ctx, cl.identity, user.ID).Extract()); u.Name != "demo" {
		t.Errorf("%+v", u)
	}
	if l := all(t, catalog.List(cl.identity), catalog.ExtractServiceCatalog); len(l) != 8 {
		t.Errorf("%+v", l)
	}
	if l := all(t, users.List(root.identity, users.ListOpts{Name: "demo"}), users.ExtractUsers); len(l) != 1 {
		t.Errorf("%+v", l)
	}
	if l := all(t, domains.List(root.identity, nil), domains.ExtractDomains); len(l) != 1 {
		t.Errorf("%+v", l)
	}
	if l := all(t, services.List(root.identity, services.ListOpts{ServiceType: "compute"}), services.ExtractServices); len(
		l,
	) != 1 {
		t.Errorf("%+v", l)
	}
	if l := all(t, endpoints.List(root.identity, endpoints.ListOpts{Availability: gophercloud.AvailabilityPublic}), endpoints.ExtractEndpoints); len(
		l,
	) != 8 {
		t.Errorf("%+v", l)
	}
	if l := all(t, regions.List(root.identity, nil), regions.ExtractRegions); len(l) != 1 || l[0].ID != region {
		t.Errorf("%+v", l)
	}

	// A project and a user of one's own; objects of one project does not show
	// in another.
	p := must[*projects.Project](t)(projects.Create(ctx, root.identity, projects.CreateOpts{Name: "other"}).Extract())
	u := must[*users.User](t)(
		users.Create(
			ctx,
			root.identity,
			users.CreateOpts{Name: "other", Password: "pw", DefaultProjectID: p.ID},
		).Extract(),
	)
	member := all(t, roles.List(root.identity, roles.ListOpts{Name: "member"}), roles.ExtractRoles)[0]
	check(
		t,
		"assign",
		roles.Assign(ctx, root.identity, member.ID, roles.AssignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr(),
	)
	if l := all(t, roles.ListAssignments(root.identity, roles.ListAssignmentsOpts{UserID: u.ID}), roles.ExtractRoleAssignments); len(
		l,
	) != 1 ||
		l[0].Scope.Project.ID != p.ID {
		t.Errorf("%+v", l)
	}
	env := c.Env()
	env["OS_USERNAME"], env["OS_PASSWORD"], env["OS_PROJECT_NAME"] = "other", "pw", "other"
	other := login(t, c, env)
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	if l := all(t, servers.List(other.compute, nil), servers.ExtractServers); len(l) != 0 {
		t.Errorf("another project's servers: %+v", l)
	}
	_, err := servers.Get(ctx, other.compute, id).Extract()
	refused(t, "another project's server", err, 404, "could not be found.")
	check(
		t,
		"unassign",
		roles.Unassign(ctx, root.identity, member.ID, roles.UnassignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr(),
	)
	check(t, "delete user", users.Delete(ctx, root.identity, u.ID).ExtractErr())
	check(t, "delete project", projects.Delete(ctx, root.identity, p.ID).ExtractErr())
}

func TestApplicationCredentials(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	user := must[tokensUser](t)(userOf(t, cl)).ID
	expires := time.Now().Add(time.Hour).UTC()
	ac := must[*applicationcredentials.ApplicationCredential](t)(
		applicationcredentials.Create(
			ctx,
			cl.identity,
			user,
			applicationcredentials.CreateOpts{Name: "a", Description: "d", ExpiresAt: &expires},
		).Extract(),
	)
	if ac.Secret == "" || ac.Description != "d" || len(ac.Roles) != 2 {
		t.Errorf("%+v", ac)
	}
	_, err := applicationcredentials.Create(
		ctx,
		cl.identity,
		user,
		applicationcredentials.CreateOpts{Name: "a"},
	).Extract()
	refused(t, "twice", err, 409, "Duplicate entry found with name a.")
	if g := must[*applicationcredentials.ApplicationCredential](t)(applicationcredentials.Get(ctx, cl.identity, user, ac.ID).Extract()); g.Secret != "" {
		t.Error("the secret shows again")
	}
	if l := all(t, applicationcredentials.List(cl.identity, user, applicationcredentials.ListOpts{Name: "a"}), applicationcredentials.ExtractApplicationCredentials); len(
		l,
	) != 1 {
		t.Errorf("%+v", l)
	}
	check(t, "delete", applicationcredentials.Delete(ctx, cl.identity, user, ac.ID).ExtractErr())
	refused(
		t,
		"delete again",
		applicationcredentials.Delete(ctx, cl.identity, user, ac.ID).ExtractErr(),
		404,
		"Could not find Application Credential: "+ac.ID+".",
	)
}
