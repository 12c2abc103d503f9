package history

import (
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

// longestLine bounds the kept part of one line, in bytes.
const longestLine = 4 << 10

// Lines are the last of the lines that were said.
type Lines struct {
	// Dropped is how many earlier ones were not kept.
	Dropped int
	keep    int
	ring    []Line
	next    int
}

// add takes the lines of a record. What is of interest only to whoever looks
// closely stays in the log.
func (l *Lines) add(rec runlog.Record) {
	if rec.Level == "debug" || l.keep <= 0 {
		return
	}
	text := rec.Message
	switch rec.Kind() {
	case kitchen.StepFailed:
		// The reason is reported on its own.
		text, _, _ = strings.Cut(text, "\n")
	case kitchen.StillWaiting:
		if rec.Own.Elapsed >= 30 {
			return // the wait is reported once
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > longestLine {
			line = strings.ToValidUTF8(line[:longestLine], "") + fmt.Sprintf(" … (%d bytes more)", len(line)-longestLine)
		}
		l.push(Line{Time: rec.Time.Time, Level: rec.Level, Headline: rec.Type == runlog.TypeBanner, Text: line})
	}
}

func (l *Lines) push(line Line) {
	if len(l.ring) < l.keep {
		l.ring = append(l.ring, line)
		return
	}
	l.ring[l.next] = line
	l.next = (l.next + 1) % l.keep
	l.Dropped++
}

// Last returns the last n lines at most, the oldest first, and how many there
// were before them.
func (l *Lines) Last(n int) ([]Line, int) {
	all := append(append(make([]Line, 0, len(l.ring)), l.ring[l.next:]...), l.ring[:l.next]...)
	cut := max(0, len(all)-n)
	return all[cut:], l.Dropped + cut
}
