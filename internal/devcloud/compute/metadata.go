package compute

import (
	"maps"
	"slices"
	"strconv"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) metadataRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/servers/{id}/metadata", Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) { return api.Obj{"metadata": dict(v.Metadata)}, nil })
		}},
		{Method: "POST", Path: "/servers/{id}/metadata", Do: s.mergeMetadata(false)},
		{Method: "PUT", Path: "/servers/{id}/metadata", Do: s.mergeMetadata(true)},
		{Method: "GET", Path: "/servers/{id}/metadata/{key}", Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) {
				m, ok := v.Metadata[r.Var("key")]
				if !ok {
					return nil, errMetadata
				}
				return api.Obj{"meta": api.Obj{r.Var("key"): m}}, nil
			})
		}},
		{Method: "PUT", Path: "/servers/{id}/metadata/{key}", Do: s.setMetadataItem},
		{Method: "DELETE", Path: "/servers/{id}/metadata/{key}", Do: s.removeMetadataItem},
	}
}

var errMetadata = api.NotFound("Metadata item was not found")

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

func (s *Service) mergeMetadata(replace bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		in, err := r.Object("metadata")
		if err != nil {
			return nil, err
		}
		if err := checkMetadata(in); err != nil {
			return nil, err
		}
		var out map[string]string
		err = s.changeServer(r, func(v *db.Server) error {
			out = map[string]string{}
			if !replace {
				maps.Copy(out, v.Metadata)
			}
			for k, x := range in {
				out[k] = x.(string)
			}
			if n := s.limit(v.ProjectID, "metadata_items"); n >= 0 && len(out) > n {
				return api.Forbidden("Maximum number of metadata items exceeds %d", n)
			}
			v.Metadata = out
			return nil
		})
		if err != nil {
			return nil, err
		}
		return api.OK(api.Obj{"metadata": out})
	}
}

func (s *Service) setMetadataItem(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("meta")
	if err != nil {
		return nil, err
	}
	if err := checkMetadata(in); err != nil {
		return nil, err
	}
	value, ok := in[r.Var("key")].(string)
	if !ok || len(in) != 1 {
		return nil, api.BadRequest("Request body and URI mismatch")
	}
	err = s.changeServer(r, func(v *db.Server) error {
		m := maps.Clone(dict(v.Metadata))
		m[r.Var("key")] = value
		v.Metadata = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"meta": in})
}

func (s *Service) removeMetadataItem(r *api.Request) (*api.Reply, error) {
	err := s.changeServer(r, func(v *db.Server) error {
		if _, ok := v.Metadata[r.Var("key")]; !ok {
			return errMetadata
		}
		m := maps.Clone(v.Metadata)
		delete(m, r.Var("key"))
		v.Metadata = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
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
