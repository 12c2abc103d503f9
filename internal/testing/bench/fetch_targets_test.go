package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// row is one line of the table of targets.
type row struct{ id, claim, bar, measured, verdict string }

func verdict(good bool) string {
	if good {
		return "met"
	}
	return "MISSED"
}

// all makes every measurement that is wanted.
func (b *bench) all(growth string) error {
	stop, err := b.serve()
	if err != nil {
		return err
	}
	defer stop()
	for _, c := range comparisons() {
		if err := b.pair(c); err != nil {
			return err
		}
	}
	if err := b.memory(growth); err != nil {
		return err
	}
	return b.scanner()
}

// serve starts the server as a separate process.
func (b *bench) serve() (stop func(), err error) {
	return start([]any{&b.url, &b.secure}, "serve", strconv.FormatInt(b.size, 10))
}

// scanner measures the tokenizer alone, on one thread and by that thread's own
// processor time, so that a busy machine does not count.
func (b *bench) scanner() error {
	if !b.wanted("M9") {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	doc := append(append(append([]byte(nil), head...), records(64<<20)...), tail...)
	s, err := jsonscan.New(jsonscan.Options{Values: []jsonscan.Path{jsonscan.MustParsePath("meta.next")}})
	if err != nil {
		return err
	}
	const chunk = 256 << 10
	feed := func(p []byte) error {
		for o := 0; o < len(p); o += chunk {
			if _, err := s.Write(p[o:min(o+chunk, len(p))]); err != nil {
				return err
			}
		}
		return nil
	}
	var speeds []float64
	for range 2*b.runs + 1 {
		s.Reset()
		begun := threadTime()
		if err := feed(doc); err != nil {
			return err
		}
		if err := s.Finish(); err != nil {
			return err
		}
		speeds = append(speeds, float64(len(doc))/(threadTime()-begun).Seconds()/1e9)
	}
	slices.Sort(speeds)
	m := speeds[len(speeds)/2]
	b.rows = append(b.rows, row{"M9", "tokenizer on one core, a cursor behind 64 MiB", "at least 1.0 GB/s", fmt.Sprintf("%.2f GB/s (%.2f to %.2f)", m, speeds[0], speeds[len(speeds)-1]), verdict(m >= 1)})
	s.Reset()
	if err := feed(doc[:1<<20]); err != nil { // the root's names are kept once
		return err
	}
	at := 1 << 20
	n := testing.AllocsPerRun(50, func() {
		_, _ = s.Write(doc[at : at+chunk])
		at += chunk
	})
	b.rows = append(b.rows, row{"M9", "its allocations per chunk", "0", strconv.FormatFloat(n, 'f', -1, 64), verdict(n == 0)})
	return nil
}

// target is the place of a target in the table; what has no bar comes last.
func target(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "M"))
	if err != nil {
		return 100
	}
	return n
}

// table prints the rows.
func (b *bench) table(w *os.File) {
	if len(b.rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%d cores; ratios are medians of %d pairs (least to most)\n", runtime.NumCPU(), b.runs)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		// Walls say little when others work, processor time somewhat more.
		fmt.Fprintf(w, "load average at the end: %s\n", strings.Join(strings.Fields(string(load))[:3], " "))
	}
	slices.SortStableFunc(b.rows, func(x, y row) int { return target(x.id) - target(y.id) })
	width := [4]int{}
	for _, r := range b.rows {
		for i, t := range [4]string{r.id, r.claim, r.bar, r.measured} {
			width[i] = max(width[i], len(t))
		}
	}
	for _, r := range b.rows {
		fmt.Fprintf(w, "%-*s  %-*s  %-*s  %-*s  %s\n", width[0], r.id, width[1], r.claim, width[2], r.bar, width[3], r.measured, r.verdict)
	}
}
