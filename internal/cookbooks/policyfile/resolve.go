package policyfile

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// resolver finds the cookbooks of a policy.
type resolver struct {
	job     *Job
	policy  *policy
	sources []*preferred
	loaded  bool
	// demanded are the cookbooks of the run lists and of the cookbook lines.
	demanded []string
	possible map[string]bool // see couldAppear
	releases map[string][]source.Release
	choices  []solver.Choice
	places   map[string]*location
}

// resolve chooses the cookbooks of a policy and installs them.
func (j *Job) resolve(ctx context.Context, p *policy) (*resolver, error) {
	r := &resolver{job: j, policy: p, releases: map[string][]source.Release{}, places: map[string]*location{}}
	if len(p.includes) > 0 {
		included, err := newIncludedSource(p.includes)
		if err != nil {
			return nil, err
		}
		s := &preferred{Source: included}
		for name := range included.releases {
			s.names = append(s.names, name)
		}
		r.sources = append(r.sources, s)
	}
	r.sources = append(r.sources, p.sources...)
	if err := r.installFixed(ctx); err != nil {
		return nil, err
	}
	for _, item := range r.items() {
		r.demand(cookbookOf(item))
	}
	for _, l := range p.cookbooks {
		r.demand(l.name)
	}
	graph, err := r.graph(ctx)
	if err != nil {
		return nil, err
	}
	if r.choices, err = solver.Solve(ctx, graph, r.demands(), 0); err != nil {
		return nil, err
	}
	if err := r.installChosen(ctx); err != nil {
		return nil, err
	}
	return r, r.checkRecipes()
}

func (r *resolver) demand(name string) {
	if !slices.Contains(r.demanded, name) {
		r.demanded = append(r.demanded, name)
	}
}

// items are the entries of all run lists.
func (r *resolver) items() []string {
	out := slices.Clone(r.policy.runList)
	for _, n := range r.policy.named {
		out = append(out, n.items...)
	}
	return out
}

// installFixed installs the cookbooks whose place decides on the version.
func (r *resolver) installFixed(ctx context.Context) error {
	var installs []func(context.Context) error
	for _, l := range r.policy.cookbooks {
		if l.fixed() {
			installs = append(installs, func(ctx context.Context) error { return r.job.install(ctx, l) })
		}
	}
	return r.job.InstallAll(ctx, installs)
}

// graph collects the versions of all cookbooks that may be needed.
func (r *resolver) graph(ctx context.Context) (*solver.Graph, error) {
	var names []string
	for _, d := range r.demands() {
		names = append(names, d.Name)
	}
	return source.Graph(names, func(name string) (list []source.Release, err error) {
		list, err = r.find(ctx, name)
		r.releases[name] = list
		return list, err
	})
}

// find returns the versions of a cookbook: that of its cookbook line where it
// names a place, else those of the source that counts.
func (r *resolver) find(ctx context.Context, name string) ([]source.Release, error) {
	l := r.policy.find(name)
	if l != nil && l.fixed() {
		return []source.Release{{Name: name, Version: l.Meta.Version, Dependencies: l.Meta.Dependencies}}, nil
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	s, err := r.sourceOf(name)
	if err != nil || s == nil {
		return nil, err
	}
	return s.Releases(name)
}

// load fetches the lists of all sources.
func (r *resolver) load(ctx context.Context) error {
	if r.loaded {
		return nil
	}
	r.loaded = true
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range r.sources {
		g.Go(func() error { return s.Load(ctx) })
	}
	return g.Wait()
}

// sourceOf is the source whose versions of a cookbook count, nil where none
// has it.
func (r *resolver) sourceOf(name string) (*preferred, error) {
	var have []*preferred
	for _, s := range r.sources {
		list, err := s.Releases(name)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			have = append(have, s)
		}
	}
	if len(have) == 0 {
		return nil, nil
	}
	for _, s := range have {
		if slices.Contains(s.names, name) {
			return s, nil
		}
	}
	if len(have) == 1 {
		return have[0], nil
	}
	if l := r.policy.find(name); l != nil && l.options.Len() > 0 {
		return nil, nil
	}
	if could, err := r.couldAppear(name); err != nil || !could {
		return nil, err // as for chef-cli, no source has it then
	}
	var names []string
	for _, s := range have {
		names = append(names, s.String())
	}
	return nil, &source.Problem{
		Msg:    fmt.Sprintf("several sources have the cookbook %s: %s", name, strings.Join(names, " and ")),
		Advice: fmt.Sprintf("say which one counts: default_source(…) { |s| s.preferred_for %q }, or give the cookbook a line with a source", name),
	}
}

