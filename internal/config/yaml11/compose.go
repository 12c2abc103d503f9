package yaml11

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// composer makes nodes of yaml.v3's, with the meaning that Psych gives to
// scalars, tags and merge keys.
type composer struct {
	// question is the letter that replaces a question mark.
	question string
	done     map[*yaml.Node]*Node
	warnings []Warning
	nodes    int
	merged   int
}

// checkText refuses what YAML's reader does: text that is not UTF-8, and
// control characters.
func checkText(src string) error {
	line, start := 1, 0
	for i := 0; i < len(src); {
		c := src[i]
		if c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(src[i:])
		ok := true
		msg := ""
		switch {
		case r == utf8.RuneError && size == 1:
			ok, msg = false, "the text is not UTF-8"
		case r == '\n':
			line, start = line+1, i+1
		case r == '\t', r == '\r', r == 0x85, r >= 0xA0 && r <= 0xFFFD, r >= 0x10000:
		default:
			ok, msg = false, fmt.Sprintf("the control character U+%04X is not allowed; in double quotes write \\x%02X", r, r)
		}
		if !ok {
			return &Error{Line: line, Column: utf8.RuneCountInString(src[start:i]) + 1, Msg: msg}
		}
		i += size
	}
	return nil
}

// hideQuestions replaces the question marks that are within a word, for
// yaml.v3 takes them for the beginning of a key within brackets, as in
// [http://host/?q=1]. The letter that replaces them occurs nowhere else.
func (c *composer) hideQuestions(text string) string {
	if !strings.Contains(text, "?") {
		return text
	}
	free := rune(0xE000)
	for strings.ContainsRune(text, free) {
		free++
	}
	q := string(free)
	c.question = q
	var b strings.Builder
	for i, r := range text {
		if r == '?' && i > 0 && !strings.ContainsRune(" \t\r\n[{,:", rune(text[i-1])) {
			b.WriteString(q)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// original is a text with its question marks.
func (c *composer) original(text string) string {
	if c.question == "" {
		return text
	}
	return strings.ReplaceAll(text, c.question, "?")
}

// document reads the first document, nil if there is none.
func document(text string) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			doc, err = nil, &Error{Msg: fmt.Sprintf("the YAML cannot be parsed: %v", r)}
		}
	}()
	var n yaml.Node
	switch err := yaml.NewDecoder(strings.NewReader(text)).Decode(&n); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, parseError(text, err)
	}
	if n.Kind != yaml.DocumentNode || len(n.Content) == 0 {
		return nil, nil
	}
	return n.Content[0], nil
}

// node makes a node of yaml.v3's. The nodes of an alias are shared.
func (c *composer) node(y *yaml.Node, depth int) (*Node, error) {
	alias := y.Kind == yaml.AliasNode
	if alias {
		y = y.Alias
	}
	if n, ok := c.done[y]; ok {
		n.Aliased = n.Aliased || alias
		return n, nil
	}
	n := &Node{Line: y.Line, Column: y.Column}
	if depth > maxDepth {
		return nil, wrong(n, "nested too deeply", "")
	}
	if c.nodes++; c.nodes > maxNodes {
		return nil, wrong(n, fmt.Sprintf("more than %d values", maxNodes), "")
	}
	c.done[y] = n
	tag := ""
	if y.Style&yaml.TaggedStyle != 0 {
		tag = c.original(y.Tag)
	}
	switch y.Kind {
	case yaml.SequenceNode:
		return n, c.sequence(n, y, tag, depth)
	case yaml.MappingNode:
		return n, c.mapping(n, y, tag, depth)
	}
	plain := y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	return n, scalar(n, tag, c.original(y.Value), plain)
}

func wrong(n *Node, msg, text string) error {
	return &Error{Line: n.Line, Column: n.Column, Msg: msg, Text: text}
}

func refused(n *Node, tag string) error {
	return wrong(n, "the tag "+tag+" is not allowed: Ruby objects are refused", "")
}

func unsupported(n *Node, tag string) error {
	return wrong(n, "the tag "+tag+" is not supported; write the value without it", "")
}

// scalar gives n the value of a scalar.
func scalar(n *Node, tag, text string, plain bool) error {
	if tag == "" && !plain {
		n.Kind, n.Str = String, text
		return nil
	}
	switch {
	case tag == "!binary", tag == "!!binary", tag == "!float", tag == "!!float":
		return unsupported(n, tag)
	case tag == "!str", tag == "!str:", tag == "!!str", tag == "!ruby/string":
		n.Kind, n.Str = String, text
		return nil
	case strings.HasPrefix(tag, "!ruby/sym"):
		n.Kind, n.Str = Symbol, text
		return nil
	case strings.HasPrefix(tag, "!ruby/"), strings.HasPrefix(tag, "!str:"):
		return refused(n, tag)
	}
	if err := n.tokenize(text); err != nil {
		return wrong(n, err.Error(), text)
	}
	return nil
}

