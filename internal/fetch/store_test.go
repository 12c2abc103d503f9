package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/secret"
)

// numbered serves pages up to last, by Link; the page bad answers 404.
func numbered(last, bad int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := 1
		fmt.Sscan(r.FormValue("p"), &n)
		if n == bad {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if n < last {
			w.Header().Set("Link", fmt.Sprintf(`<?p=%d>; rel=next`, n+1))
		}
		fmt.Fprintf(w, "page %d of %d\n", n, last)
	}
}

func listDir(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// The files of pages appear together, when all are complete, and those of an
// earlier, longer run go.
func TestFilesOfPagesAppearTogether(t *testing.T) {
	dir := t.TempDir()
	fetchTo := func(last, bad int) (*Summary, error) {
		s := serve(t, numbered(last, bad))
		return fetch(t, Request{
			URL: s.URL, Pages: Pages{Link: true}, Retry: Retry{Attempts: 1},
			Output: Output{Path: filepath.Join(dir, "p-%02d"), Manifest: filepath.Join(dir, "list")},
		})
	}
	if _, err := fetchTo(5, 0); err != nil || listDir(t, dir) != "list p-01 p-02 p-03 p-04 p-05" {
		t.Fatalf("%v: %s", err, listDir(t, dir))
	}
	if _, err := fetchTo(3, 3); err == nil {
		t.Fatal("no failure")
	}
	for n := 1; n <= 5; n++ {
		if got := string(read(t, filepath.Join(dir, fmt.Sprintf("p-%02d", n)))); got != fmt.Sprintf("page %d of 5\n", n) {
			t.Errorf("after a failure there is %q", got)
		}
	}
	os.WriteFile(filepath.Join(dir, "p-07"), []byte("mine"), 0o600) // not a page of that run
	sum, err := fetchTo(2, 0)
	if err != nil || sum.Stale != 3 {
		t.Fatalf("%v, %+v", err, sum)
	}
	var found []manifestLine
	for line := range strings.Lines(string(read(t, filepath.Join(dir, "list")))) {
		var l manifestLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		found = append(found, l)
		b := read(t, filepath.Join(dir, l.File))
		if l.Bytes != int64(len(b)) || l.SHA256 != fmt.Sprintf("%x", sha256.Sum256(b)) || string(b) != fmt.Sprintf("page %d of 2\n", l.Page) {
			t.Errorf("%+v: %q", l, b)
		}
	}
	for _, name := range []string{"p-03", "p-04", "p-05"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if len(found) != 2 || string(read(t, filepath.Join(dir, "p-07"))) != "mine" {
		t.Errorf("%+v; %s", found, listDir(t, dir))
	}
}

// Files beside the output are never opened through a link, or another name.
func TestPlantedFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	s := serve(t, numbered(1, 0))
	for _, ending := range []string{journalEnding, partEnding, tailEnding, "fail", "list"} {
		for _, plant := range []func(old, new string) error{os.Symlink, os.Link, func(_, name string) error { return os.Mkdir(name, 0o700) }} {
			dir := t.TempDir()
			victim := filepath.Join(dir, "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "o.gz")
			r := Request{URL: s.URL, Pages: Pages{Link: true}, Output: Output{Path: path}}
			at := path + ending
			switch ending {
			case "fail":
				at = filepath.Join(dir, "fail")
				r.FailBody, r.URL = at, serve(t, numbered(1, 1)).URL
			case "list":
				at = filepath.Join(dir, "list")
				r.Output.Manifest = at
				at += partEnding
			}
			if err := plant(victim, at); err != nil {
				t.Fatal(err)
			}
			_, _ = fetch(t, r)
			if got := string(read(t, victim)); got != "precious" {
				t.Errorf("%s: the victim holds %q", ending, got)
			}
		}
	}
}

// memoryStore is a store in memory.
type memoryStore struct {
	bytes.Buffer
	committed, aborted bool
}

func (m *memoryStore) Commit(context.Context) error { m.committed = true; return nil }
func (m *memoryStore) Abort(context.Context)        { m.aborted = true }
func (m *memoryStore) Name() string                 { return "memory" }

func TestStore(t *testing.T) {
	body := records(3<<20, 1, "null")
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w = &cut{w, 1_000_000}
		}
		file(w, r, `"v1"`, body)
	})
	m := &memoryStore{}
	mustFetch(t, Request{URL: s.URL, Output: Output{Store: m, Compress: Gzip}})
	if !m.committed || m.aborted || !bytes.Equal(ungzip(t, m.Bytes()), body) {
		t.Errorf("committed %v, aborted %v, %d bytes", m.committed, m.aborted, m.Len())
	}
	m = &memoryStore{}
	if _, err := fetch(t, Request{URL: serve(t, numbered(1, 1)).URL, Output: Output{Store: m}}); err == nil || m.committed || !m.aborted {
		t.Errorf("%v, committed %v, aborted %v", err, m.committed, m.aborted)
	}
}

