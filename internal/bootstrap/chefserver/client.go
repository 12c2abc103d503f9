package chefserver

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Client talks to one Chef Server, or one organization of it.
type Client struct {
	// Retry says how requests that failed are repeated; see [Client.exchange]
	// for which. New sets it to [DefaultRetry].
	Retry retry.Policy
	// Waiting is called every second while an answer is outstanding; it may be
	// nil.
	Waiting func(what, detail string, since time.Time)

	base   *url.URL
	http   *http.Client
	signer *Signer
	now    func() time.Time
	// api is the API version to ask for, "" for the usual one.
	api string
}

// DefaultRetry is five attempts within some three seconds (knife:
// http_retry_count).
var DefaultRetry = retry.Policy{Attempts: 5, First: 200 * time.Millisecond, Max: 2 * time.Second}

// New returns a client of the server at serverURL, as chef_server_url has it
// (with /organizations/NAME where the server has organizations). A nil
// httpClient is one with sensible time limits.
func New(serverURL string, signer *Signer, httpClient *http.Client) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(serverURL, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("chef_server_url %q is not an http or https URL", secret.URL(serverURL))
	}
	if httpClient == nil {
		httpClient = &http.Client{Timeout: 60 * time.Second}
	}
	own := *httpClient
	// A redirected request would have to be signed again; see send.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{Retry: DefaultRetry, base: u, http: &own, signer: signer, now: time.Now}, nil
}

// Error is an answer of the server that reports a failure.
type Error struct {
	Method, URL string
	Status      int
	// Messages are the server's own words.
	Messages []string
}

func (e *Error) Error() string {
	msg := strings.Join(e.Messages, "; ")
	if msg == "" {
		msg = http.StatusText(e.Status)
	}
	return fmt.Sprintf("the Chef Server answered %s %s with %d: %s", e.Method, secret.URL(e.URL), e.Status, msg)
}

// Hint tells what an answer usually means.
func (e *Error) Hint() string {
	switch e.Status {
	case http.StatusProxyAuthRequired:
		return "a proxy on the way wants a login: write it into http_proxy and https_proxy, or name the server in no_proxy"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "the Chef Server, or the proxy in front of it, is out of order: try again later"
	case http.StatusUnauthorized:
		return "check node_name and client_key in knife.rb or credentials, and this machine's clock"
	case http.StatusForbidden:
		return "the user is known but may not do this: ask for the right in the organization"
	case http.StatusNotFound:
		// A server that names the missing object was reached at the right place.
		if len(e.Messages) > 0 && !strings.Contains(strings.Join(e.Messages, " "), "organization") {
			return ""
		}
		return "check chef_server_url: does it end in /organizations/NAME?"
	}
	return ""
}

// EmptyError tells of a success without the body that belongs to it, which is
// how some servers answer for what they do not have (goiardi: organizations,
// policies).
type EmptyError struct{ Method, URL string }

func (e *EmptyError) Error() string {
	return fmt.Sprintf("the Chef Server answered %s %s with an empty body: it does not have this part of the API", e.Method, secret.URL(e.URL))
}

// RedirectError tells that the server sends a request to another place, where
// it is not followed: it is signed for this server alone.
type RedirectError struct{ From, To string }

func (e *RedirectError) Error() string {
	return fmt.Sprintf("the Chef Server redirects %s to %s, which is not followed", secret.URL(e.From), text.CleanLine(secret.URL(e.To).String()))
}

// Hint names the setting.
func (e *RedirectError) Hint() string {
	return "set chef_server_url to the server's own address, with the right scheme and host"
}

// NameError refuses a name that would lead to another object.
type NameError struct{ Kind, Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("%q cannot be the name of a %s", e.Name, e.Kind)
}

// Hint says what a name looks like.
func (e *NameError) Hint() string { return "letters, digits and the characters . _ : - make a name" }

// IsNotFound reports whether err is the server's answer that the object does
// not exist.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// NotFound reports whether the object does not exist.
func (e *Error) NotFound() bool { return e.Status == http.StatusNotFound }

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// AtAPI returns a client of the same server that asks for another version of
// the API: cookbooks are described by one list of files from version 2 on.
func (c *Client) AtAPI(version string) *Client {
	d := *c
	d.api = version
	return &d
}

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
