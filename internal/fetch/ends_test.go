package fetch

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// A list of 5 pages of which the third goes wrong with status 200: each way is
// a failure that names the page, the server is asked once more, and the pages
// before are kept.
func TestPageThatGoesWrongWithStatus200(t *testing.T) {
	good := func(n int) string {
		next := "null"
		if n < 5 {
			next = strconv.Itoa(n + 1)
		}
		return fmt.Sprintf(`{"ok":true,"rows":[{"n":%d}],"after":%s}`, n, next)
	}
	for name, bad := range map[string]string{
		"an error":             `{"error":{"code":17}}`,
		"errors beside data":   `{"ok":true,"rows":[{"n":3}],"after":4,"errors":[{"message":"partial"}]}`,
		"not ok":               `{"ok":false,"rows":[],"after":null}`,
		"another shape":        `{"message":"try again"}`,
		"nothing":              `{}`,
		"an array":             `[]`,
		"null":                 `null`,
		"null rows, with news": `{"ok":true,"rows":null,"after":null,"reason":"overload"}`,
		"a web page":           `<html>log in</html>`,
	} {
		for _, items := range []bool{true, false} {
			if !items && strings.HasPrefix(name, "null rows") {
				continue // without records, nothing is known of them
			}
			t.Run(fmt.Sprintf("%s %v", name, items), func(t *testing.T) {
				var thirds atomic.Int64
				mended := false
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					n := 1
					fmt.Sscan(r.FormValue("p"), &n)
					w.Header().Set("Content-Type", "application/json")
					if n == 3 && thirds.Add(1) > 0 && !mended {
						if strings.HasPrefix(bad, "<") {
							w.Header().Set("Content-Type", "text/html")
						}
						fmt.Fprint(w, bad)
						return
					}
					fmt.Fprint(w, good(n))
				})
				path := "rows"
				r := Request{URL: s.URL, Pages: Pages{Next: "after", CursorParam: "p"}, Output: Output{Path: out(t, "o")}}
				if items {
					r.Items = &path
				}
				_, err := fetch(t, r)
				e, _ := err.(*Error)
				if e == nil || e.Kind != KindPaging && e.Kind != KindJSON || !strings.Contains(err.Error(), "page 3") || !e.Resumable {
					t.Fatalf("%v, %+v", err, e)
				}
				if thirds.Load() != 2 {
					t.Errorf("asked %d times", thirds.Load())
				}
				mended = true
				sum := mustFetch(t, r)
				if sum.ResumedPage != 3 || sum.Requests != 3 {
					t.Errorf("%+v", sum)
				}
				got := string(read(t, r.Output.Path))
				for n := 1; n <= 5; n++ {
					if strings.Count(got, fmt.Sprintf(`{"n":%d}`, n)) != 1 {
						t.Errorf("record %d: %s", n, got)
					}
				}
			})
		}
	}
}

// What an API does at its end is accepted when the user says so.
func TestEndOn(t *testing.T) {
	rows := "rows"
	for _, c := range []struct {
		name  string
		pages []string // of offset 0, 2, 4 …
		p     Pages
		says  string // "" for success
		lines int
	}{
		{"capped limit", []string{`[1,2]`, `[3,4]`, `[5]`, `[]`}, Pages{OffsetParam: "o", LimitParam: "l", Limit: 3}, "", 5},
		{"short, accepted", []string{`[1,2]`, `[3]`}, Pages{OffsetParam: "o", Limit: 2, End: End{Short: true}}, "", 3},
		{"total too large", []string{`[1,2]`, `[]`}, Pages{OffsetParam: "o", Total: "total"}, "total is 9 and 2 came", 0},
		{"total too large, accepted", []string{`[1,2]`, `[]`}, Pages{OffsetParam: "o", Total: "total", End: End{Empty: true}}, "", 2},
		{"null at the end", []string{`[1,2]`, `null`}, Pages{OffsetParam: "o"}, "", 2},
		{"condition", []string{`[1,2]`, `[3,4]`}, Pages{OffsetParam: "o", Stop: "last=true"}, "", 4},
		{"condition that is never there", []string{`[1,2]`, `[3,4]`}, Pages{OffsetParam: "o", Stop: "final=true"}, `has no "final"`, 0},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			o := 0
			fmt.Sscan(r.FormValue("o"), &o)
			i := (o + 1) / 2
			if i >= len(c.pages) {
				i = len(c.pages) - 1
			}
			fmt.Fprintf(w, `{"rows":%s,"total":9,"last":%v}`, c.pages[i], i == len(c.pages)-1)
		})
		r := Request{URL: s.URL, Items: &rows, Pages: c.p, Output: Output{Path: out(t, "o")}}
		_, err := fetch(t, r)
		if c.says != "" {
			failed(t, r.Output.Path, err, KindPaging, c.says)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if n := strings.Count(string(read(t, r.Output.Path)), "\n"); n != c.lines {
			t.Errorf("%s: %d lines", c.name, n)
		}
	}
}

