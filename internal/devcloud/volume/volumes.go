package volume

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
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

func dict(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (s *Service) view(r *api.Request, v *db.Volume, detail bool) api.Obj {
	attachments := api.List{}
	for _, a := range s.attachmentsOf(v.ID) {
		if a.Status == "reserved" {
			continue
		}
		attachments = append(attachments, api.Obj{
			"id": v.ID, "attachment_id": a.ID, "volume_id": v.ID, "server_id": a.ServerID, "host_name": nil,
			"device": a.Device, "attached_at": stamp(a.Attached),
		})
	}
	var description any
	if v.HasDescription {
		description = v.Description
	}
	name := any(v.Name)
	if v.Nameless {
		name = nil
	}
	o := api.Obj{
		"id": v.ID, "status": v.Status, "size": v.Size, "availability_zone": v.Zone, "created_at": stamp(v.Created), "updated_at": stamp(v.Updated),
		"name": name, "description": description, "volume_type": v.Type, "snapshot_id": orNil(v.SnapshotID), "source_volid": orNil(v.SourceVolume),
		"metadata": dict(
			v.Metadata,
		), "links": s.links(r, "volumes", r.Auth.ProjectID, v.ID), "user_id": v.UserID, "bootable": fmt.Sprint(v.Bootable),
		"encrypted": false, "replication_status": nil, "consistencygroup_id": nil, "multiattach": v.Multiattach, "attachments": attachments,
	}
	if len(v.ImageMeta) > 0 && detail {
		o["volume_image_metadata"] = v.ImageMeta
	}
	if detail {
		o["os-vol-tenant-attr:tenant_id"] = v.ProjectID
		if r.Auth.Admin() {
			o["os-vol-host-attr:host"], o["os-vol-mig-status-attr:migstat"], o["os-vol-mig-status-attr:name_id"], o["migration_status"] = "devcloud@files#files", nil, nil, nil
		}
	}
	if r.Version.AtLeast(v3(13)) {
		o["group_id"] = nil
	}
	if r.Version.AtLeast(v3(48)) {
		o["shared_targets"], o["service_uuid"] = false, "2c5f424c-05ae-4101-bc1c-4969cc1b36c3"
	}
	if r.Version.AtLeast(v3(61)) && r.Auth.Admin() {
		o["cluster_name"] = nil
	}
	if r.Version.AtLeast(v3(63)) {
		if t := s.findType(v.Type); t != nil {
			o["volume_type_id"] = t.Key
		}
	}
	if r.Version.AtLeast(v3(65)) {
		o["consumes_quota"] = true
	}
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

func (s *Service) show(r *api.Request) (*api.Reply, error) {
	var o api.Obj
	var err error
	s.db.View(func() {
		var v *db.Volume
		if v, err = s.find(r); err == nil {
			o = s.view(r, v, true)
		}
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"volume": o})
}

// page answers a list call: filters, order, limit and marker.
func page(r *api.Request, key string, views []api.Obj, show func(api.Obj) api.Obj) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	slices.Reverse(views) // newest first
	if err := sortViews(views, q); err != nil {
		return nil, err
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
	p, err := api.Paginate(views, func(o api.Obj) string { return o["id"].(string) }, limit, maxPage, q.Get("marker"))
	if err != nil {
		return nil, api.NotFound(
			"%s %s could not be found.",
			strings.ToUpper(key[:1])+key[1:len(key)-1],
			q.Get("marker"),
		)
	}
	items := api.List{}
	for _, o := range p.Items {
		items = append(items, show(o))
	}
	body := api.Obj{key: items}
	if p.Next != "" {
		body[key+"_links"] = api.List{api.Obj{"rel": "next", "href": api.NextURL(r, p.Next)}}
	}
	if strings.EqualFold(q.Get("with_count"), "true") && r.Version.AtLeast(v3(45)) {
		body["count"] = total
	}
	return api.OK(body)
}

func sortViews(views []api.Obj, q url.Values) error {
	keys, dirs := q["sort_key"], q["sort_dir"]
	for _, part := range strings.Split(q.Get("sort"), ",") {
		if part != "" {
			k, d, _ := strings.Cut(part, ":")
			keys, dirs = append(keys, k), append(dirs, cmp.Or(d, "desc"))
		}
	}
	for _, k := range keys {
		if !slices.Contains(
			[]string{"id", "status", "size", "availability_zone", "name", "bootable", "created_at", "updated_at"},
			k,
		) {
			return api.BadRequest("Invalid input received: Invalid sort key")
		}
	}
	slices.SortStableFunc(views, func(a, b api.Obj) int {
		for i, k := range keys {
			c := cmp.Compare(fmt.Sprint(a[k]), fmt.Sprint(b[k]))
			if x, ok := a[k].(int); ok {
				c = cmp.Compare(x, b[k].(int))
			}
			if i >= len(dirs) || dirs[i] == "desc" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return nil
}

// pass tells whether a view passes the query's filters.
func pass(o api.Obj, q url.Values) bool {
	for key, values := range q {
		want := values[0]
		switch key {
		case "limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count", "project_id":
			continue
		case "metadata":
			for k, v := range pyDict(want) {
				if have, ok := pairsOf(o["metadata"])[k]; !ok || have != v {
					return false
				}
			}
			continue
		}
		if like, ok := strings.CutSuffix(key, "~"); ok {
			if !strings.Contains(fmt.Sprint(o[like]), want) {
				return false
			}
			continue
		}
		if have, known := o[key]; known && !strings.EqualFold(fmt.Sprint(have), want) {
			return false
		}
	}
	return true
}

// pairsOf are the metadata of a view.
func pairsOf(m any) map[string]string {
	if pairs, ok := m.(map[string]string); ok {
		return pairs
	}
	o, _ := m.(api.Obj)
	return texts(o)
}

// pyDict reads a dictionary as Python writes one, or as JSON.
func pyDict(s string) map[string]string {
	out := map[string]string{}
	if json.Unmarshal([]byte(s), &out) == nil {
		return out
	}
	_ = json.Unmarshal([]byte(strings.NewReplacer(`u'`, `"`, `'`, `"`).Replace(s)), &out)
	return out
}

func (s *Service) list(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		var views []api.Obj
		s.db.View(func() {
			for _, v := range s.db.Volumes.All() {
				if v.ProjectID != r.Auth.ProjectID && !(r.Auth.Admin() && q.Get("all_tenants") != "") {
					continue
				}
				if o := s.view(r, v, true); pass(o, q) {
					views = append(views, o)
				}
			}
		})
		return page(r, "volumes", views, func(o api.Obj) api.Obj {
			if detail {
				return o
			}
			return api.Obj{"id": o["id"], "name": o["name"], "links": o["links"]}
		})
	}
}

func (s *Service) summary(r *api.Request) (*api.Reply, error) {
	n, size := 0, 0
	s.db.View(func() {
		for _, v := range s.db.Volumes.Where(func(v *db.Volume) bool { return v.ProjectID == r.Auth.ProjectID }) {
			n, size = n+1, size+v.Size
		}
	})
	return api.OK(api.Obj{"volume-summary": api.Obj{"total_count": n, "total_size": size, "metadata": api.Obj{}}})
}

// createBody is the body of POST /volumes. Cinder takes a size as a number or
// its text.
type createBody struct {
	Volume *struct {
		Name, Description  *string
		DisplayName        *string `json:"display_name"`
		DisplayDescription *string `json:"display_description"`
		Size               any
		Zone               *string `json:"availability_zone"`
		Type               *string `json:"volume_type"`
		SnapshotID         *string `json:"snapshot_id"`
		Source             *string `json:"source_volid"`
		ImageRef           *string
		ImageID            *string `json:"image_id"`
		Metadata           api.Obj
		Multiattach        any
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *Service) create(r *api.Request) (*api.Reply, error) {
	var b createBody
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	in := b.Volume
	if in == nil {
		return nil, api.BadRequest("'volume' is a required property")
	}
	size := 0
	switch n := in.Size.(type) {
	case nil:
	case float64:
		size = int(n)
	case string:
		if _, err := fmt.Sscan(n, &size); err != nil {
			return nil, api.BadRequest("Invalid input for field/attribute size. Value: %s. '%s' does not match '^[0-9]+$'", n, n)
		}
	}
	if in.Size != nil && size < 1 {
		return nil, api.BadRequest(
			"Invalid input for field/attribute size. Value: %v. %v is less than the minimum of 1",
			in.Size,
			in.Size,
		)
	}
	if _, err := api.TextPairs(in.Metadata); err != nil {
		return nil, err
	}
	if name := cmp.Or(deref(in.Name), deref(in.DisplayName)); len(name) > 255 {
		return nil, api.BadRequest("Invalid input received: name has %d characters, more than 255.", len(name))
	}
	v := &db.Volume{
		Name: cmp.Or(
			deref(in.Name),
			deref(in.DisplayName),
		), Nameless: in.Name == nil && in.DisplayName == nil, HasDescription: in.Description != nil || in.DisplayDescription != nil,
		Description: cmp.Or(
			deref(in.Description),
			deref(in.DisplayDescription),
		), ProjectID: r.Auth.ProjectID, UserID: r.Auth.UserID, Size: size,
		Type: deref(
			in.Type,
		), Zone: cmp.Or(deref(in.Zone), zone), SnapshotID: deref(in.SnapshotID), SourceVolume: deref(in.Source),
		ImageID: cmp.Or(deref(in.ImageRef), deref(in.ImageID)), Metadata: texts(in.Metadata),
	}
	var o api.Obj
	err := s.db.Update(func() error {
		if err := s.Insert(v, r.Auth.Admin()); err != nil {
			return err
		}
		o = s.view(r, v, false)
		o["created_at"] = v.Created.Format("2006-01-02T15:04:05.000000")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(api.Obj{"volume": o})
}

func (s *Service) update(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("volume")
	if err != nil {
		return nil, err
	}
	var o api.Obj
	err = s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		for _, key := range []string{"name", "display_name"} {
			if t, ok := in[key].(string); ok {
				v.Name, v.Nameless = t, false
			}
		}
		for _, key := range []string{"description", "display_description"} {
			if t, ok := in[key].(string); ok {
				v.Description, v.HasDescription = t, true
			}
		}
		if m, ok := in["metadata"].(api.Obj); ok {
			v.Metadata = texts(m)
		}
		s.db.Volumes.Put(v)
		o = s.view(r, v, false)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"volume": o})
}

func texts(m api.Obj) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = fmt.Sprint(v)
	}
	return out
}

func (s *Service) remove(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		cascade := strings.EqualFold(r.Query("cascade"), "true")
		return s.Delete(v, cascade)
	})
	if err != nil {
		return nil, err
	}
	return gone()
}

// gone is the answer to a deletion that has begun.
func gone() (*api.Reply, error) {
	return &api.Reply{Status: 202, Type: "text/html; charset=UTF-8"}, nil
}

// metadata is the calls for volumes' own metadata.
func (s *Service) metadata() *api.Dictionary {
	return &api.Dictionary{
		DB: s.db, Path: base + "volumes/{id}/metadata", Name: "metadata", Item: "meta",
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
