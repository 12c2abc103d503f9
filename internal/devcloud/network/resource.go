package network

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// item is one object with what every kind of object has.
type item struct {
	meta *db.Meta
	std  *db.Std
	// shared tells whether a project that does not own the object sees it.
	shared func(project string) bool
	// shown is the object's view.
	shown func(a *api.Auth) api.Obj
	// put stores std after tags or the revision changed.
	put func()
}

// resource is one kind of Neutron object.
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

// record is a pointer to what a table of Neutron's keeps.
type record[T any] interface {
	*T
	Head() *db.Meta
	Standard() *db.Std
}

// rules are the functions that differ from kind to kind. All may be nil.
type rules[P any] struct {
	// quota limits how many a project has.
	quota string
	// revision is a new object's.
	revision int
	// shared tells whether a project that does not own the object sees it.
	shared func(x P, project string) bool
	// view amends a view of the attributes.
	view func(x P, v api.Obj)
	// check looks at a new or changed object before it is stored, and may amend
	// it; x.Seq is 0 for a new one. stored follows.
	check, stored func(c *call, x P) error
	// remove refuses, or cleans up before an object goes.
	remove func(c *call, x P) error
}

// keep completes a resource whose objects are a table's.
func keep[T any, P record[T]](s *Service, t *db.Table[T, P], res resource, k rules[P]) *resource {
	do := func(f func(*call, P) error, c *call, x P) error {
		if f == nil {
			return nil
		}
		return f(c, x)
	}
	wrap := func(x P) item {
		return item{
			meta: x.Head(), std: x.Standard(), put: func() { t.Put(x) },
			shared: func(project string) bool { return k.shared != nil && k.shared(x, project) },
			shown: func(a *api.Auth) api.Obj {
				v := viewOf(res.attrs, x, a.Admin())
				v["tenant_id"], v["project_id"] = x.Standard().ProjectID, x.Standard().ProjectID
				v["id"], v["tags"], v["revision_number"] = x.Head().ID, list(x.Standard().Tags), x.Standard().Revision
				v["created_at"], v["updated_at"] = api.Seconds(x.Head().Created), api.Seconds(x.Head().LastChange())
				if k.view != nil {
					k.view(x, v)
				}
				return v
			},
		}
	}
	res.all = func() (items []item) {
		for _, x := range t.All() {
			items = append(items, wrap(x))
		}
		return items
	}
	res.get = func(id string) (item, bool) {
		if x := t.Get(id); x != nil {
			return wrap(x), true
		}
		return item{}, false
	}
	res.create = func(c *call) (string, error) {
		if k.quota != "" && !s.quotas.Fits(c.project, k.quota, 1) {
			return "", conflict("OverQuota", "Quota exceeded for resources: ['%s'].", k.quota)
		}
		x := P(new(T))
		x.Standard().ProjectID, x.Standard().Revision = c.project, k.revision
		fill(res.attrs, x, c.in)
		if err := do(k.check, c, x); err != nil {
			return "", err
		}
		t.Insert(x)
		return x.Head().ID, do(k.stored, c, x)
	}
	res.update = func(c *call, id string) error {
		x := t.Get(id)
		x.Standard().Revision++
		fill(res.attrs, x, c.in)
		if err := do(k.check, c, x); err != nil {
			return err
		}
		t.Put(x)
		return do(k.stored, c, x)
	}
	res.remove = func(c *call, id string) error {
		if err := do(k.remove, c, t.Get(id)); err != nil {
			return err
		}
		t.Delete(id)
		return nil
	}
	return &res
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
	with := func(do func(*resource, *api.Request) (*api.Reply, error)) api.Handler {
		return func(r *api.Request) (*api.Reply, error) { return do(res, r) }
	}
	calls := api.Calls{
		"GET " + base + "/{id}": with(s.showItem), "POST " + base: with(s.createItem), "DELETE " + base + "/{id}": with(s.removeItem),
	}
	if res.update != nil {
		calls["PUT "+base+"/{id}"] = with(s.updateItem)
	}
	svc.Handle(calls.Routes(api.Route{})...)
	// A project's default security group is made when it is first looked for.
	svc.Handle(api.Route{Method: "GET", Path: base, Do: with(s.listItems), Writes: res.class == "SecurityGroup"})
	tags := api.Tags{
		Path: base + "/{id}/tags", Again: http.StatusCreated,
		Open: func(r *api.Request) ([]string, func([]string), error) {
			find := res.find
			if r.HTTP.Method != http.MethodGet {
				find = func(r *api.Request, id string) (item, error) { return res.own(r, id, "update") }
			}
			it, err := find(r, r.Var("id"))
			if err != nil {
				return nil, nil, err
			}
			return it.std.Tags, func(tags []string) {
				slices.Sort(tags)
				it.std.Tags = tags
				it.std.Revision++
				it.put()
			}, nil
		},
		Missing: func(r *api.Request) error {
			return failure(http.StatusNotFound, "TagNotFound", "Tag %s could not be found.", r.Var("tag"))
		},
	}
	svc.Handle(tags.Routes()...)
}

