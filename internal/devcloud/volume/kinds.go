package volume

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// The kinds of object besides volumes and their attachments.
const (
	kindType     = "volume_type"
	kindAccess   = "volume_type_access"
	kindSnapshot = "snapshot"
	kindBackup   = "backup"
	kindTransfer = "transfer"
)

// defaultType is the type of volumes that ask for none.
const defaultType = "__DEFAULT__"

// base is where the project's resources are.
const base = "/v3/{project}/"

// AddType adds a volume type, inside an update of the database.
func AddType(d *db.DB, name, description string) {
	d.PutObject(&db.Object{Kind: kindType, Attrs: api.Obj{"name": name, "description": description}})
}

// collection completes a kind with what Cinder's have in common: objects are
// their project's, lists go through page.
func (s *Service) collection(c api.Collection) *api.Collection {
	c.DB, c.Page = s.db, page
	if c.Update == "" {
		c.Update = "PUT"
	}
	if c.Missing == nil {
		c.Missing = func(id string) error { return api.NotFound("%s %s could not be found.", class(c.Kind), id) }
	}
	if c.Allow == nil {
		c.Allow = func(r *api.Request, action string, o *db.Object) error {
			if strings.HasPrefix(action, "os-") && !r.Auth.Admin() && action != "os-update_snapshot_status" {
				return api.Forbidden("Policy doesn't allow volume_extension:%s_admin_actions:%s to be performed.", c.Kind, strings.TrimPrefix(action, "os-"))
			}
			if o != nil && o.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
				return c.Missing(o.Key)
			}
			return nil
		}
		c.Match = func(r *api.Request, o *db.Object) bool {
			return o.ProjectID == r.Auth.ProjectID || r.Auth.Admin() && r.Query("all_tenants") != ""
		}
	}
	show := c.Show
	c.Show = func(r *api.Request, o *db.Object, v api.Obj) {
		if _, dated := c.Defaults["created_at"]; dated {
			v["created_at"], v["updated_at"] = api.Micros(o.Created), api.Micros(o.Updated)
		}
		if show != nil {
			show(r, o, v)
		}
	}
	return &c
}

// action is what an object of a kind can be told.
type action = func(r *api.Request, o *db.Object, in api.Obj) (*api.Reply, error)

