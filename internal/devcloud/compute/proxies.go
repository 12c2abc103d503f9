package compute

import (
	"errors"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// proxyRoutes are Nova's older windows on Glance and Neutron, which end with
// 2.35.
func (s *Service) proxyRoutes() []api.Route {
	routes := []api.Route{
		{Method: "GET", Path: "/images", Do: s.listImages(false)},
		{Method: "GET", Path: "/images/detail", Do: s.listImages(true)},
		{Method: "GET", Path: "/images/{id}", Do: s.showImage},
		{Method: "GET", Path: "/os-networks", Do: s.listNetworks},
		{Method: "GET", Path: "/os-tenant-networks", Do: s.listTenantNetworks},
		{Method: "GET", Path: "/os-floating-ips", Do: s.listFloatingIPs},
		{Method: "GET", Path: "/os-floating-ip-pools", Do: s.listPools},
		{Method: "POST", Path: "/os-floating-ips", Do: s.allocateFloatingIP},
		{Method: "DELETE", Path: "/os-floating-ips/{id}", Do: s.releaseFloatingIP},
		{Method: "GET", Path: "/os-security-groups", Do: s.listSecurityGroups},
		{Method: "POST", Path: "/os-security-groups", Do: s.createSecurityGroup},
		{Method: "GET", Path: "/os-security-groups/{id}", Do: s.showSecurityGroup},
		{Method: "PUT", Path: "/os-security-groups/{id}", Do: s.updateSecurityGroup},
		{Method: "DELETE", Path: "/os-security-groups/{id}", Do: s.removeNetworkThing("security-groups")},
		{Method: "POST", Path: "/os-security-group-rules", Do: s.createSecurityRule},
		{Method: "DELETE", Path: "/os-security-group-rules/{id}", Do: s.removeNetworkThing("security-group-rules")},
	}
	for i := range routes {
		routes[i].Max = api.V(35)
	}
	return append(
		routes,
		api.Route{
			Method: "GET",
			Path:   "/servers/{id}/os-security-groups",
			Do: func(r *api.Request) (*api.Reply, error) {
				return s.with(r, func(v *db.Server) (any, error) {
					l := api.List{}
					for _, e := range s.groupsOf(v) {
						if g := s.Network.FindGroup(v.ProjectID, e.(api.Obj)["name"].(string)); g != nil {
							l = append(l, s.groupProxy(g))
						}
					}
					return api.Obj{"security_groups": l}, nil
				})
			},
		},
	)
}

func (s *Service) imageProxy(r *api.Request, m *db.Image, detail bool) api.Obj {
	ls := append(
		links(r, "images", m.ID),
		api.Obj{
			"rel":  "alternate",
			"type": "application/vnd.openstack.image",
			"href": s.ImageURL + "/images/" + m.ID,
		},
	)
	o := api.Obj{"id": m.ID, "name": m.Name, "links": ls}
	if detail {
		status, progress := "UNKNOWN", 0
		switch m.Status {
		case "active":
			status, progress = "ACTIVE", 100
		case "queued", "saving":
			status, progress = "SAVING", 25
		}
		o["status"], o["progress"], o["minRam"], o["minDisk"], o["created"], o["updated"] = status, progress, m.MinRAM, m.MinDisk, seconds(
			m.Created,
		), seconds(m.LastChange())
		o["metadata"], o["OS-EXT-IMG-SIZE:size"] = dict(m.Properties), m.Size
	}
	return o
}

func (s *Service) listImages(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		l := api.List{}
		s.db.View(func() {
			for _, m := range s.db.Images.All() {
				if s.Images.Usable(r.Auth.ProjectID, false, m.ID) != nil &&
					(r.Query("name") == "" || r.Query("name") == m.Name) {
					l = append(l, s.imageProxy(r, m, detail))
				}
			}
		})
		return api.OK(api.Obj{"images": l})
	}
}

func (s *Service) showImage(r *api.Request) (*api.Reply, error) {
	var m *db.Image
	s.db.View(func() { m = s.Images.Usable(r.Auth.ProjectID, r.Auth.Admin(), r.Var("id")) })
	if m == nil {
		return nil, api.NotFound("Image not found.")
	}
	return api.OK(api.Obj{"image": s.imageProxy(r, m, true)})
}

