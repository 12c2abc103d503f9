package policyfile

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/ruby"
)

// attributes are `default` or `override` of a Policyfile, or a hash in them.
// Reading a key that is not there makes an empty hash of it, and symbols as
// keys mean strings (Chef: VividMash).
type attributes struct {
	hash *ruby.Hash
	self *ruby.HostObject
}

func newAttributes() *attributes {
	a := &attributes{hash: ruby.NewHash()}
	a.self = &ruby.HostObject{Name: "attributes", Host: a}
	return a
}

func attributeKey(k ruby.Value) ruby.Value {
	if s, ok := k.(ruby.Symbol); ok {
		return ruby.NewString(string(s))
	}
	return k
}

// attributeValue makes attributes of hashes, also of those in arrays.
func attributeValue(v ruby.Value) ruby.Value {
	switch v := v.(type) {
	case *ruby.Hash:
		a := newAttributes()
		v.Each(func(k, e ruby.Value) bool {
			a.hash.Set(attributeKey(k), attributeValue(e))
			return true
		})
		return a.self
	case *ruby.Array:
		elems := make([]ruby.Value, v.Len())
		for i := range elems {
			elems[i] = attributeValue(v.At(i))
		}
		return ruby.NewArray(elems...)
	}
	return v
}

// attributeMethods are the methods that attributes have here. A Policyfile sets
// them; hashes that it computes with are Ruby's.
var attributeMethods = []string{"[]", "[]=", "key?", "include?", "fetch", "dig", "merge!", "to_h", "to_hash"}

// Responds implements [ruby.Responder].
func (a *attributes) Responds(name string) bool { return slices.Contains(attributeMethods, name) }

// Call implements [ruby.Host].
func (a *attributes) Call(c *ruby.Call) (ruby.Value, bool, error) {
	args := c.Args
	if c.Keywords != nil {
		args = append(slices.Clone(args), c.Keywords)
	}
	switch n := len(args); {
	case c.Name == "[]" && n == 1:
		return a.vivify(args[0]), true, nil
	case c.Name == "[]=" && n == 2:
		a.hash.Set(attributeKey(args[0]), attributeValue(args[1]))
		return args[1], true, nil
	case (c.Name == "key?" || c.Name == "include?") && n == 1:
		_, ok := a.hash.Get(attributeKey(args[0]))
		return ok, true, nil
	case c.Name == "fetch" && n > 0:
		return a.fetch(c, args)
	case c.Name == "dig" && n > 0:
		return a.dig(args), true, nil
	case c.Name == "merge!" && n == 1:
		return c.Self, true, a.merge(c, args[0])
	case (c.Name == "to_h" || c.Name == "to_hash") && n == 0:
		return a.toHash(), true, nil
	}
	return nil, false, nil
}

func (a *attributes) vivify(key ruby.Value) ruby.Value {
	key = attributeKey(key)
	v, ok := a.hash.Get(key)
	if !ok {
		v = newAttributes().self
		a.hash.Set(key, v)
	}
	return v
}

func (a *attributes) fetch(c *ruby.Call, args []ruby.Value) (ruby.Value, bool, error) {
	if v, ok := a.hash.Get(attributeKey(args[0])); ok {
		return v, true, nil
	}
	switch {
	case c.Block != nil:
		v, err := c.Yield(args[0])
		return v, true, err
	case len(args) > 1:
		return args[1], true, nil
	}
	return nil, true, c.Raise("KeyError", "key not found: "+c.Interp().Inspect(args[0]))
}

// dig follows keys into nested attributes.
func (a *attributes) dig(keys []ruby.Value) ruby.Value {
	var v ruby.Value = a.self
	for _, k := range keys {
		inner, ok := asAttributes(v)
		if !ok {
			return nil
		}
		v, _ = inner.hash.Get(attributeKey(k))
	}
	return v
}

func asAttributes(v ruby.Value) (*attributes, bool) {
	o, ok := v.(*ruby.HostObject)
	if !ok {
		return nil, false
	}
	a, ok := o.Host.(*attributes)
	return a, ok
}

func (a *attributes) merge(c *ruby.Call, with ruby.Value) error {
	if other, ok := asAttributes(with); ok {
		with = other.hash
	}
	h, ok := with.(*ruby.Hash)
	if !ok {
		return c.Raise("TypeError", "no implicit conversion of "+c.Interp().Inspect(with)+" into Hash")
	}
	h.Each(func(k, v ruby.Value) bool {
		a.hash.Set(attributeKey(k), attributeValue(v))
		return true
	})
	return nil
}

// toHash makes a Ruby hash of attributes and all in them.
func (a *attributes) toHash() *ruby.Hash {
	h := ruby.NewHash()
	a.hash.Each(func(k, v ruby.Value) bool {
		if inner, ok := asAttributes(v); ok {
			v = inner.toHash()
		}
		h.Set(k, v)
		return true
	})
	return h
}

// data turns attributes into what a lock holds. What JSON does not have is an
// error that names the path to it.
func (a *attributes) data(in *ruby.Interp, path string) (*jsonorder.Object, error) {
	o := &jsonorder.Object{}
	var failed error
	a.hash.Each(func(k, v ruby.Value) bool {
		key, ok := ruby.ToGo(k).(string)
		if _, isString := k.(*ruby.String); !ok || !isString {
			failed = fmt.Errorf("%s: a key is %s; only strings and symbols can be keys of attributes", path,
				in.Inspect(k))
			return false
		}
		var value any
		if value, failed = attributeData(in, v, path+"["+fmt.Sprintf("%q", key)+"]"); failed != nil {
			return false
		}
		o.Set(key, value)
		return true
	})
	return o, failed
}

func attributeData(in *ruby.Interp, v ruby.Value, path string) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("%s is %s; numbers must be finite", path, in.Inspect(v))
		}
		return v, nil
	case *ruby.String:
		s, _ := ruby.ToGo(v).(string)
		return strings.ToValidUTF8(s, "\ufffd"), nil
	case *ruby.Array:
		list := make([]any, v.Len())
		for i := range list {
			var err error
			if list[i], err = attributeData(in, v.At(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case *ruby.Hash:
		inner, _ := asAttributes(attributeValue(v))
		return inner.data(in, path)
	}
	if inner, ok := asAttributes(v); ok {
		return inner.data(in, path)
	}
	return nil, fmt.Errorf("%s is %s; attributes are strings, numbers, true, false, nil, arrays and hashes",
		path, in.Inspect(v))
}

// canonical is the text of attributes of which the revision of a policy is
// computed: JSON with sorted keys, without spaces and without escapes.
func canonical(v any) string {
	switch v := v.(type) {
	case *jsonorder.Object:
		keys := slices.Sorted(slices.Values(v.Keys()))
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = `"` + k + `":` + canonical(v.Value(k))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = canonical(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case string:
		return `"` + v + `"`
	case float64:
		return fmt.Sprintf("%.15g", v) // as C writes it
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}
