package image

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func timeText(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func sizeOrNil(n int64) any {
	if n < 0 {
		return nil
	}
	return n
}

// View is an image as Glance shows it.
func View(m *db.Image) api.Obj {
	v := api.Obj{}
	for k, p := range m.Properties {
		v[k] = p
	}
	maps.Copy(v, api.Obj{
		"id": m.ID, "name": m.Name, "status": m.Status, "visibility": m.Visibility, "owner": m.Owner, "disk_format": orNil(m.DiskFormat),
		"container_format": orNil(
			m.Container,
		), "min_ram": m.MinRAM, "min_disk": m.MinDisk, "protected": m.Protected, "os_hidden": m.Hidden,
		"size": sizeOrNil(
			m.Size,
		), "virtual_size": sizeOrNil(m.VirtualSize), "checksum": orNil(m.Checksum), "os_hash_algo": orNil(m.HashAlgo), "os_hash_value": orNil(m.Hash),
		"created_at": timeText(
			m.Created,
		), "updated_at": timeText(m.LastChange()), "tags": slices.Clone(append([]string{}, m.Tags...)),
		"self": "/v2/images/" + m.ID, "file": "/v2/images/" + m.ID + "/file", "schema": "/v2/schemas/image",
	})
	if m.Staged {
		v["virtual_size"], v["checksum"], v["os_hash_algo"], v["os_hash_value"] = nil, nil, nil, nil // these come with the import
	}
	return v
}

// Usable is the image of that ID if the project may use it, else nil. The
// database is locked.
func (s *Service) Usable(project string, admin bool, id string) *db.Image {
	m := s.db.Images.Get(id)
	if m == nil || !s.visible(project, admin, m) {
		return nil
	}
	return m
}

func (s *Service) visible(project string, admin bool, m *db.Image) bool {
	if admin || m.Owner == project || m.Visibility == "public" || m.Visibility == "community" {
		return true
	}
	return m.Visibility == "shared" && s.db.ImageMembers.Get(m.ID+"/"+project) != nil
}

// find is the image that the path names, if the caller may see it.
func (s *Service) find(r *api.Request) (*db.Image, error) {
	m := s.Usable(r.Auth.ProjectID, r.Auth.Admin(), r.Var("id"))
	if m == nil {
		return nil, api.NotFound("No image found with ID %s", r.Var("id"))
	}
	return m, nil
}

// own is find for a change.
func (s *Service) own(r *api.Request) (*db.Image, error) {
	m, err := s.find(r)
	if err == nil && m.Owner != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, api.Forbidden("You do not own this image")
	}
	return m, err
}

// change runs do on the caller's image inside a transaction and stores it.
func (s *Service) change(r *api.Request, do func(m *db.Image) error) (*db.Image, error) {
	var m *db.Image
	err := s.db.Update(func() (err error) {
		if m, err = s.own(r); err != nil {
			return err
		}
		if err := do(m); err != nil {
			return err
		}
		s.db.Images.Put(m)
		return nil
	})
	return m, err
}

func (s *Service) show(r *api.Request) (*api.Reply, error) {
	var m *db.Image
	var err error
	s.db.View(func() { m, err = s.find(r) })
	if err != nil {
		return nil, err
	}
	return api.OK(View(m))
}

// readOnly are attributes a caller never sets.
var readOnly = []string{
	"created_at",
	"updated_at",
	"status",
	"checksum",
	"os_hash_algo",
	"os_hash_value",
	"size",
	"virtual_size",
	"self",
	"file",
	"schema",
	"direct_url",
	"locations",
}

var (
	visibilities     = []string{"community", "public", "private", "shared"}
	containerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
	diskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"}
)

// set gives an image one attribute, as create and update do.
func set(r *api.Request, m *db.Image, key string, value any) error {
	if slices.Contains(readOnly, key) {
		return api.Forbidden("Attribute '%s' is read-only.", key)
	}
	text, isText := value.(string)
	number := func(to *int) error {
		n, ok := value.(float64)
		if !ok || n < 0 {
			return api.BadRequest(
				"Provided object does not match schema 'image': '%v' is not of type 'integer'",
				value,
			)
		}
		*to = int(n)
		return nil
	}
	truth := func(to *bool) error {
		b, ok := value.(bool)
		if !ok {
			return api.BadRequest("Provided object does not match schema 'image': %v is not of type 'boolean'", value)
		}
		*to = b
		return nil
	}
	oneOf := func(to *string, choices []string) error {
		if value == nil {
			*to = ""
			return nil
		}
		if !slices.Contains(choices, text) {
			return api.BadRequest(
				"Provided object does not match schema 'image': '%v' is not one of ['%s']",
				value,
				strings.Join(choices, "', '"),
			)
		}
		*to = text
		return nil
	}
	switch key {
	case "id":
		m.ID = text
	case "name":
		if !isText && value != nil {
			return api.BadRequest(
				"Provided object does not match schema 'image': %v is not of type 'null', 'string'",
				value,
			)
		}
		m.Name = text
	case "visibility":
		if text == "public" && !r.Auth.Admin() {
			return api.Forbidden("You are not authorized to complete publicize_image action.")
		}
		return oneOf(&m.Visibility, visibilities)
	case "owner":
		if text != r.Auth.ProjectID && !r.Auth.Admin() {
			return api.Forbidden("You are not permitted to create images owned by '%s'.", text)
		}
		m.Owner = text
	case "container_format":
		return oneOf(&m.Container, containerFormats)
	case "disk_format":
		return oneOf(&m.DiskFormat, diskFormats)
	case "min_ram":
		return number(&m.MinRAM)
	case "min_disk":
		return number(&m.MinDisk)
	case "protected":
		return truth(&m.Protected)
	case "os_hidden":
		return truth(&m.Hidden)
	case "tags":
		l, _ := value.([]any)
		m.Tags = nil
		for _, t := range l {
			if s, ok := t.(string); ok && !slices.Contains(m.Tags, s) {
				m.Tags = append(m.Tags, s)
			}
		}
	default:
		if !isText {
			return api.BadRequest("Provided object does not match schema 'image': %v is not of type 'string'", value)
		}
		props := maps.Clone(m.Properties)
		if props == nil {
			props = map[string]string{}
		}
		props[key] = text
		m.Properties = props
	}
	return nil
}

