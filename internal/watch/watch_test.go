package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, w *Watcher) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := w.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRounds(t *testing.T) {
	root := t.TempDir()
	write(t, root, "recipes/default.rb", "one")
	write(t, root, ".kitchen/state.yml", "one")
	w, err := New(t.Context(), root, func(path string) bool {
		return path == ".kitchen" || strings.HasSuffix(path, "~")
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()

	write(t, root, ".kitchen/state.yml", "two")
	write(t, root, "recipes/default.rb~", "backup")
	write(t, root, "recipes/default.rb", "two")
	write(t, root, "recipes/other.rb", "new")
	if got, want := next(t, w), []string{"recipes/default.rb", "recipes/other.rb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	// A directory that appears is watched, with the files already in it.
	write(t, root, "templates/deep/motd.erb", "one")
	if got, want := next(t, w), []string{"templates/deep/motd.erb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	write(t, root, "templates/deep/motd.erb", "two")
	if got, want := next(t, w), []string{"templates/deep/motd.erb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	// An editor that writes another file and renames it.
	write(t, root, "recipes/.tmp~", "three")
	if err := os.Rename(filepath.Join(root, "recipes/.tmp~"), filepath.Join(root, "recipes/default.rb")); err != nil {
		t.Fatal(err)
	}
	if got, want := next(t, w), []string{"recipes/default.rb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	if err := os.Remove(filepath.Join(root, "recipes/other.rb")); err != nil {
		t.Fatal(err)
	}
	if got, want := next(t, w), []string{"recipes/other.rb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatChangedMeanwhileCounts(t *testing.T) {
	root := t.TempDir()
	write(t, root, "a", "1")
	w, err := New(t.Context(), root, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, name := range []string{"b", "c"} {
		write(t, root, name, "1")
	}
	if got, want := next(t, w), []string{"b", "c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheContextEndsTheWait(t *testing.T) {
	w, err := New(t.Context(), t.TempDir(), func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Next(ctx); err == nil {
		t.Error("no error")
	}
	if _, err := New(t.Context(), filepath.Join(t.TempDir(), "nothing"), func(string) bool { return false }); err != nil {
		t.Errorf("a directory that is not there: %v", err)
	}
}
