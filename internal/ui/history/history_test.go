package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

var begin = time.Date(2026, 11, 20, 14, 2, 31, 0, time.UTC)

// phase is what one instance did, in short: an action, the run it was in and
// how it came out.
type phase struct {
	run     string
	action  kitchen.Action
	outcome Outcome
}

func (p phase) tell(h *History, n int) {
	rec := runlog.Record{Run: p.run, Instance: "x", Action: string(p.action), Step: fmt.Sprint(n), Session: "s", Level: "info", Time: runlog.Stamp{Time: begin.Add(time.Duration(n) * time.Minute)}}
	say := func(own runlog.Own) {
		rec.Own = &own
		h.Add(rec)
		rec.Time.Time = rec.Time.Add(10 * time.Second)
	}
	if p.outcome == NotBegun {
		rec.Step, rec.Session = "", ""
		say(runlog.Own{Kind: kitchen.Skipped})
		return
	}
	say(runlog.Own{Kind: kitchen.StepStarted})
	switch p.outcome {
	case Passed:
		say(runlog.Own{Kind: kitchen.StepFinished, Elapsed: 10})
	case Failed, Interrupted:
		say(runlog.Own{Kind: kitchen.StepFailed, Elapsed: 10, Error: "why", Interrupted: p.outcome == Interrupted})
	}
}

