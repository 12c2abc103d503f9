package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/text"
)

// phase is how far an attempt to connect has come.
type phase int32

const (
	phaseDial phase = iota
	phaseHandshake
	phaseAuth
	phaseAsking
	phaseSession
)

// Dial connects once. Errors are of the types of this package; ctx ends the
// attempt, not the connection.
func Dial(ctx context.Context, c Config) (*Client, error) {
	cfg, err := c.resolved()
	if err != nil {
		return nil, err
	}
	r := newRoute(cfg)
	client, err := connect(ctx, cfg, r, func(phase) {})
	if err != nil {
		r.Close()
		return nil, err
	}
	return client, nil
}

// connect makes one attempt along r. On success the client owns r.
func connect(ctx context.Context, cfg *Config, r *route, progress func(phase)) (*Client, error) {
	progress(phaseDial)
	conn, err := r.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &loginAttempt{cfg: cfg, hop: &cfg.Hop, via: r.via(), again: r.dial, progress: progress}
	sc, err := l.login(ctx, conn)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, ssh: sc, route: r, slots: make(chan struct{}, cfg.MaxSessions), gone: make(chan struct{})}
	go func() {
		_ = sc.Wait()
		close(c.gone)
	}()
	if cfg.KeepAlive > 0 {
		go c.keepAlive(cfg.KeepAlive, cfg.KeepAliveMax)
	}
	cfg.Report.Debug("connected to %s as %s (%s)", cfg.Addr(), cfg.User, text.CleanLine(string(sc.ServerVersion())))
	return c, nil
}

// loginAttempt makes an SSH connection to one machine.
type loginAttempt struct {
	cfg *Config
	hop *Hop
	// via names the way to it, for messages.
	via string
	// again opens another connection to the same port.
	again    func(context.Context) (net.Conn, error)
	progress func(phase)
	tried    *triedKeys
}

// login makes an SSH connection out of conn, which it closes on failure.
func (l *loginAttempt) login(ctx context.Context, conn net.Conn) (*ssh.Client, error) {
	l.tried = &triedKeys{}
	sc, err := l.handshake(ctx, conn, nil)
	for range maxKeyRounds {
		// A server accepts a few keys in one connection (MaxAuthTries); an
		// agent may hold more.
		if err == nil || !l.tried.another(err) {
			break
		}
		conn, err2 := l.again(ctx)
		if err2 != nil {
			return nil, err
		}
		sc, err = l.handshake(ctx, conn, nil)
	}
	var other errOtherType
	retype := errors.As(err, &other)
	if !retype && !hostKeyNegotiation(err) {
		return sc, l.explained(err)
	}
	// The server has host keys of several types and showed, or was asked for,
	// one that cannot be compared. Ask for the others.
	algos := other.algos
	if !retype {
		algos = plainHostKeyAlgos()
	}
	conn, err2 := l.again(ctx)
	if err2 != nil {
		return nil, err2
	}
	sc, err = l.handshake(ctx, conn, algos)
	if retype && hostKeyNegotiation(err) {
		return nil, &HostKeyError{
			Addr: l.hop.Addr(), Problem: HostKeyForeign, Got: "of another type",
			Want: l.hop.HostKeys.described(), Where: l.hop.HostKeys.SourceName,
		}
	}
	return sc, l.explained(err)
}

// explained gives a failed negotiation its type.
func (l *loginAttempt) explained(err error) error {
	var ne *ssh.AlgorithmNegotiationError
	if !errors.As(err, &ne) {
		return err
	}
	return &AlgorithmError{
		Addr: l.hop.Addr(), Via: l.via, What: strings.TrimPrefix(strings.TrimPrefix(ne.What, "client to server "), "server to client "),
		Server: ne.RequestedAlgorithms, Client: ne.SupportedAlgorithms, Err: err,
	}
}

// keyExchanges are those that x/crypto has, and last the one of servers from
// before 2016.
func keyExchanges() []string {
	return append(ssh.SupportedAlgorithms().KeyExchanges, ssh.InsecureKeyExchangeDH14SHA1)
}

