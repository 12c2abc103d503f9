package cli_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// slow is how long after its arrival a slow request takes effect.
const slow = 1500 * time.Millisecond

// creations are the requests of a create that make something.
var creations = []fault.Rule{
	{Service: "compute", Method: "POST", Path: "/os-keypairs$"},
	{Service: "volume", Method: "POST", Path: "/volumes$"},
	{Service: "compute", Method: "POST", Path: "/servers$"},
	{Service: "network", Method: "POST", Path: "/floatingips$"},
}

// ending is a way in which a run of the program is ended from outside.
type ending struct {
	name    string
	signals []os.Signal
	// short says that -short tries it too.
	short bool
}

var endings = []ending{
	{"INT", []os.Signal{syscall.SIGINT}, true},
	{"TERM", []os.Signal{syscall.SIGTERM}, false},
	{"HUP", []os.Signal{syscall.SIGHUP}, false},
	{"PIPE", []os.Signal{syscall.SIGPIPE}, false},
	{"KILL", []os.Signal{syscall.SIGKILL}, true},
	{"INT twice", []os.Signal{syscall.SIGINT, syscall.SIGINT}, false},
}

// TestEndedWhileARequestIsSlow ends a create in each way while the cloud has a
// request that it acts on later. Whatever the create leaves, the next destroy
// removes, and it ends only when nothing can appear any more.
func TestEndedWhileARequestIsSlow(t *testing.T) {
	t.Parallel()
	for _, end := range endings {
		if testing.Short() && !end.short {
			continue
		}
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{})
			for _, at := range creations {
				at.Action, at.Delay = fault.LateEffect, fault.Duration(slow)
				when := fmt.Sprintf("%s during %s %s", end.name, at.Method, at.Path)
				p := newLeakProject(t, c, kitchenFile)
				said := p.endAtFault(t, c, at, end.signals, "create")
				if out, errs, code := p.run(t, "destroy"); code != 0 {
					t.Errorf("%s: destroy ended with %d\n%s%s", when, code, out, errs)
				}
				wantNothing(t, c, when+", then destroyed")
				clearAndSettle(t, c)
				wantNothing(t, c, when+", after all effects")
				if t.Failed() {
					t.Fatal(said)
				}
			}
		})
	}
}

// TestNetworkEndedWhileARequestIsSlow is the same for a network.
func TestNetworkEndedWhileARequestIsSlow(t *testing.T) {
	t.Parallel()
	for _, end := range endings {
		if testing.Short() && !end.short {
			continue
		}
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{Guests: devcloud.GuestsNone})
			for _, at := range []fault.Rule{
				{Method: "POST", Path: "/networks$"}, {Method: "POST", Path: "/subnets$"}, {Method: "POST", Path: "/routers$"}, {Method: "PUT", Path: "/add_router_interface$"},
			} {
				at.Service, at.Action, at.Delay = "network", fault.LateEffect, fault.Duration(slow)
				when := fmt.Sprintf("%s during %s %s", end.name, at.Method, at.Path)
				p := newLeakProject(t, c, "")
				said := p.endAtFault(t, c, at, end.signals, everyNetworkPart...)
				if out, errs, code := p.run(t, "network", "delete", "lan"); code != 0 && !strings.Contains(errs, `cannot find the network "lan"`) {
					t.Errorf("%s: delete ended with %d\n%s%s", when, code, out, errs)
				}
				wantNothing(t, c, when+", then deleted")
				clearAndSettle(t, c)
				wantNothing(t, c, when+", after all effects")
				wantNoRecords(t, p, when)
				if t.Failed() {
					t.Fatal(said)
				}
			}
		})
	}
}

// TestServerEndedWhileARequestIsSlow is the same for a server that becomes a
// node, with the requests to its Chef Server.
func TestServerEndedWhileARequestIsSlow(t *testing.T) {
	t.Parallel()
	late := func(service, path string) way {
		w := onCloud(fault.Rule{Service: service, Method: "POST", Path: path, Action: fault.LateEffect, Delay: fault.Duration(slow)})
		w.name = path
		return w
	}
	for _, by := range []way{late("compute", "/os-keypairs$"), late("compute", "/servers$"), late("network", "/floatingips$"), onChef(gateLate)} {
		for _, sig := range []os.Signal{os.Kill, os.Interrupt} {
			t.Run(fmt.Sprintf("%s %s", sig, by.name), func(t *testing.T) {
				t.Parallel()
				w := newNodeWorld(t)
				most := 1
				if by.name == "chef "+gateLate {
					most = by.count(t, w)
					w.must(t, "server", "delete", "count", "--purge", "-y")
				}
				for k := 1; k <= most; k++ {
					reached, disarm := by.arm(t, w, k)
					endAt(t, w.command(t.Context(), createNode("web")...), reached, sig)
					when := fmt.Sprintf("%s while call %d of %s is slow", sig, k, by.name)
					if out, errs, code := w.run(t, "server", "delete", "web", "-y"); code != 0 && !strings.Contains(errs, `"web": no server has this ID or name`) {
						t.Errorf("%s: delete ended with %d\n%s%s", when, code, out, errs)
					}
					w.wantNothing(t, when)
					clearAndSettle(t, w.cloud)
					disarm()
					w.wantNothing(t, when+", after all effects")
					if t.Failed() {
						t.FailNow()
					}
				}
			})
		}
	}
}

