package bootstrap

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// route reaches the address that is meant: directly, through a proxy, or
// through gateways whose connections it keeps for the attempts that follow.
type route struct {
	cfg *Config

	mu     sync.Mutex
	hops   []*ssh.Client
	closed bool
}

func newRoute(cfg *Config) *route { return &route{cfg: cfg} }

// via names the way for messages, "" for the direct one.
func (r *route) via() string { return r.viaTo(len(r.cfg.Gateways)) }

// viaTo names the way to the n-th machine.
func (r *route) viaTo(n int) string {
	if n > 0 {
		names := make([]string, n)
		for i := range names {
			names[i] = r.cfg.Gateways[i].Host
		}
		return "gateway " + strings.Join(names, ", ")
	}
	switch {
	case r.cfg.HTTPProxy != nil:
		return "HTTP proxy " + net.JoinHostPort(r.cfg.HTTPProxy.Host, strconv.Itoa(r.cfg.HTTPProxy.Port))
	case r.cfg.ProxyCommand != "":
		return "the proxy command"
	}
	return ""
}

// shared says that attempts share a gateway's connection.
func (r *route) shared() bool { return len(r.cfg.Gateways) > 0 }

// dial opens a connection to the machine's SSH port. Errors are of this
// package's types.
func (r *route) dial(ctx context.Context) (net.Conn, error) {
	last, err := r.gateway(ctx)
	if err != nil {
		return nil, err
	}
	if last == nil {
		return r.first(ctx, &r.cfg.Hop)
	}
	return r.through(ctx, last, &r.cfg.Hop, r.via())
}

// through opens a connection from a gateway on.
func (r *route) through(ctx context.Context, from *ssh.Client, to *Hop, via string) (net.Conn, error) {
	conn, err := from.DialContext(ctx, "tcp", to.Addr())
	if err == nil {
		return conn, nil
	}
	var refused *ssh.OpenChannelError
	if ctx.Err() == nil && !errors.As(err, &refused) {
		// The gateway itself is gone; the next attempt connects again.
		r.drop(from)
	}
	return nil, unreachable(ctx, to, via, err)
}

// unreachable is the error of a dial that failed with err. Of one that was
// given up for lack of an answer, the network says only that it was cancelled.
func unreachable(ctx context.Context, to *Hop, via string, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
	case !errors.Is(cause, context.DeadlineExceeded):
		return cause
	case errors.Is(err, context.Canceled):
		err = cause
	}
	return &UnreachableError{Addr: to.Addr(), Via: via, Reason: reason(err), Err: err}
}

// gateway returns a connection to the last gateway, connecting as needed; nil
// where there is none.
func (r *route) gateway(ctx context.Context) (*ssh.Client, error) {
	if len(r.cfg.Gateways) == 0 {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, net.ErrClosed
	}
	for len(r.hops) < len(r.cfg.Gateways) {
		n := len(r.hops)
		hop := &r.cfg.Gateways[n]
		dial := func(ctx context.Context) (net.Conn, error) {
			if n == 0 {
				return r.first(ctx, hop)
			}
			conn, err := r.hops[n-1].DialContext(ctx, "tcp", hop.Addr())
			if err != nil {
				return nil, unreachable(ctx, hop, r.viaTo(n), err)
			}
			return conn, nil
		}
		conn, err := dial(ctx)
		if err != nil {
			r.dropLocked()
			return nil, &gatewayError{err}
		}
		l := &loginAttempt{cfg: r.cfg, hop: hop, via: r.viaTo(n), again: dial, progress: func(phase) {}}
		c, err := l.login(ctx, conn)
		if err != nil {
			r.dropLocked()
			return nil, &gatewayError{err}
		}
		r.cfg.Report.Debug("connected to the gateway %s as %s", hop.Addr(), hop.User)
		r.hops = append(r.hops, c)
		go func() {
			_ = c.Wait()
			r.drop(c)
		}()
	}
	return r.hops[len(r.hops)-1], nil
}

// gatewayError marks a failure on the way, as opposed to one at the machine.
type gatewayError struct{ err error }