// couldAppear says whether a cookbook can be reached from the demands within
// one source, constraints disregarded.
func (r *resolver) couldAppear(name string) (bool, error) {
	if r.possible == nil {
		r.possible = map[string]bool{}
		for _, s := range r.sources {
			if err := reach(s, slices.Clone(r.demanded), r.possible); err != nil {
				return false, err
			}
		}
	}
	return r.possible[name], nil
}

// reach adds what can be reached from names in one source.
func reach(s source.Source, todo []string, into map[string]bool) error {
	seen := map[string]bool{}
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[name] {
			continue
		}
		seen[name] = true
		list, err := s.Releases(name)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			into[name] = true
		}
		for _, rel := range list {
			for _, d := range rel.Dependencies {
				todo = append(todo, d.Name)
			}
		}
	}
	return nil
}

// installChosen installs the cookbooks of the solution.
func (r *resolver) installChosen(ctx context.Context) error {
	for _, c := range r.choices {
		l := r.policy.find(c.Name)
		if l == nil || !l.fixed() {
			options, err := r.optionsFor(c)
			if err != nil {
				return err
			}
			if l, err = newLocation(c.Name, version.Exactly(c.Version).String(), options, ""); err != nil {
				return err
			}
		}
		r.places[c.Name] = l
	}
	var installs []func(context.Context) error
	for _, c := range r.choices {
		l := r.places[c.Name]
		if l.Book == nil {
			r.job.Sayf("Installing %s %s", c.Name, c.Version)
			installs = append(installs, func(ctx context.Context) error { return r.job.install(ctx, l) })
		}
	}
	return r.job.InstallAll(ctx, installs)
}

// optionsFor are the source options of a cookbook of the solution.
func (r *resolver) optionsFor(c solver.Choice) (*jsonorder.Object, error) {
	s, err := r.sourceOf(c.Name)
	if err != nil {
		return nil, err
	}
	rel, ok := source.Find(r.releases[c.Name], c.Version)
	if s == nil || !ok {
		return nil, fmt.Errorf("no source has %s %s", c.Name, c.Version)
	}
	return s.Options(rel)
}

// place is where the cookbook is had, but for a path.
func (l *location) place() source.Place {
	o := l.options
	p := source.Place{URL: o.String(l.kind), Artifactory: l.kind == kindArtifactory}
	switch l.kind {
	case kindGit:
		p.Git = git.NewPlace(o.String, "main")
	case kindServer:
		p.Object = "cookbooks/" + l.name + "/" + o.String("version")
	case kindServerArtifact:
		p.Object = "cookbook_artifacts/" + l.name + "/" + o.String("identifier")
	}
	return p
}

// install sees that a cookbook is on this machine, and that it is the one
// wanted.
func (j *Job) install(ctx context.Context, l *location) (err error) {
	want := source.Wanted{Name: l.name, Constraint: l.constraint}
	p := l.place()
	switch l.kind {
	case "":
		return fmt.Errorf("nothing says where the cookbook %s comes from", l.name)
	case kindPath:
		l.Book, err = j.Check(ctx, j.absolute(p.URL), p.URL, want)
		return err
	case kindGit:
		if p.Git.Revision, err = j.Git.Resolve(ctx, *p.Git); err != nil {
			return fmt.Errorf("the cookbook %s: %w", want.Name, err)
		}
		l.revision = p.Git.Revision
	}
	l.Book, err = j.Fetch(ctx, p, want)
	return err
}

