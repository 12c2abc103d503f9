package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// folder is a folder of cookbooks.
type folder struct {
	ctx  *Context
	path string
	all  map[string][]Release
}

// Folder returns the source of the cookbooks below a folder, or below
// "cookbooks" in it where there is that. Each must have metadata with a name.
func Folder(c *Context, path string) Fetcher {
	if info, err := os.Stat(filepath.Join(path, "cookbooks")); err == nil && info.IsDir() {
		path = filepath.Join(path, "cookbooks")
	}
	return &folder{ctx: c, path: path}
}

func (s *folder) String() string { return fmt.Sprintf("chef_repo(%s)", s.path) }

// Load implements [Source].
func (s *folder) Load(ctx context.Context) error {
	if s.all != nil {
		return nil
	}
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return fmt.Errorf("the cookbooks of %s: %w", s, err)
	}
	all := map[string][]Release{}
	for _, e := range entries {
		dir := filepath.Join(s.path, e.Name())
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || strings.HasPrefix(e.Name(), ".") ||
			!cookbook.Is(dir) {
			continue
		}
		m, err := s.ctx.ReadNamed(ctx, dir)
		if err != nil {
			return err
		}
		all[m.Name] = append(all[m.Name],
			Release{Name: m.Name, Version: m.Version, Dependencies: m.Dependencies, Dir: dir})
	}
	s.all = all
	return nil
}

// Releases implements [Source].
func (s *folder) Releases(name string) ([]Release, error) { return s.all[name], nil }

// Options implements [Source].
func (s *folder) Options(r Release) (*jsonorder.Object, error) {
	return jsonorder.NewObject("path", r.Dir, "version", r.Version), nil
}

// Fetch implements [Fetcher].
func (s *folder) Fetch(ctx context.Context, r Release, want Wanted) (b *Book, key string, err error) {
	b, err = s.ctx.Check(ctx, r.Dir, r.Dir, want)
	return b, "", err
}
