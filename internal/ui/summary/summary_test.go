package summary

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

func step(h *history.History, instance string, a kitchen.Action, kind kitchen.EventKind, took time.Duration) {
	h.Add(runlog.Record{
		Run: "r", Instance: instance, Action: string(a), Step: instance + string(a), Level: "info",
		Time: runlog.Stamp{Time: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}, Own: &runlog.Own{Kind: kind, Elapsed: took.Seconds()},
	})
}

func TestSummary(t *testing.T) {
	h := history.New(0)
	step(h, "default-debian-12", kitchen.Create, kitchen.StepFinished, 50680*time.Millisecond)
	step(h, "default-debian-12", kitchen.Converge, kitchen.StepFinished, 61*time.Second)
	step(h, "default-debian-12", kitchen.Setup, kitchen.StepFinished, time.Millisecond)
	var out strings.Builder
	if err := Write(&out, h, true); err != nil || out.Len() > 0 {
		t.Errorf("a single instance needs no summary: %q, %v", out.String(), err)
	}
	single := history.New(0)
	step(single, "a", kitchen.Create, kitchen.StepFinished, time.Second)
	step(single, "b", kitchen.Create, kitchen.StepFinished, time.Second)
	if err := Write(&out, single, false); err != nil || out.String() != "2 instances: 2 passed\n" {
		t.Errorf("of a single phase that all passed: %q, %v", out.String(), err)
	}
	step(single, "c", kitchen.Create, kitchen.StepFailed, time.Second)
	out.Reset()
	if err := Write(&out, single, false); err != nil || !strings.HasPrefix(out.String(), "Instance  Outcome  Time\n") {
		t.Errorf("a single phase needs no column: %q, %v", out.String(), err)
	}
	out.Reset()
	step(h, "b", kitchen.Create, kitchen.StepFailed, 2*time.Second)
	h.Expect(&kitchen.Instance{Name: "never"})
	if err := Write(&out, h, false); err != nil {
		t.Fatal(err)
	}
	want := `Instance           Outcome    Time   Create       Converge  Setup
default-debian-12  passed     1m52s  51s          1m1s      0.0s
b                  failed     2.0s   failed 2.0s
never              not begun
3 instances: 1 passed, 1 failed, 1 not begun
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
