package kitchen

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// EventKind says what an [Event] tells.
type EventKind string

// The kinds of event. Those of a step carry the instance and its action.
const (
	RunStarted   EventKind = "run_started"
	RunFinished  EventKind = "run_finished"
	StepStarted  EventKind = "step_started"
	StepFinished EventKind = "step_finished"
	StepFailed   EventKind = "step_failed"
	// Skipped tells of an instance that the run did not begin, because it was
	// cancelled or another instance failed; Text says which.
	Skipped EventKind = "skipped"
	// Banner is a headline, Info a line for the user, Output a line that a
	// command wrote.
	Banner EventKind = "banner"
	Info   EventKind = "info"
	Warn   EventKind = "warn"
	Error  EventKind = "error"
	Debug  EventKind = "debug"
	Output EventKind = "output"
	// StillWaiting is a sign of life in a wait; Text names the thing waited for.
	StillWaiting EventKind = "waiting"
	// APICall tells of a request to a cloud that was answered or failed, SSHCall
	// of something done on a machine. Text says what, Elapsed how long it took.
	APICall EventKind = "api_call"
	SSHCall EventKind = "ssh_call"
	// Progress is the state of a transfer, which replaces the one before.
	Progress EventKind = "progress"
)

// Event is one thing that happened. The engine, its plug-ins and everything
// below them report through this one stream; consoles, logs and reports are
// its subscribers, and nothing else prints.
type Event struct {
	Time time.Time
	Kind EventKind
	// Instance is the instance's name, "" for the run as a whole; Index is
	// its place in the configuration, from 0.
	Instance string
	Index    int
	Action   Action
	Text     string
	// Elapsed is the duration of what finished, or of the wait so far.
	Elapsed time.Duration
	// Err is why a step or a run failed.
	Err error

	// Run is the identifier of the process's run (Test Kitchen:
	// kitchen_run_id), Session that of the machine's life from its creation to
	// its destruction (instance_session_id) and Step that of one go at one
	// action (action_id). Outside of a step the last two are "".
	Run, Session, Step string
}

// Subscriber receives events. It is called from one goroutine at a time and
// must not block for long.
type Subscriber func(Event)

// Bus hands every event to its subscribers, one at a time.
type Bus struct {
	mu   sync.Mutex
	subs []Subscriber
	now  func() time.Time
	run  string
}

// NewBus returns a bus with the given subscribers and a run identifier of its
// own.
func NewBus(subs ...Subscriber) *Bus {
	return &Bus{subs: subs, now: time.Now, run: newID()}
}

// Run returns the identifier that every event of the bus carries.
func (b *Bus) Run() string {
	if b == nil {
		return ""
	}
	return b.run
}

// newID returns a random UUID, version 4, the form of Test Kitchen's.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Publish stamps e with the time, unless it has one, and the run, and hands it
// on.
func (b *Bus) Publish(e Event) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = b.now()
	}
	e.Run = b.run
	for _, s := range b.subs {
		s(e)
	}
}

// Reporter publishes events in the name of one instance and action. Its zero
// value throws everything away.
type Reporter struct {
	bus      *Bus
	instance string
	index    int
	action   Action
	session  string
	step     string
}

// Reporter returns a reporter for the instance of that name.
func (b *Bus) Reporter(instance string, index int, action Action) *Reporter {
	return &Reporter{bus: b, instance: instance, index: index, action: action}
}

func (r *Reporter) emit(e Event) {
	if r == nil || r.bus == nil {
		return
	}
	e.Instance, e.Index, e.Action = r.instance, r.index, r.action
	e.Session, e.Step = r.session, r.step
	r.bus.Publish(e)
}

// Banner tells a headline.
func (r *Reporter) Banner(format string, args ...any) {
	r.emit(Event{Kind: Banner, Text: fmt.Sprintf(format, args...)})
}

// Info tells a line for the user.
func (r *Reporter) Info(format string, args ...any) {
	r.emit(Event{Kind: Info, Text: fmt.Sprintf(format, args...)})
}

