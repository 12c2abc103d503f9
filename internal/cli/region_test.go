//go:build linux

package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/openstack"
)

// newSecondRegion serves a cloud's identity service with a second region in its
// catalog, and returns its URL.
func newSecondRegion(t *testing.T, c *devcloud.Cloud) string {
	t.Helper()
	behind, err := url.Parse(c.Env()["OS_AUTH_URL"])
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: behind.Scheme, Host: behind.Host})
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "/auth/tokens") {
			return nil
		}
		var doc map[string]map[string]any
		if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
			return err
		}
		catalog, _ := doc["token"]["catalog"].([]any)
		for _, s := range catalog {
			service := s.(map[string]any)
			endpoints := service["endpoints"].([]any)
			for _, e := range endpoints {
				second := map[string]any{}
				for k, v := range e.(map[string]any) {
					second[k] = v
				}
				second["region"], second["region_id"] = "RegionTwo", "RegionTwo"
				endpoints = append(endpoints, second)
			}
			service["endpoints"] = endpoints
		}
		body, err := json.Marshal(doc)
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return err
	}
	web := httptest.NewServer(proxy)
	t.Cleanup(web.Close)
	return web.URL + behind.Path
}

// TestAnotherRegionIsRefused works on a server created in one region with the
// credentials for another: it is not there, and that does not mean that it is
// gone. --forget drops the records all the same.
func TestAnotherRegionIsRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := newLeakProject(t, c, kitchenFile)
	p.env = append(p.env, "OS_AUTH_URL="+newSecondRegion(t, c), "OS_REGION_NAME=RegionOne")
	own := p.env
	elsewhere := append(append([]string{}, own...), "OS_REGION_NAME=RegionTwo")
	createServer := []string{"server", "create", "-N", "web", "-I", "debian-12", "-f", "m1.small", "--network-ids", "net1", "-U", "debian", "-a", "--no-chef", "-p", p.getenv("GALLEY_DEVCLOUD_SSH_PORT")}
	p.must(t, "create")
	p.must(t, createServer...)
	p.must(t, everyNetworkPart...)

	p.env = elsewhere
	for _, args := range [][]string{
		{"create"},
		{"destroy"},
		createServer,
		{"server", "delete", "web", "-y"},
		everyNetworkPart,
		{"network", "delete", "lan"},
	} {
		out, errs, code := p.run(t, args...)
		if code == 0 || !strings.Contains(errs, "the region RegionOne") || !strings.Contains(errs, "the region RegionTwo") || !strings.Contains(errs, "--forget") {
			t.Errorf("galley %v in another region ended with %d\n%s%s", args, code, out, errs)
		}
	}
	if out := p.must(t, "server", "delete", "--orphans", "--dry-run"); strings.Contains(out, "web") {
		t.Errorf("the server of the other region is an orphan here:\n%s", out)
	}

	// At home all is as it was.
	p.env = own
	p.must(t, "exec", "-c", "true")
	p.must(t, "server", "show", "web")

	p.env = elsewhere
	for _, args := range [][]string{
		{"destroy", "default-debian-12", "--forget"},
		{"server", "delete", "web", "--forget"},
		{"network", "delete", "lan", "--forget"},
	} {
		out, errs, code := p.run(t, args...)
		if code != 0 || !strings.Contains(errs, "forgotten, and not removed") || !strings.Contains(errs, "RegionOne") {
			t.Errorf("galley %v ended with %d\n%s%s", args, code, out, errs)
		}
	}
	for _, pattern := range []string{".kitchen/*.yml", ".kitchen/galley/*.json"} {
		if left, err := filepath.Glob(filepath.Join(p.dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left of the records: %v %v", left, err)
		}
	}

	// The marks on the cloud still say what belongs to what.
	p.env = own
	p.must(t, "destroy", "--orphans")
	p.must(t, "server", "delete", "--orphans", "-y")
	p.must(t, "network", "delete", "lan")
	wantNothing(t, c, "removed by the marks")
}

// deleteNetwork deletes a network as another client would, and leaves its router.
func deleteNetwork(t *testing.T, c *devcloud.Cloud, name string) {
	t.Helper()
	env := c.Env()
	auth, err := credentials.ReadEnv(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := openstack.Connect(t.Context(), auth, openstack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cloud.Close()
	network, err := cloud.OwnNetwork(t.Context(), name)
	if err != nil || network == nil {
		t.Fatalf("the network %s: %v", name, err)
	}
	client := cloud.NetworkClient()
	pages, err := ports.List(client, ports.ListOpts{NetworkID: network.ID, DeviceOwner: "network:router_interface"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	joins, err := ports.ExtractPorts(pages)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range joins {
		if err := routers.RemoveInterface(t.Context(), client, p.DeviceID, routers.RemoveInterfaceOpts{PortID: p.ID}).Err; err != nil {
			t.Fatal(err)
		}
	}
	if err := networks.Delete(t.Context(), client, network.ID).ExtractErr(); err != nil {
		t.Fatal(err)
	}
}

// TestRoutersWithoutTheirNetwork removes routers whose network was deleted by
// other means, with and without a record of them.
func TestRoutersWithoutTheirNetwork(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{Guests: devcloud.GuestsNone})
	for name, remove := range map[string][]string{
		"network delete":    {"network", "delete", "lan"},
		"destroy --orphans": {"destroy", "--orphans"},
	} {
		for _, recorded := range []bool{true, false} {
			p := newLeakProject(t, c, kitchenFile)
			p.must(t, everyNetworkPart...)
			deleteNetwork(t, c, "lan")
			if !recorded {
				if err := os.RemoveAll(filepath.Join(p.getenv("HOME"), ".local/state/galley/networks")); err != nil {
					t.Fatal(err)
				}
			}
			out, errs, code := p.run(t, remove...)
			if code != 0 {
				t.Errorf("%s (recorded: %v) ended with %d\n%s%s", name, recorded, code, out, errs)
			}
			wantNothing(t, c, name)
		}
	}
}
