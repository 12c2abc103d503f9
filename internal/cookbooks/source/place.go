package source

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/git"
)

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

// FromGit returns the folder with a cookbook of a git repository, at the
// revision that the place names.
func (c *Context) FromGit(ctx context.Context, g *git.Client, p git.Place, want Wanted) (string, error) {
	return c.Cache.Fill(ctx, GitKey(p.URL, p.Revision, p.Rel), func(ctx context.Context, dir string) error {
		if err := g.Checkout(ctx, p, dir); err != nil {
			return fmt.Errorf("the cookbook %s: %w", want.Name, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
			return fmt.Errorf("the cookbook %s: %s has no files there", want.Name, p.URL)
		}
		_, err := c.Check(ctx, dir, p.URL, want)
		return err
	})
}

// The keys of the cache.

// ArchiveKey is that of an archive at a URL.
func ArchiveKey(url string) string { return "archive " + url }

// ServerKey is that of an object of a Chef Server.
func ServerKey(at, object string) string {
	return "server " + strings.TrimRight(at, "/") + "/" + object
}

// GitKey is that of a folder of a repository at a revision.
func GitKey(url, revision, rel string) string {
	return strings.Join([]string{"git", url, revision, rel}, " ")
}
