package bootstrap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"github.com/google/go-cmp/cmp"
)

// list shows a tree as text: mode, name, and content or target.
func list(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(p)
			out = append(out, rel+" -> "+to)
		case d.IsDir():
			out = append(out, fmt.Sprintf("%s/ %o", rel, info.Mode().Perm()))
		default:
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			if len(data) > 30 {
				data = fmt.Appendf(nil, "%d bytes", len(data))
			}
			out = append(out, fmt.Sprintf("%s %o %q", rel, info.Mode().Perm(), data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sampleTree writes a tree with everything that is awkward.
func sampleTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, mode fs.FileMode, data string) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("recipes/default.rb", 0o644, "log 'hi'")
	write("files/run me.sh", 0o755, "#!/bin/sh")
	write("files/it's \"quoted\" $HOME `x`", 0o600, "q")
	write("empty", 0o640, "")
	write("big", 0o644, strings.Repeat("0123456789abcdef", 1<<16))
	write("long/"+strings.Repeat("d", 120)+"/"+strings.Repeat("f", 120), 0o644, "long")
	write("-dash", 0o644, "d")
	write("umläut", 0o644, "u")
	if err := os.MkdirAll(filepath.Join(dir, "hollow"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("recipes/default.rb", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "hollow"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDownload(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	srv, cfg := fixture(t, sshtest.Options{})
	client := dial(t, cfg)
	src := sampleTree(t)
	want := list(t, src)
	if err := os.Rename(src, filepath.Join(srv.Home, "tree")); err != nil {
		t.Fatal(err)
	}
	dest := t.TempDir()
	get := func(from, to string) {
		t.Helper()
		if err := client.Download(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
	}
	read := func(p string) string {
		t.Helper()
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for range 2 {
		get("~/tree", filepath.Join(dest, "new", "tree"))
		if d := cmp.Diff(want, list(t, filepath.Join(dest, "new", "tree"))); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	get("tree/recipes/default.rb", filepath.Join(dest, "one.rb"))
	get("tree/recipes/default.rb", dest)
	get(filepath.Join(srv.Home, "tree/-dash"), filepath.Join(dest, "deep")+"/")
	for p, text := range map[string]string{"one.rb": "log 'hi'", "default.rb": "log 'hi'", "deep/-dash": "d"} {
		if got := read(filepath.Join(dest, p)); got != text {
			t.Errorf("%s: got %q", p, got)
		}
	}
	err := client.Download(t.Context(), "tree/missing", dest)
	var te *bootstrap.TransferError
	if !errors.As(err, &te) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := client.Download(t.Context(), "", dest); err == nil {
		t.Error("an empty path is taken")
	}
	if err := client.Download(t.Context(), "tree", filepath.Join(dest, "one.rb")); err == nil || !strings.Contains(err.Error(), "download from tree") {
		t.Errorf("got %v", err)
	}
}

func TestDownloadStaysInside(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip("needs python3 to make evil archives")
	}
	srv, _ := fixture(t, sshtest.Options{Env: []string{}})
	// A tar of ours, which sends what a hostile machine might.
	bin := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	evil := fmt.Sprintf(`#!/usr/bin/python3
import tarfile, sys, io
t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
def link(name, to):
    i = tarfile.TarInfo(name); i.type = tarfile.SYMTYPE; i.linkname = to; t.addfile(i)
def file(name, data):
    i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
file("./good", b"good")
link("./abs", %q)
link("./up", "../../..")
link("./sub/ok", "../good")
if sys.argv[-1] != ".": sys.exit(1)
if open("mode").read().strip() == "up":
    file("../evil", b"evil")
if open("mode").read().strip() == "through":
    link("./a", "b"); link("./b", "c")
    file("./a/evil", b"evil")
t.close()
`, outside)
	if err := os.WriteFile(filepath.Join(bin, "tar"), []byte(evil), 0o755); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	_, cfg := fixture(t, sshtest.Options{Home: srv.Home, Env: []string{"PATH=" + bin + ":/bin:/usr/bin"}})
	client := dial(t, cfg)
	for mode, bad := range map[string]bool{"plain": false, "up": true, "through": true} {
		if err := os.MkdirAll(filepath.Join(srv.Home, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(srv.Home, "d", "mode"), []byte(mode), 0o644); err != nil {
			t.Fatal(err)
		}
		parent := t.TempDir()
		dest := filepath.Join(parent, "x", "y")
		err := client.Download(t.Context(), "d", dest)
		if (err != nil) != bad {
			t.Errorf("%s: got %v", mode, err)
		}
		for _, p := range []string{filepath.Join(parent, "x", "evil"), filepath.Join(dest, "abs"), filepath.Join(dest, "up"), outside} {
			if _, err := os.Lstat(p); err == nil {
				t.Errorf("%s: %s was made", mode, p)
			}
		}
		if to, _ := os.Readlink(filepath.Join(dest, "sub", "ok")); to != "../good" {
			t.Errorf("%s: a good link became %q", mode, to)
		}
	}
}

func TestShell(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a pseudo terminal")
	}
	srv, cfg := fixture(t, sshtest.Options{})
	client := dial(t, cfg)
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	sizes := make(chan [2]int)
	type end struct {
		status int
		err    error
	}
	done := make(chan end, 1)
	go func() {
		status, err := client.Shell(t.Context(), bootstrap.Terminal{In: inR, Out: outW, Err: outW, Type: "xterm-256color", Width: 91, Height: 33, Resized: sizes})
		outW.Close()
		done <- end{status, err}
	}()
	out := bufio.NewReader(outR)
	say := func(line, want string) {
		t.Helper()
		if _, err := io.WriteString(inW, line+"\n"); err != nil {
			t.Fatal(err)
		}
		for {
			got, err := out.ReadString('\n')
			if err != nil {
				t.Fatalf("%v after %q", err, got)
			}
			if strings.HasSuffix(strings.TrimSpace(got), want) {
				return
			}
		}
	}
	say("stty -echo; echo $TERM", "xterm-256color")
	say("stty size", "33 91")
	sizes <- [2]int{120, 40}
	say("until test \"$(stty size)\" = '40 120'; do sleep 0.01; done; echo resized", "resized")
	if _, err := io.WriteString(inW, "exit 7\n"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if e := <-done; e.err != nil || e.status != 7 {
		t.Errorf("got %d, %v", e.status, e.err)
	}
	inW.Close()
	if d := cmp.Diff([]sshtest.Size{{Width: 91, Height: 33}, {Width: 120, Height: 40}}, srv.Sizes()); d != "" {
		t.Error(d)
	}

	t.Run("without a terminal", func(t *testing.T) {
		var out strings.Builder
		status, err := client.Shell(t.Context(), bootstrap.Terminal{In: strings.NewReader("echo in; exit 4\n"), Out: &out, Err: &out})
		if err != nil || status != 4 || out.String() != "in\n" {
			t.Errorf("got %d, %v, %q", status, err, out.String())
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		r, w := io.Pipe()
		defer w.Close()
		if _, err := client.Shell(ctx, bootstrap.Terminal{In: r, Out: io.Discard, Type: "vt100"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
