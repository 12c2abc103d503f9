package volume

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// action answers POST /volumes/ID/action, whose body has one key: the action's
// name.
func (s *Service) action(r *api.Request, v *db.Volume) (*api.Reply, error) {
	name, arg, err := r.Action()
	if err != nil {
		return nil, err
	}
	do, ok := s.actions()[name]
	if !ok {
		return nil, api.BadRequest(
			"There is no such action: %s. Verify the request body and Content-Type header and try again.", name)
	}
	in, _ := arg.(api.Obj)
	reply, err := do(r, v, in)
	if reply == nil && err == nil {
		return api.Accepted(nil)
	}
	return reply, err
}

type actionFunc func(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error)

func (s *Service) actions() map[string]actionFunc {
	return map[string]actionFunc{
		"os-extend":               s.extend,
		"os-attach":               s.osAttach,
		"os-detach":               s.osDetach,
		"os-reserve":              s.reserve,
		"os-unreserve":            s.unreserve,
		"os-set_bootable":         s.setBootable,
		"os-retype":               s.retype,
		"os-reset_status":         s.resetStatus,
		"os-force_delete":         s.forceDelete,
		"os-set_image_metadata":   s.setImageMetadata,
		"os-unset_image_metadata": s.unsetImageMetadata,
		"os-reimage":              s.reimage,
		"os-volume_upload_image":  s.uploadImage,
	}
}

func (s *Service) extend(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	if in["new_size"] == nil {
		return nil, api.BadRequest("Invalid input for field/attribute os-extend. Value: {}. 'new_size' is a required property")
	}
	size, ok := sizeOf(in["new_size"])
	if !ok {
		return nil, api.BadRequest("Invalid input for field/attribute new_size. Value: %v. '%v' does not match '^[0-9]+$'",
			in["new_size"], in["new_size"])
	}
	if v.Status != "available" && !(v.Status == "in-use" && r.Version.AtLeast(v3(42))) {
		return nil, api.BadRequest(
			"Invalid volume: Volume %s status must be '('available',)' to extend, currently %s.", v.ID,
			v.Status,
		)
	}
	if size <= v.Size {
		return nil, api.BadRequest(
			"Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).",
			v.Size, size,
		)
	}
	if err := s.checkGigabytes(v.ProjectID, size-v.Size); err != nil {
		return nil, err
	}
	v.NextStatus, v.NextSize, v.Due = v.Status, size, s.db.Now().Add(s.Delay)
	v.Status = "extending"
	s.db.Volumes.Put(v)
	return nil, nil
}

func (s *Service) reserve(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	if v.Status != "available" {
		return nil, api.BadRequest(
			"Invalid volume: Volume status must be available to reserve, but the status is %s.", v.Status,
		)
	}
	v.Status = "attaching"
	s.db.Volumes.Put(v)
	return nil, nil
}

func (s *Service) unreserve(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	v.Status = "available"
	s.db.Volumes.Put(v)
	return nil, nil
}

func (s *Service) osAttach(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	server, _ := in["instance_uuid"].(string)
	device, _ := in["mountpoint"].(string)
	if v.Status == "attaching" {
		v.Status = "available"
	}
	return nil, s.AttachNow(v, &db.Attachment{ServerID: server, Device: device, BootIndex: -1})
}

func (s *Service) osDetach(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
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

func (s *Service) setBootable(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	v.Bootable = says(in["bootable"])
	s.db.Volumes.Put(v)
	return api.OK(nil)
}

func (s *Service) retype(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	name, _ := in["new_type"].(string)
	t := s.findType(name)
	if t == nil {
		return nil, api.NotFound("Volume type with name %s could not be found.", name)
	}
	v.Type = t.Text("name")
	s.db.Volumes.Put(v)
	return nil, nil
}

func (s *Service) resetStatus(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("volume_admin_actions:reset_status")
	}
	if status, ok := in["status"].(string); ok {
		v.Status = status
	}
	s.db.Volumes.Put(v)
	return nil, nil
}

func (s *Service) forceDelete(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("volume_admin_actions:force_delete")
	}
	for _, a := range s.attachmentsOf(v.ID) {
		s.db.Attachments.Delete(a.ID)
	}
	v.Status = "error"
	return nil, s.Delete(v, true)
}

func (s *Service) setImageMetadata(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	m, _ := in["metadata"].(api.Obj)
	v.ImageMeta = maps.Clone(api.Dict(v.ImageMeta))
	maps.Copy(v.ImageMeta, texts(m))
	s.db.Volumes.Put(v)
	return api.OK(api.Obj{"metadata": v.ImageMeta})
}

func (s *Service) unsetImageMetadata(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
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
func (s *Service) reimage(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	id, _ := in["image_id"].(string)
	img := s.Images.Usable(v.ProjectID, r.Auth.Admin(), id)
	if img == nil || img.Status != "active" {
		return nil, api.BadRequest("Invalid image identifier or unable to access requested image.")
	}
	if v.Status != "available" && v.Status != "error" {
		return nil, api.Conflict("Invalid volume: Volume %s status must be available or error, but current status is: %s.", v.ID, v.Status)
	}
	v.ImageID, v.ImageMeta = img.ID, imageMeta(img)
	v.Status, v.NextStatus, v.Due = "downloading", "available", s.db.Now().Add(s.Delay)
	s.db.Volumes.Put(v)
	return nil, nil
}

// uploadImage makes an image of a volume's data: those of the server that boots
// from it, else of the image that it was made of.
func (s *Service) uploadImage(r *api.Request, v *db.Volume, in api.Obj) (*api.Reply, error) {
	name, _ := first(in, "image_name")
	format, _ := first(in, "disk_format")
	container, _ := first(in, "container_format")
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
	v.NextStatus, v.Due = v.Status, s.db.Now().Add(s.Delay)
	v.Status = "uploading"
	s.db.Volumes.Put(v)
	return api.Accepted(api.Obj{"os-volume_upload_image": api.Obj{
		"id": v.ID, "image_id": m.ID, "image_name": name, "status": "uploading", "size": v.Size, "container_format": "bare",
		"disk_format": "raw", "display_description": v.Description, "updated_at": api.Micros(v.Updated), "volume_type": nil,
	}})
}
