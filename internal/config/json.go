package config

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// appendJSON writes a value with its keys in order.
func appendJSON(b *bytes.Buffer, v *value, indent, step string) {
	switch {
	case v == nil || v.kind == kindNull:
		b.WriteString("null")
	case v.kind == kindBool:
		b.WriteString(strconv.FormatBool(v.b))
	case v.kind == kindInt:
		b.WriteString(v.text())
	case v.kind == kindFloat:
		// JSON has no infinity and no NaN; their names are used.
		if math.IsInf(v.f, 0) || math.IsNaN(v.f) {
			jsonString(b, v.text())
			return
		}
		b.WriteString(v.text())
	case v.kind == kindString:
		jsonString(b, v.s)
	case v.kind == kindSymbol:
		// With its colon, to differ from a string.
		jsonString(b, ":"+v.s)
	case v.kind == kindList:
		if len(v.list) == 0 {
			b.WriteString("[]")
			return
		}
		b.WriteByte('[')
		for i, x := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			newline(b, indent+step, step)
			appendJSON(b, x, indent+step, step)
		}
		newline(b, indent, step)
		b.WriteByte(']')
	case v.kind == kindMap:
		if v.m.len() == 0 {
			b.WriteString("{}")
			return
		}
		b.WriteByte('{')
		for i, e := range v.m.entries {
			if i > 0 {
				b.WriteByte(',')
			}
			newline(b, indent+step, step)
			jsonString(b, e.name)
			b.WriteByte(':')
			if step != "" {
				b.WriteByte(' ')
			}
			appendJSON(b, e.val, indent+step, step)
		}
		newline(b, indent, step)
		b.WriteByte('}')
	}
}

func newline(b *bytes.Buffer, indent, step string) {
	if step != "" {
		b.WriteByte('\n')
		b.WriteString(indent)
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
	var b bytes.Buffer
	appendJSON(&b, resolved(instances), "", "  ")
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
