package ui

import (
	"strings"
	"sync"
)

// shortestSecret is the length below which a value is no secret worth hiding:
// taking every "a" out of a log would hide the log.
const shortestSecret = 6

// Redactor takes secrets out of text. It is the last line of defence: secrets
// are typed where they live, but a program on a machine may print one.
type Redactor struct {
	mu       sync.Mutex
	secrets  []string
	replacer *strings.Replacer
}

// Add makes values secrets.
func (r *Redactor) Add(values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range values {
		if len(v) >= shortestSecret {
			r.secrets = append(r.secrets, v, "[redacted]")
		}
	}
	r.replacer = strings.NewReplacer(r.secrets...)
}

// Clean returns s without secrets.
func (r *Redactor) Clean(s string) string {
	if r == nil {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}
