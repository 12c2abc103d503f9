package openstack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

// TestEveryFaultAtEveryCall lets each call of a create fail in each way, and
// then removes the resources, in another process's place: nothing is left.
func TestEveryFaultAtEveryCall(t *testing.T) {
	probe := fakecloud.New(t)
	probe.Build = 0
	c := connect(t, probe)
	if _, err := c.Create(t.Context(), fullSpec(t), &MemoryJournal{}, nil); err != nil {
		t.Fatal(err)
	}
	calls := len(probe.Requests)
	for mode, name := range map[fakecloud.Mode]string{fakecloud.Error500: "error 500", fakecloud.Busy503: "busy", fakecloud.DropBefore: "dropped before", fakecloud.DropAfter: "dropped after acting", fakecloud.Limited429: "limited"} {
		for _, lasting := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s lasting=%v", name, lasting), func(t *testing.T) {
				if lasting && (mode == fakecloud.Busy503 || mode == fakecloud.Limited429) {
					t.Skip("takes as long as the patience with a busy cloud")
				}
				t.Parallel()
				for n := 2; n <= calls; n++ {
					f := fakecloud.New(t)
					f.Build = 0
					c := connect(t, f)
					end := n
					if lasting {
						// The call, and all that repeat it.
						end = n + 8
					}
					var failing string
					f.Mu.Lock()
					f.Fault = func(i int, method, path string) fakecloud.Mode {
						if i == n {
							failing = method + " " + path
						}
						if i >= n && i <= end && method+" "+path == failing {
							return mode
						}
						return fakecloud.Well
					}
					f.Mu.Unlock()
					j := FileJournal(filepath.Join(t.TempDir(), "web.json"))
					_, err := c.Create(t.Context(), fullSpec(t), j, nil)
					f.Mu.Lock()
					f.Fault = nil
					f.Mu.Unlock()
					if err != nil && !strings.HasPrefix(err.Error(), "cannot ") {
						t.Errorf("call %d: not a sentence: %v", n, err)
					}
					// A new process has the journal alone.
					if err := connect(t, f).Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil {
						t.Errorf("call %d (%s): %v", n, failing, err)
					}
					if left := f.Left(); len(left) > 0 {
						t.Errorf("call %d (%s): left %v (create: %v)", n, failing, left, err)
					}
				}
			})
		}
	}
}

// TestCancelAtEveryCall stops a create in the middle of each call, before and
// after the cloud has acted.
func TestCancelAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, mode := range []fakecloud.Mode{fakecloud.DropBefore, fakecloud.DropAfter} {
		for n := 2; n <= 16; n++ {
			f := fakecloud.New(t)
			f.Build = 0
			c := connect(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			f.Mu.Lock()
			f.Fault = func(i int, _, _ string) fakecloud.Mode {
				if i == n {
					cancel()
					return mode
				}
				return fakecloud.Well
			}
			f.Mu.Unlock()
			j := FileJournal(filepath.Join(t.TempDir(), "web.json"))
			_, err := c.Create(ctx, fullSpec(t), j, nil)
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("call %d: %v", n, err)
			}
			if err := connect(t, f).Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil {
				t.Errorf("call %d: %v", n, err)
			}
			if left := f.Left(); len(left) > 0 {
				t.Errorf("call %d: left %v", n, left)
			}
		}
	}
}

// TestEveryFaultOfAReclaim lets each call of a reclaim fail; a second one
// finishes what the first has not.
func TestEveryFaultOfAReclaim(t *testing.T) {
	t.Parallel()
	for _, mode := range []fakecloud.Mode{fakecloud.Error500, fakecloud.DropBefore, fakecloud.DropAfter} {
		for n := 1; n <= 14; n++ {
			f := fakecloud.New(t)
			f.Build = 0
			c := connect(t, f)
			j := FileJournal(filepath.Join(t.TempDir(), "web.json"))
			if _, err := c.Create(t.Context(), fullSpec(t), j, nil); err != nil {
				t.Fatal(err)
			}
			c = connect(t, f)
			f.Mu.Lock()
			from := len(f.Requests) + n
			f.Fault = func(i int, _, _ string) fakecloud.Mode {
				if i >= from && i < from+4 {
					return mode
				}
				return fakecloud.Well
			}
			f.Mu.Unlock()
			first := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil)
			if left := f.Left(); first == nil && len(left) > 0 {
				t.Errorf("call %d: no error, and left %v", n, left)
			}
			f.Mu.Lock()
			f.Fault = nil
			f.Mu.Unlock()
			if err := connect(t, f).Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil {
				t.Errorf("call %d: %v", n, err)
			}
			if left := f.Left(); len(left) > 0 {
				t.Errorf("call %d: left %v (first: %v)", n, left, first)
			}
		}
	}
}
