package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// splitSize is the length of the ranges that a split body is fetched in; as
// many as there are connections are held in memory.
const splitSize = 2 << 20

// splitRest fetches the rest of a body over more than one connection, if that
// was asked for and the server names the version of its ranges.
func (s *stream) splitRest() {
	n := s.c.req.Split
	if n < 2 || s.total < 0 || s.total-s.pos < 2*splitSize || !s.ranges || s.validator == "" || bareTag(s.validator) || s.k.method != http.MethodGet {
		return
	}
	k := s.k
	k.from, k.to, k.ifRange, k.url = 0, 0, s.validator, s.a.url
	k.trusted = k.trusted && sameOrigin(s.k.url, s.a.url)
	b := &splitBody{c: s.c, k: k, version: s.validator, first: s.a.Body, at: s.pos, total: s.total, spare: make(chan []byte, n)}
	b.ctx, b.cancel = context.WithCancel(s.a.x.ctx)
	b.left = splitSize
	b.ahead = s.pos + splitSize
	for range n - 1 {
		b.start()
	}
	s.a.Body = b
}

// splitBody is a body that is put together, in order, of ranges fetched at
// once. Any failure ends it: the stream then goes on with a new request.
type splitBody struct {
	c       *client
	k       call
	version string
	ctx     context.Context
	cancel  context.CancelFunc

	first io.ReadCloser // the answer to the first request, of which left bytes are read
	left  int64
	at    int64 // next byte to read
	total int64
	ahead int64 // next byte to request
	parts []*splitPart
	spare chan []byte
}

type splitPart struct {
	data []byte
	read int
	err  error
	done chan struct{}
}

// start requests the next range.
func (b *splitBody) start() {
	if b.ahead >= b.total {
		return
	}
	k := b.k
	k.from, k.to = b.ahead, min(b.ahead+splitSize, b.total)
	b.ahead = k.to
	p := &splitPart{done: make(chan struct{})}
	b.parts = append(b.parts, p)
	go func() {
		defer close(p.done)
		select {
		case p.data = <-b.spare:
		default:
			p.data = make([]byte, splitSize)
		}
		p.data = p.data[:k.to-k.from]
		p.err = b.fetch(k, p.data)
	}()
}

var errOtherRange = errors.New("the server sent another range than asked for")

// fetch reads one range.
func (b *splitBody) fetch(k call, into []byte) error {
	x := newExchange(b.ctx, b.c.req.Timeouts.Stall)
	defer x.cancel(nil)
	a, _, _, err := b.c.follow(x, k)
	if err != nil {
		return err
	}
	defer a.close()
	from, total, err := contentRange(a.Header)
	if a.StatusCode != http.StatusPartialContent || err != nil || from != k.from || total >= 0 && total != b.total {
		return errOtherRange
	}
	if v := validator(a.Header); v != "" && v != b.version {
		return errOtherRange
	}
	_, err = io.ReadFull(a.Body, into)
	return err
}

func (b *splitBody) Read(p []byte) (int, error) {
	if b.left > 0 {
		n, err := b.first.Read(p[:min(int64(len(p)), b.left)])
		b.left -= int64(n)
		b.at += int64(n)
		if b.left == 0 {
			b.first.Close()
			err = nil
		}
		return n, err
	}
	if b.at >= b.total {
		return 0, io.EOF
	}
	part := b.parts[0]
	select {
	case <-part.done:
	case <-b.ctx.Done():
		return 0, context.Cause(b.ctx)
	}
	if part.err != nil {
		return 0, part.err
	}
	n := copy(p, part.data[part.read:])
	part.read += n
	b.at += int64(n)
	if part.read == len(part.data) {
		b.parts = b.parts[1:]
		select {
		case b.spare <- part.data[:cap(part.data)]:
		default:
		}
		b.start()
	}
	return n, nil
}

func (b *splitBody) Close() error {
	b.cancel()
	for _, p := range b.parts {
		<-p.done
	}
	b.parts = nil
	return b.first.Close()
}
