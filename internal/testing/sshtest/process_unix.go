//go:build unix

package sshtest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/creack/pty"
)

var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
	"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

// signal sends a signal to the command's process group, as sshd does.
func (p *process) signal(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sig, ok := signals[name]; ok && p.cmd != nil && p.cmd.Process != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

// hangUp ends the command when its session is gone.
func (p *process) hangUp() { p.signal("KILL") }

func signalOf(err *exec.ExitError) string {
	ws, ok := err.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return ""
	}
	for name, sig := range signals {
		if sig == ws.Signal() {
			return name
		}
	}
	return "TERM"
}

func setSize(f *os.File, s Size) {
	_ = pty.Setsize(f, &pty.Winsize{Cols: uint16(s.Width), Rows: uint16(s.Height)}) //nolint:gosec // small
}

func (p *process) runCommand(cmd *exec.Cmd) error {
	if p.term == "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return p.runPipes(cmd)
	}
	p.mu.Lock()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(p.size.Width), Rows: uint16(p.size.Height)}) //nolint:gosec // small
	p.cmd, p.pty = cmd, f
	p.mu.Unlock()
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(f, p.ch) }()
	if _, err := io.Copy(p.ch, f); err != nil && !errors.Is(err, syscall.EIO) {
		_ = cmd.Process.Kill()
	}
	err = cmd.Wait()
	p.mu.Lock()
	p.pty = nil
	p.mu.Unlock()
	f.Close()
	return err
}
