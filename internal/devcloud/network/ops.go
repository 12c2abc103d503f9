package network

import (
	"net/netip"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// The operations below are Nova's side of Neutron, and the daemon's.

// FindGroup is the project's security group of that ID or name, nil when there
// is none.
func (s *Service) FindGroup(project, ref string) *db.SecurityGroup {
	if ref == defaultGroupName {
		return s.DefaultGroup(project)
	}
	return s.db.SecurityGroups.First(func(g *db.SecurityGroup) bool {
		return g.ProjectID == project && (g.ID == ref || g.Name == ref)
	})
}

// CheckPorts tells whether the project may have n more ports.
func (s *Service) CheckPorts(project string, n int) bool { return s.quotas.Fits(project, "port", n) }

// Usable are the networks a server of the project can be put on without naming
// one: its own and the shared ones.
func (s *Service) Usable(project string) []*db.Network {
	return s.db.Networks.Where(func(n *db.Network) bool {
		return !n.External && (n.ProjectID == project || s.db.SharedWith(n, project))
	})
}

// DropPort removes a port; a floating IP on it is left without association.
func (s *Service) DropPort(id string) {
	s.dissociate(func(f *db.FloatingIP) bool { return f.PortID == id })
	s.db.DeleteObjects(kindForwarding, func(o *db.Object) bool { return o.Text("internal_port_id") == id })
	s.db.Ports.Delete(id)
}

// Associate joins a floating IP to a port, as Neutron's PUT does.
func (s *Service) Associate(f *db.FloatingIP, port, fixed string) error {
	f.Revision++
	return s.associate(f, port, fixed)
}

// Disassociate takes a floating IP's association away.
func (s *Service) Disassociate(f *db.FloatingIP) {
	f.Revision++
	s.clear(f)
}

// Admits tells whether a port lets in TCP connections to the given port from
// the given address.
func (s *Service) Admits(p *db.Port, tcpPort int, from netip.Addr) bool {
	if !p.AdminUp {
		return false
	}
	if !p.PortSecurity && len(p.SecurityGroups) == 0 {
		return true
	}
	return s.db.SecurityRules.First(func(x *db.SecurityRule) bool {
		if !slices.Contains(p.SecurityGroups, x.GroupID) || x.Direction != "ingress" || x.RemoteGroup != "" {
			return false
		}
		if from.Is4() != (x.EtherType == "IPv4") || !slices.Contains([]string{"", "tcp", "6"}, x.Protocol) {
			return false
		}
		if x.PortMin != nil && tcpPort < *x.PortMin || x.PortMax != nil && tcpPort > *x.PortMax {
			return false
		}
		return slices.ContainsFunc(s.db.Remotes(x), func(one *db.SecurityRule) bool {
			prefix, err := netip.ParsePrefix(one.RemotePrefix)
			return one.RemotePrefix == "" || err == nil && prefix.Contains(from)
		})
	}) != nil
}

// Allocate makes a floating IP for the caller's project, as Neutron's POST
// does.
func (s *Service) Allocate(r *api.Request, network string) (*db.FloatingIP, error) {
	return s.floating.create(r, api.Obj{"floating_network_id": network})
}

// Release deletes a floating IP.
func (s *Service) Release(f *db.FloatingIP) {
	s.db.DeleteObjects(kindForwarding, func(o *db.Object) bool { return o.Parent == f.ID })
	s.db.Ports.Delete(f.ExternalPort)
	s.db.FloatingIPs.Delete(f.ID)
}

// MakeNetwork adds a network with its subnets, whose pools are filled in where
// they are not given.
func (s *Service) MakeNetwork(n *db.Network, subnets ...*db.Subnet) error {
	n.AdminUp, n.PortSecurity, n.MTU, n.Revision = true, true, 1500, 1
	s.db.Networks.Insert(n)
	for _, sn := range subnets {
		prefix, err := netip.ParsePrefix(sn.CIDR)
		if err != nil {
			return err
		}
		sn.NetworkID, sn.ProjectID = n.ID, n.ProjectID
		sn.IPVersion = 4
		if prefix.Addr().Is6() {
			sn.IPVersion = 6
		}
		if len(sn.Pools) == 0 {
			sn.Pools = defaultPools(prefix, sn.Gateway)
		}
		s.db.Subnets.Insert(sn)
	}
	s.keepDHCP(n.ID)
	return nil
}

// MakeRouter adds a router with an address on an external network and an
// interface on each of the subnets.
func (s *Service) MakeRouter(rt *db.Router, external, address string, subnets ...*db.Subnet) error {
	rt.AdminUp, rt.SNAT, rt.Revision = true, true, 1
	s.db.Routers.Insert(rt)
	gateway := api.Obj{"network_id": external, "external_fixed_ips": []any{api.Obj{"ip_address": address}}}
	if err := s.setGateway(rt, gateway); err != nil {
		return err
	}
	for _, sn := range subnets {
		if _, err := s.addInterface(&call{in: api.Obj{"subnet_id": sn.ID}, project: rt.ProjectID}, rt); err != nil {
			return err
		}
	}
	return nil
}

// OpenDefaultGroup lets SSH and ping into the project's default group, for both
// address families.
func (s *Service) OpenDefaultGroup(project string) {
	g := s.DefaultGroup(project)
	ssh := 22
	for _, family := range []struct{ ether, ping, all string }{{"IPv4", "icmp", "0.0.0.0/0"}, {"IPv6", "ipv6-icmp", "::/0"}} {
		rule := db.SecurityRule{
			Std: db.Std{ProjectID: project}, GroupID: g.ID, Direction: "ingress", EtherType: family.ether, RemotePrefix: family.all,
		}
		tcp, ping := rule, rule
		tcp.Protocol, tcp.PortMin, tcp.PortMax, ping.Protocol = "tcp", &ssh, &ssh, family.ping
		s.db.SecurityRules.Insert(&tcp)
		s.db.SecurityRules.Insert(&ping)
	}
}
