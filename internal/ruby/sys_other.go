//go:build !unix

package ruby

import (
	"os"
	"os/exec"
)

const openNonBlock = 0

func isErrno(error, string) bool { return false }

func writable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&0o200 != 0
}

func userIDs() (uid, euid, gid, egid int) { return 0, 0, 0, 0 }

// shellCommand runs a command line as Ruby's backticks do.
func shellCommand(line string) *exec.Cmd { return exec.Command("cmd", "/c", line) }

func ownGroup(*exec.Cmd) {}

func killGroup(c *exec.Cmd) error {
	if c.Process == nil {
		return nil
	}
	return c.Process.Kill()
}
