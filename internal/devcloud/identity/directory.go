package identity

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// roleNames are the roles there are; each is its own thing, none implies
// another beyond what users are given.
var roleNames = []string{"admin", "member", "reader"}

func roleID(name string) string { return hexID("role", name) }

// hexID makes a stable ID of the form Keystone uses; it protects nothing.
func hexID(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func (s *Service) handleDirectory(svc *api.Service) {
	admin := func(rule string, do api.Handler) api.Handler {
		return func(r *api.Request) (*api.Reply, error) {
			if !r.Auth.Admin() {
				return nil, forbidden(rule)
			}
			return do(r)
		}
	}
	svc.Handle(
		api.Route{Method: "GET", Path: "/v3/projects", Do: admin("identity:list_projects", s.listProjects)},
		api.Route{Method: "POST", Path: "/v3/projects", Do: admin("identity:create_project", s.createProject)},
		api.Route{Method: "GET", Path: "/v3/projects/{id}", Do: s.showProject},
		api.Route{Method: "DELETE", Path: "/v3/projects/{id}", Do: admin("identity:delete_project", s.deleteProject)},
		api.Route{Method: "GET", Path: "/v3/users", Do: admin("identity:list_users", s.listUsers)},
		api.Route{Method: "POST", Path: "/v3/users", Do: admin("identity:create_user", s.createUser)},
		api.Route{Method: "GET", Path: "/v3/users/{id}", Do: s.showUser},
		api.Route{Method: "DELETE", Path: "/v3/users/{id}", Do: admin("identity:delete_user", s.deleteUser)},
		api.Route{Method: "GET", Path: "/v3/users/{id}/projects", Do: s.userProjects},
		api.Route{Method: "GET", Path: "/v3/domains", Do: admin("identity:list_domains", s.listDomains)},
		api.Route{Method: "GET", Path: "/v3/domains/{id}", Do: s.showDomain},
		api.Route{Method: "GET", Path: "/v3/roles", Do: admin("identity:list_roles", s.listRoles)},
		api.Route{Method: "GET", Path: "/v3/roles/{id}", Do: admin("identity:get_role", s.showRole)},
		api.Route{
			Method: "GET",
			Path:   "/v3/role_assignments",
			Do:     admin("identity:list_role_assignments", s.listAssignments),
		},
		api.Route{
			Method: "PUT",
			Path:   "/v3/projects/{project}/users/{user}/roles/{role}",
			Do:     admin("identity:create_grant", s.grant),
		},
		api.Route{
			Method: "DELETE",
			Path:   "/v3/projects/{project}/users/{user}/roles/{role}",
			Do:     admin("identity:revoke_grant", s.revokeGrant),
		},
		api.Route{Method: "GET", Path: "/v3/services", Do: admin("identity:list_services", s.listServices)},
		api.Route{Method: "GET", Path: "/v3/services/{id}", Do: admin("identity:get_service", s.showService)},
		api.Route{Method: "GET", Path: "/v3/endpoints", Do: admin("identity:list_endpoints", s.listEndpoints)},
		api.Route{Method: "GET", Path: "/v3/regions", Do: s.listRegions},
		api.Route{Method: "GET", Path: "/v3/regions/{id}", Do: s.showRegion},
		api.Route{
			Method: "GET",
			Path:   "/v3/groups",
			Do: admin("identity:list_groups", func(r *api.Request) (*api.Reply, error) {
				return api.OK(api.Obj{"groups": api.List{}, "links": links(r)})
			}),
		},
	)
}

func (s *Service) projectView(r *api.Request, p *db.Project) api.Obj {
	return api.Obj{
		"id": p.ID, "name": p.Name, "domain_id": p.DomainID, "description": p.Description, "enabled": !p.Disabled,
		"parent_id": p.DomainID, "is_domain": false, "tags": api.List{}, "options": api.Obj{},
		"links": api.Obj{"self": r.Root + "/v3/projects/" + p.ID},
	}
}

func (s *Service) userView(r *api.Request, u *db.User) api.Obj {
	v := api.Obj{
		"id": u.ID, "name": u.Name, "domain_id": u.DomainID, "enabled": !u.Disabled, "password_expires_at": nil,
		"options": api.Obj{}, "links": api.Obj{"self": r.Root + "/v3/users/" + u.ID},
	}
	if u.DefaultProjectID != "" {
		v["default_project_id"] = u.DefaultProjectID
	}
	return v
}

func (s *Service) domainView(r *api.Request, d *db.Domain) api.Obj {
	return api.Obj{
		"id": d.ID, "name": d.Name, "description": "", "enabled": true, "tags": api.List{}, "options": api.Obj{},
		"links": api.Obj{"self": r.Root + "/v3/domains/" + d.ID},
	}
}

func roleView(r *api.Request, name string) api.Obj {
	return api.Obj{
		"id": roleID(name), "name": name, "domain_id": nil, "description": nil, "options": api.Obj{},
		"links": api.Obj{"self": r.Root + "/v3/roles/" + roleID(name)},
	}
}

// matches tells whether an object passes the query's exact filters.
func matches(r *api.Request, view api.Obj, keys ...string) bool {
	for _, k := range keys {
		if want := r.Query(k); want != "" && view[k] != want {
			return false
		}
	}
	return true
}

func (s *Service) projectsOf(user string) []*db.Project {
	var out []*db.Project
	s.db.View(func() {
		u := s.db.Users.Get(user)
		if u == nil {
			return
		}
		out = s.db.Projects.Where(func(p *db.Project) bool { return len(u.Roles[p.ID]) > 0 })
	})
	return out
}

func (s *Service) authProjects(r *api.Request) (*api.Reply, error) {
	return s.projectList(r, s.projectsOf(r.Auth.UserID))
}

func (s *Service) projectList(r *api.Request, projects []*db.Project) (*api.Reply, error) {
	l := api.List{}
	for _, p := range projects {
		if v := s.projectView(r, p); matches(r, v, "name", "domain_id") {
			l = append(l, v)
		}
	}
	return api.OK(api.Obj{"projects": l, "links": links(r)})
}

func (s *Service) authDomains(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"domains": api.List{}, "links": links(r)})
}

