package fetch

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// BenchmarkFetch brings 64 MiB over loopback; the server runs in the same
// process and is included in the measurement.
func BenchmarkFetch(b *testing.B) {
	body := records(16<<20, 1, "null")
	items := body[len(`{"items":[`) : len(body)-len(`],"meta":{"next":null}}`)]
	const times = 4
	full := append([]byte{}, `{"items":[`...)
	for i := range times {
		if i > 0 {
			full = append(full, ',')
		}
		full = append(full, items...)
	}
	full = append(full, `],"meta":{"next":null}}`...)
	zipped := gzipped(full)
	s := serve(b, func(w http.ResponseWriter, r *http.Request) {
		d := full
		if r.URL.Path == "/gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			d = zipped
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(d)))
		w.Write(d)
	})
	path := "items"
	for _, c := range []struct {
		name, url, out string
		next           bool
		items          *string
	}{
		{"plain", "", "o", false, nil},
		{"plain cursor", "", "o", true, nil},
		{"gzip", "", "o.gz", false, nil},
		{"gzip cursor", "", "o.gz", true, nil},
		{"pass", "/gzip", "o.gz", false, nil},
		{"pass cursor", "/gzip", "o.gz", true, nil},
		{"items", "", "o", false, &path},
		{"zstd", "", "o.zst", false, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(full)))
			b.ReportAllocs()
			r := Request{URL: s.URL + c.url, Items: c.items, Output: Output{Path: out(b, c.out), NoSync: true}}
			if c.next {
				r.Pages.Next = "meta.next"
			}
			for b.Loop() {
				if sum := mustFetch(b, r); c.items != nil && sum.Items == 0 {
					b.Fatal(fmt.Sprint(sum))
				}
			}
		})
	}
}
