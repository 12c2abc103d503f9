package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zlib"
)

func deflated(b []byte) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

// What the server has compressed is stored as it comes where that is the
// wanted form, and what lies inside is found all the same.
func TestCodings(t *testing.T) {
	body := records(900_000, 1, "null")
	double := append(gzipped(body[:1000]), gzipped(body[1000:])...)
	for _, c := range []struct {
		name, encoding string
		sent           []byte
		out            string
		pass           bool
	}{
		{"gzip to gzip", "gzip", gzipped(body), "o.gz", true},
		{"members", "x-gzip", double, "o.gz", true},
		{"gzip to none", "gzip", gzipped(body), "o", false},
		{"gzip to zstd", "gzip", double, "o.zst", false},
		{"zstd to zstd", "zstd", zstded(body), "o.zst", true},
		{"zstd to gzip", "zstd", zstded(body), "o.gz", false},
		{"zstd to none", "zstd", zstded(body), "o", false},
		{"deflate", "deflate", deflated(body), "o", false},
		{"deflate to gzip", "deflate", deflated(body), "o.gz", false},
		{"a file of gzip", "", gzipped(body), "o.gz", true},
		{"a file of gzip to zstd", "", gzipped(body), "o.zst", false},
		{"a file of zstd", "", zstded(body), "o.zst", true},
		{"identity", "identity", body, "o.gz", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				if n.Add(1) == 1 {
					w = &cut{w, len(c.sent) / 2}
				}
				file(w, r, `"v1"`, c.sent)
			})
			unpack := func(path string) []byte {
				switch b := read(t, path); {
				case strings.HasSuffix(path, ".gz"):
					return ungzip(t, b)
				case strings.HasSuffix(path, ".zst"):
					return unzstd(t, b)
				default:
					return b
				}
			}
			for _, p := range []Pages{{}, {Next: "meta.next"}} {
				n.Store(0)
				path := out(t, c.out)
				sum := mustFetch(t, Request{URL: s.URL, Pages: p, Output: Output{Path: path}})
				if sum.PassedThrough != c.pass || c.pass && !bytes.Equal(read(t, path), c.sent) || !bytes.Equal(unpack(path), body) {
					t.Errorf("%+v", sum)
				}
				if sum.Received != int64(len(c.sent)) {
					t.Errorf("received %d of %d", sum.Received, len(c.sent))
				}
			}
			items := "items"
			path := out(t, c.out)
			sum := mustFetch(t, Request{URL: s.URL, Items: &items, Output: Output{Path: path}})
			lines := bytes.Count(unpack(path), []byte("\n"))
			if lines < 500 || int64(lines) != sum.Items || sum.PassedThrough {
				t.Errorf("%d lines, %+v", lines, sum)
			}
		})
	}
	// A file of gzip that is to be stored as it is.
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { file(w, r, "", gzipped(body)) })
	path := out(t, "o.bin")
	mustFetch(t, Request{URL: s.URL, Output: Output{Path: path}})
	same(t, path, gzipped(body))
}

func TestBrokenCodings(t *testing.T) {
	body := records(200<<10, 1, "null")
	z := gzipped(body)
	bad := bytes.Clone(z)
	bad[len(bad)/2] ^= 0xff
	crc := bytes.Clone(z)
	crc[len(crc)-8] ^= 1
	for _, c := range []struct {
		name, encoding string
		sent           []byte
		says           string
	}{
		{"cut", "gzip", z[:len(z)/2], "ends early"},
		{"damaged", "gzip", bad, "damaged"},
		{"checksum", "gzip", crc, "damaged"},
		{"not gzip", "gzip", []byte("hello"), "invalid header"},
		{"not gzip, longer", "gzip", body, "damaged"},
		{"garbage behind", "gzip", append(bytes.Clone(z), "garbage garbage garbage"...), "damaged"},
		{"zstd cut", "zstd", zstded(body)[:1000], "ends early"},
		{"not zstd", "zstd", body, "damaged"},
		{"deflate garbage behind", "deflate", append(deflated(body), "x"...), "follow the end"},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", c.encoding)
			w.Header().Set("Content-Length", strconv.Itoa(len(c.sent)))
			w.Write(c.sent)
		})
		for _, r := range []Request{{Output: Output{Path: out(t, "o")}}, {Output: Output{Path: out(t, "o.gz")}, Pages: Pages{Next: "meta.next"}}} {
			r.URL = s.URL
			_, err := fetch(t, r)
			var e *Error
			if !errors.As(err, &e) || e.Kind != KindCoding && e.Kind != KindJSON || e.Kind == KindCoding && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.name, err)
			}
			clear1(t, r.Output.Path)
		}
	}
}

// The bytes of the output depend on the body alone, not on cores or timing.
func TestDeterministic(t *testing.T) {
	body := records(3_300_000, 1, "null")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { file(w, r, "", body) })
	for _, name := range []string{"o.gz", "o.zst"} {
		var first []byte
		for i := range 4 {
			path := out(t, name)
			mustFetch(t, Request{URL: s.URL, Output: Output{Path: path, Workers: i + 1, Level: 2}, Limits: Limits{ChunkSize: 10_000 * (i + 1)}})
			if b := read(t, path); first == nil {
				first = b
			} else if !bytes.Equal(first, b) {
				t.Errorf("%s: differs with %d workers", name, i+1)
			}
		}
	}
}

// The buffers of a fetch are what Limits.Memory says, and no more with a
// longer body.
func TestMemory(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates as well")
	}
	body := records(1<<20, 1, "null")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		for range n {
			w.Write(body)
		}
	})
	peak := func(n int, name string, limit int64) uint64 {
		runtime.GC()
		var before, m runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = mustFetch(t, Request{URL: s.URL + fmt.Sprintf("/%d", n), Output: Output{Path: out(t, name), Workers: 2}, Limits: Limits{Memory: limit}})
		runtime.ReadMemStats(&m)
		return m.TotalAlloc - before.TotalAlloc
	}
	for _, c := range []struct {
		name  string
		limit int64
		max   uint64
	}{{"o", 0, 4 << 20}, {"o.gz", 0, 24 << 20}, {"o.gz", 8 << 20, 12 << 20}, {"o.gz", 4 << 20, 8 << 20}} {
		small, large := peak(4, c.name, c.limit), peak(60, c.name, c.limit)
		t.Logf("%s, limit %d: %d KiB for 4 MiB, %d KiB for 60 MiB", c.name, c.limit, small>>10, large>>10)
		if large > c.max || large > small+4<<20 {
			t.Errorf("%s, limit %d: %d bytes allocated for 4 MiB, %d for 60", c.name, c.limit, small, large)
		}
	}
}
