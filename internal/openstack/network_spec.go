package openstack

import (
	"fmt"
	"net/netip"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// NetworkSpec is a network as somebody wants it: with its subnets, and a
// router that joins it to an external network.
type NetworkSpec struct {
	Name    string
	Subnets []SubnetSpec
	// Router is a router of the project by name or ID; one of a name that does
	// not exist is made. "" for none.
	Router string
	// External is the external network, by name or ID, that the router leads
	// to. "" leaves the router as it is.
	External string
}

// SubnetSpec is a subnet as somebody wants it.
type SubnetSpec struct {
	// Name is that of a subnet to be made. It is not compared.
	Name string
	// CIDR has no bits set beyond its length.
	CIDR netip.Prefix
	// Gateway is the router's address; the zero value leaves it to the cloud,
	// which takes the first one, of an IPv6 subnet that of the subnet itself.
	// NoGateway is a subnet without.
	Gateway   netip.Addr
	NoGateway bool
	// DNS are the name servers of the guests.
	DNS    []string
	NoDHCP bool
	// Pools are the ranges that guests get addresses of; none means all.
	Pools []AddressRange
	// IPv6Mode is how guests of an IPv6 subnet get their addresses: slaac,
	// dhcpv6-stateful or dhcpv6-stateless; "" leaves it to others.
	IPv6Mode string
}

// AddressRange is a range of addresses, both ends in it.
type AddressRange struct{ Start, End netip.Addr }

// String returns the range as START-END.
func (r AddressRange) String() string { return r.Start.String() + "-" + r.End.String() }

// Subnet is a Neutron subnet.
type Subnet struct{ ID, Name, CIDR string }

// Router is a Neutron router. External is the ID of the network that it leads
// to, "" for none.
type Router struct{ ID, Name, External string }

// NetworkSetup is a network with what belongs to it.
type NetworkSetup struct {
	Network Network
	Subnets []Subnet
	// Router is nil when none was asked for.
	Router *Router
	// Changed says that something was made.
	Changed bool
}

// check finds invalid settings without asking the cloud.
func (s NetworkSpec) check() error {
	what := fmt.Sprintf("make the network %q", s.Name)
	switch {
	case s.Name == "":
		return session.Fail(session.Invalid, "make a network", "it has no name", "")
	case len(s.Name) > 255:
		return session.Fail(session.Invalid, what, "its name is longer than 255 characters", "")
	case s.External != "" && s.Router == "":
		return session.Fail(session.Invalid, what, "a way to an external network needs a router", "name one: it is made if it does not exist")
	case s.Router != "" && len(s.Subnets) == 0:
		return session.Fail(session.Invalid, what, "a router joins subnets, and there is none", "give the network a subnet")
	}
	for i, sn := range s.Subnets {
		for _, other := range s.Subnets[:i] {
			if sn.CIDR.Overlaps(other.CIDR) {
				return session.Fail(session.Invalid, what, fmt.Sprintf("its subnets %s and %s overlap", other.CIDR, sn.CIDR), "")
			}
		}
		if err := sn.check(what, s.Router != ""); err != nil {
			return err
		}
	}
	return nil
}

func (sn SubnetSpec) check(what string, routed bool) error {
	in := func(a netip.Addr, role string) error {
		if !sn.CIDR.Contains(a) {
			return session.Fail(session.Invalid, what, fmt.Sprintf("the %s %s is not in the subnet %s", role, a, sn.CIDR), "")
		}
		return nil
	}
	switch {
	case !sn.CIDR.IsValid():
		return session.Fail(session.Invalid, what, "a subnet has no CIDR", "")
	case sn.CIDR != sn.CIDR.Masked():
		return session.Fail(session.Invalid, what, fmt.Sprintf("%s is an address, not a network", sn.CIDR), "the network it is in is "+sn.CIDR.Masked().String())
	case sn.NoGateway && routed:
		return session.Fail(session.Invalid, what, fmt.Sprintf("the subnet %s is to have no gateway, and a router needs one", sn.CIDR), "leave out either of them")
	case sn.IPv6Mode != "" && (sn.CIDR.Addr().Is4() || sn.NoDHCP):
		return session.Fail(session.Invalid, what, fmt.Sprintf("%s is for IPv6 subnets with DHCP, which %s is not to be", sn.IPv6Mode, sn.CIDR), "")
	}
	if sn.Gateway.IsValid() {
		if err := in(sn.Gateway, "gateway"); err != nil {
			return err
		}
	}
	for _, p := range sn.Pools {
		if err := in(p.Start, "pool's start"); err != nil {
			return err
		}
		if err := in(p.End, "pool's end"); err != nil {
			return err
		}
		if p.End.Less(p.Start) {
			return session.Fail(session.Invalid, what, fmt.Sprintf("the pool %s ends before it starts", p), "")
		}
	}
	return nil
}