func (s *Service) kinds() []*api.Collection {
	reset := func(r *api.Request, o *db.Object, in api.Obj) (*api.Reply, error) {
		s.db.PutObject(o.Set(api.Obj{"status": in["status"]}))
		return nil, nil
	}
	drop := func(r *api.Request, o *db.Object, _ api.Obj) (*api.Reply, error) {
		s.db.Plan(o, "deleting", "deleted", s.Delay)
		return nil, nil
	}
	types := api.Collection{
		Kind: kindType, Single: kindType, Plural: "volume_types", Path: base + "types", Made: 200, Gone: 202,
		Defaults: api.Obj{"description": nil, "is_public": true, "extra_specs": api.Obj{}, "qos_specs_id": nil},
		Allow:    s.allowType, Match: s.typeVisible, Check: s.checkType, Removed: s.removeType,
		Missing: func(id string) error { return api.NotFound("Volume type %s could not be found.", id) },
		Show:    func(_ *api.Request, _ *db.Object, v api.Obj) { v["os-volume-type-access:is_public"] = v["is_public"] },
		Actions: map[string]action{
			"addProjectAccess": func(_ *api.Request, o *db.Object, in api.Obj) (*api.Reply, error) {
				s.db.PutObject(&db.Object{Kind: kindAccess, Key: o.Key + "/" + fmt.Sprint(in["project"]), Parent: o.Key, ProjectID: fmt.Sprint(in["project"])})
				return nil, nil
			},
			"removeProjectAccess": func(_ *api.Request, o *db.Object, in api.Obj) (*api.Reply, error) {
				s.db.DeleteObject(kindAccess, o.Key+"/"+fmt.Sprint(in["project"]))
				return nil, nil
			},
		},
	}
	snapshots := api.Collection{
		Kind: kindSnapshot, Single: "snapshot", Plural: "snapshots", Path: base + "snapshots", Made: 202, Gone: 202, Lasting: s.Delay, Required: []string{"volume_id"},
		Brief:    []string{"id", "created_at", "updated_at", "name", "description", "volume_id", "status", "size", "metadata"},
		Defaults: api.Obj{"name": nil, "description": nil, "metadata": api.Obj{}, "created_at": nil},
		Hidden:   []string{"force"}, Check: s.checkPart,
		Removed: func(_ *api.Request, o *db.Object) error {
			if st := o.Text("status"); st != "available" && st != "error" {
				return api.BadRequest("Invalid snapshot: Snapshot status must be available or error, but current status is: %s", st)
			}
			return nil
		},
		Show: func(_ *api.Request, o *db.Object, v api.Obj) {
			v["os-extended-snapshot-attributes:project_id"], v["os-extended-snapshot-attributes:progress"] = o.ProjectID, "0%"
			if o.Text("status") == "available" {
				v["os-extended-snapshot-attributes:progress"] = "100%"
			}
		},
		Actions: map[string]action{
			"os-reset_status": reset, "os-update_snapshot_status": reset, "os-force_delete": drop,
		},
	}
	backups := api.Collection{
		Kind: kindBackup, Single: "backup", Plural: "backups", Path: base + "backups", Made: 202, Gone: 202, Lasting: s.Delay, Required: []string{"volume_id"},
		Brief: []string{"id", "name", "links"},
		Defaults: api.Obj{
			"name": nil, "description": nil, "snapshot_id": nil, "fail_reason": nil, "object_count": 1, "created_at": nil,
			"has_dependent_backups": false, "availability_zone": zone, "container": "volumebackups",
		},
		Hidden: []string{"force", "incremental"}, Check: s.checkPart,
		Removed: snapshots.Removed,
		Show: func(r *api.Request, o *db.Object, v api.Obj) {
			v["is_incremental"], v["data_timestamp"] = o.Bool("incremental"), api.Micros(o.Created)
			v["links"] = s.links(r, "backups", r.Auth.ProjectID, o.Key)
		},
		Actions: map[string]action{"os-reset_status": reset, "os-force_delete": drop},
	}
	transfers := api.Collection{
		Kind: kindTransfer, Single: "transfer", Plural: "transfers", Path: base + "os-volume-transfer", Made: 202, Gone: 202, Update: "-",
		Required: []string{"volume_id"}, Brief: []string{"id", "name", "volume_id", "links"}, Hidden: []string{"auth_key"},
		Defaults: api.Obj{"name": nil, "created_at": nil}, Check: s.checkTransfer,
		Removed: func(_ *api.Request, o *db.Object) error {
			if v := s.db.Volumes.Get(o.Text("volume_id")); v != nil {
				v.Status = "available"
				s.db.Volumes.Put(v)
			}
			return nil
		},
		Show: func(r *api.Request, o *db.Object, v api.Obj) {
			delete(v, "updated_at")
			if r.HTTP.Method == "POST" && o.Updated.IsZero() {
				v["auth_key"] = o.Text("auth_key")
			}
			v["links"] = s.links(r, "os-volume-transfer", r.Auth.ProjectID, o.Key)
		},
	}
	return []*api.Collection{s.collection(types), s.collection(snapshots), s.collection(backups), s.collection(transfers)}
}

