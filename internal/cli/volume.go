package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func (a *app) volumeNoun() *cobra.Command {
	return noun("volume", "Look up volumes", a.listOf("volumes", listVolumes))
}

func listVolumes(ctx context.Context, c *openstack.Cloud) (listing, error) {
	volumes, err := c.Volumes(ctx)
	if err != nil {
		return listing{}, err
	}
	slices.SortFunc(volumes, func(x, y openstack.Volume) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	l := listing{columns: []string{"Name", "ID", "Status", "Size", "Description", "Attached To"}}
	for _, v := range volumes {
		to := v.AttachedTo
		if to == nil {
			to = []string{}
		}
		l.add(v.Name, v.ID, v.Status, sized(v.Size, "GB"), v.Description, cell{strings.Join(to, " "), to})
	}
	return l, nil
}
