package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// list is an API with n records in pages, which knows many ways of paging.
type list struct {
	n, per int
	mu     sync.Mutex // pages are asked for side by side
	asked  []string
	pretty bool
}

func (l *list) page(from, to int) []map[string]any {
	recs := []map[string]any{}
	for i := from; i < min(to, l.n); i++ {
		recs = append(recs, map[string]any{"id": i, "name": fmt.Sprintf("n\"%d]}", i), "next": "decoy"})
	}
	return recs
}

func (l *list) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked = append(l.asked, r.URL.RequestURI())
	l.mu.Unlock()
	q := r.URL.Query()
	int1 := func(name string, def int) int {
		if v, err := strconv.Atoi(q.Get(name)); err == nil {
			return v
		}
		return def
	}
	per := int1("limit", l.per)
	from := 0
	doc := map[string]any{}
	switch r.URL.Path {
	case "/offset":
		from = int1("offset", 0)
	case "/number":
		from = (int1("page", 1) - 1) * per
	case "/gone":
		if from = (int1("page", 1) - 1) * per; from >= l.n {
			w.WriteHeader(404)
			return
		}
	case "/deaf":
	default:
		from = int1("c", 0)
	}
	to := from + per
	more := to < l.n
	u := fmt.Sprintf("%s?c=%d&limit=%d", r.URL.Path, to, per)
	abs := "http://" + r.Host + u
	switch r.URL.Path {
	case "/link":
		l := `<` + abs + `>; title="a, b; rel=\"next\""; rel="prev last"`
		if more {
			l += `, <` + u + `>;rel="x NEXT"`
		}
		w.Header().Set("Link", l)
	case "/nova":
		links := []any{map[string]string{"rel": "self", "href": "x"}}
		if more {
			links = append(links, map[string]string{"href": abs, "rel": "next"})
		}
		doc["servers_links"] = links
	case "/header":
		if more {
			w.Header().Set("X-Next", strconv.Itoa(to))
		}
	case "/rel":
		if doc["next"] = ""; more {
			doc["next"] = "?" + strings.SplitN(u, "?", 2)[1]
		}
	default:
		if more {
			doc["meta"] = map[string]any{"next": to}
		}
	}
	doc["total"], doc["pages"], doc["more"] = l.n, (l.n+per-1)/per, more
	doc["data"] = l.page(from, to)
	w.Header().Set("Content-Type", "application/json")
	var b []byte
	if q.Has("bare") {
		b, _ = json.Marshal(doc["data"])
	} else if l.pretty {
		b, _ = json.MarshalIndent(doc, "", "\t")
	} else {
		b, _ = json.Marshal(doc)
	}
	w.Write(b)
}

func ptr[T any](v T) *T { return &v }

