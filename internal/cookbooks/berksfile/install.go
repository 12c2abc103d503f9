package berksfile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/cookbooks/web"
)

// install installs what the Berksfile needs and writes the lock (Berkshelf:
// Installer).
func (j *Job) install(ctx context.Context, b *berksfile, l *lockfile) (*source.Summary, []*source.Book, error) {
	if err := l.reduce(ctx, b); err != nil {
		return nil, nil, err
	}
	j.Sayf("Resolving cookbook dependencies...")
	trusted, err := l.trusted(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	i := &installer{job: j, file: b, lock: l}
	var dependencies []*dependency
	if trusted {
		dependencies, err = i.fromLock(ctx)
	} else {
		dependencies, err = i.fromSources(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	res := &source.Summary{File: j.file, LockFile: j.lock, Cookbooks: []source.Locked{}}
	var books []*source.Book
	l.graph, l.dependencies = map[string]*item{}, map[string]*dependency{}
	for _, d := range i.installed {
		m := d.book.Meta
		l.graph[m.Name] = &item{version: d.book.Version, needs: needsOf(m)}
		res.Cookbooks = append(res.Cookbooks, source.Locked{Name: m.Name, Version: d.book.Version.String()})
		books = append(books, d.book)
	}
	for _, d := range dependencies {
		if b.has(d.name) {
			l.dependencies[d.name] = d
		}
	}
	res.Changed, err = l.save()
	return res, books, err
}

// reduce forgets what the Berksfile no longer asks for, and takes over what
// its cookbooks need now.
func (l *lockfile) reduce(ctx context.Context, b *berksfile) error {
	for _, name := range sortedKeys(l.dependencies) {
		if !b.has(name) {
			l.unlock(name, true)
		}
	}
	for _, d := range b.dependencies() {
		graphed := l.graph[d.name]
		if graphed == nil {
			continue
		}
		if !d.constraint.Allows(graphed.version) {
			return &source.Problem{
				Msg: fmt.Sprintf("%s needs %s %s, and the lock has %s", d.line, d.name, d.constraint,
					graphed.version),
				Advice: fmt.Sprintf("run `galley deps update %s %s`", l.job.file, d.name),
			}
		}
		v := graphed.version
		d.locked = &v
		book, err := d.cached(ctx)
		if err != nil {
			return err
		}
		if book != nil {
			graphed.needs = needsOf(book.Meta)
		}
	}
	for again := true; again; {
		again = false
		for _, name := range l.names() {
			if l.graph[name] != nil && l.dependencies[name] == nil && !l.needed(name) {
				l.unlock(name, false)
				again = true
			}
		}
	}
	return nil
}

// trusted says whether the lock answers the Berksfile, so that nothing has to
// be resolved.
func (l *lockfile) trusted(ctx context.Context, b *berksfile) (bool, error) {
	checked := map[string]bool{}
	for _, d := range b.dependencies() {
		locked, graphed := l.dependencies[d.name], l.graph[d.name]
		if locked == nil || graphed == nil {
			return false, nil
		}
		book, err := locked.cached(ctx)
		if err != nil {
			return false, err
		}
		if book != nil {
			for name := range needsOf(book.Meta) {
				if _, ok := graphed.needs[name]; !ok {
					return false, nil
				}
			}
		}
		if !d.place.equal(locked.place) || !d.constraint.Allows(graphed.version) {
			return false, nil
		}
		if ok, err := l.satisfied(d.name, checked); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// satisfied says whether what a cookbook needs is in the graph. Berkshelf
// looks one level deep, and so the lock must be trusted here as there.
func (l *lockfile) satisfied(name string, checked map[string]bool) (bool, error) {
	if checked[name] {
		return true, nil
	}
	i := l.graph[name]
	for _, name := range sortedKeys(i.needs) {
		graphed := l.graph[name]
		if graphed == nil {
			return false, nil
		}
		c, err := version.ParseConstraint(i.needs[name])
		if err != nil || !c.Allows(graphed.version) {
			return false, err
		}
		checked[name] = true
	}
	return true, nil
}

// installer is one installation.
type installer struct {
	job       *Job
	file      *berksfile
	lock      *lockfile
	loaded    bool
	installed []*dependency // sorted by name
}

// fromLock installs what the lock says.
func (i *installer) fromLock(ctx context.Context) ([]*dependency, error) {
	list := i.lock.locks(i.file)
	if err := i.places(ctx, list); err != nil {
		return nil, err
	}
	return list, i.installAll(ctx, list)
}

// places installs the cookbooks that have a place.
func (i *installer) places(ctx context.Context, list []*dependency) error {
	var installs []func(context.Context) error
	for _, d := range list {
		if d.place != nil {
			installs = append(installs, d.install)
		}
	}
	return i.job.InstallAll(ctx, installs)
}

// load fetches the lists of the sources. One that does not answer is left out
// with a warning; one that answers nonsense is an error.
func (i *installer) load(ctx context.Context) error {
	if i.loaded {
		return nil
	}
	i.loaded = true
	if len(i.file.sources) == 0 {
		return i.file.errNoSource()
	}
	failed := make([]error, len(i.file.sources))
	g, gctx := errgroup.WithContext(ctx)
	for n, s := range i.file.sources {
		i.job.Sayf("Fetching cookbook index from %s...", s)
		g.Go(func() error {
			err := s.Load(gctx)
			var w *web.Error
			if errors.As(err, &w) && !w.Broken {
				failed[n] = err
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var left []source.Fetcher
	for n, s := range i.file.sources {
		if failed[n] == nil {
			left = append(left, s)
			continue
		}
		i.job.Warnf("the source %s is left out: %v", s, failed[n])
	}
	if len(left) == 0 {
		return failed[0]
	}
	i.file.sources = left
	return nil
}

// fromSources resolves what the Berksfile asks for.
func (i *installer) fromSources(ctx context.Context) ([]*dependency, error) {
	var list []*dependency
	seen := map[string]bool{}
	for _, d := range append(i.lock.locks(i.file), i.file.dependencies()...) {
		if !seen[d.name] {
			seen[d.name] = true
			list = append(list, d)
		}
	}
	if err := i.places(ctx, list); err != nil {
		return nil, err
	}
	var books []*source.Book
	for _, d := range list {
		if d.place != nil {
			b, err := d.cached(ctx)
			if err != nil {
				return nil, err
			}
			books = append(books, b)
		}
	}
	if !complete(list, books) {
		if err := i.load(ctx); err != nil {
			return nil, err
		}
	}
	graph, err := i.graph(list, books)
	if err != nil {
		return nil, err
	}
	choices, err := solver.Solve(ctx, graph, demands(list), 0)
	if err != nil {
		return nil, err
	}
	var chosen []*dependency
	for _, c := range choices {
		n := slices.IndexFunc(list, func(d *dependency) bool { return d.name == c.Name })
		d := &dependency{job: i.job, name: c.Name, constraint: version.Any, groups: []string{"default"}}
		if n >= 0 {
			d = list[n]
		}
		v := c.Version
		d.locked = &v
		chosen = append(chosen, d)
	}
	sortByName(chosen)
	return list, i.installAll(ctx, chosen)
}

// complete says whether the cookbooks that have a place are all that is needed,
// so that no source has to be asked.
func complete(list []*dependency, books []*source.Book) bool {
	placed := map[string]bool{}
	for _, b := range books {
		placed[b.Meta.Name] = true
	}
	for _, d := range list {
		if !placed[d.name] {
			return false
		}
	}
	for _, b := range books {
		for _, need := range b.Meta.Dependencies {
			if !placed[need.Name] {
				return false
			}
		}
	}
	return true
}

func demands(list []*dependency) []solver.Demand {
	out := make([]solver.Demand, len(list))
	for n, d := range list {
		c, origin := d.constraint, d.line
		if d.locked != nil {
			c = version.Exactly(*d.locked)
		}
		if origin == "" {
			origin = "the lock"
		}
		out[n] = solver.Demand{Requirement: solver.Requirement{Name: d.name, Constraint: c}, Origin: origin}
	}
	return out
}

// graph collects the versions of all cookbooks that may be needed: those that
// have a place, and all that the sources have.
func (i *installer) graph(list []*dependency, books []*source.Book) (*solver.Graph, error) {
	names := make([]string, len(list))
	for n, d := range list {
		names[n] = d.name
	}
	return source.Graph(names, func(name string) (all []source.Release, err error) {
		for _, b := range books {
			if b.Meta.Name == name {
				all = append(all, source.Release{Version: b.Meta.Version, Dependencies: b.Meta.Dependencies})
			}
		}
		if !i.loaded {
			return all, nil // every cookbook has a place
		}
		for _, s := range i.file.sources {
			releases, err := s.Releases(name)
			if err != nil {
				return nil, err
			}
			all = append(all, releases...)
		}
		return all, nil
	})
}

// installAll sees that every cookbook is on this machine.
func (i *installer) installAll(ctx context.Context, list []*dependency) error {
	var missing []*dependency
	for _, d := range list {
		b, err := d.cached(ctx)
		if err != nil {
			return err
		}
		if b == nil {
			missing = append(missing, d)
			continue
		}
		from := ""
		if d.place != nil {
			from = " from " + d.place.String()
		}
		i.job.Sayf("Using %s (%s)%s", d.name, b.Version, from)
	}
	i.installed = slices.Clone(list)
	sortByName(i.installed)
	if len(missing) == 0 {
		return nil
	}
	if err := i.load(ctx); err != nil {
		return err
	}
	var installs []func(context.Context) error
	for _, d := range missing {
		s, r, err := i.find(d)
		if err != nil {
			return err
		}
		i.job.Sayf("Installing %s (%s) from %s", d.name, d.locked, s)
		installs = append(installs, func(ctx context.Context) error { return i.fetch(ctx, d, s, r) })
	}
	return i.job.InstallAll(ctx, installs)
}

// find returns the first source that has the version of a dependency.
func (i *installer) find(d *dependency) (source.Fetcher, source.Release, error) {
	for _, s := range i.file.sources {
		releases, err := s.Releases(d.name)
		if err != nil {
			return nil, source.Release{}, err
		}
		if r, ok := source.Find(releases, *d.locked); ok {
			return s, r, nil
		}
	}
	return nil, source.Release{}, &source.Problem{
		Msg:    fmt.Sprintf("no source has the cookbook %s %s, which the lock names", d.name, d.locked),
		Advice: fmt.Sprintf("run `galley deps update %s %s`, or add the source that has it", i.job.file, d.name),
	}
}

// fetch brings a release into the cache.
func (i *installer) fetch(ctx context.Context, d *dependency, s source.Fetcher, r source.Release) error {
	b, key, err := s.Fetch(ctx, r, source.Wanted{Name: d.name, Constraint: version.Exactly(*d.locked)})
	if d.book = b; err != nil || key == "" {
		return err
	}
	return i.job.Cache.Write(i.job.noteFile(d.name, *d.locked), []byte(key+"\n"))
}
