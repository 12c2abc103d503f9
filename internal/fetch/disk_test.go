package fetch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

func sum256(b []byte) [32]byte { return sha256.Sum256(b) }

// faultFiles is a file system of which the n-th call of a kind fails. A write
// that fails writes half.
type faultFiles struct {
	osFiles
	fail  map[string]int
	err   error
	count map[string]int
}

func (f *faultFiles) hit(op string) bool {
	if f.count == nil {
		f.count = map[string]int{}
	}
	f.count[op]++
	return f.count[op] == f.fail[op]
}

type faultFile struct {
	outFile
	f *faultFiles
}

func (f *faultFiles) create(path string, mode fs.FileMode, keep bool) (outFile, error) {
	if f.hit("create") {
		return nil, f.err
	}
	o, err := f.osFiles.create(path, mode, keep)
	if err != nil {
		return nil, err
	}
	return &faultFile{o, f}, nil
}

func (f *faultFiles) rename(a, b string) error {
	if f.hit("rename") {
		return f.err
	}
	return f.osFiles.rename(a, b)
}

func (f *faultFiles) syncDir(d string) error {
	if f.hit("syncDir") {
		return f.err
	}
	return f.osFiles.syncDir(d)
}

func (f *faultFile) Write(p []byte) (int, error) {
	if f.f.hit("write") {
		n, _ := f.outFile.Write(p[:len(p)/2])
		return n, f.f.err
	}
	return f.outFile.Write(p)
}

func (f *faultFile) Sync() error {
	if f.f.hit("sync") {
		return f.f.err
	}
	return f.outFile.Sync()
}

func (f *faultFile) Close() error {
	err := f.outFile.Close()
	if f.f.hit("close") {
		return f.f.err
	}
	return err
}

// Whatever call fails, no partial file is left under the output's name: the
// old file or none before the rename, the new one after.
func TestFaultyDisk(t *testing.T) {
	body := records(1500_000, 1, "null")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { file(w, r, `"v1"`, body) })
	for _, name := range []string{"o", "o.gz"} {
		want := out(t, name)
		mustFetch(t, Request{URL: s.URL, Output: Output{Path: want}})
		for _, old := range []bool{false, true} {
			if old && underRace {
				continue
			}
			for _, op := range []string{"create", "write", "sync", "close", "rename", "syncDir"} {
				for n := 1; n <= 8; n++ {
					ff := &faultFiles{fail: map[string]int{op: n}, err: &fs.PathError{Op: op, Path: "x", Err: syscall.ENOSPC}}
					path := out(t, name)
					if old {
						os.WriteFile(path, []byte("old"), 0o600)
					}
					r := Request{URL: s.URL, Output: Output{Path: path}}
					r.hooks.files = ff
					_, err := fetch(t, r)
					if ff.count[op] < n {
						if err != nil {
							t.Fatal(err)
						}
						break
					}
					var e *Error
					if !errors.As(err, &e) || e.Kind != KindDisk || !strings.Contains(err.Error(), "the disk is full") {
						t.Fatalf("%s %d: %v", op, n, err)
					}
					got, rerr := os.ReadFile(path)
					switch {
					case op == "syncDir":
						if string(got) != string(read(t, want)) {
							t.Fatalf("%s %d: not the whole new file", op, n)
						}
					case old && string(got) != "old", !old && rerr == nil:
						t.Fatalf("%s %d: %d bytes under the output's name", op, n, len(got))
					}
					// And it can be resumed, or restarted.
					r.hooks.files, r.Resume = nil, true
					mustFetch(t, r)
					same(t, path, read(t, want))
				}
			}
		}
	}
}

// orderedFiles is a file system that, as a power failure does, forgets writes
// that were not synced; it notes the names that are given.
type orderedFiles struct {
	osFiles
	t       *testing.T
	open    map[string]*orderedFile
	named   []string
	unnamed string // renamed, and the directory is not synced yet
}

type orderedFile struct {
	outFile
	dirty, closed bool
}

func (o *orderedFiles) create(path string, mode fs.FileMode, keep bool) (outFile, error) {
	f, err := o.osFiles.create(path, mode, keep)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(path, partEnding) {
		o.t.Errorf("%s is written under its own name", path)
	}
	of := &orderedFile{outFile: f}
	o.open[path] = of
	return of, nil
}