// seenNetworks are the networks Nova shows: the usable and the external ones.
func (s *Service) seenNetworks(r *api.Request) []*db.Network {
	return s.db.Networks.Where(func(n *db.Network) bool {
		return n.ProjectID == r.Auth.ProjectID || s.db.SharedWith(n, r.Auth.ProjectID) || n.External
	})
}

func (s *Service) listNetworks(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, n := range s.seenNetworks(r) {
			o := api.Obj{"id": n.ID, "label": n.Name}
			for _, k := range []string{"cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6"} {
				o[k] = nil
			}
			l = append(l, o)
		}
	})
	return api.OK(api.Obj{"networks": l})
}

func (s *Service) listTenantNetworks(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, n := range s.seenNetworks(r) {
			l = append(l, api.Obj{"id": n.ID, "label": n.Name, "cidr": "None"})
		}
	})
	return api.OK(api.Obj{"networks": l})
}

func (s *Service) floatingProxy(f *db.FloatingIP) api.Obj {
	o := api.Obj{"id": f.ID, "ip": f.Address, "pool": f.NetworkID, "fixed_ip": orNil(f.FixedIP), "instance_id": nil}
	if n := s.db.Networks.Get(f.NetworkID); n != nil {
		o["pool"] = n.Name
	}
	if p := s.db.Ports.Get(f.PortID); p != nil {
		o["instance_id"] = orNil(p.DeviceID)
	}
	return o
}

func (s *Service) listFloatingIPs(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		own := s.db.FloatingIPs.Where(func(f *db.FloatingIP) bool { return f.ProjectID == r.Auth.ProjectID })
		sortBy(own, func(f *db.FloatingIP) string { return f.ID })
		for _, f := range own {
			l = append(l, s.floatingProxy(f))
		}
	})
	return api.OK(api.Obj{"floating_ips": l})
}

func (s *Service) listPools(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, n := range s.db.Networks.Where(func(n *db.Network) bool { return n.External }) {
			l = append(l, api.Obj{"name": n.Name})
		}
	})
	return api.OK(api.Obj{"floating_ip_pools": l})
}

func (s *Service) allocateFloatingIP(r *api.Request) (*api.Reply, error) {
	var b struct{ Pool string }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	var o api.Obj
	err := s.db.Update(func() error {
		n := s.db.Networks.First(func(n *db.Network) bool {
			return n.External && (b.Pool == "" || n.Name == b.Pool || n.ID == b.Pool)
		})
		if n == nil {
			return api.NotFound("Floating IP pool not found.")
		}
		f, err := s.Network.Allocate(r, n.ID)
		if err != nil {
			var e *api.Error
			if errors.As(err, &e) && e.Type == "OverQuota" {
				return api.Forbidden("Floating IP allocation over quota in pool %s.", n.Name)
			}
			return api.NotFound("No more floating IPs in pool %s.", n.Name)
		}
		o = s.floatingProxy(f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"floating_ip": o})
}

func (s *Service) releaseFloatingIP(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		f := s.db.FloatingIPs.Get(r.Var("id"))
		if f == nil || f.ProjectID != r.Auth.ProjectID {
			return api.NotFound("Floating IP not found for ID %s", r.Var("id"))
		}
		s.Network.Release(f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(nil)
}

// novaWords makes Nova's error of Neutron's.
func novaWords(err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return &api.Error{Status: e.Status, Message: e.Message}
	}
	return err
}

func (s *Service) createSecurityGroup(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("security_group")
	if err != nil {
		return nil, err
	}
	var o api.Obj
	err = s.db.Update(func() error {
		id, err := s.Network.Make(
			r,
			"security-groups",
			api.Obj{"name": strOf(in, "name"), "description": strOf(in, "description")},
		)
		if err != nil {
			return novaWords(err)
		}
		o = s.groupProxy(s.db.SecurityGroups.Get(id))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"security_group": o})
}

func (s *Service) findSecurityGroup(r *api.Request) (*db.SecurityGroup, error) {
	g := s.db.SecurityGroups.Get(r.Var("id"))
	if g == nil || g.ProjectID != r.Auth.ProjectID {
		return nil, api.NotFound("Security group %s not found", r.Var("id"))
	}
	return g, nil
}

func (s *Service) showSecurityGroup(r *api.Request) (*api.Reply, error) {
	var o api.Obj
	var err error
	s.db.View(func() {
		var g *db.SecurityGroup
		if g, err = s.findSecurityGroup(r); err == nil {
			o = s.groupProxy(g)
		}
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"security_group": o})
}

func (s *Service) updateSecurityGroup(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("security_group")
	if err != nil {
		return nil, err
	}
	var o api.Obj
	err = s.db.Update(func() error {
		g, err := s.findSecurityGroup(r)
		if err != nil {
			return err
		}
		if g.Name == "default" {
			return api.BadRequest("Unable to update system group 'default'")
		}
		g.Name, g.Description = strOf(in, "name"), strOf(in, "description")
		g.Revision++
		s.db.SecurityGroups.Put(g)
		o = s.groupProxy(g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"security_group": o})
}

func (s *Service) removeNetworkThing(plural string) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		if err := s.db.Update(func() error { return novaWords(s.Network.Unmake(r, plural, r.Var("id"))) }); err != nil {
			return nil, err
		}
		return api.Accepted(nil)
	}
}

