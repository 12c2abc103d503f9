package openstack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/devcloud/fault"
	driver "github.com/galleyhq/galley/internal/driver/openstack"
	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/kitchen"
)

// child is the variable that makes the test binary a process to be killed: it
// holds what to create.
const child = "GALLEY_TEST_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(child); job != "" {
		os.Exit(beKilled(job))
	}
	// The tests wait for deadlines more than they compute.
	if flag.Parse(); flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := flag.Set("test.parallel", "16"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

type job struct {
	Root, Name string
	Section    map[string]any
}

// beKilled creates an instance in a separate process.
func beKilled(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return 3
	}
	d, err := driver.New(config.NewSection(j.Section).WithRoot(j.Root), driver.Options{Instance: j.Name, Root: j.Root, Env: os.Getenv})
	if err != nil {
		return 3
	}
	step := &kitchen.Step{Instance: &kitchen.Instance{Name: j.Name}, Action: kitchen.Create, State: kitchen.NewState(nil), Report: kitchen.NewBus().Reporter(j.Name, 0, kitchen.Create)}
	if err := d.Create(context.Background(), step); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// devCloud starts an embedded cloud without guests.
func devCloud(t *testing.T, change ...func(*devcloud.Options)) *devcloud.Cloud {
	t.Helper()
	o := devcloud.Options{
		Dir: t.TempDir(), Guests: devcloud.GuestsNone, BuildDelay: 30 * time.Millisecond,
		ActionDelay: 5 * time.Millisecond, DeleteDelay: 10 * time.Millisecond, VolumeDelay: 5 * time.Millisecond,
	}
	for _, f := range change {
		f(&o)
	}
	c, err := devcloud.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// envOf is the environment of who uses the cloud. A short timeout of requests
// ends the wait for the effect of those that were never answered.
func envOf(c *devcloud.Cloud) func(string) string {
	env := c.Env()
	env["OS_API_TIMEOUT"] = "2"
	return func(name string) string { return env[name] }
}

// nothing fails unless the cloud is as it was seeded.
func nothing(t *testing.T, c *devcloud.Cloud, when string) {
	t.Helper()
	r := c.Resources()
	if r.Count() == 0 {
		return
	}
	for _, k := range r.All() {
		for _, x := range k.Items {
			t.Errorf("%s: left: %s %s %s %s", when, k.Kind, x.ID, x.Name, x.Status)
		}
	}
}

// everything asks for one of each thing that can be made.
func everything() map[string]any {
	return map[string]any{
		"name": "openstack", "image_ref": "ubuntu-14.04", "flavor_ref": "m1.small",
		"network_ref":          []any{map[string]any{"network": "net1", "security_groups": "default"}},
		"block_device_mapping": map[string]any{"make_volume": true, "volume_size": 1, "device_name": "vdb"},
		"floating_ip_pool":     "public", "allocate_floating_ip": true,
	}
}

func TestTheBlogsConfiguration(t *testing.T) {
	c := devCloud(t)
	f := newFixture(t, envOf(c))
	// The pool's addresses have to be there: the configuration allocates none.
	a, err := credentials.ReadEnv(envOf(c))
	if err != nil {
		t.Fatal(err)
	}
	admin, err := cloud.Connect(t.Context(), a, cloud.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ip, err := admin.AllocateFloatingIP(t.Context(), "public", nil)
	if err != nil {
		t.Fatal(err)
	}
	env := c.Env()
	d := f.driver("default-centos-7", map[string]any{
		"name": "openstack", "openstack_username": env["OS_USERNAME"], "openstack_api_key": env["OS_PASSWORD"],
		"openstack_auth_url": env["OS_AUTH_URL"] + "/tokens", "openstack_tenant": env["OS_TENANT_NAME"], "require_chef_omnibus": true,
		"image_ref": "CentOS 7 GC 2014-09-16", "username": "centos", "flavor_ref": "m1.medium", "key_name": env["OS_USERNAME"],
		"floating_ip_pool": "public", "network_ref": []any{"net1"}, "no_ssh_tcp_check": true, "no_ssh_tcp_check_sleep": 30,
	})
	st := kitchen.NewState(nil)
	if err := d.Create(t.Context(), f.step("default-centos-7", kitchen.Create, st)); err != nil {
		f.report(err)
	}
	if st.String("hostname") != ip.Address || st.String("server_id") == "" || st.String("ssh_key") != "" {
		t.Errorf("state %v: %s", st.Keys(), st.String("hostname"))
	}
	want := []string{
		"OpenStack instance <" + st.String("server_id") + "> created.", "(server ready)",
		"Attaching floating IP from <public> pool", "Attaching floating IP <" + ip.Address + ">",
	}
	if strings.Join(f.lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("said:\n%s", strings.Join(f.lines, "\n"))
	}
	if err := d.Destroy(t.Context(), f.step("default-centos-7", kitchen.Destroy, st)); err != nil {
		t.Error(err)
	}
	if !st.Empty() {
		t.Errorf("state %v", st.Keys())
	}
	if err := admin.ReleaseFloatingIP(t.Context(), ip.Address); err != nil {
		t.Error(err)
	}
	nothing(t, c, "afterwards")
	if files, err := os.ReadDir(filepath.Join(f.root, ".kitchen", "galley")); err != nil || len(files) != 1 || files[0].Name() != "project" {
		t.Errorf("%v, %v", files, err)
	}
}

// TestCallsAndTime holds what a create costs: calls, and the time that is
// added to the cloud's own.
func TestCallsAndTime(t *testing.T) {
	const build = 500 * time.Millisecond
	c := devCloud(t, func(o *devcloud.Options) { o.BuildDelay = build })
	section := map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.small", "network_ref": "net1", "key_name": "demo", "floating_ip_pool": "public", "allocate_floating_ip": true}
	for _, n := range []int{1, 20} {
		f := newFixture(t, envOf(c))
		var wg sync.WaitGroup
		began := time.Now()
		states := make([]*kitchen.State, n)
		for i := range n {
			name := fmt.Sprintf("web-%d", i)
			d := f.driver(name, section)
			states[i] = kitchen.NewState(nil)
			wg.Go(func() {
				if err := d.Create(t.Context(), f.step(name, kitchen.Create, states[i])); err != nil {
					f.report(err)
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		calls, looks := 0, 0
		for _, line := range f.calls {
			if strings.HasPrefix(line, "GET ") && (strings.Contains(line, "/servers/") || strings.Contains(line, "/ports?device_id=")) {
				looks++
			} else {
				calls++
			}
		}
		t.Logf("%d at once: %s over the cloud's own %s; %d calls and %d looks", n, (took - build).Round(time.Millisecond), build, calls, looks)
		// One token, one look-up of each of four names and of the quota, and two
		// calls for each.
		if want := 6 + 2*n; calls != want {
			t.Errorf("%d at once: %d calls, want %d\n%s", n, calls, want, strings.Join(f.calls, "\n"))
		}
		if looks > 12+3*n {
			t.Errorf("%d at once: %d looks", n, looks)
		}
		for i := range n {
			name := fmt.Sprintf("web-%d", i)
			d := f.driver(name, section)
			wg.Go(func() {
				if err := d.Destroy(t.Context(), f.step(name, kitchen.Destroy, states[i])); err != nil {
					f.report(err)
				}
			})
		}
		wg.Wait()
		nothing(t, c, "afterwards")
	}
}

func TestAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, fault := range []fault.Rule{
		{Action: fault.Status, Status: 500, Count: 1},
		{Action: fault.Status, Status: 500, Count: 4},
		{Action: fault.Status, Status: 429, RetryAfter: "0", Count: 2},
		{Action: fault.DropBefore, Count: 1},
		{Action: fault.DropBefore, Count: 6},
		{Action: fault.DropAfter, Count: 1},
		{Action: fault.DropAfter, Count: 6},
		{Action: fault.Truncate, Count: 1},
	} {
		t.Run(fmt.Sprintf("%s %d x%d", fault.Action, fault.Status, fault.Count), func(t *testing.T) {
			t.Parallel()
			c := devCloud(t)
			failed := 0
			for n := 1; n <= 20; n++ {
				fault := fault
				fault.Nth = n
				rule, err := c.Client().AddFault(t.Context(), fault)
				if err != nil {
					t.Fatal(err)
				}
				f := newFixture(t, envOf(c))
				st := kitchen.NewState(nil)
				err = f.driver("web", everything()).Create(t.Context(), f.step("web", kitchen.Create, st))
				if cerr := c.Client().ClearFaults(t.Context(), rule.ID); cerr != nil {
					t.Fatal(cerr)
				}
				if err != nil {
					failed++
					if strings.Contains(err.Error(), "{") || strings.Contains(err.Error(), "Expected HTTP") {
						t.Errorf("call %d: no sentence: %v", n, err)
					}
				}
				// The next destroy, in a separate process, has the files alone.
				f2 := newFixture(t, envOf(c))
				f2.root = f.root
				if err := f2.driver("web", everything()).Destroy(t.Context(), f2.step("web", kitchen.Destroy, st)); err != nil {
					t.Errorf("call %d: destroy: %v", n, err)
				}
				nothing(t, c, fmt.Sprintf("call %d (create: %v)", n, err))
			}
			t.Logf("%d of 20 creates failed", failed)
		})
	}
}

// TestKilledAtEveryCall kills a process in the middle of a create: before the
// cloud acts on a call, after it has and before the answer, and right after
// the answer. The next destroy leaves nothing.
func TestKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGKILL")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []struct {
		name, action string
		act          bool
	}{
		{"before the call", fault.HoldBefore, false},
		{"with the call under way", fault.HoldBefore, true},
		{"before the answer", fault.HoldAfter, true},
		{"after the answer", fault.HoldAnswered, true},
	} {
		t.Run(when.name, func(t *testing.T) {
			t.Parallel()
			c := devCloud(t)
			for n := 1; ; n++ {
				root := t.TempDir()
				rule, err := c.Client().AddFault(t.Context(), fault.Rule{Action: when.action, Nth: n})
				if err != nil {
					t.Fatal(err)
				}
				text, _ := json.Marshal(job{Root: root, Name: "web", Section: everything()})
				cmd := exec.Command(self)
				cmd.Env = append(os.Environ(), child+"="+string(text))
				for k, v := range c.Env() {
					cmd.Env = append(cmd.Env, k+"="+v)
				}
				var said bytes.Buffer
				cmd.Stderr = &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				hit := make(chan error, 1)
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					_, err := c.WaitFault(ctx, rule.ID, 1)
					hit <- err
				}()
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				finished := false
				select {
				case err := <-hit:
					if err != nil {
						t.Fatal(err)
					}
					// With its last answer in hand, the process may end before it is
					// killed.
					killed := cmd.Process.Kill()
					if killed != nil && !errors.Is(killed, os.ErrProcessDone) {
						t.Fatal(killed)
					}
					if err := <-ended; killed != nil && err != nil {
						t.Fatalf("call %d: the create failed by itself: %v: %s", n, err, said.String())
					}
				case err := <-ended:
					if err != nil {
						t.Fatalf("call %d: the create failed by itself: %v: %s", n, err, said.String())
					}
					finished = true
				}
				cancel()
				if err := c.ReleaseFault(rule.ID, when.act); err != nil && !finished {
					t.Fatal(err)
				}
				if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				f := newFixture(t, envOf(c))
				f.root = root
				if err := f.driver("web", everything()).Destroy(t.Context(), f.step("web", kitchen.Destroy, kitchen.NewState(nil))); err != nil {
					t.Errorf("call %d: %v", n, err)
				}
				nothing(t, c, fmt.Sprintf("killed at call %d", n))
				if finished {
					t.Logf("%d calls", n-1)
					break
				}
			}
		})
	}
}

// TestCancelledAtEveryCall is Ctrl-C: the create removes its resources,
// by itself.
func TestCancelledAtEveryCall(t *testing.T) {
	t.Parallel()
	c := devCloud(t)
	for n := 2; n <= 18; n++ {
		rule, err := c.Client().AddFault(t.Context(), fault.Rule{Action: fault.HoldAfter, Nth: n})
		if err != nil {
			t.Fatal(err)
		}
		f := newFixture(t, envOf(c))
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			if _, err := c.WaitFault(ctx, rule.ID, 1); err == nil {
				cancel()
				_ = c.ReleaseFault(rule.ID, true)
			}
		}()
		st := kitchen.NewState(nil)
		err = f.driver("web", everything()).Create(ctx, f.step("web", kitchen.Create, st))
		cancel()
		<-over
		if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			// The call was beyond the create's last.
			if err := f.driver("web", everything()).Destroy(t.Context(), f.step("web", kitchen.Destroy, st)); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: %v", n, err)
		}
		nothing(t, c, fmt.Sprintf("cancelled at call %d", n))
	}
}

func TestTroubleIsTold(t *testing.T) {
	c := devCloud(t, func(o *devcloud.Options) { o.FloatingPool = 1; o.Quotas = map[string]int{"instances": 1} })
	with := func(more ...any) map[string]any {
		m := map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.small", "network_ref": "net1", "key_name": "demo"}
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	for name, x := range map[string]struct {
		section    map[string]any
		fault      *fault.Rule
		kind       session.Kind
		says, hint string
	}{
		"image":           {with("image_ref", "ubuntu-1404"), nil, session.NotFound, `"ubuntu-1404"`, `"ubuntu-14.04"`},
		"flavor":          {with("flavor_ref", "m1.smal"), nil, session.NotFound, `"m1.smal"`, `"m1.small"`},
		"network":         {with("network_ref", "net2"), nil, session.NotFound, `"net2"`, `"net1"`},
		"pool":            {with("floating_ip_pool", "publik"), nil, session.NotFound, `"publik"`, `"public"`},
		"key pair":        {with("key_name", "dmeo"), nil, session.NotFound, `"dmeo"`, `"demo"`},
		"security group":  {with("security_groups", "web"), nil, session.NotFound, "web", "default"},
		"no address free": {with("floating_ip_pool", "public", "allocate_floating_ip", false), nil, session.EmptyPool, "no floating IP there", "allocate_floating_ip: true"},
		"dry pool": {
			with("floating_ip_pool", "public", "allocate_floating_ip", true),
			&fault.Rule{Action: fault.PoolEmpty, Count: -1}, session.EmptyPool, "No more IP addresses", "release",
		},
		"server in ERROR": {with(), &fault.Rule{Action: fault.ServerError}, session.ServerFault, "No valid host", "flavor_ref"},
		"wrong password":  {with("openstack_username", "demo", "openstack_api_key", "wrong"), nil, session.Unauthorized, "as demo", "password"},
		"quota":           {with("__second", true), nil, session.Quota, "uota", "destroy"},
		"volume in error": {
			with("block_device_mapping", map[string]any{"volume_size": 1}), &fault.Rule{Action: fault.VolumeError}, session.Other, "its status is error", "volume",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, envOf(c))
			if x.section["__second"] != nil {
				delete(x.section, "__second")
				st := kitchen.NewState(nil)
				if err := f.driver("first", x.section).Create(t.Context(), f.step("first", kitchen.Create, st)); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := f.driver("first", x.section).Destroy(t.Context(), f.step("first", kitchen.Destroy, st)); err != nil {
						t.Error(err)
					}
				}()
			}
			if x.fault != nil {
				if _, err := c.Client().AddFault(t.Context(), *x.fault); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Client().ClearFaults(context.WithoutCancel(t.Context()), "") }()
			}
			st := kitchen.NewState(nil)
			err := f.driver("web", x.section).Create(t.Context(), f.step("web", kitchen.Create, st))
			if err == nil || session.KindOf(err) != x.kind || !strings.Contains(err.Error(), x.says) {
				t.Fatalf("%v (kind %q)", err, session.KindOf(err))
			}
			var h interface{ Hint() string }
			if !errors.As(err, &h) || !strings.Contains(h.Hint(), x.hint) {
				t.Errorf("%v: hint %v", err, h)
			}
			_ = c.Client().ClearFaults(t.Context(), "")
			if x.kind != session.Quota {
				nothing(t, c, name)
			}
			if !st.Empty() {
				t.Errorf("state: %v", st.Keys())
			}
		})
	}
}

