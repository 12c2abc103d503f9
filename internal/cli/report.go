package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/report"
)

func (a *app) reportCommand() *cobra.Command {
	var (
		file, session string
		all           bool
	)
	cmd := &cobra.Command{
		Use:   "report [INSTANCE|REGEXP|all]...",
		Short: "Write what happened to the instances as one HTML page",
		Long: `Writes one HTML page that needs nothing else, with a timeline of every
instance's phases, how each came out and why, and the end of what was said. It
is made from the structured logs, so that it can be made after a run, also after
one that was killed, and of what Test Kitchen 4.1 has done.

By default it shows each instance's current session, from the machine's creation
to its destruction. The name of the file that was written is printed.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.report(cmd.Context(), args, file, session, all)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&file, "output", "o", "", "write to `FILE`, - being standard output (default .kitchen/report.html)")
	fs.StringVar(&session, "session", "", "show this session only, by its `ID`")
	fs.BoolVar(&all, "all-sessions", false, "show all sessions in the logs, also of instances that are configured no longer")
	cmd.MarkFlagsMutuallyExclusive("session", "all-sessions")
	return cmd
}

func (a *app) report(ctx context.Context, args []string, file, session string, all bool) error {
	sources, err := a.logSources(ctx, args, all)
	if err != nil {
		return err
	}
	h := history.New(report.Lines)
	if err := h.LoadAll(sources, session, all); err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the current directory: %w", err)
	}
	var page bytes.Buffer
	err = report.Write(&page, h, report.Options{
		Project: filepath.Base(root), Tool: product().Name + " " + product().Version, Now: time.Now(),
		Log: func(instance string) string { return filepath.ToSlash(state.Paths{}.Log(instance)) },
	})
	if err != nil {
		return err
	}
	if file == "-" {
		_, err := a.streams.Out.Write(page.Bytes())
		return err
	}
	if file == "" {
		file = state.Paths{}.Report()
	}
	if err := state.WriteResult(file, page.Bytes()); err != nil {
		return err
	}
	fmt.Fprintln(a.streams.Out, file)
	return nil
}
