package openstack

import (
	"context"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// Orphans finds the resources created through Galley by the marks in the resources
// alone, for when records are lost: one record for each making. An empty
// project finds those of all.
func (c *Cloud) Orphans(ctx context.Context, project string) ([]*Record, error) {
	byToken := map[string]*Record{}
	var tokens []string
	add := func(token, owner, proj, expires string, r Resource) {
		if token == "" {
			return
		}
		rec, ok := byToken[token]
		if !ok {
			rec = &Record{Version: 1, Token: token, AuthURL: c.AuthURL(), ProjectID: c.Whoami().ProjectID}
			byToken[token] = rec
			tokens = append(tokens, token)
		}
		if rec.Owner == "" {
			rec.Owner = owner
		}
		if rec.Project == "" {
			rec.Project = proj
		}
		if t, err := time.Parse(time.RFC3339, expires); err == nil {
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
		add(s.Metadata[metaToken], s.Metadata[metaInstance], s.Metadata[metaProject], s.Metadata[metaExpires], Resource{Kind: KindServer, Name: s.Name, ID: s.ID, Asked: s.Created})
	}
	fips, err := c.FloatingIPs(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range fips {
		add(tokenOf(f.Description), wordOf(f.Description, "instance="), wordOf(f.Description, "project="), wordOf(f.Description, "expires="),
			Resource{Kind: KindFloatingIP, ID: f.ID, Asked: cloudTime(f.CreatedAt), Address: f.Address, Network: f.NetworkID, Port: f.PortID})
	}
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	allPorts, err := c.listPorts(ctx, sc, ports.ListOpts{})
	if err != nil {
		return nil, err
	}
	for _, p := range allPorts {
		add(tokenOf(p.Description), wordOf(p.Description, "instance="), wordOf(p.Description, "project="), wordOf(p.Description, "expires="),
			Resource{Kind: KindPort, Name: p.Name, ID: p.ID, Asked: p.CreatedAt, Network: p.NetworkID})
	}
	// A cloud without volumes has none left behind.
	if vols, err := c.Volumes(ctx); err == nil {
		for _, v := range vols {
			add(v.Metadata[metaToken], v.Metadata[metaInstance], v.Metadata[metaProject], v.Metadata[metaExpires],
				Resource{Kind: KindVolume, Name: v.Name, ID: v.ID, Asked: v.Created})
		}
	} else if session.KindOf(err) != session.NotFound {
		return nil, err
	}
	c.Forget()
	keys, err := c.KeyPairs(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		owner, proj, token := ownerOfKeyPair(k.Name, project)
		add(token, owner, proj, "", Resource{Kind: KindKeyPair, Name: k.Name, ID: k.Name})
	}
	var out []*Record
	for _, t := range tokens {
		if rec := byToken[t]; project == "" || rec.Project == project {
			out = append(out, rec)
		}
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
