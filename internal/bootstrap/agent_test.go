package bootstrap_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

// writeLegacyKey writes a key as ssh-keygen -m PEM does, which hides even the
// public half.
func writeLegacyKey(t *testing.T, key *rsa.PrivateKey, phrase string) string {
	t.Helper()
	//nolint:staticcheck // old keys are encrypted like this
	block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), []byte(phrase), x509.PEMCipherAES128)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, block)
}

// startAgent runs an agent with the keys given and returns its socket.
func startAgent(t *testing.T, keys ...any) string {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sock := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", sock)
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
				_ = agent.ServeAgent(ring, c)
				c.Close()
			}()
		}
	}()
	return sock
}

func TestAgent(t *testing.T) {
	_, ed := sshtest.Key(t)
	rs := rsaKey(t)
	for name, k := range map[string]any{"ed25519": &ed, "rsa with SHA-2": rs} {
		t.Run(name, func(t *testing.T) {
			srv := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{signer(t, k).PublicKey()}})
			cfg := configFor(t, srv)
			cfg.Agent = startAgent(t, ecKey(t), k)
			run(t, dial(t, cfg), "true")
		})
	}
	t.Run("an encrypted key is taken from the agent", func(t *testing.T) {
		srv := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{signer(t, &ed).PublicKey()}, MaxTries: 1})
		cfg := configFor(t, srv)
		cfg.Agent = startAgent(t, ecKey(t), &ed)
		path := writeKey(t, ed, "secret")
		if err := os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(signer(t, &ed).PublicKey()), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.Keys, cfg.OnlyKeys = []string{path}, true
		run(t, dial(t, cfg), "true")
		cfg.Keys = []string{path + ".pub"}
		run(t, dial(t, cfg), "true")
	})
	t.Run("an encrypted key without a public half may be any of the agent's", func(t *testing.T) {
		srv := sshtest.Start(t, sshtest.Options{Keys: []ssh.PublicKey{signer(t, rs).PublicKey()}})
		cfg := configFor(t, srv)
		cfg.Agent = startAgent(t, ecKey(t), rs)
		cfg.Keys, cfg.OnlyKeys = []string{writeLegacyKey(t, rs, "secret")}, true
		run(t, dial(t, cfg), "true")
		// It is asked for only where none of the agent's is accepted.
		asked := &answers{give: []string{"secret"}}
		cfg.Prompter, cfg.KeyRing = asked, nil
		run(t, dial(t, cfg), "true")
		if q := asked.questions(); len(q) != 0 {
			t.Errorf("asked %q", q)
		}
		cfg.Agent, cfg.KeyRing = startAgent(t, ecKey(t)), nil
		run(t, dial(t, cfg), "true")
		if q := asked.questions(); len(q) != 1 {
			t.Errorf("asked %q", q)
		}
		cfg.Prompter, cfg.KeyRing = nil, nil
		_, err := bootstrap.Dial(t.Context(), cfg)
		var auth *bootstrap.AuthError
		if !errors.As(err, &auth) || auth.Sealed == "" || !strings.Contains(auth.Hint(), "ssh-add") || !strings.Contains(err.Error(), "agent key") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("forwarded", func(t *testing.T) {
		srv, cfg := fixture(t, sshtest.Options{})
		cfg.Agent = startAgent(t, &ed)
		cfg.ForwardAgent = true
		run(t, dial(t, cfg), "true")
		keys := srv.AgentKeys()
		if len(keys) != 1 || string(keys[0].Marshal()) != string(signer(t, &ed).PublicKey().Marshal()) {
			t.Errorf("the machine saw the keys %v", keys)
		}
	})
}
