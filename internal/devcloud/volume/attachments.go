package volume

import (
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func attachmentView(a *db.Attachment, detail bool) api.Obj {
	o := api.Obj{"id": a.ID, "status": a.Status, "instance": a.ServerID, "volume_id": a.VolumeID}
	if detail {
		o["attached_at"], o["detached_at"], o["attach_mode"], o["connection_info"] = api.Micros(a.Attached), nil, a.Mode, api.Obj{}
	}
	return o
}

func (s *Service) listAttachments(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		var views []api.Obj
		for _, a := range s.db.Attachments.Where(func(a *db.Attachment) bool { return a.ProjectID == r.Auth.ProjectID || r.Auth.Admin() }) {
			o := attachmentView(a, detail)
			o["instance_id"] = a.ServerID
			if pass(o, r.HTTP.URL.Query()) {
				delete(o, "instance_id")
				views = append(views, o)
			}
		}
		return page(r, "attachments", views, func(o api.Obj) api.Obj { return o })
	}
}

// attachment is a call about the attachment that the path names.
func (s *Service) attachment(do func(r *api.Request, a *db.Attachment) (*api.Reply, error)) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		a := s.db.Attachments.Get(r.Var("id"))
		if a == nil || a.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
			return nil, api.NotFound("Volume attachment could not be found with filter: attachment_id = %s.", r.Var("id"))
		}
		return do(r, a)
	}
}

func showAttachment(_ *api.Request, a *db.Attachment) (*api.Reply, error) {
	return api.OK(api.Obj{"attachment": attachmentView(a, true)})
}

func (s *Service) removeAttachment(_ *api.Request, a *db.Attachment) (*api.Reply, error) {
	if a.BDM != "" && s.db.Servers.Get(a.ServerID) != nil {
		return nil, api.Conflict("Detach volume from instance %s using the Compute API", a.ServerID)
	}
	s.DetachNow(a, false)
	return api.OK(api.Obj{"attachments": api.List{}})
}

// createAttachment reserves a volume for a server.
func (s *Service) createAttachment(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("attachment")
	if err != nil {
		return nil, err
	}
	id, _ := in["volume_uuid"].(string)
	server, _ := in["instance_uuid"].(string)
	v := s.db.Volumes.Get(id)
	if v == nil || v.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, errVolume(id)
	}
	a := &db.Attachment{ServerID: server, BootIndex: -1}
	if err := s.Attach(v, a); err != nil {
		return nil, err
	}
	if in["connector"] != nil {
		s.attached(a)
	}
	a.Due, a.BDM = time.Time{}, "" // until it is completed; Nova does not know of it
	s.db.Attachments.Put(a)
	return showAttachment(r, a)
}

func (s *Service) updateAttachment(r *api.Request, a *db.Attachment) (*api.Reply, error) {
	s.attached(a)
	return showAttachment(r, a)
}

func (s *Service) completeAttachment(_ *api.Request, a *db.Attachment) (*api.Reply, error) {
	s.attached(a)
	return nil, nil
}
