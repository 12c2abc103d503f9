//go:build linux

package guest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// eachMode runs a test in every mode that this host allows.
func eachMode(t *testing.T, test func(t *testing.T, lim limits)) {
	t.Helper()
	for _, m := range []struct {
		mode string
		lim  limits
	}{
		{ModeNamespaces, limits{}},
		{ModeUserNamespace, limits{NoRoot: true}},
		{ModeDirectory, limits{NoRoot: true, NoUserNS: true}},
	} {
		t.Run(m.mode, func(t *testing.T) {
			probe := bootNoWait(t, nil, m.lim)
			if got := probe.Mode(); got != m.mode {
				t.Skipf("mode %s is not possible here: guests run in mode %s (%s)", m.mode, got, probe.ModeDetail())
			}
			if err := probe.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, m.lim)
		})
	}
}

func TestKeysThatOpenAGuest(t *testing.T) {
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]ssh.Signer{"ed25519": newKey(t), "ecdsa": signerOf(t, ecKey), "rsa": signerOf(t, rsaKey)}
	g := boot(t, func(s *Spec) {
		s.AuthorizedKeys = nil
		for _, k := range keys {
			s.AuthorizedKeys = append(s.AuthorizedKeys, authorized(k)+" someone@example")
		}
	})
	for kind, key := range keys {
		for _, user := range []string{"centos", "root"} {
			c, err := g.dial(user, ssh.PublicKeys(key))
			if err != nil {
				t.Errorf("%s as %s: %v", kind, user, err)
				continue
			}
			must(t, c, "true")
			_ = c.Close()
		}
	}
	for what, attempt := range map[string]func() (*ssh.Client, error){
		"a key not authorized": func() (*ssh.Client, error) { return g.dial("centos", ssh.PublicKeys(newKey(t))) },
		"a password":           func() (*ssh.Client, error) { return g.dial("centos", ssh.Password("")) },
		"an unknown user":      func() (*ssh.Client, error) { return g.dial("nosuch", ssh.PublicKeys(keys["ed25519"])) },
		"a system account":     func() (*ssh.Client, error) { return g.dial("daemon", ssh.PublicKeys(keys["ed25519"])) },
	} {
		if c, err := attempt(); err == nil {
			_ = c.Close()
			t.Errorf("%s opened the guest", what)
		}
	}
}

func TestPasswords(t *testing.T) {
	g := boot(t, func(s *Spec) { s.AdminPass = "correct horse" })
	for _, user := range []string{"root", "centos"} {
		c, err := g.dial(user, ssh.Password("correct horse"))
		if err != nil {
			t.Errorf("the password of %s: %v", user, err)
			continue
		}
		_ = c.Close()
		if c, err := g.dial(user, ssh.Password("wrong")); err == nil {
			_ = c.Close()
			t.Errorf("a wrong password opened %s", user)
		}
	}
	if c, err := g.dial("debian", ssh.Password("correct horse")); err == nil {
		_ = c.Close()
		t.Error("the administrator's password opened another user")
	}
	if bytes.Contains(g.Console(), []byte("correct horse")) {
		t.Error("the console log shows the password")
	}
}

