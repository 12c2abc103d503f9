package openstack

import (
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

// authOf are credentials for the fake.
func authOf(f *fakecloud.Cloud) credentials.Auth {
	return credentials.Auth{URL: f.URL + "/v3", Username: "demo", Password: "pw", ProjectName: "demo", ReadTimeout: time.Minute}
}

func connect(t *testing.T, f *fakecloud.Cloud) *Cloud {
	t.Helper()
	c, err := Connect(t.Context(), authOf(f), Options{Options: session.Options{FirstRetry: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	c.settle = []time.Duration{0, 10 * time.Millisecond}
	c.window = 40 * time.Millisecond
	c.claimSettle = 20 * time.Millisecond
	c.watch.least = 5 * time.Millisecond
	t.Cleanup(c.Close)
	return c
}

// MemoryJournal keeps a record for as long as the process lives. Its zero
// value is ready for use.
type MemoryJournal struct {
	mu sync.Mutex
	r  *Record
}

// Read implements [Journal].
func (m *MemoryJournal) Read() (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.r == nil {
		return nil, nil
	}
	return m.r.clone(), nil
}

// Write implements [Journal].
func (m *MemoryJournal) Write(r *Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.r = r.clone()
	return nil
}

// Remove implements [Journal].
func (m *MemoryJournal) Remove() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.r = nil
	return nil
}
