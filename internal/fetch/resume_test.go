package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// stopAt fetches until the server has sent n bytes of the answer to request
// number on, and leaves what a failure leaves.
func stopAt(t *testing.T, r Request) *Error {
	t.Helper()
	r.Retry.Attempts = 1
	_, err := fetch(t, r)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("the first fetch ended with %v", err)
	}
	return e
}

func TestResume(t *testing.T) {
	body := records(3_300_000, 1, "null")
	other := records(3_300_000, 2, "null")
	for _, name := range []string{"o.json", "o.json.gz", "o.json.zst"} {
		for _, change := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %v", name, change), func(t *testing.T) {
				var n atomic.Int64
				var ranges []string
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					ranges = append(ranges, r.Header.Get("Range"))
					switch {
					case n.Add(1) == 1:
						file(&cut{w, 2_300_000}, r, `"v1"`, body)
					case change:
						file(w, r, `"v2"`, other)
					default:
						file(w, r, `"v1"`, body)
					}
				})
				want := out(t, name)
				clean := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if change {
						file(w, r, `"v2"`, other)
					} else {
						file(w, r, `"v1"`, body)
					}
				})
				mustFetch(t, Request{URL: clean.URL, Output: Output{Path: want}})

				path := out(t, name)
				r := Request{URL: s.URL, Output: Output{Path: path}}
				if e := stopAt(t, r); !e.Resumable || !strings.Contains(e.Hint(), "the same command goes on") {
					t.Fatalf("%+v", e)
				}
				if _, err := os.Stat(path); err == nil {
					t.Fatal("an output is there")
				}
				r.Resume = true
				sum := mustFetch(t, r)
				same(t, path, read(t, want))
				if change {
					if sum.ResumedAt != 0 || !strings.Contains(sum.StartedOver, "changed") {
						t.Errorf("%+v", sum)
					}
					return
				}
				if sum.ResumedAt < 3<<19 || sum.Received != int64(len(body))-sum.ResumedAt || ranges[1] != fmt.Sprintf("bytes=%d-", sum.ResumedAt-maxOverlap) {
					t.Errorf("resumed at %d, received %d, asked for %q", sum.ResumedAt, sum.Received, ranges)
				}
			})
		}
	}
}

// OpenStack's object store sends its entity tags without quotes and ignores
// If-Range: the part must be of the same version by its own word.
func TestResumeByBareTag(t *testing.T) {
	body, other := records(3_300_000, 1, "null"), records(3_300_000, 2, "null")
	for _, c := range []struct {
		tag     string // of the second answer
		second  []byte
		resumes bool
	}{{"0123abcd", body, true}, {"4567cdef", other, false}, {"", body, false}} {
		var n atomic.Int64
		var ifRange string
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			ifRange += r.Header.Get("If-Range")
			b, tag := body, "0123abcd"
			if n.Add(1) > 1 {
				b, tag = c.second, c.tag
			}
			if tag != "" {
				w.Header().Set("Etag", tag)
			}
			if n.Load() == 1 {
				w = &cut{w, 2_300_000}
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		})
		path := out(t, "o.json")
		sum := mustFetch(t, Request{URL: s.URL, Output: Output{Path: path}})
		same(t, path, c.second)
		if resumed := sum.Received == int64(len(body)); resumed != c.resumes || ifRange != "" {
			t.Errorf("%+v: received %d, If-Range %q", c, sum.Received, ifRange)
		}
	}
}