func TestASlowCloud(t *testing.T) {
	c := devCloud(t, func(o *devcloud.Options) { o.BuildDelay = time.Hour })
	f := newFixture(t, envOf(c))
	section := map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.small", "network_ref": "net1", "glance_cache_wait_timeout": 1}
	st := kitchen.NewState(nil)
	err := f.driver("web", section).Create(t.Context(), f.step("web", kitchen.Create, st))
	var h interface{ Hint() string }
	if session.KindOf(err) != session.Timeout || !strings.Contains(err.Error(), "status BUILD") || !errors.As(err, &h) || !strings.Contains(h.Hint(), "glance_cache_wait_timeout") {
		t.Errorf("%v", err)
	}
	nothing(t, c, "afterwards")
	// On request it is kept, and the next create goes on with it.
	step := f.step("web", kitchen.Create, st)
	step.KeepOnFailure = true
	if err := f.driver("web", section).Create(t.Context(), step); err == nil || len(c.Resources()["servers"]) != 1 {
		t.Errorf("%v", err)
	}
	id := st.String("server_id")
	if err := f.driver("web", section).Create(t.Context(), step); err == nil || len(c.Resources()["servers"]) != 1 || st.String("server_id") != id {
		t.Errorf("%v", err)
	}
	if err := f.driver("web", section).Destroy(t.Context(), f.step("web", kitchen.Destroy, st)); err != nil {
		t.Error(err)
	}
	nothing(t, c, "afterwards")
}

