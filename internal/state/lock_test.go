package state

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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
		if time.Since(began) > time.Minute {
			t.Fatal("a stopped process counts as running")
		}
	}
}

// A lock file that its holder removes does not let two of those who wait for it
// in at once.
func TestLockWhoseFileIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	holding := make(chan struct{}, 1)
	done := make(chan error)
	for range 4 {
		go func() {
			for range 25 {
				unlock, err := Lock(t.Context(), path, "it", nil)
				if err != nil {
					done <- err
					return
				}
				select {
				case holding <- struct{}{}:
				default:
					done <- errors.New("two hold the lock")
					return
				}
				<-holding
				// From here on another one may lock a new file.
				_ = os.Remove(path)
				if err := unlock(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// The lock file of an instance goes with its state and its record.
func TestLockOfAnInstanceThatIsGone(t *testing.T) {
	p := Paths{t.TempDir()}
	store := NewStore(p.Root)
	for name, there := range map[string]bool{"gone": false, "state": true, "record": true} {
		unlock, err := store.Lock(t.Context(), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		file := map[string]string{"state": p.State(name), "record": p.Journal(name)}[name]
		if file != "" {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(p.Lock(name)); there != (err == nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the lock file: %v", name, err)
		}
	}
}
