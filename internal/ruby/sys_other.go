//go:build !unix

package ruby

import (
	"context"
	"os/exec"
)

// shellCommand runs a command line as Ruby's backticks do.
func shellCommand(ctx context.Context, line string) *exec.Cmd {
	return exec.CommandContext(ctx, "cmd", "/c", line)
}

func killGroup(c *exec.Cmd) error { return c.Process.Kill() }
