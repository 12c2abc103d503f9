package network

import (
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) routers() *resource[db.Router, *db.Router] {
	return &resource[db.Router, *db.Router]{
		quotas: s.quotas, table: s.db.Routers, single: "router", plural: "routers", class: "Router",
		attrs: []attr{
			nameAttr,
			{name: "admin_state_up", kind: kindBool, when: both, def: true, field: "AdminUp"},
			{name: "external_gateway_info", kind: kindObject, when: both},
			{name: "routes", kind: kindObjects, when: onUpdate, field: "Routes"},
			{name: "availability_zone_hints", kind: kindStrings, when: onCreate, field: "ZoneHints"},
		},
		readOnly: []string{"availability_zones"}, members: "routes", memberPath: "extraroutes",
		revision: 1,
		show: func(rt *db.Router, v api.Obj) {
			v["status"], v["availability_zones"], v["flavor_id"], v["external_gateway_info"] = "ACTIVE", []string{zone}, nil, nil
			if rt.ExternalNetwork != "" {
				v["external_gateway_info"] = api.Obj{
					"network_id": rt.ExternalNetwork, "external_fixed_ips": rt.ExternalIPs, "enable_snat": rt.SNAT,
				}
			}
		},
		check: func(_ *call, rt *db.Router) error {
			rt.SNAT = rt.SNAT || rt.Seq == 0
			return nil
		},
		stored: func(c *call, rt *db.Router) error {
			gw, _ := c.in["external_gateway_info"].(api.Obj)
			if !has(c.in, "external_gateway_info") {
				return nil
			}
			return s.setGateway(rt, gw)
		},
		removed: func(_ *call, rt *db.Router) error {
			var busy []string
			for _, p := range s.portsOf(rt.ID, ownerInterface) {
				busy = append(busy, p.ID)
			}
			if len(busy) > 0 {
				return conflict("RouterInUse", "Router %s has ports still attached: %s", rt.ID, strings.Join(busy, ", "))
			}
			return s.setGateway(rt, nil)
		},
	}
}

// portsOf are the ports of a device that Neutron made for a purpose.
func (s *Service) portsOf(device, owner string) []*db.Port {
	return s.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID == device && p.DeviceOwner == owner })
}

func badRouter(format string, args ...any) *api.Error {
	return badRequest("BadRequest", "Bad router request: "+format, args...)
}

// setGateway gives a router its external network, or takes it away.
func (s *Service) setGateway(rt *db.Router, gw api.Obj) error {
	network, _ := gw["network_id"].(string)
	if network != rt.ExternalNetwork {
		if err := s.leaveGateway(rt); err != nil {
			return err
		}
		if network != "" {
			if err := s.joinGateway(rt, network, gw); err != nil {
				return err
			}
		}
	}
	if snat, ok := gw["enable_snat"].(bool); ok {
		rt.SNAT = snat
	}
	s.db.Routers.Put(rt)
	return nil
}

func (s *Service) leaveGateway(rt *db.Router) error {
	if rt.ExternalNetwork == "" {
		return nil
	}
	if s.db.FloatingIPs.First(func(f *db.FloatingIP) bool { return f.RouterID == rt.ID }) != nil {
		return conflict("RouterExternalGatewayInUseByFloatingIp",
			"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.",
			rt.ID, rt.ExternalNetwork)
	}
	for _, p := range s.portsOf(rt.ID, ownerGateway) {
		s.db.Ports.Delete(p.ID)
	}
	rt.ExternalNetwork, rt.ExternalIPs = "", nil
	return nil
}

func (s *Service) joinGateway(rt *db.Router, network string, gw api.Obj) error {
	n := s.db.Networks.Get(network)
	if n == nil {
		return notFound("Network", network)
	}
	if !n.External {
		return badRouter("Network %s is not an external network.", network)
	}
	var fixed []api.Obj
	l, _ := gw["external_fixed_ips"].([]any)
	for _, e := range l {
		if o, ok := e.(api.Obj); ok {
			fixed = append(fixed, o)
		}
	}
	p := &db.Port{NetworkID: network, AdminUp: true, Status: "ACTIVE", DeviceID: rt.ID, DeviceOwner: ownerGateway}
	if err := s.InsertPort(p, fixed); err != nil {
		return err
	}
	rt.ExternalNetwork, rt.ExternalIPs = network, p.FixedIPs
	return nil
}