func TestWaysOfPaging(t *testing.T) {
	for _, pretty := range []bool{false, true} {
		l := &list{n: 95, per: 10, pretty: pretty}
		s := httptest.NewServer(l)
		defer s.Close()
		for _, c := range []struct {
			path    string
			p       Pages
			pages   int
			items   string
			stopped string
		}{
			{"/link", Pages{Link: true}, 10, "data", "no link"},
			{"/nova", Pages{Next: "servers_links[rel=next]"}, 10, "data", "no servers_links"},
			{"/header", Pages{NextHeader: "x-next", CursorParam: "c"}, 10, "data", "no x-next"},
			{"/rel", Pages{Next: "next"}, 10, "data", "no next"},
			{"/cursor?x=%20y", Pages{Next: "meta.next", CursorParam: "c"}, 10, "data", "no meta.next"},
			{"/cursor", Pages{Next: "meta.next", CursorParam: "c", More: "more"}, 10, "data", "more is false"},
			{"/cursor", Pages{Next: "meta.next", CursorParam: "c", Max: 3}, 3, "data", "as many pages as allowed: 3"},
			{"/cursor", Pages{Next: "meta.next", CursorParam: "c", LimitParam: "limit", Limit: 20}, 5, "data", "no meta.next"},
			{"/offset", Pages{OffsetParam: "offset", Count: ptr("data")}, 11, "data", "without records"},
			{"/offset", Pages{OffsetParam: "offset", Limit: 10}, 11, "data", "without records"},
			{"/offset", Pages{OffsetParam: "offset", Limit: 10, End: End{Short: true}}, 10, "data", "fewer than 10"},
			{"/offset", Pages{OffsetParam: "offset", Limit: 50, LimitParam: "limit", Total: "total"}, 2, "data", "total is 95"},
			{"/offset", Pages{OffsetParam: "offset", Total: "total", Count: ptr("data")}, 10, "", "total is 95"},
			{"/offset?bare=1", Pages{OffsetParam: "offset"}, 11, "$", "without records"},
			{"/number", Pages{PageParam: "page"}, 11, "data", "without records"},
			{"/number", Pages{PageParam: "page", TotalPages: "pages"}, 10, "", "pages is 10"},
			{"/number", Pages{PageParam: "page", Total: "total", Count: ptr("data")}, 10, "", "total is 95"},
			{"/number", Pages{PageParam: "page", First: ptr(int64(4)), More: "more"}, 7, "data", "more is false"},
			{"/gone", Pages{PageParam: "page", StopStatus: []int{404}}, 10, "data", "answered 404"},
		} {
			l.asked = nil
			r := Request{URL: s.URL + c.path, Pages: c.p, Output: Output{Path: out(t, "o")}}
			if c.items != "" {
				r.Items = &c.items
				if c.p.Count != nil {
					r.Items = nil
				}
			}
			sum, err := fetch(t, r)
			if err != nil {
				t.Fatalf("%s %+v: %v", c.path, c.p, err)
			}
			if sum.Pages != c.pages || !strings.Contains(sum.Stopped, c.stopped) {
				t.Errorf("%s %+v: %d pages, stopped: %s (%q)", c.path, c.p, sum.Pages, sum.Stopped, l.asked)
			}
			if strings.Contains(c.path, "x=%20y") && !strings.HasPrefix(l.asked[3], "/cursor?x=%20y&c=30") {
				t.Errorf("%q", l.asked)
			}
			if r.Items == nil || c.p.Max > 0 || c.p.First != nil {
				continue
			}
			lines := strings.Split(strings.TrimSpace(string(read(t, r.Output.Path))), "\n")
			if len(lines) != 95 || sum.Items != 95 {
				t.Fatalf("%s: %d lines, %d items", c.path, len(lines), sum.Items)
			}
			for i, line := range lines {
				var v struct{ ID int }
				if err := json.Unmarshal([]byte(line), &v); err != nil || v.ID != i {
					t.Fatalf("%s: line %d is %s", c.path, i, line)
				}
			}
		}
	}
}

func TestPagesAreBytesReceived(t *testing.T) {
	l := &list{n: 30, per: 10, pretty: true}
	s := httptest.NewServer(l)
	defer s.Close()
	var want []byte
	for _, c := range []string{"", "?c=10", "?c=20"} {
		resp := httptest.NewRecorder()
		l.ServeHTTP(resp, httptest.NewRequest("GET", "/cursor"+c, nil))
		want = append(want, resp.Body.Bytes()...)
	}
	p := Pages{Next: "meta.next", CursorParam: "c"}
	for _, chunk := range []int{1, 7, 1000, 0} {
		path := out(t, "o")
		mustFetch(t, Request{URL: s.URL + "/cursor", Pages: p, Output: Output{Path: path}, Limits: Limits{ChunkSize: chunk}})
		same(t, path, want)
		path = out(t, "o.gz")
		mustFetch(t, Request{URL: s.URL + "/cursor", Pages: p, Output: Output{Path: path}, Limits: Limits{ChunkSize: chunk}})
		if !bytes.Equal(ungzip(t, read(t, path)), want) {
			t.Error("gzip differs")
		}
		dir := t.TempDir()
		sum := mustFetch(t, Request{URL: s.URL + "/cursor", Pages: p, Output: Output{Path: filepath.Join(dir, "p-%03d.json.gz")}})
		var got []byte
		for i := 1; i <= 3; i++ {
			got = append(got, ungzip(t, read(t, filepath.Join(dir, fmt.Sprintf("p-%03d.json.gz", i))))...)
		}
		if !bytes.Equal(got, want) || len(sum.Files) != 3 {
			t.Errorf("%+v", sum)
		}
		if files, _ := os.ReadDir(dir); len(files) != 3 {
			t.Error(files)
		}
	}
}

