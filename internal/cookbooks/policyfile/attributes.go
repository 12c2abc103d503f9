package policyfile

import (
	"fmt"
	"math"
	"math/big"
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

// attributeMethods are the methods that attributes have here.
var attributeMethods = []string{
	"[]", "[]=", "store", "key?", "has_key?", "include?", "member?", "attribute?", "fetch", "dig", "read", "exist?",
	"delete", "unlink", "keys", "values", "length", "size", "count", "empty?", "each", "each_pair", "each_key",
	"merge!", "update", "merge", "to_h", "to_hash", "class", "write", "clear", "is_a?", "kind_of?", "nil?", "dup",
}

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
	case (c.Name == "[]=" || c.Name == "store") && n == 2:
		a.hash.Set(attributeKey(args[0]), attributeValue(args[1]))
		return args[1], true, nil
	case slices.Contains([]string{"key?", "has_key?", "include?", "member?", "attribute?"}, c.Name) && n == 1:
		_, ok := a.hash.Get(attributeKey(args[0]))
		return ok, true, nil
	case c.Name == "fetch" && n > 0:
		return a.fetch(c, args)
	case slices.Contains([]string{"dig", "read", "exist?"}, c.Name) && n > 0:
		v, ok := a.path(args)
		if c.Name == "exist?" {
			return ok, true, nil
		}
		return v, true, nil
	case c.Name == "write" && n > 1:
		return a.write(args), true, nil
	case (c.Name == "delete" || c.Name == "unlink") && n == 1:
		v, _ := a.hash.Delete(attributeKey(args[0]))
		return v, true, nil
	case slices.Contains([]string{"each", "each_pair", "each_key"}, c.Name) && c.Block != nil:
		return c.Self, true, a.each(c)
	case (c.Name == "merge!" || c.Name == "update") && n == 1:
		return c.Self, true, a.merge(c, args[0])
	case c.Name == "merge" && n == 1:
		b := a.copy()
		return b.self, true, b.merge(c, args[0])
	case n > 0:
		return nil, false, nil
	}
	return a.plain(c)
}

// plain answers calls without arguments.
func (a *attributes) plain(c *ruby.Call) (ruby.Value, bool, error) {
	var keys, values []ruby.Value
	a.hash.Each(func(k, v ruby.Value) bool {
		keys, values = append(keys, k), append(values, v)
		return true
	})
	switch c.Name {
	case "keys":
		return ruby.NewArray(keys...), true, nil
	case "values":
		return ruby.NewArray(values...), true, nil
	case "length", "size", "count":
		return a.hash.Len(), true, nil
	case "empty?":
		return a.hash.Len() == 0, true, nil
	case "nil?":
		return false, true, nil
	case "to_h", "to_hash":
		return a.toHash(), true, nil
	case "dup":
		return a.copy().self, true, nil
	case "clear":
		a.hash = ruby.NewHash()
		return c.Self, true, nil
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

// path follows keys into nested attributes.
func (a *attributes) path(keys []ruby.Value) (ruby.Value, bool) {
	var v ruby.Value = a.self
	for _, k := range keys {
		inner, ok := asAttributes(v)
		if !ok {
			return nil, false
		}
		if v, ok = inner.hash.Get(attributeKey(k)); !ok {
			return nil, false
		}
	}
	return v, true
}

// write sets the value, the last argument, at the path before it.
func (a *attributes) write(args []ruby.Value) ruby.Value {
	at, last := a, len(args)-1
	for _, k := range args[:last-1] {
		next, ok := asAttributes(at.vivify(k))
		if !ok {
			next = newAttributes()
			at.hash.Set(attributeKey(k), next.self)
		}
		at = next
	}
	at.hash.Set(attributeKey(args[last-1]), attributeValue(args[last]))
	return args[last]
}

func asAttributes(v ruby.Value) (*attributes, bool) {
	o, ok := v.(*ruby.HostObject)
	if !ok {
		return nil, false
	}
	a, ok := o.Host.(*attributes)
	return a, ok
}

func (a *attributes) each(c *ruby.Call) error {
	type pair struct{ k, v ruby.Value }
	var pairs []pair
	a.hash.Each(func(k, v ruby.Value) bool {
		pairs = append(pairs, pair{k, v})
		return true
	})
	for _, p := range pairs {
		args := []ruby.Value{p.k, p.v}
		if c.Name == "each_key" {
			args = args[:1]
		}
		if _, err := c.Yield(args...); err != nil {
			return err
		}
	}
	return nil
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

func (a *attributes) copy() *attributes {
	b := newAttributes()
	a.hash.Each(func(k, v ruby.Value) bool {
		b.hash.Set(k, v)
		return true
	})
	return b
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
	case nil, bool, *big.Int:
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
