package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// The exit codes of the deps commands alone.
const (
	// exitDepsChanged is a changed lock or an outdated cookbook, where
	// --exit-code asks for it.
	exitDepsChanged = 2
	// exitDepsUnsolvable is a set of demands without a solution.
	exitDepsUnsolvable = 3
	// exitDepsUnreachable is a source that cannot be used.
	exitDepsUnreachable = 4
)

// codedError is an error with its own exit code.
type codedError struct {
	error
	code int
}

func (e *codedError) Unwrap() error { return e.error }

// depsOptions are those that the deps commands share.
type depsOptions struct {
	*program
	settings *settings
	knife    *knifeSetup
	chef     *chefAccess

	format       string
	offline      bool
	exitCode     bool
	only, except []string
	// report receives the notices, until quiet ends them.
	report *kitchen.Reporter
	quiet  func()
}

func newDepsCommand(d *deps) *cobra.Command {
	cmd := noun("deps", "Resolve, install and lock cookbooks",
		newDepsInstallCommand(d), newDepsUpdateCommand(d), newDepsExportCommand(d), newDepsVendorCommand(d),
		newDepsOutdatedCommand(d), newDepsTreeCommand(d), newDepsWhyCommand(d), newDepsPushCommand(d))
	cmd.Long = `Resolve the dependencies of a cookbook without Ruby: what chef-cli does with a
Policyfile.rb, and Berkshelf with a Berksfile. The lock files are the same.

FILE is a Policyfile (*.rb), its lock (*.lock.json) or a Berksfile. Without
FILE, the Policyfile.rb of the directory is used, else its Berksfile.

Exit codes of these commands:
  2    with --exit-code: the lock changed, or a cookbook is outdated
  3    no versions of the cookbooks fit together
  4    a source cannot be reached or refuses to answer`
	return cmd
}

// newDepsVerb completes one of the commands. split takes the name of the
// project's file from the arguments; run gets the project and the others. formats
// are more than text and JSON.
func newDepsVerb(d *deps, o *depsOptions, cmd *cobra.Command, formats []string,
	split func(args []string) (file string, rest []string), run func(context.Context, *cookbooks.Project, []string) error,
) *cobra.Command {
	o.program, o.settings, o.knife, o.chef = d.program, d.settings, d.knife, d.chef
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, rest := split(args)
		p, err := o.open(cmd.Context(), file)
		if err == nil {
			defer o.quiet()
			err = run(cmd.Context(), p, rest)
		}
		return depsError(err)
	}
	addFormat(cmd, &o.format, "F", append([]string{formatText, formatJSON}, formats...)...)
	cmd.Flags().BoolVar(&o.offline, "offline", false, "use only the cache and the lock")
	d.knife.addTo(cmd, usesChef)
	return cmd
}

// addGroups adds the flags for the groups of a Berksfile.
func (o *depsOptions) addGroups(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&o.only, "only", nil, "only the cookbooks of these `GROUPS` of a Berksfile")
	cmd.Flags().StringSliceVar(&o.except, "except", nil, "all cookbooks except those of these `GROUPS` of a Berksfile")
	cmd.MarkFlagsMutuallyExclusive("only", "except")
}

func (o *depsOptions) addExitCode(cmd *cobra.Command, when string) {
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, fmt.Sprintf("end with status %d when %s", exitDepsChanged, when))
}

// depsError gives an error its exit code.
func depsError(err error) error {
	var (
		conflict *solver.Conflict
		budget   *solver.BudgetError
		fetch    *web.Error
		repo     *git.Error
		reach    *chefserver.ReachError
	)
	switch {
	case errors.As(err, &conflict), errors.As(err, &budget):
		return &codedError{err, exitDepsUnsolvable}
	case errors.As(err, &fetch), errors.As(err, &repo), errors.As(err, &reach):
		return &codedError{err, exitDepsUnreachable}
	}
	return err
}

