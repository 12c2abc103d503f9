package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	openstackdriver "github.com/galleyhq/galley/internal/driver/openstack"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/kitchen"
)

// unlimited is the value of -c without a number (Test Kitchen).
const unlimited = 9999

// useInstances is the usage of arguments that select instances.
const useInstances = " [INSTANCE|REGEXP|all]..."

// actionOptions are those of the commands that work on instances.
type actionOptions struct {
	*projects
	// command is an action of the lifecycle, or "test".
	command kitchen.Action

	concurrency int
	parallel    bool
	failFast    bool
	keep        bool
	// oneByOne means that a machine is destroyed before the next is created.
	oneByOne bool
	debug    bool
	junit    string
	shard    shardFlag
	ttl      string
	// noWait and forget are flags of destroy.
	noWait, forget bool
	// changed reports whether a flag is on the command line.
	changed func(flag string) bool
}

func newActionOptions(d *deps, command kitchen.Action) *actionOptions {
	return &actionOptions{projects: d.projects, command: command}
}

// newCommand returns the command with the flags of all actions.
func (o *actionOptions) newCommand(short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               string(o.command) + useInstances,
		Short:             short,
		Long:              long,
		Example:           example,
		ValidArgsFunction: o.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.IntVarP(&o.concurrency, "concurrency", "c", 1, "work on `N` instances at once; without a number on all")
	fs.Lookup("concurrency").NoOptDefVal = fmt.Sprint(unlimited)
	fs.BoolVarP(&o.parallel, "parallel", "p", false, "work on all instances at once (older spelling of -c)")
	fs.BoolVarP(&o.failFast, "fail-fast", "f", false, "start no further instance after one has failed")
	fs.StringVar(&o.junit, "junit", "", "write the outcome of every phase to `FILE` as JUnit XML, also when the run fails")
	o.shard.add(fs)
	o.changed = fs.Changed
	return cmd
}

// addCreate adds the flags of the actions that may create machines.
func (o *actionOptions) addCreate(fs *pflag.FlagSet) {
	fs.StringVar(&o.ttl, "ttl", "", "`TIME` that a new machine may live, as in 4h or 2d; then galley reap removes it (GALLEY_TTL)")
	fs.BoolVar(&o.keep, "keep-on-failure", false, "keep the machine of a failed create")
}

func (o *actionOptions) addDebug(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.debug, "debug", "D", false, "run the provisioner and the verifier at debug level")
}

// workers returns how many instances to work on at once.
func (o *actionOptions) workers() (int, error) {
	switch {
	case o.changed("concurrency") && o.concurrency < 1:
		return 0, usagef("", "--concurrency is %d: it must be at least 1", o.concurrency)
	case o.changed("concurrency"):
		return o.concurrency, nil
	case o.parallel:
		return unlimited, nil
	}
	return 1, nil
}

// machinesAtOnce returns how many machines of a run exist at the same time.
func (o *actionOptions) machinesAtOnce(instances, workers int) int {
	if o.oneByOne {
		return min(instances, workers)
	}
	return instances
}

// run brings the instances that the arguments name to the action.
func (o *actionOptions) run(ctx context.Context, args []string) error {
	return o.runWith(ctx, args, func(p *project, req kitchen.Request) error { return p.Run(ctx, req) })
}

// runWith reads the configuration, gives the instances that the arguments name
// their plug-ins, and passes the request to do.
func (o *actionOptions) runWith(ctx context.Context, args []string, do func(*project, kitchen.Request) error) error {
	workers, err := o.workers()
	if err != nil {
		return err
	}
	file, err := clearJUnit(o.junit)
	if err != nil {
		return err
	}
	action := o.command
	if action == "test" {
		action = kitchen.Verify
	}
	p, err := o.open(ctx)
	if err != nil {
		return err
	}
	p.debug, p.ttl, p.noWait, p.forget = o.debug, o.ttl, o.noWait, o.forget
	chosen, err := p.Select(args...)
	if err != nil {
		return err
	}
	if chosen = o.shard.of(p, chosen); len(chosen) == 0 {
		o.notef("Shard %s has no instances.", &o.shard)
	}
	if err := p.addPlugins(chosen, action); err != nil {
		return err
	}
	p.results = newResults(chosen, string(o.command), file)
	if err := p.report(chosen, workers); err != nil {
		return err
	}
	defer p.close()
	if err := p.results.begin(p); err != nil {
		return err
	}
	if action != kitchen.Destroy {
		p.warnOfKeys()
		p.remember(chosen)
	}
	ready, early := chosen, []kitchen.Failure(nil)
	if action != kitchen.Destroy {
		early = p.preflight(ctx, chosen, o.failFast, o.machinesAtOnce(len(chosen), workers))
		p.refuse(ctx, early)
		ready = without(chosen, early)
	}
	switch {
	case len(early) > 0 && o.failFast:
		return p.explain(ctx, chosen, p.skipAll(ready, early, action))
	case len(ready) == 0:
		return p.explain(ctx, chosen, mergeFailures(early, nil))
	}
	err = do(p, kitchen.Request{
		Action:        action,
		Instances:     ready,
		Concurrency:   workers,
		FailFast:      o.failFast,
		KeepOnFailure: o.keep,
	})
	return p.explain(ctx, chosen, mergeFailures(early, err))
}

