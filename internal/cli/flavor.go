package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func (a *app) flavorNoun() *cobra.Command {
	return noun("flavor", "Look up flavors", a.listOf("flavors", listFlavors))
}

func listFlavors(ctx context.Context, c *openstack.Cloud) (listing, error) {
	flavors, err := c.Flavors(ctx)
	if err != nil {
		return listing{}, err
	}
	flavors = slices.Clone(flavors)
	slices.SortFunc(flavors, func(x, y openstack.Flavor) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	l := listing{columns: []string{"Name", "ID", "Virtual CPUs", "RAM", "Disk"}}
	for _, f := range flavors {
		l.add(f.Name, f.ID, counted(f.VCPUs), sized(f.RAM, "MB"), sized(f.Disk, "GB"))
	}
	return l, nil
}
