package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Hop is a machine that is logged in to: the one meant, or a gateway.
type Hop struct {
	// Host is a name or an address, or an alias of ~/.ssh/config. It is never
	// guessed: an empty one is an error.
	Host string
	// Port is 22 where nothing says otherwise.
	Port int
	// User is the login name.
	User string
	// Password is offered as password and as the answer to the first hidden
	// question of keyboard-interactive.
	Password Secret
	// Keys are paths of private keys, or of public ones whose private half an
	// agent holds.
	Keys []string
	// OnlyKeys offers no other keys than Keys.
	OnlyKeys bool
	// PublicKeyOnly never asks the person for a password.
	PublicKeyOnly bool
	// HostKeys decides about the host key. Nil remembers the first one for as
	// long as the connection lives; for gateways, it looks into known_hosts.
	HostKeys *HostKeys
	// Alias is the name by which ~/.ssh/config knows the machine. It is filled
	// in when connecting.
	Alias string
}

// Addr is host:port, with IPv6 addresses in brackets.
func (h *Hop) Addr() string { return net.JoinHostPort(h.Host, strconv.Itoa(h.Port)) }

// String is user@host.
func (h *Hop) String() string { return h.User + "@" + h.Host }

// checkKeys fails where keys are named and none of them exists, which need not
// wait for the machine.
func (h *Hop) checkKeys() error {
	var first error
	for _, k := range h.Keys {
		_, err := readKeyFile(k)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if h.Password != "" && !h.OnlyKeys {
		return nil
	}
	return first
}

func (h *Hop) alias() string {
	if h.Alias != "" {
		return h.Alias
	}
	return h.Host
}

// HTTPProxy is a proxy that opens connections by the CONNECT method.
type HTTPProxy struct {
	Host     string
	Port     int
	User     string
	Password Secret
}

// Config says how to reach a machine and as whom.
type Config struct {
	// Hop is the machine that is meant.
	Hop
	// DefaultUser is the login name where neither User nor ~/.ssh/config has
	// one.
	DefaultUser string
	// Gateways are passed one after the other, the first being dialled from
	// here. Where Gateways, HTTPProxy and ProxyCommand are all silent,
	// ProxyJump and ProxyCommand of ~/.ssh/config count.
	Gateways []Hop
	// HTTPProxy and ProxyCommand lead to the first machine dialled. The
	// command is run by the local shell, its tokens (%h, %p, %r) replaced.
	HTTPProxy    *HTTPProxy
	ProxyCommand string
	// GatewayHostKeys makes the policy for a gateway that has none of its own;
	// nil looks into known_hosts and takes what is not listed there.
	GatewayHostKeys func(addr string, knownHosts []string) *HostKeys
	// ForwardAgent lets sessions on the machine use the agent here.
	ForwardAgent bool
	// Agent is the socket of the agent, "none" for no agent, "" for
	// IdentityAgent of ~/.ssh/config or SSH_AUTH_SOCK.
	Agent string
	// AskPassword lets the person be asked for a password.
	AskPassword bool
	// ConnectTimeout bounds an attempt to connect, from dialling to the end of
	// the login, the time that a person takes to answer aside; 15 s.
	ConnectTimeout time.Duration
	// KeepAlive is the time between two signs of life; 60 s, none if negative.
	// After KeepAliveMax (3) unanswered ones the connection counts as lost.
	KeepAlive    time.Duration
	KeepAliveMax int
	// MaxSessions bounds the sessions open at once; 9. OpenSSH's sshd allows
	// 10 for a connection.
	MaxSessions int
	// KeyRing keeps the private keys; nil means one for this connection.
	KeyRing *KeyRing
	// Prompter asks for passphrases and passwords; nil asks nobody.
	Prompter Prompter
	// UserConfig is what ~/.ssh/config says; nil for nothing.
	UserConfig *UserConfig
	// Home is the home directory; "" means that of the person.
	Home string
	// Getenv looks up the environment; nil means the process's.
	Getenv func(string) string
	// Dialer opens the first connection; nil means the network.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// Report is told what happens; nil for nobody.
	Report Reporter
}

// Defaults of a [Config]; Test Kitchen's ssh transport.
const (
	DefaultConnectTimeout = 15 * time.Second
	DefaultKeepAlive      = 60 * time.Second
	DefaultKeepAliveMax   = 3
	DefaultMaxSessions    = 9
)

// resolved returns a copy of c in which every blank is filled in.
func (c Config) resolved() (*Config, error) {
	if c.Report == nil {
		c.Report = silent{}
	}
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.Home == "" {
		c.Home, _ = os.UserHomeDir()
	}
	if strings.TrimSpace(c.Host) == "" {
		return nil, &ConfigError{
			Msg:    "there is no host to connect to: the address is empty",
			Advice: "create the instance first; an address is never guessed",
		}
	}
	c.Gateways = slices.Clone(c.Gateways)
	for _, g := range c.Gateways {
		if strings.TrimSpace(g.Host) == "" {
			return nil, &ConfigError{Msg: "the gateway has no host", Advice: "set ssh_gateway to a host name or address"}
		}
	}
	if err := c.UserConfig.complete(&c); err != nil {
		return nil, err
	}
	for _, h := range append([]Hop{c.Hop}, c.Gateways...) {
		if err := h.checkKeys(); err != nil {
			return nil, err
		}
	}
	if c.Agent == "" {
		c.Agent = c.Getenv("SSH_AUTH_SOCK")
	}
	if c.Agent == "" {
		c.Agent = defaultAgent
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = DefaultKeepAlive
	}
	if c.KeepAliveMax <= 0 {
		c.KeepAliveMax = DefaultKeepAliveMax
	}
	if c.MaxSessions <= 0 {
		c.MaxSessions = DefaultMaxSessions
	}
	if c.KeyRing == nil {
		c.KeyRing = NewKeyRing(c.Prompter)
	}
	if c.HostKeys == nil {
		c.HostKeys = &HostKeys{}
	}
	if c.HostKeys.SourceName == "" {
		c.HostKeys.SourceName = "the console log"
	}
	return &c, nil
}

// phase is how far an attempt to connect has come.
type phase int32

const (
	phaseDial phase = iota
	phaseHandshake
	phaseAuth
	phaseAsking
	phaseSession
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
