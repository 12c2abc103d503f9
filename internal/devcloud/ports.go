package devcloud

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/vnet"
)

// publishedPorts are the listeners of this host on the servers' addresses: for
// SSH, and for the TCP ports that a security group opens one by one. They are
// there while the server's guest answers SSH and its port (and the floating
// IP on it) exists; else nothing listens, and a connection is refused. A real
// cloud would let the packet drop: a refusal is what loopback can do.
type publishedPorts struct {
	c    *Cloud
	open map[string]*publishedPort
	// complained remembers the addresses that could not be bound, to say so
	// once.
	complained map[string]bool
}

// target is where a published port leads.
type target struct {
	server string
	// network and guest are the guest's own address, for ports other than
	// SSH's.
	network string
	guest   netip.AddrPort
}

type publishedPort struct {
	target target
	ln     net.Listener
	cancel context.CancelFunc // of its connections
	wg     sync.WaitGroup
}

func newPublishedPorts(c *Cloud) *publishedPorts {
	return &publishedPorts{c: c, open: map[string]*publishedPort{}, complained: map[string]bool{}}
}

// run opens and closes ports as the cloud changes.
func (d *publishedPorts) run(ctx context.Context) {
	defer func() {
		for address := range d.open {
			d.close(address)
		}
	}()
	for {
		changed, guests := d.c.db.Changed(), d.c.guests.notice()
		want := d.wanted()
		for address, port := range d.open {
			if want[address] != port.target {
				d.close(address)
			}
		}
		var again <-chan time.Time
		for address, to := range want {
			if d.open[address] == nil && !d.listen(ctx, address, to) {
				again = time.After(bindRetry)
			}
		}
		select {
		case <-changed:
		case <-guests:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// sshService is the port that security groups know SSH by, wherever it is
// bound.
const sshService = 22

// wanted are the addresses that should be open, "127.16.4.101:22", with what
// is behind them.
func (d *publishedPorts) wanted() map[string]target {
	out := map[string]target{}
	c := d.c
	// Connections to loopback addresses come from 127.0.0.1.
	from := netip.MustParseAddr("127.0.0.1")
	c.db.View(func() {
		rules := c.db.SecurityRules.All()
		forwardings := c.network.Forwardings()
		for _, p := range c.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID != "" }) {
			v := c.db.Servers.Get(p.DeviceID)
			if v == nil || !v.Run || c.guests.get(v.ID) == nil {
				continue
			}
			// to leads an address's port to the same or another of the guest's.
			to := func(address string, outside int, inside string, n int) {
				guest, err := netip.ParseAddr(inside)
				switch {
				case err != nil || !c.network.Admits(p, n, from):
				case n == sshService:
					out[net.JoinHostPort(address, strconv.Itoa(outside))] = target{server: v.ID}
				case c.vnet != nil:
					out[net.JoinHostPort(address, strconv.Itoa(outside))] = target{v.ID, p.NetworkID, netip.AddrPortFrom(guest, uint16(n))}
				}
			}
			for _, f := range p.FixedIPs {
				addresses := []string{f.IPAddress}
				for _, fl := range c.db.FloatingIPs.Where(func(x *db.FloatingIP) bool {
					return x.PortID == p.ID && x.FixedIP == f.IPAddress && x.Status == "ACTIVE"
				}) {
					addresses = append(addresses, fl.Address)
				}
				for _, a := range addresses {
					to(a, c.SSHPort, f.IPAddress, sshService)
					for _, n := range openedPorts(p, rules) {
						to(a, n, f.IPAddress, n)
					}
				}
			}
			for _, x := range forwardings {
				fl := c.db.FloatingIPs.Get(x.FloatingIP)
				for i := 0; fl != nil && x.PortID == p.ID && i < x.Count; i++ {
					to(fl.Address, x.External+i, x.Inside, x.Internal+i)
				}
			}
		}
	})
	for address := range out {
		if ip, err := netip.ParseAddrPort(address); err != nil || !ip.Addr().Is4() || !ip.Addr().IsLoopback() {
			delete(out, address) // a network of the user's own, which this machine does not have
		}
	}
	return out
}

// bindRetry is the pause before an address that could not be bound is tried
// again: the program that has the port may end.
const bindRetry = 200 * time.Millisecond

// listen says whether the address is open now.
func (d *publishedPorts) listen(ctx context.Context, address string, to target) bool {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", address)
	if err != nil {
		if !d.complained[address] && ctx.Err() == nil {
			d.c.log.Error("opening a server's address", "address", address, "server", to.server, "error", err)
			d.complained[address] = true
		}
		return false
	}
	delete(d.complained, address)
	ctx, cancel := context.WithCancel(ctx)
	port := &publishedPort{target: to, ln: ln, cancel: cancel}
	d.open[address] = port
	port.wg.Go(func() { port.serve(ctx, d.c) })
	return true
}

// close stops listening on an address and ends its connections.
func (d *publishedPorts) close(address string) {
	port := d.open[address]
	delete(d.open, address)
	_ = port.ln.Close()
	port.cancel()
	port.wg.Wait()
}

// serve passes connections on to the guest until the port is closed.
func (d *publishedPort) serve(ctx context.Context, c *Cloud) {
	for {
		conn, err := d.ln.Accept()
		if err != nil {
			return // closed
		}
		d.wg.Go(func() {
			inner, err := d.dial(ctx, c)
			if err != nil {
				_ = conn.Close()
				return
			}
			vnet.Relay(ctx, conn, inner) // ends with either side
		})
	}
}

// dial connects to the guest.
func (d *publishedPort) dial(ctx context.Context, c *Cloud) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if d.target.network != "" {
		return c.vnet.Dial(ctx, d.target.network, d.target.guest)
	}
	m := c.guests.get(d.target.server)
	if m == nil {
		return nil, errors.New("the guest is not running")
	}
	return m.Dial(ctx)
}
