package state

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestIsStopped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if isStopped(os.Getpid()) || isStopped(0) || pidOf("another process") != 0 || pidOf("process 17 since 12:00:00") != 17 {
		t.Error("a running process counts as stopped, or a holder is misread")
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if err := cmd.Process.Signal(syscall.Signal(19)); err != nil { // SIGSTOP, which Windows does not name
		t.Fatal(err)
	}
	for began := time.Now(); !isStopped(cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("a stopped process counts as running")
		}
	}
}
