package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func (a *app) imageNoun() *cobra.Command { return noun("image", "Look up images", a.imageList()) }

// bootParts are the ends of the names of images that are parts of others
// (knife-openstack: image list hides them).
var bootParts = []string{"initrd", "kernel", "loader", "virtual", "vmlinuz"}

func (a *app) imageList() *cobra.Command {
	var all bool
	cmd := a.listOf("images", func(ctx context.Context, c *openstack.Cloud) (listing, error) {
		images, err := c.Images(ctx)
		if err != nil {
			return listing{}, err
		}
		l, hidden := imageListing(images, all)
		if hidden > 0 {
			fmt.Fprintf(a.streams.Err, "%d images whose names end in %s are hidden; --disable-filter shows them.\n", hidden, strings.Join(bootParts, ", "))
		}
		return l, nil
	})
	cmd.Flags().BoolVar(&all, "disable-filter", false, "show images whose names end in "+strings.Join(bootParts, ", ")+" too")
	return cmd
}

func imageListing(images []openstack.Image, all bool) (l listing, hidden int) {
	l.columns = []string{"Name", "ID", "Snapshot", "Status", "Visibility"}
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
