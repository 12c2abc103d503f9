package openstack

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
)

// What people do with floating IPs by hand. Those of servers that are made
// here are in floatingip.go.

// allocated marks a floating IP that somebody asked for by hand. Unlike what
// [Record.describe] writes it is nobody's orphan: nothing ever removes it by
// itself.
const allocated = "galley allocate="

// cleanupTime is how long the clean-up may take after
// Ctrl-C.
const cleanupTime = 30 * time.Second

// AllocateFloatingIP makes a floating IP of a pool, given by ID or name. It
// is on no port, and nothing removes it by itself. When the answer is lost,
// it is looked for; when ctx ends, it is released again.
func (c *Cloud) AllocateFloatingIP(ctx context.Context, pool string, rep Reporter) (FloatingIP, error) {
	n, err := c.Pool(ctx, pool, rep)
	if err != nil {
		return FloatingIP{}, err
	}
	sc := c.NetworkClient()
	mark := allocated + NewToken()
	what := fmt.Sprintf("allocate a floating IP from the pool %q", n.Name)
	f, err := floatingIPIn(floatingips.Create(ctx, sc, floatingips.CreateOpts{FloatingNetworkID: n.ID, Description: mark}))
	if err == nil || ctx.Err() == nil && !session.Unsettled(err) {
		return f, session.Explain(what, err)
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	for _, pause := range c.settle {
		if serr := retry.Sleep(after, pause); serr != nil {
			break
		}
		list, lerr := c.listFloatingIPs(after, floatingips.ListOpts{FloatingNetworkID: n.ID, Description: mark})
		if lerr != nil || len(list) == 0 {
			continue
		}
		if ctx.Err() == nil {
			return list[0], nil
		}
		if derr := floatingips.Delete(after, sc, list[0].ID).ExtractErr(); derr != nil && !session.IsStatus(derr, 404) {
			return FloatingIP{}, session.Join(session.Explain(what, err), session.Explain("release the floating IP "+list[0].Address, derr))
		}
		break
	}
	return FloatingIP{}, session.Explain(what, err)
}

// ReleaseFloatingIP deletes a floating IP, given by ID or address.
func (c *Cloud) ReleaseFloatingIP(ctx context.Context, ref string) error {
	f, err := c.FloatingIP(ctx, ref)
	if err != nil {
		return err
	}
	sc := c.NetworkClient()
	err = floatingips.Delete(ctx, sc, f.ID).ExtractErr()
	return session.Explain(fmt.Sprintf("release the floating IP %s (%s)", f.Address, f.ID), err)
}

// ReleaseUnused deletes a floating IP that was seen to be on no port. When
// somebody has changed it since, it stays and the error is of the kind
// [InUse].
func (c *Cloud) ReleaseUnused(ctx context.Context, f FloatingIP) error {
	sc := c.NetworkClient()
	what := fmt.Sprintf("release the floating IP %s (%s)", f.Address, f.ID)
	o := gophercloud.RequestOpts{}
	if f.Revision != nil {
		o.MoreHeaders = map[string]string{"If-Match": fmt.Sprintf("revision_number=%d", *f.Revision)}
	}
	_, err := sc.Delete(ctx, sc.ServiceURL("floatingips", f.ID), &o)
	switch {
	case session.IsStatus(err, http.StatusNotFound):
		return nil
	case session.IsStatus(err, http.StatusPreconditionFailed):
		return session.Fail(session.InUse, what, "somebody has changed it since it was seen to be unused", "look at `galley floating-ip list`")
	}
	return session.Explain(what, err)
}

// FloatingIP finds a floating IP of the project by ID or address.
func (c *Cloud) FloatingIP(ctx context.Context, ref string) (FloatingIP, error) {
	all, err := c.FloatingIPs(ctx)
	if err != nil {
		return FloatingIP{}, err
	}
	f, _, err := choose("floating IP", ref, all)
	return f, err
}

// HolderOf says in words who has a floating IP, "" for nobody.
func (c *Cloud) HolderOf(ctx context.Context, f FloatingIP) string {
	if f.PortID == "" {
		return ""
	}
	return c.holderOf(ctx, f.PortID)
}

// AssociateFloatingIP puts a floating IP, given by ID or address, on a
// server, given by ID. One that is in use elsewhere is taken from its holder
// only with takeOver; from says who that was. One that is on the server
// already stays.
func (c *Cloud) AssociateFloatingIP(ctx context.Context, ref, serverID string, takeOver bool) (address, from string, err error) {
	f, err := c.FloatingIP(ctx, ref)
	if err != nil {
		return "", "", err
	}
	s, err := c.getServer(ctx, serverID)
	if err != nil {
		return "", "", err
	}
	list, err := c.serverPorts(ctx, s.ID)
	if err != nil {
		return "", "", err
	}
	at := choosePlaces(list, nil)
	if len(at) == 0 {
		return "", "", session.Fail(session.NoAddress, fmt.Sprintf("attach the floating IP %s to the server %q", f.Address, s.Name),
			"the server has no port with an IPv4 address", "")
	}
	for _, p := range at {
		if p.port == f.PortID {
			return f.Address, "", nil
		}
	}
	if f.PortID != "" {
		from = c.holderOf(ctx, f.PortID)
		if !takeOver {
			return "", "", session.Fail(session.InUse, fmt.Sprintf("attach the floating IP %s to the server %q", f.Address, s.Name), "it is in use by "+from,
				"--take-over takes it from there; `galley floating-ip list` shows which are free")
		}
	}
	step := &addressStep{in: newIntent(c, nil, &Record{}, silentReporter{}), server: s.Name, id: s.ID}
	address, err = step.attach(ctx, f, at, true)
	return address, from, err
}

// DisassociateFloatingIP takes a floating IP, given by ID or address, off its
// port and says from whom; "" when it was on none. With a server's ID it is
// taken off that server only.
func (c *Cloud) DisassociateFloatingIP(ctx context.Context, ref, serverID string) (f FloatingIP, from string, err error) {
	if f, err = c.FloatingIP(ctx, ref); err != nil || f.PortID == "" {
		return f, "", err
	}
	from, holder := c.holder(ctx, f.PortID)
	what := fmt.Sprintf("detach the floating IP %s (%s)", f.Address, f.ID)
	if serverID != "" && holder != serverID {
		return f, from, session.Fail(session.InUse, what, "it is not on that server, but in use by "+from, "`galley floating-ip list` shows what each is on")
	}
	sc := c.NetworkClient()
	none := ""
	o := floatingips.UpdateOpts{PortID: &none, RevisionNumber: f.Revision}
	_, err = floatingips.Update(ctx, sc, f.ID, o).Extract()
	if session.IsStatus(err, http.StatusPreconditionFailed) {
		return f, from, session.Fail(session.InUse, what, "somebody has changed it at the same time", "look at `galley floating-ip list` and try again")
	}
	return f, from, session.Explain(what, err)
}