func (e *gatewayError) Error() string { return "the gateway: " + e.err.Error() }
func (e *gatewayError) Unwrap() error { return e.err }

// Hint is about the gateway: the advice of the error inside is about the
// machine.
func (e *gatewayError) Hint() string {
	const where = "ssh_gateway, or ProxyJump in ~/.ssh/config"
	var unreachable *UnreachableError
	var auth *AuthError
	switch {
	case errors.As(e.err, &auth):
		return "the machine itself has not been asked yet; check the gateway's user (ssh_gateway_username, or User in ~/.ssh/config) " +
			"and that the gateway accepts this key"
	case errors.As(e.err, &unreachable) && unreachable.Reason == reasonNoHost:
		return "the gateway's name does not resolve here: check " + where
	case errors.As(e.err, &unreachable):
		return "the machine itself has not been asked yet; check that the gateway is up and can be reached from here: " + where
	}
	return kitchen.Hint(e.err)
}

// drop forgets the gateways if c is still one of them.
func (r *route) drop(c *ssh.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.hops, c) {
		r.dropLocked()
	}
}

func (r *route) dropLocked() {
	for i := len(r.hops) - 1; i >= 0; i-- {
		r.hops[i].Close()
	}
	r.hops = nil
}

// Close ends the connections to the gateways.
func (r *route) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.dropLocked()
}

// first opens a connection from this machine.
func (r *route) first(ctx context.Context, to *Hop) (net.Conn, error) {
	var conn net.Conn
	var err error
	switch {
	case r.cfg.HTTPProxy != nil:
		conn, err = r.httpConnect(ctx, to.Addr())
	case r.cfg.ProxyCommand != "":
		conn, err = startProxyCommand(r.cfg.ProxyCommand)
	default:
		conn, err = r.tcp(ctx, to.Addr())
	}
	if err == nil {
		return conn, nil
	}
	return nil, unreachable(ctx, to, r.viaTo(0), err)
}

func (r *route) tcp(ctx context.Context, addr string) (net.Conn, error) {
	if r.cfg.Dialer != nil {
		return r.cfg.Dialer(ctx, "tcp", addr)
	}
	d := net.Dialer{Timeout: r.cfg.ConnectTimeout, KeepAlive: 30 * time.Second}
	return d.DialContext(ctx, "tcp", addr)
}

// httpConnect asks an HTTP proxy for a connection; RFC 9110, 9.3.6.
func (r *route) httpConnect(ctx context.Context, addr string) (net.Conn, error) {
	p := r.cfg.HTTPProxy
	conn, err := r.tcp(ctx, net.JoinHostPort(p.Host, strconv.Itoa(cmp.Or(p.Port, 80))))
	if err != nil {
		if context.Cause(ctx) != nil {
			return nil, err
		}
		return nil, &proxyError{said: "cannot be reached: " + reason(err), err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ConnectTimeout)
	defer cancel()
	release := context.AfterFunc(ctx, func() { conn.Close() })
	fail := func(err error) (net.Conn, error) {
		conn.Close()
		if !release() {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if p.User != "" {
		cred := base64.StdEncoding.EncodeToString([]byte(p.User + ":" + string(p.Password)))
		req.Header.Set("Proxy-Authorization", "Basic "+cred)
	}
	if err := req.Write(conn); err != nil {
		return fail(err)
	}
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return fail(&proxyError{said: "does not answer as an HTTP proxy", err: err})
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		e := &proxyError{said: "answers " + text.CleanLine(resp.Status)}
		// 502 and its kin are about the machine, which may still be booting.
		e.permanent = resp.StatusCode < 500 || resp.StatusCode == http.StatusNotImplemented
		if resp.StatusCode == http.StatusProxyAuthRequired {
			e.said = "wants a login (" + text.CleanLine(resp.Status) + ")"
			if p.User != "" {
				e.said = "does not accept the user name and password (" + text.CleanLine(resp.Status) + ")"
			}
		}
		return fail(e)
	}
	if !release() {
		return fail(context.Cause(ctx))
	}
	// The server may have spoken first, right behind the proxy's answer.
	return &bufferedConn{Conn: conn, r: br}, nil
}

type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (b *bufferedConn) Read(p []byte) (int, error) { return b.r.Read(p) }

// commandConn is the standard input and output of a proxy command.
type commandConn struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	stderr *limit.Tail
	waited chan struct{}
	// stop ends the command and the processes it has started.
	stop context.CancelFunc

	closing, waiting sync.Once
}

// proxyLine has the shell replaced by the command, as ssh does.
func proxyLine(line string) string {
	if runtime.GOOS == "windows" {
		return line
	}
	return "exec " + line
}

func startProxyCommand(line string) (_ net.Conn, err error) {
	// Its own process group: Ctrl-C in the terminal does not reach it first.
	ctx, stop := context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			stop()
		}
	}()
	cmd, err := kitchen.LocalCommand(ctx, proxyLine(line), nil, "")
	if err != nil {
		return nil, err
	}
	c := &commandConn{cmd: cmd, stderr: &limit.Tail{Max: 300}, waited: make(chan struct{}), stop: stop}
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	cmd.Stderr = c.stderr
	// A command that ignores the end of its input is not waited for longer.
	cmd.WaitDelay = 2 * time.Second
	if err = cmd.Start(); err != nil {
		return nil, fmt.Errorf("the proxy command cannot be started: %w", err)
	}
	return c, nil
}

