package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// guestMark is the variable by which processes of a guest without namespaces
// are known; its value is the guest's directory.
const guestMark = "GALLEY_GUEST_DIR"

// pidRecord names a guest's process.
type pidRecord struct {
	Pid   int
	Start string // see startTime
}

// recordPid notes the process for a later Remove. A lost note costs nothing
// but that, since the guest ends with its starter anyhow.
func recordPid(dir string, pid int) {
	b, err := json.Marshal(pidRecord{Pid: pid, Start: startTime(pid)})
	if err == nil {
		_ = os.WriteFile(filepath.Join(dir, pidName), b, 0o600)
	}
}

// reapLeft ends what an earlier starter left of the guest.
func reapLeft(dir string) error {
	path := filepath.Join(dir, pidName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var rec pidRecord
	if json.Unmarshal(b, &rec) == nil && rec.Pid > 1 && rec.Start != "" {
		deadline := time.Now().Add(5 * time.Second)
		for startTime(rec.Pid) == rec.Start {
			_ = syscall.Kill(rec.Pid, syscall.SIGKILL)
			if time.Now().After(deadline) {
				return fmt.Errorf("its process %d, left by an earlier run, does not end", rec.Pid)
			}
			time.Sleep(5 * time.Millisecond) // the kernel tells only a parent of a process's end
		}
	}
	sweep(dir)
	_ = os.Remove(filepath.Join(dir, socketName))
	return os.Remove(path)
}

func remove(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("removing a guest: %w", err)
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := reapLeft(dir); err != nil {
		return fmt.Errorf("removing guest directory %s: %w", dir, err)
	}
	err = os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	// Directories without permissions: overlayfs makes one, and guests may.
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // about to be deleted
		}
		return nil
	})
	if err = os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing guest directory: %w", err)
	}
	return nil
}
