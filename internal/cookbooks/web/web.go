package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Client makes requests.
type Client struct {
	// HTTP is the client underneath.
	HTTP *http.Client
	// Offline refuses every request.
	Offline bool
	// UserAgent is sent with every request, unless empty.
	UserAgent string
	// Login returns who asks a host, "" for nobody; may be nil. It is used for
	// requests without credentials.
	Login func(host string) (user string, password secret.Text)
	// Policy says how often a request is repeated; the zero value is three
	// attempts within some seconds.
	Policy retry.Policy
	// Meter counts what comes; may be nil.
	Meter *Meter
}

// stallAfter is how long an answer may bring nothing.
const stallAfter = 30 * time.Second

var defaultPolicy = retry.Policy{
	Attempts:     3,
	First:        200 * time.Millisecond,
	Max:          2 * time.Second,
	Budget:       2 * time.Minute,
	LongestAfter: 30 * time.Second,
}

// Error tells that something could not be fetched.
type Error struct {
	// What was wanted, as "the list of cookbooks".
	What string
	URL  secret.URL
	// Status is the code of the answer, 0 where there was none.
	Status int
	// Broken says that an answer came that cannot be used.
	Broken bool
	Err    error
}

func (e *Error) Error() string {
	switch {
	case e.Status != 0 && e.Err != nil:
		return fmt.Sprintf("fetching %s from %s: it answered %d: %v", e.What, e.URL, e.Status, e.Err)
	case e.Status != 0:
		return fmt.Sprintf("fetching %s from %s: it answered %d %s", e.What, e.URL, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("fetching %s from %s: %v", e.What, e.URL, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint tells what to look at.
func (e *Error) Hint() string {
	switch {
	case errors.Is(e.Err, ErrOffline):
		return "leave --offline out, so that it can be fetched"
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return "the source wants a key: ARTIFACTORY_API_KEY or ARTIFACTORY_IDENTITY_TOKEN for Artifactory, node_name and client_key of knife's configuration for a Chef Server, ~/.netrc for others"
	case e.Status == http.StatusNotFound:
		return "check the source's URL"
	case e.Status >= 500 || e.Status == http.StatusTooManyRequests:
		return "the source is out of order; try again later, or name another one"
	case e.Status == 0 && retry.Transient(e.Err):
		return "check the URL, the network and the proxy (HTTPS_PROXY, NO_PROXY), or work from the cache with --offline"
	}
	return ""
}

// ErrOffline is wrapped by errors for what would need the network.
var ErrOffline = errors.New("it is not in the cache, and the network may not be used")

// Request is one request.
type Request struct {
	// What names it in errors, as "the list of cookbooks".
	What string
	URL  string
	// Header is added to the request; may be nil.
	Header http.Header

	method string // "" is GET
	body   []byte
}

// Put sends data to an address.
func (c *Client) Put(ctx context.Context, r Request, data []byte) error {
	r.method, r.body = http.MethodPut, data
	return c.Get(ctx, r, func(*http.Response) error { return nil })
}

// Get makes a request and gives the answer's body to read, which it calls
// again when an attempt fails on the way. An answer that is not a success is
// an [*Error], but for 304, whose body is empty.
func (c *Client) Get(ctx context.Context, r Request, read func(resp *http.Response) error) error {
	fail := func(status int, err error) error {
		return &Error{What: r.What, URL: secret.URL(r.URL), Status: status, Err: err}
	}
	if c.Offline {
		return fail(0, ErrOffline)
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fail(0, errors.New("that is not an http or https URL"))
	}
	defer c.Meter.Wait(r.What + " from " + u.Hostname())()
	policy := c.Policy
	if policy.Attempts == 0 {
		policy = defaultPolicy
	}
	err = policy.Do(ctx, func(ctx context.Context) error { return c.attempt(ctx, r, fail, read) })
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *Client) attempt(ctx context.Context, r Request, fail func(int, error) error, read func(resp *http.Response) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), r.URL, body)
	if err != nil {
		return fail(0, err)
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	if c.Login != nil && req.URL.User == nil && req.Header.Get("Authorization") == "" {
		if user, password := c.Login(req.URL.Hostname()); user != "" || password != "" {
			req.SetBasicAuth(user, password.Reveal())
		}
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL is in our own error
		}
		return again(fail(0, err), err, 0)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotModified && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		var said error
		if s := words(resp); s != "" {
			said = errors.New(s)
		}
		err := fail(resp.StatusCode, said)
		if retry.Status(resp.StatusCode) {
			after, _ := retry.After(resp.Header, time.Now())
			return retry.Again(err, after)
		}
		return err
	}
	stall := time.AfterFunc(stallAfter, func() { cancel(fmt.Errorf("nothing came for %v", stallAfter)) })
	defer stall.Stop()
	resp.Body = &watched{ReadCloser: resp.Body, stall: stall, meter: c.Meter}
	err = read(resp)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err == nil {
		return nil
	}
	return again(fail(0, err), err, 0)
}

// again marks errors of the connection, which may be gone at the next try.
func again(err, cause error, after time.Duration) error {
	if retry.Transient(cause) || errors.Is(cause, io.ErrUnexpectedEOF) {
		return retry.Again(err, after)
	}
	return err
}

// watched puts off the end of a request that stalls with everything it reads.
type watched struct {
	io.ReadCloser
	stall *time.Timer
	meter *Meter
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.stall.Reset(stallAfter)
		w.meter.add(n)
	}
	return n, err
}

// words are those of an answer that is not a success, where they are plain
// enough to be shown.
func words(resp *http.Response) string {
	if strings.Contains(resp.Header.Get("Content-Type"), "html") {
		return ""
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
	if err != nil {
		return ""
	}
	return text.Shorten(text.CleanLine(string(data)), 300)
}
