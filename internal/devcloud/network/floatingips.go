package network

import (
	"net/netip"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) floatingIPs() *resource {
	wrap := func(f *db.FloatingIP) item {
		return item{
			meta: &f.Meta,
			std:  &f.Std,
			put:  func() { s.db.FloatingIPs.Put(f) },
			view: func(admin bool) api.Obj { return s.floatingView(f) },
		}
	}
	return &resource{
		single: "floatingip", plural: "floatingips", class: "FloatingIP",
		attrs: []attr{
			{name: "floating_network_id", kind: kindUUID, when: onCreate | required},
			{name: "floating_ip_address", kind: kindIPOrNil, when: onCreate | adminOnly},
			{name: "subnet_id", kind: kindUUIDOrNil, when: onCreate},
			{name: "port_id", kind: kindUUIDOrNil, when: onCreate | onUpdate},
			{name: "fixed_ip_address", kind: kindIPOrNil, when: onCreate | onUpdate},
			{name: "dns_name", kind: kindString, when: onCreate},
			{name: "dns_domain", kind: kindString, when: onCreate},
			{name: "router_id"},
			{name: "port_details"},
		},
		all: func() []item { return itemsOf(s.db.FloatingIPs.All(), wrap) },
		get: func(id string) (item, bool) {
			f := s.db.FloatingIPs.Get(id)
			if f == nil {
				return item{}, false
			}
			return wrap(f), true
		},
		create: s.createFloatingIP,
		update: s.updateFloatingIP,
		remove: func(c *call, id string) error {
			f := s.db.FloatingIPs.Get(id)
			s.db.Ports.Delete(f.ExternalPort)
			s.db.FloatingIPs.Delete(id)
			return nil
		},
	}
}

func (s *Service) floatingView(f *db.FloatingIP) api.Obj {
	v := api.Obj{
		"floating_ip_address": f.Address, "floating_network_id": f.NetworkID, "router_id": orNil(f.RouterID), "port_id": orNil(f.PortID),
		"fixed_ip_address": orNil(f.FixedIP), "status": f.Status, "port_details": nil,
	}
	if p := s.db.Ports.Get(f.PortID); p != nil {
		v["port_details"] = api.Obj{
			"name": p.Name, "network_id": p.NetworkID, "mac_address": p.MAC, "admin_state_up": p.AdminUp,
			"status": p.Status, "device_id": p.DeviceID, "device_owner": p.DeviceOwner,
		}
	}
	return v
}

func (s *Service) createFloatingIP(c *call) (string, error) {
	network := str(c.in, "floating_network_id")
	n := s.db.Networks.Get(network)
	if n == nil || n.ProjectID != c.Auth.ProjectID && !n.Shared && !n.External && !c.Auth.Admin() {
		return "", notFound("Network", network)
	}
	if !n.External {
		return "", badRequest(
			"BadRequest",
			"Bad floatingip request: Network %s is not a valid external network.",
			network,
		)
	}
	if err := s.checkQuota(c.project, "floatingip"); err != nil {
		return "", err
	}
	if id := str(c.in, "port_id"); id != "" && s.db.Ports.Get(id) == nil {
		return "", notFound("Port", id)
	}
	if s.PoolEmpty(n.Name) {
		return "", noMoreAddresses(network)
	}
	f := &db.FloatingIP{
		Std:       newStd(c),
		NetworkID: network,
		Status:    "DOWN",
		DNSName:   str(c.in, "dns_name"),
		DNSDomain: str(c.in, "dns_domain"),
	}
	f.ID = db.NewUUID()
	ext := &db.Port{NetworkID: network, AdminUp: true, Status: "N/A", DeviceID: f.ID, DeviceOwner: ownerFloatingIP}
	fixed, err := s.externalAddress(network, str(c.in, "subnet_id"), str(c.in, "floating_ip_address"))
	if err != nil {
		return "", err
	}
	if err := s.InsertPort(ext, fixed); err != nil {
		return "", err
	}
	f.ExternalPort, f.Address = ext.ID, ext.FixedIPs[0].IPAddress
	s.db.FloatingIPs.Insert(f)
	if id := str(c.in, "port_id"); id != "" {
		if err := s.associate(f, id, str(c.in, "fixed_ip_address")); err != nil {
			return "", err
		}
	}
	return f.ID, nil
}

func noMoreAddresses(network string) *api.Error {
	return conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", network)
}

