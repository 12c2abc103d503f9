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
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the HTTP layer.
const (
	// maxBody bounds what is read of one answer. Nothing that Galley asks for
	// is larger than a page of a listing or a console log.
	maxBody = 64 << 20
	// inFlight is how many requests one connection to a cloud has open at once.
	inFlight = 16
	// busyTries is how often a request is sent in all when the cloud says that
	// it is busy, brokenTries when the connection breaks.
	busyTries   = 7
	brokenTries = 4
	backoffMin  = 200 * time.Millisecond
	backoffMax  = 10 * time.Second
	// longestRetryAfter is the longest pause that is kept when the cloud asks
	// for one.
	longestRetryAfter = 2 * time.Minute
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
	pace        pacer
	slots       chan struct{}
	calls       atomic.Int64
	// firstPause is the pause before the first repetition; it doubles.
	firstPause time.Duration

	mu    sync.Mutex
	hosts map[string]string // host:port -> scheme
}

func newExchange(a Auth, debug func(string, ...any)) (*exchange, error) {
	tlsConfig, err := a.tlsConfig()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: a.connectTimeout(), KeepAlive: 30 * time.Second}
	write := a.writeTimeout()
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
			TLSHandshakeTimeout: a.connectTimeout(),
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: inFlight,
			IdleConnTimeout:     90 * time.Second,
		},
		readTimeout: a.readTimeout(),
		debug:       debug,
		slots:       make(chan struct{}, inFlight),
		firstPause:  backoffMin,
		pace:        pacer{least: gapMin},
		hosts:       map[string]string{},
	}, nil
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

func (a Auth) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.Insecure} //nolint:gosec // on the user's explicit word
	if a.CACert != "" {
		pem, err := os.ReadFile(a.CACert)
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificate authorities of OS_CACERT: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, Fail(Invalid, "use OS_CACERT", fmt.Sprintf("%s holds no PEM certificate", a.CACert), "")
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
	again := mayRepeat(req)
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
		var pause time.Duration
		switch {
		case err != nil:
			if try >= brokenTries || !again && !neverSent(err) || certificateTrouble(err) {
				return nil, err
			}
			pause = x.backoff(try)
		case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == 498 ||
			resp.StatusCode == http.StatusRequestEntityTooLarge && resp.Header.Get("Retry-After") != "":
			// Turned away at the door: nothing was done, whatever the method.
			// Old Nova and Cinder limit with 413.
			x.pace.slower()
			if try >= busyTries || quotaAnswer(resp) {
				return resp, nil
			}
			pause = max(retryAfter(resp), x.backoff(try))
		case again && (resp.StatusCode == 503 || resp.StatusCode == 502 || resp.StatusCode == 504):
			x.pace.slower()
			if try >= busyTries {
				return resp, nil
			}
			pause = max(retryAfter(resp), x.backoff(try))
		case again && resp.StatusCode == 500 && try < 3:
			pause = x.backoff(try)
		default:
			if resp.StatusCode < 500 {
				x.pace.faster()
			}
			return resp, nil
		}
		if pause > longestRetryAfter {
			return resp, err
		}
		if werr := Sleep(ctx, pause); werr != nil {
			return nil, werr
		}
		if req, err = rewind(req); err != nil {
			return nil, err
		}
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
		return nil, fmt.Errorf("%s is no endpoint of this cloud: the token is not sent there", req.URL.Host)
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

func (x *exchange) log(req *http.Request, resp *http.Response, err error, try int, took time.Duration) {
	if x.debug == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", req.Method, req.URL.Redacted())
	if text := redactedBody(req); text != "" {
		b.WriteString(" " + text)
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
	if len(out) > most {
		out = append(out[:most], "…"...)
	}
	return string(out)
}

var secretKeys = map[string]bool{
	"adminpass": true, "password": true, "user_data": true, "secret": true, "private_key": true, "token": true, "personality": true,
}

func hide(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if secretKeys[strings.ToLower(k)] {
				v[k] = redacted
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

func (x *exchange) backoff(try int) time.Duration {
	d := min(x.firstPause<<(try-1), backoffMax)
	return d/2 + rand.N(d/2+1)
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(resp *http.Response) time.Duration {
	h := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if h == "" {
		return 0
	}
	if s, err := strconv.Atoi(h); err == nil {
		return time.Duration(max(s, 0)) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// Sleep waits for d or the context.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
	return Sleep(ctx, at.Sub(now))
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