// A cursor that means the end is recognized by its value; without that, it is
// seen as a loop.
func TestCursorThatMeansTheEnd(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscan(r.FormValue("c"), &n)
		next := n + 1
		if next == 3 {
			next = -1
		}
		fmt.Fprintf(w, `{"rows":[%d],"c":%d}`, n, next)
	})
	rows := "rows"
	r := Request{URL: s.URL + "?c=0", Items: &rows, Pages: Pages{Next: "c", CursorParam: "c", StopValues: []string{"-1"}}, Output: Output{Path: out(t, "o")}}
	mustFetch(t, r)
	same(t, r.Output.Path, []byte("0\n1\n2\n"))
	r.Pages.StopValues, r.Output.Path = nil, out(t, "o")
	_, err := fetch(t, r)
	if e := failed(t, r.Output.Path, err, KindPaging, "loop"); !strings.Contains(e.Hint(), "--stop-value") {
		t.Errorf("hint %q", e.Hint())
	}
}

// A place in the body of the request: a path, a number, and a cursor that is an
// array, beside what the body has already.
func TestPlaceInTheBody(t *testing.T) {
	var asked []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		_, _ = fmt.Fprint(&b, r.Method, " ")
		buf := make([]byte, 1000)
		n, _ := r.Body.Read(buf)
		b.Write(buf[:n])
		asked = append(asked, b.String())
		if len(asked) == 2 {
			fmt.Fprint(w, `{"rows":[],"key":null}`)
			return
		}
		fmt.Fprint(w, `{"rows":[1,2],"key":["x",{"y":1}]}`)
	})
	rows := "rows"
	for _, c := range []struct {
		p    Pages
		body string
		want string
	}{
		{Pages{Next: "key", CursorBody: "page.after"}, `{"q":"é","page":{"size":2}}`, `POST {"q":"é","page":{"size":2,"after":["x",{"y":1}]}}`},
		{Pages{Next: "key", CursorBody: `["a.b"]`}, `{}`, `POST {"a.b":["x",{"y":1}]}`},
		{Pages{Next: "key", CursorBody: "q[0].after"}, `{"q":[{"n":1}]}`, `POST {"q":[{"n":1,"after":["x",{"y":1}]}]}`},
		{Pages{OffsetBody: "from", LimitBody: "size", Limit: 2}, `{"from":7}`, `POST {"from":2,"size":2}`},
		{Pages{PageBody: "p"}, `{}`, `POST {"p":2}`},
	} {
		asked = nil
		mustFetch(t, Request{URL: s.URL, Items: &rows, Pages: c.p, Body: BytesBody([]byte(c.body), "application/json"), Output: Output{Path: out(t, "o")}})
		if len(asked) != 2 || asked[1] != c.want {
			t.Errorf("%+v: %q", c.p, asked)
		}
	}
	_, err := fetch(t, Request{URL: s.URL, Pages: Pages{Next: "key", CursorBody: "a[-1]"}, Output: Output{Path: out(t, "o")}})
	failed(t, "", err, KindUsage, "names and numbers")
}
