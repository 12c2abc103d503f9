package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

const timeFormat = "2006-01-02T15:04:05.000000Z"

func errUnauthorized() *api.Error {
	return &api.Error{Status: http.StatusUnauthorized, Message: "The request you have made requires authentication."}
}

// expecting words a body that lacks something.
func expecting(what, where string) *api.Error {
	return api.BadRequest(
		"Expecting to find %s in %s. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.",
		what, where,
	)
}

// The body of POST /v3/auth/tokens.
type (
	authBody struct {
		Auth struct {
			Identity *identityBody
			Scope    json.RawMessage
		}
	}
	identityBody struct {
		Methods  []string
		Password *struct{ User userRef }
		Token    *struct{ ID string }

		AppCredential *struct {
			ID, Name, Secret string
			User             userRef
		} `json:"application_credential"`
	}
	scopeBody struct {
		Project *inDomain
		Domain  *nameOrID
		System  *struct{ All bool }
	}
	userRef struct {
		inDomain
		Password string
	}
	inDomain struct {
		ID, Name string
		Domain   nameOrID
	}
	nameOrID struct{ ID, Name string }
)

// Authenticate finds whom a token speaks for; nil when it is unknown, expired
// or revoked.
func (s *Service) Authenticate(token string) *api.Auth {
	var a *api.Auth
	s.db.View(func() { a = s.authOf(token) })
	return a
}

func (s *Service) authOf(token string) *api.Auth {
	t := s.db.Tokens.Get(token)
	if t == nil || !time.Now().Before(t.Expires) {
		return nil
	}
	u := s.db.Object(kindUser, t.UserID)
	if u == nil || disabled(u) {
		return nil
	}
	a := &api.Auth{Token: t, UserID: u.Key, UserName: u.Text("name"), UserDomainID: u.Text("domain_id"), Roles: t.Roles}
	if p := s.db.Object(kindProject, t.ProjectID); p != nil {
		a.ProjectID, a.ProjectName, a.ProjectDomain = p.Key, p.Text("name"), p.Text("domain_id")
	}
	return a
}

func disabled(o *db.Object) bool { return o.Attrs["enabled"] == false }

func (s *Service) findDomain(d nameOrID) *db.Object {
	if d.ID != "" {
		return s.db.Object(kindDomain, d.ID)
	}
	return s.db.FirstObject(kindDomain, func(x *db.Object) bool { return x.Text("name") == d.Name })
}

