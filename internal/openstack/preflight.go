package openstack

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/pagination"

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
	compute := c.ComputeClient()
	l, err := limits.Get(ctx, compute, nil).Extract()
	if err != nil {
		return Limits{}, session.Explain("read the project's quotas", err)
	}
	a := l.Absolute
	out := Limits{
		Instances: Room{a.TotalInstancesUsed, a.MaxTotalInstances},
		Cores:     Room{a.TotalCoresUsed, a.MaxTotalCores},
		RAM:       Room{a.TotalRAMUsed, a.MaxTotalRAMSize},
	}
	out.FloatingIPs, err = c.floatingIPRoom(ctx)
	return out, err
}

// floatingIPRoom asks for the quota of floating IPs (Neutron: quota_details).
// Older clouds do not tell users how much is in use: the request itself shows
// it.
func (c *Cloud) floatingIPRoom(ctx context.Context) (Room, error) {
	sc := c.NetworkClient()
	var answer struct {
		FloatingIP *quotas.QuotaDetail `json:"floatingip"`
	}
	err := quotas.GetDetail(ctx, sc, c.Whoami().ProjectID).ExtractIntoStructPtr(&answer, "quota")
	q := answer.FloatingIP
	if err != nil || q == nil {
		return Room{Limit: Unlimited}, nil
	}
	return Room{q.Used + q.Reserved, q.Limit}, nil
}

// CheckZone returns an error unless the availability zone exists and takes new
// servers.
func (c *Cloud) CheckZone(ctx context.Context, zone string) error {
	pages := func(sc *gophercloud.ServiceClient, _ any) pagination.Pager { return availabilityzones.List(sc) }
	all, err := list(ctx, "availability zones", c.ComputeClient, pages, nil, availabilityzones.ExtractAvailabilityZones)
	if err != nil {
		return err
	}
	var names []string
	for _, z := range all {
		if z.ZoneState.Available {
			names = append(names, z.ZoneName)
		}
		if z.ZoneName == zone && z.ZoneState.Available {
			return nil
		}
	}
	return session.Fail(session.NotFound, fmt.Sprintf("find the availability zone %q", zone), "there is no such zone, or it takes no servers", suggest("availability zone", zone, names))
}
