//go:build unix

package cli_test

import (
	"os"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// disturbance is what happens to a run of the program at an API call: a fault,
// or a signal while the call is held.
type disturbance struct {
	fault fault.Rule
	sig   os.Signal
}

var disturbances = map[string]disturbance{
	"killed before the call":  {fault.Rule{Action: fault.HoldBefore}, os.Kill},
	"killed after the call":   {fault.Rule{Action: fault.HoldAfter}, os.Kill},
	"killed after the answer": {fault.Rule{Action: fault.HoldAnswered}, os.Kill},
	"interrupted":             {fault.Rule{Action: fault.HoldAfter}, os.Interrupt},
	"500":                     {fault.Rule{Action: fault.Status, Status: 500}, nil},
	"dropped before":          {fault.Rule{Action: fault.DropBefore}, nil},
	"dropped after":           {fault.Rule{Action: fault.DropAfter}, nil},
	"late":                    {fault.Rule{Action: fault.LateEffect, Delay: fault.Duration(slow)}, nil},
	"delivered twice":         {fault.Rule{Action: fault.Duplicate}, nil},
	"misrouted 404":           {fault.Rule{Action: fault.Status, Status: 404}, nil},
	"misrouted 204":           {fault.Rule{Action: fault.Status, Status: 204, EmptyBody: true}, nil},
	"an empty object":         {fault.Rule{Action: fault.Answer, Body: "{}"}, nil},
}

// disturbed runs galley under a disturbance of its k-th call, and returns when
// no request can take effect any more.
func (p *project) disturbed(t *testing.T, c *devcloud.Cloud, d disturbance, k int, args ...string) (said string, code int) {
	t.Helper()
	d.fault.Nth = k
	set, err := c.Client().AddFault(t.Context(), d.fault)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command(t.Context(), args...)
	out := &lockedBuffer{}
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hit, ended := reached(t, c, set.ID, cmd.Wait)
	if d.sig != nil && hit {
		_ = cmd.Process.Signal(d.sig)
		if err := c.ReleaseFault(set.ID, d.sig == os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	clearAndSettle(t, c)
	return out.String(), cmd.ProcessState.ExitCode()
}

// TestResetAtEveryCall ends or disturbs a reset at every API call. One that
// says it succeeded has given the machine a fresh system, a later create or
// reset always ends with a usable machine, and no request takes effect after
// that.
func TestResetAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, way := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{})
			p := newLeakProject(t, c, kitchenFile)
			p.must(t, "create")
			n := p.callsOf(t, c, "reset")
			for i, k := range points(t, n) {
				p.resetAt(t, c, way, k, []string{"create", "reset"}[i%2])
				if t.Failed() {
					t.Fatalf("%s at call %d of %d", name, k, n)
				}
			}
			p.must(t, "destroy")
			wantNothing(t, c, "after resets and a destroy")
		})
	}
}

// resetAt disturbs a reset and then recovers by another command.
func (p *project) resetAt(t *testing.T, c *devcloud.Cloud, d disturbance, k int, recovery string) {
	t.Helper()
	used := "test -e /var/tmp/used"
	p.must(t, "exec", "-c", "touch /var/tmp/used")
	said, code := p.disturbed(t, c, d, k, "reset")
	out, errs, recovered := p.run(t, recovery)
	if recovered != 0 {
		t.Errorf("%s after a reset that ended with %d: %d\n%s%s\n%s", recovery, code, recovered, out, errs, said)
		return
	}
	if _, _, still := p.run(t, "exec", "-c", used); still == 0 && (code == 0 || recovery == "reset") {
		t.Errorf("a reset that ended with %d and a %s left the old system\n%s%s", code, recovery, said, errs)
	}
	if n := len(c.Resources()["servers"]); n != 1 {
		t.Errorf("%d servers", n)
	}
}
