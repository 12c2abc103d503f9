package fetch

import (
	"errors"
	"fmt"
	"io"
)

// move moves the body from the stream to the sink.
func (p *page) move() error {
	coded := p.how.form()
	switch {
	case p.how.Decode == "" && p.how.Charset == "" && !p.in.emits && (coded == "" || !p.in.wantsContent()):
		return p.copyPlain(coded != "")
	case p.how.Raw && coded != "":
		// Stored as it comes; a copy is decoded to look at it.
		return p.decode(coded, &tee{p}, nil)
	}
	store := p.out.store
	if p.in.emits {
		store = nil
	}
	if p.how.Decode == "" {
		in, done, err := p.keptBefore(&wireReader{p})
		if err != nil {
			return err
		}
		defer done()
		if p.how.Charset != "" {
			if in, err = p.toUTF8(in); err != nil {
				return err
			}
		}
		return p.copyContent(in, store)
	}
	return p.decode(p.how.Decode, &wireReader{p}, store)
}

// copyPlain reads into the sink's own blocks. opaque says that the bytes are
// not the content.
func (p *page) copyPlain(opaque bool) error {
	sink, t := p.out.sink, &p.in
	for {
		b, err := sink.space()
		if err != nil {
			return err
		}
		b = b[:min(len(b), p.s.req.Limits.ChunkSize)]
		n, rerr := p.fill(&p.st, b)
		if n > 0 {
			t.wire(b[:n])
			if !opaque {
				if err := t.content(b[:n]); err != nil {
					return p.documentError(err)
				}
			}
			if err := sink.advance(n); err != nil {
				return err
			}
			if p.out.direct && p.out.format == None && p.s.req.Output.Store == nil {
				// The reader of a pipe waits for it.
				if err := sink.cut(nil); err != nil {
					return err
				}
			}
		}
		if errors.Is(rerr, io.EOF) {
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}

// fill reads until b is full, so that many small reads make few writes; for a
// pipe each read counts.
func (p *page) fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) {
		var m int
		m, err = r.Read(b[n:])
		n += m
		if err != nil || p.out.direct {
			break
		}
	}
	return n, err
}

// copyContent reads content, inspects it and stores it.
func (p *page) copyContent(in io.Reader, store func([]byte) error) error {
	s, t := p.s, &p.in
	if s.buf == nil {
		s.buf = make([]byte, s.req.Limits.ChunkSize)
	}
	for {
		n, err := p.fill(in, s.buf)
		if n > 0 {
			piece := s.buf[:n]
			if cerr := t.content(piece); cerr != nil {
				return p.documentError(cerr)
			}
			if berr := p.bounded(); berr != nil {
				return berr
			}
			if store != nil {
				if serr := store(piece); serr != nil {
					return serr
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = p.part()
		}
		if err != nil {
			return err
		}
	}
}

// decode is copyContent through a decoder.
func (p *page) decode(coding string, in io.Reader, store func([]byte) error) error {
	st, dec := &p.st, &p.s.dec
	failed := func(err error) error {
		if st.err != nil && !errors.Is(st.err, io.EOF) {
			return st.err
		}
		if serr := p.out.sink.failure(); serr != nil {
			return serr
		}
		var own *Error
		if errors.As(err, &own) {
			return err
		}
		return decodeError(p.k.op(), coding, dec.maxWindow(), err)
	}
	if p.kept == "" && (st.complete || st.total == 0) {
		if head, err := st.peek(); err == nil && len(head) == 0 {
			return nil // an empty body is not damaged gzip
		}
	}
	in, done, err := p.keptBefore(in)
	if err != nil {
		return err
	}
	defer done()
	content, err := dec.reset(coding, in)
	if err != nil {
		return failed(err)
	}
	if p.how.Charset != "" {
		if content, err = p.toUTF8(content); err != nil {
			return err
		}
	}
	if err := p.copyContent(content, store); err != nil {
		return failed(err)
	}
	n, err := dec.rest(coding)
	if err != nil {
		return failed(err)
	}
	if n > 0 {
		return &Error{Kind: KindCoding, Op: p.k.op(), Msg: fmt.Sprintf("%d bytes follow the end of the body's %s", n, coding)}
	}
	return nil
}

// bounded compares the output of a decoder with the limits.
func (p *page) bounded() error {
	length, req := p.in.length, p.s.req
	if p.how.Raw {
		return nil // a bomb that is stored as it comes does no harm
	}
	if l := req.Limits.Bytes; l > 0 && p.s.meter.content.Load()-p.s.contentBefore+length > l {
		return &Error{Kind: KindLimit, Op: p.k.op(), Msg: fmt.Sprintf("decompressed it is more than the %s allowed", FormatSize(l)), hint: "allow more with --max-bytes SIZE"}
	}
	if r := req.Limits.Ratio; r > 0 && length > 16<<20 && length/int64(r) > max(p.st.pos, 1) {
		return &Error{Kind: KindCoding, Op: p.k.op(), Msg: fmt.Sprintf("the body grows more than %d-fold when it is decompressed (%s from %s): a bomb", r, FormatSize(length), FormatSize(p.st.pos)), hint: "if that is expected, say --max-ratio N"}
	}
	return nil
}

// tee stores the bytes that a decoder reads.
type tee struct{ p *page }

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.p.st.Read(b)
	if n > 0 {
		t.p.took(b[:n])
		if werr := t.p.out.store(b[:n]); werr != nil {
			return 0, werr
		}
	}
	return n, err
}

// wireReader inspects the bytes that a decoder reads.
type wireReader struct{ p *page }

func (w *wireReader) Read(b []byte) (int, error) {
	n, err := w.p.st.Read(b)
	w.p.took(b[:n])
	return n, err
}
