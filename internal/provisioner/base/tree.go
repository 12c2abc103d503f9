package base

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Tree is a tree of files put together from files on disk and made up ones,
// as an [fs.ReadLinkFS]. Nothing is copied: files are read when they are
// opened. Its zero value is empty. It is built by one goroutine first and read
// by any number afterwards.
type Tree struct{ root node }

type node struct {
	name string
	mode fs.FileMode
	// disk is the file on disk, "" for a made up one.
	disk   string
	data   []byte
	target string
	size   int64
	// children are those of a directory, by name.
	children map[string]*node
}

// Mkdir makes a directory and those above it.
func (t *Tree) Mkdir(name string) { t.dir(name) }

// dir returns the node of a directory, made if needed. A file of that name
// gives way.
func (t *Tree) dir(name string) *node {
	n := &t.root
	if name == "." || name == "" {
		return n
	}
	for part := range strings.SplitSeq(name, "/") {
		next := n.children[part]
		if next == nil || !next.isDir() {
			next = &node{name: part, mode: fs.ModeDir | 0o755}
			n.add(next)
		}
		n = next
	}
	return n
}

// isDir says whether it is a directory; the root is one without being told.
func (n *node) isDir() bool { return n.mode.IsDir() || n.name == "" }

func (n *node) add(child *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[child.name] = child
}

// AddBytes puts a file of the given content into the tree.
func (t *Tree) AddBytes(name string, data []byte, perm fs.FileMode) {
	t.dir(path.Dir(name)).add(&node{name: path.Base(name), mode: perm.Perm(), data: data, size: int64(len(data))})
}

// AddFile puts a file on disk into the tree. A symbolic link is followed.
func (t *Tree) AddFile(name, disk string) error {
	info, err := os.Stat(disk)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", disk)
	}
	t.dir(path.Dir(name)).add(fileNode(path.Base(name), disk, info))
	return nil
}

// fileNode is the node of a regular file.
func fileNode(name, disk string, info fs.FileInfo) *node {
	mode := info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if runtime.GOOS == "windows" && isScript(disk) {
		// Windows keeps no such bit.
		mode |= 0o111
	}
	return &node{name: name, mode: mode, disk: disk, size: info.Size()}
}

func isScript(disk string) bool {
	f, err := os.Open(disk)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [2]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && string(b[:]) == "#!"
}

// AddDir puts the content of a directory on disk below name; the directory itself
// may be a symbolic link. Where keep is given, only those files are taken for
// which it says yes (rel is slash-separated, relative to disk), and only the
// directories that hold one; it is also asked whether to look into a
// directory at all, where the answer no saves the time.
//
// A symbolic link that points to something inside the directory stays one,
// any other is replaced by its target, since the target would not be
// there on the machine. Sockets, pipes and devices are left out.
func (t *Tree) AddDir(name, disk string, keep func(rel string, dir bool) bool) error {
	real, err := filepath.EvalSymlinks(disk)
	if err != nil {
		return err
	}
	a := &adder{top: real, keep: keep}
	got, err := a.walk(real, "", 0)
	if err != nil {
		return err
	}
	dir := t.dir(name)
	if got != nil {
		dir.mode = got.mode
		dir.merge(got)
	}
	return nil
}

// merge adds the children of other, which win over files of the same name.
func (n *node) merge(other *node) {
	for _, c := range other.children {
		if mine := n.children[c.name]; mine != nil && mine.mode.IsDir() && c.mode.IsDir() {
			mine.merge(c)
			continue
		}
		n.add(c)
	}
}

type adder struct {
	top  string
	keep func(string, bool) bool
}

// maxDepth ends the descent into links that lead in circles.
const maxDepth = 100

// walk returns the node of a directory, nil when it holds nothing wanted.
func (a *adder) walk(disk, rel string, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: directories are nested more than %d deep; is there a symbolic link in a circle?", disk, maxDepth)
	}
	info, err := os.Stat(disk)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(disk)
	if err != nil {
		return nil, err
	}
	dir := &node{name: path.Base(rel), mode: fs.ModeDir | info.Mode().Perm()}
	if runtime.GOOS == "windows" {
		dir.mode = fs.ModeDir | 0o755
	}
	for _, e := range entries {
		child, err := a.entry(e, filepath.Join(disk, e.Name()), path.Join(rel, e.Name()), depth)
		if err != nil {
			return nil, err
		}
		if child != nil {
			child.name = e.Name()
			dir.add(child)
		}
	}
	if a.keep != nil && len(dir.children) == 0 {
		return nil, nil
	}
	return dir, nil
}

