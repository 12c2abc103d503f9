package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// loginGrace is how long a client may take to authenticate, as sshd's
// LoginGraceTime.
const loginGrace = 2 * time.Minute

// sshServer is the guest's sshd.
type sshServer struct {
	m    *machine
	keys []ssh.Signer

	mu     sync.Mutex
	l      net.Listener
	conns  map[net.Conn]struct{}
	groups map[int]struct{} // process groups of the sessions' commands
	closed bool
}

// serve accepts connections until closeAll.
func (s *sshServer) serve(l net.Listener) {
	s.mu.Lock()
	s.l = l
	if s.closed {
		_ = l.Close()
	}
	s.mu.Unlock()
	for {
		c, err := l.Accept()
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				time.Sleep(50 * time.Millisecond) // until a connection has ended
				continue
			}
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		if s.conns == nil {
			s.conns = map[net.Conn]struct{}{}
		}
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		go func() {
			s.handle(c)
			_ = c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		}()
	}
}

// closeAll ends the server: no new connections, a signal to the commands of
// the open ones, then the connections.
func (s *sshServer) closeAll(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.l != nil {
		_ = s.l.Close()
	}
	for g := range s.groups {
		_ = syscall.Kill(-g, sig)
	}
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *sshServer) track(group int, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups = map[int]struct{}{}
	}
	if on {
		s.groups[group] = struct{}{}
	} else {
		delete(s.groups, group)
	}
}

// login is what authentication found out.
type login struct {
	user    account
	options keyOptions
	conf    sshdConfig
}

// Names in ssh.Permissions.Extensions.
const (
	extUser    = "user"
	extOptions = "options"
)

func (s *sshServer) handle(c net.Conn) {
	text, _ := s.m.fs.read("/etc/ssh/sshd_config")
	conf := parseSSHDConfig(string(text))
	cfg := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-GalleyGuest_1.0",
		MaxAuthTries:  conf.maxAuth,
	}
	if conf.publicKeys {
		cfg.PublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return s.publicKey(conf, meta.User(), key)
		}
	}
	if conf.passwords {
		cfg.PasswordCallback = func(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return s.password(conf, meta.User(), string(password))
		}
		cfg.KeyboardInteractiveCallback = func(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil {
				return nil, err
			}
			if len(answers) != 1 {
				return nil, errors.New("one answer expected")
			}
			return s.password(conf, meta.User(), answers[0])
		}
	}
	if conf.banner != "" && conf.banner != "none" {
		if b, err := s.m.fs.read(conf.banner); err == nil {
			cfg.BannerCallback = func(ssh.ConnMetadata) string { return string(b) }
		}
	}
	if cfg.PublicKeyCallback == nil && cfg.PasswordCallback == nil {
		return // nobody can log in
	}
	for _, k := range s.keys {
		cfg.AddHostKey(k)
	}
	_ = c.SetDeadline(time.Now().Add(loginGrace))
	conn, chans, reqs, err := ssh.NewServerConn(c, cfg)
	if err != nil {
		return
	}
	_ = c.SetDeadline(time.Time{})
	user, ok := s.m.accounts.lookup(conn.Permissions.Extensions[extUser])
	if !ok {
		return
	}
	options, _ := parseKeyOptions(splitOptions(conn.Permissions.Extensions[extOptions]))
	lg := login{user: user, options: options, conf: conf}

	fwd := newForwarder(conn, lg)
	defer fwd.close()
	go fwd.requests(reqs)
	var open sync.WaitGroup
	for nc := range chans {
		switch nc.ChannelType() {
		case "session":
			open.Add(1)
			go func() {
				defer open.Done()
				s.session(conn, lg, nc, fwd)
			}()
		case "direct-tcpip":
			go fwd.direct(nc)
		default:
			_ = nc.Reject(ssh.UnknownChannelType, "unknown channel type")
		}
	}
	open.Wait()
}

var errDenied = errors.New("permission denied")

func (s *sshServer) publicKey(conf sshdConfig, name string, key ssh.PublicKey) (*ssh.Permissions, error) {
	u, ok := s.m.accounts.lookup(name)
	if !ok || (name == "root" && conf.rootLogin == "no") || !loginShell(u) {
		return nil, errDenied
	}
	data, err := s.m.fs.read(path.Join(u.home, ".ssh", "authorized_keys"))
	if err != nil {
		return nil, errDenied
	}
	want := key.Marshal()
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		known, _, options, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil || !bytes.Equal(known.Marshal(), want) {
			continue
		}
		opts, err := parseKeyOptions(options)
		if err != nil {
			s.m.console.cloud("WARNING: sshd: a key of %s is not accepted: %v", name, err)
			continue
		}
		if name == "root" && conf.rootLogin == "forced-commands-only" && opts.command == "" {
			continue
		}
		return &ssh.Permissions{
			Extensions: map[string]string{extUser: name, extOptions: strings.Join(options, "\x00")},
		}, nil
	}
	return nil, errDenied
}

func (s *sshServer) password(conf sshdConfig, name, password string) (*ssh.Permissions, error) {
	u, ok := s.m.accounts.lookup(name)
	if !ok || (name == "root" && conf.rootLogin != "yes") || !loginShell(u) ||
		!checkPassword(password, s.m.accounts.shadow(name)) {
		return nil, errDenied
	}
	return &ssh.Permissions{Extensions: map[string]string{extUser: name}}, nil
}

func loginShell(u account) bool {
	return !strings.HasSuffix(u.shell, "/nologin") && !strings.HasSuffix(u.shell, "/false")
}