func (s *Service) userProjects(r *api.Request) (*api.Reply, error) {
	if r.Var("id") != r.Auth.UserID && !r.Auth.Admin() {
		return nil, forbidden("identity:list_user_projects")
	}
	return s.projectList(r, s.projectsOf(r.Var("id")))
}

func (s *Service) listProjects(r *api.Request) (*api.Reply, error) {
	var all []*db.Project
	s.db.View(func() { all = s.db.Projects.All() })
	return s.projectList(r, all)
}

func (s *Service) showProject(r *api.Request) (*api.Reply, error) {
	id := r.Var("id")
	if id != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, forbidden("identity:get_project")
	}
	var p *db.Project
	s.db.View(func() { p = s.db.Projects.Get(id) })
	if p == nil {
		return nil, api.NotFound("Could not find project: %s.", id)
	}
	return api.OK(api.Obj{"project": s.projectView(r, p)})
}

func text(o api.Obj, key, def string) string {
	if v, ok := o[key].(string); ok && v != "" {
		return v
	}
	return def
}

func (s *Service) createProject(r *api.Request) (*api.Reply, error) {
	o, err := r.Object("project")
	if err != nil {
		return nil, err
	}
	p := &db.Project{
		Meta:        db.Meta{ID: db.NewHexID()},
		Name:        text(o, "name", ""),
		DomainID:    text(o, "domain_id", defaultDomain),
		Description: text(o, "description", ""),
	}
	if p.Name == "" {
		return nil, api.BadRequest("'name' is a required property")
	}
	err = s.db.Update(func() error {
		if s.db.Projects.First(
			func(x *db.Project) bool { return x.Name == p.Name && x.DomainID == p.DomainID },
		) != nil {
			return api.Conflict(
				"Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same domain : %s.",
				p.Name,
			)
		}
		s.db.Projects.Insert(p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Created(api.Obj{"project": s.projectView(r, p)})
}

func (s *Service) deleteProject(r *api.Request) (*api.Reply, error) {
	id := r.Var("id")
	err := s.db.Update(func() error {
		if s.db.Projects.Get(id) == nil {
			return api.NotFound("Could not find project: %s.", id)
		}
		s.db.Projects.Delete(id)
		for _, t := range s.db.Tokens.Where(func(t *db.Token) bool { return t.ProjectID == id }) {
			s.db.Tokens.Delete(t.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

func (s *Service) listUsers(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, u := range s.db.Users.All() {
			if v := s.userView(r, u); matches(r, v, "name", "domain_id") {
				l = append(l, v)
			}
		}
	})
	return api.OK(api.Obj{"users": l, "links": links(r)})
}

func (s *Service) showUser(r *api.Request) (*api.Reply, error) {
	id := r.Var("id")
	if id != r.Auth.UserID && !r.Auth.Admin() {
		return nil, forbidden("identity:get_user")
	}
	var u *db.User
	s.db.View(func() { u = s.db.Users.Get(id) })
	if u == nil {
		return nil, api.NotFound("Could not find user: %s.", id)
	}
	return api.OK(api.Obj{"user": s.userView(r, u)})
}

func (s *Service) createUser(r *api.Request) (*api.Reply, error) {
	o, err := r.Object("user")
	if err != nil {
		return nil, err
	}
	u := &db.User{
		Meta: db.Meta{ID: db.NewHexID()}, Name: text(o, "name", ""), DomainID: text(o, "domain_id", defaultDomain),
		Password: text(o, "password", ""), DefaultProjectID: text(o, "default_project_id", ""),
	}
	if u.Name == "" {
		return nil, api.BadRequest("'name' is a required property")
	}
	err = s.db.Update(func() error {
		if s.db.Users.First(func(x *db.User) bool { return x.Name == u.Name && x.DomainID == u.DomainID }) != nil {
			return api.Conflict(
				"Conflict occurred attempting to store user - Duplicate entry found with name %s at domain ID %s.",
				u.Name,
				u.DomainID,
			)
		}
		s.db.Users.Insert(u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Created(api.Obj{"user": s.userView(r, u)})
}

func (s *Service) deleteUser(r *api.Request) (*api.Reply, error) {
	id := r.Var("id")
	err := s.db.Update(func() error {
		if s.db.Users.Get(id) == nil {
			return api.NotFound("Could not find user: %s.", id)
		}
		s.db.Users.Delete(id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

// changeGrant replaces a user's roles on a project.
func (s *Service) changeGrant(r *api.Request, change func(have []string, role string) []string) (*api.Reply, error) {
	err := s.db.Update(func() error {
		u := s.db.Users.Get(r.Var("user"))
		if u == nil {
			return api.NotFound("Could not find user: %s.", r.Var("user"))
		}
		p := s.db.Projects.Get(r.Var("project"))
		if p == nil {
			return api.NotFound("Could not find project: %s.", r.Var("project"))
		}
		i := slices.IndexFunc(roleNames, func(n string) bool { return roleID(n) == r.Var("role") })
		if i < 0 {
			return api.NotFound("Could not find role: %s.", r.Var("role"))
		}
		roles := maps.Clone(u.Roles)
		if roles == nil {
			roles = map[string][]string{}
		}
		roles[p.ID] = change(roles[p.ID], roleNames[i])
		u.Roles = roles
		s.db.Users.Put(u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

func (s *Service) grant(r *api.Request) (*api.Reply, error) {
	return s.changeGrant(r, func(have []string, role string) []string {
		if slices.Contains(have, role) {
			return have
		}
		return append(slices.Clone(have), role)
	})
}

func (s *Service) revokeGrant(r *api.Request) (*api.Reply, error) {
	return s.changeGrant(r, func(have []string, role string) []string {
		return slices.DeleteFunc(slices.Clone(have), func(n string) bool { return n == role })
	})
}

func (s *Service) listDomains(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, d := range s.db.Domains.All() {
			if v := s.domainView(r, d); matches(r, v, "name") {
				l = append(l, v)
			}
		}
	})
	return api.OK(api.Obj{"domains": l, "links": links(r)})
}

func (s *Service) showDomain(r *api.Request) (*api.Reply, error) {
	id := r.Var("id")
	if id != r.Auth.UserDomainID && id != r.Auth.ProjectDomain && !r.Auth.Admin() {
		return nil, forbidden("identity:get_domain")
	}
	var d *db.Domain
	s.db.View(func() { d = s.db.Domains.Get(id) })
	if d == nil {
		return nil, api.NotFound("Could not find domain: %s.", id)
	}
	return api.OK(api.Obj{"domain": s.domainView(r, d)})
}

func (s *Service) listRoles(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	for _, n := range roleNames {
		if v := roleView(r, n); matches(r, v, "name") {
			l = append(l, v)
		}
	}
	return api.OK(api.Obj{"roles": l, "links": links(r)})
}

func (s *Service) showRole(r *api.Request) (*api.Reply, error) {
	for _, n := range roleNames {
		if roleID(n) == r.Var("id") {
			return api.OK(api.Obj{"role": roleView(r, n)})
		}
	}
	return nil, api.NotFound("Could not find role: %s.", r.Var("id"))
}

func (s *Service) listAssignments(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, u := range s.db.Users.All() {
			for _, p := range s.db.Projects.All() {
				for _, n := range u.Roles[p.ID] {
					if r.Query("user.id") != "" && r.Query("user.id") != u.ID ||
						r.Query("scope.project.id") != "" && r.Query("scope.project.id") != p.ID {
						continue
					}
					role, user, project := api.Obj{"id": roleID(n)}, api.Obj{"id": u.ID}, api.Obj{"id": p.ID}
					if r.HTTP.URL.Query().Has("include_names") {
						role["name"], user["name"], project["name"] = n, u.Name, p.Name
						user["domain"], project["domain"] = s.domainRef(u.DomainID), s.domainRef(p.DomainID)
					}
					l = append(l, api.Obj{
						"role": role, "user": user, "scope": api.Obj{"project": project},
						"links": api.Obj{
							"assignment": r.Root + "/v3/projects/" + p.ID + "/users/" + u.ID + "/roles/" + roleID(n),
						},
					})
				}
			}
		}
	})
	return api.OK(api.Obj{"role_assignments": l, "links": links(r)})
}

func (s *Service) serviceView(r *api.Request, e Endpoint) api.Obj {
	return api.Obj{
		"id": hexID(e.Type), "type": e.Type, "name": e.Name, "enabled": true, "description": "",
		"links": api.Obj{"self": r.Root + "/v3/services/" + hexID(e.Type)},
	}
}

func (s *Service) listServices(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	for _, e := range s.Catalog {
		if v := s.serviceView(r, e); matches(r, v, "name", "type") {
			l = append(l, v)
		}
	}
	return api.OK(api.Obj{"services": l, "links": links(r)})
}

func (s *Service) showService(r *api.Request) (*api.Reply, error) {
	for _, e := range s.Catalog {
		if hexID(e.Type) == r.Var("id") {
			return api.OK(api.Obj{"service": s.serviceView(r, e)})
		}
	}
	return nil, api.NotFound("Could not find service: %s.", r.Var("id"))
}

func (s *Service) listEndpoints(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	for _, e := range s.Catalog {
		for _, iface := range interfaces {
			v := api.Obj{
				"id": hexID(
					e.Type,
					iface,
				), "interface": iface, "region": s.Region, "region_id": s.Region, "service_id": hexID(e.Type),
				"enabled": true, "url": s.URL + strings.ReplaceAll(e.Path, "{project}", "%(project_id)s"),
				"links": api.Obj{"self": r.Root + "/v3/endpoints/" + hexID(e.Type, iface)},
			}
			if matches(r, v, "interface", "service_id", "region_id") {
				l = append(l, v)
			}
		}
	}
	return api.OK(api.Obj{"endpoints": l, "links": links(r)})
}

func (s *Service) regionView(r *api.Request) api.Obj {
	return api.Obj{
		"id":               s.Region,
		"description":      "",
		"parent_region_id": nil,
		"links":            api.Obj{"self": r.Root + "/v3/regions/" + s.Region},
	}
}

func (s *Service) listRegions(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"regions": api.List{s.regionView(r)}, "links": links(r)})
}

func (s *Service) showRegion(r *api.Request) (*api.Reply, error) {
	if r.Var("id") != s.Region {
		return nil, api.NotFound("Could not find region: %s.", r.Var("id"))
	}
	return api.OK(api.Obj{"region": s.regionView(r)})
}
