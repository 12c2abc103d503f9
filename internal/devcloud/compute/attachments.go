package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) attachmentRoutes() []api.Route {
	const base = "/servers/{id}/os-volume_attachments"
	calls := api.Calls{
		"GET " + base: s.server(func(r *api.Request, v *db.Server) (*api.Reply, error) {
			view := func(a *db.Attachment) api.Obj { return attachmentView(r, a) }
			return api.OK(api.Obj{"volumeAttachments": api.Views(s.attachmentsOf(v.ID), view)})
		}),
		"GET " + base + "/{volume}": s.attachment(func(r *api.Request, _ *db.Server, a *db.Attachment) (*api.Reply, error) {
			return api.OK(api.Obj{"volumeAttachment": attachmentView(r, a)})
		}),
		"POST " + base:                 s.server(s.attachVolume),
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
	return s.server(func(r *api.Request, v *db.Server) (*api.Reply, error) {
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
