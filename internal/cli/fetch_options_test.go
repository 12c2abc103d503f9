package cli_test

import (
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
	"testing"
)

// Options of curl that people type, and the forms of a body and of secrets.
func TestFetchLikeCurl(t *testing.T) {
	var mu sync.Mutex
	seen := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = fmt.Sprintf("%s %s %s %s%s%s%s", r.Method, r.URL.RequestURI(), b, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Referer(), r.Header.Get("X-Key"))
	}))
	defer s.Close()
	p := newProject(t, nil, kitchenFile)
	p.env = append(p.env, "FETCH_TOKEN=hush-hush", "FETCH_USER=me:hush-hush")
	for name, text := range map[string]string{"lines": "a=1\r\nb=2\n", "conf.yml": "headers:\n  X-Key: key ${FETCH_TOKEN}\n"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"-sSfL --compressed -Z -J", "GET /?x=1  "},
		{"-d a=1 -d b=2", "POST /?x=1 a=1&b=2 "},
		{"-d @lines -d c", "POST /?x=1 a=1b=2&c "},
		{"--data-binary @lines", "POST /?x=1 a=1\r\nb=2\n "},
		{"--data-raw @lines", "POST /?x=1 @lines "},
		{"-d a=1 --data-urlencode b=2&3 --data-urlencode c@lines --data-urlencode =d&", "POST /?x=1 a=1&b=2%263&c=a%3D1%0D%0Ab%3D2%0A&d%26 "},
		{"-G -d a=1 -d b=2", "GET /?x=1&a=1&b=2  "},
		{"-b k=v -e http://r/", "GET /?x=1  k=vhttp://r/"},
		{"--bearer env:FETCH_TOKEN", "GET /?x=1  Bearer hush-hush"},
		{"-u env:FETCH_USER", "GET /?x=1  Basic bWU6aHVzaC1odXNo"},
		{"--config conf.yml", "GET /?x=1  key hush-hush"},
	} {
		p.must(t, append([]string{"fetch", s.URL + "/?x=1", "-o", "o"}, strings.Fields(c.args)...)...)
		mu.Lock()
		if seen != c.want {
			t.Errorf("%s: %q, want %q", c.args, seen, c.want)
		}
		mu.Unlock()
	}
	// Requests are shown, secrets are not.
	_, stderr, _ := p.run(t, "fetch", s.URL+"/?token=hush-hush", "-o", "o", "-v", "--bearer", "env:FETCH_TOKEN")
	if !strings.Contains(stderr, "> GET "+s.URL) || !strings.Contains(stderr, "< HTTP/1.1 200 OK") || strings.Contains(stderr, "hush") {
		t.Error(stderr)
	}
	for _, c := range []struct{ args, says string }{
		{"-C 100", "Range: bytes="},
		{"--bearer env:NOT_SET", "NOT_SET"},
		{"--end-on never", "no-next, missing, short or empty"},
		{"--min-speed 3r/s", "rate of bytes"},
		{"--resume --restart", "exclude each other"},
		{"--api nothing", "unknown API"},
		{"--oauth2-client-id x", "token endpoint"},
		{"--raw --items .", "--raw"},
	} {
		_, stderr, code := p.run(t, append([]string{"fetch", s.URL, "-o", "o"}, strings.Fields(c.args)...)...)
		if code != 1 || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d\n%s", c.args, code, stderr)
		}
	}
	if out := p.must(t, "fetch", "--api", "list"); strings.Count(out, "pauses by") < 15 || !strings.Contains(out, "--next meta.next_token --cursor-param pagination_token") {
		t.Error(out)
	}
}

// Many URLs: patterns, a list, and names; a failure does not stop the others.
func TestFetchMany(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/b3") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, r.URL.RequestURI())
	}))
	defer s.Close()
	p := newProject(t, nil, kitchenFile)
	p.must(t, "fetch", s.URL+"/{x,y}/[a-c]{08..10}", "-o", "#1-#2-#3.txt", "-j", "3", "-q")
	for _, name := range []string{"x-a-08", "y-c-10", "x-b-09"} {
		parts := strings.Split(name, "-")
		if got := fetched(t, p, name+".txt"); got != "/"+parts[0]+"/"+parts[1]+parts[2] {
			t.Errorf("%s: %q", name, got)
		}
	}
	// Brackets and braces that are not patterns stay.
	p.must(t, "fetch", s.URL+"/?page[number]=2&f={\"a\":1}", "-o", "o")
	if got := fetched(t, p, "o"); got != "/?page[number]=2&f={%22a%22:1}" && !strings.Contains(got, "page[number]=2") {
		t.Errorf("%q", got)
	}
	list := "# a list\n" + s.URL + "/b1 one\n\n" + s.URL + "/b2\n" + s.URL + "/b3\n"
	if err := os.WriteFile(filepath.Join(p.dir, "list"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := p.run(t, "fetch", "-i", "list", "-O")
	if code != 22 || !strings.Contains(stderr, "1 of 3 downloads failed") || fetched(t, p, "one") != "/b1" || fetched(t, p, "b2") != "/b2" {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if _, stderr, code = p.run(t, "fetch", s.URL+"/1", s.URL+"/2", "-o", "same"); code != 1 || !strings.Contains(stderr, "more than one URL would be written to same") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// The kinds of failure have exit codes, and the server's explanation is shown.
func TestFetchFailures(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refused":
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, "{\"code\": \"E17\",\n \"why\": \"\x1b[31mno such field\"}")
		case "/short":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "short")
		case "/damaged":
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "not gzip")
		case "/page":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in</html>")
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer s.Close()
	p := newProject(t, nil, kitchenFile)
	for _, c := range []struct {
		url, out string
		code     int
		says     string
	}{
		{s.URL + "/refused", "o", 21, `"why": "no such field"`},
		{s.URL + "/missing", "o", 22, "404 Not Found"},
		{"http://127.0.0.1:1/", "o", 23, "refused"},
		{s.URL + "/short", "o", 24, "broke off"},
		{s.URL + "/page", "o.json", 24, "a web page"},
		{s.URL + "/damaged", "o", 25, "gzip"},
		{s.URL, "no/such/o", 26, "no directory"},
	} {
		_, stderr, code := p.run(t, "fetch", c.url, "-o", c.out, "--retry", "1", "--fail-body", "body")
		if code != c.code || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "\x1b[31m") {
			t.Errorf("%s: exit code %d\n%s", c.url, code, stderr)
		}
	}
}

