package ssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/kitchen"
)

// Options are what a [Transport] needs besides its section. The zero value
// works.
type Options struct {
	// Fallback has values for keys that the section does not have: what a
	// driver section of the 1.x generation says about SSH, under the
	// transport's names or the old ones (private_key_path, ssh_timeout,
	// ssh_retries).
	Fallback config.Section
	// KeyRing is shared by the transports of a run, so that a passphrase is
	// asked for once. Nil means one for this transport.
	KeyRing *bootstrap.KeyRing
	// Prompter asks the user for passphrases and passwords; nil where there
	// is not a terminal.
	Prompter bootstrap.Prompter
	// UserConfig is the user's ~/.ssh/config; nil for none.
	UserConfig *bootstrap.UserConfig
	// Home is the home directory and Getenv the environment; both default to
	// those of the process.
	Home   string
	Getenv func(string) string
	// NoHostKeyVerify takes any host key (--no-host-key-verify).
	NoHostKeyVerify bool
	// UserData says that the driver gives the machine user data, for which its
	// cloud-init is waited.
	UserData bool
	// Grace is how long a refused login is tried again while a machine comes
	// up; 0 means bootstrap's default, a negative one none.
	Grace time.Duration
}

// Transport reaches the machine of one instance over SSH. It keeps a
// connection from [Transport.Wait] for the [Transport.Connect] that follows.
type Transport struct {
	s settings
	o Options

	warned sync.Once

	mu     sync.Mutex
	shared *shared
}

// shared is a connection and those who use it.
type shared struct {
	id     string
	client *bootstrap.Client
	users  int
	// idle ends a connection that nobody came for.
	idle *time.Timer
}

// idleFor is how long a connection waits for its first user.
const idleFor = 30 * time.Second

