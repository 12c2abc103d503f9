package volume

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

const maxPage = 1000

func (s *Service) links(r *api.Request, kind, project, id string) api.List {
	return api.List{
		api.Obj{"rel": "self", "href": r.Root + "/v3/" + project + "/" + kind + "/" + id},
		api.Obj{"rel": "bookmark", "href": r.Root + "/" + project + "/" + kind + "/" + id},
	}
}

func (s *Service) view(r *api.Request, v *db.Volume, detail bool) api.Obj {
	attachments := api.Views(s.attachmentsOf(v.ID), func(a *db.Attachment) api.Obj {
		if a.Status == "reserved" {
			return nil
		}
		return api.Obj{
			"id": v.ID, "attachment_id": a.ID, "volume_id": v.ID, "server_id": a.ServerID, "host_name": nil,
			"device": a.Device, "attached_at": api.Micros(a.Attached),
		}
	})
	o := api.Obj{
		"id": v.ID, "status": v.Status, "size": v.Size, "availability_zone": v.Zone, "created_at": api.Micros(v.Created),
		"updated_at": api.Micros(v.Updated), "name": v.Name, "description": v.Description, "volume_type": v.Type,
		"snapshot_id": api.OrNil(v.SnapshotID), "source_volid": api.OrNil(v.SourceVolume), "metadata": api.Dict(v.Metadata),
		"links": s.links(r, "volumes", r.Auth.ProjectID, v.ID), "user_id": v.UserID, "bootable": fmt.Sprint(v.Bootable),
		"encrypted": false, "replication_status": nil, "consistencygroup_id": nil, "multiattach": v.Multiattach,
		"attachments": attachments,
	}
	if len(v.ImageMeta) > 0 && detail {
		o["volume_image_metadata"] = v.ImageMeta
	}
	if detail {
		o["os-vol-tenant-attr:tenant_id"] = v.ProjectID
		if r.Auth.Admin() {
			o["os-vol-host-attr:host"], o["os-vol-mig-status-attr:migstat"] = "devcloud@files#files", nil
			o["os-vol-mig-status-attr:name_id"], o["migration_status"] = nil, nil
		}
	}
	since := func(minor int, more api.Obj) {
		if r.Version.AtLeast(v3(minor)) {
			maps.Copy(o, more)
		}
	}
	since(13, api.Obj{"group_id": nil})
	since(48, api.Obj{"shared_targets": false, "service_uuid": "2c5f424c-05ae-4101-bc1c-4969cc1b36c3"})
	if r.Auth.Admin() {
		since(61, api.Obj{"cluster_name": nil})
	}
	if t := s.findType(v.Type); t != nil {
		since(63, api.Obj{"volume_type_id": t.Key})
	}
	since(65, api.Obj{"consumes_quota": true})
	return o
}

func (s *Service) attachmentsOf(volume string) []*db.Attachment {
	return s.db.Attachments.Where(func(a *db.Attachment) bool { return a.VolumeID == volume })
}

func errVolume(id string) *api.Error   { return api.NotFound("Volume %s could not be found.", id) }
func errSnapshot(id string) *api.Error { return api.NotFound("Snapshot %s could not be found.", id) }

// find is the volume that the path names, if it is the caller's.
func (s *Service) find(r *api.Request) (*db.Volume, error) {
	v := s.db.Volumes.Get(r.Var("id"))
	if v == nil || v.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, errVolume(r.Var("id"))
	}
	return v, nil
}

// volume is a call about the volume that the path names.
func (s *Service) volume(do func(r *api.Request, v *db.Volume) (*api.Reply, error)) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		v, err := s.find(r)
		if err != nil {
			return nil, err
		}
		return do(r, v)
	}
}

func (s *Service) show(r *api.Request, v *db.Volume) (*api.Reply, error) {
	return api.OK(api.Obj{"volume": s.view(r, v, true)})
}

// page answers a list call: filters, order, limit and marker.
func page(r *api.Request, key string, views []api.Obj, show func(api.Obj) api.Obj) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	if _, ok := api.Order(views, q, sortKeys); !ok {
		return nil, api.BadRequest("Invalid input received: Invalid sort key")
	}
	total := len(views)
	if n := q.Get("offset"); n != "" {
		var k int
		if _, err := fmt.Sscan(n, &k); err != nil || k < 0 {
			return nil, api.BadRequest("Invalid input received: offset must be an integer")
		}
		views = views[min(k, len(views)):]
	}
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("limit param must be an integer")
	}
	found, next, err := api.Paginate(views, func(o api.Obj) string { return o["id"].(string) }, limit, maxPage, q.Get("marker"))
	if err != nil {
		return nil, api.NotFound("%s %s could not be found.", class(strings.TrimSuffix(key, "s")), q.Get("marker"))
	}
	body := api.Obj{key: api.Views(found, show)}
	if next != "" {
		body[key+"_links"] = api.List{api.Obj{"rel": "next", "href": api.NextURL(r, next)}}
	}
	if strings.EqualFold(q.Get("with_count"), "true") && r.Version.AtLeast(v3(45)) {
		body["count"] = total
	}
	return api.OK(body)
}

