package network

import (
	"net/netip"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

const kindForwarding = "port_forwarding"

// forwardings are the ports of a floating IP that lead to a port's address, on
// a floating IP that is not associated as a whole.
func (s *Service) forwardings() *api.Collection {
	return &api.Collection{
		DB: s.db, Kind: kindForwarding, Single: kindForwarding, Plural: "port_forwardings",
		Path: "/v2.0/floatingips/{fip}/port_forwardings", Parent: "fip", Update: "PUT",
		Required: []string{"internal_port_id", "internal_ip_address", "internal_port", "external_port", "protocol"},
		Defaults: api.Obj{"description": ""},
		Allow: func(r *api.Request, action string, _ *db.Object) error {
			_, err := s.resource("floatingips").own(r, r.Var("fip"), action)
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
	for _, key := range []string{"protocol", "internal_ip_address", "internal_port", "external_port"} {
		v[key] = o.Attrs[key]
	}
	return v
}

func badForwarding(format string, args ...any) error {
	return badRequest("BadRequest", "Bad port_forwarding request: "+format, args...)
}

func (s *Service) checkForwarding(r *api.Request, o *db.Object, _ api.Obj) error {
	f := s.db.FloatingIPs.Get(o.Parent)
	p := s.db.Ports.Get(o.Text("internal_port_id"))
	if p == nil || p.ProjectID != f.ProjectID {
		return notFound("Port", o.Text("internal_port_id"))
	}
	inside, err := netip.ParseAddr(o.Text("internal_ip_address"))
	i := slices.IndexFunc(p.FixedIPs, func(x db.FixedIP) bool { return x.IPAddress == inside.String() })
	if err != nil || i < 0 {
		return badForwarding("Port %s has no fixed ip %s.", p.ID, o.Text("internal_ip_address"))
	}
	for _, key := range []string{"internal_port", "external_port"} {
		if n := o.Int(key); n < 1 || n > 65535 {
			return badAttr(key, "'%v' is not in range 1 through 65535.", o.Attrs[key])
		}
	}
	if o.Text("protocol") != "tcp" {
		return badForwarding("this cloud forwards tcp, not %v.", o.Attrs["protocol"])
	}
	if f.PortID != "" {
		return conflict("FipInUseByPort", "Floating IP %s in use by port, cannot have port forwardings.", f.ID)
	}
	if s.db.FirstObject(kindForwarding, func(x *db.Object) bool {
		return x.Key != o.Key && x.Parent == o.Parent && x.Int("external_port") == o.Int("external_port")
	}) != nil {
		return badForwarding("A duplicate port forwarding entry for external port %d already exists.", o.Int("external_port"))
	}
	if f.RouterID = s.routerBetween(p.FixedIPs[i].SubnetID, f.NetworkID); f.RouterID == "" {
		return failure(404, "ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.",
			f.NetworkID, p.FixedIPs[i].SubnetID, p.ID)
	}
	f.Status = "ACTIVE"
	s.db.FloatingIPs.Put(f)
	return nil
}
