package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/watch"
	"github.com/galleyhq/galley/kitchen"
)

// watchOptions are those of watch.
type watchOptions struct {
	*actionOptions

	convergeOnly bool
}

func newWatchCommand(d *deps) *cobra.Command {
	o := &watchOptions{actionOptions: newActionOptions(d, "watch")}
	cmd := o.newCommand("Converge and verify again whenever a file of the project changes",
		`Create, converge and verify each instance, then wait for a file of the project to
change, and converge and verify again. Only what changed is uploaded. Files that git
ignores, the directories .git and .kitchen, and a file that the output goes to, do not
count. Ctrl-C ends it; the machines stay.`,
		`  galley watch default-debian-12
  galley watch --converge-only`)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) }
	o.addCreate(cmd.Flags())
	o.addDebug(cmd.Flags())
	cmd.Flags().BoolVar(&o.convergeOnly, "converge-only", false, "do not verify")
	return cmd
}

func (o *watchOptions) run(ctx context.Context, args []string) error {
	root, err := workingDirectory()
	if err != nil {
		return err
	}
	w, err := watch.New(ctx, root, func(p string) bool {
		return p == ".kitchen" || strings.HasSuffix(path.Base(p), "~") || o.isOutput(filepath.Join(root, filepath.FromSlash(p)))
	})
	if err != nil {
		return err
	}
	defer w.Close()
	for changed := []string(nil); ; {
		if err := o.round(ctx, args, changed); err != nil {
			return err
		}
		o.quiet.Store(true)
		changed, err = w.Next(ctx)
		o.quiet.Store(false)
		if errors.Is(err, errInterrupted) {
			return &statusError{exitInterrupted}
		}
		if err != nil {
			return err
		}
	}
}

// isOutput reports whether the file at path is one that the output goes to, as
// with 2>watch.log: each round would begin the next one.
func (o *watchOptions) isOutput(path string) bool {
	is, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, w := range []io.Writer{o.streams.Out, o.streams.Err} {
		if f, ok := w.(*os.File); ok {
			if to, err := f.Stat(); err == nil && os.SameFile(is, to) {
				return true
			}
		}
	}
	return false
}

// round does the work once. A failure is printed and does not end the watch;
// a mistake on the command line does.
func (o *watchOptions) round(ctx context.Context, args, changed []string) error {
	if len(changed) > 0 {
		o.clearScreen()
		o.notef("Changed: %s", shortList(changed))
	}
	began := time.Now()
	actions := []kitchen.Action{kitchen.Converge, kitchen.Verify}
	if o.convergeOnly {
		actions = actions[:1]
	}
	o.command = actions[len(actions)-1]
	err := o.runWith(ctx, args, func(p *project, req kitchen.Request) error {
		for _, action := range actions {
			req.Action = action
			if err := p.Run(ctx, req); err != nil {
				return err
			}
		}
		return nil
	})
	var usage *usageError
	switch took := time.Since(began).Round(100 * time.Millisecond); {
	case ctx.Err() != nil:
		return err
	case errors.As(err, &usage):
		return err
	case err != nil:
		o.printError(err)
		o.verdict(ui.Red, "FAIL", took)
	default:
		o.verdict(ui.Green, "PASS", took)
	}
	return nil
}

func (o *watchOptions) verdict(color ui.Color, word string, took time.Duration) {
	w := o.people()
	fmt.Fprintf(w, "%s in %s. Waiting for changes; Ctrl-C ends.\n", o.painter(w)(color, word), took)
}

// clearScreen begins a round on an empty screen, where there is one.
func (o *watchOptions) clearScreen() {
	if w := o.people(); ui.Terminal(w) != nil && o.live() {
		fmt.Fprint(w, "\x1b[H\x1b[2J")
	}
}

// shortList names the first few of many.
func shortList(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and " + text.Count(len(names)-most, "other")
}
