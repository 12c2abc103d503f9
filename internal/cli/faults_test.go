package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/testing/standin"
)

// chefFile converges the project's cookbook with a client from the mirror
// that the variable MIRROR names.
const chefFile = `---
driver: {name: openstack, image_ref: debian-12, flavor_ref: m1.small, network_ref: net1}
transport: {username: debian, port: <%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] %>}
provisioner:
  name: chef_infra
  product_name: cinc
  omnitruck_url: <%= ENV['MIRROR'] %>
platforms: [{name: x}]
suites:
  - name: default
    run_list: ["recipe[web]"]
`

// write puts files into the project.
func (p *project) write(t testing.TB, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// chefProject is a cookbook "web" with one recipe, and a mirror at hand.
func chefProject(t testing.TB, c *devcloud.Cloud, m standin.Mirror, recipe string) *project {
	t.Helper()
	web := httptest.NewServer(m)
	t.Cleanup(web.Close)
	p := newProject(t, c, chefFile)
	p.env = append(p.env, "MIRROR="+web.URL)
	p.write(t, map[string]string{"metadata.rb": "name 'web'\n", "recipes/default.rb": recipe})
	return p
}

// fails runs galley, which must end with 20 and say each of these.
func (p *project) fails(t testing.TB, args []string, says ...string) {
	t.Helper()
	out, errs, code := p.run(t, args...)
	if code != 20 {
		t.Errorf("galley %v: exit code %d\n%s%s", args, code, out, errs)
	}
	for _, s := range says {
		if !regexp.MustCompile(s).MatchString(errs) {
			t.Errorf("galley %v does not say %q:\n%s", args, s, errs)
		}
	}
}

// destroyed ends a story: destroy works, and nothing is left.
func (p *project) destroyed(t testing.TB, c *devcloud.Cloud) {
	t.Helper()
	p.must(t, "destroy")
	wantNothing(t, c, "after destroy")
	if _, err := os.Stat(filepath.Join(p.dir, ".kitchen", "default-x.yml")); err == nil {
		t.Error("the state is still there")
	}
}

func TestARecipeThatFails(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{}, "log 'so far so good'\nraise 'no such thing as success'\n")
	p.fails(t, []string{"converge"},
		`This is not Cinc Client but a stand-in`,
		`Converge failed on instance <default-x>: the client ended with exit status 1`,
		`(?m)^ +RuntimeError: no such thing as success`,
		`log: +\.kitchen/logs/default-x\.log`)
	log, err := os.ReadFile(filepath.Join(p.dir, ".kitchen/logs/default-x.log"))
	if err != nil || !bytes.Contains(log, []byte("so far so good")) {
		t.Errorf("the log: %v\n%s", err, log)
	}
	if out := p.must(t, "list"); !regexp.MustCompile(`default-x .* Created .* Kitchen::ActionFailed`).MatchString(out) {
		t.Errorf("list:\n%s", out)
	}
	// Mended, it goes on where it was: nothing is installed or made again.
	p.write(t, map[string]string{"recipes/default.rb": "log 'mended'\n"})
	_, errs, code := p.run(t, "converge")
	if code != 0 || !strings.Contains(errs, "log[mended]") || strings.Contains(errs, "Creating") || strings.Contains(errs, "Installing") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	p.destroyed(t, c)
}

