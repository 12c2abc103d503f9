package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

var volumeColumns = []string{"Name", "ID", "Status", "Size", "Description", "Attached To"}

func newVolumeCommand(d *deps) *cobra.Command {
	return noun("volume", "List volumes",
		newCloudListCommand(d, "volumes", "  galley volume list\n  galley volume list --columns name,status", volumeColumns, listVolumes))
}

func listVolumes(ctx context.Context, c *openstack.Cloud) (listing, error) {
	volumes, err := c.Volumes(ctx)
	if err != nil {
		return listing{}, err
	}
	slices.SortFunc(volumes, func(x, y openstack.Volume) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	l := listing{columns: volumeColumns}
	for _, v := range volumes {
		to := v.AttachedTo
		if to == nil {
			to = []string{}
		}
		l.add(v.Name, v.ID, v.Status, sized(v.Size, "GB"), v.Description, joined(to, " "))
	}
	return l, nil
}
