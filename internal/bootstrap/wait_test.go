package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"golang.org/x/crypto/ssh"
)

type waited struct {
	client *bootstrap.Client
	err    error
	at     time.Time
}

// startWait begins a wait; its end is on the channel.
func startWait(ctx context.Context, t *testing.T, c bootstrap.Config, o bootstrap.WaitOptions) <-chan waited {
	t.Helper()
	done := make(chan waited, 1)
	go func() {
		client, err := bootstrap.Wait(ctx, c, o)
		done <- waited{client, err, time.Now()}
	}()
	return done
}

// TestWaitNotices measures from the event to the end of the wait. The bound is
// loose, since the machine that tests may be busy; the usual figures are in
// the log.
func TestWaitNotices(t *testing.T) {
	const bound = 20 * time.Second
	t.Run("a port that opens", func(t *testing.T) {
		key, priv := sshtest.Key(t)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().(*net.TCPAddr)
		ln.Close()
		n := newNotes()
		c := bootstrap.Config{
			Hop:   bootstrap.Hop{Host: "127.0.0.1", Port: addr.Port, User: "u", Keys: []string{writeKey(t, priv, "")}, OnlyKeys: true},
			Agent: "none", Home: t.TempDir(), Report: n,
		}
		done := startWait(t.Context(), t, c, bootstrap.WaitOptions{})
		n.await(t, "waiting", "SSH service on "+addr.String()+" (connection refused)")
		ln, err = net.Listen("tcp", addr.String())
		if err != nil {
			t.Skipf("the port was taken by another: %v", err)
		}
		sshtest.Start(t, sshtest.Options{Listener: ln, Keys: []ssh.PublicKey{key.PublicKey()}})
		opened := time.Now()
		w := <-done
		if w.err != nil {
			t.Fatal(w.err)
		}
		defer w.client.Close()
		run(t, w.client, "true")
		if d := w.at.Sub(opened); d > bound {
			t.Errorf("noticed after %s", d)
		} else {
			t.Logf("noticed after %s", d)
		}
	})

	t.Run("an address that starts to answer", func(t *testing.T) {
		srv, c := fixture(t, sshtest.Options{})
		n := newNotes()
		c.Report = n
		var up atomic.Bool
		var dials atomic.Int64
		enough := make(chan struct{})
		c.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) == 8 {
				close(enough)
			}
			if !up.Load() {
				// A packet that is dropped: this very attempt never comes
				// to anything, whatever happens later.
				<-ctx.Done()
				return nil, ctx.Err()
			}
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		}
		done := startWait(t.Context(), t, c, bootstrap.WaitOptions{})
		n.await(t, "waiting", "no answer yet")
		<-enough
		up.Store(true)
		opened := time.Now()
		w := <-done
		if w.err != nil {
			t.Fatal(w.err)
		}
		defer w.client.Close()
		if d := w.at.Sub(opened); d > bound {
			t.Errorf("noticed after %s", d)
		} else {
			t.Logf("noticed after %s, %d dials", d, dials.Load())
		}
		if l := srv.Logins.Load(); l != 1 {
			t.Errorf("%d logins", l)
		}
	})
}

// flaky turns connections away, by what turn does with them, until open is
// called.
type flaky struct {
	net.Listener
	closed atomic.Bool
	turned atomic.Int64
	turn   func(net.Conn)
}

func (f *flaky) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil || f.closed.Load() {
			return c, err
		}
		f.turned.Add(1)
		f.turn(c)
	}
}

func newFlaky(t *testing.T, turn func(net.Conn)) *flaky {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &flaky{Listener: ln, turn: turn}
}

