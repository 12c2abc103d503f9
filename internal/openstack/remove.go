package openstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/attachments"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/text"
)

// Deadlines and pauses of removing things.
const (
	serverGoneTimeout = 5 * time.Minute
	volumeGoneTimeout = 3 * time.Minute
	// conflictTries is how often a removal is requested that is refused because
	// something is still on its way out, conflictPause the first pause between.
	conflictTries = 12
	conflictPause = 200 * time.Millisecond
	// ghostTries is how often something is deleted that the cloud calls deleted
	// and still shows.
	ghostTries = 4
	// ghostPause is how long a volume may be available after it was accepted for
	// deletion.
	ghostPause = 2 * time.Second
)

// removeOne removes one resource by its ID and says whether it existed.
func (c *Cloud) removeOne(ctx context.Context, r Resource, id string, rep Reporter) (existed bool, err error) {
	if r.Kind != KindKeyPair {
		if err := checkID(string(r.Kind), id); err != nil {
			return false, err
		}
	}
	switch {
	case r.Kind == KindServer:
		return c.deleteServer(ctx, id, r.Name, rep)
	case r.Kind == KindVolume:
		return c.deleteVolume(ctx, id, r.Name, rep)
	case r.Kind == KindFloatingIP && r.Borrowed:
		return c.returnFloatingIP(ctx, r, id, rep)
	case r.Borrowed:
		return true, nil
	case r.Kind == KindGateway:
		return true, c.removeGateway(ctx, r, rep)
	}
	existed, err = c.deletionOf(ctx, r, id).run(ctx)
	switch {
	case errors.Is(err, errKept):
		rep.Info("Router %q is kept: it is in use by other networks (%s)", r.Name, id)
		return true, nil
	case err != nil || !existed:
	case r.Kind == KindFloatingIP:
		rep.Info("OpenStack Floating IP <%s> released.", cmp.Or(r.Address, id))
	case r.Kind == KindNetwork:
		rep.Info("Network %q deleted (%s)", r.Name, id)
	case r.Kind == KindRouter:
		rep.Info("Router %q deleted (%s)", r.Name, id)
	}
	return existed, err
}

// deletionOf returns how a resource is deleted of which one request is enough.
func (c *Cloud) deletionOf(ctx context.Context, r Resource, id string) deletion {
	label := string(r.Kind)
	d := deletion{client: c.NetworkClient, what: fmt.Sprintf("delete the %s %q (%s)", label, r.Name, id)}
	switch r.Kind {
	case KindKeyPair:
		d.client, d.what = c.ComputeClient, fmt.Sprintf("delete the key pair %q", id)
		d.ask = func(sc *gophercloud.ServiceClient) error {
			return keypairs.Delete(ctx, sc, url.PathEscape(id), nil).ExtractErr()
		}
		d.look = func(sc *gophercloud.ServiceClient) error { return keypairs.Get(ctx, sc, url.PathEscape(id), nil).Err }
	case KindImage:
		d.client = c.ImageClient
		d.ask = func(sc *gophercloud.ServiceClient) error { return images.Delete(ctx, sc, id).ExtractErr() }
		d.look = func(sc *gophercloud.ServiceClient) error { return images.Get(ctx, sc, id).Err }
	case KindFloatingIP:
		d.what = fmt.Sprintf("release the floating IP %s (%s)", r.Address, id)
		d.ask = func(sc *gophercloud.ServiceClient) error { return floatingips.Delete(ctx, sc, id).ExtractErr() }
		d.look = func(*gophercloud.ServiceClient) error {
			_, err := c.getFloatingIP(ctx, id)
			return err
		}
	case KindPort:
		d.what = "delete the port " + id
		d.ask = func(sc *gophercloud.ServiceClient) error { return ports.Delete(ctx, sc, id).ExtractErr() }
		d.look = func(sc *gophercloud.ServiceClient) error { return ports.Get(ctx, sc, id).Err }
	case KindInterface:
		d.what, label = fmt.Sprintf("detach the subnet %s from the router %s", r.Name, r.Router), "router's port"
		d.ask = func(sc *gophercloud.ServiceClient) error {
			return routers.RemoveInterface(ctx, sc, r.Router, routers.RemoveInterfaceOpts{PortID: id}).Err
		}
		d.look = func(sc *gophercloud.ServiceClient) error { return ports.Get(ctx, sc, id).Err }
	case KindSubnet:
		d.what = fmt.Sprintf("delete the subnet %s (%s)", r.Name, id)
		d.ask = func(sc *gophercloud.ServiceClient) error { return subnets.Delete(ctx, sc, id).ExtractErr() }
		d.look = func(sc *gophercloud.ServiceClient) error { return subnets.Get(ctx, sc, id).Err }
	case KindNetwork:
		d.ask = func(sc *gophercloud.ServiceClient) error { return networks.Delete(ctx, sc, id).ExtractErr() }
		d.look = func(sc *gophercloud.ServiceClient) error { return networks.Get(ctx, sc, id).Err }
	case KindRouter:
		// One that joins other subnets by now is kept; one that the cloud
		// refuses to delete although it joins none is an error.
		kept := false
		d.ask = func(sc *gophercloud.ServiceClient) error {
			joins, err := c.routerPorts(ctx, ports.ListOpts{DeviceID: id})
			if kept = len(joins) > 0; err != nil || kept {
				return err
			}
			return routers.Delete(ctx, sc, id).ExtractErr()
		}
		d.look = func(sc *gophercloud.ServiceClient) error {
			if kept {
				return errKept
			}
			return routers.Get(ctx, sc, id).Err
		}
	}
	d.seen = fmt.Sprintf("look for the %s %s", label, id)
	return d
}