// without returns the instances that have not failed.
func without(chosen []*kitchen.Instance, failures []kitchen.Failure) []*kitchen.Instance {
	return slices.DeleteFunc(slices.Clone(chosen), func(inst *kitchen.Instance) bool {
		return slices.ContainsFunc(failures, func(f kitchen.Failure) bool { return f.Instance == inst })
	})
}

// remember notes where this kitchen is, for ps and for whoever finds its
// resources on the cloud. That it fails does not stop a run.
func (p *project) remember(chosen []*kitchen.Instance) {
	if !slices.ContainsFunc(chosen, func(i *kitchen.Instance) bool { return i.DriverName == "openstack" }) {
		return
	}
	mine, err := state.UserFiles(p.projects.streams.Getenv)
	if err == nil {
		o := openstackdriver.Options{Root: p.paths.Root, Dir: p.paths.Own(), Copies: p.copies()}
		err = mine.Projects().Remember(o.Project(), p.paths.Root)
	}
	if err != nil {
		p.Bus.Reporter("", 0, "").Debug("the kitchen's directory is not remembered: %v", err)
	}
}

// runFailure is a failed run with its leftovers.
type runFailure struct {
	*kitchen.RunError
	// chosen is how many instances the run was for.
	chosen int
	// kept are the instances that have a machine now.
	kept []string
	// interrupted means that the run was ended by the user.
	interrupted bool
}

func (e *runFailure) Unwrap() error { return e.RunError }

// explain adds to the failure of a run which machines still run.
func (p *project) explain(ctx context.Context, chosen []*kitchen.Instance, err error) error {
	var run *kitchen.RunError
	if !errors.As(err, &run) {
		return err
	}
	f := &runFailure{RunError: run, chosen: len(chosen), interrupted: errors.Is(context.Cause(ctx), errInterrupted)}
	for _, inst := range chosen {
		if p.hasMachine(inst.Name) {
			f.kept = append(f.kept, inst.Name)
		}
	}
	return f
}

// hasMachine reports whether a machine of the instance may exist: by its
// state, or by the journal of an unfinished create.
func (p *project) hasMachine(instance string) bool {
	if st, err := p.Store.Load(instance); err == nil && (st.String(kitchen.KeyHostname) != "" || st.String(kitchen.KeyServerID) != "") {
		return true
	}
	return p.unfinished(instance)
}

// newActionCommand returns an action without flags of its own.
func newActionCommand(action kitchen.Action, short, long, example string) func(*deps) *cobra.Command {
	return func(d *deps) *cobra.Command {
		o := newActionOptions(d, action)
		cmd := o.newCommand(short, long, example)
		if action != kitchen.Reset {
			o.addCreate(cmd.Flags())
		}
		if action == kitchen.Converge || action == kitchen.Verify {
			o.addDebug(cmd.Flags())
		}
		return cmd
	}
}

// The actions of the lifecycle, and reset.
var (
	newCreateCommand = newActionCommand(kitchen.Create, "Create the machine of one or more instances",
		`Create the machine of each instance and wait until it runs a command over SSH. An
existing machine is checked; one that is gone, broken or half created is replaced
or completed. A create that fails removes everything that it has created.`,
		`  galley create
  galley create ubuntu -c
  galley create default-debian-12 --keep-on-failure`)

	newConvergeCommand = newActionCommand(kitchen.Converge, "Run the provisioner on one or more machines",
		`Run the provisioner (Chef, Cinc or a script) on each machine, which is created
first if it does not exist.`,
		`  galley converge
  galley converge default-debian-12 --debug`)

	newSetupCommand = newActionCommand(kitchen.Setup, "Prepare one or more machines for the verifier",
		`Bring each instance to the step between converge and verify. It runs the hooks of
setup and counts as done; the verifiers prepare the machine themselves.`,
		`  galley setup
  galley setup default-debian-12`)

	newVerifyCommand = newActionCommand(kitchen.Verify, "Run the verifier on one or more converged machines",
		`Run the verifier (InSpec, Cinc Auditor, Busser or a script) on each machine, after
the steps that it still needs.`,
		`  galley verify
  galley verify default-debian-12 --junit results.xml`)

	newResetCommand = newActionCommand(kitchen.Reset, "Give one or more machines a fresh system",
		`Give each machine the system of a new one, and wait until it runs a command over SSH:
a clean machine in less time than destroy and create take. The server is rebuilt
(Nova) from the configured image, with the configured user data; it keeps its
addresses, ports, key pair and other volumes, whose content stays. Its new host key is
taken from the console log where that shows it. The hooks of create run, and the
instance is then as after a create.

A reset that was interrupted is finished by the next reset or create. A server that
boots from a volume can be reset where the volume was made from an image and the
cloud's Nova can rebuild it (microversion 2.93).`,
		`  galley reset
  galley reset default-debian-12
  galley test default-debian-12 --reuse`)
)

