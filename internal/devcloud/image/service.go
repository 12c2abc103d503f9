package image

import (
	"cmp"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Options configure the service.
type Options struct {
	DB *db.DB
	// Dir is where image data lie, a file for each image.
	Dir string
	// ImportDelay is how long an image is importing or being saved from a
	// server.
	ImportDelay time.Duration
}

// Service answers Image calls.
type Service struct {
	Options
	db *db.DB
}

// New returns the service.
func New(o Options) *Service { return &Service{Options: o, db: o.DB} }

// DataPath is the file with an image's data.
func (s *Service) DataPath(id string) string { return filepath.Join(s.Dir, filepath.Base(id)) }

// API is the service's calls.
func (s *Service) API() *api.Service {
	svc := &api.Service{
		Name: "image", Front: "/v", Empty: "text/html; charset=UTF-8",
		Error: func(e *api.Error, r *api.Request) (string, []byte) {
			return api.WebobBody(e, r.HTTP.Header.Get("Accept"))
		},
		NotFound: func(r *api.Request, handled bool) *api.Error {
			if handled {
				return &api.Error{
					Status: http.StatusMethodNotAllowed, Message: "The method " + r.HTTP.Method + " is not allowed for this resource. ",
					Header: http.Header{"Allow": {"GET, POST"}},
				}
			}
			return api.NotFound("The resource could not be found.")
		},
	}
	svc.Handle(api.Calls{
		"GET /": s.versions(http.StatusMultipleChoices), "GET /versions": s.versions(http.StatusOK),
	}.Routes(api.Route{Open: true})...)
	svc.Handle(api.Calls{
		"PUT /v2/images/{id}/file": s.upload, "GET /v2/images/{id}/file": s.download,
	}.Routes(api.Route{Free: true})...)
	svc.Handle(api.Calls{
		"GET /v2/images": s.list, "POST /v2/images": s.create,
		"GET /v2/images/{id}": s.show, "PATCH /v2/images/{id}": s.update, "DELETE /v2/images/{id}": s.remove,
		"POST /v2/images/{id}/actions/deactivate": s.setStatus("deactivate", "active", "deactivated"),
		"POST /v2/images/{id}/actions/reactivate": s.setStatus("reactivate", "deactivated", "active"),
		"PUT /v2/images/{id}/tags/{tag}":          s.change(addTag),
		"DELETE /v2/images/{id}/tags/{tag}":       s.change(removeTag),
		"GET /v2/schemas/{name}":                  schema,
		"GET /v2/info/import": func(*api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"import-methods": api.Obj{
				"description": "Import methods available.", "type": "array", "value": api.List{},
			}})
		},
	}.Routes(api.Route{})...)
	return svc
}

// minors are the versions Glance lists, the current one first.
var minors = []string{"v2.15", "v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"}

func (s *Service) versions(status int) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		l := api.List{}
		for i, id := range minors {
			state := "SUPPORTED"
			if i == 0 {
				state = "CURRENT"
			}
			l = append(l, api.Obj{"id": id, "status": state, "links": api.List{api.Obj{"rel": "self", "href": r.Root + "/v2/"}}})
		}
		return &api.Reply{Status: status, Body: api.Obj{"versions": l}}, nil
	}
}

// Advance performs due transitions inside a transaction and returns when the
// next thing is.
func (s *Service) Advance(now time.Time) (next time.Time) {
	s.db.Images.Due(now, &next, func(m *db.Image) time.Time { return m.Due }, func(m *db.Image) {
		m.Due, m.Status = time.Time{}, "active"
		if m.Size < 0 { // a server's snapshot: there are no data behind it
			m.Size, m.VirtualSize = 0, 0
			m.DiskFormat, m.Container = cmp.Or(m.DiskFormat, "raw"), cmp.Or(m.Container, "bare")
		}
		s.db.Images.Put(m)
	})
	return next
}

// schema names an image's attributes, from which older clients tell a user's
// own properties.
func schema(r *api.Request) (*api.Reply, error) {
	name, many := strings.CutSuffix(r.Var("name"), "s")
	if name != "image" {
		return nil, api.NotFound("The resource could not be found.")
	}
	properties := api.Obj{}
	for key := range View(&db.Image{}) {
		properties[key] = api.Obj{}
	}
	o := api.Obj{"name": name, "properties": properties, "additionalProperties": api.Obj{"type": "string"}, "links": api.List{
		api.Obj{"rel": "self", "href": "{self}"}, api.Obj{"rel": "enclosure", "href": "{file}"}, api.Obj{"rel": "describedby", "href": "{schema}"},
	}}
	if many {
		text := api.Obj{"type": "string"}
		o = api.Obj{"name": "images", "properties": api.Obj{
			"images": api.Obj{"type": "array", "items": o}, "first": text, "next": text, "schema": text,
		}}
	}
	return api.OK(o)
}
