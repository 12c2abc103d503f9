package junit

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var begin = time.Date(2026, 11, 20, 14, 2, 31, 0, time.UTC)

// tell adds what happened in one phase: its last record says how it ended.
func tell(h *history.History, instance string, a kitchen.Action, from float64, own runlog.Own, output ...string) {
	rec := runlog.Record{
		Run: "run-1", Instance: instance, Suite: "default", Platform: instance, Action: string(a),
		Step: instance + string(a) + strconv.FormatFloat(from, 'f', -1, 64), Session: "session-" + instance,
	}
	say := func(sec float64, level, text string, own runlog.Own) {
		rec.Time = runlog.Stamp{Time: begin.Add(time.Duration(sec * float64(time.Second)))}
		rec.Level, rec.Message, rec.Own = level, text, &own
		h.Add(rec)
	}
	say(from, "info", a.Doing()+" <"+instance+">...", runlog.Own{Kind: kitchen.StepStarted})
	for _, line := range output {
		say(from, "info", line, runlog.Own{Kind: kitchen.Output})
	}
	if own.Kind != "" {
		say(from+own.Elapsed, "error", "over", own)
	}
}

func done(took float64) runlog.Own { return runlog.Own{Kind: kitchen.StepFinished, Elapsed: took} }

func broken(took float64, why, hint string) runlog.Own {
	return runlog.Own{Kind: kitchen.StepFailed, Elapsed: took, Error: why, Hint: hint, Class: "Kitchen::ActionFailed"}
}

// everything is a run in which everything happens.
func everything() *history.History {
	h := history.New(Lines)
	h.Expect(&kitchen.Instance{Name: "passes"}, &kitchen.Instance{Name: "never"})
	tell(h, "passes", kitchen.Destroy, 0, done(0.01))
	tell(h, "passes", kitchen.Create, 1, done(20.5))
	tell(h, "passes", kitchen.Converge, 22, done(3601.25), "\x1b[32mgreen\x1b[0m ]]> & <b>\x00\x0b\xff\uFFFE \r\n")
	tell(h, "passes", kitchen.Setup, 3623, done(0))
	tell(h, "passes", kitchen.Verify, 3623, done(2))
	tell(h, "passes", kitchen.Destroy, 3625, done(3))
	h.Add(runlog.Record{Run: "run-1", Instance: "never", Action: "test", Message: "Not begun: another instance failed", Own: &runlog.Own{Kind: kitchen.Skipped}})
	tell(h, "no-machine", kitchen.Destroy, 0, done(0))
	tell(h, "no-machine", kitchen.Create, 1, broken(5, "no valid host was found\n(NoValidHost \"x\" & <y>)", "ask for less"))
	tell(h, "no-machine", kitchen.Destroy, 7, done(1))
	tell(h, "bad-recipe", kitchen.Destroy, 0, done(0))
	tell(h, "bad-recipe", kitchen.Create, 1, done(1))
	tell(h, "bad-recipe", kitchen.Converge, 2, broken(4, "the client ended with exit status 1", ""), "first", "undefined method")
	stopped := broken(4, "interrupted", "")
	stopped.Interrupted = true
	tell(h, "stopped", kitchen.Destroy, 0, done(0))
	tell(h, "stopped", kitchen.Create, 1, stopped)
	tell(h, "killed", kitchen.Destroy, 0, done(0))
	tell(h, "killed", kitchen.Create, 1, runlog.Own{}, "on its way")
	tell(h, "unclean", kitchen.Destroy, 0, broken(1, "the cloud refused", ""))
	return h
}

var run = Run{Action: "test", Begin: begin, Now: begin.Add(3628 * time.Second), ID: "run-1", Log: func(i string) string { return ".kitchen/logs/" + i + ".log" }}

func TestGolden(t *testing.T) {
	got, err := Marshal(everything(), run)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "test.xml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Error(diff)
	}
}

