package fetch

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// aheadSize is how much of a page is read before its turn.
const aheadSize = 256 << 10

// lookahead requests pages before their turn: those whose addresses are known,
// a number of them at once. It is a matter of time alone: a page that is not
// asked for after all is dropped, and one whose request fails is requested
// again in its turn, when failures count.
type lookahead struct {
	s     *session
	limit int
	// early holds the requests by place.
	early map[placeKey]*earlyAnswer
	spare chan []byte
	// paused: a request ahead has failed; the next page in turn lifts it.
	paused bool
}

// placeKey tells places apart.
type placeKey struct{ url, cursor string }

func keyOf(c checkpoint) placeKey { return placeKey{c.URL, string(c.Cursor)} }

func newLookahead(s *session, limit int) *lookahead {
	return &lookahead{s: s, limit: limit, early: map[placeKey]*earlyAnswer{}, spare: make(chan []byte, limit)}
}

// allowed reports whether requests may be sent that are perhaps not needed.
func (l *lookahead) allowed() bool {
	return l.limit > 1 && !l.paused && idempotent(l.s.req.Method)
}

// request sends the requests for places, as many as may be under way.
func (l *lookahead) request(places []checkpoint) {
	if !l.allowed() {
		return
	}
	for _, c := range places {
		if len(l.early) >= l.limit {
			return
		}
		if _, ok := l.early[keyOf(c)]; ok {
			continue
		}
		k, err := l.s.call(c)
		if err != nil {
			return
		}
		e := &earlyAnswer{x: newExchange(l.s.ctx, l.s.req.Timeouts.Stall), done: make(chan struct{})}
		l.early[keyOf(c)] = e
		go e.run(l.s.client, k, l.spare)
	}
}

// take returns the answer for a place if it was requested ahead and succeeded.
// It drops the requests for places that did not come up.
func (l *lookahead) take(c checkpoint) *answer {
	e := l.early[keyOf(c)]
	if e == nil {
		l.paused = false
		return nil
	}
	delete(l.early, keyOf(c))
	<-e.done
	if e.a == nil {
		l.paused = true
		return nil
	}
	l.paused = false
	return e.a
}

// drop gives up all requests that are not for one of places.
func (l *lookahead) drop(places []checkpoint) {
	if len(l.early) == 0 {
		return
	}
	keep := map[placeKey]bool{}
	for _, c := range places {
		keep[keyOf(c)] = true
	}
	for key, e := range l.early {
		if !keep[key] {
			delete(l.early, key)
			e.abandon()
		}
	}
}

func (l *lookahead) close() { l.drop(nil) }

// earlyAnswer is the answer to a request that was sent ahead, and the beginning
// of its body.
type earlyAnswer struct {
	x    *exchange
	done chan struct{}
	a    *answer // nil if it failed
}

func (e *earlyAnswer) run(c *client, k call, spare chan []byte) {
	defer close(e.done)
	a, _, _, err := c.follow(e.x, k)
	if err != nil {
		e.x.cancel(nil)
		return
	}
	if a.StatusCode < 200 || a.StatusCode > 299 || a.StatusCode == http.StatusAccepted {
		a.close()
		e.x.cancel(nil)
		return
	}
	var buf []byte
	select {
	case buf = <-spare:
	default:
		size := aheadSize
		if a.ContentLength >= 0 && a.ContentLength < aheadSize {
			size = int(a.ContentLength) + 1
		}
		buf = make([]byte, size)
	}
	b := &aheadBody{ReadCloser: a.Body, buf: buf, spare: spare, cancel: e.x.cancel}
	for b.n < len(buf) && b.err == nil {
		var n int
		a.x.watch()
		n, b.err = a.Body.Read(buf[b.n:])
		a.x.rest()
		b.n += n
	}
	a.Body = b
	e.a = a
}

// abandon gives the request up.
func (e *earlyAnswer) abandon() {
	e.x.cancel(nil)
	go func() {
		<-e.done
		if e.a != nil {
			e.a.Body.Close()
		}
	}()
}

// aheadBody is a body whose beginning was read already.
type aheadBody struct {
	io.ReadCloser
	buf    []byte
	at, n  int
	err    error // after that
	cancel context.CancelCauseFunc
	spare  chan []byte
	once   sync.Once
}

func (b *aheadBody) Read(p []byte) (int, error) {
	if b.at < b.n {
		n := copy(p, b.buf[b.at:b.n])
		b.at += n
		return n, nil
	}
	b.release()
	if b.err != nil {
		return 0, b.err
	}
	return b.ReadCloser.Read(p)
}

func (b *aheadBody) release() {
	b.once.Do(func() {
		if len(b.buf) == aheadSize {
			select {
			case b.spare <- b.buf:
			default:
			}
		}
		b.buf, b.at, b.n = nil, 0, 0
	})
}

func (b *aheadBody) Close() error {
	b.release()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// farAway is how much of a page must still be missing for the next one to be
// requested over a second connection.
const farAway = 64 << 10

// nextIsKnown requests the next page as soon as the page at hand has named it.
func (p *page) nextIsKnown() {
	s := p.s
	if p.early || s.paging.mode == onePage || s.paging.mode.counted() || !s.ahead.allowed() {
		return
	}
	if s.paging.Max > 0 && p.at.Page >= s.paging.Max {
		return
	}
	if p.st.total >= 0 && p.st.total-p.st.pos < farAway || p.st.total < 0 && p.st.pos < farAway {
		return
	}
	if to, ok := s.paging.pager.early(p.at, &p.result); ok {
		p.early = true
		s.ahead.request(s.paging.pager.ahead(to, &p.result, s.req.Parallel))
	}
}
