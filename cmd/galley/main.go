// Galley gives a cookbook developer throw-away machines on OpenStack.
package main

import (
	"os"

	"github.com/galleyhq/galley/internal/cli"
	"github.com/galleyhq/galley/internal/ui"
)

func main() {
	os.Exit(cli.Main(os.Args, ui.System()))
}
