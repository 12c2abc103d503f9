package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
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
	ignored := ignoredByGit(ctx, root)
	w, err := watch.New(root, func(p string, _ bool) bool {
		return p == ".git" || p == ".kitchen" || strings.HasSuffix(path.Base(p), "~") || slices.Contains(ignored, p) ||
			o.isOutput(filepath.Join(root, filepath.FromSlash(p)))
	})
	if err != nil {
		return err
	}
	defer w.Close()
	for changed := []string(nil); ; {
		if err := o.round(ctx, args, changed); err != nil {
			return err
		}
		if changed, err = o.next(ctx, w, root); err != nil {
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

// next waits for files to change that git does not ignore.
func (o *watchOptions) next(ctx context.Context, w *watch.Watcher, root string) ([]string, error) {
	o.quiet.Store(true)
	defer o.quiet.Store(false)
	for {
		changed, err := w.Next(ctx)
		if errors.Is(err, errInterrupted) {
			return nil, &statusError{exitInterrupted}
		}
		if err != nil {
			return nil, err
		}
		if changed = withoutIgnored(ctx, root, changed); len(changed) > 0 {
			return changed, nil
		}
	}
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

// ignoredByGit returns the files and directories below root that git ignores,
// none without git or a work tree.
func ignoredByGit(ctx context.Context, root string) []string {
	cmd := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	var paths []string
	for p := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		paths = append(paths, strings.TrimSuffix(p, "/"))
	}
	return paths
}

// withoutIgnored returns the paths that git does not ignore. A file may have
// been created, or .gitignore changed, since the watch began.
func withoutIgnored(ctx context.Context, root string, paths []string) []string {
	cmd := exec.CommandContext(ctx, "git", "-C", root, "check-ignore", "-z", "--stdin")
	cmd.Stdin = bytes.NewReader([]byte(strings.Join(paths, "\x00")))
	out, err := cmd.Output()
	if err != nil {
		return paths // status 1: none is ignored; 128: there is no work tree
	}
	ignored := strings.Split(string(out), "\x00")
	return slices.DeleteFunc(paths, func(p string) bool { return slices.Contains(ignored, p) })
}
