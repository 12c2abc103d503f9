package cookbook

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
)

// evaluate runs a metadata.rb.
func (r Reader) evaluate(ctx context.Context, src, file string) (*Metadata, error) {
	var h *host
	_, err := ruby.EvalFile(ctx, src, file, func() ruby.Config {
		h = &host{data: newData()}
		vars := &env.Env{}
		if r.Env != nil {
			vars = r.Env.Clone() // what the file sets is its own
		}
		return ruby.Config{Env: vars, Dir: r.Dir, AllowExec: r.AllowExec, Host: h}
	})
	if err != nil {
		return nil, err
	}
	return fromData(h.data)
}

// host is the object on which metadata.rb is evaluated (Chef:
// Cookbook::Metadata).
type host struct{ data *jsonorder.Object }

// texts are the fields that are one string.
var texts = []string{
	"name", "description", "long_description", "maintainer", "maintainer_email", "license", "source_url", "issues_url",
}

// known are the calls with a meaning; Chef ignores all others without a block.
var known = append([]string{
	"version", "privacy", "eager_load_libraries", "depends", "supports", "provides", "recipe", "gem",
	"chef_version", "ohai_version",
}, texts...)

// Responds implements [ruby.Responder].
func (h *host) Responds(name string) bool { return slices.Contains(known, name) }

// Call implements [ruby.Host].
func (h *host) Call(c *ruby.Call) (ruby.Value, bool, error) {
	switch {
	case slices.Contains(texts, c.Name):
		return h.text(c)
	case !slices.Contains(known, c.Name):
		return nil, c.Block == nil, nil
	}
	if c.Keywords != nil {
		c.Args = append(slices.Clone(c.Args), c.Keywords)
	}
	args := make([]any, len(c.Args))
	for i, a := range c.Args {
		args[i] = ruby.ToGo(a)
	}
	switch c.Name {
	case "version":
		if len(args) > 0 && args[0] != nil {
			v, err := chefVersion(fmt.Sprint(args[0]))
			if err != nil {
				return nil, true, c.Raise("ArgumentError", err.Error())
			}
			h.data.Set("version", v.String())
		}
		return ruby.NewString(h.data.String("version")), true, nil
	case "privacy", "eager_load_libraries":
		if len(args) > 0 && args[0] != nil {
			h.data.Set(c.Name, toJSON(args[0]))
		}
		return nil, true, nil
	case "recipe":
		if len(args) != 2 {
			return nil, true, c.Raise("ArgumentError",
				fmt.Sprintf("wrong number of arguments (given %d, expected 2)", len(args)))
		}
		h.data.Object("recipes").Set(fmt.Sprint(args[0]), toJSON(args[1]))
	case "gem":
		if len(args) > 0 {
			list, _ := h.data.Value("gems").([]any)
			h.data.Set("gems", append(list, toJSON(args)))
		}
	case "chef_version", "ohai_version":
		return nil, true, h.gemVersion(c, args)
	default:
		return h.constraint(c, args)
	}
	return nil, true, nil
}

func (h *host) text(c *ruby.Call) (ruby.Value, bool, error) {
	if len(c.Args) > 0 && c.Args[0] != nil {
		s, ok := ruby.ToGo(c.Args[0]).(string)
		if !ok {
			return nil, true, c.Raise(
				"ArgumentError",
				fmt.Sprintf("Option %s must be a kind of [String]!  You passed %s.", c.Name,
					c.Interp().Inspect(c.Args[0])),
			)
		}
		h.data.Set(c.Name, s)
		return c.Args[0], true, nil
	}
	if v, ok := h.data.Value(c.Name).(string); ok {
		return ruby.NewString(v), true, nil
	}
	return nil, true, nil
}

func (h *host) gemVersion(c *ruby.Call, args []any) error {
	if len(args) == 0 {
		return nil
	}
	list, err := gemDependency(args)
	if err != nil {
		return c.Raise("ArgumentError", "Illformed requirement: "+err.Error())
	}
	key := c.Name + "s"
	all, _ := h.data.Value(key).([]any)
	h.data.Set(key, append(all, list))
	return nil
}

// fields say which field a call with a constraint fills.
var fields = map[string]string{"depends": "dependencies", "supports": "platforms", "provides": "providing"}

// chefConstraint is what Chef accepts as a constraint: an operator, spaces, a
// version. Platforms may have a version of one number.
var chefConstraint = text.Lazy(`(?m)^(<=|>=|~>|<|>|=) *([0-9].*)$`)

var platformVersion = text.Lazy(`(?m)^[0-9]+(\.[0-9]+){0,2}$`)

func (h *host) constraint(c *ruby.Call, args []any) (ruby.Value, bool, error) {
	if len(args) == 0 || len(args) > 2 {
		msg := fmt.Sprintf("%s takes a name and at most one version constraint", c.Name)
		return nil, true, c.Raise("ArgumentError", msg)
	}
	name := fmt.Sprint(args[0])
	if c.Name == "depends" && name == h.data.String("name") {
		return nil, true, c.Raise("RuntimeError",
			"Cookbook depends on itself in cookbook "+name+", please remove this unnecessary self-dependency")
	}
	text := ">= 0.0.0"
	if len(args) == 2 && args[1] != nil {
		given := args[1]
		if list, ok := given.([]any); ok && len(list) == 1 {
			given = list[0]
		}
		s, ok := given.(string)
		op, v := "=", s
		if m := chefConstraint().FindStringSubmatch(s); m != nil {
			op, v = m[1], m[2]
		} else if s == "" || s[0] < '0' || s[0] > '9' || strings.Contains(s, " ") {
			ok = false
		}
		if !ok || !platformVersion().MatchString(v) {
			return nil, true, c.Raise("ArgumentError", fmt.Sprintf("%s %q: %s is not a version constraint", c.Name, name, c.Interp().Inspect(c.Args[1])))
		}
		text = op + " " + v
	}
	h.data.Object(fields[c.Name]).Set(name, text)
	return ruby.NewString(text), true, nil
}

// toJSON turns a value of a Ruby program into one that JSON has.
func toJSON(v any) any {
	switch v := v.(type) {
	case ruby.Symbol:
		return string(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = toJSON(e)
		}
		return out
	case ruby.Map:
		o := &jsonorder.Object{}
		for _, p := range v {
			o.Set(fmt.Sprint(p.Key), toJSON(p.Value))
		}
		return o
	}
	return v
}
