package fetch

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// stored says how the bytes of a body on the wire become those of the output.
type stored struct {
	// Coding is the body's Content-Encoding, Magic what its first bytes show
	// when it has none.
	Coding string `json:"coding,omitempty"`
	Magic  string `json:"magic,omitempty"`
	// Raw: they are stored as they come.
	Raw bool `json:"raw,omitempty"`
	// Decode is the coding that is undone before they are stored.
	Decode string `json:"decode,omitempty"`
}

// page brings one page into the sink, from its beginning if need be several
// times.
func (f *run) page(u *url.URL) (got, error) {
	k := call{method: f.req.Method, url: u, accept: f.accept(), trusted: sameOrigin(f.url, u)}
	var want *bodyState
	if f.going != nil && f.going.Page == 0 && f.going.In > 0 {
		k.from, k.ifRange, want = f.going.In, f.state.Validator, f.state
	}
	f.going = nil
	if f.perPage {
		path := f.pagePath()
		f.part = path + partEnding
		var err error
		if f.file, err = f.fs.create(f.part, newMode, false); err != nil {
			return got{}, diskError(f.part, err)
		}
		f.sink.retarget(f.file, path, 0, 0, 0)
		f.pageOut, f.pageCRC = 0, 0
	}
	var a *answer
	for restarts := 0; ; {
		g, err := f.pageOnce(k, want, a)
		var re *restartError
		if !errors.As(err, &re) {
			return g, err
		}
		if re.a == nil && re.cause != nil {
			// Each is a failure in a row: nothing was gained.
			if restarts++; restarts >= f.req.Retry.Attempts {
				return g, re.cause
			}
		}
		if want != nil {
			f.sum.StartedOver, f.sum.ResumedAt = re.why, 0
		}
		f.notify("%s; starting %s over", re.why, f.what())
		a, want = re.a, nil
		k.from, k.ifRange = 0, ""
		if err := f.rollBack(); err != nil {
			return g, err
		}
	}
}

// accept is the Accept-Encoding of our requests: the output's own form, so
// that it can be stored as it comes; and gzip where records are picked out of
// it, since the network is slower than inflating.
func (f *run) accept() string {
	switch {
	case f.req.Header.Get("Range") != "":
		return "identity"
	case f.req.Items != nil:
		return "gzip"
	case f.format == Gzip:
		return "gzip"
	case f.format == Zstd:
		return "zstd"
	}
	return "identity"
}

// rollBack takes back what the page at hand has written.
func (f *run) rollBack() error {
	f.sink.drop()
	if err := f.sink.settle(); err != nil {
		return err
	}
	f.lines.reset()
	f.meter.items.Store(f.at.Items)
	f.taken = f.pageTaken
	if f.sink.out == f.pageOut && f.pageOut == 0 {
		f.sink.retarget(f.sink.w, f.path, 0, 0, 0)
		return nil
	}
	if f.direct {
		if f.sink.out == f.pageOut {
			return nil
		}
		return &Error{Kind: KindChanged, Msg: "what was written cannot be taken back"}
	}
	if f.at.Page == 0 {
		f.pageOut, f.pageCRC, f.lastIn, f.state = 0, 0, 0, nil
		if err := f.journal.restart(); err != nil {
			return diskError(f.path, err)
		}
		if err := f.note(journalLine{Version: journalVersion, Request: f.fingerprint()}); err != nil {
			return err
		}
	}
	if err := f.file.Truncate(f.pageOut); err != nil {
		return diskError(f.part, err)
	}
	f.sink.retarget(f.file, f.path, 0, f.pageOut, f.pageCRC)
	return nil
}

// plan decides how a body is stored, by its coding and its first bytes.
func (f *run) plan(coding string, head []byte) stored {
	s := stored{Coding: coding}
	if coding == codingNone {
		s.Magic = sniff(head)
	}
	form := coding
	if form == codingNone {
		form = s.Magic
	}
	switch {
	case f.req.Items != nil:
		s.Decode = form
	case string(f.format) == form && form != codingNone, coding == codingNone && f.format == None:
		s.Raw = true
	default:
		s.Decode = form
	}
	return s
}

