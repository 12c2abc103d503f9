package bootstrap

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

type oneAnswer struct{ text string }

func (o oneAnswer) Prompt(context.Context, string, bool) (string, error) { return o.text, nil }

// TestEncryptedPKCS8 reads what openssl writes.
func TestEncryptedPKCS8(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs openssl to make the keys")
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key     crypto.Signer
		options string
	}{
		"ed25519, aes-256":         {ed, "-v2 aes-256-cbc"},
		"rsa, aes-128 and SHA-1":   {rs, "-v2 aes-128-cbc -v2prf hmacWithSHA1"},
		"ecdsa, aes-192, SHA-512":  {ec, "-v2 aes-192-cbc -v2prf hmacWithSHA512"},
		"rsa, triple DES":          {rs, "-v2 des3"},
		"ed25519, many iterations": {ed, "-v2 aes-256-cbc -iter 50000"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			der, err := x509.MarshalPKCS8PrivateKey(c.key)
			if err != nil {
				t.Fatal(err)
			}
			in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
			if err := os.WriteFile(in, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"pkcs8", "-topk8", "-in", in, "-out", out, "-passout", "pass:secret"}, strings.Fields(c.options)...)
			if text, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
				t.Skipf("openssl: %v\n%s", err, text)
			}
			want, err := ssh.NewSignerFromSigner(c.key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := NewKeyRing(oneAnswer{"secret"}).Signer(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.PublicKey().Marshal()) != string(want.PublicKey().Marshal()) {
				t.Error("another key came out")
			}
			if _, err := NewKeyRing(oneAnswer{"wrong"}).Signer(t.Context(), out); err == nil || !strings.Contains(err.Error(), "wrong three times") {
				t.Errorf("a wrong passphrase: %v", err)
			}
			if _, err := NewKeyRing(nil).Signer(t.Context(), out); err == nil || !strings.Contains(err.Error(), "no terminal") {
				t.Errorf("without a terminal: %v", err)
			}
			// With the public half beside it, nothing is asked until the key
			// is needed.
			if err := os.WriteFile(out+".pub", ssh.MarshalAuthorizedKey(want.PublicKey()), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := NewKeyRing(nil).Signer(t.Context(), out); err != nil {
				t.Errorf("with its public half: %v", err)
			}
		})
	}
}

func FuzzDecryptPKCS8(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x00})
	f.Fuzz(func(_ *testing.T, der []byte) {
		if len(der) < 4096 {
			_, _ = decryptPKCS8(der, []byte("x"))
		}
	})
}

func FuzzParseJumps(f *testing.F) {
	for _, s := range []string{"me@gw:22,[::1]:2", "ssh://a/", "@,:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hops, err := ParseJumps(s)
		if err == nil && len(hops) == 0 {
			t.Error("no gateway and no error")
		}
		for _, h := range hops {
			if h.Host == "" || h.Port < 0 || h.Port > 65535 {
				t.Errorf("%q gives %+v", s, h)
			}
		}
	})
}
