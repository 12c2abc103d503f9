package devcloud

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/common/extensions"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/subnetpools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// makeNetwork makes a network with one subnet and returns its ID.
func makeNetwork(t *testing.T, cl *clients, name, cidr string) string {
	t.Helper()
	n, err := networks.Create(t.Context(), cl.network, networks.CreateOpts{Name: name}).Extract()
	check(t, "create network", err)
	_, err = subnets.Create(
		t.Context(),
		cl.network,
		subnets.CreateOpts{NetworkID: n.ID, Name: name + "-subnet", CIDR: cidr, IPVersion: gophercloud.IPv4},
	).Extract()
	check(t, "create subnet", err)
	return n.ID
}

// fixedIPOf is a server's first address and the port it is on.
func fixedIPOf(t *testing.T, cl *clients, server string) (address, port string) {
	t.Helper()
	p := all(t, ports.List(cl.network, ports.ListOpts{DeviceID: server}), ports.ExtractPorts)[0]
	return p.FixedIPs[0].IPAddress, p.ID
}

func TestNetworksAndSubnets(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	up := true
	n := must[*networks.Network](t)(
		networks.Create(
			ctx,
			cl.network,
			networks.CreateOpts{Name: "n", Description: "d", AdminStateUp: &up},
		).Extract(),
	)
	name := "renamed"
	n = must[*networks.Network](t)(networks.Update(ctx, cl.network, n.ID, networks.UpdateOpts{Name: &name}).Extract())
	if n.Name != name || n.Description != "d" || n.RevisionNumber != 2 || n.Status != "ACTIVE" {
		t.Errorf("%+v", n)
	}
	isExternal := true
	_, err := networks.Create(
		ctx,
		cl.network,
		external.CreateOptsExt{CreateOptsBuilder: networks.CreateOpts{Name: "x"}, External: &isExternal},
	).Extract()
	refused(
		t,
		"an external network of a user's",
		err,
		403,
		"(rule:create_network and rule:create_network:router:external) is disallowed by policy",
	)

	sn := must[*subnets.Subnet](t)(subnets.Create(ctx, cl.network, subnets.CreateOpts{
		NetworkID: n.ID, CIDR: "10.7.0.5/24", IPVersion: gophercloud.IPv4, DNSNameservers: []string{"10.7.0.53"},
		HostRoutes: []subnets.HostRoute{{DestinationCIDR: "10.8.0.0/24", NextHop: "10.7.0.9"}},
	}).Extract())
	if sn.CIDR != "10.7.0.0/24" || sn.GatewayIP != "10.7.0.1" || sn.AllocationPools[0].Start != "10.7.0.2" ||
		sn.AllocationPools[0].End != "10.7.0.254" ||
		len(sn.HostRoutes) != 1 {
		t.Errorf("%+v", sn)
	}
	six := must[*subnets.Subnet](t)(
		subnets.Create(
			ctx,
			cl.network,
			subnets.CreateOpts{
				NetworkID:       n.ID,
				CIDR:            "fd00:7::/64",
				IPVersion:       gophercloud.IPv6,
				IPv6AddressMode: "slaac",
				IPv6RAMode:      "slaac",
			},
		).Extract(),
	)
	gone := "none"
	_ = gone
	for _, test := range []struct {
		opts    subnets.CreateOpts
		message string
	}{
		{subnets.CreateOpts{NetworkID: n.ID, CIDR: "bogus", IPVersion: gophercloud.IPv4}, "bogus is not in a CIDR format."},
		{subnets.CreateOpts{NetworkID: n.ID, CIDR: "10.7.0.0/25", IPVersion: gophercloud.IPv4}, "overlaps with another subnet."},
		{subnets.CreateOpts{NetworkID: n.ID, CIDR: "10.6.0.0/25", IPVersion: gophercloud.IPv6}, "does not match the ip_version '6'."},
		{subnets.CreateOpts{NetworkID: n.ID, IPVersion: gophercloud.IPv4}, "a subnetpool must be specified in the absence of a cidr."},
	} {
		_, err := subnets.Create(ctx, cl.network, test.opts).Extract()
		refused(t, test.message, err, 400, test.message)
	}
	p := must[*ports.Port](t)(ports.Create(ctx, cl.network, ports.CreateOpts{NetworkID: n.ID}).Extract())
	if len(p.FixedIPs) != 2 || !slices.ContainsFunc(p.FixedIPs, func(f ports.IP) bool {
		return f.SubnetID == six.ID && strings.HasPrefix(f.IPAddress, "fd00:7::f816:3eff:fe")
	}) {
		t.Errorf("addresses %+v", p.FixedIPs)
	}
	refused(
		t,
		"a network in use",
		networks.Delete(ctx, cl.network, n.ID).ExtractErr(),
		409,
		"There are one or more ports still in use on the network, id for these ports is: "+p.ID+".",
	)
	refused(
		t,
		"a subnet in use",
		subnets.Delete(ctx, cl.network, sn.ID).ExtractErr(),
		409,
		"One or more ports have an IP allocation from this subnet.",
	)
	check(t, "delete port", ports.Delete(ctx, cl.network, p.ID).ExtractErr())
	check(t, "delete subnet", subnets.Delete(ctx, cl.network, six.ID).ExtractErr())
	check(t, "delete network", networks.Delete(ctx, cl.network, n.ID).ExtractErr())
	_, err = subnets.Get(ctx, cl.network, sn.ID).Extract()
	refused(t, "a subnet goes with its network", err, 404, "Subnet "+sn.ID+" could not be found.")
	refused(
		t,
		"the cloud's network",
		networks.Delete(ctx, cl.network, PublicNetID).ExtractErr(),
		403,
		"rule:delete_network is disallowed by policy",
	)
	_, err = networks.Get(ctx, cl.network, "nosuch").Extract()
	refused(t, "get", err, 404, "Network nosuch could not be found.")
}

