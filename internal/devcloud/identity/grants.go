package identity

import (
	"net/http"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// grant is a role that an actor has on a target. Inherited grants hold on the
// projects below the target instead.
type grant struct {
	actor, actorID   string // "users" or "groups"
	target, targetID string // "projects", "domains" or "system"
	role             string
	inherited        bool
}

const (
	kindGrant  = "grant"
	kindMember = "membership"
	// kindImplied is a role that brings another; the parent is the prior role.
	kindImplied = "implied_role"
)

func (g grant) key() string {
	key := strings.Join([]string{g.actor, g.actorID, g.target, g.targetID, g.role}, "/")
	if g.inherited {
		key += "/inherited"
	}
	return key
}

func putGrant(d *db.DB, g grant) {
	d.PutObject(&db.Object{Kind: kindGrant, Key: g.key(), Attrs: api.Obj{
		"actor": g.actor, "actor_id": g.actorID, "target": g.target, "target_id": g.targetID, "role": g.role, "inherited": g.inherited,
	}})
}

func grantOf(o *db.Object) grant {
	return grant{
		actor: o.Text("actor"), actorID: o.Text("actor_id"), target: o.Text("target"), targetID: o.Text("target_id"),
		role: o.Text("role"), inherited: o.Bool("inherited"),
	}
}

// forget removes the grants and memberships of something that goes.
func (s *Service) forget(what, id string) {
	s.db.DeleteObjects(kindGrant, func(o *db.Object) bool {
		g := grantOf(o)
		return g.actor == what && g.actorID == id || g.target == what && g.targetID == id || what == "roles" && g.role == id
	})
	s.db.DeleteObjects(kindMember, func(o *db.Object) bool { return strings.Contains("/"+o.Key+"/", "/"+id+"/") })
	s.db.DeleteObjects(kindImplied, func(o *db.Object) bool { return strings.Contains("/"+o.Key+"/", "/"+id+"/") })
}

// rolesOn are the names of the roles that a user has on a target: its own,
// those of its groups, inherited ones, and what these imply.
func (s *Service) rolesOn(user, target, targetID string) []string {
	above := map[string]bool{}
	if p := s.db.Object(kindProject, targetID); target == "projects" && p != nil {
		above[p.Text("domain_id")] = true
		for up := p.Text("parent_id"); up != "" && !above[up]; {
			above[up] = true
			if p = s.db.Object(kindProject, up); p != nil {
				up = p.Text("parent_id")
			}
		}
	}
	var ids []string
	for _, o := range s.db.Objects(kindGrant, nil) {
		g := grantOf(o)
		mine := g.actor == "users" && g.actorID == user || g.actor == "groups" && s.db.Object(kindMember, g.actorID+"/"+user) != nil
		here := !g.inherited && g.target == target && g.targetID == targetID || g.inherited && above[g.targetID]
		if mine && here {
			ids = append(ids, g.role)
		}
	}
	for i := 0; i < len(ids); i++ {
		for _, o := range s.db.Objects(kindImplied, func(o *db.Object) bool { return o.Parent == ids[i] }) {
			if implied := o.Text("implied"); !slices.Contains(ids, implied) {
				ids = append(ids, implied)
			}
		}
	}
	var names []string
	for _, id := range ids {
		if role := s.db.Object(kindRole, id); role != nil && !slices.Contains(names, role.Text("name")) {
			names = append(names, role.Text("name"))
		}
	}
	return names
}

// roleRefs are roles as tokens show them.
func (s *Service) roleRefs(names []string) api.List {
	l := api.List{}
	for _, n := range names {
		if o := s.db.FirstObject(kindRole, func(o *db.Object) bool { return o.Text("name") == n }); o != nil {
			l = append(l, api.Obj{"id": o.Key, "name": n})
		}
	}
	return l
}

// kindsOf are the kinds that the words of a grant's path name.
var kindsOf = map[string]string{"users": kindUser, "groups": kindGroup, "projects": kindProject, "domains": kindDomain}

func (s *Service) exists(kind, id string) error {
	if kind != "" && s.db.Object(kind, id) == nil {
		return api.NotFound("Could not find %s: %s.", kind, id)
	}
	return nil
}

func (s *Service) handleGrants(svc *api.Service) {
	for _, target := range []string{"projects", "domains", "system"} {
		for _, actor := range []string{"users", "groups"} {
			at := target + "/{target}/" + actor + "/{actor}/roles"
			if target == "system" {
				at = "system/" + actor + "/{actor}/roles"
			}
			s.handleGrant(svc, "/v3/"+at, "", grant{actor: actor, target: target})
			s.handleGrant(svc, "/v3/OS-INHERIT/"+at, "/inherited_to_projects", grant{actor: actor, target: target, inherited: true})
		}
	}
	const member, implied = " /v3/groups/{group}/users/{user}", " /v3/roles/{prior}/implies/{implied}"
	svc.Handle(api.Calls{
		"GET /v3/role_assignments": admin("list_role_assignments", s.listAssignments),
		"PUT" + member: admin("add_user_to_group", s.member(func(r *api.Request, key string) error {
			if err := s.exists(kindUser, r.Var("user")); err != nil {
				return err
			}
			s.db.PutObject(&db.Object{Kind: kindMember, Key: key})
			return s.exists(kindGroup, r.Var("group"))
		})),
		"GET" + member: admin("check_user_in_group", s.member(func(_ *api.Request, key string) error {
			return s.exists(kindMember, key)
		})),
		"DELETE" + member: admin("remove_user_from_group", s.member(func(_ *api.Request, key string) error {
			s.db.DeleteObject(kindMember, key)
			return nil
		})),
		"GET /v3/groups/{id}/users": admin("list_users_in_group", func(r *api.Request) (*api.Reply, error) {
			return s.listOf(r, kindUser, func(u *db.Object) bool { return s.db.Object(kindMember, r.Var("id")+"/"+u.Key) != nil })
		}),
		"GET /v3/users/{id}/groups": admin("list_groups_for_user", func(r *api.Request) (*api.Reply, error) {
			return s.listOf(r, kindGroup, func(g *db.Object) bool { return s.db.Object(kindMember, g.Key+"/"+r.Var("id")) != nil })
		}),
		"PUT" + implied: admin("create_implied_role", s.implies), "GET" + implied: admin("get_implied_role", s.implies),
		"DELETE" + implied: admin("delete_implied_role", s.implies),
		"GET /v3/role_inferences": admin("list_role_inference_rules", func(r *api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"links": links(r), "role_inferences": api.Views(s.db.Objects(kindImplied, nil), func(o *db.Object) api.Obj {
				return api.Obj{"prior_role": s.roleRef(r, o.Parent), "implies": api.List{s.roleRef(r, o.Text("implied"))}}
			})})
		}),
	}.Routes(api.Route{})...)
}