// Warn tells of something that is not as the user may think.
func (r *Reporter) Warn(format string, args ...any) {
	r.emit(Event{Kind: Warn, Text: fmt.Sprintf(format, args...)})
}

// Error tells of a failure that the step goes on from; one that ends the step
// is returned instead.
func (r *Reporter) Error(format string, args ...any) {
	r.emit(Event{Kind: Error, Text: fmt.Sprintf(format, args...)})
}

// Debug tells a detail.
func (r *Reporter) Debug(format string, args ...any) {
	r.emit(Event{Kind: Debug, Text: fmt.Sprintf(format, args...)})
}

// Waiting gives a sign of life in a wait for what, as in "the server to be
// gone". Call it each time around; the
// subscribers decide how often to show it.
func (r *Reporter) Waiting(what, detail string, since time.Time) {
	text := what
	if detail != "" {
		text += " (" + detail + ")"
	}
	r.emit(Event{Kind: StillWaiting, Text: text, Elapsed: time.Since(since)})
}

// Progress shows the state of a transfer that began at since. Call it several
// times a second; the subscribers decide how often to show it.
func (r *Reporter) Progress(since time.Time, format string, args ...any) {
	r.emit(Event{Kind: Progress, Text: fmt.Sprintf(format, args...), Elapsed: time.Since(since)})
}

// Output returns a writer that reports each line written to it as a line of
// command output. A line that is not ended within a second, as a question that
// waits for an answer, is reported as far as it goes. Close reports the last
// line if it was left unended.
func (r *Reporter) Output() io.WriteCloser {
	return &lineWriter{emit: func(line string) { r.emit(Event{Kind: Output, Text: line}) }}
}

// maxLine bounds what a lineWriter holds; a longer line is reported in pieces.
const maxLine = 64 << 10

// unfinishedTime is how long a line may be left unended.
const unfinishedTime = time.Second

// maxOutput bounds, in bytes, what one writer reports, and with it the logs:
// the rest of a command's output is left out, which is said. Each line counts
// lineCost bytes more, about what a log writes before it.
const (
	maxOutput = 128 << 20
	lineCost  = 100
)

type lineWriter struct {
	mu   sync.Mutex
	buf  []byte
	emit func(string)
	// seen is how many bytes were written, with lineCost for each line.
	seen int64
	// timer reports the beginning of an unended line; begun says that it did.
	timer *time.Timer
	begun bool
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	if w.seen > maxOutput {
		return n, nil
	}
	w.seen += int64(n) + lineCost*int64(bytes.Count(p, []byte("\n")))
	if w.seen > maxOutput {
		w.emit(strings.TrimSuffix(string(w.buf), "\r"))
		w.emit(fmt.Sprintf("(The output takes more than %d MiB in the log: the rest is left out.)", maxOutput>>20))
		w.buf = nil
		w.schedule()
		return n, nil
	}
	w.buf = append(w.buf, p...)
	rest := w.buf
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 && len(rest) <= maxLine {
			break
		}
		line := rest
		if i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		// The end alone of a line that was reported is not a line.
		if text := strings.TrimSuffix(string(line), "\r"); text != "" || !w.begun {
			w.emit(text)
		}
		w.begun = false
	}
	w.buf = append(w.buf[:0], rest...)
	w.schedule()
	return n, nil
}

// schedule sees to it that an unended line is reported in time.
func (w *lineWriter) schedule() {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if len(w.buf) > 0 {
		w.timer = time.AfterFunc(unfinishedTime, w.flush)
	}
}

// flush reports the beginning of an unended line.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) > 0 {
		w.emit(strings.TrimSuffix(string(w.buf), "\r"))
		w.buf, w.begun = w.buf[:0], true
	}
}

func (w *lineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) > 0 {
		w.emit(strings.TrimSuffix(string(w.buf), "\r"))
		w.buf = nil
	}
	w.schedule()
	return nil
}
