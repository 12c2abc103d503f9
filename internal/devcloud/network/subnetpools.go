package network

import (
	"net/netip"
	"strconv"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) subnetPools() *resource {
	wrap := func(p *db.SubnetPool) item {
		return item{
			meta: &p.Meta,
			std:  &p.Std,
			open: p.Shared,
			put:  func() { s.db.SubnetPools.Put(p) },
			view: func(admin bool) api.Obj { return poolView(p) },
		}
	}
	return &resource{
		single: "subnetpool", plural: "subnetpools", class: "SubnetPool",
		attrs: []attr{
			{name: "name", kind: kindString, when: onCreate | onUpdate, def: ""},
			{name: "prefixes", kind: kindStrings, when: onCreate | onUpdate | required},
			{name: "default_prefixlen", kind: kindInt, when: onCreate | onUpdate},
			{name: "min_prefixlen", kind: kindInt, when: onCreate | onUpdate},
			{name: "max_prefixlen", kind: kindInt, when: onCreate | onUpdate},
			{name: "shared", kind: kindBool, when: onCreate | adminOnly},
			{name: "is_default", kind: kindBool, when: onCreate | onUpdate | adminOnly},
			{name: "default_quota", kind: kindIntOrNil, when: onCreate | onUpdate},
			{name: "address_scope_id", kind: kindUUIDOrNil, when: onCreate | onUpdate},
			{name: "ip_version"},
		},
		all: func() []item { return itemsOf(s.db.SubnetPools.All(), wrap) },
		get: func(id string) (item, bool) {
			p := s.db.SubnetPools.Get(id)
			if p == nil {
				return item{}, false
			}
			return wrap(p), true
		},
		create: func(c *call) (string, error) {
			p := &db.SubnetPool{
				Std: newStd(c), Prefixes: strs(c.in, "prefixes"), DefaultLen: integer(c.in, "default_prefixlen"),
				MinLen: integer(
					c.in,
					"min_prefixlen",
				), MaxLen: integer(c.in, "max_prefixlen"), Shared: boolean(c.in, "shared"), Default: boolean(c.in, "is_default"),
			}
			if err := s.setScope(c, p); err != nil {
				return "", err
			}
			for _, text := range p.Prefixes {
				pr, err := netip.ParsePrefix(text)
				if err != nil {
					return "", badAttr("prefixes", "'%s' is not a valid IP subnet.", text)
				}
				version, widest := 4, 32
				if pr.Addr().Is6() {
					version, widest = 6, 128
				}
				if p.IPVersion != 0 && p.IPVersion != version {
					return "", badRequest(
						"PrefixVersionMismatch",
						"Cannot mix IPv4 and IPv6 prefixes in a subnet pool.",
					)
				}
				p.IPVersion = version
				if p.MinLen == 0 {
					p.MinLen = map[int]int{4: 8, 6: 64}[version]
				}
				if p.MaxLen == 0 {
					p.MaxLen = widest
				}
				if p.DefaultLen == 0 {
					p.DefaultLen = p.MinLen
				}
			}
			return s.db.SubnetPools.Insert(p).ID, nil
		},
		update: func(c *call, id string) error {
			p := s.db.SubnetPools.Get(id)
			touch(&p.Std, c.in)
			if err := s.setScope(c, p); err != nil {
				return err
			}
			if has(c.in, "prefixes") {
				p.Prefixes = strs(c.in, "prefixes")
			}
			for key, to := range map[string]*int{"default_prefixlen": &p.DefaultLen, "min_prefixlen": &p.MinLen, "max_prefixlen": &p.MaxLen} {
				if has(c.in, key) {
					*to = integer(c.in, key)
				}
			}
			s.db.SubnetPools.Put(p)
			return nil
		},
		remove: func(c *call, id string) error {
			if s.db.Subnets.First(func(sn *db.Subnet) bool { return sn.SubnetPoolID == id }) != nil {
				return badRequest(
					"SubnetPoolDeleteError",
					"Unable to delete subnet pool: Subnet pool has existing allocations.",
				)
			}
			s.db.SubnetPools.Delete(id)
			return nil
		},
	}
}

// setScope stores the address scope that a body names.
func (s *Service) setScope(c *call, p *db.SubnetPool) error {
	if !has(c.in, "address_scope_id") {
		return nil
	}
	p.AddressScope = str(c.in, "address_scope_id")
	if p.AddressScope != "" && s.db.Object("address_scope", p.AddressScope) == nil {
		return notFound("AddressScope", p.AddressScope)
	}
	return nil
}

func poolView(p *db.SubnetPool) api.Obj {
	return api.Obj{
		"name": p.Name, "prefixes": list(p.Prefixes), "ip_version": p.IPVersion, "shared": p.Shared, "is_default": p.Default,
		"default_prefixlen": strconv.Itoa(
			p.DefaultLen,
		), "min_prefixlen": strconv.Itoa(p.MinLen), "max_prefixlen": strconv.Itoa(p.MaxLen),
		"default_quota": nil, "address_scope_id": orNil(p.AddressScope),
	}
}

// cidrFromPool picks a free prefix of the subnet's pool.
func (s *Service) cidrFromPool(sn *db.Subnet, length int) (string, error) {
	if sn.SubnetPoolID == "" {
		return "", badRequest(
			"BadRequest",
			"Bad subnets request: a subnetpool must be specified in the absence of a cidr.",
		)
	}
	p := s.db.SubnetPools.Get(sn.SubnetPoolID)
	if p == nil {
		return "", notFound("SubnetPool", sn.SubnetPoolID)
	}
	if length == 0 {
		length = p.DefaultLen
	}
	var used []netip.Prefix
	for _, x := range s.db.Subnets.Where(func(x *db.Subnet) bool { return x.SubnetPoolID == p.ID }) {
		if pr, err := netip.ParsePrefix(x.CIDR); err == nil {
			used = append(used, pr)
		}
	}
	for _, text := range p.Prefixes {
		pr, err := netip.ParsePrefix(text)
		if err != nil || length < pr.Bits() {
			continue
		}
		candidate := netip.PrefixFrom(pr.Masked().Addr(), length)
	next:
		for n := 0; n < tries && pr.Contains(candidate.Addr()); n++ {
			for _, u := range used {
				if u.Overlaps(candidate) {
					candidate = netip.PrefixFrom(lastAddress(candidate).Next(), length)
					continue next
				}
			}
			return candidate.String(), nil
		}
	}
	return "", badRequest(
		"SubnetAllocationError",
		"Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.",
		length,
	)
}
