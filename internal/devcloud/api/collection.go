package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Collection is a kind of object with the calls that such objects have in most
// services: list, show, create, update and delete. The objects are kept as
// their callers gave them; the functions hold what differs from kind to kind.
type Collection struct {
	DB *db.DB
	// Kind is the objects' name in the database and in messages, Single and
	// Plural their names in bodies.
	Kind, Single, Plural string
	// Path is the list's. A variable named in Parent is the object that those
	// of the list belong to.
	Path, Parent string
	// Defaults are the attributes an object has besides those it was given.
	Defaults Obj
	// Required are attributes that a create needs.
	Required []string
	// Hidden are attributes that no answer shows.
	Hidden []string
	// Brief are the attributes of the plain list of a service that has a
	// second one with everything, below /detail.
	Brief []string
	// Named tells that a create is a PUT to the path of the new object.
	Named bool
	// Bulk tells that a create takes a list of objects.
	Bulk bool
	// Update is the method of an update: PATCH when empty, "-" for none.
	Update string
	// Lasting is how long an object is in the status "deleting".
	Lasting time.Duration
	// Made, Changed and Gone are the statuses of a create, an update and a
	// delete: 201, 200 and 204 when zero.
	Made, Changed, Gone int

	// Allow refuses callers; action is list, get, create, update or delete.
	// o is nil for a list and a create.
	Allow func(r *Request, action string, o *db.Object) error
	// NewKey is the ID of a new object, a UUID when nil.
	NewKey func(in Obj) string
	// Check looks at a new or changed object before it is stored, and may
	// amend it. o.Seq is 0 for a new one; in is what the caller gave.
	Check func(r *Request, o *db.Object, in Obj) error
	// Removed cleans up before an object goes, or refuses.
	Removed func(r *Request, o *db.Object) error
	// Match is one more condition of the list.
	Match func(r *Request, o *db.Object) bool
	// Show amends an object's view.
	Show func(r *Request, o *db.Object, v Obj)
	// Actions are what POST to /action below an object can name.
	Actions map[string]func(r *Request, o *db.Object, in Obj) (*Reply, error)
	// Page answers a list in the service's own way: its order, its pages. brief
	// shows one of its elements.
	Page func(r *Request, plural string, views []Obj, brief func(Obj) Obj) (*Reply, error)
	// Links are what an answer has besides the object or the list.
	Links func(r *Request) Obj
	// Missing words the answer to an unknown ID.
	Missing func(id string) error
}

// Routes are the collection's calls.
func (c *Collection) Routes() []Route {
	one := c.Path + "/{id}"
	calls := Calls{
		"GET " + c.Path:             func(r *Request) (*Reply, error) { return c.list(r, c.Brief) },
		"GET " + one:                c.show,
		"DELETE " + one:             c.remove,
		"POST " + c.Path:            c.create,
		"POST " + one + "/action":   c.action,
		"GET " + c.Path + "/detail": func(r *Request) (*Reply, error) { return c.list(r, nil) },
	}
	if c.Brief == nil {
		delete(calls, "GET "+c.Path+"/detail")
	}
	if c.Actions == nil {
		delete(calls, "POST "+one+"/action")
	}
	if c.Update != "-" {
		calls[cmp.Or(c.Update, "PATCH")+" "+one] = c.update
	}
	if c.Named {
		delete(calls, "POST "+c.Path)
		calls["PUT "+one] = c.create
	}
	return calls.Routes(Route{})
}

// Get is the object of the call's path, or the answer to an unknown ID.
func (c *Collection) Get(r *Request, key string) (*db.Object, error) {
	o := c.DB.Object(c.Kind, key)
	if o == nil || c.Parent != "" && o.Parent != r.Var(c.Parent) {
		if c.Missing != nil {
			return nil, c.Missing(key)
		}
		return nil, NotFound("Could not find %s: %s.", c.Kind, key)
	}
	return o, nil
}

// View is an object as answers show it.
func (c *Collection) View(r *Request, o *db.Object) Obj {
	v := maps.Clone(c.Defaults)
	if v == nil {
		v = Obj{}
	}
	maps.Copy(v, o.Attrs)
	v["id"] = o.Key
	for _, k := range c.Hidden {
		delete(v, k)
	}
	if c.Show != nil {
		c.Show(r, o, v)
	}
	return v
}

