package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/ui"
)

// release is set by the linker for a release; else the build information has
// the version.
var release string

// version returns the program's version without a leading v.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		if v := info.Main.Version; v[0] == 'v' {
			return v[1:]
		}
		return info.Main.Version
	}
	return "0.1.0-dev"
}

func product() ui.Product { return ui.Product{Name: "Galley", Version: version()} }

// versionOptions are those of version.
type versionOptions struct {
	*program

	format string
}

func newVersionCommand(d *deps) *cobra.Command {
	o := &versionOptions{program: d.program}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version of the program, with --format json as data.",
		Example: "  galley version\n  galley version --format json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return o.run() },
	}
	addFormat(cmd, &o.format, "", formatText, formatJSON)
	return cmd
}

func (o *versionOptions) run() error {
	if o.format == formatJSON {
		return o.json(map[string]string{"name": "galley", "version": version()})
	}
	_, err := fmt.Fprintln(o.streams.Out, versionLine(o.name))
	return err
}
