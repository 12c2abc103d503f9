package guest

import (
	"path"
	"slices"
	"strings"
)

// sshdConfig is what the server takes from /etc/ssh/sshd_config.
type sshdConfig struct {
	passwords  bool
	publicKeys bool
	rootLogin  string // yes, no, prohibit-password
	forwarding bool
	agents     bool
	accept     []string // patterns of variables that clients may set
	banner     string
	maxAuth    int
}

// defaultSSHDConfig is what the image has.
func defaultSSHDConfig(passwords bool) string {
	yes := "no"
	if passwords {
		yes = "yes"
	}
	return `# Read by the SSH server of this guest for each connection, as far as it goes:
# PasswordAuthentication, PubkeyAuthentication, PermitRootLogin, AcceptEnv,
# AllowTcpForwarding, AllowAgentForwarding, Banner, MaxAuthTries.
Port 22
PermitRootLogin yes
PubkeyAuthentication yes
PasswordAuthentication ` + yes + `
AllowTcpForwarding yes
AcceptEnv LANG LC_*
UsePAM yes
`
}

// parseSSHDConfig reads the file. As in sshd the first value of a key holds;
// what follows a Match line is for cases we do not tell apart, and is passed
// over.
func parseSSHDConfig(text string) sshdConfig {
	c := sshdConfig{
		publicKeys: true,
		passwords:  true,
		rootLogin:  "prohibit-password",
		forwarding: true,
		agents:     true,
		maxAuth:    6,
	}
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(strings.Replace(line, "=", " ", 1))
		if len(f) < 2 {
			continue
		}
		key, value := strings.ToLower(f[0]), strings.ToLower(strings.Trim(f[1], `"`))
		if key == "match" {
			break
		}
		if key == "acceptenv" {
			c.accept = append(c.accept, f[1:]...)
			continue
		}
		if seen[key] {
			continue
		}
		seen[key] = true
		yes := value == "yes"
		switch key {
		case "passwordauthentication":
			c.passwords = yes
		case "pubkeyauthentication":
			c.publicKeys = yes
		case "permitrootlogin":
			c.rootLogin = value
			if value == "without-password" {
				c.rootLogin = "prohibit-password"
			}
		case "allowtcpforwarding":
			c.forwarding = yes || value == "all" || value == "local"
		case "allowagentforwarding":
			c.agents = yes
		case "banner":
			c.banner = strings.Trim(f[1], `"`)
		case "maxauthtries":
			if n := len(value); n > 0 && n < 4 && strings.Trim(value, "0123456789") == "" {
				c.maxAuth = 0
				for _, r := range value {
					c.maxAuth = c.maxAuth*10 + int(r-'0')
				}
			}
		}
	}
	return c
}

// accepts tells whether a client may set a variable.
func (c sshdConfig) accepts(name string) bool {
	return slices.ContainsFunc(c.accept, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// setSSHDOption changes an option in the text of the file, or adds it.
func setSSHDOption(text, key, value string) string {
	var out strings.Builder
	done := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) > 0 && strings.EqualFold(f[0], key) {
			if !done {
				out.WriteString(key + " " + value + "\n")
			}
			done = true
			continue
		}
		out.WriteString(line)
	}
	if !done {
		// Before any Match block, where it would hold for some cases only.
		return key + " " + value + "\n" + out.String()
	}
	return out.String()
}
