package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
)

// TestListingOfThousands lists more servers than a page of Nova's holds.
func TestListingOfThousands(t *testing.T) {
	t.Parallel()
	const n = 2100
	c := newCloud(t, devcloud.Options{Guests: devcloud.GuestsNone, Quotas: map[string]int{"instances": -1, "cores": -1, "ram": -1}})
	p := newProject(t, c, "")
	makeServers(t, c, n)
	var servers []struct {
		Name string `json:"name"`
		ID   string `json:"instance_id"`
	}
	if err := json.Unmarshal([]byte(p.must(t, "server", "list", "--format", "json")), &servers); err != nil {
		t.Fatal(err)
	}
	var names []string
	ids := map[string]bool{}
	for _, s := range servers {
		names = append(names, s.Name)
		ids[s.ID] = true
	}
	if len(servers) != n || len(ids) != n || !slices.IsSorted(names) {
		t.Errorf("%d rows, %d servers, sorted: %v; want %d", len(servers), len(ids), slices.IsSorted(names), n)
	}
	if out := p.must(t, "server", "list", "--columns", "name"); strings.Count(out, "\n") != n+1 {
		t.Errorf("the table has %d lines", strings.Count(out, "\n"))
	}
}

// makeServers makes servers without a network, all in one request.
func makeServers(t *testing.T, c *devcloud.Cloud, n int) {
	t.Helper()
	env := c.Env()
	post := func(url, token string, body any) *http.Response {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", url, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Auth-Token", token)
		req.Header.Set("X-OpenStack-Nova-API-Version", "2.37")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		if resp.StatusCode >= 300 {
			t.Fatalf("POST %s: %s", url, resp.Status)
		}
		return resp
	}
	type m = map[string]any
	domain := m{"name": env["OS_USER_DOMAIN_NAME"]}
	login := post(strings.TrimSuffix(env["OS_AUTH_URL"], "/")+"/auth/tokens", "", m{"auth": m{
		"identity": m{"methods": []string{"password"}, "password": m{"user": m{"name": env["OS_USERNAME"], "password": env["OS_PASSWORD"], "domain": domain}}},
		"scope":    m{"project": m{"name": env["OS_PROJECT_NAME"], "domain": domain}},
	}})
	var answer struct {
		Token struct {
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, URL string }
			}
		}
	}
	if err := json.NewDecoder(login.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	for _, s := range answer.Token.Catalog {
		for _, e := range s.Endpoints {
			if s.Type == "compute" && e.Interface == "public" {
				post(e.URL+"/servers", login.Header.Get("X-Subject-Token"), m{"server": m{
					"name": "many", "flavorRef": "1", "imageRef": imageID(t, c), "networks": "none", "min_count": n, "max_count": n,
				}})
				return
			}
		}
	}
	t.Fatal("no compute service")
}

func imageID(t *testing.T, c *devcloud.Cloud) string {
	t.Helper()
	var images []struct{ ID string }
	p := newProject(t, c, "")
	if err := json.Unmarshal([]byte(p.must(t, "image", "list", "--format", "json")), &images); err != nil || len(images) == 0 {
		t.Fatal(fmt.Errorf("no image: %w", err))
	}
	return images[0].ID
}
