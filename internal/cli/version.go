package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/ui"
)

// release is set by the linker for a release; else the build says which
// version it is of.
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

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(a.streams.Out, "Galley version %s\n", version())
			return err
		},
	}
}
