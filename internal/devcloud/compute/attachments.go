package compute

import (
	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) attachmentRoutes() []api.Route {
	const base = "/servers/{id}/os-volume_attachments"
	return []api.Route{
		{Method: "GET", Path: base, Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) {
				l := api.List{}
				for _, a := range s.attachmentsOf(v.ID) {
					l = append(l, attachmentView(r, a))
				}
				return api.Obj{"volumeAttachments": l}, nil
			})
		}},
		{Method: "GET", Path: base + "/{volume}", Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) {
				a, err := s.attachment(r, v)
				if err != nil {
					return nil, err
				}
				return api.Obj{"volumeAttachment": attachmentView(r, a)}, nil
			})
		}},
		{Method: "POST", Path: base, Do: s.attachVolume},
		{Method: "PUT", Path: base + "/{volume}", Min: api.V(85), Do: s.updateAttachment},
		{Method: "DELETE", Path: base + "/{volume}", Do: s.detachVolume},
	}
}

func attachmentView(r *api.Request, a *db.Attachment) api.Obj {
	o := api.Obj{"volumeId": a.VolumeID, "serverId": a.ServerID, "device": a.Device}
	if !r.Version.AtLeast(api.V(89)) {
		o["id"] = a.VolumeID
	} else {
		o["attachment_id"], o["bdm_uuid"] = a.ID, a.BDM
	}
	if r.Version.AtLeast(api.V(70)) {
		o["tag"] = orNil(a.Tag)
	}
	if r.Version.AtLeast(api.V(79)) {
		o["delete_on_termination"] = a.DeleteOnTermination
	}
	return o
}

func (s *Service) attachment(r *api.Request, v *db.Server) (*db.Attachment, error) {
	id := r.Var("volume")
	for _, a := range s.attachmentsOf(v.ID) {
		if a.VolumeID == id {
			return a, nil
		}
	}
	if s.db.Volumes.Get(id) == nil {
		return nil, api.NotFound("Volume %s could not be found.", id)
	}
	return nil, api.NotFound("Instance %s is not attached to volume %s", v.ID, id)
}

func (s *Service) attachVolume(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("volumeAttachment")
	if err != nil {
		return nil, err
	}
	err = validate("volumeAttachment", in, r.Version, []field{
		{name: "volumeId", check: isUUID, required: true},
		{name: "device", check: orNull(text(0, 255))},
		{name: "tag", check: tagForm, min: api.V(49)},
		{name: "delete_on_termination", check: truth, min: api.V(79)},
	})
	if err != nil {
		return nil, err
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
		vol := s.db.Volumes.Get(strOf(in, "volumeId"))
		if vol == nil || vol.ProjectID != v.ProjectID {
			return api.NotFound("Volume %s could not be found.", strOf(in, "volumeId"))
		}
		switch v.VMState {
		case db.VMActive, db.VMPaused, db.VMStopped, db.VMSuspend, db.VMShelved, db.VMResized:
		default:
			return api.Conflict("Cannot 'attach_volume' instance %s while it is in vm_state %s", v.ID, v.VMState)
		}
		if v.TaskState == "deleting" {
			return api.Conflict("Cannot 'attach_volume' instance %s while it is in task_state %s", v.ID, v.TaskState)
		}
		a := &db.Attachment{ServerID: v.ID, Device: s.nextDevice(v), Tag: strOf(in, "tag"), BootIndex: -1}
		a.DeleteOnTermination, _ = boolOf(in["delete_on_termination"])
		if err := s.Volumes.Attach(vol, a); err != nil {
			return err
		}
		s.record(r, v, "attach_volume")
		s.finished(v, "")
		o = attachmentView(r, a)
		o["id"] = a.VolumeID
		delete(o, "attachment_id")
		delete(o, "bdm_uuid")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"volumeAttachment": o})
}

// updateAttachment changes delete_on_termination; swapping volumes is for
// administrators of real clouds.
func (s *Service) updateAttachment(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("volumeAttachment")
	if err != nil {
		return nil, err
	}
	err = s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		a, err := s.attachment(r, v)
		if err != nil {
			return err
		}
		if id := strOf(in, "volumeId"); id != a.VolumeID {
			return forbidden("os_compute_api:os-volumes-attachments:swap")
		}
		b, ok := boolOf(in["delete_on_termination"])
		if !ok {
			return invalid("volumeAttachment", in, "'delete_on_termination' is a required property")
		}
		a.DeleteOnTermination = b
		s.db.Attachments.Put(a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(nil)
}

func (s *Service) detachVolume(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		if err := unlocked(r, v); err != nil {
			return err
		}
		a, err := s.attachment(r, v)
		if err != nil {
			return err
		}
		if a.BootIndex == 0 {
			return api.BadRequest("Cannot detach a root device volume")
		}
		if a.Status != "attached" {
			return api.BadRequest(
				"Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.",
			)
		}
		s.record(r, v, "detach_volume")
		s.Volumes.Detach(a)
		s.finished(v, "")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(nil)
}
