package volume

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// The operations below are Nova's side of Cinder too. All run with the database
// locked, inside a transaction.

// Insert checks a volume to be made as Cinder does and starts making it.
func (s *Service) Insert(v *db.Volume, admin bool) error {
	if v.SnapshotID != "" {
		sn := s.db.Object(kindSnapshot, v.SnapshotID)
		if sn == nil || sn.ProjectID != v.ProjectID && !admin {
			return errSnapshot(v.SnapshotID)
		}
		if sn.Text("status") != "available" {
			return api.BadRequest("Invalid snapshot: Originating snapshot status must be one of 'available' values")
		}
		size := sn.Int("size")
		v.Size = cmp.Or(v.Size, size)
		if v.Size < size {
			return api.BadRequest(
				"Invalid input received: Invalid volume size provided for create request: %d. (size argument must be an integer (or string representation of an integer) and greater than or equal to the snapshot size %d).",
				v.Size, size,
			)
		}
		if src := s.db.Volumes.Get(sn.Text("volume_id")); src != nil {
			v.Bootable, v.ImageMeta, v.Type = src.Bootable, src.ImageMeta, cmp.Or(v.Type, src.Type)
		}
	}
	if v.SourceVolume != "" {
		src := s.db.Volumes.Get(v.SourceVolume)
		if src == nil || src.ProjectID != v.ProjectID && !admin {
			return errVolume(v.SourceVolume)
		}
		v.Size = cmp.Or(v.Size, src.Size)
		if v.Size < src.Size {
			return api.BadRequest("Invalid input received: Clones currently must be >= original volume size.")
		}
		v.Bootable, v.ImageMeta, v.Type = src.Bootable, src.ImageMeta, cmp.Or(v.Type, src.Type)
	}
	if v.ImageID != "" {
		img, err := s.source(v.ProjectID, admin, v.ImageID)
		if err != nil {
			return err
		}
		if v.Size > 0 && v.Size < img.MinDisk {
			return api.BadRequest(
				"Invalid input received: Volume size %dGB cannot be smaller than the image minDisk size %dGB.",
				v.Size, img.MinDisk,
			)
		}
		v.Bootable = true
		v.ImageMeta = imageMeta(img)
	}
	if v.Size == 0 {
		return api.BadRequest(
			"The server could not comply with the request since it is either malformed or otherwise incorrect.",
		)
	}
	v.Type = cmp.Or(v.Type, defaultType)
	t := s.findType(v.Type)
	if t == nil {
		return api.NotFound("Volume type with name %s could not be found.", v.Type)
	}
	v.Type, v.Multiattach = t.Text("name"), t.Dict("extra_specs")["multiattach"] == "<is> True"
	if v.Zone != zone {
		return api.BadRequest("Availability zone '%s' is invalid.", v.Zone)
	}
	if err := s.checkQuota(v.ProjectID, "volumes", v.Size); err != nil {
		return err
	}
	s.begin(v, "creating", "available")
	if s.Fail(v.Name) {
		v.NextStatus = "error"
	}
	s.db.Volumes.Insert(v)
	return nil
}

// source is the image that a volume's data are to be.
func (s *Service) source(project string, admin bool, id string) (*db.Image, error) {
	img := s.Images.Usable(project, admin, id)
	if img == nil || img.Status != "active" {
		return nil, api.BadRequest("Invalid image identifier or unable to access requested image.")
	}
	return img, nil
}

// imageMeta is what a volume made of an image says of it.
func imageMeta(img *db.Image) map[string]string {
	return map[string]string{
		"signature_verified": "False", "image_id": img.ID, "image_name": img.Name, "checksum": img.Checksum, "container_format": img.Container,
		"disk_format": img.DiskFormat, "min_disk": strconv.Itoa(img.MinDisk), "min_ram": strconv.Itoa(img.MinRAM), "size": strconv.FormatInt(img.Size, 10),
	}
}

// Delete starts deleting a volume.
func (s *Service) Delete(v *db.Volume, cascade bool) error {
	snaps := s.db.Objects(kindSnapshot, func(x *db.Object) bool { return x.Text("volume_id") == v.ID })
	ok := slices.Contains(
		[]string{"available", "error", "error_restoring", "error_extending", "error_managing"}, v.Status,
	)
	if !ok || len(snaps) > 0 && !cascade || len(s.attachmentsOf(v.ID)) > 0 {
		return api.BadRequest(
			"Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.",
		)
	}
	for _, x := range snaps {
		s.db.DeleteObject(kindSnapshot, x.Key)
	}
	s.begin(v, "deleting", "deleted")
	s.db.Volumes.Put(v)
	return nil
}

// Attach starts attaching a volume to a server.
func (s *Service) Attach(v *db.Volume, a *db.Attachment) error {
	switch have := s.attachmentsOf(v.ID); {
	case len(have) > 0 && !v.Multiattach:
		return api.BadRequest("Invalid volume: volume %s is already attached to instances: %s", v.ID, have[0].ServerID)
	case v.Status != "available" && v.Status != "in-use":
		return api.BadRequest("Invalid volume: volume '%s' status must be 'available' or 'in-use'. Currently in '%s'", v.ID, v.Status)
	}
	a.VolumeID, a.ProjectID, a.Status, a.BDM, a.Mode = v.ID, v.ProjectID, "reserved", db.NewUUID(), "rw"
	a.Due = s.db.Now().Add(s.Delay)
	v.Status, v.NextStatus, v.Due = "reserved", "", time.Time{}
	s.db.Volumes.Put(v)
	s.db.Attachments.Insert(a)
	return nil
}

