package openstack

import (
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
)

func TestAddressesOf(t *testing.T) {
	addr := func(ip, kind string) any { return map[string]any{"addr": ip, "OS-EXT-IPS:type": kind} }
	s := &servers.Server{Addresses: map[string]any{
		"zeta":  []any{addr("10.0.0.1", "fixed"), addr("172.24.4.9", "floating")},
		"alpha": []any{addr("fd00::1", "fixed")},
		"beta":  []any{addr("not an address", "fixed"), addr("192.168.0.1", "fixed")},
	}}
	for range 20 {
		var got []string
		for _, a := range addressesOf(s, []string{"zeta"}) {
			got = append(got, a.IP)
		}
		if want := "10.0.0.1 172.24.4.9 fd00::1 192.168.0.1"; strings.Join(got, " ") != want {
			t.Fatalf("%v, want %s", got, want)
		}
	}
}

func TestChooseAddress(t *testing.T) {
	fixed := func(net, ip string) Address {
		v := 4
		if strings.Contains(ip, ":") {
			v = 6
		}
		return Address{Network: net, IP: ip, Version: v}
	}
	floating := func(net, ip string) Address { a := fixed(net, ip); a.Floating = true; return a }
	both := []Address{fixed("net1", "fd00::5"), fixed("net1", "10.0.0.5"), fixed("net2", "192.168.7.5"), floating("net1", "172.24.4.9")}
	for name, c := range map[string]struct {
		all  []Address
		want AddressChoice
		ip   string // "" expects an error
	}{
		"floating first":                {both, AddressChoice{}, "172.24.4.9"},
		"named network":                 {both, AddressChoice{Network: "net2"}, "192.168.7.5"},
		"named network, v6":             {both, AddressChoice{Network: "net1", IPv6: true}, "fd00::5"},
		"named network is not there":    {both, AddressChoice{Network: "net3"}, ""},
		"named network without family":  {both, AddressChoice{Network: "net2", IPv6: true}, ""},
		"private order past the public": {both, AddressChoice{PublicOrder: 1, PrivateOrder: 1}, "192.168.7.5"},
		"private only":                  {both, AddressChoice{PrivateOnly: true}, "10.0.0.5"},
		"beyond both":                   {both, AddressChoice{PublicOrder: 4, PrivateOrder: 4}, ""},
		"v6":                            {both, AddressChoice{IPv6: true}, "fd00::5"},
		"network called public":         {[]Address{fixed("net1", "10.0.0.5"), fixed("Public-2", "203.0.113.7")}, AddressChoice{}, "203.0.113.7"},
		"first of a public network":     {[]Address{fixed("public", "2001:db8::1"), fixed("public", "203.0.113.7")}, AddressChoice{}, "203.0.113.7"},
		"carrier-grade":                 {[]Address{fixed("net1", "100.64.3.4")}, AddressChoice{}, "100.64.3.4"},
		"routable tenant network":       {[]Address{fixed("lan", "198.51.100.7")}, AddressChoice{}, "198.51.100.7"},
		"routable beside private":       {[]Address{fixed("lan", "198.51.100.7"), fixed("net1", "10.1.1.1")}, AddressChoice{}, "10.1.1.1"},
		"link-local is of no use":       {[]Address{fixed("net1", "fe80::1")}, AddressChoice{IPv6: true}, ""},
		"only the other family":         {[]Address{fixed("net1", "fd00::5")}, AddressChoice{}, ""},
		"none":                          {nil, AddressChoice{}, ""},
	} {
		got, err := chooseAddress(c.all, c.want, "web", "1234")
		if got != c.ip || (err == nil) != (c.ip != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.ip)
		}
		if err != nil && (session.KindOf(err) != session.NoAddress || !strings.Contains(err.Error(), "1234")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerName(t *testing.T) {
	for _, c := range []struct{ instance, prefix string }{
		{"default-ubuntu-1404", ""},
		{"web_server-centos-stream-9x", ""},
		{strings.Repeat("a", 300), ""},
		{"x", "chef-ci"},
		{"x", "Chef_CI.example"},
		{"x", strings.Repeat("p", 200)},
		{"ÄÖÜ", "ÄÖÜ"},
		{"", "---"},
	} {
		seen := map[string]bool{}
		for range 50 {
			n := ServerName(c.instance, c.prefix)
			if len(n) > 63 || n == "" || notLabel().MatchString(n) || strings.Trim(n, "-") != n {
				t.Fatalf("%q, %q: %q is no DNS label", c.instance, c.prefix, n)
			}
			if seen[n] {
				t.Fatalf("%q twice", n)
			}
			seen[n] = true
		}
	}
	if n := ServerName("x", "chef-ci"); !strings.HasPrefix(n, "chef-ci-") || len(n) != len("chef-ci-")+8 {
		t.Error(n)
	}
}
