package runlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// proofSize is how much of the last bytes read is compared with the file to
// see that it is still the same file.
const proofSize = 256

// Tail reads additions to a log's current file. It copes with a file that
// does not exist yet, that is put aside, removed, or emptied and written again,
// as Test Kitchen does with every run.
type Tail struct {
	path string
	f    *os.File
	off  int64
	rest []byte // the beginning of a line
	skip bool   // the line is too long
	last []byte // the end of the part that was read, to know the file by
}

// NewTail returns a tail of the log at path, which begins at its present content.
func NewTail(path string) *Tail { return &Tail{path: path} }

// Poll calls yield, as [Scan] does, with each record that was added since the
// last call. A missing file is not an error.
func (t *Tail) Poll(yield func(rec Record, line []byte)) error {
	if err := t.poll(yield); err != nil {
		return fmt.Errorf("following the log %s: %w", t.path, err)
	}
	return nil
}

func (t *Tail) poll(yield func(Record, []byte)) error {
	info, err := os.Stat(t.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if t.f != nil {
		own, serr := t.f.Stat()
		switch {
		case serr != nil:
			return serr
		case err != nil || !os.SameFile(own, info):
			// A record may still have been on its way into the old file.
			if rerr := t.read(yield); rerr != nil {
				return rerr
			}
			t.Close()
		case own.Size() < t.off || !t.proven():
			t.off, t.rest, t.last, t.skip = 0, nil, nil, false
		}
	}
	if t.f == nil {
		f, err := os.Open(t.path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		t.f = f
	}
	return t.read(yield)
}

// proven says whether the last bytes read are still in place.
func (t *Tail) proven() bool {
	now := make([]byte, len(t.last))
	_, err := t.f.ReadAt(now, t.off-int64(len(t.last)))
	return err == nil && bytes.Equal(now, t.last)
}

func (t *Tail) read(yield func(Record, []byte)) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := t.f.ReadAt(buf, t.off)
		t.off += int64(n)
		t.take(buf[:n], yield)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take splits the input into lines.
func (t *Tail) take(data []byte, yield func(Record, []byte)) {
	t.last = append(t.last, data[max(0, len(data)-proofSize):]...)
	t.last = t.last[max(0, len(t.last)-proofSize):]
	for {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		if t.skip = t.skip || len(t.rest)+len(line) > longestLine; !t.skip {
			t.rest = append(t.rest, line...)
		}
		if !ended {
			return
		}
		if !t.skip {
			if rec, ok := Decode(t.rest); ok {
				yield(rec, t.rest)
			}
		}
		t.rest, t.skip, data = t.rest[:0], false, rest
	}
}

// Close closes the file.
func (t *Tail) Close() {
	if t.f != nil {
		t.f.Close()
	}
	t.f, t.off, t.rest, t.last, t.skip = nil, 0, nil, nil, false
}
