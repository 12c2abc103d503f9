package openstack

import (
	"math/rand/v2"
	"os"
	"os/user"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// maxName is the longest name that is also a host name.
const maxName = 63

var notLabel = text.Lazy(`[^a-z0-9-]+`)

// label makes a valid DNS label of s, at most n characters of it.
func label(s string, n int) string {
	s = notLabel().ReplaceAllString(strings.ToLower(strings.ReplaceAll(s, "_", "-")), "")
	if len(s) > n {
		s = s[:n]
	}
	return strings.Trim(s, "-")
}

// ServerName makes a name for the server of an instance, of at most 63
// characters and a valid DNS label. With a prefix it is PREFIX-XXXXXXXX, else
// it tells the instance, the user and the host, and ends in random
// characters (kitchen-openstack: server_name_prefix).
func ServerName(instance, prefix string) string {
	if p := label(prefix, maxName-9); p != "" {
		return p + "-" + random("abcdefghijklmnopqrstuvwxyz", 8)
	}
	login := "nologin"
	if u, err := user.Current(); err == nil && u.Username != "" {
		login = u.Username[strings.LastIndexAny(u.Username, `\/`)+1:]
	}
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	var parts []string
	for _, p := range []string{label(strings.ReplaceAll(instance, "-", ""), 15), label(login, 15), label(host, 22)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	parts = append(parts, random("0123456789abcdefghijklmnopqrstuvwxyz", 7))
	return strings.Join(parts, "-")
}

func random(from string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[rand.IntN(len(from))]
	}
	return string(b)
}
