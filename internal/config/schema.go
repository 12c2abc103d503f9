package config

import (
	"bytes"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/settings"
)

// schemaID names the dialect.
const schemaID = "http://json-schema.org/draft-07/schema#"

// obj makes a mapping of alternating names and values.
func obj(pairs ...any) *value {
	m := &mapping{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v, ok := pairs[i+1].(*value)
		if !ok {
			v = fromGo(pairs[i+1], nil)
		}
		m.set(pairs[i].(string), v)
	}
	return mapValue(m, nil)
}

func list(vs ...*value) *value { return &value{kind: kindList, list: vs} }

func ref(name string) *value { return obj("$ref", "#/definitions/"+name) }

// Schema returns a JSON Schema (draft 7) of kitchen.yml, for editors. It is
// made of the table in internal/settings. Each value has one list of types
// rather than alternatives, so that an editor can explain a fault; text that
// ERB will write is accepted everywhere.
func Schema() []byte {
	defs := obj()
	root := schemaOf("", "", "")
	root.m.delete("additionalProperties")
	// Any key may hold what an anchor is set on, but for these.
	root.m.set("propertyNames", obj("not", obj("enum", []string{
		"platform", "suite", "suits", "drivers", "provisioners", "transports", "verifiers", "lifecycles",
	})))
	root.m.set("additionalProperties", obj("type", []string{"object", "array", "null"}))
	platform, suite := schemaOf("platform", "", ""), schemaOf("suite", "", "")
	for _, m := range []*value{root, platform, suite} {
		props := m.m.get("properties").m
		for _, s := range sections {
			if p := props.get(s); p != nil {
				props.set(s, obj("allOf", list(ref(s)), "description", p.m.get("description")))
			}
		}
	}
	top := root.m.get("properties").m
	for _, name := range []string{"platform", "suite"} {
		m := platform
		if name == "suite" {
			m = suite
		}
		m.m.set("required", fromGo([]string{"name"}, nil))
		m.m.set("type", fromGo("object", nil))
		defs.m.set(name, m)
		top.set(name+"s", obj("description", top.get(name+"s").m.get("description"), "type", "array", "items", ref(name)))
	}
	top.set("kitchen", obj("description", top.get("kitchen").m.get("description"), "allOf", list(schemaOf("kitchen", "", ""))))
	for _, section := range sections[:4] {
		defs.m.set(section, pluginSchema(section, defs))
	}
	life := schemaOf(secLifecycle, "", "")
	defs.m.set("hook", schemaOf(secLifecycle, "*", ""))
	for _, e := range life.m.get("properties").m.entries {
		e.val.m.delete("type")
		e.val.m.delete("items")
		e.val.m.set("anyOf", list(obj("type", []string{"string", "null"}), ref("hook"), obj("type", "array", "items", obj("anyOf", list(obj("type", "string"), ref("hook"))))))
	}
	defs.m.set(secLifecycle, life)

	schema := obj("$schema", schemaID, "title", "kitchen.yml", "description", "A configuration of Test Kitchen, as Galley reads it.")
	for _, e := range root.m.entries {
		schema.m.put(e)
	}
	schema.m.set("definitions", defs)
	var b bytes.Buffer
	appendJSON(&b, schema)
	b.WriteByte('\n')
	return b.Bytes()
}

// schemaOf is the mapping of a section, or of a mapping below a parent key of
// it, with the keys that are common to all plug-ins and those of one.
func schemaOf(section, parent, plugin string) *value {
	props := obj()
	for _, g := range settings.Groups() {
		if g.Section == section && g.Parent == parent && (g.Plugin == "" || plugin != "" && g.Plugin == plugin) {
			for _, k := range g.Settings {
				props.m.set(k.Name, property(k))
			}
		}
	}
	return obj("type", []string{"object", "null"}, "properties", props, "additionalProperties", false)
}

