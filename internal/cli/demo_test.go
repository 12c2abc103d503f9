//go:build linux

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The demonstration of `make demo` runs to its end and leaves nothing.
func TestDemo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs whole lifecycles")
	}
	tmp, err := os.MkdirTemp("", "demo") // a short name, for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join("..", "..", "testdata", "demo.sh"), shipped(t))
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "HOME="+tmp)
	for _, dir := range []string{"GOCACHE", "GOMODCACHE"} {
		value, err := exec.Command("go", "env", dir).Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, dir+"="+strings.TrimSpace(string(value)))
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"up and running", "Finished destroying <default-ubuntu-2204>", "The embedded cloud is down."} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
