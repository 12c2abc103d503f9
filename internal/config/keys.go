package config

import (
	"slices"
	"strings"
)

// Type is a set of the forms that a value may have.
type Type uint

// The forms. A key's type is one of them or several.
const (
	// Text is any scalar: Test Kitchen makes text of numbers and booleans.
	Text Type = 1 << iota
	// Whole is a whole number, Decimal any number; both also in quotes.
	Whole
	Decimal
	// Flag is true or false.
	Flag
	// List is a list of scalars.
	List
	// Map is a mapping.
	Map
	// Maps is a list of mappings.
	Maps
	// Any is not checked.
	Any
)

// String names the forms in the words of the documentation.
func (t Type) String() string {
	names := []string{"string", "integer", "number", "boolean", "list", "mapping", "list of mappings", "anything"}
	var out []string
	for i, n := range names {
		if t&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, " or ")
}

// Key is one key that a configuration may hold. What is known of it is known
// here alone: checks, schema and documentation come from this table.
type Key struct {
	// Section is where it stands: "" for the top level, "platform", "suite",
	// "driver", "provisioner", "transport", "verifier", "lifecycle", "kitchen".
	Section string
	// Plugin is whose key it is, "" for all plug-ins of the section. Several
	// are separated by a blank.
	Plugin string
	// Parent is the key of the section that holds the mapping it stands in, ""
	// for none.
	Parent string
	Name   string
	Type   Type
	// Default is what holds without it: a value, or in parentheses what
	// decides; "" for none.
	Default string
	// Doc is one sentence.
	Doc string
	// Values are the only ones accepted, nil for any.
	Values []string
	// Replacement says that the key is deprecated and what takes its place.
	Replacement string
	// Idle says why the key is understood and yet changes nothing, "" when it
	// does.
	Idle string
}

// Path is the key as people write about it: "driver.image_ref".
func (k Key) Path() string {
	return strings.Trim(strings.Join(slices.DeleteFunc([]string{k.Section, k.Parent, k.Name}, func(s string) bool { return s == "" }), "."), ".")
}

// Of says whether the key is one of the plug-in's.
func (k Key) Of(plugin string) bool {
	return k.Plugin == "" || slices.Contains(strings.Fields(k.Plugin), plugin)
}

// Keys returns the table of all keys that are known, in the order of the
// documentation.
func Keys() []Key {
	var out []Key
	for _, g := range table {
		for _, k := range g.keys {
			k.Section, k.Plugin, k.Parent = g.section, g.plugin, g.parent
			out = append(out, k)
		}
	}
	return out
}

// group is the keys of one section, plug-in and parent.
type group struct {
	section, plugin, parent string
	keys                    []Key
}

// key, old and idle make an entry of the table: one that is as it should be,
// one that is deprecated, one that changes nothing.
func key(name string, t Type, def, doc string, values ...string) Key {
	return Key{Name: name, Type: t, Default: def, Doc: doc, Values: values}
}

func old(name string, t Type, def, doc, replacement string) Key {
	return Key{Name: name, Type: t, Default: def, Doc: doc, Replacement: replacement}
}

func idle(name string, t Type, doc, reason string) Key {
	return Key{Name: name, Type: t, Doc: doc, Idle: reason}
}

// plugins are the plug-ins that there are, by section; the first is the
// default. An alias is followed by what it stands for.
var plugins = map[string][]string{
	secDriver:      {"openstack", "proxy", "dummy"},
	secProvisioner: {"chef_infra", "chef_zero", "chef_solo", "chef_apply", "cinc_infra", "cinc_zero", "cinc_solo", "cinc_apply", "shell", "dummy"},
	secTransport:   {"ssh"},
	secVerifier:    {"busser", "inspec", "cinc_auditor", "shell", "dummy"},
}

// chefFamily are the provisioners that run a Chef client; those of kitchen-cinc
// call the keys that begin with chef_ by its own name.
const chefFamily = "chef_infra chef_zero chef_solo chef_apply cinc_infra cinc_zero cinc_solo cinc_apply"
