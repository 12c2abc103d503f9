package policyfile

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
)

// location is the place of a locked cookbook.
func (c *CookbookLock) location() (*location, error) {
	l, err := newLocation(c.Name, "= "+c.Version, c.options, "the lock")
	if err != nil {
		return nil, fmt.Errorf("the lock: %w", err)
	}
	return l, nil
}

// installLocked installs the cookbooks of a lock.
func (j *Job) installLocked(ctx context.Context, l *Lock) error {
	var installs []func(context.Context) error
	for _, c := range l.Cookbooks {
		place, err := c.location()
		if err != nil {
			return err
		}
		if _, ok := j.Cached(place.place()); ok {
			j.Sayf("Using      %s %s", c.Name, c.Version)
			continue
		}
		j.Sayf("Installing %s %s", c.Name, c.Version)
		installs = append(installs, func(ctx context.Context) error {
			if err := j.install(ctx, place); err != nil {
				return err
			}
			return j.compare(c, place.Dir)
		})
	}
	return j.InstallAll(ctx, installs)
}

// compare warns of a cookbook that came with another content than locked.
// Export and push refuse it, so that it reaches no machine.
func (j *Job) compare(c *CookbookLock, dir string) error {
	if c.Local {
		return nil
	}
	id, err := cookbook.Identify(dir)
	if err != nil {
		return err
	}
	if id != c.Identifier {
		j.Warnf("%v", c.modified(dir, id))
	}
	return nil
}

// modified is the error of a cookbook whose files are not those locked.
func (c *CookbookLock) modified(dir string, found cookbook.Identifier) error {
	return &source.Problem{
		Msg: fmt.Sprintf("the cookbook %s %s is not the one that was locked: its files have the identifier %s, and the lock says %s (%s)",
			c.Name, c.Version, found, c.Identifier, dir),
		Advice: "the source has replaced the version, or the copy in the cache was changed: remove " + dir + " and install again, or update the lock with `galley deps update`",
	}
}

// dirOf is the folder of a locked cookbook, which must be here.
func (j *Job) dirOf(c *CookbookLock) (string, error) {
	if c.Local {
		dir := j.absolute(c.Source)
		if _, err := os.Stat(dir); err != nil {
			return "", fmt.Errorf("the cookbook %s is not at its path %s", c.Name, c.Source)
		}
		return dir, nil
	}
	place, err := c.location()
	if err != nil {
		return "", err
	}
	dir, ok := j.Cached(place.place())
	if !ok {
		return "", &source.Problem{
			Msg:    fmt.Sprintf("the cookbook %s %s of the lock is not in the cache", c.Name, c.Version),
			Advice: "run `galley deps install` first",
		}
	}
	return dir, nil
}

// present is a locked cookbook, which must be here under its name.
func (j *Job) present(ctx context.Context, c *CookbookLock) (*content, error) {
	dir, err := j.dirOf(c)
	if err != nil {
		return nil, err
	}
	m, err := j.Read(ctx, dir)
	if err != nil {
		return nil, err
	}
	if m.Name != c.Name {
		return nil, source.Mismatch(source.Wanted{Name: c.Name}, dir, m)
	}
	files, err := cookbook.Files(dir)
	return &content{c, dir, m, files}, err
}

// refresh brings the lock up to date with the local cookbooks, as an export
// needs it, and sees that the others are those locked. The result is what the
// cookbooks hold, in the order of the lock.
func (j *Job) refresh(ctx context.Context, l *Lock) ([]*content, error) {
	var out, updated []*content
	for _, c := range l.Cookbooks {
		b, err := j.present(ctx, c)
		if err != nil {
			return nil, err
		}
		id, err := cookbook.Identify(b.dir)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		if !c.Local {
			if id != c.Identifier {
				return nil, c.modified(b.dir, id)
			}
			continue
		}
		if id != c.Identifier || b.meta.Version != c.Version {
			updated = append(updated, b)
		}
		c.Identifier, c.dotted, c.Version = id, id.Dotted(), b.meta.Version
		if err := j.describe(ctx, c); err != nil {
			return nil, err
		}
	}
	return out, l.update(updated)
}

// content is a locked cookbook on this machine.
type content struct {
	lock *CookbookLock
	dir  string
	meta *cookbook.Metadata
	// files are listed before anything is written, since an export may go into
	// a folder of the cookbook.
	files []string
}

// update takes over what local cookbooks need now.
func (l *Lock) update(updated []*content) error {
	for _, b := range updated {
		needs, err := source.Requirements(b.meta.Dependencies)
		if err != nil {
			return err
		}
		l.deps.replace(b.lock.Name, b.lock.Version, needs)
	}
	for _, b := range updated {
		if conflicts := l.deps.conflicts(b.lock.Name); len(conflicts) > 0 {
			return &source.Problem{
				Msg:    fmt.Sprintf("the cookbook %s %s no longer fits the lock: %s", b.lock.Name, b.lock.Version, strings.Join(conflicts, "; ")),
				Advice: "run `galley deps update`",
			}
		}
	}
	return nil
}

// Graph returns what the Policyfile asks for, which are the cookbooks that no
// other one needs and those of the run lists; the version of each cookbook; and
// its dependencies.
func (j *Job) Graph() (roots []solver.Requirement, versions map[string]string, needs map[string][]solver.Requirement, err error) {
	l, err := j.ReadLock()
	if err != nil {
		return nil, nil, nil, err
	}
	versions, needs = map[string]string{}, map[string][]solver.Requirement{}
	wanted := map[string]bool{}
	for _, item := range l.RunList {
		wanted[cookbookOf(plainItems([]string{item})[0])] = true
	}
	for _, n := range l.named {
		for _, item := range plainItems(n.items) {
			wanted[cookbookOf(item)] = true
		}
	}
	needed := map[string]bool{}
	for _, b := range l.deps.books {
		versions[b.name], needs[b.name] = b.version, b.needs
		for _, r := range b.needs {
			needed[r.Name] = true
		}
	}
	for _, r := range l.deps.sortedDemands() {
		if wanted[r.Name] || !needed[r.Name] {
			roots = append(roots, r)
		}
	}
	return roots, versions, needs, nil
}
