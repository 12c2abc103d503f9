package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"strings"

	"golang.org/x/time/rate"
)

// stream is one body as the server has it, with its Content-Encoding.
// Connections may break under it: it goes on where it was by Range and
// If-Range, and where that is not possible it returns a restartError.
type stream struct {
	c *client
	k call
	a *answer

	pos, total int64 // on the wire; total is -1 if unknown
	coding     string
	opaque     string // a Content-Encoding that cannot be decoded
	validator  string // for If-Range, "" without a strong one
	proven     bool   // a checksum of the whole is known: it shows in the end whether parts match
	joined     bool   // parts were put together on that basis alone
	ranges     bool   // the server may answer a range
	complete   bool   // nothing is left to read
	resumed    bool   // began at k.from
	verified   bool   // the end was known and met
	err        error  // the error that ended it

	head  []byte // memory for ahead
	ahead []byte // peeked
	early error  // that came along with the last bytes
	// failed is the farthest position of a failure, also before the body was
	// started over: only bytes after it are progress.
	failed int64
	// last are the bytes before pos. A request for the rest asks for them
	// again, as expect: other ones show that the server's ranges are wrong.
	last, expect []byte
	lastB        [maxOverlap]byte // memory of last
	speed        speedCheck

	// When delivered bytes cannot be undone, a body that starts again must
	// begin with the same ones.
	prefix *maphash.Hash

	bytes *rate.Limiter
	limit int64 // of all bytes, 0 for none
	taken *int64
}

// restartError says that a body must be read from its beginning. a is an
// answer that holds it, nil without one.
type restartError struct {
	cause error
	why   string
	a     *answer
}

func (e *restartError) Error() string { return e.why }
func (e *restartError) Unwrap() error { return e.cause }

// begin takes the answer of a first request, or of one for the rest of a body
// of the version want.
func (s *stream) begin(a *answer, want *bodyState) error {
	s.a = a
	s.total = a.ContentLength
	s.coding, s.opaque = coding(a.Header)
	s.validator = validator(a.Header)
	s.ranges = s.k.method == http.MethodGet && !strings.EqualFold(a.Header.Get("Accept-Ranges"), "none") && s.c.req.Header.Get("Range") == ""
	switch {
	case a.StatusCode == http.StatusPartialContent && s.k.from > 0:
		from, total, err := contentRange(a.Header)
		switch {
		case err != nil:
			return &restartError{why: "the server's Content-Range makes no sense"}
		case from != s.k.from:
			return &restartError{why: fmt.Sprintf("the server sent the bytes from %d on and not from %d", from, s.k.from)}
		case want.Total >= 0 && total >= 0 && total != want.Total:
			return &restartError{why: "the body's length has changed"}
		case s.coding != want.Coding:
			return &restartError{why: "the body has another Content-Encoding now"}
		case s.validator != "" && s.validator != want.Validator:
			return &restartError{why: "the body has changed"}
		case s.validator == "" && bareTag(want.Validator):
			return &restartError{why: "the server does not name the version of the part that it sent"}
		}
		if total < 0 {
			total = want.Total
		}
		s.validator = want.Validator
		s.pos, s.total, s.resumed = from, total, true
		s.joined = s.joined || s.validator == ""
	case a.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		// There is nothing after the part that we have: then it is all, if the
		// server gives the same length.
		if _, total, err := contentRange(a.Header); err == nil && total == s.k.from && (want.Total < 0 || want.Total == total) {
			s.pos, s.total, s.complete, s.verified = total, total, true, true
			s.resumed, s.coding, s.validator = true, want.Coding, want.Validator
			a.close()
			return nil
		}
		return &restartError{why: "the body on the server is shorter now"}
	case a.StatusCode == http.StatusPartialContent && s.c.req.Header.Get("Range") == "":
		return &Error{Kind: KindHTTP, Op: s.k.op(), Status: a.StatusCode, Msg: "the server sent a part although all was asked for"}
	case a.StatusCode == http.StatusPartialContent && strings.HasPrefix(a.Header.Get("Content-Type"), "multipart/byteranges"):
		return &Error{Kind: KindHTTP, Op: s.k.op(), Status: a.StatusCode, Msg: "the server sent more than one range, which is not supported"}
	default:
		s.pos = 0
	}
	s.k.from = 0
	if s.resumed {
		if err := s.overlap(); err != nil {
			return err
		}
	}
	s.speed.reset(s.pos)
	s.splitRest()
	if s.limit > 0 && s.total >= 0 && *s.taken+s.total-s.pos > s.limit {
		return s.tooMuch()
	}
	s.c.meter.total.Store(s.total + 1)
	s.c.meter.at.Store(s.pos)
	return nil
}

