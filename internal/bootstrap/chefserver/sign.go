package chefserver

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Protocol is a version of the signed-header protocol.
type Protocol string

// The protocols. 1.3 signs a SHA-256 digest, the older ones the canonical
// request itself.
const (
	Protocol10 Protocol = "1.0"
	Protocol11 Protocol = "1.1"
	Protocol13 Protocol = "1.3"
)

// apiVersion is the X-Ops-Server-API-Version that is asked for: 1 has the
// server make key pairs on request (create_key).
const apiVersion = "1"

// signatureLine is the length of one X-Ops-Authorization-N header.
const signatureLine = 60

// Signer signs requests in the name of a user or client.
type Signer struct {
	// Name is the user's or client's name.
	Name string
	// Protocol is the version to sign by; 1.3 when empty.
	Protocol Protocol
	key      *rsa.PrivateKey
}

// String names the signer without its key.
func (s *Signer) String() string { return s.Name }

// NewSigner returns a signer with the RSA private key in pemKey (PKCS#1 or
// PKCS#8, without a passphrase).
func NewSigner(name string, pemKey []byte, p Protocol) (*Signer, error) {
	key, err := parseKey(pemKey)
	if err != nil {
		return nil, fmt.Errorf("the key of %s: %w", name, err)
	}
	switch p {
	case "":
		p = Protocol13
	case Protocol10, Protocol11, Protocol13:
	default:
		return nil, fmt.Errorf("authentication protocol %q is unknown: it is 1.0, 1.1 or 1.3", p)
	}
	return &Signer{Name: name, Protocol: p, key: key}, nil
}

func parseKey(data []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("it is not in PEM form")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		if block.Headers["Proc-Type"] != "" {
			return nil, errors.New("it is protected by a passphrase")
		}
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		rk, ok := k.(*rsa.PrivateKey)
		if !ok {
			return nil, errors.New("it is no RSA key, the only kind that a Chef Server knows")
		}
		return rk, nil
	}
	return nil, fmt.Errorf("it is a %q, not an RSA private key", block.Type)
}

// sign adds the authentication headers for a request with that body.
func (s *Signer) sign(req *http.Request, body []byte, now time.Time) error {
	const version = "X-Ops-Server-API-Version"
	if req.Header.Get(version) == "" {
		req.Header.Set(version, apiVersion)
	}
	r := canonical{
		protocol: s.Protocol,
		method:   req.Method,
		path:     req.URL.Path,
		user:     s.Name,
		time:     now.UTC().Format("2006-01-02T15:04:05Z"),
		api:      req.Header.Get(version),
	}
	r.content = r.digest(body)
	sig, err := s.signature(r)
	if err != nil {
		return fmt.Errorf("signing for %s: %w", s.Name, err)
	}
	algorithm := "sha1"
	if s.Protocol == Protocol13 {
		algorithm = "sha256"
	}
	h := req.Header
	h.Set("X-Ops-Sign", fmt.Sprintf("algorithm=%s;version=%s;", algorithm, s.Protocol))
	h.Set("X-Ops-Userid", s.Name)
	h.Set("X-Ops-Timestamp", r.time)
	h.Set("X-Ops-Content-Hash", r.content)
	for i := 0; len(sig) > 0; i++ {
		n := min(signatureLine, len(sig))
		h.Set("X-Ops-Authorization-"+strconv.Itoa(i+1), sig[:n])
		sig = sig[n:]
	}
	return nil
}

// canonical is what of a request is signed.
type canonical struct {
	protocol                               Protocol
	method, path, content, user, time, api string
}

func (c canonical) digest(data []byte) string {
	if c.protocol == Protocol13 {
		sum := sha256.Sum256(data)
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	sum := sha1.Sum(data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// String returns the canonical request, whose form depends on the protocol.
func (c canonical) String() string {
	// Repeated and trailing slashes are not signed.
	p := path.Clean("/" + c.path)
	method := strings.ToUpper(c.method)
	if c.protocol == Protocol13 {
		return "Method:" + method +
			"\nPath:" + p +
			"\nX-Ops-Content-Hash:" + c.content +
			"\nX-Ops-Sign:version=1.3" +
			"\nX-Ops-Timestamp:" + c.time +
			"\nX-Ops-UserId:" + c.user +
			"\nX-Ops-Server-API-Version:" + c.api
	}
	user := c.user
	if c.protocol == Protocol11 {
		user = c.digest([]byte(user))
	}
	return "Method:" + method +
		"\nHashed Path:" + c.digest([]byte(p)) +
		"\nX-Ops-Content-Hash:" + c.content +
		"\nX-Ops-Timestamp:" + c.time +
		"\nX-Ops-UserId:" + user
}

func (s *Signer) signature(c canonical) (string, error) {
	text := []byte(c.String())
	var (
		sig []byte
		err error
	)
	if c.protocol == Protocol13 {
		sum := sha256.Sum256(text)
		sig, err = rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	} else {
		// The older protocols pad and encrypt the text as it is.
		sig, err = rsa.SignPKCS1v15(rand.Reader, s.key, 0, text)
	}
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}
