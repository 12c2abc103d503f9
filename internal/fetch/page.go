package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// stored says how the bytes of a body on the wire become those of the output.
type stored struct {
	// Coding is the body's Content-Encoding; Magic the compression that its
	// first bytes show when it has none.
	Coding string `json:"coding,omitempty"`
	Magic  string `json:"magic,omitempty"`
	// Raw: the bytes are stored as they come.
	Raw bool `json:"raw,omitempty"`
	// Decode is the coding that is decoded before they are stored.
	Decode string `json:"decode,omitempty"`
	// Charset is converted to UTF-8, "" for none.
	Charset string `json:"charset,omitempty"`
}

// form is the compression of the body, named or shown.
func (s *stored) form() string { return cmp.Or(s.Coding, s.Magic) }

// page is one attempt at one page: its body, and everything on the way from
// there to the output.
type page struct {
	s    *session
	out  *output
	at   checkpoint
	k    call
	want *bodyState // of the body that the answer must be the rest of
	last []byte     // the last bytes that were kept of it
	// failed is how far earlier attempts in this run came.
	failed int64

	st     stream
	how    stored
	in     inspection
	result pageResult
	early  bool  // the next page was requested
	noted  int64 // the last place in the body that was noted
	// kept is the file of the bytes before those of this run, which are read
	// again, "" without any.
	kept string
}

// call makes the request for a place.
func (s *session) call(at checkpoint) (call, error) {
	var err error
	u := at.parsed
	if u == nil {
		if u, err = url.Parse(at.URL); err != nil {
			return call{}, &Error{Kind: KindPaging, Msg: "the address of the next page", err: err}
		}
	}
	k := call{method: s.req.Method, url: u, body: s.req.Body, accept: s.accept(), trusted: sameOrigin(s.origin, u)}
	if s.paging.body.inBody() {
		if k.body, err = s.paging.body.at(at); err != nil {
			return k, err
		}
	}
	return k, nil
}

// accept is the Accept-Encoding of the requests: the output's own format, so
// that it can be stored as it comes; and gzip where records are extracted,
// since the network is slower than inflating.
func (s *session) accept() string {
	switch {
	case s.req.Header.Get("Range") != "":
		return "identity"
	case s.req.Items != nil && !s.req.Raw:
		return "gzip"
	case s.out.format == Gzip:
		return "gzip"
	case s.out.format == Zstd:
		return "zstd"
	}
	return "identity"
}

// page brings the page at hand into the sink, from its beginning if need be
// more than once.
func (s *session) page() (*pageResult, error) {
	k, err := s.call(s.at)
	if err != nil {
		return nil, err
	}
	s.condition(&k)
	var want *bodyState
	var last []byte
	if s.goingOn != nil && s.goingOn.Page == 0 && s.goingOn.In > 0 {
		want = s.out.state
		if s.goingOn.In > maxOverlap {
			last = s.goingOn.Last
		}
		k.from, k.ifRange = s.goingOn.In-int64(len(last)), want.Validator
	}
	s.goingOn = nil
	if err := s.out.beginPage(s.at.Page); err != nil {
		return nil, err
	}
	a := s.ahead.take(s.at)
	var failed int64
	for restarts := 0; ; {
		p := &page{s: s, out: s.out, at: s.at, k: k, want: want, last: last, failed: failed}
		err := p.fetch(a)
		failed = p.st.failed
		var re *restartError
		if !errors.As(err, &re) {
			return &p.result, err
		}
		if re.a == nil && re.cause != nil {
			// Each is a failure in a row: nothing was gained.
			if restarts++; restarts >= s.req.Retry.Attempts {
				return nil, re.cause
			}
		}
		if want != nil {
			s.sum.StartedOver, s.sum.ResumedAt = re.why, 0
		}
		s.notify("%s; starting %s over", re.why, s.pageName())
		a, want, last = re.a, nil, nil
		k.from, k.ifRange = 0, ""
		if err := s.rollBack(); err != nil {
			return nil, err
		}
	}
}

