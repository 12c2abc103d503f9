package kitchentest

import (
	"bytes"
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

	"github.com/galleyhq/galley/kitchen"
)

// TransportCase describes a transport to [Transport].
type TransportCase struct {
	// New returns a transport, and a step whose state names a machine with a
	// POSIX shell that it can reach.
	New func(t *testing.T) (kitchen.Transport, *kitchen.Step)
	// Restart cuts all connections to the machine of the last New, as a
	// reboot does; nil where that cannot be had.
	Restart func(t *testing.T)
}

// Transport tries whether a transport keeps the contracts of
// [kitchen.Transport] and [kitchen.Conn], one subtest each.
func Transport(t *testing.T, c TransportCase) { //nolint:funlen // one subtest for each requirement
	connect := func(t *testing.T) kitchen.Conn {
		t.Helper()
		tr, step := c.New(t)
		if err := tr.Wait(t.Context(), step); err != nil {
			t.Fatalf("wait: %v", err)
		}
		conn, err := tr.Connect(t.Context(), step)
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		t.Cleanup(func() {
			if err := conn.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return conn
	}
	run := func(t *testing.T, conn kitchen.Conn, line string) (string, int) {
		t.Helper()
		var out strings.Builder
		status, err := conn.Run(t.Context(), kitchen.Command{Line: line, Stdout: &out})
		if err != nil {
			t.Fatalf("run %q: %v", line, err)
		}
		return out.String(), status
	}

	t.Run("no host is never guessed", func(t *testing.T) {
		tr, step := c.New(t)
		step.State.Delete(kitchen.KeyHostname)
		if err := tr.Wait(t.Context(), step); err == nil {
			t.Error("wait succeeds without a hostname")
		}
		if conn, err := tr.Connect(t.Context(), step); err == nil {
			conn.Close()
			t.Error("connect succeeds without a hostname")
		}
		step.State.Set(kitchen.KeyHostname, "")
		if err := tr.Wait(t.Context(), step); err == nil {
			t.Error("wait succeeds with an empty hostname")
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		tr, step := c.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := tr.Wait(ctx, step); !errors.Is(err, context.Canceled) {
			t.Errorf("wait: %v, want context.Canceled", err)
		}
		if _, err := tr.Connect(ctx, step); !errors.Is(err, context.Canceled) {
			t.Errorf("connect: %v, want context.Canceled", err)
		}
	})
	t.Run("commands", func(t *testing.T) {
		conn := connect(t)
		var out, errs strings.Builder
		status, err := conn.Run(t.Context(), kitchen.Command{
			Line: "cat; echo problem >&2; exit 3", Stdin: strings.NewReader("in"), Stdout: &out, Stderr: &errs,
		})
		if err != nil || status != 3 || out.String() != "in" || errs.String() != "problem\n" {
			t.Errorf("got status %d, error %v, output %q and %q", status, err, out.String(), errs.String())
		}
		if out, status := run(t, conn, "cat; echo done"); out != "done\n" || status != 0 {
			t.Errorf("without input: %q, %d", out, status)
		}
		if status, err := conn.Run(t.Context(), kitchen.Command{Line: "echo thrown away"}); status != 0 || err != nil {
			t.Errorf("without writers: %d, %v", status, err)
		}
		if _, status := run(t, conn, "kill -TERM $$"); status != 143 {
			t.Errorf("ended by a signal: status %d, want 143", status)
		}
	})
	t.Run("a terminal", func(t *testing.T) {
		conn := connect(t)
		var out strings.Builder
		if _, err := conn.Run(t.Context(), kitchen.Command{Line: "test -t 1 && echo yes", Stdout: &out, TTY: true}); err != nil || strings.TrimSpace(out.String()) != "yes" {
			t.Errorf("got %q, %v", out.String(), err)
		}
	})
	t.Run("at once", func(t *testing.T) {
		conn := connect(t)
		const n = 16
		errs := make(chan error, n)
		for i := range n {
			go func() {
				var out strings.Builder
				_, err := conn.Run(t.Context(), kitchen.Command{Line: fmt.Sprintf("echo %d", i), Stdout: &out})
				if err == nil && out.String() != fmt.Sprintln(i) {
					err = fmt.Errorf("command %d wrote %q", i, out.String())
				}
				errs <- err
			}()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("a command is cancelled", func(t *testing.T) {
		conn := connect(t)
		ctx, cancel := context.WithCancel(t.Context())
		begun := &signalWriter{c: make(chan struct{})}
		go func() {
			<-begun.c
			cancel()
		}()
		start := time.Now()
		_, err := conn.Run(ctx, kitchen.Command{Line: "echo $$; exec sleep 300", Stdout: begun})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		pid := strings.TrimSpace(begun.text())
		gone := fmt.Sprintf("i=0; while kill -0 %s 2>/dev/null && test $i -lt 100; do i=$((i+1)); sleep 0.1; done; test $i -lt 100", pid)
		if _, status := run(t, conn, gone); status != 0 {
			t.Error("the command goes on running on the machine")
		}
	})
	t.Run("files", func(t *testing.T) { transportFiles(t, connect(t), run) })
	t.Run("a shell", func(t *testing.T) {
		conn := connect(t)
		var out strings.Builder
		status, err := conn.Shell(t.Context(), kitchen.Terminal{In: strings.NewReader("echo in; exit 5\n"), Out: &out, Err: io.Discard})
		if err != nil || status != 5 || !strings.Contains(out.String(), "in\n") {
			t.Errorf("got status %d, error %v, output %q", status, err, out.String())
		}
	})
	t.Run("closed", func(t *testing.T) {
		conn := connect(t)
		for range 2 {
			if err := conn.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if _, err := conn.Run(t.Context(), kitchen.Command{Line: "true"}); err == nil {
			t.Error("a command ran over a closed connection")
		}
	})
	if c.Restart != nil {
		t.Run("a machine that restarts", func(t *testing.T) {
			conn := connect(t)
			begun := &signalWriter{c: make(chan struct{})}
			go func() {
				<-begun.c
				c.Restart(t)
			}()
			if _, err := conn.Run(t.Context(), kitchen.Command{Line: "echo here; sleep 300", Stdout: begun}); err == nil {
				t.Error("a command whose end was not seen returned without an error")
			}
			if out, _ := run(t, conn, "echo back"); out != "back\n" {
				t.Errorf("afterwards: %q", out)
			}
		})
	}
}

func transportFiles(t *testing.T, conn kitchen.Conn, run func(*testing.T, kitchen.Conn, string) (string, int)) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and links of files need a POSIX system")
	}
	src := t.TempDir()
	put := func(name, data string, mode fs.FileMode) {
		p := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	put("a/plain", "plain\n", 0o644)
	put("a/tool", "#!/bin/sh\necho tool\n", 0o755)
	put("it's $HOME", "", 0o600)
	put("large", strings.Repeat("large ", 1<<17), 0o644)
	if err := os.Symlink("a/plain", filepath.Join(src, "link")); err != nil {
		t.Fatal(err)
	}
	out, _ := run(t, conn, "mktemp -d")
	dest := strings.TrimSpace(out) + "/new dir/tree"
	for range 2 {
		if err := conn.Upload(t.Context(), os.DirFS(src), dest); err != nil {
			t.Fatalf("upload: %v", err)
		}
	}
	if out, _ := run(t, conn, "cd '"+dest+"' && ./a/tool && cat link && readlink link && test -f \"it's \\$HOME\" && wc -c <large"); strings.Join(strings.Fields(out), " ") != fmt.Sprintf("tool plain a/plain %d", 6<<17) {
		t.Errorf("what arrived: %q", out)
	}
	back := t.TempDir()
	if err := conn.Download(t.Context(), dest, back); err != nil {
		t.Fatalf("download: %v", err)
	}
	if want, got := snapshot(t, src), snapshot(t, back); want != got {
		t.Errorf("what came back:\n%s\nwhat was sent:\n%s", got, want)
	}
	if err := conn.Download(t.Context(), dest+"/a/plain", filepath.Join(back, "single")); err != nil {
		t.Fatalf("download of a file: %v", err)
	}
	if data, err := os.ReadFile(filepath.Join(back, "single")); err != nil || string(data) != "plain\n" {
		t.Errorf("the file: %q, %v", data, err)
	}
	if err := conn.Download(t.Context(), dest+"/missing", back); err == nil {
		t.Error("a missing file is downloaded")
	}
	if err := conn.Upload(t.Context(), os.DirFS(src), dest+"/a/plain/below"); err == nil {
		t.Error("a file was taken for a directory")
	}
	if _, status := run(t, conn, "rm -rf '"+strings.TrimSpace(out)+"'; true"); status != 0 {
		t.Log("the directory on the machine stays behind")
	}
}

// snapshot shows a tree as text.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		fmt.Fprintf(&b, "%s %s", info.Mode(), rel)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " -> %s", to)
		case info.Mode().IsRegular():
			fmt.Fprintf(&b, " %d", info.Size())
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// signalWriter closes c at the first write.
type signalWriter struct {
	c    chan struct{}
	done bool
	buf  bytes.Buffer
}

func (s *signalWriter) Write(p []byte) (int, error) {
	s.buf.Write(p)
	if !s.done {
		s.done = true
		close(s.c)
	}
	return len(p), nil
}

// text is the text written; call it when the writing is over.
func (s *signalWriter) text() string { return s.buf.String() }
