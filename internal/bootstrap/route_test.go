package bootstrap_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

func TestGateway(t *testing.T) {
	inner, cfg := fixture(t, sshtest.Options{})
	g1key, g1priv := sshtest.Key(t)
	g1 := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{g1key.PublicKey()}, User: "jump"})
	g2 := sshtest.Start(t, sshtest.Options{Password: "two"})
	keys := []string{writeKey(t, g1priv, "")}
	cfg.Gateways = []bootstrap.Hop{
		{Host: g1.Host, Port: g1.Port, User: "jump", Keys: keys},
		{Host: g2.Host, Port: g2.Port, User: "two", Password: "two"},
	}
	client := dial(t, cfg)
	if out, _ := run(t, client, "echo in"); out != "in\n" {
		t.Errorf("got %q", out)
	}
	if g1.Forwards.Load() != 1 || g2.Forwards.Load() != 1 || inner.Logins.Load() != 1 {
		t.Error("it did not go through both gateways")
	}
	if client.Near() {
		t.Error("a machine behind gateways counts as near")
	}

	t.Run("the machine behind it refuses", func(t *testing.T) {
		c := cfg
		c.Port = closedPort(t)
		_, err := bootstrap.Dial(t.Context(), c)
		var un *bootstrap.UnreachableError
		if !errors.As(err, &un) || !strings.Contains(err.Error(), "through gateway 127.0.0.1, 127.0.0.1: connection refused") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the gateway lets nobody in", func(t *testing.T) {
		c := cfg
		c.Gateways = []bootstrap.Hop{{Host: g2.Host, Port: g2.Port, User: "two", Password: "wrong"}}
		_, err := bootstrap.Wait(t.Context(), c, bootstrap.WaitOptions{})
		var auth *bootstrap.AuthError
		if !errors.As(err, &auth) || !strings.Contains(err.Error(), "the gateway") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("forwarding is forbidden", func(t *testing.T) {
		g := sshtest.Start(t, sshtest.Options{Password: "p", NoForward: true})
		c := cfg
		c.Gateways = []bootstrap.Hop{{Host: g.Host, Port: g.Port, User: "u", Password: "p"}}
		_, err := bootstrap.Dial(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "does not allow forwarding") {
			t.Errorf("got %v", err)
		}
	})
}

// closedPort returns a port that refuses connections until the test ends: that
// of a client, so that no server gets it.
func closedPort(t *testing.T) int {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	conn, err := d.DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", silentServer(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().(*net.TCPAddr).Port
}

// freePort returns a port that nobody has, at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func TestHTTPProxy(t *testing.T) {
	srv, cfg := fixture(t, sshtest.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var auth atomic.Value
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				u, p, _ := (&http.Request{Header: http.Header{"Authorization": req.Header["Proxy-Authorization"]}}).BasicAuth()
				auth.Store(u + ":" + p)
				if req.Method != http.MethodConnect || u != "proxy" {
					_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
					return
				}
				to, err := net.Dial("tcp", req.Host)
				if err != nil {
					_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
					return
				}
				defer to.Close()
				// The answer and the server's greeting in one piece.
				buf := make([]byte, 100)
				n, _ := to.Read(buf)
				_, _ = c.Write(append([]byte("HTTP/1.1 200 Connection established\r\n\r\n"), buf[:n]...))
				go func() { _, _ = io.Copy(to, c); to.Close() }()
				_, _ = io.Copy(c, to)
			}()
		}
	}()
	cfg.HTTPProxy = &bootstrap.HTTPProxy{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, User: "proxy", Password: "pw"}
	client := dial(t, cfg)
	if out, _ := run(t, client, "echo in"); out != "in\n" {
		t.Errorf("got %q", out)
	}
	if auth.Load() != "proxy:pw" {
		t.Errorf("the proxy saw %q", auth.Load())
	}
	cfg.HTTPProxy.User = "nobody"
	_, err = bootstrap.Dial(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "HTTP proxy 127.0.0.1") || !strings.Contains(err.Error(), "407") {
		t.Errorf("got %v", err)
	}
	client.Close()
	srv.Close()
}

func TestProxyCommand(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{})
	if _, err := os.Stat("/bin/bash"); err != nil {
		t.Skip("needs bash, whose /dev/tcp is the proxy")
	}
	cfg.ProxyCommand = `bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!'`
	client := dial(t, cfg)
	if out, _ := run(t, client, "echo in"); out != "in\n" {
		t.Errorf("got %q", out)
	}
	client.Close()
	for _, host := range []string{"x;touch y", "$(id)", "-oProxyCommand=id", "a b"} {
		c := cfg
		c.Host = host
		var conf *bootstrap.ConfigError
		if _, err := bootstrap.Dial(t.Context(), c); !errors.As(err, &conf) {
			t.Errorf("host %q: %v", host, err)
		}
	}
	cfg.ProxyCommand = `sh -c 'echo no such road >&2; exit 1'`
	_, err := bootstrap.Dial(t.Context(), cfg)
	var un *bootstrap.UnreachableError
	if !errors.As(err, &un) || !strings.Contains(err.Error(), "no such road") {
		t.Errorf("got %v", err)
	}
}
