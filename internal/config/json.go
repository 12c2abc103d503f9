package config

import (
	"bytes"
	"encoding/json"
	"math"
)

// appendJSON writes a value with its keys in order, on one line.
func appendJSON(b *bytes.Buffer, v *value) {
	switch {
	case v == nil || v.kind == kindNull:
		b.WriteString("null")
	case v.kind == kindFloat && (math.IsInf(v.f, 0) || math.IsNaN(v.f)), v.kind == kindString:
		// JSON has no infinity and no NaN; their names are used.
		jsonString(b, v.text())
	case v.kind == kindSymbol:
		// With its colon, to differ from a string.
		jsonString(b, ":"+v.s)
	case v.kind == kindList:
		b.WriteByte('[')
		for i, x := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			appendJSON(b, x)
		}
		b.WriteByte(']')
	case v.kind == kindMap:
		b.WriteByte('{')
		for i := range v.m.len() {
			e := v.m.entries[i]
			if i > 0 {
				b.WriteByte(',')
			}
			jsonString(b, e.name)
			b.WriteByte(':')
			appendJSON(b, e.val)
		}
		b.WriteByte('}')
	default:
		b.WriteString(v.text())
	}
}

// jsonString leaves <, > and & as they are, which json.Marshal does not.
func jsonString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err == nil {
		b.Truncate(b.Len() - 1)
	}
}

func nullable(v *value) *value {
	if v == nil {
		return &value{}
	}
	return v
}

// JSON writes instances as `config resolve` prints them: a list of mappings
// with name, suite, platform, os_type, shell_type and the data of driver,
// provisioner, transport, verifier and lifecycle.
func JSON(instances []Instance) []byte {
	var line, b bytes.Buffer
	appendJSON(&line, resolved(instances))
	_ = json.Indent(&b, line.Bytes(), "", "  ") // it is JSON
	b.WriteByte('\n')
	return b.Bytes()
}

func resolved(instances []Instance) *value {
	out := &value{kind: kindList}
	for i := range instances {
		in := &instances[i]
		m := &mapping{}
		m.set("name", stringValue(in.Name, nil))
		m.set("suite", nullable(in.suite))
		m.set("platform", nullable(in.platform))
		m.set("os_type", nullable(in.osType))
		m.set("shell_type", nullable(in.shellType))
		for j, s := range in.Sections() {
			m.set(sections[j], mapValue(withoutTool(s.m), s.org))
		}
		out.list = append(out.list, mapValue(m, nil))
	}
	return out
}

// toolKeys are the tool's own settings, which Test Kitchen writes into every
// section; the files do not set them.
var toolKeys = [...]string{"kitchen_root", "test_base_path", "log_level", "debug"}

func withoutTool(m *mapping) *mapping {
	for _, k := range toolKeys {
		if m.has(k) {
			m = m.clone()
			m.delete(k)
		}
	}
	return m
}

// Sections returns the data of driver, provisioner, transport, verifier and
// lifecycle, in this order.
func (in *Instance) Sections() [5]Section {
	return [5]Section{in.Driver, in.Provisioner, in.Transport, in.Verifier, in.Lifecycle}
}
