package api

import (
	"net/http"
	"slices"
)

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
