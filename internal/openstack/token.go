package openstack

import (
	"context"
	"net/url"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/galleyhq/galley/internal/openstack/session"
)

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
