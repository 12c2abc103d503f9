package fetch

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// paging finds the way through the pages: the pager of the mode chosen, and the
// rules that are the same for all modes.
type paging struct {
	Pages
	mode  pageMode
	pager pager // nil for one body
	// firstURL is that of the first page, without its number.
	firstURL *url.URL
	root     string // Target.Root
	body     bodyTemplate
	query    queries
	reader   documents
	seen     visited
	// start is how the first page looked, nil before it was read.
	start *pageShape
	// unread says, for one body, that the server names a page after it.
	unread string
	// otherURLs are tried in place of CursorURL if that does not exist.
	otherURLs []string
}

// pager is one way of finding the next page.
type pager interface {
	// first completes the place of the first page.
	first(c *checkpoint) error
	// next completes the place after the page at, or says why there is none.
	next(at checkpoint, to *checkpoint, r *pageResult) (stop string, err error)
	// early returns the place after the page at while that page still arrives,
	// and false as long as it is not known.
	early(at checkpoint, r *pageResult) (checkpoint, bool)
	// ahead returns at most n places that probably follow, the first of them
	// being to. They are requested early; next decides.
	ahead(to checkpoint, r *pageResult, n int) []checkpoint
}

// pageResult is what a page turned out to be.
type pageResult struct {
	url    *url.URL // after redirects
	header http.Header
	doc    document // nil if its content was not read
	items  int64
	kind   jsonscan.Kind // of the value at the path of the records
	sum    uint64        // of its records or content, when pages are counted
	length int64
}

// pageShape is what every page should have in common with the first.
type pageShape struct {
	Root jsonscan.Kind `json:"root"`
	Keys []string      `json:"keys,omitempty"`
	// All: Keys are all names that there were.
	All bool `json:"all,omitempty"`
}

// suspicion marks an error of a page that may be another the next time.
type suspicion struct{ cause *Error }

func (s suspicion) Error() string { return s.cause.Error() }
func (s suspicion) Unwrap() error { return s.cause }

func newPaging(r *Request, first *url.URL, root string, lines *lineWriter) (*paging, error) {
	p := &paging{Pages: r.Pages, root: strings.TrimSuffix(root, "/")}
	u := *first
	p.firstURL = &u
	var err error
	if p.mode, err = p.Pages.mode(); err != nil {
		return nil, err
	}
	if err := p.sendInBody(r); err != nil {
		return nil, err
	}
	switch p.mode {
	case byLink:
		p.pager = &linkPager{paging: p}
	case byNext, byHeader:
		p.pager = &cursorPager{paging: p}
	case byOffset, byNumber:
		p.pager = &countPager{paging: p}
	}
	if p.LimitParam != "" {
		p.firstURL.RawQuery = setParam(p.firstURL.RawQuery, p.LimitParam, strconv.Itoa(p.Limit))
	}
	if err := p.query.build(r, p.mode); err != nil {
		return nil, err
	}
	p.query.onItem, p.query.store = lines.item, lines.to
	p.reader = documents{query: &p.query, paged: p.mode != onePage}
	return p, nil
}

// counts reports whether the records of each page are counted.
func (p *paging) counts() bool { return p.query.items != nil }

// begin returns the first page's place.
func (p *paging) begin() (checkpoint, error) {
	var c checkpoint
	c.goTo(p.firstURL)
	if p.mode == onePage {
		return c, nil
	}
	c.Page = 1
	return c, p.pager.first(&c)
}

// follow returns the place after page at, with Done set if there is none. A
// [suspicion] is an error that may be a failure of the server's.
func (p *paging) follow(at checkpoint, r *pageResult) (checkpoint, error) {
	to := at
	to.Page++
	to.Items += r.items
	to.Seen, to.Cursor, to.In, to.parsed = 0, nil, 0, nil
	if p.mode == onePage {
		p.unread = unread(r)
		to.Done, to.URL = "one body", ""
		return to, nil
	}
	if err := p.noFailure(at, r); err != nil {
		return to, err
	}
	stop, err := p.says(at, r)
	if stop == "" {
		// The shape is compared first: it explains why a value is missing.
		if werr := p.whole(at, r); werr != nil {
			return to, werr
		}
	}
	if err == nil && stop == "" {
		if stop = p.stops(at, r); stop == "" {
			stop, err = p.pager.next(at, &to, r)
		}
	}
	if err != nil {
		return to, err
	}
	if stop != "" {
		to.Done, to.URL, to.Cursor = stop, "", nil
		return to, nil
	}
	if p.mode.counted() {
		return to, nil // its places only grow
	}
	seen, again := p.seen.visit(to)
	if to.Seen = seen; again && !p.SameCursor {
		e := p.fail(r, "the pages go round in a loop: page %d names as the next one a page that was fetched before, %s", at.Page, p.show(to))
		if text := cursorText(to.Cursor); text != "" {
			e.hint = "if that cursor means the end, say --stop-value " + clean(text, 40)
		} else if u, err := url.Parse(to.URL); err == nil && p.CursorParam != "" {
			e.hint = "if that cursor means the end, say --stop-value " + clean(u.Query().Get(p.CursorParam), 40)
		}
		return to, e
	}
	return to, nil
}

// unread describes the page that an answer names as the next one, and the
// option that follows it; "" where none is named.
func unread(r *pageResult) string {
	if link(r.header.Values("Link"), "next") != "" {
		return "the server names a next page in the Link header, which --link follows"
	}
	if r.doc == nil {
		return ""
	}
	for _, key := range r.doc.Keys() {
		if name := strings.ToLower(key); strings.HasPrefix(name, "next") {
			key = clean(key, 60)
			return fmt.Sprintf("the body has a member %s, which --next %s follows if it names a next page", key, key)
		}
	}
	return ""
}

