package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
)

// identity says which requests a part file can serve: those that make the same
// bytes of the same source. What may change between two runs is not in it:
// credentials, signatures in the URL, headers, the rules that end the pages.
type identity struct {
	// Form is a digest of the options that shape the bytes.
	Form string `json:"form"`
	// Source is the address: of a single body without its query, since the
	// body's version is compared; of pages without the secrets in it.
	Source string `json:"source"`
}

func (s *session) identity() identity {
	r := s.req
	block := 0
	if s.out.format != None {
		block = newShape(s.out.format, r.Limits, 1).block
	}
	p := s.paging
	body := ""
	if r.Body != nil {
		body = r.Body.id
	}
	form := []any{
		r.Method, body, s.out.format, s.out.level, block, r.Items, r.UTF8, r.Raw, r.Header.Get("Range"), s.out.perPage,
		p.mode, p.Next, p.NextAlso, p.NextHeader, p.CursorParam, p.CursorBody, p.OffsetParam, p.OffsetBody, p.PageParam, p.PageBody,
	}
	text, _ := json.Marshal(form)
	sum := sha256.Sum256(text)
	u := *s.origin
	if p.mode == onePage {
		u.RawQuery = ""
	}
	return identity{Form: hex.EncodeToString(sum[:16]), Source: withoutSignature(&u)}
}

// withoutSignature returns a URL without the parameters that are secret or
// belong to a signature.
func withoutSignature(u *url.URL) string {
	c := *u
	var kept []string
	for p := range strings.SplitSeq(c.RawQuery, "&") {
		name, _, _ := strings.Cut(p, "=")
		lower := strings.ToLower(name)
		switch {
		case p == "", strings.HasPrefix(lower, "x-amz-"), strings.HasPrefix(lower, "x-goog-"), strings.HasPrefix(lower, "x-oss-"),
			lower == "expires", lower == "policy", lower == "key-pair-id", lower == "se", lower == "st", lower == "temp_url_expires",
			strings.Contains(secret.HideURLs("http://x/?"+p), secret.Redacted):
			continue
		}
		kept = append(kept, p)
	}
	c.RawQuery = strings.Join(kept, "&")
	return c.String()
}

// resume finds the last place of an earlier fetch up to which the part file is
// as its journal says. It returns why a part that was there cannot be used, and
// an error if it belongs to another request.
func (s *session) resume(lines []journalLine) (why string, err error) {
	nothing := func(why string) (string, error) {
		if !s.req.Resume {
			why = ""
		}
		return why, nil
	}
	var places []*checkpoint
	var state *bodyState
	for _, l := range lines {
		switch {
		case l.Response != nil:
			state, places = l.Response, nil
		case l.First != nil:
			s.paging.start = l.First
		case l.At != nil:
			places = append(places, l.At)
		}
	}
	if len(places) == 0 {
		s.paging.start = nil
		return nothing("no earlier fetch has left anything")
	}
	defer func() {
		if s.goingOn == nil {
			s.paging.start = nil
		}
	}()
	if s.out.perPage {
		return s.resumePages(places)
	}
	if s.paging.mode == onePage && (state == nil || state.Validator == "" && s.req.Checksum == "") {
		return "the server named no version of the body", nil
	}
	good, err := s.lastValid(places)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the part file is missing", nil
	case err != nil:
		return "", err
	case good == nil:
		return "the part file is damaged", nil
	}
	w := s.out
	out, err := w.files.create(w.part, newMode, true)
	if err == nil {
		err = out.Truncate(good.Out)
	}
	if err == nil {
		// The places after it do not hold.
		err = w.journal.cutAfter(lines, good)
	}
	if err != nil {
		return "", diskError(w.part, err)
	}
	w.file, w.state = out, state
	s.goingOn, s.at = good, *good
	if s.paging.mode == onePage {
		s.at.URL = s.origin.String()
		s.taken = good.In
		s.sum.ResumedAt = good.In
	} else {
		s.sum.ResumedPage = good.Page
	}
	in := good.In
	if good.Wire != nil {
		in = 0
	}
	w.sink.retarget(out, w.path, in, good.Out, good.CRC)
	w.pageOut, w.pageCRC, w.lastIn = good.Out, good.CRC, good.In
	w.ended = *good
	w.ended.Tail = nil
	if good.Tail != nil {
		s.at.Tail = nil
		pages := w.loadTail(good.Tail)
		if err := w.sink.restore(pages); err != nil {
			return "", diskError(w.part, err)
		}
	}
	return "", nil
}

