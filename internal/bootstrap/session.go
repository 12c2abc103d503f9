package bootstrap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/text"
)

// session is one session channel. It takes the place of ssh.Session, which
// waits without a limit for the answer to a request and does not report an
// exit status before the channel has ended.
type session struct {
	ssh.Channel
	c *Client
	// exit receives how the command ended, at most once.
	exit chan exitStatus
	// ended is closed when the machine has closed the channel.
	ended chan struct{}
}

// exitStatus is the exit status of a command; one that a signal ended has 128
// and the signal's number, as in a shell.
type exitStatus int

// signalNumbers are those of POSIX systems (RFC 4254, section 6.10).
var signalNumbers = map[string]int{
	"ABRT": 6, "ALRM": 14, "FPE": 8, "HUP": 1, "ILL": 4, "INT": 2, "KILL": 9,
	"PIPE": 13, "QUIT": 3, "SEGV": 11, "TERM": 15, "USR1": 10, "USR2": 12,
}

// session opens a session, waiting for its turn where too many are open.
func (c *Client) session(ctx context.Context) (s *session, done func(), err error) {
	select {
	case c.slots <- struct{}{}:
	case <-c.gone:
		return nil, nil, c.lost("opening a session", io.EOF)
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	free := func() { <-c.slots }
	s, abandoned, err := answer(ctx, c, "a session", func() (*session, error) { return c.newSession(ctx) }, func(s *session, err error) {
		if err == nil {
			s.Close()
		}
		free()
	})
	switch {
	case errors.Is(err, errNoAnswer):
		return nil, nil, c.refused(fmt.Sprintf("the machine did not open a session within %s", c.cfg.SessionTimeout), err)
	case abandoned:
		return nil, nil, err
	case err != nil:
		free()
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) {
			return nil, nil, c.refused("the machine refuses a session: "+reason(err), err)
		}
		return nil, nil, c.lost("opening a session", err)
	}
	if c.cfg.ForwardAgent {
		if err := c.forwardAgent(s); err != nil {
			c.cfg.Report.Warn("the SSH agent is not forwarded to %s: %v", c.cfg.Addr(), err)
		}
	}
	return s, func() { s.Close(); free() }, nil
}

// newSession opens a session. A server counts a session a little longer than
// this side does (MaxSessions), so that one too many is tried again.
func (c *Client) newSession(ctx context.Context) (*session, error) {
	for pause := 20 * time.Millisecond; ; pause *= 2 {
		ch, reqs, err := c.ssh.OpenChannel("session", nil)
		if err == nil {
			c.worked.Store(true)
			s := &session{Channel: ch, c: c, exit: make(chan exitStatus, 1), ended: make(chan struct{})}
			go s.serve(reqs)
			return s, nil
		}
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || !c.worked.Load() || pause > time.Second {
			return nil, err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, err
		case <-c.gone:
			t.Stop()
			return nil, err
		}
	}
}

