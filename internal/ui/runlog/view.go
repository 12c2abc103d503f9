package runlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/ansi"
)

// pollEvery is how often a followed log is looked at.
const pollEvery = 200 * time.Millisecond

// Source is the log of one instance.
type Source struct {
	Instance, Path string
	// Session is the instance's current session by its state, "" if unknown.
	Session string
}

// View says which records are shown, and how (Test Kitchen: kitchen logs).
type View struct {
	// Level is the least rank shown, as of [ParseLevel].
	Level int
	// Session is the only session shown; All shows every one. With neither it
	// is each instance's current one, or the latest in its log.
	Session string
	All     bool
	// NDJSON shows the lines as they are, else it is their messages.
	NDJSON bool
	// Color paints the messages. Without it, colours that are in them are
	// taken out.
	Color bool
}

// NoSessionError tells that no log has the session asked for.
type NoSessionError struct {
	Session string
	// Known are the sessions there are, the latest last.
	Known []string
}

func (e *NoSessionError) Error() string {
	return fmt.Sprintf("there is no session %q in the logs", e.Session)
}

// Hint names some sessions.
func (e *NoSessionError) Hint() string {
	if len(e.Known) == 0 {
		return ""
	}
	return "the latest sessions are " + strings.Join(e.Known[max(0, len(e.Known)-5):], ", ")
}

// NoLogError tells a missing log to show.
type NoLogError struct{ Paths []string }

func (e *NoLogError) Error() string {
	if len(e.Paths) == 1 {
		return "there is no structured log at " + e.Paths[0]
	}
	return "there are no structured logs of these instances"
}

// Hint says how one comes into being.
func (e *NoLogError) Hint() string {
	return "it is written when something is done to an instance, as by `galley create`"
}

// Print writes what the sources hold, one after the other, and with follow
// additions to them until ctx ends, the cause of which it then returns.
func (v View) Print(ctx context.Context, w io.Writer, sources []Source, follow bool) error {
	p := &printer{view: v, w: w, sources: sources}
	for _, s := range sources {
		p.width = max(p.width, len(s.Instance))
	}
	indexes, err := v.indexes(sources, follow)
	if err != nil {
		return err
	}
	tails := make([]*Tail, len(sources))
	for i, s := range sources {
		last := 0
		if follow {
			// The current file is read by the tail, from its beginning.
			last, tails[i] = 1, NewTail(s.Path)
			defer tails[i].Close()
		}
		show := p.only(i, indexes[i])
		if err := scan(s.Path, last, show); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if follow {
			if err := tails[i].Poll(show); err != nil {
				return err
			}
		}
	}
	if !follow {
		return p.err
	}
	return p.follow(ctx, tails)
}

// indexes reads the index of each source, nil without a log.
func (v View) indexes(sources []Source, follow bool) ([]*Index, error) {
	var (
		out   = make([]*Index, len(sources))
		paths []string
		known []string
		found bool
	)
	for i, s := range sources {
		ix, err := ReadIndex(s.Path)
		if errors.Is(err, os.ErrNotExist) {
			paths = append(paths, s.Path)
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i] = ix
		found = found || ix.Has(v.Session)
		for _, s := range ix.Sessions {
			known = append(known, s.ID)
		}
	}
	switch {
	case follow:
	case len(paths) == len(sources):
		return nil, &NoLogError{paths}
	case v.Session != "" && !found:
		return nil, &NoSessionError{v.Session, known}
	}
	return out, nil
}

type printer struct {
	view    View
	w       io.Writer
	sources []Source
	width   int
	err     error
}

// only shows the records of the session that is to be shown of a source, and
// those of sessions that have begun since its index was read.
func (p *printer) only(i int, ix *Index) func(Record, []byte) {
	session := p.view.Session
	if ix == nil {
		ix = &Index{}
	}
	if session == "" && !p.view.All {
		if session = p.sources[i].Session; !ix.Has(session) {
			session = ix.Latest()
		}
	}
	return func(rec Record, line []byte) {
		owner := ix.Owner(rec)
		if session == "" || owner == session || p.view.Session == "" && owner != "" && !ix.Has(owner) {
			p.show(i, rec, line)
		}
	}
}

func (p *printer) follow(ctx context.Context, tails []*Tail) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		for i, t := range tails {
			err := t.Poll(func(rec Record, line []byte) {
				if p.view.Session == "" || rec.Session == p.view.Session {
					p.show(i, rec, line)
				}
			})
			if err != nil {
				return err
			}
		}
		if p.err != nil {
			return p.err
		}
		if ended {
			return context.Cause(ctx)
		}
	}
}

func (p *printer) show(i int, rec Record, line []byte) {
	if p.err != nil || rec.Rank() < p.view.Level {
		return
	}
	if p.view.NDJSON {
		_, p.err = fmt.Fprintf(p.w, "%s\n", strings.TrimRight(string(line), "\r\n"))
		return
	}
	var b strings.Builder
	for line := range strings.SplitSeq(text.CleanOutput(rec.Message), "\n") {
		color := ui.Color(0)
		if len(p.sources) > 1 {
			line = fmt.Sprintf("%-*s  %s", p.width, p.sources[i].Instance, line)
			color = ui.InstanceColor(i)
		}
		switch l := rec.LevelOf(); {
		case l >= ui.ErrorLevel:
			color = ui.Red
		case l == ui.WarnLevel:
			color = ui.Yellow
		}
		if p.view.Color {
			line = color.Paint(line)
		} else {
			line = ansi.Strip(line)
		}
		b.WriteString(line + "\n")
	}
	_, p.err = io.WriteString(p.w, b.String())
}
