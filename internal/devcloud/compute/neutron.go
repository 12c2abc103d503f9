package compute

import (
	"errors"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// proxyRoutes are Nova's older windows on Glance and Neutron, which end with
// 2.35; fog's compute service, and so knife-openstack, uses them.
func (s *Service) proxyRoutes() []api.Route {
	older := api.Route{Max: api.V(35)}
	routes := api.Calls{
		"GET /images": s.listImages(false), "GET /images/detail": s.listImages(true), "GET /images/{id}": s.showImage,
		"GET /os-floating-ips": s.listFloatingIPs, "GET /os-floating-ip-pools": s.listPools,
		"POST /os-floating-ips": s.allocateFloatingIP, "DELETE /os-floating-ips/{id}": s.releaseFloatingIP,
	}.Routes(older)
	// The default group is made when it is first looked for.
	older.Method, older.Path, older.Writes, older.Do = "GET", "/os-security-groups", true, s.listSecurityGroups
	return append(routes, older, api.Route{
		Method: "GET", Path: "/servers/{id}/os-security-groups",
		Do: with(s.change, func(_ *api.Request, v *db.Server) (*api.Reply, error) {
			return api.OK(api.Obj{"security_groups": api.Views(s.groupsOf(v), s.groupProxy)})
		}),
	})
}

func (s *Service) imageProxy(r *api.Request, m *db.Image, detail bool) api.Obj {
	o := api.Obj{"id": m.ID, "name": m.Name, "links": append(links(r, "images", m.ID), api.Obj{
		"rel": "alternate", "type": "application/vnd.openstack.image", "href": s.ImageURL + "/images/" + m.ID,
	})}
	if detail {
		o["status"], o["progress"] = "UNKNOWN", 0
		switch m.Status {
		case "active":
			o["status"], o["progress"] = "ACTIVE", 100
		case "queued", "saving":
			o["status"], o["progress"] = "SAVING", 25
		}
		o["minRam"], o["minDisk"], o["created"], o["updated"] = m.MinRAM, m.MinDisk, api.Seconds(m.Created), api.Seconds(m.LastChange())
		o["metadata"], o["OS-EXT-IMG-SIZE:size"] = api.Dict(m.Properties), m.Size
	}
	return o
}

func (s *Service) listImages(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		seen := s.db.Images.Where(func(m *db.Image) bool {
			return s.Images.Usable(r.Auth.ProjectID, false, m.ID) != nil && (r.Query("name") == "" || r.Query("name") == m.Name)
		})
		return api.OK(api.Obj{"images": api.Views(seen, func(m *db.Image) api.Obj { return s.imageProxy(r, m, detail) })})
	}
}

func (s *Service) showImage(r *api.Request) (*api.Reply, error) {
	m := s.Images.Usable(r.Auth.ProjectID, r.Auth.Admin(), r.Var("id"))
	if m == nil {
		return nil, api.NotFound("Image not found.")
	}
	return api.OK(api.Obj{"image": s.imageProxy(r, m, true)})
}

func (s *Service) floatingProxy(f *db.FloatingIP) api.Obj {
	o := api.Obj{"id": f.ID, "ip": f.Address, "pool": f.NetworkID, "fixed_ip": api.OrNil(f.FixedIP), "instance_id": nil}
	if n := s.db.Networks.Get(f.NetworkID); n != nil {
		o["pool"] = n.Name
	}
	if p := s.db.Ports.Get(f.PortID); p != nil {
		o["instance_id"] = api.OrNil(p.DeviceID)
	}
	return o
}

func (s *Service) listFloatingIPs(r *api.Request) (*api.Reply, error) {
	own := s.db.FloatingIPs.Where(func(f *db.FloatingIP) bool { return f.ProjectID == r.Auth.ProjectID })
	sortBy(own, func(f *db.FloatingIP) string { return f.ID })
	return api.OK(api.Obj{"floating_ips": api.Views(own, s.floatingProxy)})
}

func (s *Service) listPools(*api.Request) (*api.Reply, error) {
	external := s.db.Networks.Where(func(n *db.Network) bool { return n.External })
	return api.OK(api.Obj{"floating_ip_pools": api.Views(external, func(n *db.Network) api.Obj { return api.Obj{"name": n.Name} })})
}

func (s *Service) allocateFloatingIP(r *api.Request) (*api.Reply, error) {
	var b struct{ Pool string }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	n := s.db.Networks.First(func(n *db.Network) bool {
		return n.External && (b.Pool == "" || n.Name == b.Pool || n.ID == b.Pool)
	})
	if n == nil {
		return nil, api.NotFound("Floating IP pool not found.")
	}
	f, err := s.Network.Allocate(r, n.ID)
	if err != nil {
		var e *api.Error
		if errors.As(err, &e) && e.Type == "OverQuota" {
			return nil, api.Forbidden("Floating IP allocation over quota in pool %s.", n.Name)
		}
		return nil, api.NotFound("No more floating IPs in pool %s.", n.Name)
	}
	return api.OK(api.Obj{"floating_ip": s.floatingProxy(f)})
}

