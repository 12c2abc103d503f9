package network

import (
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

func (s *Service) ports() *resource {
	wrap := func(p *db.Port) item {
		return item{
			meta:   &p.Meta,
			std:    &p.Std,
			hidden: p.ProjectID == "",
			put:    func() { s.db.Ports.Put(p) },
			view:   func(admin bool) api.Obj { return portView(p, admin) },
		}
	}
	return &resource{
		single: "port", plural: "ports", class: "Port",
		attrs: []attr{
			{name: "name", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "network_id", kind: kindUUID, when: onCreate | required},
			{name: "admin_state_up", kind: kindBool, when: onCreate | onUpdate, def: true},
			{name: "mac_address", kind: kindMAC, when: onCreate | onUpdate},
			{name: "fixed_ips", kind: kindObjects, when: onCreate | onUpdate},
			{name: "device_id", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "device_owner", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "security_groups", kind: kindUUIDs, when: onCreate | onUpdate},
			{name: "port_security_enabled", kind: kindBool, when: onCreate | onUpdate, def: true},
			{name: "allowed_address_pairs", kind: kindObjects, when: onCreate | onUpdate},
			{name: "extra_dhcp_opts", kind: kindObjects, when: onCreate | onUpdate},
			{name: "binding:vnic_type", kind: kindString, when: onCreate | onUpdate, def: "normal"},
			{name: "binding:host_id", kind: kindStringOrNil, when: onCreate | onUpdate | adminOnly},
			{name: "binding:profile", kind: kindObject, when: onCreate | onUpdate | adminOnly},
			{name: "binding:vif_type"},
			{name: "binding:vif_details"},
			{name: "dns_name", kind: kindString, when: onCreate | onUpdate},
		},
		filters: []string{"fixed_ips", "security_groups"},
		filter: func(it item, key, value string) bool {
			p := s.db.Ports.Get(it.meta.ID)
			if key == "security_groups" {
				return slices.Contains(p.SecurityGroups, value)
			}
			return slices.ContainsFunc(p.FixedIPs, func(f db.FixedIP) bool { return fixedMatches(f, value) })
		},
		all: func() []item { return itemsOf(s.db.Ports.All(), wrap) },
		get: func(id string) (item, bool) {
			p := s.db.Ports.Get(id)
			if p == nil {
				return item{}, false
			}
			return wrap(p), true
		},
		create: s.createPort,
		update: s.updatePort,
		remove: func(c *call, id string) error {
			p := s.db.Ports.Get(id)
			if strings.HasPrefix(p.DeviceOwner, "network:") && p.DeviceOwner != ownerDHCP {
				return conflict(
					"ServicePortInUse",
					"Port %s cannot be deleted directly via the port API: has device owner %s.",
					id,
					p.DeviceOwner,
				)
			}
			s.DropPort(id)
			return nil
		},
	}
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

func portView(p *db.Port, admin bool) api.Obj {
	v := api.Obj{
		"name": p.Name, "network_id": p.NetworkID, "mac_address": p.MAC, "admin_state_up": p.AdminUp, "status": p.Status,
		"device_id": p.DeviceID, "device_owner": p.DeviceOwner, "fixed_ips": list(p.FixedIPs), "allowed_address_pairs": list(p.AddressPairs),
		"extra_dhcp_opts": list(
			p.DHCPOptions,
		), "security_groups": list(p.SecurityGroups), "binding:vnic_type": p.VNICType,
		"port_security_enabled": p.PortSecurity,
	}
	if admin {
		vif, profile := "unbound", p.Profile
		if p.HostID != "" {
			vif = "bridge"
		}
		if profile == nil {
			profile = api.Obj{}
		}
		v["binding:host_id"], v["binding:vif_type"], v["binding:vif_details"], v["binding:profile"] = p.HostID, vif, api.Obj{}, profile
	}
	return v
}

func (s *Service) createPort(c *call) (string, error) {
	n := s.db.Networks.Get(str(c.in, "network_id"))
	if n == nil || n.ProjectID != c.Auth.ProjectID && !s.db.SharedWith(n, c.Auth.ProjectID) && !n.External && !c.Auth.Admin() {
		return "", notFound("Network", str(c.in, "network_id"))
	}
	if n.ProjectID != c.Auth.ProjectID && !s.db.SharedWith(n, c.Auth.ProjectID) && !c.Auth.Admin() {
		return "", failure(403, "HTTPForbidden", "Tenant %s not allowed to create port on this network", c.project)
	}
	if err := s.checkQuota(c.project, "port"); err != nil {
		return "", err
	}
	p := &db.Port{
		Std: newStd(c), NetworkID: n.ID, MAC: str(c.in, "mac_address"), AdminUp: boolean(c.in, "admin_state_up"),
		DeviceID: str(
			c.in,
			"device_id",
		), DeviceOwner: str(c.in, "device_owner"), PortSecurity: boolean(c.in, "port_security_enabled"),
		AddressPairs: objs(
			c.in,
			"allowed_address_pairs",
		), DHCPOptions: objs(c.in, "extra_dhcp_opts"), Profile: object(c.in, "binding:profile"), VNICType: str(c.in, "binding:vnic_type"),
		HostID: str(c.in, "binding:host_id"), DNSName: str(c.in, "dns_name"),
	}
	if has(c.in, "security_groups") {
		if err := s.checkGroups(c.project, strs(c.in, "security_groups")); err != nil {
			return "", err
		}
		p.SecurityGroups = strs(c.in, "security_groups")
	} else if p.PortSecurity && !strings.HasPrefix(p.DeviceOwner, "network:") {
		p.SecurityGroups = []string{s.defaultGroup(c.project).ID}
	}
	var fixed []api.Obj
	if has(c.in, "fixed_ips") {
		fixed = list(objs(c.in, "fixed_ips"))
	}
	if err := s.InsertPort(p, fixed); err != nil {
		return "", err
	}
	return p.ID, nil
}

// InsertPort adds a port, choosing its addresses: those asked for, one of each
// family when fixed is nil, none when it is empty.
func (s *Service) InsertPort(p *db.Port, fixed []api.Obj) error {
	if p.MAC == "" {
		p.MAC = newMAC()
	}
	if p.Status == "" {
		p.Status = "DOWN"
	}
	if p.VNICType == "" {
		p.VNICType = "normal"
	}
	ips, err := s.chooseAddresses(p, fixed)
	if err != nil {
		return err
	}
	p.FixedIPs, p.Revision = ips, 1
	s.db.Ports.Insert(p)
	return nil
}

func (s *Service) chooseAddresses(p *db.Port, fixed []api.Obj) ([]db.FixedIP, error) {
	subnets := s.subnetsOf(p.NetworkID)
	if fixed == nil {
		return s.oneOfEach(p, subnets)
	}
	var out []db.FixedIP
	for _, o := range fixed {
		id, _ := o["subnet_id"].(string)
		ip, _ := o["ip_address"].(string)
		var sn *db.Subnet
		if id != "" {
			if sn = s.db.Subnets.Get(id); sn == nil {
				return nil, notFound("Subnet", id)
			}
			if sn.NetworkID != p.NetworkID {
				return nil, invalidInput(
					"Failed to create port on network %s, because fixed_ips included invalid subnet %s.",
					p.NetworkID,
					id,
				)
			}
		}
		if ip == "" {
			if sn == nil {
				return nil, invalidInput("IP allocation requires subnet_id or ip_address.")
			}
			a, ok := s.freeAddress(sn)
			if sn.AddressMode == "slaac" {
				a, ok = slaacAddress(sn, p.MAC), true
			}
			if !ok {
				return nil, conflict(
					"IpAddressGenerationFailure",
					"No more IP addresses available on network %s.",
					p.NetworkID,
				)
			}
			out = append(out, db.FixedIP{SubnetID: sn.ID, IPAddress: a})
			continue
		}
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return nil, badAttr("fixed_ips", "'%s' is not a valid IP address.", ip)
		}
		if sn == nil {
			for _, x := range subnets {
				if pr, err := netip.ParsePrefix(x.CIDR); err == nil && pr.Contains(addr) {
					sn = x
				}
			}
			if sn == nil {
				return nil, badRequest(
					"InvalidIpForNetwork",
					"IP address %s is not a valid IP for any of the subnets on the specified network.",
					ip,
				)
			}
		} else if pr, err := netip.ParsePrefix(sn.CIDR); err == nil && !pr.Contains(addr) {
			return nil, badRequest("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", ip)
		}
		holder := s.db.Ports.First(func(x *db.Port) bool {
			return x.ID != p.ID && slices.Contains(x.FixedIPs, db.FixedIP{SubnetID: sn.ID, IPAddress: addr.String()})
		})
		if holder != nil {
			return nil, conflict(
				"IpAddressAlreadyAllocated",
				"IP address %s already allocated in subnet %s",
				addr,
				sn.ID,
			)
		}
		out = append(out, db.FixedIP{SubnetID: sn.ID, IPAddress: addr.String()})
	}
	return out, nil
}

// oneOfEach chooses an address of each family, and one of every subnet where
// ports address themselves.
func (s *Service) oneOfEach(p *db.Port, subnets []*db.Subnet) ([]db.FixedIP, error) {
	var out []db.FixedIP
	have := map[int]bool{}
	wanted := map[int]bool{}
	for _, sn := range subnets {
		if sn.IPVersion == 6 && (sn.AddressMode == "slaac" || sn.AddressMode == "dhcpv6-stateless") {
			out = append(out, db.FixedIP{SubnetID: sn.ID, IPAddress: slaacAddress(sn, p.MAC)})
			continue
		}
		wanted[sn.IPVersion] = true
		if have[sn.IPVersion] {
			continue
		}
		if a, ok := s.freeAddress(sn); ok {
			out, have[sn.IPVersion] = append(out, db.FixedIP{SubnetID: sn.ID, IPAddress: a}), true
		}
	}
	for v := range wanted {
		if !have[v] {
			return nil, conflict(
				"IpAddressGenerationFailure",
				"No more IP addresses available on network %s.",
				p.NetworkID,
			)
		}
	}
	return out, nil
}

func (s *Service) updatePort(c *call, id string) error {
	p := s.db.Ports.Get(id)
	touch(&p.Std, c.in)
	if has(c.in, "fixed_ips") {
		old := p.FixedIPs
		ips, err := s.chooseAddresses(p, list(objs(c.in, "fixed_ips")))
		if err != nil {
			return err
		}
		p.FixedIPs = ips
		for _, f := range old {
			if !slices.Contains(ips, f) {
				s.dissociate(func(x *db.FloatingIP) bool { return x.PortID == id && x.FixedIP == f.IPAddress })
			}
		}
	}
	if has(c.in, "security_groups") {
		if err := s.checkGroups(p.ProjectID, strs(c.in, "security_groups")); err != nil {
			return err
		}
		p.SecurityGroups = strs(c.in, "security_groups")
	}
	if has(c.in, "port_security_enabled") {
		p.PortSecurity = boolean(c.in, "port_security_enabled")
		if !p.PortSecurity && len(p.SecurityGroups) > 0 {
			return conflict(
				"PortSecurityPortHasSecurityGroup",
				"Port has security group associated. Cannot disable port security or IP address until security group is removed.",
			)
		}
	}
	for key, to := range map[string]*string{"device_id": &p.DeviceID, "device_owner": &p.DeviceOwner, "mac_address": &p.MAC, "binding:vnic_type": &p.VNICType, "binding:host_id": &p.HostID, "dns_name": &p.DNSName} {
		if has(c.in, key) {
			*to = str(c.in, key)
		}
	}
	if has(c.in, "admin_state_up") {
		p.AdminUp = boolean(c.in, "admin_state_up")
	}
	if has(c.in, "binding:profile") {
		p.Profile = object(c.in, "binding:profile")
	}
	if has(c.in, "allowed_address_pairs") {
		p.AddressPairs = objs(c.in, "allowed_address_pairs")
	}
	if has(c.in, "extra_dhcp_opts") {
		p.DHCPOptions = objs(c.in, "extra_dhcp_opts")
	}
	s.db.Ports.Put(p)
	return nil
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
	fresh := p == nil
	if fresh {
		p = &db.Port{
			Std: db.Std{ProjectID: n.ProjectID}, NetworkID: network, MAC: newMAC(), AdminUp: true, Status: "ACTIVE",
			DeviceID: "dhcp" + db.NewUUID() + "-" + network, DeviceOwner: ownerDHCP, VNICType: "normal",
		}
	}
	old := p.FixedIPs
	p.FixedIPs = nil
	for _, sn := range want {
		i := slices.IndexFunc(old, func(f db.FixedIP) bool { return f.SubnetID == sn.ID })
		if i >= 0 {
			p.FixedIPs = append(p.FixedIPs, old[i])
			continue
		}
		if a, ok := s.lowestFree(sn, p.MAC); ok {
			p.FixedIPs = append(p.FixedIPs, db.FixedIP{SubnetID: sn.ID, IPAddress: a})
		}
	}
	if fresh {
		s.db.Ports.Insert(p)
	} else {
		s.db.Ports.Put(p)
	}
}

// lowestFree is the address the DHCP server takes.
func (s *Service) lowestFree(sn *db.Subnet, mac string) (string, bool) {
	if sn.AddressMode == "slaac" {
		return slaacAddress(sn, mac), true
	}
	taken := s.taken(sn.ID)
	for _, r := range sn.Pools {
		a, err1 := netip.ParseAddr(r.Start)
		end, err2 := netip.ParseAddr(r.End)
		if err1 != nil || err2 != nil {
			continue
		}
		for n := 0; n < tries && a.Compare(end) <= 0; a, n = a.Next(), n+1 {
			if !taken[a.String()] {
				return a.String(), true
			}
		}
	}
	return "", false
}
