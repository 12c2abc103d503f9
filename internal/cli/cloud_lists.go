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

// newNamedListCommand returns the "list" of a noun: a row for each thing that a
// lookup finds, ordered by name and ID so that the order is the same each time.
func newNamedListCommand[T any](d *deps, what, example string, columns []string, find func(*openstack.Cloud, context.Context) ([]T, error),
	key func(T) (name, id string), row func(T) []any,
) *cobra.Command {
	return newCloudListCommand(d, what, example, columns, func(ctx context.Context, c *openstack.Cloud) (listing, error) {
		list, err := find(c, ctx)
		l := listing{columns: columns}
		for _, x := range sortedByName(list, key) {
			l.add(row(x)...)
		}
		return l, err
	})
}

// sortedByName orders things by name and ID.
func sortedByName[T any](list []T, key func(T) (name, id string)) []T {
	return slices.SortedFunc(slices.Values(list), func(x, y T) int {
		name, id := key(x)
		otherName, otherID := key(y)
		return byNames(name, otherName, id, otherID)
	})
}

func newFlavorCommand(d *deps) *cobra.Command {
	return noun("flavor", "List flavors, the sizes of servers",
		newNamedListCommand(d, "flavors", "  galley flavor list\n  galley flavor list --format json",
			[]string{"Name", "ID", "Virtual CPUs", "RAM", "Disk"}, (*openstack.Cloud).Flavors,
			func(f openstack.Flavor) (string, string) { return f.Name, f.ID },
			func(f openstack.Flavor) []any {
				return []any{f.Name, f.ID, counted(f.VCPUs), sized(f.RAM, "MB"), sized(f.Disk, "GB")}
			}))
}

func newVolumeCommand(d *deps) *cobra.Command {
	return noun("volume", "List volumes",
		newNamedListCommand(d, "volumes", "  galley volume list\n  galley volume list --columns name,status",
			[]string{"Name", "ID", "Status", "Size", "Description", "Attached To"}, (*openstack.Cloud).Volumes,
			func(v openstack.Volume) (string, string) { return v.Name, v.ID },
			func(v openstack.Volume) []any {
				return []any{v.Name, v.ID, v.Status, sized(v.Size, "GB"), v.Description, joined(append([]string{}, v.AttachedTo...), " ")}
			}))
}

var imageColumns = []string{"Name", "ID", "Snapshot", "Status", "Visibility"}

// bootParts are the ends of the names of images that are parts of others
// (knife-openstack: image list hides them).
var bootParts = []string{"initrd", "kernel", "loader", "virtual", "vmlinuz"}

func newImageCommand(d *deps) *cobra.Command {
	var all bool
	cmd := newCloudListCommand(d, "images", "  galley image list\n  galley image list --columns name,status", imageColumns,
		func(ctx context.Context, c *openstack.Cloud) (listing, error) {
			images, err := c.Images(ctx)
			l, hidden := imageListing(images, all)
			if hidden > 0 {
				fmt.Fprintf(d.streams.Err, "%s with a name that ends in %s not shown; --disable-filter shows them.\n",
					text.Count(hidden, "image"), strings.Join(bootParts, ", "))
			}
			return l, err
		})
	cmd.Flags().BoolVar(&all, "disable-filter", false, "also list images with names that end in "+strings.Join(bootParts, ", "))
	return noun("image", "List images", cmd)
}

func imageListing(images []openstack.Image, all bool) (l listing, hidden int) {
	l.columns = imageColumns
	for _, i := range sortedByName(images, func(i openstack.Image) (string, string) { return i.Name, i.ID }) {
		if !all && slices.ContainsFunc(bootParts, func(end string) bool { return strings.HasSuffix(i.Name, end) }) {
			hidden++
			continue
		}
		l.add(i.Name, i.ID, flagged(i.Snapshot), i.Status, i.Visibility)
	}
	return l, hidden
}

var groupColumns = []string{
	"Name", "Protocol", "From", "To", "CIDR", "Description",
	"Direction", "IP Version", "Remote Group", "Rule Description", "ID", "Rule ID",
}

func newGroupCommand(d *deps) *cobra.Command {
	return noun("group", "List security groups and their rules",
		newCloudListCommand(d, "security groups", "  galley group list\n  galley group list --columns name,protocol,from,to,cidr", groupColumns, listGroups))
}

// listGroups has a line for each rule, as knife-openstack does; a group
// without rules has one line.
func listGroups(ctx context.Context, c *openstack.Cloud) (listing, error) {
	groups, err := c.SecurityGroups(ctx)
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	l := listing{columns: groupColumns}
	for _, g := range sortedByName(groups, func(g openstack.SecurityGroup) (string, string) { return g.Name, g.ID }) {
		if len(g.Rules) == 0 {
			l.add(g.Name, cell{}, cell{}, cell{}, cell{}, g.Description, cell{}, cell{}, cell{}, cell{}, g.ID, cell{})
		}
		for _, r := range g.Rules {
			protocol := cell{text: "any"}
			if r.Protocol != "" {
				protocol = textOf(r.Protocol)
			}
			l.add(g.Name, protocol, maybe(r.From), maybe(r.To), orNone(r.CIDR()), g.Description,
				r.Direction, r.EtherType, orNone(named(names, r.Remote())), orNone(r.Description), g.ID, r.ID)
		}
	}
	return l, err
}
