package openstack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
)

// allocate makes a new floating IP, on the server's port from the start.
func (step *addressStep) allocate(ctx context.Context, at []place) (string, error) {
	sc, err := step.in.c.NetworkClient()
	if err != nil {
		return "", err
	}
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
