package session

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Limits of the HTTP layer.
const (
	// maxBody bounds one answer. Nothing that Galley asks for
	// is larger than a page of a listing or a console log.
	maxBody = 64 << 20
	// inFlight is how many requests one connection to a cloud has open at once.
	inFlight = 16
	// busyTries is how often a request is sent in all when the cloud says that
	// it is busy, brokenTries when the connection breaks, failedTries when the
	// cloud fails with a 500.
	busyTries   = 7
	brokenTries = 4
	failedTries = 3
	backoffMin  = 200 * time.Millisecond
	backoffMax  = 10 * time.Second
	// longestRetryAfter is the longest pause that is kept when the cloud asks
	// for one.
	longestRetryAfter = 2 * time.Minute
	// restartPatience is how long a service that answered before may refuse
	// connections, restartPause the longest pause meanwhile, and restartNotice
	// the attempt after which the user hears of it.
	restartPatience = 20 * time.Second
	restartPause    = 2 * time.Second
	restartNotice   = 4
	// slowNotice is how long an answer may take before the user hears of it.
	slowNotice = 5 * time.Second
	// silentTries is how often a request is sent to a service that takes it and
	// does not answer: each takes the whole read timeout.
	silentTries = 2
)

// silentError is an endpoint that took the request and then said nothing.
type silentError struct{ after time.Duration }

func (e *silentError) Error() string { return "no answer within " + e.after.String() }
func (e *silentError) Timeout() bool { return true }

// exchange is the HTTP layer under gophercloud: it paces, repeats what may be
// repeated, keeps tokens to the hosts of the catalogue, and logs without
// secrets.
type exchange struct {
	base        http.RoundTripper
	readTimeout time.Duration
	debug       func(format string, args ...any)
	trace       func(ctx context.Context, what string, took time.Duration)
	pace        pacer
	slots       chan struct{}
	calls       atomic.Int64
	// identityHost is the host of the identity service.
	identityHost string
	// reached says that some service has answered.
	reached atomic.Bool
	// notice tells the user that a request takes longer; may be nil.
	notice func(format string, args ...any)
	// firstPause is the pause before the first repetition; it doubles.
	firstPause time.Duration

	mu    sync.Mutex
	hosts map[string]string // host:port -> scheme
}

func newExchange(a credentials.Auth, o Options) (*exchange, error) {
	tlsConfig, err := tlsConfig(a)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: a.Connecting(), KeepAlive: 30 * time.Second}
	write := a.Writing()
	return &exchange{
		base: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return &writeLimited{Conn: c, limit: write}, nil
			},
			TLSClientConfig:     tlsConfig,
			TLSHandshakeTimeout: a.Connecting(),
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: inFlight,
			IdleConnTimeout:     90 * time.Second,
		},
		readTimeout: a.Reading(),
		debug:       o.Debug,
		trace:       o.Trace,
		notice:      o.Notice,
		slots:       make(chan struct{}, inFlight),
		firstPause:  backoffMin,
		pace:        pacer{least: gapMin},
		hosts:       map[string]string{},
	}, nil
}

// allow lets the token go to the host of u.
func (x *exchange) allow(raw string) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hosts[u.Host] != "https" {
		x.hosts[u.Host] = u.Scheme
	}
}

type repeatableKey struct{}

// Repeatable marks the requests made with the context as safe to repeat
// although their method does not say so, as logins and reading the console.
func Repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

func mayRepeat(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodPut:
		return true
	}
	marked, _ := req.Context().Value(repeatableKey{}).(bool)
	return marked
}

// RoundTrip implements http.RoundTripper.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	req, err := x.guard(req)
	if err != nil {
		return nil, err
	}
	ctx := req.Context()
	tries := x.startTries()
	for try := 1; ; try++ {
		if err := x.pace.wait(ctx); err != nil {
			return nil, err
		}
		resp, err := x.once(req, try)
		if ctx.Err() != nil {
			// The plain reason: a context may carry another one's error as its
			// cause, which must not pass for the outcome of this request.
			return nil, ctx.Err()
		}
		x.adapt(resp)
		attempts, after := tries.next(req, resp, err)
		if err != nil && req.URL.Host != x.identityHost {
			err = &serviceError{err}
		}
		if attempts == nil {
			return resp, err
		}
		cause := err
		if cause == nil {
			cause = errNotRepeated
		}
		if attempts.Wait(ctx, cause, after) != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return resp, err // the last attempt's outcome
		}
		if req, err = rewind(req); err != nil {
			return nil, err
		}
	}
}

