package network

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// item is one object with what every kind of object has.
type item struct {
	meta *db.Meta
	// id is what callers see where it is not the record's.
	id  string
	std *db.Std
	// sharedWith are projects besides the owner that see it.
	sharedWith []string
	// open tells that projects other than the owner see it.
	open bool
	// tagless objects show no tags.
	tagless bool
	// hidden objects belong to the cloud itself: an administrator alone sees
	// them.
	hidden bool
	view   func(admin bool) api.Obj
	// put stores std after tags or the revision changed.
	put func()
}

// resource is one kind of Neutron object. Its functions run with the database
// locked.
type resource struct {
	single, plural, class string
	attrs                 []attr
	// filters are query parameters beside the attributes of the view; they
	// match in filter.
	filters []string
	filter  func(it item, key, value string) bool

	all    func() []item
	get    func(id string) (item, bool)
	create func(c *call) (string, error)
	update func(c *call, id string) error
	remove func(c *call, id string) error
}

// key names a list of the resource in a body; paths have dashes where keys have
// underscores.
func (res *resource) key() string { return strings.ReplaceAll(res.plural, "-", "_") }

// call is a create or an update under way.
type call struct {
	*api.Request
	in      api.Obj
	project string
}

func (s *Service) handleResource(svc *api.Service, res *resource) {
	base := "/v2.0/" + res.plural
	svc.Handle(
		api.Route{
			Method: "GET",
			Path:   base,
			Do:     func(r *api.Request) (*api.Reply, error) { return s.listItems(res, r) },
		},
		api.Route{
			Method: "GET",
			Path:   base + "/{id}",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.showItem(res, r) },
		},
		api.Route{
			Method: "POST",
			Path:   base,
			Do:     func(r *api.Request) (*api.Reply, error) { return s.createItem(res, r) },
		},
		api.Route{
			Method: "DELETE",
			Path:   base + "/{id}",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.removeItem(res, r) },
		},
		api.Route{
			Method: "GET",
			Path:   base + "/{id}/tags",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.showTags(res, r) },
		},
		api.Route{
			Method: "PUT",
			Path:   base + "/{id}/tags",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.replaceTags(res, r) },
		},
		api.Route{
			Method: "DELETE",
			Path:   base + "/{id}/tags",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.clearTags(res, r) },
		},
		api.Route{
			Method: "GET",
			Path:   base + "/{id}/tags/{tag}",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.checkTag(res, r) },
		},
		api.Route{
			Method: "PUT",
			Path:   base + "/{id}/tags/{tag}",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.addTag(res, r) },
		},
		api.Route{
			Method: "DELETE",
			Path:   base + "/{id}/tags/{tag}",
			Do:     func(r *api.Request) (*api.Reply, error) { return s.removeTag(res, r) },
		},
	)
	if res.update != nil {
		svc.Handle(
			api.Route{
				Method: "PUT",
				Path:   base + "/{id}",
				Do:     func(r *api.Request) (*api.Reply, error) { return s.updateItem(res, r) },
			},
		)
	}
}

// ID is what callers know the object by.
func (it item) ID() string { return cmp.Or(it.id, it.meta.ID) }

func visible(it item, a *api.Auth) bool {
	return a.Admin() || !it.hidden && (it.open || it.std.ProjectID == a.ProjectID || slices.Contains(it.sharedWith, a.ProjectID))
}

// find is the object of that ID if the caller may see it.
func (res *resource) find(r *api.Request, id string) (item, error) {
	it, ok := res.get(id)
	if !ok || !visible(it, r.Auth) {
		return item{}, notFound(res.class, id)
	}
	return it, nil
}

// own is find for a change: what others merely share is refused.
func (res *resource) own(r *api.Request, id, action string) (item, error) {
	it, err := res.find(r, id)
	if err == nil && it.std.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return item{}, disallowed("rule:" + action + "_" + res.single)
	}
	return it, err
}

// shown is the object's view with what all kinds have.
func (it item) shown(a *api.Auth) api.Obj {
	v := it.view(a.Admin())
	v["id"] = it.ID()
	v["tenant_id"], v["project_id"] = it.std.ProjectID, it.std.ProjectID
	if _, set := v["description"]; !set {
		v["description"] = it.std.Description
	}
	if !it.tagless {
		v["tags"] = list(it.std.Tags)
	}
	v["created_at"], v["updated_at"] = timeText(it.meta.Created), timeText(it.meta.LastChange())
	v["revision_number"] = it.std.Revision
	return v
}

