package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// execOptions are those of exec.
type execOptions struct {
	*projects

	line    string
	tty     bool
	workers int
}

func newExecCommand(d *deps) *cobra.Command {
	o := &execOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "exec [INSTANCE|REGEXP|all]... -c COMMAND",
		Short: "Run a command on one or more machines",
		Long: `Run a command with the login shell of each machine in turn. Its output goes to
standard output and standard error, with the instance's name before each line when
there are several instances. "galley exec INSTANCE -- WORD..." runs the words as
they are, quoted for the shell. On one instance it ends with the command's status.`,
		Example: `  galley exec default-debian-12 -c 'systemctl status nginx'
  galley exec all -c uptime --jobs 4
  galley exec debian -- cat '/etc/my file'`,
		ValidArgsFunction: o.completeInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				if o.line != "" {
					return usagef("", "give the command after -c or after --, not both")
				}
				o.line, args = shellescape.QuoteCommand(args[at:]), args[:at]
			}
			return o.run(cmd.Context(), args)
		},
	}
	cmd.Flags().StringVarP(&o.line, "command", "c", "", "`COMMAND` to run")
	cmd.Flags().BoolVar(&o.tty, "tty", false, "give the command a pseudo terminal")
	cmd.Flags().IntVar(&o.workers, "jobs", 1, "run on `N` machines at once")
	completeFlag(cmd, "command", cobra.NoFileCompletions)
	return cmd
}

func (o *execOptions) run(ctx context.Context, args []string) error {
	if strings.TrimSpace(o.line) == "" {
		return usagef("as in `galley exec default -c 'uname -a'`", "no command given")
	}
	p, chosen, err := o.take(ctx, args, "")
	if err != nil {
		return err
	}
	defer p.close()
	streams := o.newStreams(chosen)
	err = p.Exec(ctx, kitchen.Request{Instances: chosen, Concurrency: o.workers}, o.line, func(inst *kitchen.Instance) kitchen.Command {
		p.Bus.Publish(kitchen.Event{Kind: kitchen.Banner, Instance: inst.Name, Index: inst.Index, Text: "Execute command on " + inst.Name + "."})
		return streams.command(inst)
	})
	streams.close()
	if len(chosen) == 1 && o.name != nameKitchen {
		// A script needs the command's own status; kitchen returns 20.
		if status, ok := exitStatus(err); ok {
			return &statusError{status}
		}
	}
	return err
}

// execStreams connects commands on machines to the user.
type execStreams struct {
	*execOptions
	one   bool
	width int

	mu      sync.Mutex
	closers []io.Closer
}

func (o *execOptions) newStreams(chosen []*kitchen.Instance) *execStreams {
	s := &execStreams{execOptions: o, one: len(chosen) == 1}
	for _, inst := range chosen {
		s.width = max(s.width, len(inst.Name))
	}
	return s
}

// command returns the streams of one machine's command. What a command writes
// to its own terminal is not touched; else a terminal here gets only
// text and colors.
func (s *execStreams) command(inst *kitchen.Instance) kitchen.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := kitchen.Command{TTY: s.tty}
	head := ""
	if s.one {
		cmd.Stdin = s.commandInput()
	} else {
		head = fmt.Sprintf("%-*s  ", s.width, inst.Name)
	}
	stream := func(w io.Writer) io.Writer {
		onTerminal := ui.Terminal(w) != nil && !s.tty
		if s.one && !onTerminal {
			return w
		}
		h := &headed{w: w, head: head, mu: &s.mu, clean: onTerminal}
		s.closers = append(s.closers, h)
		return h
	}
	cmd.Stdout, cmd.Stderr = stream(s.streams.Out), stream(s.streams.Err)
	return cmd
}

// close prints a last line without a line's end.
func (s *execStreams) close() {
	for _, c := range s.closers {
		_ = c.Close() // an output that cannot be printed cannot be reported either
	}
}

// headed writes whole lines behind a head, so that several machines' output
// never mixes within a line.
type headed struct {
	w    io.Writer
	head string
	mu   *sync.Mutex
	rest []byte
	// clean removes what would control the terminal.
	clean bool
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
		line := string(h.rest) + string(p[:i])
		if h.clean {
			line = text.CleanOutput(line)
		}
		if _, err := fmt.Fprintf(h.w, "%s%s\n", h.head, line); err != nil {
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