// serviceError is a failed connection to a service that the catalogue names,
// which the auth URL is not to blame for.
type serviceError struct{ err error }

func (e *serviceError) Error() string { return e.err.Error() }
func (e *serviceError) Unwrap() error { return e.err }

// errNotRepeated is the cause for an answer that the policy does not repeat any more.
var errNotRepeated = errors.New("the cloud is busy")

// tries counts the failures of one request by their kind: each has a policy of
// its own.
type tries struct{ broken, refused, silent, busy, failed *retry.Attempts }

func (x *exchange) startTries() tries {
	policy := func(attempts int) *retry.Attempts {
		return retry.Policy{Attempts: attempts, First: x.firstPause, Max: backoffMax, LongestAfter: longestRetryAfter}.Start()
	}
	t := tries{broken: policy(brokenTries), silent: policy(silentTries), busy: policy(busyTries), failed: policy(failedTries)}
	if t.refused = t.broken; x.reached.Load() {
		// The service answered before: it may be starting again.
		p := retry.Policy{Attempts: 100, First: x.firstPause, Max: restartPause, Budget: restartPatience}
		p.OnPause = func(p retry.Pause) {
			if p.Attempt == restartNotice && x.notice != nil {
				x.notice("an API of the cloud refuses connections (%v): trying again for up to %s", p.Cause, restartPatience)
			}
		}
		t.refused = p.Start()
	}
	return t
}

// next returns which policy decides whether the request is sent again, with the
// pause that the cloud asked for; nil for an outcome that stands:
//
//	outcome                                 repeated
//	no connection, refused before sending   any method; a service that answered before is waited for
//	connection broke                        GET, HEAD, PUT, DELETE and marked requests
//	no answer within the read timeout       the same, once
//	certificate, unknown host               never
//	429, 498, 413 with Retry-After          any method: turned away at the door; not for a quota
//	502, 503, 504                           GET, HEAD, PUT, DELETE and marked requests
//	500                                     the same, twice
func (t tries) next(req *http.Request, resp *http.Response, err error) (*retry.Attempts, time.Duration) {
	repeatable := mayRepeat(req)
	if err != nil {
		switch {
		case certificateTrouble(err):
			return nil, 0
		case neverSent(err):
			return t.refused, 0
		case repeatable && errors.As(err, new(*silentError)):
			return t.silent, 0
		case repeatable:
			return t.broken, 0
		}
		return nil, 0
	}
	after, asked := retry.After(resp.Header, time.Now())
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == 498, code == http.StatusRequestEntityTooLarge && asked:
		// Old Nova and Cinder limit with 413.
		if !quotaAnswer(resp) {
			return t.busy, after
		}
	case repeatable && (code == http.StatusBadGateway || code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout):
		return t.busy, after
	case repeatable && code == http.StatusInternalServerError:
		return t.failed, 0
	}
	return nil, 0
}

// adapt has the pace follow what the cloud says of its load.
func (x *exchange) adapt(resp *http.Response) {
	if resp == nil {
		return
	}
	x.reached.Store(true)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == 498, code == http.StatusRequestEntityTooLarge, code >= 502 && code <= 504:
		x.pace.slower()
	case code < 500:
		x.pace.faster()
	}
}

// quotaAnswer tells Cinder's 413 for a quota from the one for a rate.
func quotaAnswer(resp *http.Response) bool {
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		return false
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return strings.Contains(strings.ToLower(string(body)), "quota")
}

func certificateTrouble(err error) bool {
	var verify *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var dns *net.DNSError
	return errors.As(err, &verify) || errors.As(err, &header) || errors.As(err, &dns) && dns.IsNotFound ||
		strings.Contains(err.Error(), "HTTP response to HTTPS client")
}

// guard keeps the token to the hosts that the catalogue names. Clouds behind
// a TLS proxy give links to further pages with the wrong scheme; they are
// mended here.
func (x *exchange) guard(req *http.Request) (*http.Request, error) {
	x.mu.Lock()
	scheme, known := x.hosts[req.URL.Host]
	x.mu.Unlock()
	if !known {
		return nil, fmt.Errorf("%s is not an endpoint of this cloud: the token is not sent there", req.URL.Host)
	}
	if scheme == req.URL.Scheme || scheme != "https" {
		return req, nil
	}
	req = req.Clone(req.Context())
	req.URL.Scheme = scheme
	return req, nil
}

