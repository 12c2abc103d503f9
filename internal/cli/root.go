package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/ui"
)

// app is one run of the program: its streams, its name and the flags that
// every command has.
type app struct {
	streams *ui.Streams
	// name is what the program was called as; under the name kitchen it
	// behaves as kitchen does, which prints everything on standard output.
	name    string
	secrets *ui.Redactor
	// quiet says that there is nothing to stop in order: an interrupt is how
	// the command is meant to end.
	quiet atomic.Bool

	flags struct {
		logLevel       string
		color, noColor bool
		overwrite      bool
		noOverwrite    bool
		testBase       string
		rc             string
		cloud          string
		erb            string
		allowExec      bool
		noHostKeys     bool
		changed        func(name string) bool
	}
	knifeFlags knifeFlags
	// running is the command that runs, once its flags are read.
	running *cobra.Command
}

// Main runs the command line args, args[0] being the program's name, and
// returns the exit code.
func Main(args []string, streams *ui.Streams) int {
	if len(args) == 0 {
		args = []string{"galley"}
	}
	if code, ok := reexec(args); ok {
		return code
	}
	if slices.Contains(args[1:], "fetch") {
		shed() // before the commands are built, which touches as much again
	}
	a := &app{streams: streams, name: programName(args[0]), secrets: &ui.Redactor{}}
	ctx, stop := a.withSignals()
	defer stop()
	root := a.rootCommand()
	root.SetArgs(normalise(root, args[1:]))
	err := root.ExecuteContext(ctx)
	if err != nil {
		a.printError(err)
	}
	return a.exitCode(ctx, err)
}

// programName is "kitchen" or "knife" when the binary is called that, else
// "galley".
func programName(arg0 string) string {
	base := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	switch base {
	case "kitchen", "knife":
		return base
	}
	return "galley"
}

// withSignals returns a context that the first Ctrl-C cancels; the second
// ends the process at once. What has been made stays recorded either way.
func (a *app) withSignals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case <-ch:
		case <-done:
			return
		}
		if !a.quiet.Load() {
			fmt.Fprintln(a.streams.Err, "\nStopping in order; interrupt again to end at once (what was made stays recorded).")
		}
		cancel(errInterrupted)
		select {
		case <-ch:
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		close(done)
		cancel(nil)
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   a.name,
		Short: "Throw-away machines on OpenStack for testing Chef and Cinc cookbooks",
		Long: `Galley reads the kitchen.yml that you have and gives you throw-away machines
on OpenStack. Credentials come from a sourced RC file (OS_* variables), from
clouds.yaml or from the configuration itself.

No cloud at hand? "galley devcloud up" starts one on this machine.

` + exitCodes,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { a.running = cmd },
		RunE:             func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("Galley version {{.Version}}\n")
	root.SetOut(a.streams.Out)
	root.SetErr(a.streams.Err)
	root.SetIn(a.streams.In)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, fmt.Sprintf("run `%s --help` for what it accepts", cmd.CommandPath())}
	})
	a.globalFlags(root.PersistentFlags())
	root.AddCommand(a.commands()...)
	usageArgs(root)
	return root
}

// globalFlags are the flags that every command has: how much is said, and
// where credentials come from.
func (a *app) globalFlags(fs *pflag.FlagSet) {
	f := &a.flags
	fs.StringVarP(&f.logLevel, "log-level", "l", "", "debug, info, warn, error or fatal (default info, or KITCHEN_LOG)")
	fs.BoolVar(&f.color, "color", false, "colour the output (default: on a terminal, unless NO_COLOR is set)")
	fs.BoolVar(&f.noColor, "no-color", false, "do not colour the output")
	fs.StringVar(&f.rc, "rc", "", "read OS_* variables from this OpenStack RC `file`, running no shell")
	fs.StringVar(&f.cloud, "os-cloud", "", "use this cloud of clouds.yaml (default OS_CLOUD)")
	fs.BoolVar(&f.allowExec, "allow-exec", false, "let ERB and knife.rb run commands in backticks (GALLEY_RUBY_EXEC=1)")
	fs.BoolVar(&f.noHostKeys, "no-host-key-verify", false, "take any SSH host key")
	f.changed = fs.Changed
}

// kitchenFlags are the flags that Test Kitchen's commands share.
func (a *app) kitchenFlags() *pflag.FlagSet {
	f := &a.flags
	fs := pflag.NewFlagSet("kitchen", pflag.ContinueOnError)
	fs.BoolVar(&f.overwrite, "log-overwrite", true, "begin fresh .log files, keeping the last five, or append with =false (KITCHEN_LOG_OVERWRITE); the .ndjson files are always appended to")
	fs.BoolVar(&f.noOverwrite, "no-log-overwrite", false, "append to the logs")
	fs.StringVarP(&f.testBase, "test-base-path", "t", "", "where the tests lie (default test/integration)")
	fs.StringVar(&f.erb, "erb", "", "`engine` that renders ERB: galley, or ruby for the ruby on the PATH (default galley)")
	global := f.changed
	f.changed = func(name string) bool { return global(name) || fs.Changed(name) }
	return fs
}

// color returns the person's word on colour, nil if there is none.
func (a *app) color() *bool {
	if a.flags.changed == nil {
		return nil
	}
	yes, no := true, false
	switch {
	case a.flags.noColor:
		return &no
	case a.flags.changed("color"):
		if a.flags.color {
			return &yes
		}
		return &no
	}
	return nil
}

// people is where lines for the person go: standard error, so that standard
// output is a script's; under the names kitchen and knife standard output, as
// there.
func (a *app) people() io.Writer {
	if a.name == "kitchen" || a.name == "knife" {
		return a.streams.Out
	}
	return a.streams.Err
}

// usageArgs makes every command's complaint about its arguments a usage
// error, and its help end with the exit codes.
func usageArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		usageArgs(sub)
	}
	check := cmd.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var usage *usageError
		if err == nil || errors.As(err, &usage) {
			return err
		}
		return &usageError{err, fmt.Sprintf("run `%s --help` for what it accepts", cmd.CommandPath())}
	}
	// A command that only holds others takes no arguments of its own: what is
	// left over is a misspelt command.
	if cmd.HasSubCommands() {
		cmd.SuggestionsMinimumDistance = 2 // cobra's own default, which it sets too late for us
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := fmt.Sprintf("run `%s --help` for the commands there are", cmd.CommandPath())
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			} else if !cmd.HasParent() && cmd.Name() == "knife" {
				hint = "this knife is Galley, which has knife's openstack, bootstrap, node and client commands: run `knife --help`"
			}
			return &knifeError{usagef(hint, "unknown command %q", args[0]), exitKnifeUnknown}
		}
	}
}

// optionalValues are the flags whose value may be left out, and what is a
// value when it stands apart; the flag library knows only the form -c=N.
var optionalValues = map[string]func(next string) bool{
	// The number after -c or --concurrency.
	"concurrency": isNumber,
	// The address after -a; the command takes no arguments.
	floatingFlag: func(next string) bool { return next != "" && !strings.HasPrefix(next, "-") },
}

// normalise brings what the peers' libraries read of a command line into the
// forms that the flag library knows: --no-X for a switch X, and a value apart
// from a flag, or on its letter, where it may be left out: -c 4, -c4.
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

// negated returns the switch that an argument of the form --no-X takes back,
// nil where it is none or a flag of its own.
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

// flagOf finds a flag of a command, its own or one that all have.
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
