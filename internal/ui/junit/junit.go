package junit

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/ui/ansi"
	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/kitchen"
)

const (
	// outputLines and outputSize bound the end of the output that a testcase
	// shows.
	outputLines = 400
	outputSize  = 64 << 10
	// reasonLines is how much of it is printed beside the reason of a failure too,
	// where most servers look first.
	reasonLines = 30
)

// Lines is how many lines of a phase a [history.History] should keep for the
// file.
const Lines = outputLines

// Run says the request.
type Run struct {
	// Action is the command, as "converge" or "test".
	Action string
	// Begin is when the run began, Now when the file is written.
	Begin, Now time.Time
	// ID is the run's identifier.
	ID string
	// Log names the log file of an instance.
	Log func(instance string) string
}

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Name    string   `xml:"name,attr"`
	counts
	Time   string  `xml:"time,attr"`
	Suites []suite `xml:"testsuite"`
}

type counts struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"-"`
}

type suite struct {
	Name    string `xml:"name,attr"`
	Package string `xml:"package,attr"`
	ID      int    `xml:"id,attr"`
	counts
	// The schema knows it on a testsuite only.
	Skips      int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Name      string  `xml:"name,attr"`
	Classname string  `xml:"classname,attr"`
	Time      string  `xml:"time,attr"`
	Skipped   *detail `xml:"skipped"`
	Error     *detail `xml:"error"`
	Failure   *detail `xml:"failure"`
	Out       *output `xml:"system-out"`
}

type detail struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	// Text is CDATA, in which lines stay lines for whoever reads the file.
	Text string `xml:",cdata"`
}

type output struct {
	Text string `xml:",cdata"`
}

// Marshal returns the file.
func Marshal(h *history.History, run Run) ([]byte, error) {
	all := suites{Name: "galley " + run.Action, Time: seconds(run.Now.Sub(run.Begin))}
	for i, in := range h.Instances {
		s := run.suite(in)
		s.ID = i
		all.add(s.counts)
		all.Suites = append(all.Suites, s)
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return nil, fmt.Errorf("writing JUnit XML: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func (c *counts) add(o counts) {
	c.Tests += o.Tests
	c.Failures += o.Failures
	c.Errors += o.Errors
	c.Skipped += o.Skipped
}

func (r Run) suite(in *history.Instance) suite {
	begin := in.Begin()
	if begin.IsZero() {
		begin = r.Begin
	}
	s := suite{
		Name: text(in.Name), Package: "galley",
		Time: seconds(in.Elapsed()), Timestamp: begin.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, p := range []property{
		{"suite", in.Suite}, {"platform", in.Platform}, {"kitchen_run_id", r.ID}, {"instance_session_id", in.Session},
	} {
		if p.Value != "" {
			p.Value = text(p.Value)
			s.Properties = append(s.Properties, p)
		}
	}
	for i, p := range in.Phases {
		s.put(in, r.phase(in, p, i))
	}
	for _, c := range r.owed(in) {
		s.put(in, c)
	}
	s.Skips = s.Skipped
	return s
}

func (s *suite) put(in *history.Instance, c testcase) {
	c.Classname = "galley." + text(in.Name)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// phase returns the testcase of a phase. What the cookbook does wrong is a
// failure; a missing machine, or nobody waited for the end, is an
// error.
func (r Run) phase(in *history.Instance, p *history.Phase, i int) testcase {
	c := testcase{Name: string(p.Action), Time: seconds(p.Elapsed())}
	if r.Action == "test" && i == 0 && p.Action == kitchen.Destroy {
		c.Name = "cleanup" // a separate name: servers distinguish testcases by it
	}
	lines, before := p.Lines.Last(outputLines)
	if out := plain(lines, before); out != "" {
		c.Out = &output{out}
	}
	switch p.Outcome {
	case history.Failed:
		d := r.detail(in, p)
		if p.Action == kitchen.Create || p.Action == kitchen.Destroy {
			c.Error = d
		} else {
			c.Failure = d
		}
	case history.Interrupted:
		c.Error = r.detail(in, p)
		c.Error.Type = "interrupted"
	case history.Unfinished:
		c.Error = &detail{Message: "the run ended before " + string(p.Action) + " had finished", Type: "unfinished"}
	}
	return c
}

// detail says why a phase failed, what to do about it and the last output.
func (r Run) detail(in *history.Instance, p *history.Phase) *detail {
	first, _, _ := strings.Cut(p.Reason, "\n")
	var b strings.Builder
	fmt.Fprintf(&b, "%s failed on instance <%s>: %s\n", p.Action.Noun(), in.Name, p.Reason)
	if p.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", p.Hint)
	}
	if r.Log != nil {
		fmt.Fprintf(&b, "log: %s\n", r.Log(in.Name))
	}
	// Some reasons end with the end of the output already.
	lines, before := p.Lines.Last(reasonLines)
	if out := lastOutput(lines); out != "" && !strings.Contains(p.Reason, out) {
		fmt.Fprintf(&b, "\n%s", plain(lines, before))
	}
	return &detail{Message: text(first), Type: text(cmp.Or(p.Class, "Kitchen::ActionFailed")), Text: text(b.String())}
}

// lastOutput returns the last line that is not a headline and says something.
func lastOutput(lines []history.Line) string {
	for _, l := range slices.Backward(lines) {
		if s := strings.TrimSpace(ansi.Strip(l.Text)); s != "" && !l.Headline && l.Level == "info" {
			return s
		}
	}
	return ""
}

// owed returns the testcases of what the run was asked for and did not come
// to.
func (r Run) owed(in *history.Instance) []testcase {
	skipped := func(name, why string) testcase {
		return testcase{Name: name, Time: seconds(0), Skipped: &detail{Message: why}}
	}
	if len(in.Phases) == 0 {
		return []testcase{skipped(r.Action, text(cmp.Or(in.Reason, "not begun")))}
	}
	// After the first failure a test only destroys, where it was told to.
	broken := in.Phases[0]
	for _, p := range in.Phases {
		if p.Outcome != history.Passed {
			broken = p
			break
		}
	}
	wanted, from := kitchen.Action(r.Action), broken.Action
	if r.Action == "test" {
		wanted = kitchen.Verify
	}
	switch {
	case broken.Outcome == history.Passed, broken.Action == wanted:
		return nil
	case broken.Action == kitchen.Destroy && (r.Action != "test" || broken != in.Phases[0]):
		return nil
	case broken.Action == kitchen.Destroy:
		from = "" // it was to clean up first
	}
	var out []testcase
	for _, a := range kitchen.Owed(from, wanted) {
		out = append(out, skipped(string(a), fmt.Sprintf("not begun: %s %s", broken.Action, broken.Outcome)))
	}
	return out
}

// plain returns lines as text without escape sequences, cut to outputSize
// from the front.
func plain(lines []history.Line, before int) string {
	size := 0
	for i := len(lines) - 1; i >= 0; i-- {
		if size += len(lines[i].Text) + 1; size > outputSize {
			before += i + 1
			lines = lines[i+1:]
			break
		}
	}
	var b strings.Builder
	if before > 0 {
		fmt.Fprintf(&b, "... %d earlier lines are in the log\n", before)
	}
	for _, l := range lines {
		b.WriteString(ansi.Strip(l.Text))
		b.WriteByte('\n')
	}
	return text(b.String())
}

// text makes a string one that XML 1.0 can hold; other characters become
// U+FFFD. The encoder does so too, but not in CDATA.
func text(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return -1
		case r == '\t', r == '\n', r >= ' ' && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000:
			return r
		}
		return '\uFFFD'
	}, s)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
