package cli

import "github.com/spf13/cobra"

// commands returns the commands in the order in which help lists them.
func (a *app) commands() []*cobra.Command {
	kitchen := a.kitchenCommands()
	shared := a.kitchenFlags()
	for _, cmd := range kitchen {
		cmd.PersistentFlags().AddFlagSet(shared)
	}
	cmds := append(kitchen,
		a.devcloudCommand(),
		a.fetchCommand(),
		a.versionCommand(),
		a.refused("package", "the OpenStack driver has nothing to package a machine into",
			"make an image of the server instead: `openstack server image create SERVER`"),
		a.refused("console", "there is no Ruby in Galley to open a console on",
			"`galley diagnose --all --origin` shows the whole configuration"),
	)
	return append(cmds, a.knifeCommands()...)
}

// kitchenCommands are those that read a kitchen.yml.
func (a *app) kitchenCommands() []*cobra.Command {
	cmds := []*cobra.Command{
		a.listCommand(),
		a.createCommand(),
	}
	cmds = append(cmds, a.lifecycleCommands()...)
	return append(cmds,
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
	)
}

// knifeCommands are those that take the place of knife's: what lies in the
// cloud, under its own name and under "openstack" as knife-openstack has it,
// and what lies on the Chef Server. Each has the flags that knife's share.
func (a *app) knifeCommands() []*cobra.Command {
	cloud := append(a.cloudCommands(), noun("openstack", "The commands server, image, flavor … under knife's name", a.cloudCommands()...))
	for _, cmd := range cloud {
		a.knifeFlags.addTo(cmd, true)
	}
	chef := append(a.chefCommands(), a.bootstrapCommand())
	for _, cmd := range chef {
		a.knifeFlags.addTo(cmd, false)
	}
	return append(cloud, chef...)
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
