package openstack_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/config"
	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/kitchen"
	driver "github.com/galleyhq/galley/kitchen/driver/openstack"
)

// realCloud skips unless OS_* variables of a cloud that may be used are set
// and GALLEY_TEST_CLOUD says so.
func realCloud(t *testing.T) {
	t.Helper()
	if os.Getenv("GALLEY_TEST_CLOUD") == "" {
		t.Skip("no real cloud: set GALLEY_TEST_CLOUD=1 and source an RC file to run this")
	}
}

type fixture struct {
	t     *testing.T
	root  string
	conn  *cloud.Connector
	bus   *kitchen.Bus
	env   func(string) string
	mu    sync.Mutex
	calls []string
	lines []string
}

func newFixture(t *testing.T, env func(string) string) *fixture {
	f := &fixture{t: t, root: t.TempDir(), env: env}
	f.conn = &cloud.Connector{Options: cloud.Options{Debug: func(format string, args ...any) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls = append(f.calls, sprintf(format, args...))
	}}}
	t.Cleanup(f.conn.Close)
	f.bus = kitchen.NewBus(func(e kitchen.Event) {
		if e.Kind == kitchen.StillWaiting {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lines = append(f.lines, e.Text)
		t.Logf("%s %s", e.Kind, e.Text)
	})
	return f
}

func (f *fixture) driver(name string, section map[string]any) *driver.Driver {
	f.t.Helper()
	d, err := driver.New(config.NewSection(section).WithRoot(f.root), driver.Options{Instance: name, Root: f.root, Env: f.env, Connector: f.conn})
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func (f *fixture) step(name string, a kitchen.Action, st *kitchen.State) *kitchen.Step {
	return &kitchen.Step{
		Instance: &kitchen.Instance{Name: name, OSType: "unix"}, Action: a, State: st,
		Report: f.bus.Reporter(name, 0, a),
	}
}

func TestRealCreateDestroy(t *testing.T) {
	realCloud(t)
	f := newFixture(t, os.Getenv)
	d := f.driver("default-ubuntu-1404", map[string]any{
		"name": "openstack", "image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": []any{"net1"},
		"floating_ip_pool": "public", "allocate_floating_ip": true,
	})
	st := kitchen.NewState(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	err := d.Create(ctx, f.step("default-ubuntu-1404", kitchen.Create, st))
	t.Logf("created in %s: %v", time.Since(began), err)
	for _, c := range f.calls {
		t.Log(c)
	}
	made := len(f.calls)
	if err != nil {
		f.report(err)
	}
	began = time.Now()
	err2 := d.Create(ctx, f.step("default-ubuntu-1404", kitchen.Create, st))
	t.Logf("again in %s: %v", time.Since(began), err2)
	keys, kerr := d.HostKeys(ctx, f.step("default-ubuntu-1404", kitchen.Create, st))
	t.Log(keys, kerr)
	again := len(f.calls)
	if err := d.Destroy(ctx, f.step("default-ubuntu-1404", kitchen.Destroy, st)); err != nil {
		t.Error(err)
	}
	for _, c := range f.calls[made:] {
		t.Log(c)
	}
	t.Logf("calls: create %d, again %d, destroy %d", made, again-made, len(f.calls)-again)
	if err != nil || err2 != nil {
		t.Error(err, err2)
	}
}
