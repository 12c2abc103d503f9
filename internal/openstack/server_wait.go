package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// active waits until the server is ACTIVE and has addresses.
func (c *Cloud) active(ctx context.Context, id string, spec ServerSpec, rep Reporter) (*servers.Server, error) {
	timeout := spec.ActiveTimeout
	if timeout <= 0 {
		timeout = DefaultActiveTimeout
	}
	var out *servers.Server
	var since time.Time
	err := c.waitFor(ctx, id, spec.Name, "the server to become ACTIVE", timeout, rep,
		func(s *servers.Server) (bool, error) {
			switch s.Status {
			case "ACTIVE":
				if out == nil {
					since = time.Now()
				}
				out = s
				// Nova fills in the addresses a moment later at times.
				return len(s.Addresses) > 0 || time.Since(since) > addressPatience, nil
			case "ERROR":
				return true, faultOf(s)
			case "DELETED", "SOFT_DELETED":
				return true, goneError(s.Name, id)
			}
			return false, nil
		},
		func() error { return goneError(spec.Name, id) })
	return out, err
}

// addressPatience is how long an ACTIVE server may be without an address
// before that counts as a fact.
const addressPatience = 20 * time.Second

func goneError(name, id string) error {
	return session.Fail(session.ServerGone, fmt.Sprintf("use the server %q (%s)", name, id), "somebody has deleted it", "").Advise("create the %s again", session.Owner)
}

// faultOf makes an error of a server in ERROR, in the words of its fault.
func faultOf(s *servers.Server) error {
	e := session.Fail(session.ServerFault, fmt.Sprintf("use the server %q (%s)", s.Name, s.ID), "it went to ERROR", "`openstack server show "+s.ID+"` may tell more")
	if s.Fault.Message != "" {
		e.Said = "it went to ERROR: " + session.Tidy(s.Fault.Message)
		low := strings.ToLower(s.Fault.Message)
		switch {
		case strings.Contains(low, "no valid host"):
			e.AdviseNoRoom()
		case strings.Contains(low, "quota"):
			e.SetHint("destroy what is no longer needed, or ask the operators for a bigger quota")
		case strings.Contains(low, "image") && (strings.Contains(low, "too large") || strings.Contains(low, "too small") || strings.Contains(low, "disk")):
			e.SetHint("take a flavor with a bigger disk")
		}
	}
	return e
}

// serversByToken lists the servers that carry the token. The name narrows the
// list on the cloud's side; the token decides.
func (c *Cloud) serversByToken(ctx context.Context, token, name string) ([]servers.Server, error) {
	o := servers.ListOpts{}
	if name != "" {
		o.Name = nameFilter([]string{name})
	}
	list, err := c.listServers(ctx, o)
	return slices.DeleteFunc(list, func(s servers.Server) bool { return s.Metadata[metaToken] != token }), err
}
