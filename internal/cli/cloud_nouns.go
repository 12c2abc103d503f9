package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

// cloudNouns are the commands that look up what a cloud offers, with
// knife-openstack's columns, and create what needs no kitchen file.
func cloudNouns(d *deps) []*cobra.Command {
	return []*cobra.Command{
		newServerCommand(d), newImageCommand(d), newFlavorCommand(d), newNetworkCommand(d),
		newGroupCommand(d), newVolumeCommand(d), newKeyPairCommand(d), newFloatingIPCommand(d),
	}
}

// noun is a command that only holds others.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(verbs...)
	return cmd
}

// cloudListOptions are those of the "list" of a noun of the cloud.
type cloudListOptions struct {
	*program
	clouds *cloudAccess
	get    func(context.Context, *openstack.Cloud) (listing, error)

	output listingFlags
}

// newCloudListCommand returns the "list" of a noun. The example is the command
// line without the program's name.
func newCloudListCommand(d *deps, what, example string, columns []string, get func(context.Context, *openstack.Cloud) (listing, error)) *cobra.Command {
	o := &cloudListOptions{program: d.program, clouds: d.clouds, get: get}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the " + what + " of the cloud",
		Long: "List the " + what + ` that the project can use, in knife-openstack's columns, sorted
by name. With --format json or yaml the same fields are printed as data.`,
		Example: example,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	o.output.add(cmd, columns)
	d.knife.addTo(cmd, usesCloud)
	return cmd
}

func (o *cloudListOptions) run(ctx context.Context) error {
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		l, err := o.get(ctx, c)
		if err != nil {
			return err
		}
		return o.print(l, &o.output)
	})
}