// find is the object of a kind that has an ID, or a name in a domain; or nil.
func (s *Service) find(kind string, ref inDomain) *db.Object {
	if ref.ID != "" {
		return s.db.Object(kind, ref.ID)
	}
	domain := s.findDomain(ref.Domain)
	if domain == nil {
		return nil
	}
	return s.db.FirstObject(kind, func(o *db.Object) bool { return o.Text("name") == ref.Name && o.Text("domain_id") == domain.Key })
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (s *Service) issue(r *api.Request) (*api.Reply, error) {
	var b authBody
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	id := b.Auth.Identity
	if id == nil {
		return nil, api.BadRequest("'identity' is a required property")
	}
	if id.Methods == nil {
		return nil, api.BadRequest("'methods' is a required property")
	}
	var scope *scopeBody // nil: the user's default project
	if raw := string(b.Auth.Scope); raw == `"unscoped"` {
		scope = &scopeBody{}
	} else if raw != "" {
		if err := json.Unmarshal(b.Auth.Scope, &scope); err != nil {
			return nil, api.BadRequest("Expecting to find valid JSON in request body.")
		}
	}
	t, err := s.grant(id, scope)
	if err != nil {
		return nil, err
	}
	return s.tokenReply(t, http.StatusCreated, r.HTTP.URL.Query().Has("nocatalog")), nil
}

// grant makes the token that a body asks for.
func (s *Service) grant(id *identityBody, scope *scopeBody) (*db.Token, error) {
	t := &db.Token{Methods: id.Methods}
	var user, app *db.Object
	for _, m := range id.Methods {
		switch {
		case m == "password" && id.Password != nil:
			p := id.Password.User
			if p.ID == "" && p.Domain == (nameOrID{}) {
				return nil, expecting("domain", "user")
			}
			user = s.find(kindUser, p.inDomain)
			if user == nil || !same(user.Text("password"), p.Password) {
				return nil, errUnauthorized()
			}
		case m == "token" && id.Token != nil:
			old := s.authOf(id.Token.ID)
			if old == nil {
				return nil, api.NotFound("Could not recognize Fernet token")
			}
			user = s.db.Object(kindUser, old.UserID)
			t.Expires = old.Token.Expires // a token got with a token lives no longer than that one
			t.Methods = append(slices.Clone(old.Token.Methods), "token")
			slices.Sort(t.Methods)
			t.Methods = slices.Compact(t.Methods)
		case m == "application_credential" && id.AppCredential != nil:
			c := id.AppCredential
			app = s.findAppCredential(c.ID, c.Name, c.User.inDomain)
			if app == nil && c.ID != "" {
				return nil, api.NotFound("Could not find Application Credential: %s.", c.ID)
			}
			if app == nil || !same(app.Text("secret"), c.Secret) ||
				app.Text("expires_at") != "" && time.Now().UTC().Format(expiryFormat) >= app.Text("expires_at") {
				return nil, errUnauthorized()
			}
			user = s.db.Object(kindUser, app.Parent)
		default:
			return nil, expecting(m, "identity")
		}
	}
	if user == nil || disabled(user) {
		return nil, errUnauthorized()
	}
	t.UserID = user.Key
	if app != nil {
		if scope != nil {
			return nil, &api.Error{
				Status:  http.StatusUnauthorized,
				Message: "Error authenticating with application credential: Application credentials cannot request a scope.",
			}
		}
		t.ProjectID, t.Roles, t.AppCredentialID = app.ProjectID, s.roleNames(app.Attrs["roles"]), app.Key
	} else if err := s.scope(t, user, scope); err != nil {
		return nil, err
	}
	s.insertToken(t)
	return t, nil
}

// scope fills in what the token is for.
func (s *Service) scope(t *db.Token, user *db.Object, sc *scopeBody) error {
	switch {
	case sc == nil && user.Text("default_project_id") == "":
	case sc == nil:
		return s.scopeProject(t, user, s.db.Object(kindProject, user.Text("default_project_id")))
	case sc.System != nil:
		admin := s.db.FirstObject(kindGrant, func(o *db.Object) bool {
			g := grantOf(o)
			return g.actorID == user.Key && g.role == hexID("role", "admin")
		})
		if admin == nil {
			return errUnauthorized()
		}
		t.System, t.Roles = true, []string{"admin", "member", "reader"}
		return nil
	case sc.Domain != nil:
		d := s.findDomain(*sc.Domain)
		if d == nil || disabled(d) {
			return errUnauthorized()
		}
		if t.Roles = s.rolesOn(user.Key, "domains", d.Key); len(t.Roles) == 0 {
			return errUnauthorized()
		}
		t.DomainID = d.Key
		return nil
	case sc.Project != nil:
		if sc.Project.ID == "" && sc.Project.Domain == (nameOrID{}) {
			return expecting("domain", "project")
		}
		return s.scopeProject(t, user, s.find(kindProject, *sc.Project))
	}
	return nil
}

func (s *Service) scopeProject(t *db.Token, user, p *db.Object) error {
	if p == nil || disabled(p) {
		return errUnauthorized()
	}
	if t.Roles = s.rolesOn(user.Key, "projects", p.Key); len(t.Roles) == 0 {
		return errUnauthorized()
	}
	t.ProjectID = p.Key
	return nil
}

func (s *Service) insertToken(t *db.Token) {
	var b [48]byte
	_, _ = rand.Read(b[:])
	t.ID = "gAAAAA" + base64.RawURLEncoding.EncodeToString(b[:])
	t.AuditID = base64.RawURLEncoding.EncodeToString(b[:16])
	now := s.db.Now()
	if t.Expires.IsZero() {
		t.Expires = now.Add(s.TokenLife)
	}
	for _, old := range s.db.Tokens.Where(func(x *db.Token) bool { return x.Expires.Add(time.Hour).Before(now) }) {
		s.db.Tokens.Delete(old.ID)
	}
	s.db.Tokens.Insert(t)
}

// tokenReply is the answer to an issued or validated v3 token.
func (s *Service) tokenReply(t *db.Token, status int, noCatalog bool) *api.Reply {
	body := api.Obj{
		"methods": t.Methods, "audit_ids": api.List{t.AuditID},
		"issued_at": t.Created.Format(timeFormat), "expires_at": t.Expires.Format(timeFormat),
	}
	if u := s.db.Object(kindUser, t.UserID); u != nil {
		body["user"] = api.Obj{
			"id": u.Key, "name": u.Text("name"), "password_expires_at": nil, "domain": s.domainRef(u.Text("domain_id")),
		}
	}
	if p := s.db.Object(kindProject, t.ProjectID); p != nil {
		body["project"] = api.Obj{"id": p.Key, "name": p.Text("name"), "domain": s.domainRef(p.Text("domain_id"))}
		body["is_domain"] = false
	}
	if t.DomainID != "" {
		body["domain"] = s.domainRef(t.DomainID)
	}
	if t.System {
		body["system"] = api.Obj{"all": true}
	}
	if c := s.db.Object(kindAppCredential, t.AppCredentialID); c != nil {
		body["application_credential"] = api.Obj{"id": c.Key, "name": c.Text("name"), "restricted": !c.Bool("unrestricted")}
	}
	if t.ProjectID != "" || t.DomainID != "" || t.System {
		body["roles"] = s.roleRefs(t.Roles)
		if !noCatalog {
			body["catalog"] = s.catalog(t.ProjectID)
		}
	}
	return &api.Reply{Status: status, Header: http.Header{"X-Subject-Token": {t.ID}}, Body: api.Obj{"token": body}}
}

func (s *Service) domainRef(id string) api.Obj {
	name := id
	if d := s.db.Object(kindDomain, id); d != nil {
		name = d.Text("name")
	}
	return api.Obj{"id": id, "name": name}
}

// catalog is the v3 catalogue for one project. It runs with the database
// locked.
func (s *Service) catalog(project string) api.List {
	enabled := func(o *db.Object) bool { return !disabled(o) }
	return api.Views(s.db.Objects(kindService, enabled), func(svc *db.Object) api.Obj {
		own := s.db.Objects(kindEndpoint, func(e *db.Object) bool { return e.Text("service_id") == svc.Key && !disabled(e) })
		endpoints := api.Views(own, func(e *db.Object) api.Obj {
			return api.Obj{
				"id": e.Key, "interface": e.Text("interface"), "region": e.Attrs["region"], "region_id": e.Attrs["region_id"],
				"url": strings.NewReplacer("%(project_id)s", project, "%(tenant_id)s", project).Replace(e.Text("url")),
			}
		})
		return api.Obj{"id": svc.Key, "type": svc.Text("type"), "name": svc.Attrs["name"], "endpoints": endpoints}
	})
}

// subject is a call about the token that X-Subject-Token names; a token may
// look at itself, an administrator's at any.
func (s *Service) subject(r *api.Request) (*db.Token, error) {
	id := r.HTTP.Header.Get("X-Subject-Token")
	a := s.authOf(id)
	switch {
	case id == "":
		return nil, forbidden("identity:validate_token")
	case a == nil:
		return nil, api.NotFound("Could not recognize Fernet token")
	case a.UserID != r.Auth.UserID && !r.Auth.Admin():
		return nil, forbidden("identity:validate_token")
	}
	return a.Token, nil
}

func forbidden(rule string) *api.Error {
	return api.Forbidden("You are not authorized to perform the requested action: %s.", rule)
}

func (s *Service) validate(r *api.Request) (*api.Reply, error) {
	t, err := s.subject(r)
	if err != nil {
		return nil, err
	}
	return s.tokenReply(t, http.StatusOK, r.HTTP.URL.Query().Has("nocatalog")), nil
}

func (s *Service) revoke(r *api.Request) (*api.Reply, error) {
	t, err := s.subject(r)
	if err == nil {
		s.db.Tokens.Delete(t.ID)
	}
	return nil, err
}

func (s *Service) authCatalog(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"catalog": s.catalog(r.Auth.ProjectID), "links": api.Obj{"self": r.Root + r.Path}})
}

