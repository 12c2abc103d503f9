//go:build unix && !linux

package guest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func candidates(limits) []string { return []string{ModeDirectory} }

func attributes(order) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// linkCloser is a directory that holds a link and goes with it.
type linkCloser string

func (d linkCloser) Close() error { return os.RemoveAll(string(d)) }

// shortSocket makes a short link to the directory, below /tmp since the
// system's own temporary directory has a long name on macOS.
func shortSocket(dir string) (string, io.Closer, error) {
	tmp, err := os.MkdirTemp("/tmp", "galley-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Symlink(dir, filepath.Join(tmp, "d")); err != nil {
		_ = os.RemoveAll(tmp)
		return "", nil, err
	}
	return filepath.Join(tmp, "d", socketName), linkCloser(tmp), nil
}

// startTime is when a process began, as ps says; "" when it is gone.
func startTime(pid int) string {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // ends at once
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// sweep has no way to know a process by its environment here; the process
// groups of the sessions have been killed by the guest itself.
func sweep(string) {}

func detachMounts(string) {}
