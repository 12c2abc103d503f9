package vnet

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MAC is an Ethernet address.
type MAC [6]byte

// gatewayMAC is the address that every network's gateway has.
var gatewayMAC = MAC{0xfa, 0x16, 0x3e, 0x00, 0x00, 0x01}

// Config is what the switch forwards.
type Config struct {
	Ports    map[string]Port    // by ID
	Networks map[string]Network // by ID
}

// Port is a server's port.
type Port struct {
	Network string
	MAC     MAC
	Addrs   []netip.Addr
	// Secured ports may send from their own addresses only and are reached as
	// Rules allow.
	Secured bool
	Rules   []Rule
}

// Rule is a security group's rule; zero values match everything.
type Rule struct {
	Ingress bool
	Proto   uint8
	// Min and Max bound the destination port of TCP and UDP.
	Min, Max uint16
	Remote   netip.Prefix
	// RemoteAddrs, when not nil, are the addresses of a remote group.
	RemoteAddrs []netip.Addr
}

func (r *Rule) matches(ingress bool, f flow) bool {
	remote, port := f.dst, f.dstPort
	if ingress {
		remote = f.src
	}
	switch {
	case r.Ingress != ingress, r.Proto != 0 && r.Proto != f.proto:
		return false
	case (f.proto == protoTCP || f.proto == protoUDP) && r.Max != 0 && (port < r.Min || port > r.Max):
		return false
	case r.RemoteAddrs != nil:
		return slices.Contains(r.RemoteAddrs, remote)
	}
	return !r.Remote.IsValid() || r.Remote.Contains(remote)
}

// Network is a network with guests.
type Network struct {
	// Gateways are the addresses of its routers.
	Gateways []netip.Addr
	// Outside is set where a router leads to the outside, Routed are the
	// networks that a router joins it with.
	Outside bool
	Routed  []string
}

// Switch forwards between guests.
type Switch struct {
	log    *slog.Logger
	config atomic.Pointer[index]

	mu    sync.Mutex
	taps  map[string]io.ReadWriteCloser // by port
	stack map[string]*netStack          // by network, made when first needed
	flows map[flow]time.Time            // established, with the time of the last packet
	swept time.Time
	wg    sync.WaitGroup
	done  bool
}

// index is a Config for look-ups by address.
type index struct {
	Config
	byAddr map[string]map[netip.Addr]string // network, address: port
}

// New returns a switch without ports.
func New(log *slog.Logger) *Switch {
	s := &Switch{
		log: log, taps: map[string]io.ReadWriteCloser{}, stack: map[string]*netStack{}, flows: map[flow]time.Time{},
	}
	s.Update(Config{})
	return s
}

// Update replaces what the switch forwards. Established connections go on.
func (s *Switch) Update(c Config) {
	x := &index{c, map[string]map[netip.Addr]string{}}
	for id, p := range c.Ports {
		if x.byAddr[p.Network] == nil {
			x.byAddr[p.Network] = map[netip.Addr]string{}
		}
		for _, a := range p.Addrs {
			x.byAddr[p.Network][a] = id
		}
	}
	s.config.Store(x)
}

// Attach forwards a port's frames until tap is closed, or the port is attached
// again: one read is one frame. Attach closes tap.
func (s *Switch) Attach(port string, tap io.ReadWriteCloser) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		_ = tap.Close()
		return
	}
	if old := s.taps[port]; old != nil {
		_ = old.Close()
	}
	s.taps[port] = tap
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.read(port, tap)
	}()
}

