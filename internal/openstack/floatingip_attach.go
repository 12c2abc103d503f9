package openstack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/settings"
)

// borrow takes a floating IP of the project that nobody uses. Others may be
// after the same one, in this process or elsewhere: it is claimed with the
// revision that was seen, and read again to see who holds it.
func (step *addressStep) borrow(ctx context.Context, at []place) (string, error) {
	free := step.res.free[step.pool.ID]
	delete(step.res.free, step.pool.ID)
	all, lost := len(free), 0
	for listed := len(free) > 0; ; {
		// Each process begins elsewhere, so that few meet.
		h := fnv.New32a()
		_, _ = h.Write([]byte(step.in.rec.Token))
		for i := range free {
			f := free[(int(h.Sum32()%uint32(len(free)))+i)%len(free)]
			if !step.in.c.claims.take(f.ID) {
				lost++
				continue
			}
			step.in.rep.Info("Attaching floating IP <%s>", f.Address)
			address, err := step.attach(ctx, f, at, true)
			step.in.c.claims.drop(f.ID)
			if session.KindOf(err) == session.InUse {
				step.in.rep.Info("the floating IP %s was taken or released by somebody else, trying the next", f.Address)
				lost++
				continue
			}
			return address, err
		}
		if !listed {
			return "", noneFree(step.pool, step.server, all, lost)
		}
		// The addresses seen before the create are taken; look again.
		listed = false
		now, still, err := step.in.c.freeIn(ctx, step.pool)
		if err != nil {
			return "", err
		}
		all, free = len(now), still
	}
}

func noneFree(pool Network, server string, all, lost int) error {
	said := "the project has no floating IP there; it has to be allocated first"
	if all > 0 {
		said = fmt.Sprintf("all %d floating IPs of the project there are in use", all)
	}
	if lost > 0 {
		said += fmt.Sprintf(" (%d were free a moment ago)", lost)
	}
	return session.Fail(session.EmptyPool, fmt.Sprintf("take a free floating IP from the pool %q for the server %q", pool.Name, server), said,
		"").Advise("%s to allocate one for the %s and release it with it, or allocate one yourself: `galley floating-ip create %s`",
		session.AllocateAddress, session.Owner, pool.Name)
}

// attachNamed attaches the one address that the configuration names.
func (step *addressStep) attachNamed(ctx context.Context, at []place) (string, error) {
	f := step.res.fixed
	if f.ID == "" {
		var err error
		if f, err = step.in.c.floatingIPAt(ctx, step.want.Address, step.server); err != nil {
			return "", err
		}
	}
	for _, p := range at {
		if f.PortID == p.port {
			return f.Address, step.record("", func(r *Resource) {
				r.ID, r.Stage, r.Address, r.Port, r.Network, r.Borrowed = f.ID, Made, f.Address, p.port, f.NetworkID, true
			})
		}
	}
	if f.PortID != "" {
		if !step.want.TakeOver {
			return "", step.in.c.held(ctx, f, step.server)
		}
		step.in.rep.Warn("the floating IP %s is taken from %s", f.Address, step.in.c.holderOf(ctx, f.PortID))
	}
	return step.attach(ctx, f, at, true)
}

