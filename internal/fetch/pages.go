package fetch

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// Pages says how the next page is found. The zero value fetches one body. One
// way at most is chosen: Link, Next, NextHeader, OffsetParam or PageParam.
type Pages struct {
	// Link follows the header Link with rel=next (RFC 8288).
	Link bool
	// Next is the JSON path of the next page's URL, or with CursorParam of a
	// cursor. Null, "", false and absence end the pages.
	Next string
	// NextHeader is the name of a header that carries the URL or cursor.
	NextHeader string
	// CursorParam is the query parameter of the first URL that takes the
	// cursor.
	CursorParam string

	// OffsetParam counts records from First (default 0), PageParam pages from
	// First (default 1). They end with a page of no records, of fewer than
	// Limit, or where Total or TotalPages says.
	OffsetParam, PageParam string
	First                  *int64
	// Limit is the number of records asked for per page through LimitParam;
	// without LimitParam it is only what a full page has. 0 means unknown.
	LimitParam string
	Limit      int
	// Total and TotalPages are JSON paths of the number of all records and
	// pages.
	Total, TotalPages string
	// Count is the JSON path of the array that holds a page's records, if
	// Request.Items does not name it; the root is "".
	Count *string
	// More is the JSON path of a boolean that is true while pages follow; it
	// can accompany any of the ways.
	More string

	// Max ends the pages after that many; 0 means no bound.
	Max int
	// StopStatus are answers (such as 404) that a server gives for a page
	// behind the last; never taken so for the first page.
	StopStatus []int
	// CrossOrigin follows next pages to another origin, without credentials;
	// else that is an error.
	CrossOrigin bool
}

type pageMode uint8

const (
	onePage pageMode = iota
	byLink
	byNext
	byHeader
	byOffset
	byNumber
)

func (p *Pages) mode() (pageMode, error) {
	mode, n := onePage, 0
	choose := func(is bool, m pageMode) {
		if is {
			mode = m
			n++
		}
	}
	choose(p.Link, byLink)
	choose(p.Next != "", byNext)
	choose(p.NextHeader != "", byHeader)
	choose(p.OffsetParam != "", byOffset)
	choose(p.PageParam != "", byNumber)
	counted := mode == byOffset || mode == byNumber
	switch {
	case n > 1:
		return 0, usage("the next page is found in one way: by Link header, --next, --next-header, offset or page number")
	case n == 0 && (p.CursorParam != "" || p.More != "" || p.Max != 0 || p.Total != "" || p.TotalPages != "" || p.LimitParam != "" || p.Limit != 0 || p.First != nil || p.Count != nil || len(p.StopStatus) > 0):
		return 0, usage("options of pages need one that says how the next page is found")
	case p.CursorParam != "" && mode != byNext && mode != byHeader:
		return 0, usage("a cursor's parameter needs --next PATH or --next-header NAME, where the cursor is found")
	case !counted && (p.Total != "" || p.TotalPages != "" || p.First != nil || p.Count != nil):
		return 0, usage("totals, counts and a first number go with offset or page number")
	case p.Max < 0 || p.Limit < 0:
		return 0, usage("numbers of pages and records are not negative")
	case p.LimitParam != "" && p.Limit == 0:
		return 0, usage("the parameter %s for a page's length needs the length", p.LimitParam)
	case mode == byOffset && p.TotalPages != "":
		return 0, usage("the number of all pages goes with page numbers; with offsets it is that of all records")
	case mode == byNumber && p.Total != "" && p.Limit == 0:
		return 0, usage("a number of all records tells the last page only together with the records per page")
	}
	return mode, nil
}

// pager finds the pages.
type pager struct {
	Pages
	mode  pageMode
	first *url.URL
	root  string // Target.Root

	scan                          *jsonscan.Scanner // nil if no JSON is looked at
	next, more, total, totalPages int               // what is where in scan, -1 for nothing
	countsItems                   bool

	seen       map[uint64]struct{}
	tortoise   uint64
	lap, steps int
	// The page before, when pages are counted.
	lastSum   uint64
	lastLen   int64
	lastKnown bool
}

// maxSeen bounds the pages remembered one by one; beyond, a loop is still
// found, at the latest after it was gone through a few times (Brent's method).
const maxSeen = 1 << 18

