package identity

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// The kinds of object that other parts of the service read.
const (
	kindDomain   = "domain"
	kindProject  = "project"
	kindUser     = "user"
	kindGroup    = "group"
	kindRole     = "role"
	kindService  = "service"
	kindEndpoint = "endpoint"
	kindRegion   = "region"
)

// hexID makes a stable ID of the form Keystone uses; it protects nothing.
func hexID(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// open are the kinds that each user may look at as far as it concerns them.
var open = map[string]func(a *api.Auth, o *db.Object) bool{
	kindProject: func(a *api.Auth, o *db.Object) bool { return o.Key == a.ProjectID },
	kindUser:    func(a *api.Auth, o *db.Object) bool { return o.Key == a.UserID },
	kindDomain:  func(a *api.Auth, o *db.Object) bool { return o.Key == a.UserDomainID || o.Key == a.ProjectDomain },
	kindRegion:  func(*api.Auth, *db.Object) bool { return true },
}

// collection completes a kind with what all of Keystone's have in common.
func (s *Service) collection(kind, plural string, c api.Collection) *api.Collection {
	c.DB, c.Kind, c.Plural, c.Path = s.db, kind, plural, "/v3/"+c.Path+plural
	if c.Single == "" {
		c.Single = kind
	}
	if c.NewKey == nil {
		c.NewKey = func(api.Obj) string { return db.NewHexID() }
	}
	if c.Allow == nil {
		c.Allow = func(r *api.Request, action string, o *db.Object) error {
			if r.Auth.Admin() || open[kind] != nil && (o == nil && action == "list" && kind == kindRegion || o != nil && action == "get" && open[kind](r.Auth, o)) {
				return nil
			}
			if action == "list" {
				return forbidden("identity:list_" + plural)
			}
			return forbidden("identity:" + action + "_" + kind)
		}
	}
	c.Links = links
	show := c.Show
	c.Show = func(r *api.Request, o *db.Object, v api.Obj) {
		self := c.Path
		if c.Parent != "" {
			self = strings.ReplaceAll(self, "{"+c.Parent+"}", o.Parent)
		}
		v["links"] = api.Obj{"self": r.Root + self + "/" + o.Key}
		if show != nil {
			show(r, o, v)
		}
	}
	s.kinds[kind] = &c
	check := c.Check
	c.Check = func(r *api.Request, o *db.Object, in api.Obj) error {
		if err := s.unique(o, c.Defaults); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		return check(r, o, in)
	}
	return &c
}

// unique refuses a second object of a kind and name in one domain.
func (s *Service) unique(o *db.Object, defaults api.Obj) error {
	name, named := defaults["name"]
	if !named || name == nil {
		return nil
	}
	if _, in := defaults["domain_id"]; in && o.Attrs["domain_id"] == nil && o.Kind != kindRole {
		o.Set(api.Obj{"domain_id": defaultDomain})
	}
	other := s.db.FirstObject(o.Kind, func(x *db.Object) bool {
		return x.Key != o.Key && x.Parent == o.Parent && x.Text("name") == o.Text("name") && x.Attrs["domain_id"] == o.Attrs["domain_id"]
	})
	switch {
	case other == nil:
		return nil
	case o.Kind == kindProject:
		return api.Conflict(
			"Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same domain : %s.",
			o.Text("name"),
		)
	case o.Attrs["domain_id"] != nil:
		return api.Conflict(
			"Conflict occurred attempting to store %s - Duplicate entry found with name %s at domain ID %s.",
			o.Kind, o.Text("name"), o.Text("domain_id"),
		)
	}
	return api.Conflict("Conflict occurred attempting to store %s - Duplicate entry found with name %s.", o.Kind, o.Text("name"))
}

// handleDirectory is the table of the directory's collections, one entry each.
func (s *Service) handleDirectory(svc *api.Service) { //nolint:funlen // a table, one entry each
	name := []string{"name"}
	forget := func(_ *api.Request, o *db.Object) error { s.forget(o.Key); return nil }
	for _, c := range []*api.Collection{
		s.collection(kindDomain, "domains", api.Collection{
			Required: name,
			Defaults: api.Obj{"name": "", "description": "", "enabled": true, "tags": api.List{}, "options": api.Obj{}},
			Removed:  s.removeDomain,
		}),
		s.collection(kindProject, "projects", api.Collection{
			Required: name,
			Defaults: api.Obj{
				"name": "", "domain_id": nil, "parent_id": nil, "description": "", "enabled": true, "is_domain": false,
				"tags": api.List{}, "options": api.Obj{},
			},
			Check: s.checkProject, Removed: s.removeProject,
		}),
		s.collection(kindUser, "users", api.Collection{
			Required: name, Hidden: []string{"password", "original_password"},
			Defaults: api.Obj{"name": "", "domain_id": nil, "enabled": true, "password_expires_at": nil, "options": api.Obj{}},
			Show: func(_ *api.Request, o *db.Object, v api.Obj) {
				if v["default_project_id"] == nil {
					delete(v, "default_project_id")
				}
			},
			Removed: forget,
		}),
		s.collection(kindGroup, "groups", api.Collection{
			Required: name, Defaults: api.Obj{"name": "", "domain_id": nil, "description": ""},
			Removed: forget,
		}),
		s.collection(kindRole, "roles", api.Collection{
			Required: name,
			Defaults: api.Obj{"name": "", "domain_id": nil, "description": nil, "options": api.Obj{}},
			Match: func(r *api.Request, o *db.Object) bool {
				// Without the filter the list has global roles alone.
				return o.Attrs["domain_id"] == nil || o.Text("domain_id") == r.Query("domain_id")
			},
			Removed: forget,
		}),
		s.collection(kindService, "services", api.Collection{
			Required: []string{"type"}, Defaults: api.Obj{"type": "", "name": nil, "enabled": true, "description": ""},
			Removed: func(_ *api.Request, o *db.Object) error {
				s.db.DeleteObjects(kindEndpoint, func(e *db.Object) bool { return e.Text("service_id") == o.Key })
				return nil
			},
		}),
		s.collection(kindEndpoint, "endpoints", api.Collection{
			Required: []string{"interface", "service_id", "url"}, Check: s.checkEndpoint,
			Defaults: api.Obj{"region": nil, "region_id": nil, "enabled": true},
		}),
		s.collection(kindRegion, "regions", api.Collection{
			Defaults: api.Obj{"description": "", "parent_region_id": nil},
			NewKey: func(in api.Obj) string {
				if id, _ := in["id"].(string); id != "" {
					return id
				}
				return db.NewHexID()
			},
		}),
		s.collection("policy", "policies", api.Collection{Required: []string{"blob", "type"}}),
		s.collection("registered_limit", "registered_limits", api.Collection{
			Bulk: true, Required: []string{"service_id", "resource_name", "default_limit"},
			Defaults: api.Obj{"region_id": nil, "description": nil},
			Removed: func(_ *api.Request, o *db.Object) error {
				if s.db.FirstObject("limit", o.Matches("service_id", "region_id", "resource_name")) != nil {
					return api.Forbidden("Unable to update or delete registered limit %s because there are project limits associated with it.", o.Key)
				}
				return nil
			},
		}),
		s.collection("limit", "limits", api.Collection{
			Bulk: true, Required: []string{"service_id", "resource_name", "resource_limit"},
			Defaults: api.Obj{"region_id": nil, "description": nil, "project_id": nil, "domain_id": nil},
			Check: func(_ *api.Request, o *db.Object, _ api.Obj) error {
				if s.db.FirstObject("registered_limit", o.Matches("service_id", "region_id", "resource_name")) == nil {
					return api.Forbidden("Unable to create a limit that has no corresponding registered limit.")
				}
				return nil
			},
		}),
		s.collection("mapping", "mappings", api.Collection{Path: "OS-FEDERATION/", Named: true, Required: []string{"rules"}}),
	} {
		svc.Handle(c.Routes()...)
	}
	tags := api.Tags{
		Path: "/v3/projects/{id}/tags", Again: http.StatusCreated,
		Open: func(r *api.Request) ([]string, func([]string), error) {
			p := s.db.Object(kindProject, r.Var("id"))
			switch {
			case !r.Auth.Admin():
				return nil, nil, forbidden("identity:update_project_tags")
			case p == nil:
				return nil, nil, api.NotFound("Could not find project: %s.", r.Var("id"))
			}
			have, _ := p.Attrs["tags"].([]any)
			return api.Texts(have), func(tags []string) {
				l := api.List{}
				for _, t := range tags {
					l = append(l, t)
				}
				s.db.PutObject(p.Set(api.Obj{"tags": l}))
			}, nil
		},
		Missing: func(r *api.Request) error { return api.NotFound("Could not find project tag: %s.", r.Var("tag")) },
	}
	svc.Handle(tags.Routes()...)
	svc.Handle(api.Calls{
		"GET /v3/limits/model": func(*api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"model": api.Obj{
				"name": "flat", "description": "Limit enforcement and validation does not take project hierarchy into consideration.",
			}})
		},
		"GET /v3/users/{id}/projects": s.userProjects, "POST /v3/users/{id}/password": s.changePassword,
	}.Routes(api.Route{})...)
	s.handleGrants(svc)
}

