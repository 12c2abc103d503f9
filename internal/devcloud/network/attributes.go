package network

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
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
	kindBool
	kindInt
	kindUUID
	kindIP
	kindUUIDs
	kindStrings
	kindObjects
	kindObject
	kindMAC
	// orNull lets a value be null as well; an empty one is shown as null.
	orNull kind = 1 << 8
)

// When a caller may give an attribute, and who sees it.
const (
	onCreate = 1 << iota
	onUpdate
	required
	adminOnly
	adminSees
	both = onCreate | onUpdate
	// adminMakes is what administrators alone give, and see.
	adminMakes = onCreate | adminOnly | adminSees
)

// attr is one attribute of a resource.
type attr struct {
	name string
	kind kind
	when int
	def  any
	// field is the record's field that keeps the attribute; without one the
	// resource's own functions write and show it.
	field string
	// choices bound a string.
	choices []string
}

// The attributes that all resources share.
var (
	standardAttrs = []attr{
		{name: "tenant_id", kind: kindString, when: onCreate},
		{name: "project_id", kind: kindString, when: onCreate},
		{name: "description", kind: kindString, when: both, field: "Description"},
	}
	readOnly = []string{"id", "status", "created_at", "updated_at", "revision_number", "tags"}
)

// nameAttr is the name of those resources that have one.
var nameAttr = attr{name: "name", kind: kindString, when: both, field: "Name"}

