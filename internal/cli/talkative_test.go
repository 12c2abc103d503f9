//go:build linux

package cli_test

import (
	"io"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/fetch"
)

// A machine that prints a lot, in short lines or in one long one, does not fill
// the memory. That the log ends at a size is the engine's own test.
func TestTalkativeMachine(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	c := newCloud(t, devcloud.Options{})
	p := newProject(t, c, strings.Replace(kitchenFile, "suites:", "verifier: {name: shell, remote_exec: true, command: \"<%= ENV['SAYS'] %>\"}\nprovisioner: {name: dummy}\nsuites:", 1))
	p.must(t, "create")
	verify := func(says string) int64 {
		p := p.with("SAYS=" + says)
		cmd := p.command(t.Context(), "verify")
		cmd.Path = shipped(t) // a test binary is larger
		cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
		most, err := peakMemory(t, cmd, nil)
		if err != nil {
			t.Fatalf("%s: %v", says, err)
		}
		return most
	}
	normal := verify("true")
	for name, says := range map[string]string{
		"short lines": "yes | head -c 600000",
		"one line":    "head -c 72000000 /dev/zero | tr '\\\\0' x",
	} {
		peak := verify(says)
		t.Logf("%s: peak %s, normal %s", name, fetch.FormatSize(peak), fetch.FormatSize(normal))
		if peak > normal+64*mib {
			t.Errorf("%s: peak %s, normal %s", name, fetch.FormatSize(peak), fetch.FormatSize(normal))
		}
	}
	p.must(t, "destroy")
}
