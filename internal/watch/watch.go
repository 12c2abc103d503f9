package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Settle is how long nothing may change before a round begins, and longest
// how long a round is put off by files that never stop changing.
const (
	Settle  = 80 * time.Millisecond
	longest = 2 * time.Second
)

// Watcher watches the files of a project.
type Watcher struct {
	root   string
	ignore func(path string) bool
	// ignored are the paths that git ignores.
	ignored []string
	fs      *fsnotify.Watcher
	// changed are the paths that have changed since the last round.
	changed map[string]bool
}

// New watches the directory root. What git ignores does not count, nor what
// ignore says, by its path relative to root, with slashes; the contents of an
// ignored directory are not watched.
func New(ctx context.Context, root string, ignore func(path string) bool) (*Watcher, error) {
	f, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", root, err)
	}
	w := &Watcher{root: root, ignore: ignore, ignored: ignoredByGit(ctx, root), fs: f, changed: map[string]bool{}}
	if err := w.add(root); err != nil {
		_ = f.Close()
		return nil, err
	}
	clear(w.changed) // files present at the start have not changed
	return w, nil
}

// Close ends the watch.
func (w *Watcher) Close() error { return w.fs.Close() }

// Next waits until files change and then stop changing, and returns their
// paths relative to the root, with slashes, sorted. What changed since the
// last call counts too. It returns the context's error when that ends.
func (w *Watcher) Next(ctx context.Context) ([]string, error) {
	settle := time.NewTimer(Settle)
	defer settle.Stop()
	var began time.Time
	if len(w.changed) > 0 {
		began = time.Now()
	} else {
		settle.Stop()
	}
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case err, open := <-w.fs.Errors:
			if !open {
				return nil, errors.New("the watch has ended")
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				// Too much at once: something has changed, wherever.
				w.changed["."] = true
				settle.Reset(Settle)
				continue
			}
			return nil, fmt.Errorf("watching %s: %w", w.root, err)
		case e, open := <-w.fs.Events:
			if !open {
				return nil, errors.New("the watch has ended")
			}
			before := len(w.changed)
			if err := w.take(e); err != nil {
				return nil, err
			}
			if len(w.changed) == 0 {
				continue
			}
			if before == 0 {
				began = time.Now()
			}
			if time.Since(began) < longest {
				settle.Reset(Settle)
			}
		case <-settle.C:
			if len(w.changed) == 0 {
				continue
			}
			out := withoutIgnored(ctx, w.root, slices.Sorted(maps.Keys(w.changed)))
			clear(w.changed)
			if len(out) > 0 {
				return out, nil
			}
		}
	}
}

// take notes a change.
func (w *Watcher) take(e fsnotify.Event) error {
	if e.Op == fsnotify.Chmod {
		return nil // also what indexers and backups do
	}
	path := e.Name
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		if e.Has(fsnotify.Create) {
			return w.add(path)
		}
		return nil
	}
	if rel, ok := w.relative(path); ok {
		w.changed[rel] = true
	}
	return nil
}

// relative returns the path as callers know it, and whether it counts.
func (w *Watcher) relative(path string) (string, bool) {
	rel, err := filepath.Rel(w.root, path)
	if err != nil {
		return "", false
	}
	rel = filepath.ToSlash(rel)
	return rel, rel == "." || rel != ".git" && !slices.Contains(w.ignored, rel) && !w.ignore(rel)
}

// add watches a directory and all below it, and notes the files in it: they
// may have been written before the watch began.
func (w *Watcher) add(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil // gone again, or not ours to read
		case err != nil:
			return fmt.Errorf("watching %s: %w", path, err)
		}
		rel, counts := w.relative(path)
		if !d.IsDir() {
			if counts {
				w.changed[rel] = true
			}
			return nil
		}
		if !counts {
			return fs.SkipDir
		}
		switch err := w.fs.Add(path); {
		case errors.Is(err, syscall.ENOSPC):
			return fmt.Errorf("watching %s: the system has no watches left; raise fs.inotify.max_user_watches, or ignore large directories in chefignore", path)
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("watching %s: %w", path, err)
		}
		return nil
	})
}