var uuidForm = text.Lazy(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

// allAttrs are the resource's attributes with those that all have, and those
// that no caller gives.
func (res *resource[T, P]) allAttrs() []attr {
	attrs := slices.Concat(standardAttrs, res.attrs)
	for _, name := range slices.Concat(readOnly, res.readOnly) {
		attrs = append(attrs, attr{name: name})
	}
	return attrs
}

// prepare checks a body against the attributes and, on create, fills in
// defaults.
func (res *resource[T, P]) prepare(in api.Obj, post, admin bool) (api.Obj, error) {
	action, flag, refused := "update", onUpdate, "Cannot update read-only attribute %s"
	if post {
		action, flag, refused = "create", onCreate, "Attribute '%s' not allowed in POST"
	}
	attrs, out := res.allAttrs(), api.Obj{}
	var unknown []string
	for name, v := range in {
		i := slices.IndexFunc(attrs, func(a attr) bool { return a.name == name })
		switch {
		case i < 0:
			unknown = append(unknown, name)
			continue
		case attrs[i].when&flag == 0:
			return nil, api.BadRequest(refused, name)
		case attrs[i].when&adminOnly != 0 && !admin:
			rule := "rule:" + action + "_" + res.single
			return nil, disallowed("(" + rule + " and " + rule + ":" + name + ")")
		}
		c, err := attrs[i].check(v)
		if err != nil {
			return nil, err
		}
		out[name] = c
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, api.BadRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
	}
	for _, a := range attrs {
		_, given := out[a.name]
		switch {
		case !post || given:
		case a.when&required != 0:
			return nil, api.BadRequest("Failed to parse request. Required attribute '%s' not specified", a.name)
		case a.def != nil:
			out[a.name] = a.def
		}
	}
	return out, nil
}

// fill gives a record's fields the values of a prepared body.
func fill(attrs []attr, rec any, in api.Obj) {
	for _, a := range slices.Concat(standardAttrs, attrs) {
		v, given := in[a.name]
		if !given || a.field == "" {
			continue
		}
		field, value := a.of(rec), reflect.ValueOf(v)
		switch {
		case !value.IsValid():
			field.SetZero()
		case value.Type().AssignableTo(field.Type()):
			field.Set(value)
		default: // pointers, and lists of structures
			field.SetZero()
			if data, err := json.Marshal(v); err == nil {
				_ = json.Unmarshal(data, field.Addr().Interface()) // what has another form is left out
			}
		}
	}
}

// of is the attribute's field in a record.
func (a attr) of(rec any) reflect.Value {
	return reflect.ValueOf(rec).Elem().FieldByName(a.field)
}

// viewOf shows a record's fields.
func viewOf(attrs []attr, rec any, admin bool) api.Obj {
	v := api.Obj{}
	for _, a := range slices.Concat(standardAttrs, attrs) {
		if a.field == "" || a.when&adminSees != 0 && !admin {
			continue
		}
		field := a.of(rec)
		switch {
		case field.Kind() == reflect.Slice && field.IsNil():
			v[a.name] = api.List{}
		case field.Kind() == reflect.Map && field.IsNil():
			v[a.name] = api.Obj{}
		case a.kind&orNull != 0 && field.IsZero():
			v[a.name] = nil
		case field.Kind() == reflect.Pointer:
			v[a.name] = field.Elem().Interface()
		default:
			v[a.name] = field.Interface()
		}
	}
	return v
}

// check returns the value in the form the resource reads: string, bool, int,
// []string, []api.Obj, api.Obj or nil.
func (a attr) check(v any) (any, error) {
	if v == nil && a.kind&orNull != 0 {
		return nil, nil
	}
	s, isText := v.(string)
	switch a.kind &^ orNull {
	case kindString:
		if !isText {
			return nil, badAttr(a.name, "'%s' is not a valid string.", api.PyStr(v))
		}
		if a.choices != nil && !slices.Contains(a.choices, s) {
			return nil, badAttr(a.name, "%s is not in valid_values.", s)
		}
		return s, nil
	case kindBool:
		switch strings.ToLower(api.PyStr(v)) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, invalidInput("'%s' cannot be converted to boolean.", api.PyStr(v))
	case kindInt:
		if n, ok := v.(float64); ok && n == math.Trunc(n) {
			return int(n), nil
		}
		if n, err := strconv.Atoi(s); err == nil {
			return n, nil
		}
		return nil, invalidInput("'%s' is not an integer.", api.PyStr(v))
	case kindUUID, kindIP, kindMAC:
		if f := forms[a.kind&^orNull]; !f.valid(s) {
			return nil, badAttr(a.name, "'%s' is not a valid %s.", api.PyStr(v), f.name)
		}
		if a.kind == kindMAC {
			s = strings.ToLower(s)
		}
		return s, nil
	case kindUUIDs, kindStrings:
		return each(a, v, func(e any) (string, error) {
			s, ok := e.(string)
			if !ok || a.kind == kindUUIDs && !uuidForm().MatchString(s) {
				return "", badAttr(a.name, "'%s' is not a valid UUID.", api.PyStr(e))
			}
			return s, nil
		})
	case kindObjects:
		return each(a, v, a.object)
	case kindObject:
		if v == nil {
			return api.Obj(nil), nil
		}
		return a.object(v)
	}
	return v, nil
}

func (a attr) object(v any) (api.Obj, error) {
	if o, ok := v.(api.Obj); ok {
		return o, nil
	}
	return nil, badAttr(a.name, "'%s' is not a dictionary.", api.PyStr(v))
}

// each checks a list's elements; null counts as an absent list.
func each[T any](a attr, v any, check func(e any) (T, error)) (any, error) {
	if v == nil {
		return []T(nil), nil
	}
	l, ok := v.([]any)
	if !ok {
		return nil, badAttr(a.name, "'%s' is not a list.", api.PyStr(v))
	}
	out := []T{}
	for _, e := range l {
		c, err := check(e)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

var macForm = text.Lazy(`^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$`)

// forms are the texts that some kinds take, and what Neutron calls them.
var forms = map[kind]struct {
	name  string
	valid func(string) bool
}{
	kindUUID: {"UUID", func(s string) bool { return uuidForm().MatchString(s) }},
	kindMAC:  {"MAC address", func(s string) bool { return macForm().MatchString(s) }},
	kindIP:   {"IP address", func(s string) bool { _, err := netip.ParseAddr(s); return err == nil }},
}

// The readers below give an attribute of a prepared body, or its zero value.

func str(in api.Obj, key string) string     { s, _ := in[key].(string); return s }
func integer(in api.Obj, key string) int    { n, _ := in[key].(int); return n }
func strs(in api.Obj, key string) []string  { l, _ := in[key].([]string); return l }
func objs(in api.Obj, key string) []api.Obj { l, _ := in[key].([]api.Obj); return l }

// has tells that the body gave the attribute, be it null.
func has(in api.Obj, key string) bool { _, ok := in[key]; return ok }

// list shows a nil slice as an empty list.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
