package image

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func sizeOrNil(n int64) any {
	if n < 0 {
		return nil
	}
	return n
}

// View is an image as Glance shows it.
func View(m *db.Image) api.Obj {
	v := api.Pairs(m.Properties)
	maps.Copy(v, api.Obj{
		"id": m.ID, "name": m.Name, "status": m.Status, "visibility": m.Visibility, "owner": m.Owner,
		"disk_format": api.OrNil(m.DiskFormat), "container_format": api.OrNil(m.Container), "min_ram": m.MinRAM, "min_disk": m.MinDisk,
		"protected": m.Protected, "os_hidden": m.Hidden, "size": sizeOrNil(m.Size), "virtual_size": sizeOrNil(m.VirtualSize),
		"checksum": api.OrNil(m.Checksum), "os_hash_algo": api.OrNil(m.HashAlgo), "os_hash_value": api.OrNil(m.Hash),
		"created_at": api.Seconds(m.Created), "updated_at": api.Seconds(m.LastChange()), "tags": append([]string{}, m.Tags...),
		"self": "/v2/images/" + m.ID, "file": "/v2/images/" + m.ID + "/file", "schema": "/v2/schemas/image",
	})
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

// Root is the image that a server's disk was made of, or that the volume was
// which it boots from; nil when it is gone. The database is locked.
func (s *Service) Root(v *db.Server) *db.Image {
	if v.ImageID != "" {
		return s.db.Images.Get(v.ImageID)
	}
	a := s.db.Attachments.First(func(a *db.Attachment) bool { return a.ServerID == v.ID && a.BootIndex == 0 })
	if a == nil {
		return nil
	}
	vol := s.db.Volumes.Get(a.VolumeID)
	if vol == nil {
		return nil
	}
	return s.db.Images.Get(vol.ImageMeta["image_id"])
}

func (s *Service) visible(project string, admin bool, m *db.Image) bool {
	return admin || m.Owner == project || m.Visibility == "public" || m.Visibility == "community"
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

// change is a call that changes the caller's image and answers 204.
func (s *Service) change(do func(r *api.Request, m *db.Image) error) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		m, err := s.own(r)
		if err == nil {
			err = do(r, m)
		}
		if err != nil {
			return nil, err
		}
		s.db.Images.Put(m)
		return nil, nil
	}
}

func (s *Service) show(r *api.Request) (*api.Reply, error) {
	m, err := s.find(r)
	if err != nil {
		return nil, err
	}
	return api.OK(View(m))
}

// readOnly are attributes a caller never sets.
var readOnly = []string{
	"created_at", "updated_at", "status", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size", "self", "file",
	"schema", "direct_url", "locations",
}

var (
	visibilities     = []string{"community", "public", "private", "shared"}
	containerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
	diskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"}
)

// badImage words a value that the schema does not allow.
func badImage(format string, args ...any) error {
	return api.BadRequest("Provided object does not match schema 'image': "+format, args...)
}

