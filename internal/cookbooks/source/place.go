package source

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/git"
)

// Place is where one cookbook is had: a folder of a git repository at a
// revision, an object of a Chef Server, else an archive.
type Place struct {
	// URL is that of the server, or of the archive.
	URL string
	// Object is the path of a cookbook on a Chef Server, as
	// "cookbooks/NAME/VERSION".
	Object string
	// Artifactory says that the archive's server wants its key.
	Artifactory bool
	Git         *git.Place
}

// Key is that of the cache.
func (p Place) Key() string {
	switch {
	case p.Git != nil:
		return strings.Join([]string{"git", p.Git.URL, p.Git.Revision, p.Git.Rel}, " ")
	case p.Object != "":
		return "server " + strings.TrimRight(p.URL, "/") + "/" + p.Object
	}
	return "archive " + p.URL
}

// Cached returns the folder with the cookbook of a place, if the cache has it.
func (c *Context) Cached(p Place) (dir string, ok bool) {
	if p.Git != nil && p.Git.Revision == "" {
		return "", false
	}
	return c.Cache.Lookup(p.Key())
}

// Fetch returns the folder with the cookbook of a place, from the cache or the
// network. A place in a repository must have its revision.
func (c *Context) Fetch(ctx context.Context, p Place, want Wanted) (string, error) {
	return c.Cache.Fill(ctx, p.Key(), func(ctx context.Context, dir string) error {
		switch {
		case p.Git != nil:
			return c.checkout(ctx, *p.Git, dir, want)
		case p.Object != "":
			return c.fromServer(ctx, p, dir, want)
		}
		var header http.Header
		if p.Artifactory {
			var err error
			if header, err = c.artifactoryHeader(ctx); err != nil {
				return err
			}
		}
		return c.download(ctx, p.URL, header, dir, want)
	})
}

func (c *Context) checkout(ctx context.Context, p git.Place, dir string, want Wanted) error {
	if err := c.Git.Checkout(ctx, p, dir); err != nil {
		return fmt.Errorf("the cookbook %s: %w", want.Name, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		return fmt.Errorf("the cookbook %s: %s has no files there", want.Name, p.URL)
	}
	_, err := c.Check(ctx, dir, p.URL, want)
	return err
}

// HostOf is the host of a URL without the port.
func HostOf(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
