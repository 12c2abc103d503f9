//go:build linux

package cli_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/fetch"
)

// The whole process stays below 24 MiB for a body that is stored as it comes,
// and below 32 MiB when two cores compress and a cursor is looked for, whatever
// the size. GALLEY_FETCH_SIZE sets the size of the large body, such as 10G.
func TestFetchMemory(t *testing.T) {
	large := int64(96 << 20)
	if v := os.Getenv("GALLEY_FETCH_SIZE"); v != "" {
		var err error
		if large, err = fetch.ParseSize(v); err != nil {
			t.Fatal(err)
		}
	}
	var block strings.Builder
	for r := rand.New(rand.NewPCG(1, 1)); block.Len() < 1<<20; {
		fmt.Fprintf(&block, `{"id":"%016x","name":"server-%d","size":%d},`, r.Uint64(), r.IntN(1e6), r.IntN(1e9))
	}
	look := make(chan chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.URL.Path[1:], 10, 64)
		_, _ = w.Write([]byte(`{"items":[`))
		for ; n > 0; n -= int64(block.Len()) {
			if _, err := w.Write([]byte(block.String())); err != nil {
				return
			}
		}
		seen := make(chan struct{})
		select {
		case look <- seen:
			<-seen
		case <-r.Context().Done():
		}
		_, _ = w.Write([]byte(`0],"meta":{"next":null}}`))
	}))
	defer s.Close()
	p := newProject(t, nil, kitchenFile)
	peak := func(size int64, args ...string) int64 {
		cmd := p.command(t.Context(), append([]string{"fetch", fmt.Sprintf("%s/%d", s.URL, size), "-q", "--no-sync"}, args...)...)
		cmd.Path = shipped(t) // a test binary is larger
		var said strings.Builder
		cmd.Stderr = &said
		most, err := peakMemory(t, cmd, look)
		if err != nil {
			t.Fatalf("%v: %s", err, said.String())
		}
		return most
	}
	const mib = 1 << 20
	for _, c := range []struct {
		name string
		max  int64
		args []string
	}{
		{"plain", 24 * mib, []string{"-o", "o.json"}},
		{"gzip, cursor", 32 * mib, []string{"-o", "o.json.gz", "--workers", "2", "--next", "meta.next"}},
		{"records, zstd", 32 * mib, []string{"-o", "o.ndjson.zst", "--workers", "2", "--items", "items"}},
		{"gzip within 28M", 28 * mib, []string{"-o", "o.json.gz", "--max-memory", "28M"}},
	} {
		small, big := peak(16*mib, c.args...), peak(large, c.args...)
		t.Logf("%s: peak %s for 16 MiB, %s for %s", c.name, fetch.FormatSize(small), fetch.FormatSize(big), fetch.FormatSize(large))
		if big > c.max || big > small+4*mib {
			t.Errorf("%s: peak %s for 16 MiB, %s for %s", c.name, fetch.FormatSize(small), fetch.FormatSize(big), fetch.FormatSize(large))
		}
	}
}

// peakMemory runs a command and returns the most memory that it had, in bytes.
// It looks now and then, and for each channel from look, which it closes then.
func peakMemory(t *testing.T, cmd *exec.Cmd, look <-chan chan struct{}) (int64, error) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// What wait tells of a child's memory is never less than our own. The mark
	// that the kernel keeps only rises, so the last look counts.
	done, seen := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for asked := chan struct{}(nil); ; {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kb int64
				fmt.Sscan(rest, &kb)
				most = max(most, kb<<10)
			}
			if asked != nil {
				close(asked)
				asked = nil
			}
			select {
			case <-tick.C:
			case asked = <-look:
			case <-done:
				seen <- most
				return
			}
		}
	}()
	err := cmd.Wait()
	close(done)
	return <-seen, err
}
