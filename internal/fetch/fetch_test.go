package fetch

import (
	"net/http"
	"testing"
)

func TestPlain(t *testing.T) {
	body := records(1500_000, 1, "null")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { file(w, r, `"v1"`, body) })
	for _, chunk := range []int{0, 10240, 1000, 1 << 20} {
		path := out(t, "out.json")
		sum := mustFetch(t, Request{URL: s.URL, Output: Output{Path: path}, Limits: Limits{ChunkSize: chunk}})
		same(t, path, body)
		if sum.Received != int64(len(body)) || sum.Written != sum.Received || sum.Compressed != "none" || sum.Pages != 1 {
			t.Errorf("%+v", sum)
		}
	}
}

func TestCompressed(t *testing.T) {
	body := records(2500_000, 1, "null")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { file(w, r, `"v1"`, body) })
	for _, level := range []int{0, 1, 4} {
		path := out(t, "out.json.gz")
		sum := mustFetch(t, Request{URL: s.URL, Output: Output{Path: path, Level: level}})
		z := read(t, path)
		same(t, path, z)
		if string(ungzip(t, z)) != string(body) || sum.Written != int64(len(z)) || sum.PassedThrough {
			t.Errorf("%d bytes, %+v", len(z), sum)
		}
		path = out(t, "out.json.zst")
		mustFetch(t, Request{URL: s.URL, Output: Output{Path: path, Level: level}})
		if string(unzstd(t, read(t, path))) != string(body) {
			t.Error("zstd differs")
		}
	}
}
