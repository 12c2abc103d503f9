package fetch

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// maxXMLRecord bounds a record, which is kept until its end.
const maxXMLRecord = 4 << 20

// xmlRecord makes an element and everything in it a JSON value, in the form
// that xmltodict and xq have made customary: an element is its text, or null
// without any; with attributes or elements in it an object, where attributes
// are called @name and the text beside them #text; elements of the same name
// are an array.
type xmlRecord struct {
	path []xmlElement // open elements, from the record on
	size int
}

type xmlElement struct {
	name   string
	fields map[string]any
	inner  bool // there are elements in it
	text   []byte
}

func (r *xmlRecord) open() bool { return len(r.path) > 0 }

func (r *xmlRecord) start(t xml.StartElement) error {
	e := xmlElement{name: xmlName(t.Name)}
	for _, a := range t.Attr {
		e.add("@"+xmlName(a.Name), a.Value)
		r.size += len(a.Name.Local) + len(a.Value) + 64
	}
	if r.open() {
		r.path[len(r.path)-1].inner = true
	}
	r.path = append(r.path, e)
	return r.grow(len(e.name) + 64)
}

func (r *xmlRecord) text(t []byte) error {
	e := &r.path[len(r.path)-1]
	e.text = append(e.text, t...)
	return r.grow(len(t))
}

func (r *xmlRecord) grow(n int) error {
	if r.size += n; r.size > maxXMLRecord {
		return fmt.Errorf("a record (%s) is larger than %s", clean(r.path[0].name, 40), FormatSize(maxXMLRecord))
	}
	return nil
}

// end closes the innermost element. It returns the record if that was it.
func (r *xmlRecord) end() ([]byte, error) {
	last := len(r.path) - 1
	e := &r.path[last]
	v, err := e.value()
	if err != nil {
		return nil, err
	}
	r.path = r.path[:last]
	if last > 0 {
		r.path[last-1].add(e.name, v)
		return nil, nil
	}
	r.size = 0
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	err = to.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), newline), err
}

// value returns the element as what [json.Marshal] takes.
func (e *xmlElement) value() (any, error) {
	text := string(e.text)
	switch {
	case e.fields == nil && text == "":
		return nil, nil
	case e.fields == nil:
		return text, nil
	case strings.TrimSpace(text) == "":
		return e.fields, nil
	case e.inner:
		return nil, errors.New("the element " + clean(e.name, 80) +
			" has text between its elements, which has no form in JSON (without --items the pages are written as they are)")
	}
	e.fields["#text"] = text
	return e.fields, nil
}

// add sets a field; the second of a name makes it an array.
func (e *xmlElement) add(name string, v any) {
	if e.fields == nil {
		e.fields = map[string]any{}
	}
	switch old, again := e.fields[name]; {
	case !again:
		e.fields[name] = v
	default:
		list, is := old.([]any)
		if !is {
			list = []any{old}
		}
		e.fields[name] = append(list, v)
	}
}

// xmlName is a name as it is written, with its prefix.
func xmlName(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
