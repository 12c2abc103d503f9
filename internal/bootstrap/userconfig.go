package bootstrap

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap/sshconfig"
)

// UserConfig is what a user has set up for ssh itself, in ~/.ssh/config and the
// system's file; see package sshconfig. HostName, Port, User, IdentityFile,
// IdentitiesOnly, IdentityAgent, ProxyJump, ProxyCommand and UserKnownHostsFile
// are used, each only where a [Config] does not set it.
type UserConfig struct {
	file *sshconfig.File
	home string
	user string
}

// LoadUserConfig reads ssh's configuration files; with no paths they are
// ~/.ssh/config and /etc/ssh/ssh_config. What cannot be used is reported as a
// warning and skipped.
func LoadUserConfig(home string, report Reporter, paths ...string) *UserConfig {
	report = Reporting(report)
	if paths == nil {
		if home != "" {
			paths = append(paths, filepath.Join(home, ".ssh", "config"))
		}
		paths = append(paths, "/etc/ssh/ssh_config")
	}
	return &UserConfig{file: sshconfig.Read(home, report.Warn, paths...), home: home, user: localUser()}
}

func localUser() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	// Windows puts the domain before the name.
	return u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
}

// of is what ssh's configuration says of a machine.
func (u *UserConfig) of(h *Hop) *sshconfig.Host {
	return u.file.Lookup(sshconfig.Query{Host: h.alias(), User: h.User, LocalUser: u.user})
}

// expand replaces ~ and the tokens of ssh_config(5).
func (u *UserConfig) expand(s string, h *Hop) string {
	out := strings.NewReplacer("%%", "%", "%h", h.Host, "%n", h.alias(), "%p", strconv.Itoa(h.Port),
		"%r", h.User, "%u", u.user, "%d", u.home).Replace(s)
	if out == "~" || strings.HasPrefix(out, "~/") {
		out = filepath.Join(u.home, strings.TrimPrefix(out[1:], "/"))
	}
	return out
}

// completeHop fills in what h is silent about. user is the login name where
// nobody names one, "" for the local user's.
func (u *UserConfig) completeHop(h *Hop, user string) error {
	alias := h.Host
	h.Alias = alias
	said := u.of(h)
	if v := said.Get("hostname"); v != "" {
		h.Host = strings.ReplaceAll(strings.ReplaceAll(v, "%h", alias), "%%", "%")
	}
	if h.Port == 0 {
		h.Port = 22
		if v := said.Get("port"); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > 65535 {
				return &ConfigError{Msg: fmt.Sprintf("ssh's configuration gives %s the invalid port %q", alias, v)}
			}
			h.Port = n
		}
	}
	h.User = cmp.Or(h.User, said.Get("user"), user, u.user)
	if len(h.Keys) == 0 {
		for _, v := range said.All("identityfile") {
			if strings.EqualFold(v, "none") {
				continue
			}
			p := u.expand(v, h)
			if _, err := os.Stat(p); err != nil {
				// ssh lists files that may exist; so do people.
				continue
			}
			h.Keys = append(h.Keys, p)
		}
		if len(h.Keys) > 0 && strings.EqualFold(said.Get("identitiesonly"), "yes") {
			h.OnlyKeys = true
		}
	}
	return nil
}

// complete fills in what c is silent about, from u and from built-in defaults.
func (u *UserConfig) complete(c *Config) error {
	if u == nil {
		u = &UserConfig{home: c.Home, user: localUser()}
	}
	silentRoute := len(c.Gateways) == 0 && c.ProxyCommand == "" && c.HTTPProxy == nil
	if err := u.completeHop(&c.Hop, c.DefaultUser); err != nil {
		return err
	}
	said := u.of(&c.Hop)
	if c.Agent == "" {
		switch v := said.Get("identityagent"); {
		case strings.EqualFold(v, "none"):
			c.Agent = "none"
		case v != "" && v != "SSH_AUTH_SOCK" && !strings.HasPrefix(v, "$"):
			c.Agent = u.expand(v, &c.Hop)
		}
	}
	if silentRoute {
		var jump string
		if jump, c.ProxyCommand = u.way(&c.Hop); jump != "" {
			hops, err := ParseJumps(jump)
			if err != nil {
				return err
			}
			c.Gateways = hops
		}
	}
	if len(c.Gateways) > 0 {
		if err := u.completeGateways(c, silentRoute); err != nil {
			return err
		}
	}
	if c.ProxyCommand != "" {
		first := &c.Hop
		if len(c.Gateways) > 0 {
			first = &c.Gateways[0]
		}
		// The local shell sees them: anything but an address must not become
		// a command.
		if !harmlessName(first.Host) || !harmlessName(first.alias()) || !harmlessName(first.User) {
			return &ConfigError{Msg: fmt.Sprintf("the host %q or the user %q cannot be handed to a proxy command: there are characters in it that a shell would act on", first.Host, first.User)}
		}
		c.ProxyCommand = u.expand(c.ProxyCommand, first)
	}
	return nil
}

