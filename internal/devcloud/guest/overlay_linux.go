package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// layerName is the name of the layer for a directory of the host.
func layerName(real string) string {
	return strings.ReplaceAll(strings.Trim(strings.ReplaceAll(real, "_", "__"), "/"), "/", "_")
}

// overlay mounts a copy-on-write view of a directory, with the layer of that
// name.
func (b *builder) overlay(name, real, dest string) error {
	if b.o.Limits.NoDiskLayers && b.fs.store == nil {
		return unix.EINVAL
	}
	layer := filepath.Join(layersName, name)
	upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
	if err := os.MkdirAll(layer, 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(upper); errors.Is(err, fs.ErrNotExist) {
		// Prepared aside, so that a guest killed in the middle starts over.
		fresh := filepath.Join(layer, "fresh")
		_ = os.RemoveAll(fresh)
		if err := b.prepare(real, fresh); err != nil {
			return err
		}
		if err := os.Rename(fresh, upper); err != nil {
			return err
		}
	}
	// "volatile" leaves a mark in the work directory against being used again
	// after a crash of the host; which does not concern a guest.
	_ = os.Chmod(filepath.Join(work, "work"), 0o700)
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	options := "lowerdir=" + escapeOverlay(real) + ",upperdir=" + upper + ",workdir=" + work
	if b.userXattr {
		options += ",userxattr"
	}
	err := unix.Mount("overlay", dest, "overlay", 0, options+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", dest, "overlay", 0, options) // a kernel before 5.10
	}
	return err
}

func escapeOverlay(p string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`).Replace(p)
}

// prepare makes the first upper layer of a directory: what hides the host's
// secrets, and, where there is one user ID only, what makes its directories
// writable.
func (b *builder) prepare(real, upper string) error {
	if err := os.Mkdir(upper, 0o700); err != nil {
		return err
	}
	if err := copyAttributes(real, upper); err != nil {
		return err
	}
	if b.fs.single {
		if err := b.own(real, upper); err != nil {
			return err
		}
	}
	for _, h := range emptied {
		rel, ok := strings.CutPrefix(h, real+"/")
		if st, err := os.Lstat(h); !ok || err != nil || !st.IsDir() {
			continue
		}
		if err := b.mkdirIn(upper, real, rel); err != nil {
			return err
		}
		if err := b.setOpaque(filepath.Join(upper, rel)); err != nil {
			return fmt.Errorf("hiding %s: %w", h, err)
		}
	}
	for _, h := range b.hidden {
		rel, ok := strings.CutPrefix(h, real+"/")
		if _, err := os.Lstat(h); !ok || err != nil || b.isHidden(filepath.Dir(h)) {
			continue
		}
		if err := b.mkdirIn(upper, real, filepath.Dir(rel)); err != nil {
			return err
		}
		p := filepath.Join(upper, rel)
		_ = os.RemoveAll(p)
		if err := unix.Mknod(p, unix.S_IFCHR, 0); err != nil { // a whiteout
			return fmt.Errorf("hiding %s: %w", h, err)
		}
	}
	return nil
}

func (b *builder) setOpaque(p string) error {
	name := "trusted.overlay.opaque"
	if b.userXattr {
		name = "user.overlay.opaque"
	}
	return unix.Setxattr(p, name, []byte("y"), 0)
}

// own makes directories in the upper layer, to a depth where guests write.
// A directory in the upper layer belongs to the guest; one that only the host
// has belongs to a user missing in the namespace. So do files: the
// upper ones of /etc are copied, so that they can be written to.
func (b *builder) own(real, upper string) error {
	depth := map[string]int{"/etc": 2, "/var": 2, "/opt": 1, "/usr": 1}[real]
	if depth == 0 {
		return nil
	}
	err := b.ownLevel(real, upper, depth, map[string]int{"/etc": 2}[real])
	if st, e := os.Lstat("/usr/local"); real == "/usr" && err == nil && e == nil && st.IsDir() {
		err = b.ownLevel("/usr/local", filepath.Join(upper, "local"), 2, 0)
	}
	return err
}

// ownLevel does so to a depth for directories, and to another for files.
func (b *builder) ownLevel(real, upper string, depth, files int) error {
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil //nolint:nilerr // not readable for us: it stays as it is
	}
	for _, e := range entries {
		from, to := filepath.Join(real, e.Name()), filepath.Join(upper, e.Name())
		switch {
		case b.isHidden(from):
		case e.IsDir():
			if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if depth > 1 {
				err = b.ownLevel(from, to, depth-1, files-1)
			}
			if err := errors.Join(err, copyAttributes(from, to)); err != nil {
				return err
			}
		case files > 0 && e.Type().IsRegular():
			if err := copyEntry(from, to, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// mkdirIn makes the directory rel and its parents in an upper layer, each with
// the owner and mode that the host's has.
func (b *builder) mkdirIn(upper, real, rel string) error {
	if rel == "." {
		return nil
	}
	done := ""
	for part := range strings.SplitSeq(rel, "/") {
		done = filepath.Join(done, part)
		p := filepath.Join(upper, done)
		if err := os.Mkdir(p, 0o700); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := copyAttributes(filepath.Join(real, done), p); err != nil {
			return err
		}
	}
	return nil
}

// mkdirLike makes the host's directory real below base, with its parents.
func (b *builder) mkdirLike(base, real string) error {
	return b.mkdirIn(base, "/", strings.TrimPrefix(real, "/"))
}

// copyAttributes gives a directory the mode, and where possible the owner, of
// one of the host's.
func copyAttributes(from, to string) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return fmt.Errorf("reading the owner of %s: %w", from, err)
	}
	_ = os.Lchown(to, int(st.Uid), int(st.Gid)) // an owner who is not in the namespace stays ours
	return unix.Chmod(to, st.Mode&0o7777)
}

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

// copyMax is the largest configuration file that is copied for the guest to
// write to.
const copyMax = 1 << 20

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
		if err != nil || st.Size() > copyMax {
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