// attach puts an existing floating IP on the first of the server's ports
// that can be reached from it, and makes sure that it is ours afterwards. An
// error of the kind [InUse] says that somebody else was quicker.
func (step *addressStep) attach(ctx context.Context, f FloatingIP, at []place, borrowed bool) (string, error) {
	sc := step.in.c.NetworkClient()
	what := fmt.Sprintf("attach the floating IP %s to the server %q", f.Address, step.server)
	name := step.pool.Name
	var last error
	for _, p := range at {
		if err := step.record(name, func(r *Resource) {
			if r.Stage != Made || r.ID != f.ID {
				r.Stage = Asked
			}
			r.ID, r.Address, r.Network, r.Port, r.Borrowed = f.ID, f.Address, f.NetworkID, p.port, borrowed
			if r.From == "" {
				r.From = f.PortID
			}
			r.Asked = time.Now().UTC()
		}); err != nil {
			return "", err
		}
		o := floatingips.UpdateOpts{PortID: &p.port, FixedIP: p.fixed}
		if f.PortID == "" {
			o.RevisionNumber = f.Revision
		}
		asked := time.Now()
		_, err := floatingips.Update(ctx, sc, f.ID, o).Extract()
		if err != nil && !session.IsStatus(err, 404, 409, 412) && ctx.Err() == nil && !session.Unsettled(err) {
			if last = step.unreachableHint(session.Explain(what, err)); unreachable(last) {
				continue
			}
			step.in.forget(KindFloatingIP, name)
			return "", last
		}
		if last = step.unreachableHint(session.Explain(what, err)); session.IsStatus(err, 404) && unreachable(last) {
			continue
		}
		if ctx.Err() != nil {
			return "", session.Explain(what, ctx.Err())
		}
		// Neutron checks the revision and writes in two steps: a claim that it
		// was working on at the same time may come through after ours, with the
		// same revision. Give that one the time that ours took, twice over, and
		// let the last one win before looking who it was.
		if f.PortID == "" && err == nil {
			if err := retry.Sleep(ctx, step.in.c.claimSettle+2*time.Since(asked)); err != nil {
				return "", session.Explain(what, err)
			}
		}
		// Whatever the answer was, what counts is who holds it now.
		now, gerr := step.in.c.getFloatingIP(ctx, f.ID)
		switch {
		case session.KindOf(gerr) == session.NotFound && borrowed:
			step.in.forget(KindFloatingIP, name)
			return "", session.Fail(session.InUse, what, "somebody has released it", "try again")
		case gerr != nil:
			return "", gerr
		case now.PortID == p.port:
			return f.Address, step.record(name, func(r *Resource) { r.Stage = Made })
		case err != nil && !session.IsStatus(err, 404, 409, 412):
			return "", session.Explain(what, err)
		}
		step.in.forget(KindFloatingIP, name)
		return "", session.Fail(session.InUse, what, "somebody else has taken it", "try again")
	}
	step.in.forget(KindFloatingIP, name)
	return "", last
}

// resume looks at the floating IP that an earlier run recorded. "" means that
// there is none, and that the record is gone.
func (step *addressStep) resume(ctx context.Context, r Resource, at []place) (string, error) {
	if r.ID == "" {
		return "", nil // allocate looks for it by its token.
	}
	f, err := step.in.c.getFloatingIP(ctx, r.ID)
	switch {
	case session.KindOf(err) == session.NotFound:
		if !r.Borrowed {
			if ids, terr := step.in.c.byToken(ctx, step.in.rec.Token, r); terr != nil || len(ids) > 0 {
				return "", session.Join(err, terr) // The list still has it.
			}
		}
		step.in.forget(KindFloatingIP, r.Name)
		return "", nil
	case err != nil:
		return "", err
	}
	for _, p := range at {
		if f.PortID == p.port {
			return f.Address, step.record(r.Name, func(r *Resource) { r.Stage, r.Address, r.Port = Made, f.Address, p.port })
		}
	}
	if f.PortID != "" {
		if r.Borrowed {
			// Somebody else has it now, by right.
			step.in.forget(KindFloatingIP, r.Name)
			return "", nil
		}
		return "", session.Fail(session.InUse, fmt.Sprintf("use the floating IP %s of the server %q", f.Address, step.server),
			"it was moved to another port ("+f.PortID+")", "").Advise("%s and create it again", session.DestroyIt)
	}
	step.in.rep.Info("Attaching floating IP <%s>", f.Address)
	return step.attach(ctx, f, at, r.Borrowed)
}

