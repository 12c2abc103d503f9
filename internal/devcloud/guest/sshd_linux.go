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
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// loginGrace is how long a client may take to authenticate, as sshd's
// LoginGraceTime.
const loginGrace = 2 * time.Minute

// sshServer is the guest's sshd.
type sshServer struct {
	m      *machine
	keys   []ssh.Signer
	closed atomic.Bool // the guest shuts down: no new commands

	ignored atomic.Value // what the last warning about sshd_config named
}

// serve accepts connections for good.
func (s *sshServer) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			go func() {
				s.handle(c)
				_ = c.Close()
			}()
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			time.Sleep(50 * time.Millisecond) // until a connection has ended
		default:
			return
		}
	}
}

// login is what authentication found out.
type login struct {
	user    account
	options keyOptions
	conf    sshdConfig
}

// loginData is the key of a login in ssh.Permissions.
type loginData struct{}

func (l login) permissions() *ssh.Permissions {
	return &ssh.Permissions{ExtraData: map[any]any{loginData{}: l}}
}

func (s *sshServer) handle(c net.Conn) {
	conf := parseSSHDConfig(s.m.fs.readSSHDConfig())
	names := strings.Join(conf.ignored, ", ")
	if old, _ := s.ignored.Swap(names).(string); names != "" && names != old {
		s.m.console.line("sshd[1]: /etc/ssh/sshd_config: these options have no effect in this guest: " + names)
	}
	cfg := &ssh.ServerConfig{ServerVersion: "SSH-2.0-GalleyGuest_1.0"}
	if conf.publicKeys {
		cfg.PublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return s.publicKey(conf, meta.User(), key)
		}
	}
	if conf.passwords {
		cfg.PasswordCallback = func(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return s.password(conf, meta.User(), string(password))
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
	lg, ok := conn.Permissions.ExtraData[loginData{}].(login)
	if !ok {
		return
	}

	// Keepalives get the failure that sshd answers them with; a client's wish
	// for a port of the guest (ssh -R) is refused.
	go ssh.DiscardRequests(reqs)
	var open sync.WaitGroup
	for nc := range chans {
		switch nc.ChannelType() {
		case "session":
			open.Add(1)
			go func() {
				defer open.Done()
				s.session(conn, lg, nc)
			}()
		case "direct-tcpip":
			go direct(lg, nc)
		default:
			_ = nc.Reject(ssh.UnknownChannelType, "unknown channel type")
		}
	}
	open.Wait()
}

var errDenied = errors.New("permission denied")

func (s *sshServer) publicKey(conf sshdConfig, name string, key ssh.PublicKey) (*ssh.Permissions, error) {
	u, unknown := s.m.accounts.lookup(name)
	data, err := s.m.fs.read(path.Join(u.home, ".ssh", "authorized_keys"))
	if unknown != nil || err != nil || (name == "root" && conf.rootLogin == "no") || !loginShell(u) {
		return nil, errDenied
	}
	for len(data) > 0 {
		known, _, options, rest, err := ssh.ParseAuthorizedKey(data)
		if err != nil {
			break // no key is left
		}
		data = rest
		if !bytes.Equal(known.Marshal(), key.Marshal()) {
			continue
		}
		o, err := parseKeyOptions(options)
		if err != nil {
			s.m.console.cloud("WARNING: sshd: a key of %s is not accepted: %v", name, err)
			continue
		}
		if name != "root" || conf.rootLogin != "forced-commands-only" || o["command"] != "" {
			return login{u, o, conf}.permissions(), nil
		}
	}
	return nil, errDenied
}

func (s *sshServer) password(conf sshdConfig, name, password string) (*ssh.Permissions, error) {
	u, err := s.m.accounts.lookup(name)
	if err != nil || (name == "root" && conf.rootLogin != "yes") || !loginShell(u) ||
		!checkPassword(password, s.m.accounts.shadow(name)) {
		return nil, errDenied
	}
	return login{user: u, conf: conf}.permissions(), nil
}

func loginShell(u account) bool {
	return !strings.HasSuffix(u.shell, "/nologin") && !strings.HasSuffix(u.shell, "/false")
}

// keyOptions are the options of a line in authorized_keys, in lower case.
type keyOptions map[string]string

// parseKeyOptions reads them. One that is not known may restrict the key, so
// it is an error.
func parseKeyOptions(options []string) (keyOptions, error) {
	o := keyOptions{}
	for _, opt := range options {
		name, value, _ := strings.Cut(opt, "=")
		switch name = strings.ToLower(name); name {
		case "command", "restrict", "no-pty", "no-port-forwarding", "no-agent-forwarding", "no-x11-forwarding", "no-user-rc":
			o[name] = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`), `\"`, `"`)
		default:
			return o, fmt.Errorf("option %s is not supported", name)
		}
	}
	return o, nil
}

// forbids reports whether the key may not be used for "pty" and the like.
func (o keyOptions) forbids(what string) bool {
	_, one := o["no-"+what]
	_, all := o["restrict"]
	return one || all
}

// direct connects the client to an address, so that a guest can be a gateway.
func direct(lg login, nc ssh.NewChannel) {
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
	if !lg.conf.forwarding || lg.options.forbids("port-forwarding") {
		_ = nc.Reject(ssh.Prohibited, "administratively prohibited: open failed")
		return
	}
	address := net.JoinHostPort(req.Host, strconv.Itoa(int(req.Port)))
	c, err := net.DialTimeout("tcp", address, 30*time.Second) //nolint:noctx // the channel's opener cannot be cancelled
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
	both.Go(func() {
		_, _ = io.Copy(c, ch)
		if w, ok := c.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
	})
	both.Go(func() {
		_, _ = io.Copy(ch, c)
		_ = ch.CloseWrite()
	})
	both.Wait()
	_ = ch.Close()
	_ = c.Close()
}
