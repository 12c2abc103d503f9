package chefservertest

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
)

func TestKeysAreValidAndDifferent(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 40 {
		text, public, err := newKey()
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Validate(); err != nil {
			t.Fatal(err)
		}
		if !key.PublicKey.Equal(public) || seen[public.N.String()] {
			t.Fatalf("key %d is another one's", len(seen)+1)
		}
		seen[public.N.String()] = true
	}
}