func TestExec(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		g := boot(t, nil, lim)
		c := g.login(t, "centos")
		if r := runOn(t, c, "echo out; echo err >&2; exit 42"); r.out != "out\n" || r.errOut != "err\n" ||
			r.status != 42 {
			t.Errorf("got %+v", r)
		}
		if r := runOn(t, c, "kill -TERM $$"); r.signal != "TERM" {
			t.Errorf("killed by itself: got %+v", r)
		}
		if r := runOn(t, c, "no-such-command"); r.status != 127 {
			t.Errorf("unknown command: got %+v", r)
		}
		if got := must(t, c, `printf '%s|' "a b" 'c'; echo $((6*7))`); got != "a b|c|42" {
			t.Errorf("got %q", got)
		}
		// Nothing of the starter's is open in it.
		if got := must(t, c, "ls /proc/self/fd 2>/dev/null || echo 0 1 2 3"); strings.Join(
			strings.Fields(got),
			" ",
		) != "0 1 2 3" {
			t.Errorf("descriptors: %q", got)
		}

		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		s.Stdin = io.LimitReader(zeros{}, 3<<20)
		out, err := s.Output("wc -c")
		if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(3<<20) {
			t.Errorf("3 MiB of input: %q, %v", out, err)
		}
		if out := runOn(t, c, "head -c 3000000 /dev/zero").out; len(out) != 3000000 {
			t.Errorf("3 MB of output: got %d bytes", len(out))
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEnvironment(t *testing.T) {
	g := boot(t, nil)
	c := g.login(t, "centos")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Setenv("LC_GALLEY", "yes"); err != nil {
		t.Errorf("LC_*: %v", err)
	}
	if err := s.Setenv("LD_PRELOAD", "x.so"); err == nil {
		t.Error("LD_PRELOAD was accepted")
	}
	out, err := s.Output("env")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"LC_GALLEY=yes\n", "USER=centos\n", "LOGNAME=centos\n", "SSH_CONNECTION="} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, no := range []string{"LD_PRELOAD", "GOMAXPROCS", "GOGC", "OS_PASSWORD"} {
		if strings.Contains(string(out), no) {
			t.Errorf("%s in\n%s", no, out)
		}
	}
}

func TestSignalsFromTheClient(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		g := boot(t, nil, lim)
		c := g.login(t, "centos")
		for _, sig := range []ssh.Signal{ssh.SIGINT, ssh.SIGTERM, ssh.SIGKILL, ssh.SIGUSR1} {
			s, err := c.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Start("echo started; exec sleep 300"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			if err := s.Signal(sig); err != nil {
				t.Fatal(err)
			}
			var ee *ssh.ExitError
			if err := s.Wait(); !errors.As(err, &ee) || ee.Signal() != string(sig) {
				t.Errorf("%s: got %v", sig, err)
			}
		}
	})
}

func TestManySessionsOfOneConnection(t *testing.T) {
	g := boot(t, nil)
	c := g.login(t, "centos")
	var all sync.WaitGroup
	for i := range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			s, err := c.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			out, err := s.Output(fmt.Sprintf("echo %d; exit 0", i))
			if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(i) {
				t.Errorf("session %d: %q, %v", i, out, err)
			}
		}()
	}
	all.Wait()
}

