package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

func (a *app) logsCommand() *cobra.Command {
	var (
		view          runlog.View
		level, format string
		follow        bool
	)
	cmd := &cobra.Command{
		Use:   "logs [INSTANCE|REGEXP|all]...",
		Short: "Show what was said of one or more instances, or follow it",
		Long: `Shows the structured log of each instance, .kitchen/logs/INSTANCE.ndjson: by
default that of its current session, which lasts from the machine's creation to
its destruction, or else of the latest. Logs that Test Kitchen 4.1 has written
are read as well.

With --follow it goes on with what is added, of new sessions too, until Ctrl-C,
and ends with 130.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			var ok bool
			if view.Level, ok = runlog.ParseLevel(level); !ok {
				return usagef("", "unknown level %q: it is debug, info, warn, error or fatal", level)
			}
			if format != "text" && format != "ndjson" {
				return usagef("", "unknown format %q: it is text or ndjson", format)
			}
			view.NDJSON = format == "ndjson"
			view.Color = a.streams.Color(a.streams.Out, a.color())
			return a.logs(cmd.Context(), args, view, follow)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&level, "level", "info", "least `level` to show: debug, info, warn, error or fatal")
	fs.StringVar(&view.Session, "session-id", "", "show this session only")
	fs.BoolVar(&view.All, "all-sessions", false, "show all sessions, also of instances that are configured no longer")
	fs.StringVar(&format, "format", "text", "print as text or ndjson")
	fs.BoolVarP(&follow, "follow", "f", false, "go on with what is added")
	cmd.MarkFlagsMutuallyExclusive("session-id", "all-sessions")
	return cmd
}

func (a *app) logs(ctx context.Context, args []string, view runlog.View, follow bool) error {
	sources, err := a.logSources(ctx, args, view.All)
	if err != nil {
		return err
	}
	a.quiet.Store(follow)
	err = view.Print(ctx, a.streams.Out, sources, follow)
	if follow && errors.Is(err, errInterrupted) {
		return &statusError{exitInterrupted}
	}
	return err
}

// logSources returns the logs of the instances that the arguments name. These
// are the configured ones; where there is no configuration to be read, or all
// is asked for, also those that have a log.
func (a *app) logSources(ctx context.Context, args []string, all bool) ([]runlog.Source, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the current directory: %w", err)
	}
	paths := state.Paths{Root: root}
	var names []string
	p, cerr := a.open(ctx)
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
		fmt.Fprintf(a.streams.Err, "%s: warning: the configuration cannot be read; taking the instances that have a log: %v\n", a.name, a.secrets.Clean(cerr.Error()))
	}
	for _, name := range logged {
		// An instance that was taken out of the configuration can be named.
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
		// A state that cannot be read is no reason not to show the log.
		if st, err := k.Store.Load(inst.Name); err == nil {
			sources[i].Session = st.String(kitchen.KeySession)
		}
	}
	return sources, nil
}
