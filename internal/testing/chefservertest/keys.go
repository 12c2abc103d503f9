package chefservertest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"sync"
)

// primes are those of the keys that the doubles of one process hand out, and
// the two of them that the next key is made of. To find new ones for each key
// took a third of the tests' processor time.
var primes struct {
	sync.Mutex
	all  []*big.Int
	i, j int // i < j
}

// newKey returns an RSA key that nobody else has: two keys have one prime in
// common at most.
func newKey() ([]byte, *rsa.PublicKey, error) {
	primes.Lock()
	defer primes.Unlock()
	if primes.j == 0 || primes.j == len(primes.all) {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, nil, err
		}
		primes.all, primes.j = append(primes.all, k.Primes...), max(primes.j, 1)
	}
	p, q := primes.all[primes.i], primes.all[primes.j]
	if primes.i++; primes.i == primes.j {
		primes.i, primes.j = 0, primes.j+1
	}
	one, e := big.NewInt(1), big.NewInt(65537)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())},
		D:         new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q},
	}
	k.Precompute()
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}
	return pem.EncodeToMemory(block), &k.PublicKey, nil
}
