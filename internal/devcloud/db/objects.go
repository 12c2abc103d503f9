package db

import (
	"maps"
	"time"
)

// Object is a record whose attributes nothing but its own API and a few rules
// read. They are kept as the caller gave them, in the types that JSON decodes
// into: string, bool, float64, []any, map[string]any and nil.
type Object struct {
	Meta
	// Kind and Key name the object; Key is the ID that callers see.
	Kind, Key string
	// Parent is the object that it belongs to, where it belongs to one.
	Parent, ProjectID string
	Attrs             map[string]any
	// NextStatus is what the attribute status becomes at Due; "deleted" removes
	// the object.
	NextStatus string
	Due        time.Time `json:",omitzero"`
}

// Plan stores a status now and another that follows after a while.
func (d *DB) Plan(o *Object, now, next string, after time.Duration) {
	o.Set(map[string]any{"status": now})
	o.NextStatus, o.Due = next, d.Now().Add(after)
	d.PutObject(o)
}

// AdvanceObjects performs the planned changes that are due, and returns when
// the next one is.
func (d *DB) AdvanceObjects(now time.Time) (next time.Time) {
	d.objects.Due(now, &next, func(o *Object) time.Time { return o.Due }, func(o *Object) {
		if o.NextStatus == "deleted" {
			d.objects.Delete(o.ID)
			return
		}
		o.Set(map[string]any{"status": o.NextStatus})
		o.NextStatus, o.Due = "", time.Time{}
		d.PutObject(o)
	})
	return next
}

// Text is an attribute that is a string, "" when it is another thing.
func (o *Object) Text(attr string) string {
	s, _ := o.Attrs[attr].(string)
	return s
}

// Int is an attribute that is a number, 0 when it is another thing.
func (o *Object) Int(attr string) int {
	switch n := o.Attrs[attr].(type) {
	case float64:
		return int(n)
	case int:
		return n
	}
	return 0
}

// Dict is an attribute that is an object, with its values as text.
func (o *Object) Dict(attr string) map[string]string {
	out := map[string]string{}
	m, _ := o.Attrs[attr].(map[string]any)
	for k, v := range m {
		out[k], _ = v.(string)
	}
	return out
}

// Bool is an attribute that is a boolean, false when it is another thing.
func (o *Object) Bool(attr string) bool {
	b, _ := o.Attrs[attr].(bool)
	return b
}

// Matches makes a condition: the same values of these attributes as here.
func (o *Object) Matches(attrs ...string) func(*Object) bool {
	return func(x *Object) bool {
		for _, a := range attrs {
			if x.Attrs[a] != o.Attrs[a] {
				return false
			}
		}
		return true
	}
}

// Set changes attributes of this copy.
func (o *Object) Set(attrs map[string]any) *Object {
	have := maps.Clone(o.Attrs)
	if have == nil {
		have = map[string]any{}
	}
	maps.Copy(have, attrs)
	o.Attrs = have
	return o
}

// Object returns a copy of the object of that kind and key, or nil.
func (d *DB) Object(kind, key string) *Object { return d.objects.Get(kind + "/" + key) }

// Objects returns copies of the objects of a kind that match, in the order of
// their creation; a nil match takes all.
func (d *DB) Objects(kind string, match func(*Object) bool) []*Object {
	return d.objects.Where(func(o *Object) bool { return o.Kind == kind && (match == nil || match(o)) })
}

// FirstObject returns a copy of the earliest object of a kind that matches, or
// nil.
func (d *DB) FirstObject(kind string, match func(*Object) bool) *Object {
	return d.objects.First(func(o *Object) bool { return o.Kind == kind && match(o) })
}

// PutObject adds an object or replaces the one of its kind and key. An empty
// key becomes a new UUID.
func (d *DB) PutObject(o *Object) *Object {
	if o.Key == "" {
		o.Key = NewUUID()
	}
	o.ID = o.Kind + "/" + o.Key
	if d.objects.Get(o.ID) != nil {
		d.objects.Put(o)
		return o
	}
	return d.objects.Insert(o)
}

// DeleteObject removes the object of that kind and key, if there is one.
func (d *DB) DeleteObject(kind, key string) { d.objects.Delete(kind + "/" + key) }

// DeleteObjects removes the objects of a kind that match.
func (d *DB) DeleteObjects(kind string, match func(*Object) bool) {
	for _, o := range d.Objects(kind, match) {
		d.objects.Delete(o.ID)
	}
}
