package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Client is an open connection to a machine. It is safe for concurrent use.
type Client struct {
	cfg   *Config
	ssh   *ssh.Client
	route *route
	slots chan struct{}

	// worked says that a session has been opened at least once.
	worked atomic.Bool
	// gone is closed when the connection has ended, for whatever reason.
	gone chan struct{}
	mu   sync.Mutex
	// cause is why the connection was ended by this side.
	cause   error
	closed  bool
	forward bool
	// traits of the machine, learnt on the way.
	noGzip, noTar bool
}

// Close ends the connection and everything that runs over it.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	err := c.ssh.Close()
	c.route.Close()
	<-c.gone
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Gone is closed when the connection has ended.
func (c *Client) Gone() <-chan struct{} { return c.gone }

// Alive asks the machine for a sign of life and says whether it came within
// the given time.
func (c *Client) Alive(ctx context.Context, within time.Duration) bool {
	done := make(chan error, 1)
	go func() {
		_, _, err := c.ssh.SendRequest(keepAliveRequest, true, nil)
		done <- err
	}()
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case err := <-done:
		return err == nil
	case <-c.gone:
		return false
	case <-t.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// Near says whether the machine is on this host, as a guest of a local
// hypervisor is: it has a loopback address, and answers faster than the far
// end of a tunnel could. What is sent to it is not worth compressing.
func (c *Client) Near(ctx context.Context) bool {
	addr, ok := c.ssh.RemoteAddr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() || c.route.via() != "" {
		return false
	}
	// One quick answer will do: a busy host may have kept the others waiting.
	for range 5 {
		if c.Alive(ctx, nearby) {
			return true
		}
	}
	return false
}

// nearby is how soon a machine on this host answers.
const nearby = 5 * time.Millisecond

const keepAliveRequest = "keepalive@openssh.com"

// keepAlive ends the connection when the machine has not answered for as long
// as max signs of life take.
func (c *Client) keepAlive(every time.Duration, most int) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	outstanding := 0
	for {
		select {
		case <-c.gone:
			return
		case <-answered:
			outstanding = 0
		case <-tick.C:
			if outstanding >= most {
				c.mu.Lock()
				c.cause = fmt.Errorf("no sign of life for %s", time.Duration(most)*every)
				c.mu.Unlock()
				c.ssh.Close()
				return
			}
			outstanding++
			if outstanding > 1 {
				// The first is still on its way: requests are answered in
				// order, so another one would tell nothing new.
				continue
			}
			go func() {
				if _, _, err := c.ssh.SendRequest(keepAliveRequest, true, nil); err == nil {
					answered <- struct{}{}
				}
			}()
		}
	}
}

// lost makes the error of a connection that ended in the middle of something.
func (c *Client) lost(during string, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		err = c.cause
	}
	return &LostError{Addr: c.cfg.Addr(), During: during, Err: err}
}

// session opens a session, waiting for its turn where too many are open.
func (c *Client) session(ctx context.Context) (s *ssh.Session, done func(), err error) {
	select {
	case c.slots <- struct{}{}:
	case <-c.gone:
		return nil, nil, c.lost("opening a session", io.EOF)
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	free := func() { <-c.slots }
	type result struct {
		s   *ssh.Session
		err error
	}
	got := make(chan result, 1)
	go func() {
		s, err := c.newSession(ctx)
		got <- result{s, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			free()
			var refused *ssh.OpenChannelError
			if errors.As(r.err, &refused) {
				return nil, nil, &SessionError{User: c.cfg.User, Addr: c.cfg.Addr(), Reason: "the machine refuses a session: " + reason(r.err), Err: r.err}
			}
			return nil, nil, c.lost("opening a session", r.err)
		}
		if c.cfg.ForwardAgent {
			if err := c.forwardAgent(r.s); err != nil {
				c.cfg.Report.Warn("the SSH agent is not forwarded to %s: %v", c.cfg.Addr(), err)
			}
		}
		return r.s, func() { r.s.Close(); free() }, nil
	case <-ctx.Done():
		go func() {
			if r := <-got; r.err == nil {
				r.s.Close()
			}
			free()
		}()
		return nil, nil, context.Cause(ctx)
	}
}

// newSession opens a session. A server counts a session a little longer than
// this side does (MaxSessions), so that one too many is tried again.
func (c *Client) newSession(ctx context.Context) (*ssh.Session, error) {
	for pause := 20 * time.Millisecond; ; pause *= 2 {
		s, err := c.ssh.NewSession()
		var refused *ssh.OpenChannelError
		if err == nil {
			c.worked.Store(true)
			return s, nil
		}
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

// forwardAgent lets s use the agent here.
func (c *Client) forwardAgent(s *ssh.Session) error {
	path := c.cfg.agentPath()
	if path == "" {
		return errors.New("no agent runs here")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.forward {
		chans := c.ssh.HandleChannelOpen("auth-agent@openssh.com")
		if chans == nil {
			return errors.New("the connection forwards agents already")
		}
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
						io.Copy(conn, ch)
						conn.Close()
					}()
					io.Copy(ch, conn)
				}()
			}
		}()
		c.forward = true
	}
	return agent.RequestAgentForwarding(s)
}
