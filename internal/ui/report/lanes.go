package report

import (
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui/ansi"
	"github.com/galleyhq/galley/internal/ui/history"
)

// lane is one kind of what an instance spent its time on, on the page's axis.
type lane struct {
	Name, Class string
	Stretches   []stretch
}

// lanes are the calls to the cloud, the waits and the commands on the machine.
// An instance of whose calls nothing is known, as in a log of Test Kitchen's, has
// none.
func (b *builder) lanes(in *history.Instance) []lane {
	out := []lane{{Name: "API calls", Class: "api"}, {Name: "waiting", Class: "wait"}, {Name: "SSH", Class: "ssh"}}
	add := func(l int, what string, begin, end time.Time) {
		s := b.stretch(begin, end)
		s.Title = ansi.Strip(what) + ", " + Duration(end.Sub(begin))
		out[l].Stretches = append(out[l].Stretches, s)
	}
	calls := 0
	for _, p := range in.Phases {
		calls += len(p.Calls)
		for _, c := range p.Calls {
			l := 0
			if c.SSH {
				l = 2
			}
			add(l, c.What, c.Begin, c.End)
		}
		for _, w := range p.Waits {
			add(1, w.What, w.Begin, w.End)
		}
	}
	if calls == 0 {
		return nil
	}
	return out
}

// where says in a line what a phase spent its time on. Calls may overlap.
func where(p *history.Phase) string {
	var api, ssh []span
	for _, c := range p.Calls {
		s := span{begin: c.Begin, end: c.End}
		if c.SSH {
			ssh = append(ssh, s)
		} else {
			api = append(api, s)
		}
	}
	var waits []span
	for _, w := range p.Waits {
		waits = append(waits, span{begin: w.Begin, end: w.End})
	}
	if len(p.Calls) == 0 {
		return ""
	}
	parts := []string{
		text.Count(len(api), "API call") + " " + Duration(covered(api)),
		"waiting " + Duration(covered(waits)),
		text.Count(len(ssh), "SSH call") + " " + Duration(covered(ssh)),
	}
	return strings.Join(parts, " · ")
}

// covered is the time in which at least one of the spans goes on.
func covered(all []span) (d time.Duration) {
	var until time.Time
	for _, s := range sortedSpans(all) {
		if s.begin.Before(until) {
			s.begin = until
		}
		if s.end.After(s.begin) {
			d += s.end.Sub(s.begin)
			until = s.end
		}
	}
	return d
}
