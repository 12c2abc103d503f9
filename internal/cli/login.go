package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

func (a *app) loginCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "login INSTANCE|REGEXP",
		Short: "Open a shell on the machine of one instance",
		Long: `Opens a login shell on the machine. At a terminal it is an interactive one; else
the shell reads its commands from standard input. Ends with the shell's status.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			chosen, err := p.Select(args...)
			if err != nil {
				return err
			}
			if len(chosen) > 1 {
				return tooMany(args, chosen)
			}
			if err := p.equip(chosen, ""); err != nil {
				return err
			}
			if err := p.report(nil, 1); err != nil {
				return err
			}
			defer p.close()
			return a.login(cmd, p, chosen[0])
		},
	}
}

func tooMany(args []string, chosen []*kitchen.Instance) error {
	names := make([]string, len(chosen))
	for i, inst := range chosen {
		names[i] = "  * " + inst.Name
	}
	return usagef("name one of them:\n"+strings.Join(names, "\n"),
		"argument `%s' selects %d instances, and a login needs one", strings.Join(args, " "), len(chosen))
}

func (a *app) login(cmd *cobra.Command, p *project, inst *kitchen.Instance) error {
	conn, err := p.Connect(cmd.Context(), inst)
	if err != nil {
		return err
	}
	defer conn.Close()
	t, restore, err := a.terminal()
	if err != nil {
		return fmt.Errorf("preparing the terminal: %w", err)
	}
	defer restore()
	status, err := conn.Shell(cmd.Context(), t)
	if err != nil {
		return err
	}
	if status != 0 {
		return &statusError{status}
	}
	return nil
}

// terminal returns the person's end of a session; restore undoes what it
// changed.
func (a *app) terminal() (kitchen.Terminal, func(), error) {
	in, out := ui.Terminal(a.streams.In), ui.Terminal(a.streams.Out)
	if in == nil || out == nil {
		return kitchen.Terminal{In: a.streams.In, Out: a.streams.Out, Err: a.streams.Err}, func() {}, nil
	}
	errs, ok := a.streams.Err.(*os.File)
	if !ok {
		errs = out
	}
	t, restore, err := bootstrap.LocalTerminal(in, out, errs, a.streams.Getenv)
	return kitchen.Terminal(t), restore, err
}

// execInput is what a command on one machine reads: what is piped into
// galley, and nothing when a person sits there, who would wait for nothing.
func (a *app) execInput() io.Reader {
	if ui.Terminal(a.streams.In) != nil {
		return nil
	}
	return a.streams.In
}
