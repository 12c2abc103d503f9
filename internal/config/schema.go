package config

import (
	"bytes"
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
// made of the table that [settings.All] returns. Values that ERB will write are
// accepted everywhere.
func Schema() []byte {
	top := properties(settings.Known("", ""), nil)
	platform := properties(settings.Known("platform", ""), map[string]*value{})
	suite := properties(settings.Known("suite", ""), map[string]*value{})
	for _, m := range []*value{top, platform, suite} {
		for _, s := range sections {
			if m.m.has(s) {
				m.m.set(s, withDoc(m.m.get(s), ref(s)))
			}
		}
	}
	top.m.set("kitchen", withDoc(top.m.get("kitchen"), orNull(closed(properties(settings.Known("kitchen", ""), nil)))))
	top.m.set("platforms", withDoc(top.m.get("platforms"), obj("type", "array", "items", ref("platform"))))
	top.m.set("suites", withDoc(top.m.get("suites"), obj("type", "array", "items", ref("suite"))))

	defs := obj()
	defs.m.set("erb", obj("type", "string", "pattern", "<%", "description", "a template's code"))
	p := closed(platform)
	p.m.set("required", fromGo([]string{"name"}, nil))
	defs.m.set("platform", p)
	s := closed(suite)
	s.m.set("required", fromGo([]string{"name"}, nil))
	defs.m.set("suite", s)
	for _, section := range sections[:4] {
		defs.m.set(section, pluginSchema(section))
	}
	hook := closed(properties(settings.Known(secLifecycle, "*"), nil))
	hook.m.set("anyOf", list(obj("required", []string{"local"}), obj("required", []string{"remote"})))
	defs.m.set("hook", hook)
	life := settings.Known(secLifecycle, "")
	lifeProps := obj()
	for _, n := range ordered(secLifecycle, "") {
		one := list(obj("type", "string"), ref("hook"))
		lifeProps.m.set(n, obj("description", life[n].Doc, "anyOf", list(obj("type", "null"), obj("type", "string"), ref("hook"), obj("type", "array", "items", obj("anyOf", one)))))
	}
	defs.m.set(secLifecycle, orNull(closed(lifeProps)))

	root := closed(top)
	root.m.set("patternProperties", obj("^(x-|_|\\.)", obj()))
	schema := obj("$schema", schemaID, "title", "kitchen.yml", "description", "A configuration of Test Kitchen, as Galley reads it.")
	for _, e := range root.m.entries {
		schema.m.put(e)
	}
	schema.m.set("definitions", defs)
	var b bytes.Buffer
	appendJSON(&b, schema, "", "  ")
	b.WriteByte('\n')
	return b.Bytes()
}

// ordered are the names of a section's keys in the order of the table.
func ordered(section, parent string, plugin ...string) []string {
	var out []string
	for _, g := range settings.Groups() {
		if g.Section == section && g.Parent == parent && (g.Plugin == "" || len(plugin) > 0 && (settings.Setting{Plugin: g.Plugin}).Of(plugin[0])) {
			for _, k := range g.Settings {
				out = append(out, k.Name)
			}
		}
	}
	return out
}

// closed is an object without further properties.
func closed(props *value) *value {
	return obj("type", "object", "properties", props, "additionalProperties", false)
}

// orNull also accepts null, which is what an empty key is.
func orNull(v *value) *value { return obj("anyOf", list(obj("type", "null"), v)) }

// withDoc puts v in the place of a property and keeps its description.
func withDoc(property, v *value) *value {
	out := obj()
	for _, name := range []string{"description", "default", "deprecated", "x-replacement"} {
		if d := property.m.get(name); d != nil {
			out.m.set(name, d)
		}
	}
	if v.m.has("$ref") {
		out.m.set("allOf", list(v))
		return out
	}
	for _, e := range v.m.entries {
		out.m.put(e)
	}
	return out
}

// properties makes the schema of each key; nested gives some of them another.
func properties(keys map[string]settings.Setting, nested map[string]*value) *value {
	out := obj()
	var section, parent string
	var plugin []string
	for _, k := range keys {
		section, parent = k.Section, k.Parent
		if k.Plugin != "" {
			plugin = []string{k.Plugin}
		}
	}
	for _, n := range ordered(section, parent, plugin...) {
		out.m.set(n, property(keys[n], nested[n]))
	}
	return out
}

func property(k settings.Setting, nested *value) *value {
	doc := k.Doc
	if strings.HasPrefix(k.Default, "(") {
		doc += " Default: " + strings.Trim(k.Default, "()") + "."
	}
	if k.Idle != "" {
		doc += " No effect: " + k.Idle + "."
	}
	p := obj("description", doc)
	if v := k.DefaultValue(); v != nil {
		p.m.set("default", fromGo(v, nil))
	}
	if k.Replacement != "" {
		p.m.set("deprecated", fromGo(true, nil))
		p.m.set("x-replacement", stringValue(k.Replacement, nil))
	}
	if k.Type&settings.Any != 0 {
		return p
	}
	if len(k.Values) > 0 {
		vals := &value{kind: kindList, list: []*value{{}}}
		for _, v := range k.Values {
			vals.list = append(vals.list, stringValue(v, nil))
		}
		p.m.set("anyOf", list(obj("enum", vals), ref("erb")))
		return p
	}
	forms := []*value{obj("type", "null")}
	scalar := func(t settings.Type) []*value {
		var out []*value
		switch {
		case t&settings.Text != 0:
			out = append(out, obj("type", []string{"string", "number", "boolean"}))
			return out
		case t&settings.Decimal != 0:
			out = append(out, obj("type", "number"), obj("type", "string", "pattern", `^\s*-?[0-9.]+\s*$`))
		case t&settings.Whole != 0:
			out = append(out, obj("type", "integer"), obj("type", "string", "pattern", `^\s*-?[0-9]+\s*$`))
		}
		if t&settings.Flag != 0 {
			out = append(out, obj("type", "boolean"), obj("enum", []string{"true", "false", "yes", "no", "on", "off"}))
		}
		if len(out) > 0 {
			out = append(out, ref("erb"))
		}
		return out
	}
	forms = append(forms, scalar(k.Type)...)
	if k.Type&settings.Map != 0 {
		if nested == nil {
			nested = obj("type", "object")
		}
		forms = append(forms, nested)
	}
	if k.Type&(settings.List|settings.Maps) != 0 {
		items := []*value{obj("type", "null")}
		if k.Type&settings.List != 0 {
			items = append(items, obj("type", []string{"string", "number", "boolean"}))
		}
		if k.Type&settings.Maps != 0 {
			if nested == nil {
				nested = obj("type", "object")
			}
			items = append(items, nested)
		}
		forms = append(forms, obj("type", "array", "items", obj("anyOf", list(items...))))
	}
	if k.Type&(settings.Map|settings.Maps|settings.List) != 0 && k.Type&settings.Text == 0 {
		forms = append(forms, ref("erb"))
	}
	p.m.set("anyOf", list(forms...))
	return p
}

// pluginSchema is a plug-in's section: a name, null, or a mapping whose other
// keys depend on the name. Where none is given the section may belong to any
// plug-in, so that no key is refused.
func pluginSchema(section string) *value {
	common := properties(settings.Known(section, ""), nil)
	examples := &value{kind: kindList}
	for _, n := range settings.Plugins(section) {
		examples.list = append(examples.list, stringValue(n, nil))
	}
	common.m.set("name", obj("description", "Which "+section+" it is.", "type", []string{"string", "null"}, "examples", examples))
	m := obj("type", "object", "properties", common)
	var cases []*value
	for _, plugin := range settings.Plugins(section) {
		own := obj()
		for _, g := range settings.Groups() {
			if g.Section != section || g.Plugin == "" || g.Parent != "" || !(settings.Setting{Plugin: g.Plugin}).Of(plugin) {
				continue
			}
			for _, k := range g.Settings {
				var nested *value
				if sub := settings.Known(section, k.Name, plugin); len(sub) > 0 {
					nested = obj("type", "object", "properties", properties(sub, nil))
				}
				own.m.set(k.Name, property(k, nested))
			}
		}
		if own.m.len() == 0 {
			continue
		}
		is := obj("properties", obj("name", obj("const", plugin)), "required", []string{"name"})
		cases = append(cases, obj("if", is, "then", obj("properties", own)))
	}
	if len(cases) > 0 {
		m.m.set("allOf", list(cases...))
	}
	return obj("anyOf", list(obj("type", "null"), obj("type", "string"), m))
}