func (a *adder) entry(e fs.DirEntry, disk, rel string, depth int) (*node, error) {
	mode := e.Type()
	if mode&fs.ModeSymlink != 0 {
		target, err := os.Readlink(disk)
		if err != nil {
			return nil, err
		}
		if a.inside(disk, target) {
			if a.keep != nil && !a.keep(rel, false) {
				return nil, nil
			}
			return &node{mode: fs.ModeSymlink | 0o777, target: filepath.ToSlash(target), size: int64(len(target))}, nil
		}
		info, err := os.Stat(disk)
		if errors.Is(err, fs.ErrNotExist) {
			// It dangles here as it would there.
			return &node{mode: fs.ModeSymlink | 0o777, target: filepath.ToSlash(target), size: int64(len(target))}, nil
		}
		if err != nil {
			return nil, err
		}
		mode = info.Mode()
	}
	if a.keep != nil && !a.keep(rel, mode.IsDir()) {
		return nil, nil
	}
	switch {
	case mode.IsDir():
		return a.walk(disk, rel, depth+1)
	case mode.IsRegular():
		info, err := os.Stat(disk)
		if err != nil {
			return nil, err
		}
		return fileNode(e.Name(), disk, info), nil
	}
	return nil, nil
}

// inside says whether a link's target lies within the directory added.
func (a *adder) inside(link, target string) bool {
	if filepath.IsAbs(target) {
		return false
	}
	real, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(link), target))
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(a.top, real)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// Has says whether the tree holds something of that name.
func (t *Tree) Has(name string) bool { return t.lookup(name) != nil }

func (t *Tree) lookup(name string) *node {
	n := &t.root
	if name == "." {
		return n
	}
	for part := range strings.SplitSeq(name, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

func (t *Tree) get(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n := t.lookup(name)
	if n == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// Open implements [fs.FS]. It does not follow symbolic links.
func (t *Tree) Open(name string) (fs.File, error) {
	n, err := t.get("open", name)
	if err != nil {
		return nil, err
	}
	switch {
	case n.isDir():
		return &openDir{node: n, list: n.list()}, nil
	case n.mode&fs.ModeSymlink != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("is a symbolic link")}
	case n.disk != "":
		return os.Open(n.disk)
	}
	return &openFile{node: n, Reader: bytes.NewReader(n.data)}, nil
}

// ReadDir implements [fs.ReadDirFS].
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.get("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.isDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	return n.list(), nil
}

// ReadLink implements [fs.ReadLinkFS].
func (t *Tree) ReadLink(name string) (string, error) {
	n, err := t.get("readlink", name)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.target, nil
}

// Lstat implements [fs.ReadLinkFS].
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	n, err := t.get("lstat", name)
	if err != nil {
		return nil, err
	}
	return nodeInfo{n}, nil
}

// Stat implements [fs.StatFS]; a symbolic link is described itself.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.Lstat(name) }

func (n *node) list() []fs.DirEntry {
	out := make([]fs.DirEntry, 0, len(n.children))
	for _, c := range n.children {
		out = append(out, fs.FileInfoToDirEntry(nodeInfo{c}))
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

type nodeInfo struct{ n *node }

func (i nodeInfo) Name() string { return i.n.name }
func (i nodeInfo) Size() int64  { return i.n.size }
func (i nodeInfo) Mode() fs.FileMode {
	if i.n.isDir() && i.n.mode == 0 {
		return fs.ModeDir | 0o755
	}
	return i.n.mode
}

func (i nodeInfo) ModTime() time.Time { return time.Time{} }
func (i nodeInfo) IsDir() bool        { return i.n.isDir() }
func (i nodeInfo) Sys() any           { return nil }

type openFile struct {
	node *node
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return nodeInfo{f.node}, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	node *node
	list []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return nodeInfo{d.node}, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.node.name, Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		out := d.list
		d.list = nil
		return out, nil
	}
	if len(d.list) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.list))
	out := d.list[:n]
	d.list = d.list[n:]
	return out, nil
}
