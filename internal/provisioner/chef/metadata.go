package chef

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/text"
)

// MetadataError tells that a cookbook's metadata are of no use.
type MetadataError struct {
	// File is the file or folder at fault.
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
	if !cookbook.Is(dir) {
		return "", nil
	}
	m, err := cookbook.Reader{Env: env.New(o.Environ), Dir: dir}.Read(ctx, dir)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		// The plain line says enough in a file with Ruby that is not known.
		src, _ := os.ReadFile(filepath.Join(dir, "metadata.rb"))
		if name := plainName(string(src)); name != "" {
			return name, nil
		}
		return "", &MetadataError{File: dir, Err: err}
	}
	if m.Name == "" {
		file := filepath.Join(dir, "metadata.json")
		if _, err := os.Stat(file); err != nil {
			file = filepath.Join(dir, "metadata.rb")
		}
		return "", &MetadataError{File: file, Err: errors.New("no name is given")}
	}
	return m.Name, nil
}

var plainLine = text.Lazy(`(?m)^\s*name[\s(]+['"]([^'"#/\\]+)['"]`)

// plainName finds the name in a metadata.rb without evaluating it, "" where no
// line gives it plainly.
func plainName(src string) string {
	if m := plainLine().FindStringSubmatch(src); m != nil && m[1] != "." && m[1] != ".." {
		return m[1]
	}
	return ""
}
