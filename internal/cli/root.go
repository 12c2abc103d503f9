package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand returns the tree of commands under the name that the program
// was called by. Of the top commands only those are built that args may name,
// unless args may be about all of them.
func newRootCommand(d *deps, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           d.name,
		Short:         "Throw-away OpenStack machines for testing Chef and Cinc cookbooks",
		Long:          rootHelp[d.name],
		Example:       rootExamples[d.name],
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			d.knife.style = cmd.Flags().Lookup("config-option") != nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(versionLine(d.name) + "\n")
	root.SetOut(d.streams.Out)
	root.SetErr(d.streams.Err)
	root.SetIn(d.streams.In)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelpCommand())
	hideOtherFlags(root)
	d.program.addFlags(root.PersistentFlags())
	d.settings.addFlags(root.PersistentFlags())
	root.SetHelpCommandGroupID(groupTools)
	root.SetCompletionCommandGroupID(groupTools)
	for _, e := range neededEntries(d.name, args) {
		cmd := e.build(d)
		cmd.GroupID = e.group
		root.AddCommand(cmd)
	}
	for _, topic := range helpTopics() {
		root.AddCommand(topic)
	}
	addGroups(root)
	completeFlag(root, "log-level", fixed("debug", "info", "warn", "error", "fatal"))
	completeFlag(root, "os-cloud", d.completeClouds)
	completeUnset(root)
	checkArguments(root)
	return root
}

// rootHelp is the long help by the program's name.
var rootHelp = map[string]string{
	nameGalley: `Galley reads the kitchen.yml that you have and gives you throw-away machines on
OpenStack. Credentials come from a sourced RC file (OS_* variables), from
clouds.yaml or from the configuration itself.

Without a cloud, "galley devcloud up" starts one on this machine. Completion of
commands, instances and names on the cloud: "galley completion --help".`,
	nameKitchen: `This kitchen is Galley: Test Kitchen's commands on your kitchen.yml, with machines
on OpenStack. "galley --help" lists everything else it can do.`,
	nameKnife: `This knife is Galley: the openstack, bootstrap, node and client commands of knife
with your knife.rb. "galley --help" lists everything else it can do.`,
}

var rootExamples = map[string]string{
	nameGalley: `  galley init
  galley test
  galley server list`,
	nameKitchen: `  kitchen list
  kitchen test`,
	nameKnife: `  knife openstack server list
  knife node list`,
}

// entry is a command at the top of the tree.
type entry struct {
	name    string
	aliases []string
	group   string
	build   func(*deps) *cobra.Command
	// in are the names of the program under which the command exists.
	in []string
}

// neededEntries returns the entries of the tree that a command line may name:
// all of them for help, completion and a command line without a command.
func neededEntries(name string, args []string) []entry {
	var all, named []entry
	for _, e := range entries {
		if !slices.Contains(e.in, name) {
			continue
		}
		all = append(all, e)
		if slices.ContainsFunc(args, func(arg string) bool { return arg == e.name || slices.Contains(e.aliases, arg) }) {
			named = append(named, e)
		}
	}
	about := slices.ContainsFunc(args, func(arg string) bool {
		return arg == "help" || arg == "completion" || strings.HasPrefix(arg, "__complete")
	})
	if about || len(named) == 0 {
		return all
	}
	return named
}

// addGroups adds the groups that have a command under this name of the
// program.
func addGroups(root *cobra.Command) {
	for _, g := range groups {
		if g.id == groupTools || slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.GroupID == g.id }) {
			root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		}
	}
}

// newHelpCommand is cobra's help command, but for an unknown command it fails.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND|TOPIC]",
		Short:   "Print the help of a command or topic",
		Long:    "Print the help of a command, or of a topic such as exit-codes.",
		Example: "  galley help create\n  galley help exit-codes",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, sub := range at.Commands() {
				if !sub.Hidden {
					names = append(names, sub.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				if at == nil {
					at = cmd.Root()
				}
				return unknownCommand(at, append(rest, args...))
			}
			at.InitDefaultHelpFlag()
			at.InitDefaultVersionFlag()
			return at.Help()
		},
	}
}

// helpTopics are pages of help that are about all commands.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{{Use: "exit-codes", Short: "What the exit code of a command means", Long: exitCodesTopic}}
}

// The annotation of a command that says which of the flags that all commands
// have mean something to it: their names, separated by spaces.
const usesFlags = "galley-global-flags"

// Flags that all commands accept and only some use.
const (
	cloudFlags   = "rc os-cloud"
	execFlag     = "allow-exec"
	hostKeysFlag = "no-host-key-verify"
)

// uses notes which of these flags a command and its subcommands use.
func uses(cmd *cobra.Command, flags ...string) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[usesFlags] = strings.Join(flags, " ")
	return cmd
}

// hideOtherFlags makes help leave out the flags that mean nothing to a
// command.
func hideOtherFlags(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		hideUnused(cmd)
		help(cmd, args)
	})
}

func hideUnused(cmd *cobra.Command) {
	used := ""
	for c := cmd; c != nil && used == ""; c = c.Parent() {
		used = c.Annotations[usesFlags]
	}
	if !cmd.HasParent() {
		used = strings.Join([]string{cloudFlags, execFlag, hostKeysFlag}, " ")
	}
	for _, name := range strings.Fields(strings.Join([]string{cloudFlags, execFlag, hostKeysFlag}, " ")) {
		cmd.Root().PersistentFlags().Lookup(name).Hidden = !slices.Contains(strings.Fields(used), name)
	}
}

// versionLine is what --version prints under each name of the program.
func versionLine(name string) string {
	if name == nameGalley {
		return "Galley version " + version()
	}
	return fmt.Sprintf("%s: Galley version %s", name, version())
}
