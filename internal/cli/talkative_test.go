//go:build linux

package cli_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/fetch"
)

// A machine that prints without an end, in short lines or in one long one,
// fills neither the memory nor the disk: the log ends with a note.
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
		most, err := peakMemory(t, cmd)
		if err != nil {
			t.Fatalf("%s: %v", says, err)
		}
		return most
	}
	normal := verify("true")
	for name, says := range map[string]string{
		"short lines": "yes | head -c 4000000",
		"one line":    "head -c 140000000 /dev/zero | tr '\\\\0' x",
	} {
		peak := verify(says)
		info, err := os.Stat(filepath.Join(p.dir, ".kitchen/logs/default-debian-12.log"))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: peak %s, normal %s, log %s", name, fetch.FormatSize(peak), fetch.FormatSize(normal), fetch.FormatSize(info.Size()))
		if peak > normal+64*mib || info.Size() > 256*mib {
			t.Errorf("%s: peak %s, normal %s, log %s", name, fetch.FormatSize(peak), fetch.FormatSize(normal), fetch.FormatSize(info.Size()))
		}
	}
	p.must(t, "destroy")
}
