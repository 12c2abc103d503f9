package fetch

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// maxXMLValue bounds the text of an element that is looked for.
const maxXMLValue = 64 << 10

// xmlDocument finds the text of elements, by their names below the root
// element; a path may also begin with the root's own name. Of an element that
// occurs more than once the first counts.
type xmlDocument struct {
	paths [][]string
	items []string

	pipe  *io.PipeWriter
	done  chan error
	found []jsonscan.Value
	count int64
	root  string
	err   error
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
	x.found, x.count, x.root, x.err = make([]jsonscan.Value, len(x.paths)), 0, "", nil
	in, out := io.Pipe()
	x.pipe, x.done = out, make(chan error, 1)
	go func() {
		err := x.read(xml.NewDecoder(in))
		in.CloseWithError(err)
		x.done <- err
	}()
}

// stop ends the reading of a page that was not read to its end.
func (x *xmlDocument) stop() {
	if x.pipe != nil {
		_ = x.pipe.CloseWithError(io.ErrUnexpectedEOF)
		<-x.done //nolint:errcheck // the page was not wanted to its end
		x.pipe = nil
	}
}

func (x *xmlDocument) Write(p []byte) (int, error) {
	n, err := x.pipe.Write(p)
	if err != nil {
		err = fmt.Errorf("the XML: %w", err)
	}
	return n, err
}

func (x *xmlDocument) Finish() error {
	if x.pipe == nil {
		return x.err
	}
	x.pipe.Close()
	if err := <-x.done; err != nil {
		x.err = fmt.Errorf("the XML: %w", err)
	}
	x.pipe = nil
	return x.err
}

// read is the other end of the pipe: it follows the elements.
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
			if len(stack) == 1 {
				x.root = t.Name.Local
			}
			if x.match(x.items, stack) {
				x.count++
			}
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

// query returns the query that the innermost element answers, -1 for none.
func (x *xmlDocument) query(stack []string) int {
	for i, p := range x.paths {
		if x.found[i].Kind == jsonscan.None && x.match(p, stack) {
			return i
		}
	}
	return -1
}

func (x *xmlDocument) match(path, stack []string) bool {
	if len(path) == 0 {
		return false
	}
	if path[0] == stack[0] && len(path) > 1 {
		path = path[1:]
	}
	if len(stack) != len(path)+1 {
		return false
	}
	for i, name := range path {
		if stack[i+1] != name {
			return false
		}
	}
	return true
}

func (x *xmlDocument) Value(i int) jsonscan.Value {
	if x.pipe != nil {
		return jsonscan.Value{} // still being read
	}
	return x.found[i]
}

func (x *xmlDocument) Items() (int64, jsonscan.Kind) { return x.count, jsonscan.Array }
func (x *xmlDocument) Root() jsonscan.Kind           { return jsonscan.Object }

func (x *xmlDocument) Keys() []string {
	if x.root == "" {
		return nil
	}
	return []string{x.root}
}