// AttachNow attaches a volume at once, as at a server's build.
func (s *Service) AttachNow(v *db.Volume, a *db.Attachment) error {
	if err := s.Attach(v, a); err != nil {
		return err
	}
	s.attached(a)
	return nil
}

func (s *Service) attached(a *db.Attachment) {
	a.Status, a.Attached, a.Due = "attached", s.db.Now(), time.Time{}
	s.db.Attachments.Put(a)
	if v := s.db.Volumes.Get(a.VolumeID); v != nil {
		v.Status = "in-use"
		s.db.Volumes.Put(v)
	}
}

// Detach starts detaching a volume.
func (s *Service) Detach(a *db.Attachment) {
	a.Status, a.Due = "detaching", s.db.Now().Add(s.Delay)
	s.db.Attachments.Put(a)
	if v := s.db.Volumes.Get(a.VolumeID); v != nil {
		v.Status = "detaching"
		s.db.Volumes.Put(v)
	}
}

// DetachNow ends an attachment; with it goes the volume if Nova was told so.
func (s *Service) DetachNow(a *db.Attachment, terminate bool) {
	s.db.Attachments.Delete(a.ID)
	v := s.db.Volumes.Get(a.VolumeID)
	if v == nil {
		return
	}
	v.Status, v.NextStatus, v.Due = "available", "", time.Time{}
	if len(s.attachmentsOf(v.ID)) > 0 {
		v.Status = "in-use"
	}
	s.db.Volumes.Put(v)
	if terminate && a.DeleteOnTermination {
		_ = s.Delete(v, false) // one with snapshots stays, as with Nova
	}
}

// Advance performs due transitions inside a transaction and returns when the
// next thing is.
func (s *Service) Advance(now time.Time) (next time.Time) {
	s.db.Attachments.Due(now, &next, func(a *db.Attachment) time.Time { return a.Due }, func(a *db.Attachment) {
		if a.Status == "detaching" {
			s.DetachNow(a, false)
		} else {
			s.attached(a)
		}
	})
	s.db.Volumes.Due(now, &next, func(v *db.Volume) time.Time { return v.Due }, func(v *db.Volume) {
		if v.NextStatus == "deleted" {
			s.db.Volumes.Delete(v.ID)
			return
		}
		v.Status, v.NextStatus, v.Due = v.NextStatus, "", time.Time{}
		if v.NextSize > 0 {
			v.Size, v.NextSize = v.NextSize, 0
		}
		s.db.Volumes.Put(v)
	})
	db.Earlier(&next, s.db.AdvanceObjects(now))
	return next
}

// attachmentView is an attachment as a list shows it, or in full.
func attachmentView(a *db.Attachment, detail bool) api.Obj {
	o := api.Obj{"id": a.ID, "status": a.Status, "instance": a.ServerID, "volume_id": a.VolumeID}
	if detail {
		o["attached_at"], o["detached_at"], o["attach_mode"], o["connection_info"] = api.Micros(a.Attached), nil, a.Mode, api.Obj{}
	}
	return o
}

// attachmentCalls show attachments and remove those without a server; Nova
// makes them.
func (s *Service) attachmentCalls() api.Calls {
	const all = base + "attachments"
	list := func(detail bool) api.Handler {
		return func(r *api.Request) (*api.Reply, error) {
			var views []api.Obj
			for _, a := range s.db.Attachments.Where(func(a *db.Attachment) bool { return a.ProjectID == r.Auth.ProjectID || r.Auth.Admin() }) {
				o := attachmentView(a, detail)
				o["instance_id"] = a.ServerID
				if pass(r, o) {
					delete(o, "instance_id")
					views = append(views, o)
				}
			}
			return page(r, "attachments", views, func(o api.Obj) api.Obj { return o })
		}
	}
	one := func(do func(a *db.Attachment) (*api.Reply, error)) api.Handler {
		return func(r *api.Request) (*api.Reply, error) {
			a := s.db.Attachments.Get(r.Var("id"))
			if a == nil || a.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
				return nil, api.NotFound("Volume attachment could not be found with filter: attachment_id = %s.", r.Var("id"))
			}
			return do(a)
		}
	}
	return api.Calls{
		"GET " + all: list(false), "GET " + all + "/detail": list(true),
		"POST " + all: func(*api.Request) (*api.Reply, error) {
			return nil, api.Forbidden("Attachments are not made here: attach the volume to a server by the Compute API, or use the action os-attach.")
		},
		"GET " + all + "/{id}": one(func(a *db.Attachment) (*api.Reply, error) {
			return api.OK(api.Obj{"attachment": attachmentView(a, true)})
		}),
		"DELETE " + all + "/{id}": one(func(a *db.Attachment) (*api.Reply, error) {
			if s.db.Servers.Get(a.ServerID) != nil {
				return nil, api.Conflict("Detach volume from instance %s using the Compute API", a.ServerID)
			}
			s.DetachNow(a, false)
			return api.OK(api.Obj{"attachments": api.List{}})
		}),
	}
}
