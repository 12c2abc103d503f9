package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	// lockRetry is how often a held lock is tried again.
	lockRetry = 100 * time.Millisecond
	// stoppedPatience is how long a lock is waited for whose process is stopped.
	stoppedPatience = 30 * time.Second
)

// Lock is the [kitchen.LockFunc] of this program: it locks the file at path for
// what, which names it in messages, and returns what unlocks it. While another
// process has the lock, Lock reports which one and waits until the context
// ends. The system releases the lock when the process ends in whatever way.
// Whoever holds a lock may remove its file together with the thing it is for.
func Lock(ctx context.Context, path, what string, waiting func(holder string)) (func() error, error) {
	for {
		l, at, err := acquire(ctx, path, what, waiting)
		if err != nil {
			return nil, err
		}
		if isCurrent(l, at) {
			return hold(l, at)
		}
		// Its holder has removed it meanwhile: another process may lock a new one.
		_ = l.Unlock()
	}
}

// isCurrent reports whether the locked file is still the one at path.
func isCurrent(l *flock.Flock, path string) bool {
	have, err := l.Stat()
	if err != nil {
		return true // Unknown here.
	}
	is, err := os.Stat(path)
	return err == nil && os.SameFile(have, is)
}

// hold notes who holds the lock.
func hold(l *flock.Flock, path string) (unlock func() error, err error) {
	// Written in place: a rename would replace the file that is locked.
	who := fmt.Sprintf("process %d since %s\n", os.Getpid(), time.Now().Format(time.TimeOnly))
	if err := os.WriteFile(path, []byte(who), 0o600); err != nil && !unwritable(err) {
		_ = l.Unlock()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return l.Unlock, nil
}

// acquire locks the file at path, or where that cannot be written, another one
// whose path it returns.
func acquire(ctx context.Context, path, what string, waiting func(holder string)) (*flock.Flock, string, error) {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	l := flock.New(path, flock.SetPermissions(0o600))
	got := false
	if err == nil {
		got, err = l.TryLock()
	}
	if unwritable(err) {
		// A read-only project or a full disk must not keep anyone from removing
		// its resources.
		if path, err = lockElsewhere(path); err == nil {
			l = flock.New(path, flock.SetPermissions(0o600))
			got, err = l.TryLock()
		}
	}
	if err == nil && !got {
		if waiting != nil {
			waiting(holder(path))
		}
		err = awaitLock(ctx, l, path, what)
	}
	switch {
	case err == nil:
		return l, path, nil
	case ctx.Err() != nil:
		return nil, "", fmt.Errorf("waiting for the lock of %s, held by %s: %w", what, holder(path), ctx.Err())
	}
	return nil, "", fmt.Errorf("locking %s: %w", path, err)
}

// holder returns which process has a lock, as that process wrote it down.
func holder(path string) string {
	data, err := os.ReadFile(path)
	if who := strings.TrimSpace(string(data)); err == nil && who != "" {
		return who
	}
	return "another process"
}

// awaitLock waits until the lock is free. A lock of a process that is stopped is
// not waited for: it would be held for ever.
func awaitLock(ctx context.Context, l *flock.Flock, path, what string) error {
	var stopped time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockRetry):
		}
		if got, err := l.TryLock(); got || err != nil {
			return err
		}
		who := holder(path)
		switch pid := pidOf(who); {
		case !isStopped(pid):
			stopped = time.Time{}
		case stopped.IsZero():
			stopped = time.Now()
		case time.Since(stopped) > stoppedPatience:
			return &StoppedError{What: what, Holder: who, PID: pid}
		}
	}
}

// StoppedError reports a lock that is held by a process that is stopped.
type StoppedError struct {
	// What names the locked thing, Holder the process that has the lock.
	What, Holder string
	PID          int
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("%s is locked by %s, which is stopped", e.What, e.Holder)
}

// Hint says how to go on.
func (e *StoppedError) Hint() string {
	return fmt.Sprintf("resume that process (`fg` in its terminal, or `kill -CONT %d`), or end it (`kill -KILL %d`)", e.PID, e.PID)
}

// pidOf reads the process out of what a holder wrote down, 0 for none.
func pidOf(holder string) int {
	fields := strings.Fields(holder)
	if len(fields) < 2 || fields[0] != "process" {
		return 0
	}
	pid, _ := strconv.Atoi(fields[1])
	return pid
}

// isStopped reports whether a process is stopped, as by Ctrl-Z, where the
// system has /proc.
func isStopped(pid int) bool {
	if pid <= 0 {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(after, "T")
}

// unwritable reports whether a file cannot be written where it should be.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC)
}

// lockElsewhere returns the lock file used instead of path in the directory of
// temporary files.
func lockElsewhere(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("galley-locks-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return filepath.Join(dir, fileName(filepath.Base(path), abs)), nil
}
