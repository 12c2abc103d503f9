package yaml11

import (
	"errors"
	"fmt"
	"strings"

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

var kindNames = [...]string{"nothing", "a boolean", "a whole number", "a number", "a string", "a symbol", "a list", "a mapping"}

// String names the kind as a sentence would.
func (k Kind) String() string { return kindNames[k] }

// Node is one value of a document. A node that is aliased, or merged from, is
// shared: the result is a graph without cycles, not a tree.
type Node struct {
	Kind  Kind
	Bool  bool
	Int   int64
	Float float64
	// Str is the text of a String, the name of a Symbol.
	Str string
	// Items are the elements of a Sequence.
	Items []*Node
	// Pairs are the entries of a Mapping, each key once, in Ruby's order: a
	// key that comes again keeps its first place.
	Pairs []Pair
	// Aliased says that an alias elsewhere refers to the node.
	Aliased bool
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

// Code is a kind of warning.
type Code string

const (
	// DuplicateKey is a key that is written twice in one mapping.
	DuplicateKey Code = "duplicate-key"
	// ByteOrderMark is a mark at the beginning of the text. It is passed over;
	// Psych takes the lines after it for indented otherwise than they are.
	ByteOrderMark Code = "byte-order-mark"
)

// Warning is something that Psych passes over in silence.
type Warning struct {
	Code         Code
	Line, Column int
	// First is the line of the key's first appearance.
	First int
	// Key is the key it is about.
	Key string
}

// Error is a document that cannot be read.
type Error struct {
	// Line and Column count from 1; 0 is unknown.
	Line, Column int
	// Msg describes the fault: lower case, no full stop.
	Msg string
	// Text is the offending piece, "" for none.
	Text string
}

// Error has the form "line 3, column 5: message: text".
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
	maxBytes  = 8 << 20
	maxNodes  = 100_000
	maxMerged = 1_000_000
	maxDepth  = 500
)

// Parse reads the first document of src; what follows it is ignored. It
// returns nil when there is none. The error is an *[Error].
func Parse(src []byte) (*Node, []Warning, error) {
	if len(src) > maxBytes {
		return nil, nil, &Error{Msg: fmt.Sprintf("more than %d MiB of YAML", maxBytes>>20)}
	}
	text, marked := strings.CutPrefix(string(src), "\ufeff")
	if err := checkText(text); err != nil {
		return nil, nil, err
	}
	c := &composer{done: map[*yaml.Node]*Node{}}
	if marked {
		c.warnings = append(c.warnings, Warning{Code: ByteOrderMark, Line: 1, Column: 1, First: 1})
	}
	doc, err := document(c.hideQuestions(text))
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Msg, e.Text = c.original(e.Msg), c.original(e.Text)
	}
	if err != nil || doc == nil {
		return nil, nil, err
	}
	n, err := c.node(doc, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := bound(n); err != nil {
		return nil, nil, err
	}
	return n, c.warnings, nil
}

// bound refuses a graph that is too large when written out, or endless.
func bound(n *Node) error {
	total, err := count(n)
	if err == nil && total > maxNodes {
		err = &Error{Line: n.Line, Msg: fmt.Sprintf("more than %d values when all aliases are followed", maxNodes)}
	}
	return err
}

func count(n *Node) (int, error) {
	switch {
	case n.size > 0:
		return n.size, nil
	case n.size < 0:
		return 0, &Error{Line: n.Line, Column: n.Column, Msg: "a value that contains itself"}
	}
	n.size = -1
	total := 1
	add := func(c *Node) error {
		k, err := count(c)
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
