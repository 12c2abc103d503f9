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

// where names the place in errors.
func (p Place) where() string {
	switch {
	case p.Git != nil:
		return p.Git.URL
	case p.Object != "":
		return strings.TrimRight(p.URL, "/") + "/" + p.Object
	}
	return p.URL
}

// Fetch returns the cookbook of a place, from the cache or the network. A place
// in a repository must have its revision. Nothing but what is wanted is kept.
func (c *Context) Fetch(ctx context.Context, p Place, want Wanted) (*Book, error) {
	dir, err := c.Cache.Fill(ctx, p.Key(), func(ctx context.Context, dir string) (err error) {
		switch {
		case p.Git != nil:
			err = c.checkout(ctx, *p.Git, dir, want)
		case p.Object != "":
			err = c.fromServer(ctx, p, dir, want)
		default:
			var header http.Header
			if p.Artifactory {
				if header, err = c.artifactoryHeader(ctx); err != nil {
					return err
				}
			}
			err = c.download(ctx, p.URL, header, dir, want)
		}
		if err == nil {
			_, err = c.Check(ctx, dir, p.where(), want)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.Check(ctx, dir, p.where(), want)
}

func (c *Context) checkout(ctx context.Context, p git.Place, dir string, want Wanted) error {
	if err := c.Git.Checkout(ctx, p, dir); err != nil {
		return fmt.Errorf("the cookbook %s: %w", want.Name, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		return fmt.Errorf("the cookbook %s: %s has no files there", want.Name, p.URL)
	}
	return nil
}

// HostOf is the host of a URL without the port.
func HostOf(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