// relay carries connections to a machine until it is cut.
type relay struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	host, _, _ := net.SplitHostPort(to)
	l, err := net.Listen("tcp4", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	t.Cleanup(func() { l.Close(); r.cut() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp4", to)
			if err != nil {
				a.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, a, b)
			r.mu.Unlock()
			go func() { _, _ = io.Copy(a, b); a.Close() }()
			go func() { _, _ = io.Copy(b, a); b.Close() }()
		}
	}()
	return r
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// address is where the instance's machine is, by the state.
func (p *project) address(t testing.TB) string {
	t.Helper()
	state, err := os.ReadFile(filepath.Join(p.dir, ".kitchen", "default-x.yml"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^hostname: (\S+)$`).FindSubmatch(state)
	if m == nil {
		t.Fatalf("no address in\n%s", state)
	}
	return string(m[1])
}

// getenv is a variable of the project's environment.
func (p *project) getenv(name string) (value string) {
	for _, kv := range p.env {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			value = v
		}
	}
	return value
}

// started runs galley in the background, and returns when it has printed a
// text. Wait returns all that it printed and its exit code.
func (p *project) started(t testing.TB, text string, args ...string) (cmd *exec.Cmd, wait func() (string, int)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd = p.command(ctx, args...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	seen, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(r)
		told := false
		for lines.Scan() {
			fmt.Fprintln(&all, lines.Text())
			if !told && strings.Contains(lines.Text(), text) {
				told = true
				close(seen)
			}
		}
	}()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		w.Close()
		<-done
		close(ended)
	}()
	select {
	case <-seen:
	case <-ended:
		t.Fatalf("galley %v ended without %q:\n%s", args, text, all.String())
	}
	return cmd, func() (string, int) {
		<-ended
		return all.String(), cmd.ProcessState.ExitCode()
	}
}

func TestAConnectionThatDropsInMidRun(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{}, "log 'in the middle'\nsleep 60\n")
	p.must(t, "create")
	r := newRelay(t, net.JoinHostPort(p.address(t), p.getenv("GALLEY_DEVCLOUD_SSH_PORT")))
	_, port, _ := net.SplitHostPort(r.Addr().String())
	p.write(t, map[string]string{"kitchen.local.yml": "transport: {port: " + port + "}\nprovisioner: {wait_for_retry: 0}\n"})
	_, wait := p.started(t, "in the middle", "converge")
	r.cut()
	out, code := wait()
	if code != 20 || !strings.Contains(out, "was lost while running a command") || !strings.Contains(out, "running the same action again takes up where it was") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	p.write(t, map[string]string{"recipes/default.rb": "log 'through'\n"})
	if _, errs, code := p.run(t, "converge"); code != 0 || strings.Contains(errs, "Installing") {
		t.Errorf("again: exit code %d\n%s", code, errs)
	}
	p.destroyed(t, c)
}

func TestAFullDiskOnTheMachine(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{}, "log 'never'\n")
	p.must(t, "create")
	if out, errs, code := p.run(t, "exec", "-c", "mkdir -p /tmp/kitchen && sudo mount -t tmpfs -o size=128k,mode=1777 small /tmp/kitchen"); code != 0 {
		t.Skipf("no small disk can be had here: %s%s", out, errs)
	}
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	p.write(t, map[string]string{"files/default/big.bin": string(big)})
	p.fails(t, []string{"converge"}, `No space left on device`, `hint: .*disk.*full`, `log: +\.kitchen/logs/default-x\.log`)
	if out := p.must(t, "list"); !strings.Contains(out, "Created") {
		t.Errorf("list:\n%s", out)
	}
	// Room again: the upload takes up where it broke off.
	p.must(t, "exec", "-c", "sudo umount /tmp/kitchen")
	p.must(t, "converge")
	p.destroyed(t, c)
}

func TestAMissingCookbook(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{}, "log 'never'\n")
	p.write(t, map[string]string{"kitchen.local.yml": "suites: [{name: default, run_list: ['recipe[web]', 'recipe[Web-Server::x]']}]\n"})
	p.fails(t, []string{"converge"}, `the run list has recipe\[Web-Server::x\], and there is no cookbook Web-Server among those to send \(web\)`, `hint: is web meant\?`)
	p.destroyed(t, c)
}

func TestAnUnknownSuiteKey(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{}, "log 'done'\n")
	p.write(t, map[string]string{"kitchen.local.yml": "suites:\n  - name: default\n    run_lst: ['recipe[nothing]']\n    run_list: ['recipe[web]']\ndriver: {availability_domain_of_another_tool: x}\n"})
	_, errs, code := p.run(t, "converge")
	if code != 0 || !strings.Contains(errs, "kitchen.local.yml:3:5: run_lst is not a key of a suite and has no effect (did you mean run_list?)") ||
		!strings.Contains(errs, "kitchen.local.yml:5:10: availability_domain_of_another_tool is not a key of the driver openstack and has no effect\n") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if out, errs, _ := p.run(t, "destroy"); strings.Contains(out+errs, "run_lst") {
		t.Errorf("it does not belong in a destroy:\n%s%s", out, errs)
	}
	p.destroyed(t, c)
}

func TestAnInstallerThatCannotDownload(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{Checksum: strings.Repeat("0", 64)}, "log 'installed'\n")
	p.fails(t, []string{"converge"}, `installing cinc failed: .* has the SHA-256 [0-9a-f]{64}, not 0000`, `hint: compare the checksum`)
	mirror := p.getenv("MIRROR")
	p.env = append(p.env, "MIRROR=http://127.0.0.1:1")
	p.fails(t, []string{"converge"}, `installing cinc failed: asking http://127\.0\.0\.1:1 for the package failed`, `hint: does the machine reach that address\?`, `log: +\.kitchen/logs/default-x\.log`)
	p.env = append(p.env, "MIRROR="+mirror+"/nothing")
	p.write(t, map[string]string{"kitchen.local.yml": "provisioner: {download_url: '<%= ENV[\"MIRROR\"] %>/cinc.rpm'}\n"})
	p.fails(t, []string{"converge"}, `the server answered 404`)
	p.destroyed(t, c)
}

func TestTwoOnOneInstance(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{}, "log 'at work'\nawait '/tmp/go-on'\n")
	first, wait := p.started(t, "log[at work]", "converge")
	_, second := p.started(t, fmt.Sprintf("Waiting for process %d", first.Process.Pid), "destroy")
	p.must(t, "exec", "-c", "touch /tmp/go-on")
	if out, code := wait(); code != 0 {
		t.Errorf("the first: exit code %d\n%s", code, out)
	}
	if out, code := second(); code != 0 || !strings.Contains(out, "which works on <default-x>") {
		t.Errorf("the second: exit code %d\n%s", code, out)
	}
	wantNothing(t, c, "after both")
}

// The second may be sent away while it waits, and the first goes on.
func TestTwoOnOneInstanceOneGivesUp(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := chefProject(t, c, standin.Mirror{}, "log 'at work'\nawait '/tmp/go-on'\n")
	_, wait := p.started(t, "log[at work]", "converge")
	second, ended := p.started(t, "which works on <default-x>", "destroy")
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if out, code := ended(); code != 130 {
		t.Errorf("the second: exit code %d\n%s", code, out)
	}
	p.must(t, "exec", "-c", "touch /tmp/go-on")
	if out, code := wait(); code != 0 {
		t.Errorf("the first: exit code %d\n%s", code, out)
	}
	p.destroyed(t, c)
}

// Ctrl-C and kill -9 in the middle of a converge: the machine stays recorded,
// the next run goes on with it.
func TestAConvergeThatIsEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signal os.Signal
		code   int
	}{"interrupted": {os.Interrupt, 130}, "killed": {os.Kill, -1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, devcloud.Options{})
			p := chefProject(t, cloud, standin.Mirror{}, "log 'at work'\nsleep 60\n")
			cmd, wait := p.started(t, "log[at work]", "converge")
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if out, code := wait(); code != c.code {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if out := p.must(t, "list"); !strings.Contains(out, "Created") {
				t.Errorf("list:\n%s", out)
			}
			p.write(t, map[string]string{"recipes/default.rb": "log 'again'\n"})
			if _, errs, code := p.run(t, "converge"); code != 0 || strings.Contains(errs, "Creating") || strings.Contains(errs, "Installing") {
				t.Errorf("again: exit code %d\n%s", code, errs)
			}
			p.destroyed(t, cloud)
		})
	}
}

