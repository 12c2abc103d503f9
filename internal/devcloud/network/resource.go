package network

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// record is a pointer to what a table of Neutron's keeps.
type record[T any] interface {
	*T
	Head() *db.Meta
	Standard() *db.Std
}

// resource is one kind of Neutron object: where the objects are kept, their
// attributes, and the functions that differ from kind to kind, which may be
// nil.
type resource[T any, P record[T]] struct {
	quotas                *api.Quotas
	table                 *db.Table[T, P]
	single, plural, class string
	attrs                 []attr
	// readOnly are the names of attributes that view alone shows.
	readOnly []string
	// filters are query parameters beside the attributes of the view; they
	// match in filter.
	filters []string
	filter  func(x P, key, value string) bool
	// revision is a new object's.
	revision int
	// fixed objects do not change.
	fixed bool
	// members is the attribute whose elements the calls add_PATH and
	// remove_PATH change; memberPath is PATH where it has another name.
	members, memberPath string

	// listed comes before a project's list.
	listed func(project string)
	// shared tells whether a project that does not own the object sees it.
	shared func(x P, project string) bool
	// show amends a view of the attributes.
	show func(x P, v api.Obj)
	// check looks at a new or changed object before it is stored, and may amend
	// it; x.Seq is 0 for a new one. stored follows.
	check, stored func(c *call, x P) error
	// removed refuses, or cleans up before an object goes.
	removed func(c *call, x P) error
}

// anyResource is a resource of whatever kind.
type anyResource interface {
	names() (single, plural string)
	routes() []api.Route
	count(project string) int
}

func (res *resource[T, P]) names() (single, plural string) { return res.single, res.plural }

// count is how many objects a project has.
func (res *resource[T, P]) count(project string) int {
	return res.table.Count(func(x P) bool { return x.Standard().ProjectID == project })
}

// key names a list of the resource in a body; paths have dashes where keys have
// underscores.
func (res *resource[T, P]) key() string { return strings.ReplaceAll(res.plural, "-", "_") }

// call is a create, an update or a removal under way.
type call struct {
	*api.Request
	in      api.Obj
	project string
}

func (res *resource[T, P]) routes() []api.Route {
	base := "/v2.0/" + res.plural
	one := base + "/{id}"
	calls := api.Calls{"GET " + one: res.get, "POST " + base: res.post, "DELETE " + one: res.remove}
	if !res.fixed {
		calls["PUT "+one] = res.put
	}
	if path := "_" + res.memberPath; res.members != "" {
		calls["PUT "+one+"/add"+path] = func(r *api.Request) (*api.Reply, error) { return res.changeMembers(r, true) }
		calls["PUT "+one+"/remove"+path] = func(r *api.Request) (*api.Reply, error) { return res.changeMembers(r, false) }
	}
	tags := api.Tags{
		Path: one + "/tags", Again: http.StatusCreated,
		Open: func(r *api.Request) ([]string, func([]string), error) {
			x, err := res.find(r, r.Var("id"))
			if err == nil && r.HTTP.Method != http.MethodGet {
				x, err = res.own(r, r.Var("id"), "update")
			}
			if err != nil {
				return nil, nil, err
			}
			return x.Standard().Tags, func(tags []string) {
				slices.Sort(tags)
				x.Standard().Tags = tags
				x.Standard().Revision++
				res.table.Put(x)
			}, nil
		},
		Missing: func(r *api.Request) error {
			return failure(http.StatusNotFound, "TagNotFound", "Tag %s could not be found.", r.Var("tag"))
		},
	}
	list := api.Route{Method: "GET", Path: base, Do: res.list, Writes: res.listed != nil}
	return append(append(calls.Routes(api.Route{}), tags.Routes()...), list)
}

// view is an object as its caller sees it.
func (res *resource[T, P]) view(x P, admin bool) api.Obj {
	v := viewOf(res.attrs, x, admin)
	std := x.Standard()
	v["tenant_id"], v["project_id"], v["id"], v["tags"] = std.ProjectID, std.ProjectID, x.Head().ID, list(std.Tags)
	v["revision_number"] = std.Revision
	v["created_at"], v["updated_at"] = api.Seconds(x.Head().Created), api.Seconds(x.Head().LastChange())
	if res.show != nil {
		res.show(x, v)
	}
	return v
}

