package guest

import (
	"errors"
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
			if err = b.graft(from); err != nil {
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

// bare shows a directory without overlayfs: /etc as a copy, /var as empty
// directories, all else as the host's own, read-only.
func (b *builder) bare(real string) error {
	dest := filepath.Join(diskName, real)
	done := filepath.Join(dest, ".copied")
	switch real {
	case "/etc", "/var", "/opt":
		if _, err := os.Lstat(done); err == nil {
			break
		}
		if err := b.copyTree(real, dest, map[string]int{"/etc": 8, "/var": 2, "/opt": 0}[real], real == "/etc"); err != nil {
			return err
		}
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			return err
		}
	default:
		return b.bindReadOnly(real)
	}
	if real == "/opt" {
		entries, _ := os.ReadDir(real)
		for _, e := range entries {
			p := filepath.Join(real, e.Name())
			if e.IsDir() && !b.isHidden(p) {
				if err := os.MkdirAll(filepath.Join(diskName, p), 0o755); err != nil {
					return err
				}
				if err := b.bindReadOnly(p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *builder) copyTree(real, dest string, depth int, files bool) error {
	entries, err := os.ReadDir(real)
	if err != nil || depth == 0 {
		return nil //nolint:nilerr // not for us to read
	}
	for _, e := range entries {
		from, to := filepath.Join(real, e.Name()), filepath.Join(dest, e.Name())
		if slices.Contains(b.hidden, from) {
			continue
		}
		if !e.IsDir() {
			if files || e.Type()&fs.ModeSymlink != 0 {
				if err := copyEntry(from, to, e); err != nil {
					return err
				}
			}
			continue
		}
		if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if !slices.Contains(emptied, from) {
			if err := b.copyTree(from, to, depth-1, files); err != nil {
				return err
			}
		}
		if err := copyAttributes(from, to); err != nil {
			return err
		}
	}
	return nil
}
