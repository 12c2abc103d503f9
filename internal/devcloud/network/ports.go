package network

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// The device owners of ports that are not a server's.
const (
	ownerDHCP        = "network:dhcp"
	ownerGateway     = "network:router_gateway"
	ownerInterface   = "network:router_interface"
	ownerFloatingIP  = "network:floatingip"
	ownerComputeZone = "compute:" + zone
)

func (s *Service) ports() *resource[db.Port, *db.Port] {
	return &resource[db.Port, *db.Port]{
		quotas: s.quotas, table: s.db.Ports, single: "port", plural: "ports", class: "Port",
		attrs: []attr{
			nameAttr,
			{name: "network_id", kind: kindUUID, when: onCreate | required, field: "NetworkID"},
			{name: "admin_state_up", kind: kindBool, when: both, def: true, field: "AdminUp"},
			{name: "mac_address", kind: kindMAC, when: both, field: "MAC"},
			{name: "fixed_ips", kind: kindObjects, when: both},
			{name: "device_id", kind: kindString, when: both, field: "DeviceID"},
			{name: "device_owner", kind: kindString, when: both, field: "DeviceOwner"},
			{name: "security_groups", kind: kindUUIDs, when: both, field: "SecurityGroups"},
			{name: "port_security_enabled", kind: kindBool, when: both, def: true, field: "PortSecurity"},
			{name: "allowed_address_pairs", kind: kindObjects, when: both, field: "AddressPairs"},
			{name: "extra_dhcp_opts", kind: kindObjects, when: both, field: "DHCPOptions"},
			{name: "binding:vnic_type", kind: kindString, when: both, def: "normal", field: "VNICType"},
			{name: "binding:host_id", kind: kindString | orNull, when: both | adminOnly | adminSees},
			{name: "binding:profile", kind: kindObject, when: both | adminOnly | adminSees, field: "Profile"},
		},
		readOnly: []string{"binding:vif_type", "binding:vif_details"},
		filters:  []string{"fixed_ips", "security_groups"},
		filter: func(p *db.Port, key, value string) bool {
			if key == "security_groups" {
				return slices.Contains(p.SecurityGroups, value)
			}
			return slices.ContainsFunc(p.FixedIPs, func(f db.FixedIP) bool { return fixedMatches(f, value) })
		},
		show: func(p *db.Port, v api.Obj) {
			v["status"], v["fixed_ips"] = p.Status, list(p.FixedIPs)
			if t := s.trunkOf(p.ID); t != nil {
				v["trunk_details"] = s.trunkDetails(t)
			}
			if _, admin := v["binding:profile"]; admin {
				v["binding:host_id"], v["binding:vif_details"], v["binding:vif_type"] = p.HostID, api.Obj{}, "unbound"
				if p.HostID != "" {
					v["binding:vif_type"] = "bridge"
				}
			}
		},
		check: func(c *call, p *db.Port) error {
			if has(c.in, "binding:host_id") {
				p.HostID = str(c.in, "binding:host_id")
			}
			if p.Seq == 0 {
				return s.checkNewPort(c, p)
			}
			return s.checkPort(c, p)
		},
		removed: func(_ *call, p *db.Port) error {
			if p.Internal() && p.DeviceOwner != ownerDHCP {
				return conflict("ServicePortInUse",
					"Port %s cannot be deleted directly via the port API: has device owner %s.", p.ID, p.DeviceOwner)
			}
			if t := s.trunkOf(p.ID); t != nil {
				return conflict("PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", p.ID, t.ID)
			}
			s.DropPort(p.ID)
			return nil
		},
	}
}

// trunkOf is the trunk that a port is the parent of, or nil.
func (s *Service) trunkOf(port string) *db.Trunk {
	return s.db.Trunks.First(func(t *db.Trunk) bool { return t.PortID == port })
}