// TestTakingOverFromTestKitchen destroys what Test Kitchen's state file names, and
// creates beside a journal whose server Test Kitchen has replaced.
func TestTakingOverFromTestKitchen(t *testing.T) {
	c := devCloud(t)
	f := newFixture(t, envOf(c))
	section := map[string]any{"image_ref": "ubuntu-14.04", "flavor_ref": "m1.small", "network_ref": "net1", "floating_ip_pool": "public", "allocate_floating_ip": true}
	// What Test Kitchen leaves: a state file and nothing else.
	other := newFixture(t, envOf(c))
	st := kitchen.NewState(nil)
	if err := other.driver("web", section).Create(t.Context(), other.step("web", kitchen.Create, st)); err != nil {
		t.Fatal(err)
	}
	peers := kitchen.NewState(nil)
	peers.Set("server_id", st.String("server_id"))
	peers.Set("hostname", st.String("hostname"))
	peers.Set("last_action", "create")
	d := f.driver("web", section)
	if err := d.Create(t.Context(), f.step("web", kitchen.Create, peers)); err != nil {
		t.Fatal(err)
	}
	if peers.String("hostname") != st.String("hostname") || peers.String("server_id") != st.String("server_id") {
		t.Errorf("%s at %s", peers.String("server_id"), peers.String("hostname"))
	}
	if r := c.Resources(); len(r["floating_ips"]) != 1 {
		t.Errorf("%+v", r["floating_ips"])
	}
	if err := d.Destroy(t.Context(), f.step("web", kitchen.Destroy, peers)); err != nil {
		t.Error(err)
	}
	r := c.Resources()
	if len(r["servers"])+len(r["floating_ips"])+len(r["volumes"])+len(r["ports"]) != 0 {
		t.Errorf("left: %+v", r)
	}
	// The first driver's journal finds its key pair, and nothing else.
	if err := other.driver("web", section).Destroy(t.Context(), other.step("web", kitchen.Destroy, st)); err != nil {
		t.Error(err)
	}
	nothing(t, c, "afterwards")
}