// set gives an image one attribute, as create and update do.
func set(r *api.Request, m *db.Image, key string, value any) error {
	text, isText := value.(string)
	number, isNumber := value.(float64)
	truth, isTruth := value.(bool)
	choices := map[string][]string{"visibility": visibilities, "container_format": containerFormats, "disk_format": diskFormats}[key]
	texts := map[string]*string{
		"id": &m.ID, "name": &m.Name, "owner": &m.Owner, "visibility": &m.Visibility, "container_format": &m.Container, "disk_format": &m.DiskFormat,
	}
	numbers := map[string]*int{"min_ram": &m.MinRAM, "min_disk": &m.MinDisk}
	truths := map[string]*bool{"protected": &m.Protected, "os_hidden": &m.Hidden}
	switch {
	case slices.Contains(readOnly, key):
		return api.Forbidden("Attribute '%s' is read-only.", key)
	case key == "visibility" && text == "public" && !r.Auth.Admin():
		return api.Forbidden("You are not authorized to complete publicize_image action.")
	case key == "owner" && text != r.Auth.ProjectID && !r.Auth.Admin():
		return api.Forbidden("You are not permitted to create images owned by '%s'.", text)
	case texts[key] != nil && !isText && value != nil:
		return badImage("%v is not of type 'null', 'string'", value)
	case choices != nil && value != nil && !slices.Contains(choices, text):
		return badImage("'%v' is not one of ['%s']", value, strings.Join(choices, "', '"))
	case texts[key] != nil:
		*texts[key] = text
	case numbers[key] != nil && (!isNumber || number < 0):
		return badImage("'%v' is not of type 'integer'", value)
	case numbers[key] != nil:
		*numbers[key] = int(number)
	case truths[key] != nil && !isTruth:
		return badImage("%v is not of type 'boolean'", value)
	case truths[key] != nil:
		*truths[key] = truth
	case key == "tags":
		list, _ := value.([]any)
		m.Tags = api.Texts(list)
		slices.Sort(m.Tags)
		m.Tags = slices.Compact(m.Tags)
	case !isText:
		return badImage("%v is not of type 'string'", value)
	default:
		m.Properties = maps.Clone(api.Dict(m.Properties))
		m.Properties[key] = text
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
	if m.ID != "" && s.db.Images.Get(m.ID) != nil {
		return nil, api.Conflict("Image ID %s already exists!", m.ID)
	}
	s.db.Images.Insert(m)
	return &api.Reply{Status: 201, Body: View(m), Header: map[string][]string{"Location": {r.Root + "/v2/images/" + m.ID}}}, nil
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
		return nil, errMediaType(ct)
	}
	m, err := s.own(r)
	if err != nil {
		return nil, err
	}
	for _, op := range ops {
		if err := op.apply(r, m); err != nil {
			return nil, err
		}
	}
	s.db.Images.Put(m)
	return api.OK(View(m))
}

func (op patch) apply(r *api.Request, m *db.Image) error {
	key := strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(op.Path, "/"))
	_, exists := View(m)[key]
	_, own := m.Properties[key]
	switch {
	case op.Op != "add" && op.Op != "replace" && op.Op != "remove":
		return api.BadRequest("Invalid operation: `%s`. It must be one of the following: add, remove, replace.", op.Op)
	case op.Op != "add" && !exists:
		return api.Conflict("There was a conflict when trying to complete your request.\n\n Property %s does not exist.", key)
	case op.Op == "remove" && !own:
		return api.Forbidden("Access was denied to this resource.\n\n Property %s may not be removed.", key)
	case op.Op == "remove":
		m.Properties = maps.Clone(m.Properties)
		delete(m.Properties, key)
		return nil
	case key == "id":
		return api.Forbidden("Attribute 'id' is read-only.")
	}
	return set(r, m, key, op.Value)
}

func (s *Service) remove(r *api.Request) (*api.Reply, error) {
	m, err := s.own(r)
	switch {
	case m == nil && s.db.Images.Get(r.Var("id")) == nil:
		return nil, api.NotFound("Failed to find image %s to delete", r.Var("id"))
	case err != nil:
		return nil, err
	case m.Protected:
		return nil, api.Forbidden("Image %s is protected and cannot be deleted.", m.ID)
	case s.db.Volumes.First(func(v *db.Volume) bool { return v.ImageID == m.ID && v.Status == "downloading" }) != nil:
		return nil, api.Conflict("Image %s could not be deleted because it is in use: "+
			"The image cannot be deleted because it is in use through the backend store outside of Glance.", m.ID)
	}
	s.db.Images.Delete(m.ID)
	_ = os.Remove(s.DataPath(m.ID)) // there are images without data
	return nil, nil
}

func (s *Service) setStatus(action, from, to string) api.Handler {
	return s.change(func(_ *api.Request, m *db.Image) error {
		if m.Status != from && m.Status != to {
			return api.Forbidden("Not allowed to %s image in status '%s'", action, m.Status)
		}
		m.Status = to
		return nil
	})
}