// trunkDetails are what a trunk's parent port shows of it.
func (s *Service) trunkDetails(t *db.Trunk) api.Obj {
	subports := slices.Clone(t.SubPorts)
	for i := range subports {
		if p := s.db.Ports.Get(subports[i].PortID); p != nil {
			subports[i].MAC = p.MAC
		}
	}
	return api.Obj{"trunk_id": t.ID, "sub_ports": list(subports)}
}

func fixedMatches(f db.FixedIP, value string) bool {
	key, want, _ := strings.Cut(value, "=")
	switch key {
	case "ip_address":
		return f.IPAddress == want
	case "ip_address_substr":
		return strings.Contains(f.IPAddress, want)
	case "subnet_id":
		return f.SubnetID == want
	}
	return false
}

func (s *Service) checkNewPort(c *call, p *db.Port) error {
	n, err := s.usableNetwork(c, "network_id")
	if err != nil {
		return err
	}
	if n.ProjectID != c.Auth.ProjectID && !s.db.SharedWith(n, c.Auth.ProjectID) && !c.Auth.Admin() {
		return failure(403, "HTTPForbidden", "Tenant %s not allowed to create port on this network", c.project)
	}
	switch {
	case has(c.in, "security_groups"):
		if err := s.checkGroups(c.project, p.SecurityGroups); err != nil {
			return err
		}
	case p.PortSecurity && !p.Internal():
		p.SecurityGroups = []string{s.DefaultGroup(c.project).ID}
	}
	var fixed []api.Obj
	if has(c.in, "fixed_ips") {
		fixed = list(objs(c.in, "fixed_ips"))
	}
	return s.completePort(p, fixed)
}

// InsertPort adds a port, choosing its addresses: those asked for, one of each
// family when fixed is nil, none when it is empty.
func (s *Service) InsertPort(p *db.Port, fixed []api.Obj) error {
	if err := s.completePort(p, fixed); err != nil {
		return err
	}
	s.db.Ports.Insert(p)
	return nil
}

func (s *Service) completePort(p *db.Port, fixed []api.Obj) (err error) {
	if p.MAC == "" {
		p.MAC = newMAC()
	}
	p.Status, p.VNICType, p.Revision = cmp.Or(p.Status, "DOWN"), cmp.Or(p.VNICType, "normal"), 1
	p.FixedIPs, err = s.chooseAddresses(p, fixed)
	return err
}

