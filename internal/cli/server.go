package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func (a *app) serverNoun() *cobra.Command {
	return noun("server", "Make, look at and remove servers that are nodes", a.serverCreate(), a.serverDelete(), a.serverList(), a.serverShow())
}

var serverColumns = []string{"Name", "Instance ID", "Addresses", "Flavor", "Image", "Keypair", "State", "Availability Zone"}

// fromVolume stands for the image of a server that was booted from a volume.
const fromVolume = "N/A (booted from volume)"

// serverCells are the fields of serverColumns.
func serverCells(s openstack.ServerInfo, flavors, images map[string]string) []any {
	image := cell{fromVolume, nil}
	if s.Image != "" {
		name := named(images, s.Image)
		image = cell{name, name}
	}
	return []any{s.Name, s.ID, addressCell(s.Addresses), named(flavors, s.Flavor), image, orNone(s.KeyName), strings.ToLower(s.Status), s.AvailabilityZone}
}

// addressCell tells the addresses of all networks: "net1=10.0.0.9,172.24.4.5
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
	return cell{strings.Join(words, " "), data}
}

// named returns the name that an ID has, or the ID: what a server was made of
// may be gone.
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

func (a *app) serverList() *cobra.Command {
	var d chefData
	cmd := a.listOf("servers", func(ctx context.Context, c *openstack.Cloud) (listing, error) { return listServers(ctx, c, &d) })
	d.flags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return d.connect(a, cmd) }
	return cmd
}

func listServers(ctx context.Context, c *openstack.Cloud, d *chefData) (listing, error) {
	servers, err := c.Servers(ctx)
	if err != nil {
		return listing{}, err
	}
	l := listing{columns: serverColumns}
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

func (a *app) serverShow() *cobra.Command {
	var f listingFlags
	cmd := &cobra.Command{
		Use:   "show ID|NAME",
		Short: "Show one server",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error {
				s, err := c.Server(ctx, args[0])
				if err != nil {
					return err
				}
				flavors, images, err := serverNames(ctx, c)
				if err != nil {
					return err
				}
				l := listing{columns: append(slices.Clone(serverColumns), "Fault")}
				l.add(append(serverCells(s, flavors, images), orNone(s.Fault))...)
				return a.printOne(l, &f)
			})
		},
	}
	f.add(cmd)
	return cmd
}