// TestSubnetRules has what a real Neutron (Zed) refuses of subnets, in its
// words.
func TestSubnetRules(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	n := must[*networks.Network](t)(networks.Create(ctx, cl.network, networks.CreateOpts{Name: "n"}).Extract())
	no := false
	at := func(s string) *string { return &s }
	four := func(cidr string) subnets.CreateOpts {
		return subnets.CreateOpts{NetworkID: n.ID, CIDR: cidr, IPVersion: gophercloud.IPv4}
	}
	six := func(cidr, mode string) subnets.CreateOpts {
		return subnets.CreateOpts{
			NetworkID:       n.ID,
			CIDR:            cidr,
			IPVersion:       gophercloud.IPv6,
			IPv6RAMode:      mode,
			IPv6AddressMode: mode,
		}
	}
	with := func(o subnets.CreateOpts, change func(*subnets.CreateOpts)) subnets.CreateOpts { change(&o); return o }
	for _, test := range []struct {
		opts    subnets.CreateOpts
		status  int
		message string
	}{
		{with(four("10.1.0.0/24"), func(o *subnets.CreateOpts) { o.IPVersion = 0 }), 400, "Failed to parse request. Required attribute 'ip_version' not specified"},
		{with(four("10.1.0.0/24"), func(o *subnets.CreateOpts) { o.GatewayIP = at("10.1.0.0") }), 400, "Gateway is not valid on subnet."},
		{with(four("10.1.0.0/24"), func(o *subnets.CreateOpts) { o.GatewayIP = at("10.1.0.255") }), 400, "Gateway is not valid on subnet."},
		{with(four("10.1.0.0/24"), func(o *subnets.CreateOpts) {
			o.GatewayIP, o.AllocationPools = at("10.1.0.9"), []subnets.AllocationPool{{Start: "10.1.0.5", End: "10.1.0.20"}}
		}), 409, "Gateway ip 10.1.0.9 conflicts with allocation pool 10.1.0.5-10.1.0.20."},
		{with(four("10.1.0.0/24"), func(o *subnets.CreateOpts) { o.DNSNameservers = []string{"foo"} }), 400, "'foo' is not a valid nameserver. 'foo' is not a valid IP address."},
		{with(four("10.1.0.0/24"), func(o *subnets.CreateOpts) { o.IPv6RAMode = "slaac" }), 400, "ipv6_ra_mode is not valid when ip_version is 4."},
		{with(six("fd00:1::/64", "slaac"), func(o *subnets.CreateOpts) { o.EnableDHCP = &no }), 400, "cannot be set when enable_dhcp is set to False."},
		{six("fd00:1::/72", "slaac"), 400, "which requires the prefix to be /64."},
		{six("fd00:1::/64", "foo"), 400, "foo is not in valid_values."},
	} {
		_, err := subnets.Create(ctx, cl.network, test.opts).Extract()
		refused(t, test.message, err, test.status, test.message)
	}
	sn := must[*subnets.Subnet](t)(subnets.Create(ctx, cl.network, six("fd00:1::/64", "")).Extract())
	if sn.GatewayIP != "fd00:1::" {
		t.Errorf("the gateway of an IPv6 subnet is %s", sn.GatewayIP)
	}
	// A router's subnets do not overlap.
	one := must[*subnets.Subnet](t)(subnets.Create(ctx, cl.network, four("10.1.0.0/24")).Extract())
	other := makeNetwork(t, cl, "other", "10.1.0.0/16")
	two := all(t, subnets.List(cl.network, subnets.ListOpts{NetworkID: other}), subnets.ExtractSubnets)[0]
	r := must[*routers.Router](t)(routers.Create(ctx, cl.network, routers.CreateOpts{Name: "r"}).Extract())
	must[*routers.InterfaceInfo](t)(
		routers.AddInterface(ctx, cl.network, r.ID, routers.AddInterfaceOpts{SubnetID: one.ID}).Extract(),
	)
	_, err := routers.AddInterface(ctx, cl.network, r.ID, routers.AddInterfaceOpts{SubnetID: two.ID}).Extract()
	refused(
		t,
		"an overlap",
		err,
		400,
		"Cidr 10.1.0.0/16 of subnet "+two.ID+" overlaps with cidr 10.1.0.0/24 of subnet "+one.ID+".",
	)
}

