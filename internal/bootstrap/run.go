package bootstrap

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Command is one command line for a machine's shell. Its fields are those of
// kitchen.Command, so that one converts into the other.
type Command struct {
	// Line is handed to the login shell as it is.
	Line string
	// Stdin is what the command reads; nil is the empty input. Run does not
	// wait for a Read under way when the command ends.
	Stdin io.Reader
	// Stdout and Stderr receive what it writes; nil throws it away. With TTY
	// both streams arrive on Stdout.
	Stdout, Stderr io.Writer
	// TTY asks for a pseudo terminal.
	TTY bool
}

// Terminal is the person's end of an interactive session. Its fields are those
// of kitchen.Terminal.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Type is the value of TERM, "" when there is no terminal at all.
	Type string
	// Width and Height are the terminal's size in cells at the start.
	Width, Height int
	// Resized yields the new size (width, height) each time it changes.
	Resized <-chan [2]int
}

// cancelGrace is how long a command may take to end after it was told to.
const cancelGrace = 2 * time.Second

// Run runs a command and returns its exit status; one that a signal ended has
// 128 and the signal's number, as in a shell. A non-zero status is no error:
// err is a [LostError] where the end of the command was not seen, or a
// [SessionError] where it could not be started. When ctx ends, the command is
// sent SIGTERM and, if it does not heed that within two seconds, SIGKILL; Run
// then returns the context's cause.
func (c *Client) Run(ctx context.Context, cmd Command) (int, error) {
	s, done, err := c.session(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	if cmd.TTY {
		if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
			return 0, c.refused("it gives no terminal", err)
		}
	}
	return c.perform(ctx, s, cmd, func() error { return s.Start(cmd.Line) }, nil)
}

// Shell gives the person at the terminal a login shell and returns its exit
// status. The caller has put the local terminal into raw mode; see
// [LocalTerminal].
func (c *Client) Shell(ctx context.Context, t Terminal) (int, error) {
	s, done, err := c.session(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	if t.Type != "" {
		w, h := t.Width, t.Height
		if w <= 0 || h <= 0 {
			w, h = 80, 24
		}
		if err := s.RequestPty(t.Type, h, w, ssh.TerminalModes{
			ssh.ECHO: 1, ssh.IUTF8: 1, ssh.TTY_OP_ISPEED: 38400, ssh.TTY_OP_OSPEED: 38400,
		}); err != nil {
			return 0, c.refused("it gives no terminal", err)
		}
	}
	cmd := Command{Stdin: t.In, Stdout: t.Out, Stderr: t.Err}
	return c.perform(ctx, s, cmd, s.Shell, t.Resized)
}

func (c *Client) refused(what string, err error) error {
	select {
	case <-c.gone:
		return c.lost("starting a command", err)
	default:
	}
	return &SessionError{User: c.cfg.User, Addr: c.cfg.Addr(), Reason: what, Err: err}
}

// perform starts what start starts in s and sees it to its end.
func (c *Client) perform(ctx context.Context, s *ssh.Session, cmd Command, start func() error, resized <-chan [2]int) (int, error) {
	var out, errs *writer
	out, errs = &writer{w: cmd.Stdout}, &writer{w: cmd.Stderr}
	s.Stdout, s.Stderr = out, errs
	var in io.WriteCloser
	if cmd.Stdin != nil {
		// Not s.Stdin: its Wait would wait for a Read from a terminal.
		var err error
		if in, err = s.StdinPipe(); err != nil {
			return 0, err
		}
	}
	if err := start(); err != nil {
		return 0, c.refused("it does not start the command", err)
	}
	if in != nil {
		go func() {
			_, err := io.Copy(in, cmd.Stdin)
			if err != nil && !errors.Is(err, io.EOF) {
				c.cfg.Report.Debug("the input of the command ended: %v", err)
			}
			in.Close()
		}()
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	for {
		select {
		case err := <-ended:
			return c.status(err, out, errs)
		case size, ok := <-resized:
			if !ok {
				resized = nil
				continue
			}
			if err := s.WindowChange(size[1], size[0]); err != nil {
				c.cfg.Report.Debug("the machine is not told the new size of the terminal: %v", err)
			}
		case <-ctx.Done():
			c.endCommand(s, ended)
			return 0, context.Cause(ctx)
		}
	}
}

// endCommand makes a command end and does not wait for long.
func (c *Client) endCommand(s *ssh.Session, ended <-chan error) {
	signal := func(sig ssh.Signal) {
		sent := make(chan struct{})
		go func() {
			_ = s.Signal(sig)
			close(sent)
		}()
		select {
		case <-sent:
		case <-time.After(cancelGrace):
		}
	}
	signal(ssh.SIGTERM)
	t := time.NewTimer(cancelGrace)
	defer t.Stop()
	select {
	case <-ended:
		return
	case <-t.C:
	}
	signal(ssh.SIGKILL)
	s.Close()
}

// status turns the end of a session into an exit status.
func (c *Client) status(err error, out, errs *writer) (int, error) {
	if w := errors.Join(out.failure(), errs.failure()); w != nil {
		return 0, w
	}
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		return exit.ExitStatus(), nil
	case errors.As(err, &missing):
		select {
		case <-c.gone:
			return 0, c.lost("running a command", io.EOF)
		case <-time.After(100 * time.Millisecond):
			// The session alone ended.
			return 0, c.lost("running a command", errors.New("the machine ended the session without an exit status"))
		}
	}
	return 0, c.lost("running a command", err)
}

// writer passes on to w and remembers its failure, after which everything is
// swallowed: the session must not hang on a full local disk.
type writer struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.w == nil {
		return len(p), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return len(p), nil
	}
	if _, err := w.w.Write(p); err != nil {
		w.err = err
	}
	return len(p), nil
}

func (w *writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
