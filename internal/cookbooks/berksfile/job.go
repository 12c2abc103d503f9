package berksfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// Job is work on one Berksfile and its lock.
type Job struct {
	*source.Context
	file, lock   string
	only, except []string
	// sources names the sources of the Berksfile, for what the cache remembers
	// of them.
	sources string
}

// Open makes a job of a Berksfile. only and except choose groups; one of them
// is empty.
func Open(file string, c *source.Context, only, except []string) *Job {
	file = source.Absolute(c.Dir, file)
	return &Job{Context: c, file: file, lock: file + ".lock", only: only, except: except}
}

// File is the absolute path of the Berksfile.
func (j *Job) File() string { return j.file }

// LockFile is the absolute path of its lock.
func (j *Job) LockFile() string { return j.lock }

func (j *Job) root() string { return filepath.Dir(j.file) }

// Install installs the cookbooks of the Berksfile, at the versions of the lock
// where that fits, and writes the lock.
func (j *Job) Install(ctx context.Context) (*source.Summary, error) {
	b, l, err := j.open(ctx)
	if err != nil {
		return nil, err
	}
	res, _, err := j.install(ctx, b, l)
	return res, err
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
func (j *Job) Update(ctx context.Context, names []string) (*source.Summary, error) {
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
	res, _, err := j.install(ctx, b, l)
	return res, err
}

func (l *lockfile) mustBePresent() error {
	if l.present {
		return nil
	}
	return source.NoLock(l.job.lock)
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
	return disk.WriteFile(l.job.lock, []byte(l.text()))
}

// fromCache returns a cookbook's version that was fetched from the sources of
// the Berksfile before, nil where it was not.
func (j *Job) fromCache(ctx context.Context, name string, v version.Version) (*source.Book, error) {
	data, err := os.ReadFile(j.noteFile(name, v))
	if err != nil {
		return nil, nil //nolint:nilerr // it is not there
	}
	dir, ok := j.Cache.Lookup(strings.TrimSpace(string(data)))
	if !ok {
		return nil, nil
	}
	return j.Book(ctx, dir)
}

// noteFile is the file that says under which key the cache has a cookbook's
// version, as the sources of this Berksfile have it.
func (j *Job) noteFile(name string, v version.Version) string {
	return j.Cache.File("berks", strings.Join([]string{j.sources, name, v.String()}, "\n"), ".txt")
}
