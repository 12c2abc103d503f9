package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/secret"
)

// hooks are for tests.
type hooks struct {
	clock retry.Clock
	files files
}

// session is one fetch: the request, the client that it goes out by, the way
// through the pages, and what all of them have in common.
type session struct {
	ctx   context.Context
	end   context.CancelFunc
	req   *Request
	sum   *Summary
	meter *Meter
	begun time.Time

	target Target
	origin *url.URL
	client *client
	paging *paging
	ahead  *lookahead
	out    *output
	dec    decoder
	buf    []byte
	// head are the first bytes of the body at hand.
	head  [4 << 10]byte
	lines lineWriter

	// at is the place of the page at hand; goingOn the one that a resumed run
	// begins at, until then.
	at, asked   checkpoint
	goingOn     *checkpoint
	taken       int64 // bytes received
	takenBefore int64 // before the page at hand
	// contentBefore is the meter's content when this run began.
	contentBefore int64
	version       bodyVersion
	verified      map[string]int
	bodies        int
}

var errUnchanged = errors.New("unchanged")

func (s *session) notify(format string, args ...any) {
	if s.req.Notify != nil {
		s.req.Notify(fmt.Sprintf(format, args...))
	}
}

func (s *session) op() string {
	if s.origin == nil {
		return ""
	}
	return s.req.Method + " " + showURL(s.origin)
}

// setUp checks the request, fills in its defaults and makes everything that the
// fetch works with.
func (s *session) setUp() error {
	s.begun = time.Now()
	s.verified = map[string]int{}
	r := s.req
	if s.meter = r.Meter; s.meter == nil {
		s.meter = &Meter{}
	}
	s.meter.started.Store(s.begun.UnixNano())
	s.contentBefore = s.meter.content.Load()
	if err := r.setDefaults(); err != nil {
		return err
	}
	s.dec.window = r.Limits.window()
	if r.Timeouts.Total > 0 {
		s.ctx, s.end = context.WithTimeoutCause(s.ctx, r.Timeouts.Total, errMaxTime)
	}
	auth, err := s.find()
	if err != nil {
		return err
	}
	if s.client, err = newClient(s.ctx, r, auth, s.meter, s.notify); err != nil {
		return err
	}
	s.lines.to = func(p []byte) error { return s.out.store(p) }
	s.lines.count = func() { s.meter.items.Add(1) }
	if s.paging, err = newPaging(r, s.origin, s.target.Root, &s.lines); err != nil {
		return err
	}
	if s.paging.mode != onePage && r.Body != nil && r.Body.once {
		return usage("each page is requested with a body, and one that is read from a pipe can be sent once only")
	}
	if r.Raw && (r.Items != nil || r.UTF8) {
		return usage("bodies that are stored as they come are not decoded: --raw goes neither with --items nor with --utf8")
	}
	s.ahead = newLookahead(s, r.Parallel)
	if err := s.checkChecksum(); err != nil {
		return err
	}
	if s.out, err = newOutput(s.ctx, r, s.meter, s.paging.mode != onePage); err != nil {
		return err
	}
	s.out.identity = s.identity()
	if s.at, err = s.paging.begin(); err != nil {
		return err
	}
	if r.Output.Named {
		return nil // the first answer names it
	}
	return s.open()
}

// setDefaults fills in the values that the caller left out.
func (r *Request) setDefaults() error {
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
	if r.Parallel <= 0 {
		r.Parallel = 8
	}
	if r.UserAgent == "" {
		r.UserAgent = "galley"
	}
	if r.Method == "" {
		r.Method = http.MethodGet
		if r.Body != nil || r.Pages.CursorBody+r.Pages.OffsetBody+r.Pages.PageBody+r.Pages.LimitBody != "" {
			r.Method = http.MethodPost
		}
	}
	r.Method = strings.ToUpper(r.Method)
	if r.Method == http.MethodHead {
		return usage("an answer to HEAD has no body to store")
	}
	return r.Limits.setDefaults()
}

