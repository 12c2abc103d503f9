//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Bounds of the runs on a real cloud.
const (
	// killWithin is the time in which a run is ended, long enough for a create.
	killWithin = 25 * time.Second
	// hangAfter is how long a command may take before it counts as hanging.
	hangAfter = 6 * time.Minute
	// longestSilence is how long a command may wait without saying so.
	longestSilence = 10 * time.Second
)

// realKills are the creates that are ended at a random moment, with what then
// removes the rest. The shares say how often each is tried.
var realKills = []struct {
	name           string
	share          int
	create, remove []string
	// missing is what the removal says when there was nothing yet to remove.
	missing string
}{
	{"create", 6, []string{"create"}, []string{"destroy"}, ""},
	{
		"server create", 2,
		[]string{"server", "create", "-N", "killed", "-I", "debian-12", "-f", "m1.tiny", "--network-ids", "net1", "-U", "debian", "-a", "--no-chef"},
		[]string{"server", "delete", "killed", "-y"},
		"no server has this ID or name",
	},
	{
		"network create", 1,
		[]string{"network", "create", "killed", "--subnet", "10.99.0.0/24", "--router", "killed", "--external", "public"},
		[]string{"network", "delete", "killed"},
		"no network has this ID or name",
	},
}

// TestKilledOnARealCloud ends creates at random moments on the cloud of OS_*,
// while the machine is loaded, and removes what they have left. The stock
// client must list the same afterwards as before. GALLEY_TEST_KILLS is the
// number of runs; without it the test is skipped.
func TestKilledOnARealCloud(t *testing.T) {
	runs, _ := strconv.Atoi(os.Getenv("GALLEY_TEST_KILLS"))
	if runs == 0 || os.Getenv("OS_AUTH_URL") == "" {
		t.Skip("no real cloud: set GALLEY_TEST_KILLS to the number of runs and source an RC file to run this")
	}
	if _, err := exec.LookPath("openstack"); err != nil {
		t.Skipf("the stock client is needed: %v", err)
	}
	p := newProject(t, nil, kitchenFile)
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "OS_") {
			p.env = append(p.env, kv)
		}
	}
	loadMachine(t)
	before := stockLists(t, p)
	var longest time.Duration
	for n := range runs {
		job := realKills[pick(n)]
		end := endings[rand.IntN(len(endings))]
		after := time.Duration(rand.Int64N(int64(killWithin)))
		when := fmt.Sprintf("run %d: %s ended by %s after %s", n+1, job.name, end.name, after.Round(time.Millisecond))
		created := watched(t, p, job.create, after, end.signals)
		removed := watched(t, p, job.remove, 0, nil)
		t.Logf("%s: %s; %s: %s", when, created, job.remove[0], removed)
		if removed.code != 0 && (job.missing == "" || !strings.Contains(removed.said, job.missing)) {
			t.Errorf("%s: %v ended with %d\n%s", when, job.remove, removed.code, removed.said)
		}
		longest = max(longest, created.silence, removed.silence)
		if created.silence > longestSilence || removed.silence > longestSilence {
			t.Errorf("%s: too long a silence\n%s\n%s", when, created.said, removed.said)
		}
		if created.hung || removed.hung {
			t.Fatalf("%s: it hangs\n%s\n%s", when, created.said, removed.said)
		}
		if after := stockLists(t, p); after != before {
			t.Fatalf("%s: the lists differ\nbefore:\n%s\nafter:\n%s\n%s\n%s", when, before, after, created.said, removed.said)
		}
	}
	t.Logf("%d runs, longest silent wait %s", runs, longest.Round(100*time.Millisecond))
}

// pick spreads the runs over the kinds of create by their shares.
func pick(n int) int {
	var order []int
	for i, k := range realKills {
		order = append(order, slices.Repeat([]int{i}, k.share)...)
	}
	return order[n%len(order)]
}

// loadMachine keeps every core busy, at a low priority, until the test ends.
func loadMachine(t *testing.T) {
	t.Helper()
	for range runtime.NumCPU() {
		busy := exec.CommandContext(t.Context(), "nice", "sh", "-c", "while :; do :; done")
		if err := busy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = busy.Process.Kill(); _ = busy.Wait() })
	}
}

// stockLists are the lists of the stock client, in one process because each
// takes seconds to start.
func stockLists(t *testing.T, p *project) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openstack")
	cmd.Env = p.env
	var commands []string
	for _, list := range []string{
		"server list -c ID -c Name", "port list -c ID -c Name", "floating ip list -c ID -c Port", "volume list -c ID -c Name", "keypair list -c Name",
		"network list -c ID -c Name", "router list -c ID -c Name", "subnet list -c ID -c Name",
	} {
		commands = append(commands, list+" -f csv --sort-column "+list[strings.LastIndex(list, " -c ")+4:]+"\n")
	}
	cmd.Stdin = strings.NewReader(strings.Join(commands, ""))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the stock client: %v\n%s", err, out)
	}
	return string(out)
}

// outcome is what became of a command.
type outcome struct {
	code  int
	hung  bool
	took  time.Duration
	ended time.Duration // since its signals, 0 without any
	// silence is the longest time without output or an announced wait.
	silence time.Duration
	said    string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit code %d after %s (%s after the signal), silent for at most %s",
		o.code, o.took.Round(100*time.Millisecond), o.ended.Round(100*time.Millisecond), o.silence.Round(100*time.Millisecond))
}

// pulse notes the times of output.
type pulse struct {
	mu      sync.Mutex
	began   time.Time
	last    time.Time
	longest time.Duration
	all     bytes.Buffer
	// waits says that the last line names a wait.
	waits bool
}

func (p *pulse) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beat()
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	fmt.Fprintf(&p.all, "[%s] ", time.Since(p.began).Round(100*time.Millisecond))
	p.waits = bytes.Contains(bytes.ToLower(lines[len(lines)-1]), []byte("waiting for"))
	return p.all.Write(b)
}

// beat ends a time without output. A wait that was announced is repeated every
// half a minute only.
func (p *pulse) beat() {
	silence := time.Since(p.last)
	if p.waits {
		silence -= 30 * time.Second
	}
	p.longest = max(p.longest, silence)
	p.last = time.Now()
}

// watched runs galley, and sends it signals after a while if there are any.
func watched(t *testing.T, p *project, args []string, after time.Duration, signals []os.Signal) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangAfter)
	defer cancel()
	cmd := p.command(ctx, args...)
	began := time.Now()
	out := &pulse{began: began, last: began}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	var signalled time.Time
	if len(signals) > 0 {
		select {
		case <-ended:
		case <-time.After(after):
			signalled = time.Now()
			for i, sig := range signals {
				if i > 0 {
					time.Sleep(1500 * time.Millisecond) // Signals within a second count as one.
				}
				_ = cmd.Process.Signal(sig)
			}
		}
	}
	<-ended
	out.mu.Lock()
	defer out.mu.Unlock()
	out.beat()
	o := outcome{code: cmd.ProcessState.ExitCode(), hung: ctx.Err() != nil, took: time.Since(began), silence: out.longest, said: out.all.String()}
	if !signalled.IsZero() {
		o.ended = time.Since(signalled)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		o.code = 128 + int(status.Signal())
	}
	return o
}