func TestKeepalive(t *testing.T) {
	g := boot(t, nil)
	c := g.login(t, "centos")
	for range 3 {
		if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// terminal is a session with a pty and what has come from it so far.
type terminal struct {
	*ssh.Session
	in  io.WriteCloser
	mu  sync.Mutex
	got bytes.Buffer
}

func (tt *terminal) Write(p []byte) (int, error) {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.got.Write(p)
}

func (tt *terminal) text() string {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.got.String()
}

func openTerminal(t *testing.T, c *ssh.Client, rows, cols int, modes ssh.TerminalModes) *terminal {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	tt := &terminal{Session: s}
	s.Stdout = tt
	if tt.in, err = s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("xterm-256color", rows, cols, modes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return tt
}

func (tt *terminal) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(tt.in, text); err != nil {
		t.Fatal(err)
	}
}

func (tt *terminal) expect(t *testing.T, want string) {
	t.Helper()
	within(
		t,
		time.Minute,
		fmt.Sprintf("%q on the terminal; it has %q", want, tt.text()),
		func() bool { return strings.Contains(tt.text(), want) },
	)
}

func TestTerminal(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		g := boot(t, nil, lim)
		c := g.login(t, "centos")
		tt := openTerminal(t, c, 40, 100, ssh.TerminalModes{ssh.ECHO: 0})
		if err := tt.Shell(); err != nil {
			t.Fatal(err)
		}
		tt.send(
			t,
			"stty size; echo term=$TERM; test -t 0 && echo is-a-tty; shopt -q login_shell && echo login-shell; (sleep 301 &); exit 7\n",
		)
		tt.expect(t, "40 100\r\n")
		tt.expect(t, "term=xterm-256color")
		tt.expect(t, "is-a-tty")
		if _, err := os.Stat("/bin/bash"); err == nil {
			tt.expect(t, "login-shell")
		}
		var ee *ssh.ExitError
		if err := tt.Wait(); !errors.As(err, &ee) || ee.ExitStatus() != 7 {
			t.Errorf("end of the shell: %v", err)
		}

		// A program that reads lines: an interactive shell has races of its
		// own between signals and input.
		tt = openTerminal(t, c, 24, 80, ssh.TerminalModes{ssh.ECHO: 0})
		if err := tt.Start(`trap 'echo interrupted' INT; while :; do read x && eval "$x"; done`); err != nil {
			t.Fatal(err)
		}
		tt.send(t, "stty size\n")
		tt.expect(t, "24 80\r\n")
		if err := tt.WindowChange(50, 132); err != nil {
			t.Fatal(err)
		}
		// Requests and input of a channel reach the guest by two ways.
		tt.send(t, "until stty size | grep -x '50 132'; do sleep 0.01; done\n")
		tt.expect(t, "50 132\r\n")
		tt.send(t, "sleep 300 & echo going; wait\n")
		tt.expect(t, "going")
		tt.send(t, "\x03")
		tt.expect(t, "interrupted")
		tt.send(t, "echo here; exit 8\n")
		tt.expect(t, "here")
		if err := tt.Wait(); !errors.As(err, &ee) || ee.ExitStatus() != 8 {
			t.Errorf("end of the program: %v", err)
		}
	})
}

func TestClosedTerminalHangsUp(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		g := boot(t, nil, lim)
		c := g.login(t, "centos")
		tt := openTerminal(t, c, 24, 80, nil)
		if err := tt.Start("echo run''ning; exec sleep 4711.5"); err != nil {
			t.Fatal(err)
		}
		tt.expect(t, "running")
		other := g.login(t, "centos")
		_ = c.Close()
		within(t, time.Minute, "the command ends with its terminal", func() bool {
			return runOn(t, other, "pgrep -f '^sleep 4711[.]5' >/dev/null").status != 0
		})
	})
}

func TestShellWithoutTerminal(t *testing.T) {
	g := boot(t, nil)
	s, err := g.login(t, "centos").NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s.Stdout = &out
	s.Stdin = strings.NewReader("echo $0; tty; exit 3\n")
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	var ee *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &ee) || ee.ExitStatus() != 3 {
		t.Errorf("end: %v", err)
	}
	if !strings.Contains(out.String(), "not a tty") || !strings.HasPrefix(out.String(), "-") {
		t.Errorf("got %q", out.String())
	}
}

func TestUsersAndSudo(t *testing.T) {
	apart(t)
	for _, lim := range []limits{{}, {NoMapping: true}, {NoRoot: true}} {
		g := boot(t, nil, lim)
		t.Run(g.Mode(), func(t *testing.T) { usersAndSudo(t, g) })
	}
}

