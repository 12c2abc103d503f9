package servers

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/openstack"
)

// Reach says at which of its addresses a server is bootstrapped.
type Reach struct {
	// Network is the name of the network whose address is taken
	// (knife: --bootstrap-network).
	Network string
	// Private takes an address inside the cloud, of the network called
	// private if there is one (knife: --openstack-private-network).
	Private bool
	// Local are the networks that this machine is in; nil asks the system.
	Local []netip.Prefix
}

// The networks that knife-openstack looks for.
const (
	publicNetwork  = "public"
	privateNetwork = "private"
)

// AddressError says that a server has no address to be bootstrapped at.
type AddressError struct {
	// Server is its name.
	Server string
	// Wanted is the network that was asked for, "" for any.
	Wanted string
	// Have are its addresses; Networks the networks that it is to be in.
	Have     []openstack.Address
	Networks []string
}

// Error implements error.
func (e *AddressError) Error() string {
	switch {
	case len(e.Networks) > 0:
		return fmt.Sprintf("the server %q is not to be in the network %q, only in %s", e.Server, e.Wanted, strings.Join(e.Networks, ", "))
	case len(e.Have) == 0:
		return fmt.Sprintf("the server %q has no address to be bootstrapped at", e.Server)
	case e.Wanted != "":
		return fmt.Sprintf("the server %q has no address in the network %q, only %s", e.Server, e.Wanted, listed(e.Have))
	}
	return fmt.Sprintf("the server %q has no address to be bootstrapped at, only %s", e.Server, listed(e.Have))
}

// Hint says what to do.
func (e *AddressError) Hint() string {
	if e.Wanted != "" {
		return "name one of its networks in --bootstrap-network, or leave that out to have the best one taken"
	}
	return "name its networks in --network-ids, or give it a floating IP with --openstack-floating-ip"
}

func listed(all []openstack.Address) string {
	var out []string
	for _, a := range all {
		out = append(out, a.IP+" in "+a.Network)
	}
	return strings.Join(out, ", ")
}

// address chooses where the server is bootstrapped. A network that was named
// decides; else the floating IP, else the network called public, as knife
// has it; else what can be reached best from here: an address in a network of
// this machine, one that is routed everywhere, one that is not, IPv4 before
// IPv6.
func (r Reach) address(s *openstack.Server) (string, error) {
	usable := slices.Clone(s.Addresses)
	usable = slices.DeleteFunc(usable, func(a openstack.Address) bool {
		ip, err := netip.ParseAddr(a.IP)
		return err != nil || ip.IsLinkLocalUnicast()
	})
	fixed := slices.DeleteFunc(slices.Clone(usable), func(a openstack.Address) bool { return a.Floating })
	if r.Network != "" {
		if s.FloatingIP != "" && s.FloatingNetwork == r.Network {
			return s.FloatingIP, nil
		}
		// The peer takes the last one there, which is a floating IP if there
		// is one.
		there := slices.DeleteFunc(usable, func(a openstack.Address) bool { return a.Network != r.Network })
		if a, ok := last(there); ok {
			return a.IP, nil
		}
		return "", &AddressError{Server: s.Name, Wanted: r.Network, Have: s.Addresses}
	}
	if r.Private {
		there := slices.DeleteFunc(slices.Clone(fixed), func(a openstack.Address) bool { return a.Network != privateNetwork })
		if a, ok := last(there); ok {
			return a.IP, nil
		}
		return r.best(s, fixed)
	}
	if s.FloatingIP != "" {
		return s.FloatingIP, nil
	}
	there := slices.DeleteFunc(slices.Clone(usable), func(a openstack.Address) bool { return a.Network != publicNetwork })
	if a, ok := last(there); ok {
		return a.IP, nil
	}
	return r.best(s, usable)
}

// last returns the last IPv4 address, else the last one.
func last(all []openstack.Address) (openstack.Address, bool) {
	for _, a := range slices.Backward(all) {
		if a.Version == 4 {
			return a, true
		}
	}
	if len(all) == 0 {
		return openstack.Address{}, false
	}
	return all[len(all)-1], true
}

// best returns the first of the addresses that are reached best.
func (r Reach) best(s *openstack.Server, all []openstack.Address) (string, error) {
	local := r.Local
	if local == nil {
		local = localNetworks()
	}
	rank := func(a openstack.Address) int {
		ip, _ := netip.ParseAddr(a.IP)
		n := 0
		switch {
		case slices.ContainsFunc(local, func(p netip.Prefix) bool { return p.Contains(ip) }):
		case a.Floating:
			n = 1
		case !ip.IsPrivate():
			n = 2
		default:
			n = 3
		}
		if a.Version != 4 {
			n += 10
		}
		return n
	}
	if len(all) == 0 {
		return "", &AddressError{Server: s.Name, Have: s.Addresses}
	}
	return slices.MinFunc(all, func(a, b openstack.Address) int { return rank(a) - rank(b) }).IP, nil
}

// localNetworks are the networks that this machine has an address in.
func localNetworks() []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() && p.Bits() < p.Addr().BitLen() {
			out = append(out, p.Masked())
		}
	}
	return out
}