func TestWaitOutlivesTrouble(t *testing.T) {
	var held []net.Conn
	var mu sync.Mutex
	for name, c := range map[string]struct {
		turn func(net.Conn)
		seen string
	}{
		"a server that hangs up": {func(c net.Conn) { c.Close() }, "closed before"},
		"a reset": {func(c net.Conn) {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, "connection"},
		"a proxy that speaks HTTP": {func(c net.Conn) {
			_, _ = c.Write([]byte("HTTP/1.0 503 wait\r\n\r\n"))
			c.Close()
		}, "HTTP/1.0 503 wait"},
		"a server that penalises": {func(c net.Conn) {
			_, _ = c.Write([]byte("Not allowed at this time\r\n"))
			c.Close()
		}, "turns connections away for a while"},
		"silence": {func(c net.Conn) {
			mu.Lock()
			defer mu.Unlock()
			held = append(held, c)
		}, "the port answers, handshake under way"},
	} {
		t.Run(name, func(t *testing.T) {
			ln := newFlaky(t, c.turn)
			_, cfg := fixture(t, sshtest.Options{Listener: ln})
			n := newNotes()
			cfg.Report = n
			done := startWait(t.Context(), t, cfg, bootstrap.WaitOptions{})
			n.await(t, "waiting", c.seen)
			ln.closed.Store(true)
			w := <-done
			if w.err != nil {
				t.Fatal(w.err)
			}
			w.client.Close()
		})
	}
	for _, c := range held {
		c.Close()
	}
}

func TestWaitForTheKey(t *testing.T) {
	var in atomic.Bool
	var tries atomic.Int64
	_, cfg := fixture(t, sshtest.Options{Allow: func(string, string) error {
		tries.Add(1)
		if !in.Load() {
			return errors.New("not yet")
		}
		return nil
	}})
	n := newNotes()
	cfg.Report = n
	done := startWait(t.Context(), t, cfg, bootstrap.WaitOptions{})
	n.await(t, "waiting", `login as "tester" refused so far`)
	in.Store(true)
	w := <-done
	if w.err != nil {
		t.Fatal(w.err)
	}
	w.client.Close()
}

func TestWaitGivesUpOnTheLogin(t *testing.T) {
	srv, cfg := fixture(t, sshtest.Options{User: "ubuntu", Banner: "keep out\x1b[2J"})
	begin := time.Now()
	_, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Grace: 300 * time.Millisecond})
	var auth *bootstrap.AuthError
	if !errors.As(err, &auth) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{`as user "tester"`, srv.Addr, "ssh-ed25519", "publickey", "keep out"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in: %v", part, err)
		}
	}
	if !strings.Contains(auth.Hint(), "ubuntu") {
		t.Errorf("hint: %s", auth.Hint())
	}
	if auth.Waited == 0 || time.Since(begin) > 30*time.Second {
		t.Errorf("waited %s", auth.Waited)
	}
	if n := srv.Conns.Load(); n > 6 {
		t.Errorf("%d connections in 300 ms would lock us out", n)
	}

	cfg.Report = newNotes()
	before := srv.Conns.Load()
	if _, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Grace: -1}); !errors.As(err, &auth) {
		t.Errorf("without grace: %v", err)
	}
	if n := srv.Conns.Load() - before; n != 1 {
		t.Errorf("%d connections without any grace", n)
	}
}

func TestWaitWhileBooting(t *testing.T) {
	// pam_nologin says so in a banner; the grace must not run meanwhile.
	var up atomic.Bool
	_, cfg := fixture(t, sshtest.Options{
		Banner: "\"System is booting up. Unprivileged users are not permitted to log in yet.\"",
		Allow: func(string, string) error {
			if !up.Load() {
				return errors.New("nologin")
			}
			return nil
		},
	})
	n := newNotes()
	cfg.Report = n
	done := startWait(t.Context(), t, cfg, bootstrap.WaitOptions{Grace: -1})
	n.await(t, "waiting", "the machine is booting")
	up.Store(true)
	w := <-done
	if w.err != nil {
		t.Fatal(w.err)
	}
	w.client.Close()
}

