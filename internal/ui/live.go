package ui

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/text"
)

// liveRefresh is how often the status lines are drawn again, for the elapsed
// times in them.
const liveRefresh = 250 * time.Millisecond

// live draws status lines below the output on a terminal: one for each thing
// that is being worked on, in a fixed order, at most half a screen of them.
// They are erased before anything is printed above them and at the end, so
// that the scroll-back holds output only.
type live struct {
	w    io.Writer
	size func() (width, height int)
	now  func() time.Time

	mu   sync.Mutex
	rows []*statusLine
	// drawn are the widths of the lines on the screen.
	drawn []int
	stop  chan struct{}
	done  chan struct{}
}

// statusLine is one thing that is being worked on.
type statusLine struct {
	// place orders the lines, name leads the line in this color.
	place int
	name  string
	color Color
	text  string
	since time.Time
}

// newLive starts to draw on a terminal. Close it.
func newLive(w io.Writer, f *os.File) *live {
	l := &live{
		w: w, size: func() (int, int) { return size(f) }, now: time.Now,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go l.refresh()
	return l
}

func (l *live) refresh() {
	defer close(l.done)
	tick := time.NewTicker(liveRefresh)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.update(func() {})
		case <-l.stop:
			return
		}
	}
}

// close erases the lines and stops drawing.
func (l *live) close() {
	close(l.stop)
	<-l.done
	l.update(func() { l.rows = nil })
}

// update changes the lines and draws them again.
func (l *live) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	var b strings.Builder
	l.erase(&b)
	l.draw(&b)
	if b.Len() > 0 {
		_, _ = io.WriteString(l.w, b.String())
	}
}

// print writes whole lines above the status lines.
func (l *live) print(lines string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	l.erase(&b)
	b.WriteString(lines)
	l.draw(&b)
	_, _ = io.WriteString(l.w, b.String())
}

// set adds a line, or replaces its text.
func (l *live) set(name string, row statusLine) {
	l.update(func() {
		i := slices.IndexFunc(l.rows, func(r *statusLine) bool { return r.name == name })
		if i < 0 {
			l.rows = append(l.rows, &row)
			slices.SortStableFunc(l.rows, func(a, b *statusLine) int { return cmp.Compare(a.place, b.place) })
			return
		}
		l.rows[i].text = row.text // the time goes on
	})
}

// remove takes a line away.
func (l *live) remove(name string) {
	l.update(func() {
		l.rows = slices.DeleteFunc(l.rows, func(r *statusLine) bool { return r.name == name })
	})
}

// has reports whether there is a line of that name.
func (l *live) has(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.rows, func(r *statusLine) bool { return r.name == name })
}

// erase removes the drawn lines. A terminal that has become narrower has wrapped
// the lines. They go one by one: tmux keeps in its scroll-back all lines that
// are erased at once from the top of the screen to its end.
func (l *live) erase(b *strings.Builder) {
	if len(l.drawn) == 0 {
		return
	}
	width, _ := l.size()
	up := 0
	for _, n := range l.drawn {
		up += max(1, (n+width-1)/width)
	}
	b.WriteByte('\r')
	for range up {
		b.WriteString("\x1b[A\x1b[2K")
	}
	l.drawn = l.drawn[:0]
}

func (l *live) draw(b *strings.Builder) {
	if len(l.rows) == 0 {
		return
	}
	width, height := l.size()
	rows, more := l.rows, 0
	if most := max(height/2, 2); len(rows) > most {
		rows, more = rows[:most-1], len(rows)-most+1
	}
	column := 0
	for _, r := range rows {
		column = max(column, utf8.RuneCountInString(r.name))
	}
	column = min(column, width/2)
	for _, r := range rows {
		took := l.now().Sub(r.since).Round(time.Second)
		head := fmt.Sprintf("%-*s", column, fit(r.name, column+1))
		line := fit(fmt.Sprintf("%s  %6s  %s", head, took, text.CleanLine(r.text)), width)
		l.drawn = append(l.drawn, utf8.RuneCountInString(line))
		cut := min(len(head), len(line))
		b.WriteString(r.color.Paint(line[:cut]) + line[cut:] + "\n")
	}
	if more > 0 {
		line := fit(fmt.Sprintf("… and %d more", more), width)
		l.drawn = append(l.drawn, utf8.RuneCountInString(line))
		b.WriteString(line + "\n")
	}
}
