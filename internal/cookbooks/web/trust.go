package web

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// Trust says which certificates of servers are accepted. The zero value leaves
// that to the environment.
type Trust struct {
	// Insecure accepts every certificate.
	Insecure bool
	// CAFile has the only authorities that are accepted, unless empty.
	CAFile string
}

// Apply changes a transport accordingly.
func (t Trust) Apply(to *http.Transport) error {
	if t == (Trust{}) {
		return nil
	}
	conf := &tls.Config{} //nolint:gosec // the version is Go's default
	if to.TLSClientConfig != nil {
		conf = to.TLSClientConfig.Clone()
	}
	conf.InsecureSkipVerify = conf.InsecureSkipVerify || t.Insecure
	if t.CAFile != "" {
		data, err := os.ReadFile(t.CAFile)
		if err != nil {
			return fmt.Errorf("the certificates of authorities: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(data) {
			return fmt.Errorf("%s has no certificate in PEM form", t.CAFile)
		}
	}
	to.TLSClientConfig = conf
	return nil
}

// transport is base with the trust, or what refuses every request.
func (t Trust) transport(base *http.Transport) http.RoundTripper {
	if t == (Trust{}) {
		return base
	}
	other := base.Clone()
	if err := t.Apply(other); err != nil {
		return refusing{err}
	}
	return other
}

type refusing struct{ err error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.err }