func (s *Service) member(do func(r *api.Request, key string) error) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		return nil, do(r, r.Var("group")+"/"+r.Var("user"))
	}
}

// handleGrant serves one form of a grant's path; suffix is what stands behind
// "roles" and the role's ID.
func (s *Service) handleGrant(svc *api.Service, base, suffix string, form grant) {
	of := func(r *api.Request) grant {
		g := form
		g.actorID, g.targetID, g.role = r.Var("actor"), r.Var("target"), r.Var("role")
		if g.target == "system" {
			g.targetID = "all"
		}
		return g
	}
	one := func(rule string, do func(g grant) error) api.Handler {
		return admin(rule, func(r *api.Request) (*api.Reply, error) {
			g := of(r)
			for _, e := range [][2]string{{kindsOf[g.actor], g.actorID}, {kindsOf[g.target], g.targetID}, {kindRole, g.role}} {
				if err := s.exists(e[0], e[1]); err != nil {
					return nil, err
				}
			}
			return nil, do(g)
		})
	}
	has := func(g grant) error {
		if s.db.Object(kindGrant, g.key()) == nil {
			return api.NotFound("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.",
				g.role, g.actorID, g.targetID)
		}
		return nil
	}
	path := " " + base + "/{role}" + suffix
	svc.Handle(api.Calls{
		"PUT" + path: one("create_grant", func(g grant) error { putGrant(s.db, g); return nil }),
		"GET" + path: one("check_grant", has),
		"DELETE" + path: one("revoke_grant", func(g grant) error {
			err := has(g)
			s.db.DeleteObject(kindGrant, g.key())
			return err
		}),
		"GET " + base + suffix: admin("list_grants", func(r *api.Request) (*api.Reply, error) {
			g := of(r)
			return s.listOf(r, kindRole, func(o *db.Object) bool {
				g.role = o.Key
				return s.db.Object(kindGrant, g.key()) != nil
			})
		}),
	}.Routes(api.Route{})...)
}