// admin is a call for administrators alone.
func admin(rule string, do api.Handler) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		if !r.Auth.Admin() {
			return nil, forbidden("identity:" + rule)
		}
		return do(r)
	}
}

// checkProject settles where in the tree a project is.
func (s *Service) checkProject(_ *api.Request, o *db.Object, in api.Obj) error {
	if o.Seq == 0 && o.Bool("is_domain") {
		o.Key = db.NewHexID()
		o.Set(api.Obj{"domain_id": nil})
		domain := &db.Object{Kind: kindDomain, Key: o.Key, Attrs: api.Obj{"name": o.Text("name"), "description": o.Text("description"), "enabled": true}}
		s.db.PutObject(domain)
		return nil
	}
	if parent := s.db.Object(kindProject, o.Text("parent_id")); parent != nil && in["domain_id"] == nil {
		o.Set(api.Obj{"domain_id": parent.Text("domain_id")})
	}
	if s.db.Object(kindDomain, o.Text("domain_id")) == nil && !o.Bool("is_domain") {
		return api.NotFound("Could not find domain: %s.", o.Text("domain_id"))
	}
	if o.Text("parent_id") == "" {
		o.Set(api.Obj{"parent_id": o.Attrs["domain_id"]})
	}
	return nil
}

func (s *Service) removeProject(r *api.Request, o *db.Object) error {
	if s.db.FirstObject(kindProject, func(p *db.Object) bool { return p.Text("parent_id") == o.Key }) != nil && !o.Bool("is_domain") {
		return api.Forbidden("Cannot delete a project that has other projects below it: %s.", o.Key)
	}
	for _, t := range s.db.Tokens.Where(func(t *db.Token) bool { return t.ProjectID == o.Key }) {
		s.db.Tokens.Delete(t.ID)
	}
	s.forget(o.Key)
	if o.Bool("is_domain") {
		s.db.DeleteObject(kindDomain, o.Key)
	}
	return nil
}

