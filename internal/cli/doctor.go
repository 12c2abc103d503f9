package cli

import (
	"context"
	"fmt"
	"strings"

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
	complaints, sound := p.complaints(chosen)
	if err := p.report(nil, 1); err != nil {
		return err
	}
	defer p.close()
	for _, x := range p.config.Problems() {
		if x.Fatal && x.Code != "unsupported-plugin" {
			complaints = append(complaints, x.String())
		}
	}
	for _, c := range complaints {
		fmt.Fprintln(o.streams.Out, o.clean(c))
	}
	found := len(complaints)
	for _, inst := range sound {
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

// complaints gives all instances their plug-ins, and returns what keeps some
// from being used and those that are sound.
func (p *project) complaints(chosen []*kitchen.Instance) (complaints []string, sound []*kitchen.Instance) {
	var r refusals
	var unsupported []string
	for _, inst := range chosen {
		if p.config.Unsupported([]string{inst.Name}, pluginSections...) != nil {
			unsupported = append(unsupported, inst.Name)
			continue
		}
		if !r.add(inst.Name, p.addPluginsTo(inst, kitchen.Verify)...) {
			sound = append(sound, inst)
		}
	}
	with := func(where string, err error) {
		c := where + err.Error()
		if h := kitchen.Hint(err); h != "" {
			c += "\n  hint: " + strings.ReplaceAll(h, "\n", "\n        ")
		}
		complaints = append(complaints, c)
	}
	if err := p.config.Unsupported(unsupported, pluginSections...); err != nil {
		with(text.Count(len(unsupported), "instance")+": ", err)
	}
	e := refusedError{r, len(chosen)}
	for i, err := range r.errs {
		with(e.where(i), err)
	}
	return complaints, sound
}
