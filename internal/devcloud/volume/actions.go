package volume

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// actions are what POST /volumes/ID/action can name.
func (s *Service) actions() map[string]func(*api.Request, *db.Volume, api.Obj) (*api.Reply, error) {
	return map[string]func(*api.Request, *db.Volume, api.Obj) (*api.Reply, error){
		"os-extend": s.change(s.extend), "os-reserve": s.change(reserve), "os-retype": s.change(s.retype),
		"os-reset_status": s.change(resetStatus), "os-reimage": s.change(s.reimage), "os-attach": s.osAttach, "os-detach": s.osDetach,
		"os-force_delete": s.forceDelete, "os-set_image_metadata": s.setImageMetadata, "os-unset_image_metadata": s.unsetImageMetadata,
		"os-volume_upload_image": s.uploadImage,
		"os-unreserve":           s.change(func(_ *api.Request, v *db.Volume, _ api.Obj) error { v.Status = "available"; return nil }),
		"os-set_bootable": func(_ *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
			v.Bootable = says(in["bootable"])
			s.db.Volumes.Put(v)
			return api.OK(nil)
		},
	}
}

// change is an action that changes a volume's record and answers with nothing.
func (s *Service) change(do func(r *api.Request, v *db.Volume, in api.Obj) error) func(*api.Request, *db.Volume, api.Obj) (*api.Reply, error) {
	return func(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
		if err := do(r, v, in); err != nil {
			return nil, err
		}
		s.db.Volumes.Put(v)
		return nil, nil
	}
}

// begin gives a volume a status for a while, after which another follows.
func (s *Service) begin(v *db.Volume, status, next string) {
	v.Status, v.NextStatus, v.Due = status, next, s.db.Now().Add(s.Delay)
}

func (s *Service) extend(r *api.Request, v *db.Volume, in api.Obj) error {
	size, err := sizeOf(in, "new_size")
	switch {
	case err != nil:
		return err
	case in["new_size"] == nil:
		return api.BadRequest("Invalid input for field/attribute os-extend. Value: {}. 'new_size' is a required property")
	case v.Status != "available" && !(v.Status == "in-use" && r.Version.AtLeast(v3(42))):
		return api.BadRequest("Invalid volume: Volume %s status must be '('available',)' to extend, currently %s.", v.ID, v.Status)
	case size <= v.Size:
		return api.BadRequest(
			"Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).",
			v.Size, size,
		)
	}
	if err := s.checkGigabytes(v.ProjectID, size-v.Size); err != nil {
		return err
	}
	v.NextSize = size
	s.begin(v, "extending", v.Status)
	return nil
}

func reserve(_ *api.Request, v *db.Volume, _ api.Obj) error {
	if v.Status != "available" {
		return api.BadRequest("Invalid volume: Volume status must be available to reserve, but the status is %s.", v.Status)
	}
	v.Status = "attaching"
	return nil
}

func (s *Service) osAttach(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	server, _ := in["instance_uuid"].(string)
	device, _ := in["mountpoint"].(string)
	if v.Status == "attaching" {
		v.Status = "available"
	}
	return nil, s.AttachNow(v, &db.Attachment{ServerID: server, Device: device, BootIndex: -1})
}

func (s *Service) osDetach(_ *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	id, _ := in["attachment_id"].(string)
	for _, a := range s.attachmentsOf(v.ID) {
		if id == "" || a.ID == id {
			s.DetachNow(a, false)
			return nil, nil
		}
	}
	v.Status = "available"
	s.db.Volumes.Put(v)
	return nil, nil
}

// says tells that a value of a body is true, or the word.
func says(v any) bool { return strings.EqualFold(fmt.Sprint(v), "true") }

func (s *Service) retype(_ *api.Request, v *db.Volume, in api.Obj) error {
	name, _ := in["new_type"].(string)
	t := s.findType(name)
	if t == nil {
		return api.NotFound("Volume type with name %s could not be found.", name)
	}
	v.Type = t.Text("name")
	return nil
}

