package devcloud

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/guest"
	"github.com/galleyhq/galley/internal/devcloud/vnet"
)

// What Options.GuestNetwork can be.
const (
	// NetworkOwn gives each guest its ports' addresses on its own devices,
	// where the host allows TAP devices.
	NetworkOwn = "own"
	// NetworkHost lets guests share this host's network: ports they listen on
	// are the host's, and the host's loopback services are theirs.
	NetworkHost = "host"
)

// topology is what the switch has to know of the database. It runs within a
// view.
func (c *Cloud) topology() vnet.Config {
	d := c.db
	out := vnet.Config{Ports: map[string]vnet.Port{}, Networks: map[string]vnet.Network{}}
	groupAddrs := map[string][]netip.Addr{}
	ports := d.Ports.All()
	for _, p := range ports {
		for _, g := range p.SecurityGroups {
			groupAddrs[g] = append(groupAddrs[g], addresses(p)...)
		}
	}
	rules := map[string][]vnet.Rule{}
	for _, r := range d.SecurityRules.All() {
		if r.EtherType == "IPv4" {
			for _, one := range d.Remotes(r) {
				rules[r.GroupID] = append(rules[r.GroupID], switchRule(one, groupAddrs))
			}
		}
	}
	routed := map[string][]string{} // router: networks
	for _, p := range ports {
		switch {
		case strings.HasPrefix(p.DeviceOwner, "network:router_interface"):
			n := out.Networks[p.NetworkID]
			n.Gateways = append(n.Gateways, addresses(p)...)
			if r := d.Routers.Get(p.DeviceID); r != nil && r.AdminUp && r.ExternalNetwork != "" {
				n.Outside = true
			}
			out.Networks[p.NetworkID] = n
			routed[p.DeviceID] = append(routed[p.DeviceID], p.NetworkID)
		case p.DeviceID != "" && !p.Internal() && p.AdminUp:
			out.Ports[p.ID] = switchPort(p, rules)
		}
	}
	for _, networks := range routed {
		for _, id := range networks {
			n := out.Networks[id]
			n.Routed = append(n.Routed, networks...)
			out.Networks[id] = n
		}
	}
	for _, n := range d.Networks.Where(func(n *db.Network) bool { return n.External }) {
		outside := vnet.Network{Outside: true}
		for _, s := range d.Subnets.Where(func(s *db.Subnet) bool { return s.NetworkID == n.ID }) {
			if a, err := netip.ParseAddr(s.Gateway); err == nil {
				outside.Gateways = append(outside.Gateways, a)
			}
		}
		out.Networks[n.ID] = outside
	}
	return out
}

func switchPort(p *db.Port, rules map[string][]vnet.Rule) vnet.Port {
	port := vnet.Port{Network: p.NetworkID, MAC: macOf(p.MAC), Addrs: addresses(p), Secured: p.PortSecurity}
	for _, pair := range p.AddressPairs {
		if text, ok := pair["ip_address"].(string); ok {
			if a, err := netip.ParseAddr(text); err == nil {
				port.Addrs = append(port.Addrs, a)
			}
		}
	}
	for _, g := range p.SecurityGroups {
		port.Rules = append(port.Rules, rules[g]...)
	}
	return port
}

func macOf(text string) (out vnet.MAC) {
	if mac, err := net.ParseMAC(text); err == nil {
		copy(out[:], mac)
	}
	return out
}

// addresses are a port's IPv4 addresses.
func addresses(p *db.Port) []netip.Addr {
	var out []netip.Addr
	for _, f := range p.FixedIPs {
		if a, err := netip.ParseAddr(f.IPAddress); err == nil && a.Is4() {
			out = append(out, a)
		}
	}
	return out
}

func switchRule(r *db.SecurityRule, groupAddrs map[string][]netip.Addr) vnet.Rule {
	out := vnet.Rule{Ingress: r.Direction == "ingress"}
	proto, known := map[string]uint8{"": 0, "tcp": 6, "udp": 17, "icmp": 1}[r.Protocol]
	if !known {
		n, err := strconv.ParseUint(r.Protocol, 10, 8)
		if err != nil {
			n = 255 // a protocol that no guest speaks
		}
		proto = uint8(n)
	}
	out.Proto = proto
	if r.PortMin != nil && r.PortMax != nil {
		out.Min, out.Max = uint16(*r.PortMin), uint16(*r.PortMax)
	}
	if p, err := netip.ParsePrefix(r.RemotePrefix); err == nil {
		out.Remote = p
	}
	if r.RemoteGroup != "" {
		out.RemoteAddrs = append([]netip.Addr{}, groupAddrs[r.RemoteGroup]...)
	}
	return out
}

// nics are a server's network devices, with the IDs of their ports.
func (c *Cloud) nics(server string) (nics []guest.NIC, ports []string) {
	c.db.View(func() {
		for _, p := range c.db.Ports.Where(func(p *db.Port) bool { return p.DeviceID == server && !p.Internal() }) {
			nics, ports = append(nics, c.nic(p)), append(ports, p.ID)
		}
	})
	return nics, ports
}

func (c *Cloud) nic(p *db.Port) guest.NIC {
	n := guest.NIC{MAC: p.MAC, MTU: 1500}
	if network := c.db.Networks.Get(p.NetworkID); network != nil && network.MTU >= 576 && network.MTU <= 1500 {
		n.MTU = network.MTU
	}
	for _, f := range p.FixedIPs {
		sn := c.db.Subnets.Get(f.SubnetID)
		a, err := netip.ParseAddr(f.IPAddress)
		if sn == nil || err != nil || !a.Is4() || n.Address.IsValid() {
			continue
		}
		prefix, err := netip.ParsePrefix(sn.CIDR)
		if err != nil {
			continue
		}
		n.Address = netip.PrefixFrom(a, prefix.Bits())
		n.Gateway, _ = netip.ParseAddr(sn.Gateway) // a subnet may have none
		for _, s := range sn.DNS {
			if a, err := netip.ParseAddr(s); err == nil {
				n.DNS = append(n.DNS, a)
			}
		}
		if len(n.DNS) == 0 && n.Gateway.IsValid() {
			n.DNS = []netip.Addr{n.Gateway}
		}
	}
	return n
}

// attach joins a guest's network devices with the switch.
func (c *Cloud) attach(ports []string) func([]*os.File) {
	return func(taps []*os.File) {
		for i, tap := range taps {
			c.vnet.Attach(ports[i], tap)
		}
	}
}

// openedMax is how many ports of a security group's rule are opened on the
// host.
const openedMax = 16

// openedPorts are the TCP ports of a guest that its security groups open one
// by one, besides SSH.
func openedPorts(p *db.Port, rules []*db.SecurityRule) []int {
	var out []int
	for _, r := range rules {
		if !slices.Contains(p.SecurityGroups, r.GroupID) || r.Direction != "ingress" || r.Protocol != "tcp" ||
			r.PortMin == nil || r.PortMax == nil || *r.PortMax-*r.PortMin >= openedMax {
			continue
		}
		for n := *r.PortMin; n <= *r.PortMax; n++ {
			if n != sshService && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}
