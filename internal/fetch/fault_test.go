package fetch

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A connection that breaks is gone on with by Range where the body has a
// version, and read again where it has none. The bytes are the same.
func TestBrokenConnections(t *testing.T) {
	body := records(2_300_000, 1, "null")
	for _, c := range []struct {
		name, out, etag string
		ranges          bool
	}{
		{"etag", "o.json", `"v1"`, true},
		{"etag, gzip", "o.json.gz", `"v1"`, true},
		{"etag, zstd", "o.json.zst", `"v1"`, true},
		{"no version", "o.json", "", true},
		{"no version, gzip", "o.json.gz", "", true},
		{"weak etag", "o.json", `W/"v1"`, true},
		{"no ranges", "o.json.gz", `"v1"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if !c.ranges {
					r.Header.Del("Range")
					w.Header().Set("Accept-Ranges", "none")
				}
				if i := n.Add(1); i <= 3 {
					w = &cut{w, int(i) * 350_000}
				}
				file(w, r, c.etag, body)
			})
			path := out(t, c.out)
			sum := mustFetch(t, Request{URL: s.URL, Output: Output{Path: path}})
			got := read(t, path)
			switch {
			case strings.HasSuffix(c.out, ".gz"):
				got = ungzip(t, got)
			case strings.HasSuffix(c.out, ".zst"):
				got = unzstd(t, got)
			}
			if !bytes.Equal(got, body) {
				t.Fatalf("%d bytes differ at %d", len(got), differ(got, body))
			}
			clear1(t, path)
			strong := strings.HasPrefix(c.etag, `"`) && c.ranges
			if strong && sum.Received != int64(len(body)) {
				t.Errorf("received %d of %d", sum.Received, len(body))
			}
			if sum.Retries != 3 {
				t.Errorf("%d retries", sum.Retries)
			}
		})
	}
}

// Bytes written to a pipe cannot be undone: a body that starts again is
// compared and passed over.
func TestBrokenConnectionsToAPipe(t *testing.T) {
	body := records(2<<20, 1, "null")
	for _, etag := range []string{`"v1"`, ""} {
		var n atomic.Int64
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if i := n.Add(1); i <= 3 {
				w = &cut{w, int(i) * 300_000}
			}
			file(w, r, etag, body)
		})
		var b bytes.Buffer
		mustFetch(t, Request{URL: s.URL, Output: Output{Writer: &b}})
		if !bytes.Equal(b.Bytes(), body) {
			t.Fatalf("etag %s: differs at %d", etag, differ(b.Bytes(), body))
		}
	}
	// If it is another body, none of it follows.
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w = &cut{w, 300_000}
			file(w, r, "", body)
			return
		}
		file(w, r, "", bytes.ToUpper(body))
	})
	var b bytes.Buffer
	_, err := fetch(t, Request{URL: s.URL, Output: Output{Writer: &b}})
	failed(t, "", err, KindChanged, "cannot be undone")
	if !bytes.HasPrefix(body, b.Bytes()) {
		t.Fatal("bytes of another body were written")
	}
}

// A body that changes while it is read is read again, never spliced.
func TestChangedWhileRead(t *testing.T) {
	old, new := records(2_500_000, 1, "null"), records(2_500_000, 2, "null")
	for _, name := range []string{"o.json", "o.json.gz"} {
		var n atomic.Int64
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				file(&cut{w, 2_000_000}, r, `"v1"`, old)
				return
			}
			file(w, r, `"v2"`, new)
		})
		path := out(t, name)
		var said []string
		mustFetch(t, Request{URL: s.URL, Output: Output{Path: path}, Notify: func(m string) { said = append(said, m) }})
		got := read(t, path)
		if strings.HasSuffix(name, ".gz") {
			got = ungzip(t, got)
		}
		if !bytes.Equal(got, new) {
			t.Fatalf("%s: differs at %d", name, differ(got, new))
		}
		if len(said) != 2 || !strings.Contains(said[0], "waiting") || !strings.Contains(said[1], "starting the body over") {
			t.Errorf("%q", said)
		}
	}
}

