//go:build !unix

package sshtest

import (
	"os"
	"os/exec"
)

func (p *process) signal(string) { p.hangUp() }

func (p *process) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
	}
}

func signalOf(*exec.ExitError) string { return "" }

func setSize(*os.File, Size) {}

func (p *process) runCommand(cmd *exec.Cmd) error { return p.runPipes(cmd) }
