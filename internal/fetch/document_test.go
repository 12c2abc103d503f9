package fetch

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Pages of other forms than JSON: their records are counted, and joined as the
// form wants it.
func TestPagesOfOtherForms(t *testing.T) {
	root := ""
	for _, c := range []struct {
		name, contentType string
		pages             []string
		p                 Pages
		items             bool
		want              string
	}{
		{"lines, counted", "application/x-ndjson", []string{"{\"a\":1}\n{\"a\":2}\n", "{\"a\":3}", ""}, Pages{PageParam: "p"}, false, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}"},
		{"lines, records", "application/jsonl; charset=utf-8", []string{"{\"a\":1}\r\n\r\n {\"a\":2}", "{\"a\":3}\n", "\n"}, Pages{PageParam: "p"}, true, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"},
		{"lines, by offset", "application/x-ndjson", []string{"1\n2\n", "3\n", ""}, Pages{OffsetParam: "o"}, true, "1\n2\n3\n"},
		{"rows under one header", "text/csv", []string{"id,n\r\n1,\"a\nb\"\r\n2,\"c \"\"d\"\"\"", "id,n\r\n3,e\r\n", "id,n\r\n"}, Pages{PageParam: "p"}, false, "id,n\r\n1,\"a\nb\"\r\n2,\"c \"\"d\"\"\"\n3,e\r\n"},
		{"rows without one", "text/csv", []string{"id,n\n1,a\n", "2,b\n", ""}, Pages{PageParam: "p"}, false, "id,n\n1,a\n2,b\n"},
		{"elements", "application/xml", []string{
			`<?xml version="1.0"?><List xmlns="urn:x"><More>true</More><Key>k1</Key><Token>p1</Token></List>`,
			`<List><More>true</More><Key>k2</Key><Token>p2&amp;x</Token></List>`, `<List><More>false</More><Key>k3</Key></List>`,
		}, Pages{Next: "Token", CursorParam: "t", More: "More"}, false, ""},
		{"elements, counted", "text/xml", []string{`<L><I/><I/></L>`, `<L><I/></L>`, `<L></L>`}, Pages{PageParam: "p", Count: ptr("I")}, false, `<L><I/><I/></L><L><I/></L><L></L>`},
	} {
		n := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			fmt.Fprint(w, c.pages[n])
			n++
		})
		r := Request{URL: s.URL, Pages: c.p, Output: Output{Path: out(t, "o")}}
		if c.items {
			r.Items = &root
		}
		if c.want == "" {
			c.want = strings.Join(c.pages, "")
		}
		for _, chunk := range []int{0, 1} {
			n, r.Limits.ChunkSize, r.Output.Path = 0, chunk, out(t, "o")
			if _, err := fetch(t, r); err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if got := string(read(t, r.Output.Path)); got != c.want || n != len(c.pages) {
				t.Errorf("%s: %d pages, %q", c.name, n, got)
			}
		}
	}
	for _, c := range []struct{ contentType, body, says string }{
		{"application/x-ndjson", "{\"a\":1}\n{\"a\":", "line 2"},
		{"text/xml", "<L><I></L>", "XML"},
		{"text/xml", "<L><I>", "XML"},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			fmt.Fprint(w, c.body)
		})
		r := Request{URL: s.URL, Pages: Pages{PageParam: "p", Count: ptr("I")}, Output: Output{Path: out(t, "o")}}
		if c.contentType != "text/xml" {
			r.Pages.Count = &root
		}
		_, err := fetch(t, r)
		failed(t, r.Output.Path, err, KindJSON, c.says)
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/atom+xml")
		fmt.Fprint(w, "<L><I>1</I></L>")
	})
	r := Request{URL: s.URL, Items: ptr("I"), Output: Output{Path: out(t, "o")}}
	_, err := fetch(t, r)
	failed(t, r.Output.Path, err, KindUsage, "--items writes JSON, and this page is XML")
}