func TestNetworkListsAndFilters(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	for i := range 5 {
		n := must[*networks.Network](t)(
			networks.Create(
				ctx,
				cl.network,
				networks.CreateOpts{Name: fmt.Sprintf("n%d", i), Description: fmt.Sprint(i % 2)},
			).Extract(),
		)
		must[[]string](t)(
			attributestags.ReplaceAll(
				ctx,
				cl.network,
				"networks",
				n.ID,
				attributestags.ReplaceAllOpts{Tags: []string{fmt.Sprintf("t%d", i%2), "x"}},
			).Extract(),
		)
	}
	names := func(o networks.ListOpts) string {
		t.Helper()
		var l []string
		for _, n := range all(t, networks.List(cl.network, o), networks.ExtractNetworks) {
			l = append(l, n.Name)
		}
		slices.Sort(l)
		return strings.Join(l, " ")
	}
	no := false
	for _, test := range []struct {
		opts networks.ListOpts
		want string
	}{
		{networks.ListOpts{}, "n0 n1 n2 n3 n4 net1 public"},
		{networks.ListOpts{Limit: 2}, "n0 n1 n2 n3 n4 net1 public"},
		{networks.ListOpts{Name: "n3"}, "n3"},
		{networks.ListOpts{Name: "nosuch"}, ""},
		{networks.ListOpts{Description: "1"}, "n1 n3"},
		{networks.ListOpts{Tags: "t0,x"}, "n0 n2 n4"},
		{networks.ListOpts{TagsAny: "t0,t1"}, "n0 n1 n2 n3 n4"},
		{networks.ListOpts{NotTags: "t1"}, "n0 n2 n4 net1 public"},
		{networks.ListOpts{NotTagsAny: "t0,t1"}, "net1 public"},
		{networks.ListOpts{AdminStateUp: &no}, ""},
		{networks.ListOpts{Status: "ACTIVE", Shared: &no}, "n0 n1 n2 n3 n4 net1 public"},
		{networks.ListOpts{ID: Net1ID}, "net1"},
	} {
		if got := names(test.opts); got != test.want {
			t.Errorf("%+v: %q, want %q", test.opts, got, test.want)
		}
	}
	yes := true
	ext := all(
		t,
		networks.List(cl.network, external.ListOptsExt{ListOptsBuilder: networks.ListOpts{}, External: &yes}),
		networks.ExtractNetworks,
	)
	if len(ext) != 1 || ext[0].ID != PublicNetID {
		t.Errorf("external: %+v", ext)
	}
	_, err := cl.network.Get(ctx, cl.network.ServiceURL("networks")+"?bogus=1", nil, nil)
	refused(t, "bogus filter", err, 400, "['bogus'] is invalid attribute for filtering")
	sorted := all(
		t,
		networks.List(cl.network, networks.ListOpts{SortKey: "name", SortDir: "desc"}),
		networks.ExtractNetworks,
	)
	if sorted[0].Name != "public" {
		t.Errorf("sorted: %s first", sorted[0].Name)
	}
}

