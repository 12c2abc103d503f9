// Package sshtest is an SSH server for tests: real sockets on loopback, real
// commands run by the local /bin/sh. It may be imported by tests only.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Options say how the server behaves. The zero value lets nobody in.
type Options struct {
	// HostKeys are the server's keys; none means a fresh ed25519 one.
	HostKeys []ssh.Signer
	// Keys lets these public keys in, Password this password, Answer this
	// answer to a hidden question of keyboard-interactive.
	Keys     []ssh.PublicKey
	Password string
	Answer   string
	// Also asks for this method in addition to a key ("password" or
	// "keyboard-interactive").
	Also string
	// User is the only user let in; "" means any.
	User string
	// Banner is shown before the login.
	Banner string
	// Exec, if it is set, may answer a command line itself: it writes to ch
	// and returns the exit status and true.
	Exec func(line string, ch ssh.Channel) (int, bool)
	// Home is the directory of the commands; "" is one made for the test.
	Home string
	// Shell is the users' login shell; "" is /bin/sh.
	Shell string
	// Env is added to the environment of commands.
	Env []string
	// MaxTries is sshd's MaxAuthTries.
	MaxTries int
	// Allow decides on a login after everything else has; nil allows all.
	Allow func(user, method string) error
	// Hello is written instead of speaking SSH, and the connection closed.
	Hello string
	// Listener is listened on; nil means a fresh port on 127.0.0.1.
	Listener net.Listener
	// NoSession refuses to open sessions.
	NoSession bool
	// MaxSessions bounds the sessions of one connection; 0 means 10.
	MaxSessions int
	// NoForward refuses direct-tcpip.
	NoForward bool
	// Forward is called for a direct-tcpip request, which stays without an answer
	// if it returns false, as at the gateway of a silent machine.
	Forward func() bool
	// IgnoreSignals does not hand on signal requests.
	IgnoreSignals bool
	// NoTTY refuses pseudo terminals (PermitTTY no).
	NoTTY bool
	// Stall has commands hang in a way that a healthy server does not.
	Stall Stall
	// Mute never answers keep-alive requests once it is set.
	Mute *atomic.Bool
}

// Stall is a way in which a server does not end its work.
type Stall int

// The ways.
const (
	// StallStart never answers the request to run a command.
	StallStart Stall = iota + 1
	// StallEnd sends the exit status and leaves the session open.
	StallEnd
	// StallStatus ends the output and sends no exit status.
	StallStatus
	// StallTTY never answers the request for a terminal.
	StallTTY
)

// Server is a running server.
type Server struct {
	// Addr is host:port, Host and Port its parts.
	Addr string
	Host string
	Port int
	Home string

	// Conns counts connections accepted, Logins those let in, Commands the
	// sessions started. Forwards counts connections forwarded.
	Conns, Logins, Commands, Forwards atomic.Int64

	o    Options
	ln   net.Listener
	conf *ssh.ServerConfig
	wg   sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	sizes    []Size
	signals  []string
	agentErr error
	keys     []*agent.Key
	closed   bool
}

// Size is the size of a terminal in cells.
type Size struct{ Width, Height int }

// Key makes a fresh ed25519 key.
func Key(tb testing.TB) (ssh.Signer, ed25519.PrivateKey) {
	tb.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(priv)
	if err != nil {
		tb.Fatal(err)
	}
	return s, priv
}

// Start runs a server until the test ends.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	if o.Home == "" {
		o.Home = tb.TempDir()
	}
	s := &Server{o: o, Home: o.Home, conns: map[net.Conn]bool{}}
	s.conf = s.config(tb)
	s.ln = o.Listener
	if s.ln == nil {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		s.ln = ln
	}
	s.Addr = s.ln.Addr().String()
	tcp := s.ln.Addr().(*net.TCPAddr) //nolint:errcheck // it listens on TCP
	s.Host, s.Port = tcp.IP.String(), tcp.Port
	s.wg.Go(s.accept)
	tb.Cleanup(s.Close)
	return s
}

// Close ends the server and all its connections, and waits for them.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.ln.Close()
	s.DropAll()
	s.wg.Wait()
}

// DropAll cuts all connections, as a network that fails.
func (s *Server) DropAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Sizes are the sizes that terminals were given, in order.
func (s *Server) Sizes() []Size {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sizes)
}

// Signals are the signals that were sent to commands, in order.
func (s *Server) Signals() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.signals)
}

// AgentKeys are the keys that the forwarded agent has shown.
func (s *Server) AgentKeys() []*agent.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

// HostKey is the first host key.
func (s *Server) HostKey() ssh.PublicKey { return s.o.HostKeys[0].PublicKey() }

