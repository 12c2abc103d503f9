package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) interfaceCalls() api.Calls {
	const base = "/servers/{id}/os-interface"
	return api.Calls{
		"GET " + base: s.server(func(r *api.Request, v *db.Server) (*api.Reply, error) {
			view := func(p *db.Port) api.Obj { return interfaceView(r, p) }
			return api.OK(api.Obj{"interfaceAttachments": api.Views(s.portsOf(v.ID), view)})
		}),
		"GET " + base + "/{port}": s.server(func(r *api.Request, v *db.Server) (*api.Reply, error) {
			p := s.portOf(r, v)
			if p == nil {
				return nil, api.NotFound("Instance %s does not have a port with id %s", v.ID, r.Var("port"))
			}
			return api.OK(api.Obj{"interfaceAttachment": interfaceView(r, p)})
		}),
		"POST " + base: s.server(s.attachInterface),
		"DELETE " + base + "/{port}": s.server(func(r *api.Request, v *db.Server) (*api.Reply, error) {
			if p := s.portOf(r, v); p != nil { // without one Nova finds out later, and tells nobody
				s.unplugOne(p)
				s.done(r, v, "detach_interface")
			}
			return api.Accepted(nil)
		}),
	}
}

// portOf is the server's port that the path names, or nil.
func (s *Service) portOf(r *api.Request, v *db.Server) *db.Port {
	ports := s.portsOf(v.ID)
	i := slices.IndexFunc(ports, func(p *db.Port) bool { return p.ID == r.Var("port") })
	if i < 0 {
		return nil
	}
	return ports[i]
}

func interfaceView(r *api.Request, p *db.Port) api.Obj {
	o := api.Obj{
		"net_id": p.NetworkID, "port_id": p.ID, "mac_addr": p.MAC, "port_state": p.Status,
		"fixed_ips": append([]db.FixedIP{}, p.FixedIPs...),
	}
	since(r, 70, o, api.Obj{"tag": api.OrNil(p.Tag)})
	return o
}

func (s *Service) attachInterface(r *api.Request, v *db.Server) (*api.Reply, error) {
	in, err := body(r, "interfaceAttachment", []field{
		{name: "net_id", check: orNull(isUUID)},
		{name: "port_id", check: orNull(isUUID)},
		{name: "fixed_ips", check: isList},
		{name: "tag", check: tagForm, min: api.V(49)},
	})
	if err != nil {
		return nil, err
	}
	want := db.PlannedPort{NetworkID: strOf(in, "net_id"), PortID: strOf(in, "port_id"), Tag: strOf(in, "tag")}
	for _, e := range list(in["fixed_ips"]) {
		f, _ := e.(api.Obj)
		want.FixedIP = strOf(f, "ip_address")
	}
	switch {
	case want.NetworkID != "" && want.PortID != "":
		return nil, api.BadRequest("Must not input both network_id and port_id")
	case want.FixedIP != "" && want.NetworkID == "":
		return nil, api.BadRequest("Must input network_id when request IP address")
	case v.VMState != db.VMActive && v.VMState != db.VMStopped && v.VMState != db.VMPaused:
		return nil, errState("attach_interface", v)
	}
	if err := s.checkInterface(r, v, &want); err != nil {
		return nil, err
	}
	p, err := s.plugOne(v, want, []string{s.Network.DefaultGroup(v.ProjectID).ID})
	if err != nil {
		return nil, api.BadRequest("%s", plainError(err))
	}
	p.Status = "ACTIVE"
	s.db.Ports.Put(p)
	s.done(r, v, "attach_interface")
	return api.OK(api.Obj{"interfaceAttachment": interfaceView(r, p)})
}

// checkInterface refuses impossible requests and fills in the network where
// only one is possible.
func (s *Service) checkInterface(r *api.Request, v *db.Server, want *db.PlannedPort) error {
	if want.PortID != "" {
		p := s.db.Ports.Get(want.PortID)
		if p == nil || p.ProjectID != v.ProjectID && !r.Auth.Admin() {
			return api.NotFound("Port id %s could not be found.", want.PortID)
		}
		if p.DeviceID != "" {
			return api.BadRequest("Port %s is still in use.", want.PortID)
		}
		return nil
	}
	if want.NetworkID == "" {
		usable := s.Network.Usable(v.ProjectID)
		if len(usable) > 1 {
			return api.BadRequest("Multiple possible networks found, use a Network ID to be more specific.")
		}
		if len(usable) == 0 {
			return api.BadRequest("No suitable network could be found.")
		}
		want.NetworkID = usable[0].ID
		return nil
	}
	if s.Network.Visible(v.ProjectID, want.NetworkID) == nil {
		return api.NotFound("Network %s could not be found.", want.NetworkID)
	}
	return nil
}