// allocate makes a new floating IP, on the server's port from the start.
func (step *addressStep) allocate(ctx context.Context, at []place) (string, error) {
	sc := step.in.c.NetworkClient()
	what := fmt.Sprintf("allocate a floating IP from the pool %q for the server %q", step.pool.Name, step.server)
	var last error
	for _, p := range at {
		var got FloatingIP
		id, _, err := step.in.do(ctx, request{
			kind: KindFloatingIP, name: step.pool.Name, what: what,
			note: func(r *Resource) { r.Network, r.Port = step.pool.ID, p.port },
			ask: func(ctx context.Context) (string, error) {
				var err error
				got, err = floatingIPIn(floatingips.Create(ctx, sc, floatingips.CreateOpts{
					FloatingNetworkID: step.pool.ID, PortID: p.port, FixedIP: p.fixed, Description: step.in.rec.describe(),
				}))
				return got.ID, err
			},
		})
		if err != nil {
			if last = step.unreachableHint(err); unreachable(err) {
				continue
			}
			return "", step.explainPool(last)
		}
		if got.ID == "" {
			if got, err = step.in.c.getFloatingIP(ctx, id); err != nil {
				return "", err
			}
		}
		step.in.rep.Info("Attaching floating IP <%s>", got.Address)
		if got.PortID == "" {
			return step.attach(ctx, got, at, false)
		}
		return got.Address, step.record(step.pool.Name, func(r *Resource) { r.Address = got.Address })
	}
	return "", last
}

func (step *addressStep) explainPool(err error) error {
	var e *session.Error
	if errors.As(err, &e) && e.Kind == session.EmptyPool {
		e.SetHint(fmt.Sprintf("the pool %q has no address left for anybody: release floating IPs that are no longer used (`openstack floating ip list`), or ask the operators", step.pool.Name))
	}
	return err
}

// unreachable says whether Neutron refused because no router joins the port
// to the pool; another port of the server may do.
func unreachable(err error) bool {
	var e *session.Error
	return errors.As(err, &e) && (e.Status == 404 || e.Status == 400) &&
		(strings.Contains(e.Said, "not reachable") || strings.Contains(e.Said, "Router"))
}

func (step *addressStep) unreachableHint(err error) error {
	var e *session.Error
	if unreachable(err) && errors.As(err, &e) {
		e.Advise("a router must join one of the server's networks to the external network: see `openstack router list`, or name another network in %s", settings.Networks)
	}
	return err
}

// freeIn lists the project's floating IPs of a pool, and those that nobody
// uses. One that another Galley run allocated for a server is not free.
func (c *Cloud) freeIn(ctx context.Context, pool Network) (all, free []FloatingIP, err error) {
	all, err = c.listFloatingIPs(ctx, floatingips.ListOpts{FloatingNetworkID: pool.ID})
	for _, f := range all {
		if f.PortID == "" && f.NetworkID == pool.ID && tokenOf(f.Description) == "" {
			free = append(free, f)
		}
	}
	return all, free, err
}

// addressesToHave makes sure, before a server is created for it, that there is
// a floating IP to borrow or that one can be allocated. It returns the free
// ones, which are tried first.
func (c *Cloud) addressesToHave(ctx context.Context, s ServerSpec, pools []Network) (map[string][]FloatingIP, error) {
	want := s.FloatingIP
	if want.Address != "" || len(pools) == 0 {
		return nil, nil
	}
	if want.Allocate {
		return nil, c.roomForFloatingIP(ctx, s.Name)
	}
	free := map[string][]FloatingIP{}
	var errs []error
	for _, pool := range pools {
		all, unused, err := c.freeIn(ctx, pool)
		if err != nil {
			return nil, err
		}
		if len(unused) == 0 {
			errs = append(errs, noneFree(pool, s.Name, len(all), 0))
			continue
		}
		free[pool.ID] = unused
	}
	switch {
	case len(free) > 0:
		return free, nil
	case want.AllocateIfNone:
		return free, c.roomForFloatingIP(ctx, s.Name)
	}
	return nil, session.Join(errs...)
}

// roomForFloatingIP looks at the project's quota, where the cloud shows how
// much of it is used.
func (c *Cloud) roomForFloatingIP(ctx context.Context, server string) error {
	room, err := once(ctx, c, "floating IP quota", c.floatingIPRoom)
	if err != nil || room.Fits(1) {
		return err
	}
	return session.Fail(session.Quota, fmt.Sprintf("allocate a floating IP for the server %q", server),
		fmt.Sprintf("the project may have %d floating IPs, and has them", room.Limit),
		"release floating IPs that are no longer used (`galley floating-ip list` shows them), or ask the operators for more")
}
