package ruby

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/config/yaml11"
)

func defJSON(l *library) {
	j := l.module("JSON")
	j.sdef("parse parse! load", 1, 2, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		if kw == nil && len(c.args) > 1 {
			kw, _ = c.args[1].(*Hash)
		}
		symbols := false
		if kw != nil {
			v, _ := kw.Get(Symbol("symbolize_names"))
			symbols = truthy(v)
		}
		if c.args[0] == nil && c.name == "load" {
			return nil
		}
		return in.parseJSON(in.argString(c.args[0]), symbols)
	})
	j.sdef("load_file", 1, 2, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		symbols := false
		if kw != nil {
			v, _ := kw.Get(Symbol("symbolize_names"))
			symbols = truthy(v)
		}
		return in.parseJSON(in.readFile(in.pathArg(c.args[0])), symbols)
	})
	j.sdef("generate dump", 1, 3, func(in *Interp, c *call) Value { return in.str(in.toJSON(c.args[0], "", false)) })
	j.sdef("pretty_generate", 1, 2, func(in *Interp, c *call) Value { return in.str(in.toJSON(c.args[0], "", true)) })
	l.byName["Kernel"].def("to_json", 0, -1, func(in *Interp, c *call) Value {
		if !in.required["json"] {
			in.raiseName("NoMethodError", "to_json", c.self, "undefined method `to_json' for %s", in.describe(c.self))
		}
		return in.str(in.toJSON(c.self, "", false))
	})
}

func (in *Interp) parseJSON(s string, symbols bool) Value {
	in.alloc(len(s))
	in.step(len(s) / 8)
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	bad := func(err error) {
		msg := "unexpected token"
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			msg = "unexpected end of input"
		} else if err != nil {
			msg = err.Error()
		}
		in.raise("JSON::ParserError", "%s", msg)
	}
	var value func(depth int) Value
	value = func(depth int) Value {
		in.step(1)
		if depth > 100 {
			in.raise("JSON::ParserError", "nesting of %d is too deep", depth)
		}
		t, err := d.Token()
		if err != nil {
			bad(err)
		}
		switch x := t.(type) {
		case json.Delim:
			if x == '[' {
				a := in.arr(nil)
				for d.More() {
					in.push(a, value(depth+1))
				}
				if _, err := d.Token(); err != nil {
					bad(err)
				}
				return a
			}
			if x != '{' {
				bad(nil)
			}
			h := NewHash()
			for d.More() {
				k, err := d.Token()
				if err != nil {
					bad(err)
				}
				ks, ok := k.(string)
				if !ok {
					bad(nil)
				}
				var key Value = NewString(ks)
				if symbols {
					key = Symbol(ks)
				}
				in.hset(h, key, value(depth+1))
			}
			if _, err := d.Token(); err != nil {
				bad(err)
			}
			return h
		case json.Number:
			n := x.String()
			if !strings.ContainsAny(n, ".eE") {
				if len(n) > 5000 {
					in.limit("a number is too long")
				}
				b, _ := new(big.Int).SetString(n, 10)
				return normBig(b)
			}
			f, _ := strconv.ParseFloat(n, 64)
			return f
		case string:
			return in.str(x)
		case bool:
			return x
		}
		return nil
	}
	v := value(1)
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		bad(err)
	}
	return v
}