// externalAddress asks for an IPv4 address of an external network.
func (s *Service) externalAddress(network, subnet, address string) ([]api.Obj, error) {
	if address != "" {
		return []api.Obj{{"ip_address": address}}, nil
	}
	if subnet != "" {
		return []api.Obj{{"subnet_id": subnet}}, nil
	}
	for _, sn := range s.subnetsOf(network) {
		if sn.IPVersion != 4 {
			continue
		}
		if a, ok := s.freeAddress(sn); ok {
			return []api.Obj{{"subnet_id": sn.ID, "ip_address": a}}, nil
		}
	}
	return nil, noMoreAddresses(network)
}

func (s *Service) updateFloatingIP(c *call, id string) error {
	f := s.db.FloatingIPs.Get(id)
	touch(&f.Std, c.in)
	port := str(c.in, "port_id")
	switch {
	case has(c.in, "port_id") && port != "":
		return s.associate(f, port, str(c.in, "fixed_ip_address"))
	case str(c.in, "fixed_ip_address") != "" && !has(c.in, "port_id"):
		return badRequest(
			"BadRequest",
			"Bad floatingip request: fixed_ip_address cannot be specified without a port_id.",
		)
	case has(c.in, "port_id") || !has(c.in, "description"):
		// Neutron: an update that names no port, and does not merely describe,
		// takes the association away.
		s.clear(f)
		return nil
	}
	s.db.FloatingIPs.Put(f)
	return nil
}

// associate joins a floating IP to a port's address, by Neutron's rules.
func (s *Service) associate(f *db.FloatingIP, port, fixed string) error {
	p := s.db.Ports.Get(port)
	if p == nil || p.ProjectID != f.ProjectID {
		return notFound("Port", port)
	}
	var chosen *db.FixedIP
	for i, ip := range p.FixedIPs {
		a, err := netip.ParseAddr(ip.IPAddress)
		if err != nil || !a.Is4() {
			continue
		}
		if fixed == "" || ip.IPAddress == fixed {
			if fixed == "" && chosen != nil {
				return badRequest(
					"BadRequest",
					"Bad floatingip request: Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP.",
					port,
				)
			}
			chosen = &p.FixedIPs[i]
		}
	}
	if chosen == nil {
		if fixed != "" {
			return badRequest("BadRequest", "Bad floatingip request: Port %s does not have fixed ip %s.", port, fixed)
		}
		return badRequest(
			"BadRequest",
			"Bad floatingip request: Cannot add floating IP to port %s that has no fixed IPv4 addresses.",
			port,
		)
	}
	router := s.routerBetween(chosen.SubnetID, f.NetworkID)
	if router == "" {
		return failure(
			404,
			"ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.",
			f.NetworkID,
			chosen.SubnetID,
			port,
		)
	}
	other := s.db.FloatingIPs.First(func(x *db.FloatingIP) bool {
		return x.ID != f.ID && x.PortID == port && x.FixedIP == chosen.IPAddress && x.NetworkID == f.NetworkID
	})
	if other != nil {
		return conflict(
			"FloatingIPPortAlreadyAssociated",
			"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			f.Address,
			f.ID,
			port,
			chosen.IPAddress,
			f.NetworkID,
		)
	}
	f.PortID, f.FixedIP, f.RouterID = port, chosen.IPAddress, router
	f.NextStatus, f.Due = "ACTIVE", s.db.Now().Add(s.FloatingDelay)
	s.db.FloatingIPs.Put(f)
	return nil
}

func (s *Service) clear(f *db.FloatingIP) {
	f.PortID, f.FixedIP, f.RouterID = "", "", ""
	f.NextStatus, f.Due = "DOWN", s.db.Now().Add(s.FloatingDelay)
	s.db.FloatingIPs.Put(f)
}

// dissociate takes the association of every floating IP that matches.
func (s *Service) dissociate(match func(*db.FloatingIP) bool) {
	for _, f := range s.db.FloatingIPs.Where(match) {
		f.Revision++
		s.clear(f)
	}
}

// routerBetween is the router that joins a subnet to an external network, or
// "".
func (s *Service) routerBetween(subnet, external string) string {
	for _, p := range s.db.Ports.Where(func(p *db.Port) bool { return p.DeviceOwner == ownerInterface && onSubnet(p, subnet) }) {
		if rt := s.db.Routers.Get(p.DeviceID); rt != nil && rt.ExternalNetwork == external {
			return rt.ID
		}
	}
	return ""
}

// Advance performs due transitions inside a transaction and returns when the
// next thing is.
func (s *Service) Advance(now time.Time) (next time.Time) {
	for _, f := range s.db.FloatingIPs.Where(func(f *db.FloatingIP) bool { return !f.Due.IsZero() }) {
		if f.Due.After(now) {
			if next.IsZero() || f.Due.Before(next) {
				next = f.Due
			}
			continue
		}
		f.Status, f.NextStatus, f.Due = f.NextStatus, "", time.Time{}
		s.db.FloatingIPs.Put(f)
	}
	return next
}
