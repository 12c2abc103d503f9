package fetch

import (
	"fmt"
	"hash/maphash"
	"io"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// document reads one page's content as it flows by, and knows the values that
// were looked for in it. [jsonscan.Scanner] is one.
type document interface {
	io.Writer
	// Reset makes it ready for the next page.
	Reset()
	// Finish is called at the end of the page. Its error says that the page is
	// incomplete or of another form.
	Finish() error
	// Value returns the value of the i-th query.
	Value(i int) jsonscan.Value
	// Items returns the number of records, and the kind of the value at their
	// path.
	Items() (int64, jsonscan.Kind)
	// Root returns the kind of the whole.
	Root() jsonscan.Kind
	// Keys returns the names at the root, jsonscan.MaxKeys at most.
	Keys() []string
}

// documents makes the documents of a fetch, one for each form of content.
type documents struct {
	query *queries
	paged bool

	json, bare *jsonscan.Scanner
	lines      *lineDocument
	csv        *csvDocument
	xml        *xmlDocument

	// sum is of the records of the page at hand, if records are counted.
	sum maphash.Hash
	// csvHeader is that of the first page.
	csvHeader []byte
}

// The forms of content.
const (
	formJSON  = "json"
	formLines = "lines"
	formCSV   = "csv"
	formXML   = "xml"
	formHTML  = "html"
)

// formOf returns the form that a Content-Type names, "" for others.
func formOf(contentType string) string {
	m, _, _ := strings.Cut(contentType, ";")
	m = strings.ToLower(strings.TrimSpace(m))
	switch m {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines",
		"application/json-lines", "application/stream+json", "application/jsonlines+json", "application/x-json-stream", "application/json-seq":
		return formLines
	case "text/csv", "application/csv", "text/comma-separated-values":
		return formCSV
	case "text/html", "application/xhtml+xml":
		return formHTML
	case "application/json", "text/json", "text/x-json", "text/javascript":
		return formJSON
	case "application/xml", "text/xml":
		return formXML
	}
	switch {
	case strings.HasSuffix(m, "+json"):
		return formJSON
	case strings.HasSuffix(m, "+xml"):
		return formXML
	}
	return ""
}

// open returns the document for a page of this Content-Type, nil if its content
// is not looked at. emits says that the document itself writes the records.
func (d *documents) open(contentType string, joined bool) (doc document, emits bool, err error) {
	q := d.query
	form := formOf(contentType)
	wanted := !q.none()
	if !wanted && !d.paged {
		return nil, false, nil
	}
	d.sum.Reset()
	switch {
	case form == formLines && !q.values():
		if d.lines == nil {
			d.lines = &lineDocument{record: d.record(q.emits)}
			if d.lines.scan, err = jsonscan.New(jsonscan.Options{}); err != nil {
				return nil, false, err
			}
		}
		if q.items != nil && !q.items.IsRoot() {
			return nil, false, usage("the lines of %s are the records themselves: say --items .", formLines)
		}
		doc, emits = d.lines, q.emits
	case form == formCSV && !q.values():
		if q.items != nil && !q.items.IsRoot() {
			return nil, false, usage("the rows of a CSV are the records themselves: leave --items out")
		}
		if d.csv == nil {
			d.csv = &csvDocument{d: d}
		}
		d.csv.joined, doc, emits = joined, d.csv, joined
	case form == formXML && q.emits:
		return nil, false, usage("--items writes JSON, and this page is XML: leave it out to store the pages as they are (--count PATH counts their records)")
	case form == formXML && wanted:
		if d.xml == nil {
			if d.xml, err = newXMLDocument(q); err != nil {
				return nil, false, err
			}
		}
		doc = d.xml
	case form == formXML, form == formCSV && !wanted, form == "" && !wanted, form == formHTML && !wanted:
		return nil, false, nil
	default:
		if d.json == nil {
			o := jsonscan.Options{Values: q.paths, Items: q.items, MaxValue: 256 << 10}
			if q.items != nil {
				o.OnItem = d.record(q.emits)
			}
			if d.json, err = jsonscan.New(o); err != nil {
				return nil, false, &Error{Kind: KindUsage, Msg: err.Error(), hint: jsonscan.PathSyntax}
			}
		}
		doc, emits = d.json, q.emits
	}
	doc.Reset()
	return doc, emits, nil
}

// plainJSON returns a document that looks for nothing but the end.
func (d *documents) plainJSON() (document, error) {
	if d.bare == nil {
		var err error
		if d.bare, err = jsonscan.New(jsonscan.Options{}); err != nil {
			return nil, err
		}
	}
	d.bare.Reset()
	return d.bare, nil
}

// record returns the function that receives the pieces of each record.
func (d *documents) record(emit bool) func([]byte, bool) error {
	return func(piece []byte, last bool) error {
		if d.paged {
			d.sum.Write(piece)
		}
		if emit {
			return d.query.onItem(piece, last)
		}
		return nil
	}
}

// lineDocument reads one JSON value per line.
type lineDocument struct {
	scan   *jsonscan.Scanner
	record func([]byte, bool) error
	items  int64
	line   int64 // from 1
	blank  bool  // so far the line has only spaces
	err    error
}

func (l *lineDocument) Reset() {
	l.scan.Reset()
	l.items, l.line, l.blank, l.err = 0, 1, true, nil
}

func (l *lineDocument) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && l.err == nil {
		i := indexBreak(p)
		if i < 0 {
			l.piece(p)
			break
		}
		l.piece(p[:i])
		if p[i] == '\n' {
			l.end()
		}
		p = p[i+1:]
	}
	return n, l.err
}

func (l *lineDocument) piece(p []byte) {
	if l.blank {
		for len(p) > 0 && (p[0] == ' ' || p[0] == '\t' || p[0] == 0x1e) { // RFC 7464 begins records with RS
			p = p[1:]
		}
		l.blank = len(p) == 0
	}
	if len(p) == 0 || l.err != nil {
		return
	}
	if _, err := l.scan.Write(p); err != nil {
		l.err = fmt.Errorf("line %d: %w", l.line, err)
		return
	}
	l.err = l.record(p, false)
}

func (l *lineDocument) end() {
	if !l.blank && l.err == nil {
		if err := l.scan.Finish(); err != nil {
			l.err = fmt.Errorf("line %d: %w", l.line, err)
			return
		}
		l.items++
		l.err = l.record(nil, true)
		l.scan.Reset()
	}
	l.line++
	l.blank = true
}

func (l *lineDocument) Finish() error {
	if l.err == nil {
		l.end()
	}
	return l.err
}

func (*lineDocument) Value(int) jsonscan.Value        { return jsonscan.Value{} }
func (l *lineDocument) Items() (int64, jsonscan.Kind) { return l.items, jsonscan.Array }
func (*lineDocument) Root() jsonscan.Kind             { return jsonscan.Array }
func (*lineDocument) Keys() []string                  { return nil }
