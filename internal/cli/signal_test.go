//go:build unix

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleepingFile converges for a minute; its finally hook leaves a file.
const sleepingFile = `---
driver: {name: dummy}
provisioner: {name: dummy, sleep: 60}
verifier: {name: dummy}
platforms: [{name: x}]
suites:
  - name: default
    lifecycle:
      finally_converge:
        - local: touch finally
`

// Signals within a second are one request to stop: timeout(1) sends
// TERM to the process and to its group. The finally hooks run, and no message
// speaks of a cancelled context. The process is stopped meanwhile, so that
// all three reach it at once.
func TestSignalsInABurstAreOneRequest(t *testing.T) {
	t.Parallel()
	p := newProject(t, nil, sleepingFile)
	cmd, wait := p.started(t, "Converging <default-x>", "converge")
	for _, sig := range []os.Signal{syscall.SIGSTOP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGCONT} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	out, code := wait()
	if _, err := os.Stat(filepath.Join(p.dir, "finally")); err != nil || code != 130 {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	if strings.Contains(out, "context canceled") || !strings.Contains(out, "interrupted") {
		t.Errorf("it says\n%s", out)
	}
}

// A second request, more than a second after the first has been noticed, ends
// the program at once.
func TestSecondSignalAborts(t *testing.T) {
	t.Parallel()
	p := newProject(t, nil, strings.Replace(sleepingFile, "touch finally", "sleep 60", 1))
	cmd, wait := p.started(t, "Converging <default-x>", "converge")
	go func() {
		for cmd.Process.Signal(os.Interrupt) == nil { // until it has ended
			time.Sleep(1200 * time.Millisecond)
		}
	}()
	if out, code := wait(); code != 130 {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// A hangup that the parent ignores, as nohup does, stays ignored.
func TestIgnoredHangup(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nohup"); err != nil {
		t.Skip("there is no nohup here")
	}
	p := newProject(t, nil, strings.Replace(sleepingFile, "sleep: 60", "sleep: 1", 1))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap "" HUP; "$0" converge & pid=$!; while ! grep -q Converging .kitchen/logs/default-x.log 2>/dev/null; do :; done; kill -HUP $pid; wait $pid`, galley)
	cmd.Dir, cmd.Env = p.dir, p.env
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Finished converging <default-x>") {
		t.Errorf("%v\n%s", err, out)
	}
}
