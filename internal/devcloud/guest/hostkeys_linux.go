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
	"strings"

	"golang.org/x/crypto/ssh"
)

// hostKey is one of the SSH server's keys.
type hostKey struct {
	signer  ssh.Signer
	comment string
}

type hostKeys []hostKey

// hostKeyKinds are the kinds of keys in the order the console log shows them.
var hostKeyKinds = []string{"rsa", "ecdsa", "ed25519"}

func hostKeyPath(kind string) string { return "/etc/ssh/ssh_host_" + kind + "_key" }

// makeHostKeys writes the keys that a new machine makes for itself: those that
// are cheap to make. An RSA key is there when user_data brings one.
func makeHostKeys(t tree, host string) error {
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
		if err := writeHostKey(t, kind, pem.EncodeToMemory(block), "root@"+host); err != nil {
			return err
		}
	}
	return nil
}

// writeHostKey installs a private key, in any form that OpenSSH writes, and
// the public key beside it.
func writeHostKey(t tree, kind string, private []byte, comment string) error {
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return fmt.Errorf("host key %s: %w", kind, err)
	}
	if got := signer.PublicKey().Type(); !strings.Contains(got, kind) {
		return fmt.Errorf("host key %s: the key given is of type %s", kind, got)
	}
	if err := t.write(hostKeyPath(kind), private, 0o600); err != nil {
		return err
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " " + comment + "\n"
	return t.write(hostKeyPath(kind)+".pub", []byte(public), 0o644)
}

// loadHostKeys reads the keys as sshd does.
func loadHostKeys(t tree) (hostKeys, error) {
	var out hostKeys
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
		k := hostKey{signer: signer}
		if public, err := t.read(hostKeyPath(kind) + ".pub"); err == nil {
			if f := strings.Fields(string(public)); len(f) > 2 {
				k.comment = f[2]
			}
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil, errors.New("there are none in /etc/ssh")
	}
	return out, nil
}

// show prints the keys on the console as cloud-init does, whose lines clients
// look for.
func (ks hostKeys) show(c *console, host string) {
	line := func(s string) { c.line("<14>" + c.start.Format("Jan _2 15:04:05") + " cloud-init: " + s) }
	line(strings.Repeat("#", 61))
	line("-----BEGIN SSH HOST KEY FINGERPRINTS-----")
	for _, k := range ks {
		pub := k.signer.PublicKey()
		kind, bits := "ED25519", 256
		switch p := pub.(ssh.CryptoPublicKey).CryptoPublicKey().(type) {
		case *ecdsa.PublicKey:
			kind, bits = "ECDSA", p.Curve.Params().BitSize
		case interface{ Size() int }:
			kind, bits = "RSA", p.Size()*8
		}
		comment := k.comment
		if comment == "" {
			comment = "root@" + host
		}
		line(fmt.Sprintf("%d %s %s (%s)", bits, ssh.FingerprintSHA256(pub), comment, kind))
	}
	line("-----END SSH HOST KEY FINGERPRINTS-----")
	line(strings.Repeat("#", 61))
	c.line("-----BEGIN SSH HOST KEY KEYS-----")
	for _, k := range ks {
		comment := k.comment
		if comment == "" {
			comment = "root@" + host
		}
		c.line(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.signer.PublicKey()))) + " " + comment)
	}
	c.line("-----END SSH HOST KEY KEYS-----")
}
