package limit

import (
	"strings"
	"sync"
)

// Tail keeps the last bytes written to it. It may be written to by several
// goroutines at once.
type Tail struct {
	// Max is how many bytes are kept; 8 KiB where it is zero.
	Max int

	mu  sync.Mutex
	buf []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	// Only when it is twice too long, so that most writes move nothing.
	if most := t.max(); len(t.buf) > 2*most {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-most:]...)
	}
	return len(p), nil
}

func (t *Tail) max() int {
	if t.Max > 0 {
		return t.Max
	}
	return 8 << 10
}

// String returns the bytes kept, without spaces around them.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf[max(0, len(t.buf)-t.max()):]))
}

// Lines are the last n lines kept that are not empty, all of them for 0.
func (t *Tail) Lines(n int) []string {
	var out []string
	for line := range strings.Lines(t.String()) {
		if line = strings.TrimRight(line, "\r\n \t"); line != "" {
			out = append(out, line)
		}
	}
	if n == 0 {
		return out
	}
	return out[max(0, len(out)-n):]
}
