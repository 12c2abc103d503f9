package network

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"go4.org/netipx"

	"github.com/galleyhq/galley/internal/devcloud/db"
)

// tries bounds the search in pools too large to list.
const tries = 1 << 16

// addrOf and prefixOf read what has been checked when it was stored; any other
// text is the zero value, which overlaps and contains nothing.
func addrOf(text string) netip.Addr { a, _ := netip.ParseAddr(text); return a }

func prefixOf(sn *db.Subnet) netip.Prefix { p, _ := netip.ParsePrefix(sn.CIDR); return p }

// prefixFrom reads a prefix, or an address as that of one host.
func prefixFrom(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// free are the addresses of a subnet's pools that no port has, the lowest
// first.
func (s *Service) free(sn *db.Subnet) (free []string) {
	taken := map[string]bool{}
	for _, p := range s.db.Ports.Where(func(p *db.Port) bool { return onSubnet(p, sn.ID) }) {
		for _, f := range p.FixedIPs {
			taken[f.IPAddress] = true
		}
	}
	for _, r := range sn.Pools {
		a, end := addrOf(r.Start), addrOf(r.End)
		for n := 0; n < tries && a.IsValid() && a.Compare(end) <= 0; a, n = a.Next(), n+1 {
			if !taken[a.String()] {
				free = append(free, a.String())
			}
		}
	}
	return free
}

// freeAddress picks a free address of the subnet's pools, at random as Neutron
// does; ok is false when there is none.
func (s *Service) freeAddress(sn *db.Subnet) (string, bool) {
	free := s.free(sn)
	if len(free) == 0 {
		return "", false
	}
	return free[rand.IntN(len(free))], true
}

// slaacAddress is the address a port with that MAC gives itself.
func slaacAddress(sn *db.Subnet, mac string) string {
	b, err := hex.DecodeString(mac[0:2] + mac[3:5] + mac[6:8] + mac[9:11] + mac[12:14] + mac[15:17])
	if err != nil {
		return ""
	}
	a := prefixOf(sn).Masked().Addr().As16()
	copy(a[8:], []byte{b[0] ^ 2, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5]})
	return netip.AddrFrom16(a).String()
}

// newMAC is a random address in OpenStack's range.
func newMAC() string {
	n := rand.Uint32()
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", byte(n>>16), byte(n>>8), byte(n))
}

// defaultPools are all host addresses of a prefix but the gateway.
func defaultPools(p netip.Prefix, gateway string) (pools []db.Range) {
	var hosts netipx.IPSetBuilder
	hosts.AddPrefix(p)
	if p.Addr().Is6() || p.Bits() < 31 {
		hosts.Remove(p.Masked().Addr())
	}
	if p.Addr().Is4() && p.Bits() < 31 {
		hosts.Remove(netipx.PrefixLastIP(p)) // the broadcast address
	}
	hosts.Remove(addrOf(gateway))
	set, _ := hosts.IPSet() // without the gateway when that is no address
	for _, r := range set.Ranges() {
		pools = append(pools, db.Range{Start: r.From().String(), End: r.To().String()})
	}
	return pools
}
