package chef

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// metadata is what a cookbook says of itself, as far as it is needed here.
type metadata struct {
	name    string
	depends []string
}

// MetadataError tells that a cookbook's metadata are of no use.
type MetadataError struct {
	// File is the file at fault.
	File string
	Err  error
}

func (e *MetadataError) Error() string { return e.File + ": " + e.Err.Error() }
func (e *MetadataError) Unwrap() error { return e.Err }

// Hint tells what a cookbook's metadata must have.
func (e *MetadataError) Hint() string {
	return "the metadata of a cookbook must give its name, as in `name 'apache'`"
}

// CookbookName returns the name of the cookbook in a directory, "" when there
// is none.
func CookbookName(ctx context.Context, o base.Options, dir string) (string, error) {
	if !hasMetadata(dir) {
		return "", nil
	}
	m, err := readMetadata(ctx, &kitchen.Step{}, o, dir)
	if err != nil {
		return "", err
	}
	return m.name, nil
}

// hasMetadata says whether a directory is a cookbook.
func hasMetadata(dir string) bool {
	for _, name := range []string{"metadata.rb", "metadata.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// readMetadata reads the metadata of the cookbook in a directory: metadata.rb,
// or else metadata.json.
func readMetadata(ctx context.Context, step *kitchen.Step, o base.Options, dir string) (*metadata, error) {
	file := filepath.Join(dir, "metadata.rb")
	src, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return readMetadataJSON(filepath.Join(dir, "metadata.json"))
	}
	if err != nil {
		return nil, err
	}
	m := &metadata{}
	in := ruby.New(ruby.Config{Env: env.New(o.Environ), Dir: dir, Host: ruby.HostFunc(m.call)})
	if _, err := in.Eval(ctx, string(src), file); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		// The plain lines say enough of a file with Ruby that is not known.
		plain := plainMetadata(string(src))
		if plain.name == "" {
			return nil, &MetadataError{File: file, Err: err}
		}
		step.Report.Debug("reading %s line by line: %v", file, err)
		m = plain
	}
	if m.name == "" {
		return nil, &MetadataError{File: file, Err: fmt.Errorf("no name is given")}
	}
	return m, m.check(file)
}

// call receives the declarations of metadata.rb; those of no interest are
// accepted, since every version of Chef knows more of them.
func (m *metadata) call(c *ruby.Call) (ruby.Value, bool, error) {
	first := ""
	if len(c.Args) > 0 {
		if s, ok := ruby.ToGo(c.Args[0]).(string); ok {
			first = s
		}
	}
	switch c.Name {
	case "name":
		if first == "" {
			return m.name, true, nil
		}
		m.name = first
	case "depends":
		if first != "" {
			m.depends = append(m.depends, first)
		}
	}
	return nil, true, nil
}

var plainLine = text.Lazy(`(?m)^\s*(name|depends)[\s(]+['"]([^'"#]+)['"]`)

func plainMetadata(src string) *metadata {
	m := &metadata{}
	for _, g := range plainLine().FindAllStringSubmatch(src, -1) {
		if g[1] == "name" {
			m.name = g[2]
		} else {
			m.depends = append(m.depends, g[2])
		}
	}
	return m
}

func readMetadataJSON(file string) (*metadata, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var data struct {
		Name         string         `json:"name"`
		Dependencies map[string]any `json:"dependencies"`
	}
	if err := json.Unmarshal(b, &data); err != nil {
		return nil, &MetadataError{File: file, Err: err}
	}
	if data.Name == "" {
		return nil, &MetadataError{File: file, Err: fmt.Errorf("no name is given")}
	}
	m := &metadata{name: data.Name}
	for name := range data.Dependencies {
		m.depends = append(m.depends, name)
	}
	return m, m.check(file)
}

// check refuses names that would lead out of the directory of cookbooks.
func (m *metadata) check(file string) error {
	if strings.ContainsAny(m.name, "/\\\x00") || m.name == "." || m.name == ".." {
		return &MetadataError{File: file, Err: fmt.Errorf("%q is not a valid cookbook name", m.name)}
	}
	return nil
}
