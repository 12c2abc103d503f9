package guest

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Layers that live in memory are saved to a file in the guest's directory at
// an orderly end and read back by the next boot. An archive, since the disk in
// question cannot hold overlayfs's whiteouts and marks as they are.

// memoryStore is where layers in memory are kept over a boot's end.
type memoryStore struct {
	layers *os.File // the directory on the tmpfs
	dir    *os.File // the guest's directory
}

const (
	savedName    = "layers.tar"
	xattrRecord  = "SCHILY.xattr."
	xattrMaxSize = 64 << 10
)

func openMemoryStore() (*memoryStore, error) {
	layers, err := os.Open(layersName)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(".")
	if err != nil {
		_ = layers.Close()
		return nil, err
	}
	return &memoryStore{layers: layers, dir: dir}, nil
}

func (s *memoryStore) close() {
	_ = s.layers.Close()
	_ = s.dir.Close()
}

// inside names a file below a directory that has left the tree of names.
func inside(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

// restoreLayers reads saved layers into the tmpfs, and tells whether there
// were any. The working directory is the guest's.
func restoreLayers() (bool, error) {
	f, err := os.Open(savedName)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	if err := unpackTree(bufio.NewReaderSize(f, 1<<18), layersName); err != nil {
		return false, fmt.Errorf("restoring what the guest had changed: %w", err)
	}
	return true, nil
}

// save writes the layers to the guest's directory.
func (s *memoryStore) save() error {
	tmp := inside(s.dir, "."+savedName)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(f, 1<<18)
	err = packTree(buf, inside(s.layers, "."))
	if err == nil {
		err = buf.Flush()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return os.Rename(tmp, inside(s.dir, savedName))
}

// packTree writes the upper layers below root as an archive.
func packTree(w io.Writer, root string) error {
	tw := tar.NewWriter(w)
	links := map[[2]uint64]string{} // first name of files with several
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || rel == "." {
			return err
		}
		if _, inner, ok := strings.Cut(rel, "/"); ok && inner != "upper" && !strings.HasPrefix(inner, "upper/") {
			if d.IsDir() {
				return filepath.SkipDir // overlayfs's own
			}
			return nil
		}
		return packFile(tw, p, rel, links)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func packFile(tw *tar.Writer, p, rel string, links map[[2]uint64]string) error {
	st, err := os.Lstat(p)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || st.Mode()&fs.ModeSocket != 0 {
		return nil // a socket has no meaning without its process
	}
	target := ""
	if st.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(p); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(st, target)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname, h.Format = rel, "", "", tar.FormatPAX
	h.Mode = int64(sys.Mode & 0o7777)
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	if h.PAXRecords, err = readXattrs(p); err != nil {
		return err
	}
	if st.Mode().IsRegular() && sys.Nlink > 1 {
		id := [2]uint64{uint64(sys.Dev), sys.Ino} //nolint:unconvert // other sizes elsewhere
		if first, ok := links[id]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return tw.WriteHeader(h)
		}
		links[id] = rel
	}
	if err := tw.WriteHeader(h); err != nil || !st.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(tw, f)
	return err
}

func readXattrs(p string) (map[string]string, error) {
	names := make([]byte, xattrMaxSize)
	n, err := unix.Llistxattr(p, names)
	if err != nil || n <= 0 {
		if errors.Is(err, unix.ENOTSUP) {
			err = nil
		}
		return nil, err
	}
	var out map[string]string
	value := make([]byte, xattrMaxSize)
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name == "security.selinux" {
			continue
		}
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			continue // not ours to read
		}
		if out == nil {
			out = map[string]string{}
		}
		out[xattrRecord+name] = string(value[:n])
	}
	return out, nil
}

// unpackTree is packTree's reverse. The archive is our own, from a directory
// that nobody else can write to; names that lead out of root are refused all
// the same.
func unpackTree(r io.Reader, root string) error {
	tr := tar.NewReader(r)
	type dir struct {
		path string
		h    *tar.Header
	}
	var dirs []dir
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) || (h.Typeflag == tar.TypeLink && !filepath.IsLocal(h.Linkname)) {
			return fmt.Errorf("the archive names a file outside: %s", h.Name)
		}
		p := filepath.Join(root, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			if err := os.Mkdir(p, 0o700); err != nil {
				return err
			}
			dirs = append(dirs, dir{p, h})
		case tar.TypeReg:
			err = unpackFile(tr, p)
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, p)
		case tar.TypeLink:
			if err := os.Link(filepath.Join(root, h.Linkname), p); err != nil {
				return err
			}
			continue // its attributes are the first name's
		case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			kind := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}[h.Typeflag]
			err = unix.Mknod(p, kind|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
		default:
			continue
		}
		if err != nil {
			return err
		}
		if err := setAttributes(p, h); err != nil {
			return err
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- { // after their contents
		if err := os.Chtimes(dirs[i].path, dirs[i].h.ModTime, dirs[i].h.ModTime); err != nil {
			return err
		}
	}
	return nil
}

func unpackFile(r io.Reader, p string) error {
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil { //nolint:gosec // our own archive
		_ = f.Close()
		return err
	}
	return f.Close()
}

func setAttributes(p string, h *tar.Header) error {
	_ = os.Lchown(p, h.Uid, h.Gid) // one user: all is his
	for name, value := range h.PAXRecords {
		if attr, ok := strings.CutPrefix(name, xattrRecord); ok {
			if err := unix.Lsetxattr(p, attr, []byte(value), 0); err != nil && strings.Contains(attr, "overlay") {
				return err
			}
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	if err := unix.Chmod(p, uint32(h.Mode)); err != nil { //nolint:gosec // twelve bits
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return os.Chtimes(p, h.ModTime, h.ModTime)
}
