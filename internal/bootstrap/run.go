package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/google/uuid"
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

// How long a command may take to end after it was told to: by a signal of the
// protocol, by kill on the machine, and how long that kill may take.
const (
	signalGrace = 500 * time.Millisecond
	killGrace   = 1500 * time.Millisecond
	killTime    = 3 * time.Second
)

// runVariable marks the processes of a command, so that they can be found
// again. Its name is one that sshd takes from clients as most systems
// configure it (AcceptEnv LANG LC_*).
const runVariable = "LC_GALLEY"

// Run runs a command and returns its exit status; one that a signal ended has
// 128 and the signal's number, as in a shell. A non-zero status is no error:
// err is a [LostError] where the end of the command was not seen, or a
// [SessionError] where it could not be started. When ctx ends, the command and
// what it has started are sent SIGTERM and, if they do not heed that within
// two seconds, SIGKILL; Run then returns the context's cause. The command has
// LC_GALLEY in its environment, by which its processes are found where the
// server does not hand on signals (sshd does not for root).
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

// localeVariables are told to a login shell, where the server takes them, as
// ssh does on most systems (SendEnv).
var localeVariables = []string{
	"LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME", "COLORTERM",
}

// disconnected is the status of a session that the person ended with ~., the
// same as ssh's.
const disconnected = 255

// Shell gives the person at the terminal a login shell and returns its exit
// status. The caller has put the local terminal into raw mode; see
// [LocalTerminal]. At a terminal, ~. at the start of a line ends the session
// with status 255, and ~~ is a tilde.
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
	if t.Type == "" || t.In == nil {
		return c.perform(ctx, s, cmd, s.Shell, t.Resized)
	}
	for _, name := range localeVariables {
		if v := c.cfg.Getenv(name); v != "" {
			// Not waiting for an answer: most servers take only some.
			_, _ = s.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{name, v}))
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd.Stdin = newEscapeReader(t.In, func() { cancel(errEscaped) })
	status, err := c.perform(ctx, s, cmd, s.Shell, t.Resized)
	if errors.Is(err, errEscaped) {
		return disconnected, nil
	}
	return status, err
}

var errEscaped = errors.New("the person ended the session")

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
	id := uuid.NewString()
	// Not waiting for an answer: a server that does not take it loses little.
	_, _ = s.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{runVariable, id}))
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
			if cause := context.Cause(ctx); errors.Is(cause, errEscaped) {
				s.Close()
				return 0, cause
			}
			c.endCommand(s, id, ended)
			return 0, context.Cause(ctx)
		}
	}
}

// endCommand makes a command end and does not wait for long.
func (c *Client) endCommand(s *ssh.Session, id string, ended <-chan error) {
	over := func(within time.Duration) bool {
		t := time.NewTimer(within)
		defer t.Stop()
		select {
		case <-ended:
			return true
		case <-c.gone:
			return true
		case <-t.C:
			return false
		}
	}
	signal := func(sig ssh.Signal) {
		// Sending may block where the connection does.
		go func() { _ = s.Signal(sig) }()
	}
	signal(ssh.SIGTERM)
	if over(signalGrace) {
		return
	}
	c.kill("TERM", id)
	if over(killGrace) {
		return
	}
	signal(ssh.SIGKILL)
	c.kill("KILL", id)
	over(signalGrace)
	s.Close()
}

// kill sends a signal to all processes of a command, by way of another
// session; Linux only.
func (c *Client) kill(sig, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), killTime)
	defer cancel()
	s, err := c.ssh.NewSession()
	if err != nil {
		return
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	body := fmt.Sprintf("for f in $(grep -l %s=%s /proc/[0-9]*/environ 2>/dev/null); do p=${f#/proc/}; kill -%s ${p%%/environ}; done", runVariable, id, sig)
	if err := s.Run(script(body)); err != nil {
		c.cfg.Report.Debug("kill -%s on %s: %v", sig, c.cfg.Addr(), err)
	}
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
