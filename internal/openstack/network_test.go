package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

func lan() NetworkSpec {
	return NetworkSpec{
		Name: "lan", Router: "way-out", External: "public",
		Subnets: []SubnetSpec{{Name: "lan", CIDR: netip.MustParsePrefix("10.9.0.0/24"), DNS: []string{"10.9.0.53"}}},
	}
}

func ensure(t *testing.T, c *Cloud, spec NetworkSpec, j Journal) (*NetworkSetup, string) {
	t.Helper()
	var told recorder
	got, err := c.EnsureNetwork(t.Context(), spec, j, false, &told)
	if err != nil {
		t.Fatalf("%v\n%s", err, told.text())
	}
	return got, told.text()
}

func TestNetworkIsMadeOnceAndUndone(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	j := FileJournal(filepath.Join(t.TempDir(), "lan.json"))
	got, _ := ensure(t, c, lan(), j)
	if !got.Changed || got.Router == nil || got.Router.External != "net-public" || len(got.Subnets) != 1 {
		t.Fatalf("made %+v", got)
	}
	before := len(f.Requests)
	again, told := ensure(t, connect(t, f), lan(), j)
	if again.Changed || told != "" || again.Network.ID != got.Network.ID || again.Router.ID != got.Router.ID {
		t.Errorf("the second time made %+v, told %q", again, told)
	}
	for _, r := range f.Requests[before:] {
		if !strings.HasPrefix(r, "GET") && !strings.Contains(r, "/auth/tokens") {
			t.Errorf("the second time asked %s", r)
		}
	}
	if err := connect(t, f).RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if left := f.Left(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if err := c.RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil); session.KindOf(err) != session.NotFound {
		t.Errorf("removing missing resources: %v", err)
	}
}

