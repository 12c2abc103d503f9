package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// entry is one file, directory or symbolic link of a tree.
type entry struct {
	path string // slash-separated, relative
	mode fs.FileMode
	size int64
	// sum is the SHA-256 of a file's content, target where a link points.
	sum    [sha256.Size]byte
	target string
}

// hex is the sum as programs print it.
func (e *entry) hex() string { return hex.EncodeToString(e.sum[:]) }

// bits is the entry's permissions as chmod counts them.
func (e *entry) bits() uint32 {
	b := uint32(e.mode.Perm())
	for _, s := range []struct {
		flag fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if e.mode&s.flag != 0 {
			b |= s.bit
		}
	}
	return b
}

// tree is the content that the machine should have.
type tree struct {
	entries []*entry // sorted by path, parents first
	digest  string   // of all paths, modes and contents
	bytes   int64
}

// scan lists src and hashes its files, several at once.
func scan(src fs.FS) (*tree, error) {
	t := &tree{}
	err := fs.WalkDir(src, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		e := &entry{path: p}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e.mode = info.Mode()
		switch {
		case e.mode.IsDir():
		case e.mode.IsRegular():
			e.size = info.Size()
			t.bytes += e.size
		case e.mode&fs.ModeSymlink != 0:
			if e.target, err = fs.ReadLink(src, p); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s is neither a file nor a directory nor a symbolic link", p)
		}
		t.entries = append(t.entries, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the files to upload: %w", err)
	}
	if err := hash(src, t.entries); err != nil {
		return nil, fmt.Errorf("reading the files to upload: %w", err)
	}
	slices.SortFunc(t.entries, func(a, b *entry) int { return strings.Compare(a.path, b.path) })
	sum := sha256.New()
	for _, e := range t.entries {
		content := e.target
		if e.mode.IsRegular() {
			content = e.hex()
		}
		fmt.Fprintf(sum, "%s\x00%s\x00%o\x00%s\x00", e.path, kindOf(e.mode), e.bits(), content)
	}
	t.digest = hex.EncodeToString(sum.Sum(nil))
	return t, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "d"
	case m&fs.ModeSymlink != 0:
		return "l"
	}
	return "f"
}

func hash(src fs.FS, entries []*entry) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		fails []error
		queue = make(chan *entry)
	)
	for range max(2, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			buf := make([]byte, 64<<10)
			for e := range queue {
				if err := hashOne(src, e, buf); err != nil {
					mu.Lock()
					fails = append(fails, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, e := range entries {
		if e.mode.IsRegular() {
			queue <- e
		}
	}
	close(queue)
	wg.Wait()
	return errors.Join(fails...)
}

func hashOne(src fs.FS, e *entry, buf []byte) error {
	f, err := src.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	// A file that grows counts as it was, and its end need not be asked for.
	n, err := io.CopyBuffer(sum, io.LimitReader(f, e.size), buf)
	if err != nil {
		return err
	}
	e.size = n
	sum.Sum(e.sum[:0])
	return nil
}
