package fetch

import (
	"encoding/json"
	"time"

	"github.com/galleyhq/galley/internal/fetch/gunzip"
	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// partStep is how many bytes of a body are between two places to resume from
// where its output is not a copy of it.
const partStep = 512 << 10

// noteParts prepares places to resume a single body from whose records are
// extracted, or whose coding is undone: after any bytes if it has no coding,
// after a member or block if that is gzip.
func (p *page) noteParts() {
	w := p.out
	if len(p.in.digests) > 0 || p.how.Decode != "" && p.how.Decode != codingGzip {
		return // the state of a digest or of zstd is not kept
	}
	if _, scanned := p.in.doc.(*jsonscan.Scanner); p.in.doc != nil && !scanned {
		return
	}
	if !p.st.resumed {
		w.state = &bodyState{Validator: p.st.validator, Coding: p.st.coding, Total: p.st.total, Stored: p.how}
		if w.note(journalLine{Response: w.state}) != nil {
			w.state = nil
			return
		}
	}
	w.sink.sums, w.parts = true, true
	if p.st.resumed {
		p.from = p.st.pos // else a few bytes were peeked at
	}
	p.noted = p.from
}

// part notes a place to resume from after a piece of content, if there is one.
func (p *page) part(in any) error {
	w := p.out
	if !w.parts {
		return nil
	}
	c := checkpoint{In: p.st.pos, Last: lastOf(nil, p.st.last), Skip: p.s.lines.skip}
	if z, ok := in.(*gunzip.Reader); ok {
		used, between := z.Member()
		if !between {
			if p.from+used-p.noted < partStep {
				return nil
			}
			if c.Inflate, used = z.Save(); c.Inflate == nil {
				z.Pause()
				return nil
			}
		}
		c.In, c.Last = p.from+used, nil
	}
	if c.In-p.noted < partStep {
		return nil
	}
	if scan, ok := p.in.doc.(*jsonscan.Scanner); ok {
		state, err := scan.Save()
		if err != nil {
			return err
		}
		c.Doc = json.RawMessage(state)
	}
	p.noted = c.In
	return w.endPart(c, time.Since(w.sink.flushed) >= flushEvery)
}

// loadState continues the document and the writer of records where an earlier
// run has left them.
func (p *page) loadState(at checkpoint) error {
	p.s.lines.skip = at.Skip
	scan, ok := p.in.doc.(*jsonscan.Scanner)
	if p.in.doc == nil {
		return nil
	}
	if !ok || !scan.Load(at.Doc) {
		return &restartError{why: "the state of the earlier download is not usable"}
	}
	return nil
}
