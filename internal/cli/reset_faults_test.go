//go:build unix

package cli_test

import (
	"os"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
)

// TestResetAtEveryCall ends or disturbs a reset at every API call. One that
// says it succeeded has given the machine a fresh system, a later create or
// reset always ends with a usable machine, and no request takes effect after
// that.
func TestResetAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		fault devcloud.Fault
		sig   os.Signal
	}{
		"killed before the call":  {devcloud.Fault{Action: devcloud.FaultHoldBefore}, os.Kill},
		"killed after the call":   {devcloud.Fault{Action: devcloud.FaultHoldAfter}, os.Kill},
		"killed after the answer": {devcloud.Fault{Action: devcloud.FaultHoldAnswered}, os.Kill},
		"interrupted":             {devcloud.Fault{Action: devcloud.FaultHoldAfter}, os.Interrupt},
		"500":                     {devcloud.Fault{Action: devcloud.FaultStatus, Status: 500}, nil},
		"dropped before":          {devcloud.Fault{Action: devcloud.FaultDropBefore}, nil},
		"dropped after":           {devcloud.Fault{Action: devcloud.FaultDropAfter}, nil},
		"late":                    {devcloud.Fault{Action: devcloud.FaultLateEffect, Delay: devcloud.FaultDuration(slow)}, nil},
		"delivered twice":         {devcloud.Fault{Action: devcloud.FaultDuplicate}, nil},
		"misrouted 404":           {devcloud.Fault{Action: devcloud.FaultStatus, Status: 404}, nil},
		"misrouted 204":           {devcloud.Fault{Action: devcloud.FaultStatus, Status: 204, EmptyBody: true}, nil},
		"an empty object":         {devcloud.Fault{Action: devcloud.FaultAnswer, Body: "{}"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{})
			p := newLeakProject(t, c, kitchenFile)
			p.must(t, "create")
			if err := c.Client().ResetRequests(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.must(t, "reset")
			log, err := c.Client().Requests(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if log.Total < 5 {
				t.Fatalf("a reset made only %d calls: %v", log.Total, log)
			}
			for i, k := range points(log.Total) {
				fault := way.fault
				fault.Nth = k
				p.resetAt(t, c, fault, way.sig, []string{"create", "reset"}[i%2])
				if t.Failed() {
					t.Fatalf("%s at call %d of %d", name, k, log.Total)
				}
			}
			p.must(t, "destroy")
			wantNothing(t, c, "after resets and a destroy")
		})
	}
}

// resetAt runs a reset under a fault, or ends it there by a signal, and then
// recovers by another command.
func (p *project) resetAt(t *testing.T, c *devcloud.Cloud, f devcloud.Fault, sig os.Signal, recovery string) {
	t.Helper()
	used := "test -e /var/tmp/used"
	p.must(t, "exec", "-c", "touch /var/tmp/used")
	set, err := c.Client().AddFault(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command(t.Context(), "reset")
	said := &lockedBuffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hit, ended := reached(t, c, set.ID, cmd.Wait)
	if sig != nil && hit {
		_ = cmd.Process.Signal(sig)
		if err := c.Client().ReleaseFault(t.Context(), set.ID, sig == os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	<-ended
	clearAndSettle(t, c)
	code := cmd.ProcessState.ExitCode()
	out, errs, recovered := p.run(t, recovery)
	if recovered != 0 {
		t.Errorf("%s after a reset that ended with %d: %d\n%s%s\n%s", recovery, code, recovered, out, errs, said)
		return
	}
	if _, _, still := p.run(t, "exec", "-c", used); still == 0 && (code == 0 || recovery == "reset") {
		t.Errorf("a reset that ended with %d and a %s left the old system\n%s%s", code, recovery, said, errs)
	}
	for _, s := range c.Resources().All() {
		if s.Kind == "server" && len(s.Items) != 1 {
			t.Errorf("%d servers", len(s.Items))
		}
	}
}
