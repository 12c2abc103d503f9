package session

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/galleyhq/galley/internal/credentials"
)

// writeLimited gives each write its own deadline.
type writeLimited struct {
	net.Conn
	limit time.Duration
}

func (c *writeLimited) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func tlsConfig(a credentials.Auth) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.Insecure} //nolint:gosec // on the user's explicit word
	if a.CACert != "" {
		pem, err := os.ReadFile(a.CACert)
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificate authorities of %s: %w", a.CACertFrom, err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, Fail(Invalid, "use "+a.CACertFrom, fmt.Sprintf("%s holds no PEM certificate", a.CACert), "")
		}
		c.RootCAs = pool
	}
	if a.Cert != "" {
		key := a.Key
		if key == "" {
			key = a.Cert
		}
		pair, err := tls.LoadX509KeyPair(a.Cert, key)
		if err != nil {
			return nil, fmt.Errorf("cannot load the client certificate of OS_CERT and OS_KEY: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
