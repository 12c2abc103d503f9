package fetch

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/secret"
)

func TestCredentials(t *testing.T) {
	var got string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") })
	u, _ := url.Parse(s.URL)
	netrc := filepath.Join(t.TempDir(), "netrc")
	os.WriteFile(netrc, []byte("machine other login a password b\nmachine "+u.Hostname()+"\n login me password \"p w\"\ndefault login x password y\n"), 0o600)
	n, err := Netrc(netrc)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{URL: s.URL, Auth: Bearer("tok")}, "Bearer tok"},
		{Request{URL: s.URL, Auth: Basic("me", "pw")}, "Basic bWU6cHc="},
		{Request{URL: s.URL, Auth: n}, "Basic bWU6cCB3"},
		{Request{URL: strings.Replace(s.URL, "//", "//me:pw@", 1)}, "Basic bWU6cHc="},
		{Request{URL: s.URL}, ""},
	} {
		c.r.Output.Path = out(t, "o")
		sum := mustFetch(t, c.r)
		if got != c.want || strings.Contains(sum.URL, "pw") {
			t.Errorf("sent %q, want %q; %s", got, c.want, sum.URL)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v %s %+v", secret.Text("hush"), Bearer("hush"), Basic("u", "hush"), mustJSON(secret.Text("hush")), Request{Auth: Bearer("hush")}); strings.Contains(s, "hush") {
		t.Error(s)
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestRedirects(t *testing.T) {
	var got http.Header
	var gotBody, gotMethod string
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		b, _ := io.ReadAll(r.Body)
		gotBody, gotMethod = string(b), r.Method
		fmt.Fprint(w, "other")
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/away": other.URL + "/x", "/near": "/here?x=1", "/loop": "/loop2", "/loop2": "/loop", "/self": "/self", "/none": "", "/bad": "http://[", "/file": "file:///etc/passwd",
			"/creds": "http://me:pw@" + r.Host + "/here",
		}
		code := http.StatusFound
		if c := r.URL.Query().Get("code"); c != "" {
			fmt.Sscan(c, &code)
		}
		if l, ok := to[r.URL.Path]; ok {
			if l != "" {
				w.Header().Set("Location", l)
			}
			w.WriteHeader(code)
			return
		}
		if n := 0; strings.HasPrefix(r.URL.Path, "/many") {
			fmt.Sscanf(r.URL.Path, "/many%d", &n)
			w.Header().Set("Location", fmt.Sprintf("/many%d", n+1))
			w.WriteHeader(code)
			return
		}
		got = r.Header
		b, _ := io.ReadAll(r.Body)
		gotBody, gotMethod = string(b), r.Method
		fmt.Fprint(w, "here")
	})
	req := func(path string) Request {
		return Request{URL: s.URL + path, Auth: Bearer("hush"), Output: Output{Path: out(t, "o")}, Header: http.Header{"X-Api-Key": {"hush"}, "Cookie": {"hush=1"}, "Accept": {"a/b"}}}
	}
	r := req("/near")
	mustFetch(t, r)
	if got.Get("Authorization") != "Bearer hush" || got.Get("X-Api-Key") != "hush" {
		t.Errorf("on the same host: %v", got)
	}
	r = req("/away")
	mustFetch(t, r)
	same(t, r.Output.Path, []byte("other"))
	if strings.Contains(fmt.Sprint(got), "hush") || got.Get("Accept") != "a/b" {
		t.Errorf("the other host was sent %v", got)
	}
	r = req("/creds")
	mustFetch(t, r)
	if got.Get("Authorization") != "Bearer hush" {
		t.Errorf("%v", got)
	}
	for path, says := range map[string]string{
		"/loop": "loop", "/self": "loop", "/none": "not a URL", "/bad": "not a URL", "/file": "not a web address", "/many0": "more than 10",
	} {
		r := req(path)
		_, err := fetch(t, r)
		failed(t, r.Output.Path, err, KindRedirect, says)
	}
	// Bodies: a POST becomes a GET but by 307 and 308, and never goes astray.
	for _, c := range []struct {
		code         int
		method, body string
	}{{301, "GET", ""}, {302, "GET", ""}, {303, "GET", ""}, {307, "POST", "payload"}, {308, "POST", "payload"}} {
		r := req(fmt.Sprintf("/near?code=%d", c.code))
		r.Body = BytesBody([]byte("payload"), "text/plain")
		mustFetch(t, r)
		if gotMethod != c.method || gotBody != c.body {
			t.Errorf("%d: %s %q", c.code, gotMethod, gotBody)
		}
	}
	r = req("/away?code=307")
	r.Body = BytesBody([]byte("payload"), "text/plain")
	_, err := fetch(t, r)
	failed(t, r.Output.Path, err, KindRedirect, "with the request's body")

	// A body from a pipe is sent once.
	for _, code := range []int{307, 308} {
		r = req(fmt.Sprintf("/near?code=%d", code))
		r.Body = ReaderBody(strings.NewReader("payload"), "text/plain")
		_, err = fetch(t, r)
		failed(t, r.Output.Path, err, KindRedirect, "cannot be sent twice")
	}
	// Who refuses us is the one that we were sent to, without credentials.
	refusing := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	from := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, refusing.URL+"/in", http.StatusFound)
	})
	r = Request{URL: from.URL + "/out", Auth: Bearer("hush"), Output: Output{Path: out(t, "o")}}
	_, err = fetch(t, r)
	e := failed(t, r.Output.Path, err, KindAuth, "GET "+refusing.URL+"/in, redirected from "+from.URL+"/out: the server answered 401")
	if !strings.Contains(e.Hint(), "only to the host") {
		t.Error(e.Hint())
	}

	secure := httptest.NewTLSServer(http.RedirectHandler(s.URL+"/here", http.StatusFound))
	defer secure.Close()
	r = Request{URL: secure.URL, TLS: TLS{Insecure: true}, Output: Output{Path: out(t, "o")}}
	_, err = fetch(t, r)
	failed(t, r.Output.Path, err, KindRedirect, "unprotected")
}

