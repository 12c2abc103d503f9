package source

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/cookbooks/cache"
	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/secret"
)

// Source lists cookbooks.
type Source interface {
	// String describes the source, as "supermarket(https://…)".
	String() string
	// Load fetches the list. It must have succeeded before Releases is called.
	Load(ctx context.Context) error
	// Releases returns the versions of a cookbook in the order of the list;
	// none where the source does not have it.
	Releases(name string) ([]Release, error)
	// Options say where a release is, in the words of a Policyfile, such as
	// artifactserver and a URL.
	Options(r Release) (*jsonorder.Object, error)
}

// Fetcher is a source that a Berksfile may name.
type Fetcher interface {
	Source
	// Fetch returns the cookbook of a release, and its key in the cache, "" for
	// one that was on this machine before.
	Fetch(ctx context.Context, r Release, want Wanted) (b *Book, key string, err error)
}

// Release is one version of a cookbook as a source lists it.
type Release struct {
	Name string
	// Version is as the source writes it.
	Version string
	// Dependencies are in the order of the list.
	Dependencies []cookbook.Dependency
	// Type is the list's location_type: supermarket, chef_server, uri, …
	Type string
	// Location is the base of the API that has it, URL where it is downloaded;
	// both may be relative to the source.
	Location, URL string
	// Dir is where it is, for one on this machine.
	Dir string
}

// Find returns the release of a version.
func Find(list []Release, v version.Version) (Release, bool) {
	i := slices.IndexFunc(list, func(r Release) bool {
		have, err := version.Parse(r.Version)
		return err == nil && have == v
	})
	if i < 0 {
		return Release{}, false
	}
	return list[i], true
}

// Server makes signed requests to one Chef Server.
type Server interface {
	// Do sends in as JSON, unless nil, and reads the answer into out, unless
	// nil. path is relative to the server's URL.
	Do(ctx context.Context, method, path string, in, out any) error
}

// NotFounder may be implemented by the error of a [Server] to say that the
// object does not exist.
type NotFounder interface{ NotFound() bool }

// Context is what the work on a Policyfile or a Berksfile needs.
type Context struct {
	// Reader reads metadata. It has the user's variables, the current folder and
	// the consent to run commands, which are those of the whole work.
	cookbook.Reader
	Web *web.Client
	// WebFor returns a client that accepts other certificates.
	WebFor func(web.Trust) *web.Client
	Cache  *cache.Store
	Git    *git.Client
	// Server returns a client for the Chef Server at a URL; nil where none can
	// be had.
	Server func(ctx context.Context, url string) (Server, error)
	// ChefConfig returns a setting of knife's configuration, nil where it has
	// none; may be nil.
	ChefConfig func(ctx context.Context, key string) (any, error)
	// Say receives progress, Warn warnings; both may be nil.
	Say, Warn func(line string)
}

// Sayf reports progress.
func (c *Context) Sayf(format string, args ...any) {
	if c.Say != nil {
		c.Say(fmt.Sprintf(format, args...))
	}
}

// Warnf reports a warning.
func (c *Context) Warnf(format string, args ...any) {
	if c.Warn != nil {
		c.Warn(fmt.Sprintf(format, args...))
	}
}

// Setting is a setting of knife's configuration, nil where it has none.
func (c *Context) Setting(ctx context.Context, key string) (any, error) {
	if c.ChefConfig == nil {
		return nil, nil
	}
	return c.ChefConfig(ctx, key)
}

// Absolute resolves a path against a folder.
func Absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// Trusting returns a context whose requests accept other certificates.
func (c *Context) Trusting(t web.Trust) *Context {
	if t == (web.Trust{}) {
		return c
	}
	other := *c
	other.Web = c.WebFor(t)
	return &other
}

// Parallel is how many cookbooks are fetched at once.
const Parallel = 8

// InstallAll runs the installations of cookbooks, some at once.
func (c *Context) InstallAll(ctx context.Context, installs []func(context.Context) error) error {
	c.Web.Meter.Count(0, len(installs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(Parallel)
	for _, install := range installs {
		g.Go(func() error {
			defer c.Web.Meter.Count(1, 0)
			return install(ctx)
		})
	}
	return g.Wait()
}

// artifactoryHeader is how requests to Artifactory say who asks: the identity
// token, else the API key, each of knife's configuration or the environment
// (chef-cli).
func (c *Context) artifactoryHeader(ctx context.Context) (http.Header, error) {
	h := http.Header{}
	for _, s := range []struct{ setting, variable, header, prefix string }{
		{"artifactory_identity_token", "ARTIFACTORY_IDENTITY_TOKEN", "Authorization", "Bearer "},
		{"artifactory_api_key", "ARTIFACTORY_API_KEY", "X-Jfrog-Art-API", ""},
	} {
		v, err := c.Setting(ctx, s.setting)
		if err != nil {
			return nil, err
		}
		set, _ := v.(string)
		if value := cmp.Or(set, c.Env.Get(s.variable)); value != "" {
			h.Set(s.header, s.prefix+value)
			break
		}
	}
	return h, nil
}

// ServerAt returns a client of the Chef Server at a URL.
func (c *Context) ServerAt(ctx context.Context, url string) (Server, error) {
	if c.Server == nil {
		return nil, fmt.Errorf("%s is a Chef Server, and no user for it is configured", url)
	}
	if c.Web.Offline {
		return nil, &web.Error{What: "anything", URL: secret.URL(url), Err: web.ErrOffline}
	}
	return c.Server(ctx, url)
}