func newPager(r *Request, first *url.URL, onItem func([]byte, bool) error) (*pager, error) {
	p := &pager{Pages: r.Pages, seen: map[uint64]struct{}{}, lap: 1, next: -1, more: -1, total: -1, totalPages: -1}
	var err error
	if p.mode, err = p.Pages.mode(); err != nil {
		return nil, err
	}
	var o jsonscan.Options
	add := func(at *int, text string) {
		if text == "" || err != nil {
			return
		}
		var path jsonscan.Path
		path, err = jsonscan.ParsePath(text)
		*at = len(o.Values)
		o.Values = append(o.Values, path)
	}
	add(&p.next, p.Next)
	add(&p.more, p.More)
	add(&p.total, p.Total)
	add(&p.totalPages, p.TotalPages)
	items := r.Items
	if items != nil {
		o.OnItem = onItem
	} else if p.mode == byOffset || p.mode == byNumber {
		if items = p.Count; items == nil && p.Total == "" && p.TotalPages == "" {
			root := ""
			items = &root
		}
	}
	if items != nil && err == nil {
		// "All elements" is what is meant anyway, in JSONPath's words and jq's.
		text := strings.TrimSuffix(strings.TrimSuffix(*items, "[*]"), "[]")
		var path jsonscan.Path
		path, err = jsonscan.ParsePath(text)
		o.Items = &path
		p.countsItems = true
	}
	if err == nil && (len(o.Values) > 0 || o.Items != nil) {
		p.scan, err = jsonscan.New(o)
	}
	if err != nil {
		return nil, &Error{Kind: KindUsage, Msg: err.Error()}
	}
	u := *first
	p.first = &u
	if p.LimitParam != "" {
		p.first.RawQuery = setParam(p.first.RawQuery, p.LimitParam, strconv.Itoa(p.Limit))
	}
	return p, nil
}

func (p *pager) start() int64 {
	if p.First != nil {
		return *p.First
	}
	if p.mode == byNumber {
		return 1
	}
	return 0
}

// begin returns the first page's place.
func (p *pager) begin() checkpoint {
	c := checkpoint{Page: 1, Offset: p.start(), URL: p.first.String()}
	if p.mode == onePage {
		c.Page = 0
	}
	if p.mode == byOffset || p.mode == byNumber {
		c.URL = p.numbered(c.Offset)
	}
	return c
}

func (p *pager) numbered(n int64) string {
	u := *p.first
	name := p.OffsetParam
	if p.mode == byNumber {
		name = p.PageParam
	}
	u.RawQuery = setParam(u.RawQuery, name, strconv.FormatInt(n, 10))
	return u.String()
}

// got is what a page was.
type got struct {
	url    *url.URL // after redirects
	header http.Header
	items  int64
	sum    uint64 // of its content, when pages are counted
	length int64
}

