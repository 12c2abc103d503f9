package fetch

import (
	"errors"
	"hash/maphash"
	"net/http"
	"slices"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// taps are the readers along the way.
type taps struct {
	digests []digest
	scan    *jsonscan.Scanner
	scanErr error
	count   bool // content is counted and hashed
	sum     maphash.Hash
	length  int64
}

func (t *taps) wire(p []byte) {
	for i := range t.digests {
		if !t.digests[i].content {
			t.digests[i].hash.Write(p)
		}
	}
}

func (t *taps) content(p []byte) error {
	t.length += int64(len(p))
	for i := range t.digests {
		if t.digests[i].content {
			t.digests[i].hash.Write(p)
		}
	}
	if t.count {
		t.sum.Write(p)
	}
	if t.scan != nil {
		_, err := t.scan.Write(p)
		return err
	}
	return nil
}

func (t *taps) wants(content bool) bool {
	return slices.ContainsFunc(t.digests, func(d digest) bool { return d.content == content })
}

// findDigests collects what the body must hash to.
func (f *run) findDigests(t *taps, a *answer, how stored) error {
	text := f.req.Checksum
	if text == "" && f.target.ChecksumOf != nil && f.pager.mode == onePage && f.req.Method == http.MethodGet {
		text = f.target.ChecksumOf(a.Header)
	}
	if text != "" {
		d, err := parseChecksum(text)
		if err != nil {
			return err
		}
		t.digests = append(t.digests, d)
	}
	t.digests = append(t.digests, headerDigests(a.Header, a.StatusCode == http.StatusPartialContent)...)
	// Some servers send the digest behind the body.
	if _, ok := a.Trailer["Repr-Digest"]; ok {
		for _, name := range []string{"sha256", "sha512"} {
			t.digests = append(t.digests, digest{name: name, source: "Repr-Digest", hash: newHash(name)})
		}
	}
	if how.Coding == "" {
		// The content is what is on the wire.
		for i := range t.digests {
			t.digests[i].content = false
		}
	}
	return nil
}

// verify holds a complete body against what was promised of it.
func (f *run) verify(t *taps, st *stream) error {
	if st.total >= 0 {
		f.verified["length"]++
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
			var e *Error
			errors.As(err, &e)
			e.Op = st.k.op()
			return e
		}
		checked = true
	}
	if checked {
		f.verified["digest"]++
	} else if !st.verified {
		f.notify("%s: the server closed the connection without saying how long the body is; whether it is whole cannot be told", st.k.op())
	}
	return nil
}