// tokens is a source whose token ends after a number of requests.
type tokens struct {
	url      string
	token    int
	renewals int
	refuse   bool
}

func (s *tokens) Resolve(context.Context) (Target, error) {
	return Target{URL: s.url, Name: "object", ChecksumOf: func(h http.Header) string { return h.Get("X-Sum") }}, nil
}

func (s *tokens) Authorize(r *http.Request) error {
	r.Header.Set("X-Auth-Token", fmt.Sprint(s.token))
	return nil
}

func (s *tokens) Refresh(context.Context) error {
	s.renewals++
	if s.refuse {
		return errors.New("the password was changed")
	}
	s.token++
	return nil
}

func TestTokenEndsInMidDownload(t *testing.T) {
	body := records(3<<20, 1, "null")
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		i := n.Add(1)
		if want := map[int64]string{1: "0", 2: "", 3: "1", 4: "", 5: "2"}[i]; r.Header.Get("X-Auth-Token") != want {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Sum", fmt.Sprintf("sha256:%x", sum256(body)))
		if i < 5 {
			w = &cut{w, 1_000_000}
		}
		file(w, r, `"v1"`, body)
	})
	src := &tokens{url: s.URL}
	path := out(t, "o")
	sum := mustFetch(t, Request{Source: src, Output: Output{Path: path}})
	same(t, path, body)
	if src.renewals != 2 || sum.Received != int64(len(body)) || fmt.Sprint(sum.Verified) != "[length digest]" {
		t.Errorf("%d renewals, %+v", src.renewals, sum)
	}
	n.Store(100)
	src = &tokens{url: s.URL}
	_, err := fetch(t, Request{Source: src, Output: Output{Path: out(t, "o")}})
	failed(t, "", err, KindAuth, "401")
	if src.renewals != 1 {
		t.Errorf("%d renewals", src.renewals)
	}
	src.refuse = true
	_, err = fetch(t, Request{Source: src, Output: Output{Path: out(t, "o")}})
	failed(t, "", err, KindAuth, "the password was changed")
	// A source names its file.
	n.Store(0)
	dir := t.TempDir()
	mustFetch(t, Request{Source: &tokens{url: s.URL}, Output: Output{Named: true, Path: dir}})
	same(t, filepath.Join(dir, "object"), body)
}

func TestBodies(t *testing.T) {
	var got []byte
	var h http.Header
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		h = r.Header
		got, _ = io.ReadAll(r.Body)
	})
	data := filepath.Join(t.TempDir(), "da\"ta")
	if err := os.WriteFile(data, []byte("from a file"), 0o600); err != nil {
		data = filepath.Join(filepath.Dir(data), "data")
		os.WriteFile(data, []byte("from a file"), 0o600)
	}
	fb, err := FileBody(data, "x/y")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		b          *Body
		typ, want  string
		lengthSent bool
	}{
		{BytesBody([]byte("{}"), "application/json"), "application/json", "{}", true},
		{fb, "x/y", "from a file", true},
		{ReaderBody(strings.NewReader("stream"), ""), "", "stream", false},
		{BytesBody([]byte("a=1+2"), "application/x-www-form-urlencoded"), "application/x-www-form-urlencoded", "a=1+2", true},
		{BytesBody(nil, ""), "", "", true},
	} {
		mustFetch(t, Request{URL: s.URL, Body: c.b, Output: Output{Path: out(t, "o")}})
		if string(got) != c.want || h.Get("Content-Type") != c.typ || (h.Get("Content-Length") != "") != c.lengthSent {
			t.Errorf("%q, %v", got, h)
		}
	}
	if _, err := FileBody("/nowhere", ""); err == nil {
		t.Error("no file, no error")
	}
}

