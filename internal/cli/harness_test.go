package cli_test

import (
	"context"
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

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galleyhq/galley/internal/cli"
	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/ui"
)

// galley is the path of this test binary under the program's name: run as
// that, it is [cli.Main]. The tests start it as a process where they need a
// working directory, an environment or signals separate, and the coverage
// of what runs there counts.
var galley string

func TestMain(m *testing.M) {
	run := func() { os.Exit(cli.Main(os.Args, ui.System())) }
	// Under its other names it behaves as Test Kitchen and knife do.
	testscript.Main(mainOf{m}, map[string]func(){"galley": run, "knife": run, "kitchen": run})
}

// mainOf runs the tests once the commands are on the PATH.
type mainOf struct{ *testing.M }

func (m mainOf) Run() int {
	// The tests wait for clouds and machines more than they compute.
	if flag.Parse(); flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := flag.Set("test.parallel", "20"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	var err error
	if galley, err = exec.LookPath("galley"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.M.Run()
}

// shipped returns the path of the program as it is released, for what a test
// binary cannot show: its size and its memory.
func shipped(t testing.TB) string {
	t.Helper()
	file, err := buildShipped()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

var buildShipped = sync.OnceValues(func() (string, error) {
	file := filepath.Join(filepath.Dir(galley), "shipped-galley")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "github.com/galleyhq/galley/cmd/galley")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building galley: %w\n%s", err, out)
	}
	return file, nil
})

// newCloud starts an embedded cloud in this process; its guests are processes
// of the built binary. It ends with the test.
func newCloud(t testing.TB, o devcloud.Options) *devcloud.Cloud {
	if o.GuestNetwork == "" {
		o.GuestNetwork = devcloud.NetworkHost // the tests' Chef Server is on this host's loopback
	}
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the embedded cloud's guests need Linux")
	}
	// Not t.TempDir, whose name is as long as the test's.
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = dir
	o.Executable = []string{galley, "devcloud", devcloud.GuestCommand}
	if o.BuildDelay == 0 {
		o.BuildDelay = 20 * time.Millisecond
	}
	if o.DeleteDelay == 0 {
		o.DeleteDelay = 20 * time.Millisecond
	}
	if o.VolumeDelay == 0 {
		o.VolumeDelay = 20 * time.Millisecond
	}
	c, err := devcloud.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return c
}

// kitchenFile asks for everything that a create can leave behind: a key pair
// for itself, a volume, a server with its port, a floating IP.
const kitchenFile = `---
driver:
  name: openstack
  image_ref: debian-12
  flavor_ref: m1.small
  network_ref: net1
  floating_ip_pool: public
  allocate_floating_ip: true
  username: debian
  block_device_mapping:
    make_volume: true
    volume_size: 1
    device_name: vdb
transport:
  port: <%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] || 22 %>
platforms:
  - name: debian-12
suites:
  - name: default
`

// project is a directory with a kitchen file, and the environment of a person
// who has sourced the cloud's RC file.
type project struct {
	dir string
	env []string
}

func newProject(t testing.TB, c *devcloud.Cloud, file string) *project {
	t.Helper()
	p := &project{dir: t.TempDir(), env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}}
	for _, name := range []string{"GOCOVERDIR", "GORACE"} {
		if v := os.Getenv(name); v != "" {
			p.env = append(p.env, name+"="+v)
		}
	}
	if c != nil {
		for k, v := range c.Env() {
			p.env = append(p.env, k+"="+v)
		}
	}
	if err := os.WriteFile(filepath.Join(p.dir, "kitchen.yml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// command returns galley with arguments, run in the project.
func (p *project) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, galley, args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// run runs galley to its end and returns its output and its exit code.
func (p *project) run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	cmd := p.command(t.Context(), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("galley %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs galley and fails the test unless it succeeds.
func (p *project) must(t testing.TB, args ...string) string {
	t.Helper()
	out, errs, code := p.run(t, args...)
	if code != 0 {
		t.Fatalf("galley %v: exit code %d\n%s%s", args, code, out, errs)
	}
	return out
}

// wantNothing fails the test if users of the cloud have left anything.
func wantNothing(t testing.TB, c *devcloud.Cloud, when string) {
	t.Helper()
	res := c.Resources()
	if res.Count() == 0 {
		return
	}
	var b strings.Builder
	for _, kind := range res.All() {
		for _, r := range kind.Items {
			fmt.Fprintf(&b, "\n  %s %s %q %s %v", kind.Kind, r.ID, r.Name, r.Status, r.Metadata)
		}
	}
	t.Errorf("%s: left on the cloud:%s", when, b.String())
}

// callsOf returns how many API calls a run of galley makes.
func (p *project) callsOf(t *testing.T, c *devcloud.Cloud, args ...string) int {
	t.Helper()
	if err := c.Client().ResetRequests(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.must(t, args...)
	log, err := c.Client().Requests(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if log.Total < 5 {
		t.Fatalf("galley %v made only %d calls: %v", args, log.Total, log)
	}
	return log.Total
}
