package guest

import (
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

// recordPid notes the process for a later Remove, with its start: a number
// alone may be another's by then. A lost note costs nothing but that, since the
// guest ends with its starter anyhow.
func recordPid(dir string, pid int) {
	_ = os.WriteFile(filepath.Join(dir, pidName), fmt.Appendln(nil, pid, startTime(pid)), 0o600)
}

// reapLeft ends what an earlier starter left of the guest.
func reapLeft(dir string) error {
	path := filepath.Join(dir, pidName)
	note, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var pid int
	var began string
	if _, err := fmt.Sscan(string(note), &pid, &began); err == nil && pid > 1 {
		deadline := time.Now().Add(5 * time.Second)
		for startTime(pid) == began {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			if time.Now().After(deadline) {
				return fmt.Errorf("its process %d, left by an earlier run, does not end", pid)
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
	if err == nil {
		err = reapLeft(dir)
	}
	if err == nil && os.RemoveAll(dir) != nil {
		// Directories without permissions: overlayfs makes one, and guests may.
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				_ = os.Chmod(path, 0o700) //nolint:gosec // about to be deleted
			}
			return nil
		})
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return fmt.Errorf("removing guest directory %s: %w", dir, err)
	}
	return nil
}
