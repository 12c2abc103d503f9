package chefserver

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"

	"github.com/galleyhq/galley/internal/secret"
)

// ReachError tells that a Chef Server could not be reached or not be trusted.
type ReachError struct {
	// URL is the server, as configured.
	URL string
	Err error
}

// Error implements error.
func (e *ReachError) Error() string {
	err := e.Err
	var u *url.Error
	if errors.As(err, &u) { // it repeats method and address
		err = u.Err
	}
	return fmt.Sprintf("the Chef Server at %s cannot be reached: %v", secret.URL(e.URL), err)
}

// Unwrap returns the cause.
func (e *ReachError) Unwrap() error { return e.Err }

// Hint tells what to look at.
func (e *ReachError) Hint() string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		dns     *net.DNSError
	)
	switch {
	case errors.As(e.Err, &unknown):
		return "put the server's certificate, in PEM form, into the trusted_certs folder beside knife.rb"
	case errors.As(e.Err, &host):
		return "chef_server_url must name the server as its certificate does"
	case errors.As(e.Err, &invalid):
		return "check the server's certificate, and this machine's clock"
	case errors.As(e.Err, &dns), errors.Is(e.Err, syscall.ECONNREFUSED):
		return "check chef_server_url, and that the server runs"
	}
	return ""
}
