package network

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
)

// changeTags stores what change makes of an object's tags.
func (s *Service) changeTags(
	res *resource,
	r *api.Request,
	change func(have []string) ([]string, error),
) ([]string, error) {
	var tags []string
	err := s.db.Update(func() error {
		it, err := res.own(r, r.Var("id"), "update")
		if err != nil {
			return err
		}
		if tags, err = change(slices.Clone(it.std.Tags)); err != nil {
			return err
		}
		slices.Sort(tags)
		it.std.Tags = slices.Compact(tags)
		it.std.Revision++
		it.put()
		return nil
	})
	return list(tags), err
}

func (s *Service) showTags(res *resource, r *api.Request) (*api.Reply, error) {
	var tags []string
	var err error
	s.db.View(func() {
		var it item
		if it, err = res.find(r, r.Var("id")); err == nil {
			tags = it.std.Tags
		}
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"tags": list(tags)})
}

func (s *Service) replaceTags(res *resource, r *api.Request) (*api.Reply, error) {
	var b struct{ Tags []string }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	if b.Tags == nil {
		return nil, badRequest("HTTPBadRequest", "Invalid tags body")
	}
	tags, err := s.changeTags(res, r, func([]string) ([]string, error) { return b.Tags, nil })
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"tags": tags})
}

func (s *Service) clearTags(res *resource, r *api.Request) (*api.Reply, error) {
	if _, err := s.changeTags(res, r, func([]string) ([]string, error) { return nil, nil }); err != nil {
		return nil, err
	}
	return api.NoContent()
}

func (s *Service) checkTag(res *resource, r *api.Request) (*api.Reply, error) {
	var err error
	s.db.View(func() {
		var it item
		if it, err = res.find(r, r.Var("id")); err == nil && !slices.Contains(it.std.Tags, r.Var("tag")) {
			err = failure(404, "TagNotFound", "Tag %s could not be found.", r.Var("tag"))
		}
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

func (s *Service) addTag(res *resource, r *api.Request) (*api.Reply, error) {
	_, err := s.changeTags(res, r, func(have []string) ([]string, error) { return append(have, r.Var("tag")), nil })
	if err != nil {
		return nil, err
	}
	return api.Created(nil)
}

func (s *Service) removeTag(res *resource, r *api.Request) (*api.Reply, error) {
	_, err := s.changeTags(res, r, func(have []string) ([]string, error) {
		if !slices.Contains(have, r.Var("tag")) {
			return nil, failure(404, "TagNotFound", "Tag %s could not be found.", r.Var("tag"))
		}
		return slices.DeleteFunc(have, func(t string) bool { return t == r.Var("tag") }), nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}
