package identity

import (
	"maps"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) handleCredentials(svc *api.Service) {
	own := func(do api.Handler) api.Handler {
		return func(r *api.Request) (*api.Reply, error) {
			if r.Var("user") != r.Auth.UserID && !r.Auth.Admin() {
				return nil, forbidden("identity:application_credential")
			}
			return do(r)
		}
	}
	const base = "/v3/users/{user}/application_credentials"
	svc.Handle(
		api.Route{Method: "GET", Path: base, Do: own(s.listAppCredentials)},
		api.Route{Method: "POST", Path: base, Do: own(s.createAppCredential)},
		api.Route{Method: "GET", Path: base + "/{id}", Do: own(s.showAppCredential)},
		api.Route{Method: "DELETE", Path: base + "/{id}", Do: own(s.deleteAppCredential)},
	)
}

func (s *Service) findAppCredential(id, name, userID, userName string, d nameOrID) *db.AppCredential {
	if id != "" {
		return s.db.AppCredentials.Get(id)
	}
	u := s.findUser(userID, userName, d)
	if u == nil {
		return nil
	}
	return s.db.AppCredentials.First(func(c *db.AppCredential) bool { return c.Name == name && c.UserID == u.ID })
}

func (s *Service) appCredentialView(r *api.Request, c *db.AppCredential) api.Obj {
	roles := roleRefs(c.Roles)
	for _, o := range roles {
		maps.Copy(o.(api.Obj), api.Obj{"domain_id": nil, "description": nil, "options": api.Obj{}})
	}
	v := api.Obj{
		"id": c.ID, "name": c.Name, "description": nil, "project_id": c.ProjectID, "user_id": c.UserID,
		"unrestricted": c.Unrestricted, "roles": roles, "expires_at": nil, "system": nil,
		"links": api.Obj{"self": r.Root + "/v3/users/" + c.UserID + "/application_credentials/" + c.ID},
	}
	if c.Description != "" {
		v["description"] = c.Description
	}
	if !c.Expires.IsZero() {
		v["expires_at"] = c.Expires.Format("2006-01-02T15:04:05.000000")
	}
	return v
}

func (s *Service) listAppCredentials(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, c := range s.db.AppCredentials.Where(func(c *db.AppCredential) bool { return c.UserID == r.Var("user") }) {
			if v := s.appCredentialView(r, c); matches(r, v, "name") {
				l = append(l, v)
			}
		}
	})
	return api.OK(api.Obj{"application_credentials": l, "links": links(r)})
}

func (s *Service) createAppCredential(r *api.Request) (*api.Reply, error) {
	o, err := r.Object("application_credential")
	if err != nil {
		return nil, err
	}
	c := &db.AppCredential{
		Meta: db.Meta{ID: db.NewHexID()}, Name: text(o, "name", ""), Description: text(o, "description", ""),
		UserID: r.Var(
			"user",
		), ProjectID: r.Auth.ProjectID, Secret: text(o, "secret", db.RandomString(64)), Roles: r.Auth.Roles,
	}
	c.Unrestricted, _ = o["unrestricted"].(bool)
	if c.Name == "" {
		return nil, api.BadRequest("'name' is a required property")
	}
	if r.Auth.Token.AppCredentialID != "" {
		return nil, forbidden("identity:create_application_credential")
	}
	if e := text(o, "expires_at", ""); e != "" {
		for _, layout := range []string{"2006-01-02T15:04:05.999999", time.RFC3339} {
			if t, err := time.Parse(layout, e); err == nil {
				c.Expires = t.UTC()
			}
		}
		if c.Expires.IsZero() {
			return nil, api.BadRequest("The parameter grant expiry is not a valid date and time: %s", e)
		}
	}
	err = s.db.Update(func() error {
		if s.db.AppCredentials.First(
			func(x *db.AppCredential) bool { return x.Name == c.Name && x.UserID == c.UserID },
		) != nil {
			return api.Conflict(
				"Conflict occurred attempting to store application_credential - Duplicate entry found with name %s.",
				c.Name,
			)
		}
		s.db.AppCredentials.Insert(c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	v := s.appCredentialView(r, c)
	v["secret"] = c.Secret // shown this once
	return api.Created(api.Obj{"application_credential": v})
}

func (s *Service) appCredential(r *api.Request) (*db.AppCredential, error) {
	var c *db.AppCredential
	s.db.View(func() { c = s.db.AppCredentials.Get(r.Var("id")) })
	if c == nil || c.UserID != r.Var("user") {
		return nil, api.NotFound("Could not find Application Credential: %s.", r.Var("id"))
	}
	return c, nil
}

func (s *Service) showAppCredential(r *api.Request) (*api.Reply, error) {
	c, err := s.appCredential(r)
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"application_credential": s.appCredentialView(r, c)})
}

func (s *Service) deleteAppCredential(r *api.Request) (*api.Reply, error) {
	c, err := s.appCredential(r)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(func() error {
		s.db.AppCredentials.Delete(c.ID)
		for _, t := range s.db.Tokens.Where(func(t *db.Token) bool { return t.AppCredentialID == c.ID }) {
			s.db.Tokens.Delete(t.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}
