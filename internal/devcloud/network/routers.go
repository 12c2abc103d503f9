package network

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) routers() *resource {
	wrap := func(rt *db.Router) item {
		return item{
			meta: &rt.Meta,
			std:  &rt.Std,
			put:  func() { s.db.Routers.Put(rt) },
			view: func(admin bool) api.Obj { return s.routerView(rt) },
		}
	}
	return &resource{
		single: "router", plural: "routers", class: "Router",
		attrs: []attr{
			{name: "name", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "admin_state_up", kind: kindBool, when: onCreate | onUpdate, def: true},
			{name: "external_gateway_info", kind: kindObject, when: onCreate | onUpdate},
			{name: "routes", kind: kindObjects, when: onUpdate},
			{name: "availability_zone_hints", kind: kindStrings, when: onCreate},
			{name: "distributed", kind: kindBool, when: onCreate | onUpdate | adminOnly},
			{name: "ha", kind: kindBool, when: onCreate | onUpdate | adminOnly},
			{name: "flavor_id", kind: kindUUIDOrNil, when: onCreate},
			{name: "availability_zones"},
		},
		all: func() []item { return itemsOf(s.db.Routers.All(), wrap) },
		get: func(id string) (item, bool) {
			rt := s.db.Routers.Get(id)
			if rt == nil {
				return item{}, false
			}
			return wrap(rt), true
		},
		create: func(c *call) (string, error) {
			if err := s.checkQuota(c.project, "router"); err != nil {
				return "", err
			}
			rt := &db.Router{
				Std:       newStd(c),
				AdminUp:   boolean(c.in, "admin_state_up"),
				ZoneHints: strs(c.in, "availability_zone_hints"),
				SNAT:      true,
			}
			rt.Revision = 1
			s.db.Routers.Insert(rt)
			if gw, _ := c.in["external_gateway_info"].(api.Obj); len(gw) > 0 {
				if err := s.setGateway(rt, gw); err != nil {
					return "", err
				}
			}
			return rt.ID, nil
		},
		update: func(c *call, id string) error {
			rt := s.db.Routers.Get(id)
			touch(&rt.Std, c.in)
			if has(c.in, "admin_state_up") {
				rt.AdminUp = boolean(c.in, "admin_state_up")
			}
			if has(c.in, "routes") {
				rt.Routes = routes(objs(c.in, "routes"))
			}
			s.db.Routers.Put(rt)
			if has(c.in, "external_gateway_info") {
				gw, _ := c.in["external_gateway_info"].(api.Obj)
				return s.setGateway(rt, gw)
			}
			return nil
		},
		remove: func(c *call, id string) error {
			var busy []string
			for _, p := range s.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID == id && p.DeviceOwner == ownerInterface }) {
				busy = append(busy, p.ID)
			}
			if len(busy) > 0 {
				return conflict("RouterInUse", "Router %s has ports still attached: %s", id, strings.Join(busy, ", "))
			}
			if err := s.setGateway(s.db.Routers.Get(id), nil); err != nil {
				return err
			}
			s.db.Routers.Delete(id)
			return nil
		},
	}
}

func (s *Service) routerView(rt *db.Router) api.Obj {
	v := api.Obj{
		"name": rt.Name, "admin_state_up": rt.AdminUp, "status": "ACTIVE", "external_gateway_info": nil, "routes": list(rt.Routes),
		"availability_zones": []string{zone}, "availability_zone_hints": list(rt.ZoneHints), "flavor_id": nil,
	}
	if rt.ExternalNetwork != "" {
		v["external_gateway_info"] = api.Obj{
			"network_id":         rt.ExternalNetwork,
			"external_fixed_ips": rt.ExternalIPs,
			"enable_snat":        rt.SNAT,
		}
	}
	return v
}

