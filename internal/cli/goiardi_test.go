package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
)

// TestGoiardi looks at a real Chef Server and clears up on it, by a knife.rb.
func TestGoiardi(t *testing.T) {
	t.Parallel()
	g := chefservertest.StartGoiardi(t)
	signer, err := chefserver.NewSigner(g.Admin, g.AdminKey, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := chefserver.New(g.URL, signer, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"db1", "web1"} {
		if _, err := c.CreateClient(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if err := c.CreateNode(t.Context(), chefserver.Node{Name: name, RunList: []string{"recipe[" + name + "]"}}); err != nil {
			t.Fatal(err)
		}
	}

	p := newProject(t, nil, kitchenFile)
	chef := filepath.Join(p.dir, ".chef")
	if err := os.Mkdir(chef, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"admin.pem": string(g.AdminKey),
		"knife.rb":  fmt.Sprintf("here = File.dirname(__FILE__)\nchef_server_url %q\nnode_name 'admin'\nclient_key \"#{here}/admin.pem\"\n", g.URL),
	} {
		if err := os.WriteFile(filepath.Join(chef, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := p.must(t, "node", "list"); out != "db1\nweb1\n" {
		t.Errorf("node list: %q", out)
	}
	if out := p.must(t, "node", "list", "-E", "_default", "-F", "json"); !strings.Contains(out, `"web1"`) {
		t.Errorf("node list as json: %q", out)
	}
	if out := p.must(t, "node", "show", "web1"); !strings.Contains(out, "Run List: recipe[web1]\n") {
		t.Errorf("node show: %q", out)
	}
	p.must(t, "node", "delete", "-y", "web1")
	p.must(t, "client", "delete", "-y", "web1")
	if out := p.must(t, "node", "list"); out != "db1\n" {
		t.Errorf("node list after the delete: %q", out)
	}
	if out := p.must(t, "client", "list"); strings.Contains(out, "web1") || !strings.Contains(out, "db1") {
		t.Errorf("client list after the delete: %q", out)
	}
	if _, errs, code := p.run(t, "node", "delete", "-y", "web1"); code != 1 || !strings.Contains(errs, "no node web1") {
		t.Errorf("deleting a second time: %d, %s", code, errs)
	}
	if _, errs, code := p.run(t, "node", "list", "-s", g.URL+"/organizations/acme"); code != 20 || !strings.Contains(errs, "empty body") {
		t.Errorf("an organization, which it has none of: %d, %s", code, errs)
	}
}
