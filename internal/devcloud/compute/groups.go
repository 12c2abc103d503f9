package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) groupRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/os-server-groups", Do: s.listGroups},
		{Method: "POST", Path: "/os-server-groups", Do: s.createGroup},
		{Method: "GET", Path: "/os-server-groups/{id}", Do: s.showGroup},
		{Method: "DELETE", Path: "/os-server-groups/{id}", Do: s.deleteGroup},
	}
}

func groupView(r *api.Request, g *db.ServerGroup) api.Obj {
	o := api.Obj{"id": g.ID, "name": g.Name, "members": append([]string{}, g.Members...)}
	if r.Version.AtLeast(api.V(13)) {
		o["project_id"], o["user_id"] = g.ProjectID, g.UserID
	}
	if r.Version.AtLeast(api.V(64)) {
		rules := g.Rules
		if rules == nil {
			rules = api.Obj{}
		}
		o["policy"], o["rules"] = g.Policy, rules
	} else {
		o["policies"], o["metadata"] = []string{g.Policy}, api.Obj{}
	}
	return o
}

func (s *Service) listGroups(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, g := range s.db.ServerGroups.Where(func(g *db.ServerGroup) bool { return g.ProjectID == r.Auth.ProjectID }) {
			l = append(l, groupView(r, g))
		}
	})
	return api.OK(api.Obj{"server_groups": l})
}

var (
	policies   = []string{"anti-affinity", "affinity"}
	policies15 = []string{"anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"}
)

func (s *Service) createGroup(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("server_group")
	if err != nil {
		return nil, err
	}
	known := policies
	if r.Version.AtLeast(api.V(15)) {
		known = policies15
	}
	err = validate("server_group", in, r.Version, []field{
		{name: "name", check: serverName, required: true},
		{name: "policies", check: isList, max: api.V(63), required: true},
		{name: "policy", check: oneOf(known...), min: api.V(64), required: true},
		{name: "rules", check: isObject, min: api.V(64)},
	})
	if err != nil {
		return nil, err
	}
	g := &db.ServerGroup{
		Name:      strOf(in, "name"),
		ProjectID: r.Auth.ProjectID,
		UserID:    r.Auth.UserID,
		Policy:    strOf(in, "policy"),
	}
	g.Rules, _ = in["rules"].(api.Obj)
	if l := list(in["policies"]); len(l) > 0 {
		p, _ := l[0].(string)
		if msg := oneOf(known...)(p); msg != "" || len(l) != 1 {
			return nil, invalid("0", l[0], msg)
		}
		g.Policy = p
	}
	err = s.db.Update(func() error {
		have := s.db.ServerGroups.Count(func(x *db.ServerGroup) bool { return x.ProjectID == g.ProjectID })
		if n := s.limit(g.ProjectID, "server_groups"); n >= 0 && have >= n {
			return api.Forbidden("Quota exceeded, too many server groups.")
		}
		s.db.ServerGroups.Insert(g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"server_group": groupView(r, g)})
}

func (s *Service) findGroup(r *api.Request) (*db.ServerGroup, error) {
	g := s.db.ServerGroups.Get(r.Var("id"))
	if g == nil || g.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, api.NotFound("Instance group %s could not be found.", r.Var("id"))
	}
	return g, nil
}

func (s *Service) showGroup(r *api.Request) (*api.Reply, error) {
	var g *db.ServerGroup
	var err error
	s.db.View(func() { g, err = s.findGroup(r) })
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"server_group": groupView(r, g)})
}

func (s *Service) deleteGroup(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		g, err := s.findGroup(r)
		if err != nil {
			return err
		}
		for _, id := range slices.Clone(g.Members) {
			if v := s.db.Servers.Get(id); v != nil {
				v.GroupID = ""
				s.db.Servers.Put(v)
			}
		}
		s.db.ServerGroups.Delete(g.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}