func (s *Service) removeDomain(r *api.Request, o *db.Object) error {
	if enabled, set := o.Attrs["enabled"].(bool); enabled || !set {
		return api.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
	}
	inside := func(x *db.Object) bool { return x.Text("domain_id") == o.Key }
	for _, p := range s.db.Objects(kindProject, inside) {
		if err := s.removeProject(r, p); err != nil {
			return err
		}
	}
	for _, kind := range []string{kindUser, kindGroup, kindRole} {
		for _, x := range s.db.Objects(kind, inside) {
			s.forget(x.Key)
		}
		s.db.DeleteObjects(kind, inside)
	}
	s.db.DeleteObjects(kindProject, inside)
	s.forget(o.Key)
	return nil
}

func (s *Service) checkEndpoint(_ *api.Request, o *db.Object, in api.Obj) error {
	if s.db.Object(kindService, o.Text("service_id")) == nil {
		return api.BadRequest("Could not find service: %s.", o.Text("service_id"))
	}
	for _, k := range []string{"region_id", "region"} {
		if in[k] != nil {
			o.Set(api.Obj{"region": in[k], "region_id": in[k]})
			if name, _ := in[k].(string); s.db.Object(kindRegion, name) == nil {
				s.db.PutObject(&db.Object{Kind: kindRegion, Key: name, Attrs: api.Obj{}})
			}
		}
	}
	return nil
}