func TestWaitForASession(t *testing.T) {
	t.Run("another user is asked for", func(t *testing.T) {
		_, cfg := fixture(t, sshtest.Options{Exec: func(line string, ch ssh.Channel) (int, bool) {
			fmt.Fprintf(ch, "Please login as the user \"debian\" rather than the user \"root\".\n\n")
			// The real one sleeps; so does this one, until it is left.
			_, _ = ch.Read(make([]byte, 1))
			_, _ = ch.Read(make([]byte, 1))
			return 142, true
		}})
		_, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{})
		var auth *bootstrap.AuthError
		if !errors.As(err, &auth) || auth.Suggest != "debian" || !strings.Contains(auth.Hint(), "log in as debian") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no shell", func(t *testing.T) {
		_, cfg := fixture(t, sshtest.Options{Exec: func(line string, ch ssh.Channel) (int, bool) {
			fmt.Fprintln(ch, "This account is currently not available.")
			return 1, true
		}})
		_, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Grace: time.Millisecond})
		var s *bootstrap.SessionError
		if !errors.As(err, &s) || !strings.Contains(err.Error(), "not available") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a noisy shell", func(t *testing.T) {
		_, cfg := fixture(t, sshtest.Options{Exec: func(line string, ch ssh.Channel) (int, bool) {
			fmt.Fprintf(ch, "Welcome!\n%s\n", strings.TrimPrefix(line, "echo "))
			return 1, true
		}})
		c, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
	t.Run("sessions come later", func(t *testing.T) {
		var n atomic.Int64
		_, cfg := fixture(t, sshtest.Options{Exec: func(line string, ch ssh.Channel) (int, bool) {
			if n.Add(1) < 3 {
				fmt.Fprintln(ch.Stderr(), "System is booting up.")
				return 1, true
			}
			return 0, false
		}})
		c, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Grace: -1})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestWaitEnds(t *testing.T) {
	c := bootstrap.Config{
		Hop:   bootstrap.Hop{Host: "127.0.0.1", Port: closedPort(t), User: "u", Password: "p"},
		Agent: "none", Home: t.TempDir(),
	}
	// In a test bubble time passes only when nothing else is left to do.
	t.Run("at its deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := c
			c.Dialer = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			_, err := bootstrap.Wait(t.Context(), c, bootstrap.WaitOptions{Timeout: time.Minute})
			var un *bootstrap.UnreachableError
			if !errors.As(err, &un) || un.Reason != "connection refused" || un.Waited != time.Minute || !strings.Contains(err.Error(), "after trying for") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("at its deadline in silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := c
			c.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			_, err := bootstrap.Wait(t.Context(), c, bootstrap.WaitOptions{Timeout: time.Minute})
			var un *bootstrap.UnreachableError
			if !errors.As(err, &un) || un.Reason != "no answer" || !strings.Contains(un.Hint(), "security group") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("when it is cancelled", func(t *testing.T) {
		why := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		n := newNotes()
		c := c
		c.Report = n
		done := startWait(ctx, t, c, bootstrap.WaitOptions{})
		n.await(t, "waiting", "refused")
		cancel(why)
		if w := <-done; !errors.Is(w.err, why) {
			t.Errorf("got %v", w.err)
		}
	})
}

// TestWaitBehindAGatewayInSilence keeps the connection to a gateway whose
// target does not answer.
func TestWaitBehindAGatewayInSilence(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	gw := sshtest.Start(t, sshtest.Options{Password: "p", Forward: func() bool {
		select {
		case asked <- struct{}{}:
		case <-ctx.Done():
		}
		return false
	}})
	done := startWait(ctx, t, bootstrap.Config{
		Hop: bootstrap.Hop{Host: "192.0.2.1", Port: 22, User: "u", Password: "p"}, Agent: "none", Home: t.TempDir(),
		Gateways:       []bootstrap.Hop{{Host: gw.Host, Port: gw.Port, User: "u", Password: "p"}},
		ConnectTimeout: 5 * time.Second,
	}, bootstrap.WaitOptions{})
	for range 30 { // more than are under way at once
		<-asked
	}
	cancel()
	if w := <-done; !errors.Is(w.err, context.Canceled) {
		t.Error(w.err)
	}
	if l := gw.Logins.Load(); l != 1 {
		t.Errorf("%d logins at the gateway, want one", l)
	}
}

func TestWaitThroughAGateway(t *testing.T) {
	gw := sshtest.Start(t, sshtest.Options{Password: "p"})
	ln := newFlaky(t, func(c net.Conn) { c.Close() })
	_, cfg := fixture(t, sshtest.Options{Listener: ln})
	n := newNotes()
	cfg.Report = n
	cfg.Gateways = []bootstrap.Hop{{Host: gw.Host, Port: gw.Port, User: "u", Password: "p"}}
	done := startWait(t.Context(), t, cfg, bootstrap.WaitOptions{})
	n.await(t, "waiting", "closed before")
	gw.DropAll()
	for ln.turned.Load() < 5 {
		n.await(t, "waiting", "")
	}
	ln.closed.Store(true)
	w := <-done
	if w.err != nil {
		t.Fatal(w.err)
	}
	if l := gw.Logins.Load(); l != 2 {
		t.Errorf("%d logins at the gateway, want one and one after the cut", l)
	}
	run(t, w.client, "true")
	w.client.Close()
}
