package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

const kindTrunk = "trunk"

// plain is a kind of resource that is nothing but its attributes, kept as they
// were given. check looks at a new or changed one; in is the request.
// remove, when set, refuses or cleans up. open tells that other projects see
// an object.
type plain struct {
	check  func(c *call, o *db.Object, in api.Obj) error
	remove func(o *db.Object) error
	open   func(o *db.Object) bool
}

func (s *Service) plain(single, plural, class string, attrs []attr, p plain) *resource {
	wrap := func(o *db.Object) item {
		tags, _ := o.Attrs["tags"].([]any)
		std := &db.Std{ProjectID: o.ProjectID, Tags: api.Texts(tags), Revision: o.Int("revision_number")}
		return item{
			meta: &o.Meta, id: o.Key, std: std, open: p.open != nil && p.open(o),
			put: func() {
				s.db.PutObject(o.Set(normal(api.Obj{"tags": std.Tags, "revision_number": std.Revision})))
			},
			view: func(bool) api.Obj {
				v := api.Obj{"description": o.Text("description")}
				for _, a := range attrs {
					v[a.name] = o.Attrs[a.name]
				}
				return v
			},
		}
	}
	store := func(c *call, o *db.Object) error {
		o.Set(normal(c.in)).Set(api.Obj{"revision_number": o.Int("revision_number") + 1})
		if p.check != nil {
			if err := p.check(c, o, c.in); err != nil {
				return err
			}
		}
		s.db.PutObject(o)
		return nil
	}
	return &resource{
		single: single, plural: plural, class: class, attrs: attrs,
		all: func() []item { return itemsOf(s.db.Objects(single, nil), wrap) },
		get: func(id string) (item, bool) {
			if o := s.db.Object(single, id); o != nil {
				return wrap(o), true
			}
			return item{}, false
		},
		create: func(c *call) (string, error) {
			o := &db.Object{Kind: single, Key: db.NewUUID(), ProjectID: c.project}
			return o.Key, store(c, o)
		},
		update: func(c *call, id string) error { return store(c, s.db.Object(single, id)) },
		remove: func(_ *call, id string) error {
			if p.remove != nil {
				if err := p.remove(s.db.Object(single, id)); err != nil {
					return err
				}
			}
			s.db.DeleteObject(single, id)
			return nil
		},
	}
}

// normal gives values the types that they have after a restart.
func normal(in api.Obj) api.Obj {
	out := api.Obj{}
	if data, err := json.Marshal(in); err == nil {
		_ = json.Unmarshal(data, &out)
	}
	return out
}

// plainResources are address scopes, address groups, RBAC policies and trunks.
func (s *Service) plainResources() []*resource {
	return []*resource{
		s.plain("address_scope", "address-scopes", "AddressScope", []attr{
			nameAttr,
			{name: "ip_version", kind: kindInt, when: onCreate | required},
			{name: "shared", kind: kindBool, when: both | adminOnly, def: false},
		}, plain{open: func(o *db.Object) bool { return o.Bool("shared") }}),
		s.plain("address_group", "address-groups", "AddressGroup", []attr{
			nameAttr,
			{name: "addresses", kind: kindStrings, when: onCreate, def: []string{}},
		}, plain{check: checkAddresses, remove: func(o *db.Object) error {
			if s.db.SecurityRules.First(func(x *db.SecurityRule) bool { return x.RemoteAddressGroup == o.Key }) != nil {
				return conflict("AddressGroupInUse", "Address group %s is in use on one or more security group rules.", o.Key)
			}
			return nil
		}}),
		s.plain("rbac_policy", "rbac-policies", "RbacPolicy", []attr{
			{name: "object_type", kind: kindString, when: onCreate | required, choices: []string{"network"}},
			{name: "object_id", kind: kindUUID, when: onCreate | required},
			{name: "action", kind: kindString, when: onCreate | required, choices: []string{"access_as_shared"}},
			{name: "target_tenant", kind: kindString, when: both | required},
		}, plain{check: s.checkPolicy}),
		s.plain(kindTrunk, "trunks", "Trunk", []attr{
			nameAttr,
			{name: "admin_state_up", kind: kindBool, when: both, def: true},
			{name: "port_id", kind: kindUUID, when: onCreate | required},
			{name: "sub_ports", kind: kindObjects, when: onCreate, def: []api.Obj{}},
			{name: "status"},
		}, plain{check: s.checkTrunk}),
	}
}