// raw answers with exactly these bytes and closes the connection.
func raw(t *testing.T, answer func(n int) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				_, _ = c.Read(buf)
				_, _ = io.WriteString(c, answer(n))
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

func TestGarbage(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	for _, c := range []struct {
		name, answer string
		kind         Kind
		says         string
	}{
		{"length not a number", ok + "Content-Length: many\r\n\r\nabc", KindNetwork, "Content-Length"},
		{"negative length", ok + "Content-Length: -5\r\n\r\nabc", KindNetwork, "Content-Length"},
		{"huge length", ok + "Content-Length: 9223372036854775807\r\n\r\nabc", KindTruncated, "broke off after 3 of 9223372036854775807 bytes"},
		{"lengths that differ", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", KindNetwork, "Content-Length"},
		{"short", ok + "Content-Length: 30\r\n\r\nabc", KindTruncated, "broke off after 3 of 30 bytes"},
		{"chunks cut", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", KindTruncated, "broke off after 3 bytes"},
		{"chunk garbage", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", KindTruncated, "broke off"},
		{"no HTTP", "220 smtp ready\r\n", KindNetwork, "malformed HTTP"},
		{"nothing", "", KindNetwork, "closed the connection without an answer"},
		{"an unwanted part", "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nabc", KindHTTP, "part"},
		{"header without end", ok + "X: " + strings.Repeat("a", 2<<20), KindNetwork, "header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := raw(t, func(int) string { return c.answer })
			path := out(t, "o")
			_, err := fetch(t, Request{URL: url, Output: Output{Path: path}, Retry: Retry{Attempts: 3}})
			failed(t, path, err, c.kind, c.says)
			clear1(t, path)
		})
	}
}

// A body that ends with its connection may be whole: a warning, or for JSON
// the certainty.
func TestNoLength(t *testing.T) {
	answer := "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nabc"
	url := raw(t, func(int) string { return answer })
	var said []string
	path := out(t, "o")
	sum := mustFetch(t, Request{URL: url, Output: Output{Path: path}, Notify: func(m string) { said = append(said, m) }})
	same(t, path, []byte("abc"))
	if len(said) != 1 || !strings.Contains(said[0], "complete") || len(sum.Verified) != 0 {
		t.Errorf("%q %v", said, sum.Verified)
	}
	answer = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":[1,2"
	path = out(t, "o")
	said = nil
	_, err := fetch(t, Request{URL: url, Output: Output{Path: path}, Retry: Retry{Attempts: 3}, Notify: func(m string) { said = append(said, m) }})
	failed(t, path, err, KindTruncated, "before the end of the JSON")
	if len(said) != 4 || !strings.Contains(said[3], "starting the body over") {
		t.Errorf("read again %d times: %q", len(said), said)
	}
	// The connection broke once only.
	short := answer
	again := raw(t, func(n int) string {
		if n == 1 {
			return short
		}
		return short + ",3]}"
	})
	mustFetch(t, Request{URL: again, Output: Output{Path: path}})
	same(t, path, []byte(`{"a":[1,2,3]}`))
	answer = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":[1,2]}"
	path = out(t, "o")
	said = nil
	sum = mustFetch(t, Request{URL: url, Output: Output{Path: path}, Notify: func(m string) { said = append(said, m) }})
	if len(said) != 0 || fmt.Sprint(sum.Verified) != "[json]" {
		t.Errorf("%q %v", said, sum.Verified)
	}
}

func TestStalls(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("some"))
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	const short = 50 * time.Millisecond
	path := out(t, "o")
	_, err := fetch(t, Request{URL: s.URL + "/body", Output: Output{Path: path}, Timeouts: Timeouts{Stall: short}, Retry: Retry{Attempts: 2}})
	failed(t, path, err, KindTimeout, "after 4 of 100 bytes")
	_, err = fetch(t, Request{URL: s.URL + "/header", Output: Output{Path: path}, Timeouts: Timeouts{FirstByte: short}, Retry: Retry{Attempts: 2}})
	failed(t, path, err, KindTimeout, "no answer within 50ms")
}

func TestUploadStalls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { <-done; c.Close() }() // takes nothing
		}
	}()
	path := out(t, "o")
	_, err = fetch(t, Request{
		URL: "http://" + l.Addr().String(), Body: BytesBody(make([]byte, 64<<20), ""), Output: Output{Path: path},
		Timeouts: Timeouts{Stall: 100 * time.Millisecond}, Retry: Retry{Attempts: 1},
	})
	failed(t, path, err, KindTimeout, "nothing was sent or received for 100ms")
}

