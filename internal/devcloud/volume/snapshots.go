package volume

import (
	"cmp"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func snapshotView(x *db.Snapshot, detail bool) api.Obj {
	var description any
	if x.HasDescription {
		description = x.Description
	}
	o := api.Obj{
		"id": x.ID, "created_at": stamp(x.Created), "updated_at": stamp(x.Updated), "name": x.Name, "description": description,
		"volume_id": x.VolumeID, "status": x.Status, "size": x.Size, "metadata": dict(x.Metadata),
	}
	if detail {
		progress := "0%"
		if x.Status == "available" {
			progress = "100%"
		}
		o["os-extended-snapshot-attributes:project_id"], o["os-extended-snapshot-attributes:progress"] = x.ProjectID, progress
	}
	return o
}

func (s *Service) findSnapshot(r *api.Request) (*db.Snapshot, error) {
	x := s.db.Snapshots.Get(r.Var("id"))
	if x == nil || x.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, errSnapshot(r.Var("id"))
	}
	return x, nil
}

func (s *Service) listSnapshots(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		var views []api.Obj
		s.db.View(func() {
			for _, x := range s.db.Snapshots.All() {
				if x.ProjectID != r.Auth.ProjectID && !(r.Auth.Admin() && q.Get("all_tenants") != "") {
					continue
				}
				if o := snapshotView(x, detail); pass(o, q) {
					views = append(views, o)
				}
			}
		})
		return page(r, "snapshots", views, func(o api.Obj) api.Obj { return o })
	}
}

func (s *Service) createSnapshot(r *api.Request) (*api.Reply, error) {
	var b struct {
		Snapshot *struct {
			VolumeID          string `json:"volume_id"`
			Name, Description *string
			Force             any
			Metadata          map[string]string
		}
	}
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	if b.Snapshot == nil {
		return nil, api.BadRequest("'snapshot' is a required property")
	}
	if b.Snapshot.VolumeID == "" {
		return nil, api.BadRequest(
			"Invalid input for field/attribute snapshot. Value: {}. 'volume_id' is a required property",
		)
	}
	x := &db.Snapshot{
		Name: deref(
			b.Snapshot.Name,
		), Description: deref(b.Snapshot.Description), HasDescription: b.Snapshot.Description != nil,
		ProjectID: r.Auth.ProjectID, UserID: r.Auth.UserID, VolumeID: b.Snapshot.VolumeID, Status: "creating", Metadata: b.Snapshot.Metadata,
	}
	var o api.Obj
	err := s.db.Update(func() error {
		v := s.db.Volumes.Get(x.VolumeID)
		if v == nil || v.ProjectID != r.Auth.ProjectID {
			return errVolume(x.VolumeID)
		}
		forced := b.Snapshot.Force == true || b.Snapshot.Force == "true" || b.Snapshot.Force == "True" ||
			r.Version.AtLeast(v3(66))
		if v.Status != "available" && !(forced && v.Status == "in-use") {
			return api.BadRequest(
				"Invalid volume: Volume %s status must be available, but current status is: %s.",
				v.ID,
				v.Status,
			)
		}
		if err := s.checkQuota(x.ProjectID, "snapshots", v.Size); err != nil {
			return err
		}
		x.Size, x.NextStatus, x.Due = v.Size, "available", s.db.Now().Add(s.Delay)
		s.db.Snapshots.Insert(x)
		o = snapshotView(x, false)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(api.Obj{"snapshot": o})
}

func (s *Service) showSnapshot(r *api.Request) (*api.Reply, error) {
	var x *db.Snapshot
	var err error
	s.db.View(func() { x, err = s.findSnapshot(r) })
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"snapshot": snapshotView(x, true)})
}

func (s *Service) updateSnapshot(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("snapshot")
	if err != nil {
		return nil, err
	}
	var x *db.Snapshot
	err = s.db.Update(func() error {
		var err error
		if x, err = s.findSnapshot(r); err != nil {
			return err
		}
		name, _ := in["name"].(string)
		x.Name = cmp.Or(name, x.Name)
		if d, ok := in["description"].(string); ok {
			x.Description, x.HasDescription = d, true
		}
		s.db.Snapshots.Put(x)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"snapshot": snapshotView(x, false)})
}

func (s *Service) removeSnapshot(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		x, err := s.findSnapshot(r)
		if err != nil {
			return err
		}
		if x.Status != "available" && x.Status != "error" {
			return api.BadRequest(
				"Invalid snapshot: Snapshot status must be available or error, but current status is: %s",
				x.Status,
			)
		}
		x.Status, x.NextStatus, x.Due = "deleting", "deleted", s.db.Now().Add(s.Delay)
		s.db.Snapshots.Put(x)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone()
}