func (c *Collection) allow(r *Request, action string, o *db.Object) error {
	if c.Allow == nil {
		return nil
	}
	return c.Allow(r, action, o)
}

func (c *Collection) answer(r *Request, status, def int, key string, body any) (*Reply, error) {
	o := Obj{}
	if c.Links != nil {
		o = c.Links(r)
	}
	o[key] = body
	return &Reply{Status: cmp.Or(status, def), Body: o}, nil
}

func (c *Collection) list(r *Request, brief []string) (*Reply, error) {
	if err := c.allow(r, "list", nil); err != nil {
		return nil, err
	}
	views := c.views(r, func(o *db.Object) bool {
		return (c.Parent == "" || o.Parent == r.Var(c.Parent)) && (c.Match == nil || c.Match(r, o))
	})
	show := func(v Obj) Obj {
		if brief != nil {
			maps.DeleteFunc(v, func(k string, _ any) bool { return !slices.Contains(brief, k) })
		}
		return v
	}
	if c.Page != nil {
		return c.Page(r, c.Plural, views, show)
	}
	return c.answer(r, 0, http.StatusOK, c.Plural, Views(views, show))
}

// List answers with the objects that match and pass the query's filters.
func (c *Collection) List(r *Request, match func(*db.Object) bool) (*Reply, error) {
	return c.answer(r, 0, http.StatusOK, c.Plural, c.views(r, match))
}

func (c *Collection) views(r *Request, match func(*db.Object) bool) []Obj {
	views := []Obj{}
	for _, o := range c.DB.Objects(c.Kind, match) {
		if v := c.View(r, o); Filter(r, v) {
			views = append(views, v)
		}
	}
	return views
}

// Use runs do with the object of the call's path if the caller may do that
// action; without a reply it is accepted.
func (c *Collection) Use(r *Request, action string, do func(o *db.Object) (*Reply, error)) (*Reply, error) {
	o, err := c.Get(r, r.Var("id"))
	if err == nil {
		err = c.allow(r, action, o)
	}
	if err != nil {
		return nil, err
	}
	reply, err := do(o)
	if err == nil && reply == nil {
		return Accepted(nil)
	}
	return reply, err
}

func (c *Collection) action(r *Request) (*Reply, error) {
	return Act(r, c.Actions, func(name string) (*db.Object, error) {
		o, err := c.Get(r, r.Var("id"))
		if err == nil {
			err = c.allow(r, name, o)
		}
		return o, err
	})
}

// Act answers a call to /action of what find returns; without a reply it is
// accepted.
func Act[T any](r *Request, actions map[string]func(*Request, T, Obj) (*Reply, error), find func(action string) (T, error)) (*Reply, error) {
	name, arg, err := r.Action()
	if err != nil {
		return nil, err
	}
	do, ok := actions[name]
	if !ok {
		return nil, BadRequest("There is no such action: %s. Verify the request body and Content-Type header and try again.", name)
	}
	it, err := find(name)
	if err != nil {
		return nil, err
	}
	in, _ := arg.(Obj)
	reply, err := do(r, it, in)
	if err == nil && reply == nil {
		return Accepted(nil)
	}
	return reply, err
}

func (c *Collection) show(r *Request) (*Reply, error) {
	return c.Use(r, "get", func(o *db.Object) (*Reply, error) {
		return c.answer(r, 0, http.StatusOK, c.Single, c.View(r, o))
	})
}

func (c *Collection) create(r *Request) (*Reply, error) {
	if err := c.allow(r, "create", nil); err != nil {
		return nil, err
	}
	if c.Bulk {
		return c.createMany(r)
	}
	in, err := r.Object(c.Single)
	if err != nil {
		return nil, err
	}
	v, err := c.Insert(r, in)
	if err != nil {
		return nil, err
	}
	return c.answer(r, c.Made, http.StatusCreated, c.Single, v)
}

// createMany adds the objects of a list: all or none.
func (c *Collection) createMany(r *Request) (*Reply, error) {
	var body map[string][]Obj
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	l := List{}
	for _, in := range body[c.Plural] {
		v, err := c.Insert(r, in)
		if err != nil {
			return nil, err
		}
		l = append(l, v)
	}
	return c.answer(r, c.Made, http.StatusCreated, c.Plural, l)
}

