//go:build unix

package bootstrap

import (
	"os/exec"
	"syscall"
)

// shellCommand is a command line for the local shell, in a process group of
// its own so that Ctrl-C in the terminal does not reach it first.
func shellCommand(line string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", "exec "+line) //nolint:gosec,noctx // the person's own command
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// killTree ends the command and what it has started.
func killTree(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
}
