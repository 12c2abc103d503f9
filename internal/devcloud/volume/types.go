package volume

import (
	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// defaultType is the type of volumes that ask for none.
const defaultType = "__DEFAULT__"

func (s *Service) findType(ref string) *db.VolumeType {
	return s.db.VolumeTypes.First(func(t *db.VolumeType) bool { return t.ID == ref || t.Name == ref })
}

func typeView(t *db.VolumeType, listed bool) api.Obj {
	o := api.Obj{
		"id":          t.ID,
		"name":        t.Name,
		"is_public":   !t.Private,
		"description": orNil(t.Description),
		"extra_specs": dict(t.ExtraSpecs),
	}
	if listed {
		o["os-volume-type-access:is_public"] = !t.Private
	}
	return o
}

func (s *Service) listTypes(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	s.db.View(func() {
		for _, t := range s.db.VolumeTypes.All() {
			if !t.Private || r.Auth.Admin() {
				l = append(l, typeView(t, true))
			}
		}
	})
	return api.OK(api.Obj{"volume_types": l})
}

func (s *Service) showType(r *api.Request) (*api.Reply, error) {
	id := r.Var("id")
	if id == "default" {
		id = defaultType
	}
	var t *db.VolumeType
	s.db.View(func() { t = s.findType(id) })
	if t == nil || t.Name == r.Var("id") {
		return nil, api.NotFound("Volume type %s could not be found.", r.Var("id"))
	}
	return api.OK(api.Obj{"volume_type": typeView(t, false)})
}

func (s *Service) createType(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, api.Forbidden("Policy doesn't allow volume_extension:type_create to be performed.")
	}
	in, err := r.Object("volume_type")
	if err != nil {
		return nil, err
	}
	t := &db.VolumeType{}
	t.Name, _ = in["name"].(string)
	t.Description, _ = in["description"].(string)
	if m, ok := in["extra_specs"].(api.Obj); ok {
		t.ExtraSpecs = texts(m)
	}
	if p, ok := in["os-volume-type-access:is_public"].(bool); ok {
		t.Private = !p
	}
	err = s.db.Update(func() error {
		if s.findType(t.Name) != nil {
			return api.Conflict("Volume Type %s already exists.", t.Name)
		}
		s.db.VolumeTypes.Insert(t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"volume_type": typeView(t, true)})
}

func (s *Service) removeType(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, api.Forbidden("Policy doesn't allow volume_extension:type_delete to be performed.")
	}
	err := s.db.Update(func() error {
		t := s.db.VolumeTypes.Get(r.Var("id"))
		if t == nil {
			return api.NotFound("Volume type %s could not be found.", r.Var("id"))
		}
		if t.Name == defaultType || s.db.Volumes.First(func(v *db.Volume) bool { return v.Type == t.Name }) != nil {
			return api.BadRequest("Target volume type is still in use.")
		}
		s.db.VolumeTypes.Delete(t.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(nil)
}

func (s *Service) typeSpecs(r *api.Request) (*api.Reply, error) {
	var t *db.VolumeType
	s.db.View(func() { t = s.db.VolumeTypes.Get(r.Var("id")) })
	if t == nil {
		return nil, api.NotFound("Volume type %s could not be found.", r.Var("id"))
	}
	return api.OK(api.Obj{"extra_specs": dict(t.ExtraSpecs)})
}
