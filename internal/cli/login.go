package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// loginOptions are those of login.
type loginOptions struct{ *projects }

func newLoginCommand(d *deps) *cobra.Command {
	o := &loginOptions{d.projects}
	return &cobra.Command{
		Use:   "login INSTANCE|REGEXP",
		Short: "Open a shell on the machine of one instance",
		Long: `Open a login shell on the machine: an interactive one at a terminal, else one that
reads its commands from standard input. It ends with the shell's status.`,
		Example: `  galley login default-debian-12
  echo uptime | galley login debian`,
		ValidArgsFunction: o.completeOneInstance,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
}

func (o *loginOptions) run(ctx context.Context, args []string) error {
	p, chosen, err := o.take(ctx, args, "")
	if err != nil {
		return err
	}
	defer p.close()
	if len(chosen) > 1 {
		return tooMany(args, chosen)
	}
	return o.shell(ctx, p, chosen[0])
}

func tooMany(args []string, chosen []*kitchen.Instance) error {
	names := make([]string, len(chosen))
	for i, inst := range chosen {
		names[i] = "  * " + inst.Name
	}
	hint := "name one of them:\n" + strings.Join(names, "\n")
	if len(args) == 0 {
		return usagef(hint, "a login needs one instance, and there are %d", len(chosen))
	}
	return usagef(hint, "argument `%s' selects %d instances, and a login needs one", strings.Join(args, " "), len(chosen))
}

func (o *loginOptions) shell(ctx context.Context, p *project, inst *kitchen.Instance) error {
	conn, err := p.Connect(ctx, inst)
	if err != nil {
		return err
	}
	defer conn.Close()
	t, restore, err := o.terminal()
	if err != nil {
		return fmt.Errorf("preparing the terminal: %w", err)
	}
	defer restore()
	status, err := conn.Shell(ctx, t)
	if err != nil {
		return err
	}
	if status != 0 {
		return &statusError{status}
	}
	return nil
}

// terminal returns the user's end of a session; restore undoes what it
// changed.
func (p *program) terminal() (kitchen.Terminal, func(), error) {
	in, out := ui.Terminal(p.streams.In), ui.Terminal(p.streams.Out)
	if in == nil || out == nil {
		return kitchen.Terminal{In: p.streams.In, Out: p.streams.Out, Err: p.streams.Err}, func() {}, nil
	}
	errs, ok := p.streams.Err.(*os.File)
	if !ok {
		errs = out
	}
	t, restore, err := bootstrap.LocalTerminal(in, out, errs, p.streams.Getenv)
	return kitchen.Terminal(t), restore, err
}

// commandInput is the input of a command on one machine: data piped into
// galley, and nothing at a terminal, where it would wait for the user.
func (p *program) commandInput() io.Reader {
	if ui.Terminal(p.streams.In) != nil {
		return nil
	}
	return p.streams.In
}
