//go:build unix

package kitchen

import (
	"context"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// LocalCommand returns a command on this computer: args, or a line for the
// shell where there are none. It leads its own process group, all of which is
// sent SIGTERM when ctx ends, and runs as the named user, "" for the same one.
func LocalCommand(ctx context.Context, line string, args []string, name string) (*exec.Cmd, error) {
	if len(args) == 0 {
		args = []string{"/bin/sh", "-c", line}
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if name == "" {
		return cmd, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("the user %q: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the user %q has no numeric id: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the group of the user %q has no numeric id: %w", name, err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return cmd, nil
}
