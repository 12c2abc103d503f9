package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// everyNetworkPart asks for all that a network create can leave behind.
var everyNetworkPart = []string{"network", "create", "lan", "--subnet", "10.9.0.0/24", "--router", "way-out", "--external", "public"}

// networkCalls returns the calls of one create and one delete.
func networkCalls(t *testing.T, c *devcloud.Cloud) (create, remove int) {
	t.Helper()
	p := newLeakProject(t, c, "")
	create = p.callsOf(t, c, everyNetworkPart...)
	remove = p.callsOf(t, c, "network", "delete", "lan")
	wantNothing(t, c, "after an ordinary create and delete")
	return create, remove
}

// hit runs galley with a fault in its way and sends it a signal when it is
// there. It says whether it came to that, and the exit code.
func (p *project) hit(t *testing.T, c *devcloud.Cloud, f fault.Rule, sig os.Signal, args ...string) (bool, int) {
	t.Helper()
	set, err := c.Client().AddFault(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command(t.Context(), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hit, ended := reached(t, c, set.ID, cmd.Wait)
	if hit {
		_ = cmd.Process.Signal(sig)
	}
	if sig == syscall.SIGKILL {
		<-ended // What was held is let go when nobody can read the answer any more.
	}
	if err := c.ReleaseFault(set.ID, sig != syscall.SIGKILL); err != nil && hit {
		t.Fatal(err)
	}
	<-ended
	if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return hit, cmd.ProcessState.ExitCode()
}

// wantNoRecords fails unless the records of networks are gone.
func wantNoRecords(t *testing.T, p *project, when string) {
	t.Helper()
	for _, e := range p.env {
		if home, ok := strings.CutPrefix(e, "HOME="); ok {
			left, err := filepath.Glob(filepath.Join(home, ".local/state/galley/networks/*"))
			left = slices.DeleteFunc(left, func(path string) bool { return filepath.Base(path) == "lock" })
			if err != nil || len(left) > 0 {
				t.Errorf("%s: records are left: %v %v", when, left, err)
			}
		}
	}
}

// TestNetworkKilledAtEveryCall kills a network create and a network delete at
// every API call. A delete then leaves nothing, and so does a create that
// finishes the create, followed by a delete.
func TestNetworkKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, action := range []string{fault.HoldBefore, fault.HoldAfter, fault.HoldAnswered} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{Guests: devcloud.GuestsNone})
			create, remove := networkCalls(t, c)
			for _, k := range points(t, create) {
				when := fmt.Sprintf("create killed at call %d (%s)", k, action)
				p := newLeakProject(t, c, "")
				hit, _ := p.hit(t, c, fault.Rule{Action: action, Nth: k}, syscall.SIGKILL, everyNetworkPart...)
				if !hit {
					t.Fatalf("%s: it was not reached", when)
				}
				// With nothing made yet there is nothing to delete.
				if out, errs, code := p.run(t, "network", "delete", "lan"); code != 0 && !strings.Contains(errs, `cannot find the network "lan"`) {
					t.Errorf("%s: delete ended with %d\n%s%s", when, code, out, errs)
				}
				wantNothing(t, c, when+", then deleted")
				wantNoRecords(t, p, when)
				p.hit(t, c, fault.Rule{Action: action, Nth: k}, syscall.SIGKILL, everyNetworkPart...)
				p.must(t, everyNetworkPart...)
				if out := p.must(t, append(everyNetworkPart, "--columns", "changed")...); out != "Changed: no\n" {
					t.Errorf("%s, then finished: a second create says %q", when, out)
				}
				p.must(t, "network", "delete", "lan")
				wantNothing(t, c, when+", then finished and deleted")
				wantNoRecords(t, p, when)
				if t.Failed() {
					t.FailNow()
				}
			}
			for _, k := range points(t, remove) {
				when := fmt.Sprintf("delete killed at call %d (%s)", k, action)
				p := newLeakProject(t, c, "")
				p.must(t, everyNetworkPart...)
				p.hit(t, c, fault.Rule{Action: action, Nth: k}, syscall.SIGKILL, "network", "delete", "lan")
				// Who has read the last answer may be done before the signal comes.
				if out, errs, code := p.run(t, "network", "delete", "lan"); code != 0 && (action != fault.HoldAnswered || !strings.Contains(errs, `cannot find the network "lan"`)) {
					t.Errorf("%s: delete ended with %d\n%s%s", when, code, out, errs)
				}
				wantNothing(t, c, when+", then deleted")
				wantNoRecords(t, p, when)
				if t.Failed() {
					t.FailNow()
				}
			}
		})
	}
}

// TestNetworkFailureAtEveryCall has every API call of a network create fail.
// The create either succeeds all the same or removes its resources.
func TestNetworkFailureAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, f := range []fault.Rule{
		{Action: fault.Status, Status: 500},
		{Action: fault.DropBefore},
		{Action: fault.DropAfter},
	} {
		t.Run(f.Action, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{Guests: devcloud.GuestsNone})
			create, _ := networkCalls(t, c)
			for _, k := range points(t, create) {
				p := newLeakProject(t, c, "")
				f.Nth = k
				if _, err := c.Client().AddFault(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				out, errs, code := p.run(t, everyNetworkPart...)
				if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				if code == 0 {
					p.must(t, "network", "delete", "lan")
				}
				when := fmt.Sprintf("%s at call %d (create ended with %d)", f.Action, k, code)
				wantNothing(t, c, when)
				wantNoRecords(t, p, when)
				if t.Failed() {
					t.Fatalf("%s%s", out, errs)
				}
			}
		})
	}
}

// TestNetworkInterruptedAtEveryCall presses Ctrl-C at every API call of a
// network create, which removes its resources.
func TestNetworkInterruptedAtEveryCall(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{Guests: devcloud.GuestsNone})
	create, _ := networkCalls(t, c)
	for _, k := range points(t, create) {
		p := newLeakProject(t, c, "")
		_, code := p.hit(t, c, fault.Rule{Action: fault.HoldAfter, Nth: k}, os.Interrupt, everyNetworkPart...)
		when := fmt.Sprintf("interrupted at call %d (create ended with %d)", k, code)
		switch code {
		case 130:
		case 0: // it was done before it noticed
			p.must(t, "network", "delete", "lan")
		default:
			t.Errorf("%s: want 130", when)
		}
		wantNothing(t, c, when)
		wantNoRecords(t, p, when)
		if t.Failed() {
			t.FailNow()
		}
	}
}
