package api

import (
	"maps"
	"net/http"
	"slices"
)

// part is a part of an object: open returns it with what stores another in its
// place, which check, unless nil, looks at first.
type part[T any] struct {
	open  func(r *Request) (T, func(T), error)
	clone func(T) T
	check func(r *Request, next T) error
}

// call is a call about the part. edit, unless nil, gives another from a copy;
// show answers.
func (p part[T]) call(edit func(r *Request, have T) (T, error), show func(r *Request, now T) (*Reply, error)) Handler {
	return func(r *Request) (*Reply, error) {
		now, put, err := p.open(r)
		if err == nil && edit != nil {
			now, err = edit(r, p.clone(now))
			if err == nil && p.check != nil {
				err = p.check(r, now)
			}
			if err == nil {
				put(now)
			}
		}
		if err != nil {
			return nil, err
		}
		return show(r, now)
	}
}

// Dictionary is the calls for the pairs of texts that an object carries:
// metadata, extra specs.
type Dictionary struct {
	// Path is that of all pairs; one is below it.
	Path string
	// Name is the pairs' name in bodies. Item is a single pair's, "" when the
	// service puts it there bare.
	Name, Item string
	// Open returns the pairs of the call's object and what stores others in
	// their place.
	Open func(r *Request) (pairs map[string]string, put func(map[string]string), err error)
	// Missing words the answer to an unknown key.
	Missing func(r *Request, key string) error
	// Check, when set, looks at the pairs before they are stored.
	Check func(r *Request, pairs map[string]string) error
	// Gone is the status of a removal: 200 when zero.
	Gone int
}

// Routes are the dictionary's calls.
func (d *Dictionary) Routes() []Route {
	all := func(_ *Request, pairs map[string]string) (*Reply, error) { return OK(Obj{d.Name: Dict(pairs)}) }
	item := func(r *Request, pairs map[string]string) (*Reply, error) {
		key := r.Var("key")
		value, ok := pairs[key]
		switch {
		case !ok:
			return nil, d.Missing(r, key)
		case d.Item == "":
			return OK(Obj{key: value})
		}
		return OK(Obj{d.Item: Obj{key: value}})
	}
	gone := func(*Request, map[string]string) (*Reply, error) { return &Reply{Status: max(d.Gone, 200)}, nil }
	replace := func(r *Request, _ map[string]string) (map[string]string, error) { return given(r, d.Name) }
	add := func(r *Request, have map[string]string) (map[string]string, error) {
		more, err := given(r, d.Name)
		maps.Copy(have, more)
		return have, err
	}
	addOne := func(r *Request, have map[string]string) (map[string]string, error) {
		more, err := given(r, d.Item)
		if _, ok := more[r.Var("key")]; err == nil && (!ok || len(more) != 1) {
			err = BadRequest("Request body and URI mismatch")
		}
		maps.Copy(have, more)
		return have, err
	}
	remove := func(r *Request, have map[string]string) (map[string]string, error) {
		if _, ok := have[r.Var("key")]; !ok {
			return nil, d.Missing(r, r.Var("key"))
		}
		delete(have, r.Var("key"))
		return have, nil
	}
	one := d.Path + "/{key}"
	p := part[map[string]string]{d.Open, func(m map[string]string) map[string]string { return maps.Clone(Dict(m)) }, d.Check}
	return Calls{
		"GET " + d.Path: p.call(nil, all), "POST " + d.Path: p.call(add, all), "PUT " + d.Path: p.call(replace, all),
		"GET " + one: p.call(nil, item), "PUT " + one: p.call(addOne, item), "DELETE " + one: p.call(remove, gone),
	}.Routes(Route{})
}

// given is the pairs in a body, below a name unless that is empty.
func given(r *Request, name string) (map[string]string, error) {
	var in Obj
	err := r.JSON(&in)
	if name != "" {
		in, err = r.Object(name)
	}
	if err != nil {
		return nil, err
	}
	return TextPairs(in)
}

