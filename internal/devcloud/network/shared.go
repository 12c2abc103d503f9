package network

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) addressScopes() *resource[db.AddressScope, *db.AddressScope] {
	return &resource[db.AddressScope, *db.AddressScope]{
		quotas: s.quotas, table: s.db.AddressScopes, single: "address_scope", plural: "address-scopes", class: "AddressScope",
		attrs: []attr{
			nameAttr,
			{name: "ip_version", kind: kindInt, when: onCreate | required, field: "IPVersion"},
			{name: "shared", kind: kindBool, when: both | adminOnly, field: "Shared"},
		},
		revision: 1, shared: func(a *db.AddressScope, _ string) bool { return a.Shared },
	}
}

func (s *Service) addressGroups() *resource[db.AddressGroup, *db.AddressGroup] {
	return &resource[db.AddressGroup, *db.AddressGroup]{
		quotas: s.quotas, table: s.db.AddressGroups, single: "address_group", plural: "address-groups", class: "AddressGroup",
		attrs:   []attr{nameAttr, {name: "addresses", kind: kindStrings, when: onCreate, field: "Addresses"}},
		members: "addresses", memberPath: "addresses",
		revision: 1, check: checkAddresses,
		removed: func(_ *call, g *db.AddressGroup) error {
			if s.db.SecurityRules.First(func(x *db.SecurityRule) bool { return x.RemoteAddressGroup == g.ID }) != nil {
				return conflict("AddressGroupInUse", "Address group %s is in use on one or more security group rules.", g.ID)
			}
			return nil
		},
	}
}

// checkAddresses refuses any text but addresses and prefixes, and writes
// each as a prefix.
func checkAddresses(_ *call, g *db.AddressGroup) error {
	prefixes := []string{}
	for _, text := range g.Addresses {
		p, err := prefixFrom(text)
		if err != nil {
			return badAttr("addresses", "'%s' is not a valid IP subnet.", text)
		}
		prefixes = append(prefixes, p.Masked().String())
	}
	g.Addresses = prefixes
	return nil
}

func (s *Service) rbacPolicies() *resource[db.RBACPolicy, *db.RBACPolicy] {
	return &resource[db.RBACPolicy, *db.RBACPolicy]{
		quotas: s.quotas, table: s.db.RBACPolicies, single: "rbac_policy", plural: "rbac-policies", class: "RbacPolicy",
		attrs: []attr{
			{name: "object_type", kind: kindString, when: onCreate | required, choices: []string{"network"}, field: "ObjectType"},
			{name: "object_id", kind: kindUUID, when: onCreate | required, field: "ObjectID"},
			{name: "action", kind: kindString, when: onCreate | required, choices: []string{"access_as_shared"}, field: "Action"},
			{name: "target_tenant", kind: kindString, when: both | required, field: "Target"},
		},
		revision: 1,
		check: func(c *call, p *db.RBACPolicy) error {
			n := s.db.Networks.Get(p.ObjectID)
			if n == nil || n.ProjectID != c.Auth.ProjectID && !c.Auth.Admin() {
				return notFound("Network", p.ObjectID)
			}
			if p.Target == "*" && !c.Auth.Admin() {
				return disallowed("rule:create_rbac_policy:target_tenant")
			}
			return nil
		},
	}
}

func (s *Service) trunks() *resource[db.Trunk, *db.Trunk] {
	return &resource[db.Trunk, *db.Trunk]{
		quotas: s.quotas, table: s.db.Trunks, single: "trunk", plural: "trunks", class: "Trunk",
		attrs: []attr{
			nameAttr,
			{name: "admin_state_up", kind: kindBool, when: both, def: true, field: "AdminUp"},
			{name: "port_id", kind: kindUUID, when: onCreate | required, field: "PortID"},
			{name: "sub_ports", kind: kindObjects, when: onCreate, field: "SubPorts"},
		},
		members: "sub_ports", memberPath: "subports",
		revision: 1, check: s.checkTrunk,
		show: func(_ *db.Trunk, v api.Obj) { v["status"] = "DOWN" },
	}
}

// checkTrunk refuses ports that are not the caller's, or in use already. Guests
// have no VLAN devices: a trunk joins its ports in the API alone.
func (s *Service) checkTrunk(c *call, t *db.Trunk) error {
	ids := []string{t.PortID}
	for i, sub := range t.SubPorts {
		if sub.Type != "vlan" {
			return api.BadRequest("Invalid input for operation: Segmentation type '%s' is not supported.", sub.Type)
		}
		if slices.ContainsFunc(t.SubPorts[:i], func(o db.SubPort) bool { return o.VLAN == sub.VLAN }) {
			return conflict("DuplicateSubPort", "segmentation_type vlan and segmentation_id %d already in use on trunk %s.", sub.VLAN, t.ID)
		}
		ids = append(ids, sub.PortID)
	}
	for i, id := range ids {
		if p := s.db.Ports.Get(id); p == nil || p.ProjectID != c.project {
			return notFound("Port", id)
		}
		other := s.db.Trunks.First(func(o *db.Trunk) bool {
			return o.ID != t.ID && (o.PortID == id || slices.ContainsFunc(o.SubPorts, func(sub db.SubPort) bool { return sub.PortID == id }))
		})
		if other != nil || slices.Contains(ids[:i], id) {
			return conflict("ParentPortInUse", "Port %s is in use by another trunk.", id)
		}
	}
	return nil
}

// subports lists what a trunk carries beside its own port.
func (s *Service) subports(r *api.Request) (*api.Reply, error) {
	t, err := s.trunks().find(r, r.Var("id"))
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"sub_ports": list(t.SubPorts)})
}

// sameMember tells whether two elements of a list are the same: a trunk's
// subports differ in their ports.
func sameMember(a, b any) bool {
	x, _ := a.(api.Obj)
	y, _ := b.(api.Obj)
	if x["port_id"] != nil {
		return x["port_id"] == y["port_id"]
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// changeMembers adds elements to a list of an object's, or removes them.
func (res *resource[T, P]) changeMembers(r *api.Request, add bool) (*api.Reply, error) {
	var in api.Obj
	if err := r.JSON(&in); err != nil {
		return nil, err
	}
	if wrapped, ok := in[res.single].(api.Obj); ok {
		in = wrapped
	}
	x, err := res.own(r, r.Var("id"), "update")
	if err != nil {
		return nil, err
	}
	var shown map[string]any // in the types that JSON decodes into
	data, err := json.Marshal(res.view(x, false))
	if err != nil || json.Unmarshal(data, &shown) != nil {
		return nil, err
	}
	members, _ := shown[res.members].([]any)
	given, _ := in[res.members].([]any)
	for _, g := range given {
		members = slices.DeleteFunc(members, func(m any) bool { return sameMember(m, g) })
		if add {
			members = append(members, g)
		}
	}
	i := slices.IndexFunc(res.attrs, func(a attr) bool { return a.name == res.members })
	next, err := res.attrs[i].check(members)
	if err == nil {
		err = res.change(r, x, api.Obj{res.members: next})
	}
	if err != nil {
		return nil, err
	}
	v := res.view(x, r.Auth.Admin())
	switch res.members {
	case "prefixes":
		return api.OK(api.Obj{res.members: v[res.members]})
	case "sub_ports":
		return api.OK(v)
	}
	return api.OK(api.Obj{res.single: v})
}
