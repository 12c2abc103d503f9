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
	var filters []networks.ListOpts
	if looksLikeID(ref) {
		filters = append(filters, networks.ListOpts{ID: ref})
	}
	project := c.Whoami().ProjectID
	for _, f := range append(filters, networks.ListOpts{Name: ref}) {
		list, err := c.listNetworks(ctx, f)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(n Network) bool { return project != "" && n.ProjectID != project })
		if len(list) > 1 {
			var ids []string
			for _, n := range list {
				ids = append(ids, n.ID)
			}
			return nil, session.Fail(session.Ambiguous, fmt.Sprintf("use the network %q", ref), fmt.Sprintf("the project has %d of this name: %s", len(list), strings.Join(ids, ", ")),
				"rename or delete the ones that are not meant")
		}
		if len(list) == 1 {
			return &list[0], nil
		}
	}
	return nil, nil
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
	var filters []routers.ListOpts
	for _, id := range []string{recorded, ref} {
		if id != "" && (id == recorded || looksLikeID(id)) {
			filters = append(filters, routers.ListOpts{ID: id})
		}
	}
	project := c.Whoami().ProjectID
	for _, f := range append(filters, routers.ListOpts{Name: ref}) {
		list, err := c.listRouters(ctx, f)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(r routers.Router) bool { return project != "" && r.TenantID != project })
		if len(list) > 1 {
			return nil, session.Fail(session.Ambiguous, fmt.Sprintf("use the router %q", ref), fmt.Sprintf("the project has %d of this name", len(list)), "give the ID of the right one: `openstack router list`")
		}
		if len(list) == 1 {
			return &list[0], nil
		}
	}
	if looksLikeID(ref) {
		return nil, session.Fail(session.NotFound, fmt.Sprintf("find the router %q", ref), "the project has no router of this ID", "give a name to have one made")
	}
	return nil, nil
}

func (c *Cloud) listRouters(ctx context.Context, o routers.ListOpts) ([]routers.Router, error) {
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	pages, err := routers.List(sc, o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain("list the routers", err)
	}
	list, err := routers.ExtractRouters(pages)
	return list, session.Explain("read the list of routers", err)
}

func (c *Cloud) listSubnets(ctx context.Context, o subnets.ListOpts) ([]subnets.Subnet, error) {
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	pages, err := subnets.List(sc, o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain("list the subnets", err)
	}
	list, err := subnets.ExtractSubnets(pages)
	return list, session.Explain("read the list of subnets", err)
}

// joinsRouter says whether a port is a router's place on a subnet. Routers
// that are distributed or redundant have separate owners.
func joinsRouter(p ports.Port) bool {
	return strings.HasPrefix(p.DeviceOwner, "network:router_interface") || p.DeviceOwner == "network:ha_router_replicated_interface"
}

// routerPorts lists the ports that join routers to subnets.
func (c *Cloud) routerPorts(ctx context.Context, o ports.ListOpts) ([]ports.Port, error) {
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	list, err := c.listPorts(ctx, sc, o)
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

// networkPartByToken finds the resource requested under the record's token and
// never answered. Gateways and interfaces are known by what they join.
func (c *Cloud) networkPartByToken(ctx context.Context, token string, r Resource) ([]string, error) {
	var ids []string
	keep := func(id, description string) {
		if tokenOf(description) == token {
			ids = append(ids, id)
		}
	}
	switch r.Kind {
	case KindNetwork:
		list, err := c.listNetworks(ctx, networks.ListOpts{Name: r.Name})
		for _, n := range list {
			keep(n.ID, n.Description)
		}
		return ids, err
	case KindSubnet:
		list, err := c.listSubnets(ctx, subnets.ListOpts{NetworkID: r.Network, CIDR: r.Name})
		for _, s := range list {
			keep(s.ID, s.Description)
		}
		return ids, err
	case KindRouter:
		list, err := c.listRouters(ctx, routers.ListOpts{Name: r.Name})
		for _, x := range list {
			keep(x.ID, x.Description)
		}
		return ids, err
	case KindGateway:
		list, err := c.listRouters(ctx, routers.ListOpts{ID: r.Router})
		for _, x := range list {
			if x.GatewayInfo.NetworkID == r.Network {
				ids = append(ids, r.Network)
			}
		}
		return ids, err
	case KindInterface:
		list, err := c.routerPorts(ctx, ports.ListOpts{DeviceID: r.Router})
		for _, p := range list {
			if slices.ContainsFunc(p.FixedIPs, func(ip ports.IP) bool { return ip.SubnetID == r.Subnet }) {
				ids = append(ids, p.ID)
			}
		}
		return ids, err
	}
	return nil, nil
}
