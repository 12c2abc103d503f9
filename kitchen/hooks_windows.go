package kitchen

import (
	"context"
	"errors"
	"os/exec"
)

// localShell returns the command that runs a line by this machine's shell.
func localShell(ctx context.Context, line string) *exec.Cmd {
	return exec.CommandContext(ctx, "cmd.exe", "/d", "/s", "/c", line)
}

func runAs(*exec.Cmd, string) error {
	return errors.New("a hook's user cannot be changed on Windows: remove `user` from the hook")
}
