package bootstrap

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// LimitError says that a machine sent more than it may.
type LimitError struct {
	// What names what it sent, as "the listing of /tmp/kitchen".
	What string
	// Limit is the bound in bytes.
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is longer than %d bytes, the limit", e.What, e.Limit)
}

// Buffer keeps what a machine sends, up to a limit; beyond that a Write is a
// *[LimitError]. It may be written to by several goroutines at once.
type Buffer struct {
	what  string
	limit int64
	mu    sync.Mutex
	buf   bytes.Buffer
}

// NewBuffer returns an empty buffer. what names its content in the error.
func NewBuffer(what string, limit int64) *Buffer { return &Buffer{what: what, limit: limit} }

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if int64(b.buf.Len())+int64(len(p)) > b.limit {
		return 0, &LimitError{What: b.what, Limit: b.limit}
	}
	return b.buf.Write(p)
}

// String returns the content.
func (b *Buffer) String() string { return string(b.Bytes()) }

// Bytes returns the content.
func (b *Buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

// limitReader reads at most limit bytes from r; more is a *[LimitError].
type limitReader struct {
	r     io.Reader
	what  string
	limit int64
	read  int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.read += int64(n); l.read > l.limit {
		return n, &LimitError{What: l.what, Limit: l.limit}
	}
	return n, err
}