// A server such as Glance names no version of a body, but its checksum is
// known: then that decides whether the parts belong together.
func TestResumeByChecksum(t *testing.T) {
	body, other := records(3_300_000, 1, "null"), records(3_300_000, 2, "null")
	for _, name := range []string{"o.json", "o.json.gz"} {
		for _, first := range [][]byte{body, other} {
			for _, inOneRun := range []bool{true, false} {
				var n atomic.Int64
				var ranges []string
				s := serve(t, func(w http.ResponseWriter, r *http.Request) {
					ranges = append(ranges, r.Header.Get("Range")+r.Header.Get("If-Range"))
					if n.Add(1) == 1 {
						file(&cut{w, 2_300_000}, r, "", first)
						return
					}
					file(w, r, "", body)
				})
				path := out(t, name)
				r := Request{URL: s.URL, Output: Output{Path: path}, Checksum: fmt.Sprintf("sha256:%x", sum256(body))}
				if !inOneRun {
					if e := stopAt(t, r); !e.Resumable {
						t.Fatal("nothing was kept")
					}
					r.Resume = true
				}
				sum := mustFetch(t, r)
				got := read(t, path)
				if name != "o.json" {
					got = ungzip(t, got)
				}
				if !bytes.Equal(got, body) {
					t.Fatalf("%s differs at %d", name, differ(got, body))
				}
				clear1(t, path)
				requests := 2
				if &first[0] != &body[0] {
					requests = 3 // the parts did not fit
				}
				if len(ranges) != requests || !(strings.HasPrefix(ranges[1], "bytes=2") || strings.HasPrefix(ranges[1], "bytes=19660")) || strings.Contains(ranges[1], "GMT") {
					t.Errorf("%s, one run %v: asked for %q, %+v", name, inOneRun, ranges, sum)
				}
			}
		}
	}
}

// What is resumed is verified from its first byte.
func TestResumeVerifiesAll(t *testing.T) {
	body := records(3<<20, 1, "null")
	for _, name := range []string{"o.json", "o.json.gz"} {
		for _, bad := range []bool{false, true} {
			var n atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					file(&cut{w, 2_500_000}, r, `"v1"`, body)
					return
				}
				b := body
				if bad {
					// The server lies about its version.
					b = append(bytes.Clone(body[:len(body)-1]), '!')
				}
				file(w, r, `"v1"`, b)
			})
			path := out(t, name)
			r := Request{URL: s.URL, Output: Output{Path: path}, Checksum: fmt.Sprintf("sha256:%x", sum256(body))}
			stopAt(t, r)
			r.Resume = true
			_, err := fetch(t, r)
			if bad {
				failed(t, path, err, KindChecksum, "sha256")
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestResumeNothing(t *testing.T) {
	body := records(3<<20, 1, "null")
	etag := `"v1"`
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			file(&cut{w, 2_500_000}, r, etag, body)
			return
		}
		file(w, r, etag, body)
	})
	for _, c := range []struct {
		name   string
		before func(t *testing.T, r *Request)
		says   string
	}{
		{"nothing there", func(t *testing.T, r *Request) {}, "no earlier fetch"},
		{"part gone", func(t *testing.T, r *Request) { stopAt(t, *r); os.Remove(r.Output.Path + partEnding) }, "missing"},
		{"part damaged", func(t *testing.T, r *Request) {
			stopAt(t, *r)
			os.WriteFile(r.Output.Path+partEnding, make([]byte, 3<<20), 0o600)
		}, "damaged"},
		{"journal damaged", func(t *testing.T, r *Request) {
			stopAt(t, *r)
			os.WriteFile(r.Output.Path+journalEnding, []byte("what\n"), 0o600)
		}, "no earlier fetch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.Store(0)
			path := out(t, "o")
			r := Request{URL: s.URL, Output: Output{Path: path}}
			c.before(t, &r)
			n.Store(1)
			r.Resume = true
			sum := mustFetch(t, r)
			same(t, path, body)
			if !strings.Contains(sum.StartedOver, c.says) {
				t.Errorf("said %q", sum.StartedOver)
			}
		})
	}
	// The kept part of another request is set aside, and taken up by a request
	// like that one.
	for name, change := range map[string]func(*Request){
		"another level": func(r *Request) { r.Output.Level = 3 },
		"another path":  func(r *Request) { r.URL += "/other" },
		"records":       func(r *Request) { items := "items"; r.Items = &items },
	} {
		t.Run(name, func(t *testing.T) {
			n.Store(0)
			path := out(t, "o.gz")
			r := Request{URL: s.URL, Output: Output{Path: path}}
			stopAt(t, r)
			part := read(t, path+partEnding)
			other, said := r, ""
			change(&other)
			other.Notify = func(m string) { said += m }
			mustFetch(t, other)
			if !strings.Contains(said, "set aside as "+path) {
				t.Errorf("said %q", said)
			}
			kept, _ := filepath.Glob(path + partEnding + ".galley-kept-*")
			if len(kept) != 1 || !bytes.Equal(read(t, kept[0]), part) {
				t.Fatalf("kept: %v", kept)
			}
			if sum := mustFetch(t, r); sum.ResumedAt == 0 {
				t.Errorf("%+v", sum)
			}
			clear1(t, path)
		})
	}
	t.Run("restart", func(t *testing.T) {
		n.Store(0)
		path := out(t, "o")
		r := Request{URL: s.URL, Output: Output{Path: path}, Restart: true}
		stopAt(t, r)
		if sum := mustFetch(t, r); sum.ResumedAt != 0 {
			t.Errorf("%+v", sum)
		}
		same(t, path, body)
	})
	// A new signature, other headers and other rules for the end go on.
	t.Run("another signature", func(t *testing.T) {
		n.Store(0)
		path := out(t, "o")
		r := Request{URL: s.URL + "?X-Amz-Signature=abc", Output: Output{Path: path}}
		stopAt(t, r)
		r.URL = s.URL + "?X-Amz-Signature=def&X-Amz-Date=1"
		r.Header = http.Header{"Accept-Language": {"de"}}
		if sum := mustFetch(t, r); sum.ResumedAt == 0 || sum.StartedOver != "" {
			t.Errorf("%+v", sum)
		}
		same(t, path, body)
	})
	t.Run("no version", func(t *testing.T) {
		etag = ""
		n.Store(0)
		path := out(t, "o")
		r := Request{URL: s.URL, Output: Output{Path: path}}
		if e := stopAt(t, r); e.Resumable {
			t.Error("said to be resumable")
		}
		clear1(t, path)
		r.Resume = true
		mustFetch(t, r)
		same(t, path, body)
	})
	t.Run("damaged tail", func(t *testing.T) {
		// As a power failure leaves it: the journal knows more than the disk.
		etag = `"v1"`
		n.Store(0)
		path := out(t, "o")
		r := Request{URL: s.URL, Output: Output{Path: path}}
		stopAt(t, r)
		part := read(t, path+partEnding)
		clear(part[2<<20:])
		os.WriteFile(path+partEnding, part, 0o600)
		r.Resume = true
		sum := mustFetch(t, r)
		same(t, path, body)
		if sum.ResumedAt == 0 || sum.ResumedAt > 2<<20 {
			t.Errorf("resumed at %d", sum.ResumedAt)
		}
	})
}

