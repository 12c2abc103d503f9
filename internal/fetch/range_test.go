package fetch

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// shifted serves a body whose ranges begin a few bytes too early, although
// their Content-Range says otherwise.
func shifted(body []byte, first int, by int) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if n.Add(1) == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			(&cut{w, first}).Write(body)
			return
		}
		from := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		if from == 0 {
			w.Write(body)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(body[from-by : len(body)-by])
	}
}

// A server that sends another range than it says does not spoil the output: the
// last bytes are requested again, and compared.
func TestRangeThatIsNotTheOneNamed(t *testing.T) {
	body := records(2_000_000, 1, "null")
	for _, name := range []string{"o", "o.gz"} {
		for _, by := range []int{0, 7} {
			path := out(t, name)
			said := ""
			sum := mustFetch(t, Request{
				URL: serve(t, shifted(body, 1_500_000, by)).URL, Output: Output{Path: path},
				Notify: func(m string) { said += m + "\n" },
			})
			got := read(t, path)
			if name == "o.gz" {
				got = ungzip(t, got)
			}
			if !bytes.Equal(got, body) {
				t.Fatalf("%s, %d bytes too early: differs at %d", name, by, differ(got, body))
			}
			if strings.Contains(said, "other bytes than those before") != (by > 0) || by == 0 && sum.Received != int64(len(body)) {
				t.Errorf("%d bytes too early: received %d, said %q", by, sum.Received, said)
			}
			// The same with a run that is resumed.
			path = out(t, name)
			r := Request{URL: serve(t, shifted(body, 1_700_000, by)).URL, Output: Output{Path: path}}
			stopAt(t, r)
			if sum = mustFetch(t, r); sum.ResumedAt == 0 != (by > 0) {
				t.Errorf("resumed at %d", sum.ResumedAt)
			}
			if got = read(t, path); name == "o.gz" {
				got = ungzip(t, got)
			}
			if !bytes.Equal(got, body) {
				t.Fatalf("%s, resumed, %d bytes too early: differs at %d", name, by, differ(got, body))
			}
		}
	}
}

// A server that breaks off at the same place each time, and whose ranges are
// wrong, uses up the attempts: starting over is not progress.
func TestAttemptsCountAcrossRestarts(t *testing.T) {
	body := records(500_000, 1, "null")
	for _, lying := range []bool{true, false} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if lying {
				w.Header().Set("ETag", `"v1"`)
			}
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(body)-1, len(body)))
				w.WriteHeader(http.StatusPartialContent)
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			(&cut{w, 300_000}).Write(body)
		})
		said := ""
		path := out(t, "o")
		_, err := fetch(t, Request{URL: s.URL, Output: Output{Path: path}, Notify: func(m string) { said += m + "\n" }})
		failed(t, path, err, KindTruncated, "attempt 6, the last")
		for i := 2; i <= 6; i++ {
			if n := strings.Count(said, fmt.Sprintf("attempt %d of 6", i)); n != 1 {
				t.Errorf("attempt %d was reported %d times:\n%s", i, n, said)
			}
		}
	}
}

// A body that is split is fetched by ranges at once, and is the same; a server
// that fails in one of them, or serves another version there, costs time alone.
func TestSplit(t *testing.T) {
	body := bytes.Repeat(records(1<<20, 1, "null"), 17)[:17<<20+123]
	other := bytes.ToUpper(body)
	for name, broken := range map[string]func(n int64, w http.ResponseWriter, r *http.Request) bool{
		"all well": func(int64, http.ResponseWriter, *http.Request) bool { return false },
		"a range fails": func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n == 4 {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return n == 4
		},
		"a range breaks off": func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n == 3 {
				file(&cut{w, 1_000_000}, r, `"v1"`, body)
			}
			return n == 3
		},
		"another version": func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n == 5 {
				file(w, r, `"v2"`, other)
			}
			return n == 5
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Two requests are under way at once: each waits for the other.
			var n, ranges atomic.Int64
			pair := make(chan bool)
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.Header.Get("Range"), "-") {
					switch ranges.Add(1) {
					case 1:
						select {
						case <-pair:
						case <-time.After(20 * time.Second):
							t.Error("the ranges are not requested at once")
						}
					case 2:
						close(pair)
					}
				}
				if !broken(n.Add(1), w, r) {
					file(w, r, `"v1"`, body)
				}
			})
			for _, file := range []string{"o", "o.gz"} {
				path := out(t, file)
				mustFetch(t, Request{URL: s.URL, Split: 4, Output: Output{Path: path}})
				got := read(t, path)
				if file == "o.gz" {
					got = ungzip(t, got)
				}
				if !bytes.Equal(got, body) {
					t.Fatalf("%s: %d bytes of %d, differs at %d", file, len(got), len(body), differ(got, body))
				}
				clear1(t, path)
			}
			if n.Load() < 18 {
				t.Errorf("%d requests", n.Load())
			}
		})
	}
}