// links are what Keystone puts beside every list.
func links(r *api.Request) api.Obj {
	return api.Obj{"next": nil, "previous": nil, "self": r.Root + r.Path}
}

// Identity v2.0 knew one domain.
const defaultDomain = "default"

type authBodyV2 struct {
	Auth *struct {
		Password *struct{ Username, UserID, Password string } `json:"passwordCredentials"`
		Token    *struct{ ID string }
		Tenant   string `json:"tenantName"`
		TenantID string `json:"tenantId"`
	}
}

// issueV2 answers POST /v2.0/tokens.
func (s *Service) issueV2(r *api.Request) (*api.Reply, error) {
	var b authBodyV2
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	if b.Auth == nil {
		return nil, expecting("auth", "request body")
	}
	// The same call in the words of v3, where a project and a user are in the
	// default domain.
	domain := nameOrID{ID: defaultDomain}
	id, scope := &identityBody{Token: b.Auth.Token}, &scopeBody{}
	switch p := b.Auth.Password; {
	case p != nil:
		id.Methods = []string{"password"}
		id.Password = &struct{ User userRef }{userRef{inDomain{p.UserID, p.Username, domain}, p.Password}}
	case id.Token != nil:
		id.Methods = []string{"token"}
	default:
		return nil, expecting("passwordCredentials or token", "auth")
	}
	if b.Auth.TenantID != "" || b.Auth.Tenant != "" {
		scope.Project = &inDomain{b.Auth.TenantID, b.Auth.Tenant, domain}
	}
	t, err := s.grant(id, scope)
	if err != nil {
		return nil, err
	}
	return api.OK(s.accessBody(t, s.db.Object(kindUser, t.UserID), s.db.Object(kindProject, t.ProjectID)))
}