func TestTagsOfNetworkThings(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	f := must[*floatingips.FloatingIP](t)(
		floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Extract(),
	)
	check(t, "add", attributestags.Add(ctx, cl.network, "floatingips", f.ID, "a").ExtractErr())
	if ok, err := attributestags.Confirm(ctx, cl.network, "floatingips", f.ID, "a").Extract(); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if l := all(t, floatingips.List(cl.network, floatingips.ListOpts{Tags: "a"}), floatingips.ExtractFloatingIPs); len(
		l,
	) != 1 ||
		l[0].RevisionNumber != 1 {
		t.Errorf("%+v", l)
	}
	check(t, "delete", attributestags.Delete(ctx, cl.network, "floatingips", f.ID, "a").ExtractErr())
	refused(
		t,
		"delete again",
		attributestags.Delete(ctx, cl.network, "floatingips", f.ID, "a").ExtractErr(),
		404,
		"Tag a could not be found.",
	)
	check(t, "delete all", attributestags.DeleteAll(ctx, cl.network, "floatingips", f.ID).ExtractErr())
	if l := must[[]string](t)(attributestags.List(ctx, cl.network, "floatingips", f.ID).Extract()); len(l) != 0 {
		t.Errorf("%v", l)
	}
}

func TestPorts(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	net := makeNetwork(t, cl, "n", "10.7.0.0/24")
	g := must[*groups.SecGroup](t)(groups.Create(ctx, cl.network, groups.CreateOpts{Name: "g"}).Extract())
	p := must[*ports.Port](t)(ports.Create(ctx, cl.network, ports.CreateOpts{
		NetworkID: net, Name: "p", Description: "token", DeviceID: "dev", FixedIPs: []ports.IP{{IPAddress: "10.7.0.50"}},
		SecurityGroups: &[]string{g.ID}, AllowedAddressPairs: []ports.AddressPair{{IPAddress: "10.7.0.99"}},
	}).Extract())
	if p.FixedIPs[0].IPAddress != "10.7.0.50" || p.Status != "DOWN" ||
		!strings.HasPrefix(p.MACAddress, "fa:16:3e:") ||
		p.SecurityGroups[0] != g.ID ||
		len(p.AllowedAddressPairs) != 1 {
		t.Errorf("%+v", p)
	}
	for _, test := range []struct {
		opts    ports.CreateOpts
		status  int
		message string
	}{
		{ports.CreateOpts{NetworkID: net, FixedIPs: []ports.IP{{IPAddress: "10.7.0.50"}}}, 409, "IP address 10.7.0.50 already allocated in subnet"},
		{ports.CreateOpts{NetworkID: net, FixedIPs: []ports.IP{{IPAddress: "10.9.0.50"}}}, 400, "IP address 10.9.0.50 is not a valid IP for any of the subnets on the specified network."},
		{ports.CreateOpts{NetworkID: PublicNetID}, 403, "not allowed to create port on this network"},
		{ports.CreateOpts{NetworkID: "11111111-1111-1111-1111-111111111111"}, 404, "could not be found."},
		{ports.CreateOpts{NetworkID: net, SecurityGroups: &[]string{"11111111-1111-1111-1111-111111111111"}}, 404, "Security group 11111111-1111-1111-1111-111111111111 does not exist"},
	} {
		_, err := ports.Create(ctx, cl.network, test.opts).Extract()
		refused(t, test.message, err, test.status, test.message)
	}
	list := func(o ports.ListOpts) int {
		t.Helper()
		return len(all(t, ports.List(cl.network, o), ports.ExtractPorts))
	}
	for _, o := range []ports.ListOpts{
		{DeviceID: "dev"},
		{Name: "p"},
		{Description: "token"},
		{MACAddress: p.MACAddress},
		{SecurityGroups: []string{g.ID}},
		{FixedIPs: []ports.FixedIPOpts{{IPAddress: "10.7.0.50"}}},
		{FixedIPs: []ports.FixedIPOpts{{IPAddressSubstr: "7.0.5"}}},
	} {
		if n := list(o); n != 1 {
			t.Errorf("%+v: %d ports", o, n)
		}
	}
	refused(t, "a group in use", groups.Delete(ctx, cl.network, g.ID).ExtractErr(), 409, "in use")
	name := "renamed"
	revision := p.RevisionNumber
	p = must[*ports.Port](t)(
		ports.Update(
			ctx,
			cl.network,
			p.ID,
			ports.UpdateOpts{
				Name:           &name,
				SecurityGroups: &[]string{},
				FixedIPs:       []ports.IP{{SubnetID: p.FixedIPs[0].SubnetID}},
				RevisionNumber: &revision,
			},
		).Extract(),
	)
	if p.Name != name || len(p.SecurityGroups) != 0 || p.FixedIPs[0].IPAddress == "10.7.0.50" {
		t.Errorf("%+v", p)
	}
	_, err := ports.Update(ctx, cl.network, p.ID, ports.UpdateOpts{Name: &name, RevisionNumber: &revision}).Extract()
	refused(
		t,
		"an old revision",
		err,
		412,
		fmt.Sprintf("Constrained to %d, but current revision is %d", revision, p.RevisionNumber),
	)
	check(t, "delete", ports.Delete(ctx, cl.network, p.ID).ExtractErr())
	// The DHCP server's and the router's ports show; what belongs to the cloud
	// itself does not.
	owners := map[string]bool{}
	for _, p := range all(t, ports.List(cl.network, nil), ports.ExtractPorts) {
		owners[p.DeviceOwner] = true
		if p.DeviceOwner == "network:router_interface" {
			refused(
				t,
				"a router's port",
				ports.Delete(ctx, cl.network, p.ID).ExtractErr(),
				409,
				"cannot be deleted directly via the port API: has device owner network:router_interface.",
			)
		}
	}
	if !owners["network:dhcp"] || !owners["network:router_interface"] || len(owners) != 2 {
		t.Errorf("owners %v", owners)
	}
}

