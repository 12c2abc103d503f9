package history

import (
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

// Outcome is how a phase or an instance came out.
type Outcome string

// The outcomes.
const (
	Passed Outcome = "passed"
	Failed Outcome = "failed"
	// Interrupted is ended from outside in an orderly way, as by Ctrl-C.
	Interrupted Outcome = "interrupted"
	// Unfinished has begun and its end was not heard of: it goes on, or its
	// process was killed.
	Unfinished Outcome = "unfinished"
	// NotBegun is an instance that was asked for and not begun.
	NotBegun Outcome = "not begun"
)

// History is what happened to some instances.
type History struct {
	// Instances are in the order in which they were heard of, or expected.
	Instances []*Instance
	byName    map[string]*Instance
	tail      int
}

// New returns an empty history that keeps the last lines of each phase, as
// many as tail says.
func New(tail int) *History { return &History{byName: map[string]*Instance{}, tail: tail} }

// Instance is what happened to one instance.
type Instance struct {
	Name, Suite, Platform string
	// Session is the session that was heard of last.
	Session string
	// Action is what an instance that was not begun was asked for; Reason says
	// why it was not.
	Action, Reason string
	Phases         []*Phase
	// Lines were said outside of any phase.
	Lines   Lines
	skipped bool // by the run that was heard of last
}

// Phase is one go at one action.
type Phase struct {
	Action  kitchen.Action
	Run, ID string
	Begin   time.Time
	// End is when the phase ended, or when it was last heard of.
	End     time.Time
	Outcome Outcome
	// Reason is why the phase failed, Hint what to do, Class the failure's
	// name in the state file. All may be "".
	Reason, Hint, Class string
	Waits               []Wait
	// Calls are the first of the requests to the cloud and of what was done on
	// the machine, in the order in which they ended.
	Calls []Call
	Lines Lines
	open  *Wait
}

// Elapsed returns how long the phase took, or has been heard of.
func (p *Phase) Elapsed() time.Duration { return max(0, p.End.Sub(p.Begin)) }

// Wait is a time in which a phase waited for something.
type Wait struct {
	What       string
	Begin, End time.Time
}

// mostCalls bounds the calls that are kept of a phase.
const mostCalls = 1000

// Call is a request to the cloud, or something done on the machine.
type Call struct {
	What string
	// SSH is false for a request to the cloud.
	SSH        bool
	Begin, End time.Time
}

// Line is a line of the log.
type Line struct {
	Time time.Time
	// Level is as of [runlog.Record].
	Level string
	// Headline says that it is one of the steps and banners that show how a
	// run goes on.
	Headline bool
	Text     string
}

// Expect makes room for instances in a given order.
func (h *History) Expect(instances ...*kitchen.Instance) {
	for _, i := range instances {
		in := h.instance(i.Name)
		in.Suite, in.Platform = i.Suite, i.Platform
	}
}

func (h *History) instance(name string) *Instance {
	in := h.byName[name]
	if in == nil {
		in = &Instance{Name: name}
		in.Lines.keep, h.byName[name] = h.tail, in
		h.Instances = append(h.Instances, in)
	}
	return in
}

// Add takes note of a record. Records of one instance are added in the order
// of its log. What concerns no instance is passed over.
func (h *History) Add(rec runlog.Record) {
	if rec.Instance == "" {
		return
	}
	in := h.instance(rec.Instance)
	if rec.Suite != "" {
		in.Suite, in.Platform = rec.Suite, rec.Platform
	}
	if rec.Session != "" {
		in.Session = rec.Session
	}
	if rec.Kind() == kitchen.Skipped {
		in.Action, in.Reason, in.skipped = rec.Action, rec.Message, true
		return
	}
	p := in.phase(rec, h.tail)
	if p == nil {
		in.Lines.add(rec)
		return
	}
	p.add(rec)
}

// phase returns the phase that a record belongs to, nil if it belongs to none.
func (in *Instance) phase(rec runlog.Record, tail int) *Phase {
	if rec.Step != "" {
		for _, p := range slices.Backward(in.Phases) {
			if p.ID == rec.Step {
				return p
			}
		}
	} else if rec.Kind() != kitchen.StepFailed {
		return nil
	}
	// A step that could not even be begun fails without an identifier.
	p := &Phase{Action: kitchen.Action(rec.Action), Run: rec.Run, ID: rec.Step, Begin: rec.Time.Time, End: rec.Time.Time, Outcome: Unfinished}
	p.Lines.keep = tail
	in.Phases = append(in.Phases, p)
	in.skipped = false
	return p
}

func (p *Phase) add(rec runlog.Record) {
	at := rec.Time.Time
	if at.After(p.End) {
		p.End = at
	}
	switch rec.Kind() {
	case kitchen.StepFinished:
		p.Outcome = Passed
		p.Begin = began(rec)
	case kitchen.StepFailed:
		p.Outcome = Failed
		if rec.Own.Interrupted {
			p.Outcome = Interrupted
		}
		p.Begin = began(rec)
		p.Reason, p.Hint, p.Class = rec.Own.Error, rec.Own.Hint, rec.Own.Class
	case kitchen.StillWaiting, runlog.Waited:
		p.wait(rec)
	case kitchen.APICall, kitchen.SSHCall:
		if len(p.Calls) < mostCalls {
			p.Calls = append(p.Calls, Call{What: rec.Message, SSH: rec.Kind() == kitchen.SSHCall, Begin: began(rec), End: at})
		}
	case "":
		p.foreign(rec)
	}
	p.Lines.add(rec)
}

// began returns when what a record tells the end of began.
func began(rec runlog.Record) time.Time {
	return rec.Time.Add(-time.Duration(rec.Own.Elapsed * float64(time.Second)))
}

// wait takes note of a sign of life in a wait, or of its end.
func (p *Phase) wait(rec runlog.Record) {
	begin := began(rec)
	if rec.Kind() == runlog.Waited && p.open != nil {
		p.open.End, p.open = rec.Time.Time, nil
		return
	}
	if rec.Kind() == kitchen.StillWaiting && p.open == nil {
		p.Waits = append(p.Waits, Wait{What: waitedFor(rec.Message), Begin: begin})
		p.open = &p.Waits[len(p.Waits)-1]
	}
	if p.open != nil {
		p.open.End = rec.Time.Time
	}
}

// Outcome returns how the instance came out: by what the last run did that
// did more than destroy it, or failed to destroy it.
func (in *Instance) Outcome() Outcome {
	if in.skipped || len(in.Phases) == 0 {
		return NotBegun
	}
	worst := Outcome("")
	run := in.lastRun()
	for _, p := range in.Phases {
		if p.Run == run && (worst == "" || rank(p.Outcome) > rank(worst)) {
			worst = p.Outcome
		}
	}
	if n := len(in.Phases); rank(in.Phases[n-1].Outcome) > rank(worst) {
		worst = in.Phases[n-1].Outcome
	}
	return worst
}

// lastRun returns the last run in which there was more than a destroy, else
// the last one.
func (in *Instance) lastRun() string {
	for _, p := range slices.Backward(in.Phases) {
		if p.Action != kitchen.Destroy {
			return p.Run
		}
	}
	if n := len(in.Phases); n > 0 {
		return in.Phases[n-1].Run
	}
	return ""
}

func rank(o Outcome) int {
	return slices.Index([]Outcome{NotBegun, Passed, Unfinished, Interrupted, Failed}, o)
}

// Culprit returns the phase for which an instance is not passed, nil if there
// is none.
func (in *Instance) Culprit() *Phase {
	out := in.Outcome()
	for _, p := range slices.Backward(in.Phases) {
		if out != Passed && p.Outcome == out {
			return p
		}
	}
	return nil
}

// Begin returns when the first phase began, End when the last one ended; both
// are the zero time if there is none.
func (in *Instance) Begin() (t time.Time) {
	for _, p := range in.Phases {
		if t.IsZero() || p.Begin.Before(t) {
			t = p.Begin
		}
	}
	return t
}

// End is described at [Instance.Begin].
func (in *Instance) End() (t time.Time) {
	for _, p := range in.Phases {
		if p.End.After(t) {
			t = p.End
		}
	}
	return t
}

// Elapsed returns the sum of the phases' durations.
func (in *Instance) Elapsed() (d time.Duration) {
	for _, p := range in.Phases {
		d += p.Elapsed()
	}
	return d
}

// Count returns how many instances came out in each way.
func (h *History) Count() map[Outcome]int {
	n := map[Outcome]int{}
	for _, in := range h.Instances {
		n[in.Outcome()]++
	}
	return n
}
