package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/ui/ansi"
	"github.com/galleyhq/galley/internal/ui/history"
)

const (
	// Lines is how many lines of a phase a [history.History] should keep for
	// the page; that of a phase that failed shows them all.
	Lines = 500
	// allLines bounds the lines of the phases that passed, over the whole
	// page; each shows fewestLines at least and mostLines at most.
	allLines    = 15000
	fewestLines = 20
	mostLines   = 200
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// pageTemplate parses the template when the first report is written.
var pageTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageHTML)) })

// Options say what stands on the page beside what happened.
type Options struct {
	// Project is the tested project, as the name of its directory.
	Project string
	// Tool made the page, as "Galley 1.2".
	Tool string
	// Now is when the page is made; times are shown in its zone.
	Now time.Time
	// Log names the log file of an instance.
	Log func(instance string) string
}

// Write writes the page.
func Write(w io.Writer, h *history.History, o Options) error {
	b := builder{Options: o, axis: newAxis(h), lines: budget(h), alone: len(h.Instances) == 1}
	if err := pageTemplate().Execute(w, b.page(h)); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// budget returns how many lines a phase that passed may show.
func budget(h *history.History) int {
	n := 0
	for _, in := range h.Instances {
		n += len(in.Phases)
	}
	return min(mostLines, max(fewestLines, allLines/max(1, n)))
}

type builder struct {
	Options
	axis  *axis
	lines int
	alone bool // there is one instance only
}

type page struct {
	Project, Tool, Policy string
	CSS                   template.CSS
	JS                    template.JS
	// State is the outcome of the whole, as a class; Verdict is it in words.
	State, Verdict  string
	When, Generated string
	GeneratedISO    string
	Tiles           []tile
	Causes          []cause
	Ticks           []tick
	Instances       []instance
	Filters         []filter
}

type tile struct{ Class, Value, Label string }

// filter is a button that shows the instances of one outcome.
type filter struct {
	Class, Label string
	Count        int
}

// cause is why some instances failed: one cause may fail many.
type cause struct {
	Class, Heading, Reason, Hint string
	Instances                    []link
}

type link struct{ Name, ID string }

type instance struct {
	Name, ID, Class, Outcome string
	// Note is what an instance that was not begun was not begun for.
	Note         string
	Took, Spoken string
	Facts        []fact
	Reason, Hint string
	Open         bool
	Bars         []bar
	Lanes        []lane
	Phases       []phase
	Lines        template.HTML
	Log          string
}

type fact struct{ Label, Value string }

type bar struct {
	ID, Class, Title string
	X, W, End        float64
	// Mark is the sign of a failure, which a narrow bar has beside it.
	Mark, Narrow bool
	Waits        []stretch
}

type stretch struct {
	X, W  float64
	Title string
}

type phase struct {
	ID, Name, Class, Outcome string
	Began, Took              string
	Open                     bool
	Reason, Hint             string
	Where                    string
	Waits                    []fact
	Lines                    template.HTML
	Count, Before            int
	Log                      string
}

// class is an outcome as a class of the style sheet.
func class(o history.Outcome) string { return strings.ReplaceAll(string(o), " ", "-") }

var outcomes = []history.Outcome{history.Failed, history.Interrupted, history.Unfinished, history.NotBegun, history.Passed}

func (b *builder) page(h *history.History) page {
	sum := sha256.Sum256([]byte(pageJS))
	p := page{
		Project: b.Project, Tool: b.Tool, CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
		Policy: "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" +
			base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		Generated: b.Now.Format("2 January 2006, 15:04:05 MST"), GeneratedISO: b.Now.Format(time.RFC3339),
		Ticks: b.axis.marks(b.Now.Location()),
	}
	for i, in := range h.Instances {
		p.Instances = append(p.Instances, b.instance(in, i))
	}
	p.State, p.Verdict = verdict(h)
	p.When, p.Tiles = b.tiles(h)
	p.Filters = filters(h)
	p.Causes = b.causes(h, p.Instances)
	return p
}

// verdict says how the whole came out.
func verdict(h *history.History) (state, words string) {
	n, all := h.Count(), len(h.Instances)
	for _, o := range outcomes {
		switch {
		case n[o] == 0:
		case all == 1:
			return class(o), h.Instances[0].Name + " " + string(o)
		case n[o] == all:
			return class(o), fmt.Sprintf("All %d instances %s", all, o)
		case o == history.NotBegun:
			return class(o), fmt.Sprintf("%d of %d instances were not begun", n[o], all)
		default:
			return class(o), fmt.Sprintf("%d of %d instances %s", n[o], all, o)
		}
	}
	return class(history.NotBegun), "Nothing has been done yet"
}

func (b *builder) tiles(h *history.History) (when string, tiles []tile) {
	var begin, end time.Time
	var sum time.Duration
	for _, in := range h.Instances {
		if t := in.Begin(); begin.IsZero() || !t.IsZero() && t.Before(begin) {
			begin = t
		}
		if t := in.End(); t.After(end) {
			end = t
		}
		sum += in.Elapsed()
	}
	n := h.Count()
	for _, o := range outcomes {
		if n[o] > 0 && len(h.Instances) > 1 {
			tiles = append(tiles, tile{class(o), fmt.Sprint(n[o]), string(o)})
		}
	}
	if begin.IsZero() {
		return "", tiles
	}
	busy := time.Duration(0)
	for _, s := range b.axis.spans {
		busy += s.end.Sub(s.begin)
	}
	label := "on the clock"
	if len(b.axis.spans) > 1 {
		label += ", pauses left out"
	}
	tiles = append(tiles, tile{"", Duration(busy), label})
	if len(h.Instances) > 1 {
		tiles = append(tiles, tile{"", Duration(sum), "in all phases together"})
	}
	loc := b.Now.Location()
	layout := "2 January 2006, 15:04:05"
	until := time.TimeOnly
	if begin.In(loc).YearDay() != end.In(loc).YearDay() || begin.Year() != end.Year() {
		until = layout
	}
	return begin.In(loc).Format(layout) + " – " + end.In(loc).Format(until), tiles
}

func filters(h *history.History) []filter {
	n := h.Count()
	out := []filter{{"", "all", len(h.Instances)}}
	for _, o := range outcomes {
		if n[o] > 0 {
			out = append(out, filter{class(o), string(o), n[o]})
		}
	}
	if len(out) < 3 {
		return nil
	}
	return out
}

// causes gathers the instances that failed in the same way.
func (b *builder) causes(h *history.History, shown []instance) []cause {
	var out []cause
	at := map[string]int{}
	for i, in := range h.Instances {
		p := in.Culprit()
		if p == nil {
			continue
		}
		// Advice that names the instance is the same advice.
		key := strings.ReplaceAll(fmt.Sprint(p.Action, p.Outcome, shown[i].Reason, shown[i].Hint), in.Name, "")
		j, ok := at[key]
		if !ok {
			j = len(out)
			at[key] = j
			heading := fmt.Sprintf("%s %s", p.Action.Noun(), p.Outcome)
			out = append(out, cause{Class: class(p.Outcome), Heading: heading, Reason: shown[i].Reason, Hint: shown[i].Hint})
		}
		out[j].Instances = append(out[j].Instances, link{in.Name, shown[i].ID})
	}
	return out
}

func (b *builder) instance(in *history.Instance, index int) instance {
	out := in.Outcome()
	i := instance{
		Name: in.Name, ID: fmt.Sprintf("i%d", index), Class: class(out), Outcome: string(out),
		Open: b.alone || out != history.Passed && out != history.NotBegun,
	}
	if out == history.NotBegun {
		i.Note = in.Reason
	}
	for _, f := range []fact{{"Suite", in.Suite}, {"Platform", in.Platform}, {"Session", in.Session}} {
		if f.Value != "" {
			i.Facts = append(i.Facts, f)
		}
	}
	if b.Log != nil {
		i.Log = b.Log(in.Name)
	}
	var spoken []string
	for k, p := range in.Phases {
		ph := b.phase(p, fmt.Sprintf("%s-%d", i.ID, k), i.Log)
		i.Phases = append(i.Phases, ph)
		i.Bars = append(i.Bars, b.bar(p, ph))
		spoken = append(spoken, fmt.Sprintf("%s %s after %s", ph.Name, ph.Outcome, ph.Took))
	}
	i.Lanes = b.lanes(in)
	if len(in.Phases) > 0 {
		i.Took = Duration(in.Elapsed())
		i.Spoken = strings.Join(spoken, ", ")
	}
	if p := in.Culprit(); p != nil {
		i.Reason, i.Hint = why(p), ansi.Strip(p.Hint)
		for k := range in.Phases {
			i.Phases[k].Open = in.Phases[k] == p
		}
	}
	if lines, _ := in.Lines.Last(fewestLines); len(lines) > 0 {
		i.Lines = logHTML(lines, lines[0].Time)
	}
	return i
}

// why returns the reason of a phase that did not pass.
func why(p *history.Phase) string {
	if p.Outcome == history.Unfinished {
		return "The end was not heard of: it still goes on, or its process was killed."
	}
	lines := strings.Split(p.Reason, "\n")
	for i := range lines {
		lines[i] = ansi.Strip(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func (b *builder) phase(p *history.Phase, id, log string) phase {
	n := b.lines
	if p.Outcome != history.Passed {
		n = Lines
	}
	lines, before := p.Lines.Last(n)
	ph := phase{
		ID: id, Name: string(p.Action), Class: class(p.Outcome), Outcome: string(p.Outcome),
		Began: p.Begin.In(b.Now.Location()).Format(time.TimeOnly), Took: Duration(p.Elapsed()),
		Lines: logHTML(lines, p.Begin), Count: len(lines) + before, Before: before, Log: log,
	}
	if p.Outcome != history.Passed {
		ph.Reason, ph.Hint = why(p), ansi.Strip(p.Hint)
	}
	ph.Where = where(p)
	for _, w := range p.Waits {
		ph.Waits = append(ph.Waits, fact{ansi.Strip(w.What), Duration(w.End.Sub(w.Begin))})
	}
	return ph
}

func (b *builder) bar(p *history.Phase, ph phase) bar {
	s := b.stretch(p.Begin, p.End)
	out := bar{
		ID: ph.ID, Class: ph.Name + " " + ph.Class, X: s.X, W: s.W, End: s.X + s.W,
		Title: fmt.Sprintf("%s %s after %s", ph.Name, ph.Outcome, ph.Took),
		Mark:  p.Outcome == history.Failed || p.Outcome == history.Interrupted, Narrow: s.W < 2,
	}
	for _, w := range p.Waits {
		ws := b.stretch(w.Begin, w.End)
		ws.Title = fmt.Sprintf("%s: waited %s for %s", ph.Name, Duration(w.End.Sub(w.Begin)), ansi.Strip(w.What))
		out.Waits = append(out.Waits, ws)
	}
	return out
}

// stretch returns where a time lies; it is never too narrow to be seen.
func (b *builder) stretch(begin, end time.Time) stretch {
	x := b.axis.x(begin)
	w := max(0.25, b.axis.x(end)-x)
	return stretch{X: round(min(x, 100-w)), W: round(w)}
}

func round(f float64) float64 { return float64(int(f*1000+0.5)) / 1000 }