// Small pages share a member: the output is as small as one stream, and the
// same whether it was interrupted or not.
func TestSmallPagesShareMembers(t *testing.T) {
	const pages = 700
	var whole bytes.Buffer
	page := func(i int) []byte {
		next := "null"
		if i < pages {
			next = fmt.Sprint(i + 1)
		}
		return records(2500, uint64(i), next)
	}
	for i := 1; i <= pages; i++ {
		whole.Write(page(i))
	}
	var mu sync.Mutex
	asked, breakAt := 0, 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		i := 1
		fmt.Sscan(r.FormValue("p"), &i)
		mu.Lock()
		asked++
		broken := i == breakAt
		mu.Unlock()
		if broken {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if r.URL.Path == "/zipped" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped(page(i)))
			return
		}
		_, _ = w.Write(page(i))
	})
	p := Pages{Next: "meta.next", CursorParam: "p"}
	for _, name := range []string{"o.gz", "o.zst"} {
		want := out(t, name)
		mustFetch(t, Request{URL: s.URL, Pages: p, Output: Output{Path: want}})
		single := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(whole.Bytes()) })
		one := out(t, name)
		mustFetch(t, Request{URL: single.URL, Output: Output{Path: one}})
		if a, b := len(read(t, want)), len(read(t, one)); float64(a) > 1.03*float64(b) {
			t.Errorf("%s: %d bytes, as one body %d", name, a, b)
		}
		// Interrupted within a member, nothing but the page at hand is fetched
		// again, and the bytes are the same.
		r := Request{URL: s.URL, Pages: p, Output: Output{Path: out(t, name)}}
		breakAt = pages/2 + 1
		stopAt(t, r)
		breakAt, asked = 0, 0
		mustFetch(t, r)
		same(t, r.Output.Path, read(t, want))
		if asked != pages/2 {
			t.Errorf("%s: %d pages of %d were fetched again", name, asked, pages)
		}
		if name == "o.gz" {
			r = Request{URL: s.URL + "/zipped", Pages: p, Output: Output{Path: out(t, name)}}
			mustFetch(t, r)
			same(t, r.Output.Path, read(t, want))
		}
	}
}