func (s *Service) roleRef(r *api.Request, id string) api.Obj {
	name := ""
	if o := s.db.Object(kindRole, id); o != nil {
		name = o.Text("name")
	}
	return api.Obj{"id": id, "name": name, "links": api.Obj{"self": r.Root + "/v3/roles/" + id}}
}

// implies creates, shows or removes a rule by which a role brings another.
func (s *Service) implies(r *api.Request) (*api.Reply, error) {
	prior, implied := r.Var("prior"), r.Var("implied")
	body := api.Obj{"role_inference": api.Obj{"prior_role": s.roleRef(r, prior), "implies": s.roleRef(r, implied)}, "links": links(r)}
	key := prior + "/" + implied
	for _, id := range []string{prior, implied} {
		if err := s.exists(kindRole, id); err != nil {
			return nil, err
		}
	}
	if r.HTTP.Method == http.MethodPut {
		s.db.PutObject(&db.Object{Kind: kindImplied, Key: key, Parent: prior, Attrs: api.Obj{"implied": implied}})
		return api.Created(body)
	}
	if err := s.exists(kindImplied, key); err != nil {
		return nil, err
	}
	if r.HTTP.Method == http.MethodDelete {
		s.db.DeleteObject(kindImplied, key)
		return nil, nil
	}
	return api.OK(body)
}

// listAssignments lists grants. With "effective" a group's grants are shown as
// its members'.
func (s *Service) listAssignments(r *api.Request) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	want := func(key, have string) bool { return q.Get(key) == "" || q.Get(key) == have }
	l := api.List{}
	for _, o := range s.db.Objects(kindGrant, nil) {
		g := grantOf(o)
		grants := []grant{g}
		if g.actor == "groups" && flag(q, "effective") {
			grants = nil
			for _, u := range s.db.Objects(kindUser, func(u *db.Object) bool { return s.db.Object(kindMember, g.actorID+"/"+u.Key) != nil }) {
				e := g
				e.actor, e.actorID = "users", u.Key
				grants = append(grants, e)
			}
		}
		for _, g := range grants {
			scope := map[string]string{g.target: g.targetID}
			subtree := flag(q, "include_subtree") && s.below(g, q.Get("scope.project.id"))
			actor := map[string]string{g.actor: g.actorID}
			if want("user.id", actor["users"]) && want("group.id", actor["groups"]) && want("role.id", g.role) &&
				(subtree || want("scope.project.id", scope["projects"])) && want("scope.domain.id", scope["domains"]) &&
				(!q.Has("scope.system") || g.target == "system") && (q.Get("scope.OS-INHERIT:inherited_to") == "" || g.inherited) {
				l = append(l, s.assignmentView(r, g, flag(q, "include_names")))
			}
		}
	}
	return api.OK(api.Obj{"role_assignments": l, "links": links(r)})
}

// flag is a query parameter that counts unless it says no.
func flag(q map[string][]string, name string) bool {
	v, ok := q[name]
	return ok && !strings.EqualFold(v[0], "false") && v[0] != "0"
}

// below tells that a grant is on a project under top, which may be a domain.
func (s *Service) below(g grant, top string) bool {
	for id := g.targetID; g.target == "projects"; {
		p := s.db.Object(kindProject, id)
		if id == top || p == nil || p.Text("parent_id") == id {
			return id == top
		}
		id = p.Text("parent_id")
	}
	return false
}

func (s *Service) assignmentView(r *api.Request, g grant, names bool) api.Obj {
	ref := func(kind, id string) api.Obj {
		v := api.Obj{"id": id}
		if o := s.db.Object(kind, id); names && o != nil {
			v["name"] = o.Text("name")
			if d := o.Text("domain_id"); d != "" {
				v["domain"] = s.domainRef(d)
			}
		}
		return v
	}
	scope := api.Obj{strings.TrimSuffix(g.target, "s"): ref(kindsOf[g.target], g.targetID)}
	at := g.target + "/" + g.targetID
	if g.target == "system" {
		scope, at = api.Obj{"system": api.Obj{"all": true}}, "system"
	}
	link := r.Root + "/v3/" + at + "/" + g.actor + "/" + g.actorID + "/roles/" + g.role
	if g.inherited {
		scope["OS-INHERIT:inherited_to"] = "projects"
		link = strings.Replace(link, "/v3/", "/v3/OS-INHERIT/", 1) + "/inherited_to_projects"
	}
	return api.Obj{
		"role": ref(kindRole, g.role), kindsOf[g.actor]: ref(kindsOf[g.actor], g.actorID), "scope": scope,
		"links": api.Obj{"assignment": link},
	}
}
