package openstack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/settings"
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
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	pages, err := floatingips.List(sc, o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain("list the floating IPs", err)
	}
	var list []FloatingIP
	err = pages.(floatingips.FloatingIPPage).ExtractIntoSlicePtr(&list, "floatingips")
	return list, session.Explain("read the list of floating IPs", err)
}

func (c *Cloud) getFloatingIP(ctx context.Context, id string) (FloatingIP, error) {
	sc, err := c.NetworkClient()
	if err != nil {
		return FloatingIP{}, err
	}
	f, err := floatingIPIn(floatingips.Get(ctx, sc, id))
	return f, session.Explain("look at the floating IP "+id, err)
}

// place is where a floating IP can be put: a port of the server and its
// first IPv4 address.
type place struct{ port, fixed string }

// places lists the server's ports, those of the wanted networks in order.
func (m *making) findPlaces(ctx context.Context, s *servers.Server) ([]place, error) {
	sc, err := m.c.NetworkClient()
	if err != nil {
		return nil, err
	}
	list, err := m.c.listPorts(ctx, sc, ports.ListOpts{DeviceID: s.ID})
	if err != nil {
		return nil, err
	}
	var out []place
	add := func(p ports.Port) {
		for _, ip := range p.FixedIPs {
			if strings.Contains(ip.IPAddress, ".") {
				out = append(out, place{p.ID, ip.IPAddress})
				return
			}
		}
	}
	used := map[string]bool{}
	for _, nic := range m.nics {
		for _, p := range list {
			if !used[p.ID] && (p.ID == nic.Port || nic.Port == "" && p.NetworkID == nic.UUID) {
				used[p.ID] = true
				add(p)
			}
		}
	}
	for _, p := range list {
		if !used[p.ID] {
			add(p)
		}
	}
	if len(out) == 0 {
		return nil, session.Fail(session.NoAddress, fmt.Sprintf("give the server %q (%s) a floating IP", s.Name, s.ID),
			"it has no port with an IPv4 address", "").
			Advise("put it into a network that a router joins to the pool (%s)", settings.Networks)
	}
	return out, nil
}

// floatingIP sees to it that the server has the floating IP that is wanted
// and returns it.
func (m *making) floatingIP(ctx context.Context, s *servers.Server) (string, error) {
	at, err := m.findPlaces(ctx, s)
	if err != nil {
		return "", err
	}
	m.places = at
	if r := m.rec.find(KindFloatingIP, ""); r != nil {
		for _, pool := range m.pools {
			if pool.Name == r.Name {
				m.pool = pool
			}
		}
		address, err := m.floatingIPAgain(ctx, r, s, at)
		if address != "" || err != nil {
			return address, err
		}
	}
	want := m.spec.FloatingIP
	if want.Address != "" {
		m.rep.Info("Attaching floating IP <%s>", want.Address)
		return m.fixedFloatingIP(ctx, s, at)
	}
	ways := []func(context.Context, *servers.Server, []place) (string, error){m.borrow}
	switch {
	case want.Allocate, m.rec.find(KindFloatingIP, "") != nil:
		// A record without an ID is of an allocation whose answer was lost.
		ways[0] = m.allocate
	case want.AllocateIfNone:
		ways = append(ways, m.allocate)
	}
	var errs []error
	for _, give := range ways {
		for i, pool := range m.pools {
			m.pool = pool
			if len(errs) == 0 {
				name := pool.Name
				if i < len(want.Pools) {
					name = want.Pools[i]
				}
				m.rep.Info("Attaching floating IP from <%s> pool", name)
			}
			address, err := give(ctx, s, at)
			// Of several pools a router may lead to one only.
			if session.KindOf(err) != session.EmptyPool && !(unreachable(err) && len(m.pools) > 1) {
				return address, err
			}
			errs = append(errs, err)
		}
	}
	return "", session.Join(errs...)
}

// floatingNetwork names the server's network that its floating IP leads into.
func (m *making) floatingNetwork(all []Address) string {
	r := m.rec.find(KindFloatingIP, "")
	if r == nil {
		return ""
	}
	for _, p := range m.places {
		for _, a := range all {
			if p.port == r.Port && p.fixed == a.IP {
				return a.Network
			}
		}
	}
	return ""
}

