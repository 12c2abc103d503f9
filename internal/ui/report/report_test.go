package report

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// clock is the time of the runs in these tests.
type clock struct{ now time.Time }

func (c *clock) sleep(d time.Duration) { c.now = c.now.Add(d) }

// play is one instance's way through its phases, told to a history.
type play struct {
	*clock
	h                        *history.History
	name, suite, platform    string
	run, session, step, verb string
	steps                    int
}

func (p *play) say(kind kitchen.EventKind, level, typ, text string, own runlog.Own) {
	own.Kind = kind
	p.h.Add(runlog.Record{
		Run: p.run, Instance: p.name, Suite: p.suite, Platform: p.platform, Action: p.verb, Step: p.step, Session: p.session,
		Time: runlog.Stamp{Time: p.now}, Level: level, Type: typ, Message: text, Own: &own,
	})
}

func (p *play) begin(a kitchen.Action) {
	p.steps++
	p.verb, p.step = string(a), fmt.Sprintf("%s-%d", p.name, p.steps)
	p.say(kitchen.StepStarted, "info", runlog.TypeBanner, a.Doing()+" <"+p.name+">...", runlog.Own{})
}

func (p *play) wait(what string, d time.Duration) {
	p.say(kitchen.StillWaiting, "info", runlog.TypeLog, "Waiting for "+what+" (status BUILD)...", runlog.Own{})
	p.sleep(d)
	p.say(runlog.Waited, "debug", runlog.TypeLog, "Waited", runlog.Own{Elapsed: d.Seconds()})
}

func (p *play) call(kind kitchen.EventKind, what string, d time.Duration) {
	p.sleep(d)
	p.say(kind, "debug", runlog.TypeLog, what, runlog.Own{Elapsed: d.Seconds()})
}

func (p *play) out(line string) { p.say(kitchen.Output, "info", runlog.TypeStream, line, runlog.Own{}) }

func (p *play) end(took time.Duration) {
	p.say(kitchen.StepFinished, "info", runlog.TypeLog, "Finished", runlog.Own{Elapsed: took.Seconds()})
}

func (p *play) fail(took time.Duration, why, hint string, interrupted bool) {
	p.say(kitchen.StepFailed, "error", runlog.TypeLog, "Failed", runlog.Own{Elapsed: took.Seconds(), Error: why, Hint: hint, Class: "Kitchen::ActionFailed", Interrupted: interrupted})
}

// sample tells of n instances, some of which come to grief, run four at once.
func sample(n int, broken func(i int) string) *history.History {
	h := history.New(Lines)
	start := time.Date(2026, 11, 20, 14, 2, 31, 0, time.UTC)
	free := []time.Time{start, start, start, start}
	for i := range n {
		w := i % len(free)
		platform := []string{"debian-12", "ubuntu-2404", "almalinux-9", "rocky-9", "opensuse-leap-156"}[i%5]
		suite := []string{"default", "cluster-with-a-long-name", "tls"}[i/5%3]
		p := &play{clock: &clock{free[w]}, h: h, name: fmt.Sprintf("%s-%s", suite, platform), suite: suite, platform: platform, run: "run-1", session: fmt.Sprintf("0c871a27-%04d", i)}
		if i >= 15 {
			p.name += fmt.Sprintf("-%d", i)
		}
		p.through(i, broken(i))
		free[w] = p.now
	}
	return h
}

func (p *play) through(i int, trouble string) {
	if trouble == "skipped" {
		p.verb = "test"
		p.say(kitchen.Skipped, "warn", runlog.TypeLog, "Not begun: another instance failed", runlog.Own{})
		return
	}
	p.begin(kitchen.Create)
	from := p.now
	p.call(kitchen.APICall, "POST /v2.1/servers: 202", 900*time.Millisecond)
	p.wait("the server to become ACTIVE", time.Duration(14+i%7)*time.Second)
	if trouble == "create" {
		p.fail(p.now.Sub(from), "creating server <"+p.name+">: No valid host was found. (NoValidHost)", "ask for a smaller flavor, or another availability zone", false)
		return
	}
	p.wait("SSH service on 192.0.2.7:22", time.Duration(8+i%5)*time.Second)
	p.call(kitchen.SSHCall, "run a command", 500*time.Millisecond)
	p.end(p.now.Sub(from))
	p.begin(kitchen.Converge)
	from = p.now
	p.out("Cinc Client, version 18.5.0")
	for k := range 60 {
		p.sleep(time.Duration(400+i%3*150) * time.Millisecond)
		p.out(fmt.Sprintf("  \x1b[32m* package[nginx-%d] action install\x1b[0m <up to date> & \x1b[1;33mmodified\x1b[0m", k))
		if trouble == "killed" && k == 30 {
			return
		}
		if trouble == "interrupted" && k == 20 {
			p.fail(p.now.Sub(from), "interrupted", "", true)
			return
		}
	}
	p.say(kitchen.Warn, "warn", runlog.TypeLog, "apt: the index is 40 days old", runlog.Own{})
	if trouble == "converge" {
		p.out(strings.Repeat("=", 80))
		p.out("\x1b[31mRecipe Compile Error in /tmp/kitchen/cookbooks/web/recipes/default.rb\x1b[0m")
		p.out("undefined method `</pre><script>alert(1)</script>' for nil:NilClass")
		p.fail(p.now.Sub(from), "the client ended with exit status 1; the end of its output:\n  undefined method `</pre><script>alert(1)</script>' for nil:NilClass", "the stack trace is in the log", false)
		return
	}
	p.end(p.now.Sub(from))
	p.begin(kitchen.Setup)
	p.end(0)
	p.begin(kitchen.Verify)
	p.out("Profile: tests from test/integration/default")
	p.sleep(time.Duration(3+i%4) * time.Second)
	p.out("Test Summary: \x1b[38;5;41m14 successful\x1b[0m, 0 failures, \x1b[7mreversed\x1b[0m \x1b[48;2;120;40;90mbackground\x1b[0m")
	p.end(time.Duration(3+i%4) * time.Second)
	p.begin(kitchen.Destroy)
	p.wait("the server to be gone", 4*time.Second)
	p.end(4 * time.Second)
}

