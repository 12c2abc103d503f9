package bootstrap_test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signer(t *testing.T, k any) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeysOfEveryKind(t *testing.T) {
	_, ed := sshtest.Key(t)
	ec, rs := ecKey(t), rsaKey(t)
	pkcs8 := func(k crypto.PrivateKey) *pem.Block {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	//nolint:staticcheck // old keys are encrypted like this
	oldPEM, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs), []byte("secret"), x509.PEMCipherAES128)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key    any
		path   string
		phrase string
	}{
		"ed25519":               {ed, writeKey(t, ed, ""), ""},
		"ecdsa":                 {ec, writeKey(t, ec, ""), ""},
		"rsa":                   {rs, writeKey(t, rs, ""), ""},
		"rsa pkcs1":             {rs, writePEM(t, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rs)}), ""},
		"ecdsa sec1":            {ec, writePEM(t, &pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), ""},
		"ed25519 pkcs8":         {ed, writePEM(t, pkcs8(ed)), ""},
		"rsa pkcs8":             {rs, writePEM(t, pkcs8(rs)), ""},
		"ed25519 encrypted":     {ed, writeKey(t, ed, "secret"), "secret"},
		"rsa encrypted":         {rs, writeKey(t, rs, "secret"), "secret"},
		"rsa encrypted old PEM": {rs, writePEM(t, oldPEM), "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{signer(t, c.key).PublicKey()}})
			cfg := configFor(t, srv)
			cfg.Keys, cfg.OnlyKeys = []string{c.path}, true
			if c.phrase != "" {
				p := &answers{give: []string{"wrong", c.phrase}}
				cfg.Prompter = p
				cfg.KeyRing = bootstrap.NewKeyRing(p)
				defer func() {
					if n := len(p.questions()); n != 2 {
						t.Errorf("asked %d times, want 2: once wrong, once right, none for the second connection", n)
					}
				}()
				dial(t, cfg)
			}
			client := dial(t, cfg)
			if out, status := run(t, client, "echo hello"); out != "hello\n" || status != 0 {
				t.Errorf("got %q, %d", out, status)
			}
		})
	}
}

