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