// Insert adds an object and returns its view.
func (c *Collection) Insert(r *Request, in Obj) (Obj, error) {
	for _, k := range c.Required {
		if in[k] == nil || in[k] == "" {
			return nil, BadRequest("'%s' is a required property", k)
		}
	}
	o := &db.Object{Kind: c.Kind, ProjectID: r.Auth.ProjectID, Attrs: maps.Clone(in)}
	if c.Parent != "" {
		o.Parent = r.Var(c.Parent)
	}
	switch {
	case c.Named:
		o.Key = r.Var("id")
	case c.NewKey != nil:
		o.Key = c.NewKey(in)
	}
	if c.Check != nil {
		if err := c.Check(r, o, in); err != nil {
			return nil, err
		}
	}
	return c.View(r, c.DB.PutObject(o)), nil
}

func (c *Collection) update(r *Request) (*Reply, error) {
	in, err := r.Object(c.Single)
	if err != nil {
		return nil, err
	}
	return c.Use(r, "update", func(o *db.Object) (*Reply, error) {
		o.Set(in)
		if c.Check != nil {
			if err := c.Check(r, o, in); err != nil {
				return nil, err
			}
		}
		return c.answer(r, c.Changed, http.StatusOK, c.Single, c.View(r, c.DB.PutObject(o)))
	})
}

func (c *Collection) remove(r *Request) (*Reply, error) {
	return c.Use(r, "delete", func(o *db.Object) (*Reply, error) {
		if c.Removed != nil {
			if err := c.Removed(r, o); err != nil {
				return nil, err
			}
		}
		if c.Lasting > 0 {
			c.DB.Plan(o, "deleting", "deleted", c.Lasting)
		} else {
			c.DB.DeleteObject(c.Kind, o.Key)
		}
		return &Reply{Status: cmp.Or(c.Gone, http.StatusNoContent)}, nil
	})
}

// comparisons are what a filter's suffix, "name__contains", asks of a value;
// with an i in front the case does not matter.
var comparisons = map[string]func(have, want string) bool{
	"contains":   strings.Contains,
	"startswith": strings.HasPrefix,
	"endswith":   strings.HasSuffix,
}

// Filter tells whether a view passes the query's filters. Parameters that are
// none of its attributes are ignored.
func Filter(r *Request, v Obj) bool {
	for key, want := range r.HTTP.URL.Query() {
		name, how, _ := strings.Cut(key, "__")
		if like, ok := strings.CutSuffix(key, "~"); ok { // Cinder's way
			name, how = like, "contains"
		}
		have, ok := v[name]
		if strings.HasSuffix(name, "tags") || strings.HasSuffix(name, "tags-any") {
			if tags, ok := v["tags"].([]any); ok && !TagsMatch(Texts(tags), key, want) {
				return false
			}
			continue
		}
		if kind := reflect.ValueOf(have).Kind(); !ok || kind == reflect.Slice || kind == reflect.Map {
			continue
		}
		text, wanted := fmt.Sprint(have), want[0]
		if have == nil {
			text = ""
		}
		if text == "true" || text == "false" {
			if wanted = strings.ToLower(wanted); wanted == "none" { // Cinder's word for both
				continue
			}
		}
		compare := comparisons[strings.TrimPrefix(how, "i")]
		switch {
		case how == "":
			if text != wanted {
				return false
			}
		case compare == nil:
		case !compare(text, wanted) && (how[0] != 'i' || !compare(strings.ToLower(text), strings.ToLower(wanted))):
			return false
		}
	}
	return true
}

// Texts are the strings of a JSON list.
func Texts(list List) []string {
	out := []string{}
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// TagsMatch applies the filters tags, tags-any, not-tags and not-tags-any,
// whose values may hold several tags each.
func TagsMatch(have []string, key string, values []string) bool {
	var want []string
	for _, v := range values {
		want = append(want, strings.Split(v, ",")...)
	}
	holds := func(t string) bool { return slices.Contains(have, t) }
	lacks := func(t string) bool { return !holds(t) }
	switch key {
	case "tags":
		return !slices.ContainsFunc(want, lacks)
	case "tags-any":
		return slices.ContainsFunc(want, holds)
	case "not-tags":
		return slices.ContainsFunc(want, lacks)
	}
	return !slices.ContainsFunc(want, holds)
}
