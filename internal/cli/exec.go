package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/kitchen"
)

func (a *app) execCommand() *cobra.Command {
	var (
		line    string
		tty     bool
		workers int
	)
	cmd := &cobra.Command{
		Use:   "exec [INSTANCE|REGEXP|all]... -c COMMAND",
		Short: "Run a command on one or more machines",
		Long: `Runs a command on each machine in turn, by its login shell. Its output goes to
standard output and standard error as it is, with the instance's name before
each line when there are several. "galley exec INSTANCE -- WORD..." runs the
words as they are, quoted for the shell.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				if line != "" {
					return usagef("", "give the command after -c or after --, not both")
				}
				line, args = shellescape.QuoteCommand(args[at:]), args[:at]
			}
			if strings.TrimSpace(line) == "" {
				return usagef("as in `galley exec default -c 'uname -a'`", "no command given")
			}
			return a.exec(cmd, args, line, tty, workers)
		},
	}
	cmd.Flags().StringVarP(&line, "command", "c", "", "the `COMMAND` to run")
	cmd.Flags().BoolVar(&tty, "tty", false, "give the command a pseudo terminal")
	cmd.Flags().IntVar(&workers, "jobs", 1, "run on `N` machines at once")
	return cmd
}

func (a *app) exec(cmd *cobra.Command, args []string, line string, tty bool, workers int) error {
	p, err := a.open(cmd.Context())
	if err != nil {
		return err
	}
	chosen, err := p.Select(args...)
	if err != nil {
		return err
	}
	if err := p.equip(chosen, ""); err != nil {
		return err
	}
	if err := p.report(nil, 1); err != nil {
		return err
	}
	defer p.close()
	var mu sync.Mutex
	width := 0
	for _, inst := range chosen {
		width = max(width, len(inst.Name))
	}
	var closers []io.Closer
	err = p.Exec(cmd.Context(), kitchen.Request{Instances: chosen, Concurrency: workers}, line, func(inst *kitchen.Instance) kitchen.Command {
		p.Bus.Publish(kitchen.Event{Kind: kitchen.Banner, Instance: inst.Name, Index: inst.Index, Text: "Execute command on " + inst.Name + "."})
		if len(chosen) == 1 {
			return kitchen.Command{Stdin: a.execInput(), Stdout: a.streams.Out, Stderr: a.streams.Err, TTY: tty}
		}
		head := fmt.Sprintf("%-*s  ", width, inst.Name)
		out, errs := &headed{w: a.streams.Out, head: head, mu: &mu}, &headed{w: a.streams.Err, head: head, mu: &mu}
		mu.Lock()
		closers = append(closers, out, errs)
		mu.Unlock()
		return kitchen.Command{Stdout: out, Stderr: errs, TTY: tty}
	})
	for _, c := range closers {
		c.Close()
	}
	if len(chosen) == 1 && a.name != "kitchen" {
		// A script wants the command's own status; kitchen gives 20.
		if status, ok := exitStatus(err); ok {
			return &statusError{status}
		}
	}
	return err
}

// headed writes whole lines behind a head, so that several machines' output
// never mixes within a line.
type headed struct {
	w    io.Writer
	head string
	mu   *sync.Mutex
	rest []byte
}

func (h *headed) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(p)
	for {
		i := strings.IndexByte(string(p), '\n')
		if i < 0 {
			h.rest = append(h.rest, p...)
			return n, nil
		}
		if _, err := fmt.Fprintf(h.w, "%s%s%s\n", h.head, h.rest, p[:i]); err != nil {
			return 0, err
		}
		h.rest, p = h.rest[:0], p[i+1:]
	}
}

func (h *headed) Close() error {
	if len(h.rest) == 0 {
		return nil
	}
	_, err := h.Write([]byte("\n"))
	return err
}
