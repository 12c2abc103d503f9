package openstack

import (
	"cmp"
	"context"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// SecurityGroup is a Neutron security group with its rules.
type SecurityGroup struct {
	ID, Name, Description string
	ProjectID             string         `json:"tenant_id"`
	Rules                 []SecurityRule `json:"security_group_rules"`
}

// SecurityRule is one rule of a security group.
type SecurityRule struct {
	ID string
	// Direction is ingress or egress, EtherType IPv4 or IPv6.
	Direction, EtherType string
	// Protocol is a name or a number, "" for any.
	Protocol string
	// From and To are ports, for ICMP type and code; nil for any.
	From *int `json:"port_range_min"`
	To   *int `json:"port_range_max"`
	// Prefix, RemoteGroup and RemoteAddressGroup are who is let in or out; at
	// most one is set.
	Prefix             string `json:"remote_ip_prefix"`
	RemoteGroup        string `json:"remote_group_id"`
	RemoteAddressGroup string `json:"remote_address_group_id"`
	Description        string
}

// CIDR returns the addresses that the rule is for: all of its family when it
// names none, "" when it names a group.
func (r SecurityRule) CIDR() string {
	switch {
	case r.Prefix != "" || r.Remote() != "":
		return r.Prefix
	case r.EtherType == "IPv6":
		return "::/0"
	}
	return "0.0.0.0/0"
}

// Remote returns the ID of the group that the rule is for, "" for none.
func (r SecurityRule) Remote() string {
	if r.RemoteGroup != "" {
		return r.RemoteGroup
	}
	return r.RemoteAddressGroup
}

// SecurityGroups lists the security groups of the project, once for a
// connection. Rules are in an order that does not change, ingress first.
func (c *Cloud) SecurityGroups(ctx context.Context) ([]SecurityGroup, error) {
	return once(ctx, c, "security groups", func(ctx context.Context) ([]SecurityGroup, error) {
		all, err := list(ctx, "security groups", c.NetworkClient, groups.List, groups.ListOpts{}, func(p pagination.Page) (out []SecurityGroup, err error) {
			return out, p.(groups.SecGroupPage).ExtractIntoSlicePtr(&out, "security_groups")
		})
		for _, g := range all {
			slices.SortFunc(g.Rules, func(a, b SecurityRule) int {
				return cmp.Or(
					cmp.Compare(b.Direction, a.Direction), cmp.Compare(a.EtherType, b.EtherType), cmp.Compare(a.Protocol, b.Protocol),
					cmp.Compare(number(a.From), number(b.From)), cmp.Compare(number(a.To), number(b.To)), cmp.Compare(a.ID, b.ID))
			})
		}
		return all, err
	})
}

// number orders missing numbers before others.
func number(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}
