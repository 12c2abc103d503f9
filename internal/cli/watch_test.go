package cli_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWatch changes files under a running watch: what counts begins a round,
// a round that fails does not end it, and an interrupt does.
func TestWatch(t *testing.T) {
	t.Parallel()
	p := newProject(t, nil, `---
driver: {name: dummy}
provisioner: {name: dummy}
verifier: {name: shell, command: "grep -q good answer"}
platforms: [{name: p1}]
suites: [{name: default}]
`)
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("answer", "good")
	write(".gitignore", "*.tmp\n")
	if _, err := exec.LookPath("git"); err == nil {
		if out, err := exec.Command("git", "-C", p.dir, "init", "-q").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := p.command(ctx, "watch")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(p.dir, "watch.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	var seen []string
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			seen = append(seen, lines.Text())
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("%q does not come after\n%s", want, strings.Join(seen, "\n"))
	}
	until("PASS in")
	write("ignored.tmp", "x")
	write("watch.log", "x")
	write("answer", "bad")
	until("Changed: answer")
	until("FAIL in")
	write("answer", "good again")
	until("Changed: answer")
	until("PASS in")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		seen = append(seen, lines.Text())
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d\n%s", code, strings.Join(seen, "\n"))
	}
	for _, line := range seen {
		if strings.Contains(line, "ignored.tmp") || strings.Contains(line, "watch.log") {
			t.Errorf("an ignored file counts: %s", line)
		}
	}
}
