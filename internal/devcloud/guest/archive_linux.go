package guest

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Trees of guests are packed and unpacked through an os.Root: their content is
// a guest's or a user's, who must not make the starter, which may be root,
// follow a link to the host's files.

const (
	xattrRecord  = "SCHILY.xattr."
	xattrMaxSize = 64 << 10
)

// SaveDisk writes what a guest has changed, the guest whose directory is dir,
// running or not, as an archive for [Spec.Disk].
func SaveDisk(dir string, w io.Writer) error {
	return packDir(w, dir, func(rel string) bool {
		top, rest, _ := strings.Cut(rel, "/")
		if top == layersName {
			return upperOnly(rest)
		}
		return top == diskName
	})
}

// PackDirectory writes a directory as an archive for [UnpackImage].
func PackDirectory(dir string, w io.Writer) error {
	return packDir(w, dir, func(string) bool { return true })
}

// upperOnly keeps of overlay layers what the guest has changed.
func upperOnly(rel string) bool {
	_, inner, ok := strings.Cut(rel, "/")
	return !ok || inner == "upper" || strings.HasPrefix(inner, "upper/")
}

// UnpackImage unpacks a root file system's archive, plain or compressed with
// gzip, into a new directory for [Spec.RootFS]. Device nodes are left out.
func UnpackImage(from io.Reader, dir string) error {
	in, err := OpenImage(from)
	if err != nil {
		return err
	}
	fresh := dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o755)); err != nil {
		return err
	}
	if err := unpackTree(in, fresh, true); err != nil {
		_ = os.RemoveAll(fresh)
		return err
	}
	if err := runsIn(fresh); err != nil {
		_ = os.RemoveAll(fresh)
		return err
	}
	return os.Rename(fresh, dir)
}

// runsIn reports why this program, which is the guest's sudo and systemctl,
// cannot run in a root file system: it was linked with a C library.
func runsIn(dir string) error {
	exe, err := elf.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer func() { _ = exe.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, p := range exe.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(p.Open())
		if err != nil {
			return err
		}
		loader := strings.Trim(string(name), "/\x00")
		if _, err := root.Stat(loader); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("it has no /%s, which this build of galley needs: build galley with CGO_ENABLED=0", loader)
		}
	}
	return nil
}

func packDir(w io.Writer, dir string, keep func(rel string) bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return packTree(w, root, keep)
}

// packTree writes the files below root that keep names as an archive.
func packTree(w io.Writer, root *os.Root, keep func(rel string) bool) error {
	tw := tar.NewWriter(w)
	links := map[[2]uint64]string{} // first name of files with several
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone meanwhile
		case err != nil:
			return err
		case p == ".":
			return nil
		case !keep(p):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return packFile(tw, root, p, links)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func packFile(tw *tar.Writer, root *os.Root, p string, links map[[2]uint64]string) error {
	st, err := root.Lstat(p)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || st.Mode()&fs.ModeSocket != 0 {
		return nil // a socket has no meaning without its process
	}
	target := ""
	if st.Mode()&fs.ModeSymlink != 0 {
		target, _ = root.Readlink(p)
	}
	h, err := tar.FileInfoHeader(st, target)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname, h.Format = p, "", "", tar.FormatPAX
	h.Mode = int64(sys.Mode & 0o7777)
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	var f *os.File
	if st.Mode().IsRegular() || st.IsDir() {
		if f, err = root.OpenFile(p, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0); err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		h.PAXRecords = readXattrs(f)
	}
	if st.Mode().IsRegular() && sys.Nlink > 1 {
		id := [2]uint64{uint64(sys.Dev), sys.Ino} //nolint:unconvert // other sizes elsewhere
		if first, ok := links[id]; ok {
			h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
			return tw.WriteHeader(h)
		}
		links[id] = p
	}
	if err := tw.WriteHeader(h); err != nil || !st.Mode().IsRegular() {
		return err
	}
	// A running guest may write to the file: the header's size holds.
	_, err = io.CopyN(tw, io.MultiReader(f, zeroReader{}), h.Size)
	return err
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func readXattrs(f *os.File) map[string]string {
	names := make([]byte, xattrMaxSize)
	n, err := unix.Flistxattr(int(f.Fd()), names)
	if err != nil || n <= 0 {
		return nil
	}
	out := map[string]string{}
	value := make([]byte, xattrMaxSize)
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name == "security.selinux" {
			continue
		}
		if n, err := unix.Fgetxattr(int(f.Fd()), name, value); err == nil {
			out[xattrRecord+name] = string(value[:n])
		}
	}
	return out
}

// unpackTree is packTree's reverse. Of a foreign archive extended attributes
// and device nodes are left out; of our own, devices are overlayfs's
// whiteouts.
func unpackTree(r io.Reader, dir string, foreign bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	tr := tar.NewReader(r)
	var dirs []*tar.Header
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		h.Name = path.Clean(strings.TrimPrefix(h.Name, "/"))
		if h.Name == "." {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("the archive names a file outside: %s", h.Name)
		}
		if h.Typeflag == tar.TypeDir {
			dirs = append(dirs, h)
		}
		if err := unpackEntry(tr, root, h, foreign); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- { // after their contents
		_ = root.Chtimes(dirs[i].Name, dirs[i].ModTime, dirs[i].ModTime)
	}
	return nil
}

func unpackEntry(r io.Reader, root *os.Root, h *tar.Header, foreign bool) error {
	if parent := path.Dir(h.Name); parent != "." {
		if err := root.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	if h.Typeflag != tar.TypeDir {
		if err := root.Remove(h.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(h.Name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case tar.TypeReg:
		f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r) //nolint:gosec // bounded by the disk, as an upload is
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := root.Symlink(h.Linkname, h.Name); err != nil {
			return err
		}
	case tar.TypeLink:
		// Its attributes are the first name's.
		return root.Link(path.Clean(strings.TrimPrefix(h.Linkname, "/")), h.Name)
	case tar.TypeChar, tar.TypeFifo:
		kind := uint32(unix.S_IFIFO)
		if h.Typeflag == tar.TypeChar { // of our own: a whiteout, which is a device 0:0
			if kind = unix.S_IFCHR; foreign || h.Devmajor != 0 || h.Devminor != 0 {
				return nil
			}
		}
		parent, err := root.Open(path.Dir(h.Name))
		if err != nil {
			return err
		}
		defer func() { _ = parent.Close() }()
		if err := unix.Mknodat(int(parent.Fd()), path.Base(h.Name), kind|0o600, 0); err != nil {
			return err
		}
	default:
		return nil
	}
	return setAttributes(root, h, foreign)
}

func setAttributes(root *os.Root, h *tar.Header, foreign bool) error {
	_ = root.Lchown(h.Name, h.Uid, h.Gid) // one user: all is his
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	if !foreign && len(h.PAXRecords) > 0 && (h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeReg) {
		f, err := root.OpenFile(h.Name, os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		for name, value := range h.PAXRecords {
			if attr, ok := strings.CutPrefix(name, xattrRecord); ok {
				if err := unix.Fsetxattr(int(f.Fd()), attr, []byte(value), 0); err != nil && strings.Contains(attr, "overlay") {
					return err
				}
			}
		}
	}
	mode := h.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if err := root.Chmod(h.Name, mode); err != nil && h.Typeflag != tar.TypeChar {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return root.Chtimes(h.Name, h.ModTime, h.ModTime)
}
