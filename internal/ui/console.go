package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// quietWait is how long a wait goes on between two lines about it on a console
// that is not a terminal.
const quietWait = 30 * time.Second

// The compact style shows a wait when it has gone on for firstWait, or when
// shorter ones have left the console without a line for longSilence.
const (
	firstWait   = 3 * time.Second
	longSilence = 5 * time.Second
)

// dotEvery is the time between two dots of a wait in the style of knife.
const dotEvery = time.Second

// logProgress is the time between two lines about a transfer on a console that
// is not a terminal.
const logProgress = 2 * time.Second

// Style is the form of a console's lines.
type Style int

// The styles.
const (
	// Compact has Test Kitchen's headlines, warnings and the output of
	// commands: two lines for a create that succeeds.
	Compact Style = iota
	// Full has all of Test Kitchen's lines.
	Full
	// Plain has lines without a prefix, for everything that is not a run of the engine.
	Plain
	// Knife is Plain in knife's words: a wait is a line of dots.
	Knife
)

// ConsoleOptions say how a [Console] looks.
type ConsoleOptions struct {
	Product Product
	Style   Style
	Level   Level
	// Color paints each instance's lines.
	Color bool
	// Live shows a status line for each instance at the bottom of a terminal.
	Live bool
	// Names puts the instance's name before each of its lines, for several at
	// once; Width is the longest name's.
	Names bool
	Width int
	// Warnings starts a warning in the Plain style: "galley: warning: ".
	Warnings string
	// Secrets are removed from every line; nil for none.
	Secrets *secret.Redactor
}

// Console prints events as they happen. Its method Event is a
// [kitchen.Subscriber]. Text is printed without secrets and without characters
// that control a terminal; the output of commands keeps its colors.
type Console struct {
	w    io.Writer
	opts ConsoleOptions

	mu      sync.Mutex
	live    *live
	shown   map[string]time.Duration
	waiting map[string]string
	// spoke is when the last line about an instance was printed.
	spoke map[string]time.Time
	// run is the action of the run, held the headlines that are printed only
	// if something follows.
	run  kitchen.Action
	held map[string]kitchen.Event
	// dotted is when the last dot of an open line of dots was printed, dots
	// the thing waited for.
	dots   string
	dotted time.Time
}

// NewConsole returns a console that writes to w. Close it.
func NewConsole(w io.Writer, opts ConsoleOptions) *Console {
	c := &Console{
		w: w, opts: opts, shown: map[string]time.Duration{}, waiting: map[string]string{}, spoke: map[string]time.Time{}, held: map[string]kitchen.Event{},
	}
	if f := Terminal(w); opts.Live && f != nil {
		c.live = newLive(w, f)
	}
	return c
}

// Event prints e.
func (c *Console) Event(e kitchen.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Kind {
	case kitchen.StillWaiting:
		c.wait(e)
		return
	case kitchen.Progress:
		c.progress(e)
		return
	case kitchen.RunStarted:
		c.run = e.Action
	case kitchen.StepStarted:
		c.begin(e)
	case kitchen.StepFinished, kitchen.StepFailed:
		c.end(e.Instance)
	}
	if LevelOf(e) < c.opts.Level || c.hidden(e) {
		return
	}
	c.release(e)
	if line, ok := c.line(e); ok {
		if c.opts.Style >= Plain {
			c.end(e.Instance) // there are no steps: anything else ends a wait
		}
		c.print(e, line)
	}
}

// line returns an event as text, without a trailing line feed.
func (c *Console) line(e kitchen.Event) (string, bool) {
	if c.opts.Style < Plain {
		return c.opts.Product.line(e)
	}
	message, _, ok := c.opts.Product.Message(e)
	switch {
	case !ok:
		return "", false
	case e.Kind == kitchen.Warn && c.opts.Style == Knife:
		return c.paint(Yellow, "WARNING:") + " " + message, true
	case e.Kind == kitchen.Warn:
		return c.opts.Warnings + message, true
	case e.Kind == kitchen.Debug:
		return prefixed(debugPrefix, message), true
	case e.Kind == kitchen.Output && e.Instance != "":
		return prefixed(" ["+e.Instance+"] ", message), true
	}
	return message, true
}

func (c *Console) paint(color Color, s string) string {
	if !c.opts.Color {
		return s
	}
	return color.Paint(s)
}

// hidden reports whether the compact style leaves an event out. A step that
// may have nothing to do is held back until it has something to say.
func (c *Console) hidden(e kitchen.Event) bool {
	if c.opts.Style != Compact {
		return false
	}
	quiet := e.Action == kitchen.Setup && c.run != kitchen.Setup || e.Action == kitchen.Destroy && c.run == "test"
	switch e.Kind {
	case kitchen.RunStarted, kitchen.RunFinished:
		return true
	case kitchen.Banner:
		return e.Action == "test"
	case kitchen.Info:
		switch e.Action {
		case kitchen.Create, kitchen.Reset, kitchen.Destroy, kitchen.Setup, "test":
			c.announce(e)
			return true
		}
	case kitchen.StepStarted:
		if quiet {
			c.held[e.Instance] = e
			return true
		}
	case kitchen.StepFinished:
		_, nothing := c.held[e.Instance]
		delete(c.held, e.Instance)
		return nothing
	}
	return false
}