// setDefaults checks the limits, and derives those that are not given.
func (l *Limits) setDefaults() error {
	if l.ChunkSize <= 0 {
		l.ChunkSize = 256 << 10
	}
	if l.Memory != 0 && l.Memory < 4<<20 {
		return usage("a fetch needs 4 MiB of memory at least")
	}
	if l.Memory > 0 {
		l.ChunkSize = min(l.ChunkSize, int(l.Memory/8))
	}
	if l.ChunkSize > 64<<20 {
		return usage("a chunk of %s is too large; at most 64 MiB", FormatSize(int64(l.ChunkSize)))
	}
	if l.Ratio == 0 {
		l.Ratio = 250
	}
	return nil
}

// window is the window that a zstd body may use, 0 for the usual.
func (l *Limits) window() uint64 {
	if l.Memory <= 0 {
		return 0
	}
	return max(min(uint64(l.Memory/2), maxWindow), 1<<20)
}

// find settles the URL to fetch, and who signs the requests.
func (s *session) find() (Authorizer, error) {
	r := s.req
	auth := r.Auth
	s.target = Target{URL: r.URL}
	if r.Source != nil {
		if r.URL != "" || r.Auth != nil {
			return nil, usage("a source brings its own URL and credentials")
		}
		var err error
		if s.target, err = r.Source.Resolve(s.ctx); err != nil {
			return nil, err
		}
		auth = r.Source
		if s.target.TLS != (TLS{}) {
			r.TLS = s.target.TLS
		}
	}
	u, err := url.Parse(s.target.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("%q is not an http or https URL", clean(secret.HideURLs(s.target.URL), 200))
	}
	if u.User != nil {
		if auth == nil {
			pass, _ := u.User.Password()
			auth = Basic(u.User.Username(), secret.Text(pass))
		}
		u.User = nil
	}
	u.Fragment = ""
	s.origin = u
	s.sum.URL = showURL(u)
	return auth, nil
}

func (s *session) checkChecksum() error {
	r := s.req
	if r.Checksum == "" && r.Method == http.MethodGet {
		r.Checksum = s.target.Checksum
	}
	if r.Checksum == "" {
		return nil
	}
	if s.paging.mode != onePage {
		return usage("a checksum is of one body, not of pages")
	}
	_, err := parseChecksum(r.Checksum)
	return err
}

// open opens the output and, if an earlier fetch has left a part of it, finds
// out where to go on.
func (s *session) open() error {
	w := s.out
	w.opened = true
	var err error
	if w.sink, err = newSink(s.ctx, w.format, w.level, newShape(w.format, s.req.Limits, s.req.Output.Workers), s.meter); err != nil {
		return err
	}
	w.sink.pageMark = w.mark
	if direct, err := w.openDirect(); direct || err != nil {
		return err
	}
	lines, err := s.openJournal()
	if err != nil {
		return err
	}
	why, err := s.resume(lines)
	if err != nil {
		return err
	}
	if why != "" {
		s.sum.StartedOver = why
		s.notify("nothing to resume: %s; starting from the beginning", why)
	}
	if s.goingOn == nil {
		if err := w.beginJournal(); err != nil {
			return err
		}
	}
	if w.paged {
		for _, n := range w.journal.seen {
			s.paging.seen.remember(n)
		}
		// The first page may be the one that is resumed at; it is not a loop.
		if first, err := s.paging.begin(); err == nil {
			_, _ = s.paging.seen.visit(first)
		}
	}
	if w.perPage || w.file != nil {
		return nil
	}
	return w.createPart()
}

// run fetches page after page.
func (s *session) run() error {
	if p := s.paging; p.Max > 0 && s.at.Page > p.Max && s.at.Done == "" {
		s.at.Done = fmt.Sprintf("as many pages as allowed: %d", p.Max)
	}
	for s.at.Done == "" {
		s.meter.page.Store(int64(max(s.at.Page, 1)))
		s.takenBefore = s.taken
		next, result, err := s.step()
		switch {
		case errors.Is(err, errUnchanged):
			s.sum.Unchanged, s.at.Done = true, "the output is up to date"
			return nil
		case err != nil && s.at.Done != "":
			continue
		case err != nil:
			return s.describePage(err)
		case next == nil:
			continue // asked again
		}
		s.client.progress()
		s.sum.Pages++
		if s.out.paged {
			if err := s.out.endPage(s.at, *next); err != nil {
				return err
			}
			s.lookAhead(*next, result)
		}
		s.at = *next
	}
	s.sum.Stopped = s.at.Done
	if s.paging.unread != "" {
		s.notify("this is the first page only: %s", s.paging.unread)
	}
	if err := s.out.commit(s.sum, s.at); err != nil {
		return err
	}
	s.remember()
	return nil
}

// step fetches the page at hand and finds the next one. It returns nil without
// an error if the page is to be asked for once more.
func (s *session) step() (*checkpoint, *pageResult, error) {
	result, err := s.page()
	var next checkpoint
	if err == nil {
		next, err = s.paging.follow(s.at, result)
		if err == nil {
			if s.paging.start != nil && s.at.Page == 1 {
				err = s.out.note(journalLine{First: s.paging.start})
			}
			return &next, result, err
		}
	}
	var e *Error
	if errors.As(err, &e) && s.paging.stopsAt(s.at, e) {
		s.at.Done = fmt.Sprintf("the server answered %d", e.Status)
		return nil, nil, err
	}
	if s.paging.anotherURL(&s.at, err) {
		return nil, nil, nil
	}
	var doubtful suspicion
	if errors.Is(err, errUnchanged) || !errors.As(err, &doubtful) || s.out.direct || !s.client.mayRepeat(call{method: s.req.Method, body: s.req.Body}) {
		return nil, nil, err
	}
	if rerr := s.rollBack(); rerr != nil {
		return nil, nil, err
	}
	if keyOf(s.asked) == keyOf(s.at) {
		return nil, nil, err // it said the same again
	}
	s.asked = s.at
	if werr := s.client.wait(s.req.Retry.Base, fmt.Sprintf("asking once more, since %v", doubtful.cause)); werr != nil {
		return nil, nil, werr
	}
	return nil, nil, nil
}

// lookAhead requests the pages that probably follow.
func (s *session) lookAhead(next checkpoint, result *pageResult) {
	if next.Done != "" {
		s.ahead.close()
		return
	}
	places := s.paging.pager.ahead(next, result, s.req.Parallel)
	s.ahead.drop(places)
	if len(places) > 1 {
		s.ahead.request(places)
	}
}

// finish ends the session, whole or not, and completes the summary.
func (s *session) finish(err error) error {
	resumable := false
	if s.ahead != nil {
		s.ahead.close()
	}
	if s.out != nil {
		resumable, err = s.out.finish(err)
	}
	if s.client != nil {
		s.client.close()
	}
	s.dec.close()
	if s.paging != nil && s.paging.reader.xml != nil {
		s.paging.reader.xml.stop()
	}
	if s.end != nil {
		s.end()
	}
	sum := s.sum
	sum.Elapsed = time.Since(s.begun)
	sum.Seconds = float64(sum.Elapsed.Round(time.Millisecond)) / float64(time.Second)
	sum.Received, sum.Content = s.meter.received.Load(), s.meter.content.Load()
	sum.Requests, sum.Retries = s.meter.requests.Load(), s.meter.retries.Load()
	sum.Items = s.at.Items
	if s.out != nil && s.out.format != "" {
		sum.Compressed = string(s.out.format)
	}
	for _, name := range []string{"length", "digest", "json", "gzip", "zstd"} {
		if s.bodies > 0 && s.verified[name] == s.bodies {
			sum.Verified = append(sum.Verified, name)
		}
	}
	if err == nil {
		return nil
	}
	var doubtful suspicion
	if errors.As(err, &doubtful) {
		err = doubtful.cause
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Op: s.op(), err: err} // of a source, for example
		err = e
	}
	e.Resumable = resumable
	sum.Error = err.Error()
	return err
}