func (res *resource[T, P]) visible(x P, a *api.Auth) bool {
	own := a.ProjectID != "" && x.Standard().ProjectID == a.ProjectID
	return a.Admin() || own || res.shared != nil && res.shared(x, a.ProjectID)
}

// find is the object of that ID if the caller may see it.
func (res *resource[T, P]) find(r *api.Request, id string) (P, error) {
	if x := res.table.Get(id); x != nil && res.visible(x, r.Auth) {
		return x, nil
	}
	return nil, notFound(res.class, id)
}

// own is find for a change: what others merely share is refused.
func (res *resource[T, P]) own(r *api.Request, id, action string) (P, error) {
	x, err := res.find(r, id)
	if err == nil && x.Standard().ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, disallowed("rule:" + action + "_" + res.single)
	}
	return x, err
}

func (res *resource[T, P]) get(r *api.Request) (*api.Reply, error) {
	x, err := res.find(r, r.Var("id"))
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{res.single: fields(r, res.view(x, r.Auth.Admin()))})
}

// post makes one object, or all or none of several.
func (res *resource[T, P]) post(r *api.Request) (*api.Reply, error) {
	var body map[string]any
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	many, bulk := body[res.key()].([]any)
	if !bulk {
		in, err := r.Object(res.single)
		if err != nil {
			return nil, err
		}
		many = api.List{in}
	}
	l := api.List{}
	for _, e := range many {
		in, ok := e.(api.Obj)
		if !ok {
			return nil, api.BadRequest("Body contains invalid data")
		}
		x, err := res.create(r, in)
		if err != nil {
			return nil, err
		}
		l = append(l, res.view(x, r.Auth.Admin()))
	}
	if !bulk {
		return api.Created(api.Obj{res.single: l[0]})
	}
	return api.Created(api.Obj{res.key(): l})
}

func (res *resource[T, P]) create(r *api.Request, in api.Obj) (P, error) {
	in, err := res.prepare(in, true, r.Auth.Admin())
	if err != nil {
		return nil, err
	}
	c := &call{Request: r, in: in, project: r.Auth.ProjectID}
	for _, key := range []string{"tenant_id", "project_id"} {
		if p := str(in, key); p != "" && p != c.project {
			if !r.Auth.Admin() {
				return nil, disallowed("(rule:create_" + res.single + " and rule:create_" + res.single + ":" + key + ")")
			}
			c.project = p
		}
	}
	if !res.quotas.Fits(c.project, res.single, 1) {
		return nil, conflict("OverQuota", "Quota exceeded for resources: ['%s'].", res.single)
	}
	x := P(new(T))
	x.Standard().ProjectID, x.Standard().Revision = c.project, res.revision
	return x, res.store(c, x)
}

// change is an update of an object, with a body that has been prepared.
func (res *resource[T, P]) change(r *api.Request, x P, in api.Obj) error {
	x.Standard().Revision++
	return res.store(&call{Request: r, in: in, project: x.Standard().ProjectID}, x)
}

// store gives a new or an old object the attributes of a call.
func (res *resource[T, P]) store(c *call, x P) error {
	fill(res.attrs, x, c.in)
	if res.check != nil {
		if err := res.check(c, x); err != nil {
			return err
		}
	}
	if x.Head().Seq == 0 {
		res.table.Insert(x)
	} else {
		res.table.Put(x)
	}
	if res.stored != nil {
		return res.stored(c, x)
	}
	return nil
}

func (res *resource[T, P]) put(r *api.Request) (*api.Reply, error) {
	in, err := r.Object(res.single)
	if err != nil {
		return nil, err
	}
	if in, err = res.prepare(in, false, r.Auth.Admin()); err != nil {
		return nil, err
	}
	x, err := res.own(r, r.Var("id"), "update")
	if err == nil {
		err = matchRevision(r, x.Standard())
	}
	if err == nil {
		err = res.change(r, x, in)
	}
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{res.single: res.view(x, r.Auth.Admin())})
}

func (res *resource[T, P]) remove(r *api.Request) (*api.Reply, error) {
	x, err := res.own(r, r.Var("id"), "delete")
	if err == nil {
		err = matchRevision(r, x.Standard())
	}
	if err == nil && res.removed != nil {
		err = res.removed(&call{Request: r, project: x.Standard().ProjectID}, x)
	}
	if err == nil {
		res.table.Delete(x.Head().ID)
	}
	return nil, err
}

