//go:build unix

package ruby

import (
	"context"
	"os/exec"
	"syscall"
)

// shellCommand runs a command line as Ruby's backticks do.
func shellCommand(ctx context.Context, line string) *exec.Cmd {
	c := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	// its own group, so that the whole pipeline ends with it
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

func killGroup(c *exec.Cmd) error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