func TestRetryStatuses(t *testing.T) {
	body := []byte("fine")
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			w.Header().Set("Retry-After", time.Now().Add(100*time.Second).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			file(w, r, "", body)
		}
	})
	p := new(pauses)
	path := out(t, "o")
	sum := mustFetch(t, Request{URL: s.URL, Output: Output{Path: path}, hooks: hooks{clock: p}})
	same(t, path, body)
	if sum.Retries != 3 || len(p.d) != 3 || p.d[0] != 7*time.Second || p.d[1] < 500*time.Millisecond || p.d[1] > time.Second || p.d[2] < 90*time.Second || p.d[2] > 100*time.Second {
		t.Errorf("%v, %d retries", p.d, sum.Retries)
	}

	// Too long a wait, other statuses, and the end of patience.
	for _, c := range []struct {
		status int
		after  string
		kind   Kind
		says   string
		calls  int64
	}{
		{429, "86400", KindHTTP, "asks for a pause of 24h", 1},
		{404, "", KindHTTP, `404 Not Found: no such "thing"`, 1},
		{500, "", KindHTTP, "(attempt 3, the last)", 3},
		{403, "", KindAuth, "403", 1},
		{401, "", KindAuth, "401", 1},
		{304, "", KindHTTP, "304", 1},
	} {
		n.Store(0)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			w.Header().Set("Content-Type", "application/json")
			text := []byte(`{"itemNotFound":{"message":"no such \"thing\"","code":404}}`)
			if c.status == 404 {
				// Errors come compressed as well.
				w.Header().Set("Content-Encoding", "gzip")
				text = gzipped(text)
			}
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.status)
			if c.status != 304 {
				w.Write(text)
			}
		})
		path := out(t, "o")
		_, err := fetch(t, Request{URL: s.URL + "?token=hush&x=1", Output: Output{Path: path}, Retry: Retry{Attempts: 3}})
		failed(t, path, err, c.kind, c.says)
		if n.Load() != c.calls || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "x=1") {
			t.Errorf("%d: %d calls, %v", c.status, n.Load(), err)
		}
	}
}

// What may have had an effect is not repeated.
func TestPostIsNotRepeated(t *testing.T) {
	var n atomic.Int64
	status := 500
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if string(b) != "payload" {
			t.Errorf("body %q", b)
		}
		if n.Add(1) == 1 {
			w.WriteHeader(status)
		}
	})
	for _, c := range []struct {
		status int
		unsafe bool
		once   bool
		want   int64
	}{{500, false, false, 1}, {429, false, false, 2}, {500, true, false, 2}, {429, false, true, 1}} {
		n.Store(0)
		status = c.status
		body := BytesBody([]byte("payload"), "text/plain")
		if c.once {
			body = ReaderBody(strings.NewReader("payload"), "text/plain")
		}
		_, err := fetch(t, Request{URL: s.URL, Body: body, Output: Output{Path: out(t, "o")}, Retry: Retry{Unsafe: c.unsafe}})
		if n.Load() != c.want || (err == nil) != (c.want == 2) {
			t.Errorf("%+v: %d calls, %v", c, n.Load(), err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	path := out(t, "o")
	_, err = fetch(t, Request{URL: url, Output: Output{Path: path}, Retry: Retry{Attempts: 3}})
	failed(t, path, err, KindNetwork, "refused (attempt 3, the last)")
}

func TestLimits(t *testing.T) {
	// A body without end.
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/announced":
			w.Header().Set("Content-Length", "10000000")
			_, _ = w.Write(make([]byte, 100))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped(make([]byte, 20<<20)))
		case "/zbomb":
			w.Header().Set("Content-Encoding", "zstd")
			_, _ = w.Write(zstded(make([]byte, 20<<20)))
		case "/window":
			w.Header().Set("Content-Encoding", "zstd")
			// A frame that wants a window of 128 MiB.
			_, _ = w.Write([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00})
		}
	})
	for _, c := range []struct {
		path string
		max  int64
		kind Kind
		says string
	}{
		{"/endless", 1 << 20, KindLimit, "more than the 1.0 MiB allowed"},
		{"/announced", 1 << 20, KindLimit, "1.0 MiB"},
		{"/bomb", 1 << 20, KindLimit, "decompressed it is more than"},
		{"/bomb", 0, KindCoding, "a bomb"},
		{"/zbomb", 0, KindCoding, "a bomb"},
		{"/window", 0, KindCoding, "memory"},
	} {
		path := out(t, "o")
		_, err := fetch(t, Request{URL: s.URL + c.path, Output: Output{Path: path}, Limits: Limits{Bytes: c.max}})
		failed(t, path, err, c.kind, c.says)
		clear1(t, path)
	}
	// Stored as it comes, a bomb does no harm; and it is taken if it is wanted.
	path := out(t, "o.gz")
	if sum := mustFetch(t, Request{URL: s.URL + "/bomb", Output: Output{Path: path}}); !sum.PassedThrough || sum.Written > 1<<20 {
		t.Errorf("%+v", sum)
	}
	path = out(t, "o")
	if sum := mustFetch(t, Request{URL: s.URL + "/bomb", Output: Output{Path: path}, Limits: Limits{Ratio: -1}}); sum.Written != 20<<20 {
		t.Errorf("%+v", sum)
	}
}

