package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/kitchen"
)

// Command is one command line for a machine's shell. With TTY, a machine that
// gives no pseudo terminal (PermitTTY no) runs the command without one.
type Command = kitchen.Command

// Terminal is the user's end of an interactive session.
type Terminal = kitchen.Terminal

// How long a command may take to end after it was told to: by a signal of the
// protocol, by kill on the machine, and how long that kill may take.
const (
	signalGrace = 500 * time.Millisecond
	killGrace   = 3 * time.Second
	killTime    = 5 * time.Second
)

const (
	// lingerTime is how long the output of a command that has ended may be
	// silent before nobody waits for it any longer for: a process in the background
	// may keep it open for ever.
	lingerTime = 2 * time.Second
	// maxLinger bounds, in bytes, what such a process may still write.
	maxLinger = 8 << 20
)

// Run runs a command and returns its exit status; one that a signal ended has
// 128 and the signal's number, as in a shell. A non-zero status is not an
// error: err is a [LostError] where the end of the command was not seen, or a
// [SessionError] where it could not be started. When ctx ends, the command and
// the processes it has started are sent SIGTERM and, if they do not heed that
// within two seconds, SIGKILL; Run then returns the context's cause. Run does
// not wait for a Read of Stdin under way when the command ends.
//
// The login shell has LC_GALLEY in its environment, by which its processes are
// found where the server does not hand on signals (sshd does not for root).
func (c *Client) Run(ctx context.Context, cmd Command) (int, error) {
	s, done, err := c.session(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	if cmd.TTY && !c.noTTY.Load() {
		ok, err := s.terminal(ctx, "xterm", 80, 24, ssh.TerminalModes{ssh.ECHO: 0})
		if err != nil {
			return 0, c.unstarted(ctx, err)
		}
		if !ok {
			c.noTTY.Store(true)
			c.cfg.Report.Debug("%s gives no terminal: commands are run without one", c.cfg.Addr())
		}
	}
	return c.perform(ctx, s, cmd, nil)
}

// localeVariables are set for commands and shells, where the server accepts
// them, as ssh does on most systems (SendEnv).
var localeVariables = []string{
	"LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_COLLATE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME", "COLORTERM",
}

// disconnected is the status of a session that the user ended with ~., the
// same as ssh's.
const disconnected = 255

// Shell gives the user at the terminal a login shell and returns its exit
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
		ok, err := s.terminal(ctx, t.Type, w, h, ssh.TerminalModes{
			ssh.ECHO: 1, ssh.IUTF8: 1, ssh.TTY_OP_ISPEED: 38400, ssh.TTY_OP_OSPEED: 38400,
		})
		if err != nil {
			return 0, c.unstarted(ctx, err)
		}
		if !ok {
			c.cfg.Report.Warn("%s gives no terminal: the shell shows no prompt", c.cfg.Addr())
		}
	}
	cmd := Command{Stdin: t.In, Stdout: t.Out, Stderr: t.Err}
	if t.Type == "" || t.In == nil {
		return c.perform(ctx, s, cmd, &t)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd.Stdin = newEscapeReader(t.In, func() { cancel(errEscaped) })
	status, err := c.perform(ctx, s, cmd, &t)
	if errors.Is(err, errEscaped) {
		return disconnected, nil
	}
	return status, err
}

var errEscaped = errors.New("the user ended the session")

// unstarted makes the error of a request that was not answered.
func (c *Client) unstarted(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errNoAnswer):
		return c.refused(fmt.Sprintf("the machine answers, but did not start the command within %s", c.cfg.SessionTimeout), err)
	}
	return c.refused("the machine does not start the command", err)
}

