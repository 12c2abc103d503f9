package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/kitchen"
)

// snapshotOptions are those of snapshot.
type snapshotOptions struct {
	*projects

	ttl string
}

func newSnapshotCommand(d *deps) *cobra.Command {
	o := &snapshotOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "snapshot INSTANCE [NAME]",
		Short: "Keep the machine of an instance as an image",
		Long: `Make an image of an instance's machine as it is, wait until it can be booted, and
print its ID. Without NAME it is called after the instance and the time. The machine
keeps running; some clouds pause it for a moment. An image with --ttl is removed by
galley reap when its time is over, others by galley prune. A machine that boots
from a volume is refused: an image of it would leave a snapshot of the volume behind.`,
		Example: `  galley snapshot default-debian-12
  galley snapshot default-debian-12 web-converged --ttl 7d`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: d.projects.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&o.ttl, "ttl", "", "`TIME` that the image may exist, as in 4h or 7d; then galley reap removes it")
	return cmd
}

func (o *snapshotOptions) run(ctx context.Context, args []string) error {
	p, err := o.open(ctx)
	if err != nil {
		return err
	}
	p.ttl = o.ttl
	chosen, err := p.Select(args[0])
	if err != nil {
		return err
	}
	if len(chosen) > 1 {
		return usagef("name one of them", "%q selects %d instances; a snapshot is of one", args[0], len(chosen))
	}
	name := ""
	if len(args) > 1 {
		name = args[1]
	}
	if err := p.addPlugins(chosen, kitchen.Snapshot); err != nil {
		return err
	}
	if err := p.report(chosen, 1); err != nil {
		return err
	}
	defer p.close()
	id, err := p.KeepImage(ctx, chosen[0], name)
	if err != nil {
		return p.explain(ctx, chosen, err)
	}
	fmt.Fprintln(o.streams.Out, o.clean(id))
	return nil
}
