package openstack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
)

// addressStep gives a server its floating IP while the server is being built:
// Nova creates the ports early in a build, and a floating IP can be put on a
// port at once.
type addressStep struct {
	in   *intent
	want FloatingIPSpec
	res  resolvedSpec
	nics []servers.Network
	// server and id are the server's name and ID.
	server, id string

	// pool is the external network that is being tried.
	pool Network
	// places are where a floating IP was put, or could have been.
	places []place

	// built is closed when the server is ACTIVE, ended when the step is over;
	// stop ends it early.
	built, ended chan struct{}
	stop         context.CancelFunc
	address      string
	err          error
}

// place is where a floating IP can be put: a port of the server and its first
// IPv4 address.
type place struct{ port, fixed string }

// startAddressStep begins to give the server its floating IP. failed is called
// with what goes wrong. A server that is to have none gets a step that is over.
func startAddressStep(ctx context.Context, step *addressStep, failed func(error)) *addressStep {
	step.built, step.ended = make(chan struct{}), make(chan struct{})
	ctx, step.stop = context.WithCancel(ctx)
	if !step.want.Wanted() {
		close(step.ended)
		return step
	}
	go func() {
		defer close(step.ended)
		if step.address, step.err = step.run(ctx); step.err != nil {
			failed(step.err)
		}
	}()
	return step
}

// cancel ends the step and waits until it has ended: its resources are
// recorded then.
func (step *addressStep) cancel() {
	step.stop()
	<-step.ended
}

// wait waits for the step of a server that is ACTIVE and returns the floating
// IP, "" for none.
func (step *addressStep) wait() (string, error) {
	close(step.built)
	<-step.ended
	step.stop()
	return step.address, step.err
}

// run finds the server's ports and gives one of them a floating IP.
func (step *addressStep) run(ctx context.Context) (string, error) {
	at, err := step.awaitPlaces(ctx)
	if err != nil {
		return "", err
	}
	step.places = at
	if r, ok := step.in.resource(KindFloatingIP, ""); ok {
		for _, pool := range step.res.pools {
			if pool.Name == r.Name {
				step.pool = pool
			}
		}
		address, err := step.resume(ctx, r, at)
		if address != "" || err != nil {
			return address, err
		}
	}
	if step.want.Address != "" {
		step.in.rep.Info("Attaching floating IP <%s>", step.want.Address)
		return step.attachNamed(ctx, at)
	}
	return step.fromPools(ctx, at)
}

// fromPools gives the server a floating IP of the first pool that has one.
func (step *addressStep) fromPools(ctx context.Context, at []place) (string, error) {
	want := step.want
	ways := []func(context.Context, []place) (string, error){step.borrow}
	_, recorded := step.in.resource(KindFloatingIP, "")
	switch {
	case want.Allocate, recorded:
		// A record without an ID is of an allocation whose answer was lost.
		ways[0] = step.allocate
	case want.AllocateIfNone:
		ways = append(ways, step.allocate)
	}
	var errs []error
	for _, give := range ways {
		for i, pool := range step.res.pools {
			step.pool = pool
			if len(errs) == 0 {
				name := pool.Name
				if i < len(want.Pools) {
					name = want.Pools[i]
				}
				step.in.rep.Info("Attaching floating IP from <%s> pool", name)
			}
			address, err := give(ctx, at)
			// Of several pools a router may lead to one only.
			if session.KindOf(err) != session.EmptyPool && !(unreachable(err) && len(step.res.pools) > 1) {
				return address, err
			}
			errs = append(errs, err)
		}
	}
	return "", session.Join(errs...)
}

// Pauses between two looks for the ports of a server in BUILD.
const (
	portsPauseMin = 250 * time.Millisecond
	portsPauseMax = time.Second
)

// awaitPlaces waits until the server has the ports of all its interfaces. When
// it is ACTIVE, they are there.
func (step *addressStep) awaitPlaces(ctx context.Context) ([]place, error) {
	for pause := portsPauseMin; ; pause = min(pause*3/2, portsPauseMax) {
		built := false
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-step.built:
			built = true
		case <-ctx.Done():
		}
		if t.Stop(); ctx.Err() != nil {
			return nil, ctx.Err()
		}
		list, err := step.in.c.serverPorts(ctx, step.id)
		if err != nil {
			return nil, err
		}
		if built || len(step.nics) > 0 && len(list) >= len(step.nics) {
			if at := choosePlaces(list, step.nics); len(at) > 0 {
				return at, nil
			}
		}
		if built {
			return nil, session.Fail(session.NoAddress, fmt.Sprintf("give the server %q (%s) a floating IP", step.server, step.id),
				"it has no port with an IPv4 address", "").
				Advise("put it into a network that a router joins to the pool (%s)", settings.Networks)
		}
	}
}

func (c *Cloud) serverPorts(ctx context.Context, id string) ([]ports.Port, error) {
	return c.listPorts(ctx, ports.ListOpts{DeviceID: id})
}

// choosePlaces returns where on a server's ports a floating IP can be put, those
// of the wanted interfaces first, in order.
func choosePlaces(list []ports.Port, nics []servers.Network) []place {
	var out []place
	used := map[string]bool{}
	add := func(p ports.Port) {
		used[p.ID] = true
		for _, ip := range p.FixedIPs {
			if strings.Contains(ip.IPAddress, ".") {
				out = append(out, place{p.ID, ip.IPAddress})
				return
			}
		}
	}
	for _, nic := range nics {
		for _, p := range list {
			if !used[p.ID] && (p.ID == nic.Port || nic.Port == "" && p.NetworkID == nic.UUID) {
				add(p)
			}
		}
	}
	for _, p := range list {
		if !used[p.ID] {
			add(p)
		}
	}
	return out
}

// network names the server's network that its floating IP leads into.
func (step *addressStep) network(all []Address) string {
	r, ok := step.in.resource(KindFloatingIP, "")
	if !ok {
		return ""
	}
	for _, p := range step.places {
		for _, a := range all {
			if p.port == r.Port && p.fixed == a.IP {
				return a.Network
			}
		}
	}
	return ""
}

// record changes the record of the floating IP.
func (step *addressStep) record(name string, change func(*Resource)) error {
	return step.in.update(KindFloatingIP, name, change)
}
