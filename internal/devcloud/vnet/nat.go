package vnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	nicID       = 1
	mtu         = 1500
	dialTimeout = 10 * time.Second
	udpIdle     = time.Minute
	// dnsPort at a gateway is the host's resolver.
	dnsPort = 53
)

// netStack is the outside of one network: a TCP/IP stack that accepts every
// connection of its guests and makes it again from the host.
type netStack struct {
	network  string
	gateways []netip.Addr
	ep       *channel.Endpoint
	stack    *stack.Stack
	ctx      context.Context
	cancel   context.CancelFunc
}

// netStack returns a network's stack, nil when the switch is closed.
func (s *Switch) netStack(id string, n Network) *netStack {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stack[id]; st != nil || s.done {
		return st
	}
	st, err := newNetStack(id, n)
	if err != nil {
		s.log.Error("a network's way to the outside", "network", id, "error", err)
		return nil
	}
	s.stack[id] = st
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		for {
			pkt := st.ep.ReadContext(st.ctx)
			if pkt == nil {
				return
			}
			view := pkt.ToView()
			s.fromOutside(id, view.AsSlice())
			view.Release()
			pkt.DecRef()
		}
	}()
	return st
}

func newNetStack(id string, n Network) (*netStack, error) {
	st := &netStack{network: id, gateways: n.Gateways, ep: channel.New(512, mtu, "")}
	st.ctx, st.cancel = context.WithCancel(context.Background())
	st.stack = stack.New(stack.Options{
		// The seeded network's addresses are in 127.0.0.0/8.
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{AllowExternalLoopbackTraffic: true}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	if err := st.stack.CreateNIC(nicID, st.ep); err != nil {
		return nil, errors.New(err.String())
	}
	for _, g := range n.Gateways {
		addr := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFromSlice(g.AsSlice()).WithPrefix()}
		if err := st.stack.AddProtocolAddress(nicID, addr, stack.AddressProperties{}); err != nil {
			return nil, errors.New(err.String())
		}
	}
	st.stack.SetPromiscuousMode(nicID, true)
	st.stack.SetSpoofing(nicID, true)
	st.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nicID}})
	sack := tcpip.TCPSACKEnabled(true)
	st.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack)
	forward := tcp.NewForwarder(st.stack, 1<<20, 1024, st.acceptTCP)
	st.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, forward.HandlePacket)
	st.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(st.stack, st.acceptUDP).HandlePacket)
	return st, nil
}

func (st *netStack) close() {
	st.cancel()
	st.stack.Close()
	st.ep.Close()
}

func (st *netStack) inject(packet []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	st.ep.InjectInbound(header.IPv4ProtocolNumber, pkt)
	pkt.DecRef()
}

// outside is where a guest's connection goes from the host; false when it may
// not go anywhere. The host's own loopback services are not for guests, but
// the addresses of other guests are there too.
func (st *netStack) outside(id stack.TransportEndpointID) (string, bool) {
	dst, _ := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	if slices.Contains(st.gateways, dst) {
		if id.LocalPort != dnsPort {
			return "", false
		}
		return net.JoinHostPort(resolver(), strconv.Itoa(dnsPort)), true
	}
	if dst.IsLoopback() && dst.As4()[1] < firstGuestNet || dst.IsLinkLocalUnicast() || dst.IsUnspecified() {
		return "", false
	}
	return netip.AddrPortFrom(dst, id.LocalPort).String(), true
}

// firstGuestNet is the first B of the networks 127.B.0.0/16 that clouds take.
const firstGuestNet = 16

// resolver is the host's first name server.
func resolver() string {
	data, err := os.ReadFile("/etc/resolv.conf")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
				return f[1]
			}
		}
	}
	return "127.0.0.1"
}

func (st *netStack) acceptTCP(r *tcp.ForwarderRequest) {
	address, ok := st.outside(r.ID())
	if !ok {
		r.Complete(true)
		return
	}
	ctx, cancel := context.WithTimeout(st.ctx, dialTimeout)
	defer cancel()
	remote, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		r.Complete(true)
		return
	}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	r.Complete(false)
	if terr != nil {
		_ = remote.Close()
		return
	}
	Relay(st.ctx, gonet.NewTCPConn(&wq, ep), remote)
}

// Relay copies both ways and closes both connections at the end, or with ctx.
func Relay(ctx context.Context, a, b net.Conn) {
	relay(ctx, a, b, func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
}

// relay is Relay with its own way to copy one way.
func relay(ctx context.Context, a, b net.Conn, copyTo func(to, from net.Conn)) {
	stop := context.AfterFunc(ctx, func() { _, _ = a.Close(), b.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { copyTo(a, b) })
	both.Go(func() { copyTo(b, a) })
	both.Wait()
	_, _ = a.Close(), b.Close()
}

func (st *netStack) acceptUDP(r *udp.ForwarderRequest) {
	address, ok := st.outside(r.ID())
	if !ok {
		return
	}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	if terr != nil {
		return
	}
	guest := gonet.NewUDPConn(&wq, ep)
	go func() {
		remote, err := (&net.Dialer{}).DialContext(st.ctx, "udp", address)
		if err != nil {
			_ = guest.Close()
			return
		}
		relay(st.ctx, guest, remote, func(to, from net.Conn) {
			buf := make([]byte, maxFrame)
			for n, err := 0, error(nil); err == nil; {
				_ = from.SetReadDeadline(time.Now().Add(udpIdle))
				if n, err = from.Read(buf); err == nil {
					_, err = to.Write(buf[:n])
				}
			}
			_, _ = to.Close(), from.Close()
		})
	}()
}

// Dial connects to a guest from its network's gateway.
func (s *Switch) Dial(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	n, ok := s.config.Load().Networks[network]
	if !ok || len(n.Gateways) == 0 {
		return nil, errors.New("the network has no gateway")
	}
	st := s.netStack(network, n)
	if st == nil {
		return nil, errors.New("the network is closed")
	}
	return gonet.DialContextTCP(ctx, st.stack, tcpip.FullAddress{
		NIC: nicID, Addr: tcpip.AddrFromSlice(addr.Addr().AsSlice()), Port: addr.Port(),
	}, ipv4.ProtocolNumber)
}
