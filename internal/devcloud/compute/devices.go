package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) attachmentRoutes() []api.Route {
	const base = "/servers/{id}/os-volume_attachments"
	calls := api.Calls{
		"GET " + base: with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
			view := func(a *db.Attachment) api.Obj { return attachmentView(r, a) }
			return api.OK(api.Obj{"volumeAttachments": api.Views(s.attachmentsOf(v.ID), view)})
		}),
		"GET " + base + "/{volume}": s.attachment(func(r *api.Request, _ *db.Server, a *db.Attachment) (*api.Reply, error) {
			return api.OK(api.Obj{"volumeAttachment": attachmentView(r, a)})
		}),
		"POST " + base:                 with(s.change, s.attachVolume),
		"DELETE " + base + "/{volume}": s.attachment(s.detachVolume),
	}
	return calls.Routes(api.Route{})
}

func attachmentView(r *api.Request, a *db.Attachment) api.Obj {
	o := api.Obj{"volumeId": a.VolumeID, "serverId": a.ServerID, "device": a.Device}
	until(r, 89, o, api.Obj{"id": a.VolumeID})
	since(r, 89, o, api.Obj{"attachment_id": a.ID, "bdm_uuid": a.BDM})
	since(r, 70, o, api.Obj{"tag": api.OrNil(a.Tag)})
	since(r, 79, o, api.Obj{"delete_on_termination": a.DeleteOnTermination})
	return o
}

// attachment is a call about the attachment that the path names.
func (s *Service) attachment(do func(*api.Request, *db.Server, *db.Attachment) (*api.Reply, error)) api.Handler {
	return with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
		id := r.Var("volume")
		all := s.attachmentsOf(v.ID)
		if i := slices.IndexFunc(all, func(a *db.Attachment) bool { return a.VolumeID == id }); i >= 0 {
			return do(r, v, all[i])
		}
		if s.db.Volumes.Get(id) == nil {
			return nil, errVolume(id)
		}
		return nil, api.NotFound("Instance %s is not attached to volume %s", v.ID, id)
	})
}

func errVolume(id string) *api.Error { return api.NotFound("Volume %s could not be found.", id) }

func (s *Service) attachVolume(r *api.Request, v *db.Server) (*api.Reply, error) {
	in, err := body(r, "volumeAttachment", []field{
		{name: "volumeId", check: isUUID, required: true},
		{name: "device", check: orNull(text(0, 255))},
		{name: "tag", check: tagForm, min: api.V(49)},
		{name: "delete_on_termination", check: truth, min: api.V(79)},
	})
	if err != nil {
		return nil, err
	}
	vol := s.db.Volumes.Get(strOf(in, "volumeId"))
	if vol == nil || vol.ProjectID != v.ProjectID {
		return nil, errVolume(strOf(in, "volumeId"))
	}
	switch v.VMState {
	case db.VMActive, db.VMPaused, db.VMStopped, db.VMSuspend, db.VMShelved, db.VMResized:
	default:
		return nil, errState("attach_volume", v)
	}
	if v.TaskState == "deleting" {
		return nil, errTask("attach_volume", v)
	}
	a := &db.Attachment{ServerID: v.ID, Device: s.nextDevice(v), Tag: strOf(in, "tag"), BootIndex: -1}
	a.DeleteOnTermination, _ = boolOf(in["delete_on_termination"])
	if err := s.Volumes.Attach(vol, a); err != nil {
		return nil, err
	}
	s.done(r, v, "attach_volume")
	o := attachmentView(r, a)
	o["id"] = a.VolumeID
	delete(o, "attachment_id")
	delete(o, "bdm_uuid")
	return api.OK(api.Obj{"volumeAttachment": o})
}

func (s *Service) detachVolume(r *api.Request, v *db.Server, a *db.Attachment) (*api.Reply, error) {
	if a.BootIndex == 0 {
		return nil, api.BadRequest("Cannot detach a root device volume")
	}
	if a.Status != "attached" {
		return nil, api.BadRequest(
			"Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
	}
	s.Volumes.Detach(a)
	s.done(r, v, "detach_volume")
	return api.Accepted(nil)
}

func (s *Service) interfaceRoutes() []api.Route {
	const base = "/servers/{id}/os-interface"
	return api.Calls{
		"GET " + base: with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
			view := func(p *db.Port) api.Obj { return interfaceView(r, p) }
			return api.OK(api.Obj{"interfaceAttachments": api.Views(s.portsOf(v.ID), view)})
		}),
		"GET " + base + "/{port}": with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
			p := s.portOf(r, v)
			if p == nil {
				return nil, api.NotFound("Instance %s does not have a port with id %s", v.ID, r.Var("port"))
			}
			return api.OK(api.Obj{"interfaceAttachment": interfaceView(r, p)})
		}),
		"POST " + base: with(s.change, s.attachInterface),
		"DELETE " + base + "/{port}": with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
			if p := s.portOf(r, v); p != nil { // without one Nova finds out later, and tells nobody
				s.unplugOne(p)
				s.done(r, v, "detach_interface")
			}
			return api.Accepted(nil)
		}),
	}.Routes(api.Route{})
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
