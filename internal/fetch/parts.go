package fetch

import (
	"encoding/json"
	"time"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// partStep is how many bytes of a body are between two places to resume from.
const partStep = 512 << 10

// noteVersion notes the version of the body at hand, so that places in it can
// be noted. It reports whether that was possible.
func (p *page) noteVersion() bool {
	if p.st.resumed {
		return true
	}
	w := p.out
	w.state = &bodyState{Validator: p.st.validator, Coding: p.st.coding, Total: p.st.total, Stored: p.how}
	if w.note(journalLine{Response: w.state}) != nil {
		w.state = nil
	}
	return w.state != nil
}

// notesParts reports whether places can be noted, after any of its bytes, in a
// body whose records are extracted: the state of the JSON scanner is kept.
func (p *page) notesParts() bool {
	_, scanned := p.in.doc.(*jsonscan.Scanner)
	return p.in.emits && scanned && p.how.Decode == "" && p.how.Charset == "" && len(p.in.digests) == 0
}

// part notes a place to resume from after a piece of content.
func (p *page) part() error {
	w := p.out
	if !w.parts || p.st.pos-p.noted < partStep {
		return nil
	}
	state, err := p.in.doc.(*jsonscan.Scanner).Save()
	if err != nil {
		return err
	}
	p.noted = p.st.pos
	c := checkpoint{In: p.st.pos, Last: lastOf(nil, p.st.last), Skip: p.s.lines.skip, Doc: json.RawMessage(state)}
	return w.endPart(c, time.Since(w.sink.flushed) >= flushEvery)
}

// loadState continues the document and the writer of records where an earlier
// run has left them.
func (p *page) loadState(at checkpoint) error {
	p.s.lines.skip = at.Skip
	scan, ok := p.in.doc.(*jsonscan.Scanner)
	if !ok || !scan.Load(at.Doc) {
		return &restartError{why: "the state of the earlier download is not usable"}
	}
	return nil
}