// setGateway gives a router its external network, or takes it away.
func (s *Service) setGateway(rt *db.Router, gw api.Obj) error {
	network, _ := gw["network_id"].(string)
	if network == rt.ExternalNetwork {
		if snat, ok := gw["enable_snat"].(bool); ok {
			rt.SNAT = snat
			s.db.Routers.Put(rt)
		}
		return nil
	}
	if rt.ExternalNetwork != "" {
		if s.db.FloatingIPs.First(func(f *db.FloatingIP) bool { return f.RouterID == rt.ID }) != nil {
			return conflict(
				"RouterExternalGatewayInUseByFloatingIp",
				"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.",
				rt.ID,
				rt.ExternalNetwork,
			)
		}
		for _, p := range s.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID == rt.ID && p.DeviceOwner == ownerGateway }) {
			s.db.Ports.Delete(p.ID)
		}
		rt.ExternalNetwork, rt.ExternalIPs = "", nil
	}
	if network != "" {
		n := s.db.Networks.Get(network)
		if n == nil {
			return notFound("Network", network)
		}
		if !n.External {
			return badRequest("BadRequest", "Bad router request: Network %s is not an external network.", network)
		}
		var fixed []api.Obj
		if l, ok := gw["external_fixed_ips"].([]any); ok {
			for _, e := range l {
				if o, ok := e.(api.Obj); ok {
					fixed = append(fixed, o)
				}
			}
		}
		p := &db.Port{NetworkID: network, AdminUp: true, Status: "ACTIVE", DeviceID: rt.ID, DeviceOwner: ownerGateway}
		if err := s.InsertPort(p, fixed); err != nil {
			return err
		}
		rt.ExternalNetwork, rt.ExternalIPs = network, p.FixedIPs
		if snat, ok := gw["enable_snat"].(bool); ok {
			rt.SNAT = snat
		}
	}
	s.db.Routers.Put(rt)
	return nil
}

func (s *Service) handleRouterActions(svc *api.Service) {
	action := func(do func(c *call, rt *db.Router) (api.Obj, error)) api.Handler {
		return func(r *api.Request) (*api.Reply, error) {
			in := api.Obj{}
			if err := r.JSON(&in); err != nil {
				return nil, err
			}
			var out api.Obj
			err := s.db.Update(func() (err error) {
				rt := s.db.Routers.Get(r.Var("id"))
				if rt == nil || rt.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
					return notFound("Router", r.Var("id"))
				}
				out, err = do(&call{Request: r, in: in, project: rt.ProjectID}, rt)
				return err
			})
			if err != nil {
				return nil, err
			}
			return api.OK(out)
		}
	}
	svc.Handle(
		api.Route{Method: "PUT", Path: "/v2.0/routers/{id}/add_router_interface", Do: action(s.addInterface)},
		api.Route{Method: "PUT", Path: "/v2.0/routers/{id}/remove_router_interface", Do: action(s.removeInterface)},
	)
}

func interfaceView(rt *db.Router, p *db.Port) api.Obj {
	ids := []string{}
	for _, f := range p.FixedIPs {
		ids = append(ids, f.SubnetID)
	}
	v := api.Obj{
		"id":         rt.ID,
		"tenant_id":  rt.ProjectID,
		"port_id":    p.ID,
		"network_id": p.NetworkID,
		"subnet_ids": ids,
	}
	if len(ids) > 0 {
		v["subnet_id"] = ids[0]
	}
	return v
}

func onSubnet(p *db.Port, subnet string) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f db.FixedIP) bool { return f.SubnetID == subnet })
}

