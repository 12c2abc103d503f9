package bootstrap

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
)

// maxKeyFile bounds the size of a key file, in bytes.
const maxKeyFile = 1 << 20

// KeyRing reads private keys and remembers them, so that the passphrase of an
// encrypted key is asked once, however many machines it opens. It is safe for
// concurrent use.
type KeyRing struct {
	prompt Prompter

	mu      sync.Mutex
	entries map[string]*keyEntry
	// asking keeps questions for the user one after the other.
	asking chan struct{}
}

type keyEntry struct {
	mu     sync.Mutex
	signer ssh.Signer
	locked *lockedKey
}

// NewKeyRing returns an empty key ring. Passphrases are asked through p; with
// a nil p an encrypted key is an error, unless an agent holds it.
func NewKeyRing(p Prompter) *KeyRing {
	return &KeyRing{prompt: p, entries: map[string]*keyEntry{}, asking: make(chan struct{}, 1)}
}

// Signer returns the private key in the file path: OpenSSH's own format, PEM
// (PKCS#1, SEC 1) or PKCS#8, each encrypted or not. The passphrase of an
// encrypted key is asked for only when the key's public half is not known
// without it; otherwise it is asked for when a server accepts the key.
func (k *KeyRing) Signer(ctx context.Context, path string) (ssh.Signer, error) {
	k.mu.Lock()
	e := k.entries[path]
	if e == nil {
		e = &keyEntry{}
		k.entries[path] = e
	}
	k.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.locked != nil {
		return &lockedSigner{ctx: ctx, key: e.locked}, nil
	}
	if e.signer != nil {
		return e.signer, nil
	}
	data, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	s, err := ssh.ParsePrivateKey(data)
	if err == nil {
		e.signer = s
		return s, nil
	}
	if !encrypted(data, err) {
		return nil, keyError(path, data, err)
	}
	var missing *ssh.PassphraseMissingError
	var pub ssh.PublicKey
	if errors.As(err, &missing) {
		pub = missing.PublicKey
	}
	if pub == nil {
		pub = publicHalf(path)
	}
	if pub == nil {
		s, err := k.unlock(ctx, path, data)
		if err != nil {
			return nil, err
		}
		e.signer = s
		return s, nil
	}
	e.locked = &lockedKey{pub: pub, open: func(ctx context.Context) (ssh.Signer, error) { return k.unlock(ctx, path, data) }}
	return &lockedSigner{ctx: ctx, key: e.locked}, nil
}

