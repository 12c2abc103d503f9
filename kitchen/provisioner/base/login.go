package base

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/kitchen"
)

// LoginOf returns the function for [Options.Login] that reads how to log in
// from an instance's ssh transport section. Fallback has values for keys that
// the section lacks, as those of an old driver section; what the state has
// wins over both (Test Kitchen merges it into the transport's config).
func LoginOf(transport, fallback config.Section) func(*kitchen.State) (Login, error) {
	return func(state *kitchen.State) (Login, error) {
		l := loginReader{sections: []config.Section{transport, fallback}, state: state}
		login := Login{
			Host:     state.String(kitchen.KeyHostname),
			Port:     l.number(kitchen.KeyPort),
			User:     l.text(kitchen.KeyUsername),
			Password: l.text(kitchen.KeyPassword),
			Keys:     l.keys(kitchen.KeySSHKey),
		}
		if login.User == "" {
			login.User = "root"
		}
		login.ForwardAgent = l.flag(keyForwardAgent)
		login.ProxyCommand = l.text(keyProxyCommand)
		l.gateway(&login)
		l.httpProxy(&login)
		return login, errors.Join(l.errs...)
	}
}

// Keys of the ssh transport.
const (
	keyForwardAgent    = "forward_agent"
	keyProxyCommand    = "ssh_proxy_command"
	keyGateway         = "ssh_gateway"
	keyGatewayPort     = "ssh_gateway_port"
	keyGatewayUsername = "ssh_gateway_username"
	keyHTTPProxy       = "ssh_http_proxy"
	keyHTTPProxyPort   = "ssh_http_proxy_port"
	keyHTTPProxyUser   = "ssh_http_proxy_user"
)

type loginReader struct {
	sections []config.Section
	state    *kitchen.State
	errs     []error
}

// section is the one that has the key.
func (l *loginReader) section(key string) config.Section {
	for _, s := range l.sections {
		if s.Has(key) {
			return s
		}
	}
	return config.Section{}
}

func (l *loginReader) text(key string) string {
	if v := l.state.String(key); v != "" {
		return v
	}
	v, err := l.section(key).String(key, "")
	l.errs = append(l.errs, err)
	return v
}

func (l *loginReader) number(key string) int {
	if n, err := strconv.Atoi(l.state.String(key)); err == nil {
		return n
	}
	v, err := l.section(key).Int(key, 0)
	l.errs = append(l.errs, err)
	return v
}

func (l *loginReader) flag(key string) bool {
	v, err := l.section(key).Bool(key, false)
	l.errs = append(l.errs, err)
	return v
}

func (l *loginReader) keys(key string) []string {
	switch v := l.state.Get(key).(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	s := l.section(key)
	list, err := s.StringList(key)
	l.errs = append(l.errs, err)
	for i, p := range list {
		list[i] = s.Expand(p)
	}
	return list
}

// gateway reads one host, or a chain of them as ssh -J takes it.
func (l *loginReader) gateway(login *Login) {
	text := l.text(keyGateway)
	if text == "" || login.ProxyCommand != "" {
		return
	}
	hops := strings.Split(text, ",")
	last := strings.TrimSpace(hops[len(hops)-1])
	if user, host, ok := strings.Cut(last, "@"); ok {
		login.GatewayUser, last = user, host
	}
	if host, port, err := net.SplitHostPort(last); err == nil {
		last = host
		login.GatewayPort, _ = strconv.Atoi(port)
	}
	login.Gateway = strings.Trim(last, "[]")
	if u := l.text(keyGatewayUsername); u != "" && login.GatewayUser == "" {
		login.GatewayUser = u
	}
	if p := l.number(keyGatewayPort); p != 0 && login.GatewayPort == 0 {
		login.GatewayPort = p
	}
	if len(hops) == 1 {
		return
	}
	// More than one is a matter for ssh itself.
	cmd := "ssh -W %h:%p -J " + Quote(strings.Join(hops[:len(hops)-1], ","))
	if login.GatewayPort != 0 {
		cmd += " -p " + strconv.Itoa(login.GatewayPort)
	}
	if login.GatewayUser != "" {
		cmd += " -l " + Quote(login.GatewayUser)
	}
	login.ProxyCommand = cmd + " " + Quote(login.Gateway)
	login.Gateway, login.GatewayUser, login.GatewayPort = "", "", 0
}

func (l *loginReader) httpProxy(login *Login) {
	host := l.text(keyHTTPProxy)
	if host == "" || login.ProxyCommand != "" || login.Gateway != "" {
		return
	}
	port := l.number(keyHTTPProxyPort)
	if port == 0 {
		port = 8080
	}
	cmd := "nc -X connect -x " + Quote(net.JoinHostPort(host, strconv.Itoa(port)))
	if u := l.text(keyHTTPProxyUser); u != "" {
		cmd += " -P " + Quote(u)
	}
	login.ProxyCommand = cmd + " %h %p"
}
