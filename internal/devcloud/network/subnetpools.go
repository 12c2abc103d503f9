package network

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) subnetPools() *resource {
	return keep(s, s.db.SubnetPools, resource{
		single: "subnetpool", plural: "subnetpools", class: "SubnetPool",
		attrs: []attr{
			nameAttr,
			{name: "prefixes", kind: kindStrings, when: both | required, field: "Prefixes"},
			{name: "default_prefixlen", kind: kindInt, when: both, field: "DefaultLen"},
			{name: "min_prefixlen", kind: kindInt, when: both, field: "MinLen"},
			{name: "max_prefixlen", kind: kindInt, when: both, field: "MaxLen"},
			{name: "shared", kind: kindBool, when: onCreate | adminOnly, field: "Shared"},
			{name: "is_default", kind: kindBool, when: both | adminOnly, field: "Default"},
			{name: "default_quota", kind: kindInt | orNull, when: both},
			{name: "address_scope_id", kind: kindUUID | orNull, when: both, field: "AddressScope"},
			{name: "ip_version", field: "IPVersion"},
		},
	}, rules[*db.SubnetPool]{
		quota:  "subnetpool",
		shared: func(p *db.SubnetPool, _ string) bool { return p.Shared },
		view: func(p *db.SubnetPool, v api.Obj) {
			for _, key := range []string{"default_prefixlen", "min_prefixlen", "max_prefixlen"} {
				v[key] = fmt.Sprint(v[key])
			}
			v["default_quota"] = nil
		},
		check: func(_ *call, p *db.SubnetPool) error {
			if p.AddressScope != "" && s.db.AddressScopes.Get(p.AddressScope) == nil {
				return notFound("AddressScope", p.AddressScope)
			}
			return checkPool(p)
		},
		remove: func(_ *call, p *db.SubnetPool) error {
			if s.db.Subnets.First(func(sn *db.Subnet) bool { return sn.SubnetPoolID == p.ID }) != nil {
				return badRequest("SubnetPoolDeleteError",
					"Unable to delete subnet pool: Subnet pool has existing allocations.")
			}
			return nil
		},
	})
}

// checkPool looks at a pool's prefixes and fills in the lengths they imply.
func checkPool(p *db.SubnetPool) error {
	for _, text := range p.Prefixes {
		pr, err := netip.ParsePrefix(text)
		if err != nil {
			return badAttr("prefixes", "'%s' is not a valid IP subnet.", text)
		}
		version, shortest := 4, 8
		if pr.Addr().Is6() {
			version, shortest = 6, 64
		}
		if p.IPVersion != 0 && p.IPVersion != version {
			return badRequest("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
		p.IPVersion, p.MinLen, p.MaxLen = version, cmp.Or(p.MinLen, shortest), cmp.Or(p.MaxLen, pr.Addr().BitLen())
		p.DefaultLen = cmp.Or(p.DefaultLen, p.MinLen)
	}
	return nil
}

// cidrFromPool picks a free prefix of the subnet's pool.
func (s *Service) cidrFromPool(sn *db.Subnet, length int) (string, error) {
	if sn.SubnetPoolID == "" {
		return "", badRequest("BadRequest", "Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
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
	return "", badRequest("SubnetAllocationError",
		"Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.", length)
}