// way is how ssh's configuration has a machine reached: through gateways, or by
// a command; "" for neither.
func (u *UserConfig) way(h *Hop) (jump, command string) {
	said := u.of(h)
	if jump, command = said.Get("proxyjump"), said.Raw("proxycommand"); jump != "" {
		command = ""
	}
	if strings.EqualFold(jump, "none") {
		jump = ""
	}
	if strings.EqualFold(command, "none") {
		command = ""
	}
	return jump, command
}

// harmlessName says whether a shell takes s as one plain word, and a program
// as no option.
func harmlessName(s string) bool {
	for i, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		case strings.ContainsRune("._:%@[]+=,", c):
		case c == '-' && i > 0:
		default:
			return false
		}
	}
	return true
}

// maxJumps bounds a chain of gateways.
const maxJumps = 16

// completeGateways fills in the gateways, and what leads to the first of them.
func (u *UserConfig) completeGateways(c *Config, mayProxy bool) error {
	seen := map[string]bool{}
	for {
		first := &c.Gateways[0]
		alias := first.Host
		if seen[alias] || len(c.Gateways) > maxJumps {
			return &ConfigError{Msg: fmt.Sprintf("ssh's configuration leads to the gateway %s through itself (ProxyJump)", alias)}
		}
		seen[alias] = true
		jump, command := u.way(first)
		if jump == "" || c.ProxyCommand != "" || c.HTTPProxy != nil {
			if mayProxy && c.ProxyCommand == "" {
				c.ProxyCommand = command
			}
			break
		}
		hops, err := ParseJumps(jump)
		if err != nil {
			return err
		}
		c.Gateways = append(hops, c.Gateways...)
	}
	for i := range c.Gateways {
		g := &c.Gateways[i]
		if err := u.completeHop(g, ""); err != nil {
			return err
		}
		if len(g.Keys) == 0 {
			// Whoever names a key for the machine means it for the way, too;
			// others are offered as well, since a gateway has its own.
			g.Keys = c.Keys
		}
		if g.HostKeys == nil {
			if c.GatewayHostKeys != nil {
				g.HostKeys = c.GatewayHostKeys(g.Addr(), u.knownHosts(g))
			} else {
				g.HostKeys = &HostKeys{Off: c.HostKeys != nil && c.HostKeys.Off, KnownHosts: u.knownHosts(g)}
			}
		}
	}
	return nil
}

func (u *UserConfig) knownHosts(h *Hop) []string {
	var files []string
	for _, f := range u.of(h).List("userknownhostsfile") {
		files = append(files, u.expand(f, h))
	}
	if files != nil {
		return files
	}
	if u.home != "" {
		files = append(files, filepath.Join(u.home, ".ssh", "known_hosts"))
	}
	return append(files, "/etc/ssh/ssh_known_hosts")
}

// ParseJumps reads a list of gateways as ssh -J takes it:
// [user@]host[:port],…, with IPv6 addresses in brackets and ssh:// URLs.
func ParseJumps(s string) ([]Hop, error) {
	var hops []Hop
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		bad := &ConfigError{Msg: fmt.Sprintf("%q is not a gateway", part), Advice: "write [user@]host[:port]"}
		rest := strings.TrimSuffix(strings.TrimPrefix(part, "ssh://"), "/")
		var h Hop
		if i := strings.LastIndexByte(rest, '@'); i >= 0 {
			h.User, rest = rest[:i], rest[i+1:]
			if h.User == "" {
				return nil, bad
			}
		}
		port := ""
		switch {
		case strings.HasPrefix(rest, "["):
			host, after, ok := strings.Cut(rest[1:], "]")
			if !ok || (after != "" && after[0] != ':') {
				return nil, bad
			}
			h.Host, port = host, strings.TrimPrefix(after, ":")
		case strings.Count(rest, ":") == 1:
			h.Host, port, _ = strings.Cut(rest, ":")
		default:
			h.Host = rest
		}
		if port != "" {
			n, err := strconv.Atoi(port)
			if err != nil || n < 1 || n > 65535 {
				return nil, bad
			}
			h.Port = n
		}
		if h.Host == "" || strings.ContainsAny(h.Host, " \t") {
			return nil, bad
		}
		hops = append(hops, h)
	}
	return hops, nil
}
