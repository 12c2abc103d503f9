package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A single body is resumed in the middle although its output is not a copy of
// it: its records are extracted, its coding is undone, in many members or one,
// or its charset is converted; also where a digest of the whole is known.
func TestResumeWhatIsDecoded(t *testing.T) {
	body := records(5<<20, 1, "null")
	var members []byte
	for rest := body; len(rest) > 0; {
		n := min(len(rest), 300_000)
		members = append(members, gzipped(rest[:n])...)
		rest = rest[n:]
	}
	single := gzipped(body)
	items := "items"
	var records bytes.Buffer
	for _, r := range bytes.SplitAfter(bytes.TrimSuffix(bytes.TrimPrefix(body, []byte(`{"items":[`)), []byte(`],"meta":{"next":null}}`)), []byte("}]},")) {
		records.Write(bytes.TrimSuffix(r, []byte(",")))
		records.WriteByte('\n')
	}
	root := "."
	latin := bytes.ReplaceAll(body, []byte("alpha"), []byte("\xe9t\xe9"))
	utf8 := bytes.ReplaceAll(body, []byte("alpha"), []byte("été"))
	for _, c := range []struct {
		name, coding, output string
		sent                 []byte
		items                *string
		want                 []byte
	}{
		{"zstd", "zstd", "o", zstded(body), nil, body},
		{"records of zstd", "zstd", "o.gz", zstded(body), &items, records.Bytes()},
		{"records of a file of zstd", "", "o", zstded(body), &items, records.Bytes()},
		{"deflate", "deflate", "o.zst", deflated(body), nil, body},
		{"lines", "", "lines", records.Bytes(), &root, records.Bytes()},
		{"another charset", "", "latin1", latin, nil, utf8},
		{"gzip as it comes", "gzip", "o.gz", single, nil, body},
		{"zstd as it comes", "zstd", "o.zst", zstded(body), nil, body},
		{"a file of gzip", "", "o.gz", members, nil, body},
		{"records", "", "o", body, &items, records.Bytes()},
		{"records, compressed", "", "o.gz", body, &items, records.Bytes()},
		{"records of gzip", "gzip", "o.zst", members, &items, records.Bytes()},
		{"inflated", "gzip", "o", members, nil, body},
		{"gzip to zstd", "gzip", "o.zst", members, nil, body},
		{"records of a single member", "gzip", "o", single, &items, records.Bytes()},
		{"a single member to zstd", "gzip", "o.zst", single, nil, body},
		{"a single member, inflated", "gzip", "o", single, nil, body},
	} {
		run := func(t *testing.T, digest bool) {
			var n, sent atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.coding != "" {
					w.Header().Set("Content-Encoding", c.coding)
				}
				if digest {
					sum := sha256.Sum256(c.sent)
					w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
				}
				if n.Add(1) == 1 {
					w = &cut{w, len(c.sent) * 2 / 3}
				} else {
					w = &countingWriter{w, &sent}
				}
				w.Header().Set("ETag", `"v1"`)
				w.Header().Set("Content-Type", map[string]string{"lines": "application/x-ndjson", "latin1": "application/json; charset=iso-8859-1"}[c.output])
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.sent))
			})
			r := Request{URL: s.URL, Items: c.items, UTF8: c.output == "latin1", Output: Output{Path: out(t, c.output)}}
			stopAt(t, r)
			sum := mustFetch(t, r)
			if sum.ResumedAt == 0 || sent.Load() > int64(len(c.sent))/2 {
				t.Errorf("resumed at %d, %d of %d bytes sent again", sum.ResumedAt, sent.Load(), len(c.sent))
			}
			if verified := slices.Contains(sum.Verified, "digest"); verified != digest {
				t.Errorf("verified: %q", sum.Verified)
			}
			got := read(t, r.Output.Path)
			switch {
			case strings.HasSuffix(c.output, ".gz"):
				got = ungzip(t, got)
			case strings.HasSuffix(c.output, ".zst"):
				got = unzstd(t, got)
			}
			if !bytes.Equal(got, c.want) {
				t.Fatalf("%d bytes, want %d; they differ at %d", len(got), len(c.want), differ(got, c.want))
			}
			clear1(t, r.Output.Path)
		}
		t.Run(c.name, func(t *testing.T) { run(t, false) })
		t.Run(c.name+", with a digest", func(t *testing.T) { run(t, true) })
	}
}

// countingWriter counts the bytes of a body.
type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}
