package cli

import "github.com/spf13/cobra"

// commands returns the commands in the order in which help lists them.
func (a *app) commands() []*cobra.Command {
	cmds := []*cobra.Command{
		a.listCommand(),
		a.createCommand(),
	}
	cmds = append(cmds, a.lifecycleCommands()...)
	cmds = append(cmds,
		a.testCommand(),
		a.loginCommand(),
		a.execCommand(),
		a.logsCommand(),
		a.reportCommand(),
		a.destroyCommand(),
		a.doctorCommand(),
		a.initCommand(),
		a.configCommand(),
		a.diagnoseCommand(),
		a.devcloudCommand(),
		a.fetchCommand(),
		a.versionCommand(),
		a.refused("package", "the OpenStack driver has nothing to package a machine into",
			"make an image of the server instead: `openstack server image create SERVER`"),
		a.refused("console", "there is no Ruby in Galley to open a console on",
			"`galley diagnose --all --origin` shows the whole configuration"),
	)
	return append(cmds, a.cloudCommands()...)
}

// refused is a command of the peer's that Galley does not have, and why.
func (a *app) refused(name, why, hint string) *cobra.Command {
	return &cobra.Command{
		Use:    name,
		Short:  "Not available: " + why,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			return usagef(hint, "galley %s is not available: %s", name, why)
		},
	}
}
