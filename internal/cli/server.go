package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func newServerCommand(d *deps) *cobra.Command {
	return noun("server", "Create, list, show and delete servers managed as Chef nodes",
		newServerCreateCommand(d), newServerDeleteCommand(d), newServerListCommand(d), newServerShowCommand(d))
}

var serverColumns = []string{"Name", "Instance ID", "Addresses", "Flavor", "Image", "Keypair", "State", "Availability Zone"}

// fromVolume is shown as the image of a server that was booted from a volume.
const fromVolume = "N/A (booted from volume)"

// serverCells are the fields of serverColumns.
func serverCells(s openstack.ServerInfo, flavors, images map[string]string) []any {
	image := cell{text: fromVolume}
	if s.Image != "" {
		image = textOf(named(images, s.Image))
	}
	return []any{s.Name, s.ID, addressCell(s.Addresses), named(flavors, s.Flavor), image, orNone(s.KeyName), strings.ToLower(s.Status), s.AvailabilityZone}
}

// addressCell shows the addresses of all networks: "net1=10.0.0.9,172.24.4.5
// net2=10.1.0.4", and as data a list for each network.
func addressCell(all []openstack.Address) cell {
	data := map[string][]string{}
	var networks []string
	for _, ad := range all {
		if data[ad.Network] == nil {
			networks = append(networks, ad.Network)
		}
		data[ad.Network] = append(data[ad.Network], ad.IP)
	}
	words := make([]string, len(networks))
	for i, n := range networks {
		words[i] = n + "=" + strings.Join(data[n], ",")
	}
	return cell{text: strings.Join(words, " "), value: data}
}

// named returns the name of an ID, or the ID itself: what a server was created
// from may be gone.
func named(names map[string]string, id string) string {
	if n := names[id]; n != "" {
		return n
	}
	return id
}

// serverNames are the names of the flavors and images that servers refer to
// by ID.
func serverNames(ctx context.Context, c *openstack.Cloud) (flavors, images map[string]string, err error) {
	flavors, images = map[string]string{}, map[string]string{}
	fl, err := c.Flavors(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range fl {
		flavors[f.ID] = f.Name
	}
	im, err := c.Images(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range im {
		images[i.ID] = i.Name
	}
	return flavors, images, nil
}

func newServerListCommand(d *deps) *cobra.Command {
	var data chefData
	cmd := newCloudListCommand(d, "servers", "  galley server list\n  galley server list --chef-data --format json", serverColumns,
		func(ctx context.Context, c *openstack.Cloud) (listing, error) { return listServers(ctx, c, &data) })
	data.flags(cmd)
	showChefFlags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return data.connect(cmd.Context(), d.chef) }
	return cmd
}

func listServers(ctx context.Context, c *openstack.Cloud, d *chefData) (listing, error) {
	servers, err := c.Servers(ctx)
	if err != nil {
		return listing{}, err
	}
	l := listing{columns: serverColumns, optional: []string{"Availability Zone", "Keypair", "Image", "Flavor", "Instance ID"}}
	if d.wanted {
		l.columns = append(slices.Clone(serverColumns), d.columns()...)
	}
	if len(servers) == 0 {
		return l, nil
	}
	if d.wanted {
		if err := d.load(ctx, servers); err != nil {
			return l, err
		}
	}
	flavors, images, err := serverNames(ctx, c)
	if err != nil {
		return l, err
	}
	slices.SortFunc(servers, func(x, y openstack.ServerInfo) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	for _, s := range servers {
		row := serverCells(s, flavors, images)
		if d.wanted {
			row = append(row, d.cells(s.Name)...)
		}
		l.add(row...)
	}
	return l, nil
}

// serverShowOptions are those of server show.
type serverShowOptions struct {
	*program
	clouds *cloudAccess

	output listingFlags
}

func newServerShowCommand(d *deps) *cobra.Command {
	o := &serverShowOptions{program: d.program, clouds: d.clouds}
	columns := append(slices.Clone(serverColumns), "Fault")
	cmd := &cobra.Command{
		Use:   "show ID|NAME",
		Short: "Show one server",
		Long: `Show a server's addresses, flavor, image, key pair, state and availability zone,
and the cloud's reason where its state is ERROR.`,
		Example: `  galley server show web1
  galley server show web1 --format json --columns addresses`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: d.clouds.completeFirst(serverNamesOf),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0], columns) },
	}
	o.output.add(cmd, columns)
	d.knife.addTo(cmd, usesCloud)
	return cmd
}

func (o *serverShowOptions) run(ctx context.Context, ref string, columns []string) error {
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		s, err := c.Server(ctx, ref)
		if err != nil {
			return err
		}
		flavors, images, err := serverNames(ctx, c)
		if err != nil {
			return err
		}
		l := listing{columns: columns}
		l.add(append(serverCells(s, flavors, images), orNone(s.Fault))...)
		return o.printOne(l, &o.output)
	})
}
