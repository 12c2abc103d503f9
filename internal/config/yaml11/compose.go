package yaml11

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// composer reads tokens and makes nodes of them, with the meaning that Psych
// gives to tags, anchors, aliases and merge keys.
type composer struct {
	*scanner
	// handles are the document's tag handles.
	handles  map[string]string
	anchors  map[string]*Node
	warnings []Warning
	nodes    int
	merged   int
}

// part is a composed node with what the text says of it.
type part struct {
	*Node
	alias bool
	tag   string
	// form is the node's form in the text: it differs from its kind for an
	// alias and for what a tag turns into something else.
	form form
}

type form uint8

const (
	formScalar form = iota
	formSequence
	formMapping
)

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

// document reads the first document, nil if there is none.
func (c *composer) document() (*Node, error) {
	t, err := c.next()
	if err != nil {
		return nil, err
	}
	switch t.kind {
	case tokStreamEnd:
		return nil, nil
	case tokVersion, tokTagDirective, tokDocumentStart:
		if err := c.directives(); err != nil {
			return nil, err
		}
		if t, err = c.next(); err != nil {
			return nil, err
		}
		if t.kind != tokDocumentStart {
			return nil, c.fault(t.start, nil, "--- should follow the directives")
		}
		c.take()
		if t, err = c.next(); err != nil {
			return nil, err
		}
		switch t.kind {
		case tokVersion, tokTagDirective, tokDocumentStart, tokDocumentEnd, tokStreamEnd:
			return &Node{Kind: Null, Line: t.start.line + 1, Column: t.start.col + 1}, nil
		}
	}
	p, err := c.node(true, false, 0)
	if err != nil {
		return nil, err
	}
	// The end of the document is seen when the next token is.
	if _, err := c.next(); err != nil {
		return nil, err
	}
	return p.Node, nil
}

func (c *composer) directives() error {
	version := false
	for {
		t, err := c.next()
		if err != nil {
			return err
		}
		switch t.kind {
		case tokVersion:
			if version {
				return c.fault(t.start, nil, "a second %%YAML directive")
			}
			if t.text != "1.1" && t.text != "1.2" {
				return c.fault(t.start, nil, "YAML %s is not known", t.text)
			}
			version = true
		case tokTagDirective:
			if _, dup := c.handles[t.handle]; dup {
				return c.fault(t.start, nil, "a second %%TAG directive for %s", t.handle)
			}
			c.handles[t.handle] = t.text
		default:
			return nil
		}
		c.take()
	}
}

// longPrefix is what !! stands for.
const longPrefix = "tag:yaml.org,2002:"

// resolve makes the tag of a token, "!!x" for tag:yaml.org,2002:x.
func (c *composer) resolve(t *token) (string, error) {
	tag := t.text
	if t.handle != "" {
		prefix, ok := c.handles[t.handle]
		switch {
		case ok:
		case t.handle == "!":
			prefix = "!"
		case t.handle == "!!":
			prefix = longPrefix
		default:
			return "", c.fault(t.start, nil, "the tag handle %s is not defined", t.handle)
		}
		tag = prefix + tag
	}
	if strings.HasPrefix(tag, longPrefix) {
		tag = "!!" + tag[len(longPrefix):]
	}
	return tag, nil
}

func (c *composer) at(m mark) *Node {
	return &Node{Line: m.line + 1, Column: m.col + 1}
}

