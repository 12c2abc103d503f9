package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

// logsOptions are those of logs.
type logsOptions struct {
	*projects

	view          runlog.View
	level, format string
	follow        bool
}

func newLogsCommand(d *deps) *cobra.Command {
	o := &logsOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "logs" + useInstances,
		Short: "Show or follow the logs of one or more instances",
		Long: `Show the structured log of each instance, .kitchen/logs/INSTANCE.ndjson: by default
that of its current session, which lasts from the machine's creation to its
destruction, or else of the latest. Logs that Test Kitchen 4.1 has written are read
as well. With --follow it prints new lines, also of new sessions, until Ctrl-C.`,
		Example: `  galley logs default-debian-12
  galley logs --level warn
  galley logs -f`,
		ValidArgsFunction: o.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.StringVar(&o.level, "level", "info", "lowest `LEVEL` to show: debug, info, warn, error or fatal")
	fs.StringVar(&o.view.Session, "session", "", "show only the session with this `ID`")
	fs.StringVar(&o.view.Session, "session-id", "", "older spelling of --session `ID`")
	hide(fs, "session-id")
	fs.BoolVar(&o.view.All, "all-sessions", false, "show all sessions, also of instances that are no longer configured")
	addFormat(cmd, &o.format, "", formatText, "ndjson")
	fs.BoolVarP(&o.follow, "follow", "f", false, "print new lines until Ctrl-C")
	cmd.MarkFlagsMutuallyExclusive("session", "session-id", "all-sessions")
	completeFlag(cmd, "level", fixed("debug", "info", "warn", "error", "fatal"))
	return cmd
}

func (o *logsOptions) run(ctx context.Context, args []string) error {
	var ok bool
	if o.view.Level, ok = runlog.ParseLevel(o.level); !ok {
		return usagef("", "unknown level %q: it is debug, info, warn, error or fatal", o.level)
	}
	o.view.NDJSON = o.format == "ndjson"
	o.view.Color = o.colors(o.streams.Out)
	sources, err := o.logSources(ctx, args, o.view.All)
	if err != nil {
		return err
	}
	o.quiet.Store(o.follow)
	err = o.view.Print(ctx, o.streams.Out, sources, o.follow)
	if o.follow && errors.Is(err, errInterrupted) {
		return &statusError{exitInterrupted}
	}
	return err
}

// logSources returns the logs of the instances that the arguments name: of the
// configured ones, and where the configuration cannot be read or all sessions
// are asked for, also of those that have a log.
func (o *projects) logSources(ctx context.Context, args []string, all bool) ([]runlog.Source, error) {
	root, err := workingDirectory()
	if err != nil {
		return nil, err
	}
	paths := state.Paths{Root: root}
	var names []string
	p, cerr := o.open(ctx)
	if cerr == nil {
		for _, inst := range p.Instances {
			names = append(names, inst.Name)
		}
	}
	logged, err := runlog.Names(paths.Logs(), paths.CommonStructured())
	if err != nil {
		return nil, err
	}
	if cerr != nil && len(logged) == 0 {
		return nil, cerr
	}
	if cerr != nil {
		o.warnf("the configuration cannot be read; showing the instances that have a log: %v", cerr)
	}
	for _, name := range logged {
		// An instance that was removed from the configuration can be named.
		if (all || cerr != nil || slices.Contains(args, name)) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	k := &kitchen.Kitchen{Store: state.NewStore(root), CompilePattern: compilePattern}
	for i, name := range names {
		k.Instances = append(k.Instances, &kitchen.Instance{Name: name, Index: i})
	}
	chosen, err := k.Select(args...)
	if err != nil {
		return nil, err
	}
	sources := make([]runlog.Source, len(chosen))
	for i, inst := range chosen {
		sources[i] = runlog.Source{Instance: inst.Name, Path: paths.Structured(inst.Name)}
		// The log is shown also where the state cannot be read.
		if st, err := k.Store.Load(inst.Name); err == nil {
			sources[i].Session = st.String(kitchen.KeySession)
		}
	}
	return sources, nil
}
