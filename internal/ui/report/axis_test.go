package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/kitchen"
)

// at returns a history of phases, each from and to a number of seconds.
func at(pairs ...float64) *history.History {
	h := history.New(0)
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for i := 0; i < len(pairs); i += 2 {
		begin := start.Add(time.Duration(pairs[i] * float64(time.Second)))
		took := time.Duration((pairs[i+1] - pairs[i]) * float64(time.Second))
		p := &play{clock: &clock{begin}, h: h, name: fmt.Sprint("i", i)}
		p.begin(kitchen.Create)
		p.sleep(took)
		p.end(took)
	}
	return h
}

func TestMarks(t *testing.T) {
	for name, c := range map[string]struct {
		h    *history.History
		want string
	}{
		"nothing":     {at(), ""},
		"a moment":    {at(0, 0), "0=09:00:00"},
		"a minute":    {at(0, 60, 10, 50), "0=09:00:00 17=+10 s 33=+20 s 50=+30 s 67=+40 s 83=+50 s"},
		"a short gap": {at(0, 30, 45, 60), "0=09:00:00 17=+10 s 33=+20 s 50=+30 s 67=+40 s 83=+50 s"},
		"a long gap":  {at(0, 50, 3650, 3700), "0=09:00:00 20=+20 s 39=+40 s 51=10:00:50(1 h) 71=+20 s 90=+40 s"},
		"a night":     {at(0, 10, 86400, 86410), "0=09:00:00 24=+5 s 51=21 Nov 09:00(24 h) 76=+5 s"},
		"crowded":     {at(0, 21, 3600, 3620), "0=09:00:00 24=+10 s 48= 52=10:00:00(59 min 39 s) 76=+10 s"},
		"a late one":  {at(0, 100, 3600, 3601), "0=09:00:00 19=+20 s 39=+40 s 58=+1 min 77=+1 min 20 s 99=10:00:00(58 min 20 s)"},
	} {
		var got []string
		for _, m := range newAxis(c.h).marks(time.UTC) {
			s := fmt.Sprintf("%.0f=%s", m.X, m.Label)
			if m.Gap != "" {
				s += "(" + m.Gap + ")"
			}
			got = append(got, s)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestManySpansStayOnThePage: a hundred short runs over a month.
func TestManySpansStayOnThePage(t *testing.T) {
	var pairs []float64
	for i := range 100 {
		pairs = append(pairs, float64(i)*30000, float64(i)*30000+10)
	}
	a := newAxis(at(pairs...))
	last := -1.0
	for _, m := range a.marks(time.UTC) {
		if m.X < 0 || m.X > 100 {
			t.Errorf("a mark at %v", m.X)
		}
		if m.Label != "" && last >= 0 && m.X-last < room && m.X < 100-room {
			t.Errorf("labels at %v and %v", last, m.X)
		}
		if m.Label != "" {
			last = m.X
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "0 s", 0: "0 s", time.Microsecond: "0 s", 40 * time.Millisecond: "40 ms", 96 * time.Millisecond: "0.1 s", 5 * time.Second: "5 s",
		12340 * time.Millisecond: "12 s", 59900 * time.Millisecond: "1 min", 125 * time.Second: "2 min 5 s",
		time.Hour: "1 h", 63 * time.Minute: "1 h 3 min", 49 * time.Hour: "2 d 1 h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}
