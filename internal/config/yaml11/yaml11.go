package yaml11

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Kind is the type of a node, in Ruby's terms.
type Kind uint8

// The kinds of node.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	Symbol
	Sequence
	Mapping
)

var kindNames = [...]string{"null", "a boolean", "an integer", "a float", "a string", "a symbol", "a list", "a mapping"}

// String names the kind as a sentence would.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Node is one value of a document. A node that is aliased, or merged from, is
// shared: the result is a graph without cycles, not a tree.
type Node struct {
	Kind  Kind
	Bool  bool
	Int   int64
	Float float64
	// Big is an integer that does not fit Int, else nil.
	Big *big.Int
	// Str is the text of a String, the name of a Symbol.
	Str string
	// Items are the elements of a Sequence.
	Items []*Node
	// Pairs are the entries of a Mapping, each key once, in Ruby's order: a
	// key that comes again keeps its first place.
	Pairs []Pair
	// Line and Column are where the node starts, counted from 1.
	Line, Column int
	// size is the number of nodes when every alias is written out; negative
	// while it is being counted.
	size int
}

// Pair is an entry of a mapping.
type Pair struct {
	Key, Value *Node
}

// Warning is something that Psych passes over in silence.
type Warning struct {
	Line, Column int
	// Key is the key it is about.
	Key string
	Msg string
}

// Error is a document that cannot be read.
type Error struct {
	// Line and Column count from 1; 0 is unknown.
	Line, Column int
	// Msg says what is wrong: lower case, no full stop.
	Msg string
	// Text is the offending piece, "" for none.
	Text string
}

// Error has the form "line 3, column 5: what is wrong: text".
func (e *Error) Error() string {
	s := e.Msg
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Line > 0 {
		if e.Column > 0 {
			return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, s)
		}
		return fmt.Sprintf("line %d: %s", e.Line, s)
	}
	return s
}

// Limits of a document. They are far above what anyone writes by hand and
// keep a hostile file from filling the machine.
const (
	maxBytes      = 8 << 20
	maxIndicators = 200_000
	maxNodes      = 200_000
	maxMerged     = 1_000_000
	maxDepth      = 1_000
)

// Parse reads the first document of src; what follows it is ignored. It
// returns nil when there is none. The error is an *[Error].
func Parse(src []byte) (*Node, []Warning, error) {
	if err := tooBig(src); err != nil {
		return nil, nil, err
	}
	r := repair(src)
	doc, err := parseNodes(r)
	if err != nil || doc == nil {
		return nil, nil, err
	}
	b := &builder{src: src, repaired: r, made: map[*yaml.Node]*Node{}}
	n, err := b.node(doc, 0, false)
	if err != nil {
		return nil, nil, err
	}
	if err := b.bound(n); err != nil {
		return nil, nil, err
	}
	return n, b.warnings, nil
}

func tooBig(src []byte) error {
	if len(src) > maxBytes {
		return &Error{Msg: fmt.Sprintf("more than %d MiB of YAML", maxBytes>>20)}
	}
	count := 0
	for _, c := range src {
		switch c {
		case '\n', '-', ',', ':', '[', '{', '?', '\r':
			count++
		}
	}
	if count > maxIndicators {
		return &Error{Msg: "too much YAML in one document"}
	}
	return nil
}

// parseNodes runs yaml.v3's parser over the first document.
func parseNodes(r repaired) (n *yaml.Node, err error) {
	defer func() {
		// The parser panics on some input that it cannot make sense of.
		if p := recover(); p != nil {
			n, err = nil, &Error{Msg: "not understood as YAML"}
		}
	}()
	var doc yaml.Node
	err = yaml.NewDecoder(bytes.NewReader(r.text)).Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(r, err)
	case doc.Kind != yaml.DocumentNode || len(doc.Content) == 0:
		return nil, nil
	}
	return doc.Content[0], nil
}

