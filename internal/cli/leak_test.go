package cli_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// calls returns how many API calls one create makes on the cloud, which is
// how many points there are at which it can be hit.
func calls(t *testing.T, c *devcloud.Cloud) int {
	t.Helper()
	p := newLeakProject(t, c, kitchenFile)
	if err := c.Client().ResetRequests(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.must(t, "create")
	log, err := c.Client().Requests(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	p.must(t, "destroy")
	wantNothing(t, c, "after an ordinary create and destroy")
	if log.Total < 10 {
		t.Fatalf("a create made only %d calls: %v", log.Total, log)
	}
	return log.Total
}

// points are the calls of n that a matrix hits: every sixth, with -short every
// twelfth, each test beginning at another one; with GALLEY_MATRIX=full (make
// matrices) all of them.
func points(t *testing.T, n int) []int {
	step := 6
	switch {
	case os.Getenv("GALLEY_MATRIX") == "full":
		step = 1
	case testing.Short():
		step = 12
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name()))
	var list []int
	for k := 1 + int(h.Sum32()%uint32(step)); k <= n; k += step {
		list = append(list, k)
	}
	return list
}

// TestKillAtEveryCall kills a create with SIGKILL at every API call: before
// the cloud has acted on it, after it has acted and before the answer is
// read, and when the answer has been sent. A destroy then leaves nothing.
func TestKillAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, action := range []string{fault.HoldBefore, fault.HoldAfter, fault.HoldAnswered} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{})
			for _, k := range points(t, calls(t, c)) {
				killAt(t, c, action, k)
			}
		})
	}
}

func killAt(t *testing.T, c *devcloud.Cloud, action string, k int) {
	t.Helper()
	p := newLeakProject(t, c, kitchenFile)
	f, err := c.Client().AddFault(t.Context(), fault.Rule{Action: action, Nth: k})
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command(t.Context(), "create")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hit, ended := reached(t, c, f.ID, cmd.Wait)
	if hit {
		_ = cmd.Process.Kill()
		<-ended
	}
	if err := c.ReleaseFault(f.ID, false); err != nil && hit {
		t.Fatal(err)
	}
	if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := p.run(t, "destroy"); code != 0 {
		t.Errorf("killed at call %d (%s): destroy ended with %d\n%s%s", k, action, code, out, errs)
	}
	wantNothing(t, c, fmt.Sprintf("killed at call %d (%s), then destroyed", k, action))
	if t.Failed() {
		if log, err := os.ReadFile(p.dir + "/.kitchen/logs/default-debian-12.log"); err == nil {
			t.Logf("%s", log)
		}
		t.FailNow()
	}
}

// reached waits until the fault is hit or the process ends, which a process
// with its last answer in hand may do at the same time: hit is then true as
// well. The number of polls is not the same in every run.
func reached(t *testing.T, c *devcloud.Cloud, id string, wait func() error) (bool, <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ended := make(chan struct{})
	go func() { _ = wait(); close(ended) }()
	hit := make(chan error, 1)
	go func() { _, err := c.WaitFault(ctx, id, 1); hit <- err }()
	select {
	case err := <-hit:
		if err != nil {
			t.Fatal(err)
		}
		return true, ended
	case <-ended:
		rules, err := c.Client().Faults(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(rules, func(f fault.State) bool { return f.ID == id && f.Hits > 0 }), ended
	}
}

// TestFailureAtEveryCall has every API call of a create fail: with an error,
// with a connection that drops before or after the cloud has acted. The
// create either succeeds all the same or removes its resources, without
// a destroy.
func TestFailureAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, f := range []fault.Rule{
		{Action: fault.Status, Status: 500},
		{Action: fault.DropBefore},
		{Action: fault.DropAfter},
	} {
		t.Run(f.Action, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{})
			for _, k := range points(t, calls(t, c)) {
				p := newLeakProject(t, c, kitchenFile)
				f.Nth = k
				if _, err := c.Client().AddFault(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				out, errs, code := p.run(t, "create")
				if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				if code == 0 {
					p.must(t, "exec", "-c", "true")
					p.must(t, "destroy")
				}
				wantNothing(t, c, fmt.Sprintf("%s at call %d (create ended with %d)", f.Action, k, code))
				if t.Failed() {
					t.Fatalf("%s%s", out, errs)
				}
			}
		})
	}
}

// TestInterruptAtEveryCall presses Ctrl-C at every API call of a create,
// which then ends in order with 130 and nothing left.
func TestInterruptAtEveryCall(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	for _, k := range points(t, calls(t, c)) {
		p := newLeakProject(t, c, kitchenFile)
		f, err := c.Client().AddFault(t.Context(), fault.Rule{Action: fault.HoldAfter, Nth: k})
		if err != nil {
			t.Fatal(err)
		}
		cmd := p.command(t.Context(), "create")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		hit, ended := reached(t, c, f.ID, cmd.Wait)
		if hit {
			_ = cmd.Process.Signal(os.Interrupt)
			if err := c.ReleaseFault(f.ID, true); err != nil {
				t.Fatal(err)
			}
			<-ended
		}
		if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); hit && code != 130 && code != 0 || !hit && code != 0 {
			t.Errorf("interrupted at call %d: exit code %d", k, code)
		}
		if cmd.ProcessState.ExitCode() == 0 { // it was done before it noticed
			p.must(t, "destroy")
		}
		wantNothing(t, c, fmt.Sprintf("interrupted at call %d", k))
		if t.Failed() {
			t.FailNow()
		}
	}
}

// newLeakProject is a project whose requests have a short timeout: an
// unanswered one counts as without effect soon after.
func newLeakProject(t testing.TB, c *devcloud.Cloud, file string) *project {
	t.Helper()
	p := newProject(t, c, file)
	p.env = append(p.env, "OS_API_TIMEOUT=4")
	return p
}