// The body was complete when the process died: 416 says so.
func TestResumeComplete(t *testing.T) {
	body := records(2<<20, 1, "null")[:2<<20]
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { file(w, r, `"v1"`, body) })
	path := out(t, "o")
	boom := errors.New("boom")
	r := Request{URL: s.URL, Output: Output{Path: path}}
	r.hooks.files = &faultFiles{fail: map[string]int{"sync": 1}, err: boom}
	if _, err := fetch(t, r); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	r.hooks.files = nil
	r.Resume = true
	sum := mustFetch(t, r)
	same(t, path, body)
	if sum.Received != 0 || sum.ResumedAt != 2<<20 {
		t.Errorf("%+v", sum)
	}
}

func TestResumePages(t *testing.T) {
	const pages = 20
	var stop atomic.Int64
	var asked []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		i := 1
		fmt.Sscanf(r.URL.Query().Get("page"), "%d", &i)
		next := "null"
		if i < pages {
			next = fmt.Sprintf(`"/?page=%d"`, i+1)
		}
		if stop.Add(-1) == 0 {
			w = &cut{w, 30_000}
		}
		w.Write(records(60_000, uint64(i), next))
	})
	items := "items"
	for _, c := range []struct {
		name  string
		items *string
	}{{"o.json", nil}, {"o.json.gz", nil}, {"o.ndjson.zst", &items}, {"page-%03d.json.gz", nil}} {
		t.Run(c.name, func(t *testing.T) {
			stop.Store(1 << 40)
			want := out(t, c.name)
			r := Request{URL: s.URL + "/?page=1", Items: c.items, Pages: Pages{Next: "meta.next"}, Output: Output{Path: want}}
			whole := mustFetch(t, r)
			path := out(t, c.name)
			r.Output.Path = path
			for _, at := range []int64{1, 2, 7, 3} {
				stop.Store(at)
				e := stopAt(t, r)
				r.Resume = true
				if at == 2 && !e.Resumable {
					t.Errorf("%+v", e)
				}
			}
			stop.Store(1 << 40)
			asked = nil
			sum := mustFetch(t, r)
			if len(asked) != pages-9 || asked[0] != "page=10" || sum.ResumedPage != 10 || sum.Items != whole.Items {
				t.Errorf("asked for %q, %+v", asked, sum)
			}
			wants, _ := filepath.Glob(filepath.Join(filepath.Dir(want), "*"))
			got, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
			if len(wants) != len(got) {
				t.Fatalf("%q and %q", wants, got)
			}
			for i := range wants {
				same(t, got[i], read(t, wants[i]))
			}
		})
	}
}

