package openstack

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// resolvedSpec are the names of a specification, looked up.
type resolvedSpec struct {
	image    Image
	flavor   Flavor
	nics     []servers.Network
	networks []string // names, in the order of nics
	hints    map[string]any

	// pools are the external networks to have a floating IP of; fixed is the
	// floating IP that the specification names; free are those that were seen
	// to be unused, by pool.
	pools []Network
	fixed FloatingIP
	free  map[string][]FloatingIP
}

// lookups runs look-ups side by side and collects what went wrong: all
// misspelt names are reported together.
type lookups struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (l *lookups) do(f func() error) {
	l.wg.Go(func() {
		if err := f(); err != nil {
			l.mu.Lock()
			l.errs = append(l.errs, err)
			l.mu.Unlock()
		}
	})
}

// into runs a look-up whose result goes to *to.
func into[T any](l *lookups, to *T, find func() (T, error)) {
	l.do(func() (err error) {
		*to, err = find()
		return err
	})
}

func (l *lookups) wait() error {
	l.wg.Wait()
	slices.SortFunc(l.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return session.Join(l.errs...)
}

// resolve looks up every name of the specification, side by side: each costs a
// round trip. For a server that is there only the floating IP matters.
func (c *Cloud) resolve(ctx context.Context, s ServerSpec, in *intent, haveServer bool) (resolvedSpec, error) {
	var out resolvedSpec
	var l lookups
	_, haveAddress := in.resource(KindFloatingIP, "")
	switch {
	case s.FloatingIP.Address == "":
		c.resolvePools(ctx, &l, s.FloatingIP, &out, in.rep)
	case !haveServer:
		// Whether it can be had is known before a server is created for it.
		l.do(func() (err error) {
			out.fixed, err = c.floatingIPAt(ctx, s.FloatingIP.Address, s.Name)
			if err == nil && out.fixed.PortID != "" && !s.FloatingIP.TakeOver && !haveAddress {
				err = c.held(ctx, out.fixed, s.Name)
			}
			return err
		})
	}
	if !haveServer {
		c.resolveParts(ctx, &l, s, &out, in.rep)
	}
	err := l.wait()
	if err == nil && !haveServer && !haveAddress {
		out.free, err = c.addressesToHave(ctx, s, out.pools)
	}
	if err != nil && ctx.Err() != nil {
		return out, ctx.Err()
	}
	return out, err
}

func (c *Cloud) resolvePools(ctx context.Context, l *lookups, want FloatingIPSpec, out *resolvedSpec, rep Reporter) {
	out.pools = make([]Network, len(want.Pools))
	if want.AnyPool && len(want.Pools) == 0 {
		into(l, &out.pools, func() ([]Network, error) { return c.Pools(ctx) })
	}
	for i, pool := range want.Pools {
		into(l, &out.pools[i], func() (Network, error) { return c.Pool(ctx, pool, rep) })
	}
}

func (c *Cloud) resolveParts(ctx context.Context, l *lookups, s ServerSpec, out *resolvedSpec, rep Reporter) {
	if s.ImageByID {
		out.image = Image{ID: s.Image, Name: s.Image}
	} else if s.Image != "" {
		into(l, &out.image, func() (Image, error) { return c.Image(ctx, s.Image, rep) })
	}
	if s.FlavorByID {
		out.flavor = Flavor{ID: s.Flavor, Name: s.Flavor}
	} else {
		into(l, &out.flavor, func() (Flavor, error) { return c.Flavor(ctx, s.Flavor, rep) })
	}
	out.nics = make([]servers.Network, len(s.Nics))
	out.networks = make([]string, len(s.Nics))
	for i, nic := range s.Nics {
		out.nics[i].FixedIP = nic.FixedIP
		switch {
		case nic.Port != "":
			into(l, &out.nics[i].Port, func() (string, error) { return c.Port(ctx, nic.Port, rep) })
		case nic.ByID:
			out.nics[i].UUID = nic.Network
		default:
			l.do(func() error {
				n, err := c.Network(ctx, nic.Network, rep)
				out.nics[i].UUID, out.networks[i] = n.ID, n.Name
				return err
			})
		}
	}
	out.hints = maps.Clone(s.SchedulerHints)
	if group, ok := out.hints["group"].(string); ok {
		l.do(func() error {
			id, err := c.ServerGroupID(ctx, group, rep)
			if err == nil {
				out.hints["group"] = id
			}
			return err
		})
	}
}
