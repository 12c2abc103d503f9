package fetch

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// castagnoli is a table that crc32 builds at its first use.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// sink takes the bytes to store, cuts them into blocks, compresses the blocks
// on all cores, and writes them in order. Its memory is its blocks, which are
// used in turn; its user waits while all are under way.
//
// Small pages share a block, but a page that does not fit into the rest of one
// begins the next: so every block begins with a page, or is within one. The
// page at hand can be undone as long as its block was not submitted.
//
// It is used by one goroutine. After a failure every method returns the error.
type sink struct {
	shape
	format Format
	meter  *Meter
	ctx    context.Context

	level             int
	running           int // workers
	free, work, order chan *block
	cur               *block
	made              int   // blocks so far; another one only if none is free
	in                int64 // bytes taken since the last retarget
	raw               bool  // the bytes that come now are stored as they are

	// The page at hand began at base in the current block, after complete
	// pages. owing: a mark is to be called once those are written, which
	// pageMark returns.
	base     int
	owing    bool
	pageMark func() mark
	spilled  bool // a block with its beginning was submitted
	flushed  time.Time
	wg       sync.WaitGroup
	closed   bool

	failed chan struct{} // closed at the first error
	once   sync.Once
	err    error

	// The writer's; the user's only while nothing is under way.
	w     io.Writer
	sums  bool   // the checksum is wanted; set while nothing is under way
	path  string // for messages
	out   int64
	crc   uint32
	after func(in, out int64, crc uint32, last []byte) error // called after each full block
	size  atomic.Int64
}

// mark is called by the writer, with the place in the output, once everything
// before that is written.
type mark func(out int64, crc uint32) error

type block struct {
	buf    []byte
	n      int
	packed []byte
	done   chan struct{}
	inEnd  int64
	full   bool
	raw    bool
	mark   mark // of the block's end
}

func newSink(ctx context.Context, f Format, level int, sh shape, m *Meter) (*sink, error) {
	s := &sink{shape: sh, format: f, level: level, meter: m, ctx: ctx, failed: make(chan struct{})}
	s.free = make(chan *block, sh.blocks)
	s.order = make(chan *block, sh.blocks)
	s.work = make(chan *block, sh.blocks)
	if f != None {
		if err := s.startWorker(); err != nil {
			return nil, err
		}
	}
	s.wg.Add(1)
	go s.write()
	return s, nil
}

// startWorker starts one more goroutine that compresses.
func (s *sink) startWorker() error {
	e, err := newEncoder(s.format, s.level, s.block)
	if err != nil {
		return err
	}
	s.running++
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		for b := range s.work {
			var err error
			if b.packed, err = e.encode(b.packed[:0], b.buf[:b.n]); err != nil {
				s.fail(err)
			}
			b.done <- struct{}{}
		}
	}()
	return nil
}

func (s *sink) fail(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.failed)
	})
}

// failure returns the first error, if there is one.
func (s *sink) failure() error {
	select {
	case <-s.failed:
		return s.err
	default:
		return nil
	}
}

// write is the writer: it takes the blocks in order until the order closes.
func (s *sink) write() {
	defer s.wg.Done()
	for b := range s.order {
		data := b.buf[:b.n]
		if !b.raw && b.n > 0 {
			<-b.done
			data = b.packed
		}
		if s.failure() == nil && len(data) > 0 {
			n, err := s.w.Write(data)
			s.out += int64(n)
			s.size.Store(s.out)
			s.meter.written.Add(int64(n))
			if err != nil {
				s.fail(diskError(s.path, err))
			} else if s.sums {
				s.crc = crc32.Update(s.crc, castagnoli(), data)
			}
		}
		if s.failure() == nil && b.mark != nil {
			if err := b.mark(s.out, s.crc); err != nil {
				s.fail(err)
			}
		}
		if s.failure() == nil && b.full && s.after != nil {
			if err := s.after(b.inEnd, s.out, s.crc, lastOf(nil, b.buf[:b.n])); err != nil {
				s.fail(err)
			}
		}
		b.n, b.mark, b.full = 0, nil, false
		s.free <- b
	}
}

// retarget makes w the place to write to, which holds out bytes with that
// checksum, made of in bytes. Nothing may be under way.
func (s *sink) retarget(w io.Writer, path string, in, out int64, crc uint32) {
	s.w, s.path, s.in, s.out, s.crc = w, path, in, out, crc
	s.base, s.owing, s.spilled, s.flushed = 0, false, false, time.Now()
	s.size.Store(out)
}

// space returns the room left in the block at hand, at least one byte, waiting
// for a block if need be.
func (s *sink) space() ([]byte, error) {
	if s.cur != nil {
		return s.cur.buf[s.cur.n:], nil
	}
	select {
	case s.cur = <-s.free:
	default:
		if s.made < s.blocks {
			s.made++
			s.cur = &block{buf: make([]byte, s.block), done: make(chan struct{}, 1)}
			if s.format != None {
				s.cur.packed = make([]byte, 0, s.block/2)
			}
			break
		}
		select {
		case s.cur = <-s.free:
		case <-s.failed:
			return nil, s.err
		case <-s.ctx.Done():
			return nil, stopped(s.ctx, "")
		}
	}
	return s.cur.buf[s.cur.n:], nil
}

