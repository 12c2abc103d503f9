package berksfile

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// Vendor installs, and copies the cookbooks into a folder, each below its
// name. With remove, everything else in the folder goes.
func (j *Job) Vendor(ctx context.Context, dir string, remove bool) (*source.Summary, error) {
	dir = source.Absolute(j.Dir, dir)
	b, l, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	res, books, err := j.install(ctx, b, l)
	if err != nil || len(books) == 0 {
		return res, err
	}
	var trees []disk.Tree
	for _, b := range books {
		j.Sayf("Vendoring %s (%s) to %s", b.Meta.Name, b.Version, filepath.Join(dir, b.Meta.Name))
		files, err := vendored(b.Dir, dir)
		if err != nil {
			return nil, fmt.Errorf("vendoring the cookbook %s: %w", b.Meta.Name, err)
		}
		trees = append(trees, source.Vendored(b.Meta, b.Dir, files))
	}
	return res, disk.Merge(dir, trees, remove)
}

// vendored are the files of a cookbook as Berkshelf vendors them: all but what
// the chefignore names and what git and Subversion keep for themselves. target
// is not entered.
func vendored(dir, target string) (out []string, err error) {
	ignore, err := cookbook.FindIgnore(dir, "chefignore", "cookbooks/chefignore", ".chef/chefignore")
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == ".svn" || file == target {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || ignore.Has(rel) || d.Name() == ".git" ||
			d.Name() == ".svn" {
			return nil //nolint:nilerr // a broken link is left out
		}
		out = append(out, rel)
		return nil
	})
	return out, err
}

// Outdated lists the locked cookbooks that have newer versions. It needs a
// lock that fits the Berksfile, and the cookbooks installed.
func (j *Job) Outdated(ctx context.Context) ([]source.Newer, error) {
	b, l, err := j.open(ctx)
	if err == nil {
		err = l.mustBePresent()
	}
	if err != nil {
		return nil, err
	}
	trusted, err := l.trusted(ctx, b)
	if err != nil {
		return nil, err
	}
	if !trusted {
		return nil, &source.Problem{
			Msg:    fmt.Sprintf("the lock %s does not fit the Berksfile", j.lock),
			Advice: "run `galley deps install`",
		}
	}
	i := &installer{job: j, file: b, lock: l}
	locks := l.locks(b)
	for _, d := range locks {
		have, err := d.cached(ctx)
		if err != nil {
			return nil, err
		}
		if have == nil {
			return nil, &source.Problem{
				Msg:    fmt.Sprintf("the cookbook %s is not installed", d),
				Advice: "run `galley deps install`",
			}
		}
	}
	if err := i.load(ctx); err != nil {
		return nil, err
	}
	out := []source.Newer{}
	for _, d := range locks {
		if d.place != nil {
			continue
		}
		n, err := source.FindNewer(b.sources, d.name, d.locked.String(), d.constraint.Allows)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out = append(out, *n)
		}
	}
	return out, nil
}

// Graph returns what the Berksfile asks for, the locked version of each
// cookbook, and its dependencies.
func (j *Job) Graph() (roots []solver.Requirement, versions map[string]string, needs map[string][]solver.Requirement, err error) {
	l, err := j.readLock()
	if err == nil {
		err = l.mustBePresent()
	}
	if err != nil {
		return nil, nil, nil, err
	}
	versions, needs = map[string]string{}, map[string][]solver.Requirement{}
	for _, name := range sortedKeys(l.dependencies) {
		roots = append(roots, solver.Requirement{Name: name, Constraint: l.dependencies[name].constraint})
	}
	for name, i := range l.graph {
		versions[name] = i.version.String()
		for _, n := range sortedKeys(i.needs) {
			c, err := version.ParseConstraint(i.needs[n])
			if err != nil {
				return nil, nil, nil, err
			}
			needs[name] = append(needs[name], solver.Requirement{Name: n, Constraint: c})
		}
	}
	return roots, versions, needs, nil
}
