package berksfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// Options are what a job works with.
type Options struct {
	source.Options
	// Only and Except choose groups; one of them is empty.
	Only, Except []string
}

// Job is work on one Berksfile and its lock.
type Job struct {
	o          Options
	file, lock string
	// sources names the sources of the Berksfile, for what the cache remembers
	// of them.
	sources string
}

// Open makes a job of a Berksfile.
func Open(file string, o Options) *Job {
	if !filepath.IsAbs(file) {
		file = filepath.Join(o.Dir, file)
	}
	return &Job{o: o, file: file, lock: file + ".lock"}
}

// File is the absolute path of the Berksfile.
func (j *Job) File() string { return j.file }

// LockFile is the absolute path of its lock.
func (j *Job) LockFile() string { return j.lock }

func (j *Job) root() string { return filepath.Dir(j.file) }

// Cookbook is an installed cookbook.
type Cookbook struct {
	Name, Version string
	// Dir is where it is on this machine.
	Dir  string
	meta *cookbook.Metadata
}

// Result is what a job has done.
type Result struct {
	Cookbooks []Cookbook
	// Changed says that the lock was written with another content.
	Changed bool
}

// Install installs the cookbooks of the Berksfile, at the versions of the lock
// where that fits, and writes the lock.
func (j *Job) Install(ctx context.Context) (*Result, error) {
	b, l, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	return j.install(ctx, b, l)
}

func (j *Job) open(ctx context.Context) (*berksfile, *lockfile, error) {
	b, err := j.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	l, err := j.readLock()
	return b, l, err
}

// Update forgets the locked versions, of all cookbooks or of those named, and
// installs. It needs a lock.
func (j *Job) Update(ctx context.Context, names []string) (*Result, error) {
	b, l, err := j.open(ctx)
	if err == nil {
		err = l.mustBePresent()
	}
	if err == nil {
		err = l.mustHave(names)
	}
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		l.dependencies, l.graph = map[string]*dependency{}, map[string]*item{}
	}
	for _, n := range names {
		l.unlock(n, true)
	}
	return j.install(ctx, b, l)
}

func (l *lockfile) mustBePresent() error {
	if l.present {
		return nil
	}
	return &source.Problem{Msg: "the lock " + l.job.lock + " does not exist", Advice: "make it with `galley deps install`"}
}

func (l *lockfile) mustHave(names []string) error {
	for _, n := range names {
		if l.graph[n] == nil {
			return source.NotLocked("the lock "+l.job.lock, n, l.names())
		}
	}
	return nil
}

// save writes the lock, unless the Berksfile names no cookbook.
func (l *lockfile) save() (changed bool, err error) {
	if len(l.dependencies) == 0 {
		return false, nil
	}
	data := []byte(l.text())
	if old, err := os.ReadFile(l.job.lock); err == nil && string(old) == string(data) {
		return false, nil
	}
	return true, disk.WriteFile(l.job.lock, data, 0o644)
}

// fromCache returns a cookbook's version that was fetched from the sources of
// the Berksfile before, nil where it was not.
func (j *Job) fromCache(ctx context.Context, name string, v version.Version) (*book, error) {
	data, err := os.ReadFile(j.noteFile(name, v))
	if err != nil {
		return nil, nil //nolint:nilerr // it is not there
	}
	dir, ok := j.o.Source.Cache.Lookup(strings.TrimSpace(string(data)))
	if !ok {
		return nil, nil
	}
	return j.readBook(ctx, dir)
}

// noteFile is the file that says under which key the cache has a cookbook's
// version, as the sources of this Berksfile have it.
func (j *Job) noteFile(name string, v version.Version) string {
	return j.o.Source.Cache.File("berks", strings.Join([]string{j.sources, name, v.String()}, "\n"), ".txt")
}