// perform starts a command or, for a terminal, a login shell in s and sees it
// to its end.
func (c *Client) perform(ctx context.Context, s *session, cmd Command, shell *Terminal) (int, error) {
	for _, name := range localeVariables {
		if v := c.cfg.Getenv(name); v != "" && (c.cfg.Locale || shell != nil) {
			s.setenv(name, v)
		}
	}
	id := uuid.NewString()
	s.setenv(posix.RunVariable, id)
	var ok bool
	var err error
	if shell != nil {
		ok, err = s.request(ctx, "the login shell to start", "shell", nil)
	} else {
		ok, err = s.request(ctx, "the command to start", "exec", struct{ Line string }{cmd.Line})
	}
	if err == nil && !ok {
		err = errors.New("the server refuses the request")
	}
	if err != nil {
		return 0, c.unstarted(ctx, err)
	}
	if cmd.Stdin != nil {
		go func() {
			if _, err := io.Copy(s, cmd.Stdin); err != nil && !errors.Is(err, io.EOF) {
				c.cfg.Report.Debug("the input of the command ended: %v", err)
			}
			_ = s.CloseWrite()
		}()
	} else {
		_ = s.CloseWrite()
	}
	out, errs := &writer{w: cmd.Stdout}, &writer{w: cmd.Stderr}
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = io.Copy(out, s) })
	copying.Go(func() { _, _ = io.Copy(errs, s.Stderr()) })
	drained := make(chan struct{})
	go func() { copying.Wait(); close(drained) }()

	var resized <-chan [2]int
	if shell != nil {
		resized = shell.Resized
	}
	for {
		select {
		case status := <-s.exit:
			return c.drain(s, out, errs, drained, int(status))
		case <-drained:
			return c.finish(ctx, s, id, out, errs, shell == nil && posix.IsScript(cmd.Line))
		case size, ok := <-resized:
			if !ok {
				resized = nil
				continue
			}
			if err := s.resize(size[0], size[1]); err != nil {
				c.cfg.Report.Debug("the new size of the terminal cannot be reported: %v", err)
			}
		case <-ctx.Done():
			return 0, c.interrupted(ctx, s, id)
		}
	}
}

// interrupted ends a command whose context has ended and returns the cause.
func (c *Client) interrupted(ctx context.Context, s *session, id string) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errEscaped) {
		s.Close()
		return cause
	}
	c.endCommand(s, id)
	return cause
}

// drain waits for the rest of the output of a command that has ended. A
// process in the background that keeps the output open is left alone.
func (c *Client) drain(s *session, out, errs *writer, drained <-chan struct{}, status int) (int, error) {
	start, at := time.Now(), out.count.Load()+errs.count.Load()
	last, since := at, start
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-drained:
			return status, errors.Join(out.failure(), errs.failure())
		case <-c.gone:
			return status, errors.Join(out.failure(), errs.failure())
		case now := <-tick.C:
			n := out.count.Load() + errs.count.Load()
			if n != last {
				last, since = n, now
			}
			if now.Sub(since) > lingerTime || n-at > maxLinger {
				c.cfg.Report.Debug("the command on %s has ended, but something that it started keeps its output open: no longer waiting for that", c.cfg.Addr())
				out.stop()
				errs.stop()
				s.Close()
				return status, errors.Join(out.failure(), errs.failure())
			}
			if now.Sub(start) > time.Second {
				c.cfg.Report.Waiting("the output of the command on "+c.cfg.Addr()+" to end", "the command itself has ended", start)
			}
		}
	}
}

// finish waits for the exit status after the output has ended. A command may
// close its output and go on; a script cannot, since the shell around it keeps
// the output open, so that its status is due.
func (c *Client) finish(ctx context.Context, s *session, id string, out, errs *writer, due bool) (int, error) {
	fail := func(err error) (int, error) {
		if w := errors.Join(out.failure(), errs.failure()); w != nil {
			return 0, w
		}
		return 0, c.lost("running a command", err)
	}
	// The status comes before the end of the channel, but select does not know.
	late := make(<-chan time.Time)
	if due {
		t := time.NewTimer(c.cfg.SessionTimeout)
		defer t.Stop()
		late = t.C
	}
	defer c.notice("the command on "+c.cfg.Addr()+" to end", "its output has ended")()
	select {
	case status := <-s.exit:
		return int(status), errors.Join(out.failure(), errs.failure())
	case <-s.ended:
		select {
		case status := <-s.exit:
			return int(status), errors.Join(out.failure(), errs.failure())
		default:
		}
		select {
		case <-c.gone:
			return fail(io.EOF)
		case <-time.After(100 * time.Millisecond):
			// The session alone ended.
			return fail(errors.New("the machine ended the session without an exit status"))
		}
	case <-late:
		s.Close()
		return fail(fmt.Errorf("the machine sent no exit status within %s after the end of the output", c.cfg.SessionTimeout))
	case <-ctx.Done():
		return 0, c.interrupted(ctx, s, id)
	}
}