// read is a file as a consumer reads it.
type read struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []read     `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (r read) attr(name string) string {
	for _, a := range r.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func parse(t testing.TB, data []byte) read {
	t.Helper()
	var r read
	if err := xml.Unmarshal(data, &r); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return r
}

// allowed is what junit-10.xsd of Jenkins' xUnit plug-in allows: attributes,
// and children.
var allowed = map[string][2]string{
	"testsuites": {" name time tests failures errors ", " testsuite "},
	"testsuite":  {" name tests failures errors group time skipped timestamp hostname id package file log url version ", " testsuite properties testcase system-out system-err "},
	"properties": {"", " property "},
	"property":   {" name value ", ""},
	"testcase":   {" name time classname group ", " skipped error failure system-out system-err "},
	"skipped":    {" type message ", ""}, "error": {" type message ", ""}, "failure": {" type message ", ""},
	"system-out": {"", ""}, "system-err": {"", ""},
}

func (r read) check() error {
	name := r.XMLName.Local
	rule, ok := allowed[name]
	if !ok {
		return errors.New(name + " is not allowed")
	}
	for _, a := range r.Attrs {
		if !strings.Contains(rule[0], " "+a.Name.Local+" ") {
			return errors.New(name + " may not have " + a.Name.Local)
		}
	}
	for _, c := range r.Children {
		if !strings.Contains(rule[1], " "+c.XMLName.Local+" ") {
			return errors.New(name + " may not hold " + c.XMLName.Local)
		}
		if err := c.check(); err != nil {
			return err
		}
	}
	return nil
}

// TestConsumersFindWhatTheyLookFor: the schema, the attributes that servers
// need, and counts that are those of the elements.
func TestConsumersFindWhatTheyLookFor(t *testing.T) {
	data, err := Marshal(everything(), run)
	if err != nil {
		t.Fatal(err)
	}
	all := parse(t, data)
	if err := all.check(); err != nil {
		t.Error(err)
	}
	total := map[string]int{}
	for _, s := range all.Children {
		n := map[string]int{}
		names := map[string]bool{}
		for _, c := range s.Children {
			if c.XMLName.Local != "testcase" {
				continue
			}
			n["tests"]++
			key := c.attr("classname") + "/" + c.attr("name")
			if names[key] || c.attr("classname") == "" || c.attr("name") == "" {
				t.Errorf("testcase %q is not the only one", key)
			}
			names[key] = true
			if _, err := strconv.ParseFloat(c.attr("time"), 64); err != nil {
				t.Error(err)
			}
			for _, r := range c.Children {
				n[map[string]string{"failure": "failures", "error": "errors", "skipped": "skipped"}[r.XMLName.Local]]++
			}
		}
		for _, k := range []string{"tests", "failures", "errors", "skipped"} {
			if s.attr(k) != strconv.Itoa(n[k]) {
				t.Errorf("%s: %s=%s, and there are %d", s.attr("name"), k, s.attr(k), n[k])
			}
			total[k] += n[k]
		}
		if _, err := time.Parse("2006-01-02T15:04:05", s.attr("timestamp")); err != nil {
			t.Error(err)
		}
	}
	for _, k := range []string{"tests", "failures", "errors"} {
		if all.attr(k) != strconv.Itoa(total[k]) {
			t.Errorf("%s=%s, and there are %d", k, all.attr(k), total[k])
		}
	}
}

func TestOutputIsBounded(t *testing.T) {
	h := history.New(Lines)
	lines := make([]string, 3000)
	for i := range lines {
		lines[i] = strconv.Itoa(i) + strings.Repeat("x", 1000)
	}
	tell(h, "a", kitchen.Converge, 0, broken(1, "no", ""), lines...)
	data, err := Marshal(h, Run{Action: "converge"})
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 2*outputSize {
		t.Errorf("%d bytes", len(data))
	}
	if s := string(data); !strings.Contains(s, "\n2999x") || !strings.Contains(s, "earlier lines are in the log") {
		t.Error("the end of the output, or that it is the end, is missing")
	}
}

func FuzzIsXML(f *testing.F) {
	f.Add("plain", "]]>]]]>\x00\x1b[3", "\uFFFE\uFFFF\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, name, out, why string) {
		h := history.New(Lines)
		tell(h, name, kitchen.Converge, 0, broken(1, why, out), out)
		data, err := Marshal(h, Run{Action: "converge", ID: name})
		if err != nil {
			t.Fatal(err)
		}
		dec := xml.NewDecoder(strings.NewReader(string(data)))
		for {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %q", err, data)
			}
		}
	})
}
