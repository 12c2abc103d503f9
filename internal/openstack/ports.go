package openstack

import (
	"context"
	"fmt"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// createPorts creates the ports that are to be created, and returns the
// server's interfaces with them.
func (in *intent) createPorts(ctx context.Context, s ServerSpec, nics []servers.Network) ([]servers.Network, error) {
	nics = slices.Clone(nics)
	for i, nic := range s.Nics {
		if nic.Make == nil {
			continue
		}
		id, err := in.createPort(ctx, s, i, nics[i].UUID)
		if err != nil {
			return nil, err
		}
		nics[i].Port, nics[i].UUID, nics[i].FixedIP = id, "", ""
	}
	return nics, nil
}

// createPort creates the port of the server's i-th interface.
func (in *intent) createPort(ctx context.Context, s ServerSpec, i int, network string) (string, error) {
	p := *s.Nics[i].Make
	sc := in.c.NetworkClient()
	name := p.Name
	if name == "" {
		name = fmt.Sprintf("%s-port-%d", clip(s.Name, 240), i+1)
	}
	o := ports.CreateOpts{NetworkID: network, Name: name, Description: in.rec.describe(), MACAddress: p.MAC}
	var fixed []ports.IP
	for _, a := range p.Addresses {
		fixed = append(fixed, ports.IP{IPAddress: a})
	}
	for _, subnet := range p.Subnets {
		fixed = append(fixed, ports.IP{SubnetID: subnet})
	}
	if len(fixed) > 0 {
		o.FixedIPs = fixed
	}
	// Nova puts its groups on the ports that it makes itself only.
	want := p.SecurityGroups
	if want == nil {
		want = s.SecurityGroups
	}
	if want != nil {
		ids, err := in.c.securityGroupIDs(ctx, want)
		if err != nil {
			return "", err
		}
		o.SecurityGroups = &ids
	}
	id, _, err := in.do(ctx, request{
		kind: KindPort, name: name, what: fmt.Sprintf("make the port %q in the network %s", name, network),
		note: func(r *Resource) { r.Network = network },
		ask:  func(ctx context.Context) (string, error) { return idIn(ports.Create(ctx, sc, o), "port") },
	})
	return id, err
}
