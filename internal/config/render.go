package config

import (
	"context"
	"fmt"
	"strings"
)

// Rendered is what a template makes.
type Rendered struct {
	// Text is exactly the text that is then read as YAML.
	Text string
	doc  *rendering
}

// Render renders one file as a configuration file is, whatever its name.
func Render(ctx context.Context, o Options, path string) (*Rendered, error) {
	o.File = path
	l, err := newLoader(o)
	if err != nil {
		return nil, err
	}
	defer l.close()
	f := &l.main
	src, err := readFile(f.path)
	if err != nil {
		return nil, &Error{File: f.display, Msg: "cannot be read", Text: cause(err), Err: err}
	}
	doc := &rendering{text: src}
	if !o.SkipERB {
		if doc, err = l.render(ctx, f.path, f.display, src); err != nil {
			return nil, err
		}
	}
	return &Rendered{Text: doc.text, doc: doc}, nil
}

// Numbered is the text with the number of the template's line before each of
// its lines.
func (r *Rendered) Numbered() string {
	lines := strings.SplitAfter(r.Text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	width := 1
	for i := range lines {
		width = max(width, len(itoa(r.doc.at(i+1).Template)))
	}
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "%*d  %s", width, r.doc.at(i+1).Template, l)
	}
	return b.String()
}