func (in *Interp) toJSON(v Value, indent string, pretty bool) string {
	nl, sp := "", ""
	inner := ""
	if pretty {
		nl, sp = "\n", " "
		inner = indent + "  "
	}
	switch x := v.(type) {
	case nil:
		return "null"
	case bool, int:
		return plainString(v)
	case *big.Int:
		return in.bigString(x, 10)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			in.raise("JSON::GeneratorError", "%s not allowed in JSON", formatFloat(x))
		}
		return formatFloat(x)
	case *String:
		in.alloc(len(x.s))
		return in.quoteJSON(x.s)
	case *Array:
		if len(x.a) == 0 {
			if pretty {
				return "[\n\n" + indent + "]" // as the json of Ruby 3.1 has it
			}
			return "[]"
		}
		if !in.enter(x) {
			in.raise("JSON::GeneratorError", "nesting is too deep")
		}
		defer in.leaveOnly(x)
		var b strings.Builder
		b.WriteString("[" + nl)
		for i, e := range x.a {
			in.step(1)
			if i > 0 {
				b.WriteString("," + nl)
			}
			s := in.toJSON(e, inner, pretty)
			in.alloc(len(s) + len(inner))
			b.WriteString(inner + s)
		}
		in.depth -= 6
		return b.String() + nl + indent + "]"
	case *Hash:
		if x.live == 0 {
			if pretty {
				return "{\n" + indent + "}"
			}
			return "{}"
		}
		if !in.enter(x) {
			in.raise("JSON::GeneratorError", "nesting is too deep")
		}
		defer in.leaveOnly(x)
		var b strings.Builder
		b.WriteString("{" + nl)
		first := true
		in.eachPair(x, func(k, e Value) bool {
			if !first {
				b.WriteString("," + nl)
			}
			first = false
			s := in.toJSON(e, inner, pretty)
			ks := in.quoteJSON(in.toS(k))
			in.alloc(len(s) + len(ks) + len(inner))
			b.WriteString(inner + ks + ":" + sp + s)
			return true
		})
		in.depth -= 6
		return b.String() + nl + indent + "}"
	case *Object:
		if m, _ := in.findMethod(x, "to_json"); m != nil && m.fn != nil {
			return in.toS(in.send(x, "to_json"))
		}
		if _, ok := x.data.(*Hash); !ok {
			if m, _ := in.findMethod(x, "to_h"); m != nil && m.fn != nil {
				return in.toJSON(in.send(x, "to_h"), indent, pretty)
			}
		}
	}
	return in.quoteJSON(in.toS(v))
}