func usersAndSudo(t *testing.T, g testGuest) {
	c := g.login(t, "centos")
	check := func(checks ...[2]string) {
		for _, check := range checks {
			if got := runOn(t, c, check[0]); strings.TrimSpace(got.out) != check[1] {
				t.Errorf("%s: got %+v, want %q", check[0], got, check[1])
			}
		}
	}
	check([][2]string{
		{"whoami", "centos"},
		{"hostname", "web-one"},
		{"uname -n", "web-one"},
		{"pwd", "/home/centos"},
		{". /etc/os-release; echo $ID $VERSION_ID", "centos 7"},
		{"sudo sh -c 'id -u'", "0"},
		{"sudo -n true; echo $?", "0"},
		{"sudo -E sh -c 'echo $HOME'", "/home/centos"},
		{"sudo sh -c 'echo $HOME'", "/root"},
		{"A=1 sudo sh -c 'echo \"[$A]\"'", "[]"},
		{"export A=1; sudo -E sh -c 'echo $A'", "1"},
		{"sudo A=2 sh -c 'echo $A'", "2"},
		{"sudo -- sh -c 'echo $SUDO_USER'", "centos"},
		{"sudo -H -E sh -c 'echo $HOME'", "/root"},
		{"sudo -i pwd", "/root"},
		{"sudo -i sh -c 'echo a  \"b  c\"'", "a b  c"},
		{"sudo -u daemon sh -c 'echo $HOME $USER'", "/usr/sbin daemon"},
		{"echo line | sudo tee /etc/some-file", "line"},
		{"cat /etc/some-file", "line"},
		{"sudo sh -c 'exit 9'; echo $?", "9"},
		{"echo yes | sudo cat", "yes"},
		{"sudo no-such-command 2>&1; echo $?", "sudo: no-such-command: command not found\n1"},
		{"sudo --no-such-option x 2>/dev/null; echo $?", "1"},
	}...)
	if got := must(t, g.login(t, "root"), "id -u; pwd"); got != "0\n/root" {
		t.Errorf("root: %q", got)
	}
	if g.Mode() == ModeUserNamespace {
		return // one user ID
	}
	check([][2]string{
		{"sudo whoami", "root"},
		{"id -u", "1000"},
		{"id -Gn | tr ' ' '\\n' | grep -c -x -e adm -e wheel -e sudo", "3"},
		{"sudo -u daemon id -un", "daemon"},
		{"sudo -u '#1000' id -un", "centos"},
		{"sudo sudo -u centos sudo id -un", "root"},
		{"touch f && stat -c %U:%G f", "centos:centos"},
		{"sudo touch g && stat -c %U g", "root"},
		{"sudo chown daemon g && stat -c %U g", "daemon"},
		{"cat /etc/shadow 2>&1 | grep -c denied", "1"},
		{"sudo sh -c 'su centos -c whoami'", "centos"},
		{"sudo sh -c 'echo 1 > /proc/sys/vm/drop_caches' 2>&1 | grep -ciE 'read-only|denied'", "1"},
	}...)
	if g.Mode() == ModeNamespaces {
		check([2]string{"sudo hostname renamed && hostname; sudo hostname web-one", "renamed"})
		check([2]string{"mkdir -p d && sudo mount -t tmpfs x d && stat -f -c %T d; sudo umount d; rmdir d", "tmpfs"})
	}
	if _, err := exec.LookPath("useradd"); err != nil {
		t.Log("no useradd on this host: the test of users made in the guest ends here")
		return
	}
	must(t, c, "sudo useradd -m bob && echo 'bob:secret-pw' | sudo chpasswd")
	must(t, c, "sudo sed -i 's/^PasswordAuthentication.*/PasswordAuthentication yes\\nMaxAuthTries 3/' /etc/ssh/sshd_config")
	bob, err := g.dial("bob", ssh.Password("secret-pw"))
	if err != nil {
		t.Fatalf("a user made in the guest: %v", err)
	}
	defer func() { _ = bob.Close() }()
	if want := "sshd_config: these options have no effect in this guest: MaxAuthTries\n"; !bytes.Contains(g.Console(), []byte(want)) {
		t.Errorf("no warning of MaxAuthTries in\n%s", g.Console())
	}
	if got := must(t, bob, "whoami"); got != "bob" {
		t.Errorf("bob is %q", got)
	}
	if r := runOn(t, bob, "sudo -n id"); r.status == 0 {
		t.Errorf("bob may use sudo: %+v", r)
	}
	must(t, c, "echo 'bob ALL=(ALL) ALL' | sudo tee /etc/sudoers.d/bob")
	again, err := g.dial("bob", ssh.Password("secret-pw"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if r := runOn(t, again, "sudo -n id -u"); r.status == 0 || !strings.Contains(r.errOut, "a password is required") {
		t.Errorf("sudo asked for no password: %+v", r)
	}
	if !strings.HasPrefix(must(t, c, "head -c 2 $(command -v sudo)"), "\x7fE") {
		return // not the image's
	}
	if r := runOn(t, again, "echo wrong | sudo -S id -u"); r.status == 0 {
		t.Errorf("sudo took a wrong password: %+v", r)
	}
	if r := runOn(t, again, "(echo secret-pw; echo rest) | sudo -S sh -c 'id -u; cat'"); r.out != "0\nrest\n" {
		t.Errorf("sudo with a password: %+v", r)
	}
}

func TestImages(t *testing.T) {
	for name, want := range map[string]struct{ user, release string }{
		"Ubuntu 14.04 amd64":     {"ubuntu", "ubuntu 14.04 trusty"},
		"debian-12-openstack":    {"debian", "debian 12 bookworm"},
		"CentOS 7 GC 2014-09-16": {"centos", "centos 7"},
	} {
		t.Run(name, func(t *testing.T) {
			apart(t)
			g := boot(t, func(s *Spec) { s.Image = name })
			c := g.login(t, want.user)
			for _, other := range []string{"ubuntu", "debian", "centos"} {
				if other == want.user {
					continue
				}
				if _, err := g.dial(other); err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
					t.Errorf("%s, who is another image's login user: %v", other, err)
				}
			}
			if got := must(t, c, ". /etc/os-release; echo $ID $VERSION_ID $VERSION_CODENAME"); got != want.release {
				t.Errorf("os-release: %q", got)
			}
			if g.Mode() == ModeNamespaces {
				if got := must(t, c, "id -u"); got != "1000" {
					t.Errorf("the default user has ID %s", got)
				}
			}
		})
	}
}

func TestGuestsAreApart(t *testing.T) {
	apart(t)
	one, two := boot(t, nil), boot(t, func(s *Spec) { s.Hostname = "web-two" })
	c1, c2 := one.login(t, "centos"), two.login(t, "centos")
	mark := fmt.Sprintf("galley-apart-%d", os.Getpid())
	for _, dir := range []string{"/", "/etc", "/usr/bin", "/usr/local/lib", "/var/lib", "/opt", "/tmp", "/var/tmp", "/srv", "/root", "/home", "/run", "/dev/shm"} {
		f := filepath.Join(dir, mark)
		must(t, c1, "echo x | sudo tee "+f)
		if _, err := os.Lstat(f); err == nil {
			t.Errorf("%s appeared on the host", f)
		}
		if r := runOn(t, c2, "sudo test -e "+f); r.status == 0 {
			t.Errorf("%s appeared in the other guest", f)
		}
	}
	// What the host has can be changed and deleted, for this guest alone.
	must(t, c1, "sudo rm /usr/bin/env && ! test -e /usr/bin/env")
	must(t, c2, "test -e /usr/bin/env")
	if _, err := os.Stat("/usr/bin/env"); err != nil {
		t.Fatal("a guest deleted the host's /usr/bin/env")
	}
	must(t, c1, "sudo sh -c 'echo 10.0.0.1 elsewhere >> /etc/hosts'")
	if data, err := os.ReadFile("/etc/hosts"); err == nil && bytes.Contains(data, []byte("elsewhere")) {
		t.Error("the host's /etc/hosts has changed")
	}
	// Processes.
	s, err := c1.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("sleep 12345.25"); err != nil {
		t.Fatal(err)
	}
	within(
		t,
		time.Minute,
		"the process is there",
		func() bool { return runOn(t, c1, "pgrep -f '^sleep 12345[.]25'").status == 0 },
	)
	if bytes.Contains(two.Console(), []byte("/proc is the host's")) {
		t.Log("what /proc shows is not checked: this host allows no fresh one")
	} else if r := runOn(t, c2, "pgrep -f '^sleep 12345[.]25'"); r.status == 0 {
		t.Error("a guest sees another's processes")
	}
	if r := runOn(t, c2, "sudo kill -0 "+fmt.Sprint(os.Getpid())); r.status == 0 {
		t.Error("a guest can signal the host's processes")
	}
	if a, b := must(t, c1, "hostname"), must(t, c2, "hostname"); a != "web-one" || b != "web-two" {
		t.Errorf("host names %q and %q", a, b)
	}
	if a, b := must(t, c1, "cat /etc/machine-id"), must(t, c2, "cat /etc/machine-id"); a == b {
		t.Error("two guests have one machine ID")
	}
}

func TestPowerOffAndStartAgain(t *testing.T) {
	g := boot(t, nil)
	c := g.login(t, "centos")
	must(t, c, "echo kept > kept")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Run("sudo poweroff")
	select {
	case <-g.Done():
	case <-time.After(time.Minute):
		t.Fatal("it did not power off")
	}
	if err := g.Err(); err != nil {
		t.Errorf("after a power-off: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(g.spec.Dir, socketName)); err == nil {
		t.Error("the socket is still there")
	}
	if err := g.Reboot(t.Context()); err == nil {
		t.Error("a guest that is off was rebooted")
	}

	again, err := Start(t.Context(), g.spec)
	if err != nil {
		t.Fatal(err)
	}
	g2 := testGuest{again, g.key}
	defer func() { _ = g2.Stop(context.Background()) }()
	g2.awaitReady(t)
	if got := must(t, g2.login(t, "centos"), "cat kept"); got != "kept" {
		t.Errorf("the disk: %q", got)
	}

	// Another server's ID on the same disk is a first boot.
	_ = g2.Stop(t.Context())
	spec := g.spec
	spec.ID, spec.UserData = "00000000-0000-4000-8000-0000000000ff", []byte(
		"#cloud-config\nfqdn: third.example.org\n",
	)
	third, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	g3 := testGuest{third, g.key}
	defer func() { _ = g3.Stop(context.Background()) }()
	g3.awaitReady(t)
	if got := must(t, g3.login(t, "centos"), "hostname"); got != "third" {
		t.Errorf("host name %q", got)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		g := boot(t, nil, lim)
		c := g.login(t, "centos")
		mark := fmt.Sprintf("7%d.125", os.Getpid())
		// One that ignores all but SIGKILL, one that has left its session.
		must(
			t,
			c,
			"(trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM HUP; sleep "+mark+"' </dev/null >/dev/null 2>&1 &)",
		)
		must(t, c, "nohup setsid sleep "+mark+" </dev/null >/dev/null 2>&1 & sleep 0.05")
		within(t, time.Minute, "its processes run", func() bool { return len(marked(mark)) > 0 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if left := marked(mark); len(left) > 0 {
			t.Errorf("still running: %q", left)
		}
		if err := g.Stop(ctx); err != nil {
			t.Errorf("stopping it twice: %v", err)
		}
		if _, err := os.Lstat(filepath.Join(g.spec.Dir, socketName)); err == nil {
			t.Error("the socket is still there")
		}
		if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil &&
			bytes.Contains(mounts, []byte(g.spec.Dir)) {
			t.Errorf("mounts are left:\n%s", mounts)
		}
		if err := Remove(g.spec.Dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(g.spec.Dir); err == nil {
			t.Error("the directory is still there")
		}
		if err := Remove(g.spec.Dir); err != nil {
			t.Errorf("removing it twice: %v", err)
		}
	})
}

func TestKilledGuest(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		g := boot(t, nil, lim)
		c := g.login(t, "centos")
		mark := fmt.Sprintf("9%d.125", os.Getpid())
		must(t, c, "nohup setsid sleep "+mark+" </dev/null >/dev/null 2>&1 & sleep 0.05")
		g.mu.Lock()
		g.proc.kill()
		g.mu.Unlock()
		select {
		case <-g.Done():
		case <-time.After(time.Minute):
			t.Fatal("its end was not noticed")
		}
		if err := g.Err(); err == nil || !strings.Contains(err.Error(), "ended by itself") {
			t.Errorf("got error %v", err)
		}
		if left := marked(mark); len(left) > 0 {
			t.Errorf("still running: %q", left)
		}
	})
}

func TestBootDelay(t *testing.T) {
	const delay = 600 * time.Millisecond
	begin := time.Now()
	g := bootNoWait(t, func(s *Spec) { s.BootDelay = delay })
	g.login(t, "centos")
	g.awaitReady(t)
	if d := time.Since(begin); d < delay {
		t.Errorf("a login after %v", d)
	}

	// A guest can be stopped before it is up.
	slow := bootNoWait(t, func(s *Spec) { s.BootDelay = time.Hour })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := slow.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestGateway(t *testing.T) {
	gate, behind := boot(t, nil), boot(t, nil)
	// The cloud passes TCP on to the guest's socket; so does the test.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				to, err := behind.Dial(context.Background())
				if err != nil {
					_ = c.Close()
					return
				}
				go func() { _, _ = io.Copy(to, c); _ = to.Close() }()
				_, _ = io.Copy(c, to)
				_ = c.Close()
			}()
		}
	}()
	through, err := gate.login(t, "centos").Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, chans, reqs, err := ssh.NewClientConn(through, "behind", &ssh.ClientConfig{
		User: "centos",
		Auth: []ssh.AuthMethod{ssh.PublicKeys(behind.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}) //nolint:gosec // checked elsewhere
	if err != nil {
		t.Fatal(err)
	}
	c := ssh.NewClient(conn, chans, reqs)
	defer func() { _ = c.Close() }()
	if got := must(t, c, "echo through"); got != "through" {
		t.Errorf("got %q", got)
	}
	_ = l.Close()
	if _, err := gate.login(t, "centos").Dial("tcp", l.Addr().String()); err == nil {
		t.Error("a closed port was opened")
	}
}

func TestRemoteForwardIsRefused(t *testing.T) {
	if _, err := boot(t, nil).login(t, "centos").Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("a port of the guest was opened for the client")
	}
}

func TestSFTPServer(t *testing.T) {
	c := boot(t, nil).login(t, "centos")
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	has := runOn(t, c, "ls /usr/lib*/openssh/sftp-server /usr/lib*/sftp-server /usr/lib/ssh/sftp-server").out != ""
	if err := s.RequestSubsystem("sftp"); (err == nil) != has {
		t.Fatalf("the subsystem: %v; the image has one: %v", err, has)
	} else if !has {
		return
	}
	// SSH_FXP_INIT of version 3 is answered by SSH_FXP_VERSION.
	if _, err := in.Write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3}); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 5)
	if _, err := io.ReadFull(out, answer); err != nil || answer[4] != 2 {
		t.Errorf("got %v, %v", answer, err)
	}
}

