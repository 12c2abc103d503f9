package state

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// WriteFile replaces the file at path with data, readable by the user alone,
// and makes missing directories (0700). It is atomic, and the data is on disk
// when it returns.
func WriteFile(path string, data []byte) error {
	return write(path, data, 0o700, 0o600)
}

// WriteResult replaces a file that is meant for others, as a CI server: it is
// readable by whom the umask lets. Else it is as [WriteFile]. Links are
// followed, and other than regular files, as pipes, is written into: it would
// be a bad surprise to find /dev/stdout replaced.
func WriteResult(path string, data []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		return nil
	}
	return write(path, data, 0o777, 0o666)
}

func write(path string, data []byte, dirMode, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return fmt.Errorf("making the directory of %s: %w", path, err)
	}
	if err := atomicfile.Write(path, data, mode); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// Remove deletes the file at path; a missing file is not an error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
