package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) addressScopes() *resource {
	return keep(s, s.db.AddressScopes, resource{
		single: "address_scope", plural: "address-scopes", class: "AddressScope",
		attrs: []attr{
			nameAttr,
			{name: "ip_version", kind: kindInt, when: onCreate | required, field: "IPVersion"},
			{name: "shared", kind: kindBool, when: both | adminOnly, def: false, field: "Shared"},
		},
	}, rules[*db.AddressScope]{revision: 1, shared: func(a *db.AddressScope, _ string) bool { return a.Shared }})
}

func (s *Service) addressGroups() *resource {
	return keep(s, s.db.AddressGroups, resource{
		single: "address_group", plural: "address-groups", class: "AddressGroup",
		attrs: []attr{nameAttr, {name: "addresses", kind: kindStrings, when: onCreate, field: "Addresses"}},
	}, rules[*db.AddressGroup]{
		revision: 1, check: checkAddresses,
		remove: func(_ *call, g *db.AddressGroup) error {
			if s.db.SecurityRules.First(func(x *db.SecurityRule) bool { return x.RemoteAddressGroup == g.ID }) != nil {
				return conflict("AddressGroupInUse", "Address group %s is in use on one or more security group rules.", g.ID)
			}
			return nil
		},
	})
}

// checkAddresses refuses any text but addresses and prefixes, and writes
// each as a prefix.
func checkAddresses(_ *call, g *db.AddressGroup) error {
	prefixes := []string{}
	for _, text := range g.Addresses {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return badAttr("addresses", "'%s' is not a valid IP subnet.", text)
		}
		prefixes = append(prefixes, p.Masked().String())
	}
	g.Addresses = prefixes
	return nil
}

func (s *Service) rbacPolicies() *resource {
	return keep(s, s.db.RBACPolicies, resource{
		single: "rbac_policy", plural: "rbac-policies", class: "RbacPolicy",
		attrs: []attr{
			{name: "object_type", kind: kindString, when: onCreate | required, choices: []string{"network"}, field: "ObjectType"},
			{name: "object_id", kind: kindUUID, when: onCreate | required, field: "ObjectID"},
			{name: "action", kind: kindString, when: onCreate | required, choices: []string{"access_as_shared"}, field: "Action"},
			{name: "target_tenant", kind: kindString, when: both | required, field: "Target"},
		},
	}, rules[*db.RBACPolicy]{
		quota: "rbac_policy", revision: 1,
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
	})
}

func (s *Service) trunks() *resource {
	return keep(s, s.db.Trunks, resource{
		single: "trunk", plural: "trunks", class: "Trunk",
		attrs: []attr{
			nameAttr,
			{name: "admin_state_up", kind: kindBool, when: both, def: true, field: "AdminUp"},
			{name: "port_id", kind: kindUUID, when: onCreate | required, field: "PortID"},
			{name: "sub_ports", kind: kindObjects, when: onCreate, field: "SubPorts"},
		},
	}, rules[*db.Trunk]{
		quota: "trunk", revision: 1, check: s.checkTrunk,
		view: func(_ *db.Trunk, v api.Obj) { v["status"] = "DOWN" },
	})
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

// normal is a view in the types that JSON decodes into.
func normal(in api.Obj) api.Obj {
	out := api.Obj{}
	if data, err := json.Marshal(in); err == nil {
		_ = json.Unmarshal(data, &out)
	}
	return out
}

// handleMembers serves the calls that add elements to a list of an object's, or
// remove them: PUT /KIND/ID/add_NAME and remove_NAME.
func (s *Service) handleMembers(svc *api.Service) {
	calls := api.Calls{"GET /v2.0/trunks/{id}/get_subports": func(r *api.Request) (*api.Reply, error) {
		it, err := s.resource("trunks").find(r, r.Var("id"))
		if err != nil {
			return nil, err
		}
		return api.OK(api.Obj{"sub_ports": it.shown(r.Auth)["sub_ports"]})
	}}
	for _, m := range []struct{ plural, path, name string }{
		{"routers", "extraroutes", "routes"},
		{"subnetpools", "prefixes", "prefixes"},
		{"address-groups", "addresses", "addresses"},
		{"trunks", "subports", "sub_ports"},
	} {
		for _, how := range []string{"add_", "remove_"} {
			calls["PUT /v2.0/"+m.plural+"/{id}/"+how+m.path] = func(r *api.Request) (*api.Reply, error) {
				return s.changeMembers(r, m.plural, m.name, how == "add_")
			}
		}
	}
	svc.Handle(calls.Routes(api.Route{})...)
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
func (s *Service) changeMembers(r *api.Request, plural, name string, add bool) (*api.Reply, error) {
	res := s.resource(plural)
	var in api.Obj
	if err := r.JSON(&in); err != nil {
		return nil, err
	}
	if wrapped, ok := in[res.single].(api.Obj); ok {
		in = wrapped
	}
	given, _ := in[name].([]any)
	it, err := res.own(r, r.Var("id"), "update")
	if err != nil {
		return nil, err
	}
	have, _ := normal(it.shown(r.Auth))[name].([]any)
	for _, g := range given {
		have = slices.DeleteFunc(have, func(h any) bool { return sameMember(h, g) })
		if add {
			have = append(have, g)
		}
	}
	kinds := map[string]kind{"routes": kindObjects, "sub_ports": kindObjects, "prefixes": kindStrings, "addresses": kindStrings}
	next, err := attr{name: name, kind: kinds[name]}.check(have)
	if err != nil {
		return nil, err
	}
	if err := res.update(&call{Request: r, in: api.Obj{name: next}, project: it.std.ProjectID}, it.meta.ID); err != nil {
		return nil, err
	}
	it, _ = res.get(it.meta.ID)
	shown := it.shown(r.Auth)
	switch name {
	case "prefixes":
		return api.OK(api.Obj{name: shown[name]})
	case "sub_ports":
		return api.OK(shown)
	}
	return api.OK(api.Obj{res.single: shown})
}
