package fetch

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{"10240": 10240, "64K": 65536, "64k": 65536, "1.5MiB": 3 << 19, "10MB": 10_000_000, "2G": 2 << 30, "1 KB": 1000, "7B": 7, "0": 0} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "x", "1X", "-1", "1KBB", "1e9", "99999999999T", "1.2.3"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%s: %d", in, got)
		}
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string][2]float64{"2M": {2 << 20, 0}, "2M/s": {2 << 20, 0}, "60K/m": {1024, 0}, "10r/s": {0, 10}, "600 requests/m": {0, 10}, "5req": {0, 5}, "36r/h": {0, 0.01}} {
		if b, r, err := ParseRate(in); err != nil || b != want[0] || r != want[1] {
			t.Errorf("%s: %v %v %v", in, b, r, err)
		}
	}
	for _, in := range []string{"", "0", "r/s", "-1r/s", "1r/day", "x/s", "infr/s"} {
		if _, _, err := ParseRate(in); err == nil {
			t.Errorf("%s passed", in)
		}
	}
}

func FuzzSizes(f *testing.F) {
	f.Add("10r/s")
	f.Add("1.5MiB")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); err == nil && n < 0 {
			t.Fatal(n)
		}
		if b, r, err := ParseRate(s); err == nil && (b <= 0 && r <= 0) {
			t.Fatal(b, r)
		}
	})
}

func TestContentRange(t *testing.T) {
	for _, c := range []struct {
		in          string
		from, total int64
		ok          bool
	}{
		{"bytes 5-9/10", 5, 10, true},
		{"bytes 0-0/*", 0, -1, true},
		{"bytes */10", 0, 10, true},
		{"bytes 5-4/10", 0, 0, false},
		{"bytes 5-10/10", 0, 0, false},
		{"items 0-1/2", 0, 0, false},
		{"bytes 0-1", 0, 0, false},
		{"", 0, 0, false},
		{"bytes -5-9/10", 0, 0, false},
		{"bytes a-b/c", 0, 0, false},
	} {
		from, total, err := contentRange(http.Header{"Content-Range": {c.in}})
		if (err == nil) != c.ok || c.ok && (from != c.from || total != c.total) {
			t.Errorf("%s: %d %d %v", c.in, from, total, err)
		}
	}
}

