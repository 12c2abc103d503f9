package fetch

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// Preset is how one kind of API pages, so that its name replaces a row of
// options. It is data: whatever it says can be said by options as well, and
// they override it.
type Preset struct {
	Name string
	// About says which API it is, in a few words.
	About string
	Pages Pages
	// Items is the usual path of the records, "" where it differs between
	// calls.
	Items string
	// Header is sent unless the request sets it.
	Header map[string]string
	// Limit is the largest number of records per page that the API allows.
	Limit int
	// Reads: POST requests only read, so that they may be repeated.
	Reads bool
	// RateLimit names the headers by which the API limits requests.
	RateLimit string
}

// connection is replaced in paths by that of the records without its last name:
// GraphQL's cursor is beside its nodes.
const connection = "{connection}"

// presets are the kinds of API that are known.
func presets() []Preset {
	noNext := End{NoNext: true}
	return []Preset{
		{
			Name: "elasticsearch", About: "Elasticsearch and OpenSearch, search_after with a sort, or ?scroll=1m", Items: "hits.hits", Reads: true,
			Pages: Pages{Next: "hits.hits[-1].sort", CursorBody: "search_after", LimitBody: "size", End: End{Empty: true}},
			Limit: 10000, RateLimit: "Retry-After",
		},
		{
			Name: "github", About: "GitHub REST", Items: ".", Limit: 100, RateLimit: "x-ratelimit-reset, Retry-After, also with 403",
			Pages:  Pages{Link: true, LimitParam: "per_page"},
			Header: map[string]string{"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
		},
		{
			Name: "gitlab", About: "GitLab REST", Items: ".", Limit: 100, RateLimit: "RateLimit-Reset, Retry-After",
			Pages: Pages{NextHeader: "X-Next-Page", Last: "X-Total-Pages", CursorParam: "page", LimitParam: "per_page"},
		},
		{
			Name: "graph", About: "Microsoft Graph", Items: "value", RateLimit: "Retry-After",
			Pages: Pages{Next: `["@odata.nextLink"]`, End: noNext},
		},
		{
			Name: "graphql", About: "GraphQL with Relay's connections; --items names the nodes", Reads: true, RateLimit: "Retry-After, x-ratelimit-reset",
			Pages: Pages{Next: connection + ".pageInfo.endCursor", More: connection + ".pageInfo.hasNextPage", CursorBody: "variables.endCursor"},
		},
		{
			Name: "hal", About: "HAL (application/hal+json)", RateLimit: "Retry-After",
			Pages: Pages{Next: "_links.next.href", Last: "_links.last.href", End: noNext},
		},
		{
			Name: "jsonapi", About: "JSON:API", Items: "data", RateLimit: "Retry-After",
			Pages:  Pages{Next: "links.next", NextAlso: []string{"links.next.href"}, Last: "links.last", End: noNext},
			Header: map[string]string{"Accept": "application/vnd.api+json"},
		},
		{
			Name: "notion", About: "Notion", Items: "results", Limit: 100, Reads: true, RateLimit: "Retry-After",
			Pages:  Pages{Next: "next_cursor", More: "has_more", CursorBody: "start_cursor", LimitBody: "page_size"},
			Header: map[string]string{"Notion-Version": "2022-06-28"},
		},
		{
			Name: "odata", About: "OData 4 and 2", Items: "value", RateLimit: "Retry-After",
			Pages: Pages{Next: `["@odata.nextLink"]`, NextAlso: []string{"d.__next", `["odata.nextLink"]`}, End: noNext},
		},
		{
			Name: "openstack", About: "OpenStack services; --items names the list, such as servers", RateLimit: "Retry-After",
			Pages: Pages{Next: "*_links[rel=next].href", NextAlso: []string{"links.next", "next"}, End: noNext},
		},
		{
			Name: "salesforce", About: "Salesforce REST queries", Items: "records", RateLimit: "Retry-After",
			Pages: Pages{Next: "nextRecordsUrl", Stop: "done=true"},
		},
		{
			Name: "shopify", About: "Shopify Admin REST; --items names the list", Limit: 250, RateLimit: "Retry-After",
			Pages: Pages{Link: true, LimitParam: "limit"},
		},
		{
			Name: "slack", About: "Slack Web API; --items names the list, such as members", Limit: 200, RateLimit: "Retry-After",
			Pages: Pages{Next: "response_metadata.next_cursor", CursorParam: "cursor", LimitParam: "limit", End: noNext},
		},
		{
			Name: "stripe", About: "Stripe", Items: "data", Limit: 100, RateLimit: "Retry-After",
			Pages: Pages{Next: "data[-1].id", CursorParam: "starting_after", More: "has_more", LimitParam: "limit"},
		},
		{
			Name: "twitter", About: "X (Twitter) API v2", Items: "data", Limit: 100, RateLimit: "x-rate-limit-reset",
			Pages: Pages{Next: "meta.next_token", CursorParam: "pagination_token", LimitParam: "max_results", Stop: "meta.result_count=0", End: noNext},
		},
	}
}

// keyset is the preset gitlab for a URL with pagination=keyset, which has no
// numbers.
func keyset(p Preset) Preset {
	p.Pages = Pages{Link: true, LimitParam: p.Pages.LimitParam}
	return p
}

// scrolling is the preset elasticsearch for a URL with the parameter scroll.
func scrolling(p Preset) Preset {
	p.Pages = Pages{Next: "_scroll_id", CursorBody: "scroll_id", LimitBody: p.Pages.LimitBody, End: End{Empty: true}}
	p.Reads = false // each request moves the scroll on
	return p
}

// Presets returns the kinds of API that [ApplyPreset] knows, by name.
func Presets() []Preset { return presets() }

// ApplyPreset puts the values of a preset into r, where r has none.
func ApplyPreset(name string, r *Request) error {
	all := presets()
	i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == strings.ToLower(name) })
	if i < 0 {
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		e := usage("unknown API %q; known are %s", name, text.And(names))
		e.hint = text.DidYouMean(name, names)
		return e
	}
	p := all[i]
	if u, err := url.Parse(r.URL); err == nil {
		switch q := u.Query(); {
		case p.Name == "elasticsearch" && q.Has("scroll"):
			p = scrolling(p)
		case p.Name == "gitlab" && q.Get("pagination") == "keyset":
			p = keyset(p)
		}
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	for name, v := range p.Header {
		if r.Header.Get(name) == "" {
			r.Header.Set(name, v)
		}
	}
	if r.Items == nil && p.Items != "" && r.Pages.Count == nil {
		r.Items = &p.Items
	}
	if p.Reads && r.Method == "" {
		r.Method = http.MethodPost
		r.Retry.Unsafe = true
	}
	if err := p.connect(r); err != nil {
		return err
	}
	r.Pages.fill(p.Pages)
	switch {
	case r.Pages.Limit == 0 && limitGiven(r, r.Pages.LimitParam):
		r.Pages.LimitParam = "" // the URL says it
	case r.Pages.Limit == 0 && p.Limit > 0 && r.Pages.LimitParam != "":
		r.Pages.Limit = p.Limit
	}
	if r.Pages.Limit == 0 {
		r.Pages.LimitParam, r.Pages.LimitBody = "", ""
	}
	return nil
}

