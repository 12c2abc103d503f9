package fetch

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// A single body is resumed in the middle although its output is not a copy of
// it: its records are extracted, or its gzip is undone, in many members or one.
func TestResumeWithinRecordsAndMembers(t *testing.T) {
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
	for _, c := range []struct {
		name, coding, output string
		sent                 []byte
		items                *string
		want                 []byte
	}{
		{"records", "", "o", body, &items, records.Bytes()},
		{"records, compressed", "", "o.gz", body, &items, records.Bytes()},
		{"records of gzip", "gzip", "o.zst", members, &items, records.Bytes()},
		{"inflated", "gzip", "o", members, nil, body},
		{"gzip to zstd", "gzip", "o.zst", members, nil, body},
		{"records of a single member", "gzip", "o", single, &items, records.Bytes()},
		{"a single member to zstd", "gzip", "o.zst", single, nil, body},
		{"a single member, inflated", "gzip", "o", single, nil, body},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n, sent atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.coding != "" {
					w.Header().Set("Content-Encoding", c.coding)
				}
				if n.Add(1) == 1 {
					w = &cut{w, len(c.sent) * 2 / 3}
				} else {
					w = &countingWriter{w, &sent}
				}
				file(w, r, `"v1"`, c.sent)
			})
			want := out(t, c.output)
			whole := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if c.coding != "" {
					w.Header().Set("Content-Encoding", c.coding)
				}
				file(w, r, `"v1"`, c.sent)
			})
			r := Request{URL: whole.URL, Items: c.items, Output: Output{Path: want}}
			mustFetch(t, r)
			r.URL, r.Output.Path = s.URL, out(t, c.output)
			stopAt(t, r)
			sum := mustFetch(t, r)
			if sum.ResumedAt == 0 || sent.Load() > int64(len(c.sent))/2 {
				t.Errorf("resumed at %d, %d of %d bytes sent again", sum.ResumedAt, sent.Load(), len(c.sent))
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
		})
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
