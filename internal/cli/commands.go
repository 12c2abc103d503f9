package cli

import "github.com/spf13/cobra"

// The groups of commands in help.
const (
	groupInstances = "instances"
	groupConfig    = "configuration"
	groupCloud     = "cloud"
	groupChef      = "chef"
	groupTools     = "tools"
)

var groups = []struct{ id, title string }{
	{groupInstances, "Instances of kitchen.yml:"},
	{groupConfig, "Configuration:"},
	{groupCloud, "Cloud (knife openstack):"},
	{groupChef, "Chef Server (knife):"},
	{groupTools, "Tools:"},
}

// The names under which commands exist.
var (
	everywhere    = []string{nameGalley, nameKitchen, nameKnife}
	underKitchen  = []string{nameGalley, nameKitchen}
	underKnife    = []string{nameGalley, nameKnife}
	onlyUnderOwn  = []string{nameGalley}
	kitchenFlags3 = []string{cloudFlags, execFlag, hostKeysFlag}
)

// entries are the commands at the top of the tree.
var entries = []entry{
	{name: "list", aliases: []string{"ls", "status"}, group: groupInstances, in: underKitchen, build: kitchenCommand(newListCommand)},
	{name: "create", group: groupInstances, in: underKitchen, build: kitchenCommand(newCreateCommand)},
	{name: "converge", group: groupInstances, in: underKitchen, build: kitchenCommand(newConvergeCommand)},
	{name: "setup", group: groupInstances, in: underKitchen, build: kitchenCommand(newSetupCommand)},
	{name: "verify", group: groupInstances, in: underKitchen, build: kitchenCommand(newVerifyCommand)},
	{name: "test", group: groupInstances, in: underKitchen, build: kitchenCommand(newTestCommand)},
	{name: "watch", group: groupInstances, in: onlyUnderOwn, build: kitchenCommand(newWatchCommand)},
	{name: "reset", group: groupInstances, in: onlyUnderOwn, build: kitchenCommand(newResetCommand)},
	{name: "snapshot", group: groupInstances, in: onlyUnderOwn, build: kitchenCommand(newSnapshotCommand)},
	{name: "prune", group: groupInstances, in: onlyUnderOwn, build: kitchenCommand(newPruneCommand)},
	{name: "destroy", group: groupInstances, in: underKitchen, build: kitchenCommand(newDestroyCommand)},
	{name: "login", group: groupInstances, in: underKitchen, build: kitchenCommand(newLoginCommand)},
	{name: "exec", group: groupInstances, in: underKitchen, build: kitchenCommand(newExecCommand)},
	{name: "logs", group: groupInstances, in: underKitchen, build: kitchenCommand(newLogsCommand)},
	{name: "ps", group: groupInstances, in: onlyUnderOwn, build: func(d *deps) *cobra.Command { return uses(newPsCommand(d), cloudFlags) }},
	{name: "report", group: groupInstances, in: underKitchen, build: kitchenCommand(newReportCommand)},

	{name: "init", group: groupConfig, in: underKitchen, build: kitchenCommand(newInitCommand)},
	{name: "doctor", group: groupConfig, in: underKitchen, build: kitchenCommand(newDoctorCommand)},
	{name: "config", group: groupConfig, in: onlyUnderOwn, build: kitchenCommand(newConfigCommand)},
	{name: "trust", group: groupConfig, in: underKitchen, build: newTrustCommand},
	{name: "diagnose", group: groupConfig, in: underKitchen, build: kitchenCommand(newDiagnoseCommand)},

	{name: "server", group: groupCloud, in: underKnife, build: cloudCommand(newServerCommand)},
	{name: "image", group: groupCloud, in: underKnife, build: cloudCommand(newImageCommand)},
	{name: "flavor", group: groupCloud, in: underKnife, build: cloudCommand(newFlavorCommand)},
	{name: "network", group: groupCloud, in: underKnife, build: cloudCommand(newNetworkCommand)},
	{name: "group", group: groupCloud, in: underKnife, build: cloudCommand(newGroupCommand)},
	{name: "volume", group: groupCloud, in: underKnife, build: cloudCommand(newVolumeCommand)},
	{name: "keypair", group: groupCloud, in: underKnife, build: cloudCommand(newKeyPairCommand)},
	{name: "floating-ip", aliases: []string{"floating_ip"}, group: groupCloud, in: underKnife, build: cloudCommand(newFloatingIPCommand)},
	{name: "reap", group: groupCloud, in: onlyUnderOwn, build: func(d *deps) *cobra.Command { return uses(newReapCommand(d), cloudFlags) }},
	{name: "openstack", group: groupCloud, in: underKnife, build: cloudCommand(newOpenStackCommand)},

	{name: "bootstrap", group: groupChef, in: underKnife, build: func(d *deps) *cobra.Command {
		return uses(newBootstrapCommand(d), execFlag, hostKeysFlag)
	}},
	{name: "node", group: groupChef, in: underKnife, build: func(d *deps) *cobra.Command { return uses(newNodeCommand(d), execFlag) }},
	{name: "client", group: groupChef, in: underKnife, build: func(d *deps) *cobra.Command { return uses(newClientCommand(d), execFlag) }},

	{name: "fetch", group: groupTools, in: onlyUnderOwn, build: func(d *deps) *cobra.Command { return uses(newFetchCommand(d), cloudFlags) }},
	{name: "lint", group: groupTools, in: onlyUnderOwn, build: kitchenCommand(newLintCommand)},
	{name: "deps", group: groupTools, in: onlyUnderOwn, build: func(d *deps) *cobra.Command { return uses(newDepsCommand(d), execFlag) }},
	{name: "devcloud", group: groupTools, in: onlyUnderOwn, build: newDevcloudCommand},
	{name: "provider", group: groupTools, in: onlyUnderOwn, build: func(d *deps) *cobra.Command { return uses(newProviderCommand(d), execFlag) }},
	{name: "version", group: groupTools, in: everywhere, build: newVersionCommand},
	{name: "package", in: underKitchen, build: unavailable("package", "the OpenStack driver cannot package a machine",
		"create an image of the server instead: `openstack server image create SERVER`")},
	{name: "console", in: underKitchen, build: unavailable("console", "Galley has no Ruby to open a console with",
		"`galley diagnose --all --origin` shows the whole configuration")},
}