// An encoding that is unknown, or a name that is none, is stored as it comes.
func TestForeignCodings(t *testing.T) {
	body := []byte(`{"data":[1,2]}`)
	items := "data"
	for _, c := range []struct {
		encoding string
		raw      bool
		sent     []byte
		readable bool
	}{
		{"br", false, []byte("\x0b\x02\x80hello"), false},
		{"gzip, gzip", false, gzipped(gzipped(body)), false},
		{"UTF-8", false, body, true},
		{"aws-chunked", false, body, true},
		{"none", false, body, true},
		{"gzip", true, gzipped(body), false},
		{"gzip", true, []byte("not gzip at all"), false},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", c.encoding)
			_, _ = w.Write(c.sent)
		})
		r := Request{URL: s.URL, Raw: c.raw, Output: Output{Path: out(t, "o")}}
		mustFetch(t, r)
		same(t, r.Output.Path, c.sent)
		if c.raw {
			continue
		}
		r.Items, r.Output.Path = &items, out(t, "o")
		if _, err := fetch(t, r); (err == nil) != c.readable {
			t.Errorf("%s, records: %v", c.encoding, err)
		}
	}
	// Zeros after gzip are padding; anything else is damage.
	for after, ok := range map[string]bool{"": true, strings.Repeat("\x00", 700): true, "\x00\x00x": false, "\r\n": false} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(append(gzipped(body), after...))
		})
		for _, name := range []string{"o", "o.gz"} {
			if _, err := fetch(t, Request{URL: s.URL, Output: Output{Path: out(t, name)}}); (err == nil) != ok {
				t.Errorf("%s, %q after the end: %v", name, after, err)
			}
		}
	}
}

// A compressed body that passes through is read to its end all the same.
func TestPassedThroughIsVerified(t *testing.T) {
	body := records(300_000, 1, "null")
	for _, c := range []struct {
		coding, name string
		z            []byte
	}{{"gzip", "o.gz", gzipped(body)}, {"zstd", "o.zst", zstded(body)}} {
		for damage, bad := range map[string][]byte{"none": c.z, "cut": c.z[:len(c.z)-9], "a bit": flipped(c.z, len(c.z)/2), "not at all": body} {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", c.coding)
				w.Header().Set("Content-Length", fmt.Sprint(len(bad)))
				_, _ = w.Write(bad)
			})
			path := out(t, c.name)
			sum, err := fetch(t, Request{URL: s.URL, Output: Output{Path: path}})
			if damage != "none" {
				failed(t, path, err, KindCoding, c.coding)
				mustFetch(t, Request{URL: s.URL, NoVerify: true, Output: Output{Path: path}})
				continue
			}
			if err != nil || !sum.PassedThrough || fmt.Sprint(sum.Verified) != "[length "+c.coding+"]" {
				t.Errorf("%s: %v, %+v", c.coding, err, sum)
			}
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

func TestCharset(t *testing.T) {
	for _, c := range []struct{ contentType, sent, want string }{
		{"application/json; charset=iso-8859-1", "{\"data\":[\"caf\xe9\"]}", "\"café\"\n"},
		{"application/json; charset=UTF-16", "\xff\xfe[\x001\x00]\x00", ""},
		{"application/json; charset=utf-16le", "{\x00\"\x00d\x00a\x00t\x00a\x00\"\x00:\x00[\x001\x00]\x00}\x00", "1\n"},
		{"application/json", `{"data":["é"]}`, "\"é\"\n"},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			fmt.Fprint(w, c.sent)
		})
		items := "data"
		if c.want == "" {
			items, c.want = ".", "1\n"
		}
		r := Request{URL: s.URL, Items: &items, UTF8: true, Output: Output{Path: out(t, "o")}}
		sum := mustFetch(t, r)
		same(t, r.Output.Path, []byte(c.want))
		if strings.Contains(c.contentType, "charset") != (sum.ConvertedFrom != "") {
			t.Errorf("%s: %+v", c.contentType, sum)
		}
	}
}

