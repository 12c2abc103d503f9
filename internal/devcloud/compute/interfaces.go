package compute

import (
	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) interfaceRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/servers/{id}/os-interface", Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) {
				l := api.List{}
				for _, p := range s.portsOf(v.ID) {
					l = append(l, interfaceView(r, p))
				}
				return api.Obj{"interfaceAttachments": l}, nil
			})
		}},
		{Method: "GET", Path: "/servers/{id}/os-interface/{port}", Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) {
				for _, p := range s.portsOf(v.ID) {
					if p.ID == r.Var("port") {
						return api.Obj{"interfaceAttachment": interfaceView(r, p)}, nil
					}
				}
				return nil, api.NotFound("Instance %s does not have a port with id %s", v.ID, r.Var("port"))
			})
		}},
		{Method: "POST", Path: "/servers/{id}/os-interface", Do: s.attachInterface},
		{Method: "DELETE", Path: "/servers/{id}/os-interface/{port}", Do: s.detachInterface},
	}
}

func interfaceView(r *api.Request, p *db.Port) api.Obj {
	fixed := api.List{}
	for _, f := range p.FixedIPs {
		fixed = append(fixed, api.Obj{"subnet_id": f.SubnetID, "ip_address": f.IPAddress})
	}
	o := api.Obj{
		"net_id":     p.NetworkID,
		"port_id":    p.ID,
		"mac_addr":   p.MAC,
		"port_state": p.Status,
		"fixed_ips":  fixed,
	}
	if r.Version.AtLeast(api.V(70)) {
		o["tag"] = orNil(p.Tag)
	}
	return o
}

func (s *Service) attachInterface(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("interfaceAttachment")
	if err != nil {
		return nil, err
	}
	err = validate("interfaceAttachment", in, r.Version, []field{
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
	}
	var o api.Obj
	err = s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		if err := unlocked(r, v); err != nil {
			return err
		}
		if v.VMState != db.VMActive && v.VMState != db.VMStopped && v.VMState != db.VMPaused {
			return api.Conflict("Cannot 'attach_interface' instance %s while it is in vm_state %s", v.ID, v.VMState)
		}
		if err := s.checkInterface(r, v, &want); err != nil {
			return err
		}
		before := map[string]bool{}
		for _, p := range s.portsOf(v.ID) {
			before[p.ID] = true
		}
		if err := s.plugOne(v, want, []string{s.Network.DefaultGroup(v.ProjectID).ID}); err != nil {
			return api.BadRequest("%s", plainError(err))
		}
		s.record(r, v, "attach_interface")
		for _, p := range s.portsOf(v.ID) {
			if before[p.ID] {
				continue
			}
			p.Status = "ACTIVE"
			s.db.Ports.Put(p)
			o = interfaceView(r, p)
		}
		s.finished(v, "")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"interfaceAttachment": o})
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
	if n := s.db.Networks.Get(want.NetworkID); n == nil || n.ProjectID != v.ProjectID && !s.db.SharedWith(n, v.ProjectID) && !n.External {
		return api.NotFound("Network %s could not be found.", want.NetworkID)
	}
	return nil
}

func (s *Service) detachInterface(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		if err := unlocked(r, v); err != nil {
			return err
		}
		for _, p := range s.portsOf(v.ID) {
			if p.ID == r.Var("port") {
				s.record(r, v, "detach_interface")
				s.unplugOne(p)
				s.finished(v, "")
				return nil
			}
		}
		return nil // Nova finds out later, and tells nobody
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(nil)
}