func resetStatus(r *api.Request, v *db.Volume, in api.Obj) error {
	if !r.Auth.Admin() {
		return forbidden("volume_admin_actions:reset_status")
	}
	status, _ := in["status"].(string)
	v.Status = cmp.Or(status, v.Status)
	return nil
}

func (s *Service) forceDelete(r *api.Request, v *db.Volume, _ api.Obj) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("volume_admin_actions:force_delete")
	}
	for _, a := range s.attachmentsOf(v.ID) {
		s.db.Attachments.Delete(a.ID)
	}
	v.Status = "error"
	return nil, s.Delete(v, true)
}

func (s *Service) setImageMetadata(_ *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	m, _ := in["metadata"].(api.Obj)
	v.ImageMeta = maps.Clone(api.Dict(v.ImageMeta))
	maps.Copy(v.ImageMeta, texts(m))
	s.db.Volumes.Put(v)
	return api.OK(api.Obj{"metadata": v.ImageMeta})
}

func (s *Service) unsetImageMetadata(_ *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	key, _ := in["key"].(string)
	if _, ok := v.ImageMeta[key]; !ok {
		return nil, api.NotFound("Glance metadata for volume/snapshot %s cannot be found.", v.ID)
	}
	v.ImageMeta = maps.Clone(v.ImageMeta)
	delete(v.ImageMeta, key)
	s.db.Volumes.Put(v)
	return api.OK(nil)
}

// reimage makes a volume's content an image's.
func (s *Service) reimage(r *api.Request, v *db.Volume, in api.Obj) error {
	id, _ := in["image_id"].(string)
	img, err := s.source(v.ProjectID, r.Auth.Admin(), id)
	if err != nil {
		return err
	}
	if v.Status != "available" && v.Status != "error" {
		return api.Conflict("Invalid volume: Volume %s status must be available or error, but current status is: %s.", v.ID, v.Status)
	}
	v.ImageID, v.ImageMeta = img.ID, imageMeta(img)
	s.begin(v, "downloading", "available")
	return nil
}

// uploadImage makes an image of a volume's data: those of the server that boots
// from it, else of the image that it was made of.
func (s *Service) uploadImage(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	name, format, container := first(in, "image_name"), first(in, "disk_format"), first(in, "container_format")
	base := s.db.Images.Get(v.ImageMeta["image_id"])
	switch {
	case v.Status != "available" && !(v.Status == "in-use" && forced(in)):
		return nil, api.BadRequest("Invalid volume: Volume %s status must be available, or in-use with force, but current status is: %s.", v.ID, v.Status)
	case format != "" && format != "raw" || container != "" && container != "bare":
		return nil, api.BadRequest("Invalid image: images of volumes are raw and bare here.")
	case base == nil:
		return nil, api.BadRequest("Invalid volume: Volume %s has no data: it was not made from an image that is still there.", v.ID)
	}
	m := &db.Image{
		Meta: db.Meta{ID: db.NewUUID()}, Name: name, Status: "saving", Visibility: "private", Owner: v.ProjectID, MinDisk: v.Size,
		Size: -1, VirtualSize: -1, Due: s.db.Now().Add(s.Delay), Properties: maps.Clone(v.ImageMeta),
	}
	m.Properties["base_image_ref"] = base.ID
	if base.Snapshot {
		m.Properties["base_image_ref"] = base.Properties["base_image_ref"]
	}
	all := s.attachmentsOf(v.ID)
	if i := slices.IndexFunc(all, func(a *db.Attachment) bool { return a.BootIndex == 0 }); i >= 0 && s.Guests {
		m.Due, m.SnapshotOf = time.Time{}, all[i].ServerID // saved in the background
	} else if err := s.Images.Copy(m, base); err != nil {
		return nil, err
	}
	s.db.Images.Insert(m)
	s.begin(v, "uploading", v.Status)
	s.db.Volumes.Put(v)
	return api.Accepted(api.Obj{"os-volume_upload_image": api.Obj{
		"id": v.ID, "image_id": m.ID, "image_name": name, "status": "uploading", "size": v.Size, "container_format": "bare",
		"disk_format": "raw", "display_description": v.Description, "updated_at": api.Micros(v.Updated), "volume_type": nil,
	}})
}
