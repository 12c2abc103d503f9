package fetch

import (
	"bytes"
	"fmt"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// maxCSVHeader bounds the header line that is compared between pages.
const maxCSVHeader = 64 << 10

// csvDocument reads rows of CSV (RFC 4180). When pages are joined in one file
// it leaves out the header of a page that is the same as the first page's.
type csvDocument struct {
	d      *documents
	joined bool

	head   []byte // the first line, until it is complete
	body   bool   // the header is over
	quoted bool
	rows   int64
	open   bool // the row at hand has content
	err    error
}

func (c *csvDocument) Reset() {
	c.head, c.body, c.quoted, c.rows, c.open, c.err = c.head[:0], false, false, 0, false, nil
}

func (c *csvDocument) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && c.err == nil {
		i := c.rowEnd(p)
		line, rest, ended := p, []byte(nil), false
		if i >= 0 {
			line, rest, ended = p[:i+1], p[i+1:], true
		}
		p = rest
		if c.body {
			c.row(line, ended)
			continue
		}
		c.head = append(c.head, line...)
		if ended || len(c.head) > maxCSVHeader {
			c.header(ended)
		}
	}
	return n, c.err
}

// rowEnd returns the place of the line feed that ends the row, or -1.
func (c *csvDocument) rowEnd(p []byte) int {
	for i := 0; i < len(p); i++ {
		if !c.quoted {
			j := bytes.IndexAny(p[i:], "\"\n")
			if j < 0 {
				return -1
			}
			if i += j; p[i] == '\n' {
				return i
			}
			c.quoted = true
			continue
		}
		j := bytes.IndexByte(p[i:], '"')
		if j < 0 {
			return -1
		}
		i += j
		c.quoted = false // a doubled quote opens again at once
	}
	return -1
}

// header is called with the first line in head.
func (c *csvDocument) header(ended bool) {
	c.body = true
	line := bytes.TrimRight(c.head, "\r\n")
	switch {
	case c.d.csvHeader == nil:
		c.d.csvHeader = bytes.Clone(line)
	case bytes.Equal(line, c.d.csvHeader):
		return
	case fields(line) != fields(c.d.csvHeader):
		c.err = fmt.Errorf("the page has %d columns, and the first one has %d", fields(line), fields(c.d.csvHeader))
		return
	default:
		// Not the header: pages after the first have none.
		c.row(c.head, ended)
		return
	}
	c.emit(c.head, ended)
}

// fields returns the number of fields in a row.
func fields(row []byte) int {
	n, quoted := 1, false
	for _, b := range row {
		switch {
		case b == '"':
			quoted = !quoted
		case b == ',' && !quoted:
			n++
		}
	}
	return n
}

func (c *csvDocument) row(p []byte, ended bool) {
	if len(bytes.TrimRight(p, "\r\n")) > 0 {
		c.open = true
	}
	c.d.sum.Write(p)
	c.emit(p, ended)
	if ended && c.open {
		c.rows++
		c.open = false
	}
}

// emit stores a piece of a row.
func (c *csvDocument) emit(p []byte, _ bool) {
	if c.joined && c.err == nil && len(p) > 0 {
		c.err = c.d.query.store(p)
	}
}

func (c *csvDocument) Finish() error {
	if !c.body && len(c.head) > 0 {
		c.header(false)
	}
	if c.err == nil && c.open {
		c.rows++
		c.open = false
		// The next page's first row must not be appended to this one.
		c.emit(newline, true)
	}
	return c.err
}

func (*csvDocument) Value(int) jsonscan.Value        { return jsonscan.Value{} }
func (c *csvDocument) Items() (int64, jsonscan.Kind) { return c.rows, jsonscan.Array }
func (*csvDocument) Root() jsonscan.Kind             { return jsonscan.Array }
func (*csvDocument) Keys() []string                  { return nil }