func (s *Server) config(tb testing.TB) *ssh.ServerConfig {
	o := &s.o
	conf := &ssh.ServerConfig{MaxAuthTries: o.MaxTries, ServerVersion: "SSH-2.0-OpenSSH_sshtest"}
	if o.Banner != "" {
		conf.BannerCallback = func(ssh.ConnMetadata) string { return o.Banner }
	}
	allowed := func(c ssh.ConnMetadata, method string) error {
		if o.User != "" && c.User() != o.User {
			return fmt.Errorf("no user %q", c.User())
		}
		if o.Allow != nil {
			return o.Allow(c.User(), method)
		}
		return nil
	}
	password := func(c ssh.ConnMetadata, pw []byte) (*ssh.Permissions, error) {
		if o.Password == "" || string(pw) != o.Password {
			return nil, errors.New("wrong password")
		}
		return nil, allowed(c, "password")
	}
	interactive := func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{"Password: "}, []bool{false})
		if err != nil {
			return nil, err
		}
		if len(answers) != 1 || answers[0] != o.Answer {
			return nil, errors.New("wrong answer")
		}
		return nil, allowed(c, "keyboard-interactive")
	}
	if len(o.Keys) > 0 || o.Allow != nil {
		conf.PublicKeyCallback = func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			ok := slices.ContainsFunc(o.Keys, func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(key.Marshal()) })
			if !ok {
				return nil, errors.New("unknown key")
			}
			if err := allowed(c, "publickey"); err != nil {
				return nil, err
			}
			switch o.Also {
			case "password":
				return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: password}}
			case "keyboard-interactive":
				return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: interactive}}
			}
			return nil, nil
		}
	}
	if o.Password != "" && o.Also == "" {
		conf.PasswordCallback = password
	}
	if o.Answer != "" && o.Also == "" {
		conf.KeyboardInteractiveCallback = interactive
	}
	if len(o.HostKeys) == 0 {
		k, _ := Key(tb)
		o.HostKeys = []ssh.Signer{k}
	}
	for _, k := range o.HostKeys {
		conf.AddHostKey(k)
	}
	return conf
}

func (s *Server) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.Conns.Add(1)
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(conn)
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
			conn.Close()
		})
	}
}

func (s *Server) serve(conn net.Conn) {
	if s.o.Hello != "" {
		_, _ = io.WriteString(conn, s.o.Hello)
		return
	}
	sc, chans, reqs, err := ssh.NewServerConn(conn, s.conf)
	if err != nil {
		return
	}
	s.Logins.Add(1)
	s.wg.Go(func() {
		for r := range reqs {
			if s.o.Mute != nil && s.o.Mute.Load() {
				continue
			}
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	})
	var open atomic.Int64
	most := int64(s.o.MaxSessions)
	if most == 0 {
		most = 10
	}
	for nc := range chans {
		switch nc.ChannelType() {
		case "session":
			if s.o.NoSession || open.Load() >= most {
				_ = nc.Reject(ssh.Prohibited, "no more sessions")
				continue
			}
			ch, reqs, err := nc.Accept()
			if err != nil {
				continue
			}
			open.Add(1)
			s.wg.Go(func() {
				s.session(sc, ch, reqs)
				open.Add(-1)
			})
		case "direct-tcpip":
			if s.o.NoForward {
				_ = nc.Reject(ssh.Prohibited, "administratively prohibited")
				continue
			}
			if s.o.Forward == nil || s.o.Forward() {
				s.wg.Go(func() { s.forward(nc) })
			}
		default:
			_ = nc.Reject(ssh.UnknownChannelType, "unknown")
		}
	}
}

func (s *Server) forward(nc ssh.NewChannel) {
	var to struct {
		Host  string
		Port  uint32
		From  string
		FPort uint32
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &to); err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "malformed")
		return
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(to.Host, fmt.Sprint(to.Port)), 5*time.Second)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	defer conn.Close()
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	s.Forwards.Add(1)
	go ssh.DiscardRequests(reqs)
	go func() {
		_, _ = io.Copy(conn, ch)
		conn.Close()
	}()
	_, _ = io.Copy(ch, conn)
	ch.Close()
}

// session serves a session channel.
func (s *Server) session(sc *ssh.ServerConn, ch ssh.Channel, reqs <-chan *ssh.Request) {
	defer ch.Close()
	p := &process{s: s, sc: sc, ch: ch, done: make(chan struct{})}
	started := false
	for {
		select {
		case r, ok := <-reqs:
			if !ok {
				p.hangUp()
				if started {
					<-p.done
				}
				return
			}
			ok = p.request(r, &started)
			if s.o.Stall == StallStart && r.Type == "exec" || s.o.Stall == StallTTY && r.Type == "pty-req" {
				p.start, started = nil, false
				continue
			}
			if r.WantReply {
				_ = r.Reply(ok, nil)
			}
			if started && p.start != nil {
				start := p.start
				p.start = nil
				s.Commands.Add(1)
				go start()
			}
		case <-p.done:
			switch s.o.Stall {
			case StallStatus:
				_ = ch.CloseWrite()
			case StallEnd:
			default:
				return
			}
			// Until the other side closes the session.
			for range reqs {
			}
			return
		}
	}
}
