package identity

import (
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

const (
	kindAppCredential = "application_credential"
	expiryFormat      = "2006-01-02T15:04:05.000000"
)

// own lets users at their own, and administrators at everything.
func own(r *api.Request, _ string, o *db.Object) error {
	user := r.Var("user")
	if user == "" && o != nil {
		user = o.Text("user_id")
	}
	if user != "" && user != r.Auth.UserID && !r.Auth.Admin() {
		return forbidden("identity:application_credential")
	}
	return nil
}

func (s *Service) handleCredentials(svc *api.Service) {
	for _, c := range []*api.Collection{
		s.collection(kindAppCredential, "application_credentials", api.Collection{
			Path: "users/{user}/", Parent: "user", Update: "-", Allow: own, Required: []string{"name"},
			Defaults: api.Obj{"name": "", "description": nil, "unrestricted": false, "expires_at": nil, "system": nil},
			Check:    s.checkAppCredential, Show: s.showAppCredential,
			Missing: func(id string) error { return api.NotFound("Could not find Application Credential: %s.", id) },
			Removed: func(_ *api.Request, o *db.Object) error {
				for _, t := range s.db.Tokens.Where(func(t *db.Token) bool { return t.AppCredentialID == o.Key }) {
					s.db.Tokens.Delete(t.ID)
				}
				return nil
			},
		}),
		s.collection("access_rule", "access_rules", api.Collection{Path: "users/{user}/", Parent: "user", Update: "-", Allow: own}),
		s.collection("credential", "credentials", api.Collection{
			Required: []string{"blob", "type"}, Allow: own, Defaults: api.Obj{"project_id": nil},
			Match: func(r *api.Request, o *db.Object) bool { return r.Auth.Admin() || o.Text("user_id") == r.Auth.UserID },
			Check: func(r *api.Request, o *db.Object, _ api.Obj) error {
				if o.Text("user_id") == "" {
					o.Set(api.Obj{"user_id": r.Auth.UserID})
				}
				return own(r, "", o)
			},
		}),
	} {
		svc.Handle(c.Routes()...)
	}
}

func (s *Service) findAppCredential(id, name string, of inDomain) *db.Object {
	if id != "" {
		return s.db.Object(kindAppCredential, id)
	}
	u := s.find(kindUser, of)
	return s.db.FirstObject(kindAppCredential, func(c *db.Object) bool { return u != nil && c.Text("name") == name && c.Parent == u.Key })
}

// roleNames are the names in a list of roles that are named or have IDs.
func (s *Service) roleNames(list any) []string {
	var names []string
	l, _ := list.([]any)
	for _, e := range l {
		ref, _ := e.(api.Obj)
		name, _ := ref["name"].(string)
		if id, _ := ref["id"].(string); id != "" {
			if o := s.db.Object(kindRole, id); o != nil {
				name = o.Text("name")
			}
		}
		names = append(names, name)
	}
	return names
}

func (s *Service) checkAppCredential(r *api.Request, o *db.Object, in api.Obj) error {
	if r.Auth.Token.AppCredentialID != "" {
		return forbidden("identity:create_application_credential")
	}
	o.Key = db.NewHexID()
	roles := r.Auth.Roles
	if asked := s.roleNames(in["roles"]); asked != nil {
		for _, name := range asked {
			if !slices.Contains(roles, name) {
				return api.NotFound("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", name, o.Parent, o.ProjectID)
			}
		}
		roles = asked
	}
	if o.Text("secret") == "" {
		o.Set(api.Obj{"secret": db.RandomString(64)})
	}
	o.Set(api.Obj{"roles": s.roleRefs(roles), "user_id": o.Parent, "project_id": o.ProjectID})
	if e := o.Text("expires_at"); e != "" {
		var at time.Time
		for _, layout := range []string{"2006-01-02T15:04:05.999999", time.RFC3339} {
			if t, err := time.Parse(layout, e); err == nil {
				at = t.UTC()
			}
		}
		if at.IsZero() {
			return api.BadRequest("The parameter grant expiry is not a valid date and time: %s", e)
		}
		o.Set(api.Obj{"expires_at": at.Format(expiryFormat)})
	}
	rules, _ := in["access_rules"].([]any)
	var stored api.List
	for _, e := range rules {
		rule, _ := e.(api.Obj)
		kept := s.db.PutObject((&db.Object{Kind: "access_rule", Key: db.NewHexID(), Parent: o.Parent}).Set(rule))
		stored = append(stored, (&db.Object{Attrs: rule}).Set(api.Obj{"id": kept.Key}).Attrs)
	}
	if stored != nil {
		o.Set(api.Obj{"access_rules": stored})
	}
	return nil
}

// showAppCredential shows the secret in the answer to the create alone.
func (s *Service) showAppCredential(r *api.Request, _ *db.Object, v api.Obj) {
	if r.HTTP.Method != "POST" {
		delete(v, "secret")
	}
	roles, _ := v["roles"].([]any)
	full := api.List{}
	for _, e := range roles {
		ref, _ := e.(api.Obj)
		full = append(full, api.Obj{"id": ref["id"], "name": ref["name"], "domain_id": nil, "description": nil, "options": api.Obj{}})
	}
	v["roles"] = full
}