func (f *orderedFile) Write(p []byte) (int, error) { f.dirty = true; return f.outFile.Write(p) }
func (f *orderedFile) Truncate(n int64) error      { f.dirty = true; return f.outFile.Truncate(n) }
func (f *orderedFile) Close() error                { f.closed = true; return f.outFile.Close() }
func (f *orderedFile) Sync() error {
	err := f.outFile.Sync()
	f.dirty = err != nil
	return err
}

func (o *orderedFiles) rename(from, to string) error {
	f := o.open[from]
	if f == nil || f.dirty || !f.closed || o.unnamed != "" && o.unnamed != filepath.Dir(to) {
		o.t.Errorf("%s gets its name before its bytes are on the disk: %+v", to, f)
	}
	o.named, o.unnamed = append(o.named, filepath.Base(to)), filepath.Dir(to)
	return o.osFiles.rename(from, to)
}

func (o *orderedFiles) syncDir(dir string) error {
	if o.unnamed == dir {
		o.unnamed = ""
	}
	return o.osFiles.syncDir(dir)
}

// A file gets its name once all its bytes are on the disk, and the name is
// made durable: so a power failure at any moment leaves the whole or nothing.
func TestRenameIsLast(t *testing.T) {
	body := records(1500_000, 1, "null")
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pages" {
			i := 0
			fmt.Sscan(r.URL.Query().Get("c"), &i)
			next := "null"
			if i < 3 {
				next = fmt.Sprint(i + 1)
			}
			w.Write(records(100_000, uint64(i), next))
			return
		}
		if n.Add(1)%2 == 1 {
			w = &cut{w, 700_000}
		}
		file(w, r, "", body) // restarted after the cut, which truncates
	})
	pages := Pages{Next: "meta.next", CursorParam: "c"}
	for _, c := range []struct {
		name, path string
		p          Pages
		want       string
	}{
		{"o", "/", Pages{}, "[o]"},
		{"o.gz", "/", Pages{}, "[o.gz]"},
		{"o.zst", "/pages", pages, "[o.zst]"},
		{"p-%d.gz", "/pages", pages, "[p-1.gz p-2.gz p-3.gz p-4.gz]"},
	} {
		o := &orderedFiles{t: t, open: map[string]*orderedFile{}}
		r := Request{URL: s.URL + c.path, Output: Output{Path: out(t, c.name)}, Pages: c.p}
		r.hooks.files = o
		mustFetch(t, r)
		if fmt.Sprint(o.named) != c.want || o.unnamed != "" {
			t.Errorf("%s: named %v, not yet durable in %q", c.name, o.named, o.unnamed)
		}
		clear1(t, r.Output.Path)
	}
}

func TestFullDevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) })
	_, err := fetch(t, Request{URL: s.URL, Output: Output{Path: "/dev/full"}})
	failed(t, "", err, KindDisk, "full")
}

