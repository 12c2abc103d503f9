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

// Placed is a source that says where a release of it is, in the words of a
// Policyfile: the option and its value, such as artifactserver and a URL.
type Placed interface {
	Place(r Release) (option, value string, err error)
}

// Place implements [Placed].
func (s *listed) Place(r Release) (option, value string, err error) {
	switch s.kind {
	case ChefServer:
		return "chef_server", s.url, nil
	case Artifactory:
		option = "artifactory"
	default:
		option = "artifactserver"
	}
	if u, err := url.Parse(r.URL); err != nil || u.Host == "" {
		// It would be of no use in a lock.
		return "", "", fmt.Errorf("%s lists %s %s with the download URL %q, which is not absolute", s, r.Name,
			r.Version, r.URL)
	}
	return option, r.URL, nil
}

// Place implements [Placed].
func (s *folder) Place(r Release) (option, value string, err error) { return "path", r.Dir, nil }

// HostOf is the host of a URL without the port.
func HostOf(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