func TestAgentForwarding(t *testing.T) {
	if _, err := exec.LookPath("ssh-add"); err != nil {
		t.Skip("no ssh-add on this host")
	}
	g := boot(t, nil)
	c := g.login(t, "centos")
	ring := agent.NewKeyring()
	_, private := rsaPair(t)
	if err := ring.Add(agent.AddedKey{PrivateKey: private, Comment: "the client's"}); err != nil {
		t.Fatal(err)
	}
	if err := agent.ForwardToAgent(c, ring); err != nil {
		t.Fatal(err)
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.RequestAgentForwarding(s); err != nil {
		if g.Mode() == ModeDirectory {
			t.Skipf("no room for a socket's name: %v", err)
		}
		t.Fatal(err)
	}
	out, err := s.CombinedOutput("ssh-add -l")
	if err != nil || !strings.Contains(string(out), "the client's") {
		t.Errorf("got %q, %v", out, err)
	}
}

func rsaPair(t *testing.T) (ssh.Signer, *rsa.PrivateKey) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, k), k
}

func TestForcedCommand(t *testing.T) {
	g := boot(t, func(s *Spec) {
		s.UserData = []byte("#cloud-config\ndisable_root: true\n")
	})
	if r := runOn(t, g.login(t, "root"), "id"); r.status != 142 ||
		!strings.Contains(r.out, `Please login as the user "centos" rather than the user "root".`) {
		t.Errorf("got %+v", r)
	}
}

