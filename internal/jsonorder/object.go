package jsonorder

import "slices"

// Object is a JSON object. Values are nil, bool, int64, *big.Int, float64,
// string, []any and *Object. The zero value is empty and ready to use.
type Object struct {
	keys   []string
	values map[string]any
}

// NewObject makes an object of keys and values in turn.
func NewObject(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Set adds a key at the end, or replaces the value of one that is there.
func (o *Object) Set(key string, value any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// Delete removes a key.
func (o *Object) Delete(key string) {
	if _, ok := o.values[key]; ok {
		delete(o.values, key)
		o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
	}
}

// Get returns a value and whether the key is there. A nil object is empty.
func (o *Object) Get(key string) (any, bool) {
	if o == nil {
		return nil, false
	}
	v, ok := o.values[key]
	return v, ok
}

// Value returns a value, nil where there is none.
func (o *Object) Value(key string) any {
	v, _ := o.Get(key)
	return v
}

// String returns a value that is a string, "" for every other.
func (o *Object) String(key string) string {
	s, _ := o.Value(key).(string)
	return s
}

// Object returns a value that is an object, nil for every other.
func (o *Object) Object(key string) *Object {
	v, _ := o.Value(key).(*Object)
	return v
}

// Clone returns a copy whose keys can be changed; the values are the same.
func (o *Object) Clone() *Object {
	c := &Object{}
	for _, k := range o.Keys() {
		c.Set(k, o.values[k])
	}
	return c
}

// Keys returns the keys in order. The caller must not change them.
func (o *Object) Keys() []string {
	if o == nil {
		return nil
	}
	return o.keys
}

// Len is the number of keys.
func (o *Object) Len() int { return len(o.Keys()) }

// Equal compares two values as data: the order of keys does not count.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for _, k := range x.Keys() {
			v, ok := y.Get(k)
			if !ok || !Equal(x.values[k], v) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	}
	switch b.(type) {
	case *Object, []any:
		return false
	}
	return compareScalars(a, b)
}
