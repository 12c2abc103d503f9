package cookbooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/cookbooks/berksfile"
	"github.com/galleyhq/galley/internal/cookbooks/cache"
	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/policyfile"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/netrc"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
)

// Options are what a project works with.
type Options struct {
	// Env has the variables of the user.
	Env *env.Env
	// Dir is the current folder, absolute.
	Dir string
	// HTTP returns the client that makes the requests with some certificates;
	// nil makes one with the proxies and certificates of the environment.
	HTTP      func(web.Trust) *http.Client
	UserAgent string
	// Offline uses the cache and the lock alone.
	Offline bool
	// AllowExec lets Ruby files run commands.
	AllowExec ruby.Consent
	// Server returns a client that signs requests to the Chef Server at a URL;
	// nil without such a user.
	Server func(ctx context.Context, url string) (Server, error)
	// ChefConfig returns a setting of knife's configuration, nil for none.
	ChefConfig func(ctx context.Context, key string) (any, error)
	// Only and Except choose groups of a Berksfile.
	Only, Except []string
	// Meter counts the downloads; may be nil.
	Meter *web.Meter
	// Say receives progress, Warn warnings; both may be nil.
	Say, Warn func(line string)
}

// Server makes signed requests to one Chef Server; see [source.Server].
type Server = source.Server

// job is what both files can do.
type job interface {
	// File and LockFile are the absolute paths of the file and its lock.
	File() string
	LockFile() string
	// Install installs the cookbooks of the lock; where there is none, or a
	// Berksfile's no longer fits, it resolves the file and writes the lock.
	Install(ctx context.Context) (*Summary, error)
	// Vendor copies the cookbooks into a folder, each below its name. With
	// remove, everything else in the folder goes.
	Vendor(ctx context.Context, dir string, remove bool) (*Summary, error)
	// Outdated lists the locked cookbooks that have newer versions which the
	// constraints allow.
	Outdated(ctx context.Context) ([]Newer, error)
	// Graph reads the lock: the demands of the file, the version of each
	// cookbook, and what it needs.
	Graph() (demands []solver.Requirement, versions map[string]string, needs map[string][]solver.Requirement, err error)
}

// Project is a Policyfile or a Berksfile.
type Project struct {
	job
	// One of these is the job.
	policy *policyfile.Job
	berks  *berksfile.Job
}

type (
	// Summary is the result of a command that may write the lock.
	Summary = source.Summary
	// Newer is a cookbook of which a source has a newer version.
	Newer = source.Newer
)

// The names that are looked for in a folder.
const (
	Policyfile = "Policyfile.rb"
	Berksfile  = "Berksfile"
)

// Find returns the name of the Policyfile in a folder, else of the Berksfile.
func Find(dir string) (string, error) {
	for _, name := range []string{Policyfile, Berksfile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return name, nil
		}
	}
	return "", &source.Problem{
		Msg:    fmt.Sprintf("there is neither a %s nor a %s in %s", Policyfile, Berksfile, dir),
		Advice: "name the file, or go to the folder that has it", Err: fs.ErrNotExist,
	}
}

// IsPolicy says whether a file is a Policyfile or its lock, by its name.
func IsPolicy(file string) bool {
	return strings.HasSuffix(file, ".rb") || strings.HasSuffix(file, ".lock.json")
}

