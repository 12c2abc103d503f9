package policyfile

import (
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
	var data *jsonorder.Object
	var err error
	switch i.kind() {
	case "path":
		data, err = j.includedPath(i)
	case "remote":
		data, err = j.includedRemote(ctx, i)
	case "server":
		data, err = j.includedServer(ctx, i)
	default:
		data, err = j.includedGit(ctx, i)
	}
	if err == nil {
		i.revision = data.String("revision_id")
		i.lock, err = lockFrom(data)
	}
	if err != nil {
		return fmt.Errorf("the included policy %s (%s): %w", i.name, i.origin, err)
	}
	return nil
}

// checkRevision compares the revision with the one that was asked for, whole
// or by its first ten characters.
func (i *include) checkRevision(data *jsonorder.Object) error {
	want, have := i.options.String("policy_revision_id"), data.String("revision_id")
	if want == "" || want == have || len(have) >= 10 && want == have[:10] {
		return nil
	}
	return fmt.Errorf("its revision is %s, and %s was asked for", have, want)
}

// eachOptions calls fn for the source options of each cookbook of a lock.
func eachOptions(data *jsonorder.Object, fn func(name string, lock, opts *jsonorder.Object) error) error {
	books := data.Object("cookbook_locks")
	for _, name := range books.Keys() {
		lock := books.Object(name)
		opts := lock.Object("source_options")
		if opts == nil {
			return fmt.Errorf("the lock of the cookbook %s has no source_options", name)
		}
		if err := fn(name, lock, opts); err != nil {
			return err
		}
	}
	return nil
}

func (j *Job) includedPath(i *include) (*jsonorder.Object, error) {
	i.forLock = i.options
	file := j.absolute(i.options.String("path"))
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, i.name+".lock.json")
	}
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("the lock %s does not exist; if it has another name, give that as part of the path",
			file)
	}
	if err != nil {
		return nil, err
	}
	data, err := jsonorder.ParseObject(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := i.checkRevision(data); err != nil {
		return nil, err
	}
	// Paths in the lock are relative to it; here they are relative to ours.
	return data, eachOptions(data, func(_ string, _, opts *jsonorder.Object) error {
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
	})
}

// maxLock bounds a lock that comes over the network.
const maxLock = 16 << 20

func (j *Job) includedRemote(ctx context.Context, i *include) (*jsonorder.Object, error) {
	i.forLock = i.options
	var data *jsonorder.Object
	req := web.Request{What: "the lock of the policy " + i.name, URL: i.options.String("remote")}
	err := j.Web.Get(ctx, req, func(resp *http.Response) error {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxLock))
		if err == nil {
			data, err = jsonorder.ParseObject(text)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := i.checkRevision(data); err != nil {
		return nil, err
	}
	return data, eachOptions(data, func(name string, _, opts *jsonorder.Object) error {
		if p := opts.String("path"); p != "" {
			return fmt.Errorf("its cookbook %s is from the path %s, which is on another machine", name, p)
		}
		return nil
	})
}

func (j *Job) includedServer(ctx context.Context, i *include) (*jsonorder.Object, error) {
	at, o := i.options.String("server"), i.options
	server, err := j.ServerAt(ctx, at)
	if err != nil {
		return nil, err
	}
	object := "policy_groups/" + url.PathEscape(o.String("policy_group")) + "/policies/" + url.PathEscape(o.String("policy_name"))
	where := "in the policy group " + o.String("policy_group")
	if rev := o.String("policy_revision_id"); rev != "" {
		object = "policies/" + url.PathEscape(o.String("policy_name")) + "/revisions/" + url.PathEscape(rev)
		where = "with the revision " + rev
	}
	var raw json.RawMessage
	if err := server.Do(ctx, http.MethodGet, object, nil, &raw); err != nil {
		var n source.NotFounder
		if errors.As(err, &n) && n.NotFound() {
			return nil, fmt.Errorf("%s has no policy %s %s", secret.URL(at), o.String("policy_name"), where)
		}
		return nil, err
	}
	data, err := jsonorder.ParseObject(raw)
	if err != nil {
		return nil, err
	}
	i.forLock = o.Clone()
	i.forLock.Set("policy_revision_id", data.String("revision_id"))
	return data, eachOptions(data, func(_ string, lock, _ *jsonorder.Object) error {
		lock.Set("source_options",
			jsonorder.NewObject(kindServerArtifact, at, "identifier", lock.String("identifier")))
		return nil
	})
}

var upwards = text.Lazy(`^(\.\.?/)+`)

func (j *Job) includedGit(ctx context.Context, i *include) (*jsonorder.Object, error) {
	o := i.options
	file := o.String("path")
	if file == "" {
		file = o.String("rel")
	}
	if file == "" {
		file = "Policyfile.lock.json"
	}
	at := git.NewPlace(o.String, "master")
	text, revision, err := j.Git.Show(ctx, *at, file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	data, err := jsonorder.ParseObject(text)
	if err != nil {
		return nil, fmt.Errorf("%s in the repository: %w", file, err)
	}
	i.forLock = o.Clone()
	i.forLock.Set("revision", revision)
	// Cookbooks from a path are in the same repository.
	return data, eachOptions(data, func(_ string, lock, opts *jsonorder.Object) error {
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
	})
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
