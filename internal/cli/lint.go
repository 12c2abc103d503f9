package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/lint"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// exitLintOffenses is the exit code of lint where something was found.
const exitLintOffenses = 2

// lintOptions are those of lint.
type lintOptions struct {
	*projects

	on, junit, format string
}

func newLintCommand(d *deps) *cobra.Command {
	o := &lintOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "lint [COOKBOOK]",
		Short: "Check a cookbook with Cookstyle or Foodcritic",
		Long: `Check the cookbook in a directory (by default this one) with cookstyle or, where
there is none, foodcritic: the program installed here or, with --on, the one of an
instance, to which the cookbook is copied for the check. An instance that has
neither but has gem, as with Chef or Cinc, gets cookstyle in ~/.cache/galley.

Exit codes of this command: 0 nothing was found, 2 something was found, 20 the
check could not be run.`,
		Example: "  galley lint\n  galley lint cookbooks/web --junit lint.xml\n  galley lint --on default-debian-12",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return o.run(cmd.Context(), dir)
		},
	}
	cmd.Flags().StringVar(&o.on, "on", "", "run the check on this `INSTANCE`")
	cmd.Flags().StringVar(&o.junit, "junit", "", "also write the findings as JUnit XML to `FILE`")
	addFormat(cmd, &o.format, "", formatText, formatJSON)
	return cmd
}

func (o *lintOptions) run(ctx context.Context, dir string) error {
	if !cookbook.Is(dir) {
		return usagef("name the directory of a cookbook", "%s has no metadata.rb or metadata.json", dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	check, where := o.here, "here"
	if o.on != "" {
		check, where = o.there, "on "+o.on
	}
	out, status, err := check(ctx, abs)
	if err != nil {
		return err
	}
	program, list, err := lint.Parse(out, status, where)
	if err != nil {
		return err
	}
	if o.junit != "" {
		data, err := lint.JUnit(filepath.Base(abs), program, list)
		if err == nil {
			err = state.WriteResult(o.junit, data)
		}
		if err != nil {
			return err
		}
	}
	return o.print(program, list)
}

func (o *lintOptions) print(program string, list []lint.Offense) error {
	if o.format == formatJSON {
		if list == nil {
			list = []lint.Offense{}
		}
		if err := o.json(list); err != nil {
			return err
		}
	} else {
		for _, f := range list {
			if _, err := fmt.Fprintln(o.streams.Out, text.CleanLine(f.String())); err != nil {
				return err
			}
		}
		o.notef("%s: %s", program, text.Count(len(list), "finding"))
	}
	if len(list) > 0 {
		return &statusError{exitLintOffenses}
	}
	return nil
}

// here runs the check on this machine.
func (o *lintOptions) here(ctx context.Context, dir string) (out string, status int, err error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", lint.Script)
	cmd.Dir, cmd.Stderr = dir, o.streams.Err
	data, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(data), exit.ExitCode(), nil
	}
	return string(data), 0, err
}

// there runs the check on an instance: the cookbook is the command's input, as
// a tar archive.
func (o *lintOptions) there(ctx context.Context, dir string) (out string, status int, err error) {
	p, chosen, err := o.take(ctx, []string{o.on}, "")
	if err != nil {
		return "", 0, err
	}
	defer p.close()
	if len(chosen) != 1 {
		return "", 0, usagef("name one", "--on %s selects %s", o.on, text.Count(len(chosen), "instance"))
	}
	archive, err := packed(dir)
	if err != nil {
		return "", 0, err
	}
	var stdout bytes.Buffer
	line := `d=$(mktemp -d) && cd "$d" && tar xf - || exit 91; (` + lint.InstallingScript + `
); s=$?; rm -rf "$d"; exit $s`
	err = p.Exec(ctx, kitchen.Request{Instances: chosen, Concurrency: 1}, line, func(*kitchen.Instance) kitchen.Command {
		return kitchen.Command{Stdin: archive, Stdout: &stdout, Stderr: o.streams.Err}
	})
	if status, ok := exitStatus(err); ok {
		return stdout.String(), status, nil
	}
	return stdout.String(), 0, err
}

// packed is the cookbook in a directory as a tar archive, without what its
// chefignore names.
func packed(dir string) (io.Reader, error) {
	files, err := cookbook.Files(dir)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f)))
		if err != nil {
			return nil, err
		}
		if err := tw.WriteHeader(&tar.Header{Name: f, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return nil, err
		}
		if _, err := tw.Write(data); err != nil {
			return nil, err
		}
	}
	return &b, tw.Close()
}