// New reads a transport section. Its keys are those of Test Kitchen's ssh
// transport (`kitchen: transport/ssh`): username, password, port, ssh_key (a
// path or a list), ssh_key_only, forward_agent, verbose, keepalive,
// keepalive_interval, keepalive_maxcount, connection_timeout,
// connection_retries, connection_retry_sleep, max_wait_until_ready,
// max_ssh_sessions, compression, ssh_gateway, ssh_gateway_port,
// ssh_gateway_username, ssh_http_proxy and its _port, _user and _password,
// ssh_proxy_command. Some mean a little more here: ssh_gateway may be a chain
// as ssh -J takes it, max_wait_until_ready is the whole wait in seconds, and
// verbose shows messages of debug level. compression is
// accepted with a warning: uploads are compressed by Galley itself.
func New(section config.Section, o Options) (*Transport, error) {
	s, err := read(section, o.Fallback)
	if err != nil {
		return nil, err
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.KeyRing == nil {
		o.KeyRing = bootstrap.NewKeyRing(o.Prompter)
	}
	return &Transport{s: s, o: o}, nil
}

// Failure is a failure to reach a machine, or to do something on it, under
// the name that Test Kitchen's state file has for it.
type Failure struct{ err error }

func (f *Failure) Error() string { return f.err.Error() }
func (f *Failure) Unwrap() error { return f.err }

// Class is Test Kitchen's name for it.
func (f *Failure) Class() string { return "Kitchen::Transport::SshFailed" }

// Hint hands on the advice of the error inside.
func (f *Failure) Hint() string { return kitchen.Hint(f.err) }

func failed(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &Failure{err}
}

// Wait implements [kitchen.Transport].
func (t *Transport) Wait(ctx context.Context, step *kitchen.Step) error {
	cfg, err := t.config(step)
	if err != nil {
		return err
	}
	t.drop()
	client, err := bootstrap.Wait(ctx, cfg, t.waitOptions())
	if err != nil {
		return failed(err)
	}
	t.mu.Lock()
	sh := &shared{id: identity(cfg), client: client}
	sh.idle = time.AfterFunc(idleFor, func() { t.expire(sh) })
	t.shared = sh
	t.mu.Unlock()
	step.Report.Info("(ssh ready)")
	return nil
}

// waitOptions are the limits of a wait. Cloud-init counts where the file gives
// it something to do, or asks for the wait.
func (t *Transport) waitOptions() bootstrap.WaitOptions {
	o := bootstrap.WaitOptions{Timeout: t.s.readyTimeout, Grace: t.o.Grace, Boot: bootstrap.ShortBootTimeout}
	switch {
	case t.s.bootTimeout != nil:
		o.Boot, o.MustBoot = *t.s.bootTimeout, true
	case t.o.UserData:
		o.Boot, o.MustBoot = bootstrap.DefaultBootTimeout, true
	}
	return o
}

// Connect implements [kitchen.Transport].
func (t *Transport) Connect(ctx context.Context, step *kitchen.Step) (kitchen.Conn, error) {
	cfg, err := t.config(step)
	if err != nil {
		return nil, err
	}
	c := &conn{t: t, cfg: cfg}
	if c.sh, err = t.acquire(ctx, cfg); err != nil {
		return nil, failed(err)
	}
	return c, nil
}

// CommandLine returns the ssh command that logs in to the machine as
// [Transport.Connect] would, for people to copy.
func (t *Transport) CommandLine(step *kitchen.Step) ([]string, error) {
	cfg, err := t.config(step)
	if err != nil {
		return nil, err
	}
	return bootstrap.CommandLine(cfg)
}

// Close ends a connection that nobody uses.
func (t *Transport) Close() error {
	t.drop()
	return nil
}

// drop forgets the shared connection, and ends it unless it is used.
func (t *Transport) drop() {
	t.mu.Lock()
	sh := t.shared
	t.shared = nil
	unused := sh != nil && sh.users == 0
	t.mu.Unlock()
	if unused {
		sh.end()
	}
}

func (t *Transport) expire(sh *shared) {
	t.mu.Lock()
	mine := t.shared == sh && sh.users == 0
	t.mu.Unlock()
	if mine {
		t.drop()
	}
}

func (s *shared) end() {
	if s.idle != nil {
		s.idle.Stop()
	}
	s.client.Close()
}

// acquire returns the shared connection if it is to the same machine in the
// same way and still lives, else a new one.
func (t *Transport) acquire(ctx context.Context, cfg bootstrap.Config) (*shared, error) {
	id := identity(cfg)
	t.mu.Lock()
	if sh := t.shared; sh != nil {
		select {
		case <-sh.client.Gone():
		default:
			if sh.id == id {
				sh.users++
				t.mu.Unlock()
				return sh, nil
			}
		}
	}
	t.mu.Unlock()
	t.drop()
	client, err := t.dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	sh := &shared{id: id, client: client, users: 1}
	if t.shared == nil {
		t.shared = sh
	}
	return sh, nil
}

// release gives a connection back.
func (t *Transport) release(sh *shared) {
	t.mu.Lock()
	sh.users--
	last := sh.users == 0
	if last && t.shared == sh {
		t.shared = nil
	}
	t.mu.Unlock()
	if last {
		sh.end()
	}
}

// dial connects, again where the network failed, as often as configured.
func (t *Transport) dial(ctx context.Context, cfg bootstrap.Config) (*bootstrap.Client, error) {
	start := time.Now()
	for attempt := 1; ; attempt++ {
		client, err := bootstrap.Dial(ctx, cfg)
		if err == nil {
			return client, nil
		}
		var unreachable *bootstrap.UnreachableError
		if !errors.As(err, &unreachable) || attempt >= t.s.retries {
			return nil, err
		}
		cfg.Report.Waiting("SSH service on "+unreachable.Addr, unreachable.Reason, start)
		if retry.Sleep(ctx, t.s.retrySleep) != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// identity tells connections apart.
func identity(c bootstrap.Config) string {
	var b strings.Builder
	hop := func(h bootstrap.Hop) {
		fmt.Fprintf(&b, "%q %d %q %q %q %v;", h.Host, h.Port, h.User, string(h.Password), h.Keys, h.OnlyKeys)
	}
	hop(c.Hop)
	for _, g := range c.Gateways {
		hop(g)
	}
	return b.String()
}

// config joins the settings and the state of the instance: hostname, port,
// username, password and ssh_key of the state win.
func (t *Transport) config(step *kitchen.Step) (bootstrap.Config, error) {
	host := strings.TrimSpace(step.State.String(kitchen.KeyHostname))
	if host == "" {
		return bootstrap.Config{}, &kitchen.NoAddressError{Instance: step.Instance.Name}
	}
	s := t.s
	var report bootstrap.Reporter = step.Report
	if s.verbose {
		report = talkative{step.Report}
	}
	t.warned.Do(func() {
		if s.compression != "false" && s.compression != "none" {
			step.Report.Warn("transport: compression: the connection itself is not compressed; uploads are, in any case")
		}
		for _, k := range s.fallbackMentions {
			step.Report.Debug("driver: %s needs nothing: SSH counts as ready when a command has been run", k)
		}
	})
	cfg := bootstrap.Config{
		Hop:            bootstrap.Hop{Host: host, Port: s.port, User: s.username, Password: secret.Text(s.password), Keys: slices.Clone(s.keys)},
		DefaultUser:    defaultUser,
		HTTPProxy:      s.httpProxy,
		ProxyCommand:   s.proxyCommand,
		ForwardAgent:   s.forwardAgent,
		Locale:         true,
		ConnectTimeout: s.connectTimeout,
		KeepAlive:      s.keepAliveEvery,
		KeepAliveMax:   s.keepAliveMax,
		MaxSessions:    s.maxSessions,
		SessionTimeout: s.sessionTimeout,
		MaxDownload:    s.maxDownload,
		KeyRing:        t.o.KeyRing,
		Prompter:       t.o.Prompter,
		AskPassword:    t.o.Prompter != nil,
		UserConfig:     t.o.UserConfig,
		Home:           t.o.Home,
		Getenv:         t.o.Getenv,
		Report:         report,
	}
	if to := s.dial.hop(host); to != nil {
		cfg.Host = to.Host
		if to.Port != 0 {
			cfg.Port = to.Port
		}
	}
	cfg.Gateways = slices.Clone(s.gatewayHops)
	if !s.keepAlive {
		cfg.KeepAlive = -1
	}
	if v := step.State.String(kitchen.KeyPort); v != "" && cfg.Port == s.port {
		n, err := strconv.Atoi(strings.TrimSpace(v))
		if err != nil || n < 1 || n > 65535 {
			return cfg, fmt.Errorf("the state of instance <%s> has the port %q, which is none", step.Instance.Name, v)
		}
		cfg.Port = n
	}
	cfg.User = cmp.Or(step.State.String(kitchen.KeyUsername), cfg.User)
	cfg.Password = cmp.Or(secret.Text(step.State.String(kitchen.KeyPassword)), cfg.Password)
	if keys := stateKeys(step.State.Get(kitchen.KeySSHKey)); len(keys) > 0 {
		cfg.Keys = keys
	}
	for i, k := range cfg.Keys {
		if rest, ok := strings.CutPrefix(k, "~/"); ok && t.o.Home != "" {
			cfg.Keys[i] = filepath.Join(t.o.Home, rest)
		}
	}
	// Test Kitchen: keys without a password mean these keys and nothing else.
	cfg.OnlyKeys = len(cfg.Keys) > 0 && cfg.Password == ""
	cfg.PublicKeyOnly = cfg.OnlyKeys || s.keyOnly
	if s.keyOnly {
		cfg.Password = ""
	}
	cfg.HostKeys = t.hostKeys(step)
	cfg.GatewayHostKeys = func(addr string, knownHosts []string) *bootstrap.HostKeys {
		return t.gatewayKeys(step.State, addr, knownHosts)
	}
	return cfg, nil
}

// stateKeys reads a path or a list of paths.
func stateKeys(v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case []any:
		var keys []string
		for _, k := range v {
			if s, ok := k.(string); ok && s != "" {
				keys = append(keys, s)
			}
		}
		return keys
	}
	return nil
}

// Keys of the state below [kitchen.KeyOwn]. A host key is a line as in
// authorized_keys, its comment saying how far it is trusted.
const (
	ownHostKeys = "host_keys"
	// ownHostKeysOf is the machine that the keys belong to: a server that was
	// replaced has others.
	ownHostKeysOf = "host_keys_of"
	// ownGatewayKeys has the host keys of gateways that known_hosts does not
	// list, by host:port.
	ownGatewayKeys = "gateway_host_keys"

	trustConsole  = "verified"
	trustFirstUse = "first-use"
)

// hostKeys is the policy of the design: the console log, else the keys pinned
// at first use.
func (t *Transport) hostKeys(step *kitchen.Step) *bootstrap.HostKeys {
	st := step.State
	machine := cmp.Or(st.String(kitchen.KeyServerID), st.String(kitchen.KeyHostname))
	h := &bootstrap.HostKeys{Off: t.o.NoHostKeyVerify, Source: step.HostKeys, SourceName: "the console log"}
	if of, ok := st.Own(ownHostKeysOf).(string); !ok || of == machine {
		h.Pinned = readPins(st.Own(ownHostKeys))
	}
	h.Pin = func(keys []bootstrap.PinnedKey) error {
		st.SetOwn(ownHostKeys, writePins(keys))
		st.SetOwn(ownHostKeysOf, machine)
		return st.Save()
	}
	return h
}

// gatewayKeys is the policy for a gateway: known_hosts, else the keys pinned
// at first use.
func (t *Transport) gatewayKeys(st *kitchen.State, addr string, knownHosts []string) *bootstrap.HostKeys {
	all := func() map[string]any {
		m, _ := st.Own(ownGatewayKeys).(map[string]any)
		return m
	}
	h := &bootstrap.HostKeys{Off: t.o.NoHostKeyVerify, KnownHosts: knownHosts, Pinned: readPins(all()[addr])}
	h.Pin = func(keys []bootstrap.PinnedKey) error {
		next := maps.Clone(all())
		if next == nil {
			next = map[string]any{}
		}
		next[addr] = writePins(keys)
		st.SetOwn(ownGatewayKeys, next)
		return st.Save()
	}
	return h
}

func readPins(v any) []bootstrap.PinnedKey {
	list, _ := v.([]any)
	var pins []bootstrap.PinnedKey
	for _, v := range list {
		line, _ := v.(string)
		if f := strings.Fields(line); len(f) >= 2 {
			pins = append(pins, bootstrap.PinnedKey{Key: f[0] + " " + f[1], Verified: len(f) > 2 && f[2] == trustConsole})
		}
	}
	return pins
}

func writePins(keys []bootstrap.PinnedKey) []any {
	list := make([]any, len(keys))
	for i, k := range keys {
		trust := trustFirstUse
		if k.Verified {
			trust = trustConsole
		}
		list[i] = k.Key + " " + trust
	}
	return list
}

// talkative shows debug messages at info level.
type talkative struct{ *kitchen.Reporter }

func (t talkative) Debug(format string, args ...any) { t.Info(format, args...) }

// conn is a [kitchen.Conn]. A machine that rebooted is connected to again by
// the next call.
type conn struct {
	t   *Transport
	cfg bootstrap.Config

	mu     sync.Mutex
	sh     *shared
	closed bool
}

var errClosed = errors.New("the connection has been closed")

func (c *conn) client(ctx context.Context) (*bootstrap.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if c.sh != nil {
		select {
		case <-c.sh.client.Gone():
			c.t.release(c.sh)
			c.sh = nil
		default:
			return c.sh.client, nil
		}
	}
	c.cfg.Report.Debug("connecting to %s again", c.cfg.Host)
	sh, err := c.t.acquire(ctx, c.cfg)
	if err != nil {
		return nil, err
	}
	c.sh = sh
	return sh.client, nil
}

func (c *conn) Run(ctx context.Context, cmd kitchen.Command) (int, error) {
	client, err := c.client(ctx)
	if err != nil {
		return 0, failed(err)
	}
	if !client.Windows() {
		setup := ""
		if !cmd.TTY {
			setup = c.t.plainOutput()
		}
		cmd.Line = posix.Login(cmd.Line, setup)
	}
	status, err := client.Run(ctx, cmd)
	return status, failed(err)
}

// plainOutput is shell code that has a user's command, which has no terminal,
// write plain lines.
func (t *Transport) plainOutput() string {
	code := ""
	for _, name := range []string{"CI", "NO_COLOR"} {
		if v := t.o.Getenv(name); v != "" {
			code += name + "=" + posix.Quote(v) + "; export " + name + "\n"
		}
	}
	return code + `: "${NO_COLOR=1}" "${TERM=dumb}"; export NO_COLOR TERM` + "\n"
}

// Near implements [kitchen.Neighbour].
func (c *conn) Near() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sh != nil && c.sh.client.Near()
}

func (c *conn) Shell(ctx context.Context, term kitchen.Terminal) (int, error) {
	client, err := c.client(ctx)
	if err != nil {
		return 0, failed(err)
	}
	status, err := client.Shell(ctx, term)
	return status, failed(err)
}

func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.sh != nil {
		c.t.release(c.sh)
		c.sh = nil
	}
	return nil
}

// Target says how the machine with that state is reached, for programs on the
// workstation that connect by themselves. A state without an address is a
// [kitchen.NoAddressError].
func (t *Transport) Target(inst *kitchen.Instance, state *kitchen.State) (bootstrap.Config, error) {
	return t.config(&kitchen.Step{Instance: inst, State: state})
}
