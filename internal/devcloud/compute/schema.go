package compute

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/galleyhq/galley/internal/devcloud/api"
	shared "github.com/galleyhq/galley/internal/text"
)

// check looks at one value; its message is the schema library's, without Nova's
// preamble.
type check func(v any) (message string)

// field is one property of an object that Nova's schema knows.
type field struct {
	name     string
	check    check
	required bool
	min, max api.Version
}

// invalid words a value that the schema refuses.
func invalid(name string, value any, message string) *api.Error {
	return api.BadRequest("Invalid input for field/attribute %s. Value: %s. %s", name, api.PyStr(value), message)
}

// validate checks an object as Nova does: required properties, then unknown
// ones, then each value.
func validate(name string, o api.Obj, v api.Version, fields []field) error {
	known := map[string]field{}
	for _, f := range fields {
		if v.Within(f.min, f.max) {
			known[f.name] = f
			if _, ok := o[f.name]; f.required && !ok {
				return invalid(name, o, fmt.Sprintf("'%s' is a required property", f.name))
			}
		}
	}
	keys := slices.Sorted(maps.Keys(o))
	var unknown []string
	for _, key := range keys {
		if _, ok := known[key]; !ok {
			unknown = append(unknown, "'"+key+"'")
		}
	}
	if len(unknown) > 0 {
		were := map[bool]string{true: "was", false: "were"}[len(unknown) == 1]
		return invalid(name, o, fmt.Sprintf("Additional properties are not allowed (%s %s unexpected)", strings.Join(unknown, ", "), were))
	}
	for _, key := range keys {
		if msg := known[key].check(o[key]); msg != "" {
			return invalid(key, o[key], msg)
		}
	}
	return nil
}

// body is the object of that name in a call's body, checked.
func body(r *api.Request, name string, fields []field) (api.Obj, error) {
	in, err := r.Object(name)
	if err == nil {
		err = validate(name, in, r.Version, fields)
	}
	return in, err
}

// objects are the objects of a list that may be absent, each checked by its
// fields where there are some.
func objects(r *api.Request, l any, fields []field) (out []api.Obj, err error) {
	for i, e := range list(l) {
		o, ok := e.(api.Obj)
		if !ok {
			return nil, invalid(strconv.Itoa(i), e, isObject(e))
		}
		if fields != nil {
			if err := validate(strconv.Itoa(i), o, r.Version, fields); err != nil {
				return nil, err
			}
		}
		out = append(out, o)
	}
	return out, nil
}

func anything(any) string { return "" }

// isA is a value of one JSON type.
func isA[T any](v any, name string) string {
	if _, ok := v.(T); !ok {
		return api.PyRepr(v) + " is not of type '" + name + "'"
	}
	return ""
}

func isString(v any) string { return isA[string](v, "string") }
func isObject(v any) string { return isA[api.Obj](v, "object") }
func isList(v any) string   { return isA[[]any](v, "array") }

// text is a string within lengths.
func text(min, max int) check {
	return func(v any) string {
		s, ok := v.(string)
		switch {
		case !ok:
			return api.PyRepr(v) + " is not of type 'string'"
		case len(s) < min:
			return api.PyRepr(v) + " is too short"
		case len([]rune(s)) > max:
			return api.PyRepr(v) + " is too long"
		}
		return ""
	}
}

// serverName is a name's length; checkName looks at its characters, for which
// Nova words this differently.
func serverName(v any) string { return text(1, 255)(v) }

func checkName(o api.Obj) error {
	if s, ok := o["name"].(string); ok &&
		(strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })) {
		return api.BadRequest(
			"An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.")
	}
	return nil
}

// form is a string that passes a test; message says what any other is not.
func form(message string, valid func(string) bool) check {
	return func(v any) string {
		if s, ok := v.(string); ok && valid(s) {
			return ""
		}
		return api.PyRepr(v) + " " + message
	}
}

const noSchema = "is not valid under any of the given schemas"

var (
	isUUID = form("is not a 'uuid'", func(s string) bool { return uuidForm().MatchString(s) })
	// imageRef is a UUID or nothing.
	imageRef  = form(noSchema, func(s string) bool { return s == "" || uuidForm().MatchString(s) })
	isAddress = form(noSchema, func(s string) bool { _, err := netip.ParseAddr(s); return err == nil })
)

// isIP is an address of one family.
func isIP(version int) check {
	return form(fmt.Sprintf("is not a 'ipv%d'", version), func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is4() == (version == 4)
	})
}

func orNull(c check) check {
	return func(v any) string {
		if v == nil {
			return ""
		}
		return c(v)
	}
}

// truth is what Nova takes for a boolean.
func truth(v any) string {
	if _, ok := boolOf(v); !ok {
		return api.PyRepr(v) + " is not one of [True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', " +
			"False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no']"
	}
	return ""
}

func boolOf(v any) (value, ok bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case string:
		switch strings.ToLower(x) {
		case "true", "1", "on", "yes":
			return true, true
		case "false", "0", "off", "no":
			return false, true
		}
	}
	return false, false
}

// number is an integer, or its digits, not below min.
func number(min int) check {
	return func(v any) string {
		n, ok := intOf(v)
		if !ok {
			return api.PyRepr(v) + " is not of type 'integer', 'string'"
		}
		if n < min {
			return fmt.Sprintf("%s is less than the minimum of %d", api.PyRepr(v), min)
		}
		return ""
	}
}

func intOf(v any) (int, bool) {
	switch x := v.(type) {
	case float64:
		return int(x), x == math.Trunc(x)
	case string:
		n, err := strconv.Atoi(x)
		return n, err == nil
	}
	return 0, false
}

var uuidForm = shared.Lazy(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

func isBase64(v any) string {
	if s, _ := v.(string); len(s) > 65535 {
		return api.PyRepr(s[:40]+"...") + " is too long"
	}
	return form("is not a 'base64'", func(s string) bool { _, err := decodeBase64(s); return err == nil })(v)
}

// decodeBase64 takes line breaks, as Python's decoder does.
func decodeBase64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(s))
}

func oneOf(words ...string) check {
	message := "is not one of ['" + strings.Join(words, "', '") + "']"
	return form(message, func(s string) bool { return slices.Contains(words, s) })
}

var metadataKey = shared.Lazy(`^[a-zA-Z0-9-_:. ]{1,255}$`)

// metadata is the metadata that a body gives a server, or nil.
func metadata(in api.Obj) (map[string]string, error) {
	m, ok := in["metadata"].(api.Obj)
	if !ok {
		return nil, nil
	}
	out, err := api.TextPairs(m)
	if err == nil {
		err = checkMetadata(out)
	}
	return out, err
}

func checkMetadata(m map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !metadataKey().MatchString(k) {
			return invalid("metadata", api.Pairs(m), fmt.Sprintf("'%s' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'", k))
		}
		if msg := text(0, 255)(m[k]); msg != "" {
			return invalid(k, m[k], msg)
		}
	}
	return nil
}

// tagForm is what a tag may be: up to 60 characters, no slash, no comma.
func tagForm(v any) string {
	if msg := text(1, 60)(v); msg != "" {
		return msg
	}
	if strings.ContainsAny(v.(string), "/,") {
		return api.PyRepr(v) + " does not match '^[^,/]*$'"
	}
	return ""
}

func strOf(o api.Obj, key string) string { s, _ := o[key].(string); return s }
