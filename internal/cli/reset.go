package cli

import (
	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/kitchen"
)

func newResetCommand(d *deps) *cobra.Command {
	return newActionOptions(d, kitchen.Reset).newCommand(
		"Give one or more machines a fresh system",
		`Give each machine the system of a new one, and wait until it runs a command over SSH:
a clean machine in less time than destroy and create take. The server is rebuilt
(Nova) from the configured image, with the configured user data; it keeps its
addresses, ports, key pair and other volumes, whose content stays. Its new host key is
taken from the console log where that shows it. The hooks of create run, and the
instance is then as after a create.

A reset that was interrupted is finished by the next reset or create. A server that
boots from a volume can be reset where the volume was made from an image and the
cloud's Nova can rebuild it (microversion 2.93).`,
		`  galley reset
  galley reset default-debian-12
  galley test default-debian-12 --reuse`)
}
