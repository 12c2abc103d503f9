package identity

import (
	"encoding/json"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

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
	domain := api.Obj{"id": defaultDomain}
	identity, scope, p := api.Obj{}, any("unscoped"), b.Auth.Password
	switch {
	case p != nil:
		user := api.Obj{"name": p.Username, "id": p.UserID, "password": p.Password, "domain": domain}
		identity["methods"], identity["password"] = []string{"password"}, api.Obj{"user": user}
	case b.Auth.Token != nil:
		identity["methods"], identity["token"] = []string{"token"}, api.Obj{"id": b.Auth.Token.ID}
	default:
		return nil, expecting("passwordCredentials or token", "auth")
	}
	if b.Auth.TenantID != "" || b.Auth.Tenant != "" {
		scope = api.Obj{"project": api.Obj{"id": b.Auth.TenantID, "name": b.Auth.Tenant, "domain": domain}}
	}
	var v3 authBody
	data, err := json.Marshal(api.Obj{"auth": api.Obj{"identity": identity, "scope": scope}})
	if err == nil {
		err = json.Unmarshal(data, &v3)
	}
	if err != nil {
		return nil, err
	}
	t, err := s.grant(&v3)
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
		"id": t.ID, "issued_at": t.Created.Format(timeFormat), "expires": t.Expires.Format(time.RFC3339),
		"audit_ids": api.List{t.AuditID},
	}
	catalog, roles, roleIDs := api.List{}, api.List{}, api.List{}
	if p != nil {
		token["tenant"] = tenantView(p)
		for _, e := range s.Catalog {
			url := s.endpointURL(e, p.Key)
			if e.Type == "identity" {
				url = s.URL + "/v2.0"
			}
			catalog = append(catalog, api.Obj{
				"type": e.Type, "name": e.Name, "endpoints_links": api.List{},
				"endpoints": api.List{
					api.Obj{
						"id": hexID(e.Type, "v2"), "region": s.Region, "publicURL": url, "internalURL": url,
						"adminURL": url,
					},
				},
			})
		}
		for _, n := range t.Roles {
			roles, roleIDs = append(roles, api.Obj{"name": n}), append(roleIDs, hexID("role", n))
		}
	}
	return api.Obj{"access": api.Obj{
		"token": token, "serviceCatalog": catalog,
		"user": api.Obj{
			"id": u.Key, "name": u.Text("name"), "username": u.Text("name"), "roles": roles,
			"roles_links": api.List{},
		},
		"metadata": api.Obj{"is_admin": 0, "roles": roleIDs},
	}}
}

func tenantView(p *db.Object) api.Obj {
	return api.Obj{"id": p.Key, "name": p.Text("name"), "description": p.Text("description"), "enabled": !disabled(p)}
}

func (s *Service) tenants(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"tenants": api.Views(s.projectsOf(r.Auth.UserID), tenantView), "tenants_links": api.List{}})
}
