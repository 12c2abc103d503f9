//go:build unix

package kitchentest

import (
	"os/exec"
	"syscall"
)

// ownSession makes a command the leader of a session, as sshd does.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