// sortKeys are the attributes a list can be sorted by.
var sortKeys = []string{"id", "status", "size", "availability_zone", "name", "bootable", "created_at", "updated_at"}

// pyDict reads a dictionary as Python writes one, or as JSON.
func pyDict(s string) map[string]string {
	out := map[string]string{}
	if json.Unmarshal([]byte(s), &out) != nil {
		_ = json.Unmarshal([]byte(strings.NewReplacer(`u'`, `"`, `'`, `"`).Replace(s)), &out) // else it is no filter
	}
	return out
}

// pass tells whether a view passes the query's filters.
func pass(r *api.Request, o api.Obj) bool {
	have, _ := o["metadata"].(map[string]string)
	for k, v := range pyDict(r.Query("metadata")) {
		if h, ok := have[k]; !ok || h != v {
			return false
		}
	}
	return api.Filter(r, o)
}

func (s *Service) list(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		var views []api.Obj
		for _, v := range s.db.Volumes.All() {
			if v.ProjectID != r.Auth.ProjectID && !(r.Auth.Admin() && q.Get("all_tenants") != "") {
				continue
			}
			if o := s.view(r, v, true); pass(r, o) {
				views = append(views, o)
			}
		}
		return page(r, "volumes", views, func(o api.Obj) api.Obj {
			if detail {
				return o
			}
			return api.Obj{"id": o["id"], "name": o["name"], "links": o["links"]}
		})
	}
}

// sizeOf reads a size, which Cinder takes as a number or its text; none is 0.
func sizeOf(in api.Obj, name string) (int, error) {
	n, err := strconv.Atoi(api.PyStr(in[name]))
	switch {
	case in[name] == nil:
		return 0, nil
	case err != nil:
		return 0, api.BadRequest("Invalid input for field/attribute %s. Value: %v. '%v' does not match '^[0-9]+$'", name, in[name], in[name])
	case n < 1:
		return 0, api.BadRequest("Invalid input for field/attribute %s. Value: %v. %v is less than the minimum of 1", name, in[name], in[name])
	}
	return n, nil
}

// first is the first text of a body under one of the names.
func first(in api.Obj, names ...string) (text string) {
	for _, name := range names {
		t, _ := in[name].(string)
		text = cmp.Or(text, t)
	}
	return text
}

func (s *Service) create(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("volume")
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(in, "size")
	if err != nil {
		return nil, err
	}
	metadata, _ := in["metadata"].(api.Obj)
	if _, err := api.TextPairs(metadata); err != nil {
		return nil, err
	}
	v := &db.Volume{
		ProjectID: r.Auth.ProjectID, UserID: r.Auth.UserID, Size: size, Metadata: texts(metadata), Name: first(in, "name", "display_name"),
		Description: first(in, "description", "display_description"), Type: first(in, "volume_type"), Zone: first(in, "availability_zone"),
		SnapshotID: first(in, "snapshot_id"), SourceVolume: first(in, "source_volid"), ImageID: first(in, "imageRef", "image_id"),
	}
	v.Zone = cmp.Or(v.Zone, zone)
	if len(v.Name) > 255 {
		return nil, api.BadRequest("Invalid input received: name has %d characters, more than 255.", len(v.Name))
	}
	if err := s.Insert(v, r.Auth.Admin()); err != nil {
		return nil, err
	}
	o := s.view(r, v, false)
	o["created_at"] = v.Created.Format("2006-01-02T15:04:05.000000")
	return api.Accepted(api.Obj{"volume": o})
}

func (s *Service) update(r *api.Request, v *db.Volume) (*api.Reply, error) {
	in, err := r.Object("volume")
	if err != nil {
		return nil, err
	}
	for to, name := range map[*string]string{&v.Name: "name", &v.Description: "description"} {
		for _, key := range []string{name, "display_" + name} {
			if t, ok := in[key].(string); ok {
				*to = t
			}
		}
	}
	if m, ok := in["metadata"].(api.Obj); ok {
		v.Metadata = texts(m)
	}
	s.db.Volumes.Put(v)
	return api.OK(api.Obj{"volume": s.view(r, v, false)})
}

func texts(m api.Obj) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = fmt.Sprint(v)
	}
	return out
}

func (s *Service) remove(r *api.Request, v *db.Volume) (*api.Reply, error) {
	return gone, s.Delete(v, r.Flag("cascade"))
}

// gone is the answer to a deletion that has begun.
var gone = &api.Reply{Status: 202, Type: "text/html; charset=UTF-8"}

// metadata is the calls for volumes' own metadata.
func (s *Service) metadata() *api.Dictionary {
	return &api.Dictionary{
		Path: base + "volumes/{id}/metadata", Name: "metadata", Item: "meta",
		Open: func(r *api.Request) (map[string]string, func(map[string]string), error) {
			v, err := s.find(r)
			if err != nil {
				return nil, nil, err
			}
			return v.Metadata, func(m map[string]string) { v.Metadata = m; s.db.Volumes.Put(v) }, nil
		},
		Missing: func(r *api.Request, key string) error {
			return api.NotFound("Volume %s has no metadata with key %s.", r.Var("id"), key)
		},
	}
}
