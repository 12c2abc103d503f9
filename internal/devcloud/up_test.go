package devcloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/devcloud/guest"
)

// The test binary is the program that Up starts in the background, and a
// guest's process, as galley is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "devcloud" {
		switch os.Args[2] {
		case GuestCommand:
			os.Exit(GuestMain(os.Args[3:]))
		case DaemonCommand:
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			if err := RunDir(ctx, os.Args[4], Options{}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func TestUpAndDown(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there the daemon is ended without a word")
	}
	dir := filepath.Join(t.TempDir(), "cloud")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var down *NotRunningError
	if _, err := Connect(ctx, dir); !errors.As(err, &down) || !strings.Contains(err.Error(), dir) {
		t.Errorf("before: %v", err)
	}
	if err := Down(ctx, dir, false); !errors.As(err, &down) {
		t.Errorf("down before up: %v", err)
	}
	c, started, err := Up(
		ctx,
		Options{
			Dir:        dir,
			Guests:     GuestsNone,
			BuildDelay: 10 * time.Millisecond,
			Quotas:     map[string]int{"instances": 7},
		},
	)
	if err != nil || !started {
		t.Fatalf("%v, %v", started, err)
	}
	t.Cleanup(func() { _ = Down(context.Background(), dir, true) })
	st, err := c.Status(ctx)
	check(t, "status", err)
	if st.PID == os.Getpid() || st.Dir != dir || st.Guests != GuestsNone || st.URL != c.URL {
		t.Errorf("%+v", st)
	}
	if again, started, err := Up(ctx, Options{Dir: dir}); err != nil || started || again.URL != c.URL {
		t.Errorf("up again: %v, %v", started, err)
	}
	env, err := c.Env(ctx, false)
	check(t, "env", err)
	login(t, nil, env)
	info, err := os.Stat(filepath.Join(dir, keyFile))
	check(t, "key", err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the private key's mode is %v", info.Mode())
	}
	check(t, "down", Down(ctx, dir, false))
	if _, err := Connect(ctx, dir); !errors.As(err, &down) {
		t.Errorf("after: %v", err)
	}
	// Up again: the same cloud.
	c2, started, err := Up(ctx, Options{Dir: dir, Guests: GuestsNone})
	if err != nil || !started || c2.URL != c.URL {
		t.Fatalf("%v, %v, %v", started, err, c2)
	}
	check(t, "down", Down(ctx, dir, false))
	// And for another user and password than before.
	c, _, err = Up(ctx, Options{Dir: dir, Guests: GuestsNone, User: "somebody", Password: "another-word"})
	check(t, "up for somebody", err)
	if env, err = c.Env(ctx, false); err != nil || env["OS_USERNAME"] != "somebody" ||
		env["OS_PASSWORD"] != "another-word" {
		t.Errorf("env: %v, %v", env, err)
	}
	login(t, nil, env)
	check(t, "down", Down(ctx, dir, true))
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("wiped: %v", err)
	}
	check(t, "down with nothing there", Down(ctx, dir, true))
}

