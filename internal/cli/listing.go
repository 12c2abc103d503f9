package cli

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
)

// listing is rows of the same columns, to be printed in any format.
type listing struct {
	columns []string
	rows    [][]cell
	// optional are the columns that a narrow terminal may leave out, the least
	// important first.
	optional []string
}

// cell is a field: its text, its value as data for json and yaml, and its
// color in a table.
type cell struct {
	text  string
	value any
	color ui.Color
}

// textOf is a cell whose data is its text.
func textOf(s string) cell { return cell{text: s, value: s} }

// sized is a number with its unit, which data leaves out.
func sized(n int, unit string) cell { return cell{text: fmt.Sprintf("%d %s", n, unit), value: n} }

func counted(n int) cell { return cell{text: fmt.Sprint(n), value: n} }

func flagged(b bool) cell {
	if b {
		return cell{text: "yes", value: true}
	}
	return cell{text: "no", value: false}
}

// maybe is a number that may be missing.
func maybe(n *int) cell {
	if n == nil {
		return cell{}
	}
	return counted(*n)
}

// orNone is a text that may be missing: data says null.
func orNone(s string) cell {
	if s == "" {
		return cell{}
	}
	return textOf(s)
}

// joined is a list, in a table with separators.
func joined(list []string, separator string) cell {
	return cell{text: strings.Join(list, separator), value: list}
}

// add appends a row of cells and of values that are their own text.
func (l *listing) add(fields ...any) {
	row := make([]cell, len(fields))
	for i, f := range fields {
		if c, ok := f.(cell); ok {
			row[i] = c
		} else {
			row[i] = cell{text: fmt.Sprint(f), value: f}
		}
	}
	l.rows = append(l.rows, row)
}

// columnKey is a column's name in json and yaml.
func columnKey(column string) string { return strings.ReplaceAll(strings.ToLower(column), " ", "_") }

// data returns row i as it is in json and yaml.
func (l listing) data(i int) object {
	o := make(object, len(l.columns))
	for j, c := range l.columns {
		o[j] = field{columnKey(c), l.rows[i][j].value}
	}
	return o
}

func (l listing) objects() []object {
	out := make([]object, len(l.rows))
	for i := range l.rows {
		out[i] = l.data(i)
	}
	return out
}

// object is a mapping whose keys keep the order of the columns.
type object []field

type field struct {
	key   string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(f.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := enc.Encode(f.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// MarshalYAML implements yaml.Marshaler.
func (o object) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range o {
		var key, value yaml.Node
		if err := key.Encode(f.key); err != nil {
			return nil, err
		}
		if err := value.Encode(f.value); err != nil {
			return nil, err
		}
		n.Content = append(n.Content, &key, &value)
	}
	return n, nil
}

// listingFlags are the flags of every listing.
type listingFlags struct {
	format  string
	columns []string
}

// add adds the flags to a command. more are formats of that command alone.
func (f *listingFlags) add(cmd *cobra.Command, columns []string, more ...string) {
	addFormat(cmd, &f.format, "F", append([]string{formatTable, formatJSON, "yaml", "csv", formatText}, more...)...)
	cmd.Flags().StringSliceVar(&f.columns, "columns", nil, "print only these `COLUMNS`, in this order")
	completeFlag(cmd, "columns", func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return completeColumns(columns, toComplete), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// addJSON adds the short spelling of --format json.
func (f *listingFlags) addJSON(cmd *cobra.Command) {
	cmd.Flags().BoolFuncP("json", "j", "the same as --format json", func(string) error { f.format = formatJSON; return nil })
	cmd.MarkFlagsMutuallyExclusive("json", "format")
}

// completeColumns completes the last of several columns with commas between.
func completeColumns(columns []string, toComplete string) []string {
	before := ""
	if i := strings.LastIndexByte(toComplete, ','); i >= 0 {
		before = toComplete[:i+1]
	}
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = before + columnKey(c)
	}
	return out
}

// chosen returns the listing with the columns asked for.
func (f *listingFlags) chosen(l listing) (listing, error) {
	if len(f.columns) == 0 {
		return l, nil
	}
	var at []int
	out := listing{}
	for _, want := range f.columns {
		key := columnKey(strings.TrimSpace(want))
		i := slices.IndexFunc(l.columns, func(c string) bool { return columnKey(c) == key })
		if i < 0 {
			return l, usagef("the columns are "+strings.Join(l.columns, ", "), "unknown column %q", want)
		}
		at = append(at, i)
		out.columns = append(out.columns, l.columns[i])
	}
	for _, row := range l.rows {
		cells := make([]any, len(at))
		for j, from := range at {
			cells[j] = row[from]
		}
		out.add(cells...)
	}
	return out, nil
}

// print writes a listing in the format asked for.
func (p *program) print(l listing, f *listingFlags) error {
	l, err := f.chosen(l)
	if err != nil {
		return err
	}
	switch f.format {
	case formatTable:
		return p.table(l)
	case "text":
		for i := range l.rows {
			if i > 0 {
				fmt.Fprintln(p.streams.Out)
			}
			l.pairs(p.streams.Out, i, false)
		}
		return nil
	case "json":
		return p.json(l.objects())
	case "yaml":
		return p.yaml(l.objects())
	}
	w := csv.NewWriter(p.streams.Out)
	if err := w.Write(l.columns); err != nil {
		return err
	}
	for _, row := range l.rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = c.text
		}
		if err := w.Write(texts); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// table writes a listing as a table, as wide as standard output shows it.
func (p *program) table(l listing) error {
	t := ui.Table{Header: l.columns, Optional: l.optional, Width: ui.Width(p.streams.Out)}
	for _, row := range l.rows {
		cells := make([]ui.Cell, len(row))
		for i, c := range row {
			cells[i] = ui.Cell{Text: c.text, Color: c.color}
		}
		t.Rows = append(t.Rows, cells)
	}
	return t.Write(p.streams.Out, p.colors(p.streams.Out))
}

// printOne writes a listing of one row: as lines of name and value, or as one
// object.
func (p *program) printOne(l listing, f *listingFlags) error {
	l, err := f.chosen(l)
	if err != nil {
		return err
	}
	switch f.format {
	case formatTable, formatText:
		l.pairs(p.streams.Out, 0, true)
		return nil
	case "json":
		return p.json(l.data(0))
	case "yaml":
		return p.yaml(l.data(0))
	}
	return p.print(l, f)
}

// pairs writes a row as lines of name and value.
func (l listing) pairs(w io.Writer, row int, skipEmpty bool) {
	for i, name := range l.columns {
		if value := text.CleanLine(l.rows[row][i].text); value != "" || !skipEmpty {
			fmt.Fprintln(w, strings.TrimRight(name+": "+value, " "))
		}
	}
}

// byNames orders listings by name, then by ID, so that the order is the same
// each time.
func byNames(name, otherName, id, otherID string) int {
	return cmp.Or(strings.Compare(name, otherName), strings.Compare(id, otherID))
}
