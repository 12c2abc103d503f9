package secret

import (
	"slices"
	"strings"
	"sync"
)

// shortest is the length below which a value is not hidden in other text:
// hiding every "a" would hide the text.
const shortest = 6

// Redactor removes known secrets from text. Its zero value and nil are ready
// to use; it is safe for use by several goroutines at once.
type Redactor struct {
	mu       sync.Mutex
	secrets  []string
	replacer *strings.Replacer
}

// Add makes values known as secrets. Values shorter than six bytes are
// ignored.
func (r *Redactor) Add(values ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range values {
		if len(v) >= shortest && !slices.Contains(r.secrets, v) {
			r.secrets = append(r.secrets, v)
		}
	}
	// The longest first: one secret may be part of another.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(r.secrets))
	for _, s := range r.secrets {
		pairs = append(pairs, s, Redacted)
	}
	r.replacer = strings.NewReplacer(pairs...)
}

// Clean returns s without the known secrets and without those of URLs.
func (r *Redactor) Clean(s string) string {
	if r != nil {
		r.mu.Lock()
		replacer := r.replacer
		r.mu.Unlock()
		if replacer != nil {
			s = replacer.Replace(s)
		}
	}
	return HideURLs(s)
}