// rollBack undoes the page at hand.
func (s *session) rollBack() error {
	if err := s.out.rollBack(); err != nil {
		return err
	}
	s.lines.reset()
	s.meter.items.Store(s.at.Items)
	s.taken = s.takenBefore
	return nil
}

// fetch brings the page into the sink. a is its answer if there is one already.
func (p *page) fetch(a *answer) (err error) {
	s := p.s
	p.st = stream{c: s.client, k: p.k, head: s.head[:], bytes: s.client.bytes, limit: s.req.Limits.Bytes, taken: &s.taken, proven: s.req.Checksum != "" && !p.out.direct, expect: p.last, failed: p.failed}
	st := &p.st
	st.last = st.lastB[:0]
	defer st.close()
	if a == nil {
		if a, err = s.client.do(p.k); err != nil {
			return err
		}
	}
	if a.StatusCode == http.StatusNotModified {
		a.close()
		return errUnchanged
	}
	if a.StatusCode == http.StatusNoContent && p.at.Page > 1 {
		a.close()
		return &Error{
			Kind: KindPaging, Op: p.k.op(), Status: a.StatusCode, Msg: "the server answered 204 No Content where a page was expected",
			hint: "if that is the end, say --stop-status 204",
		}
	}
	if err := st.begin(a, p.want); err != nil {
		st.a = a
		return err
	}
	if p.want != nil && !st.resumed {
		return p.changed(a)
	}
	if !p.out.opened {
		if err := p.out.named(a.Header, a.url, s.target.Name); err != nil {
			return err
		}
		if err := s.open(); err != nil {
			return err
		}
	}
	if p.out.direct {
		st.prefix = new(maphash.Hash)
	}
	p.answered(a)
	if err := p.plan(); err != nil {
		return err
	}
	if err := p.inspect(a); err != nil {
		return err
	}
	p.result.doc = p.in.doc
	if st.resumed {
		if err := p.replay(); err != nil {
			return err
		}
	}
	p.checkpoints()
	if err := p.out.sink.setRaw(p.how.Raw); err != nil {
		return err
	}
	p.nextIsKnown()
	if err := p.move(); err != nil {
		return err
	}
	return p.complete()
}

// answered takes down what the header of the answer says.
func (p *page) answered(a *answer) {
	p.result.url, p.result.header = a.url, a.Header
	p.s.sum.ETag = a.Header.Get("ETag")
	p.s.version = versionOf(a.Header)
	if v := a.Header.Get("Last-Modified"); v != "" && p.s.req.Output.RemoteTime {
		if t, err := http.ParseTime(v); err == nil {
			p.out.modified = t
		}
	}
	if p.st.opaque != "" && p.s.sum.ContentEncoding == "" && !p.s.req.Raw {
		p.s.notify("the body is encoded as %s, which was not asked for; it is stored as it comes", p.st.opaque)
	}
	p.s.sum.ContentEncoding = p.st.opaque
}

// complete checks a page that has arrived, and counts its records.
func (p *page) complete() error {
	s, st, t := p.s, &p.st, &p.in
	if t.doc != nil {
		if err := t.doc.Finish(); err != nil {
			return p.documentEnds(err)
		}
		st.verified = true
		s.verified["json"]++
	}
	if err := p.verify(); err != nil {
		if (st.joined || p.want != nil) && !p.out.direct {
			return &restartError{cause: err, why: "the parts do not have the checksum of the body"}
		}
		return err
	}
	s.bodies++
	r := &p.result
	r.length = t.length
	if t.count {
		r.sum = t.sum.Sum64()
	}
	if s.paging.counts() && t.doc != nil {
		r.items, r.kind = t.doc.Items()
		if s.paging.mode != onePage && !t.count {
			r.sum = s.paging.reader.sum.Sum64()
		}
		s.meter.items.Store(p.at.Items + r.items)
		if err := s.paging.itemsFound(p.k.op(), p.at, s.sum.ResumedPage > 0, r); err != nil {
			return err
		}
	}
	if p.how.Raw && p.out.format != None && !s.req.Raw {
		s.sum.PassedThrough = true
	}
	s.meter.content.Add(t.length)
	return nil
}

