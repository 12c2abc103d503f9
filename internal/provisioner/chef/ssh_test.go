//go:build unix

package chef_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"github.com/galleyhq/galley/internal/transport/ssh"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// overSSH is a machine behind real SSH, with a stand-in client, and a step
// that leads to it.
type overSSH struct {
	srv  *sshtest.Server
	tr   *ssh.Transport
	step *kitchen.Step
	rec  *kitchentest.Record
	home string
}

func newOverSSH(tb testing.TB, client string) *overSSH {
	tb.Helper()
	m := &overSSH{home: tb.TempDir()}
	for name, script := range map[string]string{
		"cinc/bin/cinc-client": client,
		"bin/sudo":             "#!/bin/sh\nwhile [ \"${1#-}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n",
	} {
		p := filepath.Join(m.home, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(script), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	m.srv = sshtest.Start(tb, sshtest.Options{Password: "pw", Home: m.home, Env: []string{"PATH=" + filepath.Join(m.home, "bin") + ":/usr/bin:/bin:/usr/sbin:/sbin"}})
	var err error
	m.tr, err = ssh.New(config.NewSection(map[string]any{"username": "kim", "password": "pw", "connection_retry_sleep": 0.05}), ssh.Options{Home: tb.TempDir(), Getenv: func(string) string { return "" }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.tr.Close() })
	m.step, m.rec = kitchentest.NewStep(kitchen.Converge, nil)
	m.step.Instance.Transport = m.tr
	m.step.State.Set(kitchen.KeyHostname, m.srv.Host)
	m.step.State.Set(kitchen.KeyPort, m.srv.Port)
	return m
}

func (m *overSSH) provisioner(tb testing.TB, o base.Options, keys map[string]any) *chef.Provisioner {
	tb.Helper()
	data := map[string]any{"root_path": filepath.Join(m.home, "kitchen"), "chef_omnibus_root": filepath.Join(m.home, "cinc"), "wait_for_retry": 0}
	for k, v := range keys {
		data[k] = v
	}
	p, err := chef.New(config.NewSection(data).WithRoot(o.Root), chef.Options{Options: o})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func (m *overSSH) converge(ctx context.Context, tb testing.TB, p *chef.Provisioner) error {
	tb.Helper()
	conn, err := m.tr.Connect(ctx, m.step)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	return p.Converge(ctx, m.step, conn)
}

func TestConvergeOverSSH(t *testing.T) {
	m := newOverSSH(t, "#!/bin/sh\necho converged with $(ls ~/kitchen/cookbooks)\n")
	p := m.provisioner(t, project(t, cookbook()), nil)
	for range 2 {
		if err := m.converge(t.Context(), t, p); err != nil {
			t.Fatalf("%v\n%s", err, m.rec.Text())
		}
	}
	if n := strings.Count(m.rec.Text(kitchen.Output), "converged with demo\n"); n != 2 {
		t.Errorf("%d runs\n%s", n, m.rec.Text())
	}
}

// A recipe has the environment that the login shell gives, with Test Kitchen's
// variables and those that ask for plain output.
func TestEnvironmentOfARecipe(t *testing.T) {
	m := newOverSSH(t, "#!/bin/sh\nenv\n")
	if err := m.converge(t.Context(), t, m.provisioner(t, project(t, cookbook()), map[string]any{"http_proxy": "http://proxy:1"})); err != nil {
		t.Fatalf("%v\n%s", err, m.rec.Text())
	}
	names := func(env string) map[string]bool {
		out := map[string]bool{}
		for line := range strings.Lines(env) {
			if name, _, ok := strings.Cut(line, "="); ok {
				out[name] = true
			}
		}
		return out
	}
	conn, err := m.tr.Connect(t.Context(), m.step)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var plain strings.Builder
	if _, err := conn.Run(t.Context(), kitchen.Command{Line: "env", Stdout: &plain}); err != nil {
		t.Fatal(err)
	}
	login := names(plain.String())
	login["_"] = true // the shell's own
	var added []string
	for name := range names(m.rec.Text(kitchen.Output)) {
		if !login[name] {
			added = append(added, name)
		}
	}
	slices.Sort(added)
	if want := []string{"HTTP_PROXY", "TEST_KITCHEN", "http_proxy"}; !slices.Equal(added, want) {
		t.Errorf("added %v, want %v", added, want)
	}
}

// A connection that is lost in mid-run is reported as that.
func TestLostConnectionOverSSH(t *testing.T) {
	m := newOverSSH(t, "#!/bin/sh\necho running; exec sleep 60\n")
	p := m.provisioner(t, project(t, cookbook()), map[string]any{"max_retries": 0})
	running := make(chan struct{})
	m.step.Report = kitchen.NewBus(func(e kitchen.Event) {
		if e.Kind == kitchen.Output && e.Text == "running" {
			close(running)
		}
	}).Reporter("x", 0, kitchen.Converge)
	done := make(chan error, 1)
	go func() { done <- m.converge(t.Context(), t, p) }()
	select {
	case <-running:
	case err := <-done:
		t.Fatalf("it ended before the client ran: %v", err)
	}
	m.srv.DropAll()
	err := <-done
	var failed *base.CommandError
	if err == nil || errors.As(err, &failed) || !strings.Contains(err.Error(), "the client: ") {
		t.Errorf("error %v", err)
	}
	// The next converge mends it.
	if err := os.WriteFile(filepath.Join(m.home, "cinc", "bin", "cinc-client"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.converge(t.Context(), t, p); err != nil {
		t.Error(err)
	}
}

// bigProject is 2,000 files and 20 MB of cookbooks.
func bigProject(tb testing.TB) base.Options {
	tb.Helper()
	root := tb.TempDir()
	text := strings.Repeat("package 'x' do\n  action :install\nend\n# 0123456789\n", 200)[:10_000]
	for i := range 2000 {
		p := filepath.Join(root, "cookbooks", fmt.Sprintf("c%d", i/50), "recipes", fmt.Sprintf("r%d.rb", i))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(p, fmt.Append([]byte(text), i), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return base.Options{Instance: "default-debian-12", Suite: "default", Root: root}
}

// BenchmarkUnchangedConverge is what Galley adds to the run of a client that
// takes no time, with a cookbook that the machine has already.
func BenchmarkUnchangedConverge(b *testing.B) {
	for name, o := range map[string]base.Options{"2000 files": bigProject(b)} {
		b.Run(name, func(b *testing.B) {
			m := newOverSSH(b, "#!/bin/sh\nexit 0\n")
			p := m.provisioner(b, o, nil)
			conn, err := m.tr.Connect(b.Context(), m.step)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			for b.Loop() {
				if err := p.Converge(b.Context(), m.step, conn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