func (in *Interp) quoteJSON(s string) string {
	if !utf8.ValidString(s) {
		in.raise("JSON::GeneratorError", "source sequence is illegal/malformed utf-8")
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		case '\b':
			b.WriteString(`\b`)
		default:
			if c < 0x20 {
				b.WriteString(`\u00` + hexOf(string([]byte{c})))
			} else {
				b.WriteByte(c)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

func defYAML(l *library) {
	y := l.module("YAML")
	l.byName["Psych"] = y
	load := func(in *Interp, text string, c *call, kw *Hash) Value {
		symbols, aliases := false, strings.HasPrefix(c.name, "unsafe")
		if kw != nil {
			v, _ := kw.Get(Symbol("symbolize_names"))
			symbols = truthy(v)
			if v, ok := kw.Get(Symbol("aliases")); ok {
				aliases = truthy(v)
			}
		}
		return in.parseYAML(text, symbols, aliases)
	}
	y.sdef("load safe_load unsafe_load", 1, -1, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		if c.args[0] == nil {
			return false
		}
		if o, ok := c.args[0].(*Object); ok {
			if f, ok := o.data.(*fileData); ok {
				return load(in, f.text[f.pos:], c, kw)
			}
		}
		return load(in, in.argString(c.args[0]), c, kw)
	})
	y.sdef("load_file safe_load_file unsafe_load_file", 1, -1, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		return load(in, in.readFile(in.pathArg(c.args[0])), c, kw)
	})
	y.sdef("dump", 1, -1, func(in *Interp, c *call) Value { return in.str(in.toYAML(c.args[0])) })
	y.sdef("load_stream parse parse_file load_documents", 1, -1, func(in *Interp, c *call) Value {
		in.unsupported("YAML." + c.name)
		return nil
	})
	l.byName["Kernel"].def("to_yaml", 0, -1, func(in *Interp, c *call) Value {
		if !in.required["yaml"] && !in.required["psych"] {
			in.raiseName("NoMethodError", "to_yaml", c.self, "undefined method `to_yaml' for %s", in.describe(c.self))
		}
		return in.str(in.toYAML(c.self))
	})
}

// parseYAML reads a document as Psych does.
func (in *Interp) parseYAML(s string, symbols, aliases bool) Value {
	in.alloc(8 * len(s))
	in.step(len(s) / 4)
	n, _, err := yaml11.Parse([]byte(s))
	if err != nil {
		class := "Psych::SyntaxError"
		if strings.Contains(err.Error(), "no anchor") {
			class = "Psych::BadAlias"
		}
		in.raise(class, "(<unknown>): %v", err)
	}
	if n == nil {
		return nil
	}
	seen := map[*yaml11.Node]Value{}
	scalar := func(n *yaml11.Node) Value {
		switch n.Kind {
		case yaml11.Bool:
			return n.Bool
		case yaml11.Int:
			if n.Big != nil {
				return normBig(n.Big)
			}
			return normBig(big.NewInt(n.Int))
		case yaml11.Float:
			return n.Float
		case yaml11.String:
			return in.str(n.Str)
		case yaml11.Symbol:
			return Symbol(n.Str)
		}
		return nil
	}
	var conv func(n *yaml11.Node) Value
	conv = func(n *yaml11.Node) Value {
		in.step(1)
		if v, ok := seen[n]; ok {
			if !aliases {
				in.raise("Psych::BadAlias", "Unknown alias")
			}
			return v
		}
		seen[n] = nil
		v := scalar(n)
		if v != nil {
			seen[n] = v
			return v
		}
		switch n.Kind {
		case yaml11.Sequence:
			a := in.arr(nil)
			seen[n] = a
			for _, x := range n.Items {
				in.push(a, conv(x))
			}
			return a
		case yaml11.Mapping:
			h := NewHash()
			seen[n] = h
			for _, p := range n.Pairs {
				k := conv(p.Key)
				if t, ok := k.(*String); ok && symbols {
					k = Symbol(t.s)
				}
				in.hset(h, k, conv(p.Value))
			}
			return h
		}
		return nil
	}
	return conv(n)
}

// toYAML writes a document as Psych does, for plain data.
func (in *Interp) toYAML(v Value) string {
	var b strings.Builder
	b.WriteString("---")
	in.yamlNode(&b, v, 0, false)
	s := b.String()
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}

// yamlNode writes v after "---", "-" or "key:".
func (in *Interp) yamlNode(b *strings.Builder, v Value, indent int, inSeq bool) {
	in.step(1)
	in.alloc(indent + 16)
	pad := strings.Repeat(" ", indent)
	switch x := v.(type) {
	case *Array:
		if len(x.a) == 0 {
			b.WriteString(" []\n")
			return
		}
		if !in.enter(x) {
			in.unsupported("YAML of a recursive structure")
		}
		defer in.leaveOnly(x)
		for i, e := range x.a {
			if i == 0 && inSeq {
				b.WriteString(" -")
			} else {
				if i == 0 {
					b.WriteByte('\n')
				}
				b.WriteString(pad + "-")
			}
			in.yamlNode(b, e, indent+2, true)
		}
		in.depth -= 6
	case *Hash:
		if x.live == 0 {
			b.WriteString(" {}\n")
			return
		}
		if !in.enter(x) {
			in.unsupported("YAML of a recursive structure")
		}
		defer in.leaveOnly(x)
		first := true
		in.eachPair(x, func(k, e Value) bool {
			if first && inSeq {
				b.WriteByte(' ')
			} else {
				if first {
					b.WriteByte('\n')
				}
				b.WriteString(pad)
			}
			first = false
			b.WriteString(in.yamlScalar(k, 0, 0) + ":")
			child := indent + 2
			if _, ok := e.(*Array); ok {
				child = indent // Psych does not indent a list in a mapping
			}
			in.yamlNode(b, e, child, false)
			return true
		})
		in.depth -= 6
	default:
		line := b.String()
		s := in.yamlScalar(v, indent, len(line)-strings.LastIndexByte(line, '\n'))
		in.alloc(len(s))
		if s != "" {
			b.WriteString(" " + s)
		}
		if !strings.HasSuffix(s, "\n") {
			b.WriteByte('\n')
		}
	}
}

func (in *Interp) yamlScalar(v Value, indent, column int) string {
	switch x := v.(type) {
	case nil:
		return ""
	case float64:
		switch {
		case math.IsNaN(x):
			return ".nan"
		case math.IsInf(x, 1):
			return ".inf"
		case math.IsInf(x, -1):
			return "-.inf"
		}
		return formatFloat(x)
	case bool, int, *big.Int:
		return in.toS(v)
	case Symbol:
		s := string(x)
		if !yamlPlain(s) {
			return ":" + yamlDouble(s)
		}
		return ":" + s
	case *String:
		return yamlQuote(x.s, indent, column)
	case *dateValue:
		return in.toS(v)
	}
	in.unsupported("YAML of a " + in.classOf(v).name)
	return ""
}

// yamlQuote writes a string in the style that Psych and libyaml choose for it. indent is that of continuation lines,
// column where the text begins.
func yamlQuote(s string, indent, column int) string {
	if s == "" {
		return "''"
	}
	control := false
	for _, r := range s {
		if r < ' ' && r != '\n' || r == 0x7f || r == utf8.RuneError {
			control = true
		}
	}
	if nl := strings.IndexByte(s, '\n'); nl >= 0 && !control && strings.TrimRight(s[nl:], "\n") != "" {
		if indent == 0 {
			indent = 2
		}
		head := "|"
		if s[0] == ' ' || s[0] == '\n' {
			head += "2"
		}
		switch {
		case !strings.HasSuffix(s, "\n"):
			head += "-"
		case strings.HasSuffix(s, "\n\n"):
			head += "+"
		}
		var b strings.Builder
		b.WriteString(head + "\n")
		for _, ln := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
			if ln != "" {
				b.WriteString(strings.Repeat(" ", indent) + ln)
			}
			b.WriteByte('\n')
		}
		return b.String()
	}
	first, _ := utf8.DecodeRuneInString(s)
	switch {
	case control, strings.HasSuffix(s, "\n\n"), s[0] == '\n':
		return yamlDouble(s)
	case strings.HasSuffix(s, "\n"):
		return "'" + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "'", "''") + "\n\n" + strings.Repeat(" ", indent) + "'"
	case s == "<<":
		return "! '<<'"
	case s == "y", s == "n", !isWordRune(first) && !strings.Contains(s[1:], `"`):
		return yamlDouble(s)
	}
	if yamlPlain(s) {
		return yamlFold(s, indent, column)
	}
	return "'" + yamlFold(strings.ReplaceAll(s, "'", "''"), indent, column+1) + "'"
}