func (c *composer) sequence(n *Node, y *yaml.Node, tag string, depth int) error {
	if strings.HasPrefix(tag, "!seq:") || strings.HasPrefix(tag, "!ruby/array:") {
		return refused(n, tag)
	}
	if tag == "!omap" || tag == "!!omap" {
		return unsupported(n, tag)
	}
	n.Kind = Sequence
	for _, x := range y.Content {
		item, err := c.node(x, depth+1)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, item)
	}
	return nil
}

func (c *composer) mapping(n *Node, y *yaml.Node, tag string, depth int) error {
	switch {
	case tag == "!ruby/object:Hash":
	case strings.HasPrefix(tag, "!ruby/"), strings.HasPrefix(tag, "!map:"), strings.HasPrefix(tag, "!str"),
		tag == "!!str", tag == "!set", tag == "!!set", tag == "!omap", tag == "!!omap":
		return refused(n, tag)
	}
	n.Kind = Mapping
	set := pairs{n: n, at: map[keyID]int{}, merged: map[keyID]bool{}}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, err := c.node(y.Content[i], depth+1)
		if err != nil {
			return err
		}
		v, err := c.node(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if x := y.Content[i+1]; x.Kind == yaml.ScalarNode && x.Value == "" && x.Anchor == "" && v.Kind == Null {
			// Where nothing is, the key is what can be pointed at.
			v.Line, v.Column = k.Line, k.Column
		}
		if k.Kind == String && k.Str == "<<" && (y.Content[i].Style&yaml.TaggedStyle == 0 || y.Content[i].Tag != "!!str") {
			if sources, ok := mergeSources(y.Content[i+1], v); ok {
				if err := c.merge(&set, k, sources); err != nil {
					return err
				}
				continue
			}
		}
		if first, dup := set.put(k, v); dup {
			c.warnings = append(c.warnings, Warning{
				Line: y.Content[i].Line, Column: y.Content[i].Column, First: first, Key: k.Str, Code: DuplicateKey,
			})
		}
	}
	return nil
}

func (c *composer) merge(set *pairs, k *Node, sources []*Node) error {
	for _, src := range sources {
		if c.merged += len(src.Pairs); c.merged > maxMerged {
			return wrong(k, "too much is merged", "")
		}
		// A mapping may be merged into itself.
		for _, p := range append([]Pair(nil), src.Pairs...) {
			set.put(p.Key, p.Value)
			set.mark(p.Key)
		}
	}
	return nil
}

// mergeSources returns the mappings that a merge key brings in, in the order
// in which they are assigned; not ok when it is a key like any other.
func mergeSources(y *yaml.Node, v *Node) (sources []*Node, ok bool) {
	switch y.Kind {
	case yaml.AliasNode, yaml.MappingNode:
		if v.Kind == Mapping {
			return []*Node{v}, true
		}
	case yaml.SequenceNode:
		if v.Kind != Sequence {
			return nil, false
		}
		for i := len(v.Items) - 1; i >= 0; i-- {
			if v.Items[i].Kind != Mapping {
				return nil, false
			}
			sources = append(sources, v.Items[i])
		}
		return sources, true
	}
	return nil, false
}

// pairs assigns to a mapping's entries as Ruby's Hash#[]= does.
type pairs struct {
	n  *Node
	at map[keyID]int
	// merged are the keys that came by a merge and not by themselves.
	merged map[keyID]bool
}

// keyID tells scalar keys apart as Ruby's eql? does.
type keyID struct {
	kind Kind
	b    bool
	i    int64
	f    float64
	s    string
}

// idOf is the identity of a key. Lists and mappings as keys are refused by
// everyone reading the result; that two of them are equal does not matter.
func idOf(k *Node) (id keyID, ok bool) {
	id = keyID{kind: k.Kind, b: k.Bool, i: k.Int, f: k.Float}
	if k.Kind == String || k.Kind == Symbol {
		id.s = k.Str
	}
	return id, k.Kind != Sequence && k.Kind != Mapping
}

// put assigns; dup says that the key was written before, in line first, and
// not only merged.
func (p *pairs) put(k, v *Node) (first int, dup bool) {
	id, ok := idOf(k)
	if !ok {
		p.n.Pairs = append(p.n.Pairs, Pair{k, v})
		return 0, false
	}
	if i, known := p.at[id]; known {
		old := p.n.Pairs[i].Key
		p.n.Pairs[i].Value = v
		dup = !p.merged[id]
		delete(p.merged, id)
		return old.Line, dup
	}
	p.n.Pairs = append(p.n.Pairs, Pair{k, v})
	p.at[id] = len(p.n.Pairs) - 1
	return 0, false
}

// mark notes that a key came by a merge, so that writing it is not a repetition.
func (p *pairs) mark(k *Node) {
	if id, ok := idOf(k); ok {
		p.merged[id] = true
	}
}
