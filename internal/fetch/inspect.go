package fetch

import (
	"errors"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// inspection looks at the bytes of a body while they flow to the sink.
type inspection struct {
	digests []digest
	doc     document // nil if nothing is looked for
	emits   bool     // doc writes the records in place of the body
	// check: the coding of the bytes is decoded although they are stored as
	// they come, so that damage is found.
	check  bool
	count  bool // the content is hashed
	sum    maphash.Hash
	length int64
	// seen is called after each piece of content; nil for none.
	seen func()
}

// hashSeed makes the hashes of pages comparable.
var hashSeed = sync.OnceValue(maphash.MakeSeed)

func (t *inspection) wire(p []byte) {
	for i := range t.digests {
		if !t.digests[i].content {
			t.digests[i].hash.Write(p)
		}
	}
}

func (t *inspection) content(p []byte) error {
	t.length += int64(len(p))
	for i := range t.digests {
		if t.digests[i].content {
			t.digests[i].hash.Write(p)
		}
	}
	if t.count {
		t.sum.Write(p)
	}
	if t.doc != nil {
		if _, err := t.doc.Write(p); err != nil {
			return err
		}
	}
	if t.seen != nil {
		t.seen()
	}
	return nil
}

// wantsContent reports whether the body is looked at without its coding.
func (t *inspection) wantsContent() bool {
	return t.doc != nil || t.count || t.check || slices.ContainsFunc(t.digests, func(d digest) bool { return d.content })
}

// inspect prepares the inspection of a page.
func (p *page) inspect(a *answer) error {
	s, t := p.s, &p.in
	contentType := a.Header.Get("Content-Type")
	form := formOf(contentType)
	if form == formHTML && s.expectsJSON() {
		return p.htmlError(a)
	}
	var err error
	opaque := p.st.opaque != ""
	if !opaque && !s.req.Raw {
		if t.doc, t.emits, err = s.paging.reader.open(contentType, !p.out.perPage); err != nil {
			return withOp(err, p.k.op())
		}
	} else if !s.paging.query.none() {
		return &Error{Kind: KindCoding, Op: p.k.op(), Msg: "nothing can be looked for in a body that is stored as it comes, encoded as " + clean(p.st.opaque+p.st.coding, 40)}
	}
	// Records are hashed where they are counted, but for XML.
	t.count = s.paging.mode.counted() && (!s.paging.counts() || form == formXML)
	if t.count {
		t.sum.SetSeed(hashSeed())
	}
	if p.st.total < 0 && t.doc == nil && p.st.closeDelimited() && form == formJSON && !opaque && !s.req.Raw && p.how.Decode == "" && (p.how.Raw && p.st.coding == "" || p.out.format != None) {
		// Only the content itself tells where such a body ends.
		if t.doc, err = s.paging.reader.plainJSON(); err != nil {
			return err
		}
	}
	coded := p.how.form()
	t.check = p.how.Raw && coded != "" && coded == string(p.out.format) && !s.req.NoVerify && !s.req.Raw
	if s.paging.mode != onePage && !s.paging.mode.counted() {
		t.seen = p.nextIsKnown
	}
	return p.findDigests(a)
}

// expectsJSON reports whether the pages must be JSON.
func (s *session) expectsJSON() bool {
	q := &s.paging.query
	return s.req.WantJSON || s.paging.start != nil && s.paging.start.Root != jsonscan.None || !q.none() && !s.req.Raw
}

// htmlError is the error of a web page where data was expected, most often a
// login or an error of a proxy.
func (p *page) htmlError(a *answer) error {
	const most = 4 << 10
	e := &Error{Kind: KindJSON, Op: p.k.op(), Status: 0, Msg: "the server sent a web page (" + clean(a.Header.Get("Content-Type"), 80) + ") where data was expected"}
	head := make([]byte, most)
	n := 0
	for n < len(head) {
		m, err := p.st.Read(head[n:])
		n += m
		if err != nil {
			break
		}
	}
	e.Body = head[:n]
	return suspicion{e}
}

// findDigests collects the digests that the body must have.
func (p *page) findDigests(a *answer) error {
	s, t := p.s, &p.in
	text := s.req.Checksum
	if text == "" && s.target.ChecksumOf != nil && s.paging.mode == onePage && s.req.Method == http.MethodGet {
		text = s.target.ChecksumOf(a.Header)
	}
	if text != "" {
		d, err := parseChecksum(text)
		if err != nil {
			return err
		}
		d.given = s.req.Checksum != ""
		t.digests = append(t.digests, d)
	}
	t.digests = append(t.digests, headerDigests(a.Header, a.StatusCode == http.StatusPartialContent)...)
	// Some servers send the digest after the body.
	if _, ok := a.Trailer["Repr-Digest"]; ok {
		for _, name := range []string{"sha256", "sha512"} {
			t.digests = append(t.digests, digest{name: name, source: "Repr-Digest", hash: newHash(name)})
		}
	}
	if p.how.Coding == "" {
		// The content and the bytes on the wire are the same.
		for i := range t.digests {
			t.digests[i].content = false
		}
	}
	return nil
}

// verify compares a complete body with its digests, and counts the checks that
// it passed.
func (p *page) verify() error {
	s, t, st := p.s, &p.in, &p.st
	if st.total >= 0 {
		s.verified["length"]++
	}
	if t.check {
		s.verified[p.how.form()]++
		st.verified = true
	}
	if said := failureIn(st.a.Trailer); said != "" {
		return &Error{Kind: KindTruncated, Op: p.k.op(), Msg: "the server reports a failure after the body: " + said}
	}
	var trailer []digest
	if v := st.a.Trailer.Values("Repr-Digest"); len(v) > 0 {
		trailer = headerDigests(http.Header{"Repr-Digest": v}, false)
	}
	checked := false
	for i := range t.digests {
		d := &t.digests[i]
		if d.want == nil {
			for _, tr := range trailer {
				if tr.name == d.name {
					d.want = tr.want
				}
			}
			if d.want == nil {
				continue
			}
		}
		if err := d.check(); err != nil {
			return withOp(err, p.k.op())
		}
		checked = true
	}
	if checked {
		s.verified["digest"]++
	} else if !st.verified {
		s.notify("%s: the server closed the connection without announcing a length; whether the body is complete is not known", p.k.op())
	}
	return nil
}

// failureIn returns what the trailer of a body says of a failure in its middle,
// as gRPC's gateways and IPFS do, "" if there was none.
func failureIn(trailer http.Header) string {
	for _, name := range []string{"Grpc-Status", "X-Stream-Error"} {
		if v := trailer.Get(name); v != "" && v != "0" {
			return clean(name+": "+v+" "+trailer.Get("Grpc-Message"), 200)
		}
	}
	return ""
}

// withOp adds the request to an error that has none.
func withOp(err error, op string) error {
	var e *Error
	if errors.As(err, &e) && e.Op == "" {
		e.Op = op
	}
	return err
}
