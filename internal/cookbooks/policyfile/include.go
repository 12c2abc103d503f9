package policyfile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// include is an include_policy line: another policy's lock.
type include struct {
	name    string
	options *jsonorder.Object
	origin  string

	lock     *Lock
	revision string // its revision_id
	// forLock are the options that our lock remembers.
	forLock *jsonorder.Object
}

func (r *reader) include(c *ruby.Call, args []any, problem func(error)) error {
	args, opts := options(c, args)
	if len(args) == 0 {
		return c.Raise("ArgumentError", "wrong number of arguments (given 0, expected 1..2)")
	}
	i := &include{name: fmt.Sprint(args[0]), options: opts, origin: fmt.Sprintf("%s:%d", filepath.Base(c.File), c.Line)}
	for _, old := range r.policy.includes {
		if old.name == i.name {
			problem(fmt.Errorf("the policy %s is included twice, as %s (%s) and as %s", i.name,
				inspectOptions(old.options), old.origin, inspectOptions(opts)))
			return nil
		}
	}
	r.policy.includes = append(r.policy.includes, i)
	switch i.kind() {
	case "":
		problem(fmt.Errorf("include_policy %s must say where the lock is: one of path, git, server and remote", i.name))
	case "server":
		if opts.String("policy_name") == "" {
			opts.Set("policy_name", i.name)
		}
		if opts.String("policy_revision_id") == "" && opts.String("policy_group") == "" {
			problem(fmt.Errorf("include_policy %s must give a policy_revision_id or a policy_group", i.name))
		}
	}
	return nil
}

// kind is the option that says where the lock is.
func (i *include) kind() string {
	git := i.options.String("git") != ""
	switch {
	case i.options.String("path") != "" && !git:
		return "path"
	case i.options.String("remote") != "":
		return "remote"
	case i.options.String("server") != "":
		return "server"
	case git:
		return "git"
	}
	return ""
}

// load reads the lock of an included policy.
func (j *Job) load(ctx context.Context, i *include) error {
	read := map[string]func(context.Context, *include) ([]byte, adopt, error){
		"path": j.includedPath, "remote": j.includedRemote, "server": j.includedServer, "git": j.includedGit,
	}[i.kind()]
	i.forLock = i.options.Clone()
	text, adopt, err := read(ctx, i)
	if err == nil {
		err = i.take(text, adopt)
	}
	if err != nil {
		return fmt.Errorf("the included policy %s (%s): %w", i.name, i.origin, err)
	}
	return nil
}

// adopt makes the source options of a cookbook in an included lock ones that
// hold for the policy that includes it.
type adopt func(name string, lock, opts *jsonorder.Object) error

// take reads the text of the lock.
func (i *include) take(text []byte, adopt adopt) error {
	data, err := jsonorder.ParseObject(text)
	if err != nil {
		return err
	}
	i.revision = data.String("revision_id")
	// Whole or by its first ten characters.
	if want, have := i.options.String("policy_revision_id"), i.revision; want != "" && want != have && want != have[:min(10, len(have))] {
		return fmt.Errorf("its revision is %s, and %s was asked for", have, want)
	}
	books := data.Object("cookbook_locks")
	for _, name := range books.Keys() {
		lock := books.Object(name)
		opts := lock.Object("source_options")
		if opts == nil {
			return fmt.Errorf("the lock of the cookbook %s has no source_options", name)
		}
		if err := adopt(name, lock, opts); err != nil {
			return err
		}
	}
	if i.kind() == "server" {
		i.forLock.Set("policy_revision_id", i.revision)
	}
	i.lock, err = lockFrom(data)
	return err
}

func (j *Job) includedPath(_ context.Context, i *include) ([]byte, adopt, error) {
	file := j.absolute(i.options.String("path"))
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, i.name+".lock.json")
	}
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil, fmt.Errorf("the lock %s does not exist; if it has another name, give that as part of the path", file)
	}
	// Paths in the lock are relative to it; here they are relative to ours.
	return text, func(_ string, _, opts *jsonorder.Object) error {
		p := opts.String("path")
		if p == "" || filepath.IsAbs(p) {
			return nil
		}
		rel, err := filepath.Rel(j.root(), filepath.Dir(file))
		if err != nil {
			return err
		}
		opts.Set("path", path.Join(filepath.ToSlash(rel), p))
		return nil
	}, err
}

// maxLock bounds a lock that comes over the network.
const maxLock = 16 << 20

