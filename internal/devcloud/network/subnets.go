package network

import (
	"net/netip"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) subnets() *resource {
	wrap := func(sn *db.Subnet) item {
		open := false
		if n := s.db.Networks.Get(sn.NetworkID); n != nil {
			open = n.Shared
		}
		return item{
			meta: &sn.Meta,
			std:  &sn.Std,
			open: open, sharedWith: s.db.Sharers(sn.NetworkID),
			put:  func() { s.db.Subnets.Put(sn) },
			view: func(admin bool) api.Obj { return subnetView(sn) },
		}
	}
	return &resource{
		single: "subnet", plural: "subnets", class: "Subnet",
		attrs: []attr{
			{name: "name", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "network_id", kind: kindUUID, when: onCreate | required},
			{name: "ip_version", kind: kindInt, when: onCreate | required},
			{name: "cidr", kind: kindStringOrNil, when: onCreate},
			{name: "gateway_ip", kind: kindIPOrNil, when: onCreate | onUpdate},
			{name: "enable_dhcp", kind: kindBool, when: onCreate | onUpdate, def: true},
			{name: "allocation_pools", kind: kindObjects, when: onCreate | onUpdate},
			{name: "dns_nameservers", kind: kindStrings, when: onCreate | onUpdate},
			{name: "host_routes", kind: kindObjects, when: onCreate | onUpdate},
			{name: "ipv6_ra_mode", kind: kindStringOrNil, when: onCreate, choices: ipv6Modes},
			{name: "ipv6_address_mode", kind: kindStringOrNil, when: onCreate, choices: ipv6Modes},
			{name: "subnetpool_id", kind: kindUUIDOrNil, when: onCreate},
			{name: "prefixlen", kind: kindIntOrNil, when: onCreate},
			{name: "service_types", kind: kindStrings, when: onCreate | onUpdate},
			{name: "use_default_subnetpool", kind: kindBool, when: onCreate},
			{name: "segment_id", kind: kindUUIDOrNil},
		},
		all: func() []item { return itemsOf(s.db.Subnets.All(), wrap) },
		get: func(id string) (item, bool) {
			sn := s.db.Subnets.Get(id)
			if sn == nil {
				return item{}, false
			}
			return wrap(sn), true
		},
		create: s.createSubnet,
		update: s.updateSubnet,
		remove: func(c *call, id string) error {
			for _, p := range s.db.Ports.Where(func(p *db.Port) bool {
				return p.DeviceOwner != ownerDHCP && slices.ContainsFunc(p.FixedIPs, func(f db.FixedIP) bool { return f.SubnetID == id })
			}) {
				_ = p
				return conflict(
					"SubnetInUse",
					"Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.",
					id,
				)
			}
			sn := s.db.Subnets.Get(id)
			s.db.Subnets.Delete(id)
			s.keepDHCP(sn.NetworkID)
			s.touchNetwork(sn.NetworkID)
			return nil
		},
	}
}

// ipv6Modes are the ways in which guests get their IPv6 addresses.
var ipv6Modes = []string{"dhcpv6-stateful", "dhcpv6-stateless", "slaac"}

// checkModes refuses what Neutron refuses of the IPv6 modes.
func checkModes(sn *db.Subnet, prefix netip.Prefix) error {
	if sn.RAMode == "" && sn.AddressMode == "" {
		return nil
	}
	if sn.IPVersion == 4 {
		which := "ipv6_ra_mode"
		if sn.RAMode == "" {
			which = "ipv6_address_mode"
		}
		return invalidInput("%s is not valid when ip_version is 4.", which)
	}
	if !sn.DHCP {
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")
	}
	if sn.RAMode != "" && sn.AddressMode != "" && sn.RAMode != sn.AddressMode {
		return invalidInput(
			"ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value",
			sn.RAMode,
			sn.AddressMode,
		)
	}
	own := func(mode string) bool { return mode == "slaac" || mode == "dhcpv6-stateless" }
	if prefix.Bits() != 64 && (own(sn.RAMode) || own(sn.AddressMode)) {
		return invalidInput(
			"Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64.",
			prefix,
		)
	}
	return nil
}

