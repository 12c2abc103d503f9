package openstack

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
)

// addressesOf gives a server's addresses in an order that does not change:
// networks as the specification has them, then by name; within a network as
// the cloud lists them.
func addressesOf(s *servers.Server, order []string) []Address {
	names := slices.Collect(maps.Keys(s.Addresses))
	rank := func(n string) int {
		if i := slices.Index(order, n); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	var out []Address
	for _, n := range names {
		list, _ := s.Addresses[n].([]any)
		for _, x := range list {
			m, _ := x.(map[string]any)
			ip, _ := m["addr"].(string)
			addr, err := netip.ParseAddr(ip)
			if err != nil {
				continue
			}
			version := 4
			if addr.Is6() && !addr.Is4In6() {
				version = 6
			}
			kind, _ := m["OS-EXT-IPS:type"].(string)
			out = append(out, Address{Network: n, IP: ip, Version: version, Floating: kind == "floating"})
		}
	}
	return out
}

// sharedSpace are the addresses of carriers' networks (RFC 6598), which are not
// routed outside, as the private ones are not.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && (a.IsPrivate() || sharedSpace.Contains(a))
}

// chooseAddress picks the address to reach a server at when it has no
// floating IP (kitchen-openstack's rules, made deterministic): that of the
// named network; else a public one, which is a floating one or the first of
// each network called public; else a private one; else whatever there is.
func chooseAddress(all []Address, want AddressChoice, name, id string) (string, error) {
	what := fmt.Sprintf("find an address of the server %q (%s)", name, id)
	version := 4
	if want.IPv6 {
		version = 6
	}
	family := func(list []Address) []Address {
		var out []Address
		for _, a := range list {
			// Link-local addresses need a zone to be reached.
			if ip, err := netip.ParseAddr(a.IP); err == nil && a.Version == version && !ip.IsLinkLocalUnicast() {
				out = append(out, a)
			}
		}
		return out
	}
	if want.Network != "" {
		var there []Address
		var names []string
		for _, a := range all {
			if !slices.Contains(names, a.Network) {
				names = append(names, a.Network)
			}
			if a.Network == want.Network {
				there = append(there, a)
			}
		}
		if len(there) == 0 {
			return "", session.Fail(session.NoAddress, what, fmt.Sprintf("it is not in the network %q that is asked for", want.Network), suggest("network", want.Network, names))
		}
		if fit := family(there); len(fit) > 0 {
			return fit[0].IP, nil
		}
		return "", session.Fail(session.NoAddress, what, fmt.Sprintf("it has no IPv%d address in the network %q, only %s", version, want.Network, ips(there)), "").
			Advise(familyAdvice(want), settings.ID("driver.use_ipv6"))
	}
	var public, inside []Address
	taken := map[string]bool{}
	hasFloating := slices.ContainsFunc(all, func(a Address) bool { return a.Floating })
	for _, a := range all {
		first := strings.Contains(strings.ToLower(a.Network), "public") && !taken[a.Network] && a.Version == version
		if a.Floating || !hasFloating && first {
			public = append(public, a)
			taken[a.Network] = true
		} else if isPrivate(a.IP) {
			inside = append(inside, a)
		}
	}
	if len(public) == 0 && len(inside) == 0 {
		public, inside = all, all
	}
	public, inside = family(public), family(inside)
	if len(public) == 0 && len(inside) == 0 {
		inside = family(all)
	}
	if i := want.PublicOrder; !want.PrivateOnly && i >= 0 && i < len(public) {
		return public[i].IP, nil
	}
	if i := want.PrivateOrder; i >= 0 && i < len(inside) {
		return inside[i].IP, nil
	}
	if len(all) == 0 {
		return "", session.Fail(session.NoAddress, what, "it has none", "").Advise("name a network in %s, or a pool in %s", settings.Networks, settings.FloatingIPPools)
	}
	if len(public) > 0 || len(inside) > 0 {
		return "", session.Fail(session.NoAddress, what, fmt.Sprintf("public_ip_order %d and private_ip_order %d are beyond what it has: %s", want.PublicOrder, want.PrivateOrder, ips(all)),
			"the orders count from 0")
	}
	return "", session.Fail(session.NoAddress, what, fmt.Sprintf("it has no IPv%d address, only %s", version, ips(all)), "").
		Advise(familyAdvice(want), settings.ID("driver.use_ipv6"))
}

func familyAdvice(want AddressChoice) string {
	if want.IPv6 {
		return "remove %s"
	}
	return "set %s: true to use an IPv6 address"
}

func ips(list []Address) string {
	return strings.Join(each(list, func(a Address) string { return a.IP + " in " + a.Network }), ", ")
}