// Close detaches all ports and ends their connections to the outside.
func (s *Switch) Close() {
	s.mu.Lock()
	s.done = true
	for _, t := range s.taps {
		_ = t.Close()
	}
	for _, n := range s.stack {
		n.close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

const maxFrame = 65536

func (s *Switch) read(port string, tap io.ReadWriteCloser) {
	buf := make([]byte, maxFrame)
	for {
		n, err := tap.Read(buf)
		if err != nil {
			break
		}
		if n >= etherLen {
			s.frame(port, buf[:n])
		}
	}
	_ = tap.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taps[port] == tap {
		delete(s.taps, port)
	}
}

const (
	etherLen  = 14
	typeIPv4  = 0x0800
	typeARP   = 0x0806
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// frame forwards one frame that a port has sent.
func (s *Switch) frame(port string, b []byte) {
	x := s.config.Load()
	p, ok := x.Ports[port]
	if !ok {
		return
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case typeARP:
		s.arp(x, port, p, b)
	case typeIPv4:
		s.ipv4(x, port, p, b[etherLen:])
	}
}

// arp answers for the addresses of the port's network; nobody else's answers
// are forwarded, so no guest can take another's address.
func (s *Switch) arp(x *index, port string, p Port, b []byte) {
	if len(b) < etherLen+28 || binary.BigEndian.Uint16(b[etherLen+6:]) != 1 {
		return
	}
	target, _ := netip.AddrFromSlice(b[etherLen+24 : etherLen+28])
	mac := gatewayMAC
	if id, ok := x.byAddr[p.Network][target]; ok {
		if id == port {
			return // a probe whether the address is taken
		}
		mac = x.Ports[id].MAC
	} else if !slices.Contains(x.Networks[p.Network].Gateways, target) {
		return
	}
	reply := make([]byte, etherLen+28)
	copy(reply, b[6:12])
	copy(reply[6:], mac[:])
	copy(reply[12:], b[12:etherLen+6])
	reply[etherLen+7] = 2
	copy(reply[etherLen+8:], mac[:])
	copy(reply[etherLen+14:], b[etherLen+24:etherLen+28])
	copy(reply[etherLen+18:], b[etherLen+8:etherLen+18])
	s.write(port, reply)
}

// ipv4 forwards a packet that a port has sent.
func (s *Switch) ipv4(x *index, port string, p Port, packet []byte) {
	f, ok := parseFlow(packet)
	if !ok || p.Secured && !slices.Contains(p.Addrs, f.src) || f.dst.IsMulticast() || !s.allowed(p, false, f) {
		return
	}
	if id, ok := x.byAddr[p.Network][f.dst]; ok {
		s.deliver(x, id, p.MAC, f, packet)
		return
	}
	n := x.Networks[p.Network]
	for _, other := range n.Routed {
		if id, ok := x.byAddr[other][f.dst]; ok {
			s.deliver(x, id, gatewayMAC, f, packet)
			return
		}
	}
	gateway := slices.Contains(n.Gateways, f.dst)
	if !gateway && (!n.Outside || f.proto == protoICMP) {
		return // a user-mode stack would answer pings for the whole world
	}
	if stack := s.netStack(p.Network, n); stack != nil {
		stack.inject(packet)
	}
}

// deliver passes a packet to a port whose rules let it in.
func (s *Switch) deliver(x *index, port string, from MAC, f flow, packet []byte) {
	p, ok := x.Ports[port]
	if !ok {
		return
	}
	if slices.Contains(x.Networks[p.Network].Gateways, f.src) {
		s.mu.Lock() // Dial's, whose caller has asked the rules
		s.flows[f] = time.Now()
		s.mu.Unlock()
	} else if !s.allowed(p, true, f) {
		return
	}
	frame := make([]byte, etherLen+len(packet))
	copy(frame, p.MAC[:])
	copy(frame[6:], from[:])
	binary.BigEndian.PutUint16(frame[12:], typeIPv4)
	copy(frame[etherLen:], packet)
	s.write(port, frame)
}

// fromOutside delivers a packet of a network's stack.
func (s *Switch) fromOutside(network string, packet []byte) {
	x := s.config.Load()
	f, ok := parseFlow(packet)
	if !ok {
		return
	}
	if id, ok := x.byAddr[network][f.dst]; ok {
		s.deliver(x, id, gatewayMAC, f, packet)
	}
}

func (s *Switch) write(port string, frame []byte) {
	s.mu.Lock()
	tap := s.taps[port]
	s.mu.Unlock()
	if tap != nil {
		_, _ = tap.Write(frame) // a guest that is down or slow loses packets, as on any network
	}
}

// flow names a connection in the direction of a packet.
type flow struct {
	proto            uint8
	src, dst         netip.Addr
	srcPort, dstPort uint16
}

func (f flow) reverse() flow { return flow{f.proto, f.dst, f.src, f.dstPort, f.srcPort} }

// parseFlow reads the addresses and ports of an IPv4 packet. Fragments after
// the first have no ports.
func parseFlow(b []byte) (flow, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return flow{}, false
	}
	head := int(b[0]&15) * 4
	if total := int(binary.BigEndian.Uint16(b[2:])); head < 20 || len(b) < head || len(b) < total {
		return flow{}, false
	}
	f := flow{proto: b[9]}
	f.src, _ = netip.AddrFromSlice(b[12:16])
	f.dst, _ = netip.AddrFromSlice(b[16:20])
	if fragment := binary.BigEndian.Uint16(b[6:]) & 0x1fff; fragment == 0 && len(b) >= head+8 {
		switch f.proto {
		case protoTCP, protoUDP:
			f.srcPort, f.dstPort = binary.BigEndian.Uint16(b[head:]), binary.BigEndian.Uint16(b[head+2:])
		case protoICMP:
			if kind := b[head]; kind == 0 || kind == 8 { // echo: a reply has the request's identifier
				f.srcPort = binary.BigEndian.Uint16(b[head+4:])
				f.dstPort = f.srcPort
			}
		}
	}
	return f, true
}

const (
	flowLife  = 10 * time.Minute
	flowSweep = time.Minute
)

// allowed applies a port's security groups, which are stateful: the packets of
// a connection that was let through follow in both directions.
func (s *Switch) allowed(p Port, ingress bool, f flow) bool {
	if !p.Secured {
		return true
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range [2]flow{f, f.reverse()} {
		if seen, ok := s.flows[k]; ok && now.Sub(seen) < flowLife {
			s.flows[k] = now
			if k == f && ingress {
				break // the sender's rules let it out; this port's have to let it in
			}
			return true
		}
	}
	if !slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.matches(ingress, f) }) {
		return false
	}
	if now.Sub(s.swept) > flowSweep {
		s.swept = now
		for k, seen := range s.flows {
			if now.Sub(seen) > flowLife {
				delete(s.flows, k)
			}
		}
	}
	s.flows[f] = now
	return true
}