func TestPagingGoesWrong(t *testing.T) {
	var other *httptest.Server
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		c, _ := strconv.Atoi(q.Get("c"))
		switch r.URL.Path {
		case "/loop":
			fmt.Fprintf(w, `{"next":"%d","data":[1]}`, (c+1)%3+1)
		case "/same":
			fmt.Fprint(w, `{"next":"1"}`)
		case "/deaf":
			fmt.Fprint(w, `{"data":[1,2,3]}`)
		case "/away":
			fmt.Fprintf(w, `{"next":"%s/x"}`, other.URL)
		case "/object":
			fmt.Fprint(w, `{"next":{"a":1}}`)
		case "/true":
			fmt.Fprint(w, `{"next":true}`)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<html>next</html>`)
		case "/cut":
			fmt.Fprint(w, `{"next":"a"`)
		case "/bad":
			fmt.Fprint(w, `{"next":"a",}`)
		case "/scheme":
			fmt.Fprint(w, `{"next":"file:///etc/passwd"}`)
		case "/more":
			fmt.Fprint(w, `{"next":"1","more":"yes"}`)
		case "/total":
			fmt.Fprint(w, `{"data":[1],"total":"many"}`)
		case "/later":
			if c == 2 {
				w.WriteHeader(500)
				return
			}
			fmt.Fprintf(w, `{"next":"%d"}`, c+1)
		}
	}))
	defer s.Close()
	got := ""
	other = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = fmt.Sprint(r.Header)
		fmt.Fprint(w, `{"next":null}`)
	}))
	defer other.Close()
	next := Pages{Next: "next", CursorParam: "c"}
	for _, c := range []struct {
		path string
		p    Pages
		item string
		kind Kind
		says string
	}{
		{"/loop", next, "", KindPaging, "loop"},
		{"/same", next, "", KindPaging, "loop"},
		{"/deaf", Pages{PageParam: "page"}, "data", KindPaging, `page 2 has the same content as page 1: the server seems not to know the parameter "page"`},
		{"/away", Pages{Next: "next"}, "", KindPaging, "another host"},
		{"/scheme", Pages{Next: "next"}, "", KindPaging, "not a web address"},
		{"/loop", Pages{Next: "next"}, "", KindPaging, "a cursor and not a URL"},
		{"/object", next, "", KindPaging, "an object"},
		{"/true", next, "", KindPaging, "not a cursor"},
		{"/html", next, "", KindJSON, "a web page (text/html)"},
		{"/cut", next, "", KindJSON, "incomplete"},
		{"/bad", next, "", KindJSON, "a name in quotes"},
		{"/more", Pages{Next: "next", CursorParam: "c", More: "more"}, "", KindPaging, "not true or false"},
		{"/total", Pages{PageParam: "page", Total: "total", Limit: 1}, "data", KindPaging, "not a number"},
		{"/deaf", Pages{PageParam: "page"}, "nothing", KindJSON, "an array at nothing, found nothing"},
		{"/deaf", Pages{PageParam: "page"}, "data[0]", KindJSON, "an array at data[0], found a number"},
		{"/later", next, "", KindHTTP, "page 3"},
		{"/deaf", Pages{OffsetParam: "o", Total: "data"}, "", KindUsage, "which array holds the records"},
	} {
		r := Request{URL: s.URL + c.path, Pages: c.p, Output: Output{Path: out(t, "o")}, Auth: Bearer("hush"), Retry: Retry{Attempts: 2}}
		if c.item != "" {
			r.Items = &c.item
		}
		_, err := fetch(t, r)
		failed(t, r.Output.Path, err, c.kind, c.says)
	}
	// Followed on request, but without credentials.
	mustFetch(t, Request{URL: s.URL + "/away", Pages: Pages{Next: "next", CrossOrigin: true}, Output: Output{Path: out(t, "o")}, Auth: Bearer("hush"), Header: http.Header{"X-Api-Key": {"hush"}, "Accept": {"a/b"}}})
	if got == "" || strings.Contains(got, "hush") || !strings.Contains(got, "a/b") {
		t.Errorf("the other host was sent %s", got)
	}
}

// A path that matches nothing must not end the pages silently, unless the user
// says that this is how they end.
func TestPathThatMatchesNothing(t *testing.T) {
	for _, c := range []struct{ doc, next, says string }{
		{`{"data":[1],"meta":{"next":"2"}}`, "mata.next", `page 1 has no "mata.next" (it has data, meta)`},
		{`{"data":[1],"meta":{"next":"2"}}`, "/meta/next", `page 1 has no "/meta/next" (it has data, meta)`},
		{`{"data":[1],"meta":{"after":"2"}}`, "meta.next", `no "meta.next"`},
		{`{"servers":[],"servers_links":[{"rel":"prev","href":"x"}]}`, "servers_links[rel=next]", "no "},
		{`{"data":[1],"meta":{"next":null}}`, "meta.next", ""},
		{`{"data":[1],"meta":null}`, "meta.next", ""},
		{`{"data":[1],"meta":{}}`, "meta.next", ""},
		{`{"data":[1],"next":""}`, "$.next", ""},
		{`[]`, "[-1].id", "no "},
	} {
		for _, missing := range []bool{false, true} {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, c.doc) })
			r := Request{URL: s.URL, Pages: Pages{Next: c.next, CursorParam: "c", End: End{NoNext: missing}}, Output: Output{Path: out(t, "o")}}
			_, err := fetch(t, r)
			if c.says == "" || missing {
				if err != nil {
					t.Errorf("%s in %s: %v", c.next, c.doc, err)
				}
				continue
			}
			if e := failed(t, r.Output.Path, err, KindPaging, c.says); !strings.Contains(e.Hint(), "--end-on no-next") {
				t.Errorf("hint %q", e.Hint())
			}
		}
	}
	// What others write for all elements is understood.
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"data":[1,2]}`) })
	for _, items := range []string{"data", "data[*]", "$.data[*]", ".data[]"} {
		path := out(t, "o")
		mustFetch(t, Request{URL: s.URL, Items: &items, Output: Output{Path: path}})
		same(t, path, []byte("1\n2\n"))
	}
}

