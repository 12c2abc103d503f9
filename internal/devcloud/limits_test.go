package devcloud

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/portforwarding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/trunks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

func TestPortForwardingsAndTrunks(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	p, err := ports.Create(ctx, cl.network, ports.CreateOpts{NetworkID: Net1ID}).Extract()
	check(t, "setup", err)
	fip, err := floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Extract()
	check(t, "setup", err)
	opts := portforwarding.CreateOpts{
		InternalPortID: p.ID, InternalIPAddress: p.FixedIPs[0].IPAddress, Protocol: "tcp", InternalPort: 80, ExternalPort: 8080,
	}
	pf, err := portforwarding.Create(ctx, cl.network, fip.ID, opts).Extract()
	check(t, "setup", err)
	opts.ExternalPort, opts.InternalPort, opts.ExternalPortRange, opts.InternalPortRange = 0, 0, "8000:8100", "8000:8100"
	_, err = portforwarding.Create(ctx, cl.network, fip.ID, opts).Extract()
	refused(t, "forwarding", err, 400, "A duplicate port forwarding entry for external ports 8000:8100 already exists.")
	opts.ExternalPortRange = "9000:9001"
	_, err = portforwarding.Create(ctx, cl.network, fip.ID, opts).Extract()
	refused(t, "forwarding", err, 400, "The internal and external port ranges must have the same length.")
	opts.InternalPortRange, opts.Protocol = "9000:9001", "udp"
	_, err = portforwarding.Create(ctx, cl.network, fip.ID, opts).Extract()
	refused(t, "forwarding", err, 400, "Invalid input for protocol. Reason: 'udp' is not in ['tcp'].")
	_, err = floatingips.Update(ctx, cl.network, fip.ID, floatingips.UpdateOpts{PortID: &p.ID}).Extract()
	refused(t, "forwarding", err, 409, "has port forwardings")
	check(t, "setup", portforwarding.Delete(ctx, cl.network, fip.ID, pf.ID).ExtractErr())
	_, err = floatingips.Update(ctx, cl.network, fip.ID, floatingips.UpdateOpts{PortID: &p.ID}).Extract()
	check(t, "setup", err)

	trunk, err := trunks.Create(ctx, cl.network, trunks.CreateOpts{PortID: p.ID}).Extract()
	check(t, "setup", err)
	_, err = trunks.Create(ctx, cl.network, trunks.CreateOpts{PortID: p.ID}).Extract()
	refused(t, "forwarding", err, 409, "is in use by another trunk")
	refused(t, "the parent port", ports.Delete(ctx, cl.network, p.ID).ExtractErr(), 409, "is currently a parent port for trunk "+trunk.ID)
	check(t, "setup", trunks.Delete(ctx, cl.network, trunk.ID).ExtractErr())
}

func TestRequestsTooLarge(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	cl := login(t, c, c.Env())
	body := `{"server":{"name":"` + strings.Repeat("a", 1<<17) + `"}}`
	for _, path := range []string{"/compute/v2.1/servers", "/volume/v3/" + c.Env()["OS_PROJECT_ID"] + "/volumes", "/identity/v3/users"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+path, bytes.NewReader([]byte(body)))
		check(t, "setup", err)
		r.Header.Set("X-Auth-Token", cl.compute.Token())
		resp, err := http.DefaultClient.Do(r)
		check(t, "setup", err)
		check(t, "setup", resp.Body.Close())
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// A project's usage counts a server for the part of its life that the call
// asks about.
func TestUsageBeginsAtTheStart(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	cl := login(t, c, c.Env())
	build(t, c, cl, servers.CreateOpts{Name: "web", Networks: "none"})
	const query = "/compute/v2.1/os-simple-tenant-usage/%s?start=2130-01-01T10:00:00&end=2130-01-01T12:00:00"
	_, body := send(t, "GET", c.URL+fmt.Sprintf(query, c.Env()["OS_PROJECT_ID"]), cl.provider.Token(), "", nil)
	if !strings.Contains(body, `"total_hours":2,`) {
		t.Error(body)
	}
}
