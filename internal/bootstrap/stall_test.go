package bootstrap_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

// A machine that answers signs of life and nothing else must not hold up a
// command for ever.
func TestMachinesThatStall(t *testing.T) {
	for name, c := range map[string]struct {
		stall   sshtest.Stall
		tty     bool
		waiting string // what the notice says
		failure string // "" where the command's status is known
	}{
		"a command that is never started":       {sshtest.StallStart, false, "the command to start", "did not start the command within 2s"},
		"a terminal that is never given":        {sshtest.StallTTY, true, "a terminal", "did not start the command within 2s"},
		"a status without the session's end":    {sshtest.StallEnd, false, "the output of the command", ""},
		"an end of the output without a status": {sshtest.StallStatus, false, "to end", "no exit status within 2s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, cfg := fixture(t, sshtest.Options{Stall: c.stall})
			cfg.SessionTimeout = 2 * time.Second
			n := newNotes()
			cfg.Report = n
			client := dial(t, cfg)
			var out strings.Builder
			status, err := client.Run(t.Context(), bootstrap.Command{Line: posix.Script("echo out; exit 3"), Stdout: &out, TTY: c.tty})
			switch {
			case c.failure == "":
				if err != nil || status != 3 || out.String() != "out\n" {
					t.Errorf("%d, %v, %q", status, err, &out)
				}
			case err == nil || !strings.Contains(err.Error(), c.failure):
				t.Errorf("status %d, %v", status, err)
			}
			if !n.has("waiting", c.waiting) {
				t.Errorf("reported:\n%s", n)
			}
		})
	}
}

func TestStalledStartCanBeInterrupted(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{Stall: sshtest.StallStart})
	n := newNotes()
	cfg.Report = n
	client := dial(t, cfg)
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := client.Run(ctx, bootstrap.Command{Line: "true"})
		done <- err
	}()
	n.await(t, "waiting", "the command to start")
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// A process in the background that keeps the output open does not hold up the
// command that started it.
func TestOutputKeptOpen(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{Stall: sshtest.StallEnd, Exec: nil})
	client := dial(t, cfg)
	begin := time.Now()
	if _, status := run(t, client, "exit 4"); status != 4 {
		t.Errorf("status %d", status)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestNoTerminalToBeHad(t *testing.T) {
	srv, cfg := fixture(t, sshtest.Options{NoTTY: true})
	client := dial(t, cfg)
	for range 2 {
		var out strings.Builder
		status, err := client.Run(t.Context(), bootstrap.Command{Line: "tty; echo ran", Stdout: &out, TTY: true})
		if err != nil || status != 0 || !strings.HasSuffix(out.String(), "ran\n") {
			t.Errorf("%d, %v, %q", status, err, &out)
		}
	}
	if n := len(srv.Sizes()); n != 0 {
		t.Errorf("%d terminals were given", n)
	}
	var out, errs strings.Builder
	status, err := client.Shell(t.Context(), bootstrap.Terminal{In: strings.NewReader("echo in; exit 5\n"), Out: &out, Err: &errs, Type: "xterm"})
	if err != nil || status != 5 || !strings.Contains(out.String(), "in") {
		t.Errorf("%d, %v, %q", status, err, &out)
	}
	if !cfg.Report.(*notes).has("warn", "gives no terminal") { //nolint:errcheck // set by fixture
		t.Error("nothing was said")
	}
}

func TestWaitGivesUpAtOnce(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{})
	for name, c := range map[string]struct {
		change func(*bootstrap.Config)
		says   string
		hint   string
	}{
		"a proxy command that does not exist": {
			func(c *bootstrap.Config) { c.ProxyCommand = "galley-has-no-such-command %h" },
			"galley-has-no-such-command", "ssh_proxy_command",
		},
		"a proxy command that is refused": {
			func(c *bootstrap.Config) {
				c.ProxyCommand = "sh -c 'echo Permission denied \\(publickey\\). >&2; exit 255'"
			},
			"Permission denied", "ssh_proxy_command",
		},
		"an unknown gateway": {
			func(c *bootstrap.Config) {
				c.Gateways = []bootstrap.Hop{{Host: "gateway.invalid"}}
				c.Dialer = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.DNSError{Err: "no such host", Name: "gateway.invalid", IsNotFound: true}
				}
			},
			"the gateway: cannot reach SSH on gateway.invalid:22", "ssh_gateway",
		},
		"a gateway that refuses the login": {
			func(c *bootstrap.Config) {
				gw := sshtest.Start(t, sshtest.Options{Password: "another"})
				c.Gateways = []bootstrap.Hop{{Host: gw.Host, Port: gw.Port, User: "jump"}}
			},
			`cannot log in to`, "ssh_gateway_username",
		},
		"an HTTP proxy that wants a login": {
			func(c *bootstrap.Config) { c.HTTPProxy = httpProxyAnswering(t, "407 Proxy Authentication Required") },
			"wants a login (407", "ssh_http_proxy",
		},
		"an HTTP proxy that forbids it": {
			func(c *bootstrap.Config) { c.HTTPProxy = httpProxyAnswering(t, "403 Forbidden") },
			"403", "ssh_http_proxy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := cfg
			c.change(&changed)
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			_, err := bootstrap.Wait(ctx, changed, bootstrap.WaitOptions{})
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v", err)
			}
			var h interface{ Hint() string }
			if !errors.As(err, &h) || !strings.Contains(h.Hint(), c.hint) {
				t.Errorf("the hint of %v does not name %s", err, c.hint)
			}
		})
	}
}
