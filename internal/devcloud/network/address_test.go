package network

import (
	"net/netip"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud/db"
)

func TestDefaultPools(t *testing.T) {
	for _, test := range []struct {
		cidr, gateway string
		want          []db.Range
	}{
		{"10.0.0.0/24", "10.0.0.1", []db.Range{{Start: "10.0.0.2", End: "10.0.0.254"}}},
		{"10.0.0.0/24", "10.0.0.254", []db.Range{{Start: "10.0.0.1", End: "10.0.0.253"}}},
		{"10.0.0.0/24", "10.0.0.100", []db.Range{{Start: "10.0.0.1", End: "10.0.0.99"}, {Start: "10.0.0.101", End: "10.0.0.254"}}},
		{"10.0.0.0/24", "", []db.Range{{Start: "10.0.0.1", End: "10.0.0.254"}}},
		{"10.0.0.0/24", "10.9.9.9", []db.Range{{Start: "10.0.0.1", End: "10.0.0.254"}}},
		{"10.0.0.0/30", "10.0.0.1", []db.Range{{Start: "10.0.0.2", End: "10.0.0.2"}}},
		{"10.0.0.0/31", "", []db.Range{{Start: "10.0.0.0", End: "10.0.0.1"}}},
		{"10.0.0.7/32", "", []db.Range{{Start: "10.0.0.7", End: "10.0.0.7"}}},
		{"fd00::/64", "fd00::1", []db.Range{{Start: "fd00::2", End: "fd00::ffff:ffff:ffff:ffff"}}},
	} {
		got := defaultPools(netip.MustParsePrefix(test.cidr), test.gateway)
		if len(got) != len(test.want) {
			t.Errorf("%s, gateway %s: %v", test.cidr, test.gateway, got)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s, gateway %s: %v, want %v", test.cidr, test.gateway, got, test.want)
			}
		}
	}
}

func TestSLAAC(t *testing.T) {
	sn := &db.Subnet{CIDR: "fd00:10:10:1::/64"}
	if got, want := slaacAddress(sn, "fa:16:3e:b4:97:dd"), "fd00:10:10:1:f816:3eff:feb4:97dd"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFreeAddressUsesThePoolUp(t *testing.T) {
	w, err := db.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{DB: w, Quotas: DefaultQuotas()})
	seen := map[string]bool{}
	err = w.Update(func() error {
		n := &db.Network{Std: db.Std{ProjectID: "p"}}
		if err := s.MakeNetwork(n, &db.Subnet{CIDR: "10.0.0.0/29", Gateway: "10.0.0.1"}); err != nil {
			return err
		}
		for range 5 {
			p := &db.Port{NetworkID: n.ID}
			if err := s.InsertPort(p, nil); err != nil {
				return err
			}
			seen[p.FixedIPs[0].IPAddress] = true
		}
		if err := s.InsertPort(&db.Port{NetworkID: n.ID}, nil); err == nil {
			t.Error("a sixth address out of five")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 5 || seen["10.0.0.1"] {
		t.Errorf("%v", seen)
	}
}

func FuzzDefaultPools(f *testing.F) {
	f.Add("10.0.0.0/24", "10.0.0.1")
	f.Add("fd00::/127", "fd00::1")
	f.Add("0.0.0.0/0", "255.255.255.255")
	f.Fuzz(func(t *testing.T, cidr, gateway string) {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return
		}
		for _, r := range defaultPools(p.Masked(), gateway) {
			a, b := netip.MustParseAddr(r.Start), netip.MustParseAddr(r.End)
			if !p.Contains(a) || !p.Contains(b) || b.Compare(a) < 0 || r.Start == gateway || r.End == gateway {
				t.Errorf("%s, gateway %q: %v", cidr, gateway, r)
			}
		}
	})
}
