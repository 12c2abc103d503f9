package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/ui/history"
)

const (
	// shortGap is the longest time without any phase that is drawn as long as
	// it was.
	shortGap = 20 * time.Second
	// gapWidth is what a longer one takes of the width, in per cent; all of
	// them take gapsWidth at most.
	gapWidth  = 2.5
	gapsWidth = 30.0
	// ticks is how many marks there are about in the whole width.
	ticks = 8
)

// axis says where on the page's width a time lies. Times in which nothing
// went on are left out, so that a converge in the morning and one in the
// afternoon can both be seen.
type axis struct {
	spans []span
	gap   float64 // the width of one gap
	scale float64 // per cent a second
}

// span is a time in which something went on.
type span struct {
	begin, end time.Time
	at         float64 // where it begins, in per cent
}

func newAxis(h *history.History) *axis {
	var all []span
	for _, in := range h.Instances {
		for _, p := range in.Phases {
			all = append(all, span{begin: p.Begin, end: p.End})
		}
	}
	a := &axis{spans: merge(all)}
	if len(a.spans) == 0 {
		return a
	}
	total := 0.0
	for _, s := range a.spans {
		total += s.end.Sub(s.begin).Seconds()
	}
	if n := len(a.spans) - 1; n > 0 {
		a.gap = min(gapWidth, gapsWidth/float64(n))
	}
	a.scale = (100 - a.gap*float64(len(a.spans)-1)) / max(total, 0.001)
	at := 0.0
	for i := range a.spans {
		s := &a.spans[i]
		s.at = at
		at += s.end.Sub(s.begin).Seconds()*a.scale + a.gap
	}
	return a
}

// merge joins spans that overlap or lie near each other.
func merge(all []span) []span {
	var out []span
	for _, s := range sortedSpans(all) {
		if n := len(out); n > 0 && s.begin.Sub(out[n-1].end) <= shortGap {
			if s.end.After(out[n-1].end) {
				out[n-1].end = s.end
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// sortedSpans sorts spans by their beginning.
func sortedSpans(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return a.begin.Compare(b.begin) })
	return all
}

// x returns where a time lies, in per cent.
func (a *axis) x(t time.Time) float64 {
	i, _ := slices.BinarySearchFunc(a.spans, t, func(s span, t time.Time) int { return s.end.Compare(t) })
	if i == len(a.spans) {
		return 100
	}
	s := a.spans[i]
	return s.at + max(0, t.Sub(s.begin).Seconds())*a.scale
}

// tick is a mark on the axis.
type tick struct {
	X     float64
	Label string
	// Major is the beginning of a span, Gap the time left out before it.
	Major bool
	Gap   string
}

// marks returns the marks of the axis: the time at the beginning of each
// span, and in it how long after.
func (a *axis) marks(loc *time.Location) []tick {
	var out []tick
	step := a.step()
	for i, s := range a.spans {
		m := tick{X: s.at, Label: s.begin.In(loc).Format(time.TimeOnly), Major: true}
		if i > 0 {
			away := s.begin.Sub(a.spans[i-1].end)
			m.Gap = Duration(away.Round(time.Second))
			if away > 12*time.Hour {
				m.Label = s.begin.In(loc).Format("2 Jan 15:04")
			}
		}
		out = append(out, m)
		for d := step; d < s.end.Sub(s.begin); d += step {
			out = append(out, tick{X: s.at + d.Seconds()*a.scale, Label: "+" + Duration(d)})
		}
	}
	return uncrowd(out)
}

// room is what a label takes of the width, in per cent.
const room = 8

// uncrowd takes the labels away that would run into the next one or over the
// end. The beginnings of spans are kept before the marks in them.
func uncrowd(marks []tick) []tick {
	next := 100.0 // where there is something else to the right
	for i := len(marks) - 1; i >= 0; i-- {
		m := &marks[i]
		switch {
		case m.Major && (next-m.X >= room || next == 100):
			next = m.X
			if m.X > 100-room {
				next -= room // it stands to the left of its mark
			}
		case m.Major || next-m.X < room:
			m.Label = ""
		}
	}
	return marks
}

// step returns a round time between two marks.
func (a *axis) step() time.Duration {
	about := time.Duration(100 / ticks / max(a.scale, 1e-9) * float64(time.Second))
	for _, s := range []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
		10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
		20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if s >= about {
			return s
		}
	}
	return max(24*time.Hour, about.Round(24*time.Hour))
}

// Duration writes a duration for people: 40 ms, 0.4 s, 12.3 s, 2 min 5 s, 1 h 3 min.
func Duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "0 s"
	case d < 95*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return trim(fmt.Sprintf("%.1f", d.Seconds())) + " s"
	case d < time.Minute-500*time.Millisecond:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return pair(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
		return pair(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	d = d.Round(time.Hour)
	return pair(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func trim(s string) string {
	if n := len(s) - 2; s[n:] == ".0" {
		return s[:n]
	}
	return s
}

func pair(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unitA)
	}
	return fmt.Sprintf("%d %s %d %s", a, unitA, b, unitB)
}
