package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// OwnNetwork finds a network of the project itself by name or ID, nil when
// there is none. Two of a name are an error.
func (c *Cloud) OwnNetwork(ctx context.Context, ref string) (*Network, error) {
	project := c.Whoami().ProjectID
	found, err := byIDOrName(ref, func(id, name string) ([]Network, error) {
		list, err := c.listNetworks(ctx, networks.ListOpts{ID: id, Name: name})
		return slices.DeleteFunc(list, func(n Network) bool { return project != "" && n.ProjectID != project }), err
	})
	switch {
	case len(found) == 0:
		return nil, err
	case len(found) > 1:
		return nil, session.Fail(session.Ambiguous, fmt.Sprintf("use the network %q", ref),
			fmt.Sprintf("the project has %d of this name: %s", len(found), strings.Join(each(found, idOf[Network]), ", ")),
			"rename or delete the ones that are not meant")
	}
	return &found[0], nil
}

// networkToUse returns the network that the record knows, else the project's
// own of that name, nil for none.
func (c *Cloud) networkToUse(ctx context.Context, name string, rec *Record) (*Network, error) {
	if rec == nil {
		return c.OwnNetwork(ctx, name)
	}
	list, err := c.listNetworks(ctx, networks.ListOpts{Name: name})
	if err != nil {
		return nil, err
	}
	r := rec.find(KindNetwork, "")
	for _, n := range list {
		if r != nil && n.ID == r.ID || tokenOf(n.Description) == rec.Token {
			return &n, nil
		}
	}
	if r != nil && r.ID != "" {
		// Renamed since, perhaps.
		byID, err := c.listNetworks(ctx, networks.ListOpts{ID: r.ID})
		if err != nil {
			return nil, err
		}
		if len(byID) == 1 {
			return nil, session.Fail(session.Differs, fmt.Sprintf("use the network %q", name), fmt.Sprintf("the network made under that name is called %q now (%s)", byID[0].Name, r.ID),
				"give it its name back, or `galley network delete "+name+"`")
		}
	}
	return c.OwnNetwork(ctx, name)
}

// routerToUse returns the router that is recorded, else the project's own of
// that name or ID, nil for none.
func (c *Cloud) routerToUse(ctx context.Context, ref, recorded string) (*routers.Router, error) {
	project := c.Whoami().ProjectID
	ask := func(id, name string) ([]routers.Router, error) {
		list, err := c.listRouters(ctx, routers.ListOpts{ID: id, Name: name})
		return slices.DeleteFunc(list, func(r routers.Router) bool { return project != "" && r.TenantID != project }), err
	}
	var found []routers.Router
	var err error
	if recorded != "" {
		found, err = ask(recorded, "")
	}
	if err == nil && len(found) == 0 {
		found, err = byIDOrName(ref, ask)
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) > 1:
		return nil, session.Fail(session.Ambiguous, fmt.Sprintf("use the router %q", ref), fmt.Sprintf("the project has %d of this name", len(found)), "give the ID of the right one: `openstack router list`")
	case len(found) == 1:
		return &found[0], nil
	case looksLikeID(ref):
		return nil, session.Fail(session.NotFound, fmt.Sprintf("find the router %q", ref), "the project has no router of this ID", "give a name to have one made")
	}
	return nil, nil
}

func (c *Cloud) listRouters(ctx context.Context, o routers.ListOpts) ([]routers.Router, error) {
	return list(ctx, "routers", c.NetworkClient, routers.List, routers.ListOptsBuilder(o), routers.ExtractRouters)
}

func (c *Cloud) listSubnets(ctx context.Context, o subnets.ListOpts) ([]subnets.Subnet, error) {
	return list(ctx, "subnets", c.NetworkClient, subnets.List, subnets.ListOptsBuilder(o), subnets.ExtractSubnets)
}

// joinsRouter says whether a port is a router's place on a subnet. Routers
// that are distributed or redundant have separate owners.
func joinsRouter(p ports.Port) bool {
	return strings.HasPrefix(p.DeviceOwner, "network:router_interface") || p.DeviceOwner == "network:ha_router_replicated_interface"
}

// routerPorts lists the ports that join routers to subnets.
func (c *Cloud) routerPorts(ctx context.Context, o ports.ListOpts) ([]ports.Port, error) {
	list, err := c.listPorts(ctx, o)
	return slices.DeleteFunc(list, func(p ports.Port) bool { return !joinsRouter(p) }), err
}

// networkOwner is the owner of a network's resources.
func networkOwner(name string) string { return fmt.Sprintf("the network %q", name) }

// networkRecord makes a record of a network by the marks in the cloud alone,
// for when the record is lost or on another machine.
func (c *Cloud) networkRecord(ctx context.Context, n Network) (*Record, error) {
	rec := c.newRecord(ServerSpec{Name: n.Name, Owner: networkOwner(n.Name)})
	rec.Token = tokenOf(n.Description)
	add := func(r Resource) {
		r.Stage, r.Asked = Made, rec.Started
		rec.Resources = append(rec.Resources, r)
	}
	add(Resource{Kind: KindNetwork, Name: n.Name, ID: n.ID})
	subs, err := c.listSubnets(ctx, subnets.ListOpts{NetworkID: n.ID})
	if err != nil {
		return nil, err
	}
	ours := map[string]subnets.Subnet{}
	for _, s := range subs {
		if tokenOf(s.Description) == rec.Token {
			ours[s.ID] = s
			add(Resource{Kind: KindSubnet, Name: s.CIDR, ID: s.ID, Network: n.ID})
		}
	}
	all, err := c.listRouters(ctx, routers.ListOpts{})
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, r := range all {
		names[r.ID] = r.Name
		if tokenOf(r.Description) == rec.Token {
			add(Resource{Kind: KindRouter, Name: r.Name, ID: r.ID})
		}
	}
	joins, err := c.routerPorts(ctx, ports.ListOpts{NetworkID: n.ID})
	if err != nil {
		return nil, err
	}
	for _, p := range joins {
		for _, ip := range p.FixedIPs {
			// Interfaces bear no mark: that on the gateway's address is the one
			// that was made with the subnet.
			s, ok := ours[ip.SubnetID]
			if !ok || ip.IPAddress != s.GatewayIP {
				continue
			}
			add(Resource{Kind: KindInterface, Name: s.CIDR, ID: p.ID, Router: p.DeviceID, Subnet: s.ID})
			if rec.find(KindRouter, names[p.DeviceID]) == nil {
				add(Resource{Kind: KindRouter, Name: names[p.DeviceID], ID: p.DeviceID, Borrowed: true})
			}
		}
	}
	return rec, nil
}
