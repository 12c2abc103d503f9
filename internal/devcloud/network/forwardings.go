package network

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

const kindForwarding = "port_forwarding"

// MaxForwarded is the most ports of one forwarding: each is a listener.
const MaxForwarded = 256

// forwardings are the ports of a floating IP that lead to a port's address, on
// a floating IP that is not associated as a whole.
func (s *Service) forwardings() *api.Collection {
	return &api.Collection{
		DB: s.db, Kind: kindForwarding, Single: kindForwarding, Plural: "port_forwardings",
		Path: "/v2.0/floatingips/{fip}/port_forwardings", Parent: "fip", Update: "PUT",
		Required: []string{"internal_port_id", "internal_ip_address", "protocol"},
		Defaults: api.Obj{"description": ""},
		Allow: func(r *api.Request, action string, _ *db.Object) error {
			_, err := s.floating.own(r, r.Var("fip"), action)
			return err
		},
		Missing: func(id string) error {
			return failure(404, "PortForwardingNotFound", "Port Forwarding %s could not be found.", id)
		},
		Check: s.checkForwarding,
		Removed: func(_ *api.Request, o *db.Object) error {
			if f := s.db.FloatingIPs.Get(o.Parent); f != nil && len(s.forwardingsOf(f.ID)) == 1 {
				s.clear(f)
			}
			return nil
		},
	}
}

func (s *Service) forwardingsOf(fip string) []*db.Object {
	return s.db.Objects(kindForwarding, func(o *db.Object) bool { return o.Parent == fip })
}

// forwardingView is a forwarding as its floating IP shows it.
func forwardingView(o *db.Object) api.Obj {
	v := api.Obj{}
	for _, key := range []string{
		"protocol", "internal_ip_address", "internal_port", "external_port", "internal_port_range", "external_port_range",
	} {
		v[key] = o.Attrs[key]
	}
	return v
}

func badForwarding(format string, args ...any) error {
	return badRequest("BadRequest", "Bad port_forwarding request: "+format, args...)
}

// Forwarding is the ports of a floating IP that lead to those of an address.
type Forwarding struct {
	FloatingIP, PortID, Inside, Protocol string // always tcp
	External, Internal, Count            int
}

// Forwardings are all there are.
func (s *Service) Forwardings() (out []Forwarding) {
	for _, o := range s.db.Objects(kindForwarding, nil) {
		out = append(out, forwardingOf(o))
	}
	return out
}

func forwardingOf(o *db.Object) Forwarding {
	external, last := span(o.Text("external_port_range"))
	internal, _ := span(o.Text("internal_port_range"))
	return Forwarding{
		FloatingIP: o.Parent, PortID: o.Text("internal_port_id"), Inside: o.Text("internal_ip_address"), Protocol: o.Text("protocol"),
		External: external, Internal: internal, Count: last - external + 1,
	}
}

// span reads a range of ports, "1200:1299"; any other text gives 0 and 0.
func span(text string) (first, last int) {
	a, b, _ := strings.Cut(text, ":")
	first, err1 := strconv.Atoi(a)
	last, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || first < 1 || last > 65535 || last < first {
		return 0, 0
	}
	return first, last
}

// settlePorts writes what a body says of one side's ports, a number or a range,
// in both ways; the number is that of a single port.
func settlePorts(o *db.Object, in api.Obj, key string) error {
	ports := o.Text(key + "_range")
	if in[key] != nil {
		ports = fmt.Sprintf("%v:%v", in[key], in[key])
	}
	first, last := span(ports)
	if first == 0 {
		return badAttr(key, "'%s' is not a port or a range of ports from 1 through 65535.", ports)
	}
	o.Set(api.Obj{key + "_range": ports, key: nil})
	if first == last {
		o.Set(api.Obj{key: float64(first)})
	}
	return nil
}

func (s *Service) checkForwarding(_ *api.Request, o *db.Object, in api.Obj) error {
	f := s.db.FloatingIPs.Get(o.Parent)
	p := s.db.Ports.Get(o.Text("internal_port_id"))
	if p == nil || p.ProjectID != f.ProjectID {
		return notFound("Port", o.Text("internal_port_id"))
	}
	i := slices.IndexFunc(p.FixedIPs, func(x db.FixedIP) bool { return x.IPAddress == o.Text("internal_ip_address") })
	if i < 0 {
		return badForwarding("Port %s has no fixed ip %s.", p.ID, o.Text("internal_ip_address"))
	}
	for _, key := range []string{"internal_port", "external_port"} {
		if err := settlePorts(o, in, key); err != nil {
			return err
		}
	}
	this := forwardingOf(o)
	if _, last := span(o.Text("internal_port_range")); last-this.Internal != this.Count-1 {
		return badForwarding("The internal and external port ranges must have the same length.")
	}
	if this.Protocol != "tcp" {
		return badAttr("protocol", "'%s' is not in ['tcp'].", this.Protocol)
	}
	if this.Count > MaxForwarded {
		return badForwarding("at most %d ports can be forwarded, not %d.", MaxForwarded, this.Count)
	}
	if f.PortID != "" {
		return conflict("FipInUseByPort", "Floating IP %s in use by port, cannot have port forwardings.", f.ID)
	}
	for _, x := range s.forwardingsOf(f.ID) {
		other := forwardingOf(x)
		if x.Key != o.Key && other.Protocol == this.Protocol &&
			this.External < other.External+other.Count && other.External < this.External+this.Count {
			return badForwarding("A duplicate port forwarding entry for external ports %s already exists.", o.Text("external_port_range"))
		}
	}
	if f.RouterID = s.routerBetween(p.FixedIPs[i].SubnetID, f.NetworkID); f.RouterID == "" {
		return errUnreachable(f, p.FixedIPs[i].SubnetID, p.ID)
	}
	f.Status = "ACTIVE"
	s.db.FloatingIPs.Put(f)
	return nil
}
