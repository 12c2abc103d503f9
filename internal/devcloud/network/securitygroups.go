package network

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) securityGroups() *resource {
	wrap := func(g *db.SecurityGroup) item {
		return item{
			meta: &g.Meta,
			std:  &g.Std,
			open: g.Shared,
			put:  func() { s.db.SecurityGroups.Put(g) },
			view: func(admin bool) api.Obj { return s.groupView(g) },
		}
	}
	return &resource{
		single: "security_group", plural: "security-groups", class: "SecurityGroup",
		attrs: []attr{
			{name: "name", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "stateful", kind: kindBool, when: onCreate | onUpdate, def: true},
			{name: "shared"},
			{name: "security_group_rules"},
		},
		all: func() []item { return itemsOf(s.db.SecurityGroups.All(), wrap) },
		get: func(id string) (item, bool) {
			g := s.db.SecurityGroups.Get(id)
			if g == nil {
				return item{}, false
			}
			return wrap(g), true
		},
		create: func(c *call) (string, error) {
			s.defaultGroup(c.project)
			if str(c.in, "name") == defaultGroupName {
				return "", conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
			}
			if err := s.checkQuota(c.project, "security_group"); err != nil {
				return "", err
			}
			g := &db.SecurityGroup{Std: newStd(c), Stateful: boolean(c.in, "stateful")}
			g.Revision = 1
			s.db.SecurityGroups.Insert(g)
			s.egressRules(g)
			return g.ID, nil
		},
		update: func(c *call, id string) error {
			g := s.db.SecurityGroups.Get(id)
			if g.Name == defaultGroupName && has(c.in, "name") && str(c.in, "name") != defaultGroupName {
				return conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
			}
			touch(&g.Std, c.in)
			if has(c.in, "stateful") {
				g.Stateful = boolean(c.in, "stateful")
			}
			s.db.SecurityGroups.Put(g)
			return nil
		},
		remove: func(c *call, id string) error {
			g := s.db.SecurityGroups.Get(id)
			if g.Name == defaultGroupName && !c.Auth.Admin() {
				return conflict(
					"SecurityGroupCannotRemoveDefault",
					"Insufficient rights for removing default security group.",
				)
			}
			if s.db.Ports.First(func(p *db.Port) bool { return slices.Contains(p.SecurityGroups, id) }) != nil {
				return conflict("SecurityGroupInUse", "Security Group %s in use.", id)
			}
			for _, rule := range s.rulesOf(id) {
				s.db.SecurityRules.Delete(rule.ID)
			}
			s.db.SecurityGroups.Delete(id)
			return nil
		},
	}
}

const defaultGroupName = "default"

func (s *Service) rulesOf(group string) []*db.SecurityRule {
	return s.db.SecurityRules.Where(func(x *db.SecurityRule) bool { return x.GroupID == group })
}

func (s *Service) groupView(g *db.SecurityGroup) api.Obj {
	rules := api.List{}
	own := s.rulesOf(g.ID)
	slices.SortFunc(own, func(a, b *db.SecurityRule) int { return strings.Compare(a.ID, b.ID) })
	for _, x := range own {
		it := item{meta: &x.Meta, std: &x.Std, view: func(admin bool) api.Obj { return ruleView(x) }}
		v := it.shown(&api.Auth{})
		v["standard_attr_id"] = x.Seq
		rules = append(rules, v)
	}
	return api.Obj{"name": g.Name, "stateful": g.Stateful, "shared": g.Shared, "security_group_rules": rules}
}

// defaultGroup is the project's default group, made when it is first needed.
func (s *Service) defaultGroup(project string) *db.SecurityGroup {
	g := s.db.SecurityGroups.First(
		func(g *db.SecurityGroup) bool { return g.ProjectID == project && g.Name == defaultGroupName },
	)
	if g != nil || project == "" {
		return g
	}
	g = &db.SecurityGroup{
		Std: db.Std{
			Name:        defaultGroupName,
			Description: "Default security group",
			ProjectID:   project,
			Revision:    1,
		},
		Stateful: true,
	}
	s.db.SecurityGroups.Insert(g)
	s.egressRules(g)
	for _, family := range []string{"IPv4", "IPv6"} {
		s.db.SecurityRules.Insert(
			&db.SecurityRule{
				Std:           db.Std{ProjectID: project},
				GroupID:       g.ID,
				Direction:     "ingress",
				EtherType:     family,
				RemoteGroup:   g.ID,
				NoDescription: true,
			},
		)
	}
	return g
}

