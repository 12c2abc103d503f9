package network

import (
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) floatingIPs() *resource[db.FloatingIP, *db.FloatingIP] {
	return &resource[db.FloatingIP, *db.FloatingIP]{
		quotas: s.quotas, table: s.db.FloatingIPs, single: "floatingip", plural: "floatingips", class: "FloatingIP",
		attrs: []attr{
			{name: "floating_network_id", kind: kindUUID, when: onCreate | required, field: "NetworkID"},
			{name: "floating_ip_address", kind: kindIP | orNull, when: onCreate | adminOnly, field: "Address"},
			{name: "subnet_id", kind: kindUUID | orNull, when: onCreate},
			{name: "port_id", kind: kindUUID | orNull, when: both},
			{name: "fixed_ip_address", kind: kindIP | orNull, when: both},
		},
		readOnly: []string{"router_id", "port_details"},
		show:     s.floatingView,
		check: func(c *call, f *db.FloatingIP) error {
			if f.Seq == 0 {
				return s.checkFloatingIP(c, f)
			}
			return s.updateFloatingIP(c, f)
		},
		stored: func(c *call, f *db.FloatingIP) error {
			if id := str(c.in, "port_id"); id != "" && f.Revision == 0 {
				return s.associate(f, id, str(c.in, "fixed_ip_address"))
			}
			return nil
		},
		removed: func(_ *call, f *db.FloatingIP) error {
			s.Release(f)
			return nil
		},
	}
}

func (s *Service) floatingView(f *db.FloatingIP, v api.Obj) {
	v["router_id"], v["port_id"], v["fixed_ip_address"] = api.OrNil(f.RouterID), api.OrNil(f.PortID), api.OrNil(f.FixedIP)
	v["status"], v["port_details"] = f.Status, nil
	if p := s.db.Ports.Get(f.PortID); p != nil {
		v["port_details"] = api.Obj{
			"name": p.Name, "network_id": p.NetworkID, "mac_address": p.MAC, "admin_state_up": p.AdminUp,
			"status": p.Status, "device_id": p.DeviceID, "device_owner": p.DeviceOwner,
		}
	}
	v["port_forwardings"] = api.Views(s.forwardingsOf(f.ID), forwardingView)
}

func badFloatingIP(format string, args ...any) *api.Error {
	return badRequest("BadRequest", "Bad floatingip request: "+format, args...)
}

// checkFloatingIP takes an address of the external network for a new floating
// IP.
func (s *Service) checkFloatingIP(c *call, f *db.FloatingIP) error {
	n, err := s.usableNetwork(c, "floating_network_id")
	if err != nil {
		return err
	}
	if !n.External {
		return badFloatingIP("Network %s is not a valid external network.", n.ID)
	}
	if id := str(c.in, "port_id"); id != "" && s.db.Ports.Get(id) == nil {
		return notFound("Port", id)
	}
	if s.PoolEmpty(n.Name) {
		return noMoreAddresses(n.ID)
	}
	fixed, err := s.externalAddress(n.ID, str(c.in, "subnet_id"), f.Address)
	if err != nil {
		return err
	}
	f.ID, f.Status = db.NewUUID(), "DOWN"
	ext := &db.Port{NetworkID: n.ID, AdminUp: true, Status: "N/A", DeviceID: f.ID, DeviceOwner: ownerFloatingIP}
	if err := s.InsertPort(ext, fixed); err != nil {
		return err
	}
	f.ExternalPort, f.Address = ext.ID, ext.FixedIPs[0].IPAddress
	return nil
}

func errUnreachable(f *db.FloatingIP, subnet, port string) *api.Error {
	return failure(404, "ExternalGatewayForFloatingIPNotFound",
		"External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.",
		f.NetworkID, subnet, port)
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

func (s *Service) updateFloatingIP(c *call, f *db.FloatingIP) error {
	port := str(c.in, "port_id")
	switch {
	case has(c.in, "port_id") && port != "":
		return s.associate(f, port, str(c.in, "fixed_ip_address"))
	case str(c.in, "fixed_ip_address") != "" && !has(c.in, "port_id"):
		return badFloatingIP("fixed_ip_address cannot be specified without a port_id.")
	case has(c.in, "port_id") || !has(c.in, "description"):
		// Neutron: an update that names no port, and does not merely describe,
		// takes the association away.
		s.clear(f)
	}
	return nil
}

// associate joins a floating IP to a port's address, by Neutron's rules.
func (s *Service) associate(f *db.FloatingIP, port, fixed string) error {
	p := s.db.Ports.Get(port)
	if p == nil || p.ProjectID != f.ProjectID {
		return notFound("Port", port)
	}
	if len(s.forwardingsOf(f.ID)) > 0 {
		return conflict("FloatingIPHasPortForwarding", "Floating IP %s has port forwardings and cannot be associated.", f.ID)
	}
	var chosen *db.FixedIP
	for i, ip := range p.FixedIPs {
		if !addrOf(ip.IPAddress).Is4() || fixed != "" && ip.IPAddress != fixed {
			continue
		}
		if fixed == "" && chosen != nil {
			return badFloatingIP(
				"Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP.", port)
		}
		chosen = &p.FixedIPs[i]
	}
	if chosen == nil {
		if fixed != "" {
			return badFloatingIP("Port %s does not have fixed ip %s.", port, fixed)
		}
		return badFloatingIP("Cannot add floating IP to port %s that has no fixed IPv4 addresses.", port)
	}
	router := s.routerBetween(chosen.SubnetID, f.NetworkID)
	if router == "" {
		return errUnreachable(f, chosen.SubnetID, port)
	}
	other := s.db.FloatingIPs.First(func(x *db.FloatingIP) bool {
		return x.ID != f.ID && x.PortID == port && x.FixedIP == chosen.IPAddress && x.NetworkID == f.NetworkID
	})
	if other != nil {
		return conflict("FloatingIPPortAlreadyAssociated",
			"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			f.Address, f.ID, port, chosen.IPAddress, f.NetworkID)
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
	s.db.FloatingIPs.Due(now, &next, func(f *db.FloatingIP) time.Time { return f.Due }, func(f *db.FloatingIP) {
		f.Status, f.NextStatus, f.Due = f.NextStatus, "", time.Time{}
		s.db.FloatingIPs.Put(f)
	})
	return next
}
