package ssh

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/galleyhq/galley/internal/bootstrap"
)

// dialMap is ssh_host: where machines are reached whose address is not the one
// to dial, as behind NAT.
type dialMap struct {
	// all is the place of every machine, nil without one.
	all *bootstrap.Hop
	// byAddress has places by address or name, byNet those of whole networks.
	byAddress map[string]*bootstrap.Hop
	byNet     []mappedNet
}

type mappedNet struct {
	prefix netip.Prefix
	to     *bootstrap.Hop
}

// hop returns where to dial for a machine, nil for its own address.
func (d *dialMap) hop(host string) *bootstrap.Hop {
	if to := d.byAddress[host]; to != nil {
		return to
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		for _, n := range d.byNet {
			if n.prefix.Contains(addr) {
				return n.to
			}
		}
	}
	return d.all
}

// dialMap reads ssh_host: host[:port], or a mapping from addresses, names or
// networks to such places.
func (r *reader) dialMap() dialMap {
	var d dialMap
	s, key := r.section("ssh_host", "hostname")
	if !s.Has(key) {
		s, key = r.section("hostname")
	}
	if !s.Has(key) {
		return d
	}
	place := func(text, where string) *bootstrap.Hop {
		hops, err := bootstrap.ParseJumps(text)
		if err != nil || len(hops) != 1 || hops[0].User != "" {
			r.Add(fmt.Errorf("transport: %s: %q is not host[:port] (%s)", key, text, where))
			return nil
		}
		return &hops[0]
	}
	if text, err := s.String(key, ""); err == nil {
		d.all = place(text, s.Where(key))
		return d
	}
	m, err := s.Map(key)
	r.Add(err)
	if err != nil {
		return d
	}
	d.byAddress = map[string]*bootstrap.Hop{}
	for _, from := range m.Keys() {
		text, err := m.String(from, "")
		r.Add(err)
		to := place(text, m.Where(from))
		if prefix, err := netip.ParsePrefix(from); err == nil {
			d.byNet = append(d.byNet, mappedNet{prefix, to})
			continue
		}
		if ip := net.ParseIP(from); ip != nil {
			from = ip.String()
		}
		d.byAddress[from] = to
	}
	return d
}
