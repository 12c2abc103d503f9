package chefserver

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// HTTPOptions say how a Chef Server is reached.
type HTTPOptions struct {
	// Insecure skips the check of the server's certificate (chef:
	// ssl_verify_mode :verify_none without verify_api_cert).
	Insecure bool
	// TrustedCertsDir holds certificates, *.crt and *.pem, to trust beside
	// the system's (chef: trusted_certs_dir). "" is none.
	TrustedCertsDir string
	// CAFile and CADir hold certificates to trust instead of the system's
	// (chef: ssl_ca_file, ssl_ca_path).
	CAFile, CADir string
	// HTTPProxy, HTTPSProxy and NoProxy are as the variables of their names.
	HTTPProxy, HTTPSProxy, NoProxy string
}

// HTTPClient returns a client with time limits for [New].
func HTTPClient(o HTTPOptions) (*http.Client, error) {
	pool, err := o.roots()
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: 5 * time.Minute, // chef: rest_timeout
		Transport: &http.Transport{
			Proxy:                 o.proxy,
			DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   30 * time.Second,
			ResponseHeaderTimeout: 2 * time.Minute,
			IdleConnTimeout:       time.Minute,
			ForceAttemptHTTP2:     true,
			TLSClientConfig:       &tls.Config{RootCAs: pool, InsecureSkipVerify: o.Insecure}, //nolint:gosec // asked for by name
		},
	}, nil
}

// proxy says through which proxy a request goes, nil for none.
func (o HTTPOptions) proxy(r *http.Request) (*url.URL, error) {
	address := o.HTTPProxy
	if r.URL.Scheme == "https" {
		address = o.HTTPSProxy
	}
	if address == "" || o.direct(r.URL.Hostname()) {
		return nil, nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the %s proxy is not a valid address", r.URL.Scheme) // it may hold a password
	}
	return u, nil
}

// direct says whether no_proxy has a host: a name covers what ends in it, and
// a port does not count (chef-config: FuzzyHostnameMatcher).
func (o HTTPOptions) direct(host string) bool {
	for _, pattern := range strings.FieldsFunc(o.NoProxy, func(r rune) bool { return r == ',' || r == ' ' }) {
		pattern, _, _ = strings.Cut(pattern, ":")
		if ok, err := path.Match("*"+strings.TrimPrefix(pattern, "*"), host); ok && err == nil {
			return true
		}
	}
	return false
}

// roots are the certificates to trust, nil for the system's.
func (o HTTPOptions) roots() (*x509.CertPool, error) {
	if o.CAFile == "" && o.CADir == "" && o.TrustedCertsDir == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if o.CAFile == "" && o.CADir == "" {
		if system, err := x509.SystemCertPool(); err == nil {
			pool = system
		}
	}
	if o.CAFile != "" {
		if err := addCertificates(pool, o.CAFile); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{o.CADir, o.TrustedCertsDir} {
		if dir == "" {
			continue
		}
		files, err := certificateFiles(dir, dir == o.CADir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if err := addCertificates(pool, f); err != nil {
				return nil, err
			}
		}
	}
	return pool, nil
}

// certificateFiles are a directory's *.crt and *.pem; with all also the
// hashed names, as abcdef01.0, of an OpenSSL directory.
func certificateFiles(dir string, all bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) && !all {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the trusted certificates: %w", err)
	}
	var files []string
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		st, err := os.Stat(file)
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		switch ext := strings.ToLower(filepath.Ext(file)); {
		case ext == ".crt", ext == ".pem", all && ext == ".0":
			files = append(files, file)
		}
	}
	return files, nil
}

func addCertificates(pool *x509.CertPool, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading a trusted certificate: %w", err)
	}
	if !pool.AppendCertsFromPEM(data) {
		return fmt.Errorf("the file %s holds no certificate in PEM form", file)
	}
	return nil
}
