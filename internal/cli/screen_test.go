//go:build unix

package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/galleyhq/galley/internal/testing/screen"
)

// screenOf runs galley at a terminal of this size, and returns the screen at
// the end and everything that was written to it.
func (p *project) screenOf(t *testing.T, columns, rows int, args ...string) (s *screen.Screen, written string) {
	t.Helper()
	cmd := p.command(t.Context(), args...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	var all bytes.Buffer
	s = screen.New(columns, rows)
	_, _ = io.Copy(io.MultiWriter(s, &all), tty) // it ends with an error, once the program has
	_ = cmd.Wait()
	return s, all.String()
}

// Whatever the size of the terminal and the number of instances, a run leaves
// its output on the screen and above it, and nothing of its status lines.
func TestScreens(t *testing.T) {
	t.Parallel()
	status := regexp.MustCompile(`^default-p\d\d +\d+s  |^… and \d+ more$`)
	for _, size := range [][2]int{{80, 24}, {200, 50}} {
		for _, instances := range []int{1, 12, 40} {
			t.Run(fmt.Sprintf("%dx%d with %d", size[0], size[1], instances), func(t *testing.T) {
				t.Parallel()
				var platforms strings.Builder
				for i := range instances {
					fmt.Fprintf(&platforms, "\n  - {name: p%02d}", i)
				}
				p := newProject(t, nil, `
driver: {name: dummy, sleep: 1}
provisioner: {name: dummy}
verifier: {name: dummy}
suites: [{name: default}]
platforms:`+platforms.String())
				p.env = append(p.env, "TERM=xterm")
				s, written := p.screenOf(t, size[0], size[1], "test", "-c")
				lines := s.Lines()
				t.Log("\n" + strings.Join(lines, "\n"))
				if unknown := s.Unknown(); len(unknown) > 0 {
					t.Errorf("sequences that not every terminal knows: %q", unknown)
				}
				count := func(text string) (n int) {
					for _, line := range lines {
						if strings.Contains(line, text) {
							n++
						}
					}
					return n
				}
				for _, line := range lines {
					if status.MatchString(line) || line == "" || len([]rune(line)) >= size[0] {
						t.Errorf("left on the screen: %q", line)
					}
				}
				for _, text := range []string{"-----> Creating <", "Finished creating <", "-----> Verifying <", "Finished destroying <"} {
					if n := count(text); n != instances {
						t.Errorf("%d lines with %q", n, text)
					}
				}
				if n := count(" passed"); instances > 1 && n != instances+1 {
					t.Errorf("%d lines of the summary", n)
				}
				if !strings.Contains(written, "  creating") {
					t.Error("there was no status line")
				}
				if more := instances > size[1]/2; strings.Contains(written, "… and ") != more {
					t.Errorf("more instances than lines for them: %v", more)
				}
			})
		}
	}
}

// The end of a failed run is colored, names the reason once, and fits the
// screen however many instances it was.
func TestFailureOnAScreen(t *testing.T) {
	t.Parallel()
	p := newProject(t, nil, `
driver: {name: dummy, fail_create: true}
provisioner: {name: dummy}
verifier: {name: dummy}
suites: [{name: default}]
platforms: [{name: a}, {name: b}, {name: c}, {name: d}]
`)
	p.env = append(p.env, "TERM=xterm")
	s, written := p.screenOf(t, 80, 24, "create", "-c")
	if !strings.Contains(written, "galley: \x1b[31merror:\x1b[0m 4 of 4 instances failed") {
		t.Errorf("the failure is not colored:\n%q", written)
	}
	end := strings.Join(s.Lines(), "\n")
	if n := strings.Count(end, "Create failed on all 4 instances: "); n != 1 {
		t.Errorf("%d reasons:\n%s", n, end)
	}
}