// errKept ends the deletion of a router that others use.
var errKept = errors.New("the router is in use by other networks")

// idPattern is the form of identifiers; "." and ".." would lead elsewhere in a
// URL.
var idPattern = text.Lazy(`^[A-Za-z0-9][A-Za-z0-9._:-]*$`)

// checkID refuses identifiers, as from a damaged state file, that would ask the
// cloud for something else.
func checkID(label, id string) error {
	if idPattern().MatchString(id) {
		return nil
	}
	return session.Fail(session.Invalid, fmt.Sprintf("use the %s %q", label, id), "this is not an identifier", "")
}

// deletion deletes something and looks whether it is gone. The answer to the
// request alone proves nothing: a 404 or a 204 may come from elsewhere.
type deletion struct {
	client clientOf
	// what and seen read after "cannot", of a failing request and look.
	what, seen string
	ask        func(*gophercloud.ServiceClient) error
	// look fails with a 404 when it is gone.
	look func(*gophercloud.ServiceClient) error
}

// run repeats the request while the cloud refuses it because of a conflict, and
// says whether the thing existed.
func (d deletion) run(ctx context.Context) (existed bool, err error) {
	sc := d.client()
	pause := conflictPause
	for conflicts, ghosts := 0, 0; ; {
		err := d.ask(sc)
		switch {
		case err == nil:
			existed = true
		case session.IsStatus(err, 404):
		case session.IsStatus(err, 409) && conflicts < conflictTries:
			existed = true
			conflicts++
			if err := retry.Sleep(ctx, pause); err != nil {
				return existed, session.Explain(d.what, err)
			}
			pause = min(pause*3/2, time.Second)
			continue
		default:
			return existed, session.Explain(d.what, err)
		}
		err = session.Explain(d.seen, d.look(sc))
		switch {
		case session.KindOf(err) == session.NotFound:
			return existed, nil
		case err != nil:
			return existed, err
		}
		existed = true
		if ghosts++; ghosts == ghostTries {
			return existed, session.Fail(session.Other, d.what, "the cloud calls it deleted and still shows it", "try again later, or ask the operators")
		}
		if err := retry.Sleep(ctx, pause); err != nil {
			return existed, session.Explain(d.what, err)
		}
	}
}

