package network

import (
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) securityGroups() *resource[db.SecurityGroup, *db.SecurityGroup] {
	return &resource[db.SecurityGroup, *db.SecurityGroup]{
		quotas: s.quotas, table: s.db.SecurityGroups, single: "security_group", plural: "security-groups", class: "SecurityGroup",
		attrs: []attr{
			nameAttr,
			{name: "stateful", kind: kindBool, when: both, def: true, field: "Stateful"},
			{name: "shared", field: "Shared"},
		},
		readOnly: []string{"security_group_rules"},
		listed:   func(project string) { s.DefaultGroup(project) }, // made when it is first looked for
		revision: 1,
		shared:   func(g *db.SecurityGroup, _ string) bool { return g.Shared },
		show:     s.groupView,
		check: func(c *call, g *db.SecurityGroup) error {
			old := s.db.SecurityGroups.Get(g.ID)
			switch {
			case old == nil && g.Name == defaultGroupName:
				return conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
			case old == nil:
				s.DefaultGroup(c.project)
			case old.Name == defaultGroupName && g.Name != defaultGroupName:
				return conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
			}
			return nil
		},
		stored: func(_ *call, g *db.SecurityGroup) error {
			if g.Revision == 1 {
				s.egressRules(g)
			}
			return nil
		},
		removed: func(c *call, g *db.SecurityGroup) error {
			if g.Name == defaultGroupName && !c.Auth.Admin() {
				return conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
			}
			if s.db.Ports.First(func(p *db.Port) bool { return slices.Contains(p.SecurityGroups, g.ID) }) != nil {
				return conflict("SecurityGroupInUse", "Security Group %s in use.", g.ID)
			}
			for _, rule := range s.rulesOf(g.ID) {
				s.db.SecurityRules.Delete(rule.ID)
			}
			return nil
		},
	}
}

const defaultGroupName = "default"

func (s *Service) rulesOf(group string) []*db.SecurityRule {
	return s.db.SecurityRules.Where(func(x *db.SecurityRule) bool { return x.GroupID == group })
}

func (s *Service) groupView(g *db.SecurityGroup, v api.Obj) {
	own := s.rulesOf(g.ID)
	slices.SortFunc(own, func(a, b *db.SecurityRule) int { return strings.Compare(a.ID, b.ID) })
	v["security_group_rules"] = api.Views(own, func(x *db.SecurityRule) api.Obj {
		one := s.rules.view(x, false)
		one["standard_attr_id"], one["tags"] = x.Seq, api.List{}
		return one
	})
}

// DefaultGroup is the project's default group, made when it is first needed.
func (s *Service) DefaultGroup(project string) *db.SecurityGroup {
	g := s.db.SecurityGroups.First(
		func(g *db.SecurityGroup) bool { return g.ProjectID == project && g.Name == defaultGroupName },
	)
	if g != nil || project == "" {
		return g
	}
	std := db.Std{Name: defaultGroupName, Description: "Default security group", ProjectID: project, Revision: 1}
	g = s.db.SecurityGroups.Insert(&db.SecurityGroup{Std: std, Stateful: true})
	s.egressRules(g)
	for _, family := range []string{"IPv4", "IPv6"} {
		s.ownRule(g, "ingress", family, g.ID)
	}
	return g
}

// egressRules lets everything out, as Neutron does for a new group.
func (s *Service) egressRules(g *db.SecurityGroup) {
	for _, family := range []string{"IPv4", "IPv6"} {
		s.ownRule(g, "egress", family, "")
	}
}

