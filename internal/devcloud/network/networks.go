package network

import (
	"cmp"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// zone is the one availability zone.
const zone = "nova"

func (s *Service) networks() *resource[db.Network, *db.Network] {
	return &resource[db.Network, *db.Network]{
		quotas: s.quotas, table: s.db.Networks, single: "network", plural: "networks", class: "Network",
		attrs: []attr{
			nameAttr,
			{name: "admin_state_up", kind: kindBool, when: both, def: true, field: "AdminUp"},
			{name: "shared", kind: kindBool, when: both | adminOnly, field: "Shared"},
			{name: "router:external", kind: kindBool, when: both | adminOnly, field: "External"},
			{name: "is_default", kind: kindBool, when: both | adminOnly, field: "Default"},
			{name: "port_security_enabled", kind: kindBool, when: both, def: true, field: "PortSecurity"},
			{name: "mtu", kind: kindInt, when: both, def: 1500, field: "MTU"},
			{name: "availability_zone_hints", kind: kindStrings, when: onCreate, field: "ZoneHints"},
			{name: "provider:network_type", kind: kindString, when: adminMakes, field: "ProviderType"},
			{name: "provider:physical_network", kind: kindString | orNull, when: adminMakes, field: "ProviderPhysical"},
			{name: "provider:segmentation_id", kind: kindInt | orNull, when: adminMakes, field: "ProviderSegment"},
		},
		readOnly: []string{"subnets", "availability_zones", "ipv4_address_scope", "ipv6_address_scope"},
		revision: 1,
		shared:   func(n *db.Network, project string) bool { return n.External || s.db.SharedWith(n, project) },
		check: func(_ *call, n *db.Network) error {
			n.ProviderType = cmp.Or(n.ProviderType, "local")
			return nil
		},
		show:    s.networkView,
		removed: func(_ *call, n *db.Network) error { return s.emptyNetwork(n.ID) },
	}
}

func (s *Service) networkView(n *db.Network, v api.Obj) {
	subnets, zones := []string{}, []string{}
	for _, sn := range s.subnetsOf(n.ID) {
		subnets, zones = append(subnets, sn.ID), []string{zone}
	}
	v["status"], v["subnets"], v["availability_zones"] = "ACTIVE", subnets, zones
	v["ipv4_address_scope"], v["ipv6_address_scope"] = nil, nil
	if !n.External {
		delete(v, "is_default")
	}
}

func (s *Service) subnetsOf(network string) []*db.Subnet {
	return s.db.Subnets.Where(func(sn *db.Subnet) bool { return sn.NetworkID == network })
}

// Visible is the network of that ID if the project may see it, else nil.
func (s *Service) Visible(project, id string) *db.Network {
	n := s.db.Networks.Get(id)
	if n != nil && n.ProjectID != project && !n.External && !s.db.SharedWith(n, project) {
		return nil
	}
	return n
}

// usableNetwork is the network that a body names, if the caller may see it.
func (s *Service) usableNetwork(c *call, key string) (*db.Network, error) {
	return s.networks().find(c.Request, str(c.in, key))
}

// emptyNetwork removes a network's subnets and the ports that are Neutron's own.
func (s *Service) emptyNetwork(id string) error {
	var busy []string
	ports := s.db.Ports.Where(func(p *db.Port) bool { return p.NetworkID == id })
	for _, p := range ports {
		if p.DeviceOwner != ownerDHCP {
			busy = append(busy, p.ID)
		}
	}
	if len(busy) > 0 {
		slices.Sort(busy)
		return conflict("NetworkInUse",
			"Unable to complete operation on network %s. There are one or more ports still in use on the network, id for these ports is: %s.",
			id, strings.Join(busy, ","))
	}
	for _, p := range ports {
		s.db.Ports.Delete(p.ID)
	}
	for _, sn := range s.subnetsOf(id) {
		s.db.Subnets.Delete(sn.ID)
	}
	return nil
}
