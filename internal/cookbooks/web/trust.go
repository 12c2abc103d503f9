package web

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
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

// HTTP returns a client with the proxies and, unless t says otherwise, the
// certificates of the environment.
func HTTP(t Trust) *http.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // nobody replaces it
	if err := t.Apply(tr); err != nil {
		tr.Proxy = func(*http.Request) (*url.URL, error) { return nil, err } // so every request fails
	}
	return &http.Client{Transport: tr}
}