func (s *Service) addInterface(c *call, rt *db.Router) (api.Obj, error) {
	subnet, port := str(c.in, "subnet_id"), str(c.in, "port_id")
	var p *db.Port
	switch {
	case subnet == "" && port == "":
		return nil, badRequest("BadRequest", "Bad router request: Either subnet_id or port_id must be specified.")
	case subnet != "" && port != "":
		return nil, badRequest("BadRequest", "Bad router request: Cannot specify both subnet-id and port-id.")
	case subnet != "":
		sn := s.db.Subnets.Get(subnet)
		if sn == nil {
			return nil, notFound("Subnet", subnet)
		}
		if s.db.Ports.First(func(p *db.Port) bool {
			return p.DeviceID == rt.ID && p.DeviceOwner == ownerInterface && onSubnet(p, subnet)
		}) != nil {
			return nil, badRequest(
				"BadRequest",
				"Bad router request: Router already has a port on subnet %s.",
				subnet,
			)
		}
		if sn.Gateway == "" {
			return nil, badRequest(
				"BadRequest",
				"Bad router request: Subnet for router interface must have a gateway IP.",
			)
		}
		if err := s.checkOverlap(rt, sn); err != nil {
			return nil, err
		}
		p = &db.Port{
			Std:         db.Std{ProjectID: rt.ProjectID},
			NetworkID:   sn.NetworkID,
			AdminUp:     true,
			Status:      "ACTIVE",
			DeviceID:    rt.ID,
			DeviceOwner: ownerInterface,
		}
		if err := s.InsertPort(p, []api.Obj{{"subnet_id": sn.ID, "ip_address": sn.Gateway}}); err != nil {
			return nil, err
		}
	default:
		if p = s.db.Ports.Get(port); p == nil {
			return nil, notFound("Port", port)
		}
		if p.DeviceID != "" {
			return nil, conflict(
				"PortInUse",
				"Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
				p.ID,
				p.NetworkID,
				p.DeviceID,
			)
		}
		p.DeviceID, p.DeviceOwner, p.Status = rt.ID, ownerInterface, "ACTIVE"
		p.Revision++
		s.db.Ports.Put(p)
	}
	rt.Revision++
	s.db.Routers.Put(rt)
	return interfaceView(rt, p), nil
}

// checkOverlap refuses a subnet whose addresses the router would find on two
// of its interfaces.
func (s *Service) checkOverlap(rt *db.Router, sn *db.Subnet) error {
	prefix, err := netip.ParsePrefix(sn.CIDR)
	if err != nil {
		return err
	}
	for _, p := range s.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID == rt.ID }) {
		for _, f := range p.FixedIPs {
			other := s.db.Subnets.Get(f.SubnetID)
			if other == nil {
				continue
			}
			if o, err := netip.ParsePrefix(other.CIDR); err == nil && o.Overlaps(prefix) {
				return badRequest(
					"BadRequest",
					"Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.",
					sn.CIDR,
					sn.ID,
					other.CIDR,
					other.ID,
				)
			}
		}
	}
	return nil
}

func (s *Service) removeInterface(c *call, rt *db.Router) (api.Obj, error) {
	subnet, port := str(c.in, "subnet_id"), str(c.in, "port_id")
	if subnet == "" && port == "" {
		return nil, badRequest("BadRequest", "Bad router request: Either subnet_id or port_id must be specified.")
	}
	if subnet != "" && s.db.Subnets.Get(subnet) == nil {
		return nil, notFound("Subnet", subnet)
	}
	p := s.db.Ports.First(func(p *db.Port) bool {
		return p.DeviceID == rt.ID && p.DeviceOwner == ownerInterface && (port == "" || p.ID == port) &&
			(subnet == "" || onSubnet(p, subnet))
	})
	if p == nil {
		if port != "" {
			return nil, failure(
				404,
				"RouterInterfaceNotFound",
				"Router %s does not have an interface with id %s",
				rt.ID,
				port,
			)
		}
		return nil, failure(
			404,
			"RouterInterfaceNotFoundForSubnet",
			"Router %s has no interface on subnet %s",
			rt.ID,
			subnet,
		)
	}
	for _, f := range p.FixedIPs {
		used := s.db.FloatingIPs.First(func(x *db.FloatingIP) bool {
			fp := s.db.Ports.Get(x.PortID)
			return x.RouterID == rt.ID && fp != nil && onSubnet(fp, f.SubnetID)
		})
		if used != nil {
			return nil, conflict(
				"RouterInterfaceInUseByFloatingIP",
				"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.",
				f.SubnetID,
				rt.ID,
			)
		}
	}
	s.db.Ports.Delete(p.ID)
	rt.Revision++
	s.db.Routers.Put(rt)
	return interfaceView(rt, p), nil
}