var (
	reParserError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	reAnchor      = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxError makes a sentence of yaml.v3's error and finds the place.
func syntaxError(r repaired, err error) error {
	src := []byte(r.restore(string(r.text)))
	m := reParserError.FindStringSubmatch(r.restore(err.Error()))
	if m == nil {
		return &Error{Msg: err.Error()}
	}
	e := &Error{Msg: m[2]}
	if a := reAnchor.FindStringSubmatch(m[2]); a != nil {
		e.Msg = "no anchor &" + a[1] + " comes before this alias"
		e.Text = "*" + a[1]
		e.Line, e.Column = find(src, "*"+a[1])
		return e
	}
	e.Line, _ = strconv.Atoi(m[1])
	e.locate(src)
	return e
}

// find returns the place of the first occurrence of s.
func find(src []byte, s string) (line, column int) {
	i := bytes.Index(src, []byte(s))
	if i < 0 {
		return 0, 0
	}
	start := bytes.LastIndexByte(src[:i], '\n') + 1
	return bytes.Count(src[:i], []byte{'\n'}) + 1, len([]rune(string(src[start:i]))) + 1
}

func (e *Error) locate(src []byte) {
	if e.Line == 0 {
		e.Line = 1
	}
	line := lineAt(src, e.Line)
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	if i := strings.IndexByte(line[:indent], '\t'); i >= 0 {
		e.Column = i + 1
		e.Msg = "a tab in the indentation; YAML wants spaces"
	} else {
		e.Column = indent + 1
	}
	e.Text = strings.TrimSpace(line)
}

func lineAt(src []byte, n int) string {
	for ; n > 1; n-- {
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			return ""
		}
		src = src[i+1:]
	}
	if i := bytes.IndexByte(src, '\n'); i >= 0 {
		src = src[:i]
	}
	return strings.TrimSuffix(string(src), "\r")
}

// builder turns yaml.v3's nodes into ours.
type builder struct {
	src []byte
	repaired
	// starts are the offsets of the lines of src, made when first needed.
	starts   []int
	made     map[*yaml.Node]*Node
	warnings []Warning
	merged   int
}

// line returns a line of the source, counted from 1.
func (b *builder) line(n int) string {
	if b.starts == nil {
		b.starts = []int{0}
		for i, c := range b.src {
			if c == '\n' {
				b.starts = append(b.starts, i+1)
			}
		}
	}
	if n < 1 || n > len(b.starts) {
		return ""
	}
	end := len(b.src)
	if n < len(b.starts) {
		end = b.starts[n] - 1
	}
	return string(b.src[b.starts[n-1]:end])
}

func fault(y *yaml.Node, msg, text string) error {
	return &Error{Line: y.Line, Column: y.Column, Msg: msg, Text: text}
}

func (b *builder) node(y *yaml.Node, depth int, flow bool) (*Node, error) {
	if depth > maxDepth {
		return nil, fault(y, "nested too deeply", "")
	}
	if y.Kind == yaml.AliasNode {
		n := b.made[y.Alias]
		if n == nil {
			return nil, fault(y, "an alias to what it is a part of", "*"+y.Value)
		}
		return n, nil
	}
	n := &Node{Line: y.Line, Column: y.Column}
	if y.Anchor != "" && y.Kind != yaml.ScalarNode {
		b.made[y] = n
	}
	var err error
	switch y.Kind {
	case yaml.ScalarNode:
		err = b.scalar(n, y, flow)
		if y.Anchor != "" {
			b.made[y] = n
		}
	case yaml.SequenceNode:
		err = b.sequence(n, y, depth)
	case yaml.MappingNode:
		err = b.mapping(n, y, depth)
	default:
		err = fault(y, "not understood as YAML", "")
	}
	return n, err
}

// tagOf returns the explicit tag, in its short form, "" for none.
func tagOf(y *yaml.Node) string {
	if y.Style&yaml.TaggedStyle == 0 {
		return ""
	}
	return y.Tag
}

func refused(y *yaml.Node, tag string) error {
	return fault(y, "the tag "+tag+" is not allowed: Ruby objects are refused", "")
}

// nonSpecific says whether a scalar has the tag "!" alone, which yaml.v3 does
// not show. To Psych it means that the scalar is as a plain one, quotes or not.
func (b *builder) nonSpecific(y *yaml.Node) bool {
	line := b.line(y.Line)
	for i := 1; i < y.Column && line != ""; i++ {
		_, size := utf8.DecodeRuneInString(line)
		line = line[size:]
	}
	if strings.HasPrefix(line, "&") {
		_, line, _ = strings.Cut(line, " ")
		line = strings.TrimLeft(line, " \t")
	}
	return line == "!" || strings.HasPrefix(line, "! ") || strings.HasPrefix(line, "!\t")
}