// kindRoutes are the calls for volume types, snapshots, backups and transfers.
func (s *Service) kindRoutes() []api.Route {
	kinds := s.kinds()
	types, snapshots, backups, transfers := kinds[0], kinds[1], kinds[2], kinds[3]
	var routes []api.Route
	for _, c := range kinds {
		routes = append(routes, c.Routes()...)
	}
	routes = append(routes, types.Dictionary("extra_specs", "", 202).Routes()...)
	routes = append(routes, snapshots.Dictionary("metadata", "meta", 0).Routes()...)
	return append(routes,
		api.Route{Method: "GET", Path: types.Path + "/default", Do: func(r *api.Request) (*api.Reply, error) {
			v := types.View(r, s.findType(defaultType))
			return api.OK(api.Obj{"volume_type": v})
		}},
		api.Route{Method: "GET", Path: types.Path + "/{id}/os-volume-type-access", Do: func(r *api.Request) (*api.Reply, error) {
			return types.Use(r, "list_access", func(o *db.Object) (*api.Reply, error) {
				access := s.db.Objects(kindAccess, func(a *db.Object) bool { return a.Parent == o.Key })
				view := func(a *db.Object) api.Obj { return api.Obj{"volume_type_id": o.Key, "project_id": a.ProjectID} }
				return api.OK(api.Obj{"volume_type_access": api.Views(access, view)})
			})
		}},
		api.Route{Method: "POST", Path: backups.Path + "/{id}/restore", Do: func(r *api.Request) (*api.Reply, error) {
			return s.restore(r, backups)
		}},
		api.Route{Method: "POST", Path: transfers.Path + "/{id}/accept", Do: s.acceptTransfer},
	)
}

func (s *Service) findType(ref string) *db.Object {
	return s.db.FirstObject(kindType, func(t *db.Object) bool { return t.Key == ref || t.Text("name") == ref })
}

// typeVisible tells whether a volume type is public or shared with the caller.
func (s *Service) typeVisible(r *api.Request, o *db.Object) bool {
	return r.Auth.Admin() || o.Attrs["is_public"] != false || s.db.Object(kindAccess, o.Key+"/"+r.Auth.ProjectID) != nil
}

func (s *Service) allowType(r *api.Request, action string, o *db.Object) error {
	switch {
	case action == "get" && !s.typeVisible(r, o):
		return api.NotFound("Volume type %s could not be found.", o.Key)
	case action != "get" && action != "list" && !r.Auth.Admin():
		return api.Forbidden("Policy doesn't allow volume_extension:type_%s to be performed.", action)
	}
	return nil
}

func (s *Service) checkType(_ *api.Request, o *db.Object, in api.Obj) error {
	if public, ok := in["os-volume-type-access:is_public"].(bool); ok {
		o.Set(api.Obj{"is_public": public})
		delete(o.Attrs, "os-volume-type-access:is_public")
	}
	if have := s.findType(o.Text("name")); have != nil && have.Key != o.Key {
		return api.Conflict("Volume Type %s already exists.", o.Text("name"))
	}
	if old := s.db.Object(kindType, o.Key); old != nil {
		for _, v := range s.db.Volumes.Where(func(v *db.Volume) bool { return v.Type == old.Text("name") }) {
			v.Type = o.Text("name")
			s.db.Volumes.Put(v)
		}
	}
	return nil
}

func (s *Service) removeType(_ *api.Request, o *db.Object) error {
	name := o.Text("name")
	if name == defaultType || s.db.Volumes.First(func(v *db.Volume) bool { return v.Type == name }) != nil {
		return api.BadRequest("Target volume type is still in use.")
	}
	s.db.DeleteObjects(kindAccess, func(a *db.Object) bool { return a.Parent == o.Key })
	return nil
}

// subject is the volume that a snapshot, a backup or a transfer is of.
func (s *Service) subject(r *api.Request, o *db.Object, inUse bool) (*db.Volume, error) {
	v := s.db.Volumes.Get(o.Text("volume_id"))
	if v == nil || v.ProjectID != r.Auth.ProjectID {
		return nil, errVolume(o.Text("volume_id"))
	}
	if v.Status != "available" && !(inUse && v.Status == "in-use") {
		return nil, api.BadRequest("Invalid volume: Volume %s status must be available, but current status is: %s.", v.ID, v.Status)
	}
	return v, nil
}

// forced tells that a body says force, in one of the ways clients do.
func forced(in api.Obj) bool { return says(in["force"]) }

