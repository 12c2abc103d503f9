package runlog

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// quietWait is how long a wait goes on between two records of it.
const quietWait = 30 * time.Second

// Options say how a [Recorder] sees events.
type Options struct {
	Product ui.Product
	// Secrets are taken out of every text; nil for none.
	Secrets *secret.Redactor
	// Instances are those whose suite and platform are known.
	Instances []*kitchen.Instance
}

// Recorder turns events into records and hands each to its sinks, in order
// and one at a time. Its method Event is a [kitchen.Subscriber].
type Recorder struct {
	opts  Options
	known map[string]*kitchen.Instance
	sinks []func(Record)

	mu    sync.Mutex
	waits map[string]*wait
}

// wait is what an instance is waiting for.
type wait struct {
	what  string
	last  kitchen.Event // the latest sign of life
	since time.Time
	told  time.Duration
}

// NewRecorder returns a recorder for the sinks.
func NewRecorder(o Options, sinks ...func(Record)) *Recorder {
	r := &Recorder{opts: o, sinks: sinks, known: map[string]*kitchen.Instance{}, waits: map[string]*wait{}}
	for _, i := range o.Instances {
		r.known[i.Name] = i
	}
	return r
}

// Event records e.
func (r *Recorder) Event(e kitchen.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind == kitchen.StillWaiting {
		r.waiting(e)
		return
	}
	// What is only of interest to whoever looks closely may be reported in the
	// middle of a wait.
	if e.Kind != kitchen.Debug && !isCall(e.Kind) {
		r.endWait(e.Instance, e.Time)
	}
	if rec, ok := r.record(e); ok {
		r.tell(rec)
	}
}

// isCall says whether an event is of a call, which may end in the middle of a
// wait.
func isCall(kind kitchen.EventKind) bool { return kind == kitchen.APICall || kind == kitchen.SSHCall }

func (r *Recorder) tell(rec Record) {
	for _, s := range r.sinks {
		s(rec)
	}
}

// record returns the record of an event that is reported as it is.
func (r *Recorder) record(e kitchen.Event) (Record, bool) {
	rec := r.blank(e)
	text, headline, ok := r.opts.Product.Message(e)
	level := ui.LevelOf(e)
	switch {
	case e.Kind == kitchen.Skipped:
		text, level = "Not begun: "+e.Text, ui.WarnLevel
	case isCall(e.Kind):
		text, level = e.Text, ui.DebugLevel
	case !ok:
		return rec, false
	case e.Kind == kitchen.Output:
		rec.Type = TypeStream
		if text, level, headline = ui.CutRank(text); headline {
			rec.Type = TypeBanner
		}
	case headline:
		rec.Type = TypeBanner
	}
	if e.Kind == kitchen.StepFailed {
		text += r.failure(e.Err, rec.Own)
	}
	rec.Level, rec.Message = level.String(), r.opts.Secrets.Clean(text)
	return rec, true
}

// failure notes why a step failed and returns it as further lines.
func (r *Recorder) failure(err error, own *Own) string {
	if err == nil {
		return ""
	}
	own.Error, own.Hint = r.opts.Secrets.Clean(err.Error()), r.opts.Secrets.Clean(kitchen.Hint(err))
	own.Class = kitchen.Class(err)
	own.Interrupted = errors.Is(err, context.Canceled)
	text := "\n" + own.Error
	if own.Hint != "" {
		text += "\nhint: " + own.Hint
	}
	return text
}

// blank returns what the records of an event have in common.
func (r *Recorder) blank(e kitchen.Event) Record {
	rec := Record{
		Run: e.Run, Instance: e.Instance, Action: string(e.Action), Step: e.Step, Session: e.Session,
		Time: Stamp{e.Time}, Type: TypeLog, Program: e.Instance,
		Own: &Own{Kind: e.Kind, Elapsed: float64(e.Elapsed.Round(time.Millisecond).Milliseconds()) / 1000},
	}
	if i := r.known[e.Instance]; i != nil {
		rec.Suite, rec.Platform = i.Suite, i.Platform
	}
	if rec.Program == "" {
		rec.Program = r.opts.Product.Name
	}
	return rec
}

// waiting records that a wait has begun, and now and then that it goes on.
func (r *Recorder) waiting(e kitchen.Event) {
	what, _, _ := strings.Cut(e.Text, " (")
	w := r.waits[e.Instance]
	if w == nil || w.what != what || w.last.Step != e.Step {
		r.endWait(e.Instance, e.Time)
		w = &wait{what: what, since: e.Time.Add(-e.Elapsed)}
		r.waits[e.Instance] = w
	} else if w.last = e; e.Elapsed-w.told < quietWait {
		return
	}
	text := "Waiting for " + e.Text + "..."
	if e.Elapsed >= quietWait {
		text += " " + e.Elapsed.Round(time.Second).String()
	}
	w.last, w.told = e, e.Elapsed
	rec := r.blank(e)
	rec.Level, rec.Message = ui.InfoLevel.String(), r.opts.Secrets.Clean(text)
	r.tell(rec)
}

func (r *Recorder) endWait(instance string, at time.Time) {
	w := r.waits[instance]
	if w == nil {
		return
	}
	delete(r.waits, instance)
	e := w.last
	e.Time, e.Kind, e.Elapsed = at, Waited, at.Sub(w.since)
	rec := r.blank(e)
	rec.Level = ui.DebugLevel.String()
	rec.Message = r.opts.Secrets.Clean("Waited " + e.Elapsed.Round(time.Millisecond).String() + " for " + w.what)
	r.tell(rec)
}