// An object store that takes segments and manifests.
func TestFetchToObjectStore(t *testing.T) {
	var mu sync.Mutex
	objects := map[string][]byte{}
	tokens := 0
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		name, inStore := strings.CutPrefix(r.URL.Path, "/v1/AUTH_p/")
		switch {
		case r.URL.Path == "/v3/auth/tokens":
			tokens++
			w.Header().Set("X-Subject-Token", "token")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token":{"methods":["password"],"expires_at":"2099-01-01T00:00:00.000000Z","user":{"id":"u","name":"me","domain":{"id":"default"}},"project":{"id":"p","name":"p","domain":{"id":"default"}},
				"catalog":[{"type":"object-store","name":"swift","id":"s","endpoints":[{"id":"e","interface":"public","region":"R","region_id":"R","url":"%s/v1/AUTH_p"}]}]}}`, s.URL)
		case strings.HasPrefix(r.URL.Path, "/v3"), r.URL.Path == "/":
			fmt.Fprintf(w, `{"version":{"id":"v3.14","status":"stable","links":[{"rel":"self","href":"%s/v3/"}]},"versions":{"values":[{"id":"v3.14","status":"stable","links":[{"rel":"self","href":"%s/v3/"}]}]}}`, s.URL, s.URL)
		case r.URL.Path == "/body":
			w.Header().Set("Content-Length", fmt.Sprint(5<<20))
			_, _ = w.Write(make([]byte, 5<<20))
		case r.URL.Path == "/broken":
			w.Header().Set("Content-Length", fmt.Sprint(5<<20))
			_, _ = w.Write(make([]byte, 3<<20))
		case inStore && r.Method == http.MethodPut:
			b, _ := io.ReadAll(r.Body)
			if sum := r.Header.Get("ETag"); sum != "" && sum != fmt.Sprintf("%x", md5.Sum(b)) {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			if r.URL.Query().Get("multipart-manifest") == "put" {
				var parts []struct{ Path string }
				_ = json.Unmarshal(b, &parts)
				b = nil
				for _, g := range parts {
					b = append(b, objects[strings.TrimPrefix(g.Path, "/")]...)
				}
			}
			objects[name] = b
			w.WriteHeader(http.StatusCreated)
		case inStore && r.Method == http.MethodDelete:
			delete(objects, name)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer s.Close()
	p := newProject(t, nil, kitchenFile)
	p.env = append(p.env, "OS_AUTH_URL="+s.URL+"/v3", "OS_USERNAME=me", "OS_PASSWORD=hush-hush", "OS_PROJECT_NAME=p", "OS_USER_DOMAIN_NAME=Default", "OS_PROJECT_DOMAIN_NAME=Default")
	p.must(t, "fetch", s.URL+"/body", "-o", "swift:big/dir/o", "--segment-size", "2M")
	p.must(t, "fetch", s.URL+"/body", "-o", "swift:big/small.gz")
	segments := 0
	mu.Lock()
	for name := range objects {
		if strings.HasPrefix(name, "big_segments/dir/o/") {
			segments++
		}
	}
	if len(objects["big/dir/o"]) != 5<<20 || segments != 3 || len(objects["big/small.gz"]) > 1<<20 || len(objects["big/small.gz"]) == 0 {
		t.Errorf("%d bytes in %d segments, %d bytes compressed", len(objects["big/dir/o"]), segments, len(objects["big/small.gz"]))
	}
	mu.Unlock()
	if _, stderr, code := p.run(t, "fetch", s.URL+"/broken", "-o", "swift:big/broken", "--segment-size", "1M", "--retry", "1"); code != 24 {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	mu.Lock()
	defer mu.Unlock()
	for name := range objects {
		if strings.Contains(name, "broken") && len(objects[name]) > 0 {
			t.Errorf("%s was left", name)
		}
	}
}
