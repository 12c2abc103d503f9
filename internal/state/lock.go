package state

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// lockRetry is how often a held lock is tried again.
const lockRetry = 100 * time.Millisecond

// Lock takes the advisory lock of a file, which the system releases when the
// process ends in whatever way, and makes missing directories (0700). While
// another process holds it, it waits; waiting is told once who that is.
func Lock(ctx context.Context, path string, waiting func(holder string)) (unlock func() error, err error) {
	return lock(ctx, path, path, waiting)
}

// lock is Lock for what people know as something else than a file.
func lock(ctx context.Context, path, what string, waiting func(holder string)) (func() error, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of %s: %w", path, err)
	}
	l := flock.New(path, flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err == nil && !got {
		if waiting != nil {
			waiting(holder(path))
		}
		got, err = l.TryLockContext(ctx, lockRetry)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("waiting for the lock of %s, held by %s: %w", what, holder(path), ctx.Err())
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	// Written in place: a rename would take the lock's file away under it.
	who := fmt.Sprintf("process %d since %s\n", os.Getpid(), time.Now().Format(time.TimeOnly))
	if err := os.WriteFile(path, []byte(who), 0o600); err != nil {
		l.Unlock()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return l.Unlock, nil
}

// holder says who holds a lock, as that process wrote it down.
func holder(path string) string {
	data, err := os.ReadFile(path)
	if who := strings.TrimSpace(string(data)); err == nil && who != "" {
		return who
	}
	return "another process"
}
