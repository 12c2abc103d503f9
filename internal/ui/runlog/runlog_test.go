package runlog

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hinted is an error with advice and a name for the state file.
type hinted struct{ error }

func (hinted) Hint() string  { return "say hunter22 again" }
func (hinted) Class() string { return "Kitchen::Transport::SshFailed" }

func at(sec float64) time.Time {
	return time.Date(2026, 11, 20, 14, 2, 31, 123456000, time.FixedZone("", 3600)).Add(time.Duration(sec * float64(time.Second)))
}

// script is what happens in one run of one instance.
func script(rec *Recorder) {
	e := func(sec float64, kind kitchen.EventKind, text string, more ...func(*kitchen.Event)) {
		ev := kitchen.Event{
			Time: at(sec), Kind: kind, Text: text, Instance: "default-debian-12", Action: kitchen.Create,
			Run: "run-1", Session: "session-1", Step: "step-1",
		}
		for _, m := range more {
			m(&ev)
		}
		rec.Event(ev)
	}
	took := func(d time.Duration) func(*kitchen.Event) { return func(e *kitchen.Event) { e.Elapsed = d } }
	rec.Event(kitchen.Event{Time: at(0), Kind: kitchen.RunStarted, Run: "run-1", Action: kitchen.Create})
	e(0.1, kitchen.StepStarted, "")
	e(0.2, kitchen.StillWaiting, "the server to become ACTIVE (status BUILD)", took(100*time.Millisecond))
	e(0.4, kitchen.StillWaiting, "the server to become ACTIVE (status BUILD, spawning)", took(300*time.Millisecond))
	e(0.5, kitchen.Debug, "GET /servers/1")
	e(31, kitchen.StillWaiting, "the server to become ACTIVE (status BUILD)", took(31*time.Second))
	e(32, kitchen.Info, "(server ready), the password is hunter22")
	e(33, kitchen.Output, "plain <b> \x1b[31mred\x1b[0m \xff\x00")
	e(33, kitchen.Output, "-----> a headline")
	e(33, kitchen.Output, ">>>>>> an error")
	e(34, kitchen.StepFailed, "", took(1668*time.Millisecond), func(e *kitchen.Event) { e.Err = hinted{errors.New("hunter22 refused")} })
	e(35, kitchen.Skipped, "another instance failed", func(e *kitchen.Event) { e.Instance, e.Session, e.Step = "default-x", "", "" })
	rec.Event(kitchen.Event{Time: at(36), Kind: kitchen.RunFinished, Run: "run-1", Action: kitchen.Create, Elapsed: 36 * time.Second})
}

func newLog(t *testing.T, dir string, limit int64) *Files {
	t.Helper()
	f := NewFiles(func(i string) string {
		if i == "" {
			i = "kitchen"
		}
		return filepath.Join(dir, i+Ext)
	}, filepath.Join(dir, "lock"))
	if limit > 0 {
		f.limit = limit
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// TestFilesAreTestKitchens holds the files against golden ones: their names,
// fields and order are Test Kitchen's.
func TestFilesAreTestKitchens(t *testing.T) {
	dir := t.TempDir()
	secrets := &secret.Redactor{}
	secrets.Add("hunter22")
	f := newLog(t, dir, 0)
	rec := NewRecorder(Options{
		Product: ui.Product{Name: "Galley", Version: "1.2.3"}, Secrets: secrets,
		Instances: []*kitchen.Instance{{Name: "default-debian-12", Suite: "default", Platform: "debian-12"}},
	}, f.Add)
	script(rec)
	for _, name := range []string{"default-debian-12", "default-x", "kitchen"} {
		got, err := os.ReadFile(filepath.Join(dir, name+Ext))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+Ext)
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
			t.Errorf("%s: %s", name, diff)
		}
		if strings.Contains(string(got), "hunter22") {
			t.Errorf("%s holds a secret", name)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "default-x.ndjson")); err == nil && filepath.Separator == '/' && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("plain", "info", "boom\nagain", 1.5, int64(1700000000123456))
	f.Add("\xff\x00\u2028</script>", "unknown", "", -1.0, int64(0))
	f.Fuzz(func(t *testing.T, message, level, reason string, elapsed float64, micros int64) {
		valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		when := time.UnixMicro(micros % (200e9 * 1e6)).UTC()
		if y := when.Year(); y < 1 || y > 9999 || elapsed-elapsed != 0 {
			t.Skip()
		}
		want := Record{
			Run: "r", Instance: valid(message), Action: "create", Session: "s", Time: Stamp{when}, Level: valid(level), Type: TypeLog,
			Message: valid(message), Program: "p", Sequence: 7, Own: &Own{Kind: kitchen.StepFailed, Elapsed: elapsed, Error: valid(reason)},
		}
		line, err := want.encode()
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(line), "\n"); n != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("%d line feeds in %q", n, line)
		}
		got, ok := Decode(line)
		if !ok {
			t.Fatalf("%q is not a record", line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"level":"info","message":3,"timestamp":"x","galley":[]}`))
	f.Add([]byte(`{"galley":{"kind":1}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if rec, ok := Decode(line); ok && !json.Valid(line) {
			t.Errorf("%q was read as %+v", line, rec)
		}
	})
}

