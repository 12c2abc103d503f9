package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/kitchen"
)

// unlimited is what -c without a number stands for (Test Kitchen).
const unlimited = 9999

// actionFlags are the flags of the commands that bring instances somewhere.
type actionFlags struct {
	concurrency int
	parallel    bool
	failFast    bool
	keep        bool
	debug       bool
	junit       string
}

func (f *actionFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVarP(&f.concurrency, "concurrency", "c", 1, "work on `N` instances at once; without a number on all")
	fs.Lookup("concurrency").NoOptDefVal = fmt.Sprint(unlimited)
	fs.BoolVarP(&f.parallel, "parallel", "p", false, "work on all instances at once (the old spelling of -c)")
	fs.BoolVarP(&f.failFast, "fail-fast", "f", false, "begin no further instance after one has failed")
	fs.StringVar(&f.junit, "junit", "", "write the outcome of every phase to `FILE` as JUnit XML, also of a run that fails")
}

func (f *actionFlags) addKeep(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.keep, "keep-on-failure", false, "leave the machine of a failed create standing, to look at it")
}

func (f *actionFlags) addDebug(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.debug, "debug", "D", false, "have the provisioner and the verifier say more")
}

func (f *actionFlags) workers(cmd *cobra.Command) (int, error) {
	if cmd.Flags().Changed("concurrency") {
		if f.concurrency < 1 {
			return 0, usagef("", "--concurrency is %d: it must be at least 1", f.concurrency)
		}
		return f.concurrency, nil
	}
	if f.parallel {
		return unlimited, nil
	}
	return 1, nil
}

func (a *app) createCommand() *cobra.Command {
	var f actionFlags
	cmd := &cobra.Command{
		Use:   "create [INSTANCE|REGEXP|all]...",
		Short: "Make the machine of one or more instances",
		Long: `Makes the machine of each instance and waits until a command can be run on it.
A machine that is there already is checked; one that is gone, broken or half
made is replaced or finished.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error { return a.act(cmd, args, kitchen.Create, &f) },
	}
	f.add(cmd)
	f.addKeep(cmd)
	return cmd
}

func (a *app) destroyCommand() *cobra.Command {
	var (
		f               actionFlags
		orphans, dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "destroy [INSTANCE|REGEXP|all]...",
		Short: "Remove the machine of one or more instances, and all that was made for it",
		Long: `Removes the machine of each instance with its floating IP, volumes, ports and
key pair. What is gone already is no error. Also takes back what an
interrupted or killed create has left.

With --orphans it looks on the cloud for what this directory's galley has made
and no configured instance owns any more: instances renamed or removed from the
file, state that was lost. --dry-run only prints it.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case orphans && len(args) > 0:
				return usagef("", "--orphans takes no instances")
			case dryRun && !orphans:
				return usagef("", "--dry-run goes with --orphans only")
			case orphans && f.junit != "":
				return usagef("", "--junit goes with instances, --orphans with what belongs to none")
			case orphans:
				return a.orphans(cmd, dryRun)
			}
			return a.act(cmd, args, kitchen.Destroy, &f)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&orphans, "orphans", false, "remove what belongs to no configured instance any more")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "with --orphans, print what would be removed")
	return cmd
}

// lifecycleCommands are the steps after create.
func (a *app) lifecycleCommands() []*cobra.Command {
	step := func(action kitchen.Action, short, long string) *cobra.Command {
		var f actionFlags
		cmd := &cobra.Command{
			Use:   string(action) + " [INSTANCE|REGEXP|all]...",
			Short: short,
			Long:  long + "\n\n" + exitCodes,
			RunE:  func(cmd *cobra.Command, args []string) error { return a.act(cmd, args, action, &f) },
		}
		f.add(cmd)
		f.addKeep(cmd)
		if action != kitchen.Setup {
			f.addDebug(cmd)
		}
		return cmd
	}
	return []*cobra.Command{
		step(kitchen.Converge, "Run the provisioner on one or more machines", "Runs the provisioner on each machine, which is made first if need be."),
		step(kitchen.Setup, "Prepare one or more machines for the verifier", "Brings each instance to the step between converge and verify, which does nothing\nof its own and counts as done."),
		step(kitchen.Verify, "Check one or more converged machines", "Runs the verifier on each machine, after the steps that are still owed."),
	}
}