// Open makes a project of a file. A name that ends in .rb or .lock.json is
// that of a Policyfile or its lock, every other that of a Berksfile; "" is what
// [Find] finds.
func Open(file string, o Options) (*Project, error) {
	if file == "" {
		var err error
		if file, err = Find(o.Dir); err != nil {
			return nil, err
		}
	}
	dir, err := cache.UserDir(o.Env.Get)
	if err != nil {
		return nil, err
	}
	store := cache.New(dir)
	login := netrcLogin(o.Env)
	client := func(t web.Trust) *web.Client {
		c := &web.Client{Offline: o.Offline, UserAgent: o.UserAgent, Login: login, Meter: o.Meter}
		if o.HTTP != nil {
			c.HTTP = o.HTTP(t)
		} else {
			c.HTTP = web.HTTP(t)
		}
		return c
	}
	c := &source.Context{
		Reader: cookbook.Reader{Env: o.Env, Dir: o.Dir, AllowExec: o.AllowExec},
		Web:    client(web.Trust{}), WebFor: client, Cache: store,
		Git:    &git.Client{Env: o.Env, Cache: store, Offline: o.Offline, Meter: o.Meter},
		Server: o.Server, ChefConfig: o.ChefConfig, Say: o.Say, Warn: o.Warn,
	}
	if !IsPolicy(file) {
		j := berksfile.Open(file, c, o.Only, o.Except)
		return &Project{job: j, berks: j}, nil
	}
	if len(o.Only)+len(o.Except) > 0 {
		return nil, errors.New("a Policyfile has no groups: --only and --except are for Berksfiles")
	}
	j := policyfile.Open(file, c)
	return &Project{job: j, policy: j}, nil
}

// netrcLogin returns who asks a host: as $NETRC or ~/.netrc names it, without
// regard to a default entry, since requests go to public hosts as well.
func netrcLogin(vars *env.Env) func(host string) (string, secret.Text) {
	read := sync.OnceValue(func() netrc.File {
		path := vars.Get("NETRC")
		if home := vars.Get("HOME"); path == "" && home != "" {
			path = filepath.Join(home, ".netrc")
		}
		f, err := netrc.Read(path)
		if err != nil {
			return nil // as without a file
		}
		return f
	})
	return func(host string) (string, secret.Text) {
		m, _ := read().Find(host)
		return m.Login, m.Password
	}
}

// UpdateOptions say what an update changes.
type UpdateOptions struct {
	// Cookbooks are those that may change, with what they need; none means
	// all.
	Cookbooks []string
	// OnlyThese leaves alone what they need (Policyfile).
	OnlyThese bool
	// Attributes takes over the attributes alone (Policyfile).
	Attributes bool
}

// Update resolves the file again and writes the lock.
func (p *Project) Update(ctx context.Context, o UpdateOptions) (*Summary, error) {
	switch {
	case p.policy == nil && (o.OnlyThese || o.Attributes):
		return nil, errors.New("--attributes and --exclude-deps are for Policyfiles")
	case p.policy == nil:
		return p.berks.Update(ctx, o.Cookbooks)
	case o.Attributes:
		return p.policy.UpdateAttributes(ctx)
	}
	return p.policy.Update(ctx, o.Cookbooks, o.OnlyThese)
}

// ExportOptions say how a policy is exported; see [policyfile.ExportOptions].
type ExportOptions = policyfile.ExportOptions

// Export writes the locked policy into a folder, or an archive in it, in the
// form that `chef-client -z` runs.
func (p *Project) Export(ctx context.Context, dir string, o ExportOptions) (*policyfile.Exported, error) {
	if p.policy == nil {
		return nil, errors.New("only a Policyfile can be exported; vendor the cookbooks of a Berksfile")
	}
	return p.policy.Export(ctx, dir, o)
}

// Push uploads the locked policy and its cookbooks to a Chef Server, and gives
// it to a policy group.
func (p *Project) Push(ctx context.Context, server Server, group string) (*policyfile.Pushed, error) {
	if p.policy == nil {
		return nil, errors.New("only a Policyfile can be pushed")
	}
	return p.policy.Push(ctx, server, group)
}

// PolicyLock reads the lock of a Policyfile.
func (p *Project) PolicyLock() (*policyfile.Lock, error) {
	if p.policy == nil {
		return nil, errors.New("a Berksfile has no policy")
	}
	return p.policy.ReadLock()
}

// Graph returns the locked cookbooks and what they need.
func (p *Project) Graph() (*Graph, error) {
	demands, versions, needs, err := p.job.Graph()
	return &Graph{demands, versions, needs}, err
}