func TestOutcomeOfAnInstance(t *testing.T) {
	create, converge, verify, destroy := kitchen.Create, kitchen.Converge, kitchen.Verify, kitchen.Destroy
	for name, c := range map[string]struct {
		phases []phase
		want   Outcome
	}{
		"nothing":                       {nil, NotBegun},
		"passed":                        {[]phase{{"1", create, Passed}, {"1", converge, Passed}}, Passed},
		"failed":                        {[]phase{{"1", create, Passed}, {"1", converge, Failed}}, Failed},
		"mended":                        {[]phase{{"1", converge, Failed}, {"2", converge, Passed}}, Passed},
		"failed, destroyed by the test": {[]phase{{"1", destroy, Passed}, {"1", verify, Failed}, {"1", destroy, Passed}}, Failed},
		"failed, destroyed later":       {[]phase{{"1", verify, Failed}, {"2", destroy, Passed}}, Failed},
		"passed, destroyed later":       {[]phase{{"1", verify, Passed}, {"2", destroy, Passed}}, Passed},
		"passed, cannot be destroyed":   {[]phase{{"1", verify, Passed}, {"2", destroy, Failed}}, Failed},
		"only destroyed":                {[]phase{{"1", destroy, Passed}}, Passed},
		"interrupted":                   {[]phase{{"1", create, Interrupted}}, Interrupted},
		"killed":                        {[]phase{{"1", create, Unfinished}}, Unfinished},
		"killed, then taken back":       {[]phase{{"1", create, Unfinished}, {"2", destroy, Passed}}, Unfinished},
		"not begun":                     {[]phase{{"1", "test", NotBegun}}, NotBegun},
		"passed, then not begun":        {[]phase{{"1", create, Passed}, {"2", converge, NotBegun}}, NotBegun},
		"not begun, then passed":        {[]phase{{"1", create, NotBegun}, {"2", create, Passed}}, Passed},
	} {
		h := New(10)
		h.Expect(&kitchen.Instance{Name: "x"})
		for i, p := range c.phases {
			p.tell(h, i)
		}
		in := h.Instances[0]
		if got := in.Outcome(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if p := in.Culprit(); (p == nil) != (c.want == Passed || c.want == NotBegun) {
			t.Errorf("%s: culprit %+v", name, p)
		}
		if h.Count()[c.want] != 1 {
			t.Errorf("%s: counted %v", name, h.Count())
		}
	}
}

// TestWaits: events of a run become waits with their beginning and end.
func TestWaits(t *testing.T) {
	h := New(100)
	rec := runlog.NewRecorder(runlog.Options{Product: ui.Product{Name: "Galley"}}, h.Add)
	e := func(sec int, kind kitchen.EventKind, text string, elapsed int) {
		rec.Event(kitchen.Event{Time: begin.Add(time.Duration(sec) * time.Second), Kind: kind, Text: text, Instance: "x", Action: kitchen.Create, Step: "1", Elapsed: time.Duration(elapsed) * time.Second})
	}
	e(0, kitchen.StepStarted, "", 0)
	e(2, kitchen.StillWaiting, "the server (BUILD)", 1)
	e(3, kitchen.Debug, "GET", 0)
	e(40, kitchen.StillWaiting, "the server (BUILD)", 39)
	e(50, kitchen.StillWaiting, "SSH (refused)", 0)
	e(60, kitchen.Info, "(ssh ready)", 0)
	e(61, kitchen.StillWaiting, "the volume", 0)
	e(70, kitchen.StepFinished, "", 70)
	p := h.Instances[0].Phases[0]
	at := func(sec int) time.Time { return begin.Add(time.Duration(sec) * time.Second) }
	want := []Wait{{"the server", at(1), at(50)}, {"SSH", at(50), at(60)}, {"the volume", at(61), at(70)}}
	if diff := cmp.Diff(want, p.Waits); diff != "" {
		t.Error(diff)
	}
	if p.Elapsed() != 70*time.Second || p.Outcome != Passed {
		t.Errorf("%s after %s", p.Outcome, p.Elapsed())
	}
	lines, before := p.Lines.Last(100)
	var text []string
	for _, l := range lines {
		text = append(text, l.Text)
	}
	wantText := "Creating <x>...|Waiting for the server (BUILD)...|Waiting for SSH (refused)...|(ssh ready)|Waiting for the volume...|Finished creating <x> (1m10.00s)."
	if got := strings.Join(text, "|"); got != wantText || before != 0 {
		t.Errorf("%d before %s", before, got)
	}
}

func TestLinesAreBounded(t *testing.T) {
	h := New(3)
	for i := range 10 {
		h.Add(runlog.Record{Instance: "x", Step: "1", Level: "info", Message: fmt.Sprintf("%d%s", i, strings.Repeat("ü", longestLine))})
	}
	lines, before := h.Instances[0].Phases[0].Lines.Last(2)
	if len(lines) != 2 || before != 8 || lines[0].Text[0] != '8' || lines[1].Text[0] != '9' || len(lines[0].Text) > longestLine+40 {
		t.Errorf("%d lines after %d", len(lines), before)
	}
}

// TestForeign reads what Test Kitchen 4.1 writes.
func TestForeign(t *testing.T) {
	const tk = `{"kitchen_run_id":"r","instance":"a","suite":"s","platform":"p","action":"create","action_id":"1","instance_session_id":"i","timestamp":"2026-07-16T07:00:00.000000Z","level":"info","event_type":"banner","message":"Creating <a>...","progname":"a","sequence":1}
{"kitchen_run_id":"r","instance":"a","action":"create","action_id":"1","instance_session_id":"i","timestamp":"2026-07-16T07:00:09.000000Z","level":"info","event_type":"log","message":"Finished creating <a> (0m9.00s).","progname":"a","sequence":2}
{"kitchen_run_id":"r","instance":"a","timestamp":"2026-07-16T07:00:09.000000Z","level":"info","event_type":"stream","message":"a hook","progname":"a","sequence":3}
{"kitchen_run_id":"r","instance":"a","action":"setup","action_id":"2","instance_session_id":"i","timestamp":"2026-07-16T07:00:10.000000Z","level":"info","event_type":"banner","message":"Setting up <a>...","progname":"a","sequence":4}
{"kitchen_run_id":"r","instance":"a","action":"setup","action_id":"2","instance_session_id":"i","timestamp":"2026-07-16T07:00:10.000000Z","level":"info","event_type":"log","message":"Finished setting up <a> (0m0.00s).","progname":"a","sequence":5}
{"kitchen_run_id":"r","instance":"a","action":"verify","action_id":"3","instance_session_id":"i","timestamp":"2026-07-16T07:00:11.000000Z","level":"info","event_type":"stream","message":"Verify failed on instance <a>.","progname":"a","sequence":6}
{"kitchen_run_id":"r","instance":"a","action":"verify","action_id":"3","instance_session_id":"i","timestamp":"2026-07-16T07:00:12.000000Z","level":"error","event_type":"log","message":"Verify failed on instance <a>.","progname":"a","sequence":7}
{"kitchen_run_id":"r","instance":"a","action":"verify","action_id":"3","instance_session_id":"i","timestamp":"2026-07-16T07:00:12.000000Z","level":"error","event_type":"log","message":"Class: Kitchen::Transport::SshFailed","progname":"a","sequence":8}
{"kitchen_run_id":"r","instance":"a","action":"verify","action_id":"3","instance_session_id":"i","timestamp":"2026-07-16T07:00:12.000000Z","level":"error","event_type":"log","message":"Message: SSH exited (1)","progname":"a","sequence":9}
`
	path := filepath.Join(t.TempDir(), "a.ndjson")
	if err := os.WriteFile(path, []byte(tk), 0o600); err != nil {
		t.Fatal(err)
	}
	h := New(10)
	if err := h.LoadAll([]runlog.Source{{Instance: "a", Path: path}}, "", false); err != nil {
		t.Fatal(err)
	}
	in := h.Instances[0]
	var got []string
	for _, p := range in.Phases {
		got = append(got, fmt.Sprintf("%s %s %s %s %s", p.Action, p.Outcome, p.Elapsed(), p.Class, p.Reason))
	}
	want := []string{"create passed 9s  ", "setup passed 0s  ", "verify failed 1s Kitchen::Transport::SshFailed SSH exited (1)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if lines, _ := in.Lines.Last(10); len(lines) != 1 || in.Suite != "s" || in.Outcome() != Failed {
		t.Errorf("%+v", in)
	}
}
