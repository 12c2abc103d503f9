//go:build !windows

package devcloud

import (
	"os/exec"
	"syscall"
)

// detach puts a process into its own session, so that the terminal's
// Ctrl-C and hang-up pass it by.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func terminate(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }
