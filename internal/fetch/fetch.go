package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/fetch/gunzip"
	"github.com/galleyhq/galley/internal/fetch/jsonscan"
	"golang.org/x/time/rate"
)

// Fetch brings what r asks for to where r says, and tells what it brought. The
// file has its name only once it is whole: verified, and synced to the disk.
// After a failure the summary tells what was done until then; the error is an
// [*Error], or wraps the context's cause.
//
// Fetch uses the memory that r.Limits say, whatever the size of the bodies and
// the number of pages. It may be called from many goroutines, with a Request
// for each.
func Fetch(ctx context.Context, r Request) (*Summary, error) {
	f := &run{req: &r, ctx: ctx, sum: &Summary{}}
	err := f.setUp()
	if err == nil {
		err = f.all()
	}
	err = f.finish(err)
	return f.sum, err
}

// hooks are for tests.
type hooks struct {
	sleep func(context.Context, time.Duration) error
	files files
}

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

// run is one fetch.
type run struct {
	req   *Request
	ctx   context.Context
	sum   *Summary
	meter *Meter
	fs    files
	begun time.Time

	target Target
	url    *url.URL
	client *client
	pager  *pager
	byteRt *rate.Limiter
	taken  int64
	dec    decoder
	buf    []byte
	lines  lineWriter

	format    Format
	level     int
	sink      *sink
	journal   *journal
	path      string // of the output, "" for a writer
	part      string
	mode      fs.FileMode
	direct    bool // nothing can be taken back
	perPage   bool
	file      outFile
	opened    bool
	committed bool

	at      checkpoint // the page at hand
	pageOut int64      // where in the output it begins
	pageCRC uint32
	// pageTaken is what was taken from the network before it.
	pageTaken int64
	contentAt int64      // the meter's content when this run began
	state     *bodyState // of a single body, once it can be resumed
	going     *checkpoint
	lastIn    int64 // of the last checkpoint of a single body

	verified map[string]int
	bodies   int
}

func (f *run) notify(format string, args ...any) {
	if f.req.Notify != nil {
		f.req.Notify(fmt.Sprintf(format, args...))
	}
}

// pageVerb finds the verb for the page's number in an output's name.
var pageVerb = regexp.MustCompile(`%0?[0-9]*d`)

// setUp checks the request and fills in its defaults.
func (f *run) setUp() error {
	r := f.req
	f.begun = time.Now()
	f.verified = map[string]int{}
	if f.meter = r.Meter; f.meter == nil {
		f.meter = &Meter{}
	}
	f.meter.started.Store(f.begun.UnixNano())
	f.contentAt = f.meter.content.Load()
	if f.fs = r.hooks.files; f.fs == nil {
		f.fs = osFiles{early: !r.Output.NoSync}
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&r.Timeouts.Connect, 30*time.Second)
	def(&r.Timeouts.FirstByte, 2*time.Minute)
	def(&r.Timeouts.Stall, time.Minute)
	def(&r.Retry.Base, 500*time.Millisecond)
	def(&r.Retry.Max, time.Minute)
	def(&r.Retry.AfterMax, 5*time.Minute)
	if r.Retry.Attempts <= 0 {
		r.Retry.Attempts = 6
	}
	if r.Limits.ChunkSize <= 0 {
		r.Limits.ChunkSize = 256 << 10
	}
	if r.Limits.Memory != 0 && r.Limits.Memory < 4<<20 {
		return usage("a fetch needs 4 MiB of memory at least")
	}
	if r.Limits.Memory > 0 {
		f.dec.window = max(min(uint64(r.Limits.Memory/2), maxWindow), 1<<20)
		r.Limits.ChunkSize = min(r.Limits.ChunkSize, int(r.Limits.Memory/8))
	}
	if r.Limits.ChunkSize > 64<<20 {
		return usage("a chunk of %s is too large; at most 64 MiB", FormatSize(int64(r.Limits.ChunkSize)))
	}
	if r.Limits.Ratio == 0 {
		r.Limits.Ratio = 250
	}
	if r.UserAgent == "" {
		r.UserAgent = "galley"
	}
	if r.Method == "" {
		r.Method = http.MethodGet
		if r.Body != nil {
			r.Method = http.MethodPost
		}
	}
	r.Method = strings.ToUpper(r.Method)
	if r.Method == http.MethodHead {
		return usage("an answer to HEAD has no body to store")
	}
	if n := r.Limits.BytesPerSecond; n > 0 {
		f.byteRt = rate.NewLimiter(rate.Limit(n), max(min(r.Limits.ChunkSize, int(n/8)), 4<<10))
	}

	auth := r.Auth
	f.target = Target{URL: r.URL}
	if r.Source != nil {
		if r.URL != "" || r.Auth != nil {
			return usage("a source brings its own URL and credentials")
		}
		var err error
		if f.target, err = r.Source.Resolve(f.ctx); err != nil {
			return err
		}
		auth = r.Source
		if f.target.TLS != (TLS{}) {
			r.TLS = f.target.TLS
		}
	}
	u, err := url.Parse(f.target.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("%q is no http or https URL", clean(f.target.URL, 200))
	}
	if u.User != nil {
		if auth == nil {
			pass, _ := u.User.Password()
			auth = Basic(u.User.Username(), Secret(pass))
		}
		u.User = nil
	}
	u.Fragment = ""
	f.url = u
	f.sum.URL = showURL(u)
	if f.client, err = newClient(r, auth, u, f.meter); err != nil {
		return err
	}
	f.lines.to = f.storeContent
	f.lines.count = func() { f.meter.items.Add(1) }
	if f.pager, err = newPager(r, u, f.lines.item); err != nil {
		return err
	}
	f.pager.root = strings.TrimSuffix(f.target.Root, "/")
	if r.Checksum == "" {
		r.Checksum = f.target.Checksum
	}
	if r.Checksum != "" {
		if f.pager.mode != onePage {
			return usage("a checksum is of one body, not of pages")
		}
		if _, err := parseChecksum(r.Checksum); err != nil {
			return err
		}
	}

	o := &r.Output
	switch {
	case o.Writer != nil && (o.Path != "" || o.Named):
		return usage("an output is a file or a writer, not both")
	case o.Writer == nil && o.Path == "" && !o.Named:
		return usage("there is no output: name a file")
	case r.Resume && (o.Writer != nil || o.Named):
		return usage("only an output whose name is given can be resumed")
	case r.Resume && r.Body != nil && r.Body.id == "":
		return usage("a request whose body is read from a pipe cannot be resumed")
	}
	f.perPage = o.Writer == nil && !o.Named && strings.Contains(filepath.Base(o.Path), "%")
	if f.perPage {
		base := filepath.Base(o.Path)
		if len(pageVerb.FindAllString(base, -1)) != 1 || strings.Count(base, "%") != 1 {
			return usage("%q: one verb such as %%05d stands for the page's number, and no other %%", base)
		}
		if f.pager.mode == onePage {
			return usage("%q asks for a file per page, but no way to the next page is given", base)
		}
	}
	if f.format = o.Compress; f.format == Auto {
		f.format = formatOf(o.Path)
		if o.Writer != nil || o.Named {
			f.format = None
		}
	}
	f.level = o.Level
	if f.level == 0 {
		f.level = 1
	}
	if limit := map[Format]int{Gzip: 9, Zstd: 4, None: 9}[f.format]; f.level < 1 || f.level > limit {
		return usage("level %d: %s has 1 to %d", f.level, f.format, limit)
	}
	f.at = f.pager.begin()
	if !o.Named {
		return f.open()
	}
	return nil
}

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

// open opens the output and, if something is to be resumed, finds out from
// where.
func (f *run) open() error {
	f.opened = true
	r := f.req
	sh := newShape(f.format, r.Limits, r.Output.Workers)
	var err error
	if f.sink, err = newSink(f.ctx, f.format, f.level, sh, f.meter); err != nil {
		return err
	}
	if w := r.Output.Writer; w != nil {
		f.direct = true
		f.sink.retarget(w, "the output", 0, 0, 0)
		return nil
	}
	path := r.Output.Path
	if !f.perPage {
		if path, f.direct, f.mode, err = target(path); err != nil {
			return diskError(path, err)
		}
	}
	f.path = path
	if f.direct {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return diskError(path, err)
		}
		f.file = directFile{w}
		f.sink.retarget(w, path, 0, 0, 0)
		return nil
	}
	f.part = path + partEnding
	f.sink.sums = f.pager.mode != onePage && !f.perPage
	var lines []journalLine
	f.journal, lines, err = openJournal(path+journalEnding, r.Resume)
	if errors.Is(err, errLocked) {
		return &Error{Kind: KindDisk, Msg: "another fetch is writing " + path}
	}
	if err != nil {
		return diskError(path, err)
	}
	if r.Resume {
		why, err := f.takeUp(lines)
		if err != nil {
			return err
		}
		if why != "" {
			f.sum.StartedOver = why
			f.notify("nothing to resume: %s; starting from the beginning", why)
		}
	}
	if f.going == nil {
		if err := f.journal.restart(); err != nil {
			return diskError(path, err)
		}
		if err := f.note(journalLine{Version: journalVersion, Request: f.fingerprint()}); err != nil {
			return err
		}
	}
	if f.pager.mode != onePage {
		for _, h := range f.journal.seen {
			f.pager.remember(h)
		}
		// The first page may be the one that is resumed at; it is no loop.
		_, _ = f.pager.visit(f.pager.begin().URL)
	}
	if f.perPage {
		return nil
	}
	if f.file == nil {
		mode := newMode
		if f.mode != 0 {
			mode = f.mode
		}
		if f.file, err = f.fs.create(f.part, mode, false); err != nil {
			return diskError(f.part, err)
		}
		f.sink.retarget(f.file, path, 0, 0, 0)
	}
	return nil
}

// directFile is a pipe or device: it keeps no place and cannot be truncated.
type directFile struct{ *os.File }

func (directFile) Truncate(int64) error { return errors.New("not a file") }
func (directFile) Sync() error          { return nil }

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
	if f.pager.mode == onePage && (state == nil || state.Validator == "") {
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

func (f *run) note(l journalLine) error {
	if f.journal == nil {
		return nil
	}
	return diskError(f.path+journalEnding, f.journal.add(l))
}

// all fetches page after page.
func (f *run) all() error {
	for {
		if f.at.Done != "" {
			break
		}
		u, err := url.Parse(f.at.URL)
		if err != nil {
			return &Error{Kind: KindPaging, Msg: "the next page's address", err: err}
		}
		f.meter.page.Store(int64(max(f.at.Page, 1)))
		f.pageTaken = f.taken
		g, err := f.page(u)
		if err != nil {
			var e *Error
			if errors.As(err, &e) && f.pager.stopsAt(f.at, e) {
				f.at.Done = fmt.Sprintf("the server answered %d", e.Status)
				break
			}
			return f.describePage(err)
		}
		f.client.retry.progress()
		f.sum.Pages++
		next, perr := f.pager.follow(f.at, g)
		if f.perPage {
			if err := f.commitPage(); err != nil {
				return err
			}
		}
		if perr != nil {
			// The page is whole and stays; but what follows it cannot be had.
			return f.describePage(perr)
		}
		if f.pager.mode != onePage {
			if err := f.pageDone(next); err != nil {
				return err
			}
		}
		f.at = next
	}
	f.sum.Stopped = f.at.Done
	return f.commit()
}

func (f *run) describePage(err error) error {
	var e *Error
	if f.at.Page > 1 && errors.As(err, &e) && e.Op != "" && !strings.HasPrefix(e.Op, "page ") {
		e.Op = fmt.Sprintf("page %d: %s", f.at.Page, e.Op)
	}
	return err
}

// pageDone ends a page: its last block is cut, and once that is written the
// journal says so.
func (f *run) pageDone(next checkpoint) error {
	if f.perPage {
		return f.note(journalLine{At: &next})
	}
	return f.sink.cut(func(out int64, crc uint32) error {
		f.pageOut, f.pageCRC = out, crc
		c := next
		c.Out, c.CRC = out, crc
		return f.note(journalLine{At: &c})
	})
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

func (f *run) what() string {
	if f.at.Page == 0 {
		return "the body"
	}
	return fmt.Sprintf("page %d", f.at.Page)
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

// pageOnce brings one page into the sink. a is its answer if there is one
// already; want tells what the rest of a body must belong to.
func (f *run) pageOnce(k call, want *bodyState, a *answer) (g got, err error) {
	st := &stream{c: f.client, ctx: f.ctx, k: k, bytes: f.byteRt, limit: f.req.Limits.Bytes, taken: &f.taken}
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
			return g, f.jsonError(st, err)
		}
		st.verified = true
		f.verified["json"]++
	}
	if err := f.verify(t, st); err != nil {
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

// findDigests collects what the body must hash to.
func (f *run) findDigests(t *taps, a *answer, how stored) error {
	text := f.req.Checksum
	if text == "" && f.target.ChecksumOf != nil && f.pager.mode == onePage {
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
	if st.validator == "" || !st.ranges {
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

func isJSON(contentType string) bool {
	m, _, _ := strings.Cut(contentType, ";")
	m = strings.ToLower(strings.TrimSpace(m))
	return m == "application/json" || strings.HasSuffix(m, "+json") || m == "text/json"
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

// nameOutput finds the output's name from the first answer, and opens it.
func (f *run) nameOutput(a *answer) error {
	o := &f.req.Output
	name := fileName(a.Header, a.url, f.target.Name)
	if o.Compress == Auto {
		f.format = formatOf(name)
		f.level = max(f.level, 1)
	} else if e := f.format.ending(); e != "" && formatOf(name) != f.format {
		name += e
	}
	path := filepath.Join(o.Path, name)
	if _, err := os.Lstat(path); err == nil && !o.Overwrite {
		return &Error{Kind: KindUsage, Msg: fmt.Sprintf("the file %s exists already", path), hint: "say --force to replace it, or name another with -o"}
	}
	o.Path = path
	return f.open()
}

// commitPage makes the page at hand a file.
func (f *run) commitPage() error {
	if err := f.flush(); err != nil {
		return err
	}
	path := f.pagePath()
	if err := f.toDisk(path); err != nil {
		return err
	}
	f.sum.Written += f.sink.size.Load()
	if f.sum.Files = append(f.sum.Files, path); len(f.sum.Files) > 1000 {
		f.sum.Files = f.sum.Files[1:]
	}
	return nil
}

func (f *run) pagePath() string {
	dir, base := filepath.Split(f.path)
	return dir + pageVerb.ReplaceAllStringFunc(base, func(verb string) string {
		return fmt.Sprintf(verb, f.at.Page)
	})
}

// flush brings all that was taken into the file.
func (f *run) flush() error {
	if f.sink.cur != nil {
		if err := f.sink.cut(nil); err != nil {
			return err
		}
	}
	if err := f.sink.settle(); err != nil {
		return err
	}
	if f.sink.out == 0 && f.format != None {
		return f.sink.empty(f.level)
	}
	return nil
}

// toDisk syncs the part file and gives it its name.
func (f *run) toDisk(path string) error {
	if !f.req.Output.NoSync {
		if err := f.file.Sync(); err != nil {
			return diskError(path, err)
		}
	}
	file := f.file
	f.file = nil
	if err := file.Close(); err != nil {
		return diskError(path, err)
	}
	if err := f.fs.rename(f.part, path); err != nil {
		return diskError(path, err)
	}
	if !f.req.Output.NoSync {
		if err := f.fs.syncDir(filepath.Dir(path)); err != nil {
			return diskError(path, err)
		}
	}
	return nil
}

// commit makes the part file the output.
func (f *run) commit() error {
	if f.perPage {
		f.committed = true
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	f.sum.Written = f.sink.size.Load()
	if f.direct {
		f.committed = true
		if f.file != nil {
			err := f.file.Close()
			f.file = nil
			return diskError(f.path, err)
		}
		return nil
	}
	if err := f.toDisk(f.path); err != nil {
		return err
	}
	f.committed = true
	f.sum.Files = []string{f.path}
	return nil
}

// finish ends the run, whole or not, and completes the summary.
func (f *run) finish(err error) error {
	resumable := false
	if f.sink != nil {
		if err != nil && f.sink.failure() == nil {
			_ = f.keepRest()
		}
		f.sink.close()
	}
	if f.file != nil {
		if cerr := f.file.Close(); err == nil {
			err = diskError(f.path, cerr)
		}
	}
	if f.perPage && err != nil && f.part != "" {
		// A page is fetched as a whole.
		_ = f.fs.remove(f.part)
	}
	if f.journal != nil {
		if err == nil || f.journal.last == nil || !keeps(err) {
			if err != nil && f.part != "" {
				_ = f.fs.remove(f.part)
			}
			f.journal.finish()
		} else {
			resumable = true
			f.journal.f.Close()
		}
	}
	if f.client != nil {
		f.client.close()
	}
	f.dec.close()
	s := f.sum
	s.Elapsed = time.Since(f.begun)
	s.Seconds = float64(s.Elapsed.Round(time.Millisecond)) / float64(time.Second)
	s.Received, s.Content = f.meter.received.Load(), f.meter.content.Load()
	s.Requests, s.Retries = f.meter.requests.Load(), f.meter.retries.Load()
	s.Items = f.at.Items
	if f.format != "" {
		s.Compressed = string(f.format)
	}
	for _, name := range []string{"length", "digest", "json"} {
		if f.bodies > 0 && f.verified[name] == f.bodies {
			s.Verified = append(s.Verified, name)
		}
	}
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Op: f.op(), Kind: KindNetwork, err: err}
		err = e
	}
	e.Resumable = resumable
	return err
}

func (f *run) op() string {
	if f.url == nil {
		return ""
	}
	return f.req.Method + " " + showURL(f.url)
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

// lineWriter writes the elements of an array one per line. Line breaks within
// an element can only stand between its tokens: they go, with the blanks that
// follow them.
type lineWriter struct {
	to    func([]byte) error
	count func()
	skip  bool
}

func (l *lineWriter) reset() { l.skip = false }

var newline = []byte{'\n'}

func (l *lineWriter) item(p []byte, last bool) error {
	for len(p) > 0 {
		if l.skip {
			i := 0
			for i < len(p) && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r') {
				i++
			}
			p = p[i:]
			if len(p) == 0 {
				break
			}
			l.skip = false
		}
		i := indexBreak(p)
		piece := p
		if i >= 0 {
			piece, p = p[:i], p[i:]
			l.skip = true
		} else {
			p = nil
		}
		if len(piece) > 0 {
			if err := l.to(piece); err != nil {
				return err
			}
		}
	}
	if last {
		l.skip = false
		l.count()
		return l.to(newline)
	}
	return nil
}

// indexBreak returns the index of the first line break in p, or -1.
func indexBreak(p []byte) int {
	i := bytes.IndexByte(p, '\n')
	if i >= 0 {
		p = p[:i]
	}
	if j := bytes.IndexByte(p, '\r'); j >= 0 {
		return j
	}
	return i
}