// node composes one node. Where block is false only flow nodes are possible;
// indentless allows a list at its key's own column.
func (c *composer) node(block, indentless bool, depth int) (part, error) {
	t, err := c.next()
	if err != nil {
		return part{}, err
	}
	if depth > maxDepth {
		return part{}, c.fault(t.start, nil, "nested too deeply")
	}
	if c.nodes++; c.nodes > maxNodes {
		return part{}, c.fault(t.start, nil, "more than %d values", maxNodes)
	}
	if t.kind == tokAlias {
		n := c.anchors[t.text]
		if n == nil {
			e := c.fault(t.start, nil, "no anchor &%s comes before this alias", t.text)
			return part{}, e
		}
		c.take()
		return part{Node: n, alias: true}, nil
	}
	start := t.start
	anchor, tag := "", ""
	for range 2 {
		switch {
		case t.kind == tokAnchor && anchor == "":
			anchor = t.text
		case t.kind == tokTag && tag == "":
			if tag, err = c.resolve(t); err != nil {
				return part{}, err
			}
		default:
			continue
		}
		c.take()
		if t, err = c.next(); err != nil {
			return part{}, err
		}
	}
	n := c.at(start)
	p := part{Node: n, tag: tag}
	register := func() {
		if anchor != "" {
			c.anchors[anchor] = n
		}
	}
	switch {
	case indentless && t.kind == tokBlockEntry:
		p.form = formSequence
		register()
		return p, c.sequence(p, depth, c.indentlessItems)
	case t.kind == tokScalar:
		text, plain := t.text, t.plain
		c.take()
		if err := c.scalar(p, text, plain); err != nil {
			return part{}, err
		}
		register()
		return p, nil
	case t.kind == tokFlowSequence:
		p.form = formSequence
		register()
		return p, c.sequence(p, depth, c.flowItems)
	case t.kind == tokFlowMapping:
		p.form = formMapping
		register()
		return p, c.mapping(p, depth, c.flowPairs)
	case block && t.kind == tokBlockSequence:
		p.form = formSequence
		register()
		return p, c.sequence(p, depth, c.blockItems)
	case block && t.kind == tokBlockMapping:
		p.form = formMapping
		register()
		return p, c.mapping(p, depth, c.blockPairs)
	case anchor != "" || tag != "":
		if err := c.scalar(p, "", true); err != nil {
			return part{}, err
		}
		register()
		return p, nil
	}
	return part{}, c.unexpected(t, &start)
}

// unexpected tells of a token that nothing can begin with.
func (c *composer) unexpected(t *token, start *mark) error {
	switch t.kind {
	case tokBlockEntry:
		return c.fault(t.start, start, "a list cannot begin here")
	case tokFlowSequenceEnd, tokFlowMappingEnd:
		return c.fault(t.start, start, "a closing bracket too many")
	case tokFlowEntry:
		return c.fault(t.start, start, "a comma without a value before it")
	case tokValue:
		return c.fault(t.start, start, "a colon cannot begin a value within brackets; put the text in quotes")
	case tokStreamEnd, tokDocumentEnd, tokDocumentStart:
		return c.fault(t.start, start, "the document ends where a value should be")
	}
	return c.fault(t.start, start, "a value should be here")
}

// empty is a value that is not there.
func (c *composer) empty(m mark) part { return part{Node: c.at(m)} }

// oneOf says whether the next token is one of kinds.
func (c *composer) oneOf(kinds ...tokenKind) (bool, *token, error) {
	t, err := c.next()
	if err != nil {
		return false, nil, err
	}
	for _, k := range kinds {
		if t.kind == k {
			return true, t, nil
		}
	}
	return false, t, nil
}

// orEmpty composes a node unless one of the kinds comes next.
func (c *composer) orEmpty(block, indentless bool, depth int, kinds ...tokenKind) (part, error) {
	ends, t, err := c.oneOf(kinds...)
	if err != nil {
		return part{}, err
	}
	if ends {
		return c.empty(t.start), nil
	}
	return c.node(block, indentless, depth)
}

type items func(depth int, add func(part) error) error

func (c *composer) blockItems(depth int, add func(part) error) error {
	t, err := c.next()
	if err != nil {
		return err
	}
	start := t.start
	c.take()
	for {
		if t, err = c.next(); err != nil {
			return err
		}
		switch t.kind {
		case tokBlockEntry:
			c.take()
			p, err := c.orEmpty(true, false, depth, tokBlockEntry, tokBlockEnd)
			if err != nil {
				return err
			}
			if err := add(p); err != nil {
				return err
			}
		case tokBlockEnd:
			c.take()
			return nil
		default:
			return c.fault(t.start, &start, "a dash should begin the next item of this list; is the line indented wrongly?")
		}
	}
}

func (c *composer) indentlessItems(depth int, add func(part) error) error {
	for {
		more, _, err := c.oneOf(tokBlockEntry)
		if err != nil || !more {
			return err
		}
		c.take()
		p, err := c.orEmpty(true, false, depth, tokBlockEntry, tokKey, tokValue, tokBlockEnd)
		if err != nil {
			return err
		}
		if err := add(p); err != nil {
			return err
		}
	}
}

// separated takes the comma before all but the first entry within brackets.
func (c *composer) separated(first bool, start mark, closing tokenKind, sign string) (*token, error) {
	t, err := c.next()
	if err != nil || t.kind == closing || first {
		return t, err
	}
	if t.kind != tokFlowEntry {
		return nil, c.fault(t.start, &start, "a comma or %s should be here", sign)
	}
	c.take()
	return c.next()
}

