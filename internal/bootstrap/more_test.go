package bootstrap_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"golang.org/x/crypto/ssh"
)

func TestMoreKeysThanTheServerHasPatienceFor(t *testing.T) {
	_, ed := sshtest.Key(t)
	var keys []any
	for range 14 {
		_, k := sshtest.Key(t)
		keys = append(keys, &k)
	}
	keys = append(keys, &ed)
	srv := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{signer(t, &ed).PublicKey()}, MaxTries: 6})
	cfg := configFor(t, srv)
	cfg.Agent = startAgent(t, keys...)
	run(t, dial(t, cfg), "true")
	if n := srv.Conns.Load(); n != 3 {
		t.Errorf("%d connections, want 3 for 15 keys", n)
	}

	cfg.Agent = startAgent(t, keys[:14]...)
	_, err := bootstrap.Dial(t.Context(), cfg)
	var auth *bootstrap.AuthError
	if !errors.As(err, &auth) || srv.Conns.Load() > 9 {
		t.Errorf("got %v after %d connections", err, srv.Conns.Load())
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"ls\r":                   "ls\r",
		"~.":                     "END",
		"ls\r~.rest":             "ls\rEND",
		"a~.b":                   "a~.b",
		"~~.\r~~x":               "~.\r~x",
		"~x":                     "~x",
		"~\r~.":                  "~\rEND",
		strings.Repeat("~\r", 9): strings.Repeat("~\r", 9),
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader} {
			var out bytes.Buffer
			r := bootstrap.NewEscapeReader(wrap(strings.NewReader(in)), func() { out.WriteString("END") })
			var got bytes.Buffer
			buf := make([]byte, 2)
			for {
				n, err := r.Read(buf)
				got.Write(buf[:n])
				if err != nil {
					break
				}
			}
			if s := got.String() + out.String(); s != want {
				t.Errorf("%q %s: got %q, want %q", in, name, s, want)
			}
		}
	}
}

func TestEscapeEndsTheSession(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{})
	cfg.Getenv = func(name string) string {
		if name == "LANG" {
			return "C.UTF-8"
		}
		return ""
	}
	client := dial(t, cfg)
	in, w := io.Pipe()
	go func() { _, _ = io.WriteString(w, "sleep 300\r~.") }()
	status, err := client.Shell(t.Context(), bootstrap.Terminal{In: in, Out: io.Discard, Type: "vt100"})
	if err != nil || status != 255 {
		t.Errorf("got %d, %v", status, err)
	}
	w.Close()
	run(t, client, "true")
}