// kitchenCommand is a command that reads a kitchen.yml, with the flags that
// Test Kitchen's commands share.
func kitchenCommand(build func(*deps) *cobra.Command) func(*deps) *cobra.Command {
	return func(d *deps) *cobra.Command {
		cmd := uses(build(d), kitchenFlags3...)
		cmd.PersistentFlags().AddFlagSet(d.projects.flagSet())
		completeFlag(cmd, "erb", fixed("galley", "ruby", "auto"))
		return cmd
	}
}

// cloudCommand is a noun of the cloud.
func cloudCommand(build func(*deps) *cobra.Command) func(*deps) *cobra.Command {
	return func(d *deps) *cobra.Command {
		cmd := uses(build(d), cloudFlags, execFlag)
		for _, sub := range append(cmd.Commands(), cmd) {
			if create, _, err := sub.Find([]string{"create"}); err == nil && create.Flags().Lookup("connection-user") != nil {
				uses(create, cloudFlags, execFlag, hostKeysFlag)
			}
		}
		return cmd
	}
}

// newOpenStackCommand holds the nouns of the cloud under knife's name for
// them.
func newOpenStackCommand(d *deps) *cobra.Command {
	cmd := noun("openstack", "The commands server, image, flavor … under knife's name", cloudNouns(d)...)
	cmd.Hidden = d.name == nameGalley
	return cmd
}

// unavailable is a command of Test Kitchen's that Galley does not have.
func unavailable(name, why, hint string) func(*deps) *cobra.Command {
	return func(*deps) *cobra.Command {
		return &cobra.Command{
			Use:    name,
			Short:  "Not available: " + why,
			Hidden: true,
			RunE: func(*cobra.Command, []string) error {
				return usagef(hint, "galley %s is not available: %s", name, why)
			},
		}
	}
}
