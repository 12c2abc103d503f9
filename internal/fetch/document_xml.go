package fetch

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// maxXMLValue bounds the text of an element that is looked for.
const maxXMLValue = 64 << 10

// xmlDocument finds the text of elements, by their names below the root
// element; a path may also begin with the root's own name. Of an element that
// occurs more than once the first counts. Records are counted.
type xmlDocument struct {
	paths [][]string
	items []string

	// The decoder pulls its input, and the input is pushed here: it runs as a
	// coroutine, which resume continues until it wants more of it.
	input  xmlInput
	resume func() (struct{}, bool)
	cancel func()

	found  []jsonscan.Value
	count  int64
	root   string
	holder bool // the element around the records was found
	err    error
}

// xmlInput is the document's input so far; wait asks for more.
type xmlInput struct {
	piece []byte
	ended bool
	wait  func(struct{}) bool
}

func (i *xmlInput) Read(p []byte) (int, error) {
	for len(i.piece) == 0 {
		if i.ended {
			return 0, io.EOF
		}
		if !i.wait(struct{}{}) {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, i.piece)
	i.piece = i.piece[n:]
	return n, nil
}

func newXMLDocument(q *queries) (*xmlDocument, error) {
	x := &xmlDocument{}
	names := func(p jsonscan.Path) ([]string, error) {
		n, ok := p.Names()
		if !ok || len(n) == 0 {
			return nil, usage("%s: the page is XML, in which a path is the names of elements joined by dots", p)
		}
		return n, nil
	}
	for i, p := range q.paths {
		n, err := names(p)
		if err != nil {
			return nil, err
		}
		if i == q.failures[0] || i == q.failures[1] || i == q.failures[2] || i == q.failures[3] {
			n = nil // not customary in XML
		}
		x.paths = append(x.paths, n)
	}
	if q.items != nil {
		var err error
		if x.items, err = names(*q.items); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *xmlDocument) Reset() {
	x.stop()
	x.found, x.count, x.root, x.holder, x.err = make([]jsonscan.Value, len(x.paths)), 0, "", false, nil
	x.resume, x.cancel = iter.Pull(func(wait func(struct{}) bool) {
		x.input = xmlInput{piece: x.input.piece, wait: wait}
		if err := x.read(xml.NewDecoder(&x.input)); err != nil {
			x.err = fmt.Errorf("the XML: %w", err)
		}
	})
}

// stop ends the reading of a page that was not read to its end.
func (x *xmlDocument) stop() {
	if x.cancel != nil {
		x.cancel()
	}
}

func (x *xmlDocument) Write(p []byte) (int, error) {
	x.input.piece = p
	x.resume()
	return len(p), x.err
}

func (x *xmlDocument) Finish() error {
	x.input.ended = true
	x.resume()
	return x.err
}

// read is the coroutine: it follows the elements.
func (x *xmlDocument) read(d *xml.Decoder) error {
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		return nil, errors.New("the charset " + clean(charset, 40) + " (--utf8 converts it)")
	}
	var stack []string
	var text strings.Builder
	wanted := -1
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if len(stack) > 0 || x.root == "" {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) >= 1000 {
				return errors.New("nested more than 1000 levels deep")
			}
			stack = append(stack, t.Name.Local)
			x.start(stack)
			if wanted = x.query(stack); wanted >= 0 {
				text.Reset()
			}
		case xml.EndElement:
			if len(stack) == 0 || stack[len(stack)-1] != t.Name.Local {
				return fmt.Errorf("the element %s is not closed", clean(strings.Join(stack, "."), 100))
			}
			if wanted >= 0 {
				x.found[wanted] = jsonscan.StringValue(strings.TrimSpace(text.String()))
				wanted = -1
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if wanted >= 0 {
				if text.Len()+len(t) > maxXMLValue {
					return fmt.Errorf("the text of %s is too long", clean(strings.Join(stack, "."), 100))
				}
				text.Write(t)
			}
		}
	}
}

// start takes down the element that begins.
func (x *xmlDocument) start(stack []string) {
	if len(stack) == 1 {
		x.root = stack[0]
	}
	if len(x.items) == 0 {
		return
	}
	path := belowRoot(x.items, stack[0])
	x.holder = x.holder || slices.Equal(path[:len(path)-1], stack[1:])
	if slices.Equal(path, stack[1:]) {
		x.count++
	}
}

// query returns the query that the innermost element answers, -1 for none.
func (x *xmlDocument) query(stack []string) int {
	for i, p := range x.paths {
		if len(p) > 0 && x.found[i].Kind == jsonscan.None && slices.Equal(belowRoot(p, stack[0]), stack[1:]) {
			return i
		}
	}
	return -1
}

// belowRoot returns a path without the root's name.
func belowRoot(path []string, root string) []string {
	if path[0] == root && len(path) > 1 {
		return path[1:]
	}
	return path
}

func (x *xmlDocument) Value(i int) jsonscan.Value { return x.found[i] }

func (x *xmlDocument) Items() (int64, jsonscan.Kind) {
	if !x.holder {
		return 0, jsonscan.None
	}
	return x.count, jsonscan.Array
}

func (x *xmlDocument) Root() jsonscan.Kind { return jsonscan.Object }

func (x *xmlDocument) Keys() []string {
	if x.root == "" {
		return nil
	}
	return []string{x.root}
}