// PlainPEM returns the private key in data, which was read from path, as
// PKCS#8 in PEM form and not encrypted any more. Data is of any form that
// [KeyRing.Signer] reads; a passphrase is asked for at once.
func (k *KeyRing) PlainPEM(ctx context.Context, path string, data []byte) ([]byte, error) {
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil && encrypted(data, err) {
		key, err = k.ask(ctx, path, data)
		if err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, keyError(path, data, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, keyError(path, data, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// isSealed reports whether the key file at path is encrypted and shows nothing
// of the key in it, not even the public half, and has not been opened yet.
func (k *KeyRing) isSealed(path string) bool {
	k.mu.Lock()
	e := k.entries[path]
	k.mu.Unlock()
	if e != nil {
		e.mu.Lock()
		known := e.signer != nil || e.locked != nil
		e.mu.Unlock()
		if known {
			return false
		}
	}
	data, err := readKeyFile(path)
	if err != nil {
		return false
	}
	_, err = ssh.ParsePrivateKey(data)
	var missing *ssh.PassphraseMissingError
	return err != nil && encrypted(data, err) && !(errors.As(err, &missing) && missing.PublicKey != nil) && publicHalf(path) == nil
}

func (k *KeyRing) unlock(ctx context.Context, path string, data []byte) (ssh.Signer, error) {
	key, err := k.ask(ctx, path, data)
	if err != nil {
		return nil, err
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, keyError(path, data, err)
	}
	return s, nil
}

// ask asks for the passphrase, three times at most as ssh does, and returns
// the key.
func (k *KeyRing) ask(ctx context.Context, path string, data []byte) (any, error) {
	if k.prompt == nil {
		return nil, &ConfigError{
			Msg:    fmt.Sprintf("the key %s is encrypted, and there is no terminal to ask for its passphrase", path),
			Advice: "add it to an agent first: ssh-add " + posix.Quote(path),
			sealed: path,
		}
	}
	select {
	case k.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-k.asking }()
	for range 3 {
		phrase, err := k.prompt.Prompt(ctx, fmt.Sprintf("Enter passphrase for key '%s': ", path), false)
		if err != nil {
			return nil, fmt.Errorf("asking for the passphrase of %s: %w", path, err)
		}
		key, err := decrypt(data, []byte(phrase))
		if err == nil {
			return key, nil
		}
		if !errors.Is(err, errPassphrase) {
			return nil, keyError(path, data, err)
		}
	}
	return nil, &ConfigError{
		Msg:    fmt.Sprintf("the passphrase of the key %s was wrong three times", path),
		Advice: "try it with: ssh-keygen -y -f " + path,
	}
}

var errPassphrase = errors.New("wrong passphrase")

func decrypt(data, phrase []byte) (any, error) {
	if b, _ := pem.Decode(data); b != nil && b.Type == "ENCRYPTED PRIVATE KEY" {
		return decryptPKCS8(b.Bytes, phrase)
	}
	if len(phrase) == 0 {
		return nil, errPassphrase
	}
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(data, phrase)
	if err != nil && (strings.Contains(err.Error(), "decryption password incorrect") || strings.Contains(err.Error(), "asn1:")) {
		// A wrong passphrase of an old PEM key shows as garbage in one case
		// out of 256, which its parser calls malformed.
		return nil, errPassphrase
	}
	return key, err
}

func encrypted(data []byte, err error) bool {
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) {
		return true
	}
	b, _ := pem.Decode(data)
	return b != nil && b.Type == "ENCRYPTED PRIVATE KEY"
}

func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &ConfigError{
			Msg: fmt.Sprintf("the key file %s cannot be read: %s", path, causeOf(err)), Err: err,
			Advice: "name the private key in the transport section: ssh_key",
		}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, &ConfigError{Msg: fmt.Sprintf("the key file %s cannot be read: %s", path, causeOf(err)), Err: err}
	}
	return data, nil
}

func causeOf(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// keyError explains why a key file that could be read is not usable.
func keyError(path string, data []byte, err error) error {
	e := &ConfigError{Msg: fmt.Sprintf("the file %s holds no usable private key: %s", path, strings.TrimPrefix(err.Error(), "ssh: ")), Err: err}
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		e.Msg = fmt.Sprintf("the key file %s is empty", path)
	case bytes.HasPrefix(data, []byte("PuTTY-User-Key-File")):
		e.Msg = fmt.Sprintf("the key file %s is in PuTTY's format", path)
		e.Advice = "convert it with PuTTYgen: Conversions, Export OpenSSH key"
	case isPublicKey(data):
		e.Msg = fmt.Sprintf("the file %s holds a public key, and no agent has its private half", path)
		e.Advice = "name the private key, usually the same path without .pub"
	case bytes.Contains(data, []byte("BEGIN CERTIFICATE")):
		e.Msg = fmt.Sprintf("the file %s holds a certificate, not a private key", path)
	}
	return e
}

func isPublicKey(data []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(data)
	return err == nil
}

// publicHalf reads the public key beside the private key path, or in path
// itself. It returns nil when there is none.
func publicHalf(path string) ssh.PublicKey {
	for _, p := range []string{path + ".pub", path} {
		data, err := readKeyFile(p)
		if err != nil {
			continue
		}
		if pub, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
			return pub
		}
	}
	return nil
}

// certificate returns the certificate beside the private key path, as
// ssh-keygen -s names it, or nil.
func certificate(path string) *ssh.Certificate {
	data, err := readKeyFile(strings.TrimSuffix(path, ".pub") + "-cert.pub")
	if err != nil {
		return nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil
	}
	c, _ := pub.(*ssh.Certificate)
	return c
}

// lockedKey is an encrypted key whose public half is known.
type lockedKey struct {
	pub  ssh.PublicKey
	open func(context.Context) (ssh.Signer, error)

	mu     sync.Mutex
	opened ssh.Signer
}

// unlocked returns the key, asking for its passphrase the first time.
func (k *lockedKey) unlocked(ctx context.Context) (ssh.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened == nil {
		s, err := k.open(ctx)
		if err != nil {
			return nil, err
		}
		k.opened = s
	}
	return k.opened, nil
}

// lockedSigner signs with a lockedKey for as long as ctx lives. The passphrase
// is asked for at the first signature.
type lockedSigner struct {
	ctx context.Context
	key *lockedKey
}

func (l *lockedSigner) PublicKey() ssh.PublicKey { return l.key.pub }

func (l *lockedSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return l.SignWithAlgorithm(rand, data, l.key.pub.Type())
}

func (l *lockedSigner) SignWithAlgorithm(rand io.Reader, data []byte, algo string) (*ssh.Signature, error) {
	s, err := l.key.unlocked(l.ctx)
	if err != nil {
		return nil, err
	}
	as, ok := s.(ssh.AlgorithmSigner)
	if !ok {
		return s.Sign(rand, data)
	}
	return as.SignWithAlgorithm(rand, data, algo)
}

// defaultKeyFiles are the keys that are tried where none is named, those that
// exist; ssh(1), IdentityFile.
func defaultKeyFiles(home string) []string {
	if home == "" {
		return nil
	}
	var found []string
	for _, n := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		p := filepath.Join(home, ".ssh", n)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			found = append(found, p)
		}
	}
	return found
}
