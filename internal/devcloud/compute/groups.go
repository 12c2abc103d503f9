package compute

import (
	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) groupRoutes() []api.Route {
	return api.Calls{
		"GET /os-server-groups": func(r *api.Request) (*api.Reply, error) {
			own := s.db.ServerGroups.Where(func(g *db.ServerGroup) bool { return g.ProjectID == r.Auth.ProjectID })
			return api.OK(api.Obj{"server_groups": api.Views(own, func(g *db.ServerGroup) api.Obj { return groupView(r, g) })})
		},
		"POST /os-server-groups": s.createGroup,
		"GET /os-server-groups/{id}": with(s.findGroup, func(r *api.Request, g *db.ServerGroup) (*api.Reply, error) {
			return api.OK(api.Obj{"server_group": groupView(r, g)})
		}),
		"DELETE /os-server-groups/{id}": with(s.findGroup, func(_ *api.Request, g *db.ServerGroup) (*api.Reply, error) {
			for _, id := range g.Members {
				if v := s.db.Servers.Get(id); v != nil {
					v.GroupID = ""
					s.db.Servers.Put(v)
				}
			}
			s.db.ServerGroups.Delete(g.ID)
			return nil, nil
		}),
	}.Routes(api.Route{})
}

// findGroup is the server group that the path names.
func (s *Service) findGroup(r *api.Request) (*db.ServerGroup, error) {
	g := s.db.ServerGroups.Get(r.Var("id"))
	if g == nil || g.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, api.NotFound("Instance group %s could not be found.", r.Var("id"))
	}
	return g, nil
}

func groupView(r *api.Request, g *db.ServerGroup) api.Obj {
	o := api.Obj{"id": g.ID, "name": g.Name, "members": append([]string{}, g.Members...)}
	rules := g.Rules
	if rules == nil {
		rules = api.Obj{}
	}
	since(r, 13, o, api.Obj{"project_id": g.ProjectID, "user_id": g.UserID})
	since(r, 64, o, api.Obj{"policy": g.Policy, "rules": rules})
	until(r, 64, o, api.Obj{"policies": []string{g.Policy}, "metadata": api.Obj{}})
	return o
}

func (s *Service) createGroup(r *api.Request) (*api.Reply, error) {
	policies := []string{"anti-affinity", "affinity"}
	if r.Version.AtLeast(api.V(15)) {
		policies = append(policies, "soft-anti-affinity", "soft-affinity")
	}
	in, err := body(r, "server_group", []field{
		{name: "name", check: serverName, required: true},
		{name: "policies", check: isList, max: api.V(63), required: true},
		{name: "policy", check: oneOf(policies...), min: api.V(64), required: true},
		{name: "rules", check: isObject, min: api.V(64)},
	})
	if err != nil {
		return nil, err
	}
	g := &db.ServerGroup{Name: strOf(in, "name"), ProjectID: r.Auth.ProjectID, UserID: r.Auth.UserID, Policy: strOf(in, "policy")}
	g.Rules, _ = in["rules"].(api.Obj)
	if l := list(in["policies"]); len(l) > 0 {
		p, _ := l[0].(string)
		if msg := oneOf(policies...)(p); msg != "" || len(l) != 1 {
			return nil, invalid("0", l[0], msg)
		}
		g.Policy = p
	}
	if !s.quotas.Fits(g.ProjectID, "server_groups", 1) {
		return nil, api.Forbidden("Quota exceeded, too many server groups.")
	}
	s.db.ServerGroups.Insert(g)
	return api.OK(api.Obj{"server_group": groupView(r, g)})
}