func (s *Service) create(r *api.Request) (*api.Reply, error) {
	var in api.Obj
	if err := json.Unmarshal(r.Body, &in); err != nil {
		return nil, api.BadRequest("Malformed JSON in request body.")
	}
	m := &db.Image{Status: "queued", Visibility: "shared", Owner: r.Auth.ProjectID, Size: -1, VirtualSize: -1}
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if err := set(r, m, key, in[key]); err != nil {
			return nil, err
		}
	}
	err := s.db.Update(func() error {
		if m.ID != "" && s.db.Images.Get(m.ID) != nil {
			return api.Conflict("Image ID %s already exists!", m.ID)
		}
		s.db.Images.Insert(m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	rep := &api.Reply{Status: 201, Body: View(m), Header: map[string][]string{
		"Location": {r.Root + "/v2/images/" + m.ID}, "Openstack-Image-Import-Methods": {"glance-direct"},
	}}
	return rep, nil
}

// patch is one operation of a JSON patch as Glance takes it.
type patch struct {
	Op, Path string
	Value    any
}

func (s *Service) update(r *api.Request) (*api.Reply, error) {
	var ops []patch
	if err := json.Unmarshal(r.Body, &ops); err != nil {
		return nil, api.BadRequest("Request body must be a JSON array of operation objects.")
	}
	if ct := r.HTTP.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/openstack-images-v2") {
		return nil, &api.Error{
			Status:  415,
			Message: "The request media type " + ct + " is not supported by this server.",
		}
	}
	m, err := s.change(r, func(m *db.Image) error {
		for _, op := range ops {
			key := strings.TrimPrefix(op.Path, "/")
			key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
			_, exists := View(m)[key]
			switch op.Op {
			case "add":
			case "replace":
				if !exists {
					return api.Conflict(
						"There was a conflict when trying to complete your request.\n\n Property %s does not exist.",
						key,
					)
				}
			case "remove":
				if _, ok := m.Properties[key]; !ok {
					if exists {
						return api.Forbidden(
							"Access was denied to this resource.\n\n Property %s may not be removed.",
							key,
						)
					}
					return api.Conflict(
						"There was a conflict when trying to complete your request.\n\n Property %s does not exist.",
						key,
					)
				}
				props := maps.Clone(m.Properties)
				delete(props, key)
				m.Properties = props
				continue
			default:
				return api.BadRequest(
					"Invalid operation: `%s`. It must be one of the following: add, remove, replace.",
					op.Op,
				)
			}
			if key == "id" {
				return api.Forbidden("Attribute 'id' is read-only.")
			}
			if err := set(r, m, key, op.Value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(View(m))
}

func (s *Service) remove(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		m, err := s.own(r)
		if m == nil && s.db.Images.Get(r.Var("id")) == nil {
			return api.NotFound("Failed to find image %s to delete", r.Var("id"))
		}
		if err != nil {
			return err
		}
		if m.Protected {
			return api.Forbidden("Image %s is protected and cannot be deleted.", m.ID)
		}
		if s.db.Volumes.First(
			func(v *db.Volume) bool { return v.ImageID == m.ID && v.Status == "downloading" },
		) != nil {
			return api.Conflict(
				"Image %s could not be deleted because it is in use: The image cannot be deleted because it is in use through the backend store outside of Glance.",
				m.ID,
			)
		}
		for _, mm := range s.db.ImageMembers.Where(func(x *db.ImageMember) bool { return x.ImageID == m.ID }) {
			s.db.ImageMembers.Delete(mm.ID)
		}
		s.db.Images.Delete(m.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	_ = os.Remove(s.dataPath(r.Var("id"))) // there are images without data
	return api.NoContent()
}

func (s *Service) setStatus(from, to string) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		_, err := s.change(r, func(m *db.Image) error {
			if m.Status != from && m.Status != to {
				return api.Forbidden(
					"Not allowed to %s image in status '%s'",
					map[string]string{"active": "reactivate", "deactivated": "deactivate"}[to],
					m.Status,
				)
			}
			m.Status = to
			return nil
		})
		if err != nil {
			return nil, err
		}
		return api.NoContent()
	}
}

func (s *Service) addTag(r *api.Request) (*api.Reply, error) {
	_, err := s.change(r, func(m *db.Image) error {
		if !slices.Contains(m.Tags, r.Var("tag")) {
			m.Tags = append(slices.Clone(m.Tags), r.Var("tag"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

func (s *Service) removeTag(r *api.Request) (*api.Reply, error) {
	_, err := s.change(r, func(m *db.Image) error {
		i := slices.Index(m.Tags, r.Var("tag"))
		if i < 0 {
			return api.NotFound("The resource could not be found.")
		}
		m.Tags = slices.Delete(slices.Clone(m.Tags), i, i+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}