func (a *app) testCommand() *cobra.Command {
	var (
		f        actionFlags
		destroy  string
		autoInit bool
	)
	cmd := &cobra.Command{
		Use:   "test [INSTANCE|REGEXP|all]...",
		Short: "Take one or more instances from nothing through the whole lifecycle",
		Long: `Destroys what there is of each instance, then creates, converges and verifies
it, and destroys it again: when all has passed (--destroy=passing), in any case
(always) or not at all (never).

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			strategy, err := kitchen.ParseStrategy(destroy)
			if err != nil {
				return &usageError{err: err}
			}
			if autoInit {
				if err := a.autoInit(cmd.Context()); err != nil {
					return err
				}
			}
			return a.run(cmd, args, "test", &f, func(p *project, req kitchen.Request) error {
				return p.Test(cmd.Context(), req, strategy)
			})
		},
	}
	f.add(cmd)
	f.addKeep(cmd)
	f.addDebug(cmd)
	cmd.Flags().StringVarP(&destroy, "destroy", "d", string(kitchen.DestroyPassing), "when to destroy afterwards: passing, always or never")
	cmd.Flags().BoolVar(&autoInit, "auto-init", false, "write a kitchen.yml first where there is none, as galley init does")
	return cmd
}

// act brings the instances that the arguments name to an action.
func (a *app) act(cmd *cobra.Command, args []string, action kitchen.Action, f *actionFlags) error {
	return a.run(cmd, args, action, f, func(p *project, req kitchen.Request) error {
		return p.Run(cmd.Context(), req)
	})
}

// run reads the configuration, gives the instances that the arguments name
// the plug-ins for a command, which is an action or "test", and hands a
// request to do.
func (a *app) run(cmd *cobra.Command, args []string, command kitchen.Action, f *actionFlags, do func(*project, kitchen.Request) error) error {
	workers, err := f.workers(cmd)
	if err != nil {
		return err
	}
	file, err := clearJUnit(f.junit)
	if err != nil {
		return err
	}
	action := command
	if command == "test" {
		action = kitchen.Verify
	}
	p, err := a.open(cmd.Context())
	if err != nil {
		return err
	}
	p.debug = f.debug
	chosen, err := p.Select(args...)
	if err != nil {
		return err
	}
	if err := p.equip(chosen, action); err != nil {
		return err
	}
	p.results = newResults(chosen, string(command), file)
	if err := p.report(chosen, workers); err != nil {
		return err
	}
	defer p.close()
	if err := p.results.begin(p); err != nil {
		return err
	}
	if action != kitchen.Destroy {
		p.idleKeys()
	}
	return do(p, kitchen.Request{
		Action:        action,
		Instances:     chosen,
		Concurrency:   workers,
		FailFast:      f.failFast,
		KeepOnFailure: f.keep,
	})
}

// orphans prints, and unless dryRun removes, what no instance owns any more.
func (a *app) orphans(cmd *cobra.Command, dryRun bool) error {
	ctx := cmd.Context()
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	if err := p.equip(p.Instances, ""); err != nil {
		return err
	}
	if err := p.report(nil, 1); err != nil {
		return err
	}
	defer p.close()
	found, err := p.Orphans(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, o := range found {
		for _, what := range o.What {
			fmt.Fprintf(a.streams.Out, "%s: %s\n", o.Instance, what)
		}
		if dryRun {
			continue
		}
		if err := o.Remove(ctx, p.Bus.Reporter(o.Instance, 0, kitchen.Destroy)); err != nil {
			errs = append(errs, fmt.Errorf("what is left of <%s>: %w", o.Instance, err))
		}
	}
	return errors.Join(errs...)
}