// A power failure takes the last pages from the part file, while the journal
// knows of them: they are fetched again, which is not a loop.
func TestResumePagesAfterPowerFailure(t *testing.T) {
	var n, broken atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		i := 1
		fmt.Sscan(r.URL.Query().Get("p"), &i)
		if i == 8 && broken.Load() == 0 {
			w.WriteHeader(404)
			return
		}
		next := "null"
		if i < 12 {
			next = fmt.Sprint(i + 1)
		}
		w.Write(records(20_000, uint64(i), next))
	})
	want := out(t, "o.gz")
	r := Request{URL: s.URL, Pages: Pages{Next: "meta.next", CursorParam: "p"}, Output: Output{Path: want}}
	broken.Store(1)
	mustFetch(t, r)
	broken.Store(0)
	r.Output.Path = out(t, "o.gz")
	stopAt(t, r)
	part := read(t, r.Output.Path+partEnding)
	clear(part[len(part)/2:])
	os.WriteFile(r.Output.Path+partEnding, part, 0o600)
	r.Resume = true
	e := stopAt(t, r)
	if e.Status != 404 {
		t.Fatal(e)
	}
	broken.Store(1)
	n.Store(0)
	sum := mustFetch(t, r)
	same(t, r.Output.Path, read(t, want))
	if n.Load() != 5 || sum.ResumedPage != 8 {
		t.Errorf("%d requests, %+v", n.Load(), sum)
	}
}

// A loop is seen although its pages were fetched by an earlier run.
func TestResumeSeesLoop(t *testing.T) {
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		i := n.Add(1)
		if i == 4 {
			w.WriteHeader(404)
			return
		}
		next := map[string]string{"": "a", "a": "b", "b": "c", "c": "a"}[r.URL.Query().Get("c")]
		fmt.Fprintf(w, `{"next":%q}`, next)
	})
	r := Request{URL: s.URL, Pages: Pages{Next: "next", CursorParam: "c"}, Output: Output{Path: out(t, "o")}}
	stopAt(t, r)
	r.Resume = true
	_, err := fetch(t, r)
	failed(t, r.Output.Path, err, KindPaging, "loop")
	if n.Load() != 5 {
		t.Errorf("%d requests", n.Load())
	}
}

func TestInterruptedKeepsAll(t *testing.T) {
	body := records(4<<20, 1, "null")
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	m := new(Meter)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) > 1 {
			file(w, r, `"v1"`, body)
			return
		}
		c := &cut{w, 1 << 40}
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		c.Write(body[:3<<20+4321])
		c.Flush()
		for m.Read().Received < 3<<20+4321 && r.Context().Err() == nil {
		}
		cancel()
		<-r.Context().Done()
	})
	r := Request{URL: s.URL, Output: Output{Path: out(t, "o")}, Meter: m}
	_, err := Fetch(ctx, r)
	var e *Error
	if !errors.As(err, &e) || !e.Resumable || !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v", err)
	}
	r.Resume, r.Meter = true, nil
	sum := mustFetch(t, r)
	same(t, r.Output.Path, body)
	if sum.ResumedAt < 3<<20 {
		t.Errorf("resumed at %d", sum.ResumedAt)
	}
}
