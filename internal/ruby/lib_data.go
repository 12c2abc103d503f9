package ruby

import (
	"encoding/json"
	"math/big"
	"strings"

	"github.com/galleyhq/galley/internal/config/yaml11"
	"github.com/galleyhq/galley/internal/jsonorder"
)

func jsonParse(in *Interp, c *call) Value {
	symbols := flag(c.kwargs(), "symbolize_names")
	s := in.argString(c.args[0])
	in.alloc(8 * len(s))
	in.step(len(s) / 4)
	v, err := jsonorder.Parse([]byte(s))
	if err != nil {
		in.raise("JSON::ParserError", "%v", err)
	}
	return in.fromJSON(v, symbols)
}

// fromJSON makes Ruby values of JSON; symbols makes the keys such.
func (in *Interp) fromJSON(v any, symbols bool) Value {
	switch x := v.(type) {
	case string:
		return in.str(x)
	case *big.Int:
		in.tooBig()
	case []any:
		list := in.arr(nil)
		for _, e := range x {
			in.push(list, in.fromJSON(e, symbols))
		}
		return list
	case *jsonorder.Object:
		h := NewHash()
		for _, name := range x.Keys() {
			key := Value(Symbol(name))
			if !symbols {
				key = in.str(name)
			}
			in.hset(h, key, in.fromJSON(x.Value(name), symbols))
		}
		return h
	}
	return FromGo(v)
}

func jsonQuote(in *Interp, c *call) Value {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(in.argString(c.args[0])) // a text always has a form
	// Go escapes the line separators of JavaScript, Ruby does not.
	plain := strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
	return in.str(plain.Replace(strings.TrimSuffix(b.String(), "\n")))
}

func yamlLoad(in *Interp, c *call) Value {
	kw := c.kwargs()
	y := &yamlReader{in: in, seen: map[*yaml11.Node]Value{}}
	y.symbols = flag(kw, "symbolize_names")
	y.aliases = flag(kw, "aliases") || strings.HasPrefix(c.name, "unsafe")
	var s string
	if strings.HasSuffix(c.name, "_file") {
		s = in.readFile(in.argString(c.args[0]))
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