// follow computes the place after page at, or sets Done in it.
func (p *pager) follow(at checkpoint, g got) (checkpoint, error) {
	to := at
	to.Page++
	to.Items += g.items
	to.Seen = 0
	op := "GET " + showURL(g.url)
	fail := func(hint, format string, args ...any) (checkpoint, error) {
		return to, &Error{Kind: KindPaging, Op: op, Msg: fmt.Sprintf(format, args...), hint: hint}
	}
	done := func(why string) (checkpoint, error) {
		to.Done, to.URL = why, ""
		return to, nil
	}
	if p.mode == onePage {
		return done("one body")
	}
	if p.more >= 0 {
		v := p.scan.Value(p.more)
		switch {
		case v.Kind == jsonscan.None, v.Kind == jsonscan.Null, v.Kind == jsonscan.Bool && v.Text() == "false":
			return done(fmt.Sprintf("%s is %s", p.More, describe(v)))
		case v.Kind != jsonscan.Bool:
			return fail("", "%s is %v and not true or false", p.More, v.Kind)
		}
	}
	if p.Max > 0 && at.Page >= p.Max {
		return done(fmt.Sprintf("as many pages as allowed: %d", p.Max))
	}
	var next *url.URL
	var err error
	switch p.mode {
	case byLink:
		ref := nextLink(g.header.Values("Link"))
		if ref == "" {
			return done("no link to a next page")
		}
		if next, err = g.url.Parse(ref); err != nil {
			return fail("", "the link to the next page, %q, is no URL", clean(ref, 200))
		}
	case byNext, byHeader:
		text, where := "", p.NextHeader
		if p.mode == byHeader {
			text = strings.TrimSpace(g.header.Get(p.NextHeader))
		} else {
			where = p.Next
			v := p.scan.Value(p.next)
			if v.Kind == jsonscan.Object || v.Kind == jsonscan.Array || v.Kind == jsonscan.Bool && v.Text() == "true" {
				return fail("", "%s is %v and no cursor", p.Next, v.Kind)
			}
			if v.Kind != jsonscan.Bool {
				text = v.Text()
			}
		}
		if text == "" {
			return done("no " + where)
		}
		if p.CursorParam != "" {
			u := *p.first
			u.RawQuery = setParam(u.RawQuery, p.CursorParam, text)
			next = &u
			break
		}
		if !looksLikeURL(text) {
			return fail("name the query parameter that takes it with --cursor-param NAME", "%s is %q, which is no URL but a cursor", where, clean(text, 100))
		}
		if next, err = g.url.Parse(text); err != nil {
			return fail("", "%s, %q, is no URL", where, clean(text, 200))
		}
	case byOffset, byNumber:
		if at.Page > 1 && p.lastKnown && g.length > 2 && g.sum == p.lastSum && g.length == p.lastLen && (!p.countsItems || g.items > 0) {
			name := p.OffsetParam
			if p.mode == byNumber {
				name = p.PageParam
			}
			return fail("", "page %d is the same as page %d, byte for byte: the server seems not to know the parameter %q", at.Page, at.Page-1, name)
		}
		p.lastSum, p.lastLen, p.lastKnown = g.sum, g.length, true
		if p.countsItems && g.items == 0 {
			return done("a page without records")
		}
		if p.countsItems && p.Limit > 0 && g.items < int64(p.Limit) && p.total < 0 && p.totalPages < 0 {
			return done(fmt.Sprintf("a page of fewer than %d records", p.Limit))
		}
		step := int64(1)
		if p.mode == byOffset {
			step = g.items
			if !p.countsItems {
				step = int64(p.Limit)
			}
			if step == 0 {
				return fail("say which array holds the records (--items or --count), or how many a page has (--limit)", "how far the next offset lies is not known")
			}
		}
		to.Offset += step
		for _, t := range []struct {
			at   int
			path string
			unit int64
		}{{p.total, p.Total, int64(max(p.Limit, 1))}, {p.totalPages, p.TotalPages, 1}} {
			if t.at < 0 {
				continue
			}
			v := p.scan.Value(t.at)
			all, err := strconv.ParseInt(v.Text(), 10, 64)
			if err != nil {
				return fail("", "%s is %s and no number", t.path, describe(v))
			}
			reached := to.Offset - p.start()
			if p.mode == byNumber {
				reached *= t.unit
			} else {
				reached = to.Offset
			}
			if reached >= all {
				return done(fmt.Sprintf("%s is %d", t.path, all))
			}
		}
		to.URL = p.numbered(to.Offset)
		return to, nil
	}
	if next.Scheme == "http" && g.url.Scheme == "https" && strings.EqualFold(next.Hostname(), g.url.Hostname()) && (next.Port() == "" || next.Port() == g.url.Port() || next.Port() == "80") {
		// A service behind a proxy that ends TLS often does not know its own
		// scheme.
		next.Scheme, next.Host = "https", g.url.Host
	}
	next.Fragment = ""
	if p.root != "" && sameOrigin(p.first, next) && !strings.HasPrefix(next.EscapedPath(), p.root+"/") {
		if in, err := next.Parse(p.root + next.EscapedPath()); err == nil {
			in.RawQuery = next.RawQuery
			next = in
		}
	}
	if !sameOrigin(p.first, next) && !sameOrigin(g.url, next) {
		if next.Scheme != "https" && next.Scheme != "http" {
			return fail("", "the next page is at %s, which is no web address", clean(showURL(next), 200))
		}
		if !p.CrossOrigin {
			return fail("if it is to be followed, without credentials, say --cross-origin", "the next page is on another host: %s", clean(showURL(next), 200))
		}
	}
	to.URL = next.String()
	if to.Seen, err = p.visit(to.URL); err != nil {
		return fail("", "the pages go round in a loop: page %d names as the next one that was fetched before, %s", at.Page, clean(showURL(next), 200))
	}
	return to, nil
}