// checkAddresses refuses any text but addresses and prefixes, and writes
// each as a prefix.
func checkAddresses(_ *call, o *db.Object, _ api.Obj) error {
	list, _ := o.Attrs["addresses"].([]any)
	prefixes := api.List{}
	for _, text := range api.Texts(list) {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return badAttr("addresses", "'%s' is not a valid IP subnet.", text)
		}
		prefixes = append(prefixes, p.Masked().String())
	}
	o.Set(api.Obj{"addresses": prefixes})
	return nil
}

// checkPolicy refuses to share a network that is not the caller's.
func (s *Service) checkPolicy(c *call, o *db.Object, _ api.Obj) error {
	n := s.db.Networks.Get(o.Text("object_id"))
	if n == nil || n.ProjectID != c.Auth.ProjectID && !c.Auth.Admin() {
		return notFound("Network", o.Text("object_id"))
	}
	if o.Text("target_tenant") == "*" && !c.Auth.Admin() {
		return disallowed("rule:create_rbac_policy:target_tenant")
	}
	return nil
}

// checkTrunk refuses ports that are not the caller's, or in use already. Guests
// have no VLAN devices: a trunk joins its ports in the API alone.
func (s *Service) checkTrunk(c *call, o *db.Object, _ api.Obj) error {
	o.Set(api.Obj{"status": "DOWN"})
	ids := []string{o.Text("port_id")}
	tags := map[any]bool{}
	subports, _ := o.Attrs["sub_ports"].([]any)
	for _, e := range subports {
		sub, _ := e.(api.Obj)
		id, _ := sub["port_id"].(string)
		ids = append(ids, id)
		if kind := sub["segmentation_type"]; kind != "vlan" {
			return api.BadRequest("Invalid input for operation: Segmentation type '%v' is not supported.", kind)
		}
		if tags[sub["segmentation_id"]] {
			return conflict("DuplicateSubPort", "segmentation_type vlan and segmentation_id %v already in use on trunk %s.", sub["segmentation_id"], o.Key)
		}
		tags[sub["segmentation_id"]] = true
	}
	for i, id := range ids {
		if p := s.db.Ports.Get(id); p == nil || p.ProjectID != c.project {
			return notFound("Port", id)
		}
		other := s.db.FirstObject(kindTrunk, func(t *db.Object) bool {
			return t.Key != o.Key && (t.Text("port_id") == id || strings.Contains(fmt.Sprint(t.Attrs["sub_ports"]), id))
		})
		if other != nil || slices.Contains(ids[:i], id) {
			return conflict("ParentPortInUse", "Port %s is in use by another trunk.", id)
		}
	}
	return nil
}

// handleMembers serves the calls that add elements to a list of an object's, or
// remove them: PUT /KIND/ID/add_NAME and remove_NAME.
func (s *Service) handleMembers(svc *api.Service) {
	calls := api.Calls{"GET /v2.0/trunks/{id}/get_subports": func(r *api.Request) (*api.Reply, error) {
		it, err := s.resource("trunks").find(r, r.Var("id"))
		if err != nil {
			return nil, err
		}
		return api.OK(api.Obj{"sub_ports": it.view(false)["sub_ports"]})
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
	if err := res.update(&call{Request: r, in: api.Obj{name: next}, project: it.std.ProjectID}, it.ID()); err != nil {
		return nil, err
	}
	it, _ = res.get(it.ID())
	shown := it.shown(r.Auth)
	switch name {
	case "prefixes":
		return api.OK(api.Obj{name: shown[name]})
	case "sub_ports":
		return api.OK(shown)
	}
	return api.OK(api.Obj{res.single: shown})
}
