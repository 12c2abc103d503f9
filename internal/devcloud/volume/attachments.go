package volume

import (
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func attachmentView(a *db.Attachment, detail bool) api.Obj {
	o := api.Obj{"id": a.ID, "status": a.Status, "instance": a.ServerID, "volume_id": a.VolumeID}
	if detail {
		o["attached_at"], o["detached_at"], o["attach_mode"], o["connection_info"] = stamp(
			a.Attached,
		), nil, a.Mode, api.Obj{}
	}
	return o
}

func (s *Service) listAttachments(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		var views []api.Obj
		s.db.View(func() {
			for _, a := range s.db.Attachments.All() {
				if a.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
					continue
				}
				o := attachmentView(a, detail)
				o["instance_id"] = a.ServerID
				if pass(o, q) {
					delete(o, "instance_id")
					views = append(views, o)
				}
			}
		})
		return page(r, "attachments", views, func(o api.Obj) api.Obj { return o })
	}
}

func (s *Service) findAttachment(r *api.Request) (*db.Attachment, error) {
	a := s.db.Attachments.Get(r.Var("id"))
	if a == nil || a.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, api.NotFound("Volume attachment could not be found with filter: attachment_id = %s.", r.Var("id"))
	}
	return a, nil
}

func (s *Service) showAttachment(r *api.Request) (*api.Reply, error) {
	var a *db.Attachment
	var err error
	s.db.View(func() { a, err = s.findAttachment(r) })
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"attachment": attachmentView(a, true)})
}

func (s *Service) removeAttachment(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		a, err := s.findAttachment(r)
		if err != nil {
			return err
		}
		if a.BDM != "" && s.db.Servers.Get(a.ServerID) != nil {
			return api.Conflict("Detach volume from instance %s using the Compute API", a.ServerID)
		}
		s.DetachNow(a, false)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"attachments": api.List{}})
}

// createAttachment reserves a volume for a server.
func (s *Service) createAttachment(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("attachment")
	if err != nil {
		return nil, err
	}
	volume, _ := in["volume_uuid"].(string)
	server, _ := in["instance_uuid"].(string)
	a := &db.Attachment{ServerID: server, BootIndex: -1}
	err = s.db.Update(func() error {
		v := s.db.Volumes.Get(volume)
		if v == nil || v.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
			return errVolume(volume)
		}
		err := s.Attach(v, a)
		if err == nil && in["connector"] != nil {
			s.attached(a)
		} else if err == nil {
			a.Due = time.Time{} // until it is completed
		}
		if err == nil {
			a.BDM = "" // Nova does not know of it
			s.db.Attachments.Put(a)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"attachment": attachmentView(a, true)})
}

func (s *Service) changeAttachment(r *api.Request) (a *db.Attachment, err error) {
	err = s.db.Update(func() error {
		if a, err = s.findAttachment(r); err == nil {
			s.attached(a)
		}
		return err
	})
	return a, err
}

func (s *Service) updateAttachment(r *api.Request) (*api.Reply, error) {
	a, err := s.changeAttachment(r)
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"attachment": attachmentView(a, true)})
}

func (s *Service) completeAttachment(r *api.Request) (*api.Reply, error) {
	if _, err := s.changeAttachment(r); err != nil {
		return nil, err
	}
	return api.NoContent()
}