// advance says that n bytes of the space were filled.
func (s *sink) advance(n int) error {
	s.cur.n += n
	s.in += int64(n)
	if s.cur.n < len(s.cur.buf) {
		return s.failure()
	}
	if s.base > 0 {
		return s.split()
	}
	s.cur.full, s.spilled = true, true
	s.submit(s.cur, s.in)
	return s.failure()
}

// split submits the complete pages of the current block, and moves the page at
// hand to a new one.
func (s *sink) split() error {
	full, base := s.cur, s.base
	s.cur, s.base = nil, 0
	rest := full.buf[base:full.n]
	if _, err := s.space(); err != nil {
		s.cur, s.base = full, base
		return err
	}
	s.cur.n = copy(s.cur.buf, rest)
	moved := s.cur
	full.n, full.mark = base, s.owed()
	s.submit(full, s.in-int64(moved.n))
	s.cur = moved
	if moved.n == len(moved.buf) {
		return s.advance(0)
	}
	return s.failure()
}

// setRaw says whether the bytes of the page that begins now are stored as they
// are.
func (s *sink) setRaw(raw bool) error {
	if raw != s.raw && s.cur != nil && s.cur.n > 0 {
		if err := s.cut(s.owed()); err != nil {
			return err
		}
	}
	s.raw = raw
	return nil
}

// pageEnd ends the page at hand; now ends the block.
func (s *sink) pageEnd(now bool) error {
	s.owing = true
	if s.cur == nil || now || s.spilled && s.format == None {
		return s.cut(s.owed())
	}
	s.base, s.spilled = s.cur.n, false
	return nil
}

// owed returns the mark of the complete pages that were not submitted, nil if
// there are none.
func (s *sink) owed() mark {
	if !s.owing {
		return nil
	}
	s.owing = false
	return s.pageMark()
}

// complete returns the content of complete pages that were not submitted. It is
// called between pages.
func (s *sink) complete() []byte {
	if s.cur == nil || s.spilled {
		return nil
	}
	return s.cur.buf[:s.base]
}

// restore puts complete pages into the current block, as at the start of a
// resumed run.
func (s *sink) restore(pages []byte) error {
	b, err := s.space()
	if err != nil {
		return err
	}
	if len(pages) > len(b) {
		return errors.New("the block is too small")
	}
	s.cur.n = copy(b, pages)
	s.in += int64(s.cur.n)
	s.base, s.owing = s.cur.n, true
	return nil
}

// undo forgets the page at hand, and returns false if a part of it was
// submitted.
func (s *sink) undo() bool {
	if s.spilled {
		return false
	}
	if s.cur != nil {
		s.in -= int64(s.cur.n - s.base)
		s.cur.n = s.base
	}
	return true
}

func (s *sink) submit(b *block, inEnd int64) {
	s.cur = nil
	b.inEnd, b.raw = inEnd, s.raw || s.format == None
	if !b.raw && b.n > 0 {
		if len(s.work) > 0 && s.running < s.workers { // those there are have enough to do
			if err := s.startWorker(); err != nil {
				s.fail(err)
			}
		}
		s.work <- b // never blocks: it holds all blocks there are
	}
	s.order <- b
}

// Write takes p.
func (s *sink) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		b, err := s.space()
		if err != nil {
			return 0, err
		}
		n := copy(b, rest)
		rest = rest[n:]
		if err := s.advance(n); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// cut ends the current block, and with it the page at hand. m, if not nil, is
// called once all up to here is written.
func (s *sink) cut(m mark) error {
	s.base, s.owing, s.spilled, s.flushed = 0, false, false, time.Now()
	if s.cur == nil {
		if m == nil {
			return s.failure()
		}
		if _, err := s.space(); err != nil {
			return err
		}
	}
	if s.cur.n == 0 && m == nil {
		return s.failure()
	}
	s.cur.mark = m
	s.submit(s.cur, s.in)
	return s.failure()
}

// settle waits until nothing is under way. The current block stays.
func (s *sink) settle() error {
	held := s.cur
	s.cur = nil
	want := s.made
	if held != nil {
		want--
	}
	var got []*block
	for range want {
		got = append(got, <-s.free)
	}
	for _, b := range got {
		s.free <- b
	}
	s.cur = held
	return s.failure()
}

// drop forgets the current block.
func (s *sink) drop() {
	s.base, s.owing, s.spilled = 0, false, false
	if s.cur != nil {
		s.in -= int64(s.cur.n)
		s.cur.n = 0
		s.free <- s.cur
		s.cur = nil
	}
}

// empty writes the compressed form of nothing, so that the output is a file of
// its format.
func (s *sink) empty() error {
	e, err := newEncoder(s.format, s.level, s.block)
	if err != nil || e == nil {
		return err
	}
	p, err := e.encode(nil, nil)
	if err != nil {
		return err
	}
	n, err := s.w.Write(p)
	s.out += int64(n)
	s.size.Store(s.out)
	s.meter.written.Add(int64(n))
	s.crc = crc32.Update(s.crc, castagnoli(), p)
	return diskError(s.path, err)
}

// close ends the goroutines; the content of the current block is lost.
func (s *sink) close() {
	if s.closed {
		return
	}
	s.closed = true
	s.drop()
	_ = s.settle()
	close(s.order)
	close(s.work)
	s.wg.Wait()
}
