package ui

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Cell is one field of a table.
type Cell struct {
	Text  string
	Color Color
}

// Table is rows under a header, in columns as wide as their widest cell and
// two blanks apart, as the peers print them.
type Table struct {
	Header []string
	Rows   [][]Cell
}

// Write prints the table, coloured or not.
func (t Table) Write(w io.Writer, color bool) error {
	widths := make([]int, len(t.Header))
	for i, h := range t.Header {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, row := range t.Rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	header := make([]Cell, len(t.Header))
	for i, h := range t.Header {
		header[i] = Cell{h, Green}
	}
	var b strings.Builder
	for _, row := range append([][]Cell{header}, t.Rows...) {
		var line strings.Builder
		for i, c := range row {
			text := c.Text
			if i < len(row)-1 {
				text = fmt.Sprintf("%-*s", widths[i], text)
			}
			if color {
				text = c.Color.Paint(text)
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(text)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