// lonely says, of a first page that has no next one, that the path may be wrong:
// then nothing of what it names is there. A filter finds nothing on a single
// page of many APIs; that is nothing to speak of.
func (p *pager) lonely(at checkpoint) string {
	if p.mode != byNext || at.Page != 1 || strings.ContainsAny(p.Next, "=\"'") || p.scan.Value(p.next).Kind != jsonscan.None {
		return ""
	}
	name := strings.TrimLeft(p.Next, "$.")
	if i := strings.IndexAny(name, ".["); i >= 0 {
		name = name[:i]
	}
	names := p.scan.Keys()
	if name == "" || len(names) == 0 || len(names) >= jsonscan.MaxKeys || slices.Contains(names, name) {
		return ""
	}
	return fmt.Sprintf("the first page has no %q (it has %s) and is taken for the only one", name, clean(strings.Join(names, ", "), 200))
}

// visit remembers a page, or returns an error if it was there before.
func (p *pager) visit(u string) (uint64, error) {
	sum := sha256.Sum256([]byte(u))
	h := binary.LittleEndian.Uint64(sum[:]) | 1 // never 0
	if _, ok := p.seen[h]; ok || h == p.tortoise {
		return h, fmt.Errorf("a loop")
	}
	p.remember(h)
	return h, nil
}

func (p *pager) remember(h uint64) {
	if len(p.seen) < maxSeen {
		p.seen[h] = struct{}{}
		return
	}
	if p.steps++; p.steps >= p.lap {
		p.tortoise, p.lap, p.steps = h, p.lap*2, 0
	}
}

// stopsAt reports whether an error is an answer that means the end.
func (p *pager) stopsAt(at checkpoint, err *Error) bool {
	return at.Page > 1 && err.Status != 0 && slices.Contains(p.StopStatus, err.Status)
}

func describe(v jsonscan.Value) string {
	if v.Kind == jsonscan.None {
		return "not there"
	}
	if t := v.Text(); t != "" {
		return clean(t, 60)
	}
	return v.Kind.String()
}

// looksLikeURL tells a URL or a reference to one from a cursor.
func looksLikeURL(s string) bool {
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "?") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return true
	}
	i := strings.Index(s, "://")
	return i > 0 && !strings.ContainsAny(s[:i], "/?# ")
}

// setParam sets a query parameter and leaves the others as they are written.
func setParam(query, name, value string) string {
	pair := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	var parts []string
	done := false
	for _, p := range strings.Split(query, "&") {
		if p == "" {
			continue
		}
		key, _, _ := strings.Cut(p, "=")
		if k, err := url.QueryUnescape(key); err == nil && k == name {
			if done {
				continue
			}
			p, done = pair, true
		}
		parts = append(parts, p)
	}
	if !done {
		parts = append(parts, pair)
	}
	return strings.Join(parts, "&")
}

// nextLink finds the target of the link with the relation next among the
// values of Link headers (RFC 8288, 3), "" if there is none.
func nextLink(values []string) string {
	for _, v := range values {
		for v != "" {
			v = strings.TrimLeft(v, " \t,")
			if !strings.HasPrefix(v, "<") {
				// Not a link: on to the next comma.
				i := strings.IndexByte(v, ',')
				if i < 0 {
					break
				}
				v = v[i:]
				continue
			}
			end := strings.IndexByte(v, '>')
			if end < 0 {
				break
			}
			ref := strings.TrimSpace(v[1:end])
			v = v[end+1:]
			rel, anchored := "", false
			seenRel := false
			for {
				v = strings.TrimLeft(v, " \t")
				if !strings.HasPrefix(v, ";") {
					break
				}
				v = strings.TrimLeft(v[1:], " \t")
				i := strings.IndexAny(v, "=;, \t")
				if i < 0 {
					i = len(v)
				}
				name := strings.ToLower(v[:i])
				v = strings.TrimLeft(v[i:], " \t")
				value := ""
				if strings.HasPrefix(v, "=") {
					v = strings.TrimLeft(v[1:], " \t")
					value, v = linkValue(v)
				}
				switch {
				case name == "rel" && !seenRel:
					rel, seenRel = value, true
				case name == "anchor":
					anchored = true
				}
			}
			if anchored {
				continue // a link of something else
			}
			for _, r := range strings.Fields(rel) {
				if strings.EqualFold(r, "next") {
					return ref
				}
			}
		}
	}
	return ""
}

// linkValue reads a token or a quoted string at the start of s.
func linkValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ";, \t")
		if i < 0 {
			i = len(s)
		}
		return s[:i], s[i:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