// authority makes certificates.
func authority(t *testing.T) (caPEM []byte, issue func(name string, client bool) (cert, key []byte)) {
	t.Helper()
	caKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	serial := int64(1)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), func(name string, client bool) ([]byte, []byte) {
		serial++
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if client {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		kb, _ := x509.MarshalECPrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kb})
	}
}

func TestTLS(t *testing.T) {
	ca, issue := authority(t)
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		os.WriteFile(p, b, 0o600)
		return p
	}
	caFile := put("ca.pem", ca)
	cc, ck := issue("me", true)
	certFile, keyFile, both := put("c.pem", cc), put("k.pem", ck), put("both.pem", append(bytes.Clone(cc), ck...))
	body := records(2<<20, 1, "null")
	start := func(name string) *httptest.Server {
		sc, sk := issue(name, false)
		pair, _ := tls.X509KeyPair(sc, sk)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to := r.URL.Query().Get("to"); to != "" {
				http.Redirect(w, r, to, http.StatusFound)
				return
			}
			w.Header().Set("X-Proto", r.Proto)
			name := ""
			if len(r.TLS.PeerCertificates) > 0 {
				name = r.TLS.PeerCertificates[0].Subject.CommonName
			}
			if r.URL.Path == "/who" {
				fmt.Fprint(w, r.Proto, " ", name)
				return
			}
			file(w, r, `"v1"`, body)
		}))
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		s.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
		return s
	}
	s, other := start("localhost"), start("localhost")
	get := func(url string, c TLS, http1 bool) string {
		path := out(t, "o")
		mustFetch(t, Request{URL: url, TLS: c, HTTP1: http1, Output: Output{Path: path}})
		return string(read(t, path))
	}
	if got := get(s.URL+"/who", TLS{CACert: caFile}, false); got != "HTTP/2.0 " {
		t.Error(got)
	}
	if got := get(s.URL+"/who", TLS{CACert: caFile, Cert: certFile, Key: keyFile}, true); got != "HTTP/1.1 me" {
		t.Error(got)
	}
	if got := get(s.URL+"/who", TLS{CACert: caFile, Cert: both}, false); got != "HTTP/2.0 me" {
		t.Error(got)
	}
	if got := get(s.URL+"/?to="+url.QueryEscape(other.URL+"/who"), TLS{CACert: caFile, Cert: both}, false); got != "HTTP/2.0 " {
		t.Errorf("another host was shown our certificate: %s", got)
	}
	if got := get(s.URL+"/big", TLS{Insecure: true}, false); got != string(body) {
		t.Error("differs over HTTP/2")
	}
	_, err := fetch(t, Request{URL: s.URL, Output: Output{Path: out(t, "o")}})
	if e := failed(t, "", err, KindNetwork, "certificate"); !strings.Contains(e.Hint(), "--cacert") {
		t.Error(e.Hint())
	}
	// A server that insists on a certificate is asked once.
	sc, sk := issue("localhost", false)
	pair, _ := tls.X509KeyPair(sc, sk)
	var asked atomic.Int64
	strict := httptest.NewUnstartedServer(http.NotFoundHandler())
	strict.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		asked.Add(1)
		return nil, nil
	}}
	strict.Config.ErrorLog = log.New(io.Discard, "", 0)
	strict.StartTLS()
	defer strict.Close()
	_, err = fetch(t, Request{URL: strings.Replace(strict.URL, "127.0.0.1", "localhost", 1), TLS: TLS{CACert: caFile}, Output: Output{Path: out(t, "o")}})
	if e := failed(t, "", err, KindNetwork, "certificate required"); !strings.Contains(e.Hint(), "--cert") || asked.Load() != 1 {
		t.Errorf("asked %d times, %q", asked.Load(), e.Hint())
	}
	// Garbage in the files.
	for _, c := range []TLS{{CACert: keyFile}, {Cert: caFile}, {Cert: "/nowhere"}, {Key: keyFile}} {
		_, err := fetch(t, Request{URL: s.URL, TLS: c, Output: Output{Path: out(t, "o")}})
		failed(t, "", err, KindUsage, "certificate")
	}
}

// A connection of HTTP/2 that breaks is gone on with as any other.
func TestHTTP2Breaks(t *testing.T) {
	body := records(4<<20, 1, "null")
	var n atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 3 {
			w = &cut{w, 1_500_000}
		}
		file(w, r, `"v1"`, body)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	path := out(t, "o")
	sum := mustFetch(t, Request{URL: s.URL, TLS: TLS{Insecure: true}, Output: Output{Path: path}})
	same(t, path, body)
	if sum.Received != int64(len(body)) {
		t.Errorf("%+v", sum)
	}
}

func TestProxy(t *testing.T) {
	var through atomic.Int64
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		fmt.Fprint(w, "by way of the proxy: ", r.URL)
	})
	u, _ := url.Parse(proxy.URL)
	path := out(t, "o")
	mustFetch(t, Request{URL: "http://far.example/x", Proxy: http.ProxyURL(u), Output: Output{Path: path}})
	same(t, path, []byte("by way of the proxy: http://far.example/x"))
}
