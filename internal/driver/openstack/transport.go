package openstack

import (
	"github.com/galleyhq/galley/internal/config"
)

// TransportDefaults returns what a driver section of the 1.x generation says
// about SSH, as keys of the ssh transport: username, password, port, ssh_key,
// connection_timeout and connection_retries, as far as they are set. The
// transport's own section wins over them.
func TransportDefaults(section config.Section) (map[string]any, error) {
	r := newReader(section)
	out := map[string]any{}
	text := func(to, value string) {
		if value != "" {
			out[to] = value
		}
	}
	text("username", r.text("username"))
	text("password", r.text("password"))
	text("ssh_key", r.keyPath())
	if section.Has("port") {
		out["port"] = int64(r.Number("port", 22))
	}
	if section.Has("ssh_timeout") {
		out["connection_timeout"] = r.Time("ssh_timeout", 0).Seconds()
	}
	if section.Has("ssh_retries") {
		out["connection_retries"] = int64(r.Number("ssh_retries", 0))
	}
	return out, r.Err()
}
