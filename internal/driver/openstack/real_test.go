package openstack_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/credentials"
	driver "github.com/galleyhq/galley/internal/driver/openstack"
	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/kitchen"
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
	pace  time.Duration
	mu    sync.Mutex
	calls []string
	lines []string
}

func newFixture(t *testing.T, env func(string) string) *fixture {
	f := &fixture{t: t, root: t.TempDir(), env: env}
	if os.Getenv("GALLEY_TEST_CLOUD") == "" {
		f.pace = 10 * time.Millisecond // The embedded cloud is quick.
	}
	f.conn = &cloud.Connector{Options: cloud.Options{Settle: 5 * f.pace, Options: session.Options{FirstRetry: f.pace, Debug: func(format string, args ...any) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls = append(f.calls, sprintf(format, args...))
	}}}}
	t.Cleanup(f.conn.Close)
	f.bus = kitchen.NewBus(func(e kitchen.Event) {
		if e.Kind == kitchen.StillWaiting || e.Kind == kitchen.Debug {
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

// TestRealRefusals tries what a real cloud refuses, and that nothing stays.
func TestRealRefusals(t *testing.T) {
	realCloud(t)
	f := newFixture(t, os.Getenv)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	for name, c := range map[string]struct {
		section map[string]any
		kind    session.Kind
	}{
		"no network":         {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny"}, session.Ambiguous},
		"image":              {map[string]any{"image_ref": "ubuntu-1404", "flavor_ref": "m1.tiny", "network_ref": "net1"}, session.NotFound},
		"key":                {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "key_name": "nobody"}, session.NotFound},
		"group":              {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "security_groups": "webb"}, session.NotFound},
		"zone":               {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "availability_zone": "moon"}, session.Other},
		"pool":               {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "floating_ip_pool": "net2"}, session.Invalid},
		"empty pool":         {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "floating_ip_pool": "public"}, session.EmptyPool},
		"unreachable pool":   {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net2", "floating_ip_pool": "public", "allocate_floating_ip": true}, session.NotFound},
		"address not theirs": {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "floating_ip": "172.24.4.250"}, session.NotFound},
		"volume quota":       {map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "block_device_mapping": map[string]any{"volume_size": 100000}}, session.Quota},
	} {
		d := f.driver("refused", c.section)
		st := kitchen.NewState(nil)
		err := d.Create(ctx, f.step("refused", kitchen.Create, st))
		var h interface{ Hint() string }
		_ = errors.As(err, &h)
		if session.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: kind %q", name, session.KindOf(err))
		}
		if h != nil {
			t.Logf("%s: %v\n  hint: %s", name, err, h.Hint())
		}
		if !st.Empty() {
			t.Errorf("%s: state %v", name, st.Keys())
		}
	}
	f.nothingLeft(ctx)
}

// TestRealEverything makes a server with all that can be asked for.
func TestRealEverything(t *testing.T) {
	realCloud(t)
	f := newFixture(t, os.Getenv)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	d := f.driver("all-of-it", map[string]any{
		"image_ref": "/ubuntu/", "flavor_ref": "/tiny/", "server_name_prefix": "galley-test", "metadata": map[string]any{"purpose": "test"},
		"network_ref": []any{map[string]any{"network": "net1", "name": "all-port", "security_groups": "default"}, "net2"}, "config_drive": true,
		"tags": []any{"galley-test"}, "description": "a test", "availability_zone": "nova",
		"cloud_config": map[string]any{"runcmd": []any{"touch /tmp/x"}},
		"block_device_mapping": []any{
			map[string]any{"volume_size": 1, "device_name": "vdb", "delete_on_termination": true},
			map[string]any{"make_volume": true, "volume_size": 1, "device_name": "vdc"},
		},
		"floating_ip_pool": "public", "allocate_floating_ip": true, "server_wait": 1,
	})
	st := kitchen.NewState(nil)
	err := d.Create(ctx, f.step("all-of-it", kitchen.Create, st))
	if err != nil {
		f.report(err)
	}
	t.Logf("detail: %s", d.FailureDetail(ctx, f.step("all-of-it", kitchen.Create, st)))
	spec, serr := d.Spec()
	c, cerr := d.Cloud(ctx)
	if err := errors.Join(serr, cerr); err != nil {
		t.Fatal(err)
	}
	for _, fault := range c.CheckSpec(ctx, spec) {
		t.Error(fault)
	}
	if err := d.Destroy(ctx, f.step("all-of-it", kitchen.Destroy, st)); err != nil {
		t.Error(err)
	}
	f.nothingLeft(ctx)
	if t.Failed() {
		for _, c := range f.calls {
			t.Log(c)
		}
	}
}

// TestRealBorrowers lets three drivers with separate connections take
// floating IPs; two are free.
func TestRealBorrowers(t *testing.T) {
	realCloud(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	a, err := credentials.ReadEnv(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cloud.Connect(ctx, a, cloud.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		ip, err := c.AllocateFloatingIP(ctx, "public", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.ReleaseFloatingIP(context.WithoutCancel(ctx), ip.ID); err != nil {
				t.Error(err)
			}
		}()
	}
	var wg, made sync.WaitGroup
	var mu sync.Mutex
	hosts := map[string]string{}
	made.Add(3)
	for _, name := range []string{"one", "two", "three"} {
		f := newFixture(t, os.Getenv)
		st := kitchen.NewState(nil)
		d := f.driver(name, map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.tiny", "network_ref": "net1", "floating_ip_pool": "public"})
		wg.Go(func() {
			err := d.Create(ctx, f.step(name, kitchen.Create, st))
			mu.Lock()
			if err == nil {
				if other, taken := hosts[st.String("hostname")]; taken {
					t.Errorf("%s and %s have the same address", name, other)
				}
				hosts[st.String("hostname")] = name
			} else if session.KindOf(err) != session.EmptyPool {
				f.report(err)
			} else {
				t.Log(err)
			}
			mu.Unlock()
			made.Done()
			made.Wait()
			if err := d.Destroy(ctx, f.step(name, kitchen.Destroy, st)); err != nil {
				t.Error(err)
			}
			f.nothingLeft(ctx)
		})
	}
	wg.Wait()
	if len(hosts) != 2 {
		t.Errorf("addresses: %v", hosts)
	}
}

// nothingLeft fails if a resource carries this fixture's mark.
func (f *fixture) nothingLeft(ctx context.Context) {
	f.t.Helper()
	for _, c := range f.conn.Clouds() {
		left, err := c.Orphans(ctx, driver.Options{Root: f.root}.Project())
		if err != nil {
			f.t.Error(err)
		}
		for _, r := range left {
			f.t.Errorf("left: %+v", r)
			if err := c.ReclaimRecord(ctx, r, nil); err != nil {
				f.t.Error(err)
			}
		}
	}
}