// issueEither answers a path that Keystone has not: what configuration files of
// the time of v2.0 make of a v3 URL by putting "/tokens" behind it. The body
// tells which version its sender speaks.
func (s *Service) issueEither(r *api.Request) (*api.Reply, error) {
	var b authBody
	if err := r.JSON(&b); err == nil && b.Auth.Identity != nil {
		return s.issue(r)
	}
	return s.issueV2(r)
}

func (s *Service) accessBody(t *db.Token, u, p *db.Object) api.Obj {
	token := api.Obj{
		"id": t.ID, "issued_at": t.Created.Format(timeFormat), "expires": t.Expires.Format(time.RFC3339), "audit_ids": api.List{t.AuditID},
	}
	catalog, roles, roleIDs := api.List{}, api.List{}, api.List{}
	if p != nil {
		token["tenant"] = tenantView(p)
		catalog = api.Views(s.Catalog, func(e Endpoint) api.Obj {
			url := s.URL + strings.ReplaceAll(e.Path, "{project}", p.Key)
			if e.Type == "identity" {
				url = s.URL + "/v2.0"
			}
			one := api.Obj{"id": hexID(e.Type, "v2"), "region": s.Region, "publicURL": url, "internalURL": url, "adminURL": url}
			return api.Obj{"type": e.Type, "name": e.Name, "endpoints_links": api.List{}, "endpoints": api.List{one}}
		})
		for _, n := range t.Roles {
			roles, roleIDs = append(roles, api.Obj{"name": n}), append(roleIDs, hexID("role", n))
		}
	}
	return api.Obj{"access": api.Obj{
		"token": token, "serviceCatalog": catalog,
		"user": api.Obj{
			"id": u.Key, "name": u.Text("name"), "username": u.Text("name"), "roles": roles, "roles_links": api.List{},
		},
		"metadata": api.Obj{"is_admin": 0, "roles": roleIDs},
	}}
}

func tenantView(p *db.Object) api.Obj {
	return api.Obj{"id": p.Key, "name": p.Text("name"), "description": p.Text("description"), "enabled": !disabled(p)}
}

func (s *Service) tenants(r *api.Request) (*api.Reply, error) {
	own := s.db.Objects(kindProject, func(p *db.Object) bool { return len(s.rolesOn(r.Auth.UserID, "projects", p.Key)) > 0 })
	return api.OK(api.Obj{"tenants": api.Views(own, tenantView), "tenants_links": api.List{}})
}