func (c *composer) flowItems(depth int, add func(part) error) error {
	t, err := c.next()
	if err != nil {
		return err
	}
	start := t.start
	c.take()
	for first := true; ; first = false {
		if t, err = c.separated(first, start, tokFlowSequenceEnd, "]"); err != nil {
			return err
		}
		var p part
		switch t.kind {
		case tokFlowSequenceEnd:
			c.take()
			return nil
		case tokKey:
			p = part{Node: c.at(t.start), form: formMapping}
			c.take()
			err = c.mapping(p, depth, c.onePair)
		default:
			p, err = c.node(false, false, depth)
		}
		if err != nil {
			return err
		}
		if err := add(p); err != nil {
			return err
		}
	}
}

// pairs calls add for each key and its value. The value is composed by a
// call, for the key counts first.
type pairsOf func(depth int, add func(k, v part) error) error

// onePair is a mapping of one pair in a list within brackets.
func (c *composer) onePair(depth int, add func(k, v part) error) error {
	ends, t, err := c.oneOf(tokValue, tokFlowEntry, tokFlowSequenceEnd)
	if err != nil {
		return err
	}
	var k part
	if ends {
		// libyaml passes over this token, whatever it is.
		k = c.empty(t.start)
		c.take()
	} else if k, err = c.node(false, false, depth); err != nil {
		return err
	}
	has, t, err := c.oneOf(tokValue)
	if err != nil {
		return err
	}
	v := c.empty(t.start)
	if has {
		c.take()
		if v, err = c.orEmpty(false, false, depth, tokFlowEntry, tokFlowSequenceEnd); err != nil {
			return err
		}
	}
	return add(k, v)
}

func (c *composer) flowPairs(depth int, add func(k, v part) error) error {
	t, err := c.next()
	if err != nil {
		return err
	}
	start := t.start
	c.take()
	for first := true; ; first = false {
		if t, err = c.separated(first, start, tokFlowMappingEnd, "}"); err != nil {
			return err
		}
		if t.kind == tokFlowMappingEnd {
			c.take()
			return nil
		}
		var k part
		hasValue := false
		if t.kind == tokKey {
			c.take()
			if k, err = c.orEmpty(false, false, depth, tokValue, tokFlowEntry, tokFlowMappingEnd); err != nil {
				return err
			}
			if hasValue, t, err = c.oneOf(tokValue); err != nil {
				return err
			}
		} else {
			if k, err = c.node(false, false, depth); err != nil {
				return err
			}
			if t, err = c.next(); err != nil {
				return err
			}
		}
		v := c.empty(t.start)
		if hasValue {
			c.take()
			if v, err = c.orEmpty(false, false, depth, tokFlowEntry, tokFlowMappingEnd); err != nil {
				return err
			}
		}
		if err := add(k, v); err != nil {
			return err
		}
	}
}

func (c *composer) blockPairs(depth int, add func(k, v part) error) error {
	t, err := c.next()
	if err != nil {
		return err
	}
	start := t.start
	c.take()
	for {
		if t, err = c.next(); err != nil {
			return err
		}
		switch t.kind {
		case tokBlockEnd:
			c.take()
			return nil
		case tokKey:
		default:
			return c.fault(t.start, &start, "the next key of this mapping should be here; is the line indented wrongly?")
		}
		c.take()
		k, err := c.orEmpty(true, true, depth, tokKey, tokValue, tokBlockEnd)
		if err != nil {
			return err
		}
		has, t, err := c.oneOf(tokValue)
		if err != nil {
			return err
		}
		v := c.empty(t.start)
		if has {
			c.take()
			if v, err = c.orEmpty(true, true, depth, tokKey, tokValue, tokBlockEnd); err != nil {
				return err
			}
		}
		if err := add(k, v); err != nil {
			return err
		}
	}
}

func wrong(n *Node, msg, text string) error {
	return &Error{Line: n.Line, Column: n.Column, Msg: msg, Text: text}
}

func refused(n *Node, tag string) error {
	return wrong(n, "the tag "+tag+" is not allowed: Ruby objects are refused", "")
}

// scalar gives p the value of a scalar.
func (c *composer) scalar(p part, text string, plain bool) error {
	n, tag := p.Node, p.tag
	if tag == "!" {
		// To libyaml the tag that says nothing makes a scalar a plain one.
		tag, plain = "", true
	}
	if tag == "" && !plain {
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
		return refused(n, tag)
	}
	if err := n.tokenize(text); err != nil {
		return wrong(n, err.Error(), text)
	}
	if tag == "!float" || tag == "!!float" {
		f, ok := rubyFloatOf(n)
		if !ok {
			return wrong(n, "not a number, though its tag says so", text)
		}
		n.setFloat(f)
	}
	return nil
}

