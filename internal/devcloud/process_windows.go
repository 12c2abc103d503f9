package devcloud

import (
	"os"
	"os/exec"
	"syscall"
)

// detach keeps a console's Ctrl-C from a process.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate ends the daemon; Windows has no gentler way to end another
// process.
func terminate(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
