package devcloud

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/devcloud/guest"
)

// fakeHost starts machines that say their server's name and boot to whoever
// connects.
type fakeHost struct {
	mu       sync.Mutex
	machines map[string]*fakeMachine // by server name
	started  []string
	fail     map[string]error
	slow     bool // machines are not ready by themselves
}

func newFakeHost() *fakeHost {
	return &fakeHost{machines: map[string]*fakeMachine{}, fail: map[string]error{}}
}

func (h *fakeHost) start(_ context.Context, spec guest.Spec) (guestProcess, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.fail[spec.Name]; err != nil {
		return nil, err
	}
	if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
		return nil, err
	}
	h.started = append(h.started, spec.Name)
	m := &fakeMachine{name: spec.Name, spec: spec, boots: 1, ready: make(chan struct{}), done: make(chan struct{})}
	if !h.slow {
		close(m.ready)
	}
	h.machines[spec.Name] = m
	return m, nil
}

func (h *fakeHost) get(name string) *fakeMachine {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machines[name]
}

func (h *fakeHost) count(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, s := range h.started {
		if s == name {
			n++
		}
	}
	return n
}

type fakeMachine struct {
	name string
	spec guest.Spec

	mu      sync.Mutex
	boots   int
	stopped bool
	ready   chan struct{}
	done    chan struct{}
	err     error
}

func (m *fakeMachine) Dial(context.Context) (net.Conn, error) {
	inner, outer := net.Pipe()
	m.mu.Lock()
	hello := fmt.Sprintf("%s boot %d\n", m.name, m.boots)
	m.mu.Unlock()
	go func() {
		defer inner.Close()
		if _, err := inner.Write([]byte(hello)); err != nil {
			return
		}
		_, _ = inner.Read(make([]byte, 1)) // until the other side goes
	}()
	return outer, nil
}

func (m *fakeMachine) Ready() <-chan struct{} { return m.ready }
func (m *fakeMachine) Done() <-chan struct{}  { return m.done }
func (m *fakeMachine) Err() error             { return m.err }

func (m *fakeMachine) Stop(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stopped {
		m.stopped = true
		close(m.done)
	}
	return nil
}

func (m *fakeMachine) Reboot(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boots++
	return nil
}

func (m *fakeMachine) isStopped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stopped
}

// startWithGuests runs a cloud whose guests are fake.
func startWithGuests(t *testing.T, change ...func(*Options)) (*Cloud, *fakeHost) {
	t.Helper()
	h := newFakeHost()
	c := startCloud(t, append([]func(*Options){func(o *Options) {
		o.Guests, o.startGuest = GuestsNamespace, h.start
	}}, change...)...)
	return c, h
}

// eventually tries until it works; the event happens outside of the
// cloud's state.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

// greet connects to a server's address and returns its greeting.
func greet(c *Cloud, address string) (string, error) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, fmt.Sprint(c.SSHPort)), time.Minute)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func says(t *testing.T, c *Cloud, address, want string) {
	t.Helper()
	eventually(t, address+" says "+want, func() error {
		got, err := greet(c, address)
		if err == nil && got != want {
			err = fmt.Errorf("it says %q", got)
		}
		return err
	})
}

