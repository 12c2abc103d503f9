package openstack

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// Orphans finds the resources created through Galley by the marks in the resources
// alone, for when records are lost: one record for each making. An empty
// project finds those of all.
func (c *Cloud) Orphans(ctx context.Context, project string) ([]*Record, error) {
	byToken := map[string]*Record{}
	var out []*Record
	// add enters a resource whose marks are as in [Record.metadata].
	add := func(marks map[string]string, r Resource) {
		token := marks[metaToken]
		if token == "" {
			return
		}
		rec, ok := byToken[token]
		if !ok {
			rec = &Record{Version: 1, Token: token, AuthURL: c.AuthURL(), ProjectID: c.Whoami().ProjectID}
			byToken[token] = rec
			out = append(out, rec)
		}
		rec.Owner = cmp.Or(rec.Owner, marks[metaInstance])
		rec.Project = cmp.Or(rec.Project, marks[metaProject])
		if t, err := time.Parse(time.RFC3339, marks[metaExpires]); err == nil {
			rec.Expires = t
		}
		if !r.Asked.IsZero() && (rec.Started.IsZero() || r.Asked.Before(rec.Started)) {
			rec.Started = r.Asked
		}
		r.Stage = Made
		rec.Resources = append(rec.Resources, r)
	}
	list, err := c.listServers(ctx, servers.ListOpts{})
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		add(s.Metadata, Resource{Kind: KindServer, Name: s.Name, ID: s.ID, Asked: s.Created})
	}
	fips, err := c.FloatingIPs(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range fips {
		add(marksOf(f.Description), Resource{
			Kind: KindFloatingIP, ID: f.ID, Asked: cloudTime(f.CreatedAt), Address: f.Address, Network: f.NetworkID, Port: f.PortID,
		})
	}
	allPorts, err := c.listPorts(ctx, ports.ListOpts{})
	if err != nil {
		return nil, err
	}
	for _, p := range allPorts {
		add(marksOf(p.Description), Resource{Kind: KindPort, Name: p.Name, ID: p.ID, Asked: p.CreatedAt, Network: p.NetworkID})
	}
	vols, err := c.Volumes(ctx)
	if err != nil && session.KindOf(err) != session.NotFound {
		return nil, err // A cloud without volumes has none left behind.
	}
	for _, v := range vols {
		add(v.Metadata, Resource{Kind: KindVolume, Name: v.Name, ID: v.ID, Asked: v.Created})
	}
	c.Forget()
	keys, err := c.KeyPairs(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		owner, proj, token := ownerOfKeyPair(k.Name, project)
		add(map[string]string{metaToken: token, metaInstance: owner, metaProject: proj}, Resource{Kind: KindKeyPair, Name: k.Name, ID: k.Name})
	}
	return slices.DeleteFunc(out, func(rec *Record) bool { return project != "" && rec.Project != project }), nil
}

// OrphanRouters finds the routers created by `galley network create` whose
// network is gone and that connect no other one: one record for each making.
func (c *Cloud) OrphanRouters(ctx context.Context) ([]*Record, error) {
	left, err := c.routersLeft(ctx, "")
	if err != nil || len(left) == 0 {
		return nil, err
	}
	all, err := c.listNetworks(ctx, networks.ListOpts{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(left, func(rec *Record) bool {
		return slices.ContainsFunc(all, func(n Network) bool { return tokenOf(n.Description) == rec.Token })
	}), nil
}

// routersLeft finds the routers of the project that were created for a network,
// for any if its name is "", and that connect nothing.
func (c *Cloud) routersLeft(ctx context.Context, network string) ([]*Record, error) {
	list, err := c.listRouters(ctx, routers.ListOpts{})
	if session.KindOf(err) == session.NotFound {
		return nil, nil // A cloud without routers.
	}
	if err != nil {
		return nil, err
	}
	var out []*Record
	for _, r := range list {
		_, of, _ := strings.Cut(r.Description, " network=")
		if tokenOf(r.Description) == "" || r.TenantID != c.Whoami().ProjectID || network != "" && of != network {
			continue
		}
		joins, err := c.routerPorts(ctx, ports.ListOpts{DeviceID: r.ID})
		if err != nil {
			return nil, err
		}
		if len(joins) > 0 {
			continue
		}
		rec := c.newRecord(ServerSpec{Name: of, Owner: networkOwner(of)})
		rec.Token = tokenOf(r.Description)
		rec.Resources = []Resource{{Kind: KindRouter, Name: r.Name, ID: r.ID, Stage: Made, Asked: rec.Started}}
		out = append(out, rec)
	}
	return out, nil
}

// ownerOfKeyPair takes a name made by keyPairName apart, as far as that can be
// done: the project is known only when it is the one looked for.
func ownerOfKeyPair(name, project string) (owner, proj, token string) {
	rest, ok := strings.CutPrefix(name, keyPairPrefix)
	if !ok || len(rest) < tokenLength {
		return "", "", ""
	}
	token = rest[len(rest)-tokenLength:]
	if strings.Trim(token, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", "", ""
	}
	owner = strings.TrimSuffix(rest[:len(rest)-tokenLength], "-")
	if p := label(project, 16); p != "" {
		if o, ok := strings.CutPrefix(owner+"-", p+"-"); ok {
			return strings.TrimSuffix(o, "-"), project, token
		}
	}
	return owner, "", token
}