// floatingIPAgain looks at the floating IP that an earlier run recorded. ""
// means that there is none, and that the record is gone.
func (m *making) floatingIPAgain(ctx context.Context, r *Resource, s *servers.Server, at []place) (string, error) {
	if r.ID == "" {
		return "", nil // allocate looks for it by its token.
	}
	f, err := m.c.getFloatingIP(ctx, r.ID)
	switch {
	case session.KindOf(err) == session.NotFound:
		m.forget(step{kind: KindFloatingIP, name: r.Name})
		return "", nil
	case err != nil:
		return "", err
	}
	for _, p := range at {
		if f.PortID == p.port {
			return f.Address, m.record(r.Name, func(r *Resource) { r.Stage, r.Address, r.Port = Made, f.Address, p.port })
		}
	}
	if f.PortID != "" {
		if r.Borrowed {
			// Somebody else has it now, by right.
			m.forget(step{kind: KindFloatingIP, name: r.Name})
			return "", nil
		}
		return "", session.Fail(session.InUse, fmt.Sprintf("use the floating IP %s of the server %q", f.Address, s.Name),
			"it was moved to another port ("+f.PortID+")", "").Advise("%s and create it again", session.DestroyIt)
	}
	m.rep.Info("Attaching floating IP <%s>", f.Address)
	return m.attachOne(ctx, f, s, at, r.Borrowed)
}

func (m *making) record(name string, change func(*Resource)) error {
	r := m.rec.find(KindFloatingIP, name)
	if r == nil {
		m.rec.Resources = append(m.rec.Resources, Resource{Kind: KindFloatingIP, Name: name, Asked: time.Now().UTC()})
		r = &m.rec.Resources[len(m.rec.Resources)-1]
	}
	before := *r
	change(r)
	if *r == before {
		return nil
	}
	return m.save()
}

// unreachable says whether Neutron refused because no router joins the port
// to the pool; another port of the server may do.
func unreachable(err error) bool {
	var e *session.Error
	return errors.As(err, &e) && (e.Status == 404 || e.Status == 400) &&
		(strings.Contains(e.Said, "not reachable") || strings.Contains(e.Said, "Router"))
}

func (m *making) unreachableHint(err error, s *servers.Server) error {
	var e *session.Error
	if unreachable(err) && errors.As(err, &e) {
		e.Advise("a router must join one of the server's networks to the external network: see `openstack router list`, or name another network in %s", settings.Networks)
	}
	return err
}

// allocate makes a new floating IP, on the server's port from the start.
func (m *making) allocate(ctx context.Context, s *servers.Server, at []place) (string, error) {
	sc, err := m.c.NetworkClient()
	if err != nil {
		return "", err
	}
	what := fmt.Sprintf("allocate a floating IP from the pool %q for the server %q", m.pool.Name, s.Name)
	var last error
	for _, p := range at {
		var got FloatingIP
		id, _, err := m.do(ctx, step{
			kind: KindFloatingIP, name: m.pool.Name, what: what,
			note: func(r *Resource) { r.Network, r.Port = m.pool.ID, p.port },
			ask: func(ctx context.Context) (string, error) {
				var err error
				got, err = floatingIPIn(floatingips.Create(ctx, sc, floatingips.CreateOpts{
					FloatingNetworkID: m.pool.ID, PortID: p.port, FixedIP: p.fixed, Description: m.rec.describe(),
				}))
				return got.ID, err
			},
			find: func(ctx context.Context) (string, error) {
				list, err := m.c.floatingIPsByToken(ctx, m.rec.Token, m.pool.ID)
				if err != nil || len(list) == 0 {
					return "", err
				}
				got = list[0]
				return got.ID, nil
			},
		})
		if err != nil {
			if last = m.unreachableHint(err, s); unreachable(err) {
				continue
			}
			return "", m.explainPool(last)
		}
		if got.ID == "" {
			if got, err = m.c.getFloatingIP(ctx, id); err != nil {
				return "", err
			}
		}
		m.rep.Info("Attaching floating IP <%s>", got.Address)
		if got.PortID == "" {
			return m.attachOne(ctx, got, s, at, false)
		}
		return got.Address, m.record(m.pool.Name, func(r *Resource) { r.Address = got.Address })
	}
	return "", last
}

func (m *making) explainPool(err error) error {
	var e *session.Error
	if errors.As(err, &e) && e.Kind == session.EmptyPool {
		e.SetHint(fmt.Sprintf("the pool %q has no address left for anybody: release floating IPs that are no longer used (`openstack floating ip list`), or ask the operators", m.pool.Name))
	}
	return err
}

