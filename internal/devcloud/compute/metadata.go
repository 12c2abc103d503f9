package compute

import (
	"net/http"
	"strconv"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// change is the caller's server, for reading or, unless it is locked, for a
// change.
func (s *Service) change(r *api.Request) (*db.Server, error) {
	v, err := s.find(r)
	if err == nil && r.HTTP.Method != http.MethodGet {
		err = unlocked(r, v)
	}
	return v, err
}

func (s *Service) metadataRoutes() []api.Route {
	d := &api.Dictionary{
		Path: "/servers/{id}/metadata", Name: "metadata", Item: "meta", Gone: 204,
		Open: func(r *api.Request) (map[string]string, func(map[string]string), error) {
			v, err := s.change(r)
			if err != nil {
				return nil, nil, err
			}
			return v.Metadata, func(m map[string]string) { v.Metadata = m; s.db.Servers.Put(v) }, nil
		},
		Missing: func(*api.Request, string) error { return api.NotFound("Metadata item was not found") },
		Check: func(r *api.Request, m map[string]string) error {
			if !s.quotas.Allows(r.Auth.ProjectID, "metadata_items", len(m)) {
				return errMetadata(s.quotas.Limit(r.Auth.ProjectID, "metadata_items"))
			}
			return checkMetadata(api.Pairs(m))
		},
	}
	return d.Routes()
}

func errMetadata(limit int) *api.Error {
	return api.Forbidden("Maximum number of metadata items exceeds %d", limit)
}

// maxTags is how many tags a server may have.
const maxTags = 50

func (s *Service) tagRoutes() []api.Route {
	tags := api.Tags{
		Path: "/servers/{id}/tags", Again: http.StatusNoContent,
		Open: func(r *api.Request) ([]string, func([]string), error) {
			v, err := s.change(r)
			if err != nil {
				return nil, nil, err
			}
			return v.Tags, func(tags []string) { v.Tags = tags; s.db.Servers.Put(v) }, nil
		},
		Check: func(tags []string) error {
			for i, t := range tags {
				if msg := tagForm(t); msg != "" {
					return invalid(strconv.Itoa(i), t, msg)
				}
			}
			if len(tags) > maxTags {
				return api.BadRequest("The number of tags exceeded the per-server limit %d", maxTags)
			}
			return nil
		},
		Missing: func(r *api.Request) error {
			return api.NotFound("Server %s has no tag '%s'", r.Var("id"), r.Var("tag"))
		},
	}
	routes := tags.Routes()
	for i := range routes {
		routes[i].Min = api.V(26)
	}
	return routes
}
