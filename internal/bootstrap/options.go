package bootstrap

import (
	"cmp"
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/secret"
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
	Password secret.Text
	// Keys are paths of private keys, or of public ones whose private half an
	// agent holds.
	Keys []string
	// OnlyKeys offers no other keys than Keys.
	OnlyKeys bool
	// PublicKeyOnly never asks the user for a password.
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
	Password secret.Text
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
	// GatewayHostKeys makes the policy for a gateway without one;
	// nil looks into known_hosts and accepts hosts that are not listed there.
	GatewayHostKeys func(addr string, knownHosts []string) *HostKeys
	// ForwardAgent lets sessions on the machine use the agent here.
	ForwardAgent bool
	// Agent is the socket of the agent, "none" for no agent, "" for
	// IdentityAgent of ~/.ssh/config or SSH_AUTH_SOCK.
	Agent string
	// Locale gives commands the locale of Getenv; a shell always has it.
	Locale bool
	// AskPassword lets the user be asked for a password.
	AskPassword bool
	// ConnectTimeout bounds an attempt to connect, from dialling to the end of
	// the login, the time that a person takes to answer aside; 15 s.
	ConnectTimeout time.Duration
	// KeepAlive is the time between two signs of life; 60 s, none if negative.
	// After KeepAliveMax (3) unanswered ones the connection counts as lost.
	KeepAlive    time.Duration
	KeepAliveMax int
	// SessionTimeout bounds the answers of a machine that is connected: to
	// open a session, to start a command, and to send the exit status of a
	// script after the end of its output; 60 s. It does not bound the command.
	SessionTimeout time.Duration
	// MaxDownload bounds what one download from the machine may write here, in
	// bytes; 2 GiB.
	MaxDownload int64
	// MaxSessions bounds the sessions open at once; 9. OpenSSH's sshd allows
	// 10 for a connection.
	MaxSessions int
	// KeyRing keeps the private keys; nil means one for this connection.
	KeyRing *KeyRing
	// Prompter asks for passphrases and passwords; nil asks nobody.
	Prompter Prompter
	// UserConfig is what ~/.ssh/config says; nil for nothing.
	UserConfig *UserConfig
	// Home is the home directory; "" means that of the user.
	Home string
	// Getenv looks up the environment; nil means the process's.
	Getenv func(string) string
	// Dialer opens the first connection; nil means the network.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// Report receives what happens; nil discards it.
	Report Reporter
}

// Defaults of a [Config]; Test Kitchen's ssh transport.
const (
	DefaultConnectTimeout = 15 * time.Second
	DefaultKeepAlive      = 60 * time.Second
	DefaultKeepAliveMax   = 3
	DefaultMaxSessions    = 9
	DefaultSessionTimeout = 60 * time.Second
	DefaultMaxDownload    = 2 << 30
)

// resolved returns a copy of c in which every blank is filled in.
func (c Config) resolved() (*Config, error) {
	c.Report = Reporting(c.Report)
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
	c.Agent = cmp.Or(c.Agent, c.Getenv("SSH_AUTH_SOCK"), defaultAgent)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	setDefault(&c.ConnectTimeout, DefaultConnectTimeout)
	setDefault(&c.KeepAliveMax, DefaultKeepAliveMax)
	setDefault(&c.SessionTimeout, DefaultSessionTimeout)
	setDefault(&c.MaxDownload, DefaultMaxDownload)
	setDefault(&c.MaxSessions, DefaultMaxSessions)
	if c.KeyRing == nil {
		c.KeyRing = NewKeyRing(c.Prompter)
	}
	if c.HostKeys == nil {
		c.HostKeys = &HostKeys{}
	}
	c.HostKeys.SourceName = cmp.Or(c.HostKeys.SourceName, "the console log")
	return &c, nil
}

func setDefault[T cmp.Ordered](v *T, def T) {
	var zero T
	if *v <= zero {
		*v = def
	}
}

// Reporter receives what happens. A nil Reporter in a [Config] is allowed.
type Reporter interface {
	Info(format string, args ...any)
	Warn(format string, args ...any)
	Debug(format string, args ...any)
	// Waiting reports a wait: its name, its state, and when it began.
	Waiting(what, detail string, since time.Time)
}

// Reporting returns r, or a Reporter that discards everything where r is nil.
func Reporting(r Reporter) Reporter {
	if r == nil {
		return silent{}
	}
	return r
}

type silent struct{}

func (silent) Info(string, ...any)               {}
func (silent) Warn(string, ...any)               {}
func (silent) Debug(string, ...any)              {}
func (silent) Waiting(string, string, time.Time) {}

// Prompter asks the user at the terminal. Without a terminal, leave
// the Prompter nil: then nothing is asked and what would have needed an answer
// fails with advice.
type Prompter interface {
	// Prompt shows question and returns the line typed, without its end.
	// With echo false the line is not shown.
	Prompt(ctx context.Context, question string, echo bool) (string, error)
}