// checkPart starts making a snapshot or a backup.
func (s *Service) checkPart(r *api.Request, o *db.Object, in api.Obj) error {
	if o.Seq != 0 {
		return nil
	}
	inUse := forced(in) || o.Kind == kindSnapshot && r.Version.AtLeast(v3(66))
	v, err := s.subject(r, o, inUse)
	if err == nil {
		err = s.checkQuota(o.ProjectID, o.Kind+"s", v.Size)
	}
	if err != nil {
		return err
	}
	o.Set(api.Obj{"status": "creating", "size": v.Size})
	o.NextStatus, o.Due = "available", s.db.Now().Add(s.Delay)
	return nil
}

// restore puts a backup's content into a volume, a new one unless the call
// names one.
func (s *Service) restore(r *api.Request, backups *api.Collection) (*api.Reply, error) {
	in, err := r.Object("restore")
	if err != nil {
		return nil, err
	}
	return backups.Use(r, "restore", func(o *db.Object) (*api.Reply, error) {
		if o.Text("status") != "available" {
			return nil, api.BadRequest("Invalid backup: Backup status must be available")
		}
		id, _ := in["volume_id"].(string)
		v := s.db.Volumes.Get(id)
		switch {
		case id == "":
			name, _ := in["name"].(string)
			v = &db.Volume{Name: cmp.Or(name, "restore_backup_"+o.Key), ProjectID: o.ProjectID, UserID: r.Auth.UserID, Size: o.Int("size"), Zone: zone}
			if err := s.Insert(v, r.Auth.Admin()); err != nil {
				return nil, err
			}
		case v == nil || v.ProjectID != o.ProjectID:
			return nil, errVolume(id)
		case v.Status != "available":
			return nil, api.BadRequest("Invalid volume: Volume to be restored to must be available")
		case v.Size < o.Int("size"):
			return nil, api.BadRequest("Invalid volume: volume size %d is too small to restore backup of size %d.", v.Size, o.Int("size"))
		}
		s.begin(v, "restoring-backup", "available")
		s.db.Volumes.Put(v)
		s.db.Plan(o, "restoring", "available", s.Delay)
		return api.Accepted(api.Obj{"restore": api.Obj{"backup_id": o.Key, "volume_id": v.ID, "volume_name": v.Name}})
	})
}

func (s *Service) checkTransfer(r *api.Request, o *db.Object, _ api.Obj) error {
	v, err := s.subject(r, o, false)
	if err != nil {
		return err
	}
	v.Status = "awaiting-transfer"
	s.db.Volumes.Put(v)
	o.Set(api.Obj{"auth_key": strings.ReplaceAll(db.NewUUID(), "-", "")[:16]})
	return nil
}

// acceptTransfer makes a volume the caller's, who knows the transfer's key.
func (s *Service) acceptTransfer(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("accept")
	if err != nil {
		return nil, err
	}
	o := s.db.Object(kindTransfer, r.Var("id"))
	if o == nil {
		return nil, api.NotFound("Transfer %s could not be found.", r.Var("id"))
	}
	v := s.db.Volumes.Get(o.Text("volume_id"))
	if v == nil || in["auth_key"] != o.Text("auth_key") {
		return nil, api.BadRequest("Invalid auth key: Attempt to transfer %s with invalid auth key.", o.Key)
	}
	if err := s.checkQuota(r.Auth.ProjectID, "volumes", v.Size); err != nil {
		return nil, err
	}
	v.ProjectID, v.UserID, v.Status = r.Auth.ProjectID, r.Auth.UserID, "available"
	s.db.Volumes.Put(v)
	s.db.DeleteObject(kindTransfer, o.Key)
	out := api.Obj{"id": o.Key, "name": o.Attrs["name"], "volume_id": v.ID, "links": s.links(r, "os-volume-transfer", r.Auth.ProjectID, o.Key)}
	return api.Accepted(api.Obj{"transfer": out})
}
