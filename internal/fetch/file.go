package fetch

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// Endings of the files beside the output while a fetch is under way.
const (
	partEnding    = ".galley-part"
	journalEnding = ".galley-journal"
)

// newMode is that of a file that replaces none; the umask is taken off.
const newMode fs.FileMode = 0o666

// outFile is a file that is being written.
type outFile interface {
	Write(p []byte) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// files are the operations that a fetch needs of the file system; tests use one
// that fails.
type files interface {
	// create opens a file for writing, at its end; it keeps the content if
	// keep is set.
	create(path string, mode fs.FileMode, keep bool) (outFile, error)
	rename(from, to string) error
	remove(path string) error
	// syncDir makes the names in a directory durable, where systems have that.
	syncDir(dir string) error
}

// osFiles are the system's. early starts to write back while the bytes arrive.
type osFiles struct{ early bool }

// osFile starts to write its content back early, so that the fsync at the end
// has little left to do.
type osFile struct {
	*os.File
	early       bool
	at, started int64
}

const writebackStep = 8 << 20

func (f *osFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.at += int64(n)
	if f.early && f.at-f.started >= writebackStep {
		startWriteback(f.File, f.started, f.at-f.started)
		f.started = f.at
	}
	return n, err
}

func (f *osFile) Truncate(size int64) error {
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	_, err := f.Seek(size, 0)
	f.at, f.started = size, min(f.started, size)
	return err
}

func (o osFiles) create(path string, mode fs.FileMode, keep bool) (outFile, error) {
	flags := os.O_RDWR
	if !keep {
		// A new file, not the target of a link of that name.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := openBeside(path, flags, mode)
	if err != nil {
		return nil, err
	}
	if mode != newMode && !keep {
		// As the file that it replaces, whatever the umask.
		if err := f.Chmod(mode); err != nil {
			f.Close()
			return nil, err
		}
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &osFile{File: f, early: o.early, at: end, started: end}, nil
}

var (
	errNotRegular = errors.New("not a regular file: remove it")
	errManyNames  = errors.New("the file has another name too (a hard link): remove it")
)

// openBeside opens a file beside an output: part file, journal, manifest and
// the like. It is the one way to do so: never through a symbolic link, and only
// a regular file that has no other name, since others may have planted one in
// the directory.
func openBeside(path string, flags int, mode fs.FileMode) (*os.File, error) {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	f, err := os.OpenFile(path, flags|noFollow, mode)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	case names(st) > 1 && flags&(os.O_RDWR|os.O_WRONLY) != 0:
		err = &fs.PathError{Op: "open", Path: path, Err: errManyNames}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (osFiles) rename(from, to string) error { return os.Rename(from, to) }
func (osFiles) remove(path string) error     { return os.Remove(path) }
func (osFiles) syncDir(dir string) error     { return atomicfile.SyncDir(dir) }

// diskError explains an error of the output.
func diskError(path string, err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	e := &Error{Kind: KindDisk, Msg: "cannot write " + path, err: err}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e.err = pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		e.err = le.Err
	}
	switch {
	case isFull(err):
		e.err, e.Msg = nil, "cannot write "+path+": the disk is full"
		e.hint = "free some space"
	case errors.Is(err, fs.ErrNotExist):
		e.Msg, e.err = "cannot write "+path+": no directory "+filepath.Dir(path), nil
	case errors.Is(err, syscall.EPIPE):
		e.Msg, e.err = "the reader of the output has closed it", nil
	}
	return e
}

// target resolves a symbolic link, so that the file it points to is replaced
// and not the link, and says whether the path is written to directly: it exists
// and is not a regular file.
func target(path string) (resolved string, direct bool, mode fs.FileMode, err error) {
	if r, err := filepath.EvalSymlinks(path); err == nil {
		path = r
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, false, 0, nil
	case err != nil:
		return path, false, 0, err
	case st.IsDir():
		return path, false, 0, usage("the output %s is a directory", path)
	}
	return path, !st.Mode().IsRegular(), st.Mode().Perm(), nil
}
