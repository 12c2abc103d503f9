package network

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/text"
)

// kind is what values an attribute takes.
type kind int

const (
	kindAny kind = iota
	kindString
	kindStringOrNil
	kindBool
	kindInt
	kindIntOrNil
	kindUUID
	kindUUIDOrNil
	kindUUIDs
	kindIPOrNil
	kindStrings
	kindObjects
	kindObject
	kindMAC
)

// When a caller may give an attribute.
const (
	onCreate = 1 << iota
	onUpdate
	required
	adminOnly
)

// attr is one attribute a caller may give. One without onCreate and onUpdate is
// known and read-only.
type attr struct {
	name string
	kind kind
	when int
	def  any
	// choices bound a string.
	choices []string
}

// standard attributes that all resources share.
var standardAttrs = []attr{
	{name: "id"},
	{name: "status"},
	{name: "created_at"},
	{name: "updated_at"},
	{name: "revision_number"},
	{name: "tags"},
	{name: "tenant_id", kind: kindString, when: onCreate},
	{name: "project_id", kind: kindString, when: onCreate},
	{name: "description", kind: kindString, when: onCreate | onUpdate, def: ""},
}

var uuidForm = text.Lazy(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

// prepare checks a body against the attributes and, on create, fills in
// defaults.
func prepare(res *resource, in api.Obj, post, admin bool) (api.Obj, error) {
	action, flag := "update", onUpdate
	if post {
		action, flag = "create", onCreate
	}
	attrs := append(slices.Clone(standardAttrs), res.attrs...)
	known := map[string]attr{}
	for _, a := range attrs {
		known[a.name] = a
	}
	out := api.Obj{}
	var unknown []string
	for name, v := range in {
		a, ok := known[name]
		if !ok {
			unknown = append(unknown, name)
			continue
		}
		if a.when&flag == 0 {
			if post {
				return nil, api.BadRequest("Attribute '%s' not allowed in POST", name)
			}
			return nil, api.BadRequest("Cannot update read-only attribute %s", name)
		}
		if a.when&adminOnly != 0 && !admin {
			return nil, disallowed(
				fmt.Sprintf("(rule:%s_%s and rule:%s_%s:%s)", action, res.single, action, res.single, name),
			)
		}
		c, err := a.check(v)
		if err != nil {
			return nil, err
		}
		out[name] = c
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, api.BadRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
	}
	if post {
		for _, a := range attrs {
			if _, given := out[a.name]; given {
				continue
			}
			if a.when&required != 0 {
				return nil, api.BadRequest("Failed to parse request. Required attribute '%s' not specified", a.name)
			}
			if a.def != nil {
				out[a.name] = a.def
			}
		}
	}
	return out, nil
}

// check returns the value in the form the resource reads: string, bool, int,
// []string, []api.Obj, api.Obj or nil.
func (a attr) check(v any) (any, error) {
	switch a.kind {
	case kindString, kindStringOrNil:
		if v == nil && a.kind == kindStringOrNil {
			return nil, nil
		}
		s, ok := v.(string)
		if !ok {
			return nil, badAttr(a.name, "'%s' is not a valid string.", pyValue(v))
		}
		if a.choices != nil && !slices.Contains(a.choices, s) {
			return nil, badAttr(a.name, "%s is not in valid_values.", s)
		}
		return s, nil
	case kindBool:
		switch b := v.(type) {
		case bool:
			return b, nil
		case string:
			switch strings.ToLower(b) {
			case "true", "1":
				return true, nil
			case "false", "0":
				return false, nil
			}
		case float64:
			if b == 0 || b == 1 {
				return b == 1, nil
			}
		}
		return nil, invalidInput("'%s' cannot be converted to boolean.", pyValue(v))
	case kindInt, kindIntOrNil:
		if v == nil && a.kind == kindIntOrNil {
			return nil, nil
		}
		switch n := v.(type) {
		case float64:
			if n == math.Trunc(n) {
				return int(n), nil
			}
		case string:
			if i, err := strconv.Atoi(n); err == nil {
				return i, nil
			}
		}
		return nil, invalidInput("'%s' is not an integer.", pyValue(v))
	case kindUUID, kindUUIDOrNil:
		if v == nil && a.kind == kindUUIDOrNil {
			return nil, nil
		}
		s, ok := v.(string)
		if !ok || !uuidForm().MatchString(s) {
			return nil, badAttr(a.name, "'%s' is not a valid UUID.", pyValue(v))
		}
		return s, nil
	case kindIPOrNil:
		if v == nil {
			return nil, nil
		}
		s, _ := v.(string)
		if _, err := netip.ParseAddr(s); err != nil {
			return nil, badAttr(a.name, "'%s' is not a valid IP address.", pyValue(v))
		}
		return s, nil
	case kindMAC:
		s, _ := v.(string)
		if !macForm().MatchString(s) {
			return nil, badAttr(a.name, "'%s' is not a valid MAC address.", pyValue(v))
		}
		return strings.ToLower(s), nil
	case kindUUIDs, kindStrings, kindObjects, kindObject:
		return a.checkMany(v)
	}
	return v, nil
}

// checkMany is [attr.check] of lists and of objects.
func (a attr) checkMany(v any) (any, error) {
	switch a.kind {
	case kindUUIDs, kindStrings:
		if v == nil {
			return []string(nil), nil
		}
		l, ok := v.([]any)
		if !ok {
			return nil, badAttr(a.name, "'%s' is not a list.", pyValue(v))
		}
		out := []string{}
		for _, e := range l {
			s, ok := e.(string)
			if !ok || a.kind == kindUUIDs && !uuidForm().MatchString(s) {
				return nil, badAttr(a.name, "'%s' is not a valid UUID.", pyValue(e))
			}
			out = append(out, s)
		}
		return out, nil
	case kindObjects:
		if v == nil {
			return []api.Obj(nil), nil
		}
		l, ok := v.([]any)
		if !ok {
			return nil, badAttr(a.name, "'%s' is not a list.", pyValue(v))
		}
		out := []api.Obj{}
		for _, e := range l {
			o, ok := e.(api.Obj)
			if !ok {
				return nil, badAttr(a.name, "'%s' is not a dictionary.", pyValue(e))
			}
			out = append(out, o)
		}
		return out, nil
	case kindObject:
		if v == nil {
			return api.Obj(nil), nil
		}
		o, ok := v.(api.Obj)
		if !ok {
			return nil, badAttr(a.name, "'%s' is not a dictionary.", pyValue(v))
		}
		return o, nil
	}
	return v, nil
}

var macForm = text.Lazy(`^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$`)

// pyValue writes a value as the messages show it.
func pyValue(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case string:
		return x
	case bool:
		if x {
			return "True"
		}
		return "False"
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// The readers below give an attribute of a prepared body, or its zero value.

func str(in api.Obj, key string) string    { s, _ := in[key].(string); return s }
func boolean(in api.Obj, key string) bool  { b, _ := in[key].(bool); return b }
func integer(in api.Obj, key string) int   { n, _ := in[key].(int); return n }
func strs(in api.Obj, key string) []string { l, _ := in[key].([]string); return l }
func objs(in api.Obj, key string) []api.Obj {
	l, _ := in[key].([]api.Obj)
	return l
}

func object(in api.Obj, key string) api.Obj {
	o, _ := in[key].(api.Obj)
	return o
}

// has tells that the body gave the attribute, be it null.
func has(in api.Obj, key string) bool { _, ok := in[key]; return ok }

// orNil shows an empty string as null.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// list shows a nil slice as an empty list.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
