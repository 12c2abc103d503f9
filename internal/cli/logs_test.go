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

	"github.com/galleyhq/galley/internal/devcloud"
)

// slowFile is a project whose provisioner says that it has begun and then
// takes longer than any test waits.
const slowFile = `---
driver: {name: openstack, image_ref: debian-12, flavor_ref: m1.small, network_ref: net1, username: debian}
transport: {port: <%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] || 22 %>}
provisioner: {name: shell, command: "echo has begun; exec sleep 600"}
platforms: [{name: x}]
suites: [{name: slow}, {name: second}]
`

// follower is a galley logs -f whose lines can be awaited.
type follower struct {
	cmd   *exec.Cmd
	lines chan string
}

func follow(t *testing.T, p *project, args ...string) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	f := &follower{cmd: p.command(ctx, append([]string{"logs", "-f"}, args...)...), lines: make(chan string, 1000)}
	f.cmd.Stderr = os.Stderr
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			f.lines <- s.Text()
		}
	}()
	return f
}

// await reads lines up to one that has text in it.
func (f *follower) await(t *testing.T, text string) {
	t.Helper()
	var seen []string
	for line := range f.lines {
		if strings.Contains(line, text) {
			return
		}
		seen = append(seen, line)
	}
	t.Fatalf("no %q in\n%s", text, strings.Join(seen, "\n"))
}

// stop presses Ctrl-C and returns the exit code.
func (f *follower) stop(t *testing.T) int {
	t.Helper()
	if err := f.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range f.lines { // to the end of its output
	}
	_ = f.cmd.Wait()
	return f.cmd.ProcessState.ExitCode()
}

// TestFollowAndInterrupt follows an instance of which nothing is known yet,
// while another process works on it, is interrupted and is killed. The JUnit
// file and the report tell of it.
func TestFollowAndInterrupt(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := newProject(t, c, slowFile)
	f := follow(t, p, "slow-x")

	junit := filepath.Join(p.dir, "junit.xml")
	run := p.command(t.Context(), "converge", "slow-x", "second-x", "--junit", junit)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	f.await(t, "Creating <slow-x>...")
	f.await(t, "has begun")
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait()
	if code := run.ProcessState.ExitCode(); code != 130 {
		t.Errorf("the interrupted run ended with %d", code)
	}
	f.await(t, "Converge failed on instance <slow-x>")
	data, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<testcase name="create" classname="galley.slow-x"`, `type="interrupted"`, "has begun",
		`<testsuite name="second-x"`, `<skipped message="Not begun: the run was interrupted">`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
	page := p.must(t, "report", "-o", "-")
	if !strings.Contains(page, "1 of 2 instances interrupted") || !strings.Contains(page, "class=\"phase converge interrupted\"") {
		t.Error("the report does not tell of the interruption")
	}

	// One that is killed says nothing more, and the report knows that.
	run = p.command(t.Context(), "converge", "slow-x", "--junit", junit)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	f.await(t, "Converging <slow-x>...")
	f.await(t, "has begun")
	_ = run.Process.Kill()
	_ = run.Wait()
	page = p.must(t, "report", "slow-x", "-o", "-")
	if !strings.Contains(page, "slow-x unfinished") {
		t.Error("the report does not tell of the killed run")
	}
	if data, err := os.ReadFile(junit); err != nil || !strings.Contains(string(data), `<testsuite name="slow-x"`) || strings.Contains(string(data), "second-x") {
		t.Errorf("the killed run left %s, %v", data, err)
	}

	p.must(t, "destroy")
	f.await(t, "Finished destroying <slow-x>")
	if code := f.stop(t); code != 130 {
		t.Errorf("logs -f ended with %d", code)
	}
	wantNothing(t, c, "in the end")
}
