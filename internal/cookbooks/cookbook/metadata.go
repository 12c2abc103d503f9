package cookbook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/ruby"
)

// Metadata is what a cookbook says of itself.
type Metadata struct {
	// Name is "" where none is given.
	Name string
	// Version is 0.0.0 where none is given. Of metadata.json it is as written
	// there, so it may have two numbers.
	Version string
	// Dependencies are in the order in which they were declared.
	Dependencies []Dependency

	// data holds all fields in the order in which Chef writes them.
	data *jsonorder.Object
}

// Dependency is a cookbook that another one needs.
type Dependency struct {
	Name string
	// Constraint is as it was written; "" allows every version.
	Constraint string
}

// MetadataError tells that a cookbook's metadata cannot be used.
type MetadataError struct {
	// File is the file at fault, or the folder that has none.
	File string
	Err  error
}

func (e *MetadataError) Error() string {
	if r := (*ruby.Error)(nil); errors.As(e.Err, &r) {
		return e.Err.Error() // it names the file and the line
	}
	return e.File + ": " + e.Err.Error()
}

func (e *MetadataError) Unwrap() error { return e.Err }

// ErrNotCookbook is wrapped by the error of [Read] for a folder without
// metadata.
var ErrNotCookbook = errors.New("is not a cookbook: it has neither metadata.rb nor metadata.json")

// Reader reads metadata. Its zero value sees an empty environment.
type Reader struct {
	// Env is what metadata.rb sees as ENV.
	Env *env.Env
	// Dir is the folder to which relative paths in metadata.rb refer: the
	// current one of chef-cli and Berkshelf. Default: the process's.
	Dir string
	// AllowExec lets metadata.rb run commands.
	AllowExec ruby.Consent
}

// Read reads the metadata of the cookbook in a folder: metadata.json where
// there is one, else metadata.rb. The error is a [*MetadataError].
func (r Reader) Read(ctx context.Context, dir string) (*Metadata, error) {
	file := filepath.Join(dir, "metadata.json")
	text, err := os.ReadFile(file)
	var m *Metadata
	switch {
	case err == nil:
		m, err = fromJSON(text)
	case os.IsNotExist(err):
		file = filepath.Join(dir, "metadata.rb")
		if text, err = os.ReadFile(file); os.IsNotExist(err) {
			return nil, &MetadataError{File: dir, Err: ErrNotCookbook}
		}
		if err == nil {
			m, err = r.evaluate(ctx, string(text), file)
		}
	}
	if err == nil {
		err = checkName(m.Name)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &MetadataError{File: file, Err: err}
	}
	return m, nil
}

// ReadNamed is [Reader.Read] for a cookbook that must give its name.
func (r Reader) ReadNamed(ctx context.Context, dir string) (*Metadata, error) {
	m, err := r.Read(ctx, dir)
	if err == nil && m.Name == "" {
		return nil, &MetadataError{File: dir, Err: errors.New("the metadata give no name")}
	}
	return m, err
}

// checkName refuses names that would lead out of a folder of cookbooks.
func checkName(name string) error {
	if strings.ContainsAny(name, "/\\\x00\n") || name == "." || name == ".." {
		return fmt.Errorf("%q cannot be the name of a cookbook", name)
	}
	return nil
}

// JSON is the metadata.json that Chef makes of the metadata.
func (m *Metadata) JSON() []byte { return jsonorder.Marshal(m.data) }

// Compiled is the metadata.json of a cookbook that Chef has loaded with its
// files: the recipes among them are added. Files are as [Files] lists them.
func (m *Metadata) Compiled(files []string) []byte {
	data := m.data.Clone()
	recipes, providing := data.Object("recipes").Clone(), data.Object("providing").Clone()
	for _, f := range files {
		if !strings.HasPrefix(f, "recipes/") {
			continue
		}
		// Chef drops folders and the extension rb only.
		name := m.Name + "::" + strings.TrimSuffix(path.Base(f), ".rb")
		name = strings.TrimSuffix(name, "::default")
		if recipes.Value(name) == nil {
			recipes.Set(name, "")
		}
		providing.Set(name, ">= 0.0.0")
	}
	data.Set("recipes", recipes)
	data.Set("providing", providing)
	return jsonorder.Marshal(data)
}

// newData has every field with the value that it has by default.
func newData() *jsonorder.Object {
	empty := func() *jsonorder.Object { return &jsonorder.Object{} }
	return jsonorder.NewObject(
		"name", nil, "description", "", "long_description", "", "maintainer", "", "maintainer_email", "",
		"license", "All rights reserved", "platforms", empty(), "dependencies", empty(), "providing", empty(),
		"recipes", empty(), "version", "0.0.0", "source_url", "", "issues_url", "", "privacy", false,
		"chef_versions", []any{}, "ohai_versions", []any{}, "gems", []any{}, "eager_load_libraries", true,
	)
}

func fromJSON(text []byte) (*Metadata, error) {
	given, err := jsonorder.ParseObject([]byte(strings.TrimPrefix(string(text), "\ufeff")))
	if err != nil {
		return nil, err
	}
	data := newData()
	for _, key := range data.Keys() {
		v, ok := given.Get(key)
		if !ok {
			continue
		}
		switch key {
		case "dependencies":
			v = plainConstraints(v)
		case "chef_versions", "ohai_versions":
			if v, err = gemRequirements(v); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		data.Set(key, v)
	}
	return fromData(data)
}

// plainConstraints takes the constraints out of the lists that old metadata
// has; a list of several means nothing.
func plainConstraints(v any) any {
	given, ok := v.(*jsonorder.Object)
	if !ok {
		return v
	}
	out := &jsonorder.Object{}
	for _, name := range given.Keys() {
		c := given.Value(name)
		switch list := c.(type) {
		case nil:
			c = []any{}
		case []any:
			if len(list) == 1 {
				c = list[0]
			} else {
				c = []any{}
			}
		}
		out.Set(name, c)
	}
	return out
}

func fromData(data *jsonorder.Object) (*Metadata, error) {
	m := &Metadata{data: data, Name: data.String("name")}
	switch v := data.Value("version").(type) {
	case string:
		m.Version = v
	case nil:
	default:
		m.Version = strings.TrimSpace(string(jsonorder.Marshal(v)))
	}
	deps := data.Object("dependencies")
	if deps == nil && data.Value("dependencies") != nil {
		return nil, errors.New("dependencies is not an object")
	}
	for _, name := range deps.Keys() {
		c, _ := deps.Value(name).(string) // an empty list allows every version
		m.Dependencies = append(m.Dependencies, Dependency{name, c})
	}
	return m, nil
}

// chefVersion reads a version as Chef does: two or three numbers.
func chefVersion(s string) (version.Version, error) {
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		v, err := version.Parse(line)
		if err == nil && strings.Trim(line, "0123456789.") == "" && !strings.HasSuffix(line, ".") &&
			strings.Contains(line, ".") {
			return v, nil
		}
	}
	return version.Version{}, fmt.Errorf("version %q has not the form 1.2.3 or 1.2", s)
}
