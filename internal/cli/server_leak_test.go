package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// nodeWorld is a cloud, a Chef Server and a person at home between them.
type nodeWorld struct {
	*project
	cloud *devcloud.Cloud
	chef  *chefWorld
}

func newNodeWorld(t *testing.T) *nodeWorld {
	t.Helper()
	w := &nodeWorld{cloud: newCloud(t, devcloud.Options{}), chef: newChefWorld(t)}
	w.project = newLeakProject(t, w.cloud, "")
	home := ""
	for _, v := range w.env {
		if h, ok := strings.CutPrefix(v, "HOME="); ok {
			home = h
		}
	}
	if err := w.chef.configure(home); err != nil {
		t.Fatal(err)
	}
	return w
}

// createNode asks for all that a create can leave behind: a key pair of its
// own, a server with its port, a floating IP, a client and a node.
func createNode(name string) []string {
	return []string{"server", "create", "-N", name, "-I", "debian-12", "-f", "m1.small", "--network-ids", "net1", "-U", "debian", "-a", "-r", "recipe[one]"}
}

// wantNothing fails the test if anything is left on either side, or a record
// of it.
func (w *nodeWorld) wantNothing(t *testing.T, when string) {
	t.Helper()
	wantNothing(t, w.cloud, when)
	if left := w.chef.left(); left != "" {
		t.Errorf("%s: left on the Chef Server: %s", when, left)
	}
	for _, v := range w.env {
		if home, ok := strings.CutPrefix(v, "HOME="); ok {
			files, _ := filepath.Glob(filepath.Join(home, ".local/state/galley/servers/*/*"))
			// A record that was being written for the first time when its process
			// was killed asks for nothing; the next command for the name sweeps it.
			files = slices.DeleteFunc(files, func(f string) bool {
				return strings.HasSuffix(f, ".lock") || strings.HasPrefix(filepath.Base(f), ".")
			})
			if len(files) > 0 {
				t.Errorf("%s: left on disk: %v", when, files)
			}
		}
	}
}

// way is a way to reach every call of a create, on the cloud or on the Chef
// Server.
type way struct {
	name string
	// count returns how many calls a whole create makes.
	count func(t *testing.T, w *nodeWorld) int
	// arm has the nth call hit; reached tells of it, and disarm ends it.
	arm func(t *testing.T, w *nodeWorld, nth int) (reached <-chan struct{}, disarm func())
}

