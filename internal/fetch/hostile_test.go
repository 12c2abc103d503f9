package fetch

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"
)

// Answers of servers that are wrong, or unusual, in ways that must neither end
// the pages nor be taken for data.
func TestHostileAnswers(t *testing.T) {
	wide := func(s string, order ...int) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune(s)) {
			two := [2]byte{byte(u), byte(u >> 8)}
			b.WriteByte(two[order[0]])
			b.WriteByte(two[order[1]])
		}
		return b.String()
	}
	data, rows := "data", "."
	cursor := Pages{Next: "next", CursorParam: "p"}
	more, done := cursor, cursor
	more.More, done.Stop = "more", "done=true"
	accepted := more
	accepted.End.NoNext = true
	for _, c := range []struct {
		name, contentType string
		pages             []string // the last one again and again
		r                 Request
		want, says        string // says: the error
	}{
		{"more, and no cursor", "", []string{`{"data":[1],"more":true,"next":"2"}`, `{"data":[2],"more":true,"next":null}`}, Request{Items: &data, Pages: more}, "", "more is true"},
		{"more, and no cursor at first", "", []string{`{"data":[1],"more":true}`}, Request{Items: &data, Pages: more}, "", "more is true"},
		{"not done, and no cursor", "", []string{`{"data":[1],"done":false,"next":null}`}, Request{Items: &data, Pages: done}, "", "done is false"},
		{"more, accepted", "", []string{`{"data":[1],"more":true,"next":null}`}, Request{Items: &data, Pages: accepted}, "1\n", ""},
		{"relative reference", "", []string{`{"data":[1],"next":"x?p=2"}`, `{"data":[2],"next":null}`}, Request{Items: &data, Pages: Pages{Next: "next"}}, "1\n2\n", ""},
		{"records with separators", "application/json-seq", []string{"\x1e{\"n\":1}\n\x1e[2]\n"}, Request{Items: &rows}, "{\"n\":1}\n[2]\n", ""},
		{"UTF-16 with a mark", "application/json", []string{wide("\ufeff{\"data\":[\"é\"]}", 0, 1)}, Request{Items: &data, UTF8: true}, "\"é\"\n", ""},
		{"UTF-16 without one", "application/json", []string{wide("{\"data\":[\"é\"]}", 1, 0)}, Request{Items: &data, UTF8: true}, "\"é\"\n", ""},
		{"Shift JIS", "application/json; charset=Shift_JIS", []string{"{\"data\":[\"\x93\xfa\"]}"}, Request{Items: &data, UTF8: true}, "\"日\"\n", ""},
		{"UTF-16, not converted", "application/json", []string{wide("[1]", 0, 1)}, Request{Items: &rows}, "", "invalid JSON"},
		{"other columns", "text/csv", []string{"a,b\n1,\"2,3\"\n", "a,b,c\n1,2,3\n"}, Request{Pages: Pages{Link: true}}, "", "3 columns, and the first one has 2"},
		{"rows without a header", "text/csv", []string{"a,b\n1,\"2,3\"\n", "4,\"5,6\"\n"}, Request{Pages: Pages{Link: true, Max: 2}}, "a,b\n1,\"2,3\"\n4,\"5,6\"\n", ""},
		{"nothing", "204", []string{`[1]`, ``}, Request{Items: &rows, Pages: Pages{PageParam: "p"}}, "", "204 No Content"},
		{"nothing, accepted", "204", []string{`[1]`, ``}, Request{Items: &rows, Pages: Pages{PageParam: "p", StopStatus: []int{204}}}, "1\n", ""},
		{"failure in the trailer", "trailer", []string{`[1]`}, Request{}, "", "backend died"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n := 1
				fmt.Sscan(r.FormValue("p"), &n)
				body := c.pages[min(n, len(c.pages))-1]
				switch {
				case c.contentType == "trailer":
					w.Header().Set("Trailer", "X-Stream-Error")
					defer w.Header().Set("X-Stream-Error", "backend died")
				case c.contentType != "204":
					w.Header().Set("Content-Type", c.contentType)
				case body == "":
					w.WriteHeader(http.StatusNoContent)
				}
				w.Header().Set("Link", fmt.Sprintf("<?p=%d>; rel=next", n+1))
				fmt.Fprint(w, body)
			})
			r := c.r
			r.URL, r.Output.Path, r.Retry.Attempts = s.URL, out(t, "o"), 2
			_, err := fetch(t, r)
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				same(t, r.Output.Path, []byte(c.want))
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got error %v, want one that says %q", err, c.says)
			}
		})
	}
}