// An instance without an address is not an excuse to run anything here: a guest
// does not see files written to this directory, so a file in it would be the
// workstation's own doing.
func TestNothingRunsHereForWantOfAnAddress(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := newProject(t, c, `---
driver: {name: openstack, image_ref: debian-12, flavor_ref: m1.small, network_ref: net1}
transport: {username: debian, port: <%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] %>}
provisioner: {name: shell, command: "touch <%= Dir.pwd %>/ran-here"}
verifier: {name: shell, remote_exec: true, command: "touch <%= Dir.pwd %>/ran-here"}
lifecycle: {pre_converge: [{remote: "touch <%= Dir.pwd %>/ran-here"}]}
platforms: [{name: x}]
suites: [{name: default}]
`)
	p.must(t, "create")
	file := filepath.Join(p.dir, ".kitchen", "default-x.yml")
	state, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, blank := range []string{"", "hostname:\n", "hostname: ''\n"} {
		p.write(t, map[string]string{".kitchen/default-x.yml": regexp.MustCompile(`(?m)^hostname: .*\n`).ReplaceAllString(string(state), blank)})
		for _, args := range [][]string{{"converge"}, {"verify"}, {"exec", "-c", "touch " + p.dir + "/ran-here"}, {"login"}} {
			p.fails(t, args, `the address of instance <default-x> is not known`, `galley create default-x`)
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, "ran-here")); err == nil {
		t.Fatal("it ran on the workstation")
	}
	// The way back that the hint names.
	p.must(t, "create")
	p.must(t, "exec", "-c", "true")
	p.destroyed(t, c)
}