func (s *Service) changePassword(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("user")
	if err != nil {
		return nil, err
	}
	next, _ := in["password"].(string)
	old, _ := in["original_password"].(string)
	u := s.db.Object(kindUser, r.Var("id"))
	if u == nil || next == "" || !same(u.Text("password"), old) {
		return nil, errUnauthorized()
	}
	s.db.PutObject(u.Set(api.Obj{"password": next}))
	return nil, nil
}

// accessible lists the projects or domains on which a user has a role.
func (s *Service) accessible(r *api.Request, kind, user string) (*api.Reply, error) {
	return s.kinds[kind].List(r, func(o *db.Object) bool { return len(s.rolesOn(user, s.kinds[kind].Plural, o.Key)) > 0 })
}

func (s *Service) userProjects(r *api.Request) (*api.Reply, error) {
	if r.Var("id") != r.Auth.UserID && !r.Auth.Admin() {
		return nil, forbidden("identity:list_user_projects")
	}
	return s.accessible(r, kindProject, r.Var("id"))
}

// Seed puts the cloud's own roles, region, services and endpoints into the
// database, inside an update.
func (s *Service) Seed() {
	for _, name := range []string{"admin", "member", "reader"} {
		s.put(kindRole, hexID("role", name), api.Obj{"name": name})
	}
	s.put(kindRegion, s.Region, api.Obj{})
	for _, e := range s.Catalog {
		s.put(kindService, hexID(e.Type), api.Obj{"type": e.Type, "name": e.Name})
		for _, iface := range []string{"admin", "internal", "public"} {
			s.put(kindEndpoint, hexID(e.Type, iface), api.Obj{
				"interface": iface, "service_id": hexID(e.Type), "region": s.Region, "region_id": s.Region,
				"url": s.URL + strings.ReplaceAll(e.Path, "{project}", "%(project_id)s"),
			})
		}
	}
}

// put stores attributes unless an object has them already.
func (s *Service) put(kind, key string, attrs api.Obj) {
	o := s.db.Object(kind, key)
	if o == nil {
		o = &db.Object{Kind: kind, Key: key}
	} else if (&db.Object{Attrs: attrs}).Matches(slices.Collect(maps.Keys(attrs))...)(o) {
		return
	}
	s.db.PutObject(o.Set(attrs))
}

// AddProject adds a project to the default domain, inside an update of the
// database, and returns its ID.
func AddProject(d *db.DB, name string) string {
	return d.PutObject(&db.Object{Kind: kindProject, Key: db.NewHexID(), Attrs: api.Obj{
		"name": name, "domain_id": defaultDomain, "parent_id": defaultDomain,
	}}).Key
}

// AddUser adds a user to the default domain, inside an update of the database,
// with roles on projects, and returns its ID.
func AddUser(d *db.DB, name, password, project string, roles map[string][]string) string {
	u := d.PutObject(&db.Object{Kind: kindUser, Key: db.NewHexID(), Attrs: api.Obj{
		"name": name, "domain_id": defaultDomain, "password": password, "default_project_id": project,
	}})
	for p, names := range roles {
		for _, n := range names {
			g := grant{actor: "users", actorID: u.Key, target: "projects", targetID: p, role: hexID("role", n)}
			d.PutObject(&db.Object{Kind: kindGrant, Key: g.key()})
		}
	}
	return u.Key
}

// AddDefaultDomain adds the domain that projects and users are in, inside an
// update of the database.
func AddDefaultDomain(d *db.DB) {
	d.PutObject(&db.Object{Kind: kindDomain, Key: defaultDomain, Attrs: api.Obj{"name": "Default", "enabled": true}})
}

// FindProject is the ID of the project of that name in the default domain, ""
// when there is none. It runs with the database locked.
func FindProject(d *db.DB, name string) string {
	p := d.FirstObject(kindProject, func(p *db.Object) bool { return p.Text("name") == name && p.Text("domain_id") == defaultDomain })
	if p == nil {
		return ""
	}
	return p.Key
}

// RenewUsers gives the named users a password, inside an update of the
// database; it reports those that are there.
func RenewUsers(d *db.DB, password string, names ...string) (found []string) {
	for _, u := range d.Objects(kindUser, func(u *db.Object) bool { return slices.Contains(names, u.Text("name")) }) {
		found = append(found, u.Text("name"))
		if u.Text("password") != password {
			d.PutObject(u.Set(api.Obj{"password": password}))
		}
	}
	return found
}
