package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// CommandExamples returns the command lines in the help of all commands, by the first
// word of the command.
func CommandExamples() map[string][]string {
	all := map[string][]string{}
	root := newRootCommand(testDeps(nameGalley), nil)
	eachVisible(root, func(cmd *cobra.Command) {
		if words := strings.Fields(cmd.CommandPath()); len(words) > 1 {
			all[words[1]] = append(all[words[1]], exampleLines(cmd)...)
		}
	})
	return all
}
