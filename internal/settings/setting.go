package settings

import (
	"slices"
	"strconv"
	"strings"
)

// Sections of kitchen.yml, and those of the settings that only commands in
// knife's style have.
const (
	Driver      = "driver"
	Provisioner = "provisioner"
	Transport   = "transport"
	Verifier    = "verifier"
	Lifecycle   = "lifecycle"

	// Server holds what "server create" has beside the driver's settings, Node
	// what a bootstrap has, and Connection how its machine is reached.
	Server     = "server"
	Node       = "node"
	Connection = "connection"
)

// ID identifies a setting, however it is spelled: "driver.image_ref" is the
// key image_ref of the driver section, knife[:image] and --image.
type ID string

// Type is a set of the forms that a value may have.
type Type uint

// The forms. A setting has one of them or several.
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

// Setting is one entry of the table.
type Setting struct {
	// Section is where the key is written: "" for the top level, "platform",
	// "suite", "driver", "provisioner", "transport", "verifier", "lifecycle",
	// "kitchen". Settings without a key in kitchen.yml are in [Server], [Node]
	// and [Connection].
	Section string
	// Plugin is the plug-in that has the key, "" for all of the section.
	// More than one are separated by a space.
	Plugin string
	// Parent is the key of the section whose mapping holds this one, "" for
	// none.
	Parent string
	// Name is the key in kitchen.yml.
	Name string
	Type Type
	// Default is what holds without it: a value, or in parentheses what
	// decides; "" for none.
	Default string
	// Doc is one sentence. A word in backquotes names the value in the help of
	// the flag.
	Doc string
	// Values are the only ones accepted, nil for any.
	Values []string
	// Replacement says that the key is deprecated and what replaces it.
	Replacement string
	// Idle says why the key is accepted although it changes nothing, "" for
	// every other key.
	Idle string
	// Path says that the value is a local path.
	Path bool

	// Flag and Short are the flag of the commands in knife's style, "" for
	// none; Aliases are its older names, which help does not show.
	Flag, Short string
	Aliases     []string
	// Usage is the help of the flag and FlagDefault its default, where they say
	// more than Doc and Default.
	Usage, FlagDefault string
	// Knife are the keys of knife[...], the current one first.
	Knife []string
	// Env are the environment variables that it is read from.
	Env []string
}

// ID is the setting's identity.
func (s Setting) ID() ID {
	parts := slices.DeleteFunc([]string{s.Section, s.Parent, s.Name}, func(p string) bool { return p == "" })
	return ID(strings.Trim(strings.Join(parts, "."), "."))
}

// Variable returns the environment variable that the setting is read from, ""
// for none.
func (s Setting) Variable() string {
	if len(s.Env) > 0 {
		return s.Env[0]
	}
	if name, ok := strings.CutPrefix(s.Default, "(OS_"); ok {
		return "OS_" + strings.TrimSuffix(name, ")")
	}
	return ""
}

// Of reports whether the plug-in has the key.
func (s Setting) Of(plugin string) bool {
	return s.Plugin == "" || slices.Contains(strings.Fields(s.Plugin), plugin)
}

// DefaultValue returns the value that holds without the key: a string, int,
// bool, an empty list or mapping; nil when there is none, or when it is
// decided elsewhere.
func (s Setting) DefaultValue() any {
	d := s.Default
	switch {
	case d == "", strings.HasPrefix(d, "("):
		return nil
	case d == "[]":
		return []any{}
	case d == "{}":
		return map[string]any{}
	}
	if s.Type&(Flag|Text) != 0 && (d == "true" || d == "false") {
		return d == "true"
	}
	if s.Type&(Whole|Decimal) != 0 {
		if n, err := strconv.Atoi(d); err == nil {
			return n
		}
	}
	return d
}

// key, old and idle make an entry: one in use, one that is deprecated, one
// that is accepted and changes nothing.
func key(name string, t Type, def, doc string, values ...string) Setting {
	return Setting{Name: name, Type: t, Default: def, Doc: doc, Values: values}
}

func old(name string, t Type, def, doc, replacement string) Setting {
	return Setting{Name: name, Type: t, Default: def, Doc: doc, Replacement: replacement}
}

func idle(name string, t Type, doc, reason string) Setting {
	return Setting{Name: name, Type: t, Doc: doc, Idle: reason}
}

// flag adds the flag and its letter ("" for none) and the keys of knife[...].
func (s Setting) flag(name, short string, knife ...string) Setting {
	s.Flag, s.Short, s.Knife = name, short, knife
	return s
}

// knife adds keys of knife[...] that have no flag.
func (s Setting) knife(keys ...string) Setting {
	s.Knife = keys
	return s
}

// env adds the environment variables.
func (s Setting) env(names ...string) Setting {
	s.Env = names
	return s
}

// path says that the value is a local path.
func (s Setting) path() Setting {
	s.Path = true
	return s
}

// alias adds older names of the flag.
func (s Setting) alias(names ...string) Setting {
	s.Aliases = names
	return s
}

// deprecated names what replaces the key of kitchen.yml.
func (s Setting) deprecated(replacement string) Setting {
	s.Replacement = replacement
	return s
}

// help adds the default and the help of the flag.
func (s Setting) help(def, usage string) Setting {
	s.FlagDefault, s.Usage = def, usage
	return s
}

// Help returns the help of the flag.
func (s Setting) Help() string {
	if s.Usage != "" || s.Doc == "" {
		return s.Usage
	}
	doc, _, _ := strings.Cut(strings.TrimSuffix(s.Doc, "."), "; ")
	if strings.HasPrefix(doc, "`") {
		return doc
	}
	return strings.ToLower(doc[:1]) + doc[1:]
}

// Sources names, in brackets after a blank, the key of knife.rb and the
// variable that the flag takes precedence over.
func (s Setting) Sources() string {
	var from []string
	if len(s.Knife) > 0 {
		from = append(from, "knife[:"+s.Knife[0]+"]")
	}
	from = append(from, s.Env...)
	if len(from) == 0 {
		return ""
	}
	return " (" + strings.Join(from, ", ") + ")"
}