// A download of one page only says so where the server names a next one.
func TestUnreadPages(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/link" {
			w.Header().Set("Link", `<?page=2>; rel="next"`)
		}
		fmt.Fprint(w, `{"data":[1,2],"nextToken":"x","prev":null}`)
	})
	items := "data"
	for name, c := range map[string]struct {
		request Request
		says    string
	}{
		"link":         {Request{URL: s.URL + "/link"}, "the first page only: the server names a next page in the Link header, which --link follows"},
		"cursor":       {Request{URL: s.URL, Items: &items}, "the first page only: the body has a member nextToken, which --next nextToken follows"},
		"not examined": {Request{URL: s.URL}, ""},
	} {
		var said []string
		c.request.Output.Path = out(t, "o")
		c.request.Notify = func(msg string) { said = append(said, msg) }
		mustFetch(t, c.request)
		if all := strings.Join(said, "\n"); c.says == "" && all != "" || !strings.Contains(all, c.says) {
			t.Errorf("%s: %q", name, all)
		}
	}
}

// Many pages of a server that cuts connections and asks to slow down: no gap,
// no duplicate.
func TestManyPages(t *testing.T) {
	pages := 2000
	if v, err := strconv.Atoi(os.Getenv("GALLEY_FETCH_PAGES")); err == nil {
		pages = v
	}
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, 1))
	conns := map[string]bool{}
	cuts := 0
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		conns[req.RemoteAddr] = true
		dice := r.Float64()
		at := r.IntN(900) + 1
		mu.Unlock()
		switch {
		case dice < 0.01:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		case dice < 0.015:
			cuts++
			w = &cut{w, at}
		}
		c, _ := strconv.Atoi(req.URL.Query().Get("c"))
		fmt.Fprint(w, `{"items":[`)
		for i := range 10 {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"id":%d,"text":"%090d"}`, c*10+i, i)
		}
		next := "null"
		if c+1 < pages {
			next = strconv.Itoa(c + 1)
		}
		fmt.Fprintf(w, `],"next":%s}`, next)
	})
	items := "items"
	for _, name := range []string{"o.ndjson", "o.ndjson.gz"} {
		path := out(t, name)
		clear(conns)
		cuts = 0
		sum := mustFetch(t, Request{URL: s.URL, Items: &items, Pages: Pages{Next: "next", CursorParam: "c"}, Output: Output{Path: path}})
		b := read(t, path)
		if name != "o.ndjson" {
			b = ungzip(t, b)
		}
		lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
		if len(lines) != pages*10 || sum.Items != int64(pages*10) || sum.Pages != pages {
			t.Fatalf("%d lines, %+v", len(lines), sum)
		}
		for i, l := range lines {
			if !bytes.HasPrefix(l, fmt.Appendf(nil, `{"id":%d,`, i)) {
				t.Fatalf("line %d is %s", i, l)
			}
		}
		// One connection, and one more for each that was cut. On a busy machine
		// net/http gives up a few whose write it has not seen end in time.
		if len(conns) > 1+cuts+pages/100 {
			t.Errorf("%d connections for %d cuts", len(conns), cuts)
		}
		if sum.Retries == 0 {
			t.Error("the server was too kind")
		}
		t.Logf("%d pages, %d connections cut, %d answers 429, %d connections in all", sum.Pages, cuts, sum.Retries-int64(cuts), len(conns))
	}
}

// rooted is a service below a path that it does not know of.
type rooted struct{ url string }

func (r rooted) Resolve(context.Context) (Target, error) {
	return Target{URL: r.url + "/image/v2/images", Root: "/image"}, nil
}
func (rooted) Authorize(*http.Request) error { return nil }

func TestPagesBelowARoot(t *testing.T) {
	var asked []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		if len(asked) < 3 {
			fmt.Fprintf(w, `{"next":%q}`, []string{"/v2/images?marker=1", "/image/v2/images?marker=2"}[len(asked)-1])
			return
		}
		fmt.Fprint(w, `{}`)
	})
	mustFetch(t, Request{Source: rooted{s.URL}, Pages: Pages{Next: "next"}, Output: Output{Path: out(t, "o")}})
	if got := fmt.Sprint(asked); got != "[/image/v2/images /image/v2/images?marker=1 /image/v2/images?marker=2]" {
		t.Error(got)
	}
}

func TestNextLink(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`<a>; rel=next`, "a"},
		{`<a>; rel="prev", <b>; rel="next"`, "b"},
		{`<a,b;c>; rel="next"`, "a,b;c"},
		{`<a>;title="<x>; rel=next";rel=last`, ""},
		{`<a>; rel="first NEXT"`, "a"},
		{`<a>; rel=prev; rel=next`, ""},
		{`<a>; anchor="#x"; rel=next, <b>; rel=next`, "b"},
		{``, ""},
		{`garbage, <b>; rel=next`, "b"},
		{`<a`, ""},
		{`<a>`, ""},
		{`<a>; rel`, ""},
		{`<a> ; REL = "next" `, "a"},
		{`<>; rel=next`, ""},
		{`<a>;rel="ne\xt"`, "a"},
	} {
		if got := link([]string{c.in}, "next"); got != c.want {
			t.Errorf("%s: %q", c.in, got)
		}
	}
	if got := link([]string{`<a>; rel=prev`, `<b>; rel=next`}, "next"); got != "b" {
		t.Error(got)
	}
}

func TestCountUp(t *testing.T) {
	for _, c := range []struct {
		next, last, before string
		from, through      int64
		after              string
	}{
		{"http://x/l?page=2", "http://x/l?page=12", "http://x/l?page=", 2, 12, ""},
		{"http://x/l?page=29&per_page=100", "http://x/l?page=210&per_page=100", "http://x/l?page=", 29, 210, "&per_page=100"},
		{"http://x/l/2/rows", "http://x/l/9/rows", "http://x/l/", 2, 9, "/rows"},
		{"http://x/l?page=2", "http://x/l?page=2", "http://x/l?page=", 2, 2, ""},
		{"http://x/l?page=2&a=1", "http://x/l?page=9&a=2", "http://x/l?page=", 0, 0, "&a=1"},
		{"http://x/l?page=2&a=1", "http://x/l?page=9", "http://x/l?page=", 0, 0, "&a=1"},
		{"http://x/l?after=abc", "http://x/l?before=xyz", "http://x/l?", 0, 0, "after=abc"},
		{"http://x/l?page=2", "http://x/l?page=last", "http://x/l?page=", 0, 0, ""},
	} {
		before, from, through, after := countUp(c.next, c.last)
		if before != c.before || from != c.from || through != c.through || after != c.after {
			t.Errorf("%s to %s: %q, %d to %d, %q", c.next, c.last, before, from, through, after)
		}
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<a>; rel="prev", <b>; rel="next"`)
	f.Add(`<a>;title="<x>; rel=next\"";rel=last`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := link([]string{s}, "next"); got != "" && !strings.Contains(s, got) {
			t.Fatalf("%q from %q", got, s)
		}
	})
}
