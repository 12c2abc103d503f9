package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/galleyhq/galley/kitchen"
)

// quietWait is how long a wait goes on between two signs of life on a console
// that is no terminal.
const quietWait = 30 * time.Second

// ConsoleOptions say how a [Console] looks.
type ConsoleOptions struct {
	Product Product
	Level   Level
	// Color paints each instance's lines.
	Color bool
	// Live shows a progress line for each instance at the bottom of a
	// terminal.
	Live bool
	// Names puts the instance's name before each of its lines, for several at
	// once; Width is the longest name's.
	Names bool
	Width int
	// Secrets are taken out of every line; nil for none.
	Secrets *Redactor
}

// Console shows events to the person at the keyboard. Its method Event is a
// [kitchen.Subscriber].
type Console struct {
	w    io.Writer
	opts ConsoleOptions

	mu      sync.Mutex
	live    *mpb.Progress
	bars    map[string]*bar
	shown   map[string]time.Duration
	waiting map[string]string
}

// bar is one instance's progress line.
type bar struct {
	*mpb.Bar
	mu   sync.Mutex
	text string
}

func (b *bar) set(text string) {
	b.mu.Lock()
	b.text = text
	b.mu.Unlock()
}

func (b *bar) get() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text
}

// NewConsole returns a console that writes to w. Close it.
func NewConsole(w io.Writer, opts ConsoleOptions) *Console {
	c := &Console{w: w, opts: opts, bars: map[string]*bar{}, shown: map[string]time.Duration{}, waiting: map[string]string{}}
	if opts.Live {
		c.live = mpb.New(mpb.WithOutput(w), mpb.WithRefreshRate(100*time.Millisecond))
	}
	return c
}

// Event shows e.
func (c *Console) Event(e kitchen.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Kind {
	case kitchen.StillWaiting:
		c.wait(e)
		return
	case kitchen.StepStarted:
		c.begin(e)
	case kitchen.StepFinished, kitchen.StepFailed:
		c.end(e.Instance)
	}
	if LevelOf(e) < c.opts.Level {
		return
	}
	if line, ok := c.opts.Product.line(e); ok {
		c.print(e, line)
	}
}

func (c *Console) print(e kitchen.Event, text string) {
	text = c.opts.Secrets.Clean(text)
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if c.opts.Names && e.Instance != "" {
			line = fmt.Sprintf("%-*s  %s", c.opts.Width, e.Instance, line)
		}
		if c.opts.Color && e.Instance != "" {
			color := InstanceColor(e.Index)
			if LevelOf(e) >= ErrorLevel {
				color = Red
			}
			line = color.Paint(line)
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	if c.live != nil {
		// mpb puts the line above its bars; once it has ended it refuses.
		if _, err := io.WriteString(c.live, b.String()); err == nil {
			return
		}
	}
	io.WriteString(c.w, b.String())
}

func (c *Console) begin(e kitchen.Event) {
	if c.live == nil || e.Instance == "" {
		return
	}
	b := &bar{text: strings.ToLower(e.Action.Doing())}
	start := time.Now()
	head := fmt.Sprintf("%-*s  ", c.opts.Width, e.Instance)
	if c.opts.Color {
		head = InstanceColor(e.Index).Paint(head)
	}
	b.Bar = c.live.New(0, mpb.NopStyle(), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(
		decor.Any(func(decor.Statistics) string {
			return fmt.Sprintf("%s%s  %s", head, b.get(), time.Since(start).Round(time.Second))
		}),
	))
	c.bars[e.Instance] = b
}

func (c *Console) end(instance string) {
	delete(c.shown, instance)
	delete(c.waiting, instance)
	if b := c.bars[instance]; b != nil {
		delete(c.bars, instance)
		b.Abort(true)
	}
}

// wait shows a sign of life: at once on a terminal's progress line, else as a
// line when the wait begins and now and then while it lasts.
func (c *Console) wait(e kitchen.Event) {
	what, _, _ := strings.Cut(e.Text, " (")
	if c.waiting[e.Instance] != what {
		c.waiting[e.Instance] = what
		delete(c.shown, e.Instance)
	}
	if b := c.bars[e.Instance]; b != nil {
		b.set("waiting for " + c.opts.Secrets.Clean(e.Text))
		return
	}
	last, shown := c.shown[e.Instance]
	if shown && e.Elapsed-last < quietWait || c.opts.Level > InfoLevel {
		return
	}
	c.shown[e.Instance] = e.Elapsed
	text := infoPrefix + "Waiting for " + e.Text + "..."
	if shown {
		text += " " + e.Elapsed.Round(time.Second).String()
	}
	c.print(e, text)
}

// Close ends the live progress.
func (c *Console) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.bars {
		c.end(name)
	}
	if c.live != nil {
		c.live.Wait()
		c.live = nil
	}
}
