package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/ui"
)

// listing is rows of the same columns, to be printed as the person likes.
type listing struct {
	columns []string
	rows    [][]string
	// values are the cells as data, for json and yaml; a missing one is its
	// text.
	values [][]any
}

// cell is a field that says more as data than as text.
type cell struct {
	text  string
	value any
}

// sized is a number with its unit, which data leaves out.
func sized(n int, unit string) cell { return cell{fmt.Sprintf("%d %s", n, unit), n} }

func counted(n int) cell { return cell{fmt.Sprint(n), n} }

func flagged(b bool) cell {
	if b {
		return cell{"yes", true}
	}
	return cell{"no", false}
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
	return cell{s, s}
}

// add appends a row of texts and cells.
func (l *listing) add(fields ...any) {
	row, values := make([]string, len(fields)), make([]any, len(fields))
	for i, f := range fields {
		switch f := f.(type) {
		case cell:
			row[i], values[i] = f.text, f.value
		default:
			row[i], values[i] = fmt.Sprint(f), f
		}
	}
	l.rows, l.values = append(l.rows, row), append(l.values, values)
}

// data returns row i as it is in json and yaml.
func (l listing) data(i int) object {
	o := make(object, len(l.columns))
	for j, c := range l.columns {
		o[j] = field{strings.ReplaceAll(strings.ToLower(c), " ", "_"), l.rows[i][j]}
		if i < len(l.values) {
			o[j].value = l.values[i][j]
		}
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

// formats are those of a listing; summary and text are knife's names.
const formats = "table (or summary), text, json, yaml or csv"

func (f *listingFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.format, "format", "F", "table", "print as "+formats)
	cmd.Flags().StringSliceVar(&f.columns, "columns", nil, "print these `COLUMNS` only, in this order")
}

// check finds a format that does not exist before the cloud is asked.
func (f *listingFlags) check() error {
	switch f.format {
	case "table", "summary", "text", "json", "yaml", "csv":
		return nil
	case "pp":
		return usagef("json holds the same", "the format pp is Ruby's own notation and is not available")
	}
	return usagef("", "unknown format %q: it is %s", f.format, formats)
}

// chosen returns the listing with the columns asked for.
func (f *listingFlags) chosen(l listing) (listing, error) {
	if len(f.columns) == 0 {
		return l, nil
	}
	var at []int
	out := listing{}
	for _, want := range f.columns {
		plain := strings.ReplaceAll(strings.TrimSpace(want), "_", " ")
		i := slices.IndexFunc(l.columns, func(c string) bool { return strings.EqualFold(c, plain) })
		if i < 0 {
			return l, usagef("the columns are "+strings.Join(l.columns, ", "), "unknown column %q", want)
		}
		at = append(at, i)
		out.columns = append(out.columns, l.columns[i])
	}
	for i, row := range l.rows {
		cells := make([]any, len(at))
		for j, from := range at {
			cells[j] = row[from]
			if i < len(l.values) {
				cells[j] = cell{row[from], l.values[i][from]}
			}
		}
		out.add(cells...)
	}
	return out, nil
}

// print writes a listing in the format asked for.
func (a *app) print(l listing, f *listingFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	l, err := f.chosen(l)
	if err != nil {
		return err
	}
	switch f.format {
	case "table", "summary":
		t := ui.Table{Header: l.columns}
		for _, row := range l.rows {
			cells := make([]ui.Cell, len(row))
			for i, c := range row {
				cells[i].Text = oneLine(c)
			}
			t.Rows = append(t.Rows, cells)
		}
		return t.Write(a.streams.Out, a.streams.Color(a.streams.Out, a.color()))
	case "text":
		for i := range l.rows {
			if i > 0 {
				fmt.Fprintln(a.streams.Out)
			}
			l.pairs(a.streams.Out, i, false)
		}
		return nil
	case "json":
		return a.json(l.objects())
	case "yaml":
		return a.yaml(l.objects())
	}
	w := csv.NewWriter(a.streams.Out)
	if err := w.Write(l.columns); err != nil {
		return err
	}
	return w.WriteAll(l.rows)
}

// printOne writes a listing of one row: as lines of name and value, or as one
// object.
func (a *app) printOne(l listing, f *listingFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	l, err := f.chosen(l)
	if err != nil {
		return err
	}
	switch f.format {
	case "table", "summary", "text":
		l.pairs(a.streams.Out, 0, true)
		return nil
	case "json":
		return a.json(l.data(0))
	case "yaml":
		return a.yaml(l.data(0))
	}
	return a.print(l, f)
}

// pairs writes a row as lines of name and value.
func (l listing) pairs(w io.Writer, row int, skipEmpty bool) {
	for i, name := range l.columns {
		if text := oneLine(l.rows[row][i]); text != "" || !skipEmpty {
			fmt.Fprintln(w, strings.TrimRight(name+": "+text, " "))
		}
	}
}

func (a *app) yaml(v any) error {
	enc := yaml.NewEncoder(a.streams.Out)
	enc.SetIndent(2)
	return enc.Encode(v)
}

// oneLine keeps what others wrote, as a description, from breaking a table or
// moving the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// cloud logs in with the credentials of the environment.
func (a *app) cloud(ctx context.Context) (*openstack.Cloud, error) {
	auth, err := a.credentials(ctx)
	if err != nil {
		return nil, err
	}
	var o openstack.Options
	if level, err := a.level(); err != nil {
		return nil, err
	} else if level == ui.DebugLevel {
		o.Debug = func(format string, args ...any) {
			fmt.Fprintln(a.streams.Err, "D      "+a.secrets.Clean(fmt.Sprintf(format, args...)))
		}
	}
	return openstack.Connect(ctx, auth, o)
}

// listOf returns the "list" of a noun.
func (a *app) listOf(what string, get func(context.Context, *openstack.Cloud) (listing, error)) *cobra.Command {
	var f listingFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the " + what + " of the cloud",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error {
				l, err := get(ctx, c)
				if err != nil {
					return err
				}
				return a.print(l, &f)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// withCloud does something with a cloud that it logs in to first.
func (a *app) withCloud(ctx context.Context, do func(context.Context, *openstack.Cloud) error) error {
	c, err := a.cloud(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(ctx, c)
}

// noun is a command that only holds others.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(verbs...)
	return cmd
}

// cloudCommands look up what a cloud offers, with knife-openstack's columns,
// and make what needs no kitchen.
func (a *app) cloudCommands() []*cobra.Command {
	return []*cobra.Command{
		a.serverNoun(), a.imageNoun(), a.flavorNoun(), a.networkNoun(), a.groupNoun(),
		a.volumeNoun(), a.keyPairNoun(), a.floatingIPNoun(),
	}
}

// byNames orders what a listing shows: by name, then by ID, so that the order
// is the same each time.
func byNames(name, otherName, id, otherID string) int {
	return cmp.Or(strings.Compare(name, otherName), strings.Compare(id, otherID))
}