// onCloud and onChef are the ways to hit calls by faults of the embedded cloud
// and of the gate before the Chef Server.
func onCloud(f fault.Rule) way {
	return way{
		name: "cloud " + f.Action,
		count: func(t *testing.T, w *nodeWorld) int {
			if err := w.cloud.Client().ResetRequests(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.must(t, createNode("count")...)
			log, err := w.cloud.Client().Requests(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			return log.Total
		},
		arm: func(t *testing.T, w *nodeWorld, nth int) (<-chan struct{}, func()) {
			nthFault := f
			nthFault.Nth = nth
			added, err := w.cloud.Client().AddFault(t.Context(), nthFault)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			hit := make(chan struct{})
			go func() {
				if _, err := w.cloud.WaitFault(ctx, added.ID, 1); err == nil {
					close(hit)
				}
			}()
			return hit, func() {
				cancel()
				// A fault that was not hit is not held either.
				_ = w.cloud.ReleaseFault(added.ID, true)
				if err := w.cloud.Client().ClearFaults(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

func onChef(act string) way {
	return way{
		name: "chef " + act,
		count: func(t *testing.T, w *nodeWorld) int {
			w.chef.gate.set("", 0)
			w.must(t, createNode("count")...)
			return w.chef.gate.count()
		},
		arm: func(t *testing.T, w *nodeWorld, nth int) (<-chan struct{}, func()) {
			return w.chef.gate.set(act, nth), w.chef.gate.release
		},
	}
}

// everyCall has a create hit at every call, one after the other.
func everyCall(t *testing.T, w *nodeWorld, by way, hit func(t *testing.T, k int)) {
	n := by.count(t, w)
	w.must(t, "server", "delete", "count", "--purge", "-y")
	w.wantNothing(t, "after an ordinary create and delete")
	if locks, _ := filepath.Glob(filepath.Join(w.getenv("HOME"), ".local/state/galley/servers/*/*.lock")); len(locks) > 0 {
		t.Errorf("lock files are left: %v", locks)
	}
	if n < 6 {
		t.Fatalf("a create made only %d calls", n)
	}
	for _, k := range points(t, n) {
		hit(t, k)
		if t.Failed() {
			t.FailNow()
		}
	}
}

// TestServerKilledAtEveryCall kills a create with SIGKILL at every call to the
// cloud and to the Chef Server. The next create of the name, or a delete, or a
// delete of orphans then leaves none of it.
func TestServerKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, by := range []way{
		onCloud(fault.Rule{Action: fault.HoldBefore}), onCloud(fault.Rule{Action: fault.HoldAfter}),
		onCloud(fault.Rule{Action: fault.HoldAnswered}), onChef(gateHoldBefore), onChef(gateHoldAfter),
	} {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t)
			everyCall(t, w, by, func(t *testing.T, k int) {
				reached, disarm := by.arm(t, w, k)
				cmd := w.command(t.Context(), createNode("web")...)
				killed := endAt(t, cmd, reached, os.Kill)
				disarm()
				when := fmt.Sprintf("killed at call %d (%s)", k, by.name)
				w.recover(t, when, k, killed)
				w.wantNothing(t, when)
			})
		})
	}
}

// recover cleans up after a create by one of the three ways.
func (w *nodeWorld) recover(t *testing.T, when string, k int, killed bool) {
	t.Helper()
	var args [][]string
	switch {
	case !killed: // it was done
		args = [][]string{{"server", "delete", "web", "--purge", "-y"}}
	case k%3 == 0:
		args = [][]string{createNode("web"), {"server", "delete", "web", "--purge", "-y"}}
	case k%3 == 1:
		args = [][]string{{"server", "delete", "--orphans", "-y"}}
	default:
		args = [][]string{{"server", "delete", "web", "-y"}}
	}
	for _, a := range args {
		out, errs, code := w.run(t, a...)
		// A create that was killed before it made anything has left no name.
		if code != 0 && !strings.Contains(errs, `"web": no server has this ID or name`) {
			t.Errorf("%s: %v ended with %d\n%s%s", when, a, code, out, errs)
		}
	}
	if killed && k%3 == 2 {
		// It may have come to its end in the moment of the kill.
		_, _, _ = w.run(t, "server", "delete", "web", "--purge", "-y")
	}
}

// endAt runs a command, sends it a signal when the call is reached, and waits
// for its end. It says whether the signal ended it.
func endAt(t *testing.T, cmd *exec.Cmd, reached <-chan struct{}, sig os.Signal) bool {
	t.Helper()
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-reached:
		_ = cmd.Process.Signal(sig)
		return <-ended != nil
	case err := <-ended:
		if err != nil {
			t.Errorf("the create ended by itself: %v\n%s", err, said.String())
		}
		return false
	case <-time.After(2 * time.Minute):
		_ = cmd.Process.Kill()
		<-ended
		t.Fatalf("the create neither reached the call nor ended\n%s", said.String())
		return false
	}
}

// TestServerInterruptedAtEveryCall presses Ctrl-C at every call. The create
// then ends with 130, and nothing is left.
func TestServerInterruptedAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, by := range []way{onCloud(fault.Rule{Action: fault.HoldAfter}), onChef(gateHoldAfter)} {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t)
			everyCall(t, w, by, func(t *testing.T, k int) {
				reached, disarm := by.arm(t, w, k)
				var said strings.Builder
				cmd := w.command(t.Context(), createNode("web")...)
				cmd.Stderr = &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				var err error
				hit := false
				select {
				case <-reached:
					hit = true
					_ = cmd.Process.Signal(os.Interrupt)
					disarm()
					err = <-ended
				case err = <-ended:
					disarm()
				}
				var exit *exec.ExitError
				if errors.As(err, &exit); err != nil && (!hit || exit.ExitCode() != 130) {
					t.Errorf("interrupted at call %d (%s): %v\n%s", k, by.name, err, said.String())
				}
				if err == nil { // it was done before it noticed
					w.must(t, "server", "delete", "web", "--purge", "-y")
				}
				w.wantNothing(t, fmt.Sprintf("interrupted at call %d (%s)", k, by.name))
				if t.Failed() {
					t.Log(said.String())
				}
			})
		})
	}
}

// TestServerFailingAtEveryCall has every call fail or drop. The create either
// succeeds all the same, or removes everything that it has made.
func TestServerFailingAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, by := range []way{
		onCloud(fault.Rule{Action: fault.Status, Status: 500}), onCloud(fault.Rule{Action: fault.DropBefore}),
		onCloud(fault.Rule{Action: fault.DropAfter}), onChef(gateError), onChef(gateDropBefore), onChef(gateDropAfter),
	} {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			w := newNodeWorld(t)
			everyCall(t, w, by, func(t *testing.T, k int) {
				_, disarm := by.arm(t, w, k)
				out, errs, code := w.run(t, createNode("web")...)
				disarm()
				if code == 0 {
					w.must(t, "server", "delete", "web", "--purge", "-y")
				}
				w.wantNothing(t, fmt.Sprintf("%s at call %d (create ended with %d)", by.name, k, code))
				if t.Failed() {
					t.Logf("%s%s", out, errs)
				}
			})
		})
	}
}
