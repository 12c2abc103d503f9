package ssh

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/secret"
)

// settings is what the configuration says, before any state.
type settings struct {
	username, password string
	port               int
	keys               []string
	keyOnly            bool

	forwardAgent   bool
	keepAlive      bool
	keepAliveEvery time.Duration
	keepAliveMax   int
	connectTimeout time.Duration
	retries        int
	retrySleep     time.Duration
	readyTimeout   time.Duration
	maxSessions    int
	sessionTimeout time.Duration
	maxDownload    int64 // bytes
	// bootTimeout is wait_for_cloud_init, nil where nothing is said.
	bootTimeout      *time.Duration
	dial             dialMap
	verbose          bool
	compression      string
	gateway          string
	gatewayPort      int
	gatewayUser      string
	httpProxy        *bootstrap.HTTPProxy
	proxyCommand     string
	gatewayHops      []bootstrap.Hop
	fallbackMentions []string
}

// Test Kitchen's defaults.
const (
	defaultUser           = "root"
	defaultConnectTimeout = 15 * time.Second
	defaultRetries        = 5
	defaultRetrySleep     = time.Second
	defaultReady          = 600 * time.Second
	defaultKeepAlive      = 60 * time.Second
	defaultKeepAliveMax   = 3
	defaultMaxSessions    = 9
)

// reader reads keys of a section, each falling back to another section, and
// collects their faults.
type reader struct {
	own, below config.Section
	config.Faults
}

// section is where key is set: the transport's own section, or the fallback
// under any of the legacy names.
func (r *reader) section(key string, legacy ...string) (config.Section, string) {
	for _, s := range []config.Section{r.own, r.below} {
		for _, k := range append([]string{key}, legacy...) {
			if s.Has(k) {
				return s, k
			}
		}
	}
	return r.own, key
}

// lookUp reads a key where it is set.
func lookUp[T any](r *reader, read func(config.Section, string, T) (T, error), key string, def T, legacy []string) T {
	s, k := r.section(key, legacy...)
	v, err := read(s, k, def)
	r.Add(err)
	return v
}

func (r *reader) text(key, def string, legacy ...string) string {
	return lookUp(r, config.Section.String, key, def, legacy)
}

func (r *reader) flag(key string, def bool, legacy ...string) bool {
	return lookUp(r, config.Section.Bool, key, def, legacy)
}

func (r *reader) seconds(key string, def time.Duration, legacy ...string) time.Duration {
	return lookUp(r, config.Section.Seconds, key, def, legacy)
}

func (r *reader) number(key string, def, least, most int, legacy ...string) int {
	s, k := r.section(key, legacy...)
	v, err := s.Int(k, def)
	if err == nil && (v < least || v > most) {
		err = fmt.Errorf("transport: %s: %d is out of range (%d to %d) (%s)", k, v, least, most, s.Where(k))
	}
	r.Add(err)
	return v
}

func (r *reader) paths(key string, legacy ...string) []string {
	s, k := r.section(key, legacy...)
	v, err := s.StringList(k)
	r.Add(err)
	var out []string
	for _, p := range v {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, s.Expand(p))
		}
	}
	return out
}

// bootTimeout reads wait_for_cloud_init: true, false or seconds.
func (r *reader) bootTimeout() *time.Duration {
	const key = "wait_for_cloud_init"
	s, k := r.section(key)
	if !s.Has(k) {
		return nil
	}
	d := time.Duration(0)
	if on, err := s.Bool(k, false); err == nil {
		if on {
			d = bootstrap.DefaultBootTimeout
		}
		return &d
	}
	d, err := s.Seconds(k, 0)
	if err != nil || d < 0 {
		r.Add(&config.ValueError{Key: k, Where: s.Where(k), Found: "another value", Want: "true, false or a number of seconds"})
	}
	return &d
}

const many = 1 << 20

