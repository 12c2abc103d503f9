package fetch

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/gunzip"
	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// pump moves the body from the stream to the sink.
func (f *run) pump(st *stream, how stored, t *taps) error {
	coded := how.Coding
	if coded == "" {
		coded = how.Magic
	}
	inside := t.scan != nil || t.count || t.wants(true)
	switch {
	case how.Decode == "" && (coded == "" || !inside) && f.req.Items == nil:
		// As it comes.
		return f.pumpPlain(st, t, coded != "")
	case how.Raw:
		// As it comes; and a copy is inflated to look inside.
		return f.inflate(st, coded, &tee{st: st, f: f, t: t}, t, nil)
	case how.Decode == "":
		return f.pumpContent(st, st, t, true, nil)
	}
	var store func([]byte) error
	if f.req.Items == nil {
		store = f.storeContent
	}
	return f.inflate(st, how.Decode, &wireTap{st, t}, t, store)
}

// pumpPlain reads into the sink's own blocks.
func (f *run) pumpPlain(st *stream, t *taps, opaque bool) error {
	for {
		b, err := f.sink.space()
		if err != nil {
			return err
		}
		b = b[:min(len(b), f.req.Limits.ChunkSize)]
		n, rerr := f.fill(st, b)
		if n > 0 {
			t.wire(b[:n])
			if !opaque {
				if err := t.content(b[:n]); err != nil {
					return f.jsonError(st, err)
				}
			}
			if err := f.sink.advance(n); err != nil {
				return err
			}
			if f.direct && f.format == None {
				// Who reads a pipe waits for it.
				if err := f.sink.cut(nil); err != nil {
					return err
				}
			}
		}
		if rerr == io.EOF {
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}

// fill reads until b is full, so that many small reads make few writes; for a
// pipe each read counts.
func (f *run) fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) {
		var m int
		m, err = r.Read(b[n:])
		n += m
		if err != nil || f.direct {
			break
		}
	}
	return n, err
}

// pumpContent reads content, shows it to the taps and stores it.
func (f *run) pumpContent(st *stream, in io.Reader, t *taps, wire bool, store func([]byte) error) error {
	next := f.reader(in)
	op := st.k.op()
	for {
		p, err := next()
		if len(p) > 0 {
			if wire {
				t.wire(p)
			}
			if cerr := t.content(p); cerr != nil {
				return f.jsonError(st, cerr)
			}
			if !wire {
				if berr := f.bounded(op, t, st); berr != nil {
					return berr
				}
			}
			if store != nil {
				if serr := store(p); serr != nil {
					return serr
				}
			}
		}
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// reader returns a function that gives piece after piece of in: the decoder's
// own, or our buffer's.
func (f *run) reader(in io.Reader) func() ([]byte, error) {
	if z, ok := in.(*gunzip.Reader); ok {
		return z.Next
	}
	if f.buf == nil {
		f.buf = make([]byte, f.req.Limits.ChunkSize)
	}
	return func() ([]byte, error) {
		n, err := f.fill(in, f.buf)
		return f.buf[:n], err
	}
}

func (f *run) storeContent(p []byte) error {
	_, err := f.sink.Write(p)
	return err
}

// inflate is pumpContent through a decoder.
func (f *run) inflate(st *stream, coding string, in io.Reader, t *taps, store func([]byte) error) error {
	failed := func(err error) error {
		if st.err != nil && st.err != io.EOF {
			return st.err
		}
		if serr := f.sink.failure(); serr != nil {
			return serr
		}
		var own *Error
		if errors.As(err, &own) {
			return err
		}
		return decodeError(st.k.op(), coding, f.dec.maxWindow(), err)
	}
	if st.complete || st.total == 0 {
		if head, err := st.peek(); err == nil && len(head) == 0 {
			return nil // no body is no broken gzip
		}
	}
	dec, err := f.dec.reset(coding, in)
	if err != nil {
		return failed(err)
	}
	if err := f.pumpContent(st, dec, t, false, store); err != nil {
		return failed(err)
	}
	if n, err := f.dec.rest(coding); err != nil {
		return failed(err)
	} else if n > 0 && store != nil {
		return &Error{Kind: KindCoding, Op: st.k.op(), Msg: fmt.Sprintf("%d bytes follow the end of the body's %s", n, coding)}
	}
	return nil
}

// bounded holds what comes out of a decoder against the limits.
func (f *run) bounded(op string, t *taps, st *stream) error {
	if l := f.req.Limits.Bytes; l > 0 && f.meter.content.Load()-f.contentAt+t.length > l {
		return &Error{Kind: KindLimit, Op: op, Msg: fmt.Sprintf("decompressed it is more than the %s allowed", FormatSize(l)), hint: "more is allowed by --max-bytes SIZE"}
	}
	if r := f.req.Limits.Ratio; r > 0 && t.length > 16<<20 && t.length/int64(r) > max(st.pos, 1) {
		return &Error{Kind: KindCoding, Op: op, Msg: fmt.Sprintf("the body grows more than %d-fold when it is decompressed (%s from %s): a bomb", r, FormatSize(t.length), FormatSize(st.pos)), hint: "if it is to be taken, say --max-ratio N"}
	}
	return nil
}

// tee stores what a decoder reads.
type tee struct {
	st *stream
	f  *run
	t  *taps
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.st.Read(p)
	if n > 0 {
		t.t.wire(p[:n])
		if _, werr := t.f.sink.Write(p[:n]); werr != nil {
			return 0, werr
		}
	}
	return n, err
}

type wireTap struct {
	st *stream
	t  *taps
}

func (w *wireTap) Read(p []byte) (int, error) {
	n, err := w.st.Read(p)
	w.t.wire(p[:n])
	return n, err
}

// jsonError explains what the scanner says.
func (f *run) jsonError(st *stream, err error) error {
	var own *Error
	if errors.As(err, &own) || f.sink.failure() != nil {
		if serr := f.sink.failure(); serr != nil {
			return serr
		}
		return err
	}
	e := &Error{Kind: KindJSON, Op: st.k.op(), err: err}
	if errors.Is(err, jsonscan.ErrTruncated) {
		e.Msg = "the server sent all it had announced, but its JSON is cut short"
		return e
	}
	if ct := st.a.Header.Get("Content-Type"); !isJSON(ct) && ct != "" {
		e.hint = "the server says that the body is " + clean(ct, 80)
	}
	return e
}

// jsonEnds explains what is wrong with the end of a document. Where the end of
// the connection was all that told the body's end, the connection may have
// broken: then the body is read again.
func (f *run) jsonEnds(st *stream, err error) error {
	if !errors.Is(err, jsonscan.ErrTruncated) || st.verified {
		return f.jsonError(st, err)
	}
	broke := &Error{Kind: KindTruncated, Op: st.k.op(), Msg: "the server closed the connection, but the JSON has not ended", err: err}
	if f.direct || !f.client.repeatable(true) || !idempotent(st.k.method) && !f.req.Retry.Unsafe {
		return broke
	}
	if err := f.client.pause(f.ctx, broke, 0); err != nil {
		return err
	}
	return &restartError{cause: broke, why: "the server closed the connection before the JSON had ended"}
}

func isJSON(contentType string) bool {
	m, _, _ := strings.Cut(contentType, ";")
	m = strings.ToLower(strings.TrimSpace(m))
	return m == "application/json" || strings.HasSuffix(m, "+json") || m == "text/json"
}