func TestManyAtOnce(t *testing.T) {
	var all sync.WaitGroup
	guests := make([]testGuest, 12)
	for i := range guests {
		all.Add(1)
		go func() {
			defer all.Done()
			guests[i] = bootNoWait(t, func(s *Spec) { s.Hostname = fmt.Sprintf("many-%d", i) })
		}()
	}
	all.Wait()
	for i, g := range guests {
		g.awaitReady(t)
		if got := must(t, g.login(t, "centos"), "hostname"); got != fmt.Sprintf("many-%d", i) {
			t.Errorf("guest %d is called %q", i, got)
		}
	}
}

func TestNothingIsLeftInTheStarter(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(guestDir(t), strings.Repeat("long/", 25))
	g, err := Start(t.Context(), Spec{ID: "x", Name: "x", Dir: dir, Executable: self(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := Remove(dir); err != nil {
			t.Error(err)
		}
	}()
	<-g.Ready()
	if err := g.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-g.Ready()
	if err := g.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	within(t, time.Minute, "its descriptors are closed", func() bool {
		after, err := os.ReadDir("/dev/fd")
		return err == nil && len(after) <= len(before)
	})
}

func TestStopAndRebootInARow(t *testing.T) {
	// Whatever comes while a boot is under way, the end is an end.
	for i := range 5 {
		g := bootNoWait(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var all sync.WaitGroup
		for range 3 {
			all.Add(1)
			go func() {
				defer all.Done()
				_ = g.Reboot(ctx) // fails when the stop comes first
			}()
		}
		if i%2 == 0 {
			<-g.Ready()
		}
		if err := g.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		all.Wait()
		select {
		case <-g.Done():
		default:
			t.Error("stopped, but not done")
		}
		cancel()
	}
}

func TestStartRefuses(t *testing.T) {
	for what, spec := range map[string]Spec{
		"no ID":          {Dir: t.TempDir(), Executable: self(t)},
		"no directory":   {ID: "x", Executable: self(t)},
		"no executable":  {ID: "x", Dir: t.TempDir()},
		"bad executable": {ID: "x", Dir: t.TempDir(), Executable: []string{"/no/such/program"}},
		"no guest":       {ID: "x", Dir: t.TempDir(), Executable: []string{"/bin/true"}},
	} {
		if g, err := Start(t.Context(), spec); err == nil {
			_ = g.Stop(t.Context())
			t.Errorf("%s: it started", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
}

func childCPU() time.Duration {
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func BenchmarkBoot(b *testing.B) {
	for name, l := range map[string]limits{"best": {}, "user": {NoRoot: true}, "directory": {NoRoot: true, NoUserNS: true}} {
		b.Run(name, func(b *testing.B) {
			before := childCPU()
			for b.Loop() {
				g := bootNoWait(b, nil, l)
				g.awaitReady(b)
				_ = g.Stop(b.Context())
			}
			b.ReportMetric(float64((childCPU()-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		})
	}
}
