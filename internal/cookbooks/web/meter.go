package web

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/text"
)

// Meter says how far the downloads are of the clients that share it. Its zero
// value is ready, nil counts nothing; it may be used from any goroutine.
type Meter struct {
	mu        sync.Mutex
	waits     []*string // the oldest first
	done, all int
	bytes     int64
}

// Wait notes that something is waited for, as "the list of cookbooks of HOST",
// until end is called.
func (m *Meter) Wait(what string) (end func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &what
	m.waits = append(m.waits, w)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waits = slices.DeleteFunc(m.waits, func(o *string) bool { return o == w })
	}
}

// Count adds to the cookbooks that are installed and to those that are to be.
func (m *Meter) Count(done, all int) {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.done, m.all = m.done+done, m.all+all
	}
}

func (m *Meter) add(n int) {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.bytes += int64(n)
	}
}

// String is the present state, as "12 of 30, 4.1 MB; ntp 3.2.1 from HOST and 2
// more": the cookbooks and bytes that came, and the one that is awaited. It is ""
// before anything happened.
func (m *Meter) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var counts, parts []string
	if m.all > 0 {
		counts = append(counts, fmt.Sprintf("%d of %d", m.done, m.all))
	}
	if m.bytes > 0 {
		counts = append(counts, text.Size(m.bytes))
	}
	if len(counts) > 0 {
		parts = append(parts, strings.Join(counts, ", "))
	}
	if n := len(m.waits); n == 1 {
		parts = append(parts, *m.waits[0])
	} else if n > 1 {
		parts = append(parts, fmt.Sprintf("%s and %d more", *m.waits[0], n-1))
	}
	return strings.Join(parts, "; ")
}
