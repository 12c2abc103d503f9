package fetch

import (
	"hash/crc32"
	"io"
	"os"
)

// wireEnding is the ending of the copy of a body as it comes.
const wireEnding = ".galley-wire"

// wireCopy keeps the bytes of a single body as they come, where the state of
// what is made of them cannot be kept: of a decoder, a digest, or a document
// other than JSON. A resumed run reads them again and requests the others. It
// is a convenience: where it cannot be written the fetch goes on without.
type wireCopy struct {
	f     *os.File
	n     int64
	crc   uint32
	last  []byte
	noted int64
}

// keepWire begins to keep the bytes of the body at hand, or continues to.
func (p *page) keepWire() {
	w := p.out
	kept := p.at.Wire != nil && p.st.resumed
	flags := os.O_RDWR | os.O_CREATE
	if !kept {
		flags |= os.O_TRUNC
		if !p.noteVersion() {
			return
		}
	}
	f, err := openBeside(w.path+wireEnding, flags, 0o600)
	if err != nil {
		return
	}
	w.wire = &wireCopy{f: f}
	if kept {
		w.wire.n, w.wire.noted, w.wire.crc = p.at.In, p.at.In, *p.at.Wire
		if f.Truncate(p.at.In) != nil {
			w.removeWire()
		} else if _, err := f.Seek(p.at.In, io.SeekStart); err != nil {
			w.removeWire()
		}
	}
}

// took is called with the bytes that come from the wire.
func (p *page) took(b []byte) {
	p.in.wire(b)
	w := p.out
	c := w.wire
	if c == nil || len(b) == 0 {
		return
	}
	if _, err := c.f.Write(b); err != nil {
		w.removeWire()
		return
	}
	c.n += int64(len(b))
	c.crc = crc32.Update(c.crc, castagnoli(), b)
	c.last = lastOf(c.last, b)
	if c.n-c.noted >= partStep {
		_ = w.noteWire()
	}
}

// noteWire notes how much of the body is kept.
func (w *output) noteWire() error {
	c := w.wire
	c.noted = c.n
	crc := c.crc
	return w.note(journalLine{At: &checkpoint{In: c.n, Wire: &crc, Last: c.last}})
}

// removeWire ends the copy and removes it.
func (w *output) removeWire() {
	if w.wire != nil {
		w.wire.f.Close()
		w.wire = nil
	}
	if !w.paged && !w.direct && w.path != "" {
		_ = os.Remove(w.path + wireEnding)
	}
}

// keptBefore returns in, and before it the bytes that an earlier run has kept
// of the body, if they are to be read again.
func (p *page) keptBefore(in io.Reader) (io.Reader, func(), error) {
	if p.kept == "" {
		return in, func() {}, nil
	}
	f, err := openBeside(p.kept, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, diskError(p.kept, err)
	}
	before := io.TeeReader(io.LimitReader(f, p.at.In), inspected{&p.in})
	return io.MultiReader(before, in), func() { f.Close() }, nil
}

// inspected passes bytes to the digests of the wire.
type inspected struct{ *inspection }

func (i inspected) Write(b []byte) (int, error) {
	i.wire(b)
	return len(b), nil
}