// TestNetworkWithoutItsRecord loses the record: the marks in the cloud are
// enough to go on with, and to undo everything.
func TestNetworkWithoutItsRecord(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	ensure(t, c, lan(), &MemoryJournal{})
	if again, _ := ensure(t, c, lan(), &MemoryJournal{}); again.Changed {
		t.Errorf("made again: %+v", again)
	}
	if err := c.RemoveNetwork(t.Context(), "lan", &MemoryJournal{}, ReclaimOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if left := f.Left(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestNetworkFinishesWhatOthersBegan adds to a network and a router that were
// there, and takes away no more than that.
func TestNetworkFinishesWhatOthersBegan(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	f.Networks = append(f.Networks, map[string]any{"id": "net-lan", "name": "lan", "tenant_id": "p1"})
	f.Routers["r-1"] = map[string]any{"id": "r-1", "name": "way-out", "tenant_id": "p1"}
	j := &MemoryJournal{}
	got, _ := ensure(t, c, lan(), j)
	if got.Network.ID != "net-lan" || got.Router.ID != "r-1" || !got.Changed {
		t.Fatalf("made %+v", got)
	}
	if gw, _ := f.Routers["r-1"]["external_gateway_info"].(map[string]any); gw["network_id"] != "net-public" {
		t.Errorf("the router's gateway is %v", gw)
	}
	if err := c.RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if left := f.Left(); !slices.Equal(left, []string{"router r-1"}) {
		t.Errorf("left %v", left)
	}
	if gw, _ := f.Routers["r-1"]["external_gateway_info"].(map[string]any); len(gw) != 0 {
		t.Errorf("the router still leads to %v", gw)
	}
	if err := c.RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil); session.KindOf(err) != session.Invalid || !strings.Contains(err.Error(), "not made by") {
		t.Errorf("deleting others' network: %v", err)
	}
}

// TestNetworkFindsWhatIsGone recreates what somebody has deleted since.
func TestNetworkFindsWhatIsGone(t *testing.T) {
	for _, gone := range []string{"interface", "router", "subnet", "network"} {
		t.Run(gone, func(t *testing.T) {
			f := fakecloud.New(t)
			c := connect(t, f)
			j := &MemoryJournal{}
			got, _ := ensure(t, c, lan(), j)
			for id, p := range f.Ports {
				if p["device_id"] == got.Router.ID {
					delete(f.Ports, id)
				}
			}
			switch gone {
			case "router":
				delete(f.Routers, got.Router.ID)
			case "subnet":
				delete(f.Subnets, got.Subnets[0].ID)
			case "network":
				clear(f.Subnets)
				f.Networks = slices.DeleteFunc(f.Networks, func(n map[string]any) bool { return n["id"] == got.Network.ID })
			}
			again, told := ensure(t, c, lan(), j)
			if !again.Changed || !strings.Contains(told, "joined to") {
				t.Errorf("told %q", told)
			}
			if err := c.RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil); err != nil {
				t.Fatal(err)
			}
			if left := f.Left(); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestNetworkThatDiffersIsRefused(t *testing.T) {
	cidr := netip.MustParsePrefix("10.9.0.0/24")
	for name, tc := range map[string]struct {
		change func(*NetworkSpec)
		cloud  func(*fakecloud.Cloud)
		want   string
	}{
		"CIDR":       {change: func(s *NetworkSpec) { s.Subnets[0].CIDR = netip.MustParsePrefix("10.8.0.0/24") }, want: "it has the subnet 10.9.0.0/24, not 10.8.0.0/24"},
		"gateway":    {change: func(s *NetworkSpec) { s.Subnets[0].Gateway = netip.MustParseAddr("10.9.0.9") }, want: "has the gateway 10.9.0.1, not 10.9.0.9"},
		"no gateway": {change: func(s *NetworkSpec) { s.Router, s.External, s.Subnets[0].NoGateway = "", "", true }, want: "has the gateway 10.9.0.1, and is to have none"},
		"DNS":        {change: func(s *NetworkSpec) { s.Subnets[0].DNS = []string{"10.9.0.54"} }, want: "has the name servers 10.9.0.53, not 10.9.0.54"},
		"DHCP":       {change: func(s *NetworkSpec) { s.Subnets[0].NoDHCP = true }, want: "has DHCP on, not off"},
		"pool":       {change: func(s *NetworkSpec) { s.Subnets[0].Pools = []AddressRange{{cidr.Addr().Next(), cidr.Addr().Next()}} }, want: "has the pools none, not 10.9.0.1-10.9.0.1"},
		"router":     {change: func(s *NetworkSpec) { s.Router = "other" }, want: `joined to another router (router-3), not to "other"`},
		"external": {cloud: func(f *fakecloud.Cloud) {
			f.Networks = append(f.Networks, map[string]any{"id": "net-o", "name": "other", "router:external": true})
		}, change: func(s *NetworkSpec) { s.External = "other" }, want: `leads to the network net-public, not to "other"`},
		"two of them": {cloud: func(f *fakecloud.Cloud) {
			f.Networks = append(f.Networks, map[string]any{"id": "net-x", "name": "lan", "tenant_id": "p1"})
		}, change: func(*NetworkSpec) {}, want: "the project has 2 of this name"},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakecloud.New(t)
			c := connect(t, f)
			ensure(t, c, lan(), &MemoryJournal{})
			if tc.cloud != nil {
				tc.cloud(f)
			}
			left := f.Left()
			spec := lan()
			tc.change(&spec)
			_, err := c.EnsureNetwork(t.Context(), spec, &MemoryJournal{}, false, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if now := f.Left(); !slices.Equal(now, left) {
				t.Errorf("it changed %v to %v", left, now)
			}
		})
	}
}

// TestNetworkInUseStays names those who use it and removes nothing.
func TestNetworkInUseStays(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	j := &MemoryJournal{}
	got, _ := ensure(t, c, lan(), j)
	left := f.Left()
	f.Servers["srv-9"] = map[string]any{"id": "srv-9", "name": "web", "status": "ACTIVE"}
	f.Ports["port-s"] = map[string]any{"id": "port-s", "network_id": got.Network.ID, "device_id": "srv-9", "device_owner": "compute:nova"}
	f.Ports["port-f"] = map[string]any{"id": "port-f", "network_id": got.Network.ID, "name": "spare"}
	f.Ports["port-d"] = map[string]any{"id": "port-d", "network_id": got.Network.ID, "device_owner": "network:dhcp"}
	err := c.RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil)
	if session.KindOf(err) != session.InUse || !strings.Contains(err.Error(), `the port "spare" (port-f), the server "web" (srv-9); nothing was removed`) {
		t.Errorf("got %v", err)
	}
	delete(f.Servers, "srv-9")
	for _, id := range []string{"port-s", "port-f", "port-d"} {
		delete(f.Ports, id)
	}
	if now := f.Left(); !slices.Equal(now, left) {
		t.Errorf("it changed %v to %v", left, now)
	}
}

// TestRouterGoesWithItsLastNetwork shares a router that the first network was
// made with.
func TestRouterGoesWithItsLastNetwork(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	one, two := &MemoryJournal{}, &MemoryJournal{}
	ensure(t, c, lan(), one)
	second := lan()
	second.Name, second.Subnets[0].CIDR = "lan2", netip.MustParsePrefix("10.10.0.0/24")
	ensure(t, c, second, two)
	if err := c.RemoveNetwork(t.Context(), "lan", one, ReclaimOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if len(f.Routers) != 1 {
		t.Fatal("the router is gone while another network uses it")
	}
	if err := c.RemoveNetwork(t.Context(), "lan2", two, ReclaimOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if left := f.Left(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestEveryFaultOfANetwork lets every call fail in every way. The create
// succeeds or leaves nothing; resources it could not remove while the cloud was
// down, a remove does.
func TestEveryFaultOfANetwork(t *testing.T) {
	probe := fakecloud.New(t)
	ensure(t, connect(t, probe), lan(), &MemoryJournal{})
	calls := len(probe.Requests)
	for mode, name := range map[fakecloud.Mode]string{fakecloud.Error500: "error 500", fakecloud.DropBefore: "dropped before", fakecloud.DropAfter: "dropped after acting"} {
		for _, lasting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s lasting=%v", name, lasting), func(t *testing.T) {
				t.Parallel()
				for n := 2; n <= calls; n++ {
					f := fakecloud.New(t)
					c := connect(t, f)
					f.Mu.Lock()
					f.Fault = func(i int, _, _ string) fakecloud.Mode {
						if i == n || lasting && i > n {
							return mode
						}
						return fakecloud.Well
					}
					f.Mu.Unlock()
					j := FileJournal(filepath.Join(t.TempDir(), "lan.json"))
					_, err := c.EnsureNetwork(t.Context(), lan(), j, false, nil)
					f.Mu.Lock()
					f.Fault = nil
					f.Mu.Unlock()
					if err != nil && !strings.HasPrefix(err.Error(), "cannot ") {
						t.Errorf("call %d: not a sentence: %v", n, err)
					}
					if err == nil || lasting {
						if err := connect(t, f).RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil); err != nil && session.KindOf(err) != session.NotFound {
							t.Errorf("call %d: %v", n, err)
						}
					}
					if left := f.Left(); len(left) > 0 {
						t.Errorf("call %d: left %v (create: %v)", n, left, err)
					}
					if rec, _ := j.Read(); rec != nil {
						t.Errorf("call %d: a record is left: %+v", n, rec)
					}
				}
			})
		}
	}
}

func TestNetworkCancelledAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, mode := range []fakecloud.Mode{fakecloud.DropBefore, fakecloud.DropAfter} {
		for n := 2; n <= 14; n++ {
			f := fakecloud.New(t)
			c := connect(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			f.Mu.Lock()
			f.Fault = func(i int, _, _ string) fakecloud.Mode {
				if i == n {
					cancel()
					return mode
				}
				return fakecloud.Well
			}
			f.Mu.Unlock()
			j := &MemoryJournal{}
			_, err := c.EnsureNetwork(ctx, lan(), j, false, nil)
			cancel()
			if err == nil {
				err = connect(t, f).RemoveNetwork(t.Context(), "lan", j, ReclaimOptions{}, nil)
			} else if errors.Is(err, context.Canceled) {
				err = nil
			}
			if left := f.Left(); err != nil || len(left) > 0 {
				t.Errorf("call %d: %v, left %v", n, err, left)
			}
		}
	}
}

func TestNetworkSpecCheck(t *testing.T) {
	p := netip.MustParsePrefix
	for name, tc := range map[string]struct {
		spec NetworkSpec
		want string
	}{
		"no name":          {NetworkSpec{}, "no name"},
		"external alone":   {NetworkSpec{Name: "n", External: "public"}, "needs a router"},
		"router alone":     {NetworkSpec{Name: "n", Router: "r"}, "there is none"},
		"host bits":        {NetworkSpec{Name: "n", Subnets: []SubnetSpec{{CIDR: p("10.0.0.5/24")}}}, "an address, not a network"},
		"overlap":          {NetworkSpec{Name: "n", Subnets: []SubnetSpec{{CIDR: p("10.0.0.0/8")}, {CIDR: p("10.1.0.0/16")}}}, "overlap"},
		"gateway outside":  {NetworkSpec{Name: "n", Subnets: []SubnetSpec{{CIDR: p("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.1.1")}}}, "not in the subnet"},
		"router, no way":   {NetworkSpec{Name: "n", Router: "r", Subnets: []SubnetSpec{{CIDR: p("10.0.0.0/24"), NoGateway: true}}}, "a router needs one"},
		"pool backwards":   {NetworkSpec{Name: "n", Subnets: []SubnetSpec{{CIDR: p("10.0.0.0/24"), Pools: []AddressRange{{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.8")}}}}}, "ends before it starts"},
		"IPv6 mode on v4":  {NetworkSpec{Name: "n", Subnets: []SubnetSpec{{CIDR: p("10.0.0.0/24"), IPv6Mode: "slaac"}}}, "for IPv6 subnets"},
		"a subnet of none": {NetworkSpec{Name: "n", Subnets: []SubnetSpec{{}}}, "no CIDR"},
	} {
		if err := tc.spec.check(); session.KindOf(err) != session.Invalid || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