func TestRouters(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	net := makeNetwork(t, cl, "n", "10.7.0.0/24")
	sn := all(t, subnets.List(cl.network, subnets.ListOpts{NetworkID: net}), subnets.ExtractSubnets)[0]
	r := must[*routers.Router](t)(routers.Create(ctx, cl.network, routers.CreateOpts{Name: "r"}).Extract())
	i := must[*routers.InterfaceInfo](t)(
		routers.AddInterface(ctx, cl.network, r.ID, routers.AddInterfaceOpts{SubnetID: sn.ID}).Extract(),
	)
	if i.SubnetID != sn.ID || i.PortID == "" {
		t.Errorf("%+v", i)
	}
	_, err := routers.AddInterface(ctx, cl.network, r.ID, routers.AddInterfaceOpts{SubnetID: sn.ID}).Extract()
	refused(t, "twice", err, 400, "Bad router request: Router already has a port on subnet "+sn.ID+".")
	p := must[*ports.Port](t)(ports.Create(ctx, cl.network, ports.CreateOpts{NetworkID: net}).Extract())
	f := must[*floatingips.FloatingIP](t)(
		floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Extract(),
	)
	_, err = floatingips.Update(ctx, cl.network, f.ID, floatingips.UpdateOpts{PortID: &p.ID}).Extract()
	refused(t, "no gateway yet", err, 404, "External network "+PublicNetID+" is not reachable from subnet "+sn.ID+".")
	gw := routers.GatewayInfo{NetworkID: PublicNetID}
	r = must[*routers.Router](t)(
		routers.Update(ctx, cl.network, r.ID, routers.UpdateOpts{GatewayInfo: &gw}).Extract(),
	)
	if r.GatewayInfo.NetworkID != PublicNetID || len(r.GatewayInfo.ExternalFixedIPs) != 1 {
		t.Errorf("%+v", r.GatewayInfo)
	}
	must[*floatingips.FloatingIP](t)(
		floatingips.Update(ctx, cl.network, f.ID, floatingips.UpdateOpts{PortID: &p.ID}).Extract(),
	)
	_, err = routers.RemoveInterface(ctx, cl.network, r.ID, routers.RemoveInterfaceOpts{SubnetID: sn.ID}).Extract()
	refused(
		t,
		"needed by a floating IP",
		err,
		409,
		"cannot be deleted, as it is required by one or more floating IPs.",
	)
	refused(
		t,
		"delete",
		routers.Delete(ctx, cl.network, r.ID).ExtractErr(),
		409,
		"Router "+r.ID+" has ports still attached: "+i.PortID,
	)
	check(t, "delete the floating IP", floatingips.Delete(ctx, cl.network, f.ID).ExtractErr())
	must[*routers.InterfaceInfo](t)(
		routers.RemoveInterface(ctx, cl.network, r.ID, routers.RemoveInterfaceOpts{SubnetID: sn.ID}).Extract(),
	)
	if l := all(t, routers.List(cl.network, routers.ListOpts{Name: "r"}), routers.ExtractRouters); len(l) != 1 {
		t.Errorf("%+v", l)
	}
	check(t, "delete", routers.Delete(ctx, cl.network, r.ID).ExtractErr())
}