// handshake makes an SSH connection out of conn, which it closes on failure.
// algos are the host key algorithms to ask for, nil to choose.
func (l *loginAttempt) handshake(ctx context.Context, conn net.Conn, algos []string) (*ssh.Client, error) {
	cfg, hop := l.cfg, l.hop
	l.progress(phaseHandshake)
	addr := hop.Addr()
	sniff := &sniffer{Conn: conn}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clock := newStopClock(cfg.ConnectTimeout, func() { cancel(errTooSlow) })
	defer clock.stop()
	release := context.AfterFunc(ctx, func() { conn.Close() })

	auth := &authenticator{ctx: ctx, cfg: cfg, hop: hop, report: cfg.Report, tried: l.tried, pause: func(ask func()) {
		l.progress(phaseAsking)
		clock.pause(ask)
		l.progress(phaseAuth)
	}}
	defer auth.close()
	l.tried.begin()
	var keyErr error
	shown := false
	retyped := algos != nil
	if algos == nil {
		algos = hop.HostKeys.algorithms(addr)
	}
	conf := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: keyExchanges()},
		User:              hop.User,
		ClientVersion:     "SSH-2.0-Galley",
		HostKeyAlgorithms: algos,
		Auth:              auth.methods(),
		AuthCallback:      auth.sawMethods,
		BannerCallback:    auth.sawBanner,
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error {
			shown = true
			// To ask the console may take longer than all the rest.
			clock.pause(func() { keyErr = hop.HostKeys.check(ctx, addr, remote, key, retyped, cfg.Report) })
			if keyErr == nil {
				l.progress(phaseAuth)
			}
			return keyErr
		},
	}
	sc, chans, reqs, err := ssh.NewClientConn(sniff, addr, conf)
	if err == nil {
		if !release() {
			sc.Close()
			err = context.Cause(ctx)
		} else {
			sniff.done()
			return ssh.NewClient(sc, chans, reqs), nil
		}
	}
	release()
	conn.Close()
	switch cause := context.Cause(ctx); {
	case keyErr != nil:
		return nil, keyErr
	case errors.Is(cause, errTooSlow):
		// Nobody but the clock ended it.
	case ctx.Err() != nil:
		return nil, cause
	}
	var ne *ssh.AlgorithmNegotiationError
	if errors.As(err, &ne) {
		return nil, err
	}
	if shown && !errors.Is(context.Cause(ctx), errTooSlow) && (!isDropped(err) || auth.fatal != nil) {
		return nil, auth.failure(addr, err)
	}
	return nil, &UnreachableError{Addr: addr, Via: l.via, Reason: l.unreachable(context.Cause(ctx), err, shown, sniff.text()), Err: err}
}

// unreachable says why a handshake did not get as far as the login. shown says
// that a host key was shown, said is the first line that the other side sent.
func (l *loginAttempt) unreachable(cause, err error, shown bool, said string) string {
	isSSH := strings.HasPrefix(said, "SSH-")
	switch {
	case errors.Is(cause, errTooSlow) && said == "":
		return fmt.Sprintf("something accepts the connection but said nothing within %s", l.cfg.ConnectTimeout)
	case errors.Is(cause, errTooSlow):
		return fmt.Sprintf("the SSH server did not finish the handshake within %s", l.cfg.ConnectTimeout)
	case shown:
		return "the SSH server closed the connection during login"
	case strings.HasPrefix(said, "Not allowed at this time"), strings.HasPrefix(said, "Exceeded MaxStartups"):
		return fmt.Sprintf("%s, it says %q", reasonBusy, said)
	case said != "" && !isSSH:
		return fmt.Sprintf("%s, it says %q", reasonForeign, said)
	case isSSH && !strings.HasPrefix(said, "SSH-2.") && !strings.HasPrefix(said, "SSH-1.99"):
		return fmt.Sprintf("the SSH server has another version of the protocol than 2, it says %q", said)
	case isSSH && isDropped(err):
		return "the SSH server closed the connection during the handshake"
	}
	return reason(err)
}

var errTooSlow = errors.New("the handshake took too long")

// isDropped tells a connection that just ended from a server that said no.
func isDropped(err error) bool {
	if err == nil {
		return false
	}
	switch s := reason(err); {
	case s == "connection reset", strings.HasPrefix(s, "the connection was closed"):
		return true
	}
	return strings.Contains(err.Error(), "broken pipe") || strings.HasSuffix(err.Error(), ": EOF")
}

// stopClock calls late once the time is up, not counting pauses.
type stopClock struct {
	mu     sync.Mutex
	timer  *time.Timer
	left   time.Duration
	since  time.Time
	paused int
}

func newStopClock(d time.Duration, late func()) *stopClock {
	return &stopClock{timer: time.AfterFunc(d, late), left: d, since: time.Now()}
}

func (s *stopClock) pause(f func()) {
	s.mu.Lock()
	if s.paused++; s.paused == 1 && s.timer.Stop() {
		s.left -= time.Since(s.since)
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.paused--; s.paused == 0 {
			s.since = time.Now()
			s.timer.Reset(max(s.left, time.Second))
		}
	}()
	f()
}

func (s *stopClock) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
}

// sniffer keeps the first bytes read, for the message when what answers is no
// SSH server.
type sniffer struct {
	net.Conn
	mu    sync.Mutex
	first []byte
	off   bool
}

const sniffed = 80

func (s *sniffer) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		if room := sniffed - len(s.first); room > 0 {
			s.first = append(s.first, p[:min(room, n)]...)
		}
	}
	return n, err
}

func (s *sniffer) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = true
}

// text is the first line read.
func (s *sniffer) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimLeft(string(s.first), "\r\n"), "\n")
	return text.CleanLine(strings.TrimSpace(line))
}
