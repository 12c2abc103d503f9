package image

import (
	"cmp"
	"net/http"
	"path/filepath"
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
func (s *Service) DataPath(id string) string { return s.dataPath(id) }

func (s *Service) dataPath(id string) string { return filepath.Join(s.Dir, filepath.Base(id)) }

// Mount builds the API below a prefix.
func (s *Service) Mount(prefix string, authenticate func(string) *api.Auth, authURL string) *api.Service {
	svc := &api.Service{
		Name:         "image",
		Prefix:       prefix,
		Dialect:      dialect{},
		Authenticate: authenticate,
		AuthURL:      authURL,
	}
	svc.Handle(
		api.Route{Method: "GET", Path: "/", Do: s.versions(http.StatusMultipleChoices), Open: true},
		api.Route{Method: "GET", Path: "/versions", Do: s.versions(http.StatusOK), Open: true},
		api.Route{Method: "GET", Path: "/v2/images", Do: s.list},
		api.Route{Method: "POST", Path: "/v2/images", Do: s.create},
		api.Route{Method: "GET", Path: "/v2/images/{id}", Do: s.show},
		api.Route{Method: "PATCH", Path: "/v2/images/{id}", Do: s.update},
		api.Route{Method: "DELETE", Path: "/v2/images/{id}", Do: s.remove},
		api.Route{Method: "PUT", Path: "/v2/images/{id}/file", Do: s.upload},
		api.Route{Method: "GET", Path: "/v2/images/{id}/file", Do: s.download},
		api.Route{Method: "PUT", Path: "/v2/images/{id}/stage", Do: s.stage},
		api.Route{Method: "POST", Path: "/v2/images/{id}/import", Do: s.importData},
		api.Route{
			Method: "POST",
			Path:   "/v2/images/{id}/actions/deactivate",
			Do:     s.setStatus("active", "deactivated"),
		},
		api.Route{
			Method: "POST",
			Path:   "/v2/images/{id}/actions/reactivate",
			Do:     s.setStatus("deactivated", "active"),
		},
		api.Route{Method: "PUT", Path: "/v2/images/{id}/tags/{tag}", Do: s.addTag},
		api.Route{Method: "DELETE", Path: "/v2/images/{id}/tags/{tag}", Do: s.removeTag},
		api.Route{Method: "GET", Path: "/v2/images/{id}/members", Do: s.listMembers},
		api.Route{Method: "POST", Path: "/v2/images/{id}/members", Do: s.addMember},
		api.Route{Method: "GET", Path: "/v2/images/{id}/members/{member}", Do: s.showMember},
		api.Route{Method: "PUT", Path: "/v2/images/{id}/members/{member}", Do: s.updateMember},
		api.Route{Method: "DELETE", Path: "/v2/images/{id}/members/{member}", Do: s.removeMember},
		api.Route{Method: "GET", Path: "/v2/schemas/{name}", Do: s.schema},
		api.Route{Method: "GET", Path: "/v2/info/import", Do: func(*api.Request) (*api.Reply, error) {
			return api.OK(
				api.Obj{
					"import-methods": api.Obj{
						"description": "Import methods available.",
						"type":        "array",
						"value":       api.List{"glance-direct"},
					},
				},
			)
		}},
		api.Route{Method: "GET", Path: "/v2/info/stores", Do: func(*api.Request) (*api.Reply, error) {
			return nil, api.NotFound("Multi backend is not supported at this site.")
		}},
		api.Route{Method: "GET", Path: "/v2/metadefs/namespaces", Do: func(*api.Request) (*api.Reply, error) {
			return api.OK(
				api.Obj{
					"namespaces": api.List{},
					"schema":     "/v2/schemas/metadefs/namespaces",
					"first":      "/v2/metadefs/namespaces",
				},
			)
		}},
		api.Route{Method: "GET", Path: "/v2/tasks", Do: func(*api.Request) (*api.Reply, error) {
			return nil, api.Forbidden("You are not authorized to complete tasks_api_access action.")
		}},
	)
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
			l = append(
				l,
				api.Obj{
					"id":     id,
					"status": state,
					"links":  api.List{api.Obj{"rel": "self", "href": r.Root + "/v2/"}},
				},
			)
		}
		return &api.Reply{Status: status, Body: api.Obj{"versions": l}}, nil
	}
}

// dialect is Glance's.
type dialect struct{}

func (dialect) Begin(*api.Request) error { return nil }

func (dialect) Headers(h http.Header, r *api.Request) {
	if r.Path != "/" && r.Path != "" { // the list of versions comes from a separate layer
		h.Set("X-Openstack-Request-Id", r.ID)
	}
}

func (dialect) Empty(int) string { return "text/html; charset=UTF-8" }

func (dialect) Error(e *api.Error, r *api.Request) (string, []byte) {
	return api.WebobBody(e, r.HTTP.Header.Get("Accept"))
}

func (dialect) NotFound(r *api.Request, handled bool) *api.Error {
	if handled {
		return &api.Error{
			Status:  http.StatusMethodNotAllowed,
			Message: "The method " + r.HTTP.Method + " is not allowed for this resource. ",
			Header:  http.Header{"Allow": {"GET, POST"}},
		}
	}
	return api.NotFound("The resource could not be found.")
}

// Advance performs due transitions inside a transaction and returns when the
// next thing is.
func (s *Service) Advance(now time.Time) (next time.Time) {
	for _, m := range s.db.Images.Where(func(m *db.Image) bool { return !m.Due.IsZero() }) {
		if m.Due.After(now) {
			if next.IsZero() || m.Due.Before(next) {
				next = m.Due
			}
			continue
		}
		m.Due, m.Status = time.Time{}, "active"
		if m.Size < 0 { // a server's snapshot: there are no data behind it
			m.Size, m.VirtualSize = 0, 0
			m.DiskFormat, m.Container = cmp.Or(m.DiskFormat, "raw"), cmp.Or(m.Container, "bare")
		}
		s.db.Images.Put(m)
	}
	return next
}
