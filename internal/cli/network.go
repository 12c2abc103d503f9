package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func (a *app) networkNoun() *cobra.Command {
	return noun("network", "Look up networks", a.listOf("networks", listNetworks))
}

func listNetworks(ctx context.Context, c *openstack.Cloud) (listing, error) {
	networks, err := c.Networks(ctx)
	if err != nil {
		return listing{}, err
	}
	networks = slices.Clone(networks)
	slices.SortFunc(networks, func(x, y openstack.Network) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	l := listing{columns: []string{"Name", "ID", "Tenant", "Shared", "External"}}
	for _, n := range networks {
		l.add(n.Name, n.ID, n.ProjectID, flagged(n.Shared), flagged(n.External))
	}
	return l, nil
}