func rewind(req *http.Request) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("the request cannot be repeated")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body = body
	return req, nil
}

// once sends the request one time and reads the answer whole, so that an
// answer cut short is an error that can be repeated.
func (x *exchange) once(req *http.Request, try int) (*http.Response, error) {
	select {
	case x.slots <- struct{}{}:
		defer func() { <-x.slots }()
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	x.calls.Add(1)
	began := time.Now()
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	silence := time.AfterFunc(x.readTimeout, func() { cancel(&silentError{x.readTimeout}) })
	defer silence.Stop()
	if x.notice != nil {
		slow := time.AfterFunc(min(slowNotice, x.readTimeout/2), func() {
			x.notice("waiting for the answer of %s to %s since %s (up to %s)", req.URL.Host, req.Method, began.Format(time.TimeOnly), x.readTimeout)
		})
		defer slow.Stop()
	}

	resp, err := x.base.RoundTrip(req.WithContext(ctx))
	if err == nil {
		var body []byte
		body, err = io.ReadAll(&touching{r: io.LimitReader(resp.Body, maxBody), touch: func() { silence.Reset(x.readTimeout) }})
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if err == nil && resp.ContentLength > int64(len(body)) {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil && req.Context().Err() == nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
	}
	x.log(req, resp, err, try, time.Since(began))
	if x.trace != nil {
		x.trace(req.Context(), traceLine(req, resp, err), time.Since(began))
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

type touching struct {
	r     io.Reader
	touch func()
}

func (t *touching) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.touch()
	return n, err
}

// pacer spaces the requests to one cloud: not at all while it answers, more
// and more when it says that it is busy.
type pacer struct {
	mu sync.Mutex
	// least is the first gap that is kept.
	least time.Duration
	gap   time.Duration
	next  time.Time
}

const (
	gapMin = 50 * time.Millisecond
	gapMax = 2 * time.Second
)

func (p *pacer) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.gap)
	p.mu.Unlock()
	return retry.Sleep(ctx, at.Sub(now))
}

func (p *pacer) slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(max(p.gap*2, p.least), gapMax)
}

func (p *pacer) faster() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = p.gap * 3 / 4
	if p.gap < p.least/2 {
		p.gap = 0
	}
}

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

func (x *exchange) log(req *http.Request, resp *http.Response, err error, try int, took time.Duration) {
	if x.debug == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", req.Method, req.URL.Redacted())
	if body := redactedBody(req); body != "" {
		b.WriteString(" " + body)
	}
	if try > 1 {
		fmt.Fprintf(&b, " (try %d)", try)
	}
	if err != nil {
		fmt.Fprintf(&b, " -> %v", err)
	} else {
		fmt.Fprintf(&b, " -> %d", resp.StatusCode)
		if id := resp.Header.Get("X-Openstack-Request-Id"); id != "" {
			b.WriteString(" " + id)
		}
	}
	fmt.Fprintf(&b, " in %s", took.Round(time.Millisecond))
	x.debug("%s", b.String())
}

// traceLine is a request and its outcome in a few words.
func traceLine(req *http.Request, resp *http.Response, err error) string {
	outcome := "no answer"
	if err == nil {
		outcome = strconv.Itoa(resp.StatusCode)
	}
	return req.Method + " " + req.URL.Path + ": " + outcome
}

// redactedBody gives the JSON body of a request with its secrets hidden. Of a
// login nothing is shown.
func redactedBody(req *http.Request) string {
	if req.GetBody == nil || strings.HasSuffix(req.URL.Path, "/tokens") {
		return ""
	}
	r, err := req.GetBody()
	if err != nil {
		return ""
	}
	defer r.Close()
	var v any
	if json.NewDecoder(io.LimitReader(r, 1<<20)).Decode(&v) != nil {
		return ""
	}
	out, err := json.Marshal(hide(v))
	if err != nil {
		return ""
	}
	const most = 2000
	return text.Shorten(string(out), most)
}

var secretKeys = map[string]bool{
	"adminpass": true, "password": true, "user_data": true, "secret": true, "private_key": true, "token": true, "personality": true,
}

func hide(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if secretKeys[strings.ToLower(k)] {
				v[k] = secret.Redacted
			} else {
				v[k] = hide(v[k])
			}
		}
	case []any:
		for i := range v {
			v[i] = hide(v[i])
		}
	}
	return v
}