func TestValidator(t *testing.T) {
	date := "Sun, 22 Nov 2026 12:00:00 GMT"
	for _, c := range []struct{ tag, mod, want string }{
		{`"a"`, "", `"a"`}, {`W/"a"`, date, ""}, {"", "Sun, 22 Nov 2026 11:59:59 GMT", "Sun, 22 Nov 2026 11:59:59 GMT"}, {"", date, ""}, {"bare", "", "bare"}, {"bare", date, "bare"}, {"", "yesterday", ""},
	} {
		h := http.Header{"Date": {date}}
		if c.tag != "" {
			h.Set("ETag", c.tag)
		}
		h.Set("Last-Modified", c.mod)
		if got := validator(h); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestSetParam(t *testing.T) {
	for _, c := range []struct{ query, name, value, want string }{
		{"", "c", "x y&z", "c=x+y%26z"}, {"a=%20b&c=1&d", "c", "2", "a=%20b&c=2&d"}, {"c=1&c=2", "c", "3", "c=3"}, {"%63=1", "c", "2", "c=2"}, {"a=1", "b[]", "2", "a=1&b%5B%5D=2"},
	} {
		if got := setParam(c.query, c.name, c.value); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestFileName(t *testing.T) {
	u, _ := url.Parse("https://h/dir/from%20url.bin?x=1")
	for cd, want := range map[string]string{
		"": "from url.bin", "inline": "from url.bin", `attachment; filename="a b.json"`: "a b.json", "attachment; filename*=UTF-8''%e2%82%ac.txt": "€.txt",
		`attachment; filename="old.txt"; filename*=UTF-8''n%C3%A9w.txt`: "néw.txt", "attachment; filename=two words.txt": "two words.txt", `attachment; filename="../../etc/passwd"`: "passwd",
		`attachment; filename="C:\dir\x.txt"`: "x.txt", `attachment; filename=".ssh"`: "ssh", `attachment; filename=".."`: "from url.bin", `attachment; filename="NUL.txt"`: "_NUL.txt",
		"attachment; filename=../../.bad one": "bad one",
	} {
		h := http.Header{}
		if cd != "" {
			h.Set("Content-Disposition", cd)
		}
		if got := fileName(h, u, ""); got != want {
			t.Errorf("%s: %q, want %q", cd, got, want)
		}
	}
	if got := fileName(http.Header{"Content-Disposition": {"attachment; filename=x"}}, u, "given"); got != "given" {
		t.Error(got)
	}
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"a.json", "../../x", "CON.txt", "a\u202egpj.exe", strings.Repeat("x", 300) + ".tar.gz", `C:\x`, "..", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := safeName(s)
		if n == "" {
			return
		}
		if len(n) > 255 || strings.ContainsAny(n, "/\\\x00:") || n == "." || n == ".." || n[0] == '.' || n[0] == '-' || filepath.Base(n) != n || !filepath.IsLocal(n) {
			t.Fatalf("%q from %q", n, s)
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add("bytes 5-9/10", "sha-256=:AAAA:, md5=:AA==:")
	f.Fuzz(func(t *testing.T, a, b string) {
		_, _, _ = contentRange(http.Header{"Content-Range": {a}})
		_ = headerDigests(http.Header{"Repr-Digest": {b}, "Digest": {a}, "Content-Md5": {a}}, false)
		_, _ = coding(http.Header{"Content-Encoding": {a}})
		_ = fileName(http.Header{"Content-Disposition": {a}}, nil, "")
		_, _ = parseChecksum(b)
	})
}

func TestShowURL(t *testing.T) {
	u, _ := url.Parse("https://me:pw@h/p?api_key=x&page_token=y&X-Amz-Signature=z&q=1")
	if got := showURL(u); got != "https://[redacted]@h/p?api_key=[redacted]&page_token=[redacted]&X-Amz-Signature=[redacted]&q=1" {
		t.Error(got)
	}
}

func TestRates(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("c") == "3" {
			fmt.Fprint(w, `{}`)
			return
		}
		n := 0
		fmt.Sscan(r.URL.Query().Get("c"), &n)
		fmt.Fprintf(w, `{"next":"%d"}`, n+1)
	})
	begun := time.Now()
	mustFetch(t, Request{URL: s.URL, Pages: Pages{Next: "next", CursorParam: "c"}, Output: Output{Path: out(t, "o")}, Limits: Limits{RequestsPerSecond: 20}})
	if d := time.Since(begun); d < 140*time.Millisecond {
		t.Errorf("4 requests at 20 per second in %s", d)
	}
	big := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 300_000)) })
	begun = time.Now()
	mustFetch(t, Request{URL: big.URL, Output: Output{Path: out(t, "o")}, Limits: Limits{BytesPerSecond: 1_000_000}})
	if d := time.Since(begun); d < 150*time.Millisecond {
		t.Errorf("300 kB at 1 MB/s in %s", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Fetch(ctx, Request{URL: big.URL, Output: Output{Path: out(t, "o")}, Limits: Limits{BytesPerSecond: 1000}}); err == nil || !strings.Contains(err.Error(), "time allowed is over") {
		t.Error(err)
	}
}

func TestJournalSurvivesCuts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _, err := openJournal(path, false)
	if err != nil {
		t.Fatal(err)
	}
	j.add(journalLine{Version: journalVersion, Identity: &identity{Source: "r"}})
	for i := range 20 {
		j.add(journalLine{At: &checkpoint{Out: int64(i), Page: i + 1, Seen: uint64(i + 1)}})
	}
	j.f.Close()
	whole, _ := os.ReadFile(path)
	for n := range len(whole) {
		lines, valid := readJournal(strings.NewReader(string(whole[:n])))
		if want := strings.Count(string(whole[:n]), "\n"); len(lines) != want || valid > int64(n) {
			t.Fatalf("cut at %d: %d lines of %d", n, len(lines), want)
		}
	}
	// Rewritten, it says the same.
	j, lines, err := openJournal(path, true)
	if err != nil || len(lines) != 21 {
		t.Fatal(len(lines), err)
	}
	if err := j.compact(); err != nil {
		t.Fatal(err)
	}
	j.add(journalLine{At: &checkpoint{Out: 99, Page: 30, Seen: 77}})
	j.f.Close()
	j, lines, err = openJournal(path, true)
	if err != nil || len(lines) != 4 || lines[0].Identity.Source != "r" || len(unpackSeen(lines[1].Seen)) != 20 || lines[3].At.Out != 99 || len(j.seen) < 21 {
		t.Fatalf("%+v, %v", lines, err)
	}
	j.finish()
	if _, err := os.Stat(path); err == nil {
		t.Error("still there")
	}
}

func FuzzJournal(f *testing.F) {
	b, _ := formatLine(journalLine{At: &checkpoint{Out: 7}})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, n := readJournal(strings.NewReader(string(b))); n > int64(len(b)) {
			t.Fatal(n)
		}
	})
}
