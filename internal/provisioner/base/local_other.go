//go:build !unix

package base

import (
	"context"
	"fmt"
	"os/exec"
)

func localCommand(ctx context.Context, line string, args []string) *exec.Cmd {
	if line != "" {
		args = []string{"cmd", "/c", line}
	}
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

func runAs(_ *exec.Cmd, name string) error {
	return fmt.Errorf("running a command as the user %q works on Unix only", name)
}
