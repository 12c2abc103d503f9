package policyfile

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// Vendor installs, and copies the cookbooks into a folder, each below its
// name, with the metadata compiled. With remove, everything else in the folder
// goes.
func (j *Job) Vendor(ctx context.Context, dir string, remove bool) (*source.Summary, error) {
	res, err := j.Install(ctx)
	if err != nil {
		return nil, err
	}
	l, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	var trees []disk.Tree
	for _, c := range l.Cookbooks {
		b, err := j.present(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("vendoring the cookbook %s: %w", c.Name, err)
		}
		trees = append(trees, source.Vendored(b.meta, b.dir, b.files))
	}
	return res, disk.Merge(source.Absolute(j.Dir, dir), trees, remove)
}

// Outdated lists the locked cookbooks of which the sources of the Policyfile
// have newer versions that the Policyfile and the other cookbooks allow.
func (j *Job) Outdated(ctx context.Context) ([]source.Newer, error) {
	l, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	p, err := j.read(ctx)
	if err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range p.sources {
		g.Go(func() error { return s.Load(gctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := []source.Newer{}
	for _, c := range l.sorted() {
		if o := c.options; o.String(kindPath) != "" || o.String(kindGit) != "" ||
			o.String(kindServerArtifact) != "" {
			continue
		}
		allowed := l.allowed(c.Name, p)
		n, err := source.FindNewer(p.sources, c.Name, c.Version, func(v version.Version) bool {
			return !slices.ContainsFunc(allowed, func(c version.Constraint) bool { return !c.Allows(v) })
		})
		if err != nil {
			return nil, err
		}
		if n != nil {
			out = append(out, *n)
		}
	}
	return out, nil
}

// allowed are the constraints on a cookbook: of its line in the Policyfile and
// of the locked cookbooks that need it.
func (l *Lock) allowed(name string, p *policy) []version.Constraint {
	var out []version.Constraint
	if line := p.find(name); line != nil {
		out = append(out, line.constraint)
	}
	for _, b := range l.deps.books {
		for _, r := range b.needs {
			if r.Name == name {
				out = append(out, r.Constraint)
			}
		}
	}
	return out
}