func TestFloatingIPs(t *testing.T) {
	c := startCloud(t, func(o *Options) { o.FloatingPool = 3 })
	cl := login(t, c, c.Env())
	ctx := t.Context()
	port := func(id string) string {
		t.Helper()
		return all(t, ports.List(cl.network, ports.ListOpts{DeviceID: id}), ports.ExtractPorts)[0].ID
	}
	p1 := port(build(t, c, cl, servers.CreateOpts{Name: "one"}))
	p2 := port(build(t, c, cl, servers.CreateOpts{Name: "two"}))
	allocate := func() (*floatingips.FloatingIP, error) {
		return floatingips.Create(
			ctx,
			cl.network,
			floatingips.CreateOpts{FloatingNetworkID: PublicNetID, Description: "token"},
		).Extract()
	}
	f1, f2 := must[*floatingips.FloatingIP](t)(allocate()), must[*floatingips.FloatingIP](t)(allocate())
	if f1.Status != "DOWN" || f1.PortID != "" || f1.RevisionNumber != 0 || f1.Description != "token" {
		t.Errorf("%+v", f1)
	}
	if l := all(t, floatingips.List(cl.network, floatingips.ListOpts{Description: "token", Status: "DOWN"}), floatingips.ExtractFloatingIPs); len(
		l,
	) != 2 {
		t.Errorf("%+v", l)
	}

	revision := f1.RevisionNumber
	f1 = must[*floatingips.FloatingIP](t)(
		floatingips.Update(
			ctx,
			cl.network,
			f1.ID,
			floatingips.UpdateOpts{PortID: &p1, RevisionNumber: &revision},
		).Extract(),
	)
	if f1.PortID != p1 || f1.RouterID == "" {
		t.Errorf("%+v", f1)
	}
	await(t, c, "ACTIVE", func() bool { return c.db.FloatingIPs.Get(f1.ID).Status == "ACTIVE" })
	// Two that claim the same address: the second, with the revision it saw,
	// learns of it.
	_, err := floatingips.Update(
		ctx,
		cl.network,
		f1.ID,
		floatingips.UpdateOpts{PortID: &p2, RevisionNumber: &revision},
	).Extract()
	refused(t, "a stale claim", err, 412, "Constrained to 0, but current revision is 1")
	_, err = floatingips.Update(ctx, cl.network, f2.ID, floatingips.UpdateOpts{PortID: &p1}).Extract()
	refused(
		t,
		"a second one on the port",
		err,
		409,
		"as that fixed IP already has a floating IP on external network "+PublicNetID+".",
	)
	// Without it the address moves.
	f1 = must[*floatingips.FloatingIP](t)(
		floatingips.Update(ctx, cl.network, f1.ID, floatingips.UpdateOpts{PortID: &p2}).Extract(),
	)
	if f1.PortID != p2 {
		t.Errorf("%+v", f1)
	}
	about := "still there"
	if f1 = must[*floatingips.FloatingIP](t)(floatingips.Update(ctx, cl.network, f1.ID, floatingips.UpdateOpts{Description: &about}).Extract()); f1.PortID != p2 {
		t.Error("describing it took the association away")
	}
	s := must[[]servers.Server](t)(servers.ExtractServers(must[pagination.Page](t)(servers.List(cl.compute, servers.ListOpts{Name: "two"}).AllPages(ctx))))[0]
	if !strings.Contains(fmt.Sprint(s.Addresses["net1"]), f1.FloatingIP) {
		t.Errorf("the server's addresses: %v", s.Addresses)
	}
	empty := ""
	if f1 = must[*floatingips.FloatingIP](t)(floatingips.Update(ctx, cl.network, f1.ID, floatingips.UpdateOpts{PortID: &empty}).Extract()); f1.PortID != "" ||
		f1.FixedIP != "" {
		t.Errorf("%+v", f1)
	}
	_, err = floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: Net1ID}).Extract()
	refused(t, "no external network", err, 400, "Network "+Net1ID+" is not a valid external network.")
	must[*floatingips.FloatingIP](t)(allocate())
	_, err = allocate()
	refused(t, "the pool is dry", err, 409, "No more IP addresses available on network "+PublicNetID+".")
	// A server that goes leaves its address free.
	must[*floatingips.FloatingIP](t)(
		floatingips.Update(ctx, cl.network, f1.ID, floatingips.UpdateOpts{PortID: &p2}).Extract(),
	)
	check(t, "delete server", servers.Delete(ctx, cl.compute, s.ID).ExtractErr())
	await(t, c, "free", func() bool {
		return c.db.FloatingIPs.Get(f1.ID).PortID == "" && c.db.FloatingIPs.Get(f1.ID).Status == "DOWN"
	})
	check(t, "delete", floatingips.Delete(ctx, cl.network, f1.ID).ExtractErr())
	refused(
		t,
		"delete again",
		floatingips.Delete(ctx, cl.network, f1.ID).ExtractErr(),
		404,
		"Floating IP "+f1.ID+" could not be found",
	)
}

