package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/text"
)

// optionalValues are the flags whose value may be left out, and the thing a
// value when it is a separate argument; the flag library knows only the form
// -c=N.
var optionalValues = map[string]func(next string) bool{
	// The number after -c or --concurrency.
	"concurrency": isNumber,
	// The address after -a; the command takes no arguments.
	floatingFlag: func(next string) bool { return next != "" && !strings.HasPrefix(next, "-") },
}

// normalise converts what the libraries of Test Kitchen and knife accept on a
// command line to what the flag library accepts: --no-X for a boolean flag X,
// and a value as a separate argument, or attached to its letter, where it may
// be left out: -c 4, -c4.
func normalise(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil {
		return args
	}
	args = slices.Clone(args)
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		if f := negated(cmd, args[i]); f != nil {
			args[i] = "--" + f.Name + "=false"
			continue
		}
		for name, isValue := range optionalValues {
			flag := cmd.Flags().Lookup(name)
			if flag == nil {
				continue
			}
			letter := "-" + flag.Shorthand
			if v, ok := strings.CutPrefix(args[i], letter); ok && v != "" && v[0] >= '0' && v[0] <= '9' && isValue(v) {
				args[i] = letter + "=" + v
			} else if i+1 < len(args) && (args[i] == letter || args[i] == "--"+name) && isValue(args[i+1]) {
				args[i] += "=" + args[i+1]
				args = slices.Delete(args, i+1, i+2)
			}
		}
	}
	return args
}

// negated returns the boolean flag that an argument of the form --no-X turns
// off, nil where there is none or --no-X is a flag itself.
func negated(cmd *cobra.Command, arg string) *pflag.Flag {
	name, ok := strings.CutPrefix(arg, "--no-")
	if !ok || flagOf(cmd, "no-"+name) != nil {
		return nil
	}
	if f := flagOf(cmd, name); f != nil && f.Value.Type() == "bool" {
		return f
	}
	return nil
}

// flagOf finds a flag of a command, its own or an inherited one.
func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// checkArguments makes every command's error about its arguments a usage
// error with a hint, and an argument to a command that only holds others an
// unknown command.
func checkArguments(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		checkArguments(sub)
	}
	if cmd.HasSubCommands() {
		if !cmd.Runnable() {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		cmd.SuggestionsMinimumDistance = 2 // cobra's own default, which it sets too late
		cmd.Args = unknownCommand
		return
	}
	check := cmd.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return excludedError(cmd.ValidateFlagGroups())
		}
		hint := "usage: " + cmd.UseLine()
		if len(args) == 1 && cmd.Flags().Lookup("node-name") != nil {
			hint = fmt.Sprintf("name the node with -N: %s -N %s …", cmd.CommandPath(), text.CleanLine(args[0]))
		}
		return usagef(hint, "%s", argumentsError(cmd, len(args)))
	}
}

// excludedError makes the flag library's error about flags that exclude each
// other a usage error, in shorter words.
func excludedError(err error) error {
	if err == nil {
		return nil
	}
	said := err.Error()
	_, given, _ := strings.Cut(said, "; [")
	if given, _, ok := strings.Cut(given, "] were all set"); ok {
		said = "--" + strings.Join(strings.Fields(given), " and --") + " exclude each other"
	}
	return usagef("", "%s", said)
}

// argumentsError describes the fault in the number of arguments.
func argumentsError(cmd *cobra.Command, n int) string {
	if n == 0 {
		return fmt.Sprintf("`%s` needs an argument", cmd.CommandPath())
	}
	return fmt.Sprintf("`%s` does not take %s", cmd.CommandPath(), text.Count(n, "argument"))
}

// unknownCommand refuses an unknown command of cmd.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	} else if !cmd.HasParent() && cmd.Name() == nameKnife {
		hint = "this knife is Galley, which has knife's openstack, bootstrap, node and client commands: run `knife --help`"
	}
	return &knifeError{usagef(hint, "unknown command %q for %q", args[0], cmd.CommandPath()), exitKnifeUnknown}
}

// flagError makes an error about a flag a usage error, with a suggestion for
// one that is misspelt.
func flagError(cmd *cobra.Command, err error) error {
	if own := (*usageError)(nil); errors.As(err, &own) {
		return own
	}
	hint := fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		if near := nearFlags(cmd, name); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
	}
	return &usageError{err, hint}
}

// nearFlags returns the flags of a command that a misspelt name may mean.
func nearFlags(cmd *cobra.Command, name string) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	var out []string
	for _, n := range text.Near(name, names) {
		out = append(out, "--"+n)
	}
	return out
}