// freeIn lists the project's floating IPs of a pool, and those that nobody
// uses.
func (m *making) freeIn(ctx context.Context, pool Network) (all, free []FloatingIP, err error) {
	all, err = m.c.listFloatingIPs(ctx, floatingips.ListOpts{FloatingNetworkID: pool.ID})
	for _, f := range all {
		if f.PortID == "" && f.NetworkID == pool.ID {
			free = append(free, f)
		}
	}
	return all, free, err
}

// anyFree sees to it that there is a floating IP to borrow before a server is
// made for it. What it has seen is what is tried first.
func (m *making) anyFree(ctx context.Context) error {
	if m.spec.FloatingIP.Allocate || len(m.pools) == 0 || m.rec.find(KindFloatingIP, "") != nil {
		return nil
	}
	m.seen = map[string][]FloatingIP{}
	var errs []error
	for _, pool := range m.pools {
		all, free, err := m.freeIn(ctx, pool)
		if err != nil {
			return err
		}
		if len(free) == 0 {
			errs = append(errs, m.noneFree(pool, len(all), 0))
			continue
		}
		m.seen[pool.ID] = free
	}
	if len(m.seen) > 0 || m.spec.FloatingIP.AllocateIfNone {
		return nil
	}
	return session.Join(errs...)
}

func (m *making) noneFree(pool Network, all, lost int) error {
	said := "the project has no floating IP there; it has to be allocated first"
	if all > 0 {
		said = fmt.Sprintf("all %d floating IPs of the project there are in use", all)
	}
	if lost > 0 {
		said += fmt.Sprintf(" (%d were free a moment ago)", lost)
	}
	return session.Fail(session.EmptyPool, fmt.Sprintf("take a free floating IP from the pool %q for the server %q", pool.Name, m.spec.Name), said,
		"").Advise("%s to allocate one for the %s and release it with it, or allocate one yourself: `galley floating-ip create %s`",
		session.AllocateAddress, session.Owner, pool.Name)
}

// borrow takes a floating IP of the project that nobody uses. Others may be
// after the same one, in this process or elsewhere: it is claimed with the
// revision that was seen, and read again to see who holds it.
func (m *making) borrow(ctx context.Context, s *servers.Server, at []place) (string, error) {
	free := m.seen[m.pool.ID]
	delete(m.seen, m.pool.ID)
	all, lost := len(free), 0
	for listed := len(free) > 0; ; {
		// Each process begins elsewhere, so that few meet.
		h := fnv.New32a()
		_, _ = h.Write([]byte(m.rec.Token))
		for i := range free {
			f := free[(int(h.Sum32()%uint32(len(free)))+i)%len(free)]
			if !m.c.claims.take(f.ID) {
				lost++
				continue
			}
			m.rep.Info("Attaching floating IP <%s>", f.Address)
			address, err := m.attachOne(ctx, f, s, at, true)
			m.c.claims.drop(f.ID)
			if session.KindOf(err) == session.InUse {
				m.rep.Info("the floating IP %s was taken by somebody else, trying the next", f.Address)
				lost++
				continue
			}
			return address, err
		}
		if !listed {
			return "", m.noneFree(m.pool, all, lost)
		}
		// What was seen before the server was made is gone; look again.
		listed = false
		now, still, err := m.freeIn(ctx, m.pool)
		if err != nil {
			return "", err
		}
		all, free = len(now), still
	}
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
	var have []string
	if all, aerr := c.FloatingIPs(ctx); aerr == nil {
		for _, x := range all {
			have = append(have, x.Address)
		}
	}
	return FloatingIP{}, session.Fail(session.NotFound, fmt.Sprintf("attach the floating IP %s to the server %q", address, server),
		"the project has no such floating IP", suggest("floating IP", address, have))
}

// held is the error of a floating IP that somebody uses.
func (m *making) held(ctx context.Context, f FloatingIP) error {
	return session.Fail(session.InUse, fmt.Sprintf("attach the floating IP %s to the server %q", f.Address, m.spec.Name), "it is in use by "+m.c.holderOf(ctx, f.PortID),
		"").Advise("each %s needs an address of its own: %s instead, or free this one with `openstack server remove floating ip`",
		session.Owner, session.AnyFreeAddress)
}

