package fetch

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(s string, mode os.FileMode) string {
		p := filepath.Join(dir, "c.yml")
		os.Remove(p)
		if err := os.WriteFile(p, []byte(s), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	c, warning, err := ReadConfig(write("headers:\n  X-Api-Key: hush\n  Accept: text/csv\nbearer: hush2\ncacert: ca.pem\nproxy: proxy:3128\n", 0o600), os.Getenv)
	if err != nil || warning != "" {
		t.Fatal(err, warning)
	}
	r := Request{Header: http.Header{"Accept": {"a/b"}}}
	secrets, err := c.Apply(&r)
	if err != nil || r.Header.Get("X-Api-Key") != "hush" || r.Header.Get("Accept") != "a/b" || r.Auth == nil || r.TLS.CACert != filepath.Join(dir, "ca.pem") || r.Proxy == nil || !strings.Contains(strings.Join(secrets, " "), "hush2") {
		t.Errorf("%+v %v %v", r, secrets, err)
	}
	if _, warning, _ = ReadConfig(write("user: me\npassword: 12345\n", 0o644), os.Getenv); warning == "" && runtime.GOOS != "windows" {
		t.Error("no warning")
	}
	if _, _, err = ReadConfig(write("", 0o600), os.Getenv); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"headers: [hush]\n", "what: hush\n", "bearer: [hush]\n", "bearer: hush\nuser: x\n", "{hush", "proxy: {a: hush}"} {
		_, _, err := ReadConfig(write(bad, 0o600), os.Getenv)
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, _, err := ReadConfig(filepath.Join(dir, "no"), os.Getenv); err == nil {
		t.Error("no file, no error")
	}
}

func TestParseTimeouts(t *testing.T) {
	var o Timeouts
	if err := ParseTimeouts("5s", &o); err != nil || o != (Timeouts{Connect: 5 * time.Second, FirstByte: 5 * time.Second, Stall: 5 * time.Second}) {
		t.Error(o, err)
	}
	if err := ParseTimeouts("connect=1s, stall=2m,first-byte=3s", &o); err != nil || o != (Timeouts{Connect: time.Second, FirstByte: 3 * time.Second, Stall: 2 * time.Minute}) {
		t.Error(o, err)
	}
	for _, bad := range []string{"", "5", "x=1s", "connect=", "-1s"} {
		if err := ParseTimeouts(bad, &o); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestParseHeader(t *testing.T) {
	h := http.Header{}
	if err := ParseHeader("x-a:  b: c ", h); err != nil || h.Get("X-A") != "b: c" {
		t.Error(h, err)
	}
	for _, bad := range []string{"x", ": y", "a b: c", "a: b\r\nX: y"} {
		if err := ParseHeader(bad, h); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
	for _, bad := range []string{"ftp://x", "://", "http://"} {
		if _, err := ParseProxy(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
	// None, although the environment may name one.
	none, err := ParseProxy("")
	if err != nil || none == nil {
		t.Fatal(err)
	}
	if u, err := none(httptest.NewRequest("GET", "http://api.example.org/", nil)); u != nil || err != nil {
		t.Error(u, err)
	}
}
