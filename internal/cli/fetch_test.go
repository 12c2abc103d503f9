package cli_test

import (
	"compress/gzip"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/devcloud"
)

func fetched(t *testing.T, p *project, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFetch(t *testing.T) {
	t.Parallel()
	// The requests come from another process, so only the lock orders them
	// with what the test reads.
	var (
		mu                             sync.Mutex
		seenMethod, seenBody, seenAuth string
	)
	seen := func() (method, body, auth string) {
		mu.Lock()
		defer mu.Unlock()
		return seenMethod, seenBody, seenAuth
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		seenMethod, seenBody, seenAuth = r.Method, r.Header.Get("Content-Type")+" "+string(b), r.Header.Get("Authorization")+r.Header.Get("X-Api-Key")
		mu.Unlock()
		switch r.URL.Path {
		case "/pages":
			next := ""
			if r.URL.Query().Get("c") == "" {
				next = "2"
			}
			fmt.Fprintf(w, `{"data":[{"n":1},{"n":2}],"next":%q}`, next)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/named":
			w.Header().Set("Content-Disposition", `attachment; filename="../../evil.txt"`)
			fmt.Fprint(w, "named")
		default:
			fmt.Fprint(w, "body")
		}
	}))
	defer s.Close()
	p := newProject(t, nil, kitchenFile)
	if got := p.must(t, "fetch", s.URL, "-o", "-"); got != "body" {
		t.Errorf("%q", got)
	}
	sum := p.must(t, "fetch", s.URL+"/pages", "--items", "data", "--next", "next", "--cursor-param", "c", "-o", "all.ndjson.gz", "--summary")
	var v struct {
		Pages, Items int
		Compress     string
	}
	if err := json.Unmarshal([]byte(sum), &v); err != nil || v.Pages != 2 || v.Items != 4 || v.Compress != "gzip" {
		t.Errorf("%s, %v", sum, err)
	}
	f, err := os.Open(filepath.Join(p.dir, "all.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != strings.Repeat("{\"n\":1}\n{\"n\":2}\n", 2) {
		t.Errorf("%q, %v", b, err)
	}
	p.must(t, "fetch", s.URL+"/pages", "--next", "next", "--cursor-param", "c", "-o", "page-%02d.json")
	if fetched(t, p, "page-02.json") != `{"data":[{"n":1},{"n":2}],"next":""}` {
		t.Error(fetched(t, p, "page-02.json"))
	}
	if _, stderr, code := p.run(t, "fetch", s.URL+"/named", "-O"); code != 0 || !strings.Contains(stderr, "saved as evil.txt") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if fetched(t, p, "evil.txt") != "named" {
		t.Error("not named")
	}

	// Bodies and credentials.
	if err := os.WriteFile(filepath.Join(p.dir, "secret.yml"), []byte("headers:\n  X-Api-Key: hush-hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "data"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args               []string
		method, body, auth string
	}{
		{[]string{"-d", "a=b"}, "POST", "application/x-www-form-urlencoded a=b", ""},
		{[]string{"-d", ""}, "POST", "application/x-www-form-urlencoded ", ""},
		{[]string{"--json", `{"a":1}`, "-X", "PUT"}, "PUT", `application/json {"a":1}`, ""},
		{[]string{"-d", "@data", "-H", "Content-Type: text/x"}, "POST", "text/x from a file", ""},
		{[]string{"--data-urlencode", "a=b c"}, "POST", "application/x-www-form-urlencoded a=b+c", ""},
		{[]string{"--bearer", "hush-hush"}, "GET", " ", "Bearer hush-hush"},
		{[]string{"--bearer", "@data"}, "GET", " ", "Bearer from a file"},
		{[]string{"-u", "me:pw"}, "GET", " ", "Basic bWU6cHc="},
		{[]string{"--config", "secret.yml"}, "GET", " ", "hush-hush"},
	} {
		p.must(t, append([]string{"fetch", s.URL, "-o", "o"}, c.args...)...)
		if method, body, auth := seen(); method != c.method || body != c.body || auth != c.auth {
			t.Errorf("%q: %s %q %q", c.args, method, body, auth)
		}
	}

	// Mistakes, and what goes wrong.
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{s.URL}, 1, "no output is given"},
		{[]string{"-o", "o"}, 1, "no URL is given"},
		{[]string{"ftp://x", "-o", "o"}, 1, "not an http or https URL"},
		{[]string{s.URL, "-o", "o", "--timeout", "soon"}, 1, "timeout"},
		{[]string{s.URL, "-o", "o", "--rate-limit", "x"}, 1, "rate"},
		{[]string{s.URL + "/gone?key=hush-hush", "-o", "o"}, 22, "410 Gone"},
		{[]string{s.URL, "-o", "o", "--checksum", "md5:" + strings.Repeat("0", 32)}, 25, "md5"},
		{[]string{s.URL, "-o", "no/dir/o"}, 26, "no directory"},
		{[]string{s.URL, "-O", "-o", "x"}, 1, "--output and --remote-name exclude each other"},
		{[]string{s.URL, "-o", "o", "--config", "no.yml"}, 1, "configuration file no.yml not found"},
		{[]string{s.URL, "-o", "o", "--next", "a..b"}, 1, "JSON path"},
		{[]string{"--service", "object-store", "c/o", "-o", "o"}, 20, "OS_AUTH_URL"},
		// What would be dropped in silence.
		{[]string{s.URL, "-o", "o", "--checksum", ""}, 1, "--checksum is empty"},
		{[]string{s.URL, "-o", "o", "--bearer", ""}, 1, "--bearer is empty"},
		{[]string{s.URL, "-o", "o", "--next", ""}, 1, "--next is empty"},
		{[]string{s.URL, "-o", "o", "--level", "3"}, 1, "not compressed"},
		{[]string{s.URL, "-o", "o.gz", "--level", "0"}, 1, "--level is 1 at least"},
		{[]string{s.URL, "-o", "o", "--workers", "-1"}, 1, "--workers"},
		{[]string{s.URL, "-o", "o", "--max-bytes", "0"}, 1, "--max-bytes"},
		{[]string{s.URL, "-o", "o", "--chunk-size", "much"}, 1, "size"},
		{[]string{s.URL, "-o", "o", "-F", "a=b"}, 1, "--form is not supported"},
		{[]string{s.URL, "-o", "o", "--max-ratio", "0"}, 1, "--max-ratio"},
		{[]string{s.URL, "-o", "o", "--key", "k.pem"}, 1, "goes with a certificate"},
		{[]string{s.URL, "-o", "-", "--output-dir", "d"}, 1, "not in a folder"},
		{[]string{s.URL, "--link", "-d", "-", "-o", "o"}, 1, "from a pipe"},
		{[]string{"image:", "-o", "o"}, 1, "names no image"},
	} {
		_, stderr, code := p.run(t, append([]string{"fetch"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "hush-hush") {
			t.Errorf("%q: exit code %d\n%s", c.args, code, stderr)
		}
	}
}

func TestFetchFromTheEmbeddedCloud(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := newProject(t, c, kitchenFile)
	p.must(t, "fetch", "image:debian-12", "-O", "--summary")
	if got := fetched(t, p, "debian-12.raw"); !strings.Contains(got, "debian-12") {
		t.Errorf("%q", got)
	}
	out := p.must(t, "fetch", "--service", "compute", "flavors?limit=2", "--items", "flavors", "--next", "flavors_links[rel=next]", "-o", "-")
	if n := strings.Count(out, "\n"); n < 3 || strings.Count(out, `"id"`) != n {
		t.Errorf("%d flavors:\n%s", n, out)
	}
	out = p.must(t, "fetch", "--service", "image", "v2/images?limit=2", "--items", "images", "--next", "next", "-o", "-")
	if n := strings.Count(out, "\n"); n < 3 {
		t.Errorf("%d images:\n%s", n, out)
	}
	for what, says := range map[string]string{"image:no-such": `cannot find the image "no-such"`, "image:debian": `did you mean "debian-12"?`, "--service=no-such x": "the catalogue has block-storage"} {
		_, stderr, code := p.run(t, append(strings.Fields("fetch "+what), "-o", "o")...)
		if code != 20 || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit code %d, %s", what, code, stderr)
		}
	}
}

// An object whose download outlives its token, from a cloud that ends tokens
// after one use.
func TestFetchObject(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789abcdef", 200_000)
	sum := fmt.Sprintf("%x", md5.Sum([]byte(body)))
	var token, gets atomic.Int64
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v3/auth/tokens":
			w.Header().Set("X-Subject-Token", fmt.Sprint("token-", token.Add(1)))
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token":{"methods":["password"],"expires_at":"2099-01-01T00:00:00.000000Z","user":{"id":"u","name":"me","domain":{"id":"default"}},"project":{"id":"p","name":"p","domain":{"id":"default"}},
				"catalog":[{"type":"object-store","name":"swift","id":"s","endpoints":[{"id":"e","interface":"public","region":"R","region_id":"R","url":"%s/v1/AUTH_p"}]}]}}`, s.URL)
		case r.URL.Path == "/v3/", r.URL.Path == "/v3", r.URL.Path == "/":
			fmt.Fprintf(w, `{"version":{"id":"v3.14","status":"stable","links":[{"rel":"self","href":"%s/v3/"}]},"versions":{"values":[{"id":"v3.14","status":"stable","links":[{"rel":"self","href":"%s/v3/"}]}]}}`, s.URL, s.URL)
		case r.URL.EscapedPath() == "/v1/AUTH_p/back%20ups/a/b%3F.dump":
			n := gets.Add(1)
			if r.Header.Get("X-Auth-Token") != fmt.Sprint("token-", token.Load()) || n == 2 {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("ETag", `"`+sum+`"`)
			if n == 1 {
				// The connection breaks, and with it the token has ended.
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = io.WriteString(w, body[:1_000_000])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		default:
			t.Errorf("asked for %s", r.URL.EscapedPath())
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer s.Close()
	p := newProject(t, nil, kitchenFile)
	p.env = append(p.env, "OS_AUTH_URL="+s.URL+"/v3", "OS_USERNAME=me", "OS_PASSWORD=hush-hush", "OS_PROJECT_NAME=p", "OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_NAME=Default")
	p.must(t, "fetch", "--service", "object-store", "back ups/a/b?.dump", "-o", "b.dump")
	if fetched(t, p, "b.dump") != body {
		t.Error("differs")
	}
	if token.Load() != 2 || gets.Load() != 3 {
		t.Errorf("%d tokens, %d requests", token.Load(), gets.Load())
	}
}