func (c *composer) sequence(p part, depth int, each items) error {
	n, tag := p.Node, p.tag
	if strings.HasPrefix(tag, "!seq:") || strings.HasPrefix(tag, "!ruby/array:") {
		return refused(n, tag)
	}
	n.Kind = Sequence
	if err := each(depth+1, func(x part) error {
		n.Items = append(n.Items, x.Node)
		return nil
	}); err != nil {
		return err
	}
	if tag == "!omap" || tag == "!!omap" {
		return ordered(n)
	}
	return nil
}

// ordered turns a list of mappings of one key each into one mapping.
func ordered(n *Node) error {
	list := n.Items
	n.Kind, n.Items = Mapping, nil
	set := pairs{n: n}
	for _, x := range list {
		if x.Kind != Mapping || len(x.Pairs) == 0 {
			return wrong(x, "an ordered mapping is a list of mappings of one key", "")
		}
		set.put(x.Pairs[0].Key, x.Pairs[len(x.Pairs)-1].Value)
	}
	return nil
}

func (c *composer) mapping(p part, depth int, each pairsOf) error {
	n, tag := p.Node, p.tag
	switch {
	case tag == "!ruby/object:Hash":
	case strings.HasPrefix(tag, "!ruby/"), strings.HasPrefix(tag, "!map:"), strings.HasPrefix(tag, "!str"),
		tag == "!!str", tag == "!set", tag == "!!set", tag == "!omap", tag == "!!omap":
		return refused(n, tag)
	}
	n.Kind = Mapping
	set := pairs{n: n}
	return each(depth+1, func(k, v part) error {
		if k.Kind == String && k.Str == "<<" && k.tag != "!!str" {
			if sources, ok := mergeSources(v); ok {
				return c.merge(&set, k, sources)
			}
		}
		if first, dup := set.put(k.Node, v.Node); dup {
			c.warnings = append(c.warnings, Warning{Line: k.Line, Column: k.Column, First: first, Key: k.Str, Code: DuplicateKey})
		}
		return nil
	})
}

func (c *composer) merge(set *pairs, k part, sources []*Node) error {
	for _, src := range sources {
		if c.merged += len(src.Pairs); c.merged > maxMerged {
			return wrong(k.Node, "too much is merged", "")
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
func mergeSources(v part) (sources []*Node, ok bool) {
	switch {
	case v.alias || v.form == formMapping:
		if v.Kind == Mapping {
			return []*Node{v.Node}, true
		}
	case v.form == formSequence && v.Kind == Sequence:
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
	text string
}

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

// few is the number of entries up to which they are searched one by one.
const few = 8

func (p *pairs) find(id keyID) (int, bool) {
	if p.at != nil {
		i, ok := p.at[id]
		return i, ok
	}
	for i := range p.n.Pairs {
		k := p.n.Pairs[i].Key
		if k.Kind == id.kind && (k.Kind != String && k.Kind != Symbol || k.Str == id.text) {
			if x, ok := idOf(k); ok && x == id {
				return i, true
			}
		}
	}
	return 0, false
}

// put assigns; dup says that the key was written before, in line first, and
// not only merged.
func (p *pairs) put(k, v *Node) (first int, dup bool) {
	id, ok := idOf(k)
	if !ok {
		p.n.Pairs = append(p.n.Pairs, Pair{k, v})
		return 0, false
	}
	if i, known := p.find(id); known {
		old := p.n.Pairs[i].Key
		p.n.Pairs[i].Value = v
		dup = !p.merged[id]
		delete(p.merged, id)
		return old.Line, dup
	}
	p.n.Pairs = append(p.n.Pairs, Pair{k, v})
	switch {
	case p.at != nil:
		p.at[id] = len(p.n.Pairs) - 1
	case len(p.n.Pairs) > few:
		p.at = make(map[keyID]int, 2*few)
		for i := range p.n.Pairs {
			if x, ok := idOf(p.n.Pairs[i].Key); ok {
				p.at[x] = i
			}
		}
	}
	return 0, false
}

// mark notes that a key came by a merge, so that writing it is no repetition.
func (p *pairs) mark(k *Node) {
	if id, ok := idOf(k); ok {
		if p.merged == nil {
			p.merged = map[keyID]bool{}
		}
		p.merged[id] = true
	}
}