func TestFloatingIPsThroughNova(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	f := must[*floatingips.FloatingIP](t)(
		floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Extract(),
	)
	act := func(version, name string) error {
		_, err := at(cl.compute, version).Post(
			ctx,
			cl.compute.ServiceURL("servers", id, "action"),
			map[string]any{name: map[string]any{"address": f.FloatingIP}},
			nil,
			&gophercloud.RequestOpts{OkCodes: []int{202}},
		)
		return err
	}
	check(t, "add", act("2.1", "addFloatingIp"))
	if g := must[*floatingips.FloatingIP](t)(floatingips.Get(ctx, cl.network, f.ID).Extract()); g.PortID == "" {
		t.Errorf("%+v", g)
	}
	check(t, "remove", act("2.43", "removeFloatingIp"))
	refused(t, "from 2.44", act("2.44", "addFloatingIp"), 404, "The resource could not be found.")
}

func TestSecurityGroups(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	l := all(t, groups.List(cl.network, groups.ListOpts{}), groups.ExtractGroups)
	if len(l) != 1 || l[0].Name != "default" || len(l[0].Rules) != 8 {
		t.Fatalf("%+v", l)
	}
	refused(
		t,
		"delete default",
		groups.Delete(ctx, cl.network, l[0].ID).ExtractErr(),
		409,
		"Insufficient rights for removing default security group.",
	)
	g := must[*groups.SecGroup](t)(
		groups.Create(ctx, cl.network, groups.CreateOpts{Name: "g", Description: "d"}).Extract(),
	)
	if len(g.Rules) != 2 {
		t.Errorf("%+v", g.Rules)
	}
	r := must[*rules.SecGroupRule](t)(
		rules.Create(
			ctx,
			cl.network,
			rules.CreateOpts{
				SecGroupID:     g.ID,
				Direction:      rules.DirIngress,
				EtherType:      rules.EtherType4,
				Protocol:       rules.ProtocolTCP,
				PortRangeMin:   22,
				PortRangeMax:   22,
				RemoteIPPrefix: "10.0.0.0/8",
			},
		).Extract(),
	)
	for _, test := range []struct {
		opts    rules.CreateOpts
		status  int
		message string
	}{
		{rules.CreateOpts{SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP, PortRangeMin: 22, PortRangeMax: 22, RemoteIPPrefix: "10.0.0.0/8"}, 409, "Security group rule already exists. Rule id is " + r.ID + "."},
		{rules.CreateOpts{SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP, PortRangeMin: 23, PortRangeMax: 22}, 400, "For TCP/UDP protocols, port_range_min must be <= port_range_max"},
		{rules.CreateOpts{SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, PortRangeMin: 22, PortRangeMax: 22}, 400, "Must also specify protocol if port range is given."},
		{rules.CreateOpts{SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, RemoteIPPrefix: "::/0"}, 400, "Conflicting value ethertype IPv4 for CIDR ::/0"},
		{rules.CreateOpts{SecGroupID: "11111111-1111-1111-1111-111111111111", Direction: rules.DirIngress, EtherType: rules.EtherType4}, 404, "does not exist"},
	} {
		_, err := rules.Create(ctx, cl.network, test.opts).Extract()
		refused(t, test.message, err, test.status, test.message)
	}
	if l := all(t, rules.List(cl.network, rules.ListOpts{SecGroupID: g.ID}), rules.ExtractRules); len(l) != 3 {
		t.Errorf("%+v", l)
	}
	check(t, "delete rule", rules.Delete(ctx, cl.network, r.ID).ExtractErr())
	name := "renamed"
	if g = must[*groups.SecGroup](t)(groups.Update(ctx, cl.network, g.ID, groups.UpdateOpts{Name: name}).Extract()); g.Name != name {
		t.Errorf("%+v", g)
	}
	id := build(t, c, cl, servers.CreateOpts{Name: "x", SecurityGroups: []string{"renamed"}})
	if s := must[*servers.Server](t)(servers.Get(ctx, cl.compute, id).Extract()); len(s.SecurityGroups) != 1 ||
		s.SecurityGroups[0]["name"] != "renamed" {
		t.Errorf("%+v", s.SecurityGroups)
	}
	refused(t, "in use", groups.Delete(ctx, cl.network, g.ID).ExtractErr(), 409, "Security Group "+g.ID+" in use.")
}