// egressRules lets everything out, as Neutron does for a new group.
func (s *Service) egressRules(g *db.SecurityGroup) {
	for _, family := range []string{"IPv4", "IPv6"} {
		s.db.SecurityRules.Insert(
			&db.SecurityRule{
				Std:           db.Std{ProjectID: g.ProjectID},
				GroupID:       g.ID,
				Direction:     "egress",
				EtherType:     family,
				NoDescription: true,
			},
		)
	}
}

// checkGroups tells whether a project may put a port into the groups.
func (s *Service) checkGroups(project string, ids []string) error {
	for _, id := range ids {
		g := s.db.SecurityGroups.Get(id)
		if g == nil || g.ProjectID != project && !g.Shared {
			return notFound("SecurityGroup", id)
		}
	}
	return nil
}

func (s *Service) securityRules() *resource {
	wrap := func(x *db.SecurityRule) item {
		return item{
			meta:    &x.Meta,
			tagless: true,
			std:     &x.Std,
			put:     func() { s.db.SecurityRules.Put(x) },
			view:    func(admin bool) api.Obj { return ruleView(x) },
		}
	}
	return &resource{
		single: "security_group_rule", plural: "security-group-rules", class: "SecurityGroupRule",
		attrs: []attr{
			{name: "security_group_id", kind: kindUUID, when: onCreate | required},
			{name: "direction", kind: kindString, when: onCreate | required, choices: []string{"ingress", "egress"}},
			{name: "ethertype", kind: kindString, when: onCreate, def: "IPv4"},
			{name: "protocol", kind: kindAny, when: onCreate},
			{name: "port_range_min", kind: kindIntOrNil, when: onCreate},
			{name: "port_range_max", kind: kindIntOrNil, when: onCreate},
			{name: "remote_ip_prefix", kind: kindStringOrNil, when: onCreate},
			{name: "remote_group_id", kind: kindUUIDOrNil, when: onCreate},
			{name: "remote_address_group_id", kind: kindUUIDOrNil, when: onCreate},
			{name: "normalized_cidr"},
		},
		all: func() []item { return itemsOf(s.db.SecurityRules.All(), wrap) },
		get: func(id string) (item, bool) {
			x := s.db.SecurityRules.Get(id)
			if x == nil {
				return item{}, false
			}
			return wrap(x), true
		},
		create: s.createRule,
		remove: func(c *call, id string) error {
			x := s.db.SecurityRules.Get(id)
			s.db.SecurityRules.Delete(id)
			s.touchGroup(x.GroupID)
			return nil
		},
	}
}

func (s *Service) touchGroup(id string) {
	if g := s.db.SecurityGroups.Get(id); g != nil {
		g.Revision++
		s.db.SecurityGroups.Put(g)
	}
}

func ruleView(x *db.SecurityRule) api.Obj {
	v := api.Obj{
		"security_group_id": x.GroupID, "ethertype": x.EtherType, "direction": x.Direction, "protocol": orNil(x.Protocol),
		"port_range_min": x.PortMin, "port_range_max": x.PortMax, "remote_ip_prefix": orNil(x.RemotePrefix), "normalized_cidr": orNil(x.RemotePrefix),
		"remote_group_id": orNil(x.RemoteGroup), "remote_address_group_id": orNil(x.RemoteAddressGroup),
	}
	if x.NoDescription {
		v["description"] = nil
	}
	return v
}

var protocols = []string{
	"ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "igmp", "ip", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp",
	"icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp",
}

