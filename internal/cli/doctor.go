package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/kitchen"
)

func (a *app) doctorCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "doctor [INSTANCE|REGEXP|all]...",
		Short: "Check configuration, credentials and cloud before anything is made",
		Long: `Asks the plug-ins of the first matching instance, or of all with --all, what
would stand in the way of a create.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			chosen, err := p.Select(args...)
			if err != nil {
				return err
			}
			if !all {
				chosen = chosen[:1]
			}
			if err := p.equip(chosen, kitchen.Verify); err != nil {
				return err
			}
			if err := p.report(nil, 1); err != nil {
				return err
			}
			defer p.close()
			return a.doctor(cmd, p, chosen)
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "check every matching instance, not the first alone")
	return cmd
}

func (a *app) doctor(cmd *cobra.Command, p *project, chosen []*kitchen.Instance) error {
	p.Bus.Publish(kitchen.Event{Kind: kitchen.Banner, Text: "The doctor is in"})
	found := 0
	for _, inst := range chosen {
		complaints, err := p.Check(cmd.Context(), inst)
		if err != nil {
			return err
		}
		for _, c := range complaints {
			fmt.Fprintf(a.streams.Out, "%s: %s\n", inst.Name, a.secrets.Clean(c))
		}
		found += len(complaints)
	}
	if found > 0 {
		return usagef("", "the doctor found %d complaints", found)
	}
	return nil
}
