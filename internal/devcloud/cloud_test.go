package devcloud

import (
	"context"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// startCloud runs a cloud without guests and without delays worth waiting for.
func startCloud(t *testing.T, change ...func(*Options)) *Cloud {
	t.Helper()
	o := Options{
		Dir:         t.TempDir(),
		Guests:      GuestsNone,
		BuildDelay:  10 * time.Millisecond,
		ActionDelay: 5 * time.Millisecond,
		DeleteDelay: 5 * time.Millisecond,
		VolumeDelay: 5 * time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// clients are gophercloud's for one user of a cloud.
type clients struct {
	provider                                  *gophercloud.ProviderClient
	identity, compute, network, image, volume *gophercloud.ServiceClient
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func login(t *testing.T, c *Cloud, env map[string]string) *clients {
	t.Helper()
	ctx := t.Context()
	p, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: env["OS_AUTH_URL"], Username: env["OS_USERNAME"], Password: env["OS_PASSWORD"],
		DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: env["OS_PROJECT_NAME"], DomainName: "Default"}, AllowReauth: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	eo := gophercloud.EndpointOpts{Region: env["OS_REGION_NAME"]}
	m := must[*gophercloud.ServiceClient](t)
	return &clients{
		p,
		m(openstack.NewIdentityV3(p, eo)),
		m(openstack.NewComputeV2(p, eo)),
		m(openstack.NewNetworkV2(p, eo)),
		m(openstack.NewImageV2(p, eo)),
		m(openstack.NewBlockStorageV3(p, eo)),
	}
}

// await waits until cond is true; the cloud's state changes by itself.
func await(t *testing.T, c *Cloud, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ok := false; !ok; {
		changed := c.db.Changed()
		c.db.View(func() { ok = cond() })
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, ctx.Err())
		}
	}
}

func TestCreateWithFloatingIP(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	s := must[*servers.Server](t)(
		servers.Create(
			ctx,
			cl.compute,
			servers.CreateOpts{
				Name:      "one",
				FlavorRef: "3",
				ImageRef:  CentOSImageID,
				Networks:  []servers.Network{{UUID: Net1ID}},
			},
			nil,
		).Extract(),
	)
	await(t, c, "ACTIVE", func() bool { return c.db.Servers.Get(s.ID).VMState == "active" })
	s = must[*servers.Server](t)(servers.Get(ctx, cl.compute, s.ID).Extract())
	if s.Status != "ACTIVE" {
		t.Fatalf("status %s", s.Status)
	}
	pages, err := ports.List(cl.network, ports.ListOpts{DeviceID: s.ID}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ps := must[[]ports.Port](t)(ports.ExtractPorts(pages))
	if len(ps) != 1 {
		t.Fatalf("%d ports", len(ps))
	}
	f := must[*floatingips.FloatingIP](t)(
		floatingips.Create(
			ctx,
			cl.network,
			floatingips.CreateOpts{FloatingNetworkID: PublicNetID, PortID: ps[0].ID},
		).Extract(),
	)
	if f.FixedIP != ps[0].FixedIPs[0].IPAddress {
		t.Errorf("floating IP is on %s, want %s", f.FixedIP, ps[0].FixedIPs[0].IPAddress)
	}
	if err := servers.Delete(ctx, cl.compute, s.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	await(t, c, "gone", func() bool { return c.db.Servers.Get(s.ID) == nil })
	if err := floatingips.Delete(ctx, cl.network, f.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if n := c.Resources().Count(); n != 0 {
		t.Errorf("%d things are left: %+v", n, c.Resources())
	}
}
