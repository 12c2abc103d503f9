package summary

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/kitchen"
)

var colors = map[history.Outcome]ui.Color{
	history.Passed: ui.Green, history.Failed: ui.Red, history.Interrupted: ui.Yellow, history.Unfinished: ui.Yellow,
	history.NotBegun: ui.Yellow,
}

// columns are the phases in the order of the table.
var columns = []kitchen.Action{kitchen.Reset, kitchen.Create, kitchen.Converge, kitchen.Setup, kitchen.Verify, kitchen.Destroy}

// Write prints the table, if more than one instance was asked for: how each
// came out, and how long its phases took. A terminal shows what it has room
// for. A single phase has no column, since it took the whole time; where all
// passed it, their own lines have said so, and only their number is printed.
func Write(w io.Writer, h *history.History, color bool) error {
	if len(h.Instances) < 2 {
		return nil
	}
	actions := slices.DeleteFunc(slices.Clone(columns), func(a kitchen.Action) bool {
		return !slices.ContainsFunc(h.Instances, func(in *history.Instance) bool { return len(phasesOf(in, a)) > 0 })
	})
	if len(actions) == 1 {
		actions = nil
		if h.Count()[history.Passed] == len(h.Instances) {
			_, err := fmt.Fprintln(w, Counts(h))
			return err
		}
	}
	t := ui.Table{
		Header: []string{"Instance", "Outcome", "Time"}, Width: ui.Width(w),
		Optional: []string{kitchen.Setup.Noun(), kitchen.Destroy.Noun(), kitchen.Reset.Noun()},
	}
	for _, a := range actions {
		t.Header = append(t.Header, a.Noun())
	}
	for _, in := range h.Instances {
		out := in.Outcome()
		row := []ui.Cell{{Text: in.Name}, {Text: string(out), Color: colors[out]}, {}}
		if len(in.Phases) > 0 {
			row[2].Text = short(in.Elapsed())
		}
		for _, a := range actions {
			row = append(row, phase(phasesOf(in, a)))
		}
		t.Rows = append(t.Rows, row)
	}
	if err := t.Write(w, color); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, Counts(h))
	return err
}

// phasesOf returns the phases of an action; a test may destroy twice.
func phasesOf(in *history.Instance, a kitchen.Action) (all []*history.Phase) {
	for _, p := range in.Phases {
		if p.Action == a {
			all = append(all, p)
		}
	}
	return all
}

// phase says how long an action took, and how it came out if it did not pass.
func phase(all []*history.Phase) (c ui.Cell) {
	var took time.Duration
	for _, p := range all {
		took += p.Elapsed()
		if p.Outcome != history.Passed {
			c = ui.Cell{Text: string(p.Outcome) + " ", Color: colors[p.Outcome]}
		}
	}
	if len(all) > 0 {
		c.Text += short(took)
	}
	return c
}

// short is a duration in seconds, a short one in tenths of them.
func short(d time.Duration) string {
	if d >= 10*time.Second {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// Counts says in words how many instances came out in each way.
func Counts(h *history.History) string {
	n := h.Count()
	var parts []string
	for _, o := range []history.Outcome{history.Passed, history.Failed, history.Interrupted, history.Unfinished, history.NotBegun} {
		if n[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[o], o))
		}
	}
	return fmt.Sprintf("%s: %s", text.Count(len(h.Instances), "instance"), strings.Join(parts, ", "))
}
