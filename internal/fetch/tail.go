package fetch

import (
	"hash/crc32"
	"io"
	"os"
	"time"
)

const (
	tailEnding = ".galley-tail"
	// tailRegion is the distance of the two places in the tail file that are
	// written in turn, so that one is always complete.
	tailRegion = 4 << 20
	// flushEvery is the time after which complete pages are kept although they
	// do not fill a block: what a kill costs at most.
	flushEvery = time.Second
)

// tailPart is the content of complete pages that are not compressed yet. They
// wait for others to share a block with, and if the fetch ends before, a
// resumed one takes them from here: so the output has the same bytes as one
// that was never interrupted.
type tailPart struct {
	At  int64  `json:"at"`
	Len int    `json:"len"`
	CRC uint32 `json:"crc"`
}

// tailFile is the file beside the output that holds them.
type tailFile struct {
	f    *os.File
	turn int
}

// saveTail keeps the complete pages of the current block and notes the place
// after them. That it fails costs a kill some pages, and nothing else.
func (w *output) saveTail() error {
	if w.direct || w.perPage || w.journal == nil {
		return nil
	}
	if err := w.sink.settle(); err != nil {
		return err
	}
	held := w.sink.complete()
	if len(held) == 0 {
		return nil
	}
	if w.tail.f == nil {
		f, err := openBeside(w.path+tailEnding, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil
		}
		w.tail.f = f
	}
	t := &tailPart{At: int64(w.tail.turn%2) * tailRegion, Len: len(held), CRC: crc32.Checksum(held, castagnoli())}
	if _, err := w.tail.f.WriteAt(held, t.At); err != nil {
		return nil
	}
	w.tail.turn++
	c := w.ended
	c.Out, c.CRC, c.Tail = w.sink.out, w.sink.crc, t
	w.sink.flushed = time.Now()
	seen := w.seen
	w.seen = nil
	return w.notePlace(c, seen)
}

// loadTail returns the content of complete pages at a place, nil if it is not
// as it was written.
func (w *output) loadTail(t *tailPart) []byte {
	f, err := openBeside(w.path+tailEnding, os.O_RDONLY, 0)
	if err != nil || t.Len < 0 || t.Len > tailRegion {
		return nil
	}
	defer f.Close()
	b := make([]byte, t.Len)
	if _, err := io.ReadFull(io.NewSectionReader(f, t.At, int64(t.Len)), b); err != nil || crc32.Checksum(b, castagnoli()) != t.CRC {
		return nil
	}
	return b
}

// removeTail removes the tail file, if there can be one.
func (w *output) removeTail() {
	if w.tail.f != nil {
		w.tail.f.Close()
		w.tail.f = nil
	}
	if w.format != None && !w.perPage && !w.direct && w.path != "" {
		_ = os.Remove(w.path + tailEnding)
	}
}
