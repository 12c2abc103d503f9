//go:build !unix

package kitchen

import (
	"context"
	"fmt"
	"os/exec"
)

// LocalCommand returns a command on this computer: args, or a line for the
// shell where there are none. It cannot run as another user.
func LocalCommand(ctx context.Context, line string, args []string, name string) (*exec.Cmd, error) {
	if name != "" {
		return nil, fmt.Errorf("running a command as the user %q works on Unix only", name)
	}
	if len(args) == 0 {
		args = []string{"cmd.exe", "/d", "/s", "/c", line}
	}
	return exec.CommandContext(ctx, args[0], args[1:]...), nil
}