// limitGiven reports whether the URL has the parameter for a page's length.
func limitGiven(r *Request, param string) bool {
	u, err := url.Parse(r.URL)
	return err == nil && param != "" && u.Query().Has(param)
}

// connect replaces the connection in the paths of a preset.
func (p *Preset) connect(r *Request) error {
	if !strings.Contains(p.Pages.Next, connection) {
		return nil
	}
	if r.Pages.Next != "" {
		p.Pages.Next, p.Pages.More = r.Pages.Next, strings.Replace(r.Pages.Next, "endCursor", "hasNextPage", 1)
		return nil
	}
	items := r.Items
	if items == nil {
		items = r.Pages.Count
	}
	i := -1
	if items != nil {
		i = strings.LastIndexByte(*items, '.')
	}
	if i <= 0 {
		return usage("the API %s needs the path of its records: --items data.….nodes", p.Name)
	}
	for _, path := range []*string{&p.Pages.Next, &p.Pages.More} {
		*path = strings.ReplaceAll(*path, connection, (*items)[:i])
	}
	return nil
}

// fill sets the fields of p that are not set. A way of paging is all of a piece:
// if p has one, only what goes with every way is taken from the other.
func (p *Pages) fill(o Pages) {
	own := p.Link || p.Next != "" || p.NextHeader != "" || p.OffsetParam+p.OffsetBody+p.PageParam+p.PageBody != ""
	set := func(to *string, v string) {
		if *to == "" {
			*to = v
		}
	}
	if !own {
		p.Link, p.Next, p.NextAlso, p.NextHeader = o.Link, o.Next, o.NextAlso, o.NextHeader
		set(&p.Last, o.Last)
	}
	if p.CursorParam+p.CursorBody == "" && (!own || p.Next != "" || p.NextHeader != "") {
		p.CursorParam, p.CursorBody = o.CursorParam, o.CursorBody
	}
	if p.LimitParam+p.LimitBody == "" {
		p.LimitParam, p.LimitBody = o.LimitParam, o.LimitBody
	}
	set(&p.More, o.More)
	set(&p.Stop, o.Stop)
	p.End.NoNext = p.End.NoNext || o.End.NoNext
	p.End.Empty = p.End.Empty || o.End.Empty
}

// Describe returns the preset as the options that it replaces.
func (p Preset) Describe() string {
	var parts []string
	add := func(flag, v string) {
		if v != "" {
			parts = append(parts, "--"+flag+" "+v)
		}
	}
	if p.Pages.Link {
		parts = append(parts, "--link")
	}
	add("items", p.Items)
	add("next", p.Pages.Next)
	for _, n := range p.Pages.NextAlso {
		add("next", n)
	}
	add("next-header", p.Pages.NextHeader)
	add("last", p.Pages.Last)
	add("cursor-param", p.Pages.CursorParam)
	add("cursor-body", p.Pages.CursorBody)
	add("more", p.Pages.More)
	add("stop-path", p.Pages.Stop)
	if p.Limit > 0 {
		add("limit-param", p.Pages.LimitParam)
		if p.Pages.LimitParam != "" {
			add("limit", strconv.Itoa(p.Limit))
		}
	}
	var ends []string
	if p.Pages.End.NoNext {
		ends = append(ends, "no-next")
	}
	if p.Pages.End.Empty {
		ends = append(ends, "empty")
	}
	add("end-on", strings.Join(ends, ","))
	return strings.Join(parts, " ")
}
