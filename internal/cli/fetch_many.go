package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/text"
)

// manyError is the failure of some of many downloads. Its code is that of the
// first.
type manyError struct {
	failed, all int
	first       error
}

func (e *manyError) Error() string {
	return fmt.Sprintf("%d of %s failed; the first: %v", e.failed, text.Count(e.all, "download"), e.first)
}
func (e *manyError) Unwrap() error { return e.first }

func (e *manyError) Hint() string { return "the same command downloads the rest" }

// manyMeter adds up the progress of many downloads.
type manyMeter struct {
	mu       sync.Mutex
	running  map[*fetch.Meter]bool
	done     int
	received int64
	written  int64
}

func (m *manyMeter) start(one *fetch.Meter) {
	m.mu.Lock()
	m.running[one] = true
	m.mu.Unlock()
}

func (m *manyMeter) end(one *fetch.Meter) {
	p := one.Read()
	m.mu.Lock()
	delete(m.running, one)
	m.done++
	m.received += p.Received
	m.written += p.Written
	m.mu.Unlock()
}

func (m *manyMeter) line(all int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	received, written, waiting := m.received, m.written, ""
	for one := range m.running {
		p := one.Read()
		received += p.Received
		written += p.Written
		if p.Waiting != "" {
			waiting = "; " + p.Waiting
		}
	}
	return fmt.Sprintf("%d of %d done, %s in, %s out%s", m.done, all, fetch.FormatSize(received), fetch.FormatSize(written), waiting)
}

// The memory that downloads at once share, and what each needs.
const (
	manyMemory  = 64 << 20
	leastMemory = 4 << 20
)

// runMany downloads many URLs, a number of them at once, over the same
// connections and within the same rate. A failure does not stop the others.
func (f *fetchOptions) runMany(ctx context.Context, jobs []fetchJob) error {
	atOnce := f.jobsAtOnce
	if atOnce == 0 {
		atOnce = 4
	}
	atOnce = min(atOnce, len(jobs))
	r := &f.request
	r.Shared = &fetch.Shared{}
	defer r.Shared.Close()
	r.Parallel = 1
	if r.Limits.Memory == 0 {
		r.Limits.Memory = manyMemory
	}
	r.Limits.Memory = max(r.Limits.Memory/int64(atOnce), leastMemory)
	if r.Output.Workers == 0 {
		r.Output.Workers = max(runtime.GOMAXPROCS(0)/atOnce, 1)
	}
	meter := &manyMeter{running: map[*fetch.Meter]bool{}}
	stop := f.showProgress(func() string { return meter.line(len(jobs)) })

	work := make(chan fetchJob)
	var mu sync.Mutex
	var failures manyError
	failures.all = len(jobs)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for j := range work {
				sum, err := f.one(ctx, j, meter)
				mu.Lock()
				if sum != nil && (f.summary || f.remoteName) {
					_ = f.summarize(sum, err, false)
				}
				if err != nil {
					if failures.failed++; failures.first == nil {
						failures.first = err
					}
					if ctx.Err() == nil {
						f.report.Error("failed: %v", err)
					}
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, j := range jobs {
		select {
		case work <- j:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
	stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failures.failed == 0 {
		return nil
	}
	var usage *usageError
	if errors.As(failures.first, &usage) && failures.failed == len(jobs) {
		return failures.first
	}
	return &failures
}

// one downloads one of many URLs.
func (f *fetchOptions) one(ctx context.Context, j fetchJob, meter *manyMeter) (*fetch.Summary, error) {
	r, err := f.job(ctx, j)
	if err != nil {
		return nil, fetchError(err)
	}
	r.Header = r.Header.Clone()
	r.Meter = &fetch.Meter{}
	meter.start(r.Meter)
	defer meter.end(r.Meter)
	sum, err := fetch.Fetch(ctx, *r)
	return sum, fetchError(err)
}