func (j *Job) includedRemote(ctx context.Context, i *include) (text []byte, _ adopt, err error) {
	req := web.Request{What: "the lock of the policy " + i.name, URL: i.options.String("remote")}
	err = j.Web.Get(ctx, req, func(resp *http.Response) (err error) {
		text, err = io.ReadAll(io.LimitReader(resp.Body, maxLock))
		return err
	})
	return text, func(name string, _, opts *jsonorder.Object) error {
		if p := opts.String("path"); p != "" {
			return fmt.Errorf("its cookbook %s is from the path %s, which is on another machine", name, p)
		}
		return nil
	}, err
}

func (j *Job) includedServer(ctx context.Context, i *include) ([]byte, adopt, error) {
	at, o := i.options.String("server"), i.options
	server, err := j.ServerAt(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	object := "policy_groups/" + url.PathEscape(o.String("policy_group")) + "/policies/" + url.PathEscape(o.String("policy_name"))
	where := "in the policy group " + o.String("policy_group")
	if rev := o.String("policy_revision_id"); rev != "" {
		object = "policies/" + url.PathEscape(o.String("policy_name")) + "/revisions/" + url.PathEscape(rev)
		where = "with the revision " + rev
	}
	var raw json.RawMessage
	err = server.Do(ctx, http.MethodGet, object, nil, &raw)
	var n source.NotFounder
	if errors.As(err, &n) && n.NotFound() {
		err = fmt.Errorf("%s has no policy %s %s", secret.URL(at), o.String("policy_name"), where)
	}
	return raw, func(_ string, lock, _ *jsonorder.Object) error {
		lock.Set("source_options", jsonorder.NewObject(kindServerArtifact, at, "identifier", lock.String("identifier")))
		return nil
	}, err
}

var upwards = text.Lazy(`^(\.\.?/)+`)

func (j *Job) includedGit(ctx context.Context, i *include) ([]byte, adopt, error) {
	o := i.options
	file := cmp.Or(o.String("path"), o.String("rel"), "Policyfile.lock.json")
	at := git.NewPlace(o.String, "master")
	text, revision, err := j.Git.Show(ctx, *at, file)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	i.forLock.Set("revision", revision)
	// Cookbooks from a path are in the same repository.
	return text, func(_ string, lock, opts *jsonorder.Object) error {
		p, ok := opts.Get("path")
		if !ok {
			return nil
		}
		git := jsonorder.NewObject("git", at.URL, "revision", revision)
		for key, v := range map[string]string{"branch": at.Branch, "ref": at.Ref} {
			if v != "" {
				git.Set(key, v)
			}
		}
		if rel := upwards().ReplaceAllString(fmt.Sprint(p), ""); rel != "." && rel != "" {
			git.Set("rel", strings.TrimSuffix(rel, "/"))
		}
		lock.Set("source_options", git)
		return nil
	}, nil
}

// includedSource lists the cookbooks of all included policies, each in the
// one version that they lock.
type includedSource struct {
	releases map[string]source.Release
	options  map[string]*jsonorder.Object
}

func newIncludedSource(includes []*include) (*includedSource, error) {
	s := &includedSource{releases: map[string]source.Release{}, options: map[string]*jsonorder.Object{}}
	for _, i := range includes {
		for _, b := range i.lock.deps.books {
			r := source.Release{Name: b.name, Version: b.version}
			for _, n := range b.needs {
				r.Dependencies = append(r.Dependencies,
					cookbook.Dependency{Name: n.Name, Constraint: n.Constraint.String()})
			}
			old, ok := s.releases[b.name]
			if ok &&
				(old.Version != r.Version || fmt.Sprint(old.Dependencies) != fmt.Sprint(r.Dependencies)) {
				return nil, fmt.Errorf(
					"the included policies lock different versions of the cookbook %s: %s and %s", b.name,
					old.Version, r.Version)
			}
			s.releases[b.name] = r
		}
		for _, c := range i.lock.Cookbooks {
			old, ok := s.options[c.Name]
			if ok && !jsonorder.Equal(old, c.options) {
				return nil, fmt.Errorf(
					"the included policies take the cookbook %s from different places: %s and %s", c.Name,
					inspectOptions(old), inspectOptions(c.options))
			}
			s.options[c.Name] = c.options
		}
	}
	return s, nil
}

// String implements [source.Source].
func (s *includedSource) String() string { return "included_policies()" }

// Load implements [source.Source].
func (s *includedSource) Load(context.Context) error { return nil }

// Releases implements [source.Source].
func (s *includedSource) Releases(name string) ([]source.Release, error) {
	if r, ok := s.releases[name]; ok {
		return []source.Release{r}, nil
	}
	return nil, nil
}

// Options implements [source.Source].
func (s *includedSource) Options(r source.Release) (*jsonorder.Object, error) {
	if options := s.options[r.Name]; options != nil {
		return options, nil
	}
	return nil, fmt.Errorf("the included policies do not say where the cookbook %s comes from", r.Name)
}