// serve handles the machine's requests until the channel ends.
func (s *session) serve(reqs <-chan *ssh.Request) {
	defer close(s.ended)
	tell := func(status exitStatus) {
		select {
		case s.exit <- status:
		default:
		}
	}
	for r := range reqs {
		switch r.Type {
		case "exit-status":
			if len(r.Payload) >= 4 {
				tell(exitStatus(binary.BigEndian.Uint32(r.Payload)))
			}
		case "exit-signal":
			var sig struct {
				Name string
				Core bool
				Msg  string
				Lang string
			}
			if ssh.Unmarshal(r.Payload, &sig) == nil {
				tell(exitStatus(128 + signalNumbers[sig.Name]))
			}
		default:
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}
}

var errNoAnswer = errors.New("no answer")

// answer calls ask, which cannot be interrupted, and returns its result. When
// SessionTimeout is over or ctx has ended, the answer is abandoned: late gets
// the result when it comes. The wait is reported until then.
func answer[T any](ctx context.Context, c *Client, what string, ask func() (T, error), late func(T, error)) (v T, abandoned bool, err error) {
	type result struct {
		v   T
		err error
	}
	got := make(chan result, 1)
	go func() {
		v, err := ask()
		got <- result{v, err}
	}()
	timer := time.NewTimer(c.cfg.SessionTimeout)
	defer timer.Stop()
	defer c.notice(what+" on "+c.cfg.Addr(), "the machine is connected but does not answer")()
	select {
	case r := <-got:
		return r.v, false, r.err
	case <-timer.C:
		err = errNoAnswer
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	go func() {
		r := <-got
		late(r.v, r.err)
	}()
	return v, true, err
}

// notice reports a wait every second until stop. What ends within the first is
// not worth a word.
func (c *Client) notice(what, detail string) (stop func()) {
	return retry.Every(time.Second, func(since time.Time) { c.cfg.Report.Waiting(what, detail, since) })
}

// request sends a request and returns whether the machine grants it. what
// names the request's purpose in a notice, as "a terminal".
func (s *session) request(ctx context.Context, what, name string, payload any) (bool, error) {
	var data []byte
	if payload != nil {
		data = ssh.Marshal(payload)
	}
	ok, abandoned, err := answer(ctx, s.c, what, func() (bool, error) { return s.SendRequest(name, true, data) }, func(bool, error) {})
	if abandoned {
		s.Close() // The pending request ends with the channel.
	}
	return ok, err
}

// setenv gives the command a variable, where the server accepts it. Nothing
// waits for the answer: most servers accept only some.
func (s *session) setenv(name, value string) {
	_, _ = s.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{name, value}))
}

// terminal asks for a pseudo terminal.
func (s *session) terminal(ctx context.Context, term string, width, height int, modes ssh.TerminalModes) (bool, error) {
	var list []byte
	for op, arg := range modes {
		list = append(list, op)
		list = binary.BigEndian.AppendUint32(list, arg)
	}
	const endOfModes = 0
	list = append(list, endOfModes)
	return s.request(ctx, "a terminal", "pty-req", struct {
		Term                            string
		Columns, Rows, PixelsW, PixelsH uint32
		Modes                           string
	}{term, uint32(width), uint32(height), uint32(width * 8), uint32(height * 8), string(list)}) //nolint:gosec // sizes of a terminal
}

// resize reports a new size of the terminal.
func (s *session) resize(width, height int) error {
	_, err := s.SendRequest("window-change", false, ssh.Marshal(struct{ Columns, Rows, PixelsW, PixelsH uint32 }{
		uint32(width), uint32(height), uint32(width * 8), uint32(height * 8), //nolint:gosec // sizes of a terminal
	}))
	return err
}

// signal sends the command a signal, by its name without SIG.
func (s *session) signal(name ssh.Signal) error {
	_, err := s.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{string(name)}))
	return err
}

// forwardAgent lets the session use the agent of this computer.
func (c *Client) forwardAgent(s *session) error {
	path := c.cfg.agentPath()
	if path == "" {
		return errors.New("no agent is running on this computer")
	}
	if err := c.serveAgent(path); err != nil {
		return err
	}
	// Not waiting for the answer: it would cost a round trip for each command.
	_, err := s.SendRequest("auth-agent-req@openssh.com", false, nil)
	return err
}

// serveAgent connects the machine's agent channels to the agent at path.
func (c *Client) serveAgent(path string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forward {
		return nil
	}
	chans := c.ssh.HandleChannelOpen("auth-agent@openssh.com")
	if chans == nil {
		return errors.New("the connection forwards agents already")
	}
	c.forward = true
	go func() {
		for nc := range chans {
			ch, reqs, err := nc.Accept()
			if err != nil {
				continue
			}
			go ssh.DiscardRequests(reqs)
			go func() {
				defer ch.Close()
				conn, err := dialAgent(context.Background(), path)
				if err != nil {
					c.cfg.Report.Debug("the SSH agent at %s does not answer: %v", path, err)
					return
				}
				defer conn.Close()
				go func() {
					_, _ = io.Copy(conn, ch)
					conn.Close()
				}()
				_, _ = io.Copy(ch, conn)
			}()
		}
	}()
	return nil
}

// refused makes the error of a command that could not be started.
func (c *Client) refused(what string, err error) error {
	select {
	case <-c.gone:
		return c.lost("starting a command", err)
	default:
	}
	return &SessionError{User: c.cfg.User, Addr: c.cfg.Addr(), Reason: text.CleanLine(what), Err: err}
}