// resumePages resumes a fetch whose pages are files.
func (s *session) resumePages(places []*checkpoint) (string, error) {
	w := s.out
	last := places[len(places)-1]
	for page := 1; page < last.Page; page++ {
		path := w.pagePath(page)
		if _, err := os.Lstat(path + partEnding); err == nil {
			continue
		}
		if _, err := os.Lstat(path); err != nil || last.Done == "" {
			return fmt.Sprintf("the file of page %d is missing", page), nil
		}
	}
	s.goingOn, s.at = last, *last
	s.sum.ResumedPage = last.Page
	return "", nil
}

// lastValid returns the last of the places up to which the part file is as the
// journal says, nil if there is none.
func (s *session) lastValid(places []*checkpoint) (*checkpoint, error) {
	part := s.out.part
	wire := places[len(places)-1].Wire != nil
	if wire {
		part = s.out.path + wireEnding
	}
	file, err := openBeside(part, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s.meter.wait("checking the part file")
	defer s.meter.wait("")
	// After a power failure the journal may be ahead of the part file: the
	// checksum of the part decides.
	buf := make([]byte, 256<<10)
	var at int64
	var crc uint32
	var good *checkpoint
	for _, p := range places {
		end, sum := p.Out, p.CRC
		if wire {
			end, sum = p.In, *p.Wire
		}
		if end < at {
			continue
		}
		for at < end {
			if s.ctx.Err() != nil {
				return nil, stopped(s.ctx, "")
			}
			n, err := file.Read(buf[:min(int64(len(buf)), end-at)])
			crc = crc32.Update(crc, castagnoli(), buf[:n])
			at += int64(n)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, diskError(part, err)
			}
		}
		if at != end || crc != sum {
			break
		}
		if p.Tail != nil && s.out.loadTail(p.Tail) == nil {
			continue // a later one has replaced it
		}
		good = p
	}
	return good, nil
}

// replay passes the part that was downloaded before through the inspection, or
// leaves that to the decoder.
func (p *page) replay() error {
	t, part := &p.in, p.out.part
	switch at := p.s.at; {
	case at.Wire != nil:
		p.kept = p.out.path + wireEnding
		return nil
	case at.Doc != nil:
		return p.loadState(at)
	case p.how.Raw && p.how.Coding+p.how.Magic != "" && t.wantsContent():
		p.kept = part
		return nil
	case len(t.digests) == 0 && t.doc == nil:
		return nil
	}
	file, err := openBeside(part, os.O_RDONLY, 0)
	if err != nil {
		return diskError(part, err)
	}
	defer file.Close()
	var in io.Reader = io.LimitReader(file, p.s.at.Out)
	if !p.how.Raw && p.out.format != None {
		dec := &p.s.dec
		if in, err = dec.reset(string(p.out.format), in); err != nil {
			return decodeError(part, string(p.out.format), dec.maxWindow(), err)
		}
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := in.Read(buf)
		t.wire(buf[:n])
		if cerr := t.content(buf[:n]); cerr != nil {
			return cerr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return diskError(part, err)
		}
	}
}

// checkpoints lets the sink's writer note places to resume a single body from,
// where each byte of the output corresponds to one on the wire.
func (p *page) checkpoints() {
	s, w := p.s, p.out
	if s.paging.mode != onePage {
		return // its places are the ends of the pages
	}
	w.sink.after, w.sink.sums = nil, false
	w.parts = false
	w.wire = nil
	switch {
	case w.direct || !p.st.goesOn():
		return
	case p.notesParts():
		w.sink.sums, w.parts = p.noteVersion(), w.state != nil
		if p.st.resumed {
			p.noted = p.st.pos // else a few bytes were peeked at
		}
		return
	case p.in.emits || p.how.Decode != "" || p.how.Charset != "":
		p.keepWire()
		return
	case !p.noteVersion():
		return
	}
	w.sink.sums = true
	noted := w.lastIn
	w.sink.after = func(in, out int64, crc uint32, last []byte) error {
		if in-noted < partStep {
			return nil
		}
		noted = in
		return w.note(journalLine{At: &checkpoint{In: in, Out: out, CRC: crc, Last: last}})
	}
}
