package cli

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/openstack"
)

// chefColumns are what --chef-data adds to a listing of servers
// (knife-openstack: server list).
var chefColumns = []string{"Chef Node Name", "Environment", "FQDN", "Runlist", "Tags", "Platform"}

// chefData is what the Chef Server adds to a listing of servers.
type chefData struct {
	wanted     bool
	attributes []string
	client     *chefserver.Client
	nodes      map[string]*chefserver.FullNode
}

func (d *chefData) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.wanted, "chef-data", false, "add what the Chef Server knows about the node of the server's name")
	cmd.Flags().StringSliceVar(&d.attributes, "chef-node-attribute", nil, "add a column with this `ATTRIBUTE` of the node, as in kernel.release; implies --chef-data")
}

// connect finds out whether there is a Chef Server before the cloud is asked.
func (d *chefData) connect(ctx context.Context, chef *chefAccess) (err error) {
	if d.wanted = d.wanted || len(d.attributes) > 0; d.wanted {
		d.client, err = chef.connect(ctx)
	}
	return err
}

// nodeReads is how many nodes are read at once.
const nodeReads = 8

// load reads the nodes that have a server's name.
func (d *chefData) load(ctx context.Context, servers []openstack.ServerInfo) error {
	d.nodes = map[string]*chefserver.FullNode{}
	names, err := d.client.Nodes(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, n := range names {
		there[n] = true
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(nodeReads)
	for _, s := range servers {
		if !there[s.Name] {
			continue
		}
		there[s.Name] = false // Servers of one name share the node.
		group.Go(func() error {
			n, err := d.client.FullNode(ctx, s.Name)
			if chefserver.IsNotFound(err) {
				return nil // It may just have gone.
			}
			mu.Lock()
			defer mu.Unlock()
			d.nodes[s.Name] = n
			return err
		})
	}
	return group.Wait()
}

func (d *chefData) columns() []string {
	return append(append([]string{}, chefColumns...), d.attributes...)
}

// cells are the fields of columns for a server; all are empty for one that
// has no node.
func (d *chefData) cells(server string) []any {
	out := make([]any, len(chefColumns)+len(d.attributes))
	for i := range out {
		out[i] = cell{}
	}
	n := d.nodes[server]
	if n == nil {
		return out
	}
	tags, _ := attribute(n, "tags")
	fqdn, _ := attribute(n, "fqdn")
	platform, _ := attribute(n, "platform")
	copy(out, []any{orNone(n.Name), orNone(n.Environment), dataCell(fqdn), joined(n.RunList, ", "), dataCell(tags), dataCell(platform)})
	for i, name := range d.attributes {
		if v, ok := attribute(n, name); ok {
			out[len(chefColumns)+i] = dataCell(v)
		}
	}
	return out
}

// attribute finds a node's attribute by its path, in Chef's order of
// precedence: automatic, override, normal, default.
func attribute(n *chefserver.FullNode, path string) (any, bool) {
	for _, level := range []map[string]any{n.Automatic, n.Override, n.Normal, n.Default} {
		var at any = level
		found := true
		for part := range strings.SplitSeq(path, ".") {
			m, _ := at.(map[string]any)
			var ok bool
			if at, ok = m[part]; !ok {
				found = false
				break
			}
		}
		if found {
			return at, true
		}
	}
	return nil, false
}

// dataCell shows a list as words, and a mapping as JSON.
func dataCell(v any) cell {
	if _, parts := v.(map[string]any); parts {
		if b, err := json.Marshal(v); err == nil {
			return cell{text: string(b), value: v}
		}
	}
	return cell{text: words(v), value: v}
}