func render(t testing.TB, h *history.History) []byte {
	t.Helper()
	var b bytes.Buffer
	err := Write(&b, h, Options{
		Project: "web-cookbook", Tool: "Galley 1.2.3", Now: time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC),
		Log: func(i string) string { return ".kitchen/logs/" + i + ".log" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func troubles(m map[int]string) func(int) string { return func(i int) string { return m[i] } }

var samples = map[string]func() *history.History{
	"none": func() *history.History { return history.New(Lines) },
	"one":  func() *history.History { return sample(1, troubles(nil)) },
	"four": func() *history.History {
		return sample(4, troubles(map[int]string{1: "converge", 2: "killed"}))
	},
	"thirty": func() *history.History {
		return sample(30, troubles(map[int]string{3: "converge", 6: "create", 11: "create", 17: "converge", 21: "interrupted", 27: "killed", 28: "skipped", 29: "skipped"}))
	},
	"hundred": func() *history.History { return sample(100, troubles(map[int]string{42: "converge"})) },
	// A converge in the morning and another in the afternoon, which mends it.
	"gap": func() *history.History {
		h := history.New(Lines)
		p := &play{clock: &clock{time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}, h: h, name: "default-debian-12", run: "r1", session: "s"}
		p.through(0, "converge")
		p.sleep(5 * time.Hour)
		p.run = "r2"
		p.begin(kitchen.Converge)
		p.sleep(20 * time.Second)
		p.end(20 * time.Second)
		return h
	},
}

// TestPages compares the pages with those that were looked at in a browser.
func TestPages(t *testing.T) {
	for _, name := range []string{"none", "one", "four", "gap"} {
		t.Run(name, func(t *testing.T) {
			got := render(t, samples[name]())
			golden := filepath.Join("testdata", name+".html")
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
		})
	}
}

// TestPageIsSelfContained: nothing is loaded from anywhere, and what programs
// print stays text.
func TestPageIsSelfContained(t *testing.T) {
	page := string(render(t, samples["thirty"]()))
	for _, m := range regexp.MustCompile(`(?:href|src|action|url)\s*[=(]\s*["']?([^"')>\s]+)`).FindAllStringSubmatch(page, -1) {
		if to := m[1]; !strings.HasPrefix(to, "#") && !strings.HasPrefix(to, "data:image/svg+xml,") {
			t.Errorf("the page refers to %q", to)
		}
	}
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("%d script elements", n)
	}
	if strings.Contains(page, "@import") || !strings.Contains(page, `default-src &#39;none&#39;`) && !strings.Contains(page, `default-src 'none'`) {
		t.Error("no content security policy")
	}
}

// TestHundredInstancesStayUsable bounds the page: a hundred noisy instances
// must not make one that a browser cannot show.
func TestHundredInstancesStayUsable(t *testing.T) {
	h := history.New(Lines)
	for i := range 100 {
		p := &play{clock: &clock{time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}, h: h, name: fmt.Sprintf("i-%d", i), run: "r"}
		for _, a := range []kitchen.Action{kitchen.Create, kitchen.Converge, kitchen.Verify, kitchen.Destroy} {
			p.begin(a)
			for range Lines + 100 {
				p.out(strings.Repeat("x", 100))
			}
			p.end(time.Second)
		}
	}
	if n := len(render(t, h)); n > 6<<20 {
		t.Errorf("the page has %d bytes", n)
	}
}

func FuzzLogIsText(f *testing.F) {
	f.Add("</span><script>\x1b[31m<b>&\x1b[38;2;1;2;3mx\x00")
	f.Add("a\rb\b\x1b]0;title\x07\x9b1m\xff")
	tags := regexp.MustCompile(`</?span(?: data-t="[0-9.:]+")?(?: class="[a-z]")?>|</?i(?: class="[a-z0-9 ]+")?(?: style="[a-z0-9:#;]+")?>`)
	f.Fuzz(func(t *testing.T, text string) {
		got := tags.ReplaceAllString(string(logHTML([]history.Line{{Text: text, Level: "error"}}, time.Time{})), "")
		if strings.ContainsAny(got, "<>\"'") || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' }) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