// routerAction is a call that joins a router to a subnet, or parts them.
func (s *Service) routerAction(do func(c *call, rt *db.Router) (*db.Port, error)) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		in := api.Obj{}
		if err := r.JSON(&in); err != nil {
			return nil, err
		}
		rt, err := s.routers().find(r, r.Var("id"))
		if err != nil {
			return nil, err
		}
		p, err := do(&call{Request: r, in: in, project: rt.ProjectID}, rt)
		if err != nil {
			return nil, err
		}
		rt.Revision++
		s.db.Routers.Put(rt)
		ids := []string{}
		for _, f := range p.FixedIPs {
			ids = append(ids, f.SubnetID)
		}
		v := api.Obj{"id": rt.ID, "tenant_id": rt.ProjectID, "port_id": p.ID, "network_id": p.NetworkID, "subnet_ids": ids}
		if len(ids) > 0 {
			v["subnet_id"] = ids[0]
		}
		return api.OK(v)
	}
}

func onSubnet(p *db.Port, subnet string) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f db.FixedIP) bool { return f.SubnetID == subnet })
}

func (s *Service) addInterface(c *call, rt *db.Router) (*db.Port, error) {
	subnet, port := str(c.in, "subnet_id"), str(c.in, "port_id")
	switch {
	case subnet == "" && port == "":
		return nil, badRouter("Either subnet_id or port_id must be specified.")
	case subnet != "" && port != "":
		return nil, badRouter("Cannot specify both subnet-id and port-id.")
	case port != "":
		p := s.db.Ports.Get(port)
		if p == nil {
			return nil, notFound("Port", port)
		}
		if p.DeviceID != "" {
			return nil, conflict("PortInUse",
				"Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
				p.ID, p.NetworkID, p.DeviceID)
		}
		p.DeviceID, p.DeviceOwner, p.Status = rt.ID, ownerInterface, "ACTIVE"
		p.Revision++
		s.db.Ports.Put(p)
		return p, nil
	}
	sn := s.db.Subnets.Get(subnet)
	if sn == nil {
		return nil, notFound("Subnet", subnet)
	}
	if slices.ContainsFunc(s.portsOf(rt.ID, ownerInterface), func(p *db.Port) bool { return onSubnet(p, subnet) }) {
		return nil, badRouter("Router already has a port on subnet %s.", subnet)
	}
	if sn.Gateway == "" {
		return nil, badRouter("Subnet for router interface must have a gateway IP.")
	}
	if err := s.checkOverlap(rt, sn); err != nil {
		return nil, err
	}
	p := &db.Port{
		Std: db.Std{ProjectID: rt.ProjectID}, NetworkID: sn.NetworkID, AdminUp: true, Status: "ACTIVE",
		DeviceID: rt.ID, DeviceOwner: ownerInterface,
	}
	return p, s.InsertPort(p, []api.Obj{{"subnet_id": sn.ID, "ip_address": sn.Gateway}})
}

// checkOverlap refuses a subnet whose addresses the router would find on two
// of its interfaces.
func (s *Service) checkOverlap(rt *db.Router, sn *db.Subnet) error {
	for _, p := range s.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID == rt.ID }) {
		for _, f := range p.FixedIPs {
			if o := s.db.Subnets.Get(f.SubnetID); o != nil && prefixOf(o).Overlaps(prefixOf(sn)) {
				return badRouter("Cidr %s of subnet %s overlaps with cidr %s of subnet %s.", sn.CIDR, sn.ID, o.CIDR, o.ID)
			}
		}
	}
	return nil
}

func (s *Service) removeInterface(c *call, rt *db.Router) (*db.Port, error) {
	subnet, port := str(c.in, "subnet_id"), str(c.in, "port_id")
	if subnet == "" && port == "" {
		return nil, badRouter("Either subnet_id or port_id must be specified.")
	}
	if subnet != "" && s.db.Subnets.Get(subnet) == nil {
		return nil, notFound("Subnet", subnet)
	}
	ports := s.portsOf(rt.ID, ownerInterface)
	i := slices.IndexFunc(ports, func(p *db.Port) bool {
		return (port == "" || p.ID == port) && (subnet == "" || onSubnet(p, subnet))
	})
	switch {
	case i < 0 && port != "":
		return nil, failure(404, "RouterInterfaceNotFound", "Router %s does not have an interface with id %s", rt.ID, port)
	case i < 0:
		return nil, failure(404, "RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", rt.ID, subnet)
	}
	p := ports[i]
	for _, f := range p.FixedIPs {
		if s.db.FloatingIPs.First(func(x *db.FloatingIP) bool {
			fp := s.db.Ports.Get(x.PortID)
			return x.RouterID == rt.ID && fp != nil && onSubnet(fp, f.SubnetID)
		}) != nil {
			return nil, conflict("RouterInterfaceInUseByFloatingIP",
				"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.",
				f.SubnetID, rt.ID)
		}
	}
	s.db.Ports.Delete(p.ID)
	return p, nil
}
