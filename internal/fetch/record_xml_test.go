package fetch

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// The elements at the path of --items are written as JSON, one per line, from
// each page.
func TestRecordsOfXML(t *testing.T) {
	pages := []string{
		`<?xml version="1.0"?><!-- a feed --><feed xmlns="urn:a" xmlns:m="urn:m"><items>
			<entry id="1" m:lang="en"><title>a &lt;b&gt; &#233;</title><tag>x</tag><tag>y</tag><empty/></entry>
			<entry><m:p k="v">text</m:p><d><![CDATA[<raw> & "so"]]></d>
			<!-- not data --></entry>
		</items><token>2</token></feed>`,
		`<feed><items><entry>plain
text</entry><entry/><other><entry>of something else</entry></other></items><token>3</token></feed>`,
		`<feed><items/><token/></feed>`,
	}
	want := `{"@id":"1","@m:lang":"en","empty":null,"tag":["x","y"],"title":"a <b> é"}
{"d":"<raw> & \"so\"","m:p":{"#text":"text","@k":"v"}}
"plain\ntext"
null
`
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := 1
		fmt.Sscan(r.FormValue("c"), &n)
		w.Header().Set("Content-Type", "application/atom+xml")
		if r.URL.Path == "/gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped([]byte(pages[n-1])))
			return
		}
		fmt.Fprint(w, pages[n-1])
	})
	for _, path := range []string{"items.entry", "feed.items.entry", "items.entry[*]"} {
		for _, chunk := range []int{0, 1} {
			for _, coded := range []string{"", "/gzip"} {
				r := Request{URL: s.URL + coded, Items: &path, Pages: Pages{Next: "token", CursorParam: "c"}, Output: Output{Path: out(t, "o")}}
				r.Limits.ChunkSize = chunk
				sum := mustFetch(t, r)
				same(t, r.Output.Path, []byte(want))
				if sum.Items != 4 || sum.Pages != 3 {
					t.Errorf("%s: %d records, %d pages", path, sum.Items, sum.Pages)
				}
			}
		}
	}
}

// What has no form in JSON, or is damaged, is an error.
func TestRecordsOfXMLRefused(t *testing.T) {
	for _, c := range []struct {
		path, body string
		kind       Kind
		says       string
	}{
		{"e", `<l><e>Hello <b>world</b></e></l>`, KindJSON, "the element e has text between its elements"},
		{"e", `<l><e>` + strings.Repeat("long ", 1<<20) + `</e></l>`, KindJSON, "a record (e) is larger than 4"},
		{"e", `<l><e><a></e></l>`, KindJSON, "l.e.a is not closed"},
		{"e", `<l><e>1</e>`, KindJSON, "XML"},
		{"rows.e", `<l><items><e>1</e></items></l>`, KindJSON, "expected an array at rows.e"},
		{".", `<l><e>1</e></l>`, KindUsage, "names of elements"},
		{"e[0]", `<l><e>1</e></l>`, KindUsage, "names of elements"},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			fmt.Fprint(w, c.body)
		})
		r := Request{URL: s.URL, Items: &c.path, Output: Output{Path: out(t, "o")}}
		_, err := fetch(t, r)
		failed(t, r.Output.Path, err, c.kind, c.says)
	}
}

// A page that breaks off is read again, and its records are written once.
func TestRecordsOfXMLAfterBreak(t *testing.T) {
	body := "<l>" + strings.Repeat("<e><n>1</n></e>\n", 50_000) + "</l>"
	n := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		if n++; n == 1 {
			w = &cut{w, 300_000}
		}
		fmt.Fprint(w, body)
	})
	path := "e"
	r := Request{URL: s.URL, Items: &path, Output: Output{Path: out(t, "o")}}
	mustFetch(t, r)
	got, err := os.ReadFile(r.Output.Path)
	if want := strings.Repeat("{\"n\":\"1\"}\n", 50_000); err != nil || string(got) != want {
		t.Errorf("%d bytes and not %d: %v", len(got), len(want), err)
	}
}
