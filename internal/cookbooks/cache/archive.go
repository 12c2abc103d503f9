package cache

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Limits on what an archive of a cookbook may unpack to.
const (
	maxFiles = 20_000
	maxBytes = 256 << 20
)

// Unpack unpacks a tar archive, compressed by gzip or not, into a folder.
// Entries that would be outside of the folder, links that lead out of it,
// devices, and archives that grow too large are an error.
func Unpack(r io.Reader, dir string) error {
	if err := unpack(r, dir); err != nil {
		return fmt.Errorf("the archive cannot be unpacked: %w", err)
	}
	return nil
}

func unpack(r io.Reader, dir string) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var src io.Reader = br
	if magic, err := br.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return err
		}
		defer zr.Close()
		src = zr
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{root: root}
	tr := tar.NewReader(src)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n >= maxFiles {
			return fmt.Errorf("it has more than %d entries", maxFiles)
		}
		if err := u.entry(h, tr); err != nil {
			return fmt.Errorf("%q %w", h.Name, err)
		}
	}
	// What follows the archive's end is read, so that a wrong check sum or a
	// cut off download is noticed.
	_, err = io.Copy(io.Discard, io.LimitReader(src, maxBytes))
	return err
}

type unpacker struct {
	root  *os.Root
	bytes int64
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean(strings.TrimPrefix(h.Name, "./"))
	if path.IsAbs(h.Name) || name == ".." || strings.HasPrefix(name, "../") ||
		strings.ContainsAny(h.Name, "\\\x00") {
		return errors.New("is outside of the cookbook")
	}
	if name == "." {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return u.file(name, h, r)
	case tar.TypeSymlink:
		target := path.Join(path.Dir(name), h.Linkname)
		if path.IsAbs(h.Linkname) || target == ".." || strings.HasPrefix(target, "../") {
			return fmt.Errorf("is a link to %q, outside of the cookbook", h.Linkname)
		}
		if err := u.parent(name); err != nil {
			return err
		}
		return u.root.Symlink(h.Linkname, name)
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeLink:
		return errors.New("is a hard link, which cookbooks have no use for")
	}
	return errors.New("is neither a file nor a folder")
}

func (u *unpacker) parent(name string) error {
	if dir := path.Dir(name); dir != "." {
		return u.root.MkdirAll(dir, 0o755)
	}
	return nil
}

func (u *unpacker) file(name string, h *tar.Header, r io.Reader) error {
	if err := u.parent(name); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, maxBytes-u.bytes+1))
	if err1 := f.Close(); err == nil {
		err = err1
	}
	if u.bytes += n; u.bytes > maxBytes {
		return fmt.Errorf("is beyond the %d MiB that a cookbook may have", maxBytes>>20)
	}
	return err
}

// CheckLinks refuses symbolic links that lead out of a folder.
func CheckLinks(dir string) error {
	return filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink == 0 {
			return err
		}
		target, err := os.Readlink(file)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, filepath.Join(filepath.Dir(file), target))
		if filepath.IsAbs(target) || err != nil || !filepath.IsLocal(rel) {
			name, _ := filepath.Rel(dir, file)
			return fmt.Errorf("%s is a link to %q, outside of the cookbook", name, target)
		}
		return nil
	})
}