func refuses(t *testing.T, c *Cloud, address string) {
	t.Helper()
	eventually(t, address+" refuses", func() error {
		if _, err := greet(c, address); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
}

func TestDoors(t *testing.T) {
	c, h := startWithGuests(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	one, two := build(t, c, cl, servers.CreateOpts{Name: "one"}), build(t, c, cl, servers.CreateOpts{Name: "two"})
	addr1, port1 := fixedIPOf(t, cl, one)
	addr2, port2 := fixedIPOf(t, cl, two)
	says(t, c, addr1, "one boot 1")
	says(t, c, addr2, "two boot 1")

	f := must[*floatingips.FloatingIP](t)(
		floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Extract(),
	)
	refuses(t, c, f.FloatingIP)
	must[*floatingips.FloatingIP](t)(
		floatingips.Update(ctx, cl.network, f.ID, floatingips.UpdateOpts{PortID: &port1}).Extract(),
	)
	says(t, c, f.FloatingIP, "one boot 1")
	must[*floatingips.FloatingIP](t)(
		floatingips.Update(ctx, cl.network, f.ID, floatingips.UpdateOpts{PortID: &port2}).Extract(),
	)
	says(t, c, f.FloatingIP, "two boot 1")

	// A reboot shows; a stopped server answers nowhere.
	check(
		t,
		"reboot",
		servers.Reboot(ctx, cl.compute, two, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr(),
	)
	says(t, c, f.FloatingIP, "two boot 2")
	settle(t, c, two)
	check(t, "stop", servers.Stop(ctx, cl.compute, two).ExtractErr())
	settle(t, c, two)
	refuses(t, c, f.FloatingIP)
	refuses(t, c, addr2)
	check(t, "start", servers.Start(ctx, cl.compute, two).ExtractErr())
	says(t, c, f.FloatingIP, "two boot 1") // the fake host's second machine of that name
	settle(t, c, two)
	if n := h.count("two"); n != 2 {
		t.Errorf("started %d times", n)
	}

	// Security groups: without a rule for port 22 nothing gets in.
	g := must[*groups.SecGroup](t)(groups.Create(ctx, cl.network, groups.CreateOpts{Name: "g"}).Extract())
	must[*ports.Port](t)(
		ports.Update(ctx, cl.network, port2, ports.UpdateOpts{SecurityGroups: &[]string{g.ID}}).Extract(),
	)
	refuses(t, c, f.FloatingIP)
	refuses(t, c, addr2)
	for _, o := range []rules.CreateOpts{
		{Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 443},
		{Protocol: rules.ProtocolUDP, PortRangeMin: 22, PortRangeMax: 22},
		{Protocol: rules.ProtocolTCP, PortRangeMin: 22, PortRangeMax: 22, RemoteIPPrefix: "10.0.0.0/8"},
		{Protocol: rules.ProtocolTCP, PortRangeMin: 22, PortRangeMax: 22, RemoteGroupID: g.ID},
	} {
		o.SecGroupID, o.Direction, o.EtherType = g.ID, rules.DirIngress, rules.EtherType4
		must[*rules.SecGroupRule](t)(rules.Create(ctx, cl.network, o).Extract())
	}
	refuses(t, c, addr2)
	must[*rules.SecGroupRule](t)(
		rules.Create(
			ctx,
			cl.network,
			rules.CreateOpts{
				SecGroupID:   g.ID,
				Direction:    rules.DirIngress,
				EtherType:    rules.EtherType4,
				Protocol:     rules.ProtocolTCP,
				PortRangeMin: 20,
				PortRangeMax: 25,
			},
		).Extract(),
	)
	says(t, c, addr2, "two boot 1")
	says(t, c, f.FloatingIP, "two boot 1")

	// An open connection ends with its server.
	conn, err := net.Dial("tcp", net.JoinHostPort(addr2, fmt.Sprint(c.SSHPort)))
	check(t, "dial", err)
	defer conn.Close()
	r := bufio.NewReader(conn)
	_, err = r.ReadString('\n')
	check(t, "greeting", err)
	m := h.get("two")
	check(t, "delete", servers.Delete(ctx, cl.compute, two).ExtractErr())
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection is still there")
	}
	refuses(t, c, f.FloatingIP)
	refuses(t, c, addr2)
	eventually(t, "nothing of the guest is left", func() error {
		if _, err := os.Stat(filepath.Join(c.Dir(), guestDir, two)); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("its directory: %w", err)
		}
		if !m.isStopped() {
			return errors.New("it runs")
		}
		return nil
	})
	says(t, c, addr1, "one boot 1")
}

func TestDoorsOpenWhenTheGuestIsReady(t *testing.T) {
	c, h := startWithGuests(t)
	h.slow = true
	cl := login(t, c, c.Env())
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	addr, _ := fixedIPOf(t, cl, id)
	refuses(t, c, addr) // ACTIVE, but booting
	close(h.get("x").ready)
	says(t, c, addr, "x boot 1")
}

// A port that another program has is bound when that ends, though nothing in
// the cloud changes.
func TestDoorThatIsTakenOpensLater(t *testing.T) {
	c, h := startWithGuests(t)
	h.slow = true
	cl := login(t, c, c.Env())
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	addr, _ := fixedIPOf(t, cl, id)
	taken, err := net.Listen("tcp4", net.JoinHostPort(addr, fmt.Sprint(c.SSHPort)))
	check(t, "take the port", err)
	close(h.get("x").ready)
	eventually(t, "the guest is ready", func() error {
		if c.guests.get(id) == nil {
			return errors.New("it is not")
		}
		return nil
	})
	check(t, "give the port up", taken.Close())
	says(t, c, addr, "x boot 1")
}

func TestGuestThatDoesNotStart(t *testing.T) {
	c, h := startWithGuests(t)
	h.fail["x"] = errors.New("no space left")
	cl := login(t, c, c.Env())
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	s := must[*servers.Server](t)(servers.Get(t.Context(), cl.compute, id).Extract())
	if s.Status != "ERROR" || !strings.Contains(s.Fault.Message, "the guest did not start: no space left") {
		t.Errorf("%s: %+v", s.Status, s.Fault)
	}
}

func TestGuestThatPowersItselfOff(t *testing.T) {
	c, h := startWithGuests(t)
	cl := login(t, c, c.Env())
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	addr, _ := fixedIPOf(t, cl, id)
	says(t, c, addr, "x boot 1")
	check(t, "power off", h.get("x").Stop(t.Context()))
	await(t, c, "SHUTOFF", func() bool { return c.db.Servers.Get(id).VMState == "stopped" })
	refuses(t, c, addr)
}

func TestRebuildGivesAFreshDisk(t *testing.T) {
	c, h := startWithGuests(t)
	cl := login(t, c, c.Env())
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	addr, _ := fixedIPOf(t, cl, id)
	says(t, c, addr, "x boot 1")
	mark := filepath.Join(h.get("x").spec.Dir, "mark")
	check(t, "mark", os.WriteFile(mark, nil, 0o600))
	must[*servers.Server](t)(
		servers.Rebuild(t.Context(), cl.compute, id, servers.RebuildOpts{ImageRef: seedImages[2].id}).Extract(),
	)
	settle(t, c, id)
	says(t, c, addr, "x boot 1")
	if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old disk is there: %v", err)
	}
	if got := h.get("x").spec.Image; got != "ubuntu-22.04" {
		t.Errorf("rebuilt as %q", got)
	}
}

func TestGuestSpec(t *testing.T) {
	c, h := startWithGuests(t)
	cl := login(t, c, c.Env())
	on := true
	id := build(
		t,
		c,
		cl,
		servers.CreateOpts{
			Name:        "My Server_1",
			UserData:    []byte("#cloud-config\n"),
			Metadata:    map[string]string{"a": "b"},
			ConfigDrive: &on,
			AdminPass:   "secret",
			BlockDevice: []servers.BlockDevice{
				{
					SourceType:          servers.SourceImage,
					DestinationType:     servers.DestinationVolume,
					UUID:                seedImages[1].id,
					VolumeSize:          2,
					DeleteOnTermination: true,
				},
			},
		},
	)
	if got := status(t, cl, id); got != "ACTIVE" {
		t.Fatal(got)
	}
	s := h.get("My Server_1").spec
	if s.ID != id || s.Hostname != "my-server-1" || s.Image != "ubuntu-14.04" ||
		string(s.UserData) != "#cloud-config\n" ||
		s.Metadata["a"] != "b" ||
		!s.ConfigDrive ||
		s.AdminPass != "secret" ||
		len(s.Executable) == 0 {
		t.Errorf("%+v", s)
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	set := func(o *Options) { o.Dir = dir }
	c, _ := startWithGuests(t, set)
	cl := login(t, c, c.Env())
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	addr, port := fixedIPOf(t, cl, id)
	f := must[*floatingips.FloatingIP](t)(
		floatingips.Create(
			t.Context(),
			cl.network,
			floatingips.CreateOpts{FloatingNetworkID: PublicNetID, PortID: port},
		).Extract(),
	)
	says(t, c, f.FloatingIP, "x boot 1")
	stopped := build(t, c, cl, servers.CreateOpts{Name: "stopped"})
	check(t, "stop", servers.Stop(t.Context(), cl.compute, stopped).ExtractErr())
	settle(t, c, stopped)
	if _, err := Start(t.Context(), Options{Dir: dir, Guests: GuestsNone}); !errors.Is(err, ErrRunning) {
		t.Errorf("a second cloud in the same directory: %v", err)
	}
	old, env := c.URL, c.Env()
	check(t, "close", c.Close())
	// What no server needs any more is swept away.
	check(t, "litter", os.MkdirAll(filepath.Join(dir, guestDir, "nobody"), 0o700))

	again, h := startWithGuests(t, set)
	if again.URL != old || again.SSHPort != c.SSHPort {
		t.Errorf("moved from %s to %s", old, again.URL)
	}
	says(t, again, addr, "x boot 1")
	says(t, again, f.FloatingIP, "x boot 1")
	if h.count("stopped") != 0 {
		t.Error("a stopped server was started")
	}
	if s := status(t, login(t, again, env), id); s != "ACTIVE" {
		t.Errorf("status %s", s)
	}
	if _, err := os.Stat(filepath.Join(dir, guestDir, "nobody")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("litter: %v", err)
	}
	// A token of before is good still: nothing was forgotten.
	if _, err := servers.Get(t.Context(), cl.compute, id).Extract(); err != nil {
		t.Error(err)
	}
}

func TestRestartInMidBuild(t *testing.T) {
	dir := t.TempDir()
	set := func(o *Options) { o.Dir, o.BuildDelay = dir, 300*time.Millisecond }
	c, _ := startWithGuests(t, set)
	cl := login(t, c, c.Env())
	s := must[*servers.Server](t)(
		servers.Create(
			t.Context(),
			cl.compute,
			servers.CreateOpts{
				Name:      "x",
				FlavorRef: "1",
				ImageRef:  CentOSImageID,
				Networks:  []servers.Network{{UUID: Net1ID}},
			},
			nil,
		).Extract(),
	)
	check(t, "close", c.Close())
	again, _ := startWithGuests(t, set)
	await(t, again, "built", func() bool { return again.db.Servers.Get(s.ID).VMState == "active" })
}

func TestCloudsSideBySide(t *testing.T) {
	var nets []string
	for range 4 {
		c, _ := startWithGuests(t)
		cl := login(t, c, c.Env())
		id := build(t, c, cl, servers.CreateOpts{Name: "x"})
		addr, _ := fixedIPOf(t, cl, id)
		says(t, c, addr, "x boot 1")
		nets = append(nets, c.status().Net)
	}
	slices.Sort(nets)
	if len(slices.Compact(slices.Clone(nets))) != 4 {
		t.Errorf("networks %v", nets)
	}
}