// checkGateway refuses a gateway that no host can have, or that guests might
// be given.
func checkGateway(sn *db.Subnet, prefix netip.Prefix) error {
	gw, err := netip.ParseAddr(sn.Gateway)
	if err != nil {
		return nil // none
	}
	if prefix.Contains(gw) && gw.Is4() && prefix.Bits() < 31 && (gw == prefix.Addr() || !prefix.Contains(gw.Next())) {
		return invalidInput("Gateway is not valid on subnet.")
	}
	for _, p := range sn.Pools {
		start, err1 := netip.ParseAddr(p.Start)
		end, err2 := netip.ParseAddr(p.End)
		if err1 == nil && err2 == nil && start.Compare(gw) <= 0 && gw.Compare(end) <= 0 {
			return conflict(
				"GatewayConflictWithAllocationPools",
				"Gateway ip %s conflicts with allocation pool %s-%s.",
				gw,
				p.Start,
				p.End,
			)
		}
	}
	return nil
}

func checkNameServers(list []string) error {
	for _, ns := range list {
		if _, err := netip.ParseAddr(ns); err != nil {
			return badAttr(
				"dns_nameservers",
				"'%s' is not a valid nameserver. '%s' is not a valid IP address.",
				ns,
				ns,
			)
		}
	}
	return nil
}

func subnetView(sn *db.Subnet) api.Obj {
	return api.Obj{
		"name": sn.Name, "network_id": sn.NetworkID, "ip_version": sn.IPVersion, "cidr": sn.CIDR, "gateway_ip": orNil(sn.Gateway),
		"enable_dhcp": sn.DHCP, "allocation_pools": list(sn.Pools), "dns_nameservers": list(sn.DNS), "host_routes": list(sn.Routes),
		"ipv6_ra_mode": orNil(
			sn.RAMode,
		), "ipv6_address_mode": orNil(sn.AddressMode), "subnetpool_id": orNil(sn.SubnetPoolID), "service_types": list(sn.ServiceTypes),
	}
}

func (s *Service) touchNetwork(id string) {
	if n := s.db.Networks.Get(id); n != nil {
		n.Revision++
		s.db.Networks.Put(n)
	}
}