// yamlPlain tells whether the string reads back as itself without quotes.
func yamlPlain(s string) bool {
	n, _, err := yaml11.Parse([]byte("a: " + s))
	if err != nil || n == nil || n.Kind != yaml11.Mapping || len(n.Pairs) != 1 {
		return false
	}
	v := n.Pairs[0].Value
	if v.Kind != yaml11.String || v.Str != s {
		return false
	}
	// dates are refused by the reader, but Psych would take them for such
	if len(s) >= 8 && isDigit(s[0]) {
		if _, err := time.Parse("2006-1-2", strings.SplitN(s, " ", 2)[0]); err == nil {
			return false
		}
	}
	// an octal number that has a wrong digit, and a number in another's clothes
	return !(s[0] == '0' && allDigits(s)) && s[0] != '!' && s[0] != ':'
}

// yamlFold breaks long text at single spaces, as libyaml does beyond column 80.
func yamlFold(s string, indent, column int) string {
	if column+len(s) <= 80 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' && column > 80 && i > 0 && i+1 < len(s) && s[i-1] != ' ' && s[i+1] != ' ' {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
			continue
		}
		b.WriteByte(s[i])
		if s[i]&0xc0 != 0x80 {
			column++
		}
	}
	return b.String()
}

func yamlDouble(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\0`)
		case 7:
			b.WriteString(`\a`)
		case 8:
			b.WriteString(`\b`)
		case 11:
			b.WriteString(`\v`)
		case 12:
			b.WriteString(`\f`)
		case 27:
			b.WriteString(`\e`)
		default:
			if r < ' ' || r == 0x7f {
				b.WriteString(`\x` + strings.ToUpper(hexOf(string([]byte{byte(r)}))))
			} else {
				b.WriteRune(r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// structData holds the members of a Struct.
type structData struct{ vals []Value }

func (in *Interp) structMembers(c *Class) []string {
	for k := c; k != nil; k = k.super {
		if v, ok := k.ivars["__members"]; ok {
			var out []string
			for _, m := range v.(*Array).a {
				out = append(out, string(m.(Symbol)))
			}
			return out
		}
	}
	return nil
}

func (in *Interp) structToA(o *Object) Value {
	s, ok := o.data.(*structData)
	if !ok {
		return in.arr(nil)
	}
	return in.arr(append([]Value(nil), s.vals...))
}

func (in *Interp) memberIndex(o *Object, v Value) int {
	ms := in.structMembers(o.class)
	if i, ok := v.(int); ok {
		j := i
		if j < 0 {
			j += len(ms)
		}
		if j < 0 || j >= len(ms) {
			in.raise("IndexError", "offset %d too large for struct(size:%d)", i, len(ms))
		}
		return j
	}
	name := in.argName(v)
	for i, m := range ms {
		if m == name {
			return i
		}
	}
	in.raiseName("NameError", name, o, "no member '%s' in struct", name)
	return 0
}

func defStruct(l *library) {
	st := l.class("Struct", "Object", "Enumerable")
	st.sdef("new", 0, -1, func(in *Interp, c *call) Value {
		cls := c.self.(*Class)
		if cls != in.classes["Struct"] {
			o := &Object{class: cls, data: &structData{vals: make([]Value, len(in.structMembers(cls)))}}
			in.alloc(100)
			in.invokeNamed(c.f, o, "initialize", c.args, c.kw, c.blk, true)
			return o
		}
		kw := c.kwargs()
		k := in.newClass("", cls, false)
		args := c.args
		if len(args) > 0 {
			if s, ok := args[0].(*String); ok {
				in.defConst(cls, s.s, k)
				args = args[1:]
			}
		}
		ms := &Array{}
		for i, a := range args {
			i, name := i, in.argName(a)
			ms.a = append(ms.a, Symbol(name))
			in.addMethod(k, name, &method{name: name, bi: func(in *Interp, c *call) Value { return c.self.(*Object).data.(*structData).vals[i] }})
			in.addMethod(k, name+"=", &method{name: name + "=", min: 1, max: 1, bi: func(in *Interp, c *call) Value {
				o := c.self.(*Object)
				if o.frozen {
					in.frozenError(o)
				}
				o.data.(*structData).vals[i] = c.args[0]
				return c.args[0]
			}})
		}
		k.ivars = map[string]Value{"__members": ms}
		if kw != nil {
			if v, ok := kw.Get(Symbol("keyword_init")); ok {
				k.ivars["__keyword"] = truthy(v)
			}
		}
		if c.blk != nil {
			in.runBlock(c.blk, k, []Value{k}, false, nil, k, nil)
		}
		return k
	})
	st.sdef("members", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		for _, m := range in.structMembers(c.self.(*Class)) {
			out = append(out, Symbol(m))
		}
		return in.arr(out)
	})
	st.sdef("[]", 0, -1, func(in *Interp, c *call) Value { return in.invokeNamed(c.f, c.self, "new", c.args, c.kw, c.blk, true) })
	st.priv("initialize", 0, -1, func(in *Interp, c *call) Value {
		o := c.self.(*Object)
		ms := in.structMembers(o.class)
		vals := o.data.(*structData).vals
		kwInit := false
		for k := o.class; k != nil; k = k.super {
			if v, ok := k.ivars["__keyword"]; ok {
				kwInit = truthy(v)
			}
		}
		if kwInit {
			h := c.kwargs()
			if len(c.args) > 0 {
				in.argError(len(c.args), 0, 0)
			}
			if h != nil {
				h.Each(func(k, v Value) bool {
					for i, m := range ms {
						if k == Symbol(m) {
							vals[i] = v
							return true
						}
					}
					in.raise("ArgumentError", "unknown keywords: %s", in.toS(k))
					return false
				})
			}
			return nil
		}
		if len(c.args) > len(ms) {
			in.raise("ArgumentError", "struct size differs")
		}
		copy(vals, c.args)
		return nil
	})
	st.def("[]", 1, 1, func(in *Interp, c *call) Value {
		o := c.self.(*Object)
		return o.data.(*structData).vals[in.memberIndex(o, c.args[0])]
	})
	st.def("dig", 1, -1, func(in *Interp, c *call) Value {
		o := c.self.(*Object)
		v := o.data.(*structData).vals[in.memberIndex(o, c.args[0])]
		if len(c.args) == 1 || v == nil {
			return v
		}
		return in.send(v, "dig", c.args[1:]...)
	})
	st.def("deconstruct_keys", 1, 1, func(in *Interp, c *call) Value { return in.send(c.self, "to_h") })
	st.def("[]=", 2, 2, func(in *Interp, c *call) Value {
		o := c.self.(*Object)
		if o.frozen {
			in.frozenError(o)
		}
		o.data.(*structData).vals[in.memberIndex(o, c.args[0])] = c.args[1]
		return c.args[1]
	})
	st.def("to_a deconstruct values", 0, 0, func(in *Interp, c *call) Value { return in.structToA(c.self.(*Object)) })
	st.def("members", 0, 0, func(in *Interp, c *call) Value { return in.send(c.self.(*Object).class, "members") })
	st.def("to_h", 0, 0, func(in *Interp, c *call) Value {
		o := c.self.(*Object)
		h := NewHash()
		for i, m := range in.structMembers(o.class) {
			in.hset(h, Symbol(m), o.data.(*structData).vals[i])
		}
		if c.blk != nil {
			cc := *c
			cc.self = h
			return l.byName["Enumerable"].methods["to_h"].bi(in, &cc)
		}
		return h
	})
	st.def("each", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		for _, v := range c.self.(*Object).data.(*structData).vals {
			in.yield(c.blk, v)
		}
		return c.self
	})
	st.def("each_pair", 0, 0, func(in *Interp, c *call) Value {
		o := c.self.(*Object)
		for i, m := range in.structMembers(o.class) {
			in.yield(in.needBlock(c), in.pair(Symbol(m), o.data.(*structData).vals[i]))
		}
		return o
	})
	st.def("length size", 0, 0, func(in *Interp, c *call) Value { return len(c.self.(*Object).data.(*structData).vals) })
	st.def("==", 1, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Object)
		b, ok := c.args[0].(*Object)
		return ok && (a == b || a.class == b.class && in.equal(in.structToA(a), in.structToA(b)))
	})
	st.def("eql?", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	st.def("inspect to_s", 0, 0, func(in *Interp, c *call) Value {
		o := c.self.(*Object)
		if !in.enter(o) {
			return in.str("#<struct " + o.class.name + ":...>")
		}
		defer in.leaveOnly(o)
		var parts []string
		for i, m := range in.structMembers(o.class) {
			s := in.inspect(o.data.(*structData).vals[i])
			in.alloc(len(s))
			parts = append(parts, m+"="+s)
		}
		in.depth -= 6
		name := o.class.name
		if name != "" {
			name += " "
		}
		return in.str("#<struct " + name + strings.Join(parts, ", ") + ">")
	})

	os := l.class("OpenStruct", "Object")
	table := func(o Value) *Hash {
		x := o.(*Object)
		h, ok := x.data.(*Hash)
		if !ok {
			h = NewHash()
			x.data = h
		}
		return h
	}
	os.priv("initialize", 0, 1, func(in *Interp, c *call) Value {
		h := table(c.self)
		if len(c.args) > 0 && c.args[0] != nil {
			in.eachPair(in.argHash(c.args[0]), func(k, v Value) bool { in.hset(h, Symbol(in.argName(k)), v); return true })
		}
		return nil
	})
	os.def("[]", 1, 1, func(in *Interp, c *call) Value { return in.hashGet(table(c.self), Symbol(in.argName(c.args[0]))) })
	os.def("[]=", 2, 2, func(in *Interp, c *call) Value {
		in.hset(table(c.self), Symbol(in.argName(c.args[0])), c.args[1])
		return c.args[1]
	})
	os.def("to_h", 0, 0, func(in *Interp, c *call) Value { return in.copyPlain(table(c.self)) })
	os.def("dig", 1, -1, func(in *Interp, c *call) Value {
		cc := *c
		cc.self = table(c.self)
		cc.args = append([]Value{Symbol(in.argName(c.args[0]))}, c.args[1:]...)
		return in.dig(&cc)
	})
	os.def("respond_to?", 1, 2, func(in *Interp, c *call) Value {
		_, ok := table(c.self).Get(Symbol(strings.TrimSuffix(in.argName(c.args[0]), "=")))
		return ok || in.respondTo(c.self, in.argName(c.args[0]))
	})
	os.def("delete_field", 1, 1, func(in *Interp, c *call) Value {
		v, _ := in.hdel(table(c.self), Symbol(in.argName(c.args[0])))
		return v
	})
	os.def("each_pair", 0, 0, func(in *Interp, c *call) Value {
		in.eachPair(table(c.self), func(k, v Value) bool { in.yield(in.needBlock(c), in.pair(k, v)); return true })
		return c.self
	})
	os.def("==", 1, 1, func(in *Interp, c *call) Value {
		o, ok := c.args[0].(*Object)
		return ok && o.class == c.self.(*Object).class && in.equal(table(c.self), table(o))
	})
	os.def("inspect to_s", 0, 0, func(in *Interp, c *call) Value {
		if !in.enter(c.self) {
			return in.str("#<OpenStruct ...>")
		}
		defer in.leaveOnly(c.self)
		var parts []string
		in.eachPair(table(c.self), func(k, v Value) bool {
			parts = append(parts, in.toS(k)+"="+in.inspect(v))
			return true
		})
		in.depth -= 6
		if len(parts) == 0 {
			return in.str("#<OpenStruct>")
		}
		return in.str("#<OpenStruct " + strings.Join(parts, ", ") + ">")
	})
	os.priv("method_missing", 1, -1, func(in *Interp, c *call) Value {
		name := in.argName(c.args[0])
		h := table(c.self)
		if strings.HasSuffix(name, "=") && len(c.args) == 2 {
			if c.self.(*Object).frozen {
				in.frozenError(c.self)
			}
			in.hset(h, Symbol(strings.TrimSuffix(name, "=")), c.args[1])
			return c.args[1]
		}
		if len(c.args) > 1 {
			in.noMethod(c.self, name, false)
		}
		return in.hashGet(h, Symbol(name))
	})

	defSet(l)
}

func (in *Interp) newSet(elems []Value) *Object {
	in.alloc(100)
	h := NewHash()
	for _, x := range elems {
		in.hset(h, x, true)
	}
	return &Object{class: in.classes["Set"], data: h}
}

func setHash(v Value) *Hash {
	if o, ok := v.(*Object); ok {
		if h, ok := o.data.(*Hash); ok {
			return h
		}
		h := NewHash()
		o.data = h
		return h
	}
	return NewHash()
}

func defSet(l *library) {
	s := l.class("Set", "Object", "Enumerable")
	isSet := func(in *Interp, v Value) bool {
		o, ok := v.(*Object)
		return ok && o.class.isA(in.classes["Set"])
	}
	elems := func(in *Interp, v Value) []Value {
		if isSet(in, v) {
			return setHash(v).keys()
		}
		switch v.(type) {
		case *Array, *Range, *Hash, *enumerator, *Object:
			return in.toA(v)
		}
		in.raise("ArgumentError", "value must be enumerable")
		return nil
	}
	s.sdef("new", 0, 1, func(in *Interp, c *call) Value {
		o := in.newSet(nil)
		o.class = c.self.(*Class)
		if len(c.args) > 0 && c.args[0] != nil {
			for _, x := range elems(in, c.args[0]) {
				if c.blk != nil {
					x = in.yield(c.blk, x)
				}
				in.hset(setHash(o), x, true)
			}
		}
		return o
	})
	s.sdef("[]", 0, -1, func(in *Interp, c *call) Value { return in.newSet(c.args) })
	s.def("each", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.eachPair(setHash(c.self), func(k, _ Value) bool { in.yield(c.blk, k); return true })
		return c.self
	})
	s.def("add <<", 1, 1, func(in *Interp, c *call) Value {
		if c.self.(*Object).frozen {
			in.frozenError(c.self)
		}
		in.hset(setHash(c.self), c.args[0], true)
		return c.self
	})
	s.def("add?", 1, 1, func(in *Interp, c *call) Value {
		h := setHash(c.self)
		if _, ok := h.get(in.hashKey(h, c.args[0])); ok {
			return nil
		}
		in.hset(h, c.args[0], true)
		return c.self
	})
	s.def("delete", 1, 1, func(in *Interp, c *call) Value { in.hdel(setHash(c.self), c.args[0]); return c.self })
	s.def("include? member? ===", 1, 1, func(in *Interp, c *call) Value {
		h := setHash(c.self)
		_, ok := h.get(in.hashKey(h, c.args[0]))
		return ok
	})
	s.def("length size count", 0, 1, func(in *Interp, c *call) Value {
		if c.name == "count" && (len(c.args) > 0 || c.blk != nil) {
			return l.byName["Enumerable"].methods["count"].bi(in, c)
		}
		return setHash(c.self).live
	})
	s.def("empty?", 0, 0, func(in *Interp, c *call) Value { return setHash(c.self).live == 0 })
	s.def("| + union", 1, 1, func(in *Interp, c *call) Value {
		return in.newSet(append(setHash(c.self).keys(), elems(in, c.args[0])...))
	})
	s.def("& intersection", 1, 1, func(in *Interp, c *call) Value {
		h := setHash(c.self)
		var out []Value
		for _, x := range elems(in, c.args[0]) {
			if _, ok := h.get(in.hashKey(h, x)); ok {
				out = append(out, x)
			}
		}
		return in.newSet(out)
	})
	s.def("- difference", 1, 1, func(in *Interp, c *call) Value {
		drop := in.keySet(elems(in, c.args[0]))
		var out []Value
		for _, x := range setHash(c.self).keys() {
			if !drop[in.hashKey(nil, x)] {
				out = append(out, x)
			}
		}
		return in.newSet(out)
	})
	s.def("^", 1, 1, func(in *Interp, c *call) Value {
		a, b := setHash(c.self), setHash(in.newSet(elems(in, c.args[0])))
		var out []Value
		for _, x := range b.keys() {
			if _, ok := a.get(in.hashKey(a, x)); !ok {
				out = append(out, x)
			}
		}
		for _, x := range a.keys() {
			if _, ok := b.get(in.hashKey(b, x)); !ok {
				out = append(out, x)
			}
		}
		return in.newSet(out)
	})
	s.def("merge", 0, -1, func(in *Interp, c *call) Value {
		for _, a := range c.args {
			for _, x := range elems(in, a) {
				in.hset(setHash(c.self), x, true)
			}
		}
		return c.self
	})
	sub := func(in *Interp, a, b *Hash) bool {
		for _, x := range a.keys() {
			if _, ok := b.get(in.hashKey(b, x)); !ok {
				return false
			}
		}
		return true
	}
	s.def("subset? <=", 1, 1, func(in *Interp, c *call) Value { return sub(in, setHash(c.self), setHash(c.args[0])) })
	s.def("superset? >=", 1, 1, func(in *Interp, c *call) Value { return sub(in, setHash(c.args[0]), setHash(c.self)) })
	s.def("disjoint? intersect?", 1, 1, func(in *Interp, c *call) Value {
		h := setHash(c.self)
		hit := false
		for _, x := range elems(in, c.args[0]) {
			if _, ok := h.get(in.hashKey(h, x)); ok {
				hit = true
			}
		}
		return hit == (c.name == "intersect?")
	})
	s.def("==", 1, 1, func(in *Interp, c *call) Value {
		return isSet(in, c.args[0]) && setHash(c.self).live == setHash(c.args[0]).live && sub(in, setHash(c.self), setHash(c.args[0]))
	})
	s.def("to_set", 0, 0, func(in *Interp, c *call) Value { return c.self })
	s.def("select filter reject", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		for _, x := range setHash(c.self).keys() {
			if in.yieldBool(in.needBlock(c), x) != (c.name == "reject") {
				out = append(out, x)
			}
		}
		return in.newSet(out)
	})
	s.def("inspect to_s", 0, 0, func(in *Interp, c *call) Value {
		var parts []string
		if !in.enter(c.self) {
			return in.str("#<Set: {...}>")
		}
		defer in.leaveOnly(c.self)
		for _, x := range setHash(c.self).keys() {
			parts = append(parts, in.inspect(x))
		}
		in.depth -= 6
		return in.str("#<Set: {" + strings.Join(parts, ", ") + "}>")
	})
	s.def("clear", 0, 0, func(in *Interp, c *call) Value { setHash(c.self).clear(); return c.self })
	s.def("map! select! reject! filter! delete_if keep_if classify divide flatten", 0, -1, func(in *Interp, c *call) Value {
		in.unsupported("Set#" + c.name)
		return nil
	})
}