// property is the schema of one key.
func property(k settings.Setting) *value {
	doc := strings.ReplaceAll(k.Doc, "`", "")
	if strings.HasPrefix(k.Default, "(") {
		doc += " Default: " + strings.Trim(k.Default, "()") + "."
	}
	if k.Idle != "" {
		doc += " No effect: " + k.Idle + "."
	}
	if k.Replacement != "" {
		doc += " Deprecated: use " + k.Replacement + "."
	}
	p := obj("description", doc)
	if v := k.DefaultValue(); v != nil {
		p.m.set("default", fromGo(v, nil))
	}
	if k.Type&settings.Any != 0 {
		return p
	}
	types, pattern := scalarTypes(k)
	if k.Type&settings.Map != 0 {
		types = append(types, "object")
	}
	var items []string
	if k.Type&settings.List != 0 {
		items = append(items, "string", "number", "boolean", "null")
	}
	if k.Type&settings.Maps != 0 {
		items = append(items, "object", "null")
	}
	var nested *value
	if k.Parent == "" && k.Type&(settings.Map|settings.Maps) != 0 && len(settings.Known(k.Section, k.Name, strings.Fields(k.Plugin)...)) > 0 {
		nested = schemaOf(k.Section, k.Name, k.Plugin)
	}
	if items != nil {
		types = append(types, "array")
		slices.Sort(items)
		of := obj("type", slices.Compact(items))
		if nested != nil {
			of.m.set("properties", nested.m.get("properties"))
			of.m.set("additionalProperties", fromGo(false, nil))
		}
		p.m.set("items", of)
	}
	if k.Type&settings.Map != 0 && nested != nil {
		p.m.set("properties", nested.m.get("properties"))
		p.m.set("additionalProperties", fromGo(false, nil))
	}
	p.m.set("type", fromGo(append(types, "null"), nil))
	if pattern != "" {
		p.m.set("pattern", fromGo(pattern, nil))
	}
	if len(k.Values) > 0 {
		p.m.set("examples", fromGo(k.Values, nil))
	}
	return p
}

// scalarTypes are the types of a key's scalars, and what a text among them
// looks like.
func scalarTypes(k settings.Setting) (types []string, pattern string) {
	const erb = "|<%"
	switch {
	case len(k.Values) > 0:
		return []string{"string"}, "^(" + strings.Join(k.Values, "|") + ")$" + erb
	case k.Type&settings.Text != 0:
		return []string{"string", "number", "boolean"}, ""
	}
	var words []string
	if k.Type&settings.Decimal != 0 {
		types, words = append(types, "number"), append(words, `\s*-?[0-9.]+\s*`)
	}
	if k.Type&settings.Whole != 0 {
		types, words = append(types, "integer"), append(words, `\s*-?[0-9]+\s*`)
	}
	if k.Type&settings.Flag != 0 {
		types, words = append(types, "boolean"), append(words, "true|false|yes|no|on|off")
	}
	if types == nil {
		return []string{"string"}, "<%"
	}
	return append(types, "string"), "^(" + strings.Join(words, "|") + ")$" + erb
}

// pluginSchema is a plug-in's section: a name, or a mapping whose other keys
// depend on the name. Where none is given the section may be any plug-in's, so
// that no key is refused.
func pluginSchema(section string, defs *value) *value {
	common := schemaOf(section, "", "")
	common.m.delete("additionalProperties")
	common.m.get("properties").m.set("name", obj("description", "Name of the "+section+".", "type", []string{"string", "null"}, "examples", settings.Plugins(section)))
	common.m.set("type", fromGo([]string{"object", "string", "null"}, nil))
	var cases []*value
	for _, g := range settings.Groups() {
		if g.Section != section || g.Plugin == "" || g.Parent != "" {
			continue
		}
		name := section + "." + strings.Fields(g.Plugin)[0]
		own := schemaOf(section, "", g.Plugin)
		for _, k := range common.m.get("properties").m.entries {
			own.m.get("properties").m.delete(k.name)
		}
		own.m.delete("additionalProperties")
		defs.m.set(name, own)
		is := obj("properties", obj("name", obj("enum", strings.Fields(g.Plugin))), "required", []string{"name"})
		cases = append(cases, obj("if", is, "then", ref(name)))
	}
	common.m.set("allOf", list(cases...))
	return common
}
