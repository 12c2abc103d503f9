package network

import (
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) networks() *resource {
	wrap := func(n *db.Network) item {
		return item{
			meta: &n.Meta,
			std:  &n.Std,
			open: n.Shared || n.External, sharedWith: s.db.Sharers(n.ID),
			put:  func() { s.db.Networks.Put(n) },
			view: func(admin bool) api.Obj { return s.networkView(n, admin) },
		}
	}
	return &resource{
		single: "network", plural: "networks", class: "Network",
		attrs: []attr{
			{name: "name", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "admin_state_up", kind: kindBool, when: onCreate | onUpdate, def: true},
			{name: "shared", kind: kindBool, when: onCreate | onUpdate | adminOnly, def: false},
			{name: "router:external", kind: kindBool, when: onCreate | onUpdate | adminOnly, def: false},
			{name: "is_default", kind: kindBool, when: onCreate | onUpdate | adminOnly, def: false},
			{name: "port_security_enabled", kind: kindBool, when: onCreate | onUpdate, def: true},
			{name: "mtu", kind: kindInt, when: onCreate | onUpdate, def: 1500},
			{name: "dns_domain", kind: kindString, when: onCreate | onUpdate},
			{name: "availability_zone_hints", kind: kindStrings, when: onCreate},
			{name: "provider:network_type", kind: kindString, when: onCreate | adminOnly},
			{name: "provider:physical_network", kind: kindStringOrNil, when: onCreate | adminOnly},
			{name: "provider:segmentation_id", kind: kindIntOrNil, when: onCreate | adminOnly},
			{name: "subnets"},
			{name: "availability_zones"},
			{name: "ipv4_address_scope"},
			{name: "ipv6_address_scope"},
		},
		all: func() []item { return itemsOf(s.db.Networks.All(), wrap) },
		get: func(id string) (item, bool) {
			n := s.db.Networks.Get(id)
			if n == nil {
				return item{}, false
			}
			return wrap(n), true
		},
		create: func(c *call) (string, error) {
			if err := s.checkQuota(c.project, "network"); err != nil {
				return "", err
			}
			n := &db.Network{
				Std: newStd(
					c,
				), AdminUp: boolean(c.in, "admin_state_up"), Shared: boolean(c.in, "shared"), External: boolean(c.in, "router:external"),
				Default: boolean(
					c.in,
					"is_default",
				), PortSecurity: boolean(c.in, "port_security_enabled"), MTU: integer(c.in, "mtu"),
				DNSDomain: str(
					c.in,
					"dns_domain",
				), ZoneHints: strs(c.in, "availability_zone_hints"), ProviderType: str(c.in, "provider:network_type"),
				ProviderPhysical: str(
					c.in,
					"provider:physical_network",
				), ProviderSegment: integer(c.in, "provider:segmentation_id"),
			}
			n.Revision = 1
			if n.ProviderType == "" {
				n.ProviderType = "local"
			}
			return s.db.Networks.Insert(n).ID, nil
		},
		update: func(c *call, id string) error {
			n := s.db.Networks.Get(id)
			touch(&n.Std, c.in)
			for key, to := range map[string]*bool{"admin_state_up": &n.AdminUp, "shared": &n.Shared, "router:external": &n.External, "is_default": &n.Default, "port_security_enabled": &n.PortSecurity} {
				if has(c.in, key) {
					*to = boolean(c.in, key)
				}
			}
			if has(c.in, "mtu") {
				n.MTU = integer(c.in, "mtu")
			}
			if has(c.in, "dns_domain") {
				n.DNSDomain = str(c.in, "dns_domain")
			}
			s.db.Networks.Put(n)
			return nil
		},
		remove: func(c *call, id string) error { return s.removeNetwork(id) },
	}
}

func (s *Service) networkView(n *db.Network, admin bool) api.Obj {
	subnets := []string{}
	for _, sn := range s.subnetsOf(n.ID) {
		subnets = append(subnets, sn.ID)
	}
	zones := []string{}
	if len(subnets) > 0 {
		zones = []string{zone}
	}
	v := api.Obj{
		"name": n.Name, "admin_state_up": n.AdminUp, "status": "ACTIVE", "mtu": n.MTU, "shared": n.Shared, "subnets": subnets,
		"router:external": n.External, "port_security_enabled": n.PortSecurity, "availability_zone_hints": list(n.ZoneHints), "availability_zones": zones,
		"ipv4_address_scope": nil, "ipv6_address_scope": nil,
	}
	if n.External {
		v["is_default"] = n.Default
	}
	if admin {
		v["provider:network_type"], v["provider:physical_network"], v["provider:segmentation_id"] = n.ProviderType, orNil(
			n.ProviderPhysical,
		), nil
		if n.ProviderSegment != 0 {
			v["provider:segmentation_id"] = n.ProviderSegment
		}
	}
	return v
}

func (s *Service) subnetsOf(network string) []*db.Subnet {
	return s.db.Subnets.Where(func(sn *db.Subnet) bool { return sn.NetworkID == network })
}

// removeNetwork removes a network with its subnets and the ports that are
// Neutron's own.
func (s *Service) removeNetwork(id string) error {
	var busy []string
	ports := s.db.Ports.Where(func(p *db.Port) bool { return p.NetworkID == id })
	for _, p := range ports {
		if p.DeviceOwner != ownerDHCP {
			busy = append(busy, p.ID)
		}
	}
	if len(busy) > 0 {
		slices.Sort(busy)
		return conflict(
			"NetworkInUse",
			"Unable to complete operation on network %s. There are one or more ports still in use on the network, id for these ports is: %s.",
			id,
			strings.Join(busy, ","),
		)
	}
	for _, p := range ports {
		s.db.Ports.Delete(p.ID)
	}
	for _, sn := range s.subnetsOf(id) {
		s.db.Subnets.Delete(sn.ID)
	}
	s.db.Networks.Delete(id)
	return nil
}

// zone is the one availability zone.
const zone = "nova"