// pageOnce brings one page into the sink. a is its answer if there is one
// already; want tells what the rest of a body must belong to.
func (f *run) pageOnce(k call, want *bodyState, a *answer) (g got, err error) {
	st := &stream{c: f.client, ctx: f.ctx, k: k, bytes: f.byteRt, limit: f.req.Limits.Bytes, taken: &f.taken, proven: f.req.Checksum != "" && !f.direct}
	defer st.close()
	if a == nil {
		if a, err = f.client.do(f.ctx, k); err != nil {
			return g, err
		}
	}
	if err := st.begin(a, want); err != nil {
		st.a = a
		return g, err
	}
	if want != nil && !st.resumed {
		return g, f.changed(st, a)
	}
	if !f.opened {
		if err := f.nameOutput(a); err != nil {
			return g, err
		}
	}
	if f.direct {
		st.prefix = new(maphash.Hash)
	}
	g.url, g.header = a.url, a.Header
	f.sum.ETag = a.Header.Get("ETag")
	var how stored
	if st.resumed {
		how = want.Stored
	} else {
		head, err := st.peek()
		if err != nil {
			return g, err
		}
		how = f.plan(st.coding, head)
	}
	t := &taps{scan: f.pager.scan, count: f.pager.mode == byOffset || f.pager.mode == byNumber}
	t.sum.SetSeed(runSeed)
	if t.scan != nil {
		t.scan.Reset()
	}
	if err := f.findDigests(t, a, how); err != nil {
		return g, err
	}
	if t.scan == nil && st.total < 0 && st.closeDelimited() && isJSON(a.Header.Get("Content-Type")) && how.Decode == "" && (how.Raw && st.coding == "" || f.format != None) {
		// The end of such a body is known only by what it says.
		if t.scan, err = jsonscan.New(jsonscan.Options{}); err != nil {
			return g, err
		}
	}
	if st.resumed {
		if err := f.replay(t, want); err != nil {
			return g, err
		}
	}
	f.checkpoints(st, how)
	f.sink.raw = how.Raw
	if err := f.pump(st, how, t); err != nil {
		return g, err
	}
	if t.scan != nil {
		if err := t.scan.Finish(); err != nil {
			return g, f.jsonEnds(st, err)
		}
		st.verified = true
		f.verified["json"]++
	}
	if err := f.verify(t, st); err != nil {
		if st.joined && !f.direct {
			return g, &restartError{cause: err, why: "the parts do not make the body that the checksum is of"}
		}
		return g, err
	}
	f.bodies++
	g.length = t.length
	if t.count {
		g.sum = t.sum.Sum64()
	}
	if f.pager.countsItems {
		n, kind := t.scan.Items()
		if err := f.itemsFound(st, n, kind); err != nil {
			return g, err
		}
		g.items = n
	}
	if how.Raw && f.format != None {
		f.sum.PassedThrough = true
	}
	f.meter.content.Add(t.length)
	return g, nil
}

// runSeed makes the hashes of pages comparable.
var runSeed = maphash.MakeSeed()

// changed makes the answer, which holds the whole body although a part was
// asked for, the first of a new start.
func (f *run) changed(st *stream, a *answer) error {
	why := "the server gives no parts of the body"
	if v := validator(a.Header); v != "" && f.state != nil && v != f.state.Validator {
		why = "the body has changed on the server"
	}
	st.timer.Stop()
	st.a = nil
	return &restartError{why: why, a: a}
}

// itemsFound judges what stands where the records should.
func (f *run) itemsFound(st *stream, n int64, kind jsonscan.Kind) error {
	f.meter.items.Store(f.at.Items + n)
	path := "the root"
	if f.req.Items != nil && *f.req.Items != "" {
		path = *f.req.Items
	} else if f.req.Items == nil && f.pager.Count != nil && *f.pager.Count != "" {
		path = *f.pager.Count
	}
	switch {
	case kind == jsonscan.Array, kind == jsonscan.Null:
		return nil
	case kind == jsonscan.None && (f.at.Page > 1 || f.sum.ResumedPage > 0):
		return nil // many APIs leave an empty list out
	}
	e := &Error{Kind: KindJSON, Op: st.k.op(), Msg: fmt.Sprintf("at %s stands %v and no array", path, kind)}
	if keys := f.pager.scan.Keys(); len(keys) > 0 {
		for i := range keys {
			keys[i] = clean(keys[i], 40)
		}
		e.hint = "the body's own names are " + strings.Join(keys, ", ")
	}
	return e
}
