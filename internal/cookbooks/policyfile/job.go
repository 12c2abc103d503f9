package policyfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// Options are what a job works with.
type Options = source.Options

// Job is work on one Policyfile and its lock.
type Job struct {
	o          Options
	file, lock string
	fromLock   bool // only the lock was named
	trees      map[string]*jsonorder.Object
}

// Open makes a job of a Policyfile, which ends in .rb, or of a lock, which
// ends in .lock.json.
func Open(file string, o Options) (*Job, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(o.Dir, file)
	}
	j := &Job{o: o, trees: map[string]*jsonorder.Object{}}
	if base, ok := strings.CutSuffix(file, ".lock.json"); ok {
		j.file, j.lock, j.fromLock = base+".rb", file, true
		return j, nil
	}
	base, ok := strings.CutSuffix(file, ".rb")
	if !ok {
		return nil, fmt.Errorf(
			"%s is not the name of a Policyfile, which ends in .rb, or of a lock, which ends in .lock.json",
			file)
	}
	j.file, j.lock = file, base+".lock.json"
	return j, nil
}

// File is the absolute path of the Policyfile.
func (j *Job) File() string { return j.file }

// LockFile is the absolute path of its lock.
func (j *Job) LockFile() string { return j.lock }

// root is the folder to which paths in the Policyfile refer.
func (j *Job) root() string { return filepath.Dir(j.file) }

func (j *Job) absolute(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(j.root(), p)
}

// missing is the error of a Policyfile that is not there, and missingLock that
// of its lock.
func (j *Job) missing() error {
	return &source.Problem{
		Msg: "the Policyfile " + j.file + " does not exist", Advice: "name the Policyfile, or go to the folder that has it", Err: fs.ErrNotExist,
	}
}

func (j *Job) missingLock() error {
	return &source.Problem{Msg: "the lock " + j.lock + " does not exist", Advice: "make it with `galley deps install`", Err: fs.ErrNotExist}
}

// ReadLock reads the lock of the job.
func (j *Job) ReadLock() (*Lock, error) {
	data, err := os.ReadFile(j.lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, j.missingLock()
	}
	if err != nil {
		return nil, err
	}
	return ParseLock(data, j.lock)
}

// Result is what a job has done.
type Result struct {
	Lock *Lock
	// Changed says that the lock was written with another content.
	Changed bool
}

// write replaces the lock.
func (j *Job) write(l *Lock) (*Result, error) {
	data := l.Marshal()
	old, err := os.ReadFile(j.lock)
	if err == nil && string(old) == string(data) {
		return &Result{Lock: l}, nil
	}
	if err := disk.WriteFile(j.lock, data, 0o644); err != nil {
		return nil, err
	}
	return &Result{Lock: l, Changed: true}, nil
}

// Install installs the cookbooks of the lock; where there is none, it resolves
// the Policyfile and writes one.
func (j *Job) Install(ctx context.Context) (*Result, error) {
	_, err := os.Stat(j.lock)
	locked := err == nil
	if j.fromLock && !locked {
		return nil, j.missingLock()
	}
	if _, err := os.Stat(j.file); err != nil && !j.fromLock {
		return nil, j.missing()
	}
	if !locked {
		return j.generate(ctx, nil)
	}
	l, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	j.o.Sayf("Installing cookbooks from lock")
	return &Result{Lock: l}, j.installLocked(ctx, l)
}

// Update resolves the Policyfile again and writes the lock. With names, only
// these cookbooks and what they need may change, or these alone with
// onlyThese. Without a lock it is Install.
func (j *Job) Update(ctx context.Context, names []string, onlyThese bool) (*Result, error) {
	if _, err := os.Stat(j.file); err != nil {
		return nil, j.missing()
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
				j.o.Warnf("the lock has no cookbook %s", n)
			}
		}
	} else if free, err = old.deps.closure(names); err != nil {
		return nil, err
	}
	j.o.Sayf("Updating %s", strings.Join(free, ", "))
	return j.generate(ctx, func(p *policy) error { return pin(p, old, free) })
}

// pin holds every locked cookbook but the free ones at its version and place.
func pin(p *policy, old *Lock, free []string) error {
	isFree := map[string]bool{}
	for _, n := range free {
		isFree[n] = true
	}
	for _, c := range old.Cookbooks {
		if isFree[c.Name] {
			continue
		}
		v, err := version.Parse(c.Version)
		if err != nil {
			return fmt.Errorf("the lock of the cookbook %s: %w", c.Name, err)
		}
		l, err := newLocation(c.Name, version.Exactly(v).String(), c.options, "the lock")
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
func (j *Job) UpdateAttributes(ctx context.Context) (*Result, error) {
	if _, err := os.Stat(j.file); err != nil {
		return nil, j.missing()
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
		j.o.Sayf("Attributes already up to date")
		return &Result{Lock: l}, nil
	}
	if !jsonorder.Equal(p.defaults, l.defaults) {
		l.defaults = p.defaults
	}
	if !jsonorder.Equal(p.overrides, l.overrides) {
		l.overrides = p.overrides
	}
	for _, c := range l.Cookbooks {
		if err := j.validate(ctx, c); err != nil {
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
func (j *Job) generate(ctx context.Context, change func(*policy) error) (*Result, error) {
	p, err := j.compile(ctx)
	if err == nil && change != nil {
		err = change(p)
	}
	if err != nil {
		return nil, err
	}
	if p.name == "" {
		return nil, &Error{File: j.file, Problems: []string{"the policy has no name: write `name 'NAME'`"}}
	}
	j.o.Sayf("Building policy %s", p.name)
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
	j.o.Sayf("Lockfile written to %s", j.lock)
	j.o.Sayf("Policy revision id: %s", l.RevisionID())
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
			add(name, version.Exactly(l.version), l.origin)
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
