//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/testing/chefservertest"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

// machineToBe is a machine on loopback whose root is a directory, a Chef
// Server, and a person who has configured knife for both.
type machineToBe struct {
	*project
	chef *chefservertest.Server
	ssh  *sshtest.Server
	root string
	home string
}

func newMachineToBe(t *testing.T) *machineToBe {
	t.Helper()
	m := &machineToBe{chef: chefservertest.Start(t, "o"), root: t.TempDir(), home: t.TempDir()}
	m.ssh = sshtest.Start(t, sshtest.Options{Password: "pw", Home: m.root, Env: []string{"GALLEY_ROOT=" + m.root}})
	m.project = &project{dir: t.TempDir(), env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.home}}
	for name, text := range map[string]string{
		filepath.Join(m.root, "client"):           "#!/bin/sh\necho ran\n",
		filepath.Join(m.home, ".chef", "key.pem"): string(m.chef.AdminKey),
		filepath.Join(m.home, ".chef", "knife.rb"): fmt.Sprintf("chef_server_url %q\nnode_name %q\nclient_key '~/.chef/key.pem'\nchef_client_path %q\nknife[:ssh_password] = 'pw'\n",
			m.chef.URL, m.chef.Admin, filepath.Join(m.root, "client")),
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// args are the command line that makes a node of the machine.
func (m *machineToBe) args(name string, more ...string) []string {
	return append([]string{"bootstrap", m.ssh.Addr, "-N", name, "--no-host-key-verify"}, more...)
}

func (m *machineToBe) records() []string {
	found, _ := filepath.Glob(filepath.Join(m.home, ".local/state/galley/nodes/*.json"))
	return found
}

// awaited is a writer that tells when a text has passed.
type awaited struct {
	text string
	seen chan struct{}
	mu   sync.Mutex
	b    bytes.Buffer
	once sync.Once
}

func (w *awaited) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(p)
	if strings.Contains(w.b.String(), w.text) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

func (w *awaited) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// interrupt bootstraps until a command on the machine runs, which never ends,
// sends a signal and returns the exit code.
func (m *machineToBe) interrupt(t *testing.T, name string, sig syscall.Signal) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w := &awaited{text: "it waits", seen: make(chan struct{})}
	pid := filepath.Join(m.root, "pid")
	cmd := m.command(ctx, m.args(name, "--bootstrap-preinstall-command", "echo $$ >"+pid+"; echo it waits; sleep 600; echo never")...)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-w.seen:
	case err := <-ended:
		t.Fatalf("it ended: %v\n%s", err, w)
	}
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	<-ended
	// What ran on the machine ends as well.
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	for exec.CommandContext(ctx, "kill", "-0", strings.TrimSpace(string(text))).Run() == nil { //nolint:gosec // a number
		if ctx.Err() != nil {
			t.Fatal("the command on the machine still runs")
		}
	}
	return cmd.ProcessState.ExitCode(), w.String()
}

func TestBootstrapInterrupted(t *testing.T) {
	t.Parallel()
	m := newMachineToBe(t)
	code, out := m.interrupt(t, "web1", syscall.SIGINT)
	if code != 130 || !strings.Contains(out, "Deleted client web1") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if m.chef.Clients() != 0 || m.chef.Node("web1") != nil || len(m.records()) != 0 {
		t.Errorf("left: %d clients, node %v, records %v", m.chef.Clients(), m.chef.Node("web1"), m.records())
	}
}

func TestBootstrapKilled(t *testing.T) {
	t.Parallel()
	m := newMachineToBe(t)
	_, out := m.interrupt(t, "web1", syscall.SIGKILL)
	if m.chef.Node("web1") == nil || len(m.records()) != 1 {
		t.Fatalf("node %v, records %v\n%s", m.chef.Node("web1"), m.records(), out)
	}
	if text, err := os.ReadFile(m.records()[0]); err != nil || strings.Contains(string(text), "PRIVATE") {
		t.Errorf("record %s, %v", text, err)
	}
	_, errs, code := m.run(t, m.args("web1", "-r", "recipe[second]")...)
	if code != 0 || !strings.Contains(errs, "was interrupted") || !strings.Contains(errs, "] ran\n") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if got := fmt.Sprint(m.chef.Node("web1")["run_list"]); got != "[recipe[second]]" || m.chef.Clients() != 1 || len(m.records()) != 0 {
		t.Errorf("run list %s, %d clients, records %v", got, m.chef.Clients(), m.records())
	}
}

// What cannot be taken away again stays on record.
func TestBootstrapThatCannotTidyUp(t *testing.T) {
	t.Parallel()
	m := newMachineToBe(t)
	m.chef.Refuse("DELETE", "clients", 500)
	_, errs, code := m.run(t, m.args("web1", "--bootstrap-preinstall-command", "exit 1")...)
	if code != 20 || !strings.Contains(errs, "deleting client web1") || len(m.records()) != 1 {
		t.Errorf("exit code %d, records %v\n%s", code, m.records(), errs)
	}
	m.chef.Refuse("DELETE", "clients", 0)
	if _, errs, code := m.run(t, m.args("web1")...); code != 0 || m.chef.Clients() != 1 || len(m.records()) != 0 {
		t.Errorf("exit code %d, %d clients, records %v\n%s", code, m.chef.Clients(), m.records(), errs)
	}
}

func TestBootstrapThatTheChefServerRefuses(t *testing.T) {
	t.Parallel()
	m := newMachineToBe(t)
	for name, c := range map[string]struct {
		method, kind string
		says         string
	}{
		"a client": {"POST", "clients", "creating client web1"},
		"a node":   {"POST", "nodes", "creating node web1"},
		"a look":   {"GET", "nodes", "looking whether the node web1 exists"},
	} {
		m.chef.Refuse(c.method, c.kind, 403)
		_, errs, code := m.run(t, m.args("web1")...)
		m.chef.Refuse(c.method, c.kind, 0)
		if code != 20 || !strings.Contains(errs, c.says) || !strings.Contains(errs, "hint:") || m.chef.Clients() != 0 || len(m.records()) != 0 {
			t.Errorf("%s: exit code %d, %d clients, records %v\n%s", name, code, m.chef.Clients(), m.records(), errs)
		}
	}
	// A key that the server does not know.
	other := chefservertest.Start(t, "o")
	if err := os.WriteFile(filepath.Join(m.home, ".chef", "key.pem"), other.AdminKey, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := m.run(t, m.args("web1")...); code != 20 || !strings.Contains(errs, "401") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}
