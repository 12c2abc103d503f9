package openstack

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/text"
)

// FloatingIP is a floating IP of the project.
type FloatingIP struct {
	ID          string `json:"id"`
	Address     string `json:"floating_ip_address"`
	NetworkID   string `json:"floating_network_id"`
	PortID      string `json:"port_id"`
	FixedIP     string `json:"fixed_ip_address"`
	Description string `json:"description"`
	Status      string `json:"status"`
	// CreatedAt is "" where the cloud does not say.
	CreatedAt string `json:"created_at"`
	// Details is what the port is part of; nil where the cloud does not say or
	// the address is on no port.
	Details *PortDetails `json:"port_details"`
	// Revision counts the changes, from 0; nil where the cloud does not count
	// them.
	Revision *int `json:"revision_number"`
}

// PortDetails is what a port is part of (Neutron: fip-port-details).
type PortDetails struct {
	// DeviceID is the server or router, DeviceOwner its kind: compute:ZONE for
	// servers.
	DeviceID    string `json:"device_id"`
	DeviceOwner string `json:"device_owner"`
}

// serverOwner begins the device owner of the ports of servers.
const serverOwner = "compute:"

// ServerID returns the server that the address is on, "" for none.
func (f FloatingIP) ServerID() string {
	if f.Details == nil || !strings.HasPrefix(f.Details.DeviceOwner, serverOwner) {
		return ""
	}
	return f.Details.DeviceID
}

// floatingIPIn reads a floating IP out of an answer. The library's own form
// cannot tell revision 0 from none, which decides whether a claim is safe.
func floatingIPIn(r interface {
	ExtractIntoStructPtr(to any, label string) error
},
) (FloatingIP, error) {
	var f FloatingIP
	err := r.ExtractIntoStructPtr(&f, "floatingip")
	if err == nil && f.ID == "" {
		_, err = one[FloatingIP](nil, nil)
	}
	return f, err
}

// claims are the free floating IPs that instances of this process are about
// to take, so that they do not fight over one.
type claims struct {
	mu   sync.Mutex
	held map[string]bool
}

func (c *claims) take(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[id] {
		return false
	}
	c.held[id] = true
	return true
}

func (c *claims) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, id)
}

// FloatingIPs lists the project's floating IPs.
func (c *Cloud) FloatingIPs(ctx context.Context) ([]FloatingIP, error) {
	return c.listFloatingIPs(ctx, floatingips.ListOpts{})
}

func (c *Cloud) listFloatingIPs(ctx context.Context, o floatingips.ListOpts) ([]FloatingIP, error) {
	return list(ctx, "floating IPs", c.NetworkClient, floatingips.List, floatingips.ListOptsBuilder(o), func(p pagination.Page) (out []FloatingIP, err error) {
		return out, p.(floatingips.FloatingIPPage).ExtractIntoSlicePtr(&out, "floatingips")
	})
}

func (c *Cloud) getFloatingIP(ctx context.Context, id string) (FloatingIP, error) {
	sc := c.NetworkClient()
	f, err := floatingIPIn(floatingips.Get(ctx, sc, id))
	return f, session.Explain("look at the floating IP "+id, err)
}

// floatingIPAt finds the project's floating IP of that address.
func (c *Cloud) floatingIPAt(ctx context.Context, address, server string) (FloatingIP, error) {
	list, err := c.listFloatingIPs(ctx, floatingips.ListOpts{FloatingIP: address})
	if err != nil {
		return FloatingIP{}, err
	}
	for _, f := range list {
		if f.Address == address {
			return f, nil
		}
	}
	var free []string
	if all, aerr := c.FloatingIPs(ctx); aerr == nil {
		for _, x := range all {
			if x.PortID == "" && len(free) < 4 {
				free = append(free, x.Address)
			}
		}
	}
	missing := session.Fail(session.NotFound, fmt.Sprintf("attach the floating IP %s to the server %q", address, server),
		"the project has no such floating IP", "")
	if len(free) == 0 {
		return FloatingIP{}, missing.Advise("none of the project's addresses is free: leave %s out and set %s to have one allocated",
			settings.FloatingIP, settings.FloatingIPPools)
	}
	return FloatingIP{}, missing.Advise("free are "+text.And(free)+": set %s to one of them", settings.FloatingIP)
}

// held is the error of a floating IP that somebody uses.
func (c *Cloud) held(ctx context.Context, f FloatingIP, server string) error {
	return session.Fail(session.InUse, fmt.Sprintf("attach the floating IP %s to the server %q", f.Address, server), "it is in use by "+c.holderOf(ctx, f.PortID),
		"").Advise("each %s needs an address of its own: %s instead, or free this one with `openstack server remove floating ip`",
		session.Owner, session.AnyFreeAddress)
}

// holderOf says in words who holds a port.
func (c *Cloud) holderOf(ctx context.Context, port string) string {
	said, _ := c.holder(ctx, port)
	return said
}

// holder says in words who holds a port, and which server it is, "" for another
// device.
func (c *Cloud) holder(ctx context.Context, port string) (said, serverID string) {
	p, err := one(ports.Get(ctx, c.NetworkClient(), port).Extract())
	if err != nil || p.DeviceID == "" {
		return "the port " + port, ""
	}
	if s, err := c.getServer(ctx, p.DeviceID); err == nil {
		return fmt.Sprintf("the server %q (%s)", s.Name, s.ID), s.ID
	}
	return "the device " + p.DeviceID, ""
}