// keyOptions are the options of a line in authorized_keys.
type keyOptions struct {
	command                     string
	noPty, noForwards, noAgents bool
}

func splitOptions(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}

// parseKeyOptions reads them. One that is not known may restrict the key, so
// it is an error.
func parseKeyOptions(options []string) (keyOptions, error) {
	var o keyOptions
	for _, opt := range options {
		name, value, _ := strings.Cut(opt, "=")
		switch strings.ToLower(name) {
		case "command":
			o.command = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`), `\"`, `"`)
		case "no-pty":
			o.noPty = true
		case "pty":
			o.noPty = false
		case "no-port-forwarding":
			o.noForwards = true
		case "port-forwarding":
			o.noForwards = false
		case "no-agent-forwarding":
			o.noAgents = true
		case "agent-forwarding":
			o.noAgents = false
		case "restrict":
			o.noPty, o.noForwards, o.noAgents = true, true, true
		case "no-x11-forwarding", "no-user-rc", "x11-forwarding", "user-rc":
		default:
			return o, fmt.Errorf("option %s is not supported", name)
		}
	}
	return o, nil
}

// forwarder serves what a connection asks for beside sessions.
type forwarder struct {
	conn *ssh.ServerConn
	lg   login

	mu        sync.Mutex
	listeners map[string]net.Listener // of tcpip-forward, by bound address
}

func newForwarder(conn *ssh.ServerConn, lg login) *forwarder {
	return &forwarder{conn: conn, lg: lg, listeners: map[string]net.Listener{}}
}

func (f *forwarder) allowed() bool { return f.lg.conf.forwarding && !f.lg.options.noForwards }

func (f *forwarder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		_ = l.Close()
	}
}

// requests answers global requests. Keepalives get the failure that sshd
// answers them with; any answer will do.
func (f *forwarder) requests(reqs <-chan *ssh.Request) {
	for r := range reqs {
		var ok bool
		var answer []byte
		switch r.Type {
		case "tcpip-forward":
			ok, answer = f.listen(r.Payload)
		case "cancel-tcpip-forward":
			ok = f.cancel(r.Payload)
		}
		if r.WantReply {
			_ = r.Reply(ok, answer)
		}
	}
}

type forwardRequest struct {
	Addr string
	Port uint32
}

// listen opens a port of the guest's (which is the host's, on its loopback
// interface) for the client.
func (f *forwarder) listen(payload []byte) (bool, []byte) {
	var req forwardRequest
	if ssh.Unmarshal(payload, &req) != nil || !f.allowed() || req.Port > 65535 {
		return false, nil
	}
	// GatewayPorts no: whatever address is asked for.
	l, err := net.Listen( //nolint:noctx // ends with the connection
		"tcp",
		net.JoinHostPort("127.0.0.1", strconv.Itoa(int(req.Port))),
	)
	if err != nil {
		return false, nil
	}
	bound := req
	bound.Port = uint32(l.Addr().(*net.TCPAddr).Port)
	f.mu.Lock()
	f.listeners[fmt.Sprint(bound.Addr, " ", bound.Port)] = l
	f.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.forwarded(c, bound)
		}
	}()
	if req.Port == 0 {
		return true, ssh.Marshal(struct{ Port uint32 }{bound.Port})
	}
	return true, nil
}

func (f *forwarder) cancel(payload []byte) bool {
	var req forwardRequest
	if ssh.Unmarshal(payload, &req) != nil {
		return false
	}
	key := fmt.Sprint(req.Addr, " ", req.Port)
	f.mu.Lock()
	l, ok := f.listeners[key]
	delete(f.listeners, key)
	f.mu.Unlock()
	if ok {
		_ = l.Close()
	}
	return ok
}

func (f *forwarder) forwarded(c net.Conn, at forwardRequest) {
	from, _ := c.RemoteAddr().(*net.TCPAddr)
	if from == nil {
		from = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	}
	ch, reqs, err := f.conn.OpenChannel("forwarded-tcpip", ssh.Marshal(struct {
		Addr       string
		Port       uint32
		OriginAddr string
		OriginPort uint32
	}{at.Addr, at.Port, from.IP.String(), uint32(from.Port)}))
	if err != nil {
		_ = c.Close()
		return
	}
	go ssh.DiscardRequests(reqs)
	splice(ch, c)
}

// direct connects the client to an address, so that a guest can be a gateway.
func (f *forwarder) direct(nc ssh.NewChannel) {
	var req struct {
		Host       string
		Port       uint32
		OriginAddr string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &req); err != nil || req.Port > 65535 {
		_ = nc.Reject(ssh.ConnectionFailed, "bad request")
		return
	}
	if !f.allowed() {
		_ = nc.Reject(ssh.Prohibited, "administratively prohibited: open failed")
		return
	}
	c, err := net.DialTimeout( //nolint:noctx // the channel's opener cannot be cancelled
		"tcp",
		net.JoinHostPort(req.Host, strconv.Itoa(int(req.Port))),
		30*time.Second,
	)
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "connect failed: "+err.Error())
		return
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		_ = c.Close()
		return
	}
	go ssh.DiscardRequests(reqs)
	splice(ch, c)
}

// splice copies both ways, passes on the end of each, and closes both.
func splice(ch ssh.Channel, c net.Conn) {
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		defer both.Done()
		_, _ = io.Copy(c, ch)
		if w, ok := c.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
	}()
	go func() {
		defer both.Done()
		_, _ = io.Copy(ch, c)
		_ = ch.CloseWrite()
	}()
	both.Wait()
	_ = ch.Close()
	_ = c.Close()
}
