package devcloud

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/galleyhq/galley/internal/devcloud/db"
)

// sshPorts are the listeners on the servers' addresses. An address is open
// while its server's guest answers SSH, its port exists (and the floating IP is
// on it), and a security group lets port 22 in; else nothing listens there, and
// a connection is refused. A real cloud would let the packet drop: a refusal is
// what loopback can do.
type sshPorts struct {
	c    *Cloud
	open map[string]*sshPort
	// complained remembers the addresses that could not be bound, to say so
	// once.
	complained map[string]bool
}

type sshPort struct {
	server string
	ln     net.Listener

	mu    sync.Mutex
	conns map[net.Conn]bool
	done  bool
	wg    sync.WaitGroup
}

func newSSHPorts(c *Cloud) *sshPorts {
	return &sshPorts{c: c, open: map[string]*sshPort{}, complained: map[string]bool{}}
}

// run opens and closes sshPorts as the cloud changes.
func (d *sshPorts) run(ctx context.Context) {
	defer func() {
		for address := range d.open {
			d.close(address)
		}
	}()
	for {
		changed, guests := d.c.db.Changed(), d.c.guests.notice()
		want := d.wanted()
		for address, door := range d.open {
			if want[address] != door.server {
				d.close(address)
			}
		}
		for address, server := range want {
			if d.open[address] == nil {
				d.listen(ctx, address, server)
			}
		}
		select {
		case <-changed:
		case <-guests:
		case <-ctx.Done():
			return
		}
	}
}

// sshService is the port that security groups know SSH by, wherever it is
// bound.
const sshService = 22

// wanted are the addresses that should be open, with their servers.
func (d *sshPorts) wanted() map[string]string {
	out := map[string]string{}
	// Connections to loopback addresses come from 127.0.0.1.
	from := netip.MustParseAddr("127.0.0.1")
	d.c.db.View(func() {
		for _, p := range d.c.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID != "" }) {
			v := d.c.db.Servers.Get(p.DeviceID)
			if v == nil || !v.Run || d.c.guests.get(v.ID) == nil || !d.c.network.Admits(p, sshService, from) {
				continue
			}
			for _, f := range p.FixedIPs {
				out[f.IPAddress] = v.ID
			}
			for _, f := range d.c.db.FloatingIPs.Where(func(f *db.FloatingIP) bool { return f.PortID == p.ID && f.Status == "ACTIVE" }) {
				out[f.Address] = v.ID
			}
		}
	})
	for address := range out {
		if ip, err := netip.ParseAddr(address); err != nil || !ip.Is4() || !ip.IsLoopback() {
			delete(out, address) // a network of the user's own, which this machine does not have
		}
	}
	return out
}

func (d *sshPorts) listen(ctx context.Context, address, server string) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort(address, fmt.Sprint(d.c.SSHPort)))
	if err != nil {
		if !d.complained[address] && ctx.Err() == nil {
			d.c.log.Error("opening a server's address", "address", address, "server", server, "error", err)
			d.complained[address] = true
		}
		return
	}
	delete(d.complained, address)
	door := &sshPort{server: server, ln: ln, conns: map[net.Conn]bool{}}
	d.open[address] = door
	door.wg.Add(1)
	go func() {
		defer door.wg.Done()
		door.serve(d.c.guests)
	}()
}

func (d *sshPorts) close(address string) {
	d.open[address].close()
	delete(d.open, address)
}

// serve passes connections on to the guest until the door is closed.
func (d *sshPort) serve(k *guestManager) {
	for {
		conn, err := d.ln.Accept()
		if err != nil {
			return // closed
		}
		if !d.enter(conn) {
			return
		}
		d.wg.Add(1)
		go func() {
			defer d.wg.Done()
			defer d.leave(conn)
			d.pass(k, conn)
		}()
	}
}

// pass carries one connection to the guest and back.
func (d *sshPort) pass(k *guestManager, conn net.Conn) {
	m := k.get(d.server)
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	inner, err := m.Dial(ctx)
	cancel()
	if err != nil || !d.enter(inner) {
		return
	}
	defer d.leave(inner)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{conn, inner}, {inner, conn}} {
		both.Add(1)
		go func() {
			defer both.Done()
			_, _ = io.Copy(way[0], way[1]) // ends with either side
			if half, ok := way[0].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		}()
	}
	both.Wait()
}

// enter takes a connection into the door's care; false, and the connection
// closed, when the door is closed.
func (d *sshPort) enter(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		_ = conn.Close()
		return false
	}
	d.conns[conn] = true
	return true
}

func (d *sshPort) leave(conn net.Conn) {
	_ = conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, conn)
}

// close stops listening and ends the connections.
func (d *sshPort) close() {
	_ = d.ln.Close()
	d.mu.Lock()
	d.done = true
	for conn := range d.conns {
		_ = conn.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}