func (s *Service) showItem(res *resource, r *api.Request) (*api.Reply, error) {
	var v api.Obj
	var err error
	s.db.View(func() {
		var it item
		if it, err = res.find(r, r.Var("id")); err == nil {
			v = it.shown(r.Auth)
		}
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{res.single: fields(r, v)})
}

func (s *Service) createItem(res *resource, r *api.Request) (*api.Reply, error) {
	var body map[string]any
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if many, ok := body[res.key()].([]any); ok {
		return s.createMany(res, r, many)
	}
	o, err := r.Object(res.single)
	if err != nil {
		return nil, err
	}
	var v api.Obj
	err = s.db.Update(func() (err error) {
		v, err = s.createOne(res, r, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return api.Created(api.Obj{res.single: v})
}

// createMany is Neutron's bulk create: all or none.
func (s *Service) createMany(res *resource, r *api.Request, many []any) (*api.Reply, error) {
	l := api.List{}
	err := s.db.Update(func() error {
		for _, e := range many {
			o, ok := e.(api.Obj)
			if !ok {
				return api.BadRequest("Body contains invalid data")
			}
			v, err := s.createOne(res, r, o)
			if err != nil {
				return err
			}
			l = append(l, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Created(api.Obj{res.key(): l})
}

func (s *Service) createOne(res *resource, r *api.Request, o api.Obj) (api.Obj, error) {
	in, err := prepare(res, o, true, r.Auth.Admin())
	if err != nil {
		return nil, err
	}
	project := r.Auth.ProjectID
	for _, key := range []string{"tenant_id", "project_id"} {
		if p := str(in, key); p != "" && p != project {
			if !r.Auth.Admin() {
				return nil, disallowed(
					"(rule:create_" + res.single + " and rule:create_" + res.single + ":" + key + ")",
				)
			}
			project = p
		}
	}
	id, err := res.create(&call{Request: r, in: in, project: project})
	if err != nil {
		return nil, err
	}
	it, _ := res.get(id)
	return it.shown(r.Auth), nil
}

// matchRevision honours If-Match: revision_number=N (Neutron's
// revision-if-match extension).
func matchRevision(r *api.Request, it item) error {
	h := r.HTTP.Header.Get("If-Match")
	if h == "" {
		return nil
	}
	want, ok := strings.CutPrefix(h, "revision_number=")
	n, err := strconv.Atoi(want)
	if !ok || err != nil {
		return nil // Neutron ignores keys it does not understand
	}
	if n != it.std.Revision {
		return failure(
			http.StatusPreconditionFailed,
			"RevisionNumberConstraintFailed",
			"Constrained to %d, but current revision is %d",
			n,
			it.std.Revision,
		)
	}
	return nil
}

func (s *Service) updateItem(res *resource, r *api.Request) (*api.Reply, error) {
	o, err := r.Object(res.single)
	if err != nil {
		return nil, err
	}
	var v api.Obj
	err = s.db.Update(func() error {
		in, err := prepare(res, o, false, r.Auth.Admin())
		if err != nil {
			return err
		}
		it, err := res.own(r, r.Var("id"), "update")
		if err != nil {
			return err
		}
		if err := matchRevision(r, it); err != nil {
			return err
		}
		if err := res.update(&call{Request: r, in: in, project: it.std.ProjectID}, it.ID()); err != nil {
			return err
		}
		it, _ = res.get(it.ID())
		v = it.shown(r.Auth)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{res.single: v})
}

func (s *Service) removeItem(res *resource, r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		it, err := res.own(r, r.Var("id"), "delete")
		if err != nil {
			return err
		}
		if err := matchRevision(r, it); err != nil {
			return err
		}
		return res.remove(&call{Request: r, project: it.std.ProjectID}, it.ID())
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

// touch bumps a revision and takes over what callers may change on anything.
func touch(std *db.Std, in api.Obj) {
	std.Revision++
	if has(in, "name") {
		std.Name = str(in, "name")
	}
	if has(in, "description") {
		std.Description = str(in, "description")
	}
}

func newStd(c *call) db.Std {
	return db.Std{Name: str(c.in, "name"), Description: str(c.in, "description"), ProjectID: c.project}
}

// fields keeps the attributes that the query's "fields" name.
func fields(r *api.Request, v api.Obj) api.Obj {
	want := r.HTTP.URL.Query()["fields"]
	if len(want) == 0 {
		return v
	}
	out := api.Obj{}
	for k, e := range v {
		if slices.Contains(want, k) {
			out[k] = e
		}
	}
	return out
}

func itemsOf[T any](rows []*T, wrap func(*T) item) []item {
	items := make([]item, 0, len(rows))
	for _, row := range rows {
		items = append(items, wrap(row))
	}
	return items
}