// smallPage is the length up to which a page that the server has compressed is
// compressed again, together with others: alone it would be much larger.
const smallPage = 128 << 10

// plan decides how a body is stored, by its coding and its first bytes.
func (p *page) plan() error {
	if p.st.resumed {
		p.how = p.want.Stored
		return nil
	}
	head, err := p.st.peek()
	if err != nil {
		return err
	}
	h := stored{Coding: p.st.coding}
	if h.Coding == codingNone && p.st.opaque == "" {
		h.Magic = sniff(head)
	}
	form := h.form()
	records := p.s.req.Items != nil
	format := string(p.out.format)
	small := p.s.paging.mode != onePage && !p.out.perPage && p.st.total >= 0 && p.st.total <= smallPage
	switch {
	case p.s.req.Raw, p.st.opaque != "" && p.out.format == None:
		h.Raw = true
	case p.st.opaque != "":
	case records:
		h.Decode = form
	case format == form && form != codingNone:
		if h.Raw = !small; small {
			h.Decode = form
		}
	case h.Coding == codingNone && p.out.format == None:
		h.Raw = true
	default:
		h.Decode = form
	}
	p.how = h
	return p.planCharset()
}

// changed makes the answer, which holds the whole body although a part was
// asked for, the first of a new start.
func (p *page) changed(a *answer) error {
	why := "the server sends no parts of the body"
	if v := validator(a.Header); v != "" && v != p.want.Validator {
		why = "the body has changed on the server"
	}
	p.st.a = nil
	return &restartError{why: why, a: a}
}

// documentError explains the error of a document.
func (p *page) documentError(err error) error {
	if serr := p.out.sink.failure(); serr != nil {
		return serr
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	e := &Error{Kind: KindJSON, Op: p.k.op(), err: err}
	contentType := p.st.a.Header.Get("Content-Type")
	switch {
	case errors.Is(err, jsonscan.ErrTruncated):
		e.Msg = "the server sent all bytes that it had announced, but the JSON in them is incomplete"
		return e
	case formOf(contentType) != formJSON && contentType != "":
		e.hint = "the server says that the body is " + clean(contentType, 80)
	}
	if cs := p.s.sum.Charset; cs != "" && cs != "utf-8" && p.how.Charset == "" {
		e.hint = fmt.Sprintf("the body's charset is %s; --utf8 converts it", clean(cs, 40))
	}
	return e
}

// documentEnds explains the error at the end of a document. Where only the end
// of the connection marked the end of the body, the connection may have broken:
// then the body is read again.
func (p *page) documentEnds(err error) error {
	if !errors.Is(err, jsonscan.ErrTruncated) || p.st.verified {
		return p.documentError(err)
	}
	broke := &Error{Kind: KindTruncated, Op: p.k.op(), Msg: "the server closed the connection before the end of the JSON", err: err}
	if p.out.direct || !p.s.client.mayRepeat(p.k) {
		return broke
	}
	if err := p.s.client.pause(broke, 0); err != nil {
		return err
	}
	return &restartError{cause: broke, why: "the server closed the connection before the end of the JSON"}
}

func (s *session) pageName() string {
	if s.at.Page == 0 {
		return "the body"
	}
	return fmt.Sprintf("page %d", s.at.Page)
}

// describePage names the page in an error.
func (s *session) describePage(err error) error {
	var e *Error
	if s.at.Page > 1 && errors.As(err, &e) && e.Op != "" && !strings.HasPrefix(e.Op, "page ") {
		e.Op = fmt.Sprintf("page %d: %s", s.at.Page, e.Op)
	}
	return err
}
