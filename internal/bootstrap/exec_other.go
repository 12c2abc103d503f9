//go:build !unix

package bootstrap

import "os/exec"

// shellCommand is a command line for the local shell.
func shellCommand(line string) *exec.Cmd {
	return exec.Command("cmd", "/C", line) //nolint:gosec,noctx // the person's own command
}

// killTree ends the command.
func killTree(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = cmd.Process.Kill()
	}
}