var projectFile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(Berksfile|Policyfile)|\.rb$|\.lock\.json$|[/\\]`) })

// splitFile takes the name of a Policyfile or Berksfile from the front of the
// arguments, "" where the first one is something else.
func splitFile(args []string) (file string, rest []string) {
	if len(args) == 0 {
		return "", nil
	}
	info, err := os.Stat(args[0])
	if projectFile().MatchString(args[0]) || err == nil && info.Mode().IsRegular() {
		return args[0], args[1:]
	}
	return "", args
}

// onlyFile is for commands whose one argument is the file.
func onlyFile(args []string) (file string, rest []string) { return strings.Join(args, ""), nil }

// splitLast takes everything but the last argument as the file.
func splitLast(args []string) (file string, rest []string) {
	last := len(args) - 1
	return strings.Join(args[:last], ""), args[last:]
}

// open opens the Policyfile or Berksfile; "" is the one of the directory. On a
// terminal, downloads that take a while show how far they are until quiet.
func (o *depsOptions) open(ctx context.Context, file string) (*cookbooks.Project, error) {
	c, err := cookbookOptions(ctx, o.settings, o.knife, o.chef)
	if err != nil {
		return nil, err
	}
	bus, done, err := o.events(o.people())
	if err != nil {
		return nil, err
	}
	o.report, o.quiet = bus.Reporter("", 0, ""), done
	c.Offline, c.Only, c.Except, c.Meter = o.offline, o.only, o.except, &web.Meter{}
	c.Say = func(line string) { o.report.Info("%s", line) }
	c.Warn = func(line string) { o.report.Warn("%s", line) }
	p, err := cookbooks.Open(file, c)
	if err != nil || ui.Terminal(o.people()) == nil || !o.live() {
		return p, err
	}
	stop := retry.Every(progressEvery, func(since time.Time) {
		if state := c.Meter.String(); state != "" && time.Since(since) > depsNotice {
			o.report.Waiting("cookbooks", state, since)
		}
	})
	o.quiet = sync.OnceFunc(func() { stop(); done() })
	return p, nil
}

// depsNotice is how long downloads of cookbooks are silent.
const depsNotice = time.Second

// summary prints the outcome.
func (o *depsOptions) summary(s *cookbooks.Summary, err error) error {
	o.quiet()
	if err != nil {
		return err
	}
	if o.format == "json" {
		if err := o.json(s); err != nil {
			return err
		}
	} else {
		lock := "the lock is unchanged"
		if s.Changed {
			lock = "the lock was written to " + filepath.Base(s.LockFile)
		}
		o.notef("%s; %s", text.Count(len(s.Cookbooks), "cookbook"), lock)
	}
	if s.Changed && o.exitCode {
		return &statusError{exitDepsChanged}
	}
	return nil
}

func newDepsInstallCommand(d *deps) *cobra.Command {
	o := &depsOptions{}
	cmd := newDepsVerb(d, o, &cobra.Command{
		Use:   "install [FILE]",
		Short: "Install the cookbooks and write the lock",
		Long: `Install the cookbooks of the lock. Where there is no lock, or the lock of a
Berksfile no longer fits, resolve the file and write the lock.`,
		Example: "  galley deps install\n  galley deps install Berksfile --except integration",
		Args:    cobra.MaximumNArgs(1),
	}, nil, onlyFile, func(ctx context.Context, p *cookbooks.Project, _ []string) error {
		return o.summary(p.Install(ctx))
	})
	o.addGroups(cmd)
	o.addExitCode(cmd, "the lock changed")
	return cmd
}

func newDepsUpdateCommand(d *deps) *cobra.Command {
	o, u := &depsOptions{}, cookbooks.UpdateOptions{}
	cmd := newDepsVerb(d, o, &cobra.Command{
		Use:   "update [FILE] [COOKBOOK...]",
		Short: "Resolve again and write the lock",
		Long: `Resolve the file again, without regard to the lock, and write the lock. With
cookbooks, only these and the cookbooks that they need may change.`,
		Example: "  galley deps update\n  galley deps update Policyfile.rb apt ntp",
	}, nil, splitFile, func(ctx context.Context, p *cookbooks.Project, names []string) error {
		u.Cookbooks = names
		return o.summary(p.Update(ctx, u))
	})
	cmd.Flags().BoolVarP(&u.Attributes, "attributes", "a", false, "update only the attributes of a Policyfile")
	cmd.Flags().BoolVar(&u.OnlyThese, "exclude-deps", false, "do not update what the cookbooks need (Policyfile)")
	o.addGroups(cmd)
	o.addExitCode(cmd, "the lock changed")
	return cmd
}

func newDepsExportCommand(d *deps) *cobra.Command {
	o, e := &depsOptions{}, cookbooks.ExportOptions{}
	cmd := newDepsVerb(d, o, &cobra.Command{
		Use:   "export [FILE] DIR",
		Short: "Export a locked policy for chef-client -z",
		Long: `Export a locked policy with its cookbooks, in the form that chef-client -z runs.
The lock must exist; it is updated for the cookbooks that come from a path.`,
		Example: "  galley deps export Policyfile.rb out\n  galley deps export out --archive --policy-group prod",
		Args:    cobra.RangeArgs(1, 2),
	}, nil, splitLast, func(ctx context.Context, p *cookbooks.Project, dir []string) error {
		done, err := p.Export(ctx, dir[0], e)
		o.quiet()
		if err != nil {
			return err
		}
		if o.format == "json" {
			return o.json(map[string]string{"policy": done.Lock.Name, "revision_id": done.Lock.RevisionID(), "path": done.Path})
		}
		o.notef("Exported policy '%s' to %s", done.Lock.Name, done.Path)
		return nil
	})
	cmd.Flags().BoolVarP(&e.Archive, "archive", "a", false, "write one file NAME-REVISION.tgz into DIR")
	cmd.Flags().BoolVarP(&e.Force, "force", "f", false, "replace an earlier export in DIR")
	cmd.Flags().StringVar(&e.Group, "policy-group", "", "policy `GROUP` of the export (default local)")
	return cmd
}

func newDepsVendorCommand(d *deps) *cobra.Command {
	o, remove := &depsOptions{}, false
	cmd := newDepsVerb(d, o, &cobra.Command{
		Use:   "vendor [FILE] DIR",
		Short: "Install the cookbooks and copy them to a directory",
		Long: `Install the cookbooks and copy each one to DIR/NAME, without the files that its