// Only what has changed is fetched again.
func TestIfChanged(t *testing.T) {
	version, gets := "1", 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		gets++
		file(w, r, `"`+version+`"`, []byte("version "+version))
	})
	r := Request{URL: s.URL, IfChanged: true, StateDir: t.TempDir(), Output: Output{Path: out(t, "o")}}
	for _, c := range []struct {
		before    func()
		unchanged bool
		want      string
	}{
		{func() {}, false, "version 1"},
		{func() {}, true, "version 1"},
		{func() { version = "2" }, false, "version 2"},
		{func() { os.WriteFile(r.Output.Path, []byte("edited"), 0o600) }, false, "version 2"},
		{func() { os.Remove(r.Output.Path) }, false, "version 2"},
	} {
		c.before()
		gets = 0
		if sum := mustFetch(t, r); sum.Unchanged != c.unchanged || gets != 1 {
			t.Errorf("unchanged %v after %d requests", sum.Unchanged, gets)
		}
		if got := string(read(t, r.Output.Path)); got != c.want {
			t.Errorf("got %q", got)
		}
		clear1(t, r.Output.Path)
	}
}

// Cookies last for a run; an answer that is not ready is waited for; a refusal
// that names a pause is one of rate.
func TestServersThatNeedPatience(t *testing.T) {
	var n atomic.Int64
	steps := map[string]http.HandlerFunc{
		"/cookie": func(w http.ResponseWriter, r *http.Request) {
			if c, err := r.Cookie("sid"); err != nil || c.Value != "x" {
				http.SetCookie(w, &http.Cookie{Name: "sid", Value: "x", Path: "/"})
				http.Redirect(w, r, "/cookie", http.StatusFound)
				return
			}
			fmt.Fprint(w, "ready")
		},
		"/accepted": func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) < 9 {
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(http.StatusAccepted)
				return
			}
			fmt.Fprint(w, "ready")
		},
		"/forbidden": func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Unix()+40))
				w.WriteHeader(http.StatusForbidden)
				return
			}
			fmt.Fprint(w, "ready")
		},
		"/origin": func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				w.WriteHeader(522)
				return
			}
			fmt.Fprint(w, "ready")
		},
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { steps[r.URL.Path](w, r) })
	for path, waits := range map[string]int{"/cookie": 0, "/accepted": 8, "/forbidden": 1, "/origin": 1} {
		n.Store(0)
		p, said := new(pauses), 0
		r := Request{URL: s.URL + path, Output: Output{Path: out(t, "o")}, Notify: func(string) { said++ }, hooks: hooks{clock: p}}
		mustFetch(t, r)
		same(t, r.Output.Path, []byte("ready"))
		if len(p.d) != waits || said != waits || path == "/forbidden" && p.d[0] < 35*time.Second {
			t.Errorf("%s: pauses %v, %d notices", path, p.d, said)
		}
	}
}

