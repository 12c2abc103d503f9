//go:build unix

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const commandFile = `---
driver: {name: dummy}
provisioner: {name: dummy}
verifier: {name: dummy}
transport: {name: ssh}
platforms: [name: debian]
suites:
  - name: <%= ` + "`echo fr${X}om-command`" + `.strip %>
`

const trustQuestion = "Trust this file as it is now? (Y/N)"

// A file that runs commands is shown and asked about once, until it changes.
func TestTrustIsAskedOnce(t *testing.T) {
	t.Parallel()
	p := newProject(t, nil, commandFile)
	_, errs, code := p.run(t, "list", "-b")
	for _, want := range []string{"kitchen.yml:8", "echo fr${X}om-command", "galley trust ", "GALLEY_RUBY_EXEC=1"} {
		if code == 0 || !strings.Contains(errs, want) {
			t.Errorf("without a terminal: %d, %q is missing in\n%s", code, want, errs)
		}
	}
	shown, code := p.atTerminal(t, [][2]string{{trustQuestion, "n"}}, "list", "-b")
	if code == 0 || !strings.Contains(shown, "line 8: - name: <%= `echo fr${X}om-command`") || strings.Count(shown, trustQuestion) != 1 {
		t.Errorf("declined: %d\n%s", code, shown)
	}
	shown, code = p.atTerminal(t, [][2]string{{trustQuestion, "y"}}, "list", "-b")
	if code != 0 || !strings.Contains(shown, "from-command-debian") {
		t.Errorf("accepted: %d\n%s", code, shown)
	}
	if out := p.must(t, "list", "-b"); out != "from-command-debian\n" {
		t.Errorf("remembered: %q", out)
	}
	if out := p.must(t, "trust", "--columns", "file,status", "--format", "csv"); !strings.HasSuffix(out, "kitchen.yml,trusted\n") {
		t.Errorf("the list is %q", out)
	}

	file := filepath.Join(p.dir, "kitchen.yml")
	if err := os.WriteFile(file, []byte(commandFile+"# changed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := p.run(t, "list", "-b"); code == 0 || !strings.Contains(errs, "not allowed") {
		t.Errorf("changed: %d\n%s", code, errs)
	}
	if out := p.must(t, "trust", "--format", "csv"); !strings.Contains(out, "kitchen.yml,changed since,") {
		t.Errorf("the list is %q", out)
	}
}

// Trust is given and revoked by the command, and a wrong use is refused with its reason.
func TestTrustCommand(t *testing.T) {
	t.Parallel()
	p := newProject(t, nil, commandFile)
	if _, errs, code := p.run(t, "trust", "kitchen.yml"); code == 0 || !strings.Contains(errs, "--yes") || !strings.Contains(errs, "line 8") {
		t.Errorf("without a terminal: %d\n%s", code, errs)
	}
	p.must(t, "trust", "kitchen.yml", "--yes")
	p.must(t, "list")
	p.must(t, "trust", "--revoke", "kitchen.yml")
	if _, _, code := p.run(t, "list"); code == 0 {
		t.Error("a revoked file runs its command")
	}
	if _, errs, code := p.run(t, "trust", "--revoke", "kitchen.yml"); code == 0 || !strings.Contains(errs, "is not trusted") {
		t.Errorf("revoked twice: %d\n%s", code, errs)
	}
	if _, errs, code := p.run(t, "trust", "--revoke"); code == 0 || !strings.Contains(errs, "needs a file") {
		t.Errorf("without a file: %d\n%s", code, errs)
	}
	p.must(t, "list", "--allow-exec")
	p.env = append(p.env, "GALLEY_RUBY_EXEC=1")
	p.must(t, "list")
}

// What Galley's own evaluator does not support goes to the ruby on the PATH
// once the file is trusted.
func TestTrustOfAHandOff(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("no ruby is installed")
	}
	p := newProject(t, nil, strings.ReplaceAll(commandFile, "`echo fr${X}om-command`.strip", "case [1]; in [a] then \"from-ruby#{a}\" end"))
	if _, errs, code := p.run(t, "list", "-b"); code == 0 || !strings.Contains(errs, "galley trust ") {
		t.Errorf("without a terminal: %d\n%s", code, errs)
	}
	shown, code := p.atTerminal(t, [][2]string{{trustQuestion, "y"}}, "list", "-b")
	if code != 0 || !strings.Contains(shown, "from-ruby1-debian") {
		t.Errorf("accepted: %d\n%s", code, shown)
	}
}
