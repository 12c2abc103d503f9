package openstack

import (
	"context"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/text"
)

// ServerInfo is a server of the project as a listing shows it. Image and
// Flavor are IDs; Image is empty for a server that was booted from a volume.
type ServerInfo struct {
	ID, Name, Status, TaskState string
	Image, Flavor, KeyName      string
	AvailabilityZone            string
	Created                     time.Time
	Addresses                   []Address
	Metadata                    map[string]string
	// Fault is the cloud's word on a server in ERROR.
	Fault string
}

// Token returns the token of the making that the server came of, "" for one
// that was not made through Galley.
func (s ServerInfo) Token() string { return s.Metadata[metaToken] }

func serverInfo(s *servers.Server) ServerInfo {
	id := func(m map[string]any) string {
		v, _ := m["id"].(string)
		return v
	}
	return ServerInfo{
		ID: s.ID, Name: s.Name, Status: s.Status, TaskState: s.TaskState,
		Image: id(s.Image), Flavor: id(s.Flavor), KeyName: s.KeyName, AvailabilityZone: s.AvailabilityZone,
		Created: s.Created, Addresses: addressesOf(s, nil), Metadata: s.Metadata, Fault: session.Tidy(s.Fault.Message),
	}
}

// Servers lists the servers of the project.
func (c *Cloud) Servers(ctx context.Context) ([]ServerInfo, error) {
	list, err := c.listServers(ctx, servers.ListOpts{})
	return each(list, func(s servers.Server) ServerInfo { return serverInfo(&s) }), err
}

// ServerByID reads one server in one call. A server that no longer exists is a
// [NotFound].
func (c *Cloud) ServerByID(ctx context.Context, id string) (ServerInfo, error) {
	s, err := c.getServer(ctx, id)
	if err != nil {
		return ServerInfo{}, err
	}
	return serverInfo(s), nil
}

// Server finds a server of the project by ID or name. Many of one name are
// an error that lists their IDs: the wrong one might be deleted.
func (c *Cloud) Server(ctx context.Context, ref string) (ServerInfo, error) {
	if looksLikeID(ref) {
		s, err := c.getServer(ctx, ref)
		if err == nil {
			return serverInfo(s), nil
		}
		if session.KindOf(err) != session.NotFound {
			return ServerInfo{}, err
		}
	}
	all, err := c.Servers(ctx)
	if err != nil {
		return ServerInfo{}, err
	}
	var named []ServerInfo
	for _, s := range all {
		if s.ID == ref {
			return s, nil
		}
		if s.Name == ref {
			named = append(named, s)
		}
	}
	switch len(named) {
	case 0:
		return ServerInfo{}, notFound("server", ref, each(all, func(s ServerInfo) string { return s.Name }))
	case 1:
		return named[0], nil
	}
	return ServerInfo{}, session.Fail(session.Ambiguous, fmt.Sprintf("find the server %q", ref), fmt.Sprintf("%d servers have this name", len(named)),
		"give the ID: "+text.QuotedOr(each(named, func(s ServerInfo) string { return s.ID })))
}

// DeleteServer deletes a server by ID and waits until it is gone. That it is
// gone already is success.
func (c *Cloud) DeleteServer(ctx context.Context, id, name string, rep Reporter) error {
	if rep == nil {
		rep = silentReporter{}
	}
	_, err := c.deleteServer(ctx, id, name, rep)
	return err
}