// messages returns what a view of one log shows.
func messages(t *testing.T, v View, path, session string) string {
	t.Helper()
	var b strings.Builder
	if err := v.Print(t.Context(), &b, []Source{{Instance: "a", Path: path, Session: session}}, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tkLines are lines as Test Kitchen 4.1 writes them, two of them damaged.
const tkLines = `{"kitchen_run_id":"r1","instance":"a","suite":"s","platform":"p","action":"create","action_id":"1","instance_session_id":"old","timestamp":"2026-07-16T07:41:23.000001Z","level":"error","event_type":"log","message":"old trouble","progname":"a","sequence":1}
{"kitchen_run_id":"r2","instance":"a","suite":"s","platform":"p","timestamp":"2026-07-16T08:00:00.000000Z","level":"info","event_type":"stream","message":"a hook","progname":"a","sequence":1}
{"kitchen_run_id":"r2","instance":"a","level":"debug","message":"detail","instance_session_id":"new"}
not JSON
{"kitchen_run_id":"r2","instance":"a","level":"info","message":"booting","instance_session_id":"new"}
[1]

{"kitchen_run_id":"r2","level":"warn","message":"stale","instance_session_id":"new"}
{"level":"fatal","mess`

func TestViews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ndjson")
	if err := os.WriteFile(path, []byte(tkLines), 0o600); err != nil {
		t.Fatal(err)
	}
	info, _ := ParseLevel("info")
	debug, _ := ParseLevel("DEBUG")
	warn, _ := ParseLevel("warn")
	for name, c := range map[string]struct {
		view          View
		session, want string
	}{
		"latest session, with what its run said outside of it": {View{Level: info}, "", "a hook\nbooting\nstale\n"},
		"the state's session":       {View{Level: info}, "old", "old trouble\n"},
		"a session that is gone":    {View{Level: info}, "gone", "a hook\nbooting\nstale\n"},
		"debug":                     {View{Level: debug}, "new", "a hook\ndetail\nbooting\nstale\n"},
		"warn":                      {View{Level: warn}, "new", "stale\n"},
		"one session":               {View{Level: info, Session: "old"}, "new", "old trouble\n"},
		"all sessions":              {View{Level: info, All: true}, "new", "old trouble\na hook\nbooting\nstale\n"},
		"the lines, as they are":    {View{Level: warn, NDJSON: true}, "new", `{"kitchen_run_id":"r2","level":"warn","message":"stale","instance_session_id":"new"}` + "\n"},
		"coloured by how bad it is": {View{Level: warn, Color: true}, "new", "\x1b[33mstale\x1b[0m\n"},
	} {
		if got := messages(t, c.view, path, c.session); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	var none *NoSessionError
	if err := (View{Session: "x"}).Print(t.Context(), &strings.Builder{}, []Source{{Path: path}}, false); !errors.As(err, &none) || !strings.Contains(none.Hint(), "old, new") {
		t.Errorf("got %v", err)
	}
	var missing *NoLogError
	if err := (View{}).Print(t.Context(), &strings.Builder{}, []Source{{Path: path + "x"}}, false); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

func TestIndexKnowsWorkFromCleaningUp(t *testing.T) {
	ix := &Index{runs: map[string]string{}}
	ix.Add(Record{Run: "1", Session: "a", Action: "create"})
	ix.Add(Record{Run: "2", Session: "b", Action: "destroy"})
	ix.Add(Record{Run: "3"})
	if ix.Latest() != "b" || ix.LatestWork() != "a" || ix.Owner(Record{Run: "3"}) != "b" {
		t.Errorf("%+v", ix)
	}
	ix.Add(Record{Run: "4", Session: "a", Action: "destroy"})
	if ix.Latest() != "a" || len(ix.Sessions) != 2 {
		t.Errorf("%+v", ix)
	}
}

// TestFullFilesArePutAside bounds a log, and a reader still finds the records
// in order.
func TestFullFilesArePutAside(t *testing.T) {
	dir := t.TempDir()
	f := newLog(t, dir, 2000)
	for i := range 100 {
		f.Add(Record{Instance: "a", Message: fmt.Sprint(i), Level: "info"})
	}
	files, _ := filepath.Glob(filepath.Join(dir, "a.ndjson*"))
	if len(files) != 1+generations {
		t.Fatalf("files %v", files)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Size() > 2000 {
			t.Errorf("%s: %v, %v", name, info.Size(), err)
		}
	}
	var got []string
	if err := Scan(filepath.Join(dir, "a.ndjson"), func(r Record, _ []byte) { got = append(got, r.Message) }); err != nil {
		t.Fatal(err)
	}
	if len(got) < 20 || got[len(got)-1] != "99" {
		t.Fatalf("%d records: %v", len(got), got)
	}
	for i := 1; i < len(got); i++ {
		if got[i] != fmt.Sprint(100-len(got)+i) {
			t.Fatalf("record %d is %s", i, got[i])
		}
	}
	if names, err := Names(dir, "kitchen.ndjson"); err != nil || len(names) != 1 || names[0] != "a" {
		t.Errorf("%v, %v", names, err)
	}
}

// TestWritersDoNotDisturbEachOther has several writers, as of several
// processes, put records into one log that is put aside again and again.
func TestWritersDoNotDisturbEachOther(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	const writers, each = 4, 200
	for w := range writers {
		f := newLog(t, dir, 100<<10)
		wg.Go(func() {
			for i := range each {
				f.Add(Record{Instance: "a", Program: fmt.Sprint(w), Sequence: i, Message: strings.Repeat("x", 50+i), Level: "info"})
			}
		})
	}
	wg.Wait()
	seen, lines := map[string]int{}, 0
	for n := range generations + 1 {
		data, err := os.ReadFile(generation(filepath.Join(dir, "a.ndjson"), n))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			lines++
			rec, ok := Decode([]byte(line))
			if !ok {
				t.Fatalf("a broken line: %q", line)
			}
			seen[rec.Program]++
		}
	}
	// All of it fits into the files that are kept.
	if len(seen) != writers || lines != writers*each {
		t.Errorf("%d lines of %v", lines, seen)
	}
	if _, err := os.Stat(generation(filepath.Join(dir, "a.ndjson"), 1)); err != nil {
		t.Errorf("no file was put aside: %v", err)
	}
}

// TestALineThatWasCutShortSpoilsNoOther: the next record begins a new line.
func TestALineThatWasCutShortSpoilsNoOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.ndjson")
	if err := os.WriteFile(path, []byte(tkLines), 0o600); err != nil {
		t.Fatal(err)
	}
	newLog(t, dir, 0).Add(Record{Instance: "a", Message: "after", Level: "info"})
	if got := messages(t, View{All: true, Level: 1}, path, ""); !strings.HasSuffix(got, "stale\nafter\n") {
		t.Errorf("%q", got)
	}
}

// TestTail follows a log through everything that can happen to it.
func TestTail(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.ndjson")
	tail := NewTail(path)
	defer tail.Close()
	expect := func(when, want string) {
		t.Helper()
		var got []string
		if err := tail.Poll(func(r Record, _ []byte) { got = append(got, r.Message) }); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	write := func(flag int, text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	line := func(m string) string { return `{"message":"` + m + `"}` + "\n" }
	expect("no file", "")
	write(os.O_APPEND, line("1")+`{"mess`)
	expect("the file appears", "1")
	write(os.O_APPEND, `age":"2"}`+"\nrubbish\n")
	expect("a line is completed", "2")
	expect("nothing new", "")
	write(os.O_APPEND, line("3"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(os.O_APPEND, line("4"))
	expect("put aside", "3 4")
	write(os.O_TRUNC, line("5"))
	expect("emptied and rewritten, to the same size", "5")
	write(os.O_TRUNC, line("6")+line("7")+line("8"))
	expect("emptied and rewritten, to more", "6 7 8")
	write(os.O_TRUNC, "")
	expect("emptied", "")
	write(os.O_APPEND, strings.Repeat("y", longestLine+10)+"\n"+line("9"))
	expect("a line that is too long", "9")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect("removed", "")
	write(os.O_APPEND, line("10"))
	expect("and there again", "10")
}

// lines hands each line that is written to it on.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l <- strings.TrimSuffix(line, "\n")
	}
	return len(p), nil
}

// TestFollow: the current session, then what comes, of new sessions too, of
// several instances; the last part is shown.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	f := newLog(t, dir, 0)
	say := func(instance, session, text string) {
		f.Add(Record{Instance: instance, Session: session, Run: session, Message: text, Level: "info"})
	}
	say("a", "s0", "before")
	say("a", "s1", "now")
	out := make(lines, 100)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	why := errors.New("enough")
	go func() {
		ended <- View{Level: 1}.Print(ctx, out, []Source{
			{Instance: "a", Path: filepath.Join(dir, "a.ndjson")}, {Instance: "bb", Path: filepath.Join(dir, "bb.ndjson")},
		}, true)
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-out:
			if got != want {
				t.Fatalf("%q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no %q", want)
		}
	}
	expect("a   now")
	say("a", "s2", "next session")
	expect("a   next session")
	say("bb", "t1", "appears")
	expect("bb  appears")
	say("bb", "t1", "last words")
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("ended with %v", err)
	}
	expect("bb  last words")
}

func TestLongLinesArePassedOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ndjson")
	big := strings.Repeat("x", 200<<10)
	data := `{"message":"` + big + `"}` + "\n" + strings.Repeat("z", longestLine+1) + "\n" + `{"message":"end"}`
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []int
	if err := Scan(path, func(r Record, _ []byte) { got = append(got, len(r.Message)) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{len(big), 3}, got); diff != "" {
		t.Error(diff)
	}
}