func (s *Service) createSubnet(c *call) (string, error) {
	network := str(c.in, "network_id")
	n := s.db.Networks.Get(network)
	if n == nil || n.ProjectID != c.Auth.ProjectID && !s.db.SharedWith(n, c.Auth.ProjectID) && !n.External && !c.Auth.Admin() {
		return "", notFound("Network", network)
	}
	if n.ProjectID != c.Auth.ProjectID && !c.Auth.Admin() {
		return "", disallowed("(rule:create_subnet and rule:create_subnet:network_id)")
	}
	if err := s.checkQuota(c.project, "subnet"); err != nil {
		return "", err
	}
	sn := &db.Subnet{
		Std: newStd(
			c,
		), NetworkID: network, IPVersion: integer(c.in, "ip_version"), DHCP: boolean(c.in, "enable_dhcp"),
		DNS: strs(
			c.in,
			"dns_nameservers",
		), Routes: routes(objs(c.in, "host_routes")), RAMode: str(c.in, "ipv6_ra_mode"),
		AddressMode: str(
			c.in,
			"ipv6_address_mode",
		), SubnetPoolID: str(c.in, "subnetpool_id"), ServiceTypes: strs(c.in, "service_types"),
	}
	cidr := str(c.in, "cidr")
	if cidr == "" {
		var err error
		if cidr, err = s.cidrFromPool(sn, integer(c.in, "prefixlen")); err != nil {
			return "", err
		}
	}
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return "", invalidInput("%s is not in a CIDR format.", cidr)
	}
	prefix = prefix.Masked()
	sn.CIDR = prefix.String()
	family := 4
	if prefix.Addr().Is6() {
		family = 6
	}
	if sn.IPVersion != family {
		return "", invalidInput("cidr '%s' does not match the ip_version '%d'.", sn.CIDR, sn.IPVersion)
	}
	for _, other := range s.subnetsOf(network) {
		if p, err := netip.ParsePrefix(other.CIDR); err == nil && p.Overlaps(prefix) {
			return "", invalidInput(
				"Requested subnet with cidr: %s for network: %s overlaps with another subnet.",
				sn.CIDR,
				network,
			)
		}
	}
	switch {
	case !has(c.in, "gateway_ip"):
		sn.Gateway = prefix.Addr().Next().String()
		if family == 6 {
			sn.Gateway = prefix.Addr().String() // the routers' anycast address
		}
	default:
		sn.Gateway = str(c.in, "gateway_ip")
	}
	sn.Pools = defaultPools(prefix, sn.Gateway)
	if has(c.in, "allocation_pools") && len(objs(c.in, "allocation_pools")) > 0 {
		if sn.Pools, err = pools(objs(c.in, "allocation_pools"), prefix); err != nil {
			return "", err
		}
	}
	for _, err := range []error{checkModes(sn, prefix), checkGateway(sn, prefix), checkNameServers(sn.DNS)} {
		if err != nil {
			return "", err
		}
	}
	s.db.Subnets.Insert(sn)
	s.keepDHCP(network)
	s.touchNetwork(network)
	return sn.ID, nil
}

func routes(in []api.Obj) []db.Route {
	var out []db.Route
	for _, o := range in {
		d, _ := o["destination"].(string)
		h, _ := o["nexthop"].(string)
		out = append(out, db.Route{Destination: d, NextHop: h})
	}
	return out
}

func pools(in []api.Obj, prefix netip.Prefix) ([]db.Range, error) {
	var out []db.Range
	for _, o := range in {
		start, _ := o["start"].(string)
		end, _ := o["end"].(string)
		a, err1 := netip.ParseAddr(start)
		b, err2 := netip.ParseAddr(end)
		if err1 != nil || err2 != nil || b.Compare(a) < 0 {
			return nil, badRequest("InvalidAllocationPool", "The allocation pool %s-%s is not valid.", start, end)
		}
		if !prefix.Contains(a) || !prefix.Contains(b) {
			return nil, badRequest(
				"OutOfBoundsAllocationPool",
				"The allocation pool %s-%s spans beyond the subnet cidr %s.",
				start,
				end,
				prefix,
			)
		}
		out = append(out, db.Range{Start: a.String(), End: b.String()})
	}
	return out, nil
}

func (s *Service) updateSubnet(c *call, id string) error {
	sn := s.db.Subnets.Get(id)
	if err := checkNameServers(strs(c.in, "dns_nameservers")); err != nil {
		return err
	}
	touch(&sn.Std, c.in)
	if has(c.in, "gateway_ip") {
		sn.Gateway = str(c.in, "gateway_ip")
	}
	if has(c.in, "enable_dhcp") {
		sn.DHCP = boolean(c.in, "enable_dhcp")
	}
	if has(c.in, "dns_nameservers") {
		sn.DNS = strs(c.in, "dns_nameservers")
	}
	if has(c.in, "host_routes") {
		sn.Routes = routes(objs(c.in, "host_routes"))
	}
	if has(c.in, "service_types") {
		sn.ServiceTypes = strs(c.in, "service_types")
	}
	if has(c.in, "allocation_pools") {
		prefix, err := netip.ParsePrefix(sn.CIDR)
		if err != nil {
			return err
		}
		if sn.Pools, err = pools(objs(c.in, "allocation_pools"), prefix); err != nil {
			return err
		}
	}
	s.db.Subnets.Put(sn)
	s.keepDHCP(sn.NetworkID)
	return nil
}
