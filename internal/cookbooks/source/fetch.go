package source

import (
	"context"
	"crypto/md5" //nolint:gosec // the API's definition
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/cookbooks/cache"
	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/cookbooks/web"
)

// Wanted is the cookbook that a place is expected to hold.
type Wanted struct {
	Name       string
	Constraint version.Constraint
}

// Book is a cookbook on this machine.
type Book struct {
	Dir     string
	Meta    *cookbook.Metadata
	Version version.Version
}

// Book reads the cookbook in a folder, which must give its name.
func (c *Context) Book(ctx context.Context, dir string) (*Book, error) {
	m, err := c.ReadNamed(ctx, dir)
	if err != nil {
		return nil, err
	}
	v, err := version.Parse(m.Version)
	if err != nil {
		return nil, &cookbook.MetadataError{File: dir, Err: err}
	}
	return &Book{dir, m, v}, nil
}

// Check reads the cookbook in a folder and sees that it is the one expected.
// place names the folder in errors.
func (c *Context) Check(ctx context.Context, dir, place string, want Wanted) (*Book, error) {
	b, err := c.Book(ctx, dir)
	if err != nil {
		var bad *cookbook.MetadataError
		if errors.As(err, &bad) {
			err = fmt.Errorf("the cookbook %s at %s: %w", want.Name, place, bad.Err)
		}
		return nil, err
	}
	if !want.Constraint.Allows(b.Version) || b.Meta.Name != want.Name {
		return nil, Mismatch(want, place, b.Meta)
	}
	return b, nil
}

// Mismatch is the error of a place that holds another cookbook than expected,
// or another version of it.
func Mismatch(want Wanted, place string, m *cookbook.Metadata) error {
	if m.Name != want.Name {
		return &Problem{
			Msg:    fmt.Sprintf("%s is to be the cookbook %s, but its metadata name it %q", place, want.Name, m.Name),
			Advice: "write the name that the metadata give, or correct the metadata",
		}
	}
	return &Problem{
		Msg:    fmt.Sprintf("%s holds %s %s, which does not fit the constraint %s", place, m.Name, m.Version, want.Constraint),
		Advice: "change the constraint, or take another version",
	}
}

// download puts the cookbook in the archive at a URL into an empty folder.
func (c *Context) download(ctx context.Context, url string, header http.Header, dir string, want Wanted) error {
	what := fmt.Sprintf("%s %s", want.Name, strings.TrimPrefix(want.Constraint.String(), "= "))
	tmp, err := c.Cache.Temp()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	err = c.Web.Get(ctx, web.Request{What: what, URL: url, Header: header}, func(resp *http.Response) error {
		if err := os.RemoveAll(tmp); err != nil {
			return err
		}
		if err := os.Mkdir(tmp, 0o755); err != nil {
			return err
		}
		return cache.Unpack(resp.Body, tmp)
	})
	if err != nil {
		return err
	}
	top, err := topFolder(tmp, want.Name)
	if err == nil {
		err = cache.CheckLinks(top)
	}
	if err != nil {
		return fmt.Errorf("the archive of %s from %s: %w", what, url, err)
	}
	if err := os.Remove(dir); err != nil {
		return err
	}
	return os.Rename(top, dir)
}

// topFolder finds the cookbook in an unpacked archive: the folder of its
// name, or the only one that is a cookbook, or the archive's own top.
func topFolder(dir, name string) (string, error) {
	if named := filepath.Join(dir, name); cookbook.Is(named) {
		return named, nil
	}
	if cookbook.Is(dir) {
		return dir, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if at := filepath.Join(dir, e.Name()); e.IsDir() && cookbook.Is(at) {
			return at, nil
		}
	}
	return "", cookbook.ErrNotCookbook
}

// manifestFile is what a Chef Server says of a file of a cookbook.
type manifestFile struct {
	Path     string `json:"path"`
	URL      string `json:"url"`
	Checksum string `json:"checksum"`
}

// manifest are all files of a cookbook: in one list, all_files, or in lists by
// the kinds of API versions 0 and 1.
type manifest map[string]json.RawMessage

func (m manifest) files() (out []manifestFile, err error) {
	for _, kind := range []string{
		"all_files", "resources", "providers", "recipes", "definitions", "libraries", "attributes", "files", "templates", "root_files",
	} {
		var list []manifestFile
		if raw, ok := m[kind]; ok {
			err = errors.Join(err, json.Unmarshal(raw, &list))
		}
		out = append(out, list...)
	}
	return out, err
}

// parallelFiles is how many files of one cookbook are fetched at once.
const parallelFiles = 10

// fromServer puts a cookbook of a Chef Server into an empty folder.
func (c *Context) fromServer(ctx context.Context, p Place, dir string, want Wanted) error {
	server, err := c.ServerAt(ctx, p.URL)
	if err != nil {
		return err
	}
	defer c.Web.Meter.Wait(want.Name + " from " + HostOf(p.URL))()
	var m manifest
	if err := server.Do(ctx, http.MethodGet, p.Object, nil, &m); err != nil {
		return fmt.Errorf("fetching %s: %w", want.Name, err)
	}
	files, err := m.files()
	if err != nil {
		return fmt.Errorf("fetching %s: %w", want.Name, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelFiles)
	for _, f := range files {
		g.Go(func() error { return c.serverFile(gctx, root, f, want) })
	}
	return g.Wait()
}

// serverFile fetches one file and compares its check sum.
func (c *Context) serverFile(ctx context.Context, root *os.Root, f manifestFile, want Wanted) error {
	name := path.Clean(f.Path)
	if path.IsAbs(f.Path) || name == ".." || strings.HasPrefix(name, "../") ||
		strings.ContainsAny(f.Path, "\\\x00") {
		return fmt.Errorf("fetching %s: the server lists %q, which is outside of the cookbook", want.Name, f.Path)
	}
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	what := name + " of " + want.Name
	return c.Web.Get(ctx, web.Request{What: what, URL: f.URL}, func(resp *http.Response) error {
		out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		sum := md5.New() //nolint:gosec // the API's definition
		_, err = io.Copy(io.MultiWriter(out, sum), io.LimitReader(resp.Body, maxServerFile))
		if err1 := out.Close(); err == nil {
			err = err1
		}
		if got := hex.EncodeToString(sum.Sum(nil)); err == nil && got != f.Checksum {
			err = fmt.Errorf("its check sum is %s, and the server says %s", got, f.Checksum)
		}
		return err
	})
}

// maxServerFile bounds one file of a cookbook on a Chef Server.
const maxServerFile = 256 << 20
