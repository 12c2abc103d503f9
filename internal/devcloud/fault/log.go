package fault

import (
	"maps"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/text"
)

// Request is one call in the log.
type Request struct {
	// N counts the calls from 1.
	N       int       `json:"n"`
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Method  string    `json:"method"`
	// Path is below the service's prefix; Query follows it in the URL.
	Path  string `json:"path"`
	Query string `json:"query,omitempty"`
	// Status is the answer's, 0 while there is none and when the connection was
	// dropped.
	Status int `json:"status"`
	// Acted tells that the cloud has carried the call out, whatever was
	// answered.
	Acted bool `json:"acted"`
	// Fault names the rules that applied.
	Fault []string `json:"fault,omitempty"`
	Agent string   `json:"agent,omitempty"`
}

// Log is the request log and its sums.
type Log struct {
	Total int `json:"total"`
	// Counts are calls by "SERVICE METHOD PATH", with identifiers in the path
	// written {id}.
	Counts   map[string]int `json:"counts"`
	Requests []Request      `json:"requests"`
}

// logKept is how many calls the log shows one by one; older ones are only
// counted.
const logKept = 20000

type requestLog struct {
	mu     sync.Mutex
	n      int
	counts map[string]int
	calls  []*Request
}

var identifiers = text.Lazy(
	`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-f]{32}`,
)

func (l *requestLog) add(r Request) *Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	r.N = l.n
	if l.counts == nil {
		l.counts = map[string]int{}
	}
	l.counts[r.Service+" "+r.Method+" "+identifiers().ReplaceAllString(r.Path, "{id}")]++
	p := &r
	l.calls = append(l.calls, p)
	if len(l.calls) > logKept {
		l.calls = append([]*Request(nil), l.calls[logKept/2:]...)
	}
	return p
}

func (l *requestLog) change(p *Request, do func(*Request)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(p)
}

// Requests returns the log from call number since on.
func (s *Set) Requests(since int) Log {
	l := &s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	out := Log{Total: l.n, Counts: map[string]int{}, Requests: []Request{}}
	maps.Copy(out.Counts, l.counts)
	for _, p := range l.calls {
		if p.N >= since {
			out.Requests = append(out.Requests, *p)
		}
	}
	return out
}

// ResetRequests empties the log and starts counting again.
func (s *Set) ResetRequests() {
	l := &s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n, l.counts, l.calls = 0, nil, nil
}