func (s *Service) createSecurityRule(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("security_group_rule")
	if err != nil {
		return nil, err
	}
	rule := api.Obj{"security_group_id": in["parent_group_id"], "direction": "ingress", "protocol": in["ip_protocol"]}
	for from, to := range map[string]string{"from_port": "port_range_min", "to_port": "port_range_max", "cidr": "remote_ip_prefix", "group_id": "remote_group_id"} {
		if v := in[from]; v != nil && v != "" && v != float64(-1) {
			rule[to] = v
		}
	}
	if strings.Contains(strOf(in, "cidr"), ":") {
		rule["ethertype"] = "IPv6"
	}
	var o any
	err = s.db.Update(func() error {
		id, err := s.Network.Make(r, "security-group-rules", rule)
		if err != nil {
			return novaWords(err)
		}
		for _, e := range s.groupProxy(s.db.SecurityGroups.Get(pyStr(in["parent_group_id"])))["rules"].(api.List) {
			if e.(api.Obj)["id"] == id {
				o = e
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"security_group_rule": o})
}

func (s *Service) groupProxy(g *db.SecurityGroup) api.Obj {
	rules := api.List{}
	ingress := s.db.SecurityRules.Where(
		func(x *db.SecurityRule) bool { return x.GroupID == g.ID && x.Direction == "ingress" },
	)
	sortBy(ingress, func(x *db.SecurityRule) string { return x.ID })
	for _, x := range ingress {
		o := api.Obj{
			"id":              x.ID,
			"parent_group_id": g.ID,
			"ip_protocol":     orNil(x.Protocol),
			"from_port":       x.PortMin,
			"to_port":         x.PortMax,
			"group":           api.Obj{},
			"ip_range":        api.Obj{},
		}
		if x.Protocol == "icmp" || x.Protocol == "ipv6-icmp" {
			o["from_port"], o["to_port"] = -1, -1
		}
		if rg := s.db.SecurityGroups.Get(x.RemoteGroup); rg != nil {
			o["group"] = api.Obj{"name": rg.Name, "tenant_id": rg.ProjectID}
		}
		if x.RemotePrefix != "" {
			o["ip_range"] = api.Obj{"cidr": x.RemotePrefix}
		}
		rules = append(rules, o)
	}
	return api.Obj{"id": g.ID, "name": g.Name, "description": g.Description, "tenant_id": g.ProjectID, "rules": rules}
}

func (s *Service) listSecurityGroups(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	err := s.db.Update(func() error { // the default group is made when first looked for
		s.Network.DefaultGroup(r.Auth.ProjectID)
		for _, g := range s.db.SecurityGroups.Where(func(g *db.SecurityGroup) bool { return g.ProjectID == r.Auth.ProjectID }) {
			l = append(l, s.groupProxy(g))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"security_groups": l})
}