// Pages whose addresses are known are requested at once, and written in order.
func TestPagesAtOnce(t *testing.T) {
	const pages = 40
	var mu sync.Mutex
	at, most, failedOnce := 0, 0, false
	asked := map[string]int{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := 1
		fmt.Sscan(r.FormValue("p"), &n)
		mu.Lock()
		at++
		most = max(most, at)
		asked[r.FormValue("p")]++
		fail := n == 17 && !failedOnce
		failedOnce = failedOnce || fail
		mu.Unlock()
		time.Sleep(5 * time.Millisecond) // the latency of the network
		mu.Lock()
		at--
		mu.Unlock()
		if fail {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"total":%d,"rows":[%d,%d]}`, 2*pages, 2*n, 2*n+1)
	})
	rows := "rows"
	var want strings.Builder
	for i := 2; i < 2*pages+2; i++ {
		fmt.Fprintln(&want, i)
	}
	for _, parallel := range []int{1, 6} {
		most, failedOnce, asked = 0, false, map[string]int{}
		r := Request{URL: s.URL, Items: &rows, Parallel: parallel, Pages: Pages{PageParam: "p", Total: "total"}, Output: Output{Path: out(t, "o")}}
		mustFetch(t, r)
		same(t, r.Output.Path, []byte(want.String()))
		if most > parallel || parallel > 1 && most < 3 || len(asked) != pages {
			t.Errorf("%d at once, %d allowed, %d pages", most, parallel, len(asked))
		}
	}
}

// Where the Link header names the last page, those before it are requested at
// once; the next link still decides which pages there are. Pages whose numbers
// are not what they seem cost a few requests, once.
func TestLinkedPagesAtOnce(t *testing.T) {
	const pages = 9
	rows := "."
	for _, c := range []struct {
		name, next, last string // N is the number, AT the page's own
		together         bool
		most             int // requests
	}{
		{"page", "?page=N", "?page=N", true, pages},
		{"page among others", "?per_page=1&page=N&q=a1", "?per_page=1&page=N&q=a1", true, pages},
		{"a cursor", "?page=N&c=Nx", "?page=N", false, pages},
		{"a number of something else", "?page=N00", "?page=N00", false, pages},
		{"a wrong guess", "?page=N&v=AT", "?page=N&v=AT", false, pages + 7},
		{"fewer than announced", "?page=N", "?page=N0", true, pages + 7},
		{"no last page", "?page=N", "", false, pages},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			asked := 0
			fifth := make(chan struct{})
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				var n int
				if _, err := fmt.Sscan(r.FormValue("page"), &n); err != nil {
					n = 1
				}
				if n >= 100 {
					n /= 100
				}
				mu.Lock()
				asked++
				mu.Unlock()
				switch {
				case n == 5 && c.together:
					close(fifth)
				case n == 2 && c.together:
					select {
					case <-fifth:
					case <-r.Context().Done():
					case <-time.After(time.Minute):
						t.Error("the fifth page was not requested beside the second")
					}
				}
				write := func(ref, rel string, to int) {
					ref = strings.NewReplacer("N", fmt.Sprint(to), "AT", fmt.Sprint(n)).Replace(ref)
					w.Header().Add("Link", "<"+ref+">; rel="+rel)
				}
				if n < pages {
					write(c.next, "next", n+1)
				}
				if c.last != "" {
					write(c.last, "last", pages)
				}
				fmt.Fprintf(w, "[%d]", n)
			})
			r := Request{URL: s.URL, Items: &rows, Pages: Pages{Link: true}, Output: Output{Path: out(t, "o")}}
			mustFetch(t, r)
			same(t, r.Output.Path, []byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n"))
			mu.Lock()
			defer mu.Unlock()
			if asked > c.most {
				t.Errorf("%d requests", asked)
			}
		})
	}
}

// Numbered pages are requested at once, too, where a header or the body names
// the number or URL of the last one.
func TestNumberedPagesAtOnce(t *testing.T) {
	const pages = 9
	for _, c := range []struct {
		api, items, body string // NEXT and LAST are URLs
		header           bool
	}{
		{api: "gitlab", items: ".", body: `[N]`, header: true},
		{api: "jsonapi", items: "data", body: `{"data":[N],"links":{"next":NEXT,"last":LAST}}`},
		{api: "hal", items: "rows", body: `{"rows":[N],"_links":{"next":{"href":NEXT},"last":{"href":LAST}}}`},
	} {
		t.Run(c.api, func(t *testing.T) {
			fifth := make(chan struct{})
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n, _ := strconv.Atoi(r.FormValue("page"))
				switch n = max(n, 1); n {
				case 5:
					close(fifth)
				case 2:
					select {
					case <-fifth:
					case <-r.Context().Done():
					case <-time.After(time.Minute):
						t.Error("the fifth page was not requested beside the second")
					}
				}
				next, number := "null", ""
				if n < pages {
					number = strconv.Itoa(n + 1)
					next = strconv.Quote("?page=" + number)
				}
				if c.header {
					w.Header().Set("X-Next-Page", number)
					w.Header().Set("X-Total-Pages", strconv.Itoa(pages))
				}
				last := strconv.Quote("?page=" + strconv.Itoa(pages))
				fmt.Fprint(w, strings.NewReplacer("NEXT", next, "LAST", last, "N", strconv.Itoa(n)).Replace(c.body))
			})
			r := Request{URL: s.URL, Items: &c.items, Output: Output{Path: out(t, "o")}}
			if err := ApplyPreset(c.api, &r); err != nil {
				t.Fatal(err)
			}
			mustFetch(t, r)
			same(t, r.Output.Path, []byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n"))
		})
	}
}

// A page that names the next one at its beginning does not delay it: the next
// request leaves before the page has ended.
func TestNextPageIsRequestedEarly(t *testing.T) {
	filler := strings.Repeat(" ", 300<<10)
	second := make(chan bool)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("c") == "2" {
			close(second)
			fmt.Fprint(w, `{"next":null,"rows":[2]}`)
			return
		}
		fmt.Fprint(w, `{"next":"2","rows":[1`+filler)
		w.(http.Flusher).Flush()
		select {
		case <-second:
		case <-time.After(time.Minute):
			t.Error("the second page was not requested")
		}
		fmt.Fprint(w, `]}`)
	})
	rows := "rows"
	r := Request{URL: s.URL, Items: &rows, Pages: Pages{Next: "next", CursorParam: "c"}, Output: Output{Path: out(t, "o")}}
	mustFetch(t, r)
	if got := strings.Fields(string(read(t, r.Output.Path))); fmt.Sprint(got) != "[1 2]" {
		t.Errorf("%q", got)
	}
}
