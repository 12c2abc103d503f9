package cli

import "github.com/spf13/cobra"

// commands returns the commands in the order in which help lists them.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.listCommand(),
		a.createCommand(),
		a.loginCommand(),
		a.execCommand(),
		a.destroyCommand(),
		a.doctorCommand(),
		a.configCommand(),
		a.diagnoseCommand(),
		a.devcloudCommand(),
		a.fetchCommand(),
		a.versionCommand(),
	}
}
