package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// plain is a kind of resource that is nothing but its attributes, kept as they
// were given. check looks at a new or changed one; in is what was given.
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
		std := &db.Std{
			Name: o.Text("name"), Description: o.Text("description"), ProjectID: o.ProjectID, Tags: api.Texts(tags),
			Revision: o.Int("revision_number"),
		}
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
			o := s.db.Object(single, id)
			if o == nil {
				return item{}, false
			}
			return wrap(o), true
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

// plainResources are address scopes, address groups and RBAC policies.
func (s *Service) plainResources() []*resource {
	both := onCreate | onUpdate
	return []*resource{
		s.plain("address_scope", "address-scopes", "AddressScope", []attr{
			{name: "name", kind: kindString, when: both, def: ""},
			{name: "ip_version", kind: kindInt, when: onCreate | required},
			{name: "shared", kind: kindBool, when: both | adminOnly, def: false},
		}, plain{open: func(o *db.Object) bool { return o.Bool("shared") }}),
		s.plain("address_group", "address-groups", "AddressGroup", []attr{
			{name: "name", kind: kindString, when: both, def: ""},
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
	}
}

// checkAddresses refuses what is neither an address nor a prefix, and writes
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

// handleMembers serves the calls that add elements to a list of an object's, or
// remove them: PUT /KIND/ID/add_NAME and remove_NAME.
func (s *Service) handleMembers(svc *api.Service) {
	for _, m := range []struct{ plural, path, name string }{
		{"routers", "extraroutes", "routes"},
		{"subnetpools", "prefixes", "prefixes"},
		{"address-groups", "addresses", "addresses"},
	} {
		for _, how := range []string{"add_", "remove_"} {
			svc.Handle(api.Route{Method: "PUT", Path: "/v2.0/" + m.plural + "/{id}/" + how + m.path, Do: func(r *api.Request) (*api.Reply, error) {
				return s.changeMembers(r, m.plural, m.name, how == "add_")
			}})
		}
	}
}

// changeMembers adds elements to a list of an object's, or removes them.
func (s *Service) changeMembers(r *api.Request, plural, name string, add bool) (*api.Reply, error) {
	res := s.resources[slices.IndexFunc(s.resources, func(res *resource) bool { return res.plural == plural })]
	var in api.Obj
	if err := r.JSON(&in); err != nil {
		return nil, err
	}
	wrapped := in[res.single] != nil
	if wrapped {
		in, _ = in[res.single].(api.Obj)
	}
	given, _ := in[name].([]any)
	var shown api.Obj
	err := s.db.Update(func() error {
		it, err := res.own(r, r.Var("id"), "update")
		if err != nil {
			return err
		}
		have, _ := normal(it.shown(r.Auth))[name].([]any)
		for _, g := range given {
			same := func(h any) bool { return fmt.Sprint(h) == fmt.Sprint(g) }
			have = slices.DeleteFunc(have, same)
			if add {
				have = append(have, g)
			}
		}
		next, err := attr{name: name, kind: map[bool]kind{true: kindObjects, false: kindStrings}[name == "routes"]}.check(have)
		if err != nil {
			return err
		}
		if err := res.update(&call{Request: r, in: api.Obj{name: next}, project: it.std.ProjectID}, it.ID()); err != nil {
			return err
		}
		it, _ = res.get(it.ID())
		shown = it.shown(r.Auth)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if name == "prefixes" {
		return api.OK(api.Obj{name: shown[name]})
	}
	return api.OK(api.Obj{res.single: shown})
}
