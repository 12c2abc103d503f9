package clouds

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

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
	if err := retag(&doc); err != nil {
		return nil, err
	}
	var root any
	if err := doc.Decode(&root); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	switch r := root.(type) {
	case nil:
		return object{}, nil
	case object:
		return r, nil
	}
	return nil, errors.New("it is not a mapping with a key clouds")
}

// retag gives each scalar the type that openstacksdk sees in it. Of a key that
// comes twice the last one counts, as with PyYAML.
func retag(n *yaml.Node) error {
	tag := n.ShortTag()
	switch {
	case n.Kind == yaml.AliasNode:
		return nil
	case n.Style&yaml.TaggedStyle != 0 && !strings.Contains(" !!str !!int !!float !!timestamp !!null !!bool !!map !!seq ", " "+tag+" "):
		return fmt.Errorf("line %d: the tag %s is not allowed", n.Line, n.Tag)
	case n.Kind == yaml.ScalarNode && tag != "!!merge":
		const literal = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
		tagged := n.Style&yaml.TaggedStyle != 0
		switch {
		case tagged && tag == "!!null":
		case tagged && tag == "!!bool", !tagged && n.Style&literal == 0:
			n.Tag, n.Value = word11(n.Value)
		default:
			n.Tag = "!!str"
		}
	case n.Kind == yaml.MappingNode:
		at := map[string]int{}
		var kept []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if first, twice := at[k.Value]; twice && k.Kind == yaml.ScalarNode && k.Value != "<<" {
				kept[first+1] = n.Content[i+1]
				continue
			}
			at[k.Value] = len(kept)
			kept = append(kept, k, n.Content[i+1])
		}
		n.Content = kept
	}
	for i, c := range n.Content {
		if err := retag(c); err != nil {
			return err
		}
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.ScalarNode && c.Tag != "!!merge" {
			c.Tag = "!!str"
		}
	}
	return nil
}

// word11 is the tag and value of a plain scalar.
func word11(value string) (tag, text string) {
	switch strings.ToLower(value) {
	case "", "~", "null":
		return "!!null", value
	case "yes", "true", "on":
		return "!!bool", "true"
	case "no", "false", "off":
		return "!!bool", "false"
	}
	return "!!str", value
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
