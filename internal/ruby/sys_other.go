//go:build !unix

package ruby

import (
	"os/exec"
)

func isErrno(error, string) bool { return false }

// shellCommand runs a command line as Ruby's backticks do.
func shellCommand(line string) *exec.Cmd { return exec.Command("cmd", "/c", line) }

func killGroup(c *exec.Cmd) error {
	if c.Process == nil {
		return nil
	}
	return c.Process.Kill()
}
