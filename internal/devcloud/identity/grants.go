package identity

import (
	"cmp"
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

// The kinds of object that join two or more others. Their keys are these others'
// IDs, and nothing else is known of them.
const (
	kindGrant  = "grant"
	kindMember = "membership" // group/user
	// kindImplied is a role that brings another: prior/implied.
	kindImplied = "implied_role"
)

func (g grant) key() string {
	key := strings.Join([]string{g.actor, g.actorID, g.target, g.targetID, g.role}, "/")
	if g.inherited {
		key += "/inherited"
	}
	return key
}

func grantOf(o *db.Object) grant {
	f := strings.Split(o.Key, "/")
	return grant{actor: f[0], actorID: f[1], target: f[2], targetID: f[3], role: f[4], inherited: len(f) > 5}
}

// forget removes what joins something that goes with others.
func (s *Service) forget(id string) {
	for _, kind := range []string{kindGrant, kindMember, kindImplied} {
		s.db.DeleteObjects(kind, func(o *db.Object) bool { return strings.Contains("/"+o.Key+"/", "/"+id+"/") })
	}
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
		for _, o := range s.db.Objects(kindImplied, nil) {
			if prior, implied, _ := strings.Cut(o.Key, "/"); prior == ids[i] && !slices.Contains(ids, implied) {
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
	if kind == "" || s.db.Object(kind, id) != nil {
		return nil
	}
	if kind == kindGrant {
		g := grantOf(&db.Object{Key: id})
		return api.NotFound("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.",
			g.role, g.actorID, g.targetID)
	}
	return api.NotFound("Could not find %s: %s.", kind, id)
}

// relation serves the calls that make, check and remove what joins others. find
// gives its key and the kinds and IDs of the others; view is what answers show.
func (s *Service) relation(svc *api.Service, path, kind, rules string,
	find func(r *api.Request) (key string, ends [][2]string), view func(r *api.Request) any,
) {
	for i, method := range []string{http.MethodPut, http.MethodGet, http.MethodDelete} {
		do := func(r *api.Request) (*api.Reply, error) {
			key, ends := find(r)
			if method != http.MethodPut {
				ends = append(ends, [2]string{kind, key})
			}
			for _, e := range ends {
				if err := s.exists(e[0], e[1]); err != nil {
					return nil, err
				}
			}
			status := http.StatusOK
			switch method {
			case http.MethodPut:
				s.db.PutObject(&db.Object{Kind: kind, Key: key})
				status = http.StatusCreated
			case http.MethodDelete:
				s.db.DeleteObject(kind, key)
				return nil, nil
			}
			if view == nil {
				return nil, nil
			}
			return &api.Reply{Status: status, Body: view(r)}, nil
		}
		svc.Handle(api.Route{Method: method, Path: path, Do: admin(strings.Fields(rules)[i], do)})
	}
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
	s.relation(svc, "/v3/groups/{group}/users/{user}", kindMember, "add_user_to_group check_user_in_group remove_user_from_group",
		func(r *api.Request) (string, [][2]string) {
			group, user := r.Var("group"), r.Var("user")
			return group + "/" + user, [][2]string{{kindUser, user}, {kindGroup, group}}
		}, nil)
	s.relation(svc, "/v3/roles/{prior}/implies/{implied}", kindImplied, "create_implied_role get_implied_role delete_implied_role",
		func(r *api.Request) (string, [][2]string) {
			prior, implied := r.Var("prior"), r.Var("implied")
			return prior + "/" + implied, [][2]string{{kindRole, prior}, {kindRole, implied}}
		},
		func(r *api.Request) any {
			rule := api.Obj{"prior_role": s.roleRef(r, r.Var("prior")), "implies": s.roleRef(r, r.Var("implied"))}
			return api.Obj{"role_inference": rule, "links": links(r)}
		})
	svc.Handle(api.Calls{
		"GET /v3/role_assignments": admin("list_role_assignments", s.listAssignments),
		"GET /v3/groups/{id}/users": admin("list_users_in_group", func(r *api.Request) (*api.Reply, error) {
			return s.kinds[kindUser].List(r, func(u *db.Object) bool { return s.db.Object(kindMember, r.Var("id")+"/"+u.Key) != nil })
		}),
		"GET /v3/users/{id}/groups": admin("list_groups_for_user", func(r *api.Request) (*api.Reply, error) {
			return s.kinds[kindGroup].List(r, func(g *db.Object) bool { return s.db.Object(kindMember, g.Key+"/"+r.Var("id")) != nil })
		}),
		"GET /v3/role_inferences": admin("list_role_inference_rules", func(r *api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"links": links(r), "role_inferences": api.Views(s.db.Objects(kindImplied, nil), func(o *db.Object) api.Obj {
				prior, implied, _ := strings.Cut(o.Key, "/")
				return api.Obj{"prior_role": s.roleRef(r, prior), "implies": api.List{s.roleRef(r, implied)}}
			})})
		}),
	}.Routes(api.Route{})...)
}

// handleGrant serves one form of a grant's path; suffix follows "roles" and the
// role's ID.
func (s *Service) handleGrant(svc *api.Service, base, suffix string, form grant) {
	of := func(r *api.Request, role string) grant {
		g := form
		g.actorID, g.targetID, g.role = r.Var("actor"), cmp.Or(r.Var("target"), "all"), role
		return g
	}
	s.relation(svc, base+"/{role}"+suffix, kindGrant, "create_grant check_grant revoke_grant", func(r *api.Request) (string, [][2]string) {
		g := of(r, r.Var("role"))
		return g.key(), [][2]string{{kindsOf[g.actor], g.actorID}, {kindsOf[g.target], g.targetID}, {kindRole, g.role}}
	}, nil)
	svc.Handle(api.Route{Method: "GET", Path: base + suffix, Do: admin("list_grants", func(r *api.Request) (*api.Reply, error) {
		return s.kinds[kindRole].List(r, func(o *db.Object) bool { return s.db.Object(kindGrant, of(r, o.Key).key()) != nil })
	})})
}

func (s *Service) roleRef(r *api.Request, id string) api.Obj {
	name := ""
	if o := s.db.Object(kindRole, id); o != nil {
		name = o.Text("name")
	}
	return api.Obj{"id": id, "name": name, "links": api.Obj{"self": r.Root + "/v3/roles/" + id}}
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
