package cli

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/junit"
	"github.com/galleyhq/galley/internal/ui/report"
	"github.com/galleyhq/galley/internal/ui/runlog"
)

// reportOptions are those of report.
type reportOptions struct {
	*projects

	file, session, junit string
	all                  bool
	merge                []string
}

func newReportCommand(d *deps) *cobra.Command {
	o := &reportOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "report" + useInstances,
		Short: "Write a report of the instances' runs as one HTML page",
		Long: `Write one self-contained HTML page with a timeline of every instance's phases, the
outcome and its reason, and the last lines of output. It is made from the structured
logs, so it can be written after a run, also after one that was killed, and of runs
of Test Kitchen 4.1. By default it shows each instance's current session, from the
machine's creation to its destruction. The name of the file is printed.

With --merge it joins the logs of several runners: each DIR is a copy of a project's
.kitchen, or a directory that contains one, as CI jobs keep it.`,
		Example: `  galley report
  galley report ubuntu --output report.html
  galley report --merge runner-1 --merge runner-2 --junit all.xml`,
		ValidArgsFunction: o.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.file, "output", "o", "", "write to `FILE`, - for standard output (default .kitchen/report.html)")
	fs.StringVar(&o.session, "session", "", "show only the session with this `ID`")
	fs.BoolVar(&o.all, "all-sessions", false, "show all sessions in the logs, also of instances that are no longer configured")
	fs.StringArrayVar(&o.merge, "merge", nil, "report on the logs in `DIR`, a copy of a project's .kitchen; repeatable")
	fs.StringVar(&o.junit, "junit", "", "write the outcomes to `FILE` as JUnit XML, too")
	cmd.MarkFlagsMutuallyExclusive("session", "all-sessions", "merge")
	return cmd
}

func (o *reportOptions) run(ctx context.Context, args []string) error {
	sources, err := o.sources(ctx, args)
	if err != nil {
		return err
	}
	h := history.New(report.Lines)
	if err := h.LoadAll(sources, o.session, o.all); err != nil {
		return err
	}
	if err := o.writeJUnit(h); err != nil {
		return err
	}
	root, err := workingDirectory()
	if err != nil {
		return err
	}
	var page bytes.Buffer
	err = report.Write(&page, h, report.Options{
		Project: filepath.Base(root), Tool: product().Name + " " + product().Version, Now: time.Now(),
		Log: func(instance string) string { return filepath.ToSlash(state.Paths{}.Log(instance)) },
	})
	if err != nil {
		return err
	}
	if o.file == "-" {
		_, err := o.streams.Out.Write(page.Bytes())
		return err
	}
	if o.file == "" {
		o.file = state.Paths{}.Report()
	}
	if err := state.WriteResult(o.file, page.Bytes()); err != nil {
		return err
	}
	fmt.Fprintln(o.streams.Out, o.file)
	return nil
}

// sources returns the logs to report on.
func (o *reportOptions) sources(ctx context.Context, args []string) ([]runlog.Source, error) {
	if len(o.merge) == 0 {
		return o.logSources(ctx, args, o.all)
	}
	if len(args) > 0 {
		return nil, usagef("", "--merge reports on all instances in the directories: name none")
	}
	var sources []runlog.Source
	for _, dir := range o.merge {
		found, err := mergedSources(dir)
		if err != nil {
			return nil, err
		}
		sources = append(sources, found...)
	}
	return sources, nil
}

// mergedSources returns the logs below a directory that is a copy of a
// project's .kitchen, or that has one or more of them.
func mergedSources(dir string) ([]runlog.Source, error) {
	var sources []runlog.Source
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() || d.Name() != "logs" {
			return nil
		}
		names, err := runlog.Names(path, filepath.Join(path, filepath.Base(state.Paths{}.CommonStructured())))
		for _, name := range names {
			sources = append(sources, runlog.Source{Instance: name, Path: filepath.Join(path, filepath.Base(state.Paths{}.Structured(name)))})
		}
		if err != nil {
			return err
		}
		return fs.SkipDir
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the logs in %s: %w", dir, err)
	case len(sources) == 0:
		return nil, usagef("keep the directory .kitchen of each runner", "%s has no logs: there is no logs/*.ndjson below it", dir)
	}
	return sources, nil
}

// writeJUnit writes the outcomes as JUnit XML, if asked for.
func (o *reportOptions) writeJUnit(h *history.History) error {
	if o.junit == "" {
		return nil
	}
	run := junit.Run{Action: "report", Now: time.Now(), Log: func(instance string) string { return filepath.ToSlash(state.Paths{}.Log(instance)) }}
	for _, inst := range h.Instances {
		if began := inst.Begin(); !began.IsZero() && (run.Begin.IsZero() || began.Before(run.Begin)) {
			run.Begin = began
		}
	}
	data, err := junit.Marshal(h, run)
	if err != nil {
		return err
	}
	return state.WriteResult(o.junit, data)
}