func TestOutputs(t *testing.T) {
	body := []byte("body\n")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := r.URL.Query().Get("name"); n != "" {
			w.Header().Set("Content-Disposition", n)
		}
		w.Write(body)
	})
	t.Run("no directory", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "no", "o")
		_, err := fetch(t, Request{URL: s.URL, Output: Output{Path: path}})
		failed(t, path, err, KindDisk, "no directory")
	})
	t.Run("is a directory", func(t *testing.T) {
		_, err := fetch(t, Request{URL: s.URL, Output: Output{Path: t.TempDir()}})
		failed(t, "", err, KindUsage, "is a directory")
	})
	t.Run("a link is followed", func(t *testing.T) {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, "real"), []byte("old"), 0o640)
		if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
			t.Skip(err)
		}
		mustFetch(t, Request{URL: s.URL, Output: Output{Path: filepath.Join(dir, "link")}})
		if st, err := os.Lstat(filepath.Join(dir, "link")); err != nil || st.Mode()&fs.ModeSymlink == 0 {
			t.Error("the link was replaced")
		}
		same(t, filepath.Join(dir, "real"), body)
	})
	t.Run("a device stays", func(t *testing.T) {
		if _, err := os.Stat("/dev/null"); err != nil {
			t.Skip()
		}
		mustFetch(t, Request{URL: s.URL, Output: Output{Path: "/dev/null"}})
		if st, _ := os.Stat("/dev/null"); st.Mode().IsRegular() {
			t.Fatal("/dev/null was replaced")
		}
	})
	t.Run("empty", func(t *testing.T) {
		e := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
		for _, name := range []string{"o", "o.gz", "o.zst"} {
			path := out(t, name)
			mustFetch(t, Request{URL: e.URL, Output: Output{Path: path}})
			b := read(t, path)
			switch name {
			case "o.gz":
				b = ungzip(t, b)
			case "o.zst":
				b = unzstd(t, b)
			}
			if len(b) != 0 {
				t.Errorf("%s: %q", name, b)
			}
		}
	})
	t.Run("named", func(t *testing.T) {
		for _, c := range []struct{ header, want string }{
			{"", "path.json"},
			{`attachment; filename="a b.json"`, "a b.json"},
			{`attachment; filename="../../etc/passwd"`, "passwd"},
			{`attachment; filename*=UTF-8''na%C3%AFve%2Fx.txt`, "x.txt"},
			{`attachment; filename="C:\\dir\\con.txt"`, "_con.txt"},
			{`attachment; filename=".."`, "path.json"},
			{`attachment; filename=".bashrc"`, "bashrc"},
			{`attachment; filename="-rf"`, "rf"},
			{`attachment; filename="a:b|c?.txt "`, "a_b_c_.txt"},
		} {
			dir := t.TempDir()
			q := ""
			if c.header != "" {
				q = "?name=" + strings.NewReplacer("%", "%25", " ", "+", ";", "%3B", "&", "%26", "+", "%2B").Replace(c.header)
			}
			sum := mustFetch(t, Request{URL: s.URL + "/some/path.json" + q, Output: Output{Named: true, Path: dir}})
			same(t, filepath.Join(dir, c.want), body)
			if fmt.Sprint(sum.Files) != "["+filepath.Join(dir, c.want)+"]" {
				t.Error(sum.Files)
			}
			_, err := fetch(t, Request{URL: s.URL + "/some/path.json" + q, Output: Output{Named: true, Path: dir}})
			failed(t, "", err, KindUsage, "exists")
			mustFetch(t, Request{URL: s.URL + "/some/path.json" + q, Output: Output{Named: true, Path: dir, Overwrite: true}})
		}
		dir := t.TempDir()
		mustFetch(t, Request{URL: s.URL + "/x.json", Output: Output{Named: true, Path: dir, Compress: Gzip}})
		if string(ungzip(t, read(t, filepath.Join(dir, "x.json.gz")))) != string(body) {
			t.Error("not compressed")
		}
	})
	t.Run("mode", func(t *testing.T) {
		path := out(t, "o")
		os.WriteFile(path, nil, 0o600)
		mustFetch(t, Request{URL: s.URL, Output: Output{Path: path}})
		if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", st.Mode())
		}
	})
}

func TestUsage(t *testing.T) {
	root := ""
	for _, c := range []struct {
		r    Request
		says string
	}{
		{Request{URL: "ftp://x/", Output: Output{Path: "o"}}, "not an http"},
		{Request{URL: "http://x/"}, "no output"},
		{Request{URL: "http://x/", Method: "HEAD", Output: Output{Path: "o"}}, "HEAD"},
		{Request{URL: "http://x/", Output: Output{Path: "o.gz", Level: 10}}, "level"},
		{Request{URL: "http://x/", Output: Output{Path: "o.zst", Level: 5}}, "level"},
		{Request{URL: "http://x/", Output: Output{Path: "o", Level: 1}}, "not compressed"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Pages: Pages{Link: true}, Body: ReaderBody(strings.NewReader(""), "")}, "once only"},
		{Request{URL: "http://x/", Output: Output{Path: "p-%d"}}, "next page"},
		{Request{URL: "http://x/", Output: Output{Path: "p-%s"}}, "one verb"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Pages: Pages{Link: true, Next: "a"}}, "one way"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Pages: Pages{CursorParam: "c"}}, "options of pages"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Pages: Pages{Next: "a..b"}}, "JSON path"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Pages: Pages{Link: true}, Checksum: "md5:00"}, "not of pages"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Checksum: "md5:00"}, "32 hexadecimal"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Limits: Limits{Memory: 1}}, "4 MiB"},
		{Request{URL: "http://x/", Output: Output{Path: "o", Writer: os.Stdout}}, "not more than one"},
		{Request{URL: "http://x/", Output: Output{Writer: os.Stdout}, Resume: true, Items: &root}, "name is given"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, Resume: true, Body: ReaderBody(strings.NewReader(""), "")}, "from a pipe"},
		{Request{URL: "http://x/", Output: Output{Path: "o"}, TLS: TLS{CACert: "/nowhere"}}, "authorities"},
	} {
		_, err := fetch(t, c.r)
		failed(t, "", err, KindUsage, c.says)
	}
}
