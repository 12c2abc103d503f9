package node_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

// notes is what a person would see.
type notes struct {
	mu   sync.Mutex
	b    bytes.Buffer
	wake chan struct{}
	want string
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.b.Write(p)
	if n.wake != nil && strings.Contains(n.b.String(), n.want) {
		close(n.wake)
		n.wake = nil
	}
	return len(p), nil
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// await returns a channel that closes when text has been seen.
func (n *notes) await(text string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wake, n.want = make(chan struct{}), text
	return n.wake
}

func (n *notes) Info(f string, a ...any)           { fmt.Fprintf(n, "info: "+f+"\n", a...) }
func (n *notes) Warn(f string, a ...any)           { fmt.Fprintf(n, "warn: "+f+"\n", a...) }
func (n *notes) Debug(string, ...any)              {}
func (n *notes) Waiting(string, string, time.Time) {}
