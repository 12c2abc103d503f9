package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/text"
)

// Cell is one field of a table.
type Cell struct {
	Text  string
	Color Color
}

// Table is rows in columns as wide as their widest cell and two spaces apart,
// as Test Kitchen and knife print them. Cells are printed on one line, without
// characters that control a terminal.
type Table struct {
	// Header names the columns; without it the rows are printed alone.
	Header []string
	Rows   [][]Cell
	// Width is how wide the table may be, 0 for any width. Where it is wider,
	// the Optional columns are left out one after the other, and what is
	// still too long is cut.
	Width    int
	Optional []string
}

// Write prints the table, colored or not.
func (t Table) Write(w io.Writer, color bool) error {
	t = t.cleaned()
	for _, name := range t.Optional {
		if t.fits() {
			break
		}
		t = t.without(name)
	}
	widths := t.widths()
	var b strings.Builder
	for _, row := range t.all() {
		b.WriteString(t.line(row, widths, color) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// all returns the rows under the header.
func (t Table) all() [][]Cell {
	if len(t.Header) == 0 {
		return t.Rows
	}
	header := make([]Cell, len(t.Header))
	for i, h := range t.Header {
		header[i] = Cell{h, Green}
	}
	return append([][]Cell{header}, t.Rows...)
}

func (t Table) cleaned() Table {
	rows := make([][]Cell, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = slices.Clone(row)
		for j := range row {
			rows[i][j].Text = text.CleanLine(row[j].Text)
		}
	}
	t.Rows = rows
	return t
}

func (t Table) widths() []int {
	var widths []int
	for _, row := range t.all() {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	return widths
}

func (t Table) fits() bool {
	total := -2
	for _, w := range t.widths() {
		total += w + 2
	}
	return t.Width <= 0 || total < t.Width
}

func (t Table) without(column string) Table {
	i := slices.Index(t.Header, column)
	if i < 0 {
		return t
	}
	t.Header = slices.Delete(slices.Clone(t.Header), i, i+1)
	rows := make([][]Cell, len(t.Rows))
	for j, row := range t.Rows {
		rows[j] = slices.Delete(slices.Clone(row), i, i+1)
	}
	t.Rows = rows
	return t
}

// line returns one row. It is cut to the width before it is colored.
func (t Table) line(row []Cell, widths []int, color bool) string {
	var b strings.Builder
	used := 0
	for i, c := range row {
		value := c.Text
		if i < len(row)-1 {
			value = fmt.Sprintf("%-*s", widths[i], value)
		}
		if i > 0 {
			b.WriteString("  ")
			used += 2
		}
		if t.Width > 0 {
			value = fit(value, max(t.Width-used, 1))
		}
		used += utf8.RuneCountInString(value)
		if color {
			value = c.Color.Paint(value)
		}
		b.WriteString(value)
		if t.Width > 0 && used >= t.Width-1 {
			break
		}
	}
	return strings.TrimRight(b.String(), " ")
}