// checkRecipes sees that the installed cookbooks have the recipes of the run
// lists.
func (r *resolver) checkRecipes() error {
	var missing []string
	for _, item := range r.items() {
		name, recipe, ok := strings.Cut(item, "::")
		if !ok {
			recipe = "default"
		}
		if l := r.places[name]; l != nil && !cookbook.HasRecipe(l.Dir, recipe) {
			missing = append(missing, fmt.Sprintf("%s::%s (%s %s)", name, recipe, name, l.Version))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &source.Problem{
		Msg:    "the installed cookbooks do not have all recipes of the run lists: " + strings.Join(missing, ", "),
		Advice: "check the spelling of the recipe, or take a version of the cookbook that has it",
	}
}

// lock makes the lock of a resolved policy.
func (r *resolver) lock(ctx context.Context) (*Lock, error) {
	p := r.policy
	l := &Lock{Name: p.name, defaults: p.defaults, overrides: p.overrides}
	for _, item := range p.runList {
		l.RunList = append(l.RunList, normalized(item))
	}
	for _, n := range p.named {
		list := namedList{name: n.name}
		for _, item := range n.items {
			list.items = append(list.items, normalized(item))
		}
		l.named = append(l.named, list)
	}
	for _, i := range p.includes {
		l.included = append(l.included,
			jsonorder.NewObject("name", i.name, "revision_id", i.revision, "source_options", i.forLock))
	}
	l.Cookbooks = make([]*CookbookLock, len(r.choices))
	var g errgroup.Group
	g.SetLimit(source.Parallel)
	for i, c := range r.choices {
		place := r.places[c.Name]
		g.Go(func() (err error) {
			l.Cookbooks[i], err = r.job.lockOf(place)
			return err
		})
		rel, _ := source.Find(r.releases[c.Name], c.Version) // the solver chose it
		needs, err := source.Requirements(rel.Dependencies)
		if err != nil {
			return nil, err
		}
		l.deps.books = append(l.deps.books, bookDependencies{c.Name, c.Version.String(), needs})
		l.deps.policyfile = append(l.deps.policyfile, solver.Requirement{Name: c.Name, Constraint: place.constraint})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, c := range l.Cookbooks {
		if err := r.job.describe(ctx, c); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// lockOf makes the lock of an installed cookbook.
func (j *Job) lockOf(l *location) (*CookbookLock, error) {
	id, err := cookbook.Identify(l.Dir)
	if err != nil {
		return nil, err
	}
	c := &CookbookLock{
		Name:       l.name,
		Version:    l.Meta.Version,
		Identifier: id,
		dotted:     id.Dotted(),
		options:    &jsonorder.Object{},
	}
	place := l.options.String(l.kind)
	c.options.Set(l.kind, place)
	c.origin = place
	switch l.kind {
	case kindPath:
		rel, err := filepath.Rel(j.root(), l.Dir)
		if err != nil {
			return nil, err
		}
		c.Local, c.Source = true, filepath.ToSlash(rel)
		c.options.Set(kindPath, c.Source)
		if v, _ := l.options.Value("metadata").(bool); v {
			c.options.Set("metadata", true)
		}
	case kindGit:
		c.cacheKey = l.name + "-" + l.revision
		c.options.Set("revision", l.revision)
		if ref := l.options.String("ref"); ref != "" {
			c.options.Set("ref", ref[:min(7, len(ref))])
		}
		for _, key := range []string{"branch", "tag", "rel"} {
			if v := l.options.String(key); v != "" {
				c.options.Set(key, v)
			}
		}
	case kindServerArtifact:
		c.cacheKey = l.name + "-" + l.options.String("identifier")
		c.options.Set("identifier", l.options.String("identifier"))
	default:
		c.cacheKey = l.name + "-" + l.options.String("version")
		c.options.Set("version", l.options.String("version"))
		if l.kind != kindServer {
			c.cacheKey += "-" + source.HostOf(place)
		}
	}
	return c, nil
}

// describe notes the state of the work tree that a local cookbook is in.
func (j *Job) describe(ctx context.Context, c *CookbookLock) error {
	if !c.Local {
		return nil
	}
	c.scm = nil
	dir := j.absolute(c.Source)
	top := git.Top(dir)
	if top == "" {
		return nil
	}
	if known, ok := j.trees[top]; ok {
		c.scm = known
		return nil
	}
	w, err := j.Git.Describe(ctx, dir)
	if err != nil {
		return err
	}
	o := jsonorder.NewObject("scm", "git", "remote", nil, "revision", nil, "working_tree_clean", w.Clean,
		"published", len(w.Synchronized) > 0, "synchronized_remote_branches", w.Synchronized)
	if w.Remote != "" {
		o.Set("remote", w.Remote)
	}
	if w.Revision != "" {
		o.Set("revision", w.Revision)
	}
	j.trees[top] = o
	c.scm = o
	return nil
}
