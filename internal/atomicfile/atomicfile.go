package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Write replaces the file at path with data and returns once it is on disk.
// The new file has mode, less the umask; the directory must exist.
func Write(path string, data []byte, mode fs.FileMode) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// File is a file that takes its place with Commit. Until then it is a hidden
// file beside it, named "." and the name of what it replaces.
type File struct {
	*os.File
	path string
	done bool
}

// Create begins a replacement of the file at path. The new file has mode,
// less the umask; the directory must exist.
func Create(path string, mode fs.FileMode) (*File, error) {
	dir, base := filepath.Split(path)
	// CreateTemp finds a free name and makes 0600, whatever the umask. Another
	// mode is asked of the system by making the file again under that name.
	f, err := os.CreateTemp(filepath.Clean(dir), "."+base+"-*")
	if err != nil || mode == 0o600 {
		return &File{File: f, path: path}, err
	}
	name := f.Name()
	if err := errors.Join(f.Close(), os.Remove(name)); err != nil {
		return nil, err
	}
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	return &File{File: f, path: path}, err
}

// Commit puts the file in its place and returns once it is on disk.
func (f *File) Commit() error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	f.done = true
	return SyncDir(filepath.Dir(f.path))
}

// Discard removes the file where Commit did not put it in its place.
func (f *File) Discard() {
	if f.done {
		return
	}
	_ = f.Close() // Closed by a Commit that failed later.
	_ = os.Remove(f.Name())
}

// Sweep removes what a process that was killed in the middle of a replacement
// of the file at path has left beside it. Nobody may be writing it meanwhile.
func Sweep(path string) {
	dir, base := filepath.Split(path)
	list, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), "."+base+"-") {
			_ = os.Remove(filepath.Join(dir, e.Name())) // The next sweep tries again.
		}
	}
}

// SyncDir makes the names in a directory durable: a file that was renamed or
// removed stays so after a crash. Windows has no such call, nor have some file
// systems.
func SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	if err = dir.Sync(); errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}
