package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// RemoveNetwork undoes what [Cloud.EnsureNetwork] has made under that name,
// and nothing else: a network or router that was there before stays, and so
// does a router that joins other subnets by now. It refuses, before anything
// is removed, while somebody uses the network.
//
// Without a record it goes by the marks in the cloud; a network without them
// was made by others and is refused.
func (c *Cloud) RemoveNetwork(ctx context.Context, name string, j Journal, o ReclaimOptions, rep Reporter) error {
	if rep == nil {
		rep = silentReporter{}
	}
	rec, err := j.Read()
	if err != nil {
		return err
	}
	if rec == nil {
		if rec, err = c.markedNetwork(ctx, name); err != nil {
			return err
		}
		if err := j.Write(rec); err != nil {
			return err
		}
	}
	if err := c.SameCloud(rec); err != nil {
		return err
	}
	if err := c.networkUnused(ctx, rec); err != nil {
		return err
	}
	if c.heir(ctx, rec) {
		if err := j.Write(rec); err != nil {
			return err
		}
	}
	return c.Reclaim(ctx, j, o, rep)
}

func (c *Cloud) markedNetwork(ctx context.Context, ref string) (*Record, error) {
	n, err := c.OwnNetwork(ctx, ref)
	if err != nil {
		return nil, err
	}
	if n == nil {
		if left, err := c.routersLeft(ctx, ref); err != nil || len(left) > 0 {
			return joinRecords(left), err
		}
		all, err := c.Networks(ctx)
		if err != nil {
			return nil, err
		}
		own := slices.DeleteFunc(slices.Clone(all), func(n Network) bool { return n.ProjectID != c.Whoami().ProjectID })
		return nil, notFound("network", ref, each(own, nameOf[Network]))
	}
	if tokenOf(n.Description) == "" {
		return nil, session.Fail(session.Invalid, fmt.Sprintf("delete the network %q (%s)", n.Name, n.ID), "it was not made by `galley network create`",
			"delete it with the tool it was made with: `openstack network delete "+n.ID+"`")
	}
	return c.networkRecord(ctx, *n)
}

// joinRecords puts all resources into the first of several records.
func joinRecords(list []*Record) *Record {
	if len(list) == 0 {
		return nil
	}
	for _, rec := range list[1:] {
		list[0].Resources = append(list[0].Resources, rec.Resources...)
	}
	return list[0]
}

// networkUnused finds who would be cut off.
func (c *Cloud) networkUnused(ctx context.Context, rec *Record) error {
	n := rec.find(KindNetwork, "")
	if n == nil || n.ID == "" {
		return nil // Nothing can be on it yet.
	}
	list, err := c.listPorts(ctx, ports.ListOpts{NetworkID: n.ID})
	if err != nil {
		return err
	}
	var users []ports.Port
	for _, p := range list {
		if hindersRemoval(rec, n, p) {
			users = append(users, p)
		}
	}
	if len(users) == 0 {
		return nil
	}
	said, hint := c.usersOf(ctx, users)
	return session.Fail(session.InUse, fmt.Sprintf("delete the network %q (%s)", n.Name, n.ID), "it is in use by "+said+"; nothing was removed", hint)
}

// hindersRemoval says whether a port belongs to somebody who uses the parts to
// be removed.
func hindersRemoval(rec *Record, n *Resource, p ports.Port) bool {
	onOurs := !n.Borrowed
	for _, r := range rec.Resources {
		switch {
		case r.Kind == KindSubnet && !r.Borrowed:
			onOurs = onOurs || onSubnet(p, r.ID)
		case r.Kind == KindInterface:
			joined := onSubnet(p, r.Subnet)
			if r.ID == p.ID || r.Router == p.DeviceID && joined {
				return false
			}
		}
	}
	switch p.DeviceOwner {
	case "network:dhcp", "network:distributed", "network:floatingip_agent_gateway":
		return false // Neutron's own: they go with the network.
	}
	return onOurs
}

// usersOf tells in words whose ports these are.
func (c *Cloud) usersOf(ctx context.Context, users []ports.Port) (said, hint string) {
	var words []string
	add := func(format string, args ...any) {
		if w := fmt.Sprintf(format, args...); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	names := map[string]string{}
	if list, err := c.listServers(ctx, servers.ListOpts{}); err == nil {
		for _, s := range list {
			names[s.ID] = s.Name
		}
	}
	hint = "delete or move them first"
	for _, p := range users {
		switch {
		case strings.HasPrefix(p.DeviceOwner, serverOwner):
			add("the server %q (%s)", names[p.DeviceID], p.DeviceID)
			hint = "delete them first, or take them off the network"
		case joinsRouter(p):
			add("the router %s", p.DeviceID)
		case p.DeviceID != "":
			add("the port %s of %s %s", p.ID, p.DeviceOwner, p.DeviceID)
		default:
			add("the port %q (%s)", p.Name, p.ID)
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", "), hint
}

// heir takes over a router that an earlier network was made with and had to
// leave because this one used it: with its maker gone, it goes with its last
// user. It says whether it changed the record.
func (c *Cloud) heir(ctx context.Context, rec *Record) bool {
	changed := false
	for i, r := range rec.Resources {
		if r.Kind != KindRouter || !r.Borrowed {
			continue
		}
		list, err := c.listRouters(ctx, routers.ListOpts{ID: r.ID})
		if err != nil || len(list) != 1 {
			continue
		}
		maker := tokenOf(list[0].Description)
		if maker == "" {
			continue
		}
		all, err := c.listNetworks(ctx, networks.ListOpts{})
		if err == nil && !slices.ContainsFunc(all, func(n Network) bool { return tokenOf(n.Description) == maker }) {
			rec.Resources[i].Borrowed, changed = false, true
		}
	}
	return changed
}

// removeGateway removes the gateway that a router of others was given, unless
// it leads elsewhere by now or floating IPs need it.
func (c *Cloud) removeGateway(ctx context.Context, r Resource, rep Reporter) error {
	list, err := c.listRouters(ctx, routers.ListOpts{ID: r.Router})
	if err != nil || len(list) == 0 || list[0].GatewayInfo.NetworkID != r.Network {
		return err
	}
	sc := c.NetworkClient()
	_, err = routers.Update(ctx, sc, r.Router, routers.UpdateOpts{GatewayInfo: &routers.GatewayInfo{}}).Extract()
	if session.IsStatus(err, 409) {
		rep.Info("Router %q keeps its gateway: floating IPs need it", list[0].Name)
		return nil
	}
	if session.IsStatus(err, 404) {
		return nil
	}
	return session.Explain(fmt.Sprintf("remove the gateway of the router %q (%s)", list[0].Name, r.Router), err)
}
