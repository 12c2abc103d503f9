package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
)

var imageColumns = []string{"Name", "ID", "Snapshot", "Status", "Visibility"}

func newImageCommand(d *deps) *cobra.Command {
	return noun("image", "List images", newImageListCommand(d))
}

// bootParts are the ends of the names of images that are parts of others
// (knife-openstack: image list hides them).
var bootParts = []string{"initrd", "kernel", "loader", "virtual", "vmlinuz"}

func newImageListCommand(d *deps) *cobra.Command {
	var all bool
	cmd := newCloudListCommand(d, "images", "  galley image list\n  galley image list --columns name,status", imageColumns,
		func(ctx context.Context, c *openstack.Cloud) (listing, error) {
			images, err := c.Images(ctx)
			if err != nil {
				return listing{}, err
			}
			l, hidden := imageListing(images, all)
			if hidden > 0 {
				fmt.Fprintf(d.streams.Err, "%s with a name that ends in %s not shown; --disable-filter shows them.\n",
					text.Count(hidden, "image"), strings.Join(bootParts, ", "))
			}
			return l, nil
		})
	cmd.Flags().BoolVar(&all, "disable-filter", false, "also list images with names that end in "+strings.Join(bootParts, ", "))
	return cmd
}

func imageListing(images []openstack.Image, all bool) (l listing, hidden int) {
	l.columns = imageColumns
	images = slices.Clone(images)
	slices.SortFunc(images, func(x, y openstack.Image) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	for _, i := range images {
		if !all && slices.ContainsFunc(bootParts, func(end string) bool { return strings.HasSuffix(i.Name, end) }) {
			hidden++
			continue
		}
		l.add(i.Name, i.ID, flagged(i.Snapshot), i.Status, i.Visibility)
	}
	return l, hidden
}
