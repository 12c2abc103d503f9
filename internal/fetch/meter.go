package fetch

import (
	"sync"
	"sync/atomic"
	"time"
)

// Meter counts while a fetch runs. Its zero value is ready; it may be read
// from any goroutine through [Meter.Read].
type Meter struct {
	received, content, written atomic.Int64
	total                      atomic.Int64 // of the body at hand on the wire, +1; 0 unknown
	at                         atomic.Int64 // position in it
	items, requests, retries   atomic.Int64
	page                       atomic.Int64
	started                    atomic.Int64
	mu                         sync.Mutex
	waiting                    string
}

// Progress is one reading of a [Meter].
type Progress struct {
	Received, Written int64 // bytes on the wire in this run, and in the output
	// At and Total are the position in the body at hand and its length on the
	// wire, -1 if that is unknown.
	At, Total int64
	Page      int
	Items     int64
	Requests  int64
	Retries   int64
	Elapsed   time.Duration
	// Waiting is the reason for a wait, such as the pause before a repetition;
	// "" while bytes flow.
	Waiting string
}

// Rate returns the mean rate so far, in bytes on the wire per second.
func (p Progress) Rate() float64 {
	if s := p.Elapsed.Seconds(); s > 0 {
		return float64(p.Received) / s
	}
	return 0
}

// Remaining estimates the time until the body at hand is complete; false when
// its length is unknown or nothing came yet.
func (p Progress) Remaining() (time.Duration, bool) {
	if p.Total < 0 || p.Rate() <= 0 {
		return 0, false
	}
	return time.Duration(float64(p.Total-p.At) / p.Rate() * float64(time.Second)), true
}

// Read returns the present state.
func (m *Meter) Read() Progress {
	p := Progress{
		Received: m.received.Load(), Written: m.written.Load(), At: m.at.Load(), Total: m.total.Load() - 1,
		Page: int(m.page.Load()), Items: m.items.Load(), Requests: m.requests.Load(), Retries: m.retries.Load(),
	}
	if t := m.started.Load(); t != 0 {
		p.Elapsed = time.Since(time.Unix(0, t))
	}
	m.mu.Lock()
	p.Waiting = m.waiting
	m.mu.Unlock()
	return p
}

func (m *Meter) wait(what string) {
	m.mu.Lock()
	m.waiting = what
	m.mu.Unlock()
}
