package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

var flavorColumns = []string{"Name", "ID", "Virtual CPUs", "RAM", "Disk"}

func newFlavorCommand(d *deps) *cobra.Command {
	return noun("flavor", "List flavors, the sizes of servers",
		newCloudListCommand(d, "flavors", "  galley flavor list\n  galley flavor list --format json", flavorColumns, listFlavors))
}

func listFlavors(ctx context.Context, c *openstack.Cloud) (listing, error) {
	flavors, err := c.Flavors(ctx)
	if err != nil {
		return listing{}, err
	}
	flavors = slices.Clone(flavors)
	slices.SortFunc(flavors, func(x, y openstack.Flavor) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	l := listing{columns: flavorColumns}
	for _, f := range flavors {
		l.add(f.Name, f.ID, counted(f.VCPUs), sized(f.RAM, "MB"), sized(f.Disk, "GB"))
	}
	return l, nil
}
