package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
)

// fingerprint tells whether two requests ask for the same output.
func (f *run) fingerprint() string {
	r := f.req
	body := ""
	if r.Body != nil {
		body = r.Body.id
	}
	var names []string
	for n, v := range r.Header {
		// Credentials may change between runs; what they are is no one's
		// business here.
		if s := http.CanonicalHeaderKey(n); s == "Accept" || s == "Accept-Language" || s == "Range" {
			names = append(names, s+": "+strings.Join(v, ", "))
		}
	}
	slices.Sort(names)
	sh := newShape(f.format, r.Limits, 1)
	block := 0
	if f.format != None {
		block = sh.block
	}
	text, _ := json.Marshal([]any{r.Method, f.target.URL, body, names, f.format, f.level, block, r.Items, r.Pages, r.Checksum})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// takeUp finds the last place of an earlier run that the part file bears out.
// It returns why there is none.
func (f *run) takeUp(lines []journalLine) (why string, err error) {
	if len(lines) == 0 || lines[0].Version == 0 {
		return "no earlier fetch has left anything", nil
	}
	if lines[0].Version != journalVersion {
		return "the earlier fetch was made by another version of galley", nil
	}
	if lines[0].Request != f.fingerprint() {
		return "the earlier fetch was of something else", nil
	}
	var places []*checkpoint
	var state *bodyState
	for _, l := range lines {
		if l.Response != nil {
			state, places = l.Response, nil
		}
		if l.At != nil {
			places = append(places, l.At)
		}
	}
	if len(places) == 0 {
		return "the earlier fetch came to nothing that could be kept", nil
	}
	if f.perPage {
		f.going = places[len(places)-1]
		f.at = *f.going
		f.sum.ResumedPage = f.at.Page
		return "", nil
	}
	if f.pager.mode == onePage && (state == nil || state.Validator == "" && f.req.Checksum == "") {
		return "the server named no version of the body to go on with", nil
	}
	good, err := f.bornOut(places)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the part file is gone", nil
	case err != nil:
		return "", err
	case good == nil:
		return "the part file is damaged", nil
	}
	out, err := f.fs.create(f.part, newMode, true)
	if err == nil {
		err = out.Truncate(good.Out)
	}
	if err == nil {
		// What lies behind it was never so.
		err = f.journal.cutAfter(lines, good)
	}
	if err != nil {
		return "", diskError(f.part, err)
	}
	f.file, f.going, f.at, f.state = out, good, *good, state
	if f.pager.mode == onePage {
		f.at.URL = f.pager.begin().URL
		f.taken = good.In
		f.sum.ResumedAt = good.In
	} else {
		f.sum.ResumedPage = good.Page
	}
	f.sink.retarget(out, f.path, good.In, good.Out, good.CRC)
	f.pageOut, f.pageCRC, f.lastIn = good.Out, good.CRC, good.In
	return "", nil
}

// bornOut returns the last of the places up to which the part file is what the
// journal says, nil if there is none.
func (f *run) bornOut(places []*checkpoint) (*checkpoint, error) {
	file, err := os.Open(f.part)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f.meter.wait("checking what is there already")
	defer f.meter.wait("")
	// What the journal says may not have reached the disk before a power
	// failure: the checksum of what is there decides.
	buf := make([]byte, 256<<10)
	var at int64
	var crc uint32
	var good *checkpoint
	for _, p := range places {
		if p.Out < at {
			continue
		}
		for at < p.Out {
			if f.ctx.Err() != nil {
				return nil, stopped(f.ctx, "")
			}
			n, err := file.Read(buf[:min(int64(len(buf)), p.Out-at)])
			crc = crc32.Update(crc, castagnoli, buf[:n])
			at += int64(n)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, diskError(f.part, err)
			}
		}
		if at != p.Out || crc != p.CRC {
			break
		}
		good = p
	}
	return good, nil
}

// replay feeds the part that is there already to the digests.
func (f *run) replay(t *taps, want *bodyState) error {
	if len(t.digests) == 0 && t.scan == nil {
		return nil
	}
	file, err := os.Open(f.part)
	if err != nil {
		return diskError(f.part, err)
	}
	defer file.Close()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return diskError(f.part, err)
	}
	var in io.Reader = io.LimitReader(file, f.at.Out)
	if !want.Stored.Raw && f.format != None {
		if in, err = f.dec.reset(string(f.format), in); err != nil {
			return decodeError(f.part, string(f.format), f.dec.maxWindow(), err)
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
			return diskError(f.part, err)
		}
	}
}

// checkpoints lets the sink's writer note places to resume a single body from,
// where a byte of the output stands for one on the wire.
func (f *run) checkpoints(st *stream, how stored) {
	if f.pager.mode != onePage {
		return // its places are the pages' ends
	}
	f.sink.after, f.sink.sums = nil, false
	if f.direct || f.req.Items != nil || how.Decode != "" {
		return
	}
	if !st.goesOn() {
		return
	}
	if how.Raw && how.Coding != "" && f.needsContent() {
		// Its digest is of what is inside; that state cannot be kept.
		return
	}
	if !st.resumed {
		f.state = &bodyState{Validator: st.validator, Coding: st.coding, Total: st.total, Stored: how}
		if f.note(journalLine{Response: f.state}) != nil {
			f.state = nil
			return
		}
	}
	f.sink.sums = true
	const step = 1 << 20
	last := f.lastIn
	f.sink.after = func(in, out int64, crc uint32) error {
		if in-last < step {
			return nil
		}
		last = in
		return f.note(journalLine{At: &checkpoint{In: in, Out: out, CRC: crc}})
	}
}

func (f *run) needsContent() bool {
	return f.req.Checksum != "" || f.target.ChecksumOf != nil || f.pager.scan != nil
}

// keeps reports whether what came before this failure is worth keeping.
func keeps(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		switch e.Kind {
		case KindChecksum, KindUsage, KindChanged:
			return false
		}
	}
	return true
}

// keepRest writes what can still be kept of a single body that is stored as it
// comes, and notes the place.
func (f *run) keepRest() error {
	if f.sink.after == nil || f.file == nil || f.direct {
		return nil
	}
	// The sink waits on the context, which may have ended.
	f.sink.ctx = context.WithoutCancel(f.ctx)
	if !f.sink.raw || f.sink.cur == nil {
		return f.sink.settle()
	}
	in := f.sink.in
	if err := f.sink.cut(func(out int64, crc uint32) error {
		return f.note(journalLine{At: &checkpoint{In: in, Out: out, CRC: crc}})
	}); err != nil {
		return err
	}
	return f.sink.settle()
}
