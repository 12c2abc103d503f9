package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// Store is a cache. Its folder is made when something is put into it.
type Store struct{ root string }

// New returns the cache in a folder.
func New(root string) *Store { return &Store{root: root} }

// UserDir is the folder of the user's cache of cookbooks: in galley below
// $XDG_CACHE_HOME, or what the operating system has in its place.
func UserDir(getenv func(string) string) (string, error) {
	if base := getenv("XDG_CACHE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "galley", "cookbooks"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".cache", "galley", "cookbooks"), nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the cache of cookbooks: %w; set XDG_CACHE_HOME", err)
	}
	return filepath.Join(base, "galley", "cookbooks"), nil
}

// File returns the path of a file of the cache's own, by kind and key. Its
// folder is not made.
func (s *Store) File(kind, key, ext string) string {
	return filepath.Join(s.root, kind, hash(key)+ext)
}

func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// record is what a key leads to.
type record struct {
	// Key is the key itself, for people who look into the cache.
	Key string `json:"key"`
	// Object is the digest of the content.
	Object string `json:"object"`
}

// Lookup returns the folder with the content of a key, if it is there.
func (s *Store) Lookup(key string) (dir string, ok bool) {
	data, err := os.ReadFile(s.File("keys", key, ".json"))
	if err != nil {
		return "", false
	}
	var r record
	if json.Unmarshal(data, &r) != nil || len(r.Object) != sha256.Size*2 {
		return "", false
	}
	dir = filepath.Join(s.root, "objects", r.Object)
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// Fill returns the folder with the content of a key. Where it is not there,
// make is called with an empty folder to put the content into; when it fails,
// nothing is kept. One process at a time fills a key.
func (s *Store) Fill(
	ctx context.Context,
	key string,
	make func(ctx context.Context, dir string) error,
) (string, error) {
	if dir, ok := s.Lookup(key); ok {
		return dir, nil
	}
	unlock, err := s.Lock(ctx, "fill", key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if dir, ok := s.Lookup(key); ok {
		return dir, nil // another process was faster
	}
	tmp, err := s.Temp()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	content := filepath.Join(tmp, "content")
	if err := os.Mkdir(content, 0o755); err != nil {
		return "", err
	}
	if err := make(ctx, content); err != nil {
		return "", err
	}
	object, err := digest(content)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.root, "objects", object)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(content, dir); err != nil && !isDir(dir) {
		return "", fmt.Errorf("storing %s in the cache: %w", key, err)
	}
	data, err := json.Marshal(record{key, object})
	if err != nil {
		return "", err
	}
	return dir, s.Write(s.File("keys", key, ".json"), append(data, '\n'))
}

// Write replaces a file of the cache at once.
func (s *Store) Write(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(file, data, 0o644)
}

// Temp makes an empty folder on the cache's file system. The caller removes
// it.
func (s *Store) Temp() (string, error) {
	base := filepath.Join(s.root, "tmp")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("the cache of cookbooks: %w", err)
	}
	sweep(base)
	return os.MkdirTemp(base, "")
}

// staleAfter is how old a temporary folder is that nobody uses any more: its
// process was killed.
const staleAfter = 24 * time.Hour

func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.RemoveAll(filepath.Join(base, e.Name())) // the next one tries again
		}
	}
}

// Lock waits until no other process or goroutine holds a key of a kind. Who
// holds one may wait for a key of another kind, but not of the same: a few
// hundred lock files serve all keys of a kind.
func (s *Store) Lock(ctx context.Context, kind, key string) (unlock func(), err error) {
	file := filepath.Join(s.root, "locks", kind+"-"+hash(key)[:2])
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("the cache of cookbooks: %w", err)
	}
	l := flock.New(file)
	ok, err := l.TryLockContext(ctx, 20*time.Millisecond)
	if err == nil && !ok {
		err = errors.New("it is locked")
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("locking the cache of cookbooks: %w", err)
	}
	return func() { _ = l.Unlock() }, nil
}

// digest is that of all paths, modes and contents below a folder.
func digest(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %o", filepath.ToSlash(rel), info.Mode()&(fs.ModeType|0o100))
		switch {
		case d.Type().IsRegular():
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			fmt.Fprintf(sum, " %d\n", info.Size())
			_, err = io.Copy(sum, f)
			return err
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			fmt.Fprintf(sum, " %q", target)
			return err
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

func isDir(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}