// ownRule adds one of the rules that Neutron makes itself.
func (s *Service) ownRule(g *db.SecurityGroup, direction, family, remote string) {
	s.db.SecurityRules.Insert(&db.SecurityRule{
		Std: db.Std{ProjectID: g.ProjectID}, GroupID: g.ID, Direction: direction, EtherType: family, RemoteGroup: remote,
		NoDescription: true,
	})
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

func (s *Service) securityRules() *resource[db.SecurityRule, *db.SecurityRule] {
	return &resource[db.SecurityRule, *db.SecurityRule]{
		quotas: s.quotas, table: s.db.SecurityRules, single: "security_group_rule", plural: "security-group-rules", class: "SecurityGroupRule",
		attrs: []attr{
			{name: "security_group_id", kind: kindUUID, when: onCreate | required, field: "GroupID"},
			{name: "direction", kind: kindString, when: onCreate | required, choices: []string{"ingress", "egress"}, field: "Direction"},
			{name: "ethertype", kind: kindString, when: onCreate, def: "IPv4", field: "EtherType"},
			{name: "protocol", kind: kindAny, when: onCreate},
			{name: "port_range_min", kind: kindInt | orNull, when: onCreate, field: "PortMin"},
			{name: "port_range_max", kind: kindInt | orNull, when: onCreate, field: "PortMax"},
			{name: "remote_ip_prefix", kind: kindString | orNull, when: onCreate, field: "RemotePrefix"},
			{name: "remote_group_id", kind: kindUUID | orNull, when: onCreate, field: "RemoteGroup"},
			{name: "remote_address_group_id", kind: kindUUID | orNull, when: onCreate, field: "RemoteAddressGroup"},
		},
		readOnly: []string{"normalized_cidr"}, fixed: true,
		show: func(x *db.SecurityRule, v api.Obj) {
			delete(v, "tags")
			v["protocol"], v["normalized_cidr"] = api.OrNil(x.Protocol), v["remote_ip_prefix"]
			if x.NoDescription {
				v["description"] = nil
			}
		},
		check:   s.checkRule,
		stored:  func(_ *call, x *db.SecurityRule) error { s.touchGroup(x.GroupID); return nil },
		removed: func(_ *call, x *db.SecurityRule) error { s.touchGroup(x.GroupID); return nil },
	}
}

func (s *Service) touchGroup(id string) {
	if g := s.db.SecurityGroups.Get(id); g != nil {
		g.Revision++
		s.db.SecurityGroups.Put(g)
	}
}

var protocols = []string{
	"ah", "dccp", "egp", "esp", "gre", "hopopt", "icmp", "igmp", "ip", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp",
	"icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp",
}

func (s *Service) checkRule(c *call, x *db.SecurityRule) error {
	g := s.db.SecurityGroups.Get(x.GroupID)
	if g == nil || g.ProjectID != c.Auth.ProjectID && !c.Auth.Admin() {
		return notFound("SecurityGroup", x.GroupID)
	}
	if id := x.RemoteAddressGroup; id != "" && s.db.AddressGroups.Get(id) == nil {
		return notFound("AddressGroup", id)
	}
	form, ok := map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}[strings.ToLower(x.EtherType)]
	if !ok {
		return badRequest("SecurityGroupRuleInvalidEtherType",
			"Security group rule for ethertype '%s' not supported. Allowed values are ['IPv4', 'IPv6'].", x.EtherType)
	}
	x.EtherType = form
	if p := c.in["protocol"]; p != nil {
		x.Protocol = strings.ToLower(api.PyStr(p))
		n, err := strconv.Atoi(x.Protocol)
		switch {
		case x.Protocol == "" || x.Protocol == "any":
			x.Protocol = ""
		case err == nil && n >= 0 && n <= 255:
		case !slices.Contains(protocols, x.Protocol):
			return badRequest("SecurityGroupRuleInvalidProtocol",
				"Security group rule protocol %s not supported. Only protocol values [None, '%s'] and integer representations [0 to 255] are supported.",
				p, strings.Join(protocols, "', '"))
		}
	}
	if err := checkPorts(x); err != nil {
		return err
	}
	if err := checkPrefix(x); err != nil {
		return err
	}
	if x.RemoteGroup != "" {
		if err := s.checkGroups(g.ProjectID, []string{x.RemoteGroup}); err != nil {
			return err
		}
	}
	for _, have := range s.rulesOf(x.GroupID) {
		if sameRule(have, x) {
			return conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", have.ID)
		}
	}
	return nil
}

// checkPrefix looks at what a rule says of addresses, and writes an address as
// a prefix.
func checkPrefix(x *db.SecurityRule) error {
	if x.RemotePrefix == "" {
		return nil
	}
	p, err := prefixFrom(x.RemotePrefix)
	if err == nil {
		x.RemotePrefix = p.String()
	}
	switch {
	case err != nil:
		return badAttr("remote_ip_prefix", "'%s' is neither a valid IP address, nor is it a valid IP subnet.", x.RemotePrefix)
	case p.Addr().Is4() != (x.EtherType == "IPv4"):
		return badRequest("SecurityGroupRuleParameterConflict",
			"Conflicting value ethertype %s for CIDR %s", x.EtherType, x.RemotePrefix)
	case x.RemoteGroup != "" || x.RemoteAddressGroup != "":
		return badRequest("SecurityGroupMultipleRemoteEntites",
			"Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.")
	}
	return nil
}

func checkPorts(x *db.SecurityRule) error {
	badRange := badRequest("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
	switch icmp := strings.Contains(x.Protocol, "icmp"); {
	case x.PortMin == nil && x.PortMax == nil:
		return nil
	case x.Protocol == "":
		return badRequest("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case icmp && x.PortMin == nil:
		return badRequest("SecurityGroupMissingIcmpType",
			"ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *x.PortMax)
	case icmp:
		return nil
	case x.PortMin == nil || x.PortMax == nil:
		return badRange
	}
	for _, n := range []int{*x.PortMin, *x.PortMax} {
		if n < 0 || n > 65535 {
			return badRequest("SecurityGroupInvalidPortValue", "Invalid value for port %d", n)
		}
	}
	if *x.PortMin > *x.PortMax {
		return badRange
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
	return a.Direction == b.Direction && a.EtherType == b.EtherType && a.Protocol == b.Protocol &&
		sameInt(a.PortMin, b.PortMin) && sameInt(a.PortMax, b.PortMax) &&
		anywhere(a.RemotePrefix) == anywhere(b.RemotePrefix) &&
		a.RemoteGroup == b.RemoteGroup && a.RemoteAddressGroup == b.RemoteAddressGroup
}
