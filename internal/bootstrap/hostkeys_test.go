package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"golang.org/x/crypto/ssh"
)

func line(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }

// hostKeys makes host keys of three types.
func hostKeys(t *testing.T) []ssh.Signer {
	t.Helper()
	ed, _ := sshtest.Key(t)
	return []ssh.Signer{signer(t, rsaKey(t)), signer(t, ecKey(t)), ed}
}

func source(keys ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return keys, nil }
}

func TestHostKeys(t *testing.T) {
	keys := hostKeys(t)
	rsaK, ecK, edK := keys[0].PublicKey(), keys[1].PublicKey(), keys[2].PublicKey()
	other, _ := sshtest.Key(t)
	_, cfg := fixture(t, sshtest.Options{HostKeys: keys})
	pinned := func(verified bool, ks ...ssh.PublicKey) []bootstrap.PinnedKey {
		var out []bootstrap.PinnedKey
		for _, k := range ks {
			out = append(out, bootstrap.PinnedKey{Key: line(k), Verified: verified})
		}
		return out
	}
	for name, c := range map[string]struct {
		h       *bootstrap.HostKeys
		problem bootstrap.HostKeyProblem
		pins    string
		warns   bool
	}{
		"first use":                      {h: &bootstrap.HostKeys{}, pins: "ssh-ed25519:false"},
		"seen before":                    {h: &bootstrap.HostKeys{Pinned: pinned(false, edK)}, pins: "-"},
		"seen before, of another type":   {h: &bootstrap.HostKeys{Pinned: pinned(false, rsaK)}, pins: "-"},
		"changed":                        {h: &bootstrap.HostKeys{Pinned: pinned(false, other.PublicKey())}, problem: bootstrap.HostKeyChanged, pins: "-"},
		"changed though verified":        {h: &bootstrap.HostKeys{Pinned: pinned(true, other.PublicKey())}, problem: bootstrap.HostKeyChanged, pins: "-"},
		"console shows all":              {h: &bootstrap.HostKeys{Source: source(line(rsaK), line(ecK), line(edK))}, pins: "ssh-ed25519:true ssh-rsa:true ecdsa-sha2-nistp256:true"},
		"console shows with a comment":   {h: &bootstrap.HostKeys{Source: source(line(edK) + " root@box")}, pins: "ssh-ed25519:true"},
		"console shows another type":     {h: &bootstrap.HostKeys{Source: source(line(rsaK))}, pins: "ssh-rsa:true"},
		"console shows fingerprints":     {h: &bootstrap.HostKeys{Source: source("2048 "+ssh.FingerprintSHA256(rsaK)+" (RSA)", "256 "+ssh.FingerprintSHA256(edK)+" (ED25519)")}, pins: "ssh-ed25519:true"},
		"console shows MD5 fingerprints": {h: &bootstrap.HostKeys{Source: source("MD5:" + ssh.FingerprintLegacyMD5(edK))}, pins: "ssh-ed25519:true"},
		"console shows a foreign key":    {h: &bootstrap.HostKeys{Source: source(line(other.PublicKey()))}, problem: bootstrap.HostKeyForeign, pins: "-"},
		"console shows foreign prints":   {h: &bootstrap.HostKeys{Source: source(ssh.FingerprintSHA256(other.PublicKey()))}, problem: bootstrap.HostKeyForeign, pins: "-"},
		"console is empty":               {h: &bootstrap.HostKeys{Source: source()}, pins: "ssh-ed25519:false"},
		"console fails": {h: &bootstrap.HostKeys{Source: func(context.Context) ([]string, error) {
			return nil, errors.New("503")
		}}, pins: "ssh-ed25519:false"},
		"verified later": {h: &bootstrap.HostKeys{Pinned: pinned(false, edK), Source: source(line(edK))}, pins: "ssh-ed25519:true"},
		"refuted later":  {h: &bootstrap.HostKeys{Pinned: pinned(false, edK), Source: source(line(other.PublicKey()))}, problem: bootstrap.HostKeyForeign, pins: "-"},
		"rebuilt":        {h: &bootstrap.HostKeys{Pinned: pinned(true, other.PublicKey()), Source: source(line(edK))}, pins: "ssh-ed25519:true", warns: true},
		"not verified":   {h: &bootstrap.HostKeys{Off: true, Pinned: pinned(true, other.PublicKey())}, pins: "-"},
	} {
		t.Run(name, func(t *testing.T) {
			pins := "-"
			c.h.Pin = func(ks []bootstrap.PinnedKey) error {
				var s []string
				for _, k := range ks {
					s = append(s, fmt.Sprintf("%s:%v", strings.Fields(k.Key)[0], k.Verified))
				}
				pins = strings.Join(s, " ")
				return nil
			}
			n := newNotes()
			cfg := cfg
			cfg.HostKeys, cfg.Report = c.h, n
			client, err := bootstrap.Dial(t.Context(), cfg)
			if err == nil {
				client.Close()
			}
			var hk *bootstrap.HostKeyError
			switch {
			case c.problem == "" && err != nil:
				t.Errorf("got %v", err)
			case c.problem != "" && (!errors.As(err, &hk) || hk.Problem != c.problem):
				t.Errorf("got %v, want the host key to be %s", err, c.problem)
			case c.problem != "" && (hk.Hint() == "" || !strings.Contains(err.Error(), "SHA256:")):
				t.Errorf("says too little: %v (%s)", err, hk.Hint())
			}
			if pins != c.pins {
				t.Errorf("pinned %q, want %q", pins, c.pins)
			}
			if n.has("warn", "has changed") != c.warns {
				t.Errorf("reported:\n%s", n)
			}
		})
	}
}

