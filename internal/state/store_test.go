package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/kitchen"
)

func TestRoundTripKeepsOrderAndUnknownKeys(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, ".kitchen", "default-debian-12.yml")
	// As Test Kitchen writes it, with a key of another driver.
	peer := "---\nserver_id: 0a1b\nhostname: 192.0.2.7\nlast_action: create\nlast_error:\nmy_id: x-1\n"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(peer), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := NewStore(root).Load("default-debian-12")
	if err != nil {
		t.Fatal(err)
	}
	st.Set("last_action", "converge")
	st.SetOwn("timings", map[string]any{"create": 1.5})
	if err := st.Save(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "---\nserver_id: 0a1b\nhostname: 192.0.2.7\nlast_action: converge\nlast_error: null\nmy_id: x-1\ngalley:\n  timings:\n    create: 1.5\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Separator == '/' && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
}

func TestLoadTolerates(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "only the marker": "---\n", "null": "--- null\n", "empty mapping": "--- {}\n"} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := WriteFile(Paths{root}.State("x"), []byte(data)); err != nil {
				t.Fatal(err)
			}
			st, err := NewStore(root).Load("x")
			if err != nil || !st.Empty() {
				t.Errorf("got %v, %v; want an empty state", st.Keys(), err)
			}
		})
	}
	for name, data := range map[string]string{"a list": "- a\n", "broken": "a: [\n", "text": "hello\n"} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := WriteFile(Paths{root}.State("x"), []byte(data)); err != nil {
				t.Fatal(err)
			}
			_, err := NewStore(root).Load("x")
			var corrupt *kitchen.CorruptError
			if !errors.As(err, &corrupt) {
				t.Errorf("got %v, want a CorruptError", err)
			}
		})
	}
}

func TestLockIsExclusive(t *testing.T) {
	root := t.TempDir()
	a, b := NewStore(root), NewStore(root)
	unlock, err := a.Lock(t.Context(), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	got := make(chan error, 1)
	go func() {
		unlock, err := b.Lock(t.Context(), "x", func(holder string) { told <- holder })
		if err == nil {
			err = unlock()
		}
		got <- err
	}()
	if who := <-told; !strings.Contains(who, "process") {
		t.Errorf("holder is %q", who)
	}
	select {
	case err := <-got:
		t.Fatalf("the second lock came through while the first was held: %v", err)
	default:
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestLockGivesUpWithContext(t *testing.T) {
	root := t.TempDir()
	unlock, err := NewStore(root).Lock(t.Context(), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = NewStore(root).Lock(ctx, "x", func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancelled context", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("---\nserver_id: a\nlast_error:\n"))
	f.Add([]byte(":hostname: x\n? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		if err := WriteFile(Paths{root}.State("x"), data); err != nil {
			t.Fatal(err)
		}
		st, err := NewStore(root).Load("x")
		if err == nil {
			_ = st.Save()
		}
	})
}

// TestResultsGoWhereTheyAreSent: a link is followed, and others may read.
func TestResultsGoWhereTheyAreSent(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	if err := WriteResult(link, []byte("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	if err := WriteResult(os.DevNull, []byte("x")); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%s was replaced: %v", os.DevNull, err)
	}
	if err := WriteResult(filepath.Join(dir, "new", "file"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "new", "file")); err != nil || info.Mode().Perm()&0o600 != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
