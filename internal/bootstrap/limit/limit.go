// Package limit bounds the input from a machine or a server: whatever the
// other side sends, memory and disk have an end, and the error says what was
// too long.
//
// Any package that reads from a machine or a server may import it. It imports
// the standard library alone.
package limit

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Error says that something was longer than it may be.
type Error struct {
	// What names it, as "the listing of /tmp/kitchen".
	What string
	// Limit is the bound in bytes.
	Limit int64
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s is longer than the limit of %s", e.What, size(e.Limit))
}

func size(n int64) string {
	for _, unit := range []string{"bytes", "KiB", "MiB"} {
		if n < 1024 || n%1024 != 0 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%d GiB", n)
}

// Buffer keeps its input up to a limit; beyond that, Write returns
// an *[Error]. It may be written to by several goroutines at once.
type Buffer struct {
	what string
	most int64
	mu   sync.Mutex
	buf  bytes.Buffer
}

// NewBuffer returns an empty buffer for at most the given number of bytes. what
// names its content in the error.
func NewBuffer(what string, most int64) *Buffer { return &Buffer{what: what, most: most} }

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if int64(b.buf.Len())+int64(len(p)) > b.most {
		return 0, &Error{What: b.what, Limit: b.most}
	}
	return b.buf.Write(p)
}

// String returns the content.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Reader reads at most the given number of bytes from r. Where there is more,
// Read returns an *[Error].
func Reader(r io.Reader, what string, most int64) io.Reader {
	return NewBudget(what, most).Reader(r)
}

// Budget is a number of bytes that several readers have together, as the files
// of an archive. It is for use by one goroutine.
type Budget struct {
	what       string
	most, read int64
}

// NewBudget returns a budget. what names the whole in the error.
func NewBudget(what string, most int64) *Budget { return &Budget{what: what, most: most} }

// Reader reads from r what the budget has left. Where there is more, Read
// returns an *[Error].
func (b *Budget) Reader(r io.Reader) io.Reader { return &reader{r, b} }

type reader struct {
	r io.Reader
	b *Budget
}

func (l *reader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	b := l.b
	if over := b.read + int64(n) - b.most; over > 0 {
		b.read = b.most
		return n - int(over), &Error{What: b.what, Limit: b.most}
	}
	b.read += int64(n)
	return n, err
}

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