func (b *builder) scalar(n *Node, y *yaml.Node, flow bool) error {
	tag := tagOf(y)
	plain := y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	text := b.restore(y.Value)
	if tag == "" && plain && flow && (strings.HasSuffix(text, ":") || strings.Contains(text, ":?")) {
		// libyaml, other than yaml.v3, refuses it.
		return fault(y, "a colon without a blank behind it, within brackets; put the text in quotes", text)
	}
	if tag == "" && !plain && !b.nonSpecific(y) {
		n.Kind, n.Str = String, text
		return nil
	}
	switch {
	case tag == "!binary", tag == "!!binary":
		n.Kind, n.Str = String, unbase64(text)
		return nil
	case tag == "!str", tag == "!str:", tag == "!!str", tag == "!ruby/string":
		n.Kind, n.Str = String, text
		return nil
	case strings.HasPrefix(tag, "!ruby/sym"):
		n.Kind, n.Str = Symbol, text
		return nil
	case strings.HasPrefix(tag, "!ruby/"), strings.HasPrefix(tag, "!str:"):
		return refused(y, tag)
	}
	if err := n.tokenize(text); err != nil {
		return fault(y, err.Error(), text)
	}
	if tag == "!float" || tag == "!!float" {
		f, ok := rubyFloatOf(n)
		if !ok {
			return fault(y, "not a number, though its tag says so", text)
		}
		n.setFloat(f)
	}
	return nil
}

func (b *builder) sequence(n *Node, y *yaml.Node, depth int) error {
	tag := tagOf(y)
	flow := y.Style&yaml.FlowStyle != 0
	switch {
	case strings.HasPrefix(tag, "!seq:"), strings.HasPrefix(tag, "!ruby/array:"):
		return refused(y, tag)
	case tag == "!omap", tag == "!!omap":
		n.Kind = Mapping
		set := newPairs(n)
		for _, c := range y.Content {
			if c.Kind != yaml.MappingNode || len(c.Content) < 2 {
				return fault(c, "an ordered mapping is a list of mappings of one key", "")
			}
			k, err := b.node(c.Content[0], depth+1, flow)
			if err != nil {
				return err
			}
			v, err := b.node(c.Content[len(c.Content)-1], depth+1, flow)
			if err != nil {
				return err
			}
			set.put(k, v)
		}
		return nil
	}
	n.Kind = Sequence
	n.Items = make([]*Node, 0, len(y.Content))
	for _, c := range y.Content {
		x, err := b.node(c, depth+1, flow)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, x)
	}
	return nil
}

func (b *builder) mapping(n *Node, y *yaml.Node, depth int) error {
	tag := tagOf(y)
	flow := y.Style&yaml.FlowStyle != 0
	switch {
	case tag == "!ruby/object:Hash":
	case strings.HasPrefix(tag, "!ruby/"), strings.HasPrefix(tag, "!map:"), strings.HasPrefix(tag, "!str"),
		tag == "!!str", tag == "!set", tag == "!!set", tag == "!omap", tag == "!!omap":
		return refused(y, tag)
	}
	n.Kind = Mapping
	set := newPairs(n)
	for i := 0; i+1 < len(y.Content); i += 2 {
		ky, vy := y.Content[i], y.Content[i+1]
		k, err := b.node(ky, depth+1, flow)
		if err != nil {
			return err
		}
		v, err := b.node(vy, depth+1, flow)
		if err != nil {
			return err
		}
		if k.Kind == String && k.Str == "<<" && tagOf(ky) != "!!str" {
			if sources := mergeSources(vy, v); sources != nil {
				for _, src := range sources {
					if b.merged += len(src.Pairs); b.merged > maxMerged {
						return fault(ky, "too much is merged", "")
					}
					for _, p := range append([]Pair(nil), src.Pairs...) {
						set.put(p.Key, p.Value)
						set.mark(p.Key, true)
					}
				}
				continue
			}
		}
		if line, dup := set.put(k, v); dup {
			b.warnings = append(b.warnings, Warning{Line: ky.Line, Column: ky.Column, Key: k.Str,
				Msg: fmt.Sprintf("the key %q comes again (first in line %d); the last one counts", b.restore(ky.Value), line)})
		}
	}
	return nil
}

