package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
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
	// noTTY says that the machine gives no terminal.
	noTTY atomic.Bool
	// booting says that cloud-init was at work when the machine was reached,
	// booted is its result where it had finished.
	booting bool
	booted  string
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

// Windows reports whether the machine's SSH server is that of Windows, whose
// shell is not a POSIX shell.
func (c *Client) Windows() bool {
	return strings.Contains(string(c.ssh.ServerVersion()), "Windows")
}

// Near reports whether the machine is on this host, as a guest of a local
// hypervisor is: it is connected to directly and has a loopback address.
// Compressing data sent to it is not worth while.
func (c *Client) Near() bool {
	addr, ok := c.ssh.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback() && c.route.via() == ""
}

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

// CommandLine returns the ssh command that does what c says, for people to
// copy: Galley itself does not run it. As Test Kitchen's, it looks into no
// known_hosts, since addresses of a cloud are used again and again.
func CommandLine(c Config) ([]string, error) {
	cfg, err := c.resolved()
	if err != nil {
		return nil, err
	}
	null := "/dev/null"
	if runtime.GOOS == "windows" {
		null = "NUL"
	}
	args := []string{
		"ssh",
		"-o", "UserKnownHostsFile=" + null,
		"-o", "StrictHostKeyChecking=no",
	}
	if cfg.OnlyKeys {
		args = append(args, "-o", "IdentitiesOnly=yes")
	}
	args = append(args, "-o", "LogLevel=ERROR")
	if cfg.ForwardAgent {
		args = append(args, "-o", "ForwardAgent=yes")
	}
	switch {
	case len(cfg.Gateways) > 0:
		jumps := make([]string, len(cfg.Gateways))
		for i, g := range cfg.Gateways {
			jumps[i] = g.User + "@" + net.JoinHostPort(g.Host, strconv.Itoa(g.Port))
		}
		args = append(args, "-J", strings.Join(jumps, ","))
	case cfg.ProxyCommand != "":
		args = append(args, "-o", "ProxyCommand="+cfg.ProxyCommand)
	case cfg.HTTPProxy != nil:
		// The user's own name and password stay out of it.
		args = append(args, "-o", fmt.Sprintf("ProxyCommand=nc -X connect -x %s %%h %%p",
			net.JoinHostPort(cfg.HTTPProxy.Host, strconv.Itoa(cfg.HTTPProxy.Port))))
	}
	for _, k := range cfg.Keys {
		args = append(args, "-i", k)
	}
	return append(args, "-p", strconv.Itoa(cfg.Port), cfg.User+"@"+cfg.Host), nil
}
