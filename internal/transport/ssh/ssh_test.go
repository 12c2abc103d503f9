package ssh_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"github.com/galleyhq/galley/internal/transport/ssh"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
	"go.uber.org/goleak"
	xssh "golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func writeKey(t *testing.T, key any) string {
	t.Helper()
	block, err := xssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newTransport(t *testing.T, section map[string]any, o ssh.Options) *ssh.Transport {
	t.Helper()
	if o.Home == "" {
		o.Home = t.TempDir()
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	tr, err := ssh.New(config.NewSection(section), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// machine is a server, and a step whose state leads to it by a key.
func machine(t *testing.T, o sshtest.Options) (*sshtest.Server, *kitchen.Step, *kitchentest.Record) {
	t.Helper()
	signer, priv := sshtest.Key(t)
	o.Keys = append(o.Keys, signer.PublicKey())
	srv := sshtest.Start(t, o)
	step, rec := kitchentest.NewStep(kitchen.Create, nil)
	step.State.Set(kitchen.KeyServerID, "id-1")
	step.State.Set(kitchen.KeyHostname, srv.Host)
	step.State.Set(kitchen.KeyPort, srv.Port)
	step.State.Set(kitchen.KeySSHKey, writeKey(t, priv))
	return srv, step, rec
}

func TestConformance(t *testing.T) {
	var srv *sshtest.Server
	kitchentest.Transport(t, kitchentest.TransportCase{
		New: func(t *testing.T) (kitchen.Transport, *kitchen.Step) {
			var step *kitchen.Step
			srv, step, _ = machine(t, sshtest.Options{})
			return newTransport(t, nil, ssh.Options{}), step
		},
		Restart: func(*testing.T) { srv.DropAll() },
	})
}

func line(k xssh.PublicKey) string { return strings.TrimSpace(string(xssh.MarshalAuthorizedKey(k))) }

func TestOneConnection(t *testing.T) {
	srv, step, rec := machine(t, sshtest.Options{User: "root"})
	tr := newTransport(t, nil, ssh.Options{})
	if err := tr.Wait(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(rec.Text(kitchen.Info), "(ssh ready)") {
		t.Errorf("told:\n%s", rec.Text())
	}
	a, err := tr.Connect(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tr.Connect(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, err := b.Run(t.Context(), kitchen.Command{Line: "true"}); err != nil {
		t.Error(err)
	}
	if n := srv.Logins.Load(); n != 1 {
		t.Errorf("%d logins", n)
	}
	// Another user is another connection.
	step.State.Set(kitchen.KeyUsername, "other")
	if _, err := tr.Connect(t.Context(), step); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("got %v", err)
	}
	b.Close()
}

func TestHostKeysInTheState(t *testing.T) {
	key, _ := sshtest.Key(t)
	other, _ := sshtest.Key(t)
	srv, step, rec := machine(t, sshtest.Options{HostKeys: []xssh.Signer{key}})
	try := func(o ssh.Options) error {
		tr := newTransport(t, nil, o)
		defer tr.Close()
		return tr.Wait(t.Context(), step)
	}
	pins := func() string { return fmt.Sprint(step.State.Own("host_keys")) }

	if err := try(ssh.Options{}); err != nil {
		t.Fatal(err)
	}
	if want := "[" + line(key.PublicKey()) + " first-use]"; pins() != want {
		t.Errorf("pinned %s, want %s", pins(), want)
	}
	// The console shows the key later.
	step.HostKeys = func(context.Context) ([]string, error) { return []string{line(key.PublicKey())}, nil }
	if err := try(ssh.Options{}); err != nil {
		t.Fatal(err)
	}
	if want := "[" + line(key.PublicKey()) + " verified]"; pins() != want {
		t.Errorf("pinned %s, want %s", pins(), want)
	}
	// A verified key is not asked for again, and another one is refused.
	step.HostKeys = nil
	step.State.SetOwn("host_keys", []any{line(other.PublicKey()) + " verified"})
	err := try(ssh.Options{})
	var hk *bootstrap.HostKeyError
	if !errors.As(err, &hk) || hk.Problem != bootstrap.HostKeyChanged || !strings.Contains(kitchen.Hint(err), "--no-host-key-verify") {
		t.Errorf("got %v", err)
	}
	if err := try(ssh.Options{NoHostKeyVerify: true}); err != nil {
		t.Errorf("not verified: %v", err)
	}
	// The pins of a server that was replaced do not count.
	step.State.Set(kitchen.KeyServerID, "id-2")
	if err := try(ssh.Options{}); err != nil {
		t.Errorf("a new server: %v\n%s", err, rec.Text())
	}
	if want := "[" + line(key.PublicKey()) + " first-use]"; pins() != want {
		t.Errorf("pinned %s, want %s", pins(), want)
	}
	srv.Close()
}

func TestSectionAndFallback(t *testing.T) {
	srv := sshtest.Start(t, sshtest.Options{Password: "sesame", User: "centos"})
	step, rec := kitchentest.NewStep(kitchen.Create, nil)
	step.State.Set(kitchen.KeyHostname, srv.Host)
	below := config.NewSection(map[string]any{
		"username": "fedora", "password": "sesame", "port": srv.Port, "ssh_timeout": 7, "ssh_retries": "3",
		"no_ssh_tcp_check": true, "no_ssh_tcp_check_sleep": 30,
	})
	tr := newTransport(t, map[string]any{"username": "centos", "compression": "zlib", "verbose": "debug"}, ssh.Options{Fallback: below})
	for range 2 {
		if err := tr.Wait(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(rec.Text(kitchen.Warn), "compression"); n != 1 {
		t.Errorf("warned %d times", n)
	}
	for _, part := range []string{"no_ssh_tcp_check needs nothing"} {
		if !strings.Contains(rec.Text(kitchen.Debug), part) {
			t.Errorf("%q is not told:\n%s", part, rec.Text())
		}
	}
	if !strings.Contains(rec.Text(kitchen.Info), "connected to") {
		t.Errorf("verbose tells nothing:\n%s", rec.Text())
	}
	if strings.Contains(rec.Text(), "sesame") {
		t.Error("the password is shown")
	}
	// The state wins over both.
	step.State.Set(kitchen.KeyUsername, "mallory")
	tr2 := newTransport(t, map[string]any{"username": "centos"}, ssh.Options{Fallback: below, Grace: -1})
	err := tr2.Wait(t.Context(), step)
	var auth *bootstrap.AuthError
	if !errors.As(err, &auth) || auth.User != "mallory" {
		t.Errorf("got %v", err)
	}
	var class interface{ Class() string }
	if !errors.As(err, &class) || class.Class() != "Kitchen::Transport::SshFailed" {
		t.Errorf("its class: %v", class)
	}
}

func TestGatewayAndCommandLine(t *testing.T) {
	srv, step, _ := machine(t, sshtest.Options{})
	gw := sshtest.Start(t, sshtest.Options{Keys: []xssh.PublicKey{keyOf(t, step)}, User: "jump"})
	tr := newTransport(t, map[string]any{
		"ssh_gateway": gw.Host, "ssh_gateway_port": fmt.Sprint(gw.Port), "ssh_gateway_username": "jump",
		"forward_agent": true,
	}, ssh.Options{})
	if err := tr.Wait(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if gw.Forwards.Load() != 1 {
		t.Error("it did not go through the gateway")
	}
	if pins := fmt.Sprint(step.State.Own("gateway_host_keys")); pins != fmt.Sprintf("map[%s:[%s first-use]]", gw.Addr, line(gw.HostKey())) {
		t.Errorf("pinned %s", pins)
	}
	other, _ := sshtest.Key(t)
	kept := step.State.Own("gateway_host_keys")
	step.State.SetOwn("gateway_host_keys", map[string]any{gw.Addr: []any{line(other.PublicKey()) + " first-use"}})
	tr.Close()
	var hk *bootstrap.HostKeyError
	if err := tr.Wait(t.Context(), step); !errors.As(err, &hk) || hk.Addr != gw.Addr {
		t.Errorf("another gateway answers: %v", err)
	}
	step.State.SetOwn("gateway_host_keys", kept)
	args, err := tr.CommandLine(step)
	want := fmt.Sprintf("ssh -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o IdentitiesOnly=yes -o LogLevel=ERROR -o ForwardAgent=yes -J jump@%s -i %s -p %d root@%s",
		gw.Addr, step.State.String(kitchen.KeySSHKey), srv.Port, srv.Host)
	if got := strings.Join(args, " "); err != nil || got != want {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
}

func keyOf(t *testing.T, step *kitchen.Step) xssh.PublicKey {
	t.Helper()
	data, err := os.ReadFile(step.State.String(kitchen.KeySSHKey))
	if err != nil {
		t.Fatal(err)
	}
	s, err := xssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return s.PublicKey()
}

func TestConnectRetries(t *testing.T) {
	_, step, rec := machine(t, sshtest.Options{Hello: "busy\r\n"})
	tr := newTransport(t, map[string]any{"connection_retries": 3, "connection_retry_sleep": 0}, ssh.Options{})
	_, err := tr.Connect(t.Context(), step)
	var un *bootstrap.UnreachableError
	if !errors.As(err, &un) {
		t.Errorf("got %v", err)
	}
	if n := strings.Count(rec.Text(kitchen.StillWaiting), "SSH service on"); n != 2 {
		t.Errorf("waited %d times, want 2:\n%s", n, rec.Text())
	}
}

func TestWaitHasADeadline(t *testing.T) {
	_, step, _ := machine(t, sshtest.Options{Hello: "busy\r\n"})
	tr := newTransport(t, map[string]any{"max_wait_until_ready": 1}, ssh.Options{})
	start := time.Now()
	err := tr.Wait(t.Context(), step)
	var un *bootstrap.UnreachableError
	if !errors.As(err, &un) || un.Waited < time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

func TestBadSections(t *testing.T) {
	for want, section := range map[string]map[string]any{
		"port":                 {"port": 70000},
		"connection_retries":   {"connection_retries": "many"},
		"compression":          {"compression": "lzma"},
		"ssh_gateway":          {"ssh_gateway": "a,,b"},
		"ssh_http_proxy":       {"ssh_http_proxy": "socks5://p:1"},
		"no usable port":       {"ssh_http_proxy": "p:x"},
		"max_ssh_sessions":     {"max_ssh_sessions": 0},
		"max_wait_until_ready": {"max_wait_until_ready": -1},
		"ssh_key":              {"ssh_key": map[string]any{"a": 1}},
	} {
		_, err := ssh.New(config.NewSection(section), ssh.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v", section, err)
		}
	}
	step, _ := kitchentest.NewStep(kitchen.Create, nil)
	step.State.Set(kitchen.KeyHostname, "127.0.0.1")
	step.State.Set(kitchen.KeyPort, "twenty-two")
	tr := newTransport(t, nil, ssh.Options{})
	if err := tr.Wait(t.Context(), step); err == nil || !strings.Contains(err.Error(), "twenty-two") {
		t.Errorf("got %v", err)
	}
}

// ssh_key_only keeps a password from being tried; without it a password is.
func TestKeysOnly(t *testing.T) {
	srv := sshtest.Start(t, sshtest.Options{Password: "sesame", User: "centos"})
	step, _ := kitchentest.NewStep(kitchen.Create, nil)
	step.State.Set(kitchen.KeyHostname, srv.Host)
	_, priv := sshtest.Key(t)
	section := map[string]any{"username": "centos", "password": "sesame", "port": srv.Port, "ssh_key": writeKey(t, priv), "keepalive": false}
	if err := newTransport(t, section, ssh.Options{Grace: -1}).Wait(t.Context(), step); err != nil {
		t.Errorf("with a password: %v", err)
	}
	section["ssh_key_only"] = true
	var auth *bootstrap.AuthError
	if err := newTransport(t, section, ssh.Options{Grace: -1}).Wait(t.Context(), step); !errors.As(err, &auth) {
		t.Errorf("with keys only: %v", err)
	}
}

// ssh_proxy_command is run here, and its ends are the connection.
func TestProxyCommand(t *testing.T) {
	srv, step, _ := machine(t, sshtest.Options{})
	mark := filepath.Join(t.TempDir(), "ran")
	relay := "bash -c 'touch " + mark + "; exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!'"
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	tr := newTransport(t, map[string]any{"ssh_proxy_command": relay}, ssh.Options{})
	if err := tr.Wait(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err != nil || srv.Port == 0 {
		t.Errorf("the command was not run: %v", err)
	}
}