func (s *Service) chooseAddresses(p *db.Port, fixed []api.Obj) ([]db.FixedIP, error) {
	if fixed == nil {
		return s.oneOfEach(p, s.subnetsOf(p.NetworkID))
	}
	var out []db.FixedIP
	for _, o := range fixed {
		f, err := s.chooseAddress(p, str(o, "subnet_id"), str(o, "ip_address"))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// chooseAddress settles one address that is asked for by its subnet, by itself
// or by both.
func (s *Service) chooseAddress(p *db.Port, subnet, ip string) (out db.FixedIP, err error) {
	sn := s.db.Subnets.Get(subnet)
	switch {
	case subnet != "" && sn == nil:
		return out, notFound("Subnet", subnet)
	case subnet != "" && sn.NetworkID != p.NetworkID:
		return out, invalidInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s.", p.NetworkID, subnet)
	case ip == "" && sn == nil:
		return out, invalidInput("IP allocation requires subnet_id or ip_address.")
	case ip == "":
		a, ok := s.freeAddress(sn)
		if sn.AddressMode == "slaac" {
			a, ok = slaacAddress(sn, p.MAC), true
		}
		if !ok {
			return out, noMoreAddresses(p.NetworkID)
		}
		return db.FixedIP{SubnetID: sn.ID, IPAddress: a}, nil
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return out, badAttr("fixed_ips", "'%s' is not a valid IP address.", ip)
	}
	holds := func(x *db.Subnet) bool { return prefixOf(x).Contains(addr) }
	if sn == nil {
		subnets := s.subnetsOf(p.NetworkID)
		i := slices.IndexFunc(subnets, holds)
		if i < 0 {
			return out, badRequest("InvalidIpForNetwork",
				"IP address %s is not a valid IP for any of the subnets on the specified network.", ip)
		}
		sn = subnets[i]
	}
	if !holds(sn) {
		return out, badRequest("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", ip)
	}
	out = db.FixedIP{SubnetID: sn.ID, IPAddress: addr.String()}
	if s.db.Ports.First(func(x *db.Port) bool { return x.ID != p.ID && slices.Contains(x.FixedIPs, out) }) != nil {
		return out, conflict("IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", addr, sn.ID)
	}
	return out, nil
}

// oneOfEach chooses an address of each family, and one of every subnet where
// ports address themselves.
func (s *Service) oneOfEach(p *db.Port, subnets []*db.Subnet) ([]db.FixedIP, error) {
	var out []db.FixedIP
	have := map[int]bool{} // by address family; false is wanted and not found
	for _, sn := range subnets {
		if sn.IPVersion == 6 && (sn.AddressMode == "slaac" || sn.AddressMode == "dhcpv6-stateless") {
			out = append(out, db.FixedIP{SubnetID: sn.ID, IPAddress: slaacAddress(sn, p.MAC)})
			continue
		}
		if have[sn.IPVersion] {
			continue
		}
		a, ok := s.freeAddress(sn)
		if have[sn.IPVersion] = ok; ok {
			out = append(out, db.FixedIP{SubnetID: sn.ID, IPAddress: a})
		}
	}
	for _, found := range have {
		if !found {
			return nil, noMoreAddresses(p.NetworkID)
		}
	}
	return out, nil
}

// checkPort looks at a changed port.
func (s *Service) checkPort(c *call, p *db.Port) error {
	if has(c.in, "fixed_ips") {
		old := p.FixedIPs
		ips, err := s.chooseAddresses(p, list(objs(c.in, "fixed_ips")))
		if err != nil {
			return err
		}
		p.FixedIPs = ips
		for _, f := range old {
			if !slices.Contains(ips, f) {
				s.dissociate(func(x *db.FloatingIP) bool { return x.PortID == p.ID && x.FixedIP == f.IPAddress })
			}
		}
	}
	if has(c.in, "port_security_enabled") && !p.PortSecurity && len(p.SecurityGroups) > 0 {
		return conflict("PortSecurityPortHasSecurityGroup",
			"Port has security group associated. Cannot disable port security or IP address until security group is removed.")
	}
	return s.checkGroups(p.ProjectID, strs(c.in, "security_groups"))
}

// keepDHCP gives a network the port its DHCP server has, on each subnet that
// wants one.
func (s *Service) keepDHCP(network string) {
	n := s.db.Networks.Get(network)
	p := s.db.Ports.First(func(p *db.Port) bool { return p.NetworkID == network && p.DeviceOwner == ownerDHCP })
	var want []*db.Subnet
	for _, sn := range s.subnetsOf(network) {
		if sn.DHCP {
			want = append(want, sn)
		}
	}
	if len(want) == 0 || n == nil || n.External {
		if p != nil {
			s.db.Ports.Delete(p.ID)
		}
		return
	}
	if p == nil {
		p = s.db.Ports.Insert(&db.Port{
			Std: db.Std{ProjectID: n.ProjectID}, NetworkID: network, MAC: newMAC(), AdminUp: true, Status: "ACTIVE",
			DeviceID: "dhcp" + db.NewUUID() + "-" + network, DeviceOwner: ownerDHCP, VNICType: "normal",
		})
	}
	old := p.FixedIPs
	p.FixedIPs = nil
	for _, sn := range want {
		i := slices.IndexFunc(old, func(f db.FixedIP) bool { return f.SubnetID == sn.ID })
		if i >= 0 {
			p.FixedIPs = append(p.FixedIPs, old[i])
			continue
		}
		free := s.free(sn)
		if sn.AddressMode == "slaac" {
			free = []string{slaacAddress(sn, p.MAC)}
		}
		if len(free) > 0 {
			p.FixedIPs = append(p.FixedIPs, db.FixedIP{SubnetID: sn.ID, IPAddress: free[0]})
		}
	}
	s.db.Ports.Put(p)
}
