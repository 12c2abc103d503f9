package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/testing/screen"
	"github.com/galleyhq/galley/kitchen"
)

func newScreenLive(s *screen.Screen) *live {
	return &live{w: s, size: s.Size, now: func() time.Time { return time.Unix(100, 0) }}
}

// The status lines take half the screen at most, are in the order of the
// configuration, never wrap, and leave nothing behind.
func TestStatusLinesAreBoundedAndErased(t *testing.T) {
	s := screen.New(80, 24)
	l := newScreenLive(s)
	for _, i := range []int{7, 3, 39, 0, 20} {
		l.set(fmt.Sprintf("default-p%02d", i), statusLine{place: i, name: fmt.Sprintf("default-p%02d", i), text: strings.Repeat("waiting ", 20), since: time.Unix(88, 0)})
	}
	for i := range 40 {
		l.set(fmt.Sprintf("default-p%02d", i), statusLine{place: i, name: fmt.Sprintf("default-p%02d", i), text: "creating", since: time.Unix(88, 0)})
		l.print(fmt.Sprintf("output %d\n", i))
	}
	below := s.Lines()[40:]
	if len(below) != 12 || !strings.HasPrefix(below[0], "default-p00     12s  ") || !strings.HasPrefix(below[1], "default-p01") || below[11] != "… and 29 more" {
		t.Errorf("status lines: %q", below)
	}
	for _, line := range s.Lines() {
		if len([]rune(line)) >= 80 {
			t.Errorf("%q wraps", line)
		}
	}
	for i := range 40 {
		l.remove(fmt.Sprintf("default-p%02d", i))
	}
	if lines := s.Lines(); !slices.Equal(lines, outputs(40)) {
		t.Errorf("left on the screen: %q", lines)
	}
}

func outputs(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("output %d", i))
	}
	return out
}

// A terminal that has become narrower has wrapped the lines: all of them go.
func TestStatusLinesAfterResize(t *testing.T) {
	s := screen.New(100, 24)
	l := newScreenLive(s)
	l.set("a", statusLine{name: "a", text: strings.Repeat("x", 200), since: time.Unix(99, 0)})
	s.Narrow(50)
	if n := len(s.Lines()); n != 2 {
		t.Errorf("%d lines after the resize", n)
	}
	l.remove("a")
	if lines := s.Lines(); len(lines) != 0 {
		t.Errorf("left: %q", lines)
	}
}

// Two lines for a create that succeeds; what a test cleans up that does not
// exist is not mentioned.
func TestCompactStyle(t *testing.T) {
	var out strings.Builder
	c := NewConsole(&out, ConsoleOptions{Style: Compact, Level: InfoLevel})
	bus := kitchen.NewBus(c.Event)
	step := func(a kitchen.Action, said ...string) {
		bus.Publish(kitchen.Event{Kind: kitchen.StepStarted, Instance: "x", Action: a})
		for _, s := range said {
			bus.Reporter("x", 0, a).Info("%s", s)
		}
		bus.Publish(kitchen.Event{Kind: kitchen.StepFinished, Instance: "x", Action: a, Elapsed: time.Second})
	}
	bus.Publish(kitchen.Event{Kind: kitchen.RunStarted, Action: "test"})
	step(kitchen.Destroy)
	step(kitchen.Create, "server ready", "ssh ready")
	step(kitchen.Converge, "Installing cinc")
	step(kitchen.Setup)
	step(kitchen.Destroy, "server destroyed")
	bus.Publish(kitchen.Event{Kind: kitchen.RunFinished})
	want := `-----> Creating <x>...
       Finished creating <x> (0m1.00s).
-----> Converging <x>...
       Installing cinc
       Finished converging <x> (0m1.00s).
-----> Destroying <x>...
       Finished destroying <x> (0m1.00s).
`
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

// What others wrote is harmless on a terminal; a command's colors stay.
func TestConsoleCleansForeignText(t *testing.T) {
	var out strings.Builder
	c := NewConsole(&out, ConsoleOptions{Style: Full, Level: InfoLevel})
	r := kitchen.NewBus(c.Event).Reporter("x", 0, kitchen.Create)
	r.Warn("the cloud says \x1b]0;title\a\x1b[2Jgone")
	o := r.Output()
	_, _ = o.Write([]byte("\x1b[31mred\x1b[0m \x1b[2J\x1b]52;c;aGk=\aend\n"))
	want := "$$$$$$ the cloud says gone\n       \x1b[31mred\x1b[0m end\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	table := Table{
		Header:   []string{"Instance", "Driver", "Verifier", "Last Action"},
		Rows:     [][]Cell{{{Text: "default-debian-12"}, {Text: "Openstack"}, {Text: "Busser"}, {Text: "<Not\x1b[2J Created>"}}},
		Optional: []string{"Verifier", "Driver"},
	}
	for _, x := range []struct {
		width int
		want  string
	}{
		{0, "Instance           Driver     Verifier  Last Action\ndefault-debian-12  Openstack  Busser    <Not Created>\n"},
		{50, "Instance           Driver     Last Action\ndefault-debian-12  Openstack  <Not Created>\n"},
		{40, "Instance           Last Action\ndefault-debian-12  <Not Created>\n"},
		{25, "Instance           Last…\ndefault-debian-12  <Not…\n"},
	} {
		var out strings.Builder
		table.Width = x.width
		if err := table.Write(&out, false); err != nil || out.String() != x.want {
			t.Errorf("in %d columns: %v\n%s", x.width, err, out.String())
		}
	}
}