// proxyError is a failure of a proxy, or of a proxy command, itself.
type proxyError struct {
	// said completes "the proxy …".
	said string
	// command says that it is a proxy command.
	command bool
	// permanent says that waiting does not help.
	permanent bool
	err       error
}

func (e *proxyError) Error() string {
	if e.command {
		return "the proxy command " + e.said
	}
	return "the proxy " + e.said
}
func (e *proxyError) Unwrap() error { return e.err }

func (e *proxyError) Hint() string {
	if e.command {
		return "check ssh_proxy_command, or ProxyCommand in ~/.ssh/config"
	}
	return "check ssh_http_proxy and its _port, _user and _password"
}

// hopeless are complaints of a proxy command that waiting does not cure.
var hopeless = []string{
	"not found", "No such file or directory", "Permission denied", "Could not resolve hostname",
	"Host key verification failed", "Bad configuration option", "usage:",
}

func (c *commandConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if n > 0 {
		return n, err
	}
	return n, c.explain(err)
}

func (c *commandConn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	return n, c.explain(err)
}

// explain adds to an error what the command has to say about it.
func (c *commandConn) explain(err error) error {
	if err == nil {
		return nil
	}
	// The complaint may come after the end of the output.
	c.wait()
	t := time.NewTimer(500 * time.Millisecond)
	defer t.Stop()
	select {
	case <-c.waited:
	case <-t.C:
	}
	said := c.stderr.String()
	status := 0
	select {
	case <-c.waited:
		status = c.cmd.ProcessState.ExitCode()
	default:
	}
	e := &proxyError{command: true, err: err}
	switch {
	case said != "":
		e.said = fmt.Sprintf("ended and says %q", said)
	case status > 0:
		e.said = fmt.Sprintf("ended with exit status %d", status)
	default:
		return err
	}
	e.permanent = status == 126 || status == 127 || status != 0 && slices.ContainsFunc(hopeless, func(sign string) bool {
		return strings.Contains(said, sign)
	})
	return e
}

func (c *commandConn) wait() {
	c.waiting.Do(func() {
		go func() {
			_ = c.cmd.Wait()
			c.stop()
			close(c.waited)
		}()
	})
}

func (c *commandConn) Close() error {
	c.closing.Do(func() {
		c.in.Close()
		select {
		case <-c.waited:
		default:
			c.stop()
		}
		c.wait()
	})
	<-c.waited
	return nil
}

func (c *commandConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4zero} }
func (c *commandConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4zero} }
func (c *commandConn) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (c *commandConn) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (c *commandConn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }
