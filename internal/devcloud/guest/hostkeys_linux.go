package guest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// hostKeyKinds are the kinds of keys in the order the console log shows them.
var hostKeyKinds = []string{"rsa", "ecdsa", "ed25519"}

func hostKeyPath(kind string) string { return "/etc/ssh/ssh_host_" + kind + "_key" }

// makeHostKeys writes the SSH server's keys that a new machine makes for
// itself, those that are cheap to make, in place of its image's.
func makeHostKeys(t tree, host string) error {
	for _, kind := range append([]string{"dsa"}, hostKeyKinds...) {
		_ = os.Remove(t.at(hostKeyPath(kind)))
		_ = os.Remove(t.at(hostKeyPath(kind) + ".pub"))
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	for kind, key := range map[string]any{"ed25519": ed, "ecdsa": ec} {
		block, err := ssh.MarshalPrivateKey(key, "root@"+host)
		if err != nil {
			return err
		}
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			return err
		}
		public := publicLine(signer, host) + "\n"
		if err := errors.Join(
			t.write(hostKeyPath(kind), pem.EncodeToMemory(block), 0o600), t.write(hostKeyPath(kind)+".pub", []byte(public), 0o644),
		); err != nil {
			return err
		}
	}
	return nil
}

func publicLine(k ssh.Signer, host string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))) + " root@" + host
}

// loadHostKeys reads the keys as sshd does.
func loadHostKeys(t tree) ([]ssh.Signer, error) {
	var out []ssh.Signer
	for _, kind := range hostKeyKinds {
		private, err := t.read(hostKeyPath(kind))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		signer, err := ssh.ParsePrivateKey(private)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", hostKeyPath(kind), err)
		}
		out = append(out, signer)
	}
	if len(out) == 0 {
		return nil, errors.New("there are none in /etc/ssh")
	}
	return out, nil
}

// showHostKeys prints the keys on the console as cloud-init does, whose lines
// clients look for.
func showHostKeys(keys []ssh.Signer, c *console, host string) {
	line := func(s string) { c.line("<14>" + c.start.Format("Jan _2 15:04:05") + " cloud-init: " + s) }
	line(strings.Repeat("#", 61))
	line("-----BEGIN SSH HOST KEY FINGERPRINTS-----")
	for _, k := range keys {
		pub := k.PublicKey()
		kind, bits := "ED25519", 256
		switch p := pub.(ssh.CryptoPublicKey).CryptoPublicKey().(type) {
		case *ecdsa.PublicKey:
			kind, bits = "ECDSA", p.Curve.Params().BitSize
		case interface{ Size() int }:
			kind, bits = "RSA", p.Size()*8
		}
		line(fmt.Sprintf("%d %s root@%s (%s)", bits, ssh.FingerprintSHA256(pub), host, kind))
	}
	line("-----END SSH HOST KEY FINGERPRINTS-----")
	line(strings.Repeat("#", 61))
	c.line("-----BEGIN SSH HOST KEY KEYS-----")
	for _, k := range keys {
		c.line(publicLine(k, host))
	}
	c.line("-----END SSH HOST KEY KEYS-----")
}