// endCommand ends a command and does not wait for long.
func (c *Client) endCommand(s *session, id string) {
	over := func(within time.Duration) bool {
		t := time.NewTimer(within)
		defer t.Stop()
		select {
		case <-s.ended:
			return true
		case <-c.gone:
			return true
		case <-t.C:
			return false
		}
	}
	signal := func(sig ssh.Signal) {
		// Sending may block where the connection does.
		go func() { _ = s.signal(sig) }()
	}
	defer s.Close()
	signal(ssh.SIGTERM)
	if over(signalGrace) {
		return
	}
	go c.kill(id)
	if over(killGrace) {
		return
	}
	signal(ssh.SIGKILL)
	over(signalGrace)
}

// killCode ends the processes of a command and those they have started: by
// SIGTERM, and the stubborn ones after a second by SIGKILL; Linux only.
const killCode = posix.Processes + `galley_list=
for galley_f in $(grep -l %s=%s /proc/[0-9]*/environ 2>/dev/null); do
galley_p=${galley_f#/proc/}
galley_list="$galley_list $(galley_tree "${galley_p%%/environ}")"
done
[ -n "$galley_list" ] || exit 0
kill -TERM $galley_list 2>/dev/null
sleep 1
kill -STOP $galley_list $(galley_tree $galley_list) 2>/dev/null
kill -KILL $galley_list $(galley_tree $galley_list) 2>/dev/null
exit 0`

// kill ends all processes of a command, by way of another session.
func (c *Client) kill(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), killTime)
	defer cancel()
	s, err := c.newSession(ctx)
	if err != nil {
		return
	}
	defer s.Close()
	line := posix.Script(fmt.Sprintf(killCode, posix.RunVariable, id))
	if ok, err := s.request(ctx, "the command to be ended", "exec", struct{ Line string }{line}); err != nil || !ok {
		c.cfg.Report.Debug("ending a command on %s: %v", c.cfg.Addr(), err)
		return
	}
	_ = s.CloseWrite()
	select {
	case <-s.exit:
	case <-s.ended:
	case <-c.gone:
	case <-ctx.Done():
	}
}

// writer passes on to w and remembers its failure, after which everything is
// discarded: the session must not hang on a full local disk.
type writer struct {
	w     io.Writer
	count atomic.Int64
	mu    sync.Mutex
	over  bool
	err   error
}

func (w *writer) Write(p []byte) (int, error) {
	w.count.Add(int64(len(p)))
	if w.w == nil {
		return len(p), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.over {
		return len(p), nil
	}
	if _, err := w.w.Write(p); err != nil {
		w.err = err
	}
	return len(p), nil
}

// stop discards later data, so that w is not written to any more.
func (w *writer) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}

func (w *writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// escapeReader looks for ssh's escape at the start of a line: ~. ends the
// session, ~~ is a tilde. Everything else passes.
type escapeReader struct {
	r io.Reader
	// end is called at ~.
	end func()

	start   bool
	pending bool
	// left is what the caller has not read yet, err what comes after it.
	left []byte
	err  error
}

func newEscapeReader(r io.Reader, end func()) *escapeReader {
	return &escapeReader{r: r, end: end, start: true}
}

func (e *escapeReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(e.left) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		var n int
		n, e.err = e.r.Read(p)
		for _, c := range p[:n] {
			switch {
			case e.pending && c == '.':
				e.end()
				e.err = io.EOF
				return 0, e.err
			case e.pending && c == '~':
				e.left = append(e.left, c)
			case e.pending:
				e.left = append(e.left, '~', c)
			case e.start && c == '~':
				e.pending = true
				continue
			default:
				e.left = append(e.left, c)
			}
			e.pending, e.start = false, c == '\r' || c == '\n'
		}
	}
	n := copy(p, e.left)
	e.left = e.left[n:]
	return n, nil
}
