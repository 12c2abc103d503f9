package shell_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/verifier/shell"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func verifier(t *testing.T, keys map[string]any, change func(*base.Options)) *shell.Verifier {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a POSIX shell")
	}
	o := base.Options{Instance: "default-debian-12", Suite: "default", Platform: "debian-12", Root: t.TempDir(), Environ: []string{"PATH=" + os.Getenv("PATH"), "OUTER=outer"}}
	if change != nil {
		change(&o)
	}
	v, err := shell.New(config.NewSection(keys).WithRoot(o.Root), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestContract(t *testing.T) {
	of := func(keys map[string]any) func(*testing.T, *kitchentest.Machine) kitchen.Verifier {
		return func(t *testing.T, _ *kitchentest.Machine) kitchen.Verifier { return verifier(t, keys, nil) }
	}
	t.Run("local", func(t *testing.T) {
		kitchentest.Verifier(t, kitchentest.VerifierCase{
			New:       of(nil),
			Failing:   of(map[string]any{"command": "exit 1"}),
			Slow:      of(map[string]any{"command": "sleep 60"}),
			Untouched: true,
		})
	})
	t.Run("remote", func(t *testing.T) {
		kitchentest.Verifier(t, kitchentest.VerifierCase{
			New:     of(map[string]any{"remote_exec": true}),
			Failing: of(map[string]any{"remote_exec": "true", "command": "exit 1"}),
			Slow:    of(map[string]any{"remote_exec": true, "command": "exec sleep 60"}),
		})
	})
}

func TestLocalEnvironment(t *testing.T) {
	v := verifier(t, map[string]any{"command": `env | grep -E '^(KITCHEN|OUTER)' | sort; pwd`}, func(o *base.Options) {
		o.Login = func(*kitchen.State) (base.Login, error) { return base.Login{User: "kim"}, nil }
	})
	step, rec := kitchentest.NewStep(kitchen.Verify, nil)
	step.State.Set("hostname", "192.0.2.1")
	step.State.Set("server_id", "abc")
	step.State.Set("last_action", "setup")
	step.State.SetOwn("host_keys", "x")
	if err := v.Verify(t.Context(), step, nil); err != nil {
		t.Fatal(err)
	}
	want := "KITCHEN_HOSTNAME=192.0.2.1\nKITCHEN_INSTANCE=default-debian-12\nKITCHEN_LAST_ACTION=setup\nKITCHEN_PLATFORM=debian-12\nKITCHEN_SERVER_ID=abc\nKITCHEN_SUITE=default\nKITCHEN_USERNAME=kim\nOUTER=outer\n"
	if got := rec.Text(kitchen.Output); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestShelloutOptions(t *testing.T) {
	dir := t.TempDir()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, map[string]any{"command": "pwd; cat; echo $X; exit 3", "shellout_opts": map[string]any{
		"cwd": dir, "input": "typed\n", "environment": map[string]any{"X": 1}, ":returns": []any{0, 3}, "timeout": 60,
	}}, nil)
	step, rec := kitchentest.NewStep(kitchen.Verify, nil)
	if err := v.Verify(t.Context(), step, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := rec.Text(kitchen.Output), dir+"\ntyped\n1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	v = verifier(t, map[string]any{"command": "sleep 30", "shellout_opts": map[string]any{"timeout": 0.05}}, nil)
	if err := v.Verify(t.Context(), step, nil); err == nil || !strings.Contains(err.Error(), "did not end within") {
		t.Errorf("timeout: error %v", err)
	}
}

func TestFailureSaysWhy(t *testing.T) {
	for _, remote := range []bool{false, true} {
		m := kitchentest.NewMachine(t)
		v := verifier(t, map[string]any{"command": "echo 'that was it' >&2; exit 5", "remote_exec": remote}, nil)
		step, _ := kitchentest.NewStep(kitchen.Verify, m)
		err := v.Verify(t.Context(), step, m.Conn())
		var exit *kitchen.ExitError
		if !errors.As(err, &exit) || exit.Status != 5 || !strings.Contains(err.Error(), "that was it") {
			t.Errorf("remote %v: error %v", remote, err)
		}
	}
}

func TestSettings(t *testing.T) {
	for key, value := range map[string]any{
		"live_stream": "file", "sleep": "x", "remote_exec": 3, "shellout_opts": map[string]any{"umask": "022"}, "command": []any{},
	} {
		_, err := shell.New(config.NewSection(map[string]any{key: value}), base.Options{Root: t.TempDir()})
		want := key
		if key == "shellout_opts" {
			want = "umask"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", key, err)
		}
	}
	// A Windows platform can be verified from here, but not there.
	o := base.Options{Root: t.TempDir(), OSType: "windows"}
	if _, err := shell.New(config.NewSection(nil), o); err != nil {
		t.Error(err)
	}
	if _, err := shell.New(config.NewSection(map[string]any{"remote_exec": true}), o); err == nil {
		t.Error("no error for a command in PowerShell")
	}
}
