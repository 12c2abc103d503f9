package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// records returns JSON records of about 450 bytes each, n bytes at least, as an
// API's page with a cursor behind them.
func records(n int, seed uint64, next string) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	words := []string{"alpha", "beta", "gamma", "delta", "instance", "volume", "network", "of", "the", "cloud"}
	w := func() string { return words[r.IntN(len(words))] }
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for i := 0; b.Len() < n || i == 0; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%08x-%04x-%012x","name":"%s-%s-%d","status":"ACTIVE","created":"2026-%02d-%02dT%02d:%02d:%02dZ","owner":{"id":%d,"email":"user%d@example.org"},"tags":["%s","%s"],"size":%d,"ratio":%.6f,"enabled":%v,"note":"%s %s %s %s","links":[{"rel":"self","href":"https://api.example.org/v2/items/%d"}]}`,
			r.Uint32(), r.IntN(65536), r.Int64N(1<<48), w(), w(), i, r.IntN(12)+1, r.IntN(28)+1, r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(100000), r.IntN(100000), w(), w(), r.IntN(1<<30), r.Float64(), r.IntN(2) == 0, w(), w(), w(), w(), i)
	}
	fmt.Fprintf(&b, `],"meta":{"next":%s}}`, next)
	return b.Bytes()
}

// pauses is a clock whose pauses take no time and are remembered.
type pauses struct {
	mu sync.Mutex
	d  []time.Duration
}

func (p *pauses) Now() time.Time { return time.Now() }

func (p *pauses) Sleep(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	p.d = append(p.d, d)
	p.mu.Unlock()
	return ctx.Err()
}

// serve starts a server for the test.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// file serves body as a file of version etag, with ranges.
func file(w http.ResponseWriter, r *http.Request, etag string, body []byte) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// cut is a ResponseWriter whose connection breaks after n bytes of body.
type cut struct {
	http.ResponseWriter
	n int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) > c.n {
		p = p[:c.n]
	}
	n, err := c.ResponseWriter.Write(p)
	if c.n -= n; c.n == 0 && err == nil {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func (c *cut) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

func out(t testing.TB, name string) string {
	return filepath.Join(t.TempDir(), name)
}

// run fetches with no pauses and the proxy of no environment.
func fetch(t testing.TB, r Request) (*Summary, error) {
	t.Helper()
	if r.hooks.clock == nil {
		r.hooks.clock = new(pauses)
	}
	return Fetch(t.Context(), r)
}

func mustFetch(t testing.TB, r Request) *Summary {
	t.Helper()
	s, err := fetch(t, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ungzip(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func unzstd(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	c, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func gzipped(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func zstded(b []byte) []byte {
	e, _ := zstd.NewWriter(nil)
	defer e.Close()
	return e.EncodeAll(b, nil)
}

// same fails unless the file at path holds want, with no other file beside it.
func same(t testing.TB, path string, want []byte) {
	t.Helper()
	if got := read(t, path); !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d bytes and not the %d wanted (they differ at %d)", path, len(got), len(want), differ(got, want))
	}
	clear1(t, path)
}

func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// clear1 fails if something was left beside the output.
func clear1(t testing.TB, path string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.Contains(n.Name(), ".galley-") {
			t.Fatalf("%s was left behind", n.Name())
		}
	}
}

// failed fails unless err is of that kind and says that, and no output is
// there.
func failed(t testing.TB, path string, err error, kind Kind, says string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(err.Error(), says) {
		t.Fatalf("got error %v (%+v), want kind %d that says %q", err, e, kind, says)
	}
	if _, serr := os.Stat(path); path != "" && serr == nil {
		t.Fatalf("%s is there although the fetch failed", path)
	}
	return e
}
