package summary

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/history"
)

var colors = map[history.Outcome]ui.Color{
	history.Passed: ui.Green, history.Failed: ui.Red, history.Interrupted: ui.Yellow, history.Unfinished: ui.Yellow,
	history.NotBegun: ui.Yellow,
}

// Write prints the table, if more than one instance was asked for.
func Write(w io.Writer, h *history.History, color bool) error {
	if len(h.Instances) < 2 {
		return nil
	}
	t := ui.Table{Header: []string{"Instance", "Outcome", "Time", "Phases"}}
	for _, in := range h.Instances {
		out := in.Outcome()
		took := ""
		if len(in.Phases) > 0 {
			took = short(in.Elapsed())
		}
		t.Rows = append(t.Rows, []ui.Cell{{Text: in.Name}, {Text: string(out), Color: colors[out]}, {Text: took}, {Text: phases(in)}})
	}
	if err := t.Write(w, color); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, Counts(h))
	return err
}

// phases says how long each phase took. One that took no time and passed had
// nothing to do.
func phases(in *history.Instance) string {
	var parts []string
	for _, p := range in.Phases {
		part, took := string(p.Action), p.Elapsed().Round(100*time.Millisecond)
		if p.Outcome != history.Passed {
			part += " " + string(p.Outcome)
		} else if took == 0 {
			continue
		}
		if len(in.Phases) > 1 {
			part += " " + took.String()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// short is a duration in tenths of a second.
func short(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

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
