//go:build unix

package delta_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	gosync "sync"
	"testing"
	"testing/fstest"

	"github.com/galleyhq/galley/internal/bootstrap/delta"
)

// machine runs command lines on this machine with the tools in PATH and
// counts what they read.
type machine struct {
	path  string
	lines int
	bytes int64
}

func (m *machine) run(ctx context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	m.lines++
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	if m.path != "" {
		cmd.Env = []string{"PATH=" + m.path}
	}
	if stdin != nil {
		cmd.Stdin = &counter{stdin, &m.bytes}
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

type counter struct {
	r io.Reader
	n *int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

func source() fstest.MapFS {
	return fstest.MapFS{
		"cookbooks/a/metadata.rb":          {Data: []byte("name 'a'\n"), Mode: 0o644},
		"cookbooks/a/recipes/default.rb":   {Data: []byte("file '/x'\n"), Mode: 0o600},
		"cookbooks/a/files/run me.sh":      {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"cookbooks/a/files/it's":           {Data: []byte("quote"), Mode: 0o644},
		"cookbooks/a/files/-dash":          {Data: []byte("dash"), Mode: 0o644},
		"cookbooks/a/files/new\nline":      {Data: []byte("newline"), Mode: 0o644},
		"cookbooks/a/files/empty":          {Mode: 0o640},
		"cookbooks/a/files/sub":            {Mode: fs.ModeDir | 0o750},
		"cookbooks/a/files/link":           {Data: []byte("../metadata.rb"), Mode: fs.ModeSymlink | 0o777},
		"cookbooks/b/recipes/\u00e4\u00f6": {Data: []byte("umlaut"), Mode: 0o644},
		"dna.json":                         {Data: []byte("{}"), Mode: 0o644},
	}
}

// same fails unless dir holds exactly what src holds, and beside it only what
// begins with a dot at its top.
func same(t *testing.T, src fstest.MapFS, dir string) {
	t.Helper()
	describe := func(fsys fs.FS) map[string]string {
		out := map[string]string{}
		err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || strings.HasPrefix(p, ".") {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			content := ""
			switch {
			case info.Mode()&fs.ModeSymlink != 0:
				content, err = fs.ReadLink(fsys, p)
			case info.Mode().IsRegular():
				var b []byte
				b, err = fs.ReadFile(fsys, p)
				content = string(b)
			}
			mode := info.Mode().String()
			if info.Mode()&fs.ModeSymlink != 0 {
				mode = "link"
			}
			if info.IsDir() && src[p] == nil {
				mode = "dir"
			}
			out[p] = mode + " " + content
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want, got := describe(src), describe(os.DirFS(dir))
	for p, w := range want {
		if got[p] != w {
			t.Errorf("%q is %q, want %q", p, got[p], w)
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			t.Errorf("%q is too much", p)
		}
	}
}

func sync(t *testing.T, m *machine, src fs.FS, dest string, o delta.Options) delta.Stats {
	t.Helper()
	st, err := delta.Sync(t.Context(), m.run, src, dest, o)
	if err != nil {
		t.Fatalf("Sync: %v", err)
	}
	return st
}

func TestSyncPlain(t *testing.T) {
	src := source()
	src["big"] = &fstest.MapFile{Data: bytes.Repeat([]byte("much of the same\n"), 10_000), Mode: 0o644}
	for _, plain := range []bool{false, true} {
		m, dest := &machine{}, t.TempDir()
		sync(t, m, src, dest, delta.Options{Plain: plain})
		same(t, src, dest)
		if large := m.bytes > 170_000; large != plain {
			t.Errorf("plain %t: %d bytes went over", plain, m.bytes)
		}
	}
}

func TestSyncSendsWhatIsMissing(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "it's a root", "kitchen")
	src, m := source(), &machine{}
	st := sync(t, m, src, dest, delta.Options{})
	if st.SentFiles != 9 || st.Files != 9 {
		t.Errorf("first time: sent %d of %d files, want 9 of 9", st.SentFiles, st.Files)
	}
	same(t, src, dest)

	m.lines, m.bytes = 0, 0
	st = sync(t, m, src, dest, delta.Options{})
	if st.SentFiles != 0 || m.bytes != 0 || m.lines != 1 {
		t.Errorf("unchanged: sent %d files, %d bytes in %d commands; want nothing in one", st.SentFiles, m.bytes, m.lines)
	}

	src["cookbooks/a/recipes/default.rb"] = &fstest.MapFile{Data: []byte("file '/y'\n"), Mode: 0o600}
	st = sync(t, m, src, dest, delta.Options{})
	if st.SentFiles > 2 { // the one with a newline in its name is sent along
		t.Errorf("one file changed: sent %d files", st.SentFiles)
	}
	same(t, src, dest)
}

func TestSyncSeesWhatChangedOnTheMachine(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"content, size and time kept": func(dir string) error {
			f := filepath.Join(dir, "cookbooks/a/metadata.rb")
			info, err := os.Stat(f)
			if err != nil {
				return err
			}
			if err := os.WriteFile(f, []byte("name 'X'\n"), 0o644); err != nil {
				return err
			}
			return os.Chtimes(f, info.ModTime(), info.ModTime())
		},
		"mode":          func(dir string) error { return os.Chmod(filepath.Join(dir, "dna.json"), 0o600) },
		"directory":     func(dir string) error { return os.Chmod(filepath.Join(dir, "cookbooks/a/files/sub"), 0o777) },
		"deleted":       func(dir string) error { return os.Remove(filepath.Join(dir, "dna.json")) },
		"deleted dir":   func(dir string) error { return os.RemoveAll(filepath.Join(dir, "cookbooks/a")) },
		"deleted all":   os.RemoveAll,
		"extra":         func(dir string) error { return os.WriteFile(filepath.Join(dir, "cookbooks/a/x"), nil, 0o644) },
		"extra tree":    func(dir string) error { return os.MkdirAll(filepath.Join(dir, "cookbooks/c/d/e"), 0o755) },
		"link retarget": func(dir string) error { return relink(filepath.Join(dir, "cookbooks/a/files/link"), "/etc/passwd") },
		"file is dir": func(dir string) error {
			f := filepath.Join(dir, "dna.json")
			return errors.Join(os.Remove(f), os.MkdirAll(f+"/x/y", 0o755))
		},
		"dir is file": func(dir string) error {
			f := filepath.Join(dir, "cookbooks/a")
			return errors.Join(os.RemoveAll(f), os.WriteFile(f, []byte("x"), 0o644))
		},
		"dir is link": func(dir string) error {
			f := filepath.Join(dir, "cookbooks/a")
			return errors.Join(os.Rename(f, filepath.Join(dir, "cookbooks/elsewhere")), os.Symlink("elsewhere", f))
		},
		"garbled stamp": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ".galley-stamp"), []byte("\x00x y z"), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dest := t.TempDir()
			src, m := source(), &machine{}
			sync(t, m, src, dest, delta.Options{})
			if err := change(dest); err != nil {
				t.Fatal(err)
			}
			sync(t, m, src, dest, delta.Options{})
			same(t, src, dest)
		})
	}
}

func relink(at, to string) error { return errors.Join(os.Remove(at), os.Symlink(to, at)) }

func TestSyncNeverFollowsALinkOutOfTheTree(t *testing.T) {
	outside, dest := t.TempDir(), t.TempDir()
	src, m := source(), &machine{}
	if err := errors.Join(os.MkdirAll(filepath.Join(dest, "cookbooks"), 0o755), os.Symlink(outside, filepath.Join(dest, "cookbooks/a"))); err != nil {
		t.Fatal(err)
	}
	sync(t, m, src, dest, delta.Options{})
	same(t, src, dest)
	left, err := os.ReadDir(outside)
	if err != nil || len(left) != 0 {
		t.Errorf("the directory outside holds %v (%v), want nothing", left, err)
	}
}

func TestSyncKeeps(t *testing.T) {
	dest := t.TempDir()
	src, m := source(), &machine{}
	src["nodes/default.json"] = &fstest.MapFile{Data: []byte("{}"), Mode: 0o644}
	keep := delta.Options{Keep: func(top string) bool { return top == "nodes" }}
	sync(t, m, src, dest, keep)
	for _, f := range []string{"nodes/other.json", "cookbooks/other", "client.pem"} {
		if err := os.WriteFile(filepath.Join(dest, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	st := sync(t, m, src, dest, keep)
	if st.Deleted != 1 {
		t.Errorf("deleted %d, want 1", st.Deleted)
	}
	for f, want := range map[string]bool{"nodes/other.json": true, "cookbooks/other": false, "client.pem": true} {
		if _, err := os.Stat(filepath.Join(dest, f)); (err == nil) != want {
			t.Errorf("%s: %v, want kept %v", f, err, want)
		}
	}
}

func TestSyncTransientLeavesNoRecord(t *testing.T) {
	dest := t.TempDir()
	src, m := source(), &machine{}
	o := delta.Options{Transient: true, Keep: func(string) bool { return true }}
	sync(t, m, src, dest, o)
	same(t, src, dest)
	if _, err := os.Stat(filepath.Join(dest, ".galley-stamp")); err == nil {
		t.Error("a record was left")
	}
	if st := sync(t, m, src, dest, o); st.SentFiles > 1 {
		t.Errorf("second time: sent %d files", st.SentFiles)
	}
}

// A machine may lack all but a shell and tar: more is sent then.
func TestSyncWithFewTools(t *testing.T) {
	for _, lacking := range [][]string{{"gzip"}, {"sha256sum"}, {"find"}, {"gzip", "sha256sum", "find", "stat", "readlink"}} {
		t.Run(strings.Join(lacking, " "), func(t *testing.T) {
			bin := t.TempDir()
			for _, tool := range []string{"sh", "tar", "gzip", "sha256sum", "find", "stat", "readlink", "xargs", "mkdir", "rm", "cat", "echo"} {
				if strings.Contains(" "+strings.Join(lacking, " ")+" ", " "+tool+" ") {
					continue
				}
				at, err := exec.LookPath(tool)
				if err != nil {
					t.Skip(err)
				}
				if err := os.Symlink(at, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			dest := filepath.Join(t.TempDir(), "k")
			src, m := source(), &machine{path: bin}
			sync(t, m, src, dest, delta.Options{})
			same(t, src, dest)
			src["dna.json"] = &fstest.MapFile{Data: []byte("{1}"), Mode: 0o644}
			sync(t, m, src, dest, delta.Options{})
			same(t, src, dest)
		})
	}
}

func TestSyncWithoutTarSaysSo(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"sh", "mkdir", "cat"} {
		at, err := exec.LookPath(tool)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(at, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := delta.Sync(t.Context(), (&machine{path: bin}).run, source(), filepath.Join(t.TempDir(), "k"), delta.Options{})
	var re *delta.RemoteError
	if !errors.As(err, &re) || !strings.Contains(err.Error(), "no tar") || re.Hint() == "" {
		t.Errorf("error %v", err)
	}
}

func TestSyncReportsTheMachinesFailure(t *testing.T) {
	bin := t.TempDir()
	path := bin + ":" + os.Getenv("PATH")
	script := "#!/bin/sh\ncat >/dev/null\necho 'tar: cookbooks/a: Cannot write: No space left on device' >&2\nexit 2\n"
	if err := os.WriteFile(filepath.Join(bin, "tar"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "k")
	_, err := delta.Sync(t.Context(), (&machine{path: path}).run, source(), dest, delta.Options{})
	var re *delta.RemoteError
	if !errors.As(err, &re) || !strings.Contains(re.Hint(), "disk is full") {
		t.Fatalf("error %v", err)
	}
	// Nothing may look as if it were all there.
	if _, err := os.Stat(filepath.Join(dest, ".galley-stamp")); err == nil {
		t.Error("a failed upload left its record")
	}
}

func TestSyncMendsAnUploadThatBroke(t *testing.T) {
	for _, after := range []int64{0, 1, 20, 200, 400, 700} {
		t.Run(fmt.Sprint(after), func(t *testing.T) { breakAfter(t, after) })
	}
}

func breakAfter(t *testing.T, bytes int64) {
	dest := filepath.Join(t.TempDir(), "k")
	src, m := source(), &machine{}
	broken := func(ctx context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
		if stdin != nil {
			stdin = io.LimitReader(stdin, bytes)
		}
		if _, err := m.run(ctx, line, stdin, stdout, stderr); err != nil {
			return 0, err
		}
		if stdin != nil {
			return 0, errors.New("connection lost")
		}
		return 0, nil
	}
	if _, err := delta.Sync(t.Context(), broken, src, dest, delta.Options{}); err == nil {
		t.Fatal("no error")
	}
	sync(t, m, src, dest, delta.Options{})
	same(t, src, dest)
}

func TestSyncReportsAnUnreadableSource(t *testing.T) {
	src := &failing{MapFS: source(), left: map[string]int{"cookbooks/a/metadata.rb": 1}}
	_, err := delta.Sync(t.Context(), (&machine{}).run, src, filepath.Join(t.TempDir(), "k"), delta.Options{})
	if err == nil || !strings.Contains(err.Error(), "metadata.rb") {
		t.Errorf("hashing: error %v", err)
	}
	// Readable while it is hashed, gone when it is sent.
	src = &failing{MapFS: source(), left: map[string]int{"cookbooks/a/metadata.rb": 2}}
	_, err = delta.Sync(t.Context(), (&machine{}).run, src, filepath.Join(t.TempDir(), "k"), delta.Options{})
	if err == nil || !strings.Contains(err.Error(), "metadata.rb") {
		t.Errorf("sending: error %v", err)
	}
}

// failing refuses the nth opening of a file.
type failing struct {
	fstest.MapFS
	mu   gosync.Mutex
	left map[string]int
}

func (f *failing) Open(name string) (fs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, ok := f.left[name]; ok {
		if f.left[name] = n - 1; n == 1 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
	}
	return f.MapFS.Open(name)
}

func TestSyncAsksForHelpWithForeignFiles(t *testing.T) {
	dest := t.TempDir()
	src, m := source(), &machine{}
	sync(t, m, src, dest, delta.Options{})
	if err := os.WriteFile(filepath.Join(dest, "cookbooks/foreign"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// The login user's rm fails; the helper's does not.
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "rm"), []byte("#!/bin/sh\ncase $1 in -rf) echo 'rm: Permission denied' >&2; exit 1;; esac\nexec /bin/rm \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	poor := &machine{path: bin + ":" + os.Getenv("PATH")}
	if _, err := delta.Sync(t.Context(), poor.run, src, dest, delta.Options{}); err == nil {
		t.Error("no error without a helper")
	}
	called := false
	sync(t, poor, src, dest, delta.Options{Remove: func(ctx context.Context, code string) error {
		called = true
		status, err := m.run(ctx, code, nil, io.Discard, io.Discard)
		if status != 0 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}})
	if !called {
		t.Error("the helper was not called")
	}
	same(t, src, dest)
}

func TestSyncObeysTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := delta.Sync(ctx, (&machine{}).run, source(), t.TempDir(), delta.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