func TestNetworkQuotasAndTheRest(t *testing.T) {
	c := startCloud(t)
	cl, root := login(t, c, c.Env()), login(t, c, c.AdminEnv())
	ctx := t.Context()
	project := c.Env()["OS_PROJECT_ID"]
	one := 1
	must[*quotas.Quota](t)(quotas.Update(ctx, root.network, project, quotas.UpdateOpts{FloatingIP: &one}).Extract())
	create := func() error {
		return floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Err
	}
	check(t, "the first", create())
	refused(t, "the second", create(), 409, "Quota exceeded for resources: ['floatingip'].")
	d := must[*quotas.QuotaDetailSet](t)(quotas.GetDetail(ctx, cl.network, project).Extract())
	if d.FloatingIP.Used != 1 || d.FloatingIP.Limit != 1 || d.Network.Used != 1 {
		t.Errorf("%+v", d)
	}
	aliases := all(t, extensions.List(cl.network), extensions.ExtractExtensions)
	if !slices.ContainsFunc(aliases, func(e extensions.Extension) bool { return e.Alias == "revision-if-match" }) {
		t.Error("revision-if-match is not listed")
	}
	if e, err := extensions.Get(ctx, cl.network, "standard-attr-tag").Extract(); err != nil ||
		e.Alias != "standard-attr-tag" {
		t.Errorf("%+v, %v", e, err)
	}
	pool := must[*subnetpools.SubnetPool](t)(
		subnetpools.Create(
			ctx,
			cl.network,
			subnetpools.CreateOpts{Name: "p", Prefixes: []string{"10.50.0.0/22"}, DefaultPrefixLen: 24},
		).Extract(),
	)
	n := must[*networks.Network](t)(networks.Create(ctx, cl.network, networks.CreateOpts{Name: "n"}).Extract())
	for _, want := range []string{"10.50.0.0/24", "10.50.1.0/24"} {
		sn := must[*subnets.Subnet](t)(
			subnets.Create(
				ctx,
				cl.network,
				subnets.CreateOpts{NetworkID: n.ID, SubnetPoolID: pool.ID, IPVersion: gophercloud.IPv4},
			).Extract(),
		)
		if sn.CIDR != want {
			t.Errorf("got %s of the pool, want %s", sn.CIDR, want)
		}
	}
	refused(
		t,
		"a pool in use",
		subnetpools.Delete(ctx, cl.network, pool.ID).ExtractErr(),
		400,
		"Subnet pool has existing allocations",
	)
}