func (s *Service) releaseFloatingIP(r *api.Request) (*api.Reply, error) {
	f := s.db.FloatingIPs.Get(r.Var("id"))
	if f == nil || f.ProjectID != r.Auth.ProjectID {
		return nil, api.NotFound("Floating IP not found for ID %s", r.Var("id"))
	}
	s.Network.Release(f)
	return api.Accepted(nil)
}

func (s *Service) groupProxy(g *db.SecurityGroup) api.Obj {
	ingress := s.db.SecurityRules.Where(func(x *db.SecurityRule) bool { return x.GroupID == g.ID && x.Direction == "ingress" })
	sortBy(ingress, func(x *db.SecurityRule) string { return x.ID })
	return api.Obj{
		"id": g.ID, "name": g.Name, "description": g.Description, "tenant_id": g.ProjectID, "rules": api.Views(ingress, s.ruleProxy),
	}
}

func (s *Service) ruleProxy(x *db.SecurityRule) api.Obj {
	o := api.Obj{
		"id": x.ID, "parent_group_id": x.GroupID, "ip_protocol": api.OrNil(x.Protocol), "from_port": x.PortMin, "to_port": x.PortMax,
		"group": api.Obj{}, "ip_range": api.Obj{},
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
	return o
}

func (s *Service) listSecurityGroups(r *api.Request) (*api.Reply, error) {
	s.Network.DefaultGroup(r.Auth.ProjectID)
	own := s.db.SecurityGroups.Where(func(g *db.SecurityGroup) bool { return g.ProjectID == r.Auth.ProjectID })
	return api.OK(api.Obj{"security_groups": api.Views(own, s.groupProxy)})
}

// groupAction adds a security group to a server's ports, or removes it.
func (s *Service) groupAction(add bool) action {
	return func(_ *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
		name, ok := in["name"].(string)
		if !ok {
			return nil, api.BadRequest("Security group not specified")
		}
		g, ports := s.Network.FindGroup(v.ProjectID, name), s.portsOf(v.ID)
		switch {
		case g == nil:
			return nil, api.NotFound("Security group %s is not found for project %s", name, v.ProjectID)
		case len(ports) == 0:
			return nil, api.NotFound("instance_id %s could not be found as device id on any ports", v.ID)
		}
		has := func(p *db.Port) bool { return slices.Contains(p.SecurityGroups, g.ID) }
		if !add && !slices.ContainsFunc(ports, has) {
			return nil, api.NotFound("Security group %s not associated with the instance %s", g.ID, v.ID)
		}
		for _, p := range ports {
			if has(p) == add {
				continue
			}
			p.SecurityGroups = slices.DeleteFunc(slices.Clone(p.SecurityGroups), func(id string) bool { return id == g.ID })
			if add {
				p.SecurityGroups = append(p.SecurityGroups, g.ID)
			}
			p.Revision++
			s.db.Ports.Put(p)
		}
		return nil, nil
	}
}

// floatingArg is the floating IP whose address an action names.
func (s *Service) floatingArg(v *db.Server, in api.Obj) (*db.FloatingIP, error) {
	f := s.db.FloatingIPs.First(func(f *db.FloatingIP) bool { return f.Address == in["address"] && f.ProjectID == v.ProjectID })
	if f == nil {
		return nil, api.NotFound("floating IP not found")
	}
	return f, nil
}

func (s *Service) addFloatingIP(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	f, err := s.floatingArg(v, in)
	if err != nil {
		return nil, err
	}
	fixed := strOf(in, "fixed_address")
	for _, p := range s.portsOf(v.ID) {
		for _, ip := range p.FixedIPs {
			if family(ip.IPAddress) == 6 || fixed != "" && ip.IPAddress != fixed {
				continue
			}
			if err := s.Network.Associate(f, p.ID, ip.IPAddress); err != nil {
				return nil, api.BadRequest("Unable to associate floating IP %s to fixed IP %s for instance %s. Error: %s",
					f.Address, ip.IPAddress, v.ID, plainError(err))
			}
			return nil, nil
		}
	}
	if fixed != "" {
		return nil, api.BadRequest("Specified fixed address not assigned to instance")
	}
	return nil, api.BadRequest("No fixed IPs associated to instance")
}

func (s *Service) removeFloatingIP(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	f, err := s.floatingArg(v, in)
	if err != nil {
		return nil, err
	}
	switch p := s.db.Ports.Get(f.PortID); {
	case p == nil:
		return nil, forbidden("os_compute_api:os-floating-ips:remove")
	case p.DeviceID != v.ID:
		return nil, api.Conflict("Floating IP %s is not associated with instance %s.", f.Address, v.ID)
	}
	s.Network.Disassociate(f)
	return nil, nil
}