// testOptions are those of test.
type testOptions struct {
	*actionOptions
	init *initOptions

	destroy         string
	autoInit, reuse bool
}

func newTestCommand(d *deps) *cobra.Command {
	o := &testOptions{actionOptions: newActionOptions(d, "test"), init: newInitOptions(d)}
	cmd := o.newCommand("Test one or more instances from scratch",
		`Destroy what exists of each instance, create, converge and verify it, and destroy it
again: if everything has passed (--destroy passing), in any case (always) or not at
all (never).

With --reuse an existing machine is reset, as galley reset does, in place of being
destroyed and created, and it is kept for the next time unless --destroy says
otherwise. One that cannot be reset is destroyed and created.`,
		`  galley test
  galley test ubuntu -c 4 --junit results.xml
  galley test default-debian-12 --reuse`)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) }
	o.addCreate(cmd.Flags())
	o.addDebug(cmd.Flags())
	cmd.Flags().StringVarP(&o.destroy, "destroy", "d", string(kitchen.DestroyPassing), "`WHEN` to destroy afterwards: passing, always or never (with --reuse never by default)")
	cmd.Flags().BoolVar(&o.reuse, "reuse", false, "reset an existing machine instead of destroying and creating it")
	cmd.Flags().BoolVar(&o.autoInit, "auto-init", false, "write a kitchen.yml first if there is none, as galley init does")
	completeFlag(cmd, "destroy", fixed(string(kitchen.DestroyPassing), string(kitchen.DestroyAlways), string(kitchen.DestroyNever)))
	return cmd
}

func (o *testOptions) run(ctx context.Context, args []string) error {
	if o.reuse && !o.changed("destroy") {
		o.destroy = string(kitchen.DestroyNever)
	}
	strategy, err := kitchen.ParseStrategy(o.destroy)
	if err != nil {
		return &usageError{err: err}
	}
	if o.autoInit {
		if err := o.init.runIfMissing(ctx); err != nil {
			return err
		}
	}
	o.oneByOne = strategy != kitchen.DestroyNever && !o.reuse
	return o.runWith(ctx, args, func(p *project, req kitchen.Request) error {
		req.Reuse = o.reuse
		return p.Test(ctx, req, strategy)
	})
}

// destroyOptions are those of destroy.
type destroyOptions struct {
	*actionOptions

	orphans, dryRun bool
}

func newDestroyCommand(d *deps) *cobra.Command {
	o := &destroyOptions{actionOptions: newActionOptions(d, kitchen.Destroy)}
	cmd := o.newCommand("Destroy the machine of one or more instances, and all that was created for it",
		`Destroy the machine of each instance with its floating IP, volumes, ports and key
pair, and clean up after creates that were interrupted or killed. Resources that no
longer exist are ignored. With --orphans it removes what this directory's galley has
created on the cloud and no configured instance owns any more: instances that were
renamed or removed from the file, and state that was lost.`,
		`  galley destroy
  galley destroy ubuntu -c
  galley destroy --orphans --dry-run`)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) }
	cmd.Flags().BoolVar(&o.orphans, "orphans", false, "remove what belongs to no configured instance any more")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "with --orphans, print what would be removed")
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, noWaitUsage)
	cmd.Flags().BoolVar(&o.forget, "forget", false, "drop the record of a machine without removing it, when its cloud or project is out of reach for good")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "no-op: destroy does not ask for confirmation")
	hide(cmd.Flags(), "yes")
	return cmd
}

func (o *destroyOptions) run(ctx context.Context, args []string) error {
	switch {
	case o.orphans && (len(args) > 0 || o.shard.N > 0):
		return usagef("", "--orphans takes no instances")
	case o.dryRun && !o.orphans:
		return usagef("", "--dry-run requires --orphans")
	case o.forget && (o.orphans || len(args) == 0):
		return usagef("name the instances", "--forget requires the names of the instances to forget")
	case o.orphans && o.junit != "":
		return usagef("", "--junit is about instances, --orphans about what belongs to none")
	case o.orphans:
		return o.removeOrphans(ctx)
	}
	return o.actionOptions.run(ctx, args)
}

// removeOrphans prints, and unless with --dry-run removes, what no instance
// owns any more.
func (o *destroyOptions) removeOrphans(ctx context.Context) error {
	p, err := o.openAll(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	found, err := p.Orphans(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		o.notef("There is nothing left over.")
		return nil
	}
	var errs []error
	for _, orphan := range found {
		for _, what := range orphan.What {
			fmt.Fprintln(o.streams.Out, o.clean(orphan.Instance+": "+what))
		}
		if o.dryRun {
			continue
		}
		if err := orphan.Remove(ctx, p.Bus.Reporter(orphan.Instance, 0, kitchen.Destroy)); err != nil {
			errs = append(errs, fmt.Errorf("cleaning up after <%s>: %w", orphan.Instance, err))
		}
	}
	return errors.Join(errs...)
}
