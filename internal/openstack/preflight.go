package openstack

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// Unlimited is the limit of a quota that has none.
const Unlimited = -1

// Room is how much of a quota is in use. A Limit of [Unlimited] has room for
// everything.
type Room struct{ Used, Limit int }

// Fits reports whether n more fit.
func (r Room) Fits(n int) bool { return r.Limit < 0 || r.Used+n <= r.Limit }

// Limits are the quotas that creating servers uses. RAM is in MiB.
type Limits struct{ Instances, Cores, RAM, FloatingIPs Room }

// Limits asks for the project's quotas.
func (c *Cloud) Limits(ctx context.Context) (Limits, error) {
	compute, err := c.ComputeClient()
	if err != nil {
		return Limits{}, err
	}
	l, err := limits.Get(ctx, compute, nil).Extract()
	if err != nil {
		return Limits{}, session.Explain("read the project's quotas", err)
	}
	a := l.Absolute
	out := Limits{
		Instances:   Room{a.TotalInstancesUsed, a.MaxTotalInstances},
		Cores:       Room{a.TotalCoresUsed, a.MaxTotalCores},
		RAM:         Room{a.TotalRAMUsed, a.MaxTotalRAMSize},
		FloatingIPs: Room{0, Unlimited},
	}
	network, err := c.NetworkClient()
	if err != nil {
		return out, err
	}
	q, err := quotas.GetDetail(ctx, network, c.Whoami().ProjectID).Extract()
	if err != nil {
		// Older clouds do not tell users how much is in use: then the request
		// itself shows it.
		return out, nil
	}
	out.FloatingIPs = Room{q.FloatingIP.Used + q.FloatingIP.Reserved, q.FloatingIP.Limit}
	return out, nil
}

// CheckZone returns an error unless the availability zone exists and takes new
// servers.
func (c *Cloud) CheckZone(ctx context.Context, zone string) error {
	sc, err := c.ComputeClient()
	if err != nil {
		return err
	}
	pages, err := availabilityzones.List(sc).AllPages(ctx)
	if err != nil {
		return session.Explain("list the availability zones", err)
	}
	list, err := availabilityzones.ExtractAvailabilityZones(pages)
	if err != nil {
		return session.Explain("read the list of availability zones", err)
	}
	var names []string
	for _, z := range list {
		if z.ZoneState.Available {
			names = append(names, z.ZoneName)
		}
		if z.ZoneName == zone && z.ZoneState.Available {
			return nil
		}
	}
	return session.Fail(session.NotFound, fmt.Sprintf("find the availability zone %q", zone), "there is no such zone, or it takes no servers", suggest("availability zone", zone, names))
}