// show describes a place for a message.
func (p *paging) show(c checkpoint) string {
	s := c.URL
	if u, err := url.Parse(c.URL); err == nil {
		s = showURL(u)
	}
	if c.Cursor != nil {
		s += " with " + string(c.Cursor)
	}
	return clean(s, 200)
}

func (p *paging) fail(r *pageResult, format string, args ...any) *Error {
	return &Error{Kind: KindPaging, Op: "GET " + showURL(r.url), Msg: fmt.Sprintf(format, args...)}
}

// says returns what a page itself says of the end: that it is the last. It
// refuses a page that says nothing although it should.
func (p *paging) says(at checkpoint, r *pageResult) (last string, err error) {
	if p.More != "" {
		switch v := r.value(p.query.more); {
		case v.Kind == jsonscan.None && p.End.Missing, v.Kind == jsonscan.Null, v.Text() == "false":
			return fmt.Sprintf("%s is %s", p.More, describe(v)), nil
		case v.Kind == jsonscan.None:
			return "", suspicion{p.lacks(at, r, p.More)}
		case v.Text() != "true":
			return "", p.fail(r, "%s is %v and not true or false", p.More, v.Kind)
		}
	}
	if p.Stop != "" {
		switch v := r.value(p.query.stop); {
		case v.Kind == jsonscan.None && p.End.Missing:
			return p.Stop + ", which is missing", nil
		case v.Kind == jsonscan.None:
			return "", suspicion{p.lacks(at, r, p.query.stopPath)}
		case valueText(v) == p.query.stopValue:
			return p.Stop, nil
		}
	}
	return "", nil
}

// follows returns what a page says of pages after it, "" if it does not say that
// there are any.
func (p *paging) follows(r *pageResult) string {
	if p.More != "" && r.value(p.query.more).Text() == "true" {
		return p.More + " is true"
	}
	if v := r.value(p.query.stop); v.Kind == jsonscan.Bool && valueText(v) != p.query.stopValue {
		return p.query.stopPath + " is " + v.Text()
	}
	return ""
}

// stops applies the user's rules that end the pages in every mode.
func (p *paging) stops(at checkpoint, r *pageResult) string {
	if p.End.Empty && p.counts() && r.items == 0 {
		return "a page without records"
	}
	if p.End.Short && p.counts() && r.items < int64(p.Limit) {
		return fmt.Sprintf("a page of fewer than %d records", p.Limit)
	}
	if p.Max > 0 && at.Page >= p.Max {
		return fmt.Sprintf("as many pages as allowed: %d", p.Max)
	}
	return ""
}

// left is how many pages from c on may be fetched.
func (p *paging) left(c checkpoint) int {
	if p.Max == 0 {
		return math.MaxInt
	}
	return p.Max - c.Page + 1
}

// stopsAt reports whether an error is an answer that means the end.
func (p *paging) stopsAt(at checkpoint, err *Error) bool {
	return at.Page > 1 && err.Status != 0 && slices.Contains(p.StopStatus, err.Status)
}

// resolve makes a reference to the next page its URL.
func (p *paging) resolve(r *pageResult, ref string) (*url.URL, error) {
	next, err := r.url.Parse(ref)
	if err != nil {
		return nil, p.fail(r, "the address of the next page, %q, is not a URL", clean(ref, 200))
	}
	if next.Scheme == "http" && r.url.Scheme == "https" && strings.EqualFold(next.Hostname(), r.url.Hostname()) &&
		(next.Port() == "" || next.Port() == r.url.Port() || next.Port() == "80") {
		// A service behind a proxy that ends TLS often does not know its own
		// scheme.
		next.Scheme, next.Host = "https", r.url.Host
	}
	next.Fragment, next.User = "", nil
	if p.root != "" && sameOrigin(p.firstURL, next) && !strings.HasPrefix(next.EscapedPath(), p.root+"/") {
		if in, err := next.Parse(p.root + next.EscapedPath()); err == nil {
			in.RawQuery = next.RawQuery
			next = in
		}
	}
	if !sameOrigin(p.firstURL, next) && !sameOrigin(r.url, next) {
		if next.Scheme != "https" && next.Scheme != "http" {
			return nil, p.fail(r, "the next page is at %s, which is not a web address", clean(showURL(next), 200))
		}
		if !p.CrossOrigin {
			e := p.fail(r, "the next page is on another host: %s", clean(showURL(next), 200))
			e.hint = "to follow it, without credentials, say --cross-origin"
			return nil, e
		}
	}
	return next, nil
}

// anotherURL changes the URL for cursors after a failure of the first page that
// was asked for there, and reports whether there was one to change to.
func (p *paging) anotherURL(at *checkpoint, err error) bool {
	var e *Error
	if at.Page != 2 || len(p.otherURLs) == 0 || !errors.As(err, &e) || e.Status < 400 || e.Status > 405 {
		return false
	}
	p.CursorURL, p.otherURLs = p.otherURLs[0], p.otherURLs[1:]
	u, perr := p.firstURL.Parse(p.CursorURL)
	if perr != nil {
		return false
	}
	at.goTo(u)
	return true
}

// value returns the value of query i, which was looked for if i is not
// negative.
func (r *pageResult) value(i int) jsonscan.Value {
	if i < 0 || r.doc == nil {
		return jsonscan.Value{}
	}
	return r.doc.Value(i)
}

// valueText is a scalar's text; null is "null".
func valueText(v jsonscan.Value) string {
	if v.Kind == jsonscan.Null {
		return "null"
	}
	return v.Text()
}

func describe(v jsonscan.Value) string {
	if v.Kind == jsonscan.None {
		return "missing"
	}
	if t := v.Text(); t != "" {
		return clean(t, 60)
	}
	return v.Kind.String()
}
