package guest

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// descend grafts the children of a directory that cannot be grafted whole.
func (b *builder) descend(real string) error {
	entries, err := os.ReadDir(real)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(real, e.Name()), filepath.Join(diskName, real, e.Name())
		if slices.Contains(b.hidden, from) {
			continue
		}
		switch {
		case slices.Contains(emptied, from):
			err = b.mkdirLike(diskName, from)
		case e.IsDir():
			if err = b.graft(from); err != nil && b.mounted > 0 {
				b.note("%s is not there: %v", from, err)
				err = nil
			}
		default:
			err = copyEntry(from, to, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyEntry copies a file or link that can be read, and passes over one that
// cannot or that is there.
func copyEntry(from, to string, e fs.DirEntry) error {
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	switch {
	case e.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile
		}
		return os.Symlink(target, to)
	case e.Type().IsRegular():
		st, err := e.Info()
		if err != nil || st.Size() > 16*ownFileMax {
			return nil //nolint:nilerr // gone meanwhile
		}
		data, err := os.ReadFile(from)
		if err != nil {
			return nil //nolint:nilerr // not for us to read
		}
		return os.WriteFile(to, data, st.Mode().Perm())
	}
	return nil
}
