package runlog

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/galleyhq/galley/kitchen"
)

const (
	// fileLimit is the size at which a file is put aside and another begun.
	fileLimit = 8 << 20
	// generations is how many files that were put aside are kept, as
	// NAME.ndjson.1, the latest, and so on. With the current one they bound
	// what an instance's log takes to 24 MiB.
	generations = 2
)

// Files is a sink that appends records to the file of their instance, and
// those that show how a run goes on to the common file too (Test Kitchen).
// A file is touched only when there is something to write into it.
type Files struct {
	path  func(instance string) string
	lock  string
	limit int64

	mu    sync.Mutex
	files map[string]*appender
	err   error
}

// NewFiles returns a sink for the files that path names, "" being the common
// one. The file named lock lets one process at a time put a full file aside.
func NewFiles(path func(instance string) string, lock string) *Files {
	return &Files{path: path, lock: lock, limit: fileLimit, files: map[string]*appender{}}
}

// Add writes rec. A log that cannot be written does not stop the run; Close
// tells.
func (f *Files) Add(rec Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write(rec.Instance, rec)
	if rec.Instance == "" {
		return
	}
	switch rec.Kind() {
	case kitchen.StepStarted, kitchen.StepFinished, kitchen.StepFailed, kitchen.Banner, kitchen.Skipped:
		f.write("", rec)
	}
}

func (f *Files) write(instance string, rec Record) {
	a := f.files[instance]
	if a == nil {
		a = &appender{path: f.path(instance), lock: f.lock, limit: f.limit}
		f.files[instance] = a
	}
	a.sequence++
	rec.Sequence = a.sequence
	line, err := rec.encode()
	if err == nil {
		err = a.write(line)
	}
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("writing the log %s: %w", a.path, err)
	}
}

// Close closes the files and returns the first failure to write one.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.files {
		if err := a.close(); err != nil && f.err == nil {
			f.err = err
		}
	}
	return f.err
}

// appender is one open file.
type appender struct {
	path, lock string
	limit      int64
	sequence   int
	f          *os.File
	info       os.FileInfo // which file f is
}

// write appends a line in one go, so that what other processes write at the
// same time stays apart from it.
func (a *appender) write(line []byte) error {
	info, err := os.Stat(a.path)
	if err == nil && info.Size()+int64(len(line)) > a.limit {
		a.putAside()
		info, err = os.Stat(a.path)
	}
	if a.f != nil && (err != nil || !os.SameFile(a.info, info)) {
		// Another process has put it aside, or somebody has removed it.
		_ = a.close()
	}
	if a.f == nil {
		if err := a.open(); err != nil {
			return err
		}
	}
	_, err = a.f.Write(line)
	return err
}

func (a *appender) open() error {
	if err := os.MkdirAll(filepath.Dir(a.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(a.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	a.f, a.info = f, info
	if !endsWithLine(f) {
		_, err = f.Write([]byte("\n"))
	}
	return err
}

// endsWithLine reports whether the next record begins a new line: whoever wrote
// last may have been cut short. Another process that is writing has a moment to
// end its line.
func endsWithLine(f *os.File) bool {
	for try := 0; ; try++ {
		info, err := f.Stat()
		if err != nil || info.Size() == 0 {
			return true
		}
		var last [1]byte
		if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
			return true
		}
		if try == 10 {
			return false
		}
		time.Sleep(time.Millisecond)
	}
}

func (a *appender) close() error {
	if a.f == nil {
		return nil
	}
	err := a.f.Close()
	a.f = nil
	return err
}

// putAside renames the full file. When another process is at it, or it cannot
// be done, the file is appended to, which loses nothing.
func (a *appender) putAside() {
	if err := os.MkdirAll(filepath.Dir(a.lock), 0o700); err != nil {
		return
	}
	l := flock.New(a.lock, flock.SetPermissions(0o600))
	if got, err := l.TryLock(); err != nil || !got {
		return
	}
	defer func() { _ = l.Unlock() }()
	if info, err := os.Stat(a.path); err != nil || info.Size() < a.limit/2 {
		return // it has been done in the meantime
	}
	_ = a.close() // Windows renames no open file
	for n := generations - 1; n > 0; n-- {
		_ = os.Rename(generation(a.path, n), generation(a.path, n+1))
	}
	_ = os.Rename(a.path, generation(a.path, 1))
}

// generation returns the name of the nth file that was put aside, 0 being the
// current one.
func generation(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}
