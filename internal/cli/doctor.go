package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// doctorOptions are those of doctor.
type doctorOptions struct {
	*projects

	all bool
}

func newDoctorCommand(d *deps) *cobra.Command {
	o := &doctorOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "doctor" + useInstances,
		Short: "Check configuration, credentials and cloud before anything is created",
		Long: `Check all instances, or those named, for whatever would make a create or converge
fail, and print one line for each check. Nothing is created.`,
		Example: `  galley doctor
  galley doctor ubuntu`,
		ValidArgsFunction: o.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "no-op: all instances are checked")
	hide(cmd.Flags(), "all")
	return cmd
}

func (o *doctorOptions) run(ctx context.Context, args []string) error {
	p, err := o.open(ctx)
	if err != nil {
		return err
	}
	chosen, err := p.Select(args...)
	if err != nil {
		return err
	}
	if err := p.addPlugins(chosen, kitchen.Verify); err != nil {
		return err
	}
	if err := p.report(nil, 1); err != nil {
		return err
	}
	defer p.close()
	found := 0
	for _, inst := range chosen {
		complaints, err := p.Check(ctx, inst)
		if err != nil {
			return err
		}
		for _, c := range complaints {
			fmt.Fprintf(o.streams.Out, "%s: %s\n", inst.Name, o.clean(c))
		}
		found += len(complaints)
	}
	if found > 0 {
		return usagef("", "the doctor found %s", text.Count(found, "complaint"))
	}
	return nil
}
