package cli

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/report"
)

// reportOptions are those of report.
type reportOptions struct {
	*projects

	file, session string
	all           bool
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
machine's creation to its destruction. The name of the file is printed.`,
		Example: `  galley report
  galley report ubuntu --output report.html`,
		ValidArgsFunction: o.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.file, "output", "o", "", "write to `FILE`, - for standard output (default .kitchen/report.html)")
	fs.StringVar(&o.session, "session", "", "show only the session with this `ID`")
	fs.BoolVar(&o.all, "all-sessions", false, "show all sessions in the logs, also of instances that are no longer configured")
	cmd.MarkFlagsMutuallyExclusive("session", "all-sessions")
	return cmd
}

func (o *reportOptions) run(ctx context.Context, args []string) error {
	sources, err := o.logSources(ctx, args, o.all)
	if err != nil {
		return err
	}
	h := history.New(report.Lines)
	if err := h.LoadAll(sources, o.session, o.all); err != nil {
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
