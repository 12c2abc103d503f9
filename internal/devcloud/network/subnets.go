package network

import (
	"cmp"
	"fmt"
	"net/netip"

	"go4.org/netipx"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// ipv6Modes are the ways in which guests get their IPv6 addresses.
var ipv6Modes = []string{"dhcpv6-stateful", "dhcpv6-stateless", "slaac"}

func (s *Service) subnets() *resource[db.Subnet, *db.Subnet] {
	return &resource[db.Subnet, *db.Subnet]{
		quotas: s.quotas, table: s.db.Subnets, single: "subnet", plural: "subnets", class: "Subnet",
		attrs: []attr{
			nameAttr,
			{name: "network_id", kind: kindUUID, when: onCreate | required, field: "NetworkID"},
			{name: "ip_version", kind: kindInt, when: onCreate | required, field: "IPVersion"},
			{name: "cidr", kind: kindString | orNull, when: onCreate, field: "CIDR"},
			{name: "gateway_ip", kind: kindIP | orNull, when: both, field: "Gateway"},
			{name: "enable_dhcp", kind: kindBool, when: both, def: true, field: "DHCP"},
			{name: "allocation_pools", kind: kindObjects, when: both, field: "Pools"},
			{name: "dns_nameservers", kind: kindStrings, when: both, field: "DNS"},
			{name: "host_routes", kind: kindObjects, when: both, field: "Routes"},
			{name: "ipv6_ra_mode", kind: kindString | orNull, when: onCreate, choices: ipv6Modes, field: "RAMode"},
			{name: "ipv6_address_mode", kind: kindString | orNull, when: onCreate, choices: ipv6Modes, field: "AddressMode"},
			{name: "subnetpool_id", kind: kindUUID | orNull, when: onCreate, field: "SubnetPoolID"},
			{name: "prefixlen", kind: kindInt | orNull, when: onCreate},
			{name: "service_types", kind: kindStrings, when: both, field: "ServiceTypes"},
		},
		readOnly: []string{"segment_id"},
		shared: func(sn *db.Subnet, project string) bool {
			n := s.db.Networks.Get(sn.NetworkID)
			return n != nil && s.db.SharedWith(n, project)
		},
		check: s.checkSubnet,
		stored: func(_ *call, sn *db.Subnet) error {
			s.keepDHCP(sn.NetworkID)
			if sn.Revision == 0 {
				s.touchNetwork(sn.NetworkID)
			}
			return nil
		},
		removed: func(_ *call, sn *db.Subnet) error {
			if s.db.Ports.First(func(p *db.Port) bool { return p.DeviceOwner != ownerDHCP && onSubnet(p, sn.ID) }) != nil {
				return conflict("SubnetInUse",
					"Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", sn.ID)
			}
			s.db.Subnets.Delete(sn.ID)
			s.keepDHCP(sn.NetworkID)
			s.touchNetwork(sn.NetworkID)
			return nil
		},
	}
}

// checkModes refuses what Neutron refuses of the IPv6 modes.
func checkModes(sn *db.Subnet, prefix netip.Prefix) error {
	own := func(mode string) bool { return mode == "slaac" || mode == "dhcpv6-stateless" }
	switch {
	case sn.RAMode == "" && sn.AddressMode == "":
		return nil
	case sn.IPVersion == 4 && sn.RAMode == "":
		return invalidInput("ipv6_address_mode is not valid when ip_version is 4.")
	case sn.IPVersion == 4:
		return invalidInput("ipv6_ra_mode is not valid when ip_version is 4.")
	case !sn.DHCP:
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")
	case sn.RAMode != "" && sn.AddressMode != "" && sn.RAMode != sn.AddressMode:
		return invalidInput(
			"ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value",
			sn.RAMode, sn.AddressMode)
	case prefix.Bits() != 64 && (own(sn.RAMode) || own(sn.AddressMode)):
		return invalidInput(
			"Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64.",
			prefix)
	}
	return nil
}

// checkGateway refuses a gateway that no host can have, or that guests might
// be given.
func checkGateway(sn *db.Subnet, prefix netip.Prefix) error {
	gw := addrOf(sn.Gateway)
	if !gw.IsValid() {
		return nil
	}
	if prefix.Contains(gw) && gw.Is4() && prefix.Bits() < 31 && (gw == prefix.Addr() || !prefix.Contains(gw.Next())) {
		return invalidInput("Gateway is not valid on subnet.")
	}
	for _, p := range sn.Pools {
		if addrOf(p.Start).Compare(gw) <= 0 && gw.Compare(addrOf(p.End)) <= 0 {
			return conflict("GatewayConflictWithAllocationPools",
				"Gateway ip %s conflicts with allocation pool %s-%s.", gw, p.Start, p.End)
		}
	}
	return nil
}

func checkNameServers(list []string) error {
	for _, ns := range list {
		if !addrOf(ns).IsValid() {
			return badAttr("dns_nameservers", "'%s' is not a valid nameserver. '%s' is not a valid IP address.", ns, ns)
		}
	}
	return nil
}

func (s *Service) touchNetwork(id string) {
	if n := s.db.Networks.Get(id); n != nil {
		n.Revision++
		s.db.Networks.Put(n)
	}
}

// checkSubnet settles a new subnet's addresses; of an old one it checks what
// can change.
func (s *Service) checkSubnet(c *call, sn *db.Subnet) error {
	fresh := sn.Seq == 0
	if fresh {
		if err := s.checkRange(c, sn); err != nil {
			return err
		}
	}
	prefix := prefixOf(sn)
	if fresh && !has(c.in, "gateway_ip") {
		if sn.Gateway = prefix.Addr().String(); sn.IPVersion == 4 { // else the routers' anycast address
			sn.Gateway = prefix.Addr().Next().String()
		}
	}
	given := objs(c.in, "allocation_pools")
	switch {
	case fresh && len(given) == 0:
		sn.Pools = defaultPools(prefix, sn.Gateway)
	case has(c.in, "allocation_pools"):
		var err error
		if sn.Pools, err = pools(given, prefix); err != nil {
			return err
		}
	}
	if err := checkNameServers(sn.DNS); err != nil || !fresh {
		return err
	}
	if err := checkModes(sn, prefix); err != nil {
		return err
	}
	return checkGateway(sn, prefix)
}

// checkRange settles the prefix of a new subnet.
func (s *Service) checkRange(c *call, sn *db.Subnet) error {
	n, err := s.usableNetwork(c, "network_id")
	if err != nil {
		return err
	}
	if n.ProjectID != c.Auth.ProjectID && !c.Auth.Admin() {
		return disallowed("(rule:create_subnet and rule:create_subnet:network_id)")
	}
	if sn.CIDR == "" {
		if sn.CIDR, err = s.cidrFromPool(sn, integer(c.in, "prefixlen")); err != nil {
			return err
		}
	}
	prefix, err := netip.ParsePrefix(sn.CIDR)
	if err != nil {
		return invalidInput("%s is not in a CIDR format.", sn.CIDR)
	}
	prefix = prefix.Masked()
	sn.CIDR = prefix.String()
	if (sn.IPVersion == 4) != prefix.Addr().Is4() {
		return invalidInput("cidr '%s' does not match the ip_version '%d'.", sn.CIDR, sn.IPVersion)
	}
	for _, other := range s.subnetsOf(n.ID) {
		if prefixOf(other).Overlaps(prefix) {
			return invalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet.", sn.CIDR, n.ID)
		}
	}
	return nil
}

func pools(in []api.Obj, prefix netip.Prefix) ([]db.Range, error) {
	var out []db.Range
	for _, o := range in {
		start, end := str(o, "start"), str(o, "end")
		a, b := addrOf(start), addrOf(end)
		if !a.IsValid() || b.Compare(a) < 0 {
			return nil, badRequest("InvalidAllocationPool", "The allocation pool %s-%s is not valid.", start, end)
		}
		if !prefix.Contains(a) || !prefix.Contains(b) {
			return nil, badRequest("OutOfBoundsAllocationPool",
				"The allocation pool %s-%s spans beyond the subnet cidr %s.", start, end, prefix)
		}
		out = append(out, db.Range{Start: a.String(), End: b.String()})
	}
	return out, nil
}

func (s *Service) subnetPools() *resource[db.SubnetPool, *db.SubnetPool] {
	return &resource[db.SubnetPool, *db.SubnetPool]{
		quotas: s.quotas, table: s.db.SubnetPools, single: "subnetpool", plural: "subnetpools", class: "SubnetPool",
		members: "prefixes", memberPath: "prefixes",
		attrs: []attr{
			nameAttr,
			{name: "prefixes", kind: kindStrings, when: both | required, field: "Prefixes"},
			{name: "default_prefixlen", kind: kindInt, when: both, field: "DefaultLen"},
			{name: "min_prefixlen", kind: kindInt, when: both, field: "MinLen"},
			{name: "max_prefixlen", kind: kindInt, when: both, field: "MaxLen"},
			{name: "shared", kind: kindBool, when: onCreate | adminOnly, field: "Shared"},
			{name: "is_default", kind: kindBool, when: both | adminOnly, field: "Default"},
			{name: "default_quota", kind: kindInt | orNull, when: both},
			{name: "address_scope_id", kind: kindUUID | orNull, when: both, field: "AddressScope"},
			{name: "ip_version", field: "IPVersion"},
		},
		shared: func(p *db.SubnetPool, _ string) bool { return p.Shared },
		show: func(p *db.SubnetPool, v api.Obj) {
			for _, key := range []string{"default_prefixlen", "min_prefixlen", "max_prefixlen"} {
				v[key] = fmt.Sprint(v[key])
			}
			v["default_quota"] = nil
		},
		check: func(_ *call, p *db.SubnetPool) error {
			if p.AddressScope != "" && s.db.AddressScopes.Get(p.AddressScope) == nil {
				return notFound("AddressScope", p.AddressScope)
			}
			return checkPool(p)
		},
		removed: func(_ *call, p *db.SubnetPool) error {
			if s.db.Subnets.First(func(sn *db.Subnet) bool { return sn.SubnetPoolID == p.ID }) != nil {
				return badRequest("SubnetPoolDeleteError",
					"Unable to delete subnet pool: Subnet pool has existing allocations.")
			}
			return nil
		},
	}
}

// checkPool looks at a pool's prefixes and fills in the lengths they imply.
func checkPool(p *db.SubnetPool) error {
	for _, text := range p.Prefixes {
		pr, err := netip.ParsePrefix(text)
		if err != nil {
			return badAttr("prefixes", "'%s' is not a valid IP subnet.", text)
		}
		version, shortest := 4, 8
		if pr.Addr().Is6() {
			version, shortest = 6, 64
		}
		if p.IPVersion != 0 && p.IPVersion != version {
			return badRequest("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
		p.IPVersion, p.MinLen, p.MaxLen = version, cmp.Or(p.MinLen, shortest), cmp.Or(p.MaxLen, pr.Addr().BitLen())
		p.DefaultLen = cmp.Or(p.DefaultLen, p.MinLen)
	}
	return nil
}

// cidrFromPool picks a free prefix of the subnet's pool.
func (s *Service) cidrFromPool(sn *db.Subnet, length int) (string, error) {
	if sn.SubnetPoolID == "" {
		return "", badRequest("BadRequest", "Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
	}
	p := s.db.SubnetPools.Get(sn.SubnetPoolID)
	if p == nil {
		return "", notFound("SubnetPool", sn.SubnetPoolID)
	}
	if length == 0 {
		length = p.DefaultLen
	}
	var unused netipx.IPSetBuilder
	for _, text := range p.Prefixes {
		if pr, err := netip.ParsePrefix(text); err == nil {
			unused.AddPrefix(pr)
		}
	}
	for _, x := range s.db.Subnets.Where(func(x *db.Subnet) bool { return x.SubnetPoolID == p.ID }) {
		unused.RemovePrefix(prefixOf(x))
	}
	set, err := unused.IPSet()
	if err != nil {
		return "", err
	}
	if free, _, ok := set.RemoveFreePrefix(uint8(min(max(length, 0), 255))); ok {
		return free.String(), nil
	}
	return "", badRequest("SubnetAllocationError",
		"Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.", length)
}