// returnFloatingIP gives a floating IP back to the port that it was taken from,
// or else detaches it. The server's port may have gone first, and the address
// is then on none.
func (c *Cloud) returnFloatingIP(ctx context.Context, r Resource, id string, rep Reporter) (existed bool, err error) {
	f, err := c.getFloatingIP(ctx, id)
	free := err == nil && f.PortID == ""
	if session.KindOf(err) == session.NotFound || free && r.From == "" || err == nil && !free && f.PortID != r.Port {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sc := c.NetworkClient()
	if r.From != "" {
		o := floatingips.UpdateOpts{PortID: &r.From}
		if free {
			o.RevisionNumber = f.Revision // Whoever takes it meanwhile keeps it.
		}
		_, err := floatingips.Update(ctx, sc, id, o).Extract()
		switch {
		case err == nil:
			rep.Info("Floating IP <%s> given back to %s.", r.Address, c.holderOf(ctx, r.From))
			return true, nil
		case session.IsStatus(err, 412):
			return c.returnFloatingIP(ctx, r, id, rep) // Its port has just gone, or somebody has it.
		case !session.IsStatus(err, 400, 404, 409):
			return true, session.Explain(fmt.Sprintf("give the floating IP %s (%s) back", r.Address, id), err)
		}
		rep.Warn("the floating IP %s cannot be given back to the port %s: %v", r.Address, r.From, session.Explain("move it", err))
		if free {
			return true, nil
		}
	}
	none := ""
	_, err = floatingips.Update(ctx, sc, id, floatingips.UpdateOpts{PortID: &none}).Extract()
	if session.IsStatus(err, 404) {
		return false, nil
	}
	return true, session.Explain(fmt.Sprintf("detach the floating IP %s (%s)", r.Address, id), err)
}

// deleteServer deletes a server and waits until it is gone: its ports and
// volumes are free only then. It says whether the server existed.
func (c *Cloud) deleteServer(ctx context.Context, id, name string, rep Reporter) (existed bool, err error) {
	sc := c.ComputeClient()
	what := fmt.Sprintf("delete the server %q (%s)", name, id)
	accepted := false
	ask := func() error {
		err := servers.Delete(ctx, sc, id).ExtractErr()
		if accepted = err == nil; session.IsStatus(err, 404) {
			return nil // The look will tell.
		}
		err = session.Explain(what, err)
		var e *session.Error
		if errors.As(err, &e) && e.Status == 409 && strings.Contains(e.Said, "locked") {
			e.SetHint("unlock it first: `openstack server unlock " + id + "`")
		}
		return err
	}
	if err := ask(); err != nil {
		return true, err
	}
	existed = accepted
	again, lastAsk := 0, time.Now()
	err = c.waitFor(ctx, id, name, "the server to be gone", serverGoneTimeout, rep,
		func(s *servers.Server) (bool, error) {
			switch {
			case s.Status == "DELETED":
				return true, nil
			case s.Status == "SOFT_DELETED":
				// Kept for a while by the cloud's rule, with its ports and
				// volumes; where users may, it is ended at once.
				if again > 0 {
					return true, nil
				}
				again++
				_ = servers.ForceDelete(ctx, sc, id).ExtractErr()
				return false, nil
			case s.TaskState == "" && (!accepted || time.Since(lastAsk) > 5*time.Second):
				// The request was lost, or the deletion failed and left the server
				// as it was.
				existed = true
				if again >= 3 {
					return true, session.Fail(session.Other, what, "the cloud does not manage to: its status is "+s.Status,
						"try again later, or ask the operators")
				}
				again++
				lastAsk = time.Now()
				return false, ask()
			}
			existed = true
			return false, nil
		},
		func() error { return nil })
	return existed, err
}

// deleteVolume deletes a volume as soon as nothing holds it, and waits until
// it is gone.
func (c *Cloud) deleteVolume(ctx context.Context, id, name string, rep Reporter) (existed bool, err error) {
	sc := c.VolumeClient()
	what := fmt.Sprintf("delete the volume %q (%s)", name, id)
	began := time.Now()
	asked, released, lastAsk := false, false, began
	for {
		if !asked {
			err := volumes.Delete(ctx, sc, id, nil).ExtractErr()
			switch {
			case session.IsStatus(err, 404):
				// The look will tell.
			case err == nil:
				asked, existed, lastAsk = true, true, time.Now()
			case !session.IsStatus(err, 400, 409) || time.Since(began) > volumeGoneTimeout:
				return existed, session.Explain(what, err)
			}
		}
		v, err := c.getVolume(ctx, id)
		switch {
		case session.KindOf(err) == session.NotFound:
			return existed, nil
		case err != nil:
			return existed, err
		case v.Status == "deleting":
			asked = true
		case v.Status == "reserved" && !released && time.Since(began) >= c.reservedPatience:
			released = true
			if err := c.releaseVolume(ctx, id); err != nil {
				rep.Debug("the volume %s stays reserved: %v", id, err)
			}
		case v.Status == "available" && asked && time.Since(lastAsk) > ghostPause:
			asked = false // The request did not arrive.
		case strings.HasPrefix(v.Status, "error") && asked:
			return true, session.Fail(session.Other, what, "its status is "+v.Status, "ask the operators to remove it")
		case time.Since(began) > volumeGoneTimeout:
			return true, session.Fail(session.Timeout, what, fmt.Sprintf("it is not gone after %s (status %s)", volumeGoneTimeout, v.Status), "try again later")
		}
		existed = true
		rep.Waiting("the volume to be gone", "status "+v.Status, began)
		if err := retry.Sleep(ctx, watchPause(began, watchMin)); err != nil {
			return existed, err
		}
	}
}

// releaseVolume removes the attachments of a volume to servers that are gone.
// Nova leaves them when a server is deleted in the moment in which it takes its
// volumes: the volume is reserved for good then.
func (c *Cloud) releaseVolume(ctx context.Context, id string) error {
	client := c.VolumeClient()
	sc := *client
	// Attachments came with 3.27; older clouds have none to leave.
	sc.Type, sc.Microversion = "volume", "3.27"
	pages, err := attachments.List(&sc, attachments.ListOpts{VolumeID: id}).AllPages(ctx)
	if err != nil {
		return session.Explain("list the attachments of the volume "+id, err)
	}
	list, err := attachments.ExtractAttachments(pages)
	if err != nil {
		return session.Explain("read the attachments of the volume "+id, err)
	}
	for _, a := range list {
		if _, err := c.getServer(ctx, a.Instance); session.KindOf(err) != session.NotFound {
			return session.Join(err) // It belongs to a server, or this is not known.
		}
		if err := attachments.Delete(ctx, &sc, a.ID).ExtractErr(); err != nil {
			return session.Explain("delete the attachment "+a.ID, err)
		}
	}
	return nil
}
