package state

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile replaces the file at path with data, readable by the user alone,
// and makes missing directories (0700). It is atomic, and the data is on disk
// when it returns.
func WriteFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the directory of %s: %w", path, err)
	}
	if err := replace(path, data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// Sweep removes what a process that was killed in the middle of writing the
// file at path has left beside it. Nobody may be writing it meanwhile.
func Sweep(path string) {
	dir, base := filepath.Split(path)
	list, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), "."+base) {
			_ = os.Remove(filepath.Join(dir, e.Name())) // The next sweep tries again.
		}
	}
}

// Remove deletes the file at path; that there is none is no error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