func TestHostKeyIsAskedForOnce(t *testing.T) {
	key, _ := sshtest.Key(t)
	_, cfg := fixture(t, sshtest.Options{HostKeys: []ssh.Signer{key}})
	var asked atomic.Int64
	h := &bootstrap.HostKeys{Source: func(context.Context) ([]string, error) {
		asked.Add(1)
		return []string{line(key.PublicKey())}, nil
	}}
	cfg.HostKeys = h
	for range 3 {
		dial(t, cfg).Close()
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestChangedHostKeyEndsTheWait(t *testing.T) {
	other, _ := sshtest.Key(t)
	_, cfg := fixture(t, sshtest.Options{})
	cfg.HostKeys = &bootstrap.HostKeys{Pinned: []bootstrap.PinnedKey{{Key: line(other.PublicKey())}}}
	_, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{})
	var hk *bootstrap.HostKeyError
	if !errors.As(err, &hk) || !strings.Contains(hk.Hint(), "--no-host-key-verify") {
		t.Errorf("got %v", err)
	}
}

func TestPinFails(t *testing.T) {
	_, cfg := fixture(t, sshtest.Options{})
	full := errors.New("disk full")
	cfg.HostKeys = &bootstrap.HostKeys{Pin: func([]bootstrap.PinnedKey) error { return full }}
	if _, err := bootstrap.Dial(t.Context(), cfg); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestKnownHosts(t *testing.T) {
	keys := hostKeys(t)
	_, inner := fixture(t, sshtest.Options{})
	gw := sshtest.Start(t, sshtest.Options{HostKeys: keys, Password: "p"})
	other, _ := sshtest.Key(t)
	at := fmt.Sprintf("[%s]:%d ", gw.Host, gw.Port)
	for name, c := range map[string]struct {
		text, err string
	}{
		"unknown":              {"", ""},
		"known":                {at + line(keys[2].PublicKey()), ""},
		"known by another key": {at + line(keys[0].PublicKey()), ""},
		"changed":              {at + line(other.PublicKey()), "has changed"},
		"revoked":              {"@revoked " + at + line(keys[2].PublicKey()), "revoked"},
		"unreadable":           {at + "nonsense", "known_hosts cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), []byte(c.text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := inner
			cfg.Home = home
			cfg.Gateways = []bootstrap.Hop{{Host: gw.Host, Port: gw.Port, User: "u", Password: "p"}}
			client, err := bootstrap.Dial(t.Context(), cfg)
			if err == nil {
				client.Close()
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}

// A key that nobody knows is taken only where that is allowed, and is known
// from then on.
func TestUnknownHostKey(t *testing.T) {
	srv := sshtest.Start(t, sshtest.Options{Password: "pw"})
	file := filepath.Join(t.TempDir(), "ssh", "known_hosts")
	take, asked := false, 0
	dial := func() error {
		keys := &bootstrap.HostKeys{KnownHosts: []string{file}, Unknown: func(_ context.Context, addr, key, described string) (bool, error) {
			asked++
			if !strings.Contains(described, "SHA256:") {
				t.Errorf("described as %q", described)
			}
			if take {
				return true, bootstrap.RememberHost(file, addr, key)
			}
			return false, nil
		}}
		c, err := bootstrap.Dial(t.Context(), bootstrap.Config{
			Hop:    bootstrap.Hop{Host: srv.Host, Port: srv.Port, User: "kim", Password: "pw", HostKeys: keys},
			Getenv: func(string) string { return "" }, Home: t.TempDir(), Agent: "none",
		})
		if err == nil {
			c.Close()
		}
		return err
	}
	err := dial()
	var unknown *bootstrap.HostKeyError
	if !errors.As(err, &unknown) || unknown.Problem != bootstrap.HostKeyUnknown || !strings.Contains(unknown.Hint(), "accept_new") {
		t.Errorf("error %v", err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("# no line end"), 0o600)); err != nil {
		t.Fatal(err)
	}
	take = true
	for range 2 {
		if err := dial(); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}
