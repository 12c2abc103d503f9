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
	sc, err := login(ctx, cfg, &cfg.Hop, r.via(), conn, r.dial, progress)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, ssh: sc, route: r, slots: make(chan struct{}, cfg.MaxSessions), gone: make(chan struct{})}
	go func() {
		sc.Wait()
		close(c.gone)
	}()
	if cfg.KeepAlive > 0 {
		go c.keepAlive(cfg.KeepAlive, cfg.KeepAliveMax)
	}
	cfg.Report.Debug("connected to %s as %s (%s)", cfg.Addr(), cfg.User, printable(string(sc.ServerVersion())))
	return c, nil
}

// login makes an SSH connection to hop out of conn, which it closes on
// failure. again opens another such connection.
func login(ctx context.Context, cfg *Config, hop *Hop, via string, conn net.Conn, again func(context.Context) (net.Conn, error), progress func(phase)) (*ssh.Client, error) {
	tried := &triedKeys{}
	sc, err := handshake(ctx, cfg, hop, via, conn, nil, tried, progress)
	for range maxKeyRounds {
		// A server has patience for a few keys in one connection
		// (MaxAuthTries); an agent may hold more.
		if err == nil || !tried.patienceLost(err) {
			break
		}
		conn, err2 := again(ctx)
		if err2 != nil {
			return nil, err
		}
		sc, err = handshake(ctx, cfg, hop, via, conn, nil, tried, progress)
	}
	var other errOtherType
	retype := errors.As(err, &other)
	if !retype && !hostKeyNegotiation(err) {
		return sc, err
	}
	// The server has host keys of several types and showed, or was asked for,
	// one that cannot be compared. Ask for the others.
	algos := other.algos
	if !retype {
		algos = plainHostKeyAlgos()
	}
	conn, err2 := again(ctx)
	if err2 != nil {
		return nil, err2
	}
	sc, err = handshake(ctx, cfg, hop, via, conn, algos, tried, progress)
	if retype && hostKeyNegotiation(err) {
		return nil, &HostKeyError{Addr: hop.Addr(), Problem: HostKeyForeign, Got: "of another type", Want: hop.HostKeys.described(), Where: hop.HostKeys.SourceName}
	}
	return sc, err
}

// handshake makes an SSH connection to hop out of conn, which it closes on
// failure. algos are the host key algorithms to ask for, nil to choose.
func handshake(ctx context.Context, cfg *Config, hop *Hop, via string, conn net.Conn, algos []string, tried *triedKeys, progress func(phase)) (*ssh.Client, error) {
	progress(phaseHandshake)
	addr := hop.Addr()
	sniff := &sniffer{Conn: conn}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clock := newStopClock(cfg.ConnectTimeout, func() { cancel(errTooSlow) })
	defer clock.stop()
	release := context.AfterFunc(ctx, func() { conn.Close() })

	auth := &authenticator{ctx: ctx, cfg: cfg, hop: hop, report: cfg.Report, tried: tried, pause: func(ask func()) {
		progress(phaseAsking)
		clock.pause(ask)
		progress(phaseAuth)
	}}
	defer auth.close()
	tried.begin()
	var keyErr error
	shown := false
	retyped := algos != nil
	if algos == nil {
		algos = hop.HostKeys.algorithms(addr)
	}
	conf := &ssh.ClientConfig{
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
				progress(phaseAuth)
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
	if hostKeyNegotiation(err) {
		return nil, err
	}
	unreachable := &UnreachableError{Addr: addr, Via: via, Err: err}
	switch {
	case errors.Is(context.Cause(ctx), errTooSlow):
		unreachable.Reason = fmt.Sprintf("the SSH server did not finish the handshake within %s", cfg.ConnectTimeout)
		if sniff.text() == "" {
			unreachable.Reason = fmt.Sprintf("something accepts the connection but said nothing within %s", cfg.ConnectTimeout)
		}
	case !shown || (isDropped(err) && auth.fatal == nil):
		unreachable.Reason = reason(err)
		if shown {
			unreachable.Reason = "the SSH server closed the connection during login"
		} else if said := sniff.text(); said != "" && !strings.HasPrefix(said, "SSH-") {
			unreachable.Reason = fmt.Sprintf("what answers is not an SSH server, it says %q", said)
			if strings.HasPrefix(said, "Not allowed at this time") || strings.HasPrefix(said, "Exceeded MaxStartups") {
				unreachable.Reason = fmt.Sprintf("the SSH server turns connections away for a while, it says %q", said)
			}
		} else if said != "" && isDropped(err) {
			unreachable.Reason = "the SSH server closed the connection during the handshake"
		}
	default:
		return nil, auth.failure(addr, err)
	}
	return nil, unreachable
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
	return printable(strings.TrimSpace(line))
}