chefignore names. metadata.json is written where it is missing.`,
		Example: "  galley deps vendor Berksfile cookbooks\n  galley deps vendor Policyfile.rb cookbooks",
		Args:    cobra.RangeArgs(1, 2),
	}, nil, splitLast, func(ctx context.Context, p *cookbooks.Project, dir []string) error {
		return o.summary(p.Vendor(ctx, dir[0], remove))
	})
	cmd.Flags().BoolVar(&remove, "delete", false, "remove everything else from DIR")
	o.addGroups(cmd)
	return cmd
}

func newDepsOutdatedCommand(d *deps) *cobra.Command {
	o := &depsOptions{}
	cmd := newDepsVerb(d, o, &cobra.Command{
		Use:   "outdated [FILE]",
		Short: "List the cookbooks that have newer versions",
		Long: `List the locked cookbooks that have newer versions. A version counts where the
constraints of the file and of the other cookbooks allow it.`,
		Example: "  galley deps outdated\n  galley deps outdated Berksfile --format json --exit-code",
		Args:    cobra.MaximumNArgs(1),
	}, nil, onlyFile, func(ctx context.Context, p *cookbooks.Project, _ []string) error {
		list, err := p.Outdated(ctx)
		if err != nil {
			return err
		}
		return o.outdated(list)
	})
	o.addGroups(cmd)
	o.addExitCode(cmd, "a cookbook is outdated")
	return cmd
}

func (o *depsOptions) outdated(list []cookbooks.Newer) error {
	o.quiet()
	var b strings.Builder
	switch {
	case o.format == "json":
		if err := o.json(list); err != nil {
			return err
		}
	case len(list) == 0:
		b.WriteString("All cookbooks up to date!\n")
	default:
		b.WriteString("The following cookbooks have newer versions:\n")
		for _, n := range list {
			fmt.Fprintf(&b, "  * %s (%s => %s) [%s]\n", n.Name, n.Version, n.Newest, strings.Join(n.Sources, ", "))
		}
	}
	if _, err := fmt.Fprint(o.streams.Out, o.clean(b.String())); err != nil {
		return err
	}
	if len(list) > 0 && o.exitCode {
		return &statusError{exitDepsChanged}
	}
	return nil
}

func newDepsTreeCommand(d *deps) *cobra.Command {
	o := &depsOptions{}
	return newDepsVerb(d, o, &cobra.Command{
		Use:     "tree [FILE]",
		Short:   "Show what the locked cookbooks need",
		Long:    "Show the locked cookbooks as a tree. Only the lock is read; the format dot is for\nGraphviz.",
		Example: "  galley deps tree\n  galley deps tree --format dot | dot -Tsvg > cookbooks.svg",
		Args:    cobra.MaximumNArgs(1),
	}, []string{"dot"}, onlyFile, func(_ context.Context, p *cookbooks.Project, _ []string) error {
		g, err := p.Graph()
		if err != nil {
			return err
		}
		switch o.format {
		case "json":
			return o.json(g.Nodes())
		case "dot":
			_, err = fmt.Fprint(o.streams.Out, g.Dot())
		default:
			_, err = fmt.Fprint(o.streams.Out, g.Text())
		}
		return err
	})
}

func newDepsWhyCommand(d *deps) *cobra.Command {
	o := &depsOptions{}
	return newDepsVerb(d, o, &cobra.Command{
		Use:     "why [FILE] COOKBOOK",
		Short:   "Show which cookbooks need a cookbook",
		Long:    "List every path from the file to a locked cookbook. Only the lock is read.",
		Example: "  galley deps why apt\n  galley deps why Berksfile apt",
		Args:    cobra.RangeArgs(1, 2),
	}, nil, splitLast, func(_ context.Context, p *cookbooks.Project, name []string) error {
		g, err := p.Graph()
		if err != nil {
			return err
		}
		paths, err := g.Why(name[0])
		if err != nil {
			return err
		}
		if o.format == "json" {
			return o.json(paths)
		}
		for _, p := range paths {
			if _, err := fmt.Fprintln(o.streams.Out, strings.Join(p, " -> ")); err != nil {
				return err
			}
		}
		return nil
	})
}
