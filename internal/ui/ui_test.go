package ui

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/kitchen"
)

func TestConsoleSpeaksAsThePeers(t *testing.T) {
	var out strings.Builder
	c := NewConsole(&out, ConsoleOptions{Style: Full, Product: Product{"Galley", "1.2.3"}, Level: InfoLevel})
	bus := kitchen.NewBus(c.Event)
	bus.Publish(kitchen.Event{Kind: kitchen.RunStarted})
	bus.Publish(kitchen.Event{Kind: kitchen.StepStarted, Instance: "default-ubuntu-1404", Action: kitchen.Create})
	r := bus.Reporter("default-ubuntu-1404", 0, kitchen.Create)
	r.Info("OpenStack instance <%s> created.", "0a1b")
	r.Debug("not shown")
	r.Warn("careful\ntwice")
	bus.Publish(kitchen.Event{Kind: kitchen.Output, Text: "-----> kept"})
	bus.Publish(kitchen.Event{Kind: kitchen.Output, Text: "plain"})
	bus.Publish(kitchen.Event{Kind: kitchen.StepFinished, Instance: "default-ubuntu-1404", Action: kitchen.Create, Elapsed: 50680 * time.Millisecond})
	bus.Publish(kitchen.Event{Kind: kitchen.StepFailed, Instance: "x", Action: kitchen.Destroy, Elapsed: 61 * time.Second, Err: errors.New("said at the end, once")})
	bus.Publish(kitchen.Event{Kind: kitchen.RunFinished, Elapsed: 125 * time.Second})
	c.Close()
	want := `-----> Starting Galley (v1.2.3)
-----> Creating <default-ubuntu-1404>...
       OpenStack instance <0a1b> created.
$$$$$$ careful
$$$$$$ twice
-----> kept
       plain
       Finished creating <default-ubuntu-1404> (0m50.68s).
>>>>>> Destroy failed on instance <x> (1m1.00s).
-----> Galley is finished. (2m5.00s)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestConsoleNamesAndColoursSeveral(t *testing.T) {
	var out strings.Builder
	c := NewConsole(&out, ConsoleOptions{Style: Full, Names: true, Width: 4, Color: true})
	bus := kitchen.NewBus(c.Event)
	bus.Reporter("a", 0, kitchen.Create).Info("x\ny")
	bus.Reporter("bbbb", 11, kitchen.Create).Info("z")
	want := "\x1b[36ma            x\x1b[0m\n\x1b[36ma            y\x1b[0m\n\x1b[33mbbbb         z\x1b[0m\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWaitsShowOnceAndThenNowAndThen(t *testing.T) {
	var out strings.Builder
	c := NewConsole(&out, ConsoleOptions{Style: Full, Level: InfoLevel})
	wait := func(text string, elapsed time.Duration) {
		c.Event(kitchen.Event{Kind: kitchen.StillWaiting, Instance: "a", Text: text, Elapsed: elapsed})
	}
	wait("the server to become ACTIVE (status BUILD)", 0)
	wait("the server to become ACTIVE (status BUILD)", time.Second)
	wait("the server to become ACTIVE (status BUILD, spawning)", 29*time.Second)
	wait("the server to become ACTIVE (status BUILD)", 31*time.Second)
	wait("SSH (refused)", 0)
	want := `       Waiting for the server to become ACTIVE (status BUILD)...
       Waiting for the server to become ACTIVE (status BUILD)... 31s
       Waiting for SSH (refused)...
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestShortWaitsInARowAreShown(t *testing.T) {
	var out strings.Builder
	c := NewConsole(&out, ConsoleOptions{Style: Compact, Level: InfoLevel})
	began := time.Now()
	wait := func(after time.Duration, text string, elapsed time.Duration) {
		c.Event(kitchen.Event{Kind: kitchen.StillWaiting, Instance: "a", Time: began.Add(after), Text: text, Elapsed: elapsed})
	}
	c.Event(kitchen.Event{Kind: kitchen.Warn, Instance: "a", Time: began, Text: "slow cloud"})
	wait(2*time.Second, "the first", 2*time.Second)
	wait(4*time.Second, "the second", 2*time.Second)
	wait(6*time.Second, "the third", 2*time.Second)
	if got := out.String(); !strings.Contains(got, "Waiting for the third...") || strings.Contains(got, "first") || strings.Contains(got, "second") {
		t.Errorf("printed %q", got)
	}
}

func TestSecretsReachNeitherConsoleNorLog(t *testing.T) {
	var out strings.Builder
	secrets := &secret.Redactor{}
	secrets.Add("hunter22", "abc") // too short to be one
	c := NewConsole(&out, ConsoleOptions{Style: Full, Secrets: secrets})
	dir := t.TempDir()
	l := NewFileLog(Product{"Galley", "1"}, true, secrets, func(i string) string { return filepath.Join(dir, i+".log") })
	bus := kitchen.NewBus(c.Event, l.Event)
	bus.Reporter("a", 0, kitchen.Create).Info("password is hunter22, abc")
	bus.Publish(kitchen.Event{Kind: kitchen.StepFailed, Instance: "a", Err: errors.New("hunter22 refused")})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "a.log"))
	if err != nil {
		t.Fatal(err)
	}
	if s := out.String() + string(data); strings.Contains(s, "hunter22") || !strings.Contains(s, "abc") || !strings.Contains(s, "[redacted] refused") {
		t.Error(s)
	}
}

func TestLogsAreKeptAndNotTouchedInVain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	run := func(overwrite bool, text string) {
		l := NewFileLog(Product{"Galley", "1"}, overwrite, nil, func(i string) string { return filepath.Join(dir, i+".log") })
		if text != "" {
			l.Event(kitchen.Event{Kind: kitchen.Info, Instance: "a", Text: text})
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	run(true, "first")
	run(true, "") // as a list does
	if got := read(path); !strings.Contains(got, "-- a:        first\n") || !strings.HasPrefix(got, "I, [") {
		t.Errorf("log is %q", got)
	}
	run(true, "second")
	run(false, "third")
	if got := read(path); strings.Contains(got, "first") || !strings.Contains(got, "second") || !strings.Contains(got, "third") {
		t.Errorf("log is %q", got)
	}
	if got := read(path + ".1"); !strings.Contains(got, "first") {
		t.Errorf("earlier log is %q", got)
	}
	for range 10 {
		run(true, "again")
	}
	left, _ := filepath.Glob(path + "*")
	if len(left) != 1+keepLogs {
		t.Errorf("%d logs are kept: %v", len(left), left)
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	table := Table{Header: []string{"Instance", "State"}, Rows: [][]Cell{{{Text: "ü-1"}, {Text: "up", Color: Cyan}}, {{Text: "a-long-name"}, {Text: "down"}}}}
	if err := table.Write(&out, false); err != nil {
		t.Fatal(err)
	}
	want := "Instance     State\nü-1          up\na-long-name  down\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// A transfer's state is a line now and then without a terminal.
func TestProgressInALog(t *testing.T) {
	var out strings.Builder
	c := NewConsole(&out, ConsoleOptions{Style: Plain, Level: InfoLevel})
	for i, at := range []time.Duration{0, time.Second, 3 * time.Second} {
		c.Event(kitchen.Event{Kind: kitchen.Progress, Text: fmt.Sprintf("%d MB in", i), Elapsed: at})
	}
	NewConsole(&out, ConsoleOptions{Style: Plain, Level: WarnLevel}).Event(kitchen.Event{Kind: kitchen.Progress, Text: "hidden"})
	if want := "0 MB in\n2 MB in\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