func visible(it item, a *api.Auth) bool {
	return a.Admin() || it.std.ProjectID == a.ProjectID && a.ProjectID != "" || it.shared(a.ProjectID)
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

func (s *Service) showItem(res *resource, r *api.Request) (*api.Reply, error) {
	it, err := res.find(r, r.Var("id"))
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{res.single: fields(r, it.shown(r.Auth))})
}

// createItem makes one object, or all or none of several.
func (s *Service) createItem(res *resource, r *api.Request) (*api.Reply, error) {
	var body map[string]any
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	many, bulk := body[res.key()].([]any)
	if !bulk {
		o, err := r.Object(res.single)
		if err != nil {
			return nil, err
		}
		v, err := s.createOne(res, r, o)
		if err != nil {
			return nil, err
		}
		return api.Created(api.Obj{res.single: v})
	}
	l := api.List{}
	for _, e := range many {
		o, ok := e.(api.Obj)
		if !ok {
			return nil, api.BadRequest("Body contains invalid data")
		}
		v, err := s.createOne(res, r, o)
		if err != nil {
			return nil, err
		}
		l = append(l, v)
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
				return nil, disallowed("(rule:create_" + res.single + " and rule:create_" + res.single + ":" + key + ")")
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
	want, ok := strings.CutPrefix(r.HTTP.Header.Get("If-Match"), "revision_number=")
	n, err := strconv.Atoi(want)
	if !ok || err != nil || n == it.std.Revision {
		return nil // Neutron ignores keys it does not understand
	}
	return failure(http.StatusPreconditionFailed, "RevisionNumberConstraintFailed",
		"Constrained to %d, but current revision is %d", n, it.std.Revision)
}

func (s *Service) updateItem(res *resource, r *api.Request) (*api.Reply, error) {
	o, err := r.Object(res.single)
	if err != nil {
		return nil, err
	}
	in, err := prepare(res, o, false, r.Auth.Admin())
	if err != nil {
		return nil, err
	}
	it, err := res.own(r, r.Var("id"), "update")
	if err != nil {
		return nil, err
	}
	if err := matchRevision(r, it); err != nil {
		return nil, err
	}
	if err := res.update(&call{Request: r, in: in, project: it.std.ProjectID}, it.meta.ID); err != nil {
		return nil, err
	}
	it, _ = res.get(it.meta.ID)
	return api.OK(api.Obj{res.single: it.shown(r.Auth)})
}

func (s *Service) removeItem(res *resource, r *api.Request) (*api.Reply, error) {
	it, err := res.own(r, r.Var("id"), "delete")
	if err == nil {
		err = matchRevision(r, it)
	}
	if err != nil {
		return nil, err
	}
	return nil, res.remove(&call{Request: r, project: it.std.ProjectID}, it.meta.ID)
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

// pageParams are the query parameters that are not filters.
var pageParams = []string{"limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields"}

var tagFilters = []string{"tags", "tags-any", "not-tags", "not-tags-any"}

const maxPage = 1 << 30 // Neutron's default sets no bound

func (s *Service) listItems(res *resource, r *api.Request) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	if res.class == "SecurityGroup" {
		s.DefaultGroup(r.Auth.ProjectID)
	}
	var items []item
	for _, it := range res.all() {
		if visible(it, r.Auth) {
			items = append(items, it)
		}
	}
	views, err := selectItems(res, items, r.Auth, q)
	if err == nil {
		err = sortViews(views, q)
	}
	if err != nil {
		return nil, err
	}
	return s.pageOf(res, r, views)
}

// selectItems applies the query's filters and returns the views of what passes.
func selectItems(res *resource, items []item, a *api.Auth, q url.Values) ([]api.Obj, error) {
	known := knownFilters(res)
	var bad []string
	for key := range q {
		if !slices.Contains(known, key) {
			bad = append(bad, "'"+key+"'")
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return nil, api.BadRequest("[%s] is invalid attribute for filtering", strings.Join(bad, ", "))
	}
	views := []api.Obj{}
next:
	for _, it := range items {
		v := it.shown(a)
		for key, values := range q {
			switch {
			case slices.Contains(pageParams, key):
			case slices.Contains(tagFilters, key):
				if !api.TagsMatch(it.std.Tags, key, values) {
					continue next
				}
			case slices.Contains(res.filters, key):
				if !slices.ContainsFunc(values, func(want string) bool { return res.filter(it, key, want) }) {
					continue next
				}
			default:
				if !slices.ContainsFunc(values, func(want string) bool { return valueMatches(v[key], want) }) {
					continue next
				}
			}
		}
		views = append(views, v)
	}
	return views, nil
}

func knownFilters(res *resource) []string {
	known := slices.Concat(pageParams, tagFilters, res.filters, []string{"changed_since"})
	for _, a := range standardAttrs {
		known = append(known, a.name)
	}
	for _, a := range res.attrs {
		known = append(known, a.name)
	}
	return known
}

func valueMatches(have any, want string) bool {
	switch h := have.(type) {
	case nil:
		return want == "" || want == "None"
	case bool:
		return strings.EqualFold(fmt.Sprint(h), want) || h && want == "1" || !h && want == "0"
	case []string:
		return slices.Contains(h, want)
	}
	return fmt.Sprint(have) == want
}

func sortViews(views []api.Obj, q url.Values) error {
	if len(q["sort_key"]) != len(q["sort_dir"]) {
		return api.BadRequest("The number of sort_keys and sort_dirs must be same")
	}
	api.SortViews(views, append(q["sort_key"], "id"), append(q["sort_dir"], "asc"))
	return nil
}

func (s *Service) pageOf(res *resource, r *api.Request, views []api.Obj) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("Limit must be an integer 0 or greater and not '%s'", q.Get("limit"))
	}
	marker, reverse := q.Get("marker"), strings.EqualFold(q.Get("page_reverse"), "true")
	if reverse {
		slices.Reverse(views)
	}
	if !slices.ContainsFunc(views, func(v api.Obj) bool { return v["id"] == marker }) {
		marker = "" // Neutron starts from the beginning
	}
	page, err := api.Paginate(views, func(v api.Obj) string { return v["id"].(string) }, limit, maxPage, marker)
	if err != nil {
		return nil, err
	}
	if reverse {
		slices.Reverse(page.Items)
	}
	body := api.Obj{res.key(): api.Views(page.Items, func(v api.Obj) api.Obj { return fields(r, v) })}
	if limit > 0 && len(page.Items) > 0 {
		links := api.List{}
		if page.Next != "" {
			links = append(links, api.Obj{"rel": "next", "href": api.NextURL(r, page.Next)})
		}
		prev := r.HTTP.URL.Query()
		prev.Set("marker", page.Items[0]["id"].(string))
		prev.Set("page_reverse", "True")
		links = append(links, api.Obj{"rel": "previous", "href": r.Root + r.Path + "?" + prev.Encode()})
		body[res.key()+"_links"] = links
	}
	return api.OK(body)
}