// mergeSources returns the mappings that a merge key brings in, in the order
// in which they are to be assigned; nil when it is a key like any other.
func mergeSources(vy *yaml.Node, v *Node) []*Node {
	switch vy.Kind {
	case yaml.AliasNode, yaml.MappingNode:
		if v.Kind == Mapping {
			return []*Node{v}
		}
	case yaml.SequenceNode:
		if v.Kind != Sequence {
			return nil
		}
		out := make([]*Node, 0, len(v.Items))
		for i := len(v.Items) - 1; i >= 0; i-- {
			if v.Items[i].Kind != Mapping {
				return nil
			}
			out = append(out, v.Items[i])
		}
		return out
	}
	return nil
}

// pairs assigns to a mapping's entries as Ruby's Hash#[]= does.
type pairs struct {
	n      *Node
	at     map[keyID]int
	merged map[keyID]bool
}

// keyID tells scalar keys apart as Ruby's eql? does.
type keyID struct {
	kind Kind
	text string
}

func newPairs(n *Node) *pairs { return &pairs{n: n} }

func idOf(k *Node) (keyID, bool) {
	switch k.Kind {
	case Null:
		return keyID{kind: Null}, true
	case Bool:
		return keyID{Bool, strconv.FormatBool(k.Bool)}, true
	case Int:
		if k.Big != nil {
			return keyID{Int, k.Big.String()}, true
		}
		return keyID{Int, strconv.FormatInt(k.Int, 10)}, true
	case Float:
		return keyID{Float, strconv.FormatFloat(k.Float, 'g', -1, 64)}, k.Float == k.Float
	case String, Symbol:
		return keyID{k.Kind, k.Str}, true
	}
	// Lists and mappings as keys are refused by everyone who reads the
	// result; that two of them are equal does not matter.
	return keyID{}, false
}

// put assigns; dup says that the key was written before, in that line, and
// not only merged.
func (p *pairs) put(k, v *Node) (line int, dup bool) {
	id, ok := idOf(k)
	if !ok {
		p.n.Pairs = append(p.n.Pairs, Pair{k, v})
		return 0, false
	}
	if p.at == nil {
		p.at = map[keyID]int{}
	}
	if i, known := p.at[id]; known {
		old := p.n.Pairs[i].Key
		p.n.Pairs[i].Value = v
		dup = !p.merged[id]
		delete(p.merged, id)
		return old.Line, dup
	}
	p.at[id] = len(p.n.Pairs)
	p.n.Pairs = append(p.n.Pairs, Pair{k, v})
	return 0, false
}

// mark notes that a key came by a merge, so that writing it is no repetition.
func (p *pairs) mark(k *Node, merged bool) {
	if id, ok := idOf(k); ok && merged {
		if p.merged == nil {
			p.merged = map[keyID]bool{}
		}
		p.merged[id] = true
	}
}

// bound refuses a graph that is too large when written out, or endless.
func (b *builder) bound(n *Node) error {
	total, err := b.count(n)
	if err == nil && total > maxNodes {
		err = &Error{Line: n.Line, Msg: fmt.Sprintf("more than %d values when all aliases are followed", maxNodes)}
	}
	return err
}

func (b *builder) count(n *Node) (int, error) {
	switch {
	case n.size > 0:
		return n.size, nil
	case n.size < 0:
		return 0, &Error{Line: n.Line, Column: n.Column, Msg: "a value that contains itself"}
	}
	n.size = -1
	total := 1
	add := func(c *Node) error {
		k, err := b.count(c)
		if total += k; total > maxNodes {
			total = maxNodes + 1
		}
		return err
	}
	for _, c := range n.Items {
		if err := add(c); err != nil {
			return 0, err
		}
	}
	for _, p := range n.Pairs {
		if err := add(p.Key); err != nil {
			return 0, err
		}
		if err := add(p.Value); err != nil {
			return 0, err
		}
	}
	n.size = total
	return total, nil
}
