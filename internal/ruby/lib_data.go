package ruby

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/galleyhq/galley/internal/config/yaml11"
)

func jsonMethods() []builtin {
	return []builtin{
		{"parse", 1, 2, jsonParse},
		{"generate dump", 1, 1, jsonGenerate},
		{"pretty_generate", 1, 1, jsonGenerate},
	}
}

func jsonParse(in *Interp, c *call) Value {
	symbols, _ := flag(c.kwargs(), "symbolize_names")
	s := in.argString(c.args[0])
	in.alloc(8 * len(s))
	in.step(len(s) / 4)
	r := &jsonReader{in: in, d: json.NewDecoder(strings.NewReader(s)), symbols: symbols}
	r.d.UseNumber()
	v, err := r.value(0)
	if err == nil {
		if _, more := r.d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("unexpected text after the value")
		}
	}
	if err != nil {
		in.raise("JSON::ParserError", "%v", err)
	}
	return v
}

// jsonReader makes Ruby values of JSON.
type jsonReader struct {
	in      *Interp
	d       *json.Decoder
	symbols bool // keys are symbols
}

func (r *jsonReader) value(depth int) (Value, error) {
	t, err := r.d.Token()
	if errors.Is(err, io.EOF) {
		err = errors.New("unexpected end of input")
	}
	if depth > 100 {
		err = errors.New("nesting is too deep")
	}
	if err != nil {
		return nil, err
	}
	switch x := t.(type) {
	case string:
		return r.in.str(x), nil
	case json.Number:
		return r.number(x.String())
	case json.Delim:
		if x == '[' {
			return r.array(depth)
		}
		return r.object(depth)
	}
	return t, nil // true, false, null
}

func (r *jsonReader) number(s string) (Value, error) {
	if !strings.ContainsAny(s, ".eE") {
		n, ok := r.in.parseInteger(s)
		if !ok {
			return nil, errors.New("unexpected number " + s)
		}
		return n, nil
	}
	return json.Number(s).Float64()
}

func (r *jsonReader) array(depth int) (Value, error) {
	a := r.in.arr(nil)
	for r.d.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		r.in.push(a, v)
	}
	_, err := r.d.Token()
	return a, err
}

func (r *jsonReader) object(depth int) (Value, error) {
	h := NewHash()
	for r.d.More() {
		t, err := r.d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if r.symbols {
			r.in.hset(h, Symbol(name), v)
		} else {
			r.in.hset(h, r.in.str(name), v)
		}
	}
	_, err := r.d.Token()
	return h, err
}

func jsonGenerate(in *Interp, c *call) Value {
	return in.str(in.toJSON(c.args[0], "", c.name == "pretty_generate"))
}

func (in *Interp) toJSON(v Value, indent string, pretty bool) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool, int, float64:
		return plainString(x)
	case *Array:
		return in.jsonList(v, "[", "]", indent, pretty, func(add func(string), inner string) {
			for _, e := range x.a {
				add(in.toJSON(e, inner, pretty))
			}
		})
	case *Hash:
		return in.jsonList(v, "{", "}", indent, pretty, func(add func(string), inner string) {
			colon := ":"
			if pretty {
				colon = ": "
			}
			x.Each(func(k, v Value) bool {
				add(in.quoteJSON(in.toS(k)) + colon + in.toJSON(v, inner, pretty))
				return true
			})
		})
	}
	return in.quoteJSON(in.toS(v))
}

// jsonList joins the parts of an array or object.
func (in *Interp) jsonList(v Value, open, shut, indent string, pretty bool, each func(add func(string), inner string)) string {
	if !in.enter(v) {
		in.raise("JSON::ParserError", "nesting is too deep")
	}
	defer in.leave(v)
	inner := indent + "  "
	var parts []string
	each(func(s string) {
		in.alloc(len(s))
		parts = append(parts, s)
	}, inner)
	if len(parts) == 0 && pretty {
		return open + "\n" + when(open == "[", "\n") + indent + shut
	}
	if !pretty {
		return open + strings.Join(parts, ",") + shut
	}
	return open + "\n" + inner + strings.Join(parts, ",\n"+inner) + "\n" + indent + shut
}

func (in *Interp) quoteJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		in.raise("JSON::ParserError", "%v", err)
	}
	// Go escapes the line separators of JavaScript, Ruby does not.
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(b.String(), "\n"))
}

func yamlMethods() []builtin {
	return []builtin{
		{"load safe_load unsafe_load", 1, -1, yamlLoad},
		{"load_file safe_load_file unsafe_load_file", 1, -1, yamlLoad},
	}
}

func yamlLoad(in *Interp, c *call) Value {
	kw := c.kwargs()
	y := &yamlReader{in: in, seen: map[*yaml11.Node]Value{}}
	y.symbols, _ = flag(kw, "symbolize_names")
	y.aliases, _ = flag(kw, "aliases")
	y.aliases = y.aliases || strings.HasPrefix(c.name, "unsafe")
	var s string
	if strings.HasSuffix(c.name, "_file") {
		s = in.readFile(in.pathArg(c.args[0]))
	} else {
		s = in.argString(c.args[0])
	}
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
		return map[bool]Value{true: false, false: nil}[strings.HasPrefix(c.name, "unsafe")]
	}
	return y.value(n)
}

// yamlReader makes Ruby values of YAML.
type yamlReader struct {
	in      *Interp
	symbols bool // keys are symbols
	aliases bool // are allowed
	seen    map[*yaml11.Node]Value
}

func (y *yamlReader) value(n *yaml11.Node) Value {
	y.in.step(1)
	if v, ok := y.seen[n]; ok {
		if !y.aliases {
			y.in.raise("Psych::BadAlias", "Unknown alias")
		}
		return v
	}
	y.seen[n] = nil
	v := y.build(n)
	y.seen[n] = v
	return v
}

// build makes the value of a node that was not met before.
func (y *yamlReader) build(n *yaml11.Node) Value {
	switch n.Kind {
	case yaml11.Bool:
		return n.Bool
	case yaml11.Int:
		return int(n.Int)
	case yaml11.Float:
		return n.Float
	case yaml11.String:
		return y.in.str(n.Str)
	case yaml11.Symbol:
		return Symbol(n.Str)
	case yaml11.Sequence:
		a := y.in.arr(nil)
		y.seen[n] = a
		for _, x := range n.Items {
			y.in.push(a, y.value(x))
		}
		return a
	case yaml11.Mapping:
		h := NewHash()
		y.seen[n] = h
		for _, p := range n.Pairs {
			k := y.value(p.Key)
			if t, ok := k.(*String); ok && y.symbols {
				k = Symbol(t.s)
			}
			y.in.hset(h, k, y.value(p.Value))
		}
		return h
	}
	return nil
}
