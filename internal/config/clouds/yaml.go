package clouds

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds a file after its aliases are followed.
const maxNodes = 100_000

// maxNesting bounds how deep mappings and lists nest.
const maxNesting = 100

// parse reads a file's text. Scalars stay as they are written, but for null
// and the booleans of YAML 1.1 (PyYAML's yes and no): an ID of digits is an
// ID, not a number.
func parse(data []byte) (object, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		msg := strings.TrimPrefix(err.Error(), "yaml: ")
		for _, mark := range []string{"{{", "{%", "<%"} {
			if bytes.Contains(data, []byte(mark)) {
				return nil, fmt.Errorf("it is a template that has not been filled in (%s): %s", mark, msg)
			}
		}
		return nil, errors.New(msg)
	}
	if len(doc.Content) == 0 {
		return object{}, nil
	}
	d := &decoder{open: map[*yaml.Node]bool{}}
	root, err := d.value(doc.Content[0], 0)
	if err != nil {
		return nil, err
	}
	switch r := root.(type) {
	case nil:
		return object{}, nil
	case object:
		return r, nil
	}
	return nil, errors.New("it is not a mapping with a key clouds")
}

// decoder turns nodes into values.
type decoder struct {
	nodes int
	// open are the anchors being followed.
	open map[*yaml.Node]bool
}

func (d *decoder) value(n *yaml.Node, depth int) (any, error) {
	if d.nodes++; d.nodes > maxNodes || depth > maxNesting {
		return nil, fmt.Errorf("line %d: it is too large or nests too deep", n.Line)
	}
	if n.Kind != yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0 {
		switch n.ShortTag() {
		case "!!map", "!!seq", "!!omap", "!!set":
		default:
			return nil, fmt.Errorf("line %d: the tag %s is not allowed", n.Line, n.Tag)
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		if d.open[n.Alias] {
			return nil, fmt.Errorf("line %d: the anchor %q contains itself", n.Line, n.Value)
		}
		d.open[n.Alias] = true
		defer delete(d.open, n.Alias)
		return d.value(n.Alias, depth+1)
	case yaml.ScalarNode:
		return d.scalar(n)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := d.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return d.mapping(n, depth)
	}
	return nil, fmt.Errorf("line %d: this is not understood", n.Line)
}

// mapping reads a mapping; of a key that comes twice the last one counts, as
// with PyYAML.
func (d *decoder) mapping(n *yaml.Node, depth int) (any, error) {
	out, merged := object{}, object{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		value, err := d.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		if k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
			list, ok := value.([]any)
			if !ok {
				list = []any{value}
			}
			for _, m := range list {
				from, ok := m.(object)
				if !ok {
					return nil, fmt.Errorf("line %d: << merges a value that is not a mapping", k.Line)
				}
				for k, v := range from {
					if _, there := merged[k]; !there {
						merged[k] = v
					}
				}
			}
			continue
		}
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key must be a word", k.Line)
		}
		out[k.Value] = value
	}
	for k, v := range merged {
		if _, there := out[k]; !there {
			out[k] = v
		}
	}
	return out, nil
}

func (d *decoder) scalar(n *yaml.Node) (any, error) {
	plain := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch tag := n.ShortTag(); {
	case n.Style&yaml.TaggedStyle != 0:
		switch tag {
		case "!!str", "!!int", "!!float", "!!timestamp":
			return n.Value, nil
		case "!!null":
			return nil, nil
		case "!!bool":
		default:
			return nil, fmt.Errorf("line %d: the tag %s is not allowed", n.Line, n.Tag)
		}
	case !plain:
		return n.Value, nil
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return nil, nil
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true, nil
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false, nil
	}
	return n.Value, nil
}

// scalar is a value as text; Python's spelling of the booleans.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return ""
}