// TextPairs are the pairs of a JSON object whose values have to be texts.
func TextPairs(in Obj) (map[string]string, error) {
	out := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(in)) {
		text, ok := in[k].(string)
		if !ok {
			return nil, BadRequest("Invalid input for field/attribute %s. Value: %v. %v is not of type 'string'", k, in[k], in[k])
		}
		out[k] = text
	}
	return out, nil
}

// Pairs is text pairs as an object's attribute keeps them.
func Pairs(m map[string]string) Obj {
	o := Obj{}
	for k, v := range m {
		o[k] = v
	}
	return o
}

// Dictionary is the calls for an attribute of the collection's objects that
// holds pairs.
func (c *Collection) Dictionary(name, item string, gone int) *Dictionary {
	return &Dictionary{
		Path: c.Path + "/{id}/" + name, Name: name, Item: item, Gone: gone,
		Open: func(r *Request) (map[string]string, func(map[string]string), error) {
			o, err := c.Get(r, r.Var("id"))
			if err == nil {
				err = c.allow(r, map[bool]string{true: "get", false: "update"}[r.HTTP.Method == "GET"], o)
			}
			if err != nil {
				return nil, nil, err
			}
			return o.Dict(name), func(m map[string]string) { c.DB.PutObject(o.Set(Obj{name: Pairs(m)})) }, nil
		},
		Missing: func(r *Request, key string) error {
			return NotFound("%s %s has no %s with key %s.", c.Kind, r.Var("id"), name, key)
		},
	}
}

// Tags is the calls for the words that an object is marked with.
type Tags struct {
	// Path is that of all tags; one is below it.
	Path string
	// Open returns the tags of the call's object and what stores others in
	// their place.
	Open func(r *Request) (tags []string, put func([]string), err error)
	// Check, when set, looks at the tags before they are stored.
	Check func(r *Request, tags []string) error
	// Missing words the answer to an unknown tag.
	Missing func(r *Request) error
	// Again is the status of adding a tag that the resource has.
	Again int
}

// Routes are the tags' calls.
func (t *Tags) Routes() []Route {
	p := part[[]string]{t.Open, slices.Clone[[]string], t.Check}
	done := func(*Request, []string) (*Reply, error) { return nil, nil }
	all := func(_ *Request, tags []string) (*Reply, error) { return OK(Obj{"tags": append([]string{}, tags...)}) }
	none := func(*Request, []string) ([]string, error) { return nil, nil }
	replace := func(r *Request, _ []string) ([]string, error) {
		var b struct{ Tags []string }
		if r.JSON(&b) != nil || b.Tags == nil {
			return nil, BadRequest("Invalid tags body")
		}
		slices.Sort(b.Tags)
		return slices.Compact(b.Tags), nil
	}
	remove := func(r *Request, have []string) ([]string, error) {
		i := slices.Index(have, r.Var("tag"))
		if i < 0 {
			return nil, t.Missing(r)
		}
		return slices.Delete(have, i, i+1), nil
	}
	one := t.Path + "/{tag}"
	return Calls{
		"GET " + t.Path: p.call(nil, all), "PUT " + t.Path: p.call(replace, all), "DELETE " + t.Path: p.call(none, done),
		"DELETE " + one: p.call(remove, done),
		"GET " + one: p.call(nil, func(r *Request, tags []string) (*Reply, error) {
			_, err := remove(r, slices.Clone(tags))
			return nil, err
		}),
		"PUT " + one: func(r *Request) (*Reply, error) {
			status := http.StatusCreated
			return p.call(func(r *Request, have []string) ([]string, error) {
				if slices.Contains(have, r.Var("tag")) {
					status = t.Again
					return have, nil
				}
				return append(have, r.Var("tag")), nil
			}, func(*Request, []string) (*Reply, error) {
				return &Reply{Status: status, Header: http.Header{"Location": {r.Root + r.Path}}}, nil
			})(r)
		},
	}.Routes(Route{})
}
