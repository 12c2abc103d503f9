package fetch

// Pages says how the next page is found. The zero value fetches one body. At
// most one way is chosen: Link, Next, NextHeader, an offset or a page number.
type Pages struct {
	// Link follows the header Link with rel=next (RFC 8288).
	Link bool
	// Next is the path, in JSON or XML, of the next page's URL or, with a
	// parameter for it, of a cursor. Null, "", false and an empty object or
	// array end the pages.
	Next string
	// NextAlso are further paths; the first at which anything is found counts.
	NextAlso []string
	// Last is the path, or with NextHeader the header, of the last page's URL or
	// number: where the next page is numbered too, those up to the last one are
	// requested in parallel. Next alone decides which pages there are.
	Last string
	// NextHeader is the name of a header that carries the URL or cursor.
	NextHeader string
	// CursorParam is the parameter that takes the cursor: of the URL, or of the
	// body if that is JSON (in GraphQL's variables if it has a query).
	CursorParam string
	// CursorBody is the path in the JSON body of the request that takes the
	// cursor.
	CursorBody string
	// CursorURL is the URL or path of all pages but the first, if it is another
	// one; with it, and CursorBody, their body is CursorTemplate.
	CursorURL, CursorTemplate string
	// SameCursor accepts a cursor that repeats, of a server that remembers the
	// place itself.
	SameCursor bool

	// OffsetParam counts records from First (default 0), PageParam pages from
	// First (default 1), in the URL; OffsetBody and PageBody are the paths for
	// that in a JSON body. They end with a page that has no records, or where
	// Total or TotalPages says.
	OffsetParam, PageParam string
	OffsetBody, PageBody   string
	First                  *int64
	// Limit is the number of records asked for per page, through LimitParam or
	// at LimitBody.
	LimitParam, LimitBody string
	Limit                 int
	// Total and TotalPages are paths of the number of all records and pages.
	Total, TotalPages string
	// Count is the path of the array that holds a page's records, if
	// Request.Items does not name it; the root is "".
	Count *string

	// More is the path of a boolean that is true while pages follow. Stop is a
	// condition PATH=VALUE that holds on the last page. Both can accompany any
	// of the ways.
	More, Stop string
	// StopValues are cursors that mean the end, such as 0 or -1.
	StopValues []string
	// StopStatus are answers (such as 404) that a server gives for a page
	// after the last; never for the first page.
	StopStatus []int
	// Max ends the pages after that many; 0 means no bound.
	Max int
	// End accepts the absence of data as the end of the pages.
	End End
	// AllowErrors accepts pages with a member "error", "errors" or "ok": false.
	AllowErrors bool
	// CrossOrigin follows next pages to another origin, without credentials;
	// without it that is an error.
	CrossOrigin bool
}

// End says which absences end the pages. An absence may also be a failure that
// the server reports with status 200, so that each is an error unless it is
// named here.
type End struct {
	// NoNext: a page without the next value, be it the first.
	NoNext bool
	// Missing: also a page without the array of records, or without members
	// that the first page had.
	Missing bool
	// Short: a page with fewer records than Limit.
	Short bool
	// Empty: a page without records, whatever cursor or total it names.
	Empty bool
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

func (m pageMode) counted() bool { return m == byOffset || m == byNumber }

// options reports whether any option of pages is set.
func (p *Pages) options() bool {
	return p.Last != "" || p.CursorParam != "" || p.CursorBody != "" || p.CursorURL != "" || p.More != "" || p.Stop != "" || p.Max != 0 ||
		p.Total != "" || p.TotalPages != "" || p.LimitParam != "" || p.LimitBody != "" || p.Limit != 0 || p.First != nil ||
		p.Count != nil || len(p.StopStatus) > 0 || len(p.StopValues) > 0 || p.End != (End{})
}

// mode returns the one way that is chosen, and refuses combinations that mean
// nothing.
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
	choose(p.OffsetParam != "" || p.OffsetBody != "", byOffset)
	choose(p.PageParam != "" || p.PageBody != "", byNumber)
	cursor := p.CursorParam != "" || p.CursorBody != ""
	switch {
	case n > 1:
		return 0, usage("the next page is found in one way: by Link header, --next, --next-header, offset or page number")
	case n == 0 && p.options():
		return 0, usage("options of pages need one that says how the next page is found")
	case cursor && mode != byNext && mode != byHeader:
		return 0, usage("a cursor's parameter needs --next PATH or --next-header NAME, where the cursor is found")
	case p.CursorParam != "" && p.CursorBody != "", p.OffsetParam != "" && p.OffsetBody != "",
		p.PageParam != "" && p.PageBody != "", p.LimitParam != "" && p.LimitBody != "":
		return 0, usage("a cursor or number is sent in the URL or in the body, not in both")
	case p.CursorURL != "" && !cursor:
		return 0, usage("a URL for the cursor needs --cursor-param NAME or --cursor-body PATH")
	case p.Last != "" && mode != byNext && mode != byHeader:
		return 0, usage("the place of the last page goes with --next or --next-header; --link finds it in the Link header")
	case len(p.StopValues) > 0 && mode != byNext && mode != byHeader:
		return 0, usage("a value that ends the pages goes with --next or --next-header")
	case !mode.counted() && (p.Total != "" || p.TotalPages != "" || p.First != nil):
		return 0, usage("totals and a first number go with offset or page number")
	case p.Max < 0 || p.Limit < 0:
		return 0, usage("numbers of pages and records are not negative")
	case (p.LimitParam != "" || p.LimitBody != "") && p.Limit == 0:
		return 0, usage("the parameter %s for a page's length needs the length", p.LimitParam+p.LimitBody)
	case p.End.Short && p.Limit == 0:
		return 0, usage("whether a page is short is known only with the records per page (--limit)")
	case mode == byOffset && p.TotalPages != "":
		return 0, usage("the number of all pages goes with page numbers; with offsets it is that of all records")
	}
	return mode, nil
}