// fixedFloatingIP attaches the one address that the configuration names.
func (m *making) fixedFloatingIP(ctx context.Context, s *servers.Server, at []place) (string, error) {
	f := m.fixed
	if f.ID == "" {
		var err error
		if f, err = m.c.floatingIPAt(ctx, m.spec.FloatingIP.Address, s.Name); err != nil {
			return "", err
		}
	}
	for _, p := range at {
		if f.PortID == p.port {
			return f.Address, m.record("", func(r *Resource) {
				r.ID, r.Stage, r.Address, r.Port, r.Network, r.Borrowed = f.ID, Made, f.Address, p.port, f.NetworkID, true
			})
		}
	}
	if f.PortID != "" {
		if !m.spec.FloatingIP.TakeOver {
			return "", m.held(ctx, f)
		}
		m.rep.Warn("the floating IP %s is taken from %s", f.Address, m.c.holderOf(ctx, f.PortID))
	}
	return m.attachOne(ctx, f, s, at, true)
}

// holderOf says in words who holds a port.
func (c *Cloud) holderOf(ctx context.Context, port string) string {
	sc, err := c.NetworkClient()
	if err == nil {
		if p, err := one(ports.Get(ctx, sc, port).Extract()); err == nil && p.DeviceID != "" {
			if s, err := c.getServer(ctx, p.DeviceID); err == nil {
				return fmt.Sprintf("the server %q (%s)", s.Name, s.ID)
			}
			return "the device " + p.DeviceID
		}
	}
	return "the port " + port
}

// attachOne puts an existing floating IP on the first of the server's ports
// that can be reached from it, and makes sure that it is ours afterwards. An
// error of the kind [InUse] says that somebody else was quicker.
func (m *making) attachOne(ctx context.Context, f FloatingIP, s *servers.Server, at []place, borrowed bool) (string, error) {
	sc, err := m.c.NetworkClient()
	if err != nil {
		return "", err
	}
	what := fmt.Sprintf("attach the floating IP %s to the server %q", f.Address, s.Name)
	name := m.pool.Name
	var last error
	for _, p := range at {
		if err := m.record(name, func(r *Resource) {
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
		if err != nil && !session.IsStatus(err, 409, 412) && ctx.Err() == nil && !session.Unsettled(err) {
			if last = m.unreachableHint(session.Explain(what, err), s); unreachable(last) {
				continue
			}
			m.forget(step{kind: KindFloatingIP, name: name})
			return "", last
		}
		if ctx.Err() != nil {
			return "", session.Explain(what, ctx.Err())
		}
		// Neutron checks the revision and writes in two steps: a claim that it
		// was working on at the same time may come through after ours, with the
		// same revision. Give that one the time that ours took, twice over, and
		// let the last one win before looking who it was.
		if f.PortID == "" && err == nil {
			if err := retry.Sleep(ctx, m.c.claimSettle+2*time.Since(asked)); err != nil {
				return "", session.Explain(what, err)
			}
		}
		// Whatever the answer was, what counts is who holds it now.
		now, gerr := m.c.getFloatingIP(ctx, f.ID)
		switch {
		case gerr != nil:
			return "", gerr
		case now.PortID == p.port:
			return f.Address, m.record(name, func(r *Resource) { r.Stage = Made })
		case err != nil && !session.IsStatus(err, 409, 412):
			return "", session.Explain(what, err)
		}
		m.forget(step{kind: KindFloatingIP, name: name})
		return "", session.Fail(session.InUse, what, "somebody else has taken it", "try again")
	}
	m.forget(step{kind: KindFloatingIP, name: name})
	return "", last
}

// floatingIPsByToken lists the floating IPs that carry the token in their
// description. The network narrows the list.
func (c *Cloud) floatingIPsByToken(ctx context.Context, token, network string) ([]FloatingIP, error) {
	list, err := c.listFloatingIPs(ctx, floatingips.ListOpts{FloatingNetworkID: network})
	if err != nil {
		return nil, err
	}
	var out []FloatingIP
	for _, f := range list {
		if tokenOf(f.Description) == token {
			out = append(out, f)
		}
	}
	return out, nil
}

// tokenOf reads the token out of a description made by [Record.describe].
func tokenOf(description string) string { return wordOf(description, "token=") }

func wordOf(description, key string) string {
	rest, ok := strings.CutPrefix(description, "galley ")
	if !ok {
		return ""
	}
	for _, w := range strings.Fields(rest) {
		if v, ok := strings.CutPrefix(w, key); ok {
			return v
		}
	}
	return ""
}
