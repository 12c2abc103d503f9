package servers

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/galleyhq/galley/internal/openstack"
)

func TestAddress(t *testing.T) {
	a := func(network, ip string, version int, floating bool) openstack.Address {
		return openstack.Address{Network: network, IP: ip, Version: version, Floating: floating}
	}
	two := []openstack.Address{a("net1", "10.0.0.5", 4, false), a("net2", "192.168.7.5", 4, false)}
	public := append([]openstack.Address{a("public", "198.51.100.1", 4, false), a("public", "2001:db8::1", 6, false), a("public", "198.51.100.2", 4, false)}, two...)
	here := []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}
	none := []netip.Prefix{}
	floating := openstack.Server{Name: "s", Addresses: two, FloatingIP: "203.0.113.9", FloatingNetwork: "net1"}
	for name, c := range map[string]struct {
		server openstack.Server
		reach  Reach
		want   string
	}{
		"the floating IP":                          {floating, Reach{Local: here}, "203.0.113.9"},
		"knife's network, its last IPv4":           {openstack.Server{Addresses: public}, Reach{Local: here}, "198.51.100.2"},
		"no network is called public":              {openstack.Server{Addresses: two}, Reach{Local: none}, "10.0.0.5"},
		"a network of this machine":                {openstack.Server{Addresses: two}, Reach{Local: here}, "192.168.7.5"},
		"a named network":                          {openstack.Server{Addresses: public}, Reach{Network: "net2", Local: none}, "192.168.7.5"},
		"the named network has the floating IP":    {floating, Reach{Network: "net1", Local: none}, "203.0.113.9"},
		"the floating IP is in another network":    {floating, Reach{Network: "net2", Local: none}, "192.168.7.5"},
		"inside, although there is a floating IP":  {floating, Reach{Private: true, Local: none}, "10.0.0.5"},
		"inside, the network called private":       {openstack.Server{Addresses: append(two, a("private", "10.9.9.9", 4, false))}, Reach{Private: true, Local: here}, "10.9.9.9"},
		"inside does not mean a floating one":      {openstack.Server{Addresses: append(two, a("private", "203.0.113.1", 4, true))}, Reach{Private: true, Local: none}, "10.0.0.5"},
		"IPv6 where there is nothing else":         {openstack.Server{Addresses: []openstack.Address{a("n", "fe80::1", 6, false), a("n", "2001:db8::7", 6, false)}}, Reach{Local: none}, "2001:db8::7"},
		"routed before private":                    {openstack.Server{Addresses: append(two, a("wide", "198.51.100.3", 4, false))}, Reach{Local: none}, "198.51.100.3"},
		"a network that it is not in":              {openstack.Server{Addresses: two}, Reach{Network: "net3", Local: none}, ""},
		"none at all":                              {openstack.Server{}, Reach{Local: none}, ""},
		"a link-local address is none":             {openstack.Server{Addresses: []openstack.Address{a("n", "fe80::1", 6, false)}}, Reach{Local: none}, ""},
		"a floating IP that the cloud shows first": {openstack.Server{Addresses: []openstack.Address{a("n", "10.0.0.1", 4, false), a("n", "10.1.0.1", 4, true)}}, Reach{Local: none}, "10.1.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.reach.address(&c.server)
			var typed *AddressError
			if got != c.want || (err != nil) != (c.want == "") || err != nil && !errors.As(err, &typed) {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
