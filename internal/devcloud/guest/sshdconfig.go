package guest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sshdConfig holds the options of /etc/ssh/sshd_config that the server obeys.
type sshdConfig struct {
	passwords  bool
	publicKeys bool
	rootLogin  string // yes, no, prohibit-password
	forwarding bool
	agents     bool
	// ignored are the other options in the file, as it spells them, but for the
	// lines that are the image's own.
	ignored []string
}

// servedOptions are what sshdConfig and a session go by, in lower case.
var servedOptions = []string{
	"passwordauthentication", "pubkeyauthentication", "permitrootlogin", "allowtcpforwarding", "allowagentforwarding", "subsystem",
}

// defaultSSHDConfig is what an image without one gets.
const defaultSSHDConfig = `# Read by the SSH server of this guest for each connection, as far as it goes:
# PasswordAuthentication, PubkeyAuthentication, PermitRootLogin,
# AllowTcpForwarding, AllowAgentForwarding.
Port 22
PermitRootLogin yes
PubkeyAuthentication yes
PasswordAuthentication no
AllowTcpForwarding yes
AcceptEnv LANG LC_*
UsePAM yes
`

// readSSHDConfig returns sshd_config with the files of its Include lines in
// their place.
func (t tree) readSSHDConfig() string {
	text, _ := t.read("/etc/ssh/sshd_config")
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 2 || !strings.EqualFold(f[0], "include") {
			b.WriteString(line)
			continue
		}
		files, _ := filepath.Glob(t.at(f[1]))
		for _, file := range files {
			data, _ := os.ReadFile(file)
			b.Write(append(data, '\n'))
		}
	}
	return b.String()
}

// parseSSHDConfig reads the file. As in sshd the first value of a key holds;
// what follows a Match line is for cases we do not tell apart, and is passed
// over.
func parseSSHDConfig(text string) sshdConfig {
	values := map[string]string{}
	var ignored []string
	for line := range strings.Lines(text) {
		whole := line
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(strings.Replace(line, "=", " ", 1))
		if len(f) < 2 {
			continue
		}
		key := strings.ToLower(f[0])
		if !slices.Contains(servedOptions, key) && !slices.Contains(ignored, f[0]) && !strings.Contains(defaultSSHDConfig, whole) {
			ignored = append(ignored, f[0])
		}
		if key == "match" {
			break
		}
		if values[key] == "" {
			values[key] = strings.ToLower(strings.Trim(f[1], `"`))
		}
	}
	yes := func(key string) bool { return values[key] == "" || values[key] == "yes" }
	c := sshdConfig{
		passwords: yes("passwordauthentication"), publicKeys: yes("pubkeyauthentication"), agents: yes("allowagentforwarding"),
		rootLogin: values["permitrootlogin"], forwarding: yes("allowtcpforwarding"), ignored: ignored,
	}
	if v := values["allowtcpforwarding"]; v == "all" || v == "local" {
		c.forwarding = true
	}
	if c.rootLogin == "" || c.rootLogin == "without-password" {
		c.rootLogin = "prohibit-password"
	}
	return c
}

// accepted reports whether a client may set a variable, as by an image's
// AcceptEnv.
func accepted(name string) bool { return name == "LANG" || strings.HasPrefix(name, "LC_") }

// setSSHDOption changes an option in the text of the file, or adds it.
func setSSHDOption(text, key, value string) string {
	// First, before any Match block, where it would hold for some cases only.
	out := key + " " + value + "\n"
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 0 || !strings.EqualFold(f[0], key) {
			out += line
		}
	}
	return out
}