// matchRevision honours If-Match: revision_number=N (Neutron's
// revision-if-match extension).
func matchRevision(r *api.Request, std *db.Std) error {
	want, ok := strings.CutPrefix(r.HTTP.Header.Get("If-Match"), "revision_number=")
	n, err := strconv.Atoi(want)
	if !ok || err != nil || n == std.Revision {
		return nil // Neutron ignores keys it does not understand
	}
	return failure(http.StatusPreconditionFailed, "RevisionNumberConstraintFailed",
		"Constrained to %d, but current revision is %d", n, std.Revision)
}

// fields keeps the attributes that the query's "fields" name.
func fields(r *api.Request, v api.Obj) api.Obj {
	if want := r.HTTP.URL.Query()["fields"]; len(want) > 0 {
		maps.DeleteFunc(v, func(k string, _ any) bool { return !slices.Contains(want, k) })
	}
	return v
}

var (
	// pageParams are the query parameters that are not filters.
	pageParams = []string{"limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields"}
	tagFilters = []string{"tags", "tags-any", "not-tags", "not-tags-any"}
)

const maxPage = 1 << 30 // Neutron's default sets no bound

func (res *resource[T, P]) list(r *api.Request) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	if err := res.checkQuery(q); err != nil {
		return nil, err
	}
	if res.listed != nil {
		res.listed(r.Auth.ProjectID)
	}
	views := []api.Obj{}
	for _, x := range res.table.Where(func(x P) bool { return res.visible(x, r.Auth) }) {
		if v := res.view(x, r.Auth.Admin()); res.matches(x, v, q) {
			views = append(views, v)
		}
	}
	api.SortViews(views, append(q["sort_key"], "id"), append(q["sort_dir"], "asc"))
	return pageOf(r, res.key(), views)
}

// checkQuery refuses what a list cannot be filtered or sorted by.
func (res *resource[T, P]) checkQuery(q url.Values) error {
	known := slices.Concat(pageParams, tagFilters, res.filters)
	for _, a := range res.allAttrs() {
		known = append(known, a.name)
	}
	var bad []string
	for _, key := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, key) {
			bad = append(bad, "'"+key+"'")
		}
	}
	switch {
	case len(bad) > 0:
		return api.BadRequest("[%s] is invalid attribute for filtering", strings.Join(bad, ", "))
	case len(q["sort_key"]) != len(q["sort_dir"]):
		return api.BadRequest("The number of sort_keys and sort_dirs must be same")
	}
	return nil
}

// matches tells whether an object passes the query's filters.
func (res *resource[T, P]) matches(x P, v api.Obj, q url.Values) bool {
	for key, values := range q {
		ok := true
		switch {
		case slices.Contains(pageParams, key):
		case slices.Contains(tagFilters, key):
			ok = api.TagsMatch(x.Standard().Tags, key, values)
		case slices.Contains(res.filters, key):
			ok = slices.ContainsFunc(values, func(want string) bool { return res.filter(x, key, want) })
		default:
			ok = slices.ContainsFunc(values, func(want string) bool { return valueMatches(v[key], want) })
		}
		if !ok {
			return false
		}
	}
	return true
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

func pageOf(r *api.Request, key string, views []api.Obj) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("Limit must be an integer 0 or greater and not '%s'", q.Get("limit"))
	}
	marker, reverse := q.Get("marker"), r.Flag("page_reverse")
	if reverse {
		slices.Reverse(views)
	}
	if !slices.ContainsFunc(views, func(v api.Obj) bool { return v["id"] == marker }) {
		marker = "" // Neutron starts from the beginning
	}
	page, next, err := api.Paginate(views, func(v api.Obj) string { return v["id"].(string) }, limit, maxPage, marker)
	if err != nil {
		return nil, err
	}
	if reverse {
		slices.Reverse(page)
	}
	body := api.Obj{}
	if limit > 0 && len(page) > 0 {
		links := api.List{}
		if next != "" {
			links = append(links, api.Obj{"rel": "next", "href": api.NextURL(r, next)})
		}
		q.Set("marker", page[0]["id"].(string))
		q.Set("page_reverse", "True")
		body[key+"_links"] = append(links, api.Obj{"rel": "previous", "href": r.Root + r.Path + "?" + q.Encode()})
	}
	body[key] = api.Views(page, func(v api.Obj) api.Obj { return fields(r, v) })
	return api.OK(body)
}
