package api

import (
	"maps"
	"net/http"
	"slices"
)

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
	one := d.Path + "/{key}"
	return Calls{
		"GET " + d.Path: func(r *Request) (*Reply, error) { return d.change(r, nil) }, "POST " + d.Path: d.write(false),
		"PUT " + d.Path: d.write(true), "GET " + one: d.item, "PUT " + one: d.putItem, "DELETE " + one: d.removeItem,
	}.Routes(Route{})
}

// change stores what next makes of the pairs and answers with them all.
func (d *Dictionary) change(r *Request, next func(map[string]string) (map[string]string, error)) (*Reply, error) {
	have, put, err := d.Open(r)
	if err != nil {
		return nil, err
	}
	pairs := maps.Clone(have)
	if pairs == nil {
		pairs = map[string]string{}
	}
	if next != nil {
		if pairs, err = next(pairs); err != nil {
			return nil, err
		}
		if d.Check != nil {
			if err := d.Check(r, pairs); err != nil {
				return nil, err
			}
		}
		put(pairs)
	}
	return OK(Obj{d.Name: pairs})
}

func (d *Dictionary) write(replace bool) Handler {
	return func(r *Request) (*Reply, error) {
		in, err := r.Object(d.Name)
		if err != nil {
			return nil, err
		}
		given, err := TextPairs(in)
		if err != nil {
			return nil, err
		}
		return d.change(r, func(have map[string]string) (map[string]string, error) {
			if replace {
				return given, nil
			}
			maps.Copy(have, given)
			return have, nil
		})
	}
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

func (d *Dictionary) pair(key, value string) (*Reply, error) {
	if d.Item == "" {
		return OK(Obj{key: value})
	}
	return OK(Obj{d.Item: Obj{key: value}})
}

func (d *Dictionary) item(r *Request) (*Reply, error) {
	reply, err := d.change(r, nil)
	if err != nil {
		return nil, err
	}
	key := r.Var("key")
	value, ok := reply.Body.(Obj)[d.Name].(map[string]string)[key]
	if !ok {
		return nil, d.Missing(r, key)
	}
	return d.pair(key, value)
}

func (d *Dictionary) putItem(r *Request) (*Reply, error) {
	var in Obj
	if err := r.JSON(&in); err != nil {
		return nil, err
	}
	if d.Item != "" {
		var err error
		if in, err = r.Object(d.Item); err != nil {
			return nil, err
		}
	}
	key := r.Var("key")
	given, err := TextPairs(in)
	if err != nil {
		return nil, err
	}
	value, ok := given[key]
	if !ok || len(given) != 1 {
		return nil, BadRequest("Request body and URI mismatch")
	}
	if _, err := d.change(r, func(have map[string]string) (map[string]string, error) {
		have[key] = value
		return have, nil
	}); err != nil {
		return nil, err
	}
	return d.pair(key, value)
}

func (d *Dictionary) removeItem(r *Request) (*Reply, error) {
	_, err := d.change(r, func(have map[string]string) (map[string]string, error) {
		if _, ok := have[r.Var("key")]; !ok {
			return nil, d.Missing(r, r.Var("key"))
		}
		delete(have, r.Var("key"))
		return have, nil
	})
	if err != nil {
		return nil, err
	}
	return &Reply{Status: max(d.Gone, 200)}, nil
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
	Check func(tags []string) error
	// Missing words the answer to an unknown tag.
	Missing func(r *Request) error
	// Again is the status of adding a tag that the resource has.
	Again int
}

// Routes are the tags' calls.
func (t *Tags) Routes() []Route {
	one := t.Path + "/{tag}"
	return Calls{
		"GET " + t.Path: func(r *Request) (*Reply, error) {
			tags, _, err := t.Open(r)
			return &Reply{Status: http.StatusOK, Body: Obj{"tags": append([]string{}, tags...)}}, err
		},
		"PUT " + t.Path: func(r *Request) (*Reply, error) {
			var b struct{ Tags []string }
			if r.JSON(&b) != nil || b.Tags == nil {
				return nil, BadRequest("Invalid tags body")
			}
			slices.Sort(b.Tags)
			b.Tags = slices.Compact(b.Tags)
			if err := t.change(r, func([]string) ([]string, error) { return b.Tags, nil }); err != nil {
				return nil, err
			}
			return OK(Obj{"tags": b.Tags})
		},
		"DELETE " + t.Path: func(r *Request) (*Reply, error) {
			return nil, t.change(r, func([]string) ([]string, error) { return nil, nil })
		},
		"GET " + one: func(r *Request) (*Reply, error) {
			tags, _, err := t.Open(r)
			if err == nil && !slices.Contains(tags, r.Var("tag")) {
				err = t.Missing(r)
			}
			return nil, err
		},
		"PUT " + one: func(r *Request) (*Reply, error) {
			status := http.StatusCreated
			err := t.change(r, func(have []string) ([]string, error) {
				if slices.Contains(have, r.Var("tag")) {
					status = t.Again
					return have, nil
				}
				return append(have, r.Var("tag")), nil
			})
			return &Reply{Status: status, Header: http.Header{"Location": {r.Root + r.Path}}}, err
		},
		"DELETE " + one: func(r *Request) (*Reply, error) {
			return nil, t.change(r, func(have []string) ([]string, error) {
				i := slices.Index(have, r.Var("tag"))
				if i < 0 {
					return nil, t.Missing(r)
				}
				return slices.Delete(have, i, i+1), nil
			})
		},
	}.Routes(Route{})
}

// change stores what next makes of the tags.
func (t *Tags) change(r *Request, next func(have []string) ([]string, error)) error {
	tags, put, err := t.Open(r)
	if err != nil {
		return err
	}
	if tags, err = next(slices.Clone(tags)); err != nil {
		return err
	}
	if t.Check != nil {
		if err := t.Check(tags); err != nil {
			return err
		}
	}
	put(tags)
	return nil
}
