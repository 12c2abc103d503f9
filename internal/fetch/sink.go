package fetch

import (
	"context"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sink takes the bytes to store, cuts them into blocks, compresses the blocks
// on several cores, and writes them in order. Its memory is its blocks, which
// go round; who gives it bytes waits while all are under way.
//
// It is used by one goroutine. After a failure every method returns the error.
type sink struct {
	shape
	format Format
	meter  *Meter
	ctx    context.Context

	free, work, order chan *block
	cur               *block
	in                int64 // bytes taken since the last retarget
	raw               bool  // what comes now is stored as it is; set between blocks
	wg                sync.WaitGroup
	closed            bool

	failed chan struct{} // closed at the first error
	once   sync.Once
	err    error

	// The writer's, and ours only while nothing is under way.
	w     io.Writer
	sums  bool   // the checksum is wanted; set while nothing is under way
	path  string // for messages
	out   int64
	crc   uint32
	after func(in, out int64, crc uint32) error // told after each full block
	size  atomic.Int64
}

type block struct {
	buf    []byte
	n      int
	packed []byte
	done   chan struct{}
	inEnd  int64
	full   bool
	raw    bool
	// mark is called by the writer once all before and in the block is
	// written.
	mark func(out int64, crc uint32) error
	wait chan struct{}
}

func newSink(ctx context.Context, f Format, level int, sh shape, m *Meter) (*sink, error) {
	s := &sink{shape: sh, format: f, meter: m, ctx: ctx, failed: make(chan struct{})}
	s.free = make(chan *block, sh.blocks)
	s.order = make(chan *block, sh.blocks)
	s.work = make(chan *block, sh.blocks)
	var encoders []encoder
	if f != None {
		for range sh.workers {
			e, err := newEncoder(f, level, sh.block)
			if err != nil {
				return nil, err
			}
			encoders = append(encoders, e)
		}
	}
	for range sh.blocks {
		s.free <- &block{done: make(chan struct{}, 1)}
	}
	for _, e := range encoders {
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
	}
	s.wg.Add(1)
	go s.write()
	return s, nil
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
				s.crc = crc32.Update(s.crc, castagnoli, data)
			}
		}
		if s.failure() == nil && b.mark != nil {
			if err := b.mark(s.out, s.crc); err != nil {
				s.fail(err)
			}
		}
		if s.failure() == nil && b.full && s.after != nil {
			if err := s.after(b.inEnd, s.out, s.crc); err != nil {
				s.fail(err)
			}
		}
		if b.wait != nil {
			close(b.wait)
		}
		b.n, b.mark, b.wait, b.full = 0, nil, nil, false
		s.free <- b
	}
}

// retarget makes w the place to write to; out and crc tell what is there
// already, in the number of bytes that were taken. Nothing may be under way.
func (s *sink) retarget(w io.Writer, path string, in, out int64, crc uint32) {
	s.w, s.path, s.in, s.out, s.crc = w, path, in, out, crc
	s.size.Store(out)
}

// space returns the room left in the block at hand, at least one byte, waiting
// for a block if need be.
func (s *sink) space() ([]byte, error) {
	if s.cur == nil {
		select {
		case s.cur = <-s.free:
		case <-s.failed:
			return nil, s.err
		case <-s.ctx.Done():
			return nil, stopped(s.ctx, "")
		}
		if s.cur.buf == nil {
			s.cur.buf = make([]byte, s.block)
		}
	}
	return s.cur.buf[s.cur.n:], nil
}

// advance says that n bytes of the space were filled.
func (s *sink) advance(n int) error {
	s.cur.n += n
	s.in += int64(n)
	if s.cur.n == len(s.cur.buf) {
		s.cur.full = true
		s.submit(s.cur)
	}
	return s.failure()
}

func (s *sink) submit(b *block) {
	s.cur = nil
	b.inEnd, b.raw = s.in, s.raw || s.format == None
	if !b.raw && b.n > 0 {
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

// cut ends the block at hand here. mark, if not nil, is told where in the
// output that is, once all up to here is written.
func (s *sink) cut(mark func(out int64, crc uint32) error) error {
	if s.cur == nil {
		if mark == nil {
			return s.failure()
		}
		if _, err := s.space(); err != nil {
			return err
		}
	}
	if s.cur.n == 0 && mark == nil {
		return s.failure()
	}
	s.cur.mark = mark
	s.submit(s.cur)
	return s.failure()
}

// settle waits until nothing is under way. What is in the block at hand is
// kept there.
func (s *sink) settle() error {
	held := s.cur
	s.cur = nil
	want := s.blocks
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

// drop forgets the block at hand.
func (s *sink) drop() {
	if s.cur != nil {
		s.in -= int64(s.cur.n)
		s.cur.n = 0
		s.free <- s.cur
		s.cur = nil
	}
}

// empty writes the compressed form of nothing, so that the output is a file of
// its format.
func (s *sink) empty(level int) error {
	e, err := newEncoder(s.format, level, s.block)
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
	s.crc = crc32.Update(s.crc, castagnoli, p)
	return diskError(s.path, err)
}

// close ends the goroutines; what is in the block at hand is lost.
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