// addTag marks an image with the path's tag.
func addTag(r *api.Request, m *db.Image) error {
	if !slices.Contains(m.Tags, r.Var("tag")) {
		m.Tags = append(slices.Clone(m.Tags), r.Var("tag"))
	}
	return nil
}

func removeTag(r *api.Request, m *db.Image) error {
	if !slices.Contains(m.Tags, r.Var("tag")) {
		return api.NotFound("The resource could not be found.")
	}
	m.Tags = slices.DeleteFunc(slices.Clone(m.Tags), func(t string) bool { return t == r.Var("tag") })
	return nil
}

// Fill writes an image's data and fills in its size and hashes.
func (s *Service) Fill(m *db.Image, from io.Reader) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.Dir, ".upload-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once renamed, as it should
	sum, sum512 := md5.New(), sha512.New()
	n, err := io.Copy(io.MultiWriter(f, sum, sum512), from)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.DataPath(m.ID)); err != nil {
		return err
	}
	m.Size, m.VirtualSize = n, n
	m.Checksum, m.HashAlgo, m.Hash = hex.EncodeToString(sum.Sum(nil)), "sha512", hex.EncodeToString(sum512.Sum(nil))
	return nil
}

// Copy gives an image the data of another.
func (s *Service) Copy(m, from *db.Image) error {
	m.Size, m.VirtualSize, m.Checksum, m.HashAlgo, m.Hash = from.Size, from.VirtualSize, from.Checksum, from.HashAlgo, from.Hash
	m.DiskFormat, m.Container, m.Seeded, m.Snapshot = from.DiskFormat, from.Container, from.Seeded, from.Snapshot
	return os.Link(s.DataPath(from.ID), s.DataPath(m.ID)) // data are replaced, never changed
}

// upload takes the call's data for an image without any.
func (s *Service) upload(r *api.Request) (*api.Reply, error) {
	if ct := r.HTTP.Header.Get("Content-Type"); ct != "application/octet-stream" {
		return nil, errMediaType(ct)
	}
	var m *db.Image
	var err error
	s.db.View(func() { m, err = s.own(r) })
	switch {
	case err != nil:
		return nil, err
	case m.DiskFormat == "" || m.Container == "":
		return nil, api.BadRequest("Properties disk_format, container_format must be set prior to saving data.")
	case m.Status != "queued":
		return nil, api.Conflict("Image status transition from %s to saving is not allowed", m.Status)
	}
	// The data come before the transaction, so that a slow upload stops nobody.
	if err := s.Fill(m, r.HTTP.Body); err != nil {
		return nil, err
	}
	return nil, s.db.Update(func() error {
		now := s.db.Images.Get(m.ID)
		if now == nil {
			return &api.Error{Status: 410, Message: "Image " + m.ID +
				" could not be found after upload. The image may have been deleted during the upload."}
		}
		now.Size, now.VirtualSize, now.Checksum, now.HashAlgo, now.Hash = m.Size, m.VirtualSize, m.Checksum, m.HashAlgo, m.Hash
		now.Status = "active"
		s.db.Images.Put(now)
		return nil
	})
}

func errMediaType(got string) error {
	return &api.Error{Status: 415, Message: "The request media type " + got + " is not supported by this server."}
}

func (s *Service) download(r *api.Request) (*api.Reply, error) {
	var m *db.Image
	var err error
	s.db.View(func() { m, err = s.find(r) })
	switch {
	case err != nil:
		return nil, err
	case m.Status == "deactivated" && !r.Auth.Admin():
		return nil, api.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
	case m.Status != "active" && m.Status != "deactivated":
		return nil, nil
	}
	f, err := os.Open(s.DataPath(m.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return &api.Reply{
		File: f, Type: "application/octet-stream", Header: map[string][]string{"Content-Md5": {m.Checksum}},
	}, err
}
