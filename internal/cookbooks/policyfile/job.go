package policyfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// Job is work on one Policyfile and its lock.
type Job struct {
	*source.Context
	file, lock string
	fromLock   bool // only the lock was named
	trees      map[string]*jsonorder.Object
}

// Open makes a job of a lock, which ends in .lock.json, or of a Policyfile.
func Open(file string, c *source.Context) *Job {
	file = source.Absolute(c.Dir, file)
	base, fromLock := strings.CutSuffix(file, ".lock.json")
	if !fromLock {
		base = strings.TrimSuffix(file, ".rb")
	}
	return &Job{Context: c, file: base + ".rb", lock: base + ".lock.json", fromLock: fromLock, trees: map[string]*jsonorder.Object{}}
}

// File is the absolute path of the Policyfile.
func (j *Job) File() string { return j.file }

// LockFile is the absolute path of its lock.
func (j *Job) LockFile() string { return j.lock }

// root is the folder to which paths in the Policyfile refer.
func (j *Job) root() string { return filepath.Dir(j.file) }

func (j *Job) absolute(p string) string { return source.Absolute(j.root(), p) }

// ReadLock reads the lock of the job.
func (j *Job) ReadLock() (*Lock, error) {
	data, err := os.ReadFile(j.lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, source.NoLock(j.lock)
	}
	if err != nil {
		return nil, err
	}
	return ParseLock(data, j.lock)
}

func (j *Job) summary(l *Lock, changed bool) *source.Summary {
	s := &source.Summary{
		File: j.file, LockFile: j.lock, Changed: changed, Policy: l.Name, RevisionID: l.RevisionID(), Cookbooks: []source.Locked{},
	}
	for _, c := range l.Cookbooks {
		s.Cookbooks = append(s.Cookbooks, source.Locked{Name: c.Name, Version: c.Version})
	}
	return s
}

// write replaces the lock.
func (j *Job) write(l *Lock) (*source.Summary, error) {
	changed, err := disk.WriteFile(j.lock, l.Marshal())
	return j.summary(l, changed), err
}

// Install installs the cookbooks of the lock; where there is none, it resolves
// the Policyfile and writes one.
func (j *Job) Install(ctx context.Context) (*source.Summary, error) {
	if _, err := os.Stat(j.file); err != nil && !j.fromLock {
		return nil, source.NoFile("Policyfile", j.file)
	}
	if _, err := os.Stat(j.lock); err != nil && !j.fromLock {
		return j.generate(ctx, nil)
	}
	l, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	j.Sayf("Installing cookbooks from lock")
	return j.summary(l, false), j.installLocked(ctx, l)
}

// Update resolves the Policyfile again and writes the lock. With names, only
// these cookbooks and what they need may change, or these alone with
// onlyThese. Without a lock it is Install.
func (j *Job) Update(ctx context.Context, names []string, onlyThese bool) (*source.Summary, error) {
	if _, err := os.Stat(j.file); err != nil {
		return nil, source.NoFile("Policyfile", j.file)
	}
	_, err := os.Stat(j.lock)
	if len(names) == 0 || err != nil {
		return j.generate(ctx, nil)
	}
	old, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	free := names
	if onlyThese {
		for _, n := range names {
			if old.Cookbook(n) == nil {
				j.Warnf("the lock has no cookbook %s", n)
			}
		}
	} else if free, err = old.deps.closure(names); err != nil {
		return nil, err
	}
	j.Sayf("Updating %s", strings.Join(free, ", "))
	return j.generate(ctx, func(p *policy) error { return pin(p, old, free) })
}

// pin holds every locked cookbook but the free ones at its version and place.
func pin(p *policy, old *Lock, free []string) error {
	for _, c := range old.Cookbooks {
		if slices.Contains(free, c.Name) {
			continue
		}
		l, err := c.location()
		if err != nil {
			return err
		}
		if have := p.find(c.Name); have != nil {
			*have = *l
		} else {
			p.cookbooks = append(p.cookbooks, l)
		}
	}
	return nil
}

// UpdateAttributes takes the attributes of the Policyfile over into the lock
// and leaves the cookbooks as they are.
func (j *Job) UpdateAttributes(ctx context.Context) (*source.Summary, error) {
	if _, err := os.Stat(j.file); err != nil {
		return nil, source.NoFile("Policyfile", j.file)
	}
	l, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	p, err := j.compile(ctx)
	if err != nil {
		return nil, err
	}
	if jsonorder.Equal(p.defaults, l.defaults) && jsonorder.Equal(p.overrides, l.overrides) {
		j.Sayf("Attributes already up to date")
		return j.summary(l, false), nil
	}
	// What is equal keeps the order of the lock.
	if !jsonorder.Equal(p.defaults, l.defaults) {
		l.defaults = p.defaults
	}
	if !jsonorder.Equal(p.overrides, l.overrides) {
		l.overrides = p.overrides
	}
	for _, c := range l.Cookbooks {
		if _, err := j.present(ctx, c); err != nil {
			return nil, err
		}
		if err := j.describe(ctx, c); err != nil {
			return nil, err
		}
	}
	return j.write(l)
}

// compile reads the Policyfile and the policies that it includes, and merges
// them.
func (j *Job) compile(ctx context.Context) (*policy, error) {
	p, err := j.read(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range p.includes {
		if err := j.load(ctx, i); err != nil {
			return nil, err
		}
	}
	return p, p.mergeIncludes()
}

// generate resolves the Policyfile, installs its cookbooks and writes the
// lock. change, unless nil, alters the policy before.
func (j *Job) generate(ctx context.Context, change func(*policy) error) (*source.Summary, error) {
	p, err := j.compile(ctx)
	if err == nil && change != nil {
		err = change(p)
	}
	if err != nil {
		return nil, err
	}
	if p.name == "" {
		return nil, mistakes(j.file, "the policy has no name: write `name 'NAME'`")
	}
	j.Sayf("Building policy %s", p.name)
	r, err := j.resolve(ctx, p)
	if err != nil {
		return nil, err
	}
	l, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	res, err := j.write(l)
	if err != nil {
		return nil, err
	}
	j.Sayf("Lockfile written to %s", j.lock)
	j.Sayf("Policy revision id: %s", l.RevisionID())
	return res, nil
}

// demands are what the solver has to satisfy, in the order that chef-cli has.
func (r *resolver) demands() []solver.Demand {
	var out []solver.Demand
	add := func(name string, c version.Constraint, origin string) {
		out = append(out, solver.Demand{Requirement: solver.Requirement{Name: name, Constraint: c}, Origin: origin})
	}
	for _, name := range r.demanded {
		l := r.policy.find(name)
		switch {
		case l == nil:
			add(name, version.Any, "the run_list")
		case l.fixed():
			add(name, version.Exactly(l.Version), l.origin)
		default:
			add(name, l.constraint, l.origin)
		}
	}
	for _, i := range r.policy.includes {
		for _, d := range i.lock.deps.sortedDemands() {
			add(d.Name, d.Constraint, "the included policy "+i.name)
		}
	}
	return out
}