func TestUpSaysWhyNot(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, "listen", err)
	defer ln.Close()
	dir := t.TempDir()
	_, _, err = Up(t.Context(), Options{Dir: dir, Guests: GuestsNone, Listen: ln.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("err = %v", err)
	}
	for _, o := range []Options{{Guests: "vm"}, {Quotas: map[string]int{"bogus": 1}}, {FloatingPool: 1000}, {User: "admin"}} {
		o.Dir = dir
		if _, _, err := Up(t.Context(), o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if _, err := Start(t.Context(), Options{Dir: t.TempDir(), Guests: GuestsNone, Listen: "0.0.0.0:0"}); err == nil {
		t.Error("it listens to the world")
	}
}

// A cloud says how its guests are kept apart, and leaves nothing of the one
// that it booted to see.
func TestGuestMode(t *testing.T) {
	c := startCloud(t, func(o *Options) { o.Guests = "" })
	for range 2 {
		m, err := c.Client().GuestMode(t.Context())
		if err != nil || m.Mode == "" || m.Detail == "" || m.Apart != (m.Mode != guest.ModeDirectory) {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(c.opts.Dir, guestDir)); err == nil && len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	none := startCloud(t, func(o *Options) { o.Guests = GuestsNone })
	if m, err := none.Client().GuestMode(t.Context()); err != nil || m.Mode != GuestsNone || !m.Apart {
		t.Errorf("without guests: %+v, %v", m, err)
	}
}

func TestDownWipesOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	c := startCloud(t, func(o *Options) { o.Dir = dir })
	check(t, "close", c.Close())
	precious := filepath.Join(dir, "precious")
	check(t, "write", os.WriteFile(precious, nil, 0o600))
	if err := Down(t.Context(), dir, true); err == nil {
		t.Error("no word about the directory")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	home := t.TempDir() // no state directory at all
	check(t, "write", os.WriteFile(filepath.Join(home, "state"), nil, 0o600))
	check(t, "down", Down(t.Context(), home, true))
	if _, err := os.Stat(filepath.Join(home, "state")); err != nil {
		t.Error(err)
	}
}

// A user of the RC file gets in with the key beside it.
func TestEnvironment(t *testing.T) {
	c := startCloud(t, func(o *Options) { o.User, o.Password = "jane", "a 'quoted' $word" })
	rcPath := filepath.Join(c.Dir(), RCFile)
	if runtime.GOOS != "windows" {
		out, err := exec.Command(
			"sh",
			"-c",
			`OS_CLOUD=other; OS_TOKEN=x; . "$1" && printf '%s|' "$OS_USERNAME" "$OS_PASSWORD" "$OS_AUTH_URL" "$OS_TENANT_NAME" "${OS_CLOUD-unset}" "${OS_TOKEN-unset}"`,
			"sh",
			rcPath,
		).Output()
		check(t, "sh", err)
		if got, want := string(out), "jane|a 'quoted' $word|"+c.URL+"/v3|demo|unset|unset|"; got != want {
			t.Errorf("sourced: %s, want %s", got, want)
		}
	}
	env, err := c.Client().Env(t.Context(), false)
	check(t, "env", err)
	cl := login(t, c, env)
	k := must[*keypairs.KeyPair](t)(keypairs.Get(t.Context(), cl.compute, env["OS_USERNAME"], nil).Extract())
	pem, err := os.ReadFile(env["GALLEY_DEVCLOUD_SSH_KEY"])
	check(t, "key", err)
	signer, err := ssh.ParsePrivateKey(pem)
	check(t, "key", err)
	if !strings.HasPrefix(k.PublicKey, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))) {
		t.Error("the key beside the RC file is not the key pair's")
	}
	var clouds struct {
		Clouds map[string]struct {
			Auth map[string]string
		}
	}
	data, err := os.ReadFile(filepath.Join(c.Dir(), cloudsFile))
	check(t, "clouds.yaml", err)
	check(t, "clouds.yaml", yaml.Unmarshal(data, &clouds))
	if a := clouds.Clouds["devcloud"].Auth; a["password"] != "a 'quoted' $word" || a["auth_url"] != c.URL+"/v3" {
		t.Errorf("%+v", a)
	}
	admin, err := c.Client().Env(t.Context(), true)
	check(t, "env", err)
	login(t, c, admin)
	if runtime.GOOS != "windows" {
		for _, name := range []string{RCFile, adminRCFile, cloudsFile, keyFile, filepath.Join(dbDir, "state.json")} {
			info, err := os.Stat(filepath.Join(c.Dir(), name))
			check(t, name, err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", name, info.Mode())
			}
		}
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := startCloud(t)
	cl := login(t, c, c.Env())
	build(t, c, cl, servers.CreateOpts{Name: "x"})
	if _, err := c.Client().Resources(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "close", c.Close())
	cl.provider.HTTPClient.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

// One server from the API to a command run over SSH, with the host key that its
// console log shows.
func TestSSHThroughTheCloud(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("guests need Linux")
	}
	self, err := os.Executable()
	check(t, "executable", err)
	c := startCloud(
		t,
		func(o *Options) { o.Guests, o.Executable = GuestsNamespace, []string{self, "devcloud", GuestCommand} },
	)
	env := c.Env()
	cl := login(t, c, env)
	ctx := t.Context()
	s := must[*servers.Server](t)(
		servers.Create(
			ctx,
			cl.compute,
			keypairs.CreateOptsExt{KeyName: env["OS_USERNAME"], CreateOptsBuilder: servers.CreateOpts{
				Name: "real", FlavorRef: "2", ImageRef: CentOSImageID,
				Networks: []servers.Network{{UUID: Net1ID}},
			}},
			nil,
		).Extract(),
	)
	await(t, c, "built", func() bool { return c.db.Servers.Get(s.ID).VMState != "building" })
	if g := must[*servers.Server](t)(servers.Get(ctx, cl.compute, s.ID).Extract()); g.Status != "ACTIVE" {
		t.Fatalf("%s: %s", g.Status, g.Fault.Message)
	}
	_, port := fixedIPOf(t, cl, s.ID)
	f := must[*floatingips.FloatingIP](t)(
		floatingips.Create(
			ctx,
			cl.network,
			floatingips.CreateOpts{FloatingNetworkID: PublicNetID, PortID: port},
		).Extract(),
	)
	pem, err := os.ReadFile(env["GALLEY_DEVCLOUD_SSH_KEY"])
	check(t, "key", err)
	signer, err := ssh.ParsePrivateKey(pem)
	check(t, "key", err)
	var seen ssh.PublicKey
	config := &ssh.ClientConfig{
		User: "centos", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: time.Minute,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { seen = key; return nil },
	}
	var client *ssh.Client
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for client == nil {
		if client, err = ssh.Dial("tcp", net.JoinHostPort(f.FloatingIP, fmt.Sprint(c.SSHPort)), config); err != nil {
			if time.Now().After(deadline) {
				t.Fatalf("%v\n%s", err, c.console(s.ID))
			}
			<-tick.C
		}
	}
	defer client.Close()
	session, err := client.NewSession()
	check(t, "session", err)
	out, err := session.CombinedOutput("hostname -s; id -un")
	check(t, "run", err)
	if got := strings.Fields(string(out)); len(got) == 0 || got[0] != "real" && c.guests.modes()["directory"] == 0 {
		t.Errorf("it says %q", out)
	}
	log := must[string](t)(
		servers.ShowConsoleOutput(ctx, cl.compute, s.ID, servers.ShowConsoleOutputOpts{}).Extract(),
	)
	if want := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(seen))); !strings.Contains(log, want) {
		t.Errorf("the console log does not show the host key %s:\n%s", want, log)
	}
	check(t, "delete", servers.Delete(ctx, cl.compute, s.ID).ExtractErr())
	await(t, c, "gone", func() bool { return c.db.Servers.Get(s.ID) == nil })
	if err := client.Wait(); err == nil {
		t.Log("the connection ended in order")
	}
}