// read takes the keys out of the sections.
func read(own, below config.Section) (s settings, err error) {
	r := &reader{own: own, below: below}
	s = settings{
		username:       r.text("username", ""),
		password:       r.text("password", ""),
		port:           r.number("port", 0, 0, 65535),
		keys:           r.paths("ssh_key", "private_key_path"),
		keyOnly:        r.flag("ssh_key_only", false),
		forwardAgent:   r.flag("forward_agent", false),
		keepAlive:      r.flag("keepalive", true),
		keepAliveEvery: r.seconds("keepalive_interval", defaultKeepAlive),
		keepAliveMax:   r.number("keepalive_maxcount", defaultKeepAliveMax, 1, many),
		connectTimeout: r.seconds("connection_timeout", defaultConnectTimeout, "ssh_timeout"),
		retries:        r.number("connection_retries", defaultRetries, 0, many, "ssh_retries"),
		retrySleep:     r.seconds("connection_retry_sleep", defaultRetrySleep),
		readyTimeout:   r.seconds("max_wait_until_ready", defaultReady),
		maxSessions:    r.number("max_ssh_sessions", defaultMaxSessions, 1, many),
		sessionTimeout: r.seconds("session_timeout", bootstrap.DefaultSessionTimeout),
		maxDownload:    int64(r.number("max_download_size", bootstrap.DefaultMaxDownload>>20, 1, many)) << 20,
		bootTimeout:    r.bootTimeout(),
		dial:           r.dialMap(),
		compression:    strings.ToLower(r.text("compression", "false")),
		gateway:        r.text("ssh_gateway", ""),
		gatewayPort:    r.number("ssh_gateway_port", 0, 0, 65535),
		gatewayUser:    r.text("ssh_gateway_username", ""),
		proxyCommand:   r.text("ssh_proxy_command", ""),
	}
	switch v := strings.ToLower(r.text("verbose", "")); v {
	case "debug", "info", "true":
		s.verbose = true
	}
	proxy := r.text("ssh_http_proxy", "")
	proxyPort := r.number("ssh_http_proxy_port", 0, 0, 65535)
	proxyUser, proxyPassword := r.text("ssh_http_proxy_user", ""), r.text("ssh_http_proxy_password", "")
	switch s.compression {
	case "false", "none", "zlib", "true", "zlib@openssh.com":
	default:
		r.Add(fmt.Errorf("transport: compression: %q is not zlib, none or false (%s)", s.compression, own.Where("compression")))
	}
	if proxy != "" {
		if s.httpProxy, err = httpProxy(proxy); err != nil {
			r.Add(fmt.Errorf("transport: ssh_http_proxy: %w (%s)", err, own.Where("ssh_http_proxy")))
		} else {
			s.httpProxy.Port = cmp.Or(proxyPort, s.httpProxy.Port)
			if proxyUser != "" {
				s.httpProxy.User, s.httpProxy.Password = proxyUser, secret.Text(proxyPassword)
			}
		}
	}
	if s.gateway != "" {
		hops, err := bootstrap.ParseJumps(s.gateway)
		if err != nil {
			r.Add(fmt.Errorf("transport: ssh_gateway: %w (%s)", err, own.Where("ssh_gateway")))
			return s, r.Err()
		}
		last := &hops[len(hops)-1]
		last.Port, last.User = cmp.Or(s.gatewayPort, last.Port), cmp.Or(s.gatewayUser, last.User)
		s.gatewayHops = hops
	}
	for _, k := range below.Keys() {
		if strings.HasPrefix(k, "no_ssh_tcp_check") && below.Has(k) {
			s.fallbackMentions = append(s.fallbackMentions, k)
		}
	}
	return s, r.Err()
}

// httpProxy reads a host name, or a URL as the http_proxy variable has it.
func httpProxy(s string) (*bootstrap.HTTPProxy, error) {
	text := s
	switch {
	case net.ParseIP(s) != nil:
		text = "http://" + net.JoinHostPort(s, "80")
	case !strings.Contains(s, "://"):
		text = "http://" + s
	}
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.Contains(err.Error(), "invalid port"):
		return nil, fmt.Errorf("%q has no usable port", s)
	case err != nil || u.Hostname() == "":
		return nil, fmt.Errorf("%q is neither a host nor a URL", s)
	case u.Scheme != "http":
		return nil, fmt.Errorf("only http:// proxies are spoken to, not %s://", u.Scheme)
	}
	password, _ := u.User.Password()
	p := &bootstrap.HTTPProxy{Host: u.Hostname(), Port: 80, User: u.User.Username(), Password: secret.Text(password)}
	if port := u.Port(); port != "" {
		if p.Port, err = strconv.Atoi(port); err != nil || p.Port < 1 || p.Port > 65535 {
			return nil, fmt.Errorf("%q has no usable port", s)
		}
	}
	return p, nil
}