// announce prints a held headline, now that the step has something to do.
func (c *Console) announce(e kitchen.Event) {
	held, ok := c.held[e.Instance]
	if !ok {
		return
	}
	delete(c.held, e.Instance)
	if line, ok := c.line(held); ok && LevelOf(held) >= c.opts.Level {
		c.print(held, line)
	}
}

// release announces what an event is about that is printed itself.
func (c *Console) release(e kitchen.Event) {
	if e.Instance != "" && e.Kind != kitchen.StepStarted {
		c.announce(e)
	}
}

func (c *Console) print(e kitchen.Event, lines string) {
	c.spoke[e.Instance] = e.Time
	lines = c.clean(e, lines)
	var b strings.Builder
	for line := range strings.SplitSeq(lines, "\n") {
		if c.opts.Names && e.Instance != "" {
			line = fmt.Sprintf("%-*s  %s", c.opts.Width, e.Instance, line)
		}
		if c.opts.Color && e.Instance != "" && c.opts.Style < Plain {
			color := InstanceColor(e.Index)
			if LevelOf(e) >= ErrorLevel {
				color = Red
			}
			line = color.Paint(line)
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	c.endDots()
	c.write(b.String())
}

// clean makes text from elsewhere harmless. What the console itself has
// colored stays so, and so does the output of a command.
func (c *Console) clean(e kitchen.Event, s string) string {
	s = c.opts.Secrets.Clean(s)
	if e.Kind == kitchen.Output || c.opts.Color {
		return text.CleanOutput(s)
	}
	return text.Clean(s)
}

func (c *Console) write(lines string) {
	if c.live != nil {
		c.live.print(lines)
		return
	}
	_, _ = io.WriteString(c.w, lines)
}

func (c *Console) begin(e kitchen.Event) {
	if c.live == nil || e.Instance == "" {
		return
	}
	row := statusLine{place: e.Index, name: e.Instance, text: strings.ToLower(e.Action.Doing()), since: time.Now()}
	if c.opts.Color {
		row.color = InstanceColor(e.Index)
	}
	c.live.set(e.Instance, row)
}

func (c *Console) end(instance string) {
	delete(c.shown, instance)
	delete(c.waiting, instance)
	if c.live != nil {
		c.live.remove(instance)
	}
}

// wait shows the thing waited for: at once in a status line, else as a line when
// the wait begins and now and then while it lasts.
func (c *Console) wait(e kitchen.Event) {
	if c.opts.Level > InfoLevel {
		return
	}
	what, _, _ := strings.Cut(e.Text, " (")
	if c.waiting[e.Instance] != what {
		c.waiting[e.Instance] = what
		delete(c.shown, e.Instance)
	}
	if c.live != nil && c.opts.Style != Knife {
		if e.Instance != "" && !c.live.has(e.Instance) {
			return // the step is over
		}
		c.live.set(e.Instance, statusLine{place: e.Index, name: e.Instance, text: "waiting for " + c.opts.Secrets.Clean(e.Text), since: time.Now().Add(-e.Elapsed)})
		return
	}
	if c.opts.Style == Knife {
		c.dot("Waiting for "+what, "Waiting for "+e.Text)
		return
	}
	last, shown := c.shown[e.Instance]
	if shown && e.Elapsed-last < quietWait {
		return
	}
	if c.opts.Style == Compact && !shown && e.Elapsed < firstWait && e.Time.Sub(c.spoke[e.Instance]) < longSilence {
		return
	}
	c.shown[e.Instance] = e.Elapsed
	line := "Waiting for " + e.Text
	if c.opts.Style < Plain {
		line = infoPrefix + line + "..."
	}
	if shown || e.Elapsed >= firstWait {
		line += " " + e.Elapsed.Round(time.Second).String()
	}
	c.announce(e)
	c.print(e, line)
}

// progress shows the state of a transfer: in a status line, else as a line now
// and then.
func (c *Console) progress(e kitchen.Event) {
	if c.opts.Level > InfoLevel {
		return
	}
	if c.live != nil {
		c.live.set(e.Instance, statusLine{place: e.Index, name: e.Instance, text: c.opts.Secrets.Clean(e.Text), since: time.Now().Add(-e.Elapsed)})
		return
	}
	if last, shown := c.shown[e.Instance]; !shown || e.Elapsed-last >= logProgress {
		c.shown[e.Instance] = e.Elapsed
		c.print(e, e.Text)
	}
}

// dot begins a line of dots with head, or adds one where that is about the
// same wait.
func (c *Console) dot(wait, head string) {
	if !strings.HasPrefix(c.dots, wait) {
		c.endDots()
		_, _ = io.WriteString(c.w, text.Clean(c.opts.Secrets.Clean(head)))
		c.dots, c.dotted = head, time.Now()
		return
	}
	if time.Since(c.dotted) >= dotEvery {
		_, _ = io.WriteString(c.w, ".")
		c.dotted = time.Now()
	}
}

func (c *Console) endDots() {
	if c.dots != "" {
		_, _ = io.WriteString(c.w, "\n")
		c.dots = ""
	}
}

// Close erases the status lines. What happens afterwards is still printed.
func (c *Console) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endDots()
	if c.live != nil {
		c.live.close()
		c.live = nil
	}
}