func (s *stream) tooMuch() error {
	return &Error{Kind: KindLimit, Op: s.k.op(), Msg: fmt.Sprintf("more than the %s allowed", FormatSize(s.limit)), hint: "allow more with --max-bytes SIZE"}
}

func (s *stream) close() {
	if s.a != nil && !s.complete {
		s.a.Body.Close()
		s.a.x.end()
	}
}

// peek returns the first bytes of the body, four at least if there are as many,
// without taking them.
func (s *stream) peek() ([]byte, error) {
	n := len(s.ahead)
	for n < 4 {
		m, err := s.read(s.head[n:])
		n += m
		s.ahead = s.head[:n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return s.ahead, nil
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.ahead) > 0 {
		n := copy(p, s.ahead)
		s.ahead = s.ahead[n:]
		return n, nil
	}
	return s.read(p)
}

// read reads from the connection, or from the next one.
func (s *stream) read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	for {
		if s.complete {
			s.err = io.EOF
			return 0, io.EOF
		}
		var n int
		err := s.early
		s.early = nil
		if err == nil {
			q := p
			if s.bytes != nil {
				q = p[:min(len(p), s.bytes.Burst())]
			}
			s.a.x.watch()
			n, err = s.a.Body.Read(q)
			s.a.x.rest()
		}
		if n > 0 {
			if s.bytes != nil {
				if werr := s.bytes.WaitN(s.c.ctx, n); werr != nil {
					// The limiter sees that the deadline is too near.
					if s.err = stopped(s.c.ctx, s.k.op()); s.c.ctx.Err() == nil {
						s.err = &Error{Kind: KindTimeout, Op: s.k.op(), err: context.DeadlineExceeded}
					}
					return 0, s.err
				}
			}
			s.pos += int64(n)
			*s.taken += int64(n)
			s.c.meter.received.Add(int64(n))
			s.c.meter.at.Store(s.pos)
			if s.limit > 0 && *s.taken > s.limit {
				s.err = s.tooMuch()
				return 0, s.err
			}
			if s.total >= 0 && s.pos > s.total {
				s.err = &Error{Kind: KindTruncated, Op: s.k.op(), Msg: fmt.Sprintf("the server sent more than the %d bytes it had announced", s.total)}
				return 0, s.err
			}
			if s.prefix != nil {
				s.prefix.Write(p[:n])
			}
			s.last = lastOf(s.last, p[:n])
			s.early = err
			if s.speed.tooSlow(s.pos, s.c.req.Limits.MinBytesPerSecond) {
				s.early = errTooSlow
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		if err == io.EOF && (s.total < 0 || s.pos == s.total) {
			s.complete = true
			s.verified = s.total >= 0 || !s.closeDelimited()
			s.a.Body.Close()
			s.a.x.end()
			if s.verified {
				s.c.progress()
			}
			continue
		}
		if s.err = s.reconnect(err); s.err != nil {
			return 0, s.err
		}
	}
}

// closeDelimited reports whether the end of the body is the end of the
// connection, so that nobody can tell whether it is all.
func (s *stream) closeDelimited() bool {
	return s.a.ProtoMajor < 2 && s.a.ContentLength < 0 && len(s.a.TransferEncoding) == 0
}

// goesOn reports whether the rest of the body can be asked for alone.
func (s *stream) goesOn() bool { return s.ranges && (s.validator != "" || s.proven) }

// progressStep is how many bytes count as progress, so that failures before
// them are forgotten.
const progressStep = 64 << 10

// reconnect goes on after the body broke off because of cause.
func (s *stream) reconnect(cause error) error {
	if c := context.Cause(s.a.x.ctx); errors.Is(c, errStalled) {
		cause = c
	}
	s.a.Body.Close()
	s.a.x.end()
	if s.c.ctx.Err() != nil {
		return stopped(s.c.ctx, s.k.op())
	}
	broke := s.broke(cause)
	if s.pos-s.failed >= progressStep {
		s.c.progress()
	}
	s.failed = max(s.failed, s.pos)
	if !s.c.mayRepeat(s.k) {
		return broke
	}
	if err := s.c.pause(broke, 0); err != nil {
		return err
	}
	again := s.k
	if s.pos > 0 && s.goesOn() {
		if s.expect = nil; s.pos > maxOverlap {
			s.expect = bytes.Clone(s.last)
		}
		again.from, again.ifRange = s.pos-int64(len(s.expect)), s.validator
	} else if s.pos > 0 && s.prefix == nil {
		why := "the connection broke and the server names no version to go on from"
		return &restartError{cause: broke, why: why}
	}
	a, err := s.c.do(again)
	if err != nil {
		return err
	}
	was := bodyState{Validator: s.validator, Coding: s.coding, Total: s.total}
	pos := s.pos
	s.k.from = again.from
	s.pos = 0
	err = s.begin(a, &was)
	var re *restartError
	if errors.As(err, &re) && s.prefix != nil {
		a.close()
		again.from, again.ifRange, s.k.from, s.expect = 0, "", 0, nil
		if a, err = s.c.do(again); err == nil {
			err = s.begin(a, &was)
		}
	}
	if err != nil {
		a.close()
		s.k.from = 0
		if errors.As(err, &re) {
			re.cause = broke
		}
		return err
	}
	if s.pos == pos {
		return nil
	}
	if s.prefix != nil {
		return s.skipSame(pos, was)
	}
	s.a = nil // it is the next stream's
	return &restartError{cause: broke, why: "the body has changed while it was read", a: a}
}

// maxOverlap is how many bytes are requested again when a body is resumed.
const maxOverlap = 64

// lastOf returns the last bytes of before and p, in the memory of before.
func lastOf(before, p []byte) []byte {
	if len(p) >= maxOverlap {
		return append(before[:0], p[len(p)-maxOverlap:]...)
	}
	if over := len(before) + len(p) - maxOverlap; over > 0 {
		before = before[:copy(before, before[over:])]
	}
	return append(before, p...)
}

// overlap reads the bytes that are known already and compares them.
func (s *stream) overlap() error {
	if len(s.expect) == 0 {
		return nil
	}
	got := make([]byte, len(s.expect))
	s.a.x.watch()
	_, err := io.ReadFull(s.a.Body, got)
	s.a.x.rest()
	if err != nil {
		return &restartError{cause: s.broke(err), why: "the connection broke at once"}
	}
	if !bytes.Equal(got, s.expect) {
		return &restartError{why: fmt.Sprintf("the server sent other bytes than those before byte %d", s.pos+int64(len(got)))}
	}
	s.pos += int64(len(got))
	s.last, s.expect = append(s.last[:0], got...), nil
	return nil
}

// skipSame reads the first n bytes of a body that starts again and makes sure
// that they are the ones delivered before.
func (s *stream) skipSame(n int64, was bodyState) error {
	var h maphash.Hash
	h.SetSeed(s.prefix.Seed())
	buf := make([]byte, 64<<10)
	for left := n; left > 0; {
		s.a.x.watch()
		m, err := s.a.Body.Read(buf[:min(int64(len(buf)), left)])
		s.a.x.rest()
		h.Write(buf[:m])
		left -= int64(m)
		s.pos += int64(m)
		if err != nil && left > 0 {
			// Not a step further: count it as one more failure.
			s.pos = n
			return s.reconnect(err)
		}
	}
	if h.Sum64() != s.prefix.Sum64() || s.coding != was.Coding {
		return &Error{Kind: KindChanged, Op: s.k.op(), Msg: fmt.Sprintf("the connection broke after %d bytes, and the body that the server sends now begins differently; written bytes cannot be undone", n)}
	}
	return nil
}

// broke is the error of a body that ended before its end.
func (s *stream) broke(cause error) error {
	e := &Error{Kind: KindTruncated, Op: s.k.op()}
	of := ""
	if s.total >= 0 {
		of = fmt.Sprintf(" of %d", s.total)
	}
	e.Msg = fmt.Sprintf("the body broke off after %d%s bytes", s.pos, of)
	switch {
	case errors.Is(cause, errStalled):
		e.Kind = KindTimeout
		e.Msg = fmt.Sprintf("no byte came for %s, after %d%s bytes", s.c.req.Timeouts.Stall, s.pos, of)
		e.hint = "allow more time with --timeout stall=TIME"
	case errors.Is(cause, errTooSlow):
		e.Kind = KindTimeout
		e.Msg = fmt.Sprintf("slower than %s per second, after %d%s bytes", FormatSize(int64(s.c.req.Limits.MinBytesPerSecond)), s.pos, of)
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF):
	default:
		e.err = cause
	}
	return e
}
