package chefserver_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
)

// TestGoiardi does with a real Chef Server what a bootstrap and a purge do,
// by each protocol.
func TestGoiardi(t *testing.T) {
	g := chefservertest.StartGoiardi(t)
	ctx := t.Context()
	for _, p := range []chefserver.Protocol{chefserver.Protocol10, chefserver.Protocol11, chefserver.Protocol13} {
		t.Run(string(p), func(t *testing.T) {
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			s, err := chefserver.NewSigner(g.Admin, g.AdminKey, p)
			must(err)
			c, err := chefserver.New(g.URL, s, nil)
			must(err)
			key, err := c.CreateClient(ctx, "web1")
			must(err)
			if _, err := c.CreateClient(ctx, "web1"); !chefserver.IsConflict(err) {
				t.Errorf("the same client again: %v", err)
			}
			own, err := chefserver.NewSigner("web1", []byte(key), p)
			must(err)
			must(c.As(own).CreateNode(ctx, chefserver.Node{Name: "web1", RunList: []string{"role[web]"}, Normal: map[string]any{"a": "b"}}))
			n, err := c.FullNode(ctx, "web1")
			must(err)
			if n.Environment != "_default" || !slices.Equal(n.RunList, []string{"role[web]"}) || n.Normal["a"] != "b" {
				t.Errorf("the node is %+v", n)
			}
			nodes, err := c.Nodes(ctx)
			must(err)
			in, err := c.NodesIn(ctx, "_default")
			must(err)
			if want := []string{"web1"}; !slices.Equal(nodes, want) || !slices.Equal(in, want) {
				t.Errorf("nodes are %q, of _default %q", nodes, in)
			}
			clients, err := c.Clients(ctx)
			must(err)
			if !slices.Contains(clients, "web1") {
				t.Errorf("clients are %q", clients)
			}
			if v, err := c.Client(ctx, clients[slices.IndexFunc(clients, func(n string) bool { return n != "web1" })]); err != nil || !v.Validator && !v.Admin {
				t.Errorf("one of the clients is %+v, %v", v, err)
			}
			must(c.DeleteNode(ctx, "web1"))
			must(c.DeleteClient(ctx, "web1"))
			must(c.DeleteClient(ctx, "web1"))
			if there, err := c.NodeExists(ctx, "web1"); there || err != nil {
				t.Errorf("the node is still there: %v, %v", there, err)
			}

			var said *chefserver.Error
			if _, err := c.As(own).Nodes(ctx); !errors.As(err, &said) || said.Status != http.StatusUnauthorized {
				t.Errorf("a client that is gone: %v", err)
			}
			org, err := chefserver.New(g.URL+"/organizations/acme", s, nil)
			must(err)
			var empty *chefserver.EmptyError
			if _, err := org.Nodes(ctx); !errors.As(err, &empty) {
				t.Errorf("an organization, which it has none of: %v", err)
			}
			if err := org.DeleteNode(ctx, "web1"); !errors.As(err, &empty) {
				t.Errorf("deleting in an organization: %v", err)
			}
		})
	}
}
