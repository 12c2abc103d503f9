package compute

import (
	"slices"
	"strconv"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) metadataRoutes() []api.Route {
	d := &api.Dictionary{
		DB: s.db, Path: "/servers/{id}/metadata", Name: "metadata", Item: "meta", Gone: 204,
		Open: func(r *api.Request) (map[string]string, func(map[string]string), error) {
			v, err := s.find(r)
			if err == nil && r.HTTP.Method != "GET" {
				err = unlocked(r, v)
			}
			if err != nil {
				return nil, nil, err
			}
			return v.Metadata, func(m map[string]string) { v.Metadata = m; s.db.Servers.Put(v) }, nil
		},
		Missing: func(*api.Request, string) error { return api.NotFound("Metadata item was not found") },
		Check: func(r *api.Request, m map[string]string) error {
			if n := s.limit(r.Auth.ProjectID, "metadata_items"); n >= 0 && len(m) > n {
				return api.Forbidden("Maximum number of metadata items exceeds %d", n)
			}
			o := api.Obj{}
			for k, v := range m {
				o[k] = v
			}
			return checkMetadata(o)
		},
	}
	return d.Routes()
}

// changeServer runs do on the caller's server inside a transaction and stores
// it.
func (s *Service) changeServer(r *api.Request, do func(v *db.Server) error) error {
	return s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		if err := unlocked(r, v); err != nil {
			return err
		}
		if err := do(v); err != nil {
			return err
		}
		s.db.Servers.Put(v)
		return nil
	})
}

// maxTags is how many tags a server may have.
const maxTags = 50

func (s *Service) tagRoutes() []api.Route {
	routes := []api.Route{
		{Method: "GET", Path: "/servers/{id}/tags", Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(
				r,
				func(v *db.Server) (any, error) { return api.Obj{"tags": append([]string{}, v.Tags...)}, nil },
			)
		}},
		{Method: "PUT", Path: "/servers/{id}/tags", Do: s.replaceTags},
		{Method: "DELETE", Path: "/servers/{id}/tags", Do: func(r *api.Request) (*api.Reply, error) {
			if err := s.changeServer(r, func(v *db.Server) error { v.Tags = nil; return nil }); err != nil {
				return nil, err
			}
			return api.NoContent()
		}},
		{Method: "GET", Path: "/servers/{id}/tags/{tag}", Do: s.checkTag},
		{Method: "PUT", Path: "/servers/{id}/tags/{tag}", Do: s.addTag},
		{Method: "DELETE", Path: "/servers/{id}/tags/{tag}", Do: s.removeTag},
	}
	for i := range routes {
		routes[i].Min = api.V(26)
	}
	return routes
}

func errTag(v *db.Server, tag string) *api.Error {
	return api.NotFound("Server %s has no tag '%s'", v.ID, tag)
}

func (s *Service) replaceTags(r *api.Request) (*api.Reply, error) {
	var b struct{ Tags []any }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	var tags []string
	for i, t := range b.Tags {
		if msg := tagForm(t); msg != "" {
			return nil, invalid(strconv.Itoa(i), t, msg)
		}
		if !slices.Contains(tags, t.(string)) {
			tags = append(tags, t.(string))
		}
	}
	if len(tags) > maxTags {
		return nil, api.BadRequest("The number of tags exceeded the per-server limit %d", maxTags)
	}
	if err := s.changeServer(r, func(v *db.Server) error { v.Tags = tags; return nil }); err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"tags": append([]string{}, tags...)})
}

func (s *Service) checkTag(r *api.Request) (*api.Reply, error) {
	_, err := s.with(r, func(v *db.Server) (any, error) {
		if !slices.Contains(v.Tags, r.Var("tag")) {
			return nil, errTag(v, r.Var("tag"))
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

func (s *Service) addTag(r *api.Request) (*api.Reply, error) {
	tag := r.Var("tag")
	if msg := tagForm(tag); msg != "" {
		return nil, api.BadRequest(
			"Tag '%s' is invalid. It must be a non empty string without characters '/' and ','. Validation error message: %s",
			tag,
			msg,
		)
	}
	status := 201
	err := s.changeServer(r, func(v *db.Server) error {
		if slices.Contains(v.Tags, tag) {
			status = 204
			return nil
		}
		if len(v.Tags) >= maxTags {
			return api.BadRequest("The number of tags exceeded the per-server limit %d", maxTags)
		}
		v.Tags = append(slices.Clone(v.Tags), tag)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.Reply{Status: status, Header: map[string][]string{"Location": {r.Root + r.Path}}}, nil
}

func (s *Service) removeTag(r *api.Request) (*api.Reply, error) {
	err := s.changeServer(r, func(v *db.Server) error {
		i := slices.Index(v.Tags, r.Var("tag"))
		if i < 0 {
			return api.NotFound("Instance %s has no tag '%s'", v.ID, r.Var("tag"))
		}
		v.Tags = slices.Delete(slices.Clone(v.Tags), i, i+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}
