package fetch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// bookshop answers in the styles of the APIs that have a preset: 11 books, 4 on
// a page.
type bookshop struct{ books, per int }

func (b bookshop) page(from int) (list string, next int) {
	var out []string
	for i := from; i < min(from+b.per, b.books); i++ {
		out = append(out, fmt.Sprintf(`{"id":"b%d","sort":[%d,"b"]}`, i, i))
	}
	if next = from + b.per; next >= b.books {
		next = 0
	}
	return "[" + strings.Join(out, ",") + "]", next
}

func (b bookshop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var body struct {
		Variables struct{ EndCursor *string }
		StartCur  string `json:"start_cursor"`
		After     []any  `json:"search_after"`
		Scroll    string `json:"scroll_id"`
	}
	_ = json.Unmarshal(text, &body)
	q := r.URL.Query()
	number := func(s string) int { n, _ := strconv.Atoi(strings.TrimPrefix(s, "b")); return n }
	from := 0
	for _, name := range []string{"after", "cursor", "pagination_token", "skip", "offset"} {
		if q.Has(name) {
			from = number(q.Get(name))
		}
	}
	style := strings.Split(strings.Trim(r.URL.Path, "/"), "/")[0]
	switch style {
	case "github", "shopify", "gitlab":
		from = max(number(q.Get("page"))-1, 0) * b.per
	case "stripe", "openstack":
		if last := q.Get("starting_after") + q.Get("marker"); last != "" {
			from = number(last) + 1
		}
	case "salesforce":
		from = number(strings.TrimPrefix(r.URL.Path, "/salesforce/"))
	case "graphql":
		if body.Variables.EndCursor != nil {
			from = number(*body.Variables.EndCursor)
		}
	case "notion":
		from = number(body.StartCur)
	case "elasticsearch":
		if len(body.After) > 0 {
			from = int(body.After[0].(float64)) + 1
		}
	case "_search":
		style = "scroll"
		from = number(body.Scroll)
	}
	list, next := b.page(from)
	link := func(param string, n int) string { return fmt.Sprintf("/%s?%s=%d", style, param, n) }
	answer := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	w.Header().Set("Content-Type", "application/json")
	or := func(s string) string {
		if next == 0 {
			return "null"
		}
		return strconv.Quote(s)
	}
	switch style {
	case "github", "shopify":
		if next > 0 {
			w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, link("page", next/b.per+1)))
		}
		if answer("%s", list); style == "shopify" {
			return
		}
	case "gitlab":
		w.Header().Set("X-Next-Page", "")
		if next > 0 {
			w.Header().Set("X-Next-Page", strconv.Itoa(next/b.per+1))
		}
		answer("%s", list)
	case "stripe":
		answer(`{"data":%s,"has_more":%v}`, list, next > 0)
	case "slack":
		answer(`{"ok":true,"books":%s,"response_metadata":{"next_cursor":"%s"}}`, list, strings.TrimSuffix(strconv.Itoa(next), "0"))
	case "twitter":
		meta := fmt.Sprintf(`"result_count":%d`, b.per)
		if next > 0 {
			meta += fmt.Sprintf(`,"next_token":"%d"`, next)
		}
		answer(`{"data":%s,"meta":{%s}}`, list, meta)
	case "graph", "odata":
		if next > 0 {
			answer(`{"@odata.context":"c","value":%s,"@odata.nextLink":"%s"}`, list, link("skip", next))
			return
		}
		answer(`{"@odata.context":"c","value":%s}`, list)
	case "openstack":
		if next > 0 {
			answer(`{"books":%s,"books_links":[{"rel":"prev","href":"/x"},{"rel":"next","href":"%s"}]}`, list, link("marker", next-1))
			return
		}
		answer(`{"books":%s}`, list)
	case "salesforce":
		if next > 0 {
			answer(`{"done":false,"records":%s,"nextRecordsUrl":"/salesforce/%d"}`, list, next)
			return
		}
		answer(`{"done":true,"records":%s}`, list)
	case "jsonapi":
		answer(`{"data":%s,"links":{"next":%s}}`, list, or(link("offset", next)))
	case "hal":
		links := `"self":{"href":"x"}`
		if next > 0 {
			links += fmt.Sprintf(`,"next":{"href":"%s"}`, link("offset", next))
		}
		answer(`{"_embedded":{"books":%s},"_links":{%s}}`, list, links)
	case "notion":
		answer(`{"results":%s,"has_more":%v,"next_cursor":%s}`, list, next > 0, or(strconv.Itoa(next)))
	case "graphql":
		answer(`{"data":{"shop":{"books":{"nodes":%s,"pageInfo":{"endCursor":"%d","hasNextPage":%v}}}}}`, list, next, next > 0)
	case "elasticsearch", "scroll":
		if from >= b.books {
			list = "[]"
		}
		if strings.HasSuffix(r.URL.Path, "scroll") && body.Scroll == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if next == 0 {
			next = b.books
		}
		answer(`{"_scroll_id":"%d","hits":{"hits":%s}}`, next, list)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Each preset fetches all records of a server of its style, and nothing twice.
func TestPresets(t *testing.T) {
	query := `{"query":"query($endCursor: String) { shop }","variables":{}}`
	needs := map[string]struct{ items, body, path string }{
		"slack":         {items: "books"},
		"openstack":     {items: "books"},
		"hal":           {items: "_embedded.books"},
		"shopify":       {items: "."},
		"graphql":       {items: "data.shop.books.nodes", body: query},
		"notion":        {body: `{}`},
		"elasticsearch": {body: `{"sort":["n"]}`},
		"scroll":        {body: `{}`, path: "/elasticsearch/_search?scroll=1m"},
	}
	names := []string{"scroll"}
	for _, p := range Presets() {
		names = append(names, p.Name)
		if p.About == "" || p.RateLimit == "" || p.Describe() == "" {
			t.Errorf("%s is not described", p.Name)
		}
	}
	if len(names) < 16 {
		t.Errorf("%d presets", len(names))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			s := serve(t, bookshop{11, 4}.ServeHTTP)
			need := needs[name]
			r := Request{URL: s.URL + "/" + name, Output: Output{Path: out(t, "o")}}
			api := name
			if need.path != "" {
				r.URL, api = s.URL+need.path, "elasticsearch"
			}
			if need.items != "" {
				r.Items = &need.items
			}
			if need.body != "" {
				r.Body = BytesBody([]byte(need.body), "application/json")
			}
			if err := ApplyPreset(api, &r); err != nil {
				t.Fatal(err)
			}
			mustFetch(t, r)
			lines := strings.Split(strings.TrimSpace(string(read(t, r.Output.Path))), "\n")
			if len(lines) != 11 || !strings.Contains(lines[10], `"b10"`) {
				t.Errorf("%d lines: %q", len(lines), lines)
			}
		})
	}
	if err := ApplyPreset("gitlib", &Request{}); err == nil || !strings.Contains(err.(*Error).Hint(), "gitlab") {
		t.Errorf("%v", err)
	}
}