// Connections to a socket, to another address, and within a time.
func TestConnections(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(shortTemp(t), "s"))
	if err != nil {
		t.Skip(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
	unix := &httptest.Server{Listener: l, Config: &http.Server{Handler: hello}}
	unix.Start()
	defer unix.Close()
	r := Request{URL: "http://api.invalid/x", UnixSocket: l.Addr().String(), Output: Output{Path: out(t, "o")}}
	mustFetch(t, r)
	same(t, r.Output.Path, []byte("api.invalid"))

	tcp := serve(t, hello)
	host, port, _ := net.SplitHostPort(tcp.Listener.Addr().String())
	r = Request{URL: "http://api.invalid:" + port, Output: Output{Path: out(t, "o")}}
	if err := ParseHostAddress("API.invalid:"+port+":"+host, &r); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, r)
	if err := ParseHostAddress("api.invalid:80", &r); err == nil {
		t.Error("an address is missing")
	}

	slow := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err = fetch(t, Request{URL: slow.URL, Timeouts: Timeouts{Total: 50 * time.Millisecond}, Output: Output{Path: out(t, "o")}})
	failed(t, "", err, KindTimeout, "--max-time")

	check := speedCheck{since: time.Now().Add(-speedWindow), from: 0}
	if !check.tooSlow(1000, 1000) || check.tooSlow(2000, 1000) || (&speedCheck{since: time.Now().Add(-speedWindow)}).tooSlow(1<<20, 1000) {
		t.Error("the speed is measured wrongly")
	}
}

func shortTemp(t *testing.T) string {
	dir, err := os.MkdirTemp("", "f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Tokens of OAuth2 are requested before they are needed, renewed when they are
// refused, and appear nowhere.
func TestOAuth2(t *testing.T) {
	tokens := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			id, pw, ok := r.BasicAuth()
			if !ok || id != "me" || pw != "hush" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "read" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			tokens++
			fmt.Fprintf(w, `{"access_token":"t%d","expires_in":3600}`, tokens)
			return
		}
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", tokens) || tokens == 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "ok")
	})
	auth, err := OAuth2Auth(OAuth2{TokenURL: s.URL + "/token", ClientID: "me", ClientSecret: "hush", Scope: "read"})
	if err != nil {
		t.Fatal(err)
	}
	var trace strings.Builder
	mustFetch(t, Request{URL: s.URL, Auth: auth, Output: Output{Path: out(t, "o")}, Trace: func(l string) { fmt.Fprintln(&trace, l) }})
	if tokens != 2 || !strings.Contains(trace.String(), "Authorization: "+secret.Redacted) || strings.Contains(fmt.Sprintf("%v%+v%s", auth, auth, trace.String()), "hush") || strings.Contains(trace.String(), "Bearer t") {
		t.Errorf("%d tokens, %s", tokens, trace.String())
	}
	bad, _ := OAuth2Auth(OAuth2{TokenURL: s.URL + "/token", ClientID: "me", ClientSecret: "wrong"})
	_, err = fetch(t, Request{URL: s.URL, Auth: bad, Output: Output{Path: out(t, "o")}})
	failed(t, "", err, KindAuth, "token endpoint answered 401")
}

// Nothing that a server sends makes an error long, and its body is bounded.
func TestLongErrors(t *testing.T) {
	flood := strings.Repeat("x\x1b[31m", 200_000)
	garbage := raw(t, func(int) string { return flood })
	_, err := fetch(t, Request{URL: garbage, Output: Output{Path: out(t, "o")}, Retry: Retry{Attempts: 1}})
	if err == nil || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%d bytes", len(err.Error()))
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, flood)
	})
	keep := out(t, "kept")
	_, err = fetch(t, Request{URL: s.URL, FailBody: keep, Output: Output{Path: out(t, "o")}})
	var e *Error
	if !errors.As(err, &e) || len(e.Error()) > 1000 || len(e.Body) != maxErrorShown || strings.Contains(e.Error(), "\x1b") {
		t.Errorf("%v", e)
	}
	if got := read(t, keep); len(got) != maxErrorKept || !strings.HasPrefix(flood, string(got)) {
		t.Errorf("%d bytes kept", len(got))
	}
}