func TestDigests(t *testing.T) {
	body := records(100<<10, 1, "null")
	zipped := gzipped(body)
	sum := func(b []byte) string {
		h := sha256.Sum256(b)
		return ":" + base64.StdEncoding.EncodeToString(h[:]) + ":"
	}
	hex := func(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
	m := md5.Sum(body)
	var header http.Header
	encoding := ""
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		b := body
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
			b = zipped
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b)
	})
	wrong := ":" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ":"
	for _, c := range []struct {
		name, encoding, checksum, out string
		header                        http.Header
		ok                            bool
	}{
		{"given", "", hex(body), "o", nil, true},
		{"given, wrong", "", hex(zipped), "o", nil, false},
		{"bare hex", "", hex(body)[7:], "o.gz", nil, true},
		{"given, of the content", "gzip", hex(body), "o.gz", nil, true},
		{"given, of the content, wrong", "gzip", hex(zipped), "o.gz", nil, false},
		{"given, inflated", "gzip", hex(body), "o", nil, true},
		{"repr", "", "", "o", http.Header{"Repr-Digest": {"sha-256=" + sum(body) + ", md5=:AAAA:"}}, true},
		{"repr, wrong", "", "", "o", http.Header{"Repr-Digest": {"sha-256=" + wrong}}, false},
		{"repr is of the wire", "gzip", "", "o", http.Header{"Repr-Digest": {"sha-256=" + sum(zipped)}}, true},
		{"repr of the content is wrong", "gzip", "", "o", http.Header{"Repr-Digest": {"sha-256=" + sum(body)}}, false},
		{"content-digest", "", "", "o.zst", http.Header{"Content-Digest": {"sha-256=" + sum(body)}}, true},
		{"content-digest, wrong", "", "", "o", http.Header{"Content-Digest": {"sha-256=" + wrong}}, false},
		{"old digest", "", "", "o", http.Header{"Digest": {"SHA-256=" + strings.Trim(sum(body), ":")}}, true},
		{"md5", "", "", "o", http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(m[:])}}, true},
		{"md5, wrong", "", "", "o", http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(make([]byte, 16))}}, false},
		{"md5 of Glance", "", "", "o", http.Header{"Content-Md5": {fmt.Sprintf("%x", m)}}, true},
		{"md5 of Glance, wrong", "", "", "o", http.Header{"Content-Md5": {strings.Repeat("0", 32)}}, false},
		{"unknown", "", "", "o", http.Header{"Repr-Digest": {"crc32=:AAAA:"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			header, encoding = c.header, c.encoding
			path := out(t, c.out)
			sum, err := fetch(t, Request{URL: s.URL, Output: Output{Path: path}, Checksum: c.checksum})
			if !c.ok {
				failed(t, path, err, KindChecksum, " but ")
				if c.checksum == "" {
					clear1(t, path) // else the checksum may be wrong
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(sum.Verified); got != "[length digest]" && got != "[length digest gzip]" && c.name != "unknown" {
				t.Error(sum.Verified)
			}
		})
	}
	// Behind the body.
	trailer := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Repr-Digest")
		_, _ = w.Write(body)
		d := sum(body)
		if r.URL.Path == "/wrong" {
			d = wrong
		}
		w.Header().Set("Repr-Digest", "sha-256="+d)
	})
	path := out(t, "o")
	mustFetch(t, Request{URL: trailer.URL, Output: Output{Path: path}})
	path = out(t, "o")
	_, err := fetch(t, Request{URL: trailer.URL + "/wrong", Output: Output{Path: path}})
	failed(t, path, err, KindChecksum, "Repr-Digest")
}

func TestInterrupted(t *testing.T) {
	body := records(4<<20, 1, "null")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:3<<20])
		w.(http.Flusher).Flush()
		cancel(errors.New("Ctrl-C"))
		<-r.Context().Done()
	})
	path := out(t, "o")
	_, err := Fetch(ctx, Request{URL: s.URL, Output: Output{Path: path}})
	if err == nil || !strings.Contains(err.Error(), "Ctrl-C") {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("an output is there")
	}
}

func TestOneWriterAtATime(t *testing.T) {
	in, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(in)
		<-leave
		_, _ = w.Write([]byte("first"))
	})
	path := out(t, "o")
	done := make(chan error)
	go func() {
		_, err := Fetch(t.Context(), Request{URL: s.URL, Output: Output{Path: path}})
		done <- err
	}()
	<-in
	_, err := fetch(t, Request{URL: s.URL, Output: Output{Path: path}})
	failed(t, path, err, KindDisk, "another fetch is writing")
	close(leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	same(t, path, []byte("first"))
}