func TestEncryptedKeyNeedsATerminal(t *testing.T) {
	_, ed := sshtest.Key(t)
	srv := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{signer(t, ed).PublicKey()}})
	cfg := configFor(t, srv)
	cfg.Keys, cfg.OnlyKeys = []string{writeKey(t, ed, "secret")}, true
	for name, try := range map[string]func() error{
		"dial": func() error { _, err := bootstrap.Dial(t.Context(), cfg); return err },
		"wait": func() error { _, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{}); return err },
	} {
		err := try()
		var conf *bootstrap.ConfigError
		if !errors.As(err, &conf) || !strings.Contains(err.Error(), "encrypted") || !strings.Contains(conf.Hint(), "ssh-add") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBadKeyFiles(t *testing.T) {
	k, _ := sshtest.Key(t)
	srv := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{k.PublicKey()}})
	write := func(s string) string {
		p := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(p, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for want, path := range map[string]string{
		"no such file":           "/nonexistent/key",
		"is empty":               write("\n"),
		"PuTTY":                  write("PuTTY-User-Key-File-3: ssh-ed25519\n"),
		"holds a public key":     write(string(ssh.MarshalAuthorizedKey(k.PublicKey()))),
		"no usable private key":  write("nonsense"),
		"not a private key":      write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"holds no usable":        write("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
		"no usable private key:": write("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
	} {
		cfg := configFor(t, srv)
		cfg.Keys, cfg.OnlyKeys = []string{path}, true
		cfg.Prompter = &answers{give: []string{"x", "x", "x"}}
		_, err := bootstrap.Dial(t.Context(), cfg)
		var conf *bootstrap.ConfigError
		if !errors.As(err, &conf) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestPasswords(t *testing.T) {
	t.Run("password", func(t *testing.T) {
		srv := sshtest.Start(t, sshtest.Options{Password: "sesame"})
		cfg := configFor(t, srv)
		cfg.Password = "sesame"
		run(t, dial(t, cfg), "true")
		cfg.Password = "wrong"
		_, err := bootstrap.Dial(t.Context(), cfg)
		var auth *bootstrap.AuthError
		if !errors.As(err, &auth) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(err.Error(), "password") || !strings.Contains(auth.Hint(), "ubuntu") {
			t.Errorf("got %v, hint %s", err, auth.Hint())
		}
	})
	t.Run("keyboard-interactive", func(t *testing.T) {
		srv := sshtest.Start(t, sshtest.Options{Answer: "sesame"})
		cfg := configFor(t, srv)
		cfg.Password = "sesame"
		run(t, dial(t, cfg), "true")
	})
	t.Run("asked", func(t *testing.T) {
		srv := sshtest.Start(t, sshtest.Options{Password: "sesame"})
		cfg := configFor(t, srv)
		p := &answers{give: []string{"sesame"}}
		cfg.Prompter, cfg.AskPassword = p, true
		run(t, dial(t, cfg), "true")
		if q := p.questions(); len(q) != 1 || !strings.Contains(q[0], "tester@127.0.0.1") {
			t.Errorf("asked %q", q)
		}
	})
	t.Run("key and password", func(t *testing.T) {
		_, cfg := fixture(t, sshtest.Options{Password: "sesame", Also: "password"})
		cfg.Password = "sesame"
		run(t, dial(t, cfg), "true")
	})
	t.Run("key and question", func(t *testing.T) {
		_, cfg := fixture(t, sshtest.Options{Answer: "sesame", Also: "keyboard-interactive"})
		cfg.Password = "sesame"
		run(t, dial(t, cfg), "true")
	})
}

func TestNothingToOffer(t *testing.T) {
	srv := sshtest.Start(t, sshtest.Options{Password: "x"})
	_, err := bootstrap.Wait(t.Context(), configFor(t, srv), bootstrap.WaitOptions{})
	var auth *bootstrap.AuthError
	if !errors.As(err, &auth) || !strings.Contains(err.Error(), "no key or password") {
		t.Fatalf("got %v", err)
	}
	if n := srv.Conns.Load(); n != 0 {
		t.Errorf("%d connections were made for nothing", n)
	}
}

func TestRun(t *testing.T) {
	srv, cfg := fixture(t, sshtest.Options{})
	client := dial(t, cfg)
	t.Run("status and streams", func(t *testing.T) {
		var out, errs strings.Builder
		status, err := client.Run(t.Context(), bootstrap.Command{Line: "echo out; echo err >&2; exit 42", Stdout: &out, Stderr: &errs})
		if err != nil || status != 42 || out.String() != "out\n" || errs.String() != "err\n" {
			t.Errorf("got %d, %v, %q, %q", status, err, out.String(), errs.String())
		}
	})
	t.Run("input", func(t *testing.T) {
		var out strings.Builder
		if _, err := client.Run(t.Context(), bootstrap.Command{Line: "cat", Stdin: strings.NewReader("in"), Stdout: &out}); err != nil || out.String() != "in" {
			t.Errorf("got %q, %v", out.String(), err)
		}
		if out, _ := run(t, client, "cat; echo end"); out != "end\n" {
			t.Errorf("no input should be the empty one, got %q", out)
		}
	})
	t.Run("an input that never ends", func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		if status, err := client.Run(t.Context(), bootstrap.Command{Line: "exit 3", Stdin: r}); status != 3 || err != nil {
			t.Errorf("got %d, %v", status, err)
		}
	})
	t.Run("signal", func(t *testing.T) {
		if _, status := run(t, client, "kill -9 $$"); status != 137 {
			t.Errorf("got %d", status)
		}
	})
	t.Run("terminal", func(t *testing.T) {
		var out strings.Builder
		if _, err := client.Run(t.Context(), bootstrap.Command{Line: "test -t 0 && test -t 1 && echo tty", Stdout: &out, TTY: true}); err != nil || out.String() != "tty\r\n" {
			t.Errorf("got %q, %v", out.String(), err)
		}
	})
	t.Run("much output", func(t *testing.T) {
		if out, _ := run(t, client, "head -c 3000000 /dev/zero"); len(out) != 3000000 {
			t.Errorf("got %d bytes", len(out))
		}
	})
	t.Run("a local writer that fails", func(t *testing.T) {
		_, err := client.Run(t.Context(), bootstrap.Command{Line: "head -c 3000000 /dev/zero", Stdout: badWriter{}})
		if !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		errs := make(chan error, 40)
		for i := range cap(errs) {
			go func() {
				var out strings.Builder
				_, err := client.Run(t.Context(), bootstrap.Command{Line: fmt.Sprintf("sleep 0.0%d; echo %d", i%5, i), Stdout: &out})
				if err == nil && out.String() != fmt.Sprintln(i) {
					err = fmt.Errorf("got %q for %d", out.String(), i)
				}
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
	if n := srv.Logins.Load(); n != 1 {
		t.Errorf("%d logins, want one for all", n)
	}
}

var errDisk = errors.New("disk full")

type badWriter struct{}

func (badWriter) Write([]byte) (int, error) { return 0, errDisk }

func TestCancelEndsTheCommand(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		srv, cfg := fixture(t, sshtest.Options{IgnoreSignals: deaf})
		client := dial(t, cfg)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		r, w := io.Pipe()
		go func() {
			// The command is there once it has written.
			_, _ = bufio.NewReader(r).ReadString('\n')
			cancel(why)
			_, _ = io.Copy(io.Discard, r)
		}()
		begin := time.Now()
		_, err := client.Run(ctx, bootstrap.Command{Line: "echo there; sleep 600", Stdout: w})
		if !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d > 30*time.Second {
			t.Errorf("it took %s", d)
		}
		if s := srv.Signals(); len(s) == 0 || s[0] != "TERM" {
			t.Errorf("signals sent: %v", s)
		}
		if out, _ := run(t, client, "echo on"); out != "on\n" {
			t.Errorf("the connection should go on, got %q", out)
		}
		w.Close()
	}
}

func TestLostConnection(t *testing.T) {
	srv, cfg := fixture(t, sshtest.Options{})
	client := dial(t, cfg)
	r, w := io.Pipe()
	go func() {
		_, _ = bufio.NewReader(r).ReadString('\n')
		srv.DropAll()
		_, _ = io.Copy(io.Discard, r)
	}()
	_, err := client.Run(t.Context(), bootstrap.Command{Line: "echo there; sleep 600", Stdout: w})
	w.Close()
	var lost *bootstrap.LostError
	if !errors.As(err, &lost) || !strings.Contains(err.Error(), "while running a command") || lost.Hint() == "" {
		t.Errorf("got %v", err)
	}
	<-client.Gone()
	if _, err := client.Run(t.Context(), bootstrap.Command{Line: "true"}); !errors.As(err, &lost) {
		t.Errorf("afterwards: %v", err)
	}
	if client.Alive(t.Context(), time.Second) {
		t.Error("it is said to be alive")
	}
}

func TestKeepAlive(t *testing.T) {
	var mute atomic.Bool
	_, cfg := fixture(t, sshtest.Options{Mute: &mute})
	if !dial(t, cfg).Alive(t.Context(), time.Minute) {
		t.Fatal("not alive")
	}
	mute.Store(true)
	cfg.KeepAlive, cfg.KeepAliveMax = 20*time.Millisecond, 2
	client := dial(t, cfg)
	_, err := client.Run(t.Context(), bootstrap.Command{Line: "sleep 600"})
	var lost *bootstrap.LostError
	if !errors.As(err, &lost) || !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyHost(t *testing.T) {
	for _, host := range []string{"", "  "} {
		cfg := bootstrap.Config{Hop: bootstrap.Hop{Host: host, User: "root"}}
		_, err := bootstrap.Dial(t.Context(), cfg)
		_, err2 := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{})
		_, err3 := bootstrap.CommandLine(cfg)
		for _, err := range []error{err, err2, err3} {
			var conf *bootstrap.ConfigError
			if !errors.As(err, &conf) || !strings.Contains(err.Error(), "no host") {
				t.Errorf("got %v", err)
			}
		}
	}
	cfg := bootstrap.Config{Hop: bootstrap.Hop{Host: "h", User: "root"}, Gateways: []bootstrap.Hop{{}}}
	if _, err := bootstrap.Dial(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "gateway has no host") {
		t.Errorf("got %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	cfg := bootstrap.Config{Hop: bootstrap.Hop{Host: "127.0.0.1", Port: closedPort(t), User: "u", Password: "x"}, Agent: "none", Home: t.TempDir()}
	_, err := bootstrap.Dial(t.Context(), cfg)
	var un *bootstrap.UnreachableError
	if !errors.As(err, &un) || un.Reason != "connection refused" || !strings.Contains(un.Hint(), "port") {
		t.Errorf("got %v", err)
	}
	web := sshtest.Start(t, sshtest.Options{Hello: "HTTP/1.1 400 Bad Request\r\n\r\n"})
	cfg.Port = web.Port
	_, err = bootstrap.Dial(t.Context(), cfg)
	if !errors.As(err, &un) || !strings.Contains(err.Error(), `not an SSH server, it says "HTTP/1.1 400 Bad Request"`) {
		t.Errorf("got %v", err)
	}
	cfg.Port = silentServer(t)
	cfg.ConnectTimeout = time.Second
	_, err = bootstrap.Dial(t.Context(), cfg)
	if !errors.As(err, &un) || !strings.Contains(err.Error(), "said nothing within 1s") {
		t.Errorf("got %v", err)
	}
}

// silentServer accepts connections and says nothing.
func silentServer(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func TestNoSession(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{NoSession: true})
	client := dial(t, cfg)
	_, err := client.Run(t.Context(), bootstrap.Command{Line: "true"})
	var s *bootstrap.SessionError
	if !errors.As(err, &s) || !strings.Contains(err.Error(), "no more sessions") {
		t.Errorf("got %v", err)
	}
}

func TestNear(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{})
	client := dial(t, cfg)
	if !client.Near() {
		t.Error("a machine at a loopback address is not near")
	}
}

func TestSecret(t *testing.T) {
	s := secret.Text("hush")
	data, err := json.Marshal(map[string]any{"a": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), string(data), fmt.Sprintf("%+v", bootstrap.Hop{Password: s}), fmt.Sprintf("%#v", bootstrap.HTTPProxy{Password: s})} {
		if strings.Contains(text, "hush") {
			t.Errorf("shown in %s", text)
		}
	}
	if secret.Text("").String() != "" {
		t.Error("an empty secret is empty")
	}
}