// endAtFault runs galley and sends it signals when the fault is reached, a
// moment apart. It returns the output on standard error.
func (p *project) endAtFault(t *testing.T, c *devcloud.Cloud, f fault.Rule, signals []os.Signal, args ...string) string {
	t.Helper()
	set, err := c.Client().AddFault(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command(t.Context(), args...)
	said := &lockedBuffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hit, ended := reached(t, c, set.ID, cmd.Wait)
	if !hit {
		t.Fatalf("%s %s was never sent\n%s", f.Method, f.Path, said)
	}
	for i, sig := range signals {
		if i > 0 {
			// The program tells that it has seen the first one.
			said.wait(t, "Stopping")
			time.Sleep(1100 * time.Millisecond) // Signals within a second count as one.
		}
		_ = cmd.Process.Signal(sig)
	}
	<-ended
	return said.String()
}

// clearAndSettle waits until every request that is on its way has taken effect
// and removes the faults.
func clearAndSettle(t *testing.T, c *devcloud.Cloud) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		rules, err := c.Client().Faults(ctx)
		if err != nil {
			t.Fatal(err)
		}
		holding := 0
		for _, r := range rules {
			holding += r.Holding
		}
		if holding == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
}

// TestOddAnswersAtEveryCall has each call of a create, and of the destroy after
// it, answered by something else: by a proxy that delivers it twice, as if the
// resource did not exist, with nothing, or with a foreign answer. A second
// destroy leaves nothing.
func TestOddAnswersAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault.Rule{
		"delivered twice":   {Action: fault.Duplicate},
		"misrouted 404":     {Action: fault.Status, Status: 404},
		"misrouted 204":     {Action: fault.Status, Status: 204, EmptyBody: true},
		"an empty answer":   {Action: fault.Answer, Body: ""},
		"an empty object":   {Action: fault.Answer, Body: "{}"},
		"null":              {Action: fault.Answer, Body: "null"},
		"a page of a proxy": {Action: fault.Answer, Status: 200, Body: "<html><body>Welcome</body></html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{})
			n := calls(t, c)
			for _, k := range points(t, n) {
				p := newLeakProject(t, c, kitchenFile)
				f.Nth = k
				out, errs, code := p.withFault(t, c, f, "create")
				p.must(t, "destroy")
				wantNothing(t, c, fmt.Sprintf("%s at call %d of a create that ended with %d, then destroyed", name, k, code))
				if t.Failed() {
					t.Fatalf("%s%s", out, errs)
				}
			}
			for _, k := range points(t, 12) {
				p := newLeakProject(t, c, kitchenFile)
				p.must(t, "create")
				f.Nth = k
				out, errs, code := p.withFault(t, c, f, "destroy")
				if code == 0 {
					wantNothing(t, c, fmt.Sprintf("%s at call %d of a destroy that succeeded", name, k))
				}
				p.must(t, "destroy")
				wantNothing(t, c, fmt.Sprintf("%s at call %d of a destroy that ended with %d, and a second one", name, k, code))
				if t.Failed() {
					t.Fatalf("%s%s", out, errs)
				}
			}
		})
	}
}

// withFault runs galley with a fault in its way, which is removed afterwards.
func (p *project) withFault(t *testing.T, c *devcloud.Cloud, f fault.Rule, args ...string) (out, errs string, code int) {
	t.Helper()
	if _, err := c.Client().AddFault(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	out, errs, code = p.run(t, args...)
	if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return out, errs, code
}

// lockedBuffer is what a process says, to be looked at while it runs.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// wait waits until the process has said it.
func (b *lockedBuffer) wait(t *testing.T, what string) {
	t.Helper()
	for began := time.Now(); !strings.Contains(b.String(), what); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%q was never said in\n%s", what, b)
		}
	}
}
