package bootstrap_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

func TestUserConfig(t *testing.T) {
	inner := sshtest.Start(t, sshtest.Options{Password: "p", User: "alice"})
	_, priv := sshtest.Key(t)
	gw := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{signer(t, priv).PublicKey()}, User: "jump"})
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	key := writeKey(t, priv, "")
	if err := os.Rename(key, filepath.Join(home, ".ssh", "gw")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, ".ssh", "config")
	text := fmt.Sprintf(`
Match exec "touch %[1]s/never"
  User mallory
Host box
  HostName 127.0.0.1
  Port %[2]d
  User alice
  ProxyJump gw
Host gw
  HostName 127.0.0.1
  Port %[3]d
  User jump
  IdentityFile ~/.ssh/gw
  IdentitiesOnly yes
Host loop
  ProxyJump loop2
Host loop2
  ProxyJump loop
`, home, inner.Port, gw.Port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNotes()
	u := bootstrap.LoadUserConfig(home, n, file)
	cfg := bootstrap.Config{Hop: bootstrap.Hop{Host: "box", Password: "p"}, DefaultUser: "root", UserConfig: u, Home: home, Agent: "none", Report: n}
	client := dial(t, cfg)
	if out, _ := run(t, client, "echo in"); out != "in\n" {
		t.Errorf("got %q", out)
	}
	if gw.Forwards.Load() != 1 {
		t.Error("it did not go through the gateway")
	}
	if _, err := os.Stat(filepath.Join(home, "never")); err == nil {
		t.Error("a Match exec was run")
	}
	if !n.has("warn", "the Match block is skipped") {
		t.Errorf("reported:\n%s", n)
	}

	t.Run("the configuration wins", func(t *testing.T) {
		c := cfg
		c.User = "bob"
		_, err := bootstrap.Dial(t.Context(), c)
		var auth *bootstrap.AuthError
		if !errors.As(err, &auth) || auth.User != "bob" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a loop", func(t *testing.T) {
		c := cfg
		c.Host = "loop"
		_, err := bootstrap.Dial(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "through itself") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the default user", func(t *testing.T) {
		c := cfg
		c.Host = "elsewhere"
		line, err := bootstrap.CommandLine(c)
		if err != nil || line[len(line)-1] != "root@elsewhere" {
			t.Errorf("got %v, %v", line, err)
		}
	})
	t.Run("as ssh would be called", func(t *testing.T) {
		line, err := bootstrap.CommandLine(cfg)
		want := fmt.Sprintf("-J jump@127.0.0.1:%d -p %d alice@127.0.0.1", gw.Port, inner.Port)
		if err != nil || !strings.HasSuffix(strings.Join(line, " "), want) {
			t.Errorf("got %v, %v, want …%s", line, err, want)
		}
	})
	t.Run("a file that cannot be read", func(t *testing.T) {
		n := newNotes()
		bootstrap.LoadUserConfig(home, n, home)
		if !n.has("warn", "skipped") {
			t.Errorf("reported:\n%s", n)
		}
	})
}

func TestParseJumps(t *testing.T) {
	for in, want := range map[string]string{
		"gw":                       "@gw:0",
		"me@gw":                    "me@gw:0",
		"me@gw:2222, b":            "me@gw:2222 @b:0",
		"ssh://me@gw:1/":           "me@gw:1",
		"[::1]:22":                 "@::1:22",
		"me@dom@[fe80::1]":         "me@dom@fe80::1:0",
		"fe80::1":                  "@fe80::1:0",
		"":                         "error",
		"a,,b":                     "error",
		"gw:0":                     "error",
		"gw:x":                     "error",
		"@gw":                      "error",
		"[::1":                     "error",
		"[::1]x":                   "error",
		"-oProxyCommand=touch x y": "error",
	} {
		hops, err := bootstrap.ParseJumps(in)
		var parts []string
		for _, h := range hops {
			parts = append(parts, fmt.Sprintf("%s@%s:%d", h.User, h.Host, h.Port))
		}
		got := strings.Join(parts, " ")
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
