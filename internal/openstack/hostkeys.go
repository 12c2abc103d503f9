package openstack

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/text"
)

// Console returns the last lines of a server's console, all of it when lines
// is 0. A cloud that shows no console gives "".
func (c *Cloud) Console(ctx context.Context, serverID string, lines int) (string, error) {
	sc := c.ComputeClient()
	text, err := servers.ShowConsoleOutput(session.Repeatable(ctx), sc, serverID, servers.ShowConsoleOutputOpts{Length: lines}).Extract()
	switch {
	case session.IsStatus(err, 400, 403, 404, 405, 409, 501):
		return "", nil // Not shown by this cloud, or not yet.
	case err != nil:
		return "", session.Explain("read the console of the server "+serverID, err)
	}
	return text, nil
}

// consolePause is the least time between two looks at a console for keys.
const consolePause = 2 * time.Second

// hostKeys remembers what consoles have shown: transports ask at each attempt
// to connect.
type hostKeys struct {
	mu   sync.Mutex
	seen map[string]*shownKeys
}

type shownKeys struct {
	keys []string
	at   time.Time
}

// HostKeys returns the SSH host keys that cloud-init has printed on the
// server's console, as authorized_keys lines ("ssh-ed25519 AAAA…") or, where
// only those are shown, as fingerprints ("SHA256:…"). None means that the
// console does not show them, yet or ever. It may be called often: the
// console is read every other second at most, and no more once it has shown
// them.
func (c *Cloud) HostKeys(ctx context.Context, serverID string) ([]string, error) {
	h := &c.consoles
	h.mu.Lock()
	if s := h.seen[serverID]; s != nil && (len(s.keys) > 0 || time.Since(s.at) < consolePause) {
		h.mu.Unlock()
		return s.keys, nil
	}
	h.mu.Unlock()
	text, err := c.Console(ctx, serverID, 0)
	if err != nil {
		return nil, err
	}
	keys := ParseHostKeys(text)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[string]*shownKeys{}
	}
	h.seen[serverID] = &shownKeys{keys, time.Now()}
	return keys, nil
}

// Printable gives the last lines of a console without what would disturb a
// terminal.
func Printable(console string, lines int) string {
	out := each(strings.Split(text.Clean(strings.TrimRight(console, "\r\n\t ")), "\n"), func(line string) string {
		return "  " + strings.TrimRight(line, " \t")
	})
	return strings.Join(out[max(0, len(out)-lines):], "\n")
}

var (
	hostKeyPattern     = text.Lazy(`\b((?:ssh-(?:rsa|ed25519)|ecdsa-sha2-nistp(?:256|384|521)) AAAA[A-Za-z0-9+/]+={0,2})`)
	fingerprintPattern = text.Lazy(`\b(SHA256:[A-Za-z0-9+/]{43})\b`)
)

// ParseHostKeys finds host keys in the text of a console: those of the last
// complete block that cloud-init has written (a server that was booted again
// has several), else the fingerprints of the last such block.
func ParseHostKeys(console string) []string {
	if keys := lastBlock(console, "SSH HOST KEY KEYS", hostKeyPattern()); len(keys) > 0 {
		return keys
	}
	return lastBlock(console, "SSH HOST KEY FINGERPRINTS", fingerprintPattern())
}

// lastBlock returns what pattern finds on the lines between -----BEGIN name
// and -----END name, of the last such block that is whole.
func lastBlock(text, name string, pattern *regexp.Regexp) []string {
	var out, block []string
	inside := false
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		switch {
		case strings.Contains(line, "-----BEGIN "+name+"-----"):
			inside, block = true, nil
		case strings.Contains(line, "-----END "+name+"-----"):
			if inside && len(block) > 0 {
				out = block
			}
			inside = false
		case inside:
			if m := pattern.FindStringSubmatch(line); m != nil && wholeKey(m[1]) {
				block = append(block, m[1])
			}
		}
	}
	return out
}

// wholeKey says whether a key is whole: consoles cut long lines.
func wholeKey(s string) bool {
	if strings.HasPrefix(s, "SHA256:") {
		return true
	}
	kind, _, _ := strings.Cut(s, " ")
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s))
	return err == nil && key.Type() == kind
}
