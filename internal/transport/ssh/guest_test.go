package ssh_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"github.com/galleyhq/galley/internal/transport/ssh"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// The transport keeps its contract whatever the users' login shell is.
func TestConformanceWithOtherLoginShells(t *testing.T) {
	for _, shell := range []string{"tcsh", "csh", "fish", "zsh", "rbash"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not installed", shell)
			}
			var srv *sshtest.Server
			kitchentest.Transport(t, kitchentest.TransportCase{
				New: func(t *testing.T) (kitchen.Transport, *kitchen.Step) {
					var step *kitchen.Step
					srv, step, _ = machine(t, sshtest.Options{Shell: path})
					return newTransport(t, nil, ssh.Options{}), step
				},
				Restart: func(*testing.T) { srv.DropAll() },
			})
		})
	}
}

func runLine(t *testing.T, tr *ssh.Transport, step *kitchen.Step, cmd kitchen.Command) string {
	t.Helper()
	conn, err := tr.Connect(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var out strings.Builder
	cmd.Stdout = &out
	if status, err := conn.Run(t.Context(), cmd); err != nil || status != 0 {
		t.Fatalf("status %d, %v, %q", status, err, &out)
	}
	return out.String()
}

// Hooks and exec give users' lines to bash users' bash and to csh users' sh.
func TestLinesOfUsers(t *testing.T) {
	for shell, want := range map[string]string{"bash": "a!b 1 bash\n", "tcsh": "a!b 1 sh\n", "fish": "a!b 1 sh\n"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		_, step, _ := machine(t, sshtest.Options{Shell: path})
		line := `x=1; echo "a!b" $x $([ -n "$BASH_VERSION" ] && echo bash || echo sh)`
		if got := runLine(t, newTransport(t, nil, ssh.Options{}), step, kitchen.Command{Line: line}); got != want {
			t.Errorf("%s: %q, want %q", shell, got, want)
		}
	}
}

func TestPlainOutputWithoutATerminal(t *testing.T) {
	t.Setenv("CI", "") // The test server's commands have this process's environment.
	_, step, _ := machine(t, sshtest.Options{})
	env := map[string]string{"CI": "true", "LANG": "xx_YY"}
	tr := newTransport(t, nil, ssh.Options{Getenv: func(name string) string { return env[name] }})
	const line = `echo "$LANG $NO_COLOR $TERM $CI $LC_GALLEY"`
	if got := runLine(t, tr, step, kitchen.Command{Line: line}); got != "xx_YY 1 dumb true \n" {
		t.Errorf("without a terminal: %q", got)
	}
	if got := runLine(t, tr, step, kitchen.Command{Line: line, TTY: true}); strings.TrimSpace(got) != "xx_YY  xterm" {
		t.Errorf("at a terminal: %q", got)
	}
}

// Behind NAT the machine's address is not the one to dial.
func TestAddressToDial(t *testing.T) {
	for name, value := range map[string]func(place string) any{
		"a place":          func(p string) any { return p },
		"an address":       func(p string) any { return map[string]any{"192.0.2.9": p, "192.0.2.10": "127.0.0.1:1"} },
		"a network":        func(p string) any { return map[string]any{"192.0.2.0/24": p} },
		"an address first": func(p string) any { return map[string]any{"192.0.2.0/24": "127.0.0.1:1", "192.0.2.9": p} },
	} {
		t.Run(name, func(t *testing.T) {
			srv, step, _ := machine(t, sshtest.Options{})
			step.State.Set(kitchen.KeyHostname, "192.0.2.9")
			step.State.Set(kitchen.KeyPort, 2)
			tr := newTransport(t, map[string]any{"ssh_host": value(fmt.Sprintf("127.0.0.1:%d", srv.Port))}, ssh.Options{})
			if err := tr.Wait(t.Context(), step); err != nil {
				t.Fatal(err)
			}
			if got := step.State.String(kitchen.KeyHostname); got != "192.0.2.9" {
				t.Errorf("the state has the address %s", got)
			}
			line, err := tr.CommandLine(step)
			if err != nil || !strings.HasSuffix(strings.Join(line, " "), fmt.Sprintf("-p %d root@127.0.0.1", srv.Port)) {
				t.Errorf("%v, %v", line, err)
			}
		})
	}
	// A place without a port keeps the machine's.
	srv, step, _ := machine(t, sshtest.Options{})
	step.State.Set(kitchen.KeyHostname, "192.0.2.9")
	if err := newTransport(t, map[string]any{"hostname": srv.Host}, ssh.Options{}).Wait(t.Context(), step); err != nil {
		t.Error(err)
	}
	for _, bad := range []any{"me@host", "a b", "host:0", map[string]any{"192.0.2.9": "a b"}, []any{"x"}} {
		if _, err := ssh.New(config.NewSection(map[string]any{"ssh_host": bad}), ssh.Options{}); err == nil || !strings.Contains(err.Error(), "ssh_host") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestWaitForCloudInitIsRead(t *testing.T) {
	for value, ok := range map[any]bool{true: true, false: true, 30: true, "90": true, "soon": false, -1: false} {
		_, err := ssh.New(config.NewSection(map[string]any{"wait_for_cloud_init": value}), ssh.Options{})
		if (err == nil) != ok {
			t.Errorf("%v: %v", value, err)
		}
	}
}