func (s *Service) createRule(c *call) (string, error) {
	group := str(c.in, "security_group_id")
	g := s.db.SecurityGroups.Get(group)
	if g == nil || g.ProjectID != c.Auth.ProjectID && !c.Auth.Admin() {
		return "", notFound("SecurityGroup", group)
	}
	if err := s.checkQuota(c.project, "security_group_rule"); err != nil {
		return "", err
	}
	x := &db.SecurityRule{
		Std: newStd(c), GroupID: group, Direction: str(c.in, "direction"), RemoteGroup: str(c.in, "remote_group_id"),
		RemoteAddressGroup: str(c.in, "remote_address_group_id"), RemotePrefix: str(c.in, "remote_ip_prefix"),
	}
	if id := x.RemoteAddressGroup; id != "" && s.db.Object("address_group", id) == nil {
		return "", notFound("AddressGroup", id)
	}
	switch e := str(c.in, "ethertype"); strings.ToLower(e) {
	case "ipv4":
		x.EtherType = "IPv4"
	case "ipv6":
		x.EtherType = "IPv6"
	default:
		return "", badRequest(
			"SecurityGroupRuleInvalidEtherType",
			"Security group rule for ethertype '%s' not supported. Allowed values are ['IPv4', 'IPv6'].",
			e,
		)
	}
	switch p := c.in["protocol"].(type) {
	case nil:
	case float64:
		x.Protocol = strconv.Itoa(int(p))
	case string:
		x.Protocol = strings.ToLower(p)
		n, err := strconv.Atoi(p)
		switch {
		case x.Protocol == "" || x.Protocol == "any":
			x.Protocol = ""
		case err == nil && n >= 0 && n <= 255:
		case !slices.Contains(protocols, x.Protocol):
			return "", badRequest("SecurityGroupRuleInvalidProtocol", "Security group rule protocol %s not supported. Only protocol values [None, '%s'] and integer representations [0 to 255] are supported.", p, strings.Join(protocols, "', '"))
		}
	}
	if n, ok := c.in["port_range_min"].(int); ok {
		x.PortMin = &n
	}
	if n, ok := c.in["port_range_max"].(int); ok {
		x.PortMax = &n
	}
	if err := checkPorts(x); err != nil {
		return "", err
	}
	if x.RemotePrefix != "" {
		if a, err := netip.ParseAddr(x.RemotePrefix); err == nil {
			x.RemotePrefix = netip.PrefixFrom(a, a.BitLen()).String()
		}
		p, err := netip.ParsePrefix(x.RemotePrefix)
		if err != nil {
			return "", badAttr(
				"remote_ip_prefix",
				"'%s' is neither a valid IP address, nor is it a valid IP subnet.",
				x.RemotePrefix,
			)
		}
		if p.Addr().Is4() != (x.EtherType == "IPv4") {
			return "", badRequest(
				"SecurityGroupRuleParameterConflict",
				"Conflicting value ethertype %s for CIDR %s",
				x.EtherType,
				x.RemotePrefix,
			)
		}
		if x.RemoteGroup != "" || x.RemoteAddressGroup != "" {
			return "", badRequest(
				"SecurityGroupMultipleRemoteEntites",
				"Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
			)
		}
	}
	if x.RemoteGroup != "" {
		if err := s.checkGroups(g.ProjectID, []string{x.RemoteGroup}); err != nil {
			return "", err
		}
	}
	for _, have := range s.rulesOf(group) {
		if sameRule(have, x) {
			return "", conflict(
				"SecurityGroupRuleExists",
				"Security group rule already exists. Rule id is %s.",
				have.ID,
			)
		}
	}
	s.db.SecurityRules.Insert(x)
	s.touchGroup(group)
	return x.ID, nil
}

func checkPorts(x *db.SecurityRule) error {
	if x.PortMin == nil && x.PortMax == nil {
		return nil
	}
	switch x.Protocol {
	case "":
		return badRequest(
			"SecurityGroupProtocolRequiredWithPorts",
			"Must also specify protocol if port range is given.",
		)
	case "icmp", "icmpv6", "ipv6-icmp":
		if x.PortMin == nil {
			return badRequest(
				"SecurityGroupMissingIcmpType",
				"ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.",
				*x.PortMax,
			)
		}
		return nil
	}
	if x.PortMin == nil || x.PortMax == nil {
		return badRequest(
			"SecurityGroupInvalidPortRange",
			"For TCP/UDP protocols, port_range_min must be <= port_range_max",
		)
	}
	for _, n := range []*int{x.PortMin, x.PortMax} {
		if *n < 0 || *n > 65535 {
			return badRequest("SecurityGroupInvalidPortValue", "Invalid value for port %d", *n)
		}
	}
	if *x.PortMin > *x.PortMax {
		return badRequest(
			"SecurityGroupInvalidPortRange",
			"For TCP/UDP protocols, port_range_min must be <= port_range_max",
		)
	}
	return nil
}

func sameInt(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// anywhere are the prefixes that say the same as none.
func anywhere(prefix string) string {
	if prefix == "0.0.0.0/0" || prefix == "::/0" {
		return ""
	}
	return prefix
}

func sameRule(a, b *db.SecurityRule) bool {
	return a.Direction == b.Direction && a.EtherType == b.EtherType && a.Protocol == b.Protocol && sameInt(a.PortMin, b.PortMin) && sameInt(a.PortMax, b.PortMax) &&
		anywhere(a.RemotePrefix) == anywhere(b.RemotePrefix) &&
		a.RemoteGroup == b.RemoteGroup &&
		a.RemoteAddressGroup == b.RemoteAddressGroup
}
