package openstack

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
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
	if k := session.KindOf(err); err != nil && k != session.NotFound && k != session.NoService {
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
	if k := session.KindOf(err); k == session.NotFound || k == session.NoService {
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

// Expired returns the records of what Galley has created in the project, on
// whichever machine and by whichever user, and that may be removed: the time
// that its creator gave it is over, or, with olderThan above 0, it is older
// than that.
//
// An image goes by the time that it was given, not by its age: it was made to be
// kept.
//
// Key pairs are seen by their owner only. They have no place for an expiry;
// one that is left without its server goes by its age.
func (c *Cloud) Expired(ctx context.Context, now time.Time, olderThan time.Duration) ([]*Record, error) {
	all, err := c.Orphans(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []*Record
	for _, rec := range all {
		if !rec.Expires.IsZero() && now.After(rec.Expires) {
			out = append(out, rec)
			continue
		}
		if olderThan <= 0 {
			continue
		}
		if rec.Started.IsZero() {
			if rec.Started, err = c.keyPairCreated(ctx, rec); err != nil {
				return nil, err
			}
		}
		if !rec.Started.IsZero() && now.Sub(rec.Started) > olderThan {
			out = append(out, rec)
		}
	}
	saved, err := c.SavedImages(ctx)
	if err != nil {
		return nil, err
	}
	for _, img := range saved {
		if !img.Expires.IsZero() && now.After(img.Expires) {
			out = append(out, img.record(c))
		}
	}
	return out, nil
}

// keyPairCreated returns when the key pair of a record was created, the zero
// time where there is none or the cloud does not say.
func (c *Cloud) keyPairCreated(ctx context.Context, rec *Record) (time.Time, error) {
	r := rec.find(KindKeyPair, "")
	if r == nil {
		return time.Time{}, nil
	}
	sc := c.ComputeClient()
	var answer struct {
		KeyPair struct {
			CreatedAt string `json:"created_at"`
		} `json:"keypair"`
	}
	err := keypairs.Get(ctx, sc, r.ID, nil).ExtractInto(&answer)
	if session.IsStatus(err, 404) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, session.Explain("look at the key pair "+r.ID, err)
	}
	return cloudTime(answer.KeyPair.CreatedAt), nil
}

// cloudTime reads a time as OpenStack's services write it, with and without a
// zone; the zero time for anything else.
func cloudTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// byToken returns the IDs of the resources of r's kind that carry the token.
// What is known of r narrows the listing. A key pair has the token in its name;
// gateways and interfaces are known by what they join.
func (c *Cloud) byToken(ctx context.Context, token string, r Resource) ([]string, error) {
	switch r.Kind {
	case KindServer:
		found, err := c.serversByToken(ctx, token, r.Name)
		return each(found, func(s servers.Server) string { return s.ID }), err
	case KindFloatingIP:
		found, err := c.listFloatingIPs(ctx, floatingips.ListOpts{FloatingNetworkID: r.Network})
		return idsWhere(found, err, idOf[FloatingIP], func(f FloatingIP) bool { return tokenOf(f.Description) == token })
	case KindPort:
		found, err := c.listPorts(ctx, ports.ListOpts{Name: r.Name})
		return idsWhere(found, err, portID, func(p ports.Port) bool { return tokenOf(p.Description) == token })
	case KindVolume:
		found, err := c.listVolumes(ctx, volumes.ListOpts{Name: r.Name})
		return idsWhere(found, err, idOf[Volume], func(v Volume) bool { return v.Metadata[metaToken] == token })
	case KindImage:
		found, err := c.SavedImages(ctx)
		return idsWhere(found, err, func(i SavedImage) string { return i.ID }, func(i SavedImage) bool { return i.Token == token })
	case KindKeyPair:
		sc := c.ComputeClient()
		_, err := one(keypairs.Get(ctx, sc, url.PathEscape(r.Name), nil).Extract())
		switch {
		case session.IsStatus(err, 404):
			return nil, nil
		case err != nil:
			return nil, session.Explain("look for the key pair "+r.Name, err)
		}
		return []string{r.Name}, nil
	case KindNetwork:
		found, err := c.listNetworks(ctx, networks.ListOpts{Name: r.Name})
		return idsWhere(found, err, idOf[Network], func(n Network) bool { return tokenOf(n.Description) == token })
	case KindSubnet:
		found, err := c.listSubnets(ctx, subnets.ListOpts{NetworkID: r.Network, CIDR: r.Name})
		return idsWhere(found, err, func(s subnets.Subnet) string { return s.ID }, func(s subnets.Subnet) bool { return tokenOf(s.Description) == token })
	case KindRouter:
		found, err := c.listRouters(ctx, routers.ListOpts{Name: r.Name})
		return idsWhere(found, err, func(x routers.Router) string { return x.ID }, func(x routers.Router) bool { return tokenOf(x.Description) == token })
	case KindGateway:
		found, err := c.listRouters(ctx, routers.ListOpts{ID: r.Router})
		return idsWhere(found, err, func(routers.Router) string { return r.Network }, func(x routers.Router) bool { return x.GatewayInfo.NetworkID == r.Network })
	case KindInterface:
		found, err := c.routerPorts(ctx, ports.ListOpts{DeviceID: r.Router})
		return idsWhere(found, err, portID, func(p ports.Port) bool { return onSubnet(p, r.Subnet) })
	}
	return nil, nil
}

func portID(p ports.Port) string { return p.ID }

func onSubnet(p ports.Port, subnet string) bool {
	return slices.ContainsFunc(p.FixedIPs, func(ip ports.IP) bool { return ip.SubnetID == subnet })
}
